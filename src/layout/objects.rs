//! What the objects of plain C types refer to: for each type its struct and the members that its `tp_traverse` visits.
//!
//! A type whose objects are more than a struct with members (dict, set, deque, code, frame …) has a reader of its own. Which
//! members a version has, and where, is layout data like any other; that a type is really made of this struct is checked
//! against its `tp_basicsize` before anything is read by it.

/// A C type whose objects are a struct.
#[derive(Debug)]
pub(crate) struct Object {
    /// The types made of it, by the names that Python has for them.
    pub(crate) types: &'static [&'static str],
    /// The struct's tag or the name of its `typedef`: any of these.
    pub(crate) tags: &'static [&'static str],
    /// The members that refer to objects, with the step to them in Python. Those that a version lacks are passed over.
    pub(crate) visits: &'static [(&'static str, &'static str)],
}

const fn object(
    types: &'static [&'static str],
    tags: &'static [&'static str],
    visits: &'static [(&'static str, &'static str)],
) -> Object {
    Object { types, tags, visits }
}

/// All that are known. Sources: the `*_traverse` functions of `Objects/*.c` and `Modules/*.c`, 3.6 to 3.15.
pub(crate) const OBJECTS: &[Object] = &[
    object(
        &["builtins.function"],
        &["PyFunctionObject"],
        &[
            ("func_code", ".__code__"),
            ("func_globals", ".__globals__"),
            ("func_builtins", ".__builtins__"),
            ("func_module", ".__module__"),
            ("func_defaults", ".__defaults__"),
            ("func_kwdefaults", ".__kwdefaults__"),
            ("func_doc", ".__doc__"),
            ("func_name", ".__name__"),
            ("func_dict", ".__dict__"),
            ("func_closure", ".__closure__"),
            ("func_annotations", ".__annotations__"),
            ("func_annotate", ".__annotate__"),
            ("func_typeparams", ".__type_params__"),
            ("func_qualname", ".__qualname__"),
        ],
    ),
    object(&["builtins.method"], &["PyMethodObject"], &[("im_func", ".__func__"), ("im_self", ".__self__")]),
    object(&["builtins.cell"], &["PyCellObject"], &[("ob_ref", ".cell_contents")]),
    object(
        &["builtins.builtin_function_or_method"],
        &["PyCFunctionObject"],
        &[("m_self", ".__self__"), ("m_module", ".__module__")],
    ),
    object(
        &["builtins.property"],
        &["propertyobject"],
        &[
            ("prop_get", ".fget"),
            ("prop_set", ".fset"),
            ("prop_del", ".fdel"),
            ("prop_doc", ".__doc__"),
            ("prop_name", ".__name__"),
        ],
    ),
    object(&["builtins.staticmethod"], &["staticmethod"], &[("sm_callable", ".__func__"), ("sm_dict", ".__dict__")]),
    object(&["builtins.classmethod"], &["classmethod"], &[("cm_callable", ".__func__"), ("cm_dict", ".__dict__")]),
    object(
        &[
            "builtins.method_descriptor",
            "builtins.classmethod_descriptor",
            "builtins.member_descriptor",
            "builtins.getset_descriptor",
            "builtins.wrapper_descriptor",
        ],
        &["PyDescrObject"],
        &[("d_type", ".__objclass__")],
    ),
    object(&["builtins.mappingproxy"], &["mappingproxyobject"], &[("mapping", ".copy")]),
];

//! Which offsets we want of CPython's structs, what we call them, and where each version has them.
//!
//! The one list that DWARF, the tables and `_Py_DebugOffsets` are read by; what the plain objects are made of is in
//! [`super::objects`], what objects own outside of their struct in [`library`]. Sources: `Include/internal/pycore_runtime.h`, `pycore_interp.h` (3.14: `pycore_interp_structs.h`),
//! `pycore_gil.h`, `pycore_gc.h`, `pycore_dict.h`, `pycore_frame.h` (3.14: `pycore_interpframe_structs.h`),
//! `Include/cpython/*.h`, of 3.6 to 3.15.

mod library;

/// A struct whose fields we want.
#[derive(Debug)]
pub(super) struct Structure {
    /// Its tag or the name of its `typedef` in C: any of these.
    pub(super) tags: &'static [&'static str],
    /// Fields without which a struct of that tag is someone else's.
    pub(super) marks: &'static [&'static str],
    pub(super) need: Need,
    pub(super) fields: &'static [Field],
}

/// Which versions cannot do without a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    All,
    /// 3.6 keeps the same things in statics.
    From37,
    /// There are versions without it.
    None,
}

/// One offset: the struct's member that has one of these paths is meant, the first there is. An empty path is the struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) paths: &'static [&'static str],
    /// The member's size instead of its offset.
    pub(super) size: bool,
}

const fn at(name: &'static str, paths: &'static [&'static str]) -> Field {
    Field { name, paths, size: false }
}

const fn size(name: &'static str, paths: &'static [&'static str]) -> Field {
    Field { name, paths, size: true }
}

/// The struct's own size.
const fn whole(name: &'static str) -> Field {
    size(name, &[""])
}

/// Those of the interpreter, in the order the tables have them.
const STRUCTURES: &[Structure] = &[
    Structure {
        tags: &["pyruntimestate"],
        marks: &["runtime.interpreters_head", "runtime.interpreters_main"],
        need: Need::From37,
        fields: &[
            // Nested in `_PyRuntime` from 3.7 to 3.11; each interpreter points to its own from 3.12 on.
            at("runtime.gil", &["ceval.gil"]),
            at("runtime.tstate_current", &["gilstate.tstate_current"]),
            at("runtime.main_thread", &["main_thread", "ceval.pending.main_thread"]),
            at("runtime.main_tstate", &["main_tstate"]),
            at("runtime.interpreters_head", &["interpreters.head"]),
            at("runtime.interpreters_main", &["interpreters.main"]),
            at("runtime.gil_drop_request", &["ceval.gil_drop_request"]),
            at("runtime.eval_breaker", &["ceval.eval_breaker"]),
            at("runtime.finalizing", &["finalizing", "_finalizing"]),
            at("runtime.gc_collecting", &["gc.collecting"]),
            at("runtime.gc_generations", &["gc.generations"]),
            at("runtime.gc_permanent", &["gc.permanent_generation"]),
            // A `PyThread_type_lock`, that is a pointer, until 3.12; then a `PyMutex`, one byte.
            at("runtime.pending_lock", &["ceval.pending.lock", "ceval.pending_mainthread.lock"]),
            at("runtime.pending_mutex", &["ceval.pending_mainthread.mutex"]),
        ],
    },
    Structure {
        tags: &["_is"],
        marks: &["interp.next", "interp.threads_head"],
        need: Need::All,
        fields: &[
            at("interp.next", &["next"]),
            at("interp.threads_head", &["threads.head", "tstate_head"]),
            at("interp.gil", &["ceval.gil"]),
            at("interp.gil_drop_request", &["ceval.gil_drop_request"]),
            at("interp.eval_breaker", &["ceval.eval_breaker"]),
            at("interp.gc_collecting", &["gc.collecting"]),
            // 3.14.0 to 3.14.4: `young` and two `old`, in the same three places.
            at("interp.gc_generations", &["gc.generations", "gc.young"]),
            at("interp.gc_permanent", &["gc.permanent_generation"]),
            at("interp.pending_lock", &["ceval.pending.lock"]),
            at("interp.pending_mutex", &["ceval.pending.mutex"]),
            at("interp.modules", &["imports.modules", "modules"]),
            // From 3.12 on the static types of the core keep their dicts here.
            at("interp.static_types", &["types.builtins.initialized", "types.builtins"]),
            at("interp.extension_types", &["types.for_extensions.initialized"]),
        ],
    },
    Structure {
        tags: &["managed_static_type_state", "static_builtin_state"],
        marks: &["static_type.dict"],
        need: Need::None,
        fields: &[at("static_type.type", &["type"]), at("static_type.dict", &["tp_dict"]), whole("static_type.size")],
    },
    Structure {
        tags: &["_ts"],
        marks: &["tstate.prev", "tstate.next", "tstate.interp", "tstate.thread_id"],
        need: Need::All,
        fields: &[
            at("tstate.prev", &["prev"]),
            at("tstate.next", &["next"]),
            at("tstate.interp", &["interp"]),
            at("tstate.thread_id", &["thread_id"]),
            at("tstate.native_thread_id", &["native_thread_id"]),
            at("tstate.eval_breaker", &["eval_breaker"]),
            // To 3.10 a frame object; 3.11 and 3.12 by way of a struct on the C stack.
            at("tstate.frame", &["frame"]),
            at("tstate.cframe", &["cframe"]),
            at("tstate.current_frame", &["current_frame"]),
        ],
    },
    Structure {
        tags: &["_PyCFrame", "_cframe"],
        marks: &["cframe.current_frame"],
        need: Need::None,
        fields: &[at("cframe.current_frame", &["current_frame"])],
    },
    Structure {
        tags: &["_gil_runtime_state"],
        marks: &["gil.last_holder", "gil.locked", "gil.mutex"],
        need: Need::From37,
        fields: &[
            at("gil.last_holder", &["last_holder"]),
            at("gil.locked", &["locked"]),
            at("gil.mutex", &["mutex"]),
            size("gil.mutex.size", &["mutex"]),
            at("gil.cond", &["cond"]),
            size("gil.cond.size", &["cond"]),
            at("gil.switch_mutex", &["switch_mutex"]),
            size("gil.switch_mutex.size", &["switch_mutex"]),
            at("gil.switch_cond", &["switch_cond"]),
            size("gil.switch_cond.size", &["switch_cond"]),
        ],
    },
    Structure { tags: &["gc_generation"], marks: &[], need: Need::All, fields: &[whole("gc_generation.size")] },
    Structure {
        tags: &["_gc_head", "PyGC_Head"],
        marks: &[],
        need: Need::All,
        fields: &[
            at("gc_head.next", &["_gc_next", "gc.gc_next"]),
            at("gc_head.prev", &["_gc_prev", "gc.gc_prev"]),
            at("gc_head.refs", &["gc.gc_refs"]),
            whole("gc_head.size"),
        ],
    },
    Structure {
        tags: &["_object"],
        marks: &["object.type"],
        need: Need::All,
        fields: &[at("object.refcnt", &["ob_refcnt"]), at("object.type", &["ob_type"]), whole("object.size")],
    },
    Structure {
        tags: &["PyVarObject"],
        marks: &["object.length"],
        need: Need::All,
        fields: &[at("object.length", &["ob_size"])],
    },
    Structure {
        tags: &["_typeobject"],
        marks: &["type.name", "type.basicsize"],
        need: Need::All,
        fields: &[
            at("type.name", &["tp_name"]),
            at("type.basicsize", &["tp_basicsize"]),
            at("type.itemsize", &["tp_itemsize"]),
            at("type.flags", &["tp_flags"]),
            at("type.traverse", &["tp_traverse"]),
            at("type.weaklistoffset", &["tp_weaklistoffset"]),
            at("type.members", &["tp_members"]),
            at("type.base", &["tp_base"]),
            at("type.dict", &["tp_dict"]),
            at("type.dictoffset", &["tp_dictoffset"]),
            at("type.bases", &["tp_bases"]),
            at("type.mro", &["tp_mro"]),
            at("type.cache", &["tp_cache"]),
            at("type.subclasses", &["tp_subclasses"]),
            whole("type.size"),
        ],
    },
    Structure {
        tags: &["_heaptypeobject"],
        marks: &["heaptype.qualname"],
        need: Need::All,
        fields: &[
            at("heaptype.name", &["ht_name"]),
            at("heaptype.slots", &["ht_slots"]),
            at("heaptype.qualname", &["ht_qualname"]),
            at("heaptype.cached_keys", &["ht_cached_keys"]),
            at("heaptype.module", &["ht_module"]),
            whole("heaptype.size"),
        ],
    },
    Structure {
        tags: &["PyMemberDef"],
        marks: &["member.name"],
        need: Need::All,
        fields: &[
            at("member.name", &["name"]),
            at("member.type", &["type"]),
            at("member.offset", &["offset"]),
            at("member.flags", &["flags"]),
            whole("member.size"),
        ],
    },
    Structure {
        tags: &["PyDictObject"],
        marks: &["dict.keys"],
        need: Need::All,
        fields: &[
            at("dict.used", &["ma_used"]),
            at("dict.keys", &["ma_keys"]),
            at("dict.values", &["ma_values"]),
            whole("dict.size"),
        ],
    },
    Structure {
        tags: &["_dictkeysobject"],
        marks: &["keys.nentries"],
        need: Need::All,
        fields: &[
            // To 3.10 the number of slots itself; then logarithms of it and of the bytes of the index.
            at("keys.table_size", &["dk_size"]),
            at("keys.log2_size", &["dk_log2_size"]),
            at("keys.log2_index_bytes", &["dk_log2_index_bytes"]),
            at("keys.kind", &["dk_kind"]),
            at("keys.usable", &["dk_usable"]),
            at("keys.nentries", &["dk_nentries"]),
            at("keys.indices", &["dk_indices"]),
        ],
    },
    Structure {
        tags: &["_dictvalues"],
        marks: &["values.items"],
        need: Need::None,
        fields: &[
            at("values.capacity", &["capacity"]),
            at("values.length", &["size"]),
            at("values.embedded", &["embedded"]),
            at("values.valid", &["valid"]),
            at("values.items", &["values"]),
            whole("values.size"),
        ],
    },
    Structure {
        tags: &["PyListObject"],
        marks: &["list.items"],
        need: Need::All,
        fields: &[at("list.items", &["ob_item"]), at("list.allocated", &["allocated"]), whole("list.size")],
    },
    Structure {
        tags: &["PyTupleObject"],
        marks: &["tuple.items"],
        need: Need::All,
        fields: &[at("tuple.items", &["ob_item"])],
    },
    Structure {
        tags: &["PySetObject"],
        marks: &["set.table"],
        need: Need::All,
        fields: &[
            at("set.fill", &["fill"]),
            at("set.used", &["used"]),
            at("set.mask", &["mask"]),
            at("set.table", &["table"]),
            at("set.small_table", &["smalltable"]),
            at("set.weakrefs", &["weakreflist"]),
            whole("set.size"),
        ],
    },
    Structure {
        tags: &["PyASCIIObject"],
        marks: &["str.length"],
        need: Need::All,
        fields: &[at("str.length", &["length"]), at("str.state", &["state"]), whole("str.ascii_size")],
    },
    Structure {
        tags: &["PyCompactUnicodeObject"],
        marks: &["str.utf8"],
        need: Need::All,
        fields: &[
            at("str.utf8_length", &["utf8_length"]),
            at("str.utf8", &["utf8"]),
            at("str.wstr_length", &["wstr_length"]),
            whole("str.compact_size"),
        ],
    },
    Structure {
        tags: &["PyUnicodeObject"],
        marks: &["str.data"],
        need: Need::All,
        fields: &[at("str.data", &["data"]), at("str.wstr", &["_base._base.wstr"]), whole("str.size")],
    },
    Structure {
        tags: &["PyBytesObject"],
        marks: &["bytes.items"],
        need: Need::All,
        fields: &[at("bytes.items", &["ob_sval"]), whole("bytes.size")],
    },
    Structure {
        tags: &["PyByteArrayObject"],
        marks: &["bytearray.allocated"],
        need: Need::All,
        fields: &[at("bytearray.allocated", &["ob_alloc"]), at("bytearray.object", &["ob_bytes_object"])],
    },
    Structure {
        tags: &["_longobject"],
        marks: &["int.digits"],
        need: Need::All,
        fields: &[at("int.tag", &["long_value.lv_tag"]), at("int.digits", &["ob_digit", "long_value.ob_digit"])],
    },
    Structure {
        tags: &["PyCodeObject"],
        marks: &["code.consts"],
        need: Need::All,
        fields: &[
            at("code.consts", &["co_consts"]),
            at("code.names", &["co_names"]),
            at("code.varnames", &["co_varnames"]),
            at("code.freevars", &["co_freevars"]),
            at("code.cellvars", &["co_cellvars"]),
            at("code.localsplusnames", &["co_localsplusnames"]),
            at("code.localspluskinds", &["co_localspluskinds"]),
            at("code.filename", &["co_filename"]),
            at("code.name", &["co_name"]),
            at("code.qualname", &["co_qualname"]),
            at("code.lnotab", &["co_lnotab"]),
            at("code.linetable", &["co_linetable"]),
            at("code.exceptiontable", &["co_exceptiontable"]),
            at("code.code", &["co_code"]),
            at("code.code_adaptive", &["co_code_adaptive"]),
            at("code.stacksize", &["co_stacksize"]),
            at("code.nlocals", &["co_nlocals"]),
            at("code.nlocalsplus", &["co_nlocalsplus"]),
            at("code.firstlineno", &["co_firstlineno"]),
            at("code.extra", &["co_extra"]),
            at("code.cell2arg", &["co_cell2arg"]),
            at("code.opcache", &["co_opcache"]),
            at("code.opcache_map", &["co_opcache_map"]),
            at("code.opcache_size", &["co_opcache_size"]),
            whole("code.size"),
        ],
    },
    Structure { tags: &["_PyOpcache"], marks: &[], need: Need::None, fields: &[whole("opcache.size")] },
    Structure {
        tags: &["_PyCodeObjectExtra"],
        marks: &["code_extra.count"],
        need: Need::None,
        fields: &[at("code_extra.count", &["ce_size"])],
    },
    Structure {
        tags: &["_frame"],
        marks: &["frame.back"],
        need: Need::All,
        fields: &[
            at("frame.back", &["f_back"]),
            at("frame.code", &["f_code"]),
            at("frame.builtins", &["f_builtins"]),
            at("frame.globals", &["f_globals"]),
            at("frame.locals", &["f_locals"]),
            at("frame.trace", &["f_trace"]),
            // 3.6 only
            at("frame.exception_type", &["f_exc_type"]),
            at("frame.exception", &["f_exc_value"]),
            at("frame.exception_traceback", &["f_exc_traceback"]),
            at("frame.value_stack", &["f_valuestack"]),
            at("frame.stack_top", &["f_stacktop"]),
            at("frame.stack_depth", &["f_stackdepth"]),
            at("frame.last_instruction", &["f_lasti"]),
            at("frame.line", &["f_lineno"]),
            at("frame.localsplus", &["f_localsplus"]),
            at("frame.iframe", &["f_frame"]),
            at("frame.own_iframe", &["_f_frame_data"]),
            at("frame.extra_locals", &["f_extra_locals"]),
            at("frame.locals_cache", &["f_locals_cache"]),
            at("frame.overwritten", &["f_overwritten_fast_locals"]),
        ],
    },
    Structure {
        tags: &["_PyInterpreterFrame"],
        marks: &["iframe.previous"],
        need: Need::None,
        fields: &[
            at("iframe.code", &["f_code", "f_executable"]),
            at("iframe.function", &["f_funcobj", "f_func"]),
            at("iframe.globals", &["f_globals"]),
            at("iframe.builtins", &["f_builtins"]),
            at("iframe.locals", &["f_locals"]),
            at("iframe.frame", &["frame_obj"]),
            at("iframe.previous", &["previous"]),
            at("iframe.instruction", &["prev_instr", "instr_ptr"]),
            at("iframe.stack_top", &["stacktop"]),
            at("iframe.stack_pointer", &["stackpointer"]),
            at("iframe.owner", &["owner"]),
            at("iframe.localsplus", &["localsplus"]),
            whole("iframe.size"),
        ],
    },
    Structure {
        tags: &["PyGenObject"],
        marks: &["generator.name"],
        need: Need::All,
        fields: &[
            at("generator.frame", &["gi_frame"]),
            at("generator.code", &["gi_code"]),
            at("generator.name", &["gi_name"]),
            at("generator.qualname", &["gi_qualname"]),
            at("generator.exception", &["gi_exc_state.exc_value"]),
            at("generator.exception_type", &["gi_exc_state.exc_type"]),
            at("generator.exception_traceback", &["gi_exc_state.exc_traceback"]),
            at("generator.origin", &["gi_origin_or_finalizer", "gi_origin_or_ag_finalizer"]),
            at("generator.frame_state", &["gi_frame_state"]),
            at("generator.iframe", &["gi_iframe"]),
        ],
    },
    Structure {
        tags: &["PyModuleObject"],
        marks: &["module.dict"],
        need: Need::None,
        fields: &[
            at("module.dict", &["md_dict"]),
            at("module.definition", &["md_def"]),
            at("module.state", &["md_state"]),
            at("module.state_size", &["md_state_size"]),
            at("module.state_traverse", &["md_state_traverse"]),
        ],
    },
    Structure {
        tags: &["PyModuleDef"],
        marks: &["module_def.size"],
        need: Need::None,
        fields: &[at("module_def.size", &["m_size"]), at("module_def.traverse", &["m_traverse"])],
    },
];

/// All of them.
pub(super) fn structures() -> impl Iterator<Item = &'static Structure> {
    STRUCTURES.iter().chain(library())
}

/// Those that an extension module may have.
pub(super) fn library() -> impl Iterator<Item = &'static Structure> {
    library::STRUCTURES.iter()
}

/// The name of one of the fields, which a text may have spelled.
pub(super) fn known(name: &str) -> Option<&'static str> {
    fields().map(|field| field.name).find(|known| *known == name)
}

/// The fields of all structs.
pub(super) fn fields() -> impl Iterator<Item = &'static Field> {
    structures().flat_map(|structure| structure.fields)
}

/// 3.6 keeps the same things in statics: their names, and the source file that has them when the name is a common one.
pub(super) const STATICS: &[(&str, &str)] = &[
    ("_PyGC_generation0", "gcmodule.c"),
    ("_PyThreadState_Current", "pystate.c"),
    ("_Py_Finalizing", "pylifecycle.c"),
    ("collecting", "gcmodule.c"),
    ("eval_breaker", "ceval.c"),
    ("gil_cond", "ceval.c"),
    ("gil_drop_request", "ceval.c"),
    ("gil_last_holder", "ceval.c"),
    ("gil_locked", "ceval.c"),
    ("gil_mutex", "ceval.c"),
    ("interp_head", "pystate.c"),
    ("main_thread", "ceval.c"),
    ("pending_lock", "ceval.c"),
    ("switch_cond", "ceval.c"),
    ("switch_mutex", "ceval.c"),
];

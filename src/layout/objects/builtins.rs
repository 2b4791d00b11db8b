//! The types of `Objects` and `Python` but iterators: what every interpreter has.

use super::{Object, objects};

pub(super) const OBJECTS: &[Object] = objects! {
    "builtins.function": "PyFunctionObject" {
        "func_code" => ".__code__", "func_globals" => ".__globals__", "func_builtins" => ".__builtins__",
        "func_module" => ".__module__", "func_defaults" => ".__defaults__", "func_kwdefaults" => ".__kwdefaults__",
        "func_doc" => ".__doc__", "func_name" => ".__name__", "func_dict" => ".__dict__", "func_closure" => ".__closure__",
        "func_annotations" => ".__annotations__", "func_annotate" => ".__annotate__", "func_typeparams" => ".__type_params__",
        "func_qualname" => ".__qualname__",
    }
    "builtins.method": "PyMethodObject" { "im_func" => ".__func__", "im_self" => ".__self__" }
    "builtins.instancemethod": "PyInstanceMethodObject" { "func" => ".__func__" }
    "builtins.cell": "PyCellObject" { "ob_ref" => ".cell_contents" }
    "builtins.builtin_function_or_method": "PyCFunctionObject" { "m_self" => ".__self__", "m_module" => ".__module__" }
    "builtins.builtin_method": "PyCMethodObject" {
        "func.m_self" => ".__self__", "func.m_module" => ".__module__", "mm_class",
    }
    "builtins.property": "propertyobject" {
        "prop_get" => ".fget", "prop_set" => ".fset", "prop_del" => ".fdel", "prop_doc" => ".__doc__",
        "prop_name" => ".__name__",
    }
    "builtins.staticmethod": "staticmethod" { "sm_callable" => ".__func__", "sm_dict" => ".__dict__" }
    "builtins.classmethod": "classmethod" { "cm_callable" => ".__func__", "cm_dict" => ".__dict__" }
    "builtins.method_descriptor", "builtins.classmethod_descriptor": "PyMethodDescrObject" {
        "d_common.d_type" => ".__objclass__",
    }
    "builtins.member_descriptor": "PyMemberDescrObject" { "d_common.d_type" => ".__objclass__" }
    "builtins.getset_descriptor": "PyGetSetDescrObject" { "d_common.d_type" => ".__objclass__" }
    "builtins.wrapper_descriptor": "PyWrapperDescrObject" { "d_common.d_type" => ".__objclass__" }
    "builtins.method-wrapper": "wrapperobject" { "descr", "self" => ".__self__" }
    "builtins.mappingproxy": "mappingproxyobject" { "mapping" }
    "builtins.super": "superobject" {
        "type" => ".__thisclass__", "obj" => ".__self__", "obj_type" => ".__self_class__",
    }
    "builtins.slice": "PySliceObject" { "start", "stop", "step" }
    "builtins.range": "rangeobject" { "start", "stop", "step", "length" }
    "builtins.memoryview": "PyMemoryViewObject" to "ob_array" { "mbuf" }
    "builtins.managedbuffer": "_PyManagedBufferObject" { "master.obj" => ".obj" }
    "builtins._buffer_wrapper": "PyBufferWrapper" { "mv", "obj" }
    "pickle.PickleBuffer": "PyPickleBufferObject" { "view.obj" => ".obj" }
    // The object it refers to is not one of its references.
    "builtins.weakref", "weakref.ReferenceType", "builtins.weakproxy", "weakref.ProxyType", "builtins.weakcallableproxy",
    "weakref.CallableProxyType": "PyWeakReference" { "wr_callback" => ".__callback__" }
    "builtins.PyCapsule": "PyCapsule" {}
    "builtins.traceback": "PyTracebackObject", "_traceback" { "tb_next", "tb_frame" }
    "types.SimpleNamespace": "_PyNamespaceObject" { "ns_dict" => ".__dict__" }
    "types.GenericAlias": "gaobject" {
        "origin" => ".__origin__", "args" => ".__args__", "parameters" => ".__parameters__",
    }
    "types.UnionType", "typing.Union": "unionobject" {
        "args" => ".__args__", "hashable_args", "unhashable_args", "parameters" => ".__parameters__",
    }
    "builtins.FrameLocalsProxy": "PyFrameLocalsProxyObject" { "frame" }
    "builtins.lazy_import": "PyLazyImportObject" { "lz_builtins", "lz_from", "lz_attr", "lz_code" }
    "builtins.sentinel": "sentinelobject" { "name" => ".__name__", "module" => ".__module__", "repr" }
    "builtins.symtable entry": "PySTEntryObject", "_symtable_entry" {
        "ste_id" => ".id", "ste_symbols" => ".symbols", "ste_name" => ".name", "ste_function_name",
        "ste_varnames" => ".varnames", "ste_children" => ".children", "ste_directives", "ste_mangled_names",
        "ste_annotation_block",
    }
    "builtins.InstructionSequence": "_PyInstructionSequence", "instruction_sequence" { "s_nested", "s_annotations_code" }
    "ast.AST", "_ast.AST": "AST_object" { "dict" => ".__dict__" }
    "zipimport.zipimporter": "_zipimporter" { "archive", "prefix", "files" => "._files" }

    "builtins.coroutine_wrapper": "PyCoroWrapper" { "cw_coroutine" }
    "builtins.async_generator_asend": "PyAsyncGenASend" { "ags_gen", "ags_sendval" }
    "builtins.async_generator_athrow": "PyAsyncGenAThrow" { "agt_gen", "agt_args", "agt_typ", "agt_val", "agt_tb" }
    "builtins.async_generator_wrapped_value": "_PyAsyncGenWrappedValue" { "agw_val" }
    "builtins.anext_awaitable": "anextawaitableobject" { "wrapped", "default_value" }

    "_contextvars.Context", "builtins.Context": "PyContext", "_pycontextobject" { "ctx_prev", "ctx_vars" }
    "_contextvars.ContextVar", "builtins.ContextVar": "PyContextVar", "_pycontextvarobject" {
        "var_name" => ".name", "var_default",
    }
    "_contextvars.Token", "builtins.Token": "PyContextToken", "_pycontexttokenobject" {
        "tok_ctx", "tok_var" => ".var", "tok_oldval" => ".old_value",
    }
    "builtins.hamt": "PyHamtObject" { "h_root" }
    "builtins.hamt_array_node": "PyHamtNode_Array" {}
    "builtins.hamt_bitmap_node": "PyHamtNode_Bitmap" to "b_array" {}
    "builtins.hamt_collision_node": "PyHamtNode_Collision" to "c_array" {}

    "typing.TypeVar": "typevarobject" {
        "name" => ".__name__", "bound" => ".__bound__", "evaluate_bound", "constraints" => ".__constraints__",
        "evaluate_constraints", "default_value" => ".__default__", "evaluate_default",
    }
    "typing.ParamSpec": "paramspecobject" {
        "name" => ".__name__", "bound" => ".__bound__", "default_value" => ".__default__", "evaluate_default",
    }
    "typing.ParamSpecArgs", "typing.ParamSpecKwargs": "paramspecattrobject" { "__origin__" }
    "typing.TypeVarTuple": "typevartupleobject" {
        "name" => ".__name__", "bound" => ".__bound__", "default_value" => ".__default__", "evaluate_default",
    }
    "typing.TypeAliasType": "typealiasobject" {
        "name" => ".__name__", "qualname" => ".__qualname__", "type_params" => ".__type_params__", "compute_value",
        "value" => ".__value__", "module" => ".__module__",
    }
    "typing.Generic", "functools._PlaceholderType": "_object" {}
    "_typing._ConstEvaluator": "constevaluatorobject" { "value" }
    "string.templatelib.Template": "templateobject" { "strings", "interpolations" }
    "string.templatelib.Interpolation": "interpolationobject" { "value", "expression", "conversion", "format_spec" }
};

/// What every exception begins with, `PyException_HEAD`.
macro_rules! exceptions {
    ($($($name:literal),+ : $($tag:literal),+ { $($member:literal $(=> $step:literal)?),* $(,)? })*) => {
        objects! { $($($name),+ : $($tag),+ {
            "dict" => ".__dict__", "args", "notes", "traceback" => ".__traceback__", "context" => ".__context__",
            "cause" => ".__cause__" $(, $member $(=> $step)?)*
        })* }
    };
}

/// Those that add to the struct. The others are read like the one that they are derived from.
pub(super) const EXCEPTIONS: &[Object] = exceptions! {
    "builtins.BaseException": "PyBaseExceptionObject" {}
    "builtins.BaseExceptionGroup": "PyBaseExceptionGroupObject" {
        "msg" => ".message", "excs" => ".exceptions", "excs_str",
    }
    "builtins.StopIteration": "PyStopIterationObject" { "value" }
    "builtins.SystemExit": "PySystemExitObject" { "code" }
    "builtins.ImportError": "PyImportErrorObject" { "msg", "name", "path", "name_from" }
    "builtins.OSError": "PyOSErrorObject" { "myerrno" => ".errno", "strerror", "filename", "filename2" }
    "builtins.NameError": "PyNameErrorObject" { "name" }
    "builtins.AttributeError": "PyAttributeErrorObject" { "obj", "name" }
    "builtins.SyntaxError": "PySyntaxErrorObject" {
        "msg", "filename", "lineno", "offset", "end_lineno", "end_offset", "text", "print_file_and_line",
        "metadata" => "._metadata",
    }
    "builtins.UnicodeEncodeError", "builtins.UnicodeDecodeError", "builtins.UnicodeTranslateError": "PyUnicodeErrorObject" {
        "encoding", "object", "reason",
    }
};

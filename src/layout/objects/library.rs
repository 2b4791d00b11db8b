//! The types of the standard library's extension modules, whether built into the interpreter or in files of their own.

use super::{Object, objects};

pub(super) const OBJECTS: &[Object] = objects! {
    // A dict too, by its base.
    "collections.defaultdict": "defdictobject" { "default_factory" }
    "collections._tuplegetter", "_collections._tuplegetter": "_tuplegetterobject" { "doc" => ".__doc__" }
    "_abc._abc_data", "builtins._abc_data": "_abc_data" { "_abc_registry", "_abc_cache", "_abc_negative_cache" }
    "array.array": "arrayobject" {}
    "_random.Random": "RandomObject" {}
    "mmap.mmap": "mmap_object" {}

    "_io._IOBase", "_io._RawIOBase", "_io._BufferedIOBase", "_io._TextIOBase": "iobase" { "dict" => ".__dict__" }
    "_io.FileIO": "fileio" { "dict" => ".__dict__" }
    "_io.BytesIO": "bytesio" { "buf", "dict" => ".__dict__" }
    "_io._BytesIOBuffer": "bytesiobuf" { "source" }
    "_io.StringIO": "stringio" {
        "accu.small", "accu.large", "decoder", "readnl", "writenl", "dict" => ".__dict__",
    }
    "_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom": "buffered" { "raw", "dict" => ".__dict__" }
    "_io.BufferedRWPair": "rwpair" { "reader", "writer", "dict" => ".__dict__" }
    "_io.TextIOWrapper": "textio" {
        "buffer", "encoding", "encoder", "decoder", "readnl", "errors", "raw", "decoded_chars", "snapshot", "pending_bytes",
        "dict" => ".__dict__",
    }
    "_io.IncrementalNewlineDecoder": "nldecoder_object" { "decoder", "errors" }

    "_thread._local": "localobject" {
        "key", "args", "kw", "dummies", "wr_callback", "localdicts", "thread_watchdogs",
    }
    "_thread._localdummy": "localdummyobject" { "localdict" }
    "_thread.lock": "lockobject" {}
    "_thread.RLock": "rlockobject" {}
    "_thread._ThreadHandle": "PyThreadHandleObject" {}
    "_queue.SimpleQueue": "simplequeueobject" { "lst" }
    "_multiprocessing.SemLock": "SemLockObject" {}

    "_asyncio.Future": "FutureObj" {
        "fut_loop" => "._loop", "fut_callback0", "fut_context0", "fut_callbacks", "fut_exception" => "._exception",
        "fut_exception_tb", "fut_result" => "._result", "fut_source_tb" => "._source_traceback",
        "fut_cancel_msg" => "._cancel_message", "fut_cancelled_exc", "fut_cancelled_exc_state.exc_type",
        "fut_cancelled_exc_state.exc_value", "fut_cancelled_exc_state.exc_traceback", "fut_awaited_by",
        "dict" => ".__dict__",
    }
    "_asyncio.Task": "TaskObj" {
        "task_loop" => "._loop", "task_callback0", "task_context0", "task_callbacks", "task_exception" => "._exception",
        "task_exception_tb", "task_result" => "._result", "task_source_tb" => "._source_traceback",
        "task_cancel_msg" => "._cancel_message", "task_cancelled_exc", "task_cancelled_exc_state.exc_type",
        "task_cancelled_exc_state.exc_value", "task_cancelled_exc_state.exc_traceback", "task_awaited_by",
        "task_fut_waiter" => "._fut_waiter", "task_coro" => "._coro", "task_name", "task_context", "dict" => ".__dict__",
    }
    "_asyncio.FutureIter": "futureiterobject" { "future" }
    "_asyncio.TaskStepMethWrapper", "builtins.TaskStepMethWrapper": "TaskStepMethWrapper" { "sw_task", "sw_arg" }
    "builtins.TaskWakeupMethWrapper": "TaskWakeupMethWrapper" { "ww_task" }
    "builtins._RunningLoopHolder": "PyRunningLoopHolder" { "rl_loop" }

    "re.Pattern", "_sre.SRE_Pattern": "PatternObject" { "pattern", "groupindex", "indexgroup" }
    "re.Match", "_sre.SRE_Match": "MatchObject" { "string", "regs", "pattern" => ".re" }
    "_sre.SRE_Scanner": "ScannerObject" { "pattern", "state.string" => ".string", "state.buffer.obj" => ".obj" }
    "unicodedata.UCD": "PreviousDBVersion" {}
    "unicodedata.Segment": "SegmentObject" { "string" }

    "datetime.date": "PyDateTime_Date" {}
    "datetime.datetime": "PyDateTime_DateTime" if "hastzinfo" { "tzinfo" }
    "datetime.time": "PyDateTime_Time" if "hastzinfo" { "tzinfo" }
    "datetime.timedelta": "PyDateTime_Delta" {}
    "datetime.tzinfo": "PyDateTime_TZInfo" {}
    "datetime.timezone": "PyDateTime_TimeZone" { "offset", "name" }
    "zoneinfo.ZoneInfo": "PyZoneInfo_ZoneInfo" {
        "key", "file_repr", "tzrule_after.std.utcoff", "tzrule_after.std.dstoff", "tzrule_after.std.tzname",
        "tzrule_after.dst.utcoff", "tzrule_after.dst.dstoff", "tzrule_after.dst.tzname",
    }
    "decimal.Decimal": "PyDecObject" {}
    "decimal.Context": "PyDecContextObject" { "traps", "flags" }
    "decimal.SignalDictMixin": "PyDecSignalDictObject" {}
    "decimal.ContextManager": "PyDecContextManagerObject" { "local", "global" }

    "_json.Scanner": "PyScannerObject" {
        "strict", "object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant", "array_hook", "memo",
    }
    "_json.Encoder": "PyEncoderObject" {
        "markers", "defaultfn" => ".default", "encoder", "indent", "key_separator", "item_separator", "sort_keys", "skipkeys",
    }
    // Its memo is a table outside of it.
    "_pickle.Pickler": "PicklerObject" {
        "write", "pers_func", "persistent_id", "persistent_id_attr", "dispatch_table", "reducer_override", "buffer_callback",
        "output_buffer", "fast_memo",
    }
    "_pickle.Unpickler": "UnpicklerObject" {
        "readline", "readinto", "read", "peek", "stack", "pers_func", "persistent_load", "persistent_load_attr", "buffers",
        "memo_dict", "buffer.obj",
    }
    "_pickle.Pdata": "Pdata" {}
    "parser.st": "PyST_Object" {}
    "_pickle.PicklerMemoProxy": "PicklerMemoProxyObject" { "pickler" }
    "_pickle.UnpicklerMemoProxy": "UnpicklerMemoProxyObject" { "unpickler" }
    "_struct.Struct", "builtins.Struct": "PyStructObject" { "s_format" => ".format" }
    "_csv.Dialect": "DialectObj" { "lineterminator" }
    "_csv.reader": "ReaderObj" { "dialect", "input_iter", "fields" }
    "_csv.writer": "WriterObj" { "dialect", "write", "writeline", "error_obj" }

    // Its children are in a struct outside of it, as are its attributes.
    "xml.etree.ElementTree.Element": "ElementObject" { "tag", "text", "tail" }
    "_elementtree._element_iterator": "ElementIterObject" { "root_element", "sought_tag" }
    "xml.etree.ElementTree.TreeBuilder": "TreeBuilderObject" {
        "root", "this", "last", "last_for_tail", "data", "stack", "element_factory", "comment_factory", "pi_factory",
        "events_append", "start_event_obj", "end_event_obj", "start_ns_event_obj", "end_ns_event_obj", "comment_event_obj",
        "pi_event_obj",
    }
    "xml.etree.ElementTree.XMLParser": "XMLParserObject" {
        "target", "entity", "names", "handle_start_ns", "handle_end_ns", "handle_start", "handle_data", "handle_end",
        "handle_comment", "handle_pi", "handle_doctype", "handle_close", "elementtree_module",
    }
    "pyexpat.xmlparser": "xmlparseobject" { "intern", "parent" }

    "sqlite3.Connection": "pysqlite_Connection" {
        "isolation_level", "statement_cache", "statements", "cursors", "blobs", "row_factory", "text_factory",
        "function_pinboard", "function_pinboard_trace_callback", "function_pinboard_progress_handler",
        "function_pinboard_authorizer_cb", "collations",
    }
    "sqlite3.Cursor": "pysqlite_Cursor" {
        "connection", "description", "row_cast_map", "lastrowid", "row_factory", "statement", "next_row",
    }
    "sqlite3.Statement": "pysqlite_Statement" { "sql" }
    "sqlite3.Row": "pysqlite_Row" { "data", "description" }
    "sqlite3.Blob": "pysqlite_Blob" { "connection" }
    "sqlite3.Cache": "pysqlite_Cache" { "mapping", "factory", "first" }
    "sqlite3.Node", "builtins.sqlite3Node": "pysqlite_Node" { "key", "data" }
    "sqlite3.PrepareProtocol": "pysqlite_PrepareProtocol" {}

    "_socket.socket": "PySocketSockObject" {}
    "_ssl._SSLContext": "PySSLContext" {
        "set_hostname", "set_sni_cb" => ".sni_callback", "msg_cb" => "._msg_callback", "keylog_filename",
        "psk_client_callback", "psk_server_callback",
    }
    "_ssl._SSLSocket": "PySSLSocket" {
        "Socket", "ctx" => ".context", "owner", "server_hostname", "exc", "exc_type", "exc_value", "exc_tb",
    }
    "_ssl.SSLSession", "_ssl.Session": "PySSLSession" { "ctx" }
    "_ssl.MemoryBIO": "PySSLMemoryBIO" {}

    "_ctypes._CData": "CDataObject" { "b_base" => "._b_base_", "b_objects" => "._objects" }
    "_ctypes.CFuncPtr", "_ctypes.PyCFuncPtr": "PyCFuncPtrObject" {
        "b_base" => "._b_base_", "b_objects" => "._objects", "thunk", "callable", "converters", "argtypes", "restype",
        "checker", "errcheck", "paramflags",
    }
    "_ctypes.CThunkObject": "CThunkObject", "tagCThunkObject" { "converters", "callable", "restype" }
    "_ctypes.CArgObject", "builtins.CArgObject": "PyCArgObject", "tagPyCArgObject" { "obj" => "._obj" }
    "_ctypes.CField", "ctypes.CField": "CFieldObject" { "proto" => ".type", "name" }
    "_ctypes.DictRemover": "DictRemoverObject" { "key", "dict" }
    "_ctypes.StructParam_Type": "StructParamObject" { "keep" }
    // A dict too, by its base.
    "builtins.StgDict": "StgDictObject" { "proto", "argtypes", "converters", "restype", "checker" }

    "zlib.Compress", "zlib.Decompress": "compobject" { "unused_data", "unconsumed_tail", "zdict" }
    "zlib._ZlibDecompressor": "ZlibDecompressor" { "unused_data", "zdict" }
    "_bz2.BZ2Compressor": "BZ2Compressor" {}
    "_bz2.BZ2Decompressor": "BZ2Decompressor" { "unused_data" }
    "_lzma.LZMACompressor": "Compressor" {}
    "_lzma.LZMADecompressor": "Decompressor" { "unused_data" }
    "compression.zstd.ZstdCompressor": "ZstdCompressor" { "dict" => ".zstd_dict" }
    "compression.zstd.ZstdDecompressor": "ZstdDecompressor" { "dict" => ".zstd_dict", "unused_data" }
    "compression.zstd.ZstdDict": "ZstdDict" { "c_dicts" }
    "_hashlib.HASH": "EVPobject", "HASHobject" { "name" }
    "_hmac.HMAC": "HMACObject" {}
    "_blake2.blake2b", "_blake2.blake2s": "Blake2Object" {}
    "_md5.md5": "MD5object" {}
    "_sha1.sha1": "SHA1object" {}
    "_sha2.SHA224Type", "_sha2.SHA256Type": "SHA256object" {}
    "_sha2.SHA384Type", "_sha2.SHA512Type": "SHA512object" {}
    "_sha3.sha3_224", "_sha3.sha3_256", "_sha3.sha3_384", "_sha3.sha3_512", "_sha3.shake_128", "_sha3.shake_256":
        "SHA3object" {}

    "posix.DirEntry": "DirEntry" { "name", "path", "stat", "lstat" }
    "posix.ScandirIterator": "ScandirIterator" { "path.object", "path.cleanup" }
    "select.epoll": "pyEpoll_Object" {}
    "select.poll": "pollObject" { "dict" }
    "_lsprof.Profiler": "ProfilerObject" { "externalTimer", "missing" }
    "_curses.window": "PyCursesWindowObject" { "orig" }
    "_curses_panel.panel", "_curses_panel.curses panel": "PyCursesPanelObject" { "wo" }
    "_tkinter.Tcl_Obj": "PyTclObject" { "string" }
    "_tkinter.tkapp": "TkappObject" { "trace" }
    "_tkinter.tktimertoken": "TkttObject" { "func" }
};

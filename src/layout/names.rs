//! Which offsets we want of CPython's structs, what we call them, and where each version has them.
//!
//! The one list that DWARF, the tables and `_Py_DebugOffsets` are read by. Sources:
//! `Include/internal/pycore_runtime.h`, `pycore_interp.h` (3.14: `pycore_interp_structs.h`), `pycore_gil.h`,
//! `Include/cpython/pystate.h`, of 3.6 to 3.15.

use Structure::{Gil, Interpreter, Runtime, ThreadState};

/// A struct whose fields we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Structure {
    Runtime,
    Interpreter,
    ThreadState,
    Gil,
}

impl Structure {
    /// 3.6 has the other two as statics.
    pub(super) const OF_3_6: &[Structure] = &[Interpreter, ThreadState];
    pub(super) const ALL: &[Structure] = &[Runtime, Interpreter, ThreadState, Gil];

    /// The tag of the struct in C.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Runtime => "pyruntimestate",
            Interpreter => "_is",
            ThreadState => "_ts",
            Gil => "_gil_runtime_state",
        }
    }

    /// Fields without which a struct of that tag is someone else's.
    pub(super) fn marks(self) -> &'static [&'static str] {
        match self {
            Runtime => &["runtime.interpreters_head", "runtime.interpreters_main"],
            Interpreter => &["interp.next", "interp.threads_head"],
            ThreadState => &["tstate.prev", "tstate.next", "tstate.interp", "tstate.thread_id"],
            Gil => &["gil.last_holder", "gil.locked", "gil.mutex"],
        }
    }
}

/// One offset: the struct's member that has one of these paths is meant, the first there is.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) structure: Structure,
    pub(super) paths: &'static [&'static str],
    /// The member's size instead of its offset.
    pub(super) size: bool,
}

const fn field(name: &'static str, structure: Structure, paths: &'static [&'static str]) -> Field {
    Field { name, structure, paths, size: false }
}

const fn size(name: &'static str, structure: Structure, paths: &'static [&'static str]) -> Field {
    Field { name, structure, paths, size: true }
}

/// All of them, in the order the tables have them.
pub(super) const FIELDS: &[Field] = &[
    // Nested in `_PyRuntime` from 3.7 to 3.11; each interpreter points to its own from 3.12 on.
    field("runtime.gil", Runtime, &["ceval.gil"]),
    field("runtime.tstate_current", Runtime, &["gilstate.tstate_current"]),
    field("runtime.main_thread", Runtime, &["main_thread", "ceval.pending.main_thread"]),
    field("runtime.main_tstate", Runtime, &["main_tstate"]),
    field("runtime.interpreters_head", Runtime, &["interpreters.head"]),
    field("runtime.interpreters_main", Runtime, &["interpreters.main"]),
    field("runtime.gil_drop_request", Runtime, &["ceval.gil_drop_request"]),
    field("runtime.eval_breaker", Runtime, &["ceval.eval_breaker"]),
    field("runtime.finalizing", Runtime, &["finalizing", "_finalizing"]),
    field("runtime.gc_collecting", Runtime, &["gc.collecting"]),
    // A `PyThread_type_lock`, that is a pointer, until 3.12; then a `PyMutex`, one byte.
    field("runtime.pending_lock", Runtime, &["ceval.pending.lock", "ceval.pending_mainthread.lock"]),
    field("runtime.pending_mutex", Runtime, &["ceval.pending_mainthread.mutex"]),
    field("interp.next", Interpreter, &["next"]),
    field("interp.threads_head", Interpreter, &["threads.head", "tstate_head"]),
    field("interp.gil", Interpreter, &["ceval.gil"]),
    field("interp.gil_drop_request", Interpreter, &["ceval.gil_drop_request"]),
    field("interp.eval_breaker", Interpreter, &["ceval.eval_breaker"]),
    field("interp.gc_collecting", Interpreter, &["gc.collecting"]),
    field("interp.pending_lock", Interpreter, &["ceval.pending.lock"]),
    field("interp.pending_mutex", Interpreter, &["ceval.pending.mutex"]),
    field("tstate.prev", ThreadState, &["prev"]),
    field("tstate.next", ThreadState, &["next"]),
    field("tstate.interp", ThreadState, &["interp"]),
    field("tstate.thread_id", ThreadState, &["thread_id"]),
    field("tstate.native_thread_id", ThreadState, &["native_thread_id"]),
    field("tstate.eval_breaker", ThreadState, &["eval_breaker"]),
    field("gil.last_holder", Gil, &["last_holder"]),
    field("gil.locked", Gil, &["locked"]),
    field("gil.mutex", Gil, &["mutex"]),
    size("gil.mutex.size", Gil, &["mutex"]),
    field("gil.cond", Gil, &["cond"]),
    size("gil.cond.size", Gil, &["cond"]),
    field("gil.switch_mutex", Gil, &["switch_mutex"]),
    size("gil.switch_mutex.size", Gil, &["switch_mutex"]),
    field("gil.switch_cond", Gil, &["switch_cond"]),
    size("gil.switch_cond.size", Gil, &["switch_cond"]),
];

/// The static of this name, which a text may have spelled.
pub(super) fn known(name: &str) -> Option<&'static str> {
    FIELDS.iter().map(|field| field.name).find(|known| *known == name)
}

/// 3.6 keeps the same things in statics: their names, and the source file that has them when the name is a common one.
pub(super) const STATICS: &[(&str, &str)] = &[
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

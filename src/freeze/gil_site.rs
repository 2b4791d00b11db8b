//! Finds the main interpreter's GIL in a target's memory, from the layout of its interpreter.

use std::io;

use super::gil::GilSite;
use crate::error::{Error, Kind, Result};
use crate::layout::Layout;
use crate::target::memory::Memory;
use crate::target::python::Interpreter;

/// A longer list of interpreters is not one.
const MAX_INTERPRETERS: usize = 4096;
/// The locks that a lone thread must find free, by their name in the layout.
const LOCKS: [&str; 4] = ["mutex", "cond", "switch_mutex", "switch_cond"];

impl GilSite {
    /// Absolute addresses, which do not change while the process lives.
    ///
    /// Errors: `NotPython` for an offset the layout does not have, `Busy` for an interpreter that is being torn down.
    pub(crate) fn find(interpreter: &Interpreter, layout: &Layout, memory: &dyn Memory) -> Result<GilSite> {
        let version = interpreter.version;
        if !version.at_least(3, 7) {
            return of_statics(interpreter.pid, layout, memory);
        }
        let runtime = interpreter.runtime;
        let read = |at: u64| memory.u64(at).map_err(|e| unreadable(interpreter.pid, &e));
        if let Some(finalizing) = layout.offset("runtime.finalizing")
            && read(runtime + finalizing)? != 0
        {
            let text = format!("the interpreter of pid {} is shutting down", interpreter.pid);
            return Err(Error::new(Kind::Busy, text));
        }
        let main = read(runtime + layout.require("runtime.interpreters_main")?)?;
        let gil = match layout.offset("runtime.gil") {
            Some(offset) => runtime + offset,
            None => read(main + layout.require("interp.gil")?)?,
        };
        let mut locks = Vec::new();
        for lock in LOCKS {
            let size = layout.require(&format!("gil.{lock}.size"))?;
            locks.push((gil + layout.require(&format!("gil.{lock}"))?, size));
        }
        // 3.13 and later guard the queue of pending calls by a one-byte mutex.
        for (base, name) in [(runtime, "runtime.pending_mutex"), (main, "interp.pending_mutex")] {
            if let Some(offset) = layout.offset(name) {
                locks.push((base + offset, 1));
            }
        }
        let drop_request = match (layout.offset("runtime.gil_drop_request"), layout.offset("interp.gil_drop_request")) {
            (Some(offset), _) => Some(runtime + offset),
            (None, Some(offset)) => Some(main + offset),
            (None, None) => None,
        };
        Ok(GilSite {
            threads_head: main + layout.require("interp.threads_head")?,
            tstate_next: layout.require("tstate.next")?,
            tstate_thread_id: layout.require("tstate.thread_id")?,
            locked: gil + layout.require("gil.locked")?,
            last_holder: gil + layout.require("gil.last_holder")?,
            current: layout.offset("runtime.tstate_current").map(|offset| runtime + offset),
            locks,
            drop_request,
            main_thread: runtime + layout.require("runtime.main_thread")?,
            main_tstate: layout.offset("runtime.main_tstate").map(|offset| runtime + offset),
            // Before 3.13 the bits are elsewhere, and `gil_drop_request` is a field of its own.
            tstate_eval_breaker: layout.offset("tstate.eval_breaker").filter(|_| drop_request.is_none()),
        })
    }
}

/// 3.6 keeps all of it in statics.
fn of_statics(pid: i32, layout: &Layout, memory: &dyn Memory) -> Result<GilSite> {
    let symbol = |name: &str| {
        layout.symbol_address(name).ok_or_else(|| {
            Error::new(Kind::NotPython, format!("CPython 3.6 without a symbol table: `{name}` cannot be found"))
                .hint("give the unstripped executable or its debug file with `-e`")
        })
    };
    let read = |at: u64| memory.u64(at).map_err(|e| unreadable(pid, &e));
    // The newest interpreter is the first, the main one the last.
    let mut main = read(symbol("interp_head")?)?;
    for _ in 0..MAX_INTERPRETERS {
        match read(main + layout.require("interp.next")?)? {
            0 => break,
            next => main = next,
        }
    }
    let mut locks = Vec::new();
    for (lock, name) in LOCKS.iter().zip(["gil_mutex", "gil_cond", "switch_mutex", "switch_cond"]) {
        locks.push((symbol(name)?, layout.require(&format!("gil.{lock}.size"))?));
    }
    Ok(GilSite {
        threads_head: main + layout.require("interp.threads_head")?,
        tstate_next: layout.require("tstate.next")?,
        tstate_thread_id: layout.require("tstate.thread_id")?,
        locked: symbol("gil_locked")?,
        last_holder: symbol("gil_last_holder")?,
        current: Some(symbol("_PyThreadState_Current")?),
        locks,
        drop_request: Some(symbol("gil_drop_request")?),
        main_thread: symbol("main_thread")?,
        main_tstate: None,
        tstate_eval_breaker: None,
    })
}

fn unreadable(pid: i32, error: &io::Error) -> Error {
    Error::new(Kind::NotPermitted, format!("cannot read the interpreter state of pid {pid}: {error}"))
        .hint(format!("`memory-analyzer doctor {pid}` says what is missing"))
}

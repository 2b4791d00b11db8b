//! Who holds the GIL, which thread may run code of ours, and what a lone thread must find changed to run at all.
//!
//! Works on absolute addresses ([`GilSite`]) that the layout gave; knows no version. Sources: CPython `Python/ceval_gil.h`
//! (3.7 to 3.11), `Python/ceval_gil.c` (3.12 and later), `Python/ceval.c`.

use std::io;

use serde::{Deserialize, Serialize};

use super::cpu;
use super::registers::RegisterSet;
use super::sys::Registers;
use crate::target::memory::Memory;

/// A list of thread states longer than this is not one.
const MAX_THREAD_STATES: usize = 65_536;
/// glibc puts the arenas of threads at multiples of this, their lock at the start (`HEAP_MAX_SIZE`, malloc/arena.c).
const ARENA_ALIGNMENT: u64 = 64 << 20;
/// The arena's header ends well before this.
const ARENA_HEADER: u64 = 0x1000;

/// Where the state of the main interpreter's GIL is in the target's memory.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct GilSite {
    /// Address of the pointer to the first thread state of the main interpreter.
    pub(crate) threads_head: u64,
    /// Offsets in `PyThreadState`.
    pub(crate) tstate_next: u64,
    /// `pthread_self()` of its thread, which is the thread's fs base.
    pub(crate) tstate_thread_id: u64,
    /// `int locked`: 1 while some thread holds it.
    pub(crate) locked: u64,
    /// The thread state that took it last.
    pub(crate) last_holder: u64,
    /// Until 3.11: the thread state that runs Python code, null while none does. All there is before 3.6 makes its GIL, with
    /// the second thread.
    pub(crate) current: Option<u64>,
    /// Mutexes and condition variables of the GIL: address and length.
    pub(crate) locks: Vec<(u64, u64)>,
    /// `gil_drop_request`, where a version has it.
    pub(crate) drop_request: Option<u64>,
    /// The identifier of the thread in which pending calls run.
    pub(crate) main_thread: u64,
    /// 3.13 and later: the thread state whose `eval_breaker` a pending call sets.
    pub(crate) main_tstate: Option<u64>,
    /// 3.13 and later: `eval_breaker` in `PyThreadState`; its lowest bit is the drop request.
    pub(crate) tstate_eval_breaker: Option<u64>,
}

/// A thread that may run code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) tid: i32,
    /// Its thread state; 0 if it has none.
    pub(crate) tstate: u64,
    pub(crate) way: Way,
    /// It waits in an interruptible system call.
    pub(crate) waits: bool,
}

/// How a thread comes to run Python code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// It holds the GIL: a pending call, which the interpreter makes at its next safe point.
    PendingCall,
    /// It waits in a system call outside of the GIL: it may take it.
    TakeGil,
    /// It holds the GIL and reaches no safe point: call where it stands. In a twin only.
    Direct,
}

/// A thread as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadView {
    pub(crate) tid: i32,
    pub(crate) fs_base: u64,
    /// It waits in an interruptible system call.
    pub(crate) waits: bool,
    /// On this futex.
    pub(crate) futex: Option<u64>,
}

impl ThreadView {
    /// Of registers that came from a debugger.
    pub(crate) fn of(tid: i32, registers: &RegisterSet) -> ThreadView {
        ThreadView::new(tid, &registers.view())
    }

    pub(super) fn new(tid: i32, registers: &Registers) -> ThreadView {
        ThreadView {
            tid,
            fs_base: registers.fs_base,
            waits: cpu::waits_in_system_call(registers),
            futex: cpu::futex_waited_on(registers),
        }
    }
}

impl GilSite {
    /// The thread state that holds the GIL, 0 if none does.
    fn holding(&self, memory: &dyn Memory) -> io::Result<u64> {
        if memory.u32(self.locked)? as i32 == 1 {
            return memory.u64(self.last_holder);
        }
        self.current.map_or(Ok(0), |current| memory.u64(current))
    }

    /// The thread that holds the GIL, among `threads`, all of which are stopped.
    pub(crate) fn holder(&self, memory: &dyn Memory, threads: &[ThreadView]) -> io::Result<Option<Candidate>> {
        let tstate = self.holding(memory)?;
        if tstate == 0 {
            return Ok(None);
        }
        let thread = memory.u64(tstate + self.tstate_thread_id)?;
        let holder = threads.iter().find(|t| t.fs_base == thread);
        Ok(holder.map(|t| Candidate { tid: t.tid, tstate, way: Way::PendingCall, waits: t.waits }))
    }

    /// The GIL is held, so a thread without it has to wait.
    pub(crate) fn is_held(&self, memory: &dyn Memory) -> io::Result<bool> {
        Ok(self.holding(memory)? != 0)
    }

    /// A thread with a thread state that waits outside of the GIL and of any lock of libc's: it may call into Python.
    ///
    /// The main thread (the one whose id is the process's) is preferred: its stack is the largest.
    pub(crate) fn parked(
        &self,
        memory: &dyn Memory,
        threads: &[ThreadView],
        pid: i32,
        libc: &[(u64, u64)],
    ) -> io::Result<Option<Candidate>> {
        let states = self.thread_states(memory)?;
        // A thread may also wait in a system call and keep the GIL: giving it back would be the end of the process.
        let holding = self.holding(memory)?;
        let parked = threads.iter().filter(|t| t.waits && t.futex.is_none_or(|futex| self.is_plain_lock(futex, libc)));
        let mut best: Option<Candidate> = None;
        for thread in parked {
            let state = states.iter().find(|(tstate, id)| *id == thread.fs_base && *tstate != holding);
            let Some(&(tstate, _)) = state else { continue };
            if best.is_none() || thread.tid == pid {
                best = Some(Candidate { tid: thread.tid, tstate, way: Way::TakeGil, waits: true });
            }
        }
        Ok(best)
    }

    /// Whether a thread that waits on this futex waits neither for the GIL nor inside libc (`malloc`, stdio): in both it
    /// would deadlock with itself.
    fn is_plain_lock(&self, futex: u64, libc: &[(u64, u64)]) -> bool {
        let in_gil = self.locks.iter().any(|&(at, length)| (at..at + length).contains(&futex));
        let in_libc = libc.iter().any(|&(start, end)| (start..end).contains(&futex));
        let in_arena = futex % ARENA_ALIGNMENT < ARENA_HEADER;
        !(in_gil || in_libc || in_arena)
    }

    /// Thread states of the main interpreter with the identifier of their thread.
    fn thread_states(&self, memory: &dyn Memory) -> io::Result<Vec<(u64, u64)>> {
        let mut states = Vec::new();
        let mut at = memory.u64(self.threads_head)?;
        while at != 0 && states.len() < MAX_THREAD_STATES {
            states.push((at, memory.u64(at + self.tstate_thread_id)?));
            at = memory.u64(at + self.tstate_next)?;
        }
        Ok(states)
    }

    /// What to write into a twin whose one thread is `thread`: nobody else waits for the GIL's locks, nobody asks for it,
    /// and this thread is the one that runs pending calls.
    ///
    /// Without it the twin hangs in `drop_gil` (forced switch) or in `pthread_cond_signal` (waiters that never leave).
    pub(crate) fn for_lone_thread(
        &self,
        memory: &dyn Memory,
        thread: ThreadView,
        tstate: u64,
    ) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut writes: Vec<(u64, Vec<u8>)> =
            self.locks.iter().map(|&(at, length)| (at, vec![0; length as usize])).collect();
        if let Some(at) = self.drop_request {
            writes.push((at, vec![0; 4]));
        }
        writes.push((self.main_thread, thread.fs_base.to_le_bytes().to_vec()));
        if tstate != 0 {
            if let Some(at) = self.main_tstate {
                writes.push((at, tstate.to_le_bytes().to_vec()));
            }
            if let Some(offset) = self.tstate_eval_breaker {
                let breaker = memory.u64(tstate + offset)? & !1;
                writes.push((tstate + offset, breaker.to_le_bytes().to_vec()));
            }
        }
        Ok(writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory made of a few words.
    struct Words(Vec<(u64, u64)>);

    impl Memory for Words {
        fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
            let word = self.0.iter().find(|(at, _)| *at == address).ok_or(io::ErrorKind::NotFound)?.1;
            buffer.copy_from_slice(&word.to_le_bytes()[..buffer.len()]);
            Ok(())
        }
    }

    fn site() -> GilSite {
        GilSite {
            threads_head: 0x10,
            tstate_next: 0x8,
            tstate_thread_id: 0xb0,
            locked: 0x20,
            last_holder: 0x28,
            current: None,
            locks: vec![(0x100, 40), (0x200, 48)],
            drop_request: Some(0x30),
            main_thread: 0x40,
            main_tstate: None,
            tstate_eval_breaker: None,
        }
    }

    fn thread(tid: i32, fs_base: u64, futex: Option<u64>) -> ThreadView {
        ThreadView { tid, fs_base, waits: true, futex }
    }

    #[test]
    fn the_holder_is_the_last_one_while_the_gil_is_locked() {
        let threads = [thread(7, 0x7000, None), thread(8, 0x8000, None)];
        let held = Words(vec![(0x20, 1), (0x28, 0x5000), (0x50b0, 0x8000)]);
        let holder = site().holder(&held, &threads).unwrap();
        assert_eq!(holder, Some(Candidate { tid: 8, tstate: 0x5000, way: Way::PendingCall, waits: true }));
        let free = Words(vec![(0x20, 0), (0x28, 0x5000), (0x50b0, 0x8000)]);
        assert_eq!(site().holder(&free, &threads).unwrap(), None);
    }

    #[test]
    fn a_thread_inside_the_gil_or_malloc_is_not_parked() {
        // Two thread states, of the threads 8 and 9.
        let states = [(0x10, 0x5000), (0x50b0, 0x8000), (0x5008, 0x6000), (0x60b0, 0x9000), (0x6008, 0)];
        let memory = Words([&states[..], &[(0x20, 0)]].concat());
        let libc = [(0x70_0000, 0x71_0000)];
        let choose = |futex| {
            let threads = [thread(7, 0x7000, None), thread(8, 0x8000, futex)];
            site().parked(&memory, &threads, 7, &libc).unwrap().map(|c| c.tid)
        };
        assert_eq!(choose(None), Some(8), "a foreign thread is passed over, though it is the main one");
        assert_eq!(choose(Some(0x55_1234_5678)), Some(8), "a lock of the program's own");
        assert_eq!(choose(Some(0x108)), None, "the GIL's mutex");
        assert_eq!(choose(Some(0x70_0040)), None, "libc's main arena");
        assert_eq!(choose(Some(3 * ARENA_ALIGNMENT + 0x30)), None, "a thread's arena");
        let holding = Words([&states[..], &[(0x20, 1), (0x28, 0x5000)]].concat());
        let parked = site().parked(&holding, &[thread(8, 0x8000, None)], 8, &libc).unwrap();
        assert_eq!(parked, None, "it waits in a C call and keeps the GIL");
    }
}

//! Holding all threads of a process still, and letting them go as if nothing had been.
//!
//! `PTRACE_SEIZE` and `PTRACE_INTERRUPT` send no signal: nothing pends, no `SIGCHLD` goes out, and when this process dies
//! the kernel lets the threads go by itself. A signal that arrives just then is handed on when they go.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::stacks::Stacks;
use super::sys::{self, Change, SignalInfo};
use crate::error::{Error, Kind, Result};

/// More threads than this are not a Python process we know how to hold for milliseconds.
const MAX_THREADS: usize = 16_384;
/// How long all threads may take to stop; one in an uninterruptible sleep may never.
const STOP_DEADLINE: Duration = Duration::from_millis(1000);

/// An injected call puts its frames, a thread's extended state among them, below the red zone.
pub(super) const ROOM_FOR_A_CALL: u64 = 32 * 1024;

/// All threads of a process, stopped. Dropping it lets them go.
pub(super) struct Held {
    pid: i32,
    /// By thread id: the signals that were on their way to it and have to be handed on.
    threads: BTreeMap<i32, Vec<SignalInfo>>,
    /// When the first thread was seen to stand still; waiting for one to be scheduled is no pause.
    first_stop: Option<Instant>,
    _hurry: Hurry,
}

impl Held {
    /// Stops every thread of `pid`, listing them again until no new one appears.
    pub(super) fn freeze(pid: i32) -> Result<Held> {
        let mut held = Held { pid, threads: BTreeMap::new(), first_stop: None, _hurry: Hurry::begin() };
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            let fresh: Vec<i32> = thread_ids(pid)
                .map_err(|e| gone(pid, &e))?
                .into_iter()
                .filter(|t| !held.threads.contains_key(t))
                .collect();
            if held.threads.len() + fresh.len() > MAX_THREADS {
                return Err(Error::new(Kind::Busy, format!("pid {pid} has more than {MAX_THREADS} threads")));
            }
            // Ask all of them before waiting for any: they stop side by side.
            let mut asked = Vec::new();
            for tid in fresh {
                match sys::seize(tid).and_then(|()| sys::interrupt(tid)) {
                    Ok(()) => asked.push(tid),
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) && !has_ended(pid, tid) => {
                        return Err(not_permitted(pid, tid));
                    }
                    Err(_) => {} // it ended in between, or is the remains of a main thread
                }
            }
            if asked.is_empty() {
                break;
            }
            held.threads.extend(asked.iter().map(|&tid| (tid, Vec::new())));
            // Whatever is wrong with one, all are waited for: only a thread that stands can be let go.
            let mut wrong = None;
            for tid in asked {
                if let Err(error) = held.wait_for_stop(tid, deadline) {
                    wrong.get_or_insert(error);
                }
            }
            if let Some(error) = wrong {
                return Err(error);
            }
        }
        if held.threads.is_empty() {
            return Err(Error::new(Kind::NoProcess, format!("pid {pid} ended before it could be stopped")));
        }
        Ok(held)
    }

    /// Stops one thread of `pid` while the others run on: the first in `preferred` that there is, else any that stands on a
    /// stack of its own; all of them where there is none such.
    pub(super) fn freeze_one(pid: i32, preferred: &[i32]) -> Result<(Held, i32)> {
        let stacks = Stacks::read(pid);
        let mut ids = thread_ids(pid).map_err(|e| gone(pid, &e))?;
        ids.sort_by_key(|tid| preferred.iter().position(|p| p == tid).unwrap_or(usize::MAX));
        for tid in ids {
            let hurry = Hurry::begin();
            match sys::seize(tid).and_then(|()| sys::interrupt(tid)) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::EPERM) && !has_ended(pid, tid) => {
                    return Err(not_permitted(pid, tid));
                }
                Err(_) => continue,
            }
            let mut held = Held { pid, threads: BTreeMap::from([(tid, Vec::new())]), first_stop: None, _hurry: hurry };
            held.wait_for_stop(tid, Instant::now() + STOP_DEADLINE)?;
            // What a call needs below the stack pointer is put back afterwards, but others would see it meanwhile.
            if sys::registers(tid).is_ok_and(|r| stacks.room(r.rsp, r.fs_base) >= ROOM_FOR_A_CALL) {
                return Ok((held, tid));
            }
        }
        let held = Held::freeze(pid)?;
        let any = held.ids().next();
        any.map(|tid| (held, tid))
            .ok_or_else(|| Error::new(Kind::NoProcess, format!("pid {pid} ended before it could be stopped")))
    }

    fn wait_for_stop(&mut self, tid: i32, deadline: Instant) -> Result<()> {
        let change = sys::wait(tid, deadline);
        self.first_stop.get_or_insert_with(Instant::now);
        match change {
            Ok(Change::Gone) => {
                self.threads.remove(&tid);
                Ok(())
            }
            Ok(Change::Stopped { signal, event: sys::EVENT_STOP }) if signal != libc::SIGTRAP => {
                Err(Error::new(Kind::Busy, format!("pid {} is stopped by signal {signal}", self.pid))
                    .hint(format!("continue it first: `kill -CONT {}`", self.pid)))
            }
            Ok(Change::Stopped { event: 0, .. }) => {
                if let Ok(info) = sys::signal_info(tid) {
                    self.owe(tid, info);
                }
                Ok(())
            }
            Ok(Change::Stopped { .. }) => Ok(()),
            Err(error) => Err(Error::new(
                Kind::Busy,
                format!(
                    "thread {tid} of pid {} did not stop within {} ms: {error}",
                    self.pid,
                    STOP_DEADLINE.as_millis()
                ),
            )
            .hint(format!(
                "it is in an uninterruptible sleep, see `cat /proc/{}/task/{tid}/stack`; try again later",
                self.pid
            ))),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = i32> + '_ {
        self.threads.keys().copied()
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Remembers a signal that was taken from the thread, to be handed on when it goes.
    pub(super) fn owe(&mut self, tid: i32, info: SignalInfo) {
        self.threads.entry(tid).or_default().push(info);
    }

    /// Lets all threads go; how long the first of them stood still.
    pub(super) fn release(mut self) -> Duration {
        self.let_go();
        self.first_stop.map_or(Duration::ZERO, |first| first.elapsed())
    }

    fn let_go(&mut self) {
        for (tid, mut signals) in std::mem::take(&mut self.threads) {
            // The first is delivered by the detaching itself, which keeps its siginfo; more than one is rare.
            let first = if signals.is_empty() { None } else { Some(signals.remove(0)) };
            for info in &signals {
                // Fails only if the thread is gone, and its signal with it.
                let _ = sys::queue_signal(self.pid, tid, info);
            }
            let signal = first.map_or(0, |info| {
                // Where the thread is not at a signal this fails, and detaching ignores the signal: queue it instead.
                match sys::set_signal_info(tid, &info) {
                    Ok(()) => info.si_signo,
                    Err(_) => {
                        let _ = sys::queue_signal(self.pid, tid, &info);
                        0
                    }
                }
            });
            // Fails only for a thread that has been killed meanwhile.
            let _ = sys::detach(tid, signal);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// While it lives, this process goes before all ordinary ones, so that nobody stands still for want of a processor for us.
#[derive(Debug)]
struct Hurry;

impl Hurry {
    fn begin() -> Hurry {
        sys::hurry(true);
        Hurry
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        sys::hurry(false);
    }
}

fn thread_ids(pid: i32) -> io::Result<Vec<i32>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        if let Some(tid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            ids.push(tid);
        }
    }
    Ok(ids)
}

/// Whether a thread that may not be held has ended. The kernel refuses one on its way out as if it were somebody else's, and
/// a main thread that called `pthread_exit` stays as a zombie while the others live.
fn has_ended(pid: i32, tid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        Err(error) => matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)),
    }
}

fn gone(pid: i32, error: &io::Error) -> Error {
    Error::new(Kind::NoProcess, format!("pid {pid} ended while it was being examined: {error}"))
}

/// Refused: because somebody else traces the thread, else for want of rights.
fn not_permitted(pid: i32, tid: i32) -> Error {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map_or("0", str::trim);
    if tracer != "0" {
        return Error::new(Kind::Busy, format!("pid {pid} is traced by process {tracer}"))
            .hint(format!("wait until it has finished, or end it: `ps -p {tracer} -o pid,user,args`"));
    }
    Error::new(Kind::NotPermitted, format!("not permitted to hold thread {tid} of pid {pid}"))
        .hint(format!("`memory-analyzer doctor {pid}` says what is missing"))
}

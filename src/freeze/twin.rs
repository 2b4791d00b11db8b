//! The twin: a copy-on-write copy of the target that the target does not know of.
//!
//! All threads are held, one of them makes a raw `clone` (no flags, exit signal 0), all are let go. What follows concerns only
//! the copy. Its remains are reaped through the target, because a parent is the only one who can.

use std::time::{Duration, Instant};

use super::Injector;
use super::cpu;
use super::gil::{Candidate, GilSite, ThreadView, Way};
use super::isolate::{self, Isolated, Isolation, Purpose};
use super::registers::RegisterSet;
use super::stacks::Stacks;
use super::sys;
use super::threads::{Held, ROOM_FOR_A_CALL};
use crate::error::{Error, Kind, Result};
use crate::target::memory::{Memory, ProcessMemory};

/// A freeze finds the GIL between two holders in one of some thousand cases.
const ATTEMPTS: u32 = 10;
/// How long a killed twin may take to become a zombie: the kernel frees its memory first.
const DEATH_DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no twin.
#[derive(Debug)]
pub(super) enum NoTwin {
    /// Not on this target: take the next way.
    Impossible(String),
    /// Nothing is possible on this target.
    Failed(Error),
}

impl From<Error> for NoTwin {
    fn from(error: Error) -> NoTwin {
        NoTwin::Failed(error)
    }
}

/// A twin, isolated and waiting.
#[derive(Debug)]
pub(super) struct Twin {
    /// As we see it.
    pub(super) pid: i32,
    /// As the target sees it, in its own pid namespace.
    pid_in_target: i64,
    target: i32,
    /// The thread of the target it is a copy of.
    pub(super) thread: Candidate,
    pub(super) registers: RegisterSet,
    pub(super) isolated: Isolated,
    pub(super) pause: Duration,
    pub(super) threads: usize,
}

/// Makes and isolates a twin of `pid`.
pub(super) fn make(pid: i32, site: &GilSite, isolation: Isolation) -> std::result::Result<Twin, NoTwin> {
    if let Some(reason) = cpu::CANNOT_INJECT.map(str::to_owned).or_else(|| filtered(pid)) {
        return Err(NoTwin::Impossible(reason));
    }
    let injector = Injector::open(pid)?;
    let memory = ProcessMemory::open(pid).map_err(|e| lost(pid, &e))?;
    let libc = libc_data(pid);
    let mut pause = Duration::ZERO;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let mut held = match Held::freeze(pid) {
            Ok(held) => held,
            Err(error) if error.kind == Kind::Busy => {
                // Another analysis may be holding it, for as short as we do.
                last = Some(error);
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some((thread, registers)) = choose(&held, site, &memory, &libc, isolation.purpose)? else {
            pause += held.release();
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        let threads = held.ids().count();
        let outcome = injector.call(&mut held, thread.tid, libc::SYS_clone, [0; 6]);
        pause += held.release();
        let outcome = outcome?;
        let Some(child) = outcome.child else {
            let error = std::io::Error::from_raw_os_error(-outcome.result as i32);
            return Err(NoTwin::Impossible(match error.raw_os_error() {
                Some(libc::EAGAIN) => {
                    format!("clone: {error} (limit on processes reached: RLIMIT_NPROC or pids cgroup)")
                }
                Some(libc::ENOMEM) => format!("clone: {error} (strict overcommit or memory limit)"),
                _ => format!("clone: {error}"),
            }));
        };
        let mut twin = Nascent { pid: child, pid_in_target: outcome.result, target: pid, ended: false };
        let isolated = twin.isolate(&injector, isolation)?;
        twin.ended = true;
        return Ok(Twin {
            pid: child,
            pid_in_target: outcome.result,
            target: pid,
            thread,
            registers,
            isolated,
            pause,
            threads,
        });
    }
    let no_thread = || {
        let text = format!("no thread of pid {pid} was found in a state to run Python, in {ATTEMPTS} freezes");
        Error::new(Kind::Busy, text).hint("try again; if it persists, `--freeze stop`")
    };
    Err(NoTwin::Failed(last.unwrap_or_else(no_thread)))
}

/// The thread to copy: the holder of the GIL, else one that waits outside of it; for reading any with room on its stack.
fn choose(
    held: &Held,
    site: &GilSite,
    memory: &dyn Memory,
    libc: &[(u64, u64)],
    purpose: Purpose,
) -> Result<Option<(Candidate, RegisterSet)>> {
    let lost = |e: std::io::Error| lost(held.pid(), &e);
    let mut registers = Vec::new();
    for tid in held.ids() {
        registers.push((tid, sys::registers(tid).map_err(lost)?));
    }
    let views: Vec<ThreadView> = registers.iter().map(|(tid, r)| ThreadView::new(*tid, r)).collect();
    let candidate = match site.holder(memory, &views).map_err(lost)? {
        Some(holder) => Some(holder),
        None if site.is_held(memory).map_err(lost)? => None,
        None => site.parked(memory, &views, held.pid(), libc).map_err(lost)?,
    };
    let any = || {
        let stacks = Stacks::read(held.pid());
        let roomy = registers.iter().find(|(_, r)| stacks.room(r.rsp, r.fs_base) >= ROOM_FOR_A_CALL);
        roomy.map(|&(tid, _)| Candidate { tid, tstate: 0, way: Way::Direct, waits: false })
    };
    let candidate = candidate.or_else(|| if purpose == Purpose::Reading { any() } else { None });
    Ok(candidate.and_then(|c| registers.iter().find(|(tid, _)| *tid == c.tid).map(|(_, r)| (c, RegisterSet::from(r)))))
}

/// A child that has to be ended, unless it becomes a twin.
struct Nascent {
    pid: i32,
    pid_in_target: i64,
    target: i32,
    ended: bool,
}

impl Nascent {
    fn isolate(&self, injector: &Injector, isolation: Isolation) -> Result<Isolated> {
        let deadline = Instant::now() + Duration::from_secs(1);
        match sys::wait(self.pid, deadline) {
            Ok(sys::Change::Stopped { .. }) => {}
            other => return Err(Error::new(Kind::Busy, format!("the twin did not start: {other:?}"))),
        }
        isolate::isolate(&injector.of_twin(self.pid)?, self.pid, isolation)
    }
}

impl Drop for Nascent {
    fn drop(&mut self) {
        if !self.ended {
            let _ = end(self.pid, self.pid_in_target, self.target, &[]);
        }
    }
}

impl Twin {
    /// Kills the twin and has the target reap it; how long a thread of the target stood still for that.
    pub(super) fn end(self) -> Result<Duration> {
        end(self.pid, self.pid_in_target, self.target, &[self.thread.tid])
    }
}

fn end(twin: i32, pid_in_target: i64, target: i32, preferred: &[i32]) -> Result<Duration> {
    // Fails only if it is gone, and then there is nothing to do.
    let _ = sys::kill(twin, libc::SIGKILL);
    let deadline = Instant::now() + DEATH_DEADLINE;
    loop {
        match state(twin) {
            None => return Ok(Duration::ZERO),
            Some(b'Z') => break,
            Some(_) if Instant::now() > deadline => {
                return Err(Error::new(Kind::Defect, format!("the twin {twin} of pid {target} does not die")));
            }
            Some(_) => {
                // If it is still ours to trace, its end is reported to us first.
                let _ = sys::wait(twin, Instant::now());
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
    let injector = Injector::open(target)?;
    let mut stood = Duration::ZERO;
    // The kernel may still be handing the remains over from a debugger to the target.
    while Instant::now() < deadline && state(twin).is_some() {
        let (mut held, tid) = match Held::freeze_one(target, preferred) {
            Ok(one) => one,
            // Somebody else examines the target just now; it must not keep our remains for that.
            Err(error) if error.kind == Kind::Busy => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            Err(error) => return Err(error),
        };
        let options = (libc::__WALL | libc::WNOHANG) as u32 as u64;
        let outcome = injector.call(&mut held, tid, libc::SYS_wait4, [pid_in_target as u64, 0, options, 0, 0, 0]);
        stood += held.release();
        if outcome?.result != 0 {
            return Ok(stood);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(stood)
}

/// The state letter of a process, `None` if there is none.
fn state(pid: i32) -> Option<u8> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().bytes().next()
}

/// A seccomp filter may answer a call of ours by killing the target.
fn filtered(pid: i32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?.trim();
    (mode != "0").then(|| "the target runs under a seccomp filter, which may not allow a clone".to_owned())
}

/// Where libc keeps its own data, locks among them: its writable mappings and what follows them without a name.
pub(crate) fn libc_data(pid: i32) -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for line in maps.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((start, end)) = words.first().and_then(|w| w.split_once('-')) else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else { continue };
        let writable = words.get(1).is_some_and(|p| p.starts_with("rw"));
        let file = words.get(5).and_then(|p| p.rsplit('/').next()).unwrap_or("");
        let follows = words.len() == 5 && ranges.last().is_some_and(|&(_, last)| last == start);
        if writable
            && (file.starts_with("libc.") || file.starts_with("libc-") || file.starts_with("ld-musl") || follows)
        {
            ranges.push((start, end));
        }
    }
    ranges
}

fn lost(pid: i32, error: &std::io::Error) -> Error {
    Error::new(Kind::NoProcess, format!("cannot read pid {pid} while it is held: {error}"))
}

impl Way {
    /// For messages: how the code is run.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Way::PendingCall => "by a pending call of the thread that holds the GIL",
            Way::TakeGil => "in a waiting thread that takes the GIL",
            Way::Direct => "where the thread stands",
        }
    }
}

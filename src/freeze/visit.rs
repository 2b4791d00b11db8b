//! Prepares a target itself for `--freeze stop`: a landing region and a memory file to write results to, both taken away
//! again afterwards.
//!
//! No debugger is needed for that, and none of it is visible to the target's Python: one mapping and one descriptor.

use std::fs::File;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Injector;
use super::landing::{Landing, Progress};
use super::sys;
use super::sys_filter::{self, Instruction, Verdict};
use super::threads::Held;
use crate::error::{Error, Kind, Result};

/// How long a thread that has made its calls may take to leave the region.
const VACATE_DEADLINE: Duration = Duration::from_secs(30);

/// How far the code that a visit brought has come, as far as the analyzer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VisitState {
    /// It has ended, or was never started.
    Finished,
    /// The interpreter has been asked to run it and may still do so: the (empty) source stays where it is.
    Queued,
    /// It runs: everything stays.
    Running,
}

/// What a visit has brought into the target.
#[derive(Debug)]
pub(super) struct Visit {
    pid: i32,
    pub(super) landing: Landing,
    /// The memory file, as a descriptor of the target.
    pub(super) write_to: u32,
    /// Our own hold on the memory file.
    pub(super) file: File,
    pub(super) pause: Duration,
}

/// The calls a visit makes in the target, for the proof that its filter allows them. Arguments that are addresses are left 0.
fn calls(size: u64) -> Vec<(i64, [u64; 6])> {
    let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    vec![
        (libc::SYS_mmap, [0, size, (libc::PROT_READ | libc::PROT_WRITE) as u64, private, u64::MAX, 0]),
        (libc::SYS_mprotect, [0, Landing::code_length(), (libc::PROT_READ | libc::PROT_EXEC) as u64, 0, 0, 0]),
        (libc::SYS_memfd_create, [0, u64::from(libc::MFD_CLOEXEC), 0, 0, 0, 0]),
        (libc::SYS_close, [0; 6]),
        (libc::SYS_munmap, [0, size, 0, 0, 0, 0]),
        (libc::SYS_write, [0; 6]),
    ]
}

/// Brings the region and the file into `pid`.
pub(super) fn begin(pid: i32, size: u64) -> Result<Visit> {
    prove_allowed(pid, size)?;
    let injector = Injector::open(pid)?;
    let (mut held, tid) = Held::freeze_one(pid, &[pid])?;
    let mut call = |number: i64, arguments: [u64; 6]| -> Result<u64> {
        let result = injector.call(&mut held, tid, number, arguments)?.result;
        if (-4095..0).contains(&result) {
            let error = std::io::Error::from_raw_os_error(-result as i32);
            return Err(Error::new(Kind::Busy, format!("pid {pid} cannot be prepared: system call {number}: {error}")));
        }
        Ok(result as u64)
    };
    let [map, protect, create, close, unmap, _] = calls(size)[..] else { unreachable!("six calls") };
    let base = call(map.0, map.1)?;
    let landing = Landing { base, size };
    let open = (|| {
        call(protect.0, [base, protect.1[1], protect.1[2], 0, 0, 0])?;
        // The name is the empty string at the start of the fresh data page.
        let fd = call(create.0, [base + Landing::code_length(), create.1[1], 0, 0, 0, 0])?;
        match File::open(format!("/proc/{pid}/fd/{fd}")) {
            Ok(file) => Ok((fd, file)),
            Err(error) => {
                call(close.0, [fd, 0, 0, 0, 0, 0])?;
                Err(Error::new(Kind::NotPermitted, format!("cannot open the memory file in pid {pid}: {error}")))
            }
        }
    })();
    match open {
        Ok((fd, file)) => Ok(Visit { pid, landing, write_to: fd as u32, file, pause: held.release() }),
        Err(error) => {
            call(unmap.0, [base, size, 0, 0, 0, 0])?;
            Err(error)
        }
    }
}

impl Visit {
    /// Takes away again what was brought, as far as `state` allows; the second is whether nothing is left.
    pub(super) fn end(self, state: VisitState) -> Result<(Duration, bool)> {
        let injector = Injector::open(self.pid)?;
        self.landing.disarm(injector.memory()).map_err(|e| lost(self.pid, &e))?;
        let mut stood = Duration::ZERO;
        if state == VisitState::Running {
            return Ok((stood, false));
        }
        let deadline = Instant::now() + VACATE_DEADLINE;
        while Instant::now() < deadline {
            let mut held = match Held::freeze(self.pid) {
                Ok(held) => held,
                // A debugger of ours that is still letting go, or another analysis.
                Err(error) if error.kind == Kind::Busy => {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let inside = held.ids().any(|tid| sys::registers(tid).is_ok_and(|r| self.landing.contains_code(r.rip)));
            let progress = self.landing.progress(injector.memory()).map_err(|e| lost(self.pid, &e))?;
            let any = held.ids().next();
            if let (false, Some(tid)) = (inside || progress == Progress::Inside, any) {
                injector.call(&mut held, tid, libc::SYS_close, [self.write_to.into(), 0, 0, 0, 0, 0])?;
                let clean = state == VisitState::Finished || progress != Progress::Queued;
                if clean {
                    let region = [self.landing.base, self.landing.size, 0, 0, 0, 0];
                    injector.call(&mut held, tid, libc::SYS_munmap, region)?;
                }
                return Ok((stood + held.release(), clean));
            }
            stood += held.release();
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok((stood, false))
    }
}

/// A seccomp filter may answer a call by killing the target: each call of ours must be proven allowed first.
fn prove_allowed(pid: i32, size: u64) -> Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map_or("0", str::trim);
    if mode == "0" {
        return Ok(());
    }
    let refused = |why: String| {
        Error::new(Kind::Busy, format!("pid {pid} runs under a seccomp filter, and {why}"))
            .hint("nothing is run in a process whose filter might kill it for that")
    };
    if mode != "2" {
        return Err(refused("it may only read, write and exit (strict mode)".into()));
    }
    let (held, tid) = Held::freeze_one(pid, &[pid])?;
    let filters = sys::seccomp_filters(tid);
    drop(held);
    let filters = filters.map_err(|error| {
        refused(format!("what the filter allows cannot be read: {error}"))
            .hint("run as root (CAP_SYS_ADMIN): the filter is then read, and used if it allows what is needed")
    })?;
    for filter in &filters {
        let program: Vec<Instruction> = filter.iter().map(|bytes| Instruction::decode(*bytes)).collect();
        for (call, arguments) in calls(size) {
            if sys_filter::run(&program, call, arguments) != Some(Verdict::Allow) {
                return Err(refused(format!("it does not provably allow system call {call}")));
            }
        }
    }
    Ok(())
}

fn lost(pid: i32, error: &std::io::Error) -> Error {
    Error::new(Kind::NoProcess, format!("cannot read pid {pid}: {error}"))
}

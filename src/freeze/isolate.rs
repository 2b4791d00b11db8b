//! Cuts a fresh twin off from everything it shares with the target and the world, and parks it for a debugger.
//!
//! What is cut: descriptors, signals, shared writable mappings, system calls, time to live, its place before the out-of-memory
//! killer. What is left: private memory and one pipe to us.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Injector;
use super::landing::Landing;
use super::seccomp::{self, Allowance};
use super::sys;
use crate::error::{Error, Kind, Result};

/// Shared mappings up to this size in all stay readable in the twin, as a private copy; larger ones are taken away.
const MAX_SHARED_COPY: u64 = 64 << 20;
/// The longest path of a mapping or name we look at.
const PAGE: u64 = 4096;
/// After the null device at 0 to 2.
const PIPE_READ: u32 = 3;
const PIPE_WRITE: u32 = 4;

/// What a twin is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// Its memory is read; nothing of it runs, so any thread will do.
    Reading,
    /// Its interpreter runs probes.
    Probes,
    /// And imports libraries for them.
    Libraries,
}

/// What a twin is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Isolation {
    pub(super) landing_size: u64,
    /// When the kernel ends the twin by itself.
    pub(super) lifetime: Duration,
    pub(super) purpose: Purpose,
}

/// An isolated, parked twin.
#[derive(Debug)]
pub(super) struct Isolated {
    pub(super) landing: Landing,
    /// Our end of the twin's pipe.
    pub(super) pipe: File,
    /// The descriptor by which the twin writes to it.
    pub(super) write_to: u32,
}

/// Isolates the stopped, traced `twin` and lets it wait in `pause()`, untraced.
pub(super) fn isolate(injector: &Injector, twin: i32, wanted: Isolation) -> Result<Isolated> {
    // Should we die from here on, the twin dies with us, until it is parked with a timer of its own.
    sys::set_options(twin, libc::PTRACE_O_EXITKILL).map_err(|e| failed("tie to us", &e))?;
    let call = Caller { injector, twin };
    let landing = map_landing(&call, wanted.landing_size)?;
    let scratch = landing.base + Landing::code_length();

    close_descriptors(&call)?;
    sys::make_unimportant(twin);
    // Raising it is everyone's right; a twin that is not first in line is still only one in it.
    let _ = std::fs::write(format!("/proc/{twin}/oom_score_adj"), "1000");
    take_shared_mappings(&call)?;
    let pipe = open_hand_over(&call, scratch)?;
    arm_timer(&call, scratch, wanted.lifetime)?;
    filter_calls(&call, scratch, Allowance { write_to: PIPE_WRITE, read_files: wanted.purpose == Purpose::Libraries })?;
    call.write(&[0; 256], scratch)?;
    park(injector, twin)?;
    Ok(Isolated { landing, pipe, write_to: PIPE_WRITE })
}

/// System calls of the twin, as results.
struct Caller<'a> {
    injector: &'a Injector,
    twin: i32,
}

impl Caller<'_> {
    fn make(&self, doing: &str, number: i64, arguments: [u64; 6]) -> Result<u64> {
        self.attempt(number, arguments)?.map_err(|error| failed(doing, &error))
    }

    fn attempt(&self, number: i64, arguments: [u64; 6]) -> Result<io::Result<u64>> {
        let result = self.injector.call_in_twin(self.twin, number, arguments)?;
        Ok(if (-4095..0).contains(&result) {
            Err(io::Error::from_raw_os_error(-result as i32))
        } else {
            Ok(result as u64)
        })
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.injector.memory().write_all_at(bytes, at).map_err(|error| failed("write to its memory", &error))
    }
}

fn failed(doing: &str, error: &io::Error) -> Error {
    Error::new(Kind::Busy, format!("cannot isolate the twin: {doing}: {error}"))
}

/// Private anonymous memory; its first page becomes code.
fn map_landing(call: &Caller, size: u64) -> Result<Landing> {
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let writable = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let base = call.make("mmap", libc::SYS_mmap, [0, size, writable, flags, u64::MAX, 0])?;
    let executable = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    call.make("mprotect", libc::SYS_mprotect, [base, Landing::code_length(), executable, 0, 0, 0])?;
    Ok(Landing { base, size })
}

fn close_descriptors(call: &Caller) -> Result<()> {
    if call.attempt(libc::SYS_close_range, [0, u32::MAX.into(), 0, 0, 0, 0])?.is_ok() {
        return Ok(());
    }
    // Before Linux 5.9: one by one.
    let listed =
        std::fs::read_dir(format!("/proc/{}/fd", call.twin)).map_err(|e| failed("list its descriptors", &e))?;
    for entry in listed.flatten() {
        if let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) {
            call.make("close", libc::SYS_close, [fd, 0, 0, 0, 0, 0])?;
        }
    }
    Ok(())
}

/// Puts private memory in the place of shared writable memory: what is written there would be written in the target.
fn take_shared_mappings(call: &Caller) -> Result<()> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", call.twin)).map_err(|e| failed("read its maps", &e))?;
    let mut left = MAX_SHARED_COPY;
    for (start, end) in maps.lines().filter_map(shared_writable) {
        let size = end - start;
        let mut content = Vec::new();
        if size <= left {
            left -= size;
            content.resize(size as usize, 0);
            // Device memory cannot be read this way: it is taken away.
            if call.injector.memory().read_exact_at(&mut content, start).is_err() {
                content.clear();
            }
        }
        if content.is_empty() {
            call.make("munmap", libc::SYS_munmap, [start, size, 0, 0, 0, 0])?;
            continue;
        }
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as u64;
        let writable = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        call.make("replace shared memory", libc::SYS_mmap, [start, size, writable, flags, u64::MAX, 0])?;
        call.write(&content, start)?;
    }
    Ok(())
}

/// The range of a line of maps that is mapped shared and writable.
fn shared_writable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?.as_bytes();
    let range = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    (permissions.get(1) == Some(&b'w') && permissions.get(3) == Some(&b's')).then_some(range)
}

/// The null device at 0 to 2, then a pipe of which we take the reading end.
fn open_hand_over(call: &Caller, scratch: u64) -> Result<File> {
    call.write(b"/dev/null\0", scratch)?;
    let null = [libc::AT_FDCWD as u64, scratch, libc::O_RDWR as u64, 0, 0, 0];
    if call.attempt(libc::SYS_openat, null)?.is_err() {
        // A root directory without devices: memory that nobody reads does as well.
        call.make("memfd_create", libc::SYS_memfd_create, [scratch, 0, 0, 0, 0, 0])?;
    }
    for copy in 1..3 {
        call.make("dup", libc::SYS_dup, [0, 0, 0, 0, 0, 0]).map(|fd| debug_assert_eq!(fd, copy))?;
    }
    call.make("pipe", libc::SYS_pipe2, [scratch, 0, 0, 0, 0, 0])?;
    let pipe = File::open(format!("/proc/{}/fd/{PIPE_READ}", call.twin)).map_err(|e| failed("open its pipe", &e))?;
    sys::enlarge_pipe(&pipe);
    // With the reading end ours alone, a twin whose reader died is told so by EPIPE.
    call.make("close", libc::SYS_close, [PIPE_READ.into(), 0, 0, 0, 0, 0])?;
    Ok(pipe)
}

/// A timer that kills the twin, whoever else has died.
fn arm_timer(call: &Caller, scratch: u64, lifetime: Duration) -> Result<()> {
    // struct sigevent: value (8), signal (4), notify (4), padding to 64.
    let mut event = [0u8; 64];
    event[8..12].copy_from_slice(&libc::SIGKILL.to_le_bytes());
    event[12..16].copy_from_slice(&libc::SIGEV_SIGNAL.to_le_bytes());
    call.write(&event, scratch)?;
    let id = scratch + 64;
    call.make("timer_create", libc::SYS_timer_create, [libc::CLOCK_MONOTONIC as u64, scratch, id, 0, 0, 0])?;
    let mut number = [0; 4];
    call.injector.memory().read_exact_at(&mut number, id).map_err(|e| failed("read its memory", &e))?;
    // struct itimerspec: interval, value; seconds and nanoseconds each.
    let mut spec = [0u8; 32];
    spec[16..24].copy_from_slice(&lifetime.as_secs().max(1).to_le_bytes());
    call.write(&spec, scratch)?;
    call.make("timer_settime", libc::SYS_timer_settime, [u32::from_le_bytes(number).into(), 0, scratch, 0, 0, 0])?;
    Ok(())
}

fn filter_calls(call: &Caller, scratch: u64, allowance: Allowance) -> Result<()> {
    const NO_NEW_PRIVILEGES: u64 = libc::PR_SET_NO_NEW_PRIVS as u64;
    let program = seccomp::filter(allowance);
    // struct sock_fprog: length, padding, pointer; then the program.
    let mut bytes = (program.len() as u64).to_le_bytes().to_vec();
    bytes.extend((scratch + 16).to_le_bytes());
    bytes.extend(seccomp::encode(&program));
    debug_assert!(bytes.len() as u64 <= PAGE, "the filter must fit the page of slots");
    call.write(&bytes, scratch)?;
    call.make("no_new_privs", libc::SYS_prctl, [NO_NEW_PRIVILEGES, 1, 0, 0, 0, 0])?;
    call.make("seccomp", libc::SYS_seccomp, [libc::SECCOMP_SET_MODE_FILTER.into(), 0, scratch, 0, 0, 0])?;
    call.write(&vec![0; bytes.len()], scratch)
}

/// Lets the twin wait in `pause()`: not in a group stop, which would send the target a `SIGCHLD`.
fn park(injector: &Injector, twin: i32) -> Result<()> {
    injector.pause(twin).and_then(|()| sys::detach(twin, 0)).map_err(|e| failed("park", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_writable_mappings_are_taken() {
        assert_eq!(shared_writable("7f00-7f80 rw-s 00000000 00:01 5 /dev/shm/x (deleted)"), Some((0x7f00, 0x7f80)));
        assert_eq!(shared_writable("7f00-7f80 r--s 00000000 00:01 5 /usr/lib/gconv-modules.cache"), None);
        assert_eq!(shared_writable("7f00-7f80 rw-p 00000000 00:00 0"), None);
        assert_eq!(shared_writable("garbage"), None);
    }
}

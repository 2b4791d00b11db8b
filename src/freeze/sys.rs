//! The kernel's interface for holding other processes, as safe functions: each does one call and says how it failed.
//!
//! All `unsafe` of the house is in this folder, most of it here. Sources: ptrace(2), wait(2), `linux/ptrace.h`,
//! `arch/x86/include/uapi/asm/ptrace.h`.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::time::Instant;

use memmap2::Mmap;

/// `PTRACE_EVENT_STOP`: the stop that `PTRACE_INTERRUPT` makes, and the first stop of an auto-attached child.
pub(super) const EVENT_STOP: i32 = 128;

const GET_SIGNAL_MASK: u32 = 0x420a;
const SET_SIGNAL_MASK: u32 = 0x420b;
#[cfg(target_arch = "x86_64")]
const NT_X86_XSTATE: usize = 0x202;
/// The largest there is, a thread's whole extended state (AVX-512 and AMX included), has about 11 KiB today.
const MAX_REGISTER_SET: usize = 64 * 1024;

/// General registers of a stopped thread.
#[cfg(target_arch = "x86_64")]
pub(super) type Registers = libc::user_regs_struct;
#[cfg(target_arch = "aarch64")]
pub(super) use super::aarch64::{Registers, registers};
/// What the kernel says of a signal.
pub(super) type SignalInfo = libc::siginfo_t;

/// The contents of a regular file, mapped: nothing is read before it is looked at.
pub(crate) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read as plain bytes, which may have any value. Whoever writes to the file meanwhile can change
    // what is read, which is checked wherever it is used, and whoever cuts it off ends this process by SIGBUS, not more.
    unsafe { Mmap::map(file) }
}

fn ptrace(request: u32, tid: i32, address: usize, data: usize) -> io::Result<i64> {
    // SAFETY: every caller below passes, as `data`, either a plain number or the address of a live buffer of the size that
    // the request writes; no request used here writes anywhere else in this process.
    let result = unsafe { libc::ptrace(request as _, tid, address as *mut libc::c_void, data as *mut libc::c_void) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Attaches without stopping; sends nothing. Detaches by itself when this process dies.
pub(super) fn seize(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, tid, 0, 0).map(drop)
}

/// Asks a seized thread to stop; it does without a signal.
pub(super) fn interrupt(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
}

/// Lets a stopped thread go, delivering `signal` (0: none).
pub(super) fn detach(tid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, tid, 0, signal as usize).map(drop)
}

/// Runs one instruction, delivering no signal.
pub(super) fn single_step(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SINGLESTEP, tid, 0, 0).map(drop)
}

pub(super) fn set_options(tid: i32, options: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SETOPTIONS, tid, 0, options as usize).map(drop)
}

/// The message of the event a thread is stopped at: of a clone, the child.
pub(super) fn event_message(tid: i32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut message as usize)?;
    Ok(message)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn registers(tid: i32) -> io::Result<Registers> {
    let mut registers = MaybeUninit::<Registers>::uninit();
    ptrace(libc::PTRACE_GETREGS, tid, 0, registers.as_mut_ptr() as usize)?;
    // SAFETY: the call succeeded, so the kernel filled the structure.
    Ok(unsafe { registers.assume_init() })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn set_registers(tid: i32, registers: &Registers) -> io::Result<()> {
    ptrace(libc::PTRACE_SETREGS, tid, 0, &raw const *registers as usize).map(drop)
}

/// The x87, SSE, AVX … state in the standard XSAVE format (Intel SDM 1, 13.4).
#[cfg(target_arch = "x86_64")]
pub(super) fn extended_state(tid: i32) -> io::Result<Vec<u8>> {
    register_set(tid, NT_X86_XSTATE)
}

/// One of the kernel's sets of registers (`NT_*`, `linux/elf.h`).
pub(super) fn register_set(tid: i32, set: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0u8; MAX_REGISTER_SET];
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    ptrace(libc::PTRACE_GETREGSET, tid, set, &raw mut vector as usize)?;
    buffer.truncate(vector.iov_len);
    Ok(buffer)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn set_extended_state(tid: i32, state: &[u8]) -> io::Result<()> {
    let vector = libc::iovec { iov_base: state.as_ptr().cast_mut().cast(), iov_len: state.len() };
    ptrace(libc::PTRACE_SETREGSET, tid, NT_X86_XSTATE, &raw const vector as usize).map(drop)
}

/// The set of blocked signals, one bit each.
pub(super) fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    ptrace(GET_SIGNAL_MASK, tid, 8, &raw mut mask as usize)?;
    Ok(mask)
}

pub(super) fn set_signal_mask(tid: i32, mask: u64) -> io::Result<()> {
    ptrace(SET_SIGNAL_MASK, tid, 8, &raw const mask as usize).map(drop)
}

/// The signal a thread is stopped at.
pub(super) fn signal_info(tid: i32) -> io::Result<SignalInfo> {
    let mut info = MaybeUninit::<SignalInfo>::uninit();
    ptrace(libc::PTRACE_GETSIGINFO, tid, 0, info.as_mut_ptr() as usize)?;
    // SAFETY: the call succeeded, so the kernel filled the structure.
    Ok(unsafe { info.assume_init() })
}

pub(super) fn set_signal_info(tid: i32, info: &SignalInfo) -> io::Result<()> {
    ptrace(libc::PTRACE_SETSIGINFO, tid, 0, &raw const *info as usize).map(drop)
}

/// Sends `info` again to a thread, as it was.
pub(super) fn queue_signal(pid: i32, tid: i32, info: &SignalInfo) -> io::Result<()> {
    // SAFETY: `info` is a live siginfo; the kernel only reads it.
    let result = unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, info.si_signo, &raw const *info) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Why a wait for a thread came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Stopped: the signal, and the ptrace event (0: it is stopped at the delivery of that signal).
    Stopped { signal: i32, event: i32 },
    /// Exited or was killed; it is reaped, as far as it was ours to reap.
    Gone,
}

/// Blocks `SIGCHLD` in this process, so that [`wait`] can wait for it with a deadline.
pub(super) fn prepare_to_wait() {
    // SAFETY: a signal set on our stack, initialised by sigemptyset before use.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// The next change of a traced thread; `TimedOut` once the deadline has passed.
pub(super) fn wait(tid: i32, deadline: Instant) -> io::Result<Change> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is live; the kernel writes one int.
        match unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) } {
            0 => wait_for_child_signal(deadline)?,
            -1 => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() == Some(libc::ECHILD) {
                    return Ok(Change::Gone);
                }
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ if libc::WIFSTOPPED(status) => {
                return Ok(Change::Stopped { signal: libc::WSTOPSIG(status) & 0x7f, event: status >> 16 });
            }
            _ => return Ok(Change::Gone),
        }
    }
}

/// Sleeps until a child changes (the kernel tells a tracer by `SIGCHLD`) or the deadline passes.
fn wait_for_child_signal(deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // Changes are merged into one pending SIGCHLD, so never sleep long on one that somebody else's change used up.
    let nap = left.min(std::time::Duration::from_millis(2));
    let timeout = libc::timespec { tv_sec: nap.as_secs() as _, tv_nsec: nap.subsec_nanos() as _ };
    // SAFETY: a signal set on our stack, initialised by sigemptyset before use; no info is asked for.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigtimedwait(set.as_ptr(), std::ptr::null_mut(), &raw const timeout);
    }
    Ok(())
}

/// Sends a signal to a process.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::kill(pid, signal) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a process the lowest priority and forbids it core files.
pub(super) fn make_unimportant(pid: i32) {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `no_core` is live and only read. Both calls are best effort: an important twin is slower to yield, no more.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, pid as _, 19);
        libc::prlimit(pid, libc::RLIMIT_CORE, &raw const no_core, std::ptr::null_mut());
    }
}

/// Makes this process the leader of its own session and deaf to what ends an interactive command.
pub(super) fn stand_apart() {
    // SAFETY: SIG_IGN is a valid disposition; setsid has no memory effects.
    unsafe {
        for signal in
            [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGTSTP, libc::SIGTTOU]
        {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::setsid();
    }
}

/// Enlarges the buffer of a pipe, so that writer and reader take turns less often; best effort.
pub(super) fn enlarge_pipe(pipe: &std::fs::File) {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open as long as `pipe` lives; no memory is involved.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
}

/// All registers zero.
pub(super) fn no_registers() -> Registers {
    // SAFETY: the structure consists of integers, for which all bits zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// `PTRACE_SECCOMP_GET_FILTER`; needs CAP_SYS_ADMIN.
const SECCOMP_GET_FILTER: u32 = 0x420c;
/// The kernel's own limit on the instructions of one filter (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;
/// More filters than this are not stacked in practice.
const MAX_FILTERS: usize = 64;

/// The seccomp filters of a stopped thread, each as its instructions.
pub(super) fn seccomp_filters(tid: i32) -> io::Result<Vec<Vec<[u8; 8]>>> {
    let mut filters = Vec::new();
    loop {
        let mut program = vec![[0u8; 8]; MAX_INSTRUCTIONS];
        match ptrace(SECCOMP_GET_FILTER, tid, filters.len(), program.as_mut_ptr() as usize) {
            Ok(length) => program.truncate(length as usize),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && !filters.is_empty() => return Ok(filters),
            Err(error) => return Err(error),
        }
        filters.push(program);
        if filters.len() == MAX_FILTERS {
            return Err(io::Error::other("too many filters"));
        }
    }
}

/// Puts this process before all ordinary ones while it holds a target, where it may: on a busy machine the target would
/// stand still for as long as we wait for a processor.
pub(super) fn hurry(urgent: bool) {
    let policy = if urgent { libc::SCHED_RR } else { libc::SCHED_OTHER };
    let parameters = libc::sched_param { sched_priority: i32::from(urgent) };
    // SAFETY: `parameters` is live and only read. Best effort: not everyone may.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
}

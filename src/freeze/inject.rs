//! Has a stopped thread run system calls of ours, and leaves it to the bit as it was.
//!
//! In the target ([`Injector::call`]) the stack below the thread's red zone holds, meanwhile, frames by which it would put
//! itself back were we killed in between (see [`Chain`]); afterwards those bytes, all registers, the extended state and the
//! signal mask are what they were. The call that the stop interrupted is restarted by the kernel itself, because it finds
//! the registers as it left them. In a twin ([`Injector::call_in_twin`]) nothing has to be put back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::sys::{self, Change, Registers};
use super::threads::Held;
use super::x86_64::{self as cpu, Chain, Gadgets};
use crate::error::{Error, Kind, Result};

/// A clone of a process with a terabyte of mapped pages takes about ten seconds; everything else microseconds.
const CALL_DEADLINE: Duration = Duration::from_secs(20);
/// Executable mappings are searched for gadgets in pieces of this size; libc's text is 1.5 MiB.
const SEARCH_PIECE: usize = 4 << 20;

/// The way into one process: its memory and the instructions in it that we use.
#[derive(Debug)]
pub(super) struct Injector {
    memory: File,
    gadgets: Gadgets,
}

/// How far a call has come, for the test that leaves it there.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Sent,
    Masked,
    Called,
    Unmasked,
}

/// What a call in the target gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// As the kernel returned it: negative is an error number.
    pub(super) result: i64,
    /// The process it made, if it was a clone.
    pub(super) child: Option<i32>,
}

impl Injector {
    /// Opens the memory of `pid` and finds the instructions; touches nothing.
    pub(super) fn open(pid: i32) -> Result<Injector> {
        let path = format!("/proc/{pid}/mem");
        let memory = OpenOptions::new().read(true).write(true).open(&path).map_err(|error| open_error(pid, &error))?;
        let gadgets = find_gadgets(pid, &memory)?;
        Ok(Injector { memory, gadgets })
    }

    /// The same gadgets in a copy of the process.
    pub(super) fn of_twin(&self, twin: i32) -> Result<Injector> {
        let path = format!("/proc/{twin}/mem");
        let memory = OpenOptions::new().read(true).write(true).open(&path).map_err(|error| open_error(twin, &error))?;
        Ok(Injector { memory, gadgets: self.gadgets })
    }

    pub(super) fn memory(&self) -> &File {
        &self.memory
    }

    /// Has the twin's thread, once it is let go, wait in `pause()`.
    pub(super) fn pause(&self, twin: i32) -> io::Result<()> {
        let registers = sys::registers(twin)?;
        sys::set_registers(twin, &cpu::with_call(&registers, self.gadgets.call, libc::SYS_pause, [0; 6]))
    }

    /// Runs one system call in thread `tid` of the target.
    ///
    /// `number` may be `SYS_clone` with no flags: the child is then auto-attached, stopped before its first instruction,
    /// and reported. The second argument (its stack) is ours to choose.
    pub(super) fn call(&self, held: &mut Held, tid: i32, number: i64, arguments: [u64; 6]) -> Result<Outcome> {
        let doing = |error: io::Error| call_error(tid, number, &error);
        let mut call = PreparedCall::new(self, tid, number, arguments).map_err(doing)?;
        // The order matters: at each point the thread, let go by our death, ends up as it was.
        let outcome =
            call.send().and_then(|()| call.mask()).and_then(|()| self.step_over_call(tid, |info| held.owe(tid, info)));
        let restored = call.unmask().and_then(|()| call.put_back());
        let cleaned = call.clean_up();
        restored.and(cleaned).map_err(doing)?;
        outcome.map_err(doing)
    }

    /// Does what [`call`](Injector::call) does up to `last`, then lets the thread go, as the kernel does when we die.
    #[cfg(test)]
    pub(super) fn abandon(&self, held: &mut Held, tid: i32, number: i64, last: Step) {
        let mut call = PreparedCall::new(self, tid, number, [0; 6]).expect("prepared");
        call.send().expect("sent");
        if last >= Step::Masked {
            call.mask().expect("masked");
        }
        if last >= Step::Called {
            let outcome = self.step_over_call(tid, |info| held.owe(tid, info)).expect("called");
            if let Some(child) = outcome.child {
                let deadline = Instant::now() + CALL_DEADLINE;
                assert!(matches!(sys::wait(child, deadline), Ok(Change::Stopped { .. })));
                sys::detach(child, 0).expect("detached");
            }
        }
        if last >= Step::Unmasked {
            call.unmask().expect("unmasked");
        }
        // A dead tracer traces no clone.
        sys::set_options(tid, 0).expect("set");
    }

    /// Runs one system call in the twin's thread, which is nobody's but ours.
    pub(super) fn call_in_twin(&self, twin: i32, number: i64, arguments: [u64; 6]) -> Result<i64> {
        let doing = |error: io::Error| call_error(twin, number, &error);
        let before = sys::registers(twin).map_err(doing)?;
        sys::set_registers(twin, &cpu::with_call(&before, self.gadgets.call, number, arguments)).map_err(doing)?;
        self.step_over_call(twin, drop).map(|outcome| outcome.result).map_err(doing)
    }

    /// Steps until the instruction is behind the thread: a pending interrupt or a signal stops it in between.
    fn step_over_call(&self, tid: i32, mut took: impl FnMut(sys::SignalInfo)) -> io::Result<Outcome> {
        let deadline = Instant::now() + CALL_DEADLINE;
        let mut child = None;
        loop {
            sys::single_step(tid)?;
            match sys::wait(tid, deadline)? {
                Change::Gone => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
                Change::Stopped { event: libc::PTRACE_EVENT_CLONE, .. } => {
                    child = Some(sys::event_message(tid)? as i32);
                    continue;
                }
                // Everything is masked; what arrives all the same (SIGSTOP) is handed on later.
                Change::Stopped { event: 0, signal } if signal != libc::SIGTRAP => took(sys::signal_info(tid)?),
                Change::Stopped { .. } => {}
            }
            if let Some(result) = cpu::call_result(&sys::registers(tid)?, self.gadgets.call) {
                return Ok(Outcome { result, child });
            }
        }
    }
}

/// A thread of the target with everything written that a call needs, and everything remembered that has to be put back.
struct PreparedCall<'a> {
    injector: &'a Injector,
    tid: i32,
    clones: bool,
    before: Registers,
    extended: Vec<u8>,
    mask: u64,
    called: Registers,
    chain: Chain,
    /// What the chain's bytes lie on.
    stack: Vec<u8>,
}

impl<'a> PreparedCall<'a> {
    fn new(injector: &'a Injector, tid: i32, number: i64, mut arguments: [u64; 6]) -> io::Result<PreparedCall<'a>> {
        let before = sys::registers(tid)?;
        let extended = sys::extended_state(tid)?;
        let mask = sys::signal_mask(tid)?;
        let clones = number == libc::SYS_clone;
        let chain = Chain::new(&before, &extended, mask, injector.gadgets, clones);
        if clones {
            arguments[1] = chain.child_stack;
            sys::set_options(tid, libc::PTRACE_O_TRACECLONE)?;
        }
        let mut stack = vec![0u8; chain.bytes.len()];
        injector.memory.read_exact_at(&mut stack, chain.address)?;
        injector.memory.write_all_at(&chain.bytes, chain.address)?;
        let mut called = cpu::with_call(&before, injector.gadgets.call, number, arguments);
        called.rsp = chain.stack;
        Ok(PreparedCall { injector, tid, clones, before, extended, mask, called, chain, stack })
    }

    fn send(&mut self) -> io::Result<()> {
        sys::set_registers(self.tid, &self.called)
    }

    fn mask(&mut self) -> io::Result<()> {
        sys::set_signal_mask(self.tid, u64::MAX)
    }

    fn unmask(&mut self) -> io::Result<()> {
        sys::set_signal_mask(self.tid, self.mask)
    }

    fn put_back(&mut self) -> io::Result<()> {
        sys::set_registers(self.tid, &self.before)?;
        // No system call changes it; should one, it is noticed.
        if sys::extended_state(self.tid)? != self.extended {
            sys::set_extended_state(self.tid, &self.extended)?;
        }
        Ok(())
    }

    fn clean_up(&mut self) -> io::Result<()> {
        if self.clones {
            // Fails only if the thread is gone.
            let _ = sys::set_options(self.tid, 0);
        }
        self.injector.memory.write_all_at(&self.stack, self.chain.address)
    }
}

fn find_gadgets(pid: i32, memory: &File) -> Result<Gadgets> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(|error| open_error(pid, &error))?;
    let mut ranges: Vec<(u64, u64, bool)> = maps
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (start, end) = words.next()?.split_once('-')?;
            let executable = words.next()?.starts_with("r-x");
            let range = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
            executable.then_some((range.0, range.1, line.contains("libc")))
        })
        .collect();
    // libc nearly always has both; what comes next are the smallest.
    ranges.sort_by_key(|(start, end, libc)| (!libc, end - start));
    let (mut call, mut signal_return) = (None, None);
    let mut piece = vec![0u8; SEARCH_PIECE];
    for (start, end, _) in ranges {
        let mut at = start;
        while at < end && (call.is_none() || signal_return.is_none()) {
            let length = ((end - at) as usize).min(SEARCH_PIECE);
            if memory.read_exact_at(&mut piece[..length], at).is_err() {
                break; // the vsyscall page cannot be read
            }
            let find = |code: &[u8]| piece[..length].windows(code.len()).position(|w| w == code).map(|i| at + i as u64);
            call = call.or_else(|| find(cpu::SYSCALL_RETURN));
            signal_return = signal_return.or_else(|| find(cpu::SIGNAL_RETURN));
            at += length as u64;
        }
    }
    match (call, signal_return) {
        (Some(call), Some(signal_return)) => Ok(Gadgets { call, signal_return }),
        _ => Err(Error::new(
            Kind::Busy,
            format!(
                "pid {pid} has no code from which a system call could be made safely (looked for `syscall; ret` and `rt_sigreturn`)"
            ),
        )),
    }
}

fn open_error(pid: i32, error: &io::Error) -> Error {
    let text = format!("cannot open the memory of pid {pid}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(Kind::NoProcess, text),
        _ => Error::new(Kind::NotPermitted, text).hint(format!("`memory-analyzer doctor {pid}` says what is missing")),
    }
}

fn call_error(tid: i32, number: i64, error: &io::Error) -> Error {
    let name = match number {
        libc::SYS_clone => "clone",
        libc::SYS_wait4 => "wait4",
        libc::SYS_mmap => "mmap",
        libc::SYS_munmap => "munmap",
        libc::SYS_mprotect => "mprotect",
        _ => return Error::new(Kind::Busy, format!("cannot run system call {number} in thread {tid}: {error}")),
    };
    Error::new(Kind::Busy, format!("cannot run {name} in thread {tid}: {error}"))
}

//! What is particular to x86-64: registers of a call, the frame that puts a thread back by itself, interrupted system calls.
//!
//! The one file another CPU would need a twin of. Sources: System V ABI AMD64; Linux `arch/x86/kernel/signal_64.c`
//! (`rt_sigframe`, `restore_sigcontext`), `arch/x86/kernel/fpu/signal.c` (`check_xstate_in_sigframe`),
//! `arch/x86/include/uapi/asm/sigcontext.h`.

use super::sys::Registers;

/// Why nothing can be injected.
pub(super) const CANNOT_INJECT: Option<&str> = None;
/// `AUDIT_ARCH_X86_64`: how seccomp tells this CPU's system calls.
pub(super) const AUDIT_ARCHITECTURE: u32 = 0xc000_003e;
/// System calls that later CPUs do without: like those of the same names in [`super::seccomp`].
pub(super) const HARMLESS: &[i64] = &[libc::SYS_time, libc::SYS_pause, libc::SYS_arch_prctl];
pub(super) const LOOKING: &[i64] = &[libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink];
/// Takes its flags as the second argument.
pub(super) const OPEN: &[i64] = &[libc::SYS_open];

/// `syscall; ret`: runs a system call and goes on where the stack says.
pub(super) const SYSCALL_RETURN: &[u8] = &[0x0f, 0x05, 0xc3];
/// `mov $15, %rax; syscall`: `rt_sigreturn`, as libc has it for its signal handlers (`__restore_rt`).
pub(super) const SIGNAL_RETURN: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// Length of the `syscall` instruction.
const SYSCALL_LENGTH: u64 = 2;
/// Bytes below the stack pointer that a function may use without saying so (System V ABI, 3.2.2).
pub(super) const RED_ZONE: u64 = 128;
/// User code and data segments of 64-bit processes (`arch/x86/include/asm/segment.h`).
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;

/// Below it is no memory (`vm.mmap_min_addr`); small arguments are descriptors and the like.
const LOWEST_ADDRESS: u64 = 4096;

/// Size of `struct ucontext` up to and including the signal mask.
const CONTEXT_SIZE: u64 = 304;
/// Where the software-reserved bytes are in an XSAVE area.
const XSAVE_RESERVED: usize = 464;
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;

/// `-ERESTARTSYS`, `-ERESTARTNOINTR`, `-ERESTARTNOHAND`: the kernel would run the call once more.
const RESTART: std::ops::RangeInclusive<i64> = -514..=-512;
/// `-ERESTART_RESTARTBLOCK`: the kernel would go on with what is left of it.
const RESTART_BLOCK: i64 = -516;

/// Whether the thread was waiting in a system call that a stop interrupts: it stood outside of any C code of its own.
pub(super) fn waits_in_system_call(registers: &Registers) -> bool {
    let result = registers.rax as i64;
    in_system_call(registers)
        && (RESTART.contains(&result) || result == RESTART_BLOCK || result == -i64::from(libc::EINTR))
}

/// The futex a thread waits on, if it waits on one.
///
/// A wait with a timeout that was interrupted once goes on as `restart_syscall`, which leaves the arguments where they
/// were but no longer tells of what: then it may be a futex. One thread taken for waiting elsewhere while it waited for the
/// GIL would deadlock with itself.
pub(super) fn futex_waited_on(registers: &Registers) -> Option<u64> {
    let restarted = registers.orig_rax == libc::SYS_restart_syscall as u64 && registers.rdi >= LOWEST_ADDRESS;
    let waits = registers.orig_rax == libc::SYS_futex as u64 || restarted;
    (in_system_call(registers) && waits).then_some(registers.rdi)
}

fn in_system_call(registers: &Registers) -> bool {
    registers.orig_rax as i64 >= 0
}

/// The registers with which a thread goes on in user mode where the kernel no longer looks at its interrupted call:
/// what `arch_do_signal_or_restart` would have made of them.
pub(super) fn resumed(registers: &Registers) -> Registers {
    let mut resumed = *registers;
    if in_system_call(registers) {
        match registers.rax as i64 {
            // What was left of it is lost with the kernel's restart block; on EINTR CPython computes it anew (PEP 475).
            RESTART_BLOCK => resumed.rax = -i64::from(libc::EINTR) as u64,
            result if RESTART.contains(&result) => {
                resumed.rax = resumed.orig_rax;
                resumed.rip -= SYSCALL_LENGTH;
            }
            _ => {}
        }
    }
    resumed.orig_rax = u64::MAX;
    resumed
}

/// `registers` about to run system call `number` at `gadget`, never to be taken for an interrupted one.
pub(super) fn with_call(registers: &Registers, gadget: u64, number: i64, arguments: [u64; 6]) -> Registers {
    let mut r = *registers;
    (r.rip, r.rax, r.orig_rax) = (gadget, number as u64, u64::MAX);
    (r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) =
        (arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    r
}

/// The result once the call at `gadget` is behind the thread, `None` before.
pub(super) fn call_result(registers: &Registers, gadget: u64) -> Option<i64> {
    (registers.rip == gadget + SYSCALL_LENGTH).then_some(registers.rax as i64)
}

/// Code addresses that a chain needs, in the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gadgets {
    /// Of [`SYSCALL_RETURN`].
    pub(super) call: u64,
    /// Of [`SIGNAL_RETURN`].
    pub(super) signal_return: u64,
}

/// What the stack holds while a thread runs a call of ours: frames by which the thread would put itself back as it was,
/// were we to die at any instruction of it.
///
/// `ret` after the call leads to `rt_sigreturn`, which loads every register from the frame. After a `clone` the first
/// frame waits for the child, and the child, on a frame of its own, ends: neither it nor a zombie stays.
#[derive(Debug)]
pub(super) struct Chain {
    /// The bytes, to be written at `address`.
    pub(super) bytes: Vec<u8>,
    pub(super) address: u64,
    /// The stack pointer of the thread when it makes the call.
    pub(super) stack: u64,
    /// The stack pointer to give a child.
    pub(super) child_stack: u64,
}

impl Chain {
    /// For a thread with these registers, extended state (may be empty: then it is not restored) and signal mask.
    pub(super) fn new(registers: &Registers, extended: &[u8], mask: u64, gadgets: Gadgets, clones: bool) -> Chain {
        let slot = |n: u64| n * (8 + CONTEXT_SIZE).next_multiple_of(16);
        // xrstor wants 64-byte alignment; the kernel's magic follows the state.
        let state_offset = slot(3).next_multiple_of(64);
        let size = (state_offset + extended.len() as u64 + 4).next_multiple_of(64);
        let address = (registers.rsp - RED_ZONE - size) & !63;
        let mut bytes = vec![0u8; size as usize];
        let state = if extended.is_empty() { 0 } else { address + state_offset };
        let mut put = |n: u64, registers: &Registers, state: u64, mask: u64| {
            let at = slot(n) as usize;
            bytes[at..at + 8].copy_from_slice(&gadgets.signal_return.to_le_bytes());
            bytes[at + 8..at + 8 + CONTEXT_SIZE as usize].copy_from_slice(&context(registers, state, mask));
        };
        // In the order in which they are used, upwards: a signal's frame is put below the stack pointer.
        put(1, &resumed(registers), state, mask);
        let mut wait =
            with_call(registers, gadgets.call, libc::SYS_wait4, [u64::MAX, 0, libc::__WCLONE as u32 as u64, 0, 0, 0]);
        wait.rsp = address + slot(1);
        put(0, &wait, 0, u64::MAX);
        let end = with_call(registers, gadgets.call, libc::SYS_exit_group, [0; 6]);
        put(2, &end, 0, u64::MAX);
        if !extended.is_empty() {
            let at = state_offset as usize;
            bytes[at..at + extended.len()].copy_from_slice(extended);
            bytes[at + XSAVE_RESERVED..at + 512].fill(0);
            let length = extended.len() as u32;
            bytes[at + XSAVE_RESERVED..][..4].copy_from_slice(&MAGIC1.to_le_bytes());
            bytes[at + XSAVE_RESERVED + 4..][..4].copy_from_slice(&(length + 4).to_le_bytes());
            // ptrace puts the mask of enabled features into the first reserved word (`xstate_fx_sw_bytes`).
            bytes[at + XSAVE_RESERVED + 8..][..8].copy_from_slice(&extended[XSAVE_RESERVED..][..8]);
            bytes[at + XSAVE_RESERVED + 16..][..4].copy_from_slice(&length.to_le_bytes());
            bytes[at + extended.len()..][..4].copy_from_slice(&MAGIC2.to_le_bytes());
        }
        let stack = address + slot(if clones { 0 } else { 1 });
        Chain { bytes, address, stack, child_stack: address + slot(2) }
    }
}

/// A `struct ucontext` for `rt_sigreturn`.
fn context(r: &Registers, state: u64, mask: u64) -> [u8; CONTEXT_SIZE as usize] {
    const XSTATE: u64 = 1; // UC_FP_XSTATE
    const STRICT_SS: u64 = 6; // UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
    // No valid mode of an alternate stack: the kernel leaves the one in force alone (`restore_altstack`).
    const KEEP_ALTERNATE_STACK: u64 = 0x40;
    let segments = u64::from(USER_CS) | u64::from(USER_SS) << 48;
    let words = [
        if state == 0 { STRICT_SS } else { STRICT_SS | XSTATE },
        0,
        0,
        KEEP_ALTERNATE_STACK,
        0,
        r.r8,
        r.r9,
        r.r10,
        r.r11,
        r.r12,
        r.r13,
        r.r14,
        r.r15,
        r.rdi,
        r.rsi,
        r.rbp,
        r.rbx,
        r.rdx,
        r.rax,
        r.rcx,
        r.rsp,
        r.rip,
        r.eflags,
        segments,
        0,
        0,
        0,
        0,
        state,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        mask,
    ];
    let mut bytes = [0; CONTEXT_SIZE as usize];
    for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_is_gone_on_with_is_still_one_on_its_futex() {
        let waiting = |call: i64, first: u64| {
            let mut registers = crate::freeze::sys::no_registers();
            (registers.orig_rax, registers.rdi) = (call as u64, first);
            futex_waited_on(&registers)
        };
        assert_eq!(waiting(libc::SYS_futex, 0x5000), Some(0x5000));
        assert_eq!(waiting(libc::SYS_restart_syscall, 0x5000), Some(0x5000));
        assert_eq!(waiting(libc::SYS_restart_syscall, 1), None, "a clock's number");
        assert_eq!(waiting(libc::SYS_read, 0x5000), None);
        assert_eq!(waiting(-1, 0x5000), None);
    }
}

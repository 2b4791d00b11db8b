//! The filter under which Python runs in a twin: memory, time and our own hand-over, nothing that anyone else could notice.
//!
//! What is refused fails with `EPERM`, as a permission would. Reading files can be let through for the one purpose of
//! importing libraries into the twin; writing, sending, signalling, forking never. Source: seccomp(2), `linux/filter.h`.

use super::cpu;
use super::sys_filter::{self as f, Instruction};

/// What a twin may do beside computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The one descriptor it may write to.
    pub(super) write_to: u32,
    /// Open files for reading, map them, list directories.
    pub(super) read_files: bool,
}

/// Calls that touch only the twin's own memory, time and identity, as every CPU has them.
const HARMLESS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_close,
];

/// Calls that look at files without changing any.
const LOOKING: &[i64] = &[
    libc::SYS_read,
    // pympler asks for the file system of `.` when it is imported.
    libc::SYS_statfs,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
];

/// Flags of `open` with which nothing is written, made or truncated.
const WRITING_FLAGS: u32 = (libc::O_WRONLY
    | libc::O_RDWR
    | libc::O_CREAT
    | libc::O_TRUNC
    | libc::O_APPEND
    | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;

/// The program of the filter.
pub(super) fn filter(allowance: Allowance) -> Vec<Instruction> {
    let mut program = f::only_native_calls();
    for &call in HARMLESS.iter().chain(cpu::HARMLESS) {
        program.extend(f::allow(call));
    }
    // Only anonymous or private memory: a shared mapping of a file could be written through.
    program.extend(f::allow_if_bits_clear(libc::SYS_mmap, 3, libc::MAP_SHARED as u32 & !(libc::MAP_PRIVATE as u32)));
    program.extend(f::allow_if_equal(libc::SYS_write, 0, allowance.write_to));
    program.extend(f::allow_if_equal(libc::SYS_writev, 0, allowance.write_to));
    if allowance.read_files {
        for &call in LOOKING.iter().chain(cpu::LOOKING) {
            program.extend(f::allow(call));
        }
        for &open in cpu::OPEN {
            program.extend(f::allow_if_bits_clear(open, 1, WRITING_FLAGS));
        }
        program.extend(f::allow_if_bits_clear(libc::SYS_openat, 2, WRITING_FLAGS));
        program.extend(f::allow_if_equal(libc::SYS_ioctl, 1, libc::TCGETS as u32));
        program.extend(f::allow_if_equal(libc::SYS_ioctl, 1, libc::FIOCLEX as u32));
    }
    program.push(f::refuse(libc::EPERM));
    program
}

/// The program as the kernel reads it from memory.
pub(super) fn encode(program: &[Instruction]) -> Vec<u8> {
    program.iter().flat_map(|i| i.encode()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freeze::sys_filter::{Verdict, run};

    #[test]
    fn a_twin_may_compute_and_hand_over_and_nothing_else() {
        let strict = filter(Allowance { write_to: 4, read_files: false });
        let reading = filter(Allowance { write_to: 4, read_files: true });
        let check = |program: &[Instruction], call: i64, arguments: [u64; 6], allowed: bool| {
            let expected = if allowed { Verdict::Allow } else { Verdict::Errno(libc::EPERM as u16) };
            assert_eq!(run(program, call, arguments), Some(expected), "call {call} {arguments:?}");
        };
        check(&strict, libc::SYS_brk, [0; 6], true);
        check(&strict, libc::SYS_write, [4, 0, 0, 0, 0, 0], true);
        check(&strict, libc::SYS_write, [1, 0, 0, 0, 0, 0], false);
        check(&strict, libc::SYS_mmap, [0, 4096, 3, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64, 0, 0], true);
        check(&strict, libc::SYS_mmap, [0, 4096, 3, libc::MAP_SHARED as u64, 9, 0], false);
        for call in [
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_sendto,
            libc::SYS_unlinkat,
            libc::SYS_renameat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_prctl,
            libc::SYS_io_uring_setup,
            libc::SYS_mount,
            libc::SYS_pwrite64,
        ] {
            check(&strict, call, [0; 6], false);
            check(&reading, call, [0; 6], false);
        }
        check(&strict, libc::SYS_openat, [0; 6], false);
        check(&reading, libc::SYS_openat, [0, 0, libc::O_CLOEXEC as u64, 0, 0, 0], true);
        for flag in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
            check(&reading, libc::SYS_openat, [0, 0, flag as u64, 0, 0, 0], false);
        }
    }
}

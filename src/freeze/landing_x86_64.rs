//! The code a thread runs when it has been sent to us: saves itself, makes up to a few calls, goes back where it was.
//!
//! Copied from here into a page of the target or twin ([`super::landing`]). Only the instruction pointer of the thread has
//! to be changed to get in, so there is no moment at which half of its registers are ours.

#![expect(unsafe_code, reason = "assembly")]

use super::landing::{CALL_SIZE, CALLS, DATA, DONE, ENTERED, RESUME_RAX, RESUME_RIP, XSAVE};

/// How far behind the beginning a thread enters: the kernel moves a restarted system call back by two bytes.
pub(super) const ENTRY: u64 = 2;

std::arch::global_asm!(
    ".pushsection .text.memory_analyzer_landing,\"ax\",@progbits",
    ".balign 64",
    ".globl memory_analyzer_landing_begin",
    ".globl memory_analyzer_landing_end",
    "memory_analyzer_landing_begin:",
    "    nop",
    "    nop",
    // Below the red zone, and without touching a flag.
    "    lea rsp, [rsp - 256]",
    "    pushfq",
    "    push rax",
    "    push rbx",
    "    push rcx",
    "    push rdx",
    "    push rsi",
    "    push rdi",
    "    push rbp",
    "    push r8",
    "    push r9",
    "    push r10",
    "    push r11",
    "    push r12",
    "    push r13",
    "    push r14",
    "    push r15",
    "    cld",
    "    lea rbx, [rip + memory_analyzer_landing_begin]",
    "    add rbx, {data}",
    "    mov qword ptr [rbx + {entered}], 1",
    "    mov rbp, rsp",
    "    and rsp, -64",
    // The whole extended state, then the one that the ABI promises to a function.
    "    mov eax, -1",
    "    mov edx, -1",
    "    xsave64 [rbx + {xsave}]",
    "    fninit",
    "    push 0x1f80",
    "    ldmxcsr [rsp]",
    "    add rsp, 8",
    "    lea r12, [rbx + {calls}]",
    "2:  mov rax, [r12]",
    "    test rax, rax",
    "    jz 3f",
    "    mov rdi, [r12 + 8]",
    "    mov rsi, [r12 + 16]",
    "    call rax",
    "    mov [r12 + 24], rax",
    "    add r12, {call_size}",
    "    jmp 2b",
    "3:  mov eax, -1",
    "    mov edx, -1",
    "    xrstor64 [rbx + {xsave}]",
    // rax was pushed second, fourteen registers above the last.
    "    mov rax, [rbx + {resume_rax}]",
    "    mov [rbp + 14 * 8], rax",
    "    mov qword ptr [rbx + {done}], 1",
    "    mov rsp, rbp",
    "    pop r15",
    "    pop r14",
    "    pop r13",
    "    pop r12",
    "    pop r11",
    "    pop r10",
    "    pop r9",
    "    pop r8",
    "    pop rbp",
    "    pop rdi",
    "    pop rsi",
    "    pop rdx",
    "    pop rcx",
    "    pop rbx",
    "    pop rax",
    "    popfq",
    "    lea rsp, [rsp + 256]",
    "    jmp qword ptr [rip + memory_analyzer_landing_begin + {data} + {resume_rip}]",
    "memory_analyzer_landing_end:",
    ".popsection",
    data = const DATA,
    xsave = const XSAVE,
    calls = const CALLS,
    call_size = const CALL_SIZE,
    resume_rax = const RESUME_RAX,
    resume_rip = const RESUME_RIP,
    done = const DONE,
    entered = const ENTERED,
);

unsafe extern "C" {
    static memory_analyzer_landing_begin: u8;
    static memory_analyzer_landing_end: u8;
}

/// The code, position independent, to be placed at the start of a page.
pub(super) fn code() -> &'static [u8] {
    let begin = &raw const memory_analyzer_landing_begin;
    let end = &raw const memory_analyzer_landing_end;
    // SAFETY: both symbols are labels of the assembly above, in this order, in one section of immutable text.
    unsafe { std::slice::from_raw_parts(begin, end as usize - begin as usize) }
}

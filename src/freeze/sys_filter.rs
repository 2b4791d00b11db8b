//! Seccomp programs as data: the few instructions we write, and a reading of any program by the kernel's rules.
//!
//! The reading ([`run`]) proves, before a call is made in a target that has a filter of its own, that the filter lets it
//! through. Sources: `linux/filter.h`, `linux/seccomp.h`, Linux `kernel/seccomp.c` (`seccomp_check_filter` lists what may
//! occur).

use super::cpu;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) operand: u32,
}

impl Instruction {
    const fn new(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
        Instruction { code, jump_true, jump_false, operand }
    }

    pub(super) fn encode(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&self.code.to_le_bytes());
        (bytes[2], bytes[3]) = (self.jump_true, self.jump_false);
        bytes[4..].copy_from_slice(&self.operand.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: [u8; 8]) -> Instruction {
        let [a, b, jump_true, jump_false, rest @ ..] = bytes;
        Instruction::new(u16::from_le_bytes([a, b]), u32::from_le_bytes(rest), jump_true, jump_false)
    }
}

/// Numbers from here on are the x32 ABI's (`__X32_SYSCALL_BIT`).
const X32: u32 = 0x4000_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const RET_ALLOW: u32 = 0x7fff_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_KILL_PROCESS: u32 = 0x8000_0000;

/// Kills what does not come by the native calling convention, and leaves the number of the call in the accumulator.
pub(super) fn only_native_calls() -> Vec<Instruction> {
    vec![
        Instruction::new(LOAD, ARCH, 0, 0),
        Instruction::new(IF_EQUAL, cpu::AUDIT_ARCHITECTURE, 1, 0),
        Instruction::new(RETURN, RET_KILL_PROCESS, 0, 0),
        Instruction::new(LOAD, NUMBER, 0, 0),
        Instruction::new(IF_AT_LEAST, X32, 0, 1),
        Instruction::new(RETURN, RET_KILL_PROCESS, 0, 0),
    ]
}

/// Lets a call through.
pub(super) fn allow(call: i64) -> Vec<Instruction> {
    vec![Instruction::new(IF_EQUAL, call as u32, 0, 1), Instruction::new(RETURN, RET_ALLOW, 0, 0)]
}

/// Lets a call through if the low half of an argument is `value`.
pub(super) fn allow_if_equal(call: i64, argument: u32, value: u32) -> Vec<Instruction> {
    vec![
        Instruction::new(IF_EQUAL, call as u32, 0, 4),
        Instruction::new(LOAD, ARGUMENTS + 8 * argument, 0, 0),
        Instruction::new(IF_EQUAL, value, 0, 1),
        Instruction::new(RETURN, RET_ALLOW, 0, 0),
        Instruction::new(LOAD, NUMBER, 0, 0),
    ]
}

/// Lets a call through if none of `bits` is set in the low half of an argument.
pub(super) fn allow_if_bits_clear(call: i64, argument: u32, bits: u32) -> Vec<Instruction> {
    vec![
        Instruction::new(IF_EQUAL, call as u32, 0, 5),
        Instruction::new(LOAD, ARGUMENTS + 8 * argument, 0, 0),
        Instruction::new(AND, bits, 0, 0),
        Instruction::new(IF_EQUAL, 0, 0, 1),
        Instruction::new(RETURN, RET_ALLOW, 0, 0),
        Instruction::new(LOAD, NUMBER, 0, 0),
    ]
}

/// Fails whatever came here with this error number.
pub(super) fn refuse(error: i32) -> Instruction {
    Instruction::new(RETURN, RET_ERRNO | error as u32, 0, 0)
}

/// What a program says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Errno(u16),
    /// Kill, trap, trace or ask somebody: nothing to try out on a target.
    Other(u32),
}

/// Runs a program on a call; `None` if it is not one the kernel would have accepted.
pub(super) fn run(program: &[Instruction], call: i64, arguments: [u64; 6]) -> Option<Verdict> {
    let load = |offset: u32| -> Option<u32> {
        Some(match offset {
            NUMBER => call as u32,
            ARCH => cpu::AUDIT_ARCHITECTURE,
            // The instruction pointer: no sensible filter asks for it, and ours differs from libc's.
            8 | 12 => return None,
            offset if (ARGUMENTS..64).contains(&offset) && offset.is_multiple_of(4) => {
                let word = arguments[((offset - ARGUMENTS) / 8) as usize];
                if offset.is_multiple_of(8) { word as u32 } else { (word >> 32) as u32 }
            }
            _ => return None,
        })
    };
    let (mut accumulator, mut index, mut scratch) = (0u32, 0u32, [0u32; 16]);
    let mut at = 0usize;
    // Jumps only go forward, so the program ends.
    while let Some(i) = program.get(at) {
        at += 1;
        let k = i.operand;
        let source = |code: u16| if code & 0x08 != 0 { index } else { k };
        match i.code {
            LOAD => accumulator = load(k)?,
            0x80 => accumulator = 64, // BPF_LD | BPF_W | BPF_LEN
            0x81 => index = 64,
            0x00 => accumulator = k,
            0x01 => index = k,
            0x60 => accumulator = *scratch.get(k as usize)?,
            0x61 => index = *scratch.get(k as usize)?,
            0x02 => *scratch.get_mut(k as usize)? = accumulator,
            0x03 => *scratch.get_mut(k as usize)? = index,
            0x07 => index = accumulator,
            0x87 => accumulator = index,
            code if code & 0x07 == 0x04 => {
                let operand = source(code);
                accumulator = match code & 0xf0 {
                    0x00 => accumulator.wrapping_add(operand),
                    0x10 => accumulator.wrapping_sub(operand),
                    0x20 => accumulator.wrapping_mul(operand),
                    0x30 => accumulator.checked_div(operand)?,
                    0x40 => accumulator | operand,
                    0x50 => accumulator & operand,
                    0x60 => accumulator.wrapping_shl(operand),
                    0x70 => accumulator.wrapping_shr(operand),
                    0x80 => accumulator.wrapping_neg(),
                    0xa0 => accumulator ^ operand,
                    _ => return None,
                };
            }
            0x05 => at = at.checked_add(k as usize)?,
            code if code & 0x07 == 0x05 => {
                let operand = source(code);
                let holds = match code & 0xf0 {
                    0x10 => accumulator == operand,
                    0x20 => accumulator > operand,
                    0x30 => accumulator >= operand,
                    0x40 => accumulator & operand != 0,
                    _ => return None,
                };
                at += usize::from(if holds { i.jump_true } else { i.jump_false });
            }
            RETURN | 0x16 => {
                let value = if i.code == RETURN { k } else { accumulator };
                return Some(match value & 0xffff_0000 {
                    RET_ALLOW | RET_LOG => Verdict::Allow,
                    RET_ERRNO => Verdict::Errno(value as u16),
                    other => Verdict::Other(other),
                });
            }
            _ => return None,
        }
    }
    None
}

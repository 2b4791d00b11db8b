//! What is particular to aarch64, where a process can be held and its memory copied, and nothing is injected. **Untested**: copies
//! were made in an emulator, and no test runs there.
//!
//! No thread is made to do anything, so there are no twins and no visits: whoever asks is answered so. Registers go by the names of
//! x86-64 that the rest of the house uses. Sources: `arch/arm64/include/uapi/asm/ptrace.h`, `linux/elf.h`, `linux/audit.h`.

use std::convert::Infallible;
use std::fs::File;
use std::io;

use super::sys;
use super::threads::Held;
use crate::error::{Error, Kind, Result};

/// Why nothing can be injected.
pub(super) const CANNOT_INJECT: Option<&str> = Some("twins are made on x86-64 only, and this is aarch64");
/// `AUDIT_ARCH_AARCH64`: how seccomp tells this CPU's system calls.
pub(super) const AUDIT_ARCHITECTURE: u32 = 0xc000_00b7;
/// System calls that this CPU does without.
pub(super) const HARMLESS: &[i64] = &[];
pub(super) const LOOKING: &[i64] = &[];
pub(super) const OPEN: &[i64] = &[];

/// `NT_PRSTATUS`: 31 general registers, the stack pointer, the program counter, the state.
const GENERAL_REGISTERS: usize = 1;
const STACK_POINTER: usize = 31;
const PROGRAM_COUNTER: usize = 32;
/// `NT_ARM_TLS`: the thread pointer.
const THREAD_POINTER: usize = 0x401;

pub(super) type Registers = super::registers::RegisterSet;

/// Where a stopped thread stands, its stack and its thread pointer; nothing else.
pub(super) fn registers(tid: i32) -> io::Result<Registers> {
    let general = sys::register_set(tid, GENERAL_REGISTERS)?;
    let thread = sys::register_set(tid, THREAD_POINTER)?;
    let word = |set: &[u8], index: usize| {
        set.as_chunks::<8>().0.get(index).map(|bytes| u64::from_le_bytes(*bytes)).ok_or(io::ErrorKind::InvalidData)
    };
    Ok(Registers {
        rip: word(&general, PROGRAM_COUNTER)?,
        rsp: word(&general, STACK_POINTER)?,
        fs_base: word(&thread, 0)?,
        ..Registers::default()
    })
}

/// Not known here: nobody is asked to run anything.
pub(super) fn waits_in_system_call(_: &Registers) -> bool {
    false
}

pub(super) fn futex_waited_on(_: &Registers) -> Option<u64> {
    None
}

pub(super) fn resumed(registers: &Registers) -> Registers {
    *registers
}

/// The way into a process that there is not: none is ever made.
#[derive(Debug)]
pub(super) struct Injector(Infallible);

/// What a call in the target gave.
pub(super) struct Outcome {
    pub(super) result: i64,
    pub(super) child: Option<i32>,
}

impl Injector {
    pub(super) fn open(pid: i32) -> Result<Injector> {
        Err(Error::new(Kind::Busy, format!("nothing can be run in pid {pid}: not on this CPU, aarch64"))
            .hint("`--collector reader --freeze stop` copies its memory and runs nothing in it"))
    }

    pub(super) fn of_twin(&self, _twin: i32) -> Result<Injector> {
        match self.0 {}
    }

    pub(super) fn memory(&self) -> &File {
        match self.0 {}
    }

    pub(super) fn pause(&self, _twin: i32) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn call(&self, _: &mut Held, _tid: i32, _number: i64, _arguments: [u64; 6]) -> Result<Outcome> {
        match self.0 {}
    }

    pub(super) fn call_in_twin(&self, _twin: i32, _number: i64, _arguments: [u64; 6]) -> Result<i64> {
        match self.0 {}
    }
}

/// The code of a landing: there is none.
pub(super) mod landing {
    pub(crate) const ENTRY: u64 = 0;

    pub(crate) fn code() -> &'static [u8] {
        &[]
    }
}

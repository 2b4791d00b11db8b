//! The registers of a stopped thread as they travel: between keeper, debugger and analyzer.

use serde::{Deserialize, Serialize};

use super::sys::Registers;

/// General registers by the names that GDB uses too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterSet {
    pub(crate) r15: u64,
    pub(crate) r14: u64,
    pub(crate) r13: u64,
    pub(crate) r12: u64,
    pub(crate) rbp: u64,
    pub(crate) rbx: u64,
    pub(crate) r11: u64,
    pub(crate) r10: u64,
    pub(crate) r9: u64,
    pub(crate) r8: u64,
    pub(crate) rax: u64,
    pub(crate) rcx: u64,
    pub(crate) rdx: u64,
    pub(crate) rsi: u64,
    pub(crate) rdi: u64,
    pub(crate) orig_rax: u64,
    pub(crate) rip: u64,
    /// A debugger leaves them out.
    #[serde(default)]
    pub(crate) eflags: u64,
    pub(crate) rsp: u64,
    pub(crate) fs_base: u64,
}

macro_rules! copy_fields {
    ($from:expr => $to:expr) => {
        ($to.r15, $to.r14, $to.r13, $to.r12) = ($from.r15, $from.r14, $from.r13, $from.r12);
        ($to.rbp, $to.rbx, $to.r11, $to.r10, $to.r9, $to.r8) =
            ($from.rbp, $from.rbx, $from.r11, $from.r10, $from.r9, $from.r8);
        ($to.rax, $to.rcx, $to.rdx, $to.rsi, $to.rdi) = ($from.rax, $from.rcx, $from.rdx, $from.rsi, $from.rdi);
        ($to.orig_rax, $to.rip, $to.eflags) = ($from.orig_rax, $from.rip, $from.eflags);
        ($to.rsp, $to.fs_base) = ($from.rsp, $from.fs_base);
    };
}

impl From<&Registers> for RegisterSet {
    fn from(registers: &Registers) -> RegisterSet {
        let mut set = RegisterSet::default();
        copy_fields!(registers => set);
        set
    }
}

impl RegisterSet {
    /// The kernel's structure, segments left zero: for looking at, not for setting.
    pub(super) fn view(&self) -> Registers {
        let mut registers = super::sys::no_registers();
        copy_fields!(self => registers);
        registers
    }
}

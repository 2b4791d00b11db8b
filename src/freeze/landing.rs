//! A small region in a process, where a thread of it lands to make calls for us and from which it goes back.
//!
//! Layout, from its base: one page of code (`landing_x86_64`), one page of slots, the room for the extended state, then
//! the source that the interpreter is to run, closed by a NUL.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::cpu;
use super::landing_code as code;
use super::registers::RegisterSet;

/// Distance from the first code byte to the data the code works on.
pub(super) const DATA: u64 = 4096;
/// Offsets in the data.
pub(super) const RESUME_RIP: u64 = 0;
pub(super) const RESUME_RAX: u64 = 8;
pub(super) const DONE: u64 = 16;
pub(super) const ENTERED: u64 = 24;
pub(super) const CALLS: u64 = 64;
/// A call: function, two arguments, and room for its result.
pub(super) const CALL_SIZE: u64 = 32;
/// 64-byte aligned and zeroed, as XRSTOR demands of the header (Intel SDM 1, 13.4.2); 16 KiB hold AMX.
pub(super) const XSAVE: u64 = 4096;
/// The extended state's room after the slots.
const XSAVE_ROOM: u64 = 16 * 1024;
/// Where the source starts.
const SOURCE: u64 = DATA + XSAVE + XSAVE_ROOM;
/// One page of slots is more than enough.
const MAX_CALLS: usize = 8;

/// A call to make: the address of a C function and its first two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) function: u64,
    pub(crate) arguments: [u64; 2],
}

/// A mapped region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Landing {
    pub(crate) base: u64,
    pub(crate) size: u64,
}

impl Landing {
    /// How large a region for a source of this length must be.
    pub(crate) fn size_for(source: usize) -> u64 {
        (SOURCE + source as u64 + 1).next_multiple_of(4096)
    }

    /// The length of its first part, which is executable and not writable.
    pub(crate) fn code_length() -> u64 {
        DATA
    }

    /// Where a thread enters.
    pub(crate) fn entry(self) -> u64 {
        self.base + code::ENTRY
    }

    /// Where the source is, for the functions that take it.
    pub(crate) fn source(self) -> u64 {
        self.base + SOURCE
    }

    /// Whether a thread at this address is still on its way.
    pub(crate) fn contains_code(self, address: u64) -> bool {
        (self.base..self.base + DATA).contains(&address)
    }

    /// Writes code and source; `memory` is `/proc/PID/mem`, which also writes where the process itself may not.
    pub(crate) fn furnish(self, memory: &File, source: &[u8]) -> io::Result<()> {
        if Landing::size_for(source.len()) > self.size || source.contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        memory.write_all_at(code::code(), self.base)?;
        memory.write_all_at(source, self.source())?;
        memory.write_all_at(&[0], self.source() + source.len() as u64)
    }

    /// Prepares the calls for a thread that is stopped with these registers; it then only has to be sent to
    /// [`entry`](Landing::entry).
    pub(crate) fn prepare(self, memory: &File, resume: Resume, calls: &[Call]) -> io::Result<()> {
        assert!(calls.len() <= MAX_CALLS, "one page of slots");
        let data = self.base + DATA;
        for (slot, call) in calls.iter().enumerate() {
            let at = data + CALLS + slot as u64 * CALL_SIZE;
            for (word, value) in [call.function, call.arguments[0], call.arguments[1], 0].into_iter().enumerate() {
                memory.write_all_at(&value.to_le_bytes(), at + 8 * word as u64)?;
            }
        }
        memory.write_all_at(&[0; 8], data + CALLS + calls.len() as u64 * CALL_SIZE)?;
        memory.write_all_at(&resume.rip.to_le_bytes(), data + RESUME_RIP)?;
        memory.write_all_at(&resume.rax.to_le_bytes(), data + RESUME_RAX)?;
        memory.write_all_at(&[0; 16], data + DONE)
    }

    /// How far a thread that was sent here has come.
    pub(crate) fn progress(self, memory: &File) -> io::Result<Progress> {
        let word = |offset: u64| {
            let mut word = [0; 8];
            memory.read_exact_at(&mut word, self.base + DATA + offset).map(|()| u64::from_le_bytes(word))
        };
        Ok(match (word(ENTERED)?, word(DONE)?) {
            (0, _) => Progress::NotEntered,
            (_, 0) => Progress::Inside,
            // One call alone is the one that queues another.
            _ if word(CALLS + CALL_SIZE)? == 0 => Progress::Queued,
            _ => Progress::Done,
        })
    }

    /// Makes the source an empty program: a call that can no longer be taken back does nothing.
    pub(crate) fn disarm(self, memory: &File) -> io::Result<()> {
        memory.write_all_at(&[0], self.source())
    }
}

/// What has become of a thread that was to be sent to the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    NotEntered,
    Inside,
    /// It has left again, and has asked the interpreter to run the source some time.
    Queued,
    /// It has left again, and the source has been run.
    Done,
}

/// Where and with what in `rax` a thread goes on afterwards; what happened to every other register is undone by the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    rip: u64,
    rax: u64,
}

impl Resume {
    /// As the kernel would have it go on: a system call that the stop interrupted is made again.
    pub(crate) fn of(registers: &RegisterSet) -> Resume {
        let resumed = cpu::resumed(&registers.view());
        Resume { rip: resumed.rip, rax: resumed.rax }
    }
}

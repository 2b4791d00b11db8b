//! Reading the memory of a live process by `process_vm_readv`, which copies once where `/proc/PID/mem` copies twice.
//!
//! Some sandboxes forbid the call, and it does not read what the process itself may not: then `/proc/PID/mem` does.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::sys_memory;
use crate::target::memory::Memory;

/// The most pieces of one call (`UIO_MAXIOV`, `include/uapi/linux/uio.h`).
pub(super) const MAX_PIECES: usize = 1024;

/// The memory of a live process, in few calls.
#[derive(Debug)]
pub(super) struct FastMemory {
    pid: i32,
    file: File,
    /// `process_vm_readv` is not known to be forbidden.
    direct: AtomicBool,
}

/// The memory of `pid`, as it is whenever it is read.
pub(super) fn read_memory(pid: i32) -> io::Result<FastMemory> {
    let file = File::open(format!("/proc/{pid}/mem"))?;
    Ok(FastMemory { pid, file, direct: AtomicBool::new(true) })
}

impl FastMemory {
    /// Reads what is at `pieces` (at most [`MAX_PIECES`]), one after the other, into `room`, which is as long as they are: how
    /// much of it could be read. Nothing, or an error, is about the beginning of the first piece.
    pub(super) fn read_some(&self, room: &mut [u8], pieces: &[(u64, usize)]) -> io::Result<usize> {
        while self.direct.load(Relaxed) {
            match sys_memory::read_pieces(self.pid, room, pieces) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.direct.store(false, Relaxed);
                }
                other => return other,
            }
        }
        let Some(&(address, length)) = pieces.first() else { return Ok(0) };
        let room = room.get_mut(..length).ok_or(io::ErrorKind::InvalidInput)?;
        self.file.read_at(room, address)
    }
}

#[cfg(test)]
impl FastMemory {
    /// As in a sandbox that forbids the call.
    pub(super) fn only_by_file(&self) {
        self.direct.store(false, Relaxed);
    }
}

impl Memory for FastMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        let read = match self.direct.load(Relaxed) {
            true => self.read_some(buffer, &[(address, buffer.len())]).unwrap_or(0),
            false => 0,
        };
        let rest = buffer.get_mut(read..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        // Also says what is wrong with it, and reads what the process has taken from itself (`PROT_NONE`).
        let address = address.checked_add(read as u64).ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.file.read_exact_at(rest, address)
    }
}

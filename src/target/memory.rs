//! Reading the memory of a process: the one seam where a test puts a fake.
//!
//! Reading through `/proc/PID/mem` needs the same permission as attaching and changes nothing in the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Something with addresses to read from, also by several threads at once.
pub(crate) trait Memory: Sync {
    /// Fills `buffer` from `address` on, or fails: never a part of it.
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// What is around `address` and can be had without copying it: where that begins, and its bytes.
    fn at_hand(&self, _address: u64) -> Option<(u64, &[u8])> {
        None
    }

    /// `length` bytes from `address` on that are at hand, if they are.
    fn slice(&self, address: u64, length: usize) -> Option<&[u8]> {
        let (start, bytes) = self.at_hand(address)?;
        bytes.get(usize::try_from(address.checked_sub(start)?).ok()?..)?.get(..length)
    }

    /// The little-endian word at `address`.
    fn u64(&self, address: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The little-endian half word (a C `int`) at `address`.
    fn u32(&self, address: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

/// The memory of a live process.
#[derive(Debug)]
pub(crate) struct ProcessMemory {
    file: File,
}

impl ProcessMemory {
    /// Opens `/proc/PID/mem` for reading.
    pub(crate) fn open(pid: i32) -> io::Result<ProcessMemory> {
        Ok(ProcessMemory { file: File::open(format!("/proc/{pid}/mem"))? })
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, address)
    }
}

/// Memory made up for a test: bytes at addresses, nothing elsewhere.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeMemory(std::collections::BTreeMap<u64, u8>);

#[cfg(test)]
impl FakeMemory {
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) {
        self.0.extend((address..).zip(bytes.iter().copied()));
    }

    pub(crate) fn write_u64(&mut self, address: u64, word: u64) {
        self.write(address, &word.to_le_bytes());
    }
}

#[cfg(test)]
impl Memory for FakeMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        for (offset, byte) in buffer.iter_mut().enumerate() {
            let found = address.checked_add(offset as u64).and_then(|address| self.0.get(&address));
            *byte = *found.ok_or(io::ErrorKind::AddrNotAvailable)?;
        }
        Ok(())
    }
}

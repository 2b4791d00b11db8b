//! A window on the target's memory that moves along: what is read next is nearly always close to what was read last.
//!
//! Nothing is kept of what the window has passed, so memory of any size takes none of ours; and there is an end to how much is
//! read, whatever the target's memory says.

use crate::target::memory::Memory;

/// Bytes that are read at once. A window begins at a multiple of it.
const SIZE: u64 = 128 << 10;
/// Bytes that are read of one target, and pieces.
const MOST_BYTES: u64 = 2 << 30;
const MOST_READS: u64 = 1 << 17;
/// What has no end of its own is left at so many words.
const MOST_WORDS: u64 = 1 << 28;

pub(super) struct Window<'m> {
    memory: &'m dyn Memory,
    start: u64,
    bytes: Vec<u8>,
    left: u64,
    reads: u64,
    words: u64,
}

impl<'m> Window<'m> {
    pub(super) fn new(memory: &'m dyn Memory) -> Self {
        Window { memory, start: 0, bytes: Vec::new(), left: MOST_BYTES, reads: MOST_READS, words: MOST_WORDS }
    }

    /// Whether no more is read: what was asked for in vain may be there.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// The word at a multiple of eight.
    pub(super) fn word(&mut self, address: u64) -> Option<u64> {
        if !address.is_multiple_of(8) {
            return None;
        }
        let Some(words) = self.words.checked_sub(1) else {
            self.left = 0;
            return None;
        };
        self.words = words;
        if let Some((start, bytes)) = self.memory.at_hand(address) {
            return at(bytes, address.checked_sub(start)?);
        }
        let start = address - address % SIZE;
        if start != self.start || self.bytes.is_empty() {
            self.load(start)?;
        }
        at(&self.bytes, address - self.start)
    }

    fn load(&mut self, start: u64) -> Option<()> {
        if self.left < SIZE || self.reads == 0 {
            self.left = 0;
            return None;
        }
        (self.left, self.reads) = (self.left - SIZE, self.reads - 1);
        self.start = start;
        self.bytes.resize(SIZE as usize, 0);
        if self.memory.read(start, &mut self.bytes).is_err() {
            // At the edge of what is mapped: page by page, and zeros where there is none.
            for (page, at) in self.bytes.chunks_mut(4096).zip((start..).step_by(4096)) {
                if self.memory.read(at, page).is_err() {
                    page.fill(0);
                }
            }
        }
        Some(())
    }

    /// `length` bytes at `address`, past the window.
    pub(super) fn aside<const LENGTH: usize>(&mut self, address: u64) -> Option<[u8; LENGTH]> {
        self.left = self.left.checked_sub(LENGTH as u64)?;
        let mut bytes = [0; LENGTH];
        self.memory.read(address, &mut bytes).ok()?;
        Some(bytes)
    }
}

fn at(bytes: &[u8], offset: u64) -> Option<u64> {
    bytes.get(usize::try_from(offset).ok()?..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

//! A reader of an [`Image`] for one thread: words, texts and sizes by address, each checked, and a budget of what may be
//! looked at.

use std::borrow::Cow;
use std::cell::Cell;

use super::image::{END_OF_ADDRESSES, Image, LARGE, WORD};

/// The places that a view remembers: memory of so many [`LARGE`] pieces is found at once.
const REMEMBERED: usize = 64;

/// Bytes from `start` on, all of one region.
#[derive(Clone, Copy)]
pub(super) struct Near<'i> {
    pub(super) start: u64,
    pub(super) bytes: &'i [u8],
    /// What is added to an address makes eight times its number.
    pub(super) base: u64,
}

impl<'i> Near<'i> {
    /// The bytes from `address` on, if it is here.
    #[inline]
    fn rest(&self, address: u64) -> Option<&'i [u8]> {
        // An address before the start is so far behind it that nothing is there.
        self.bytes.get(address.wrapping_sub(self.start) as usize..).filter(|rest| !rest.is_empty())
    }
}

/// A reader of an [`Image`] for one thread: remembers where it read last.
pub(super) struct View<'i, 'a> {
    image: &'i Image<'a>,
    near: [Cell<Near<'i>>; REMEMBERED],
    /// How many words may still be claimed, and whether more were.
    left: Cell<u64>,
    pub(super) refused: Cell<bool>,
}

impl<'i, 'a> View<'i, 'a> {
    /// One through which each word can be claimed so many times, on the average.
    pub(super) fn new(image: &'i Image<'a>, times: u64) -> View<'i, 'a> {
        let near = std::array::from_fn(|_| Cell::new(Near { start: 0, bytes: &[], base: 0 }));
        View { image, near, left: Cell::new(image.words().saturating_mul(times)), refused: Cell::new(false) }
    }

    /// See [`Image::words`].
    pub(super) fn words(&self) -> u64 {
        self.image.words()
    }

    /// For another thread.
    pub(super) fn another(&self, times: u64) -> View<'i, 'a> {
        View::new(self.image, times)
    }

    /// Whether to look at `words` more because the target says that something has so many. To be asked before every loop
    /// whose end the target sets: lists that all have the same million items would keep us busy for ever and fill our
    /// memory. Objects that are whole do not overlap, so all of them together never get a no.
    pub(super) fn claim(&self, words: u64) -> bool {
        let left = self.left.get().checked_sub(words);
        match left {
            Some(left) => self.left.set(left),
            None => self.refused.set(true),
        }
        left.is_some()
    }

    /// See [`Image::addresses`].
    pub(super) fn addresses(&self) -> impl FnMut(u64) -> u64 + use<'i, 'a> {
        self.image.addresses()
    }

    // What is looked at is nearly always near; calls would take longer than looking.
    #[inline]
    fn near(&self, address: u64) -> &Cell<Near<'i>> {
        &self.near[(address / LARGE) as usize % REMEMBERED]
    }

    /// The bytes from `address` on, as far as they are at hand in one piece.
    #[inline]
    fn rest(&self, address: u64) -> Option<&'i [u8]> {
        match self.near(address).get().rest(address) {
            None => self.far(address),
            rest => rest,
        }
    }

    #[cold]
    fn far(&self, address: u64) -> Option<&'i [u8]> {
        let near = self.image.around(address)?;
        self.near(address).set(near);
        near.rest(address)
    }

    /// The number of the word at an address; `None` for one that no object can have.
    #[inline]
    pub(super) fn number(&self, address: u64) -> Option<u64> {
        if !address.is_multiple_of(WORD) {
            return None;
        }
        let near = self.near(address).get();
        let base = match near.rest(address) {
            Some(_) => near.base,
            None => self.image.region(address)?.base(),
        };
        Some(address.wrapping_add(base) / WORD)
    }

    /// The word at `address`.
    #[inline]
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        match self.rest(address)?.first_chunk() {
            Some(bytes) => Some(u64::from_le_bytes(*bytes)),
            None => self.word_in_parts(address),
        }
    }

    #[cold]
    fn word_in_parts(&self, address: u64) -> Option<u64> {
        self.bytes(address, WORD as usize)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The word at `address` if it can be an address or a size, else 0: what refers to nothing. So nothing overflows that adds
    /// an offset to it.
    #[inline]
    pub(super) fn pointer(&self, address: u64) -> u64 {
        self.word(address).filter(|&word| word < END_OF_ADDRESSES).unwrap_or(0)
    }

    pub(super) fn half(&self, address: u64) -> Option<u32> {
        match self.rest(address)?.first_chunk() {
            Some(bytes) => Some(u32::from_le_bytes(*bytes)),
            None => self.bytes(address, 4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)),
        }
    }

    #[inline]
    pub(super) fn byte(&self, address: u64) -> Option<u8> {
        self.rest(address)?.first().copied()
    }

    /// `length` bytes from `address` on, if all of them are in one region.
    pub(super) fn bytes(&self, address: u64, length: usize) -> Option<Cow<'i, [u8]>> {
        let rest = self.rest(address)?;
        if let Some(bytes) = rest.get(..length) {
            return Some(Cow::Borrowed(bytes));
        }
        if !self.has(address, length as u64) {
            return None;
        }
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let rest = self.rest(address + bytes.len() as u64)?;
            bytes.extend_from_slice(&rest[..rest.len().min(length - bytes.len())]);
        }
        Some(Cow::Owned(bytes))
    }

    /// The text that ends with a zero byte, at most `limit` bytes of it.
    pub(super) fn c_string(&self, address: u64, limit: usize) -> Option<String> {
        let rest = self.rest(address)?;
        let bytes = match rest[..rest.len().min(limit)].iter().position(|&byte| byte == 0) {
            Some(end) => Cow::Borrowed(&rest[..end]),
            None => {
                let length = (1..=limit).find(|&n| self.byte(address + n as u64 - 1).is_none_or(|byte| byte == 0));
                self.bytes(address, length.map_or(limit, |n| n - 1))?
            }
        };
        self.claim(bytes.len() as u64 / WORD + 1).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// See [`Image::is_at_hand`].
    pub(super) fn is_at_hand(&self, address: u64) -> bool {
        self.near(address).get().rest(address).is_some() || self.image.is_at_hand(address)
    }

    /// Whether `length` bytes from `address` on are in one region, so that a length read from the target can be true.
    pub(super) fn has(&self, address: u64, length: u64) -> bool {
        match self.near(address).get().rest(address) {
            Some(rest) if length <= rest.len() as u64 => true,
            _ => self.image.region(address).is_some_and(|region| length <= region.end - address),
        }
    }
}

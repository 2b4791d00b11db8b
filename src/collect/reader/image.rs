//! The target's memory as the walk sees it: read in large pieces when first needed, at hand from then on.
//!
//! Every place has a number, counted in words over all regions in ascending order: a set of objects is a set of bits, and
//! the rank of a bit is the row of an object. Addresses come from the target's own memory, so none is believed: what is in no
//! region reads as absent, never as something.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use memmap2::{Advice, MmapMut};

use crate::target::maps::Mapping;
use crate::target::memory::Memory;

/// What is read at once, in bytes: of memory without a file what one huge page holds, of files, whose names and tables lie
/// scattered, less.
const LARGE: u64 = 2 << 20;
const SMALL: u64 = 64 << 10;
const PAGE: u64 = 4096;
/// More memory than this is not looked at. Where a process has mapped more, it is of the kind that sanitizers set aside.
const MOST: u64 = 1 << 42;
/// User space ends here with five levels of page tables.
const END_OF_ADDRESSES: u64 = 1 << 56;
/// A word: pointers are aligned to it, and so are all objects.
pub(super) const WORD: u64 = 8;
/// What memory that nobody has written to looks like: there can be a thousand times more of it than of other.
static NOTHING: [u8; LARGE as usize] = [0; LARGE as usize];
/// The places that a view remembers: memory of so many [`LARGE`] pieces is found at once.
const REMEMBERED: usize = 64;

/// The memory of a process, by regions in ascending order that do not overlap.
pub(super) struct Image<'a> {
    memory: &'a (dyn Memory + Sync),
    regions: Vec<Region>,
    /// How many bytes are not looked at, because there is too much.
    pub(super) left_out: u64,
    /// When no more is read, and whether it came to that: what was not read by then is empty.
    until: Option<Instant>,
    late: AtomicBool,
}

/// What is mapped without a gap, and whether its beginning is of a file.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    end: u64,
    is_file: bool,
}

struct Region {
    start: u64,
    end: u64,
    /// The number of its first word.
    first: u64,
    /// The bytes of a piece: [`LARGE`] or [`SMALL`]. Pieces begin at multiples of it, but for the first.
    piece: u64,
    pieces: Box<[OnceLock<Piece>]>,
}

/// Bytes that were read.
enum Piece {
    Empty(&'static [u8]),
    Small(Box<[u8]>),
    /// In huge pages where the kernel has them: with a page fault for every 4 KiB, making room takes longer than reading.
    Large(MmapMut),
}

impl Piece {
    fn new(length: usize) -> Piece {
        if length as u64 == LARGE
            && let Ok(room) = MmapMut::map_anon(length)
        {
            // Not every kernel has them.
            let _ = room.advise(Advice::HugePage);
            return Piece::Large(room);
        }
        Piece::Small(vec![0; length].into())
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Piece::Empty(_) => &mut [],
            Piece::Small(bytes) => bytes,
            Piece::Large(room) => room,
        }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Empty(bytes) => bytes,
            Piece::Small(bytes) => bytes,
            Piece::Large(room) => room,
        }
    }
}

impl Region {
    fn new(Range { start, end, is_file }: Range, first: u64) -> Region {
        let piece = if is_file { SMALL } else { LARGE };
        let pieces = (start / piece..end.div_ceil(piece)).map(|_| OnceLock::new()).collect();
        Region { start, end, first, piece, pieces }
    }

    fn has(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// What is added to an address here makes eight times its number.
    fn base(&self) -> u64 {
        (self.first * WORD).wrapping_sub(self.start)
    }
}

impl<'a> Image<'a> {
    /// Of the parts of `memory` that `mappings` name and a process can have objects in, read no later than `until`.
    pub(super) fn new(memory: &'a (dyn Memory + Sync), mappings: &[Mapping], until: Option<Instant>) -> Image<'a> {
        let usable = mappings.iter().filter(|m| m.permissions.read && !is_of_the_kernel(m) && m.start < m.end);
        let usable = usable.filter(|m| m.start % PAGE == 0 && m.end % PAGE == 0 && m.end < END_OF_ADDRESSES);
        let mut mapped: Vec<Range> = Vec::new();
        for Mapping { start, end, inode, .. } in usable {
            if mapped.last().is_none_or(|last| *start >= last.end) {
                mapped.push(Range { start: *start, end: *end, is_file: *inode != 0 });
            }
        }
        let left_out = leave_out_the_largest(&mut mapped);
        let mut ranges: Vec<Range> = Vec::new();
        for range in mapped {
            match ranges.last_mut() {
                // Static data may begin in one mapping and end in the next.
                Some(last) if range.start == last.end => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        let mut first = 0;
        let regions = ranges.into_iter().map(|range| {
            let region = Region::new(range, first);
            first += (range.end - range.start) / WORD;
            region
        });
        Image { memory, regions: regions.collect(), left_out, until, late: AtomicBool::new(false) }
    }

    /// Whether some was not read any more.
    pub(super) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// How many words all regions have.
    pub(super) fn words(&self) -> u64 {
        self.regions.last().map_or(0, |last| last.first + (last.end - last.start) / WORD)
    }

    /// The address of a word by its number, for numbers that ascend: looks where it looked last.
    pub(super) fn addresses<'s>(&'s self) -> impl FnMut(u64) -> u64 + use<'s, 'a> {
        let mut at = 0;
        move |number| {
            while self.regions.get(at + 1).is_some_and(|region| region.first <= number) {
                at += 1;
            }
            self.regions.get(at).map_or(0, |region| region.start + number.wrapping_sub(region.first) * WORD)
        }
    }

    fn region(&self, address: u64) -> Option<&Region> {
        let at = self.regions.partition_point(|region| region.start <= address).checked_sub(1)?;
        self.regions.get(at).filter(|region| region.has(address))
    }

    /// The bytes around `address`: those that memory has at hand, else the piece it is in.
    fn around<'s>(&'s self, address: u64) -> Option<Near<'s>> {
        let region = self.region(address)?;
        let (start, bytes) = match self.memory.at_hand(address) {
            Some((start, bytes)) => {
                let before = region.start.saturating_sub(start);
                let end = (region.end - start).min(bytes.len() as u64);
                (start + before, &bytes[before as usize..end as usize])
            }
            None => {
                let (first, piece) = (region.start / region.piece, address / region.piece);
                let start = region.start.max(piece * region.piece);
                let end = region.end.min((piece + 1) * region.piece);
                let place = region.pieces.get((piece - first) as usize)?;
                (start, &**place.get_or_init(|| self.read(start, (end - start) as usize)))
            }
        };
        Some(Near { start, bytes, base: region.base() })
    }

    fn read(&self, start: u64, length: usize) -> Piece {
        let nothing = Piece::Empty(&NOTHING[..length]);
        if self.until.is_some_and(|until| Instant::now() >= until) {
            self.late.store(true, Relaxed);
            return nothing;
        }
        let mut piece = Piece::new(length);
        let bytes = piece.bytes_mut();
        if self.memory.read(start, bytes).is_err() {
            // Page by page: one that cannot be read stays empty, which is no object and refers to none.
            for (page, at) in bytes.chunks_mut(PAGE as usize).zip((start..).step_by(PAGE as usize)) {
                if self.memory.read(at, page).is_err() {
                    page.fill(0);
                }
            }
        }
        if piece.iter().all(|&byte| byte == 0) { nothing } else { piece }
    }
}

/// Until the rest can be looked at: how many bytes were left out. The ranges do not overlap.
fn leave_out_the_largest(ranges: &mut Vec<Range>) -> u64 {
    let size = |range: &Range| range.end - range.start;
    let mut sizes: Vec<u64> = ranges.iter().map(size).collect();
    sizes.sort_unstable();
    let mut sum = 0;
    let too_large = sizes.iter().find(|&&size| {
        sum += size;
        sum > MOST
    });
    if let Some(&limit) = too_large {
        ranges.retain(|range| size(range) < limit);
    }
    sizes.iter().sum::<u64>() - ranges.iter().map(size).sum::<u64>()
}

/// Mappings that are windows into the kernel, devices or files shared with others.
fn is_of_the_kernel(mapping: &Mapping) -> bool {
    let name = mapping.path.to_string_lossy();
    ["[vvar", "[vsyscall", "[vdso"].iter().any(|kind| name.starts_with(kind)) || name.starts_with("/dev/")
}

/// Bytes from `start` on, all of one region.
#[derive(Clone, Copy)]
struct Near<'i> {
    start: u64,
    bytes: &'i [u8],
    /// What is added to an address makes eight times its number.
    base: u64,
}

impl<'i> Near<'i> {
    /// The bytes from `address` on, if it is here.
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

    fn near(&self, address: u64) -> &Cell<Near<'i>> {
        &self.near[(address / LARGE) as usize % REMEMBERED]
    }

    /// The bytes from `address` on, as far as they are at hand in one piece.
    fn rest(&self, address: u64) -> Option<&'i [u8]> {
        let near = self.near(address);
        if let Some(rest) = near.get().rest(address) {
            return Some(rest);
        }
        near.set(self.image.around(address)?);
        near.get().rest(address)
    }

    /// The number of the word at an address; `None` for one that no object can have.
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
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        match self.rest(address)?.first_chunk() {
            Some(bytes) => Some(u64::from_le_bytes(*bytes)),
            None => self.bytes(address, 8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
        }
    }

    /// The word at `address` if it can be an address or a size, else 0: what refers to nothing. So nothing overflows that adds
    /// an offset to it.
    pub(super) fn pointer(&self, address: u64) -> u64 {
        self.word(address).filter(|&word| word < END_OF_ADDRESSES).unwrap_or(0)
    }

    pub(super) fn half(&self, address: u64) -> Option<u32> {
        match self.rest(address)?.first_chunk() {
            Some(bytes) => Some(u32::from_le_bytes(*bytes)),
            None => self.bytes(address, 4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)),
        }
    }

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

    /// Whether `length` bytes from `address` on are in one region, so that a length read from the target can be true.
    pub(super) fn has(&self, address: u64, length: u64) -> bool {
        match self.near(address).get().rest(address) {
            Some(rest) if length <= rest.len() as u64 => true,
            _ => self.image.region(address).is_some_and(|region| length <= region.end - address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::maps;
    use crate::target::memory::FakeMemory;

    /// Two mappings, the second over more than one piece.
    fn mappings() -> Vec<Mapping> {
        maps::parse(b"10000-12000 rw-p 0 00:00 0 \n20000-320000 rw-p 0 00:00 0 \n400000-401000 rw-p 0 00:00 0 [vvar]\n")
    }

    #[test]
    fn words_are_numbered_over_all_regions() {
        let memory = FakeMemory::default();
        let image = Image::new(&memory, &mappings(), None);
        let view = View::new(&image, 1);
        assert_eq!(image.words(), (0x2000 + 0x30_0000) / 8);
        for address in [0x10000, 0x11ff8, 0x20000, 0x31_fff8] {
            assert_eq!(image.addresses()(view.number(address).expect("it is in a region")), address);
        }
        for address in [0, 0xfff8, 0x10001, 0x12000, 0x320000, 0x400000, u64::MAX - 7] {
            assert_eq!(view.number(address), None, "{address:#x}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_empty_and_what_is_nowhere_absent() {
        let mut memory = FakeMemory::default();
        memory.write(0x21000, &[7; 4096]);
        memory.write(0x11ff0, b"0123456789abcdef");
        let image = Image::new(&memory, &mappings(), None);
        let view = View::new(&image, 1);
        assert_eq!(view.word(0x21ff8), Some(0x0707_0707_0707_0707));
        assert_eq!(view.word(0x22000), Some(0));
        assert_eq!(view.word(0x12000), None);
        assert_eq!(view.word(u64::MAX - 3), None);
        assert!(view.has(0x20000, 0x30_0000) && !view.has(0x20000, 0x30_0001) && !view.has(0x12000, 0));
        assert_eq!(view.bytes(0x11ff8, 9), None);
        assert_eq!(view.bytes(0x20000, 0x20_0000).map(|bytes| bytes.len()), Some(0x20_0000));
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let memory = FakeMemory::default();
        let text = b"10000-12000 rw-p 0 00:00 0 \n20000-80000020000 rw-p 0 00:00 0 \n90000000000-d0000000000 rw-p 0 00:00 0 \n";
        let image = Image::new(&memory, &maps::parse(text), None);
        assert_eq!((image.words(), image.left_out), (0x2000 / 8, (1 << 43) + (1 << 42)));
        assert_eq!(View::new(&image, 1).number(0x20000), None);
        assert_eq!(Image::new(&memory, &mappings(), None).left_out, 0);
    }

    #[test]
    fn texts_end_at_a_zero_or_at_the_limit() {
        let mut memory = FakeMemory::default();
        memory.write(0x20000, &vec![b'x'; 0x20_0000]);
        memory.write(0x20000 + 0x10_0003, b"\0");
        let image = Image::new(&memory, &mappings(), None);
        let view = View::new(&image, 1);
        // Over the border of two pieces.
        assert_eq!(view.c_string(0x20000 + 0xf_fffe, 100).as_deref(), Some("xxxxx"));
        assert_eq!(view.c_string(0x20000 + 0xf_fffe, 3).as_deref(), Some("xxx"));
        assert_eq!(view.c_string(0x12000, 3), None);
    }
}

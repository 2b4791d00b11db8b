//! The target's memory as the walk sees it: read in large pieces when first needed, at hand from then on.
//!
//! Every place has a number, counted in words over all regions in ascending order: a set of objects is a set of bits, and
//! the rank of a bit is the row of an object. Addresses come from the target's own memory, so none is believed: what is in no
//! region reads as absent, never as something.

use std::ops::{self, Deref};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use memmap2::{Advice, MmapMut};

use super::view::Near;
use crate::target::maps::Mapping;
use crate::target::memory::Memory;

/// What is read at once, in bytes: of memory without a file what one huge page holds, of files, whose names and tables lie
/// scattered, less.
pub(super) const LARGE: u64 = 2 << 20;
const SMALL: u64 = 64 << 10;
const PAGE: u64 = 4096;
/// More memory than this is not looked at. Where a process has mapped more, it is of the kind that sanitizers set aside.
const MOST: u64 = 1 << 42;
/// User space ends here with five levels of page tables.
pub(super) const END_OF_ADDRESSES: u64 = 1 << 56;
/// A word: pointers are aligned to it, and so are all objects.
pub(super) const WORD: u64 = 8;
/// What memory that nobody has written to looks like: there can be a thousand times more of it than of other.
static NOTHING: [u8; LARGE as usize] = [0; LARGE as usize];

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

pub(super) struct Region {
    start: u64,
    pub(super) end: u64,
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

    /// The bytes of ours that it takes.
    fn held(&self) -> usize {
        match self {
            Piece::Empty(_) => 0,
            Piece::Small(_) | Piece::Large(_) => self.len(),
        }
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

    /// The numbers of the words of a piece.
    fn words(&self, piece: usize) -> ops::Range<u64> {
        let number = |piece: u64| {
            let address = ((self.start / self.piece + piece) * self.piece).clamp(self.start, self.end);
            self.first + (address - self.start) / WORD
        };
        number(piece as u64)..number(piece as u64 + 1)
    }

    /// What is added to an address here makes eight times its number.
    pub(super) fn base(&self) -> u64 {
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

    /// Lets go of what was read before the word of this number until it was so many bytes: says how many. Of pieces that are
    /// `spent` first, which is asked by the numbers of their words; each time from the lowest address on. What is let go is read
    /// again if it is asked for again. What memory has at hand stays.
    pub(super) fn forget(&mut self, number: u64, bytes: usize, spent: impl Fn(ops::Range<u64>) -> bool) -> usize {
        let mut freed = 0;
        for any in [false, true] {
            for region in &mut self.regions {
                for at in 0..region.pieces.len() {
                    let words = region.words(at);
                    if words.end > number {
                        break;
                    }
                    if freed >= bytes {
                        return freed;
                    }
                    let piece = &mut region.pieces[at];
                    if piece.get().is_some_and(|piece| piece.held() > 0 && (any || spent(words))) {
                        freed += piece.take().map_or(0, |piece| piece.held());
                    }
                }
            }
        }
        freed
    }

    /// Whether what is at `address` need not be read first.
    pub(super) fn is_at_hand(&self, address: u64) -> bool {
        let piece = |region: &Region| (address / region.piece - region.start / region.piece) as usize;
        self.memory.at_hand(address).is_some()
            || self.region(address).is_some_and(|region| region.pieces[piece(region)].get().is_some())
    }

    /// How many bytes of ours it takes.
    pub(super) fn held(&self) -> usize {
        self.regions.iter().flat_map(|region| &region.pieces).filter_map(OnceLock::get).map(Piece::held).sum()
    }

    pub(super) fn region(&self, address: u64) -> Option<&Region> {
        let at = self.regions.partition_point(|region| region.start <= address).checked_sub(1)?;
        self.regions.get(at).filter(|region| region.has(address))
    }

    /// The bytes around `address`: those that memory has at hand, else the piece it is in.
    pub(super) fn around<'s>(&'s self, address: u64) -> Option<Near<'s>> {
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

#[cfg(test)]
mod tests {
    use super::super::view::View;
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
    fn what_was_forgotten_is_read_again() {
        let mut memory = FakeMemory::default();
        memory.write(0x11000, &[7; 0x1000]);
        memory.write(0x1f_f000, &[7; 0x2000]);
        let mut image = Image::new(&memory, &mappings(), None);
        let held = |image: &Image| -> Vec<bool> {
            let pieces = image.regions.iter().flat_map(|region| &region.pieces);
            pieces.map(|piece| piece.get().is_some()).collect()
        };
        let look = |image: &Image| {
            let view = View::new(image, 1);
            for address in [0x11ff8, 0x1f_fff8, 0x20_0008] {
                assert_eq!(view.word(address), Some(0x0707_0707_0707_0707));
            }
        };
        look(&image);
        assert_eq!((held(&image), image.held()), (vec![true, true, true], 0x2000 + 0x1e_0000 + 0x12_0000));
        // What is not wholly before it stays.
        let number = View::new(&image, 1).number(0x20_0008).expect("it is in a region");
        assert_eq!(image.forget(number, 1, |_| true), 0x2000);
        assert_eq!(held(&image), [false, true, true]);
        assert_eq!(image.forget(number, usize::MAX, |_| false), 0x1e_0000);
        assert_eq!(held(&image), [false, false, true]);
        look(&image);
        // What is spent goes first.
        let in_second = |words: ops::Range<u64>| words == (0x2000 / 8..(0x2000 + 0x1e_0000) / 8);
        assert_eq!(image.forget(image.words(), 1, in_second), 0x1e_0000);
        assert_eq!(held(&image), [true, false, true]);
        assert!(image.is_at_hand(0x11ff8) && !image.is_at_hand(0x1f_fff8) && image.is_at_hand(0x20_0008));
        assert!(!image.is_at_hand(0x12000) && !image.is_at_hand(u64::MAX));
        assert_eq!(image.forget(image.words(), usize::MAX, |_| true), 0x2000 + 0x12_0000);
        assert_eq!((held(&image), image.held()), (vec![false, false, false], 0));
        look(&image);
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

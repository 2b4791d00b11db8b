//! Sets of places in the target's memory, by their numbers in the image: one bit for each word, only where something is in it.
//!
//! Several threads may add at once. When the last is in, each place has a rank: how many are before it, which is the row of
//! the object there.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words of a block.
const BLOCK: u64 = 64;
/// Blocks of a chunk: 2 MiB of memory.
const CHUNK: u64 = 4096;

/// A set of places.
#[derive(Debug, Default)]
pub(super) struct Places {
    chunks: Box<[OnceLock<Box<[Block]>>]>,
}

/// Bits, and beside them what their ranks need: both are looked at together.
#[derive(Debug, Default)]
struct Block {
    bits: AtomicU64,
    /// How many places are before this block.
    before: u32,
}

impl Places {
    pub(super) fn new(words: u64) -> Places {
        Places { chunks: (0..words.div_ceil(BLOCK * CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    fn block(&self, number: u64) -> Option<&Block> {
        let block = number / BLOCK;
        self.chunks.get((block / CHUNK) as usize)?.get()?.get((block % CHUNK) as usize)
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.block(number).is_some_and(|block| block.bits.load(Relaxed) >> (number % BLOCK) & 1 != 0)
    }

    /// Says whether it is new: to one thread only.
    pub(super) fn insert(&self, number: u64) -> bool {
        let block = number / BLOCK;
        let Some(chunk) = self.chunks.get((block / CHUNK) as usize) else { return false };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| Block::default()).collect());
        let bit = 1 << (number % BLOCK);
        chunk[(block % CHUNK) as usize].bits.fetch_or(bit, Relaxed) & bit == 0
    }

    pub(super) fn remove(&self, number: u64) {
        if let Some(block) = self.block(number) {
            block.bits.fetch_and(!(1 << (number % BLOCK)), Relaxed);
        }
    }

    /// Counts them; from then on ranks can be asked for, and nothing may be added.
    pub(super) fn count(&mut self) -> u64 {
        let mut sum = 0u64;
        for block in self.chunks.iter_mut().filter_map(OnceLock::get_mut).flatten() {
            block.before = sum.min(u64::from(u32::MAX)) as u32;
            sum += u64::from(block.bits.get_mut().count_ones());
        }
        sum
    }

    /// The rank of a place, if it is in the set.
    pub(super) fn rank(&self, number: u64) -> Option<u32> {
        let block = self.block(number)?;
        let bits = block.bits.load(Relaxed);
        let bit = 1 << (number % BLOCK);
        (bits & bit != 0).then(|| block.before + (bits & (bit - 1)).count_ones())
    }

    /// The first number that is in a block.
    pub(super) fn first_of(block: u64) -> u64 {
        block * BLOCK
    }

    /// Those in a range of blocks, in ascending order.
    pub(super) fn iter(&self, blocks: Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let chunks = blocks.start / CHUNK..blocks.end.div_ceil(CHUNK);
        let there = chunks.filter_map(|at| Some((at * CHUNK, self.chunks.get(at as usize)?.get()?)));
        let all = there.flat_map(|(first, chunk)| (first..).zip(chunk.iter()));
        all.filter(move |(at, _)| blocks.contains(at)).flat_map(|(at, block)| {
            let mut rest = block.bits.load(Relaxed);
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    at * BLOCK + u64::from(bit)
                })
            })
        })
    }

    /// Whether there are so many in a range of numbers, which is taken to whole blocks.
    pub(super) fn are_many(&self, numbers: Range<u64>, count: usize) -> bool {
        self.iter(numbers.start / BLOCK..numbers.end.div_ceil(BLOCK)).take(count).count() == count
    }

    /// Cuts the blocks into `count` ranges with about the same number of places each, of which there are `places`; says how
    /// many are in each.
    pub(super) fn shares(&self, count: usize, places: u64) -> Vec<(Range<u64>, usize)> {
        let there = (0u64..).zip(&self.chunks).filter_map(|(at, chunk)| Some((at * CHUNK, chunk.get()?)));
        let mut blocks = there.flat_map(|(first, chunk)| (first..).zip(chunk.iter()));
        let mut shares = Vec::with_capacity(count);
        let (mut start, mut before) = (0, 0);
        for share in 1..=count as u64 {
            let wanted = places * share / count as u64;
            let next = blocks.find(|(_, block)| wanted < places && u64::from(block.before) >= wanted);
            let end = next.map_or(self.chunks.len() as u64 * CHUNK, |(at, _)| at);
            let up_to = next.map_or(places, |(_, block)| u64::from(block.before));
            shares.push((start..end, (up_to - before) as usize));
            (start, before) = (end, up_to);
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers over several chunks, ascending.
    const NUMBERS: [u64; 8] = [0, 1, 63, 64, 262_143, 262_144, 1_000_000, 1_048_575];

    fn places() -> Places {
        let mut places = Places::new(1 << 20);
        for number in NUMBERS.iter().rev() {
            assert!(places.insert(*number) && !places.insert(*number));
        }
        assert_eq!(places.count(), NUMBERS.len() as u64);
        places
    }

    #[test]
    fn the_rank_of_a_place_is_how_many_are_before_it() {
        let places = places();
        for (rank, number) in NUMBERS.into_iter().enumerate() {
            assert_eq!(places.rank(number), Some(rank as u32));
        }
        for number in [2, 65, 262_142, 500_000, 1 << 20, u64::MAX] {
            assert!(!places.has(number) && places.rank(number).is_none(), "{number}");
        }
        assert!(!places.insert(u64::MAX));
        assert!(places.are_many(0..128, 4) && !places.are_many(0..128, 5) && places.are_many(500_000..1 << 20, 2));
    }

    #[test]
    fn shares_have_every_place_once() {
        let places = places();
        for count in 1..12 {
            let shares = places.shares(count, NUMBERS.len() as u64);
            assert_eq!(shares.len(), count);
            let mut all = Vec::new();
            for (blocks, size) in shares {
                let before = all.len();
                all.extend(places.iter(blocks));
                assert_eq!(all.len() - before, size);
            }
            assert_eq!(all, NUMBERS);
        }
        assert_eq!(Places::new(0).shares(2, 0), [(0..0, 0), (0..0, 0)]);
    }

    proptest! {
        #[test]
        fn ranks_are_rows(numbers in proptest::collection::btree_set(0..1_u64 << 20, 0..300), count in 1..5_usize) {
            let mut places = Places::new(1 << 20);
            for &number in numbers.iter().rev() {
                prop_assert!(places.insert(number) && !places.insert(number));
            }
            prop_assert_eq!(places.count(), numbers.len() as u64);
            prop_assert!((0..).zip(&numbers).all(|(row, &number)| places.rank(number) == Some(row)));
            prop_assert!(numbers.iter().all(|number| places.has(number ^ 1) == numbers.contains(&(number ^ 1))));
            let shares = places.shares(count, numbers.len() as u64);
            prop_assert_eq!(shares.iter().map(|(_, size)| size).sum::<usize>(), numbers.len());
            let listed: Vec<u64> = shares.into_iter().flat_map(|(blocks, _)| places.iter(blocks)).collect();
            prop_assert!(listed.iter().eq(&numbers));
        }
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        let mut places = Places::new(1 << 39);
        assert!(places.insert(1 << 38) && !places.insert(1 << 60) && !places.has(1 << 60));
        assert_eq!((places.count(), places.rank(1 << 38)), (1, Some(0)));
    }

    #[test]
    fn what_is_removed_was_never_there() {
        let mut places = places();
        places.remove(63);
        places.remove(70);
        assert_eq!((places.count(), places.rank(64)), (7, Some(2)));
    }
}

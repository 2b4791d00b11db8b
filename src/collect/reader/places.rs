//! A set of places in memory, by their numbers in the image; the rank of one is the row of the object there.
//!
//! Kept in pieces, and only those that have some: a process may have mapped a thousand times what it uses.

use std::ops::Range;

/// Words of memory in a piece, by powers of two, and what is counted at once to find a rank.
const PIECE: u32 = 17;
const BLOCK: usize = 8;
/// 64 places to a word of ours.
const WORDS: usize = 1 << (PIECE - 6);

/// A set of places.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Those without any are empty.
    pieces: Vec<Box<[u64]>>,
    /// How many are before each block of a piece.
    ranks: Vec<Box<[u32]>>,
    /// And before each piece.
    before: Vec<u32>,
}

impl Places {
    /// Of the numbers below `words`.
    pub(super) fn new(words: u64) -> Places {
        let pieces = vec![Box::default(); words.div_ceil(1 << PIECE) as usize];
        Places { pieces, ..Places::default() }
    }

    pub(super) fn has(&self, number: u64) -> bool {
        let (piece, at) = split(number);
        self.pieces.get(piece).and_then(|piece| piece.get(at)).is_some_and(|bits| bits >> (number % 64) & 1 != 0)
    }

    /// Says whether it is new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let (piece, at) = split(number);
        let Some(piece) = self.pieces.get_mut(piece) else { return false };
        if piece.is_empty() {
            *piece = vec![0; WORDS].into();
        }
        let bit = 1 << (number % 64);
        let is_new = piece[at] & bit == 0;
        piece[at] |= bit;
        is_new
    }

    /// To be called when the last one is in: then ranks can be asked for.
    pub(super) fn count(&mut self) -> u64 {
        let mut sum = 0u64;
        // More than rows can have is refused by whoever makes rows.
        let row = |sum: u64| sum.min(u64::from(u32::MAX)) as u32;
        for piece in &self.pieces {
            self.before.push(row(sum));
            let ranks = piece.chunks(BLOCK).map(|block| {
                let rank = row(sum);
                sum += block.iter().map(|bits| u64::from(bits.count_ones())).sum::<u64>();
                rank
            });
            self.ranks.push(ranks.collect());
        }
        sum
    }

    /// How many are before `number`, which must be one of them: the row of the object there.
    pub(super) fn rank(&self, number: u64) -> u32 {
        let (piece, at) = split(number);
        let (bits, block) = (&self.pieces[piece], at / BLOCK);
        let before: u32 = bits[block * BLOCK..at].iter().map(|bits| bits.count_ones()).sum();
        self.ranks[piece][block] + before + (bits[at] & ((1 << (number % 64)) - 1)).count_ones()
    }

    /// Those in a range of pieces, in ascending order.
    pub(super) fn iter(&self, pieces: Range<usize>) -> impl Iterator<Item = u64> + '_ {
        let words = pieces.flat_map(|piece| {
            let first = (piece as u64) << PIECE;
            (first..).step_by(64).zip(&self.pieces[piece])
        });
        words.flat_map(|(first, &bits)| {
            let mut rest = bits;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    first + u64::from(bit)
                })
            })
        })
    }

    /// Ranges of pieces with about the same number of objects each.
    pub(super) fn shares(&self, count: usize, objects: u64) -> Vec<Range<usize>> {
        let mut shares = Vec::new();
        let mut start = 0;
        for share in 1..=count as u64 {
            let wanted = objects * share / count as u64;
            let end = match share == count as u64 {
                true => self.pieces.len(),
                false => self.before.partition_point(|&before| u64::from(before) < wanted),
            };
            let end = end.clamp(start, self.pieces.len());
            shares.push(start..end);
            start = end;
        }
        shares
    }
}

/// The piece that a number is in, and the word there.
fn split(number: u64) -> (usize, usize) {
    ((number >> PIECE) as usize, (number >> 6) as usize % WORDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_are_rows(numbers in proptest::collection::btree_set(0..5_u64 << PIECE, 0..300), count in 1..5_usize) {
            let mut places = Places::new((5 << PIECE) - 1);
            for &number in numbers.iter().rev() {
                prop_assert!(places.insert(number) && !places.insert(number));
            }
            prop_assert_eq!(places.count(), numbers.len() as u64);
            prop_assert!(numbers.iter().enumerate().all(|(row, &number)| places.rank(number) == row as u32));
            prop_assert!(numbers.iter().all(|number| places.has(*number) && places.has(number ^ 1) == numbers.contains(&(number ^ 1))));
            let shares = places.shares(count, numbers.len() as u64);
            prop_assert_eq!(shares.len(), count);
            let listed: Vec<u64> = shares.into_iter().flat_map(|share| places.iter(share)).collect();
            prop_assert!(listed.iter().eq(&numbers));
        }
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        let mut places = Places::new(1 << 40);
        assert!(places.insert(1 << 39) && !places.insert(1 << 60) && !places.has(1 << 60));
        assert_eq!((places.count(), places.rank(1 << 39)), (1, 0));
    }
}

//! Which blocks of memory belong to Python objects: those that an object is in, or that one keeps its items in.

/// In front of an object in its block: the hooks of the debug allocators (to 32), weak references, values and the dict of its
/// attributes (32), and the collector's header (to 32).
const MOST_IN_FRONT: u64 = 112;
/// In front of any other block: the hooks of the debug allocators, both of pymalloc's and of malloc's where it is too large for
/// the former.
const HOOKS: u64 = 32;

/// Addresses in ascending order, asked about in ascending order.
pub(super) struct Owners<'a> {
    objects: Ascending<'a>,
    blocks: Ascending<'a>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(objects: &'a [u64], blocks: &'a [u64]) -> Self {
        Owners { objects: Ascending { all: objects, at: 0 }, blocks: Ascending { all: blocks, at: 0 } }
    }

    /// Whether the block from `start` to `end` is an object's.
    pub(super) fn have(&mut self, start: u64, end: u64) -> bool {
        self.objects.has(start, end.min(start.saturating_add(MOST_IN_FRONT)))
            || self.blocks.has(start, end.min(start.saturating_add(HOOKS + 1)))
    }
}

struct Ascending<'a> {
    all: &'a [u64],
    at: usize,
}

impl Ascending<'_> {
    /// Whether one is from `start` to `end`.
    fn has(&mut self, start: u64, end: u64) -> bool {
        let is_before = self.at.checked_sub(1).and_then(|last| self.all.get(last)).is_some_and(|&last| last >= start);
        if is_before {
            self.at = 0;
        }
        // In steps that double: what comes next is near, or far away.
        let mut step = 1;
        while self.all.get(self.at + step - 1).is_some_and(|&found| found < start) {
            self.at += step;
            step *= 2;
        }
        let rest = self.all.get(self.at..).unwrap_or_default();
        let near = rest.get(..step).unwrap_or(rest);
        self.at += near.partition_point(|&found| found < start);
        self.all.get(self.at).is_some_and(|&found| found < end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_is_an_objects_if_one_begins_in_it() {
        let mut owners = Owners::new(&[0x1020, 0x2000], &[0x3000]);
        let cases = [
            (0x1000, 0x1040, true),
            (0x1000, 0x1020, false),
            (0x1f00, 0x3000, false),
            (0x2000, 0x2010, true),
            (0x2ff0, 0x4000, true),
            (0x2fe0, 0x4000, true),
            (0x2fd0, 0x4000, false),
            (0x3008, 0x4000, false),
        ];
        for (start, end, expected) in cases {
            assert_eq!(owners.have(start, end), expected, "{start:#x} to {end:#x}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_questions_does_not_matter(
            all in proptest::collection::btree_set(0..2000_u64, 0..200),
            asked in proptest::collection::vec((0..2000_u64, 0..50_u64), 1..100),
        ) {
            let all: Vec<u64> = all.into_iter().collect();
            let mut ascending = Ascending { all: &all, at: 0 };
            for (start, length) in asked {
                let expected = all.iter().any(|&one| start <= one && one < start + length);
                prop_assert_eq!(ascending.has(start, start + length), expected);
            }
        }
    }
}

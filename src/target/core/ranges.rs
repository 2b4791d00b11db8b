//! Ranges of addresses, each with what is there: sorted, disjoint, and laid over each other in linear time.
//!
//! Those of a file may overlap in any way its maker chose; what came first stays.

/// `start` to `end` (exclusive), and what is at `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range<T> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) at: T,
}

/// Something that goes on with the addresses: a place in a file.
pub(super) trait Advance: Copy {
    /// What is `by` bytes further on.
    fn advance(self, by: u64) -> Self;
}

impl<T: Advance> Range<T> {
    pub(super) fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The part from `start` to `end`, which must be within.
    fn part(&self, start: u64, end: u64) -> Range<T> {
        Range { start, end, at: self.at.advance(start - self.start) }
    }
}

/// `base`, which is sorted and disjoint, and those parts of `more` that are not in it.
pub(super) fn lay<T: Advance>(base: Vec<Range<T>>, mut more: Vec<Range<T>>) -> Vec<Range<T>> {
    more.sort_by_key(|range| range.start);
    let mut added = Vec::new();
    let mut waiting = base.iter().peekable();
    // Everything below is laid.
    let mut laid = 0;
    for range in more {
        let mut start = range.start.max(laid);
        laid = laid.max(range.end);
        while let Some(next) = waiting.peek().filter(|next| next.start < range.end) {
            if start < next.start {
                added.push(range.part(start, next.start));
            }
            start = start.max(next.end);
            if next.end > range.end {
                break;
            }
            waiting.next();
        }
        if start < range.end {
            added.push(range.part(start, range.end));
        }
    }
    let mut all = base;
    all.append(&mut added);
    all.sort_by_key(|range| range.start);
    all
}

/// The one that has `address`.
pub(super) fn find<T>(ranges: &[Range<T>], address: u64) -> Option<&Range<T>> {
    let after = ranges.partition_point(|range| range.start <= address);
    ranges.get(after.checked_sub(1)?).filter(|range| address < range.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Address and origin in one: what `advance` must keep together.
    impl Advance for (u32, u64) {
        fn advance(self, by: u64) -> Self {
            (self.0, self.1 + by)
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0..60_u64, 0..12_u64), 0..12)
    }

    proptest! {
        /// Byte by byte it is what painting would give: the first to come stays.
        #[test]
        fn laying_is_painting(layers in proptest::collection::vec(ranges(), 1..4)) {
            let mut all = Vec::new();
            let mut painted = [None; 80];
            for (number, layer) in layers.iter().enumerate() {
                let mut layer = layer.clone();
                layer.sort_by_key(|range| range.0);
                let layer: Vec<_> = layer
                    .iter()
                    .map(|&(start, length)| Range { start, end: start + length, at: (number as u32, start) })
                    .collect();
                for range in &layer {
                    for address in range.start..range.end {
                        painted[address as usize].get_or_insert((number as u32, address));
                    }
                }
                all = lay(all, layer);
                prop_assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start), "{all:?}");
                prop_assert!(all.iter().all(|range| range.start < range.end), "{all:?}");
            }
            for (address, expected) in painted.iter().enumerate() {
                let address = address as u64;
                let found = find(&all, address).map(|range| range.at.advance(address - range.start));
                prop_assert_eq!(found, *expected, "{}", address);
            }
        }
    }
}

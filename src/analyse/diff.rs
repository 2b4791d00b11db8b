//! What changed between two heaps, by type.

use std::collections::BTreeMap;

use super::TypeDelta;
use super::histogram::{Sum, sums};
use crate::heap::Heap;

/// Each type that has another count or other bytes in `new` than in `old`, also those that came and those that went; by
/// bytes_delta descending, then type ascending.
pub(crate) fn diff(old: &Heap, new: &Heap) -> Vec<TypeDelta> {
    let mut types: BTreeMap<&str, (Sum, Sum)> = BTreeMap::new();
    for (name, sum) in old.type_names().iter().zip(sums(old)) {
        types.entry(name).or_default().0 = sum;
    }
    for (name, sum) in new.type_names().iter().zip(sums(new)) {
        types.entry(name).or_default().1 = sum;
    }
    let mut deltas: Vec<TypeDelta> = types
        .into_iter()
        .map(|(kind, (old, new))| {
            let (count, bytes) = (new.count, new.bytes);
            let (count_delta, bytes_delta) = (delta(old.count, count), delta(old.bytes, bytes));
            TypeDelta { kind: kind.to_owned(), count, count_delta, bytes, bytes_delta }
        })
        .filter(|delta| delta.count_delta != 0 || delta.bytes_delta != 0)
        .collect();
    // Stable: types of the same delta stay in their order.
    deltas.sort_by_key(|delta| std::cmp::Reverse(delta.bytes_delta));
    deltas
}

/// `new - old`, as far as 64 bits reach.
fn delta(old: u64, new: u64) -> i64 {
    i64::try_from(i128::from(new) - i128::from(old)).unwrap_or(if new > old { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;

    fn check(old: &str, new: &str, expected: &[(&str, u64, i64, u64, i64)]) {
        let deltas = diff(&sample::heap(old), &sample::heap(new));
        let told: Vec<_> = deltas.iter().map(|d| (&*d.kind, d.count, d.count_delta, d.bytes, d.bytes_delta)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn growth_comes_first_and_what_stayed_is_left_out() {
        check(
            "a:t.Stays=8\nb:t.Goes=100\nc:t.Grows=10\nd:t.Swells=10\ne:t.Regroups=6\nf:t.Shrinks=9\ng:t.Shrinks=9",
            "a:t.Stays=8\nb:t.Comes=5\nc:t.Grows=10\nd:t.Grows=10\ne:t.Swells=15\nf:t.Regroups=3\ng:t.Regroups=3\nh:t.Shrinks=9",
            &[
                ("t.Grows", 2, 1, 20, 10),
                ("t.Comes", 1, 1, 5, 5),
                ("t.Swells", 1, 0, 15, 5),
                ("t.Regroups", 2, 1, 6, 0),
                ("t.Shrinks", 1, -1, 9, -9),
                ("t.Goes", 0, -1, 0, -100),
            ],
        );
        check("", "", &[]);
        check("a:t.A", "a:t.A", &[]);
    }

    #[test]
    fn differences_beyond_64_bits_end_there() {
        let most = format!("a:t.A={}", u64::MAX);
        check("", &most, &[("t.A", 1, 1, u64::MAX, i64::MAX)]);
        check(&most, "", &[("t.A", 0, -1, 0, i64::MIN)]);
    }
}

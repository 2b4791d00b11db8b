//! What changed between heaps, by what was counted in each.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::TypeDelta;
use super::census::{Amounts, Census, Key};

/// Of two: each key of which there is another count or other bytes in the last than in the first, also those that came and
/// those that went. Of more, in a row: each whose bytes have grown each time. By bytes_delta descending, then type ascending,
/// then place ascending.
pub(super) fn deltas(row: &[Census]) -> Vec<TypeDelta> {
    let keys: BTreeSet<&Key> = row.iter().flat_map(Census::keys).collect();
    let retained = row.iter().flat_map(Census::values).any(|amounts| amounts.retained.is_some());
    let mut deltas: Vec<TypeDelta> = keys.into_iter().filter_map(|key| one(key, row, retained)).collect();
    // Stable: those of the same delta stay in their order.
    deltas.sort_by_key(|delta| Reverse(delta.bytes_delta));
    deltas
}

/// `retained`: is it known what anything retains?
fn one(key: &Key, row: &[Census], retained: bool) -> Option<TypeDelta> {
    let amounts: Vec<Amounts> = row.iter().map(|census| census.get(key).copied().unwrap_or_default()).collect();
    let (old, new) = (amounts.first()?, amounts.last()?);
    let steps: Vec<i64> = amounts.windows(2).map(|pair| delta(pair[0].bytes, pair[1].bytes)).collect();
    let several = steps.len() > 1;
    let count_delta = delta(old.count, new.count);
    let bytes_delta = delta(old.bytes, new.bytes);
    let told = if several { steps.iter().all(|&step| step > 0) } else { count_delta != 0 || bytes_delta != 0 };
    // What is not there retains nothing.
    let retains = |of: &Amounts| of.retained.unwrap_or(0);
    told.then(|| TypeDelta {
        kind: key.0.clone(),
        place: key.1.clone(),
        count: new.count,
        count_delta,
        new: None,
        bytes: new.bytes,
        bytes_delta,
        steps: if several { steps } else { Vec::new() },
        retained_bytes: retained.then(|| retains(new)),
        retained_delta: retained.then(|| delta(retains(old), retains(new))),
    })
}

/// `new - old`, as far as 64 bits reach.
fn delta(old: u64, new: u64) -> i64 {
    i64::try_from(i128::from(new) - i128::from(old)).unwrap_or(if new > old { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::super::census::by_type;
    use super::*;
    use crate::heap::sample;

    fn check(old: &str, new: &str, expected: &[(&str, u64, i64, u64, i64)]) {
        let row = [old, new].map(|heap| by_type(&sample::heap(heap), None));
        let deltas = deltas(&row);
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

    #[test]
    fn of_several_what_grows_each_time_is_told() {
        let row = [
            "a:t.Grows=1\nb:t.Once=1\nc:t.Back=1\nd:t.Stays=1",
            "a:t.Grows=2\nb:t.Once=2\nc:t.Back=5\nd:t.Stays=1\ne:t.Late=1",
            "a:t.Grows=5\nb:t.Once=2\nc:t.Back=4\nd:t.Stays=1\ne:t.Late=2\nf:t.Grows=2",
        ];
        let row = row.map(|heap| by_type(&sample::heap(heap), None));
        let told = |row: &[Census]| {
            let deltas = deltas(row);
            deltas.into_iter().map(|d| (d.kind, d.count_delta, d.bytes_delta, d.steps)).collect::<Vec<_>>()
        };
        assert_eq!(told(&row), [("t.Grows".into(), 1, 6, vec![1, 5]), ("t.Late".into(), 1, 2, vec![1, 1])]);
        assert_eq!((told(&row[..1]), told(&[])), (vec![], vec![]));
    }
}

//! What fills the heap, by type: one pass over the objects. What a type retains was computed before.

use super::{Totals, TypeRow};
use crate::heap::Heap;
use crate::units::Address;

/// What there is of a type.
#[derive(Clone, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) bytes: u64,
    max_bytes: u64,
    max_address: Address,
}

/// By type, also of those that have no objects.
pub(super) fn sums(heap: &Heap) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); heap.type_count()];
    for object in heap.objects() {
        let (sum, bytes) = (&mut sums[heap.type_of(object).index()], heap.size(object));
        // Objects come by ascending address: of equals the first stays.
        if sum.count == 0 || bytes > sum.max_bytes {
            (sum.max_bytes, sum.max_address) = (bytes, heap.address(object));
        }
        sum.count += 1;
        // A hostile target may claim any size.
        sum.bytes = sum.bytes.saturating_add(bytes);
    }
    sums
}

/// All of the heap, and each type that has objects; by bytes descending, then type ascending. `retained`, where it is told,
/// has by type what [`super::Holdings`] found.
pub(crate) fn histogram(heap: &Heap, retained: Option<&[u64]>) -> (Totals, Vec<TypeRow>) {
    let mut rows: Vec<TypeRow> = heap
        .type_names()
        .iter()
        .zip(sums(heap))
        .enumerate()
        .filter(|(_, (_, sum))| sum.count > 0)
        .map(|(id, (name, Sum { count, bytes, max_bytes, max_address }))| TypeRow {
            kind: name.to_string(),
            count,
            bytes,
            max_bytes,
            max_address,
            retained_bytes: retained.map(|retained| retained[id]),
        })
        .collect();
    rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.kind.cmp(&b.kind)));
    (totals(heap), rows)
}

/// All of the heap.
pub(crate) fn totals(heap: &Heap) -> Totals {
    let sums = sums(heap);
    let bytes = sums.iter().fold(0, |all: u64, sum| all.saturating_add(sum.bytes));
    let types = sums.iter().filter(|sum| sum.count > 0).count() as u64;
    Totals { objects: heap.len() as u64, bytes, types }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;

    fn check(heap: &str, totals: (u64, u64, u64), expected: &[(&str, u64, u64, u64, u64)]) {
        let heap = sample::heap(heap);
        let retained: Vec<u64> = (0..heap.type_count() as u64).collect();
        let (found, rows) = histogram(&heap, Some(&retained));
        for row in &rows {
            assert_eq!(heap.type_named(&row.kind).map(|id| u64::from(id.0)), row.retained_bytes);
        }
        assert_eq!((found.objects, found.bytes, found.types), totals);
        let rows: Vec<_> =
            rows.iter().map(|row| (&*row.kind, row.count, row.bytes, row.max_bytes, row.max_address.0)).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn types_are_summed_and_ordered() {
        check("", (0, 0, 0), &[]);
        check(
            "a:app.B=10
             b:app.A=4
             c:app.A=6
             d:app.A=0
             e:app.Big=100
             f:app.B=0",
            (6, 120, 3),
            &[("app.Big", 1, 100, 100, 0x1040), ("app.A", 3, 10, 6, 0x1020), ("app.B", 2, 10, 10, 0x1000)],
        );
    }

    #[test]
    fn of_equally_large_objects_the_lowest_is_named() {
        check("a:app.A=8\nb:app.A=8", (2, 16, 1), &[("app.A", 2, 16, 8, 0x1000)]);
        check("a:app.A=0\nb:app.A=0", (2, 0, 1), &[("app.A", 2, 0, 0, 0x1000)]);
    }

    #[test]
    fn sizes_that_cannot_be_do_not_overflow() {
        let most = u64::MAX;
        let text = format!("a:app.A={most}\nb:app.A={most}\nc:app.B=1");
        check(&text, (3, most, 2), &[("app.A", 2, most, most, 0x1000), ("app.B", 1, 1, 1, 0x1020)]);
    }
}

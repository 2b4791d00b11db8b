//! Large lists and tuples of numbers, each an object of its own: an `array.array` would keep them in eight bytes each.

use super::super::edges::Edges;
use super::rules::Rules;
use super::{Claims, Holders, types_named};
use crate::heap::{ObjectId, TypeId};

/// Fewer items are not worth another type.
const FEWEST: usize = 256;

/// By type of container and number. All items have to be ints that surely fit into eight bytes, or all floats; saved is what
/// nobody else holds of them. Of the ints of one digit some may be the interpreter's own, which are never freed: as many as
/// it has are taken to be.
pub(super) fn numbers(edges: &Edges, holders: &Holders, rules: &Rules) -> Claims<(TypeId, TypeId)> {
    let heap = edges.heap;
    let containers = types_named(heap, &["builtins.list", "builtins.tuple"]);
    let (int, float) = (heap.type_named("builtins.int"), heap.type_named("builtins.float"));
    let mut claims = Claims::new();
    for container in heap.objects().filter(|&object| containers[heap.type_of(object).index()]) {
        let items = heap.referents(container);
        let Some(number) = items.first().map(|&row| heap.type_of(ObjectId(row))) else { continue };
        let is_int = Some(number) == int;
        if items.len() < FEWEST || holders.is_nobodys(container) || !is_int && Some(number) != float {
            continue;
        }
        let fits = |&row: &u32| {
            let item = ObjectId(row);
            heap.type_of(item) == number && (!is_int || heap.size(item) <= rules.largest_int())
        };
        if !items.iter().all(fits) {
            continue;
        }
        let mut own: Vec<u32> =
            items.iter().copied().filter(|&row| holders.is_only(container, ObjectId(row))).collect();
        own.sort_unstable();
        own.dedup();
        let bytes = own.iter().fold(0u64, |sum, &row| sum.saturating_add(heap.size(ObjectId(row))));
        let is_short = |row: &&u32| is_int && heap.size(ObjectId(**row)) <= rules.short_int();
        let short = (own.iter().filter(is_short).count() as u64).min(rules.small_ints());
        let before = bytes.saturating_add(heap.size(container));
        let after = rules.array(items.len() as u64).saturating_add(short * rules.short_int());
        if let Ok(saved @ 1..) = i64::try_from(before.saturating_sub(after)) {
            claims.add((heap.type_of(container), number), container, before, saved);
        }
    }
    claims
}

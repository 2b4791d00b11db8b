//! Which containers took what is new since an earlier capture of the same process, less what has gone from them: a cache that
//! is full takes as much as it gives.
//!
//! An object is the same if address, type and the referrer on its shortest path are: an address may have been used again.
//! What is larger than before has grown by the difference.

use rustc_hash::FxHashMap;

use super::super::edges::Edges;
use super::super::paths::Paths;
use super::reached::{Full, below, bytes, flow, last};
use super::rules::Enough;
use super::{Found, Layer, What};
use crate::heap::{Heap, ObjectId, TypeId};

pub(super) fn found(old: &Heap, edges: &Edges, paths: &Paths, enough: &Enough, most: usize) -> Vec<Found> {
    let old_edges = Edges::new(old);
    let old = Side { heap: old, paths: &Paths::new(&old_edges) };
    let new = Side { heap: edges.heap, paths };
    let (counterparts, changes) = compared(old, new);
    let changes = flow(paths, changes);
    let total = new.reached().fold(0u64, |sum, object| sum.saturating_add(new.heap.size(object)));
    let least = enough.least(total);
    let last = last(edges, paths, &changes, least, enough);
    let is_new = |object: ObjectId| counterparts[object.index()].is_none();
    let search = Search { old, new, enough, changes: &changes, is_new: &is_new };
    let single = |&(weight, object): &(u64, ObjectId)| {
        let before = counterparts[object.index()].map_or(0, |before| old.heap.size(before));
        let by = new.heap.size(object).saturating_sub(before);
        (by >= least && enough.is_most(by, weight)).then_some(Found { what: What::Larger { by }, object, weight })
    };
    let singles: Vec<Found> = last.iter().filter_map(single).collect();
    let full = below(edges, paths, &changes, last, |_| true);
    let mut found: Vec<Found> = full.into_iter().filter_map(|full| search.judged(full)).collect();
    found.extend(singles);
    found.sort_by_key(|found| std::cmp::Reverse(found.weight));
    found.truncate(most);
    found
}

/// One of the two heaps.
#[derive(Clone, Copy)]
struct Side<'a, 'h> {
    heap: &'h Heap,
    paths: &'a Paths<'a, 'h>,
}

impl Side<'_, '_> {
    fn reached(&self) -> impl Iterator<Item = ObjectId> {
        self.paths.order().iter().map(|&row| ObjectId(row))
    }

    fn holder(&self, object: ObjectId) -> Option<u64> {
        self.paths.parent(object).map(|holder| self.heap.address(holder).0)
    }
}

/// By row of `new`: the same object in `old`, and by how much there is more, where what has gone counts for the nearest on its
/// path that is still there.
fn compared(old: Side, new: Side) -> (Vec<Option<ObjectId>>, Vec<i64>) {
    let kinds: FxHashMap<&str, TypeId> =
        (0..).zip(old.heap.type_names()).map(|(id, name)| (&**name, TypeId(id))).collect();
    let kinds: Vec<Option<TypeId>> = new.heap.type_names().iter().map(|name| kinds.get(&**name).copied()).collect();
    let mut counterparts = vec![None; new.heap.len()];
    let mut changes = vec![0i64; new.heap.len()];
    // By row of `old`: the same in `new`, or else the nearest above it that is.
    let mut remains: Vec<Option<ObjectId>> = vec![None; old.heap.len()];
    for object in new.reached() {
        let there = old.heap.at(new.heap.address(object));
        let there = there.filter(|&there| Some(old.heap.type_of(there)) == kinds[new.heap.type_of(object).index()]);
        let there = there.filter(|&there| old.holder(there) == new.holder(object));
        counterparts[object.index()] = there;
        changes[object.index()] = bytes(new.heap.size(object));
        if let Some(there) = there {
            remains[there.index()] = Some(object);
            changes[object.index()] = bytes(new.heap.size(object)).saturating_sub(bytes(old.heap.size(there)));
        }
    }
    for object in old.reached().filter(|object| old.paths.parent(*object).is_some()) {
        if remains[object.index()].is_some() {
            continue;
        }
        let holder = old.paths.parent(object).and_then(|holder| remains[holder.index()]);
        remains[object.index()] = holder;
        if let Some(holder) = holder {
            let change = &mut changes[holder.index()];
            *change = change.saturating_sub(bytes(old.heap.size(object)));
        }
    }
    (counterparts, changes)
}

struct Search<'a, 'h> {
    old: Side<'a, 'h>,
    new: Side<'a, 'h>,
    enough: &'a Enough,
    changes: &'a [i64],
    is_new: &'a dyn Fn(ObjectId) -> bool,
}

impl Search<'_, '_> {
    fn judged(&self, Full { container, weight, layer, example }: Full) -> Option<Found> {
        let new = self.new;
        if !self.enough.is_most(layer.bytes, weight) {
            return None;
        }
        let is_in = |object: ObjectId| new.paths.parent(object) == Some(container);
        let (taken, example, more) = if (self.is_new)(example) {
            let now = new.reached().filter(|&object| is_in(object) && new.heap.type_of(object) == layer.kind).count();
            let kind = new.heap.type_name(layer.kind);
            let address = new.heap.address(container).0;
            let was_in = |object: &ObjectId| {
                self.old.holder(*object) == Some(address) && self.old.heap.type_name_of(*object) == kind
            };
            (layer, example, difference(now, self.old.reached().filter(was_in).count()))
        } else {
            // Some parts of it have taken them.
            let parts = |object: ObjectId| is_in(object) && new.heap.type_of(object) == layer.kind;
            let (taken, example) = self.taken(parts)?;
            (taken, example, difference(taken.count, 0))
        };
        let what = What::Growth { taken: taken.kind, example, more };
        (more >= difference(self.enough.objects, 0)).then_some(Found { what, object: container, weight })
    }

    /// What new objects there are in these, of the type that is most, and the one that is most of them.
    fn taken(&self, containers: impl Fn(ObjectId) -> bool) -> Option<(Layer, ObjectId)> {
        let heap = self.new.heap;
        let mut kinds: FxHashMap<TypeId, (Layer, ObjectId)> = FxHashMap::default();
        for object in self.new.reached().filter(|&object| (self.is_new)(object)) {
            if !self.new.paths.parent(object).is_some_and(&containers) {
                continue;
            }
            let kind = heap.type_of(object);
            let (layer, _) = kinds.entry(kind).or_insert((Layer { kind, count: 0, bytes: 0 }, object));
            layer.count += 1;
            layer.bytes = layer.bytes.saturating_add(self.changes[object.index()].max(0) as u64);
        }
        kinds.into_values().max_by_key(|(layer, _)| (layer.bytes, layer.kind.0))
    }
}

fn difference(now: usize, before: usize) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(i64::try_from(before).unwrap_or(i64::MAX))
}

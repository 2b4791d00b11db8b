//! How much there is in a heap, by type or by type and place: what is compared with that of another heap, which need not be
//! there any more.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::dominators::Dominators;
use super::edges::Edges;
use super::histogram::sums;
use super::paths::Paths;
use super::places::Places;
use crate::heap::{Heap, ObjectId, TypeId};

/// A type, and a place where that is asked for.
pub(super) type Key = (String, Option<String>);

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Where it was asked for.
    pub(super) retained: Option<u64>,
}

/// What there is of each key; of some of them nothing.
pub(super) type Census = BTreeMap<Key, Amounts>;

/// By type; with what each retains as a set where that is given, by type.
pub(super) fn by_type(heap: &Heap, retained: Option<&[u64]>) -> Census {
    let names = heap.type_names().iter().zip(sums(heap)).enumerate();
    let amounts = names.map(|(id, (name, sum))| {
        let retained = retained.and_then(|retained| retained.get(id).copied());
        ((name.to_string(), None), Amounts { count: sum.count, bytes: sum.bytes, retained })
    });
    amounts.collect()
}

/// By type and place; with what at least one of the objects dominates where the tree is given. `each` is told the objects.
pub(super) fn by_place(edges: &Edges, tree: Option<&Dominators>, mut each: impl FnMut(&Key, &[ObjectId])) -> Census {
    let heap = edges.heap;
    let places = Places::new(edges, &Paths::new(edges));
    let mut objects: FxHashMap<(TypeId, u32), Vec<ObjectId>> = FxHashMap::default();
    for object in heap.objects() {
        objects.entry((heap.type_of(object), places.number(object))).or_default().push(object);
    }
    let mut census = Census::new();
    for ((kind, _), objects) in objects {
        let key = (heap.type_name(kind).to_owned(), Some(places.of(objects[0]).to_owned()));
        each(&key, &objects);
        let bytes = objects.iter().fold(0, |sum: u64, &object| sum.saturating_add(heap.size(object)));
        let retained = tree.map(|tree| tree.retained_by_any(&objects));
        // Two paths may be written alike.
        let known = census.entry(key).or_default();
        known.count += objects.len() as u64;
        known.bytes = known.bytes.saturating_add(bytes);
        known.retained = retained.map(|more| known.retained.unwrap_or(0).saturating_add(more));
    }
    census
}

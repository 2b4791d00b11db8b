//! Heaps at random, and what is true of them by definition: slow and simple, for tests of what is fast.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::heap::{Flags, Heap, HeapBuilder, ObjectId, Root};
use crate::units::Address;

/// The types of [`heaps`]: the last is weak.
const TYPES: [&str; 5] = ["app.A", "app.B", "app.C", "app.D", "weakref.ReferenceType"];
const EDGES: [&str; 3] = ["", ".x", ".__callback__"];

/// Small heaps: sparse, dense, with cycles, several roots or none, weak references, and what no root reaches.
pub(super) fn heaps() -> impl Strategy<Value = Heap> {
    (1..24u64, 0..5usize).prop_flat_map(|(objects, degree)| {
        let edges = vec((0..objects, 0..EDGES.len()), 0..=degree);
        let object = (0..TYPES.len(), 1..100u64, edges);
        (vec(object, objects as usize), vec(0..objects, 0..4)).prop_map(|(objects, roots)| heap(&objects, &roots))
    })
}

type Object = (usize, u64, Vec<(u64, usize)>);

fn heap(objects: &[Object], roots: &[u64]) -> Heap {
    let mut builder = HeapBuilder::default();
    let address = |row: u64| 0x1000 + 16 * row;
    let types = TYPES.map(|name| builder.type_id(name));
    let names = EDGES.map(|name| builder.name_id(name));
    for (row, (kind, size, edges)) in (0..).zip(objects) {
        let edges = edges.iter().map(|&(to, name)| (address(to), names[name]));
        builder.object(Address(address(row)), types[*kind], *size, Flags::TRACKED, edges);
    }
    for &root in roots {
        builder.root(Address(address(root)), Root::Interpreter { name: "root".into() });
    }
    builder.finish().0
}

/// By row: is there a path from a root to the object, along edges that hold, on which no object is `removed`?
pub(super) fn reached(heap: &Heap, removed: impl Fn(ObjectId) -> bool) -> Vec<bool> {
    let mut reached = vec![false; heap.len()];
    let mut open: Vec<ObjectId> = heap.roots().iter().map(|(object, _)| *object).collect();
    while let Some(object) = open.pop() {
        if removed(object) || std::mem::replace(&mut reached[object.index()], true) {
            continue;
        }
        let weak = heap.type_name_of(object).starts_with("weakref.");
        for (position, &referent) in heap.referents(object).iter().enumerate() {
            if !weak || heap.edge_name(object, position).as_deref() == Some(".__callback__") {
                open.push(ObjectId(referent));
            }
        }
    }
    reached
}

/// Bytes that roots reach, and would no more without what is `removed`.
pub(super) fn retained(heap: &Heap, removed: impl Fn(ObjectId) -> bool) -> u64 {
    let (now, then) = (reached(heap, |_| false), reached(heap, removed));
    heap.objects().filter(|object| now[object.index()] && !then[object.index()]).map(|object| heap.size(object)).sum()
}

//! On the shortest paths: the last containers through which a large share is reached.
//!
//! What two containers hold is dominated by neither. The shortest path to it leads through one of them, and that is where a
//! person would look.

use rustc_hash::FxHashMap;

use super::super::dominators::Dominators;
use super::super::edges::Edges;
use super::super::paths::Paths;
use super::rules::Enough;
use super::{Found, Layer, What, heaviest, is_namespace};
use crate::heap::{ObjectId, TypeId};

/// Containers of what others hold as well, but for those about which another suspect tells already.
pub(super) fn shared(
    edges: &Edges,
    tree: &Dominators,
    paths: &Paths,
    enough: &Enough,
    most: usize,
    known: &[Found],
) -> Vec<Found> {
    let heap = edges.heap;
    let weights = flow(paths, heap.objects().map(|object| bytes(heap.size(object))).collect());
    let last = last(edges, paths, &weights, enough.least(tree.total()), enough);
    let is_told = |container: ObjectId| {
        known.iter().any(|known| is_above(paths, known.object, container) || is_above(paths, container, known.object))
    };
    let mut full = below(edges, paths, &weights, last, |_| true);
    full.retain(|full| full.layer.count >= enough.objects && enough.is_most(full.layer.bytes, full.weight));
    full.retain(|full| !is_told(full.container));
    full.truncate(most);
    let found = |full: Full| Found { what: What::Shared(full.layer), object: full.container, weight: full.weight };
    full.into_iter().map(found).collect()
}

/// Sizes, of which there may be less than before.
pub(super) fn bytes(size: u64) -> i64 {
    size.try_into().unwrap_or(i64::MAX)
}

/// By row: what there is of something in an object and in all that the shortest paths through it lead to.
pub(super) fn flow(paths: &Paths, mut weights: Vec<i64>) -> Vec<i64> {
    for object in paths.order().iter().rev().map(|&row| ObjectId(row)) {
        if let Some(above) = paths.parent(object) {
            // A hostile target may claim any size.
            weights[above.index()] = weights[above.index()].saturating_add(weights[object.index()]);
        }
    }
    weights
}

/// The last objects on the shortest paths that have at least so much, the heaviest first; none that defines a program.
pub(super) fn last(edges: &Edges, paths: &Paths, weights: &[i64], least: u64, enough: &Enough) -> Vec<(u64, ObjectId)> {
    let weight = |object: ObjectId| weights[object.index()].max(0) as u64;
    let reached = || paths.order().iter().map(|&row| ObjectId(row)).filter(|&object| weight(object) >= least);
    let mut is_last = vec![true; weights.len()];
    reached().filter_map(|object| paths.parent(object)).for_each(|above| is_last[above.index()] = false);
    let last = reached().filter(|object| is_last[object.index()]).map(|object| (weight(object), object)).collect();
    let possible = (1.0 / enough.share) as usize;
    heaviest(last, possible).filter(|&(_, object)| !is_namespace(edges, object)).collect()
}

/// A container, and the type of which most is in it.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) container: ObjectId,
    pub(super) weight: u64,
    pub(super) layer: Layer,
    /// One of these, the one with most weight.
    pub(super) example: ObjectId,
}

/// What is in the containers, of that which is wanted.
pub(super) fn below(
    edges: &Edges,
    paths: &Paths,
    weights: &[i64],
    containers: Vec<(u64, ObjectId)>,
    wanted: impl Fn(ObjectId) -> bool,
) -> Vec<Full> {
    let heap = edges.heap;
    // The container, in which there is none of them yet.
    let mut kinds: FxHashMap<ObjectId, FxHashMap<TypeId, (Layer, ObjectId)>> =
        containers.iter().map(|&(_, container)| (container, FxHashMap::default())).collect();
    for object in paths.order().iter().map(|&row| ObjectId(row)) {
        let Some(kinds) = paths.parent(object).and_then(|above| kinds.get_mut(&above)) else { continue };
        let weight = weights[object.index()];
        if weight <= 0 || !wanted(object) {
            continue;
        }
        let kind = heap.type_of(object);
        let (layer, example) = kinds.entry(kind).or_insert((Layer { kind, count: 0, bytes: 0 }, object));
        layer.count += 1;
        layer.bytes = layer.bytes.saturating_add(weight as u64);
        if weight > weights[example.index()] {
            *example = object;
        }
    }
    let full = |(weight, container): (u64, ObjectId)| {
        let kinds = kinds[&container].values();
        let &(layer, example) = kinds.max_by_key(|(layer, _)| (layer.bytes, layer.kind.0))?;
        Some(Full { container, weight, layer, example })
    };
    containers.into_iter().filter_map(full).collect()
}

/// Does the shortest path to `object` lead through `above`, or to it?
fn is_above(paths: &Paths, above: ObjectId, object: ObjectId) -> bool {
    std::iter::successors(Some(object), |&at| paths.parent(at)).any(|at| at == above)
}

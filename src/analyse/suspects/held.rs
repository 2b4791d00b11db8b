//! In the dominator tree: the last objects that retain a large share, and what they are.

use rustc_hash::FxHashMap;

use super::super::dominators::{Children, Dominators, Node};
use super::super::edges::Edges;
use super::rules::Enough;
use super::{Found, Layer, What, heaviest, is_namespace};
use crate::heap::{ObjectId, TypeId};

/// As many layers are looked at below an object, and told.
const LAYERS: usize = 5;

pub(super) fn found(edges: &Edges, tree: &Dominators, enough: &Enough, most: usize) -> Vec<Found> {
    let least = enough.least(tree.total());
    let heavy = |object: &ObjectId| tree.retained(*object).is_some_and(|bytes| bytes >= least);
    let mut is_last = vec![true; edges.heap.len()];
    for object in edges.heap.objects().filter(heavy) {
        if let Some(Node::Object(above)) = tree.dominator(object) {
            is_last[above.index()] = false;
        }
    }
    let last = edges.heap.objects().filter(heavy).filter(|object| is_last[object.index()]);
    let last = last.map(|object| (tree.retained(object).unwrap_or(0), object)).collect();
    // Their shares do not overlap: more than so many there are only where the sizes are lies.
    let possible = (1.0 / enough.share) as usize;
    let search = Search { edges, tree, children: tree.children(), enough };
    heaviest(last, possible).filter_map(|(_, object)| search.judged(object)).take(most).collect()
}

struct Search<'a, 'h> {
    edges: &'a Edges<'h>,
    tree: &'a Dominators,
    children: Children<'a>,
    enough: &'a Enough,
}

impl Search<'_, '_> {
    fn retained(&self, object: ObjectId) -> u64 {
        self.tree.retained(object).unwrap_or(0)
    }

    /// What the last heavy object in the tree is.
    fn judged(&self, object: ObjectId) -> Option<Found> {
        let found = |what, object| Some(Found { what, object, weight: self.retained(object) });
        let (first, links) = self.chain(object);
        if links >= self.enough.objects {
            return found(What::Chain(links), first);
        }
        if is_namespace(self.edges, object) {
            return None;
        }
        let layers = self.layers(object);
        // A few containers may be between it and what it is full of.
        if let Some(first) = layers.iter().position(|layer| layer.count >= self.enough.objects) {
            return found(What::Accumulation(layers[first..].to_vec()), object);
        }
        let is_large = self.enough.is_most(self.edges.heap.size(object), self.retained(object));
        is_large.then(|| found(What::LargeObject, object))?
    }

    /// What is below an object as far as most of it is of one type, below that again, and so on.
    fn layers(&self, object: ObjectId) -> Vec<Layer> {
        let heap = self.edges.heap;
        let mut layers = Vec::new();
        let mut objects = vec![object];
        while layers.len() < LAYERS {
            let mut below: FxHashMap<TypeId, Layer> = FxHashMap::default();
            let children = || objects.iter().flat_map(|&object| self.children.of(Node::Object(object)));
            for child in children() {
                let kind = heap.type_of(child);
                let layer = below.entry(kind).or_insert(Layer { kind, count: 0, bytes: 0 });
                layer.count += 1;
                layer.bytes = layer.bytes.saturating_add(self.retained(child));
            }
            let most = below.into_values().max_by_key(|layer| (layer.bytes, layer.kind.0));
            let Some(layer) = most.filter(|layer| self.enough.is_most(layer.bytes, self.retained(object))) else {
                break;
            };
            objects = children().filter(|&child| heap.type_of(child) == layer.kind).collect();
            layers.push(layer);
        }
        layers
    }

    /// Of objects of one type that hold each other in a row, at most a dict between two of them: the first of those above
    /// `object`, and how many there are down to the last below it.
    fn chain(&self, object: ObjectId) -> (ObjectId, usize) {
        // Not the dicts of attributes are the links, but those whose they are.
        let owner = self.edges.owner(object);
        let object = owner.filter(|&owner| self.tree.dominator(object) == Some(Node::Object(owner))).unwrap_or(object);
        let kind = self.edges.heap.type_of(object);
        let mut links = 1;
        let (mut first, mut second, mut gap, mut at) = (object, object, 0, object);
        while let (Some(Node::Object(above)), 0..=1) = (self.tree.dominator(at), gap) {
            at = above;
            gap += 1;
            if self.edges.heap.type_of(above) == kind {
                (first, second, gap) = (above, first, 0);
                links += 1;
            }
        }
        // A chain of dicts does not begin with that of the module.
        if first != second && is_namespace(self.edges, first) {
            (first, links) = (second, links - 1);
        }
        let (mut gap, mut at) = (0, object);
        while gap <= 1 {
            let children = self.children.of(Node::Object(at));
            let Some(below) = children.max_by_key(|below| self.retained(*below)) else { break };
            at = below;
            gap += 1;
            if self.edges.heap.type_of(below) == kind {
                gap = 0;
                links += 1;
            }
        }
        (first, links)
    }
}

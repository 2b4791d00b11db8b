//! Groups by who alone keeps an object: the type of its immediate dominator. A dict of attributes is its object.

use super::super::dominators::{Dominators, Node};
use super::super::edges::Edges;
use super::parts::Parts;
use crate::heap::{ObjectId, TypeId};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Object(TypeId),
    /// No object alone.
    Several,
    Root,
    Nobody,
}

pub(super) fn by_owner(edges: &Edges, objects: &[ObjectId]) -> Parts {
    let heap = edges.heap;
    let tree = Dominators::new(edges);
    let is_root = |object| heap.roots().binary_search_by_key(&object, |(root, _)| *root).is_ok();
    let owner = |&object: &ObjectId| match tree.dominator(object) {
        Some(Node::Object(above)) => Owner::Object(heap.type_of(edges.owner(above).unwrap_or(above))),
        Some(Node::Roots) if is_root(object) => Owner::Root,
        Some(Node::Roots) => Owner::Several,
        None => Owner::Nobody,
    };
    Parts::new(objects.iter().map(owner), |owner| match owner {
        Owner::Object(kind) => heap.type_name(*kind).to_owned(),
        Owner::Several => "(several together)".to_owned(),
        Owner::Root => "(a root)".to_owned(),
        Owner::Nobody => "(no root reaches it)".to_owned(),
    })
}

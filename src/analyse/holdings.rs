//! Who holds what, computed once for all who ask: the columns of a snapshot, and the table of types in JSON.

use super::dominators::{Dominators, Node};
use super::edges::Edges;
use super::retained::retained_by_type;
use crate::heap::{Heap, ObjectId};

/// The dominator tree of a heap, and what its types retain.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(super) tree: Dominators,
    /// By type: what all objects of it retain together, as a set.
    pub(crate) by_type: Vec<u64>,
}

impl Holdings {
    pub(crate) fn of(heap: &Heap) -> Holdings {
        let edges = Edges::new(heap);
        let tree = Dominators::new(&edges);
        let by_type = retained_by_type(&edges, &tree);
        Holdings { tree, by_type }
    }

    /// The immediate dominator, where that is an object.
    pub(crate) fn dominator(&self, object: ObjectId) -> Option<ObjectId> {
        match self.tree.dominator(object)? {
            Node::Object(dominator) => Some(dominator),
            Node::Roots => None,
        }
    }

    /// The bytes that would be free if the object went; none where no root reaches it.
    pub(crate) fn retained(&self, object: ObjectId) -> Option<u64> {
        self.tree.retained(object)
    }
}

//! Which objects have come since an earlier capture of the same process.
//!
//! An object is its address and its type: one that went, and whose place another of its type has taken meanwhile, is not
//! told from one that stayed. Of two processes, or of one that was restarted, nothing is said: addresses mean nothing there.

use crate::heap::{Heap, ObjectId};

/// The objects of `new` that `old` does not have, by ascending address. Both are heaps of one process.
pub(super) fn between(old: &Heap, new: &Heap) -> Vec<ObjectId> {
    let known = |object: ObjectId| {
        let there = old.at(new.address(object));
        there.is_some_and(|there| old.type_name_of(there) == new.type_name_of(object))
    };
    new.objects().filter(|&object| !known(object)).collect()
}

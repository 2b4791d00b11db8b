//! Groups by what an object is by itself: its type, the module of that, its size, how the collector has it.
//!
//! The dict of an object's attributes goes by whose it is, as in heapy (`dict of app.User`): on its own it says nothing.

use std::collections::BTreeSet;

use super::super::edges::Edges;
use super::parts::Parts;
use crate::heap::{Flags, Heap, ObjectId, Root, TypeId};

/// What precedes the type of whose dict it is.
pub(super) const DICT_OF: &str = "dict of ";

/// What an object is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Named {
    Type(TypeId),
    /// The `__dict__` of an object of that type.
    DictOf(TypeId),
}

impl Named {
    pub(in super::super) fn of(edges: &Edges, object: ObjectId) -> Named {
        match edges.owner(object) {
            Some(owner) => Named::DictOf(edges.heap.type_of(owner)),
            None => Named::Type(edges.heap.type_of(object)),
        }
    }

    pub(in super::super) fn written(self, heap: &Heap) -> String {
        match self {
            Named::Type(kind) => heap.type_name(kind).to_owned(),
            Named::DictOf(kind) => format!("{DICT_OF}{}", heap.type_name(kind)),
        }
    }

    /// The type itself, or of a dict that of its owner.
    pub(super) fn kind(self) -> TypeId {
        match self {
            Named::Type(kind) | Named::DictOf(kind) => kind,
        }
    }
}

pub(super) fn by_type(edges: &Edges, objects: &[ObjectId]) -> Parts {
    let named = objects.iter().map(|&object| Named::of(edges, object));
    Parts::new(named, |named| named.written(edges.heap))
}

pub(super) fn by_module(edges: &Edges, objects: &[ObjectId]) -> Parts {
    let modules = modules(edges.heap);
    let of = objects.iter().map(|&object| &*modules[Named::of(edges, object).kind().index()]);
    Parts::new(of, |module| (*module).to_owned())
}

/// By type: the module that it is of. That of `app.Outer.Inner` is `app`, where that is a module and `app.Outer` is none.
pub(super) fn modules(heap: &Heap) -> Vec<String> {
    let name = |root: &Root| if let Root::Module { name } = root { Some(name.clone()) } else { None };
    let known: BTreeSet<String> = heap.roots().iter().filter_map(|(_, root)| name(root)).collect();
    let module = |kind: &str| {
        let mut prefix = kind;
        while let Some((before, _)) = prefix.rsplit_once('.') {
            if known.contains(before) {
                return before.to_owned();
            }
            prefix = before;
        }
        kind.rsplit_once('.').map_or("(no module)", |(before, _)| before).to_owned()
    };
    heap.type_names().iter().map(|kind| module(kind)).collect()
}

pub(super) fn by_size(edges: &Edges, objects: &[ObjectId]) -> Parts {
    let sizes = objects.iter().map(|&object| edges.heap.size(object));
    Parts::new(sizes, |size| format!("{size} B"))
}

/// What a capture keeps of it: which of the three ordinary generations has an object is not known.
pub(super) fn by_generation(edges: &Edges, objects: &[ObjectId]) -> Parts {
    let name = |flags: Flags| match flags {
        flags if flags.has(Flags::FROZEN) => "permanent",
        flags if flags.has(Flags::TRACKED) => "tracked (unknown which)",
        _ => "not tracked",
    };
    Parts::new(objects.iter().map(|&object| name(edges.heap.flags(object))), |name| (*name).to_owned())
}

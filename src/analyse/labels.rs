//! Steps along edges, small enough that a million of them can be compared; written down when they are shown.

use super::edges::{DICT, identifier};
use crate::heap::{Heap, TypeId};

/// What the step along an edge is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Label {
    /// By the name that the edge has, a row of [`Heap::names`].
    Name(u32),
    /// Through the `__dict__` of an object, by the name of the edge from there.
    Attribute(u32),
    /// In a list or tuple.
    Index(u64),
    /// Without a name, from an object of this type.
    Unnamed(TypeId),
    /// Several subscripts.
    Many,
}

impl Label {
    /// As in Python, or in terms of the type. As the target wrote it: escape before showing.
    pub(super) fn written(self, heap: &Heap) -> String {
        let name = |id: u32| &*heap.names()[id as usize];
        match self {
            Label::Name(id) => name(id).to_owned(),
            Label::Attribute(id) => match identifier(name(id)) {
                Some(attribute) => format!(".{attribute}"),
                None => format!("{DICT}{}", name(id)),
            },
            Label::Index(index) => format!("[{index}]"),
            Label::Unnamed(kind) => format!("(referent of {})", heap.type_name(kind)),
            Label::Many => "[…]".to_owned(),
        }
    }

    /// Is it written in brackets?
    pub(super) fn is_subscript(self, heap: &Heap) -> bool {
        match self {
            Label::Index(_) | Label::Many => true,
            Label::Name(id) => heap.names()[id as usize].starts_with('['),
            Label::Attribute(_) | Label::Unnamed(_) => false,
        }
    }
}

/// Appends a step to what leads to it: `app.CACHE` and `['k']` to one expression, and what is no Python with an arrow.
pub(super) fn append(expression: &mut String, step: &str) {
    if !step.starts_with(['.', '[']) {
        expression.push_str(" → ");
    }
    expression.push_str(step);
}

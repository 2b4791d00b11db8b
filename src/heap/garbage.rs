//! What of a heap is garbage, and what only C code holds: plain data, as found and as snapshots keep it.

use serde::{Deserialize, Serialize};

/// What no root reaches, and who else holds what.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Garbage {
    /// Reached by nobody, and not collected yet.
    pub(crate) unreachable: Population,
    /// Of these, objects of classes with `__del__`.
    pub(crate) with_finalizers: Population,
    /// What `gc.garbage` has.
    pub(crate) uncollectable: Population,
    /// Objects with more references than any object or frame has to them; by bytes descending, then type ascending. Those that
    /// the interpreter itself holds in C (texts, numbers, types, modules, …) are left out.
    pub(crate) held_outside: Vec<Held>,
}

/// Some of the objects.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Population {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// By bytes descending, then type ascending.
    pub(crate) types: Vec<Share>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Share {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// Objects of a type that something outside of the Python heap refers to.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// How many references are not known whose.
    pub(crate) references: u64,
    /// Of the objects, those that no root reaches: nothing but C code can hold them.
    pub(crate) unreachable: u64,
}

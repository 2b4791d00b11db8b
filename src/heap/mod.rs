//! The waist of the house: one immutable, columnar [`Heap`], whoever collected it and whoever asks it.
//!
//! Objects are rows in ascending order of address, edges a compressed sparse row table both ways. Nothing here, nor in any
//! module that uses this one, knows of processes, debuggers or memory.

mod accounts;
mod builder;
mod capture;
mod columns;
mod garbage;
mod graph;
#[cfg(test)]
pub(crate) mod sample;
mod suspects;

pub(crate) use accounts::{Accounts, Part, PartName};
pub(crate) use builder::HeapBuilder;
pub(crate) use capture::{
    Capture, CollectionFacts, Coverage, Frame, LocalVariable, PythonFacts, TargetFacts, ThreadFacts,
};
pub(crate) use columns::Columns;
pub(crate) use garbage::{Garbage, Held, Population, Share};
pub(crate) use graph::Graph;
pub(crate) use suspects::{Step, Suspect};

use std::sync::OnceLock;

use crate::units::Address;

/// A row of the heap. 32 bits: 4 billion objects would need more memory than the machines have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ObjectId(pub(crate) u32);

/// A row of the table of type names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TypeId(pub(crate) u32);

impl ObjectId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl TypeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of an object beside its type and size; a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// In one of the collector's lists (`gc.is_tracked`).
    pub(crate) const TRACKED: Flags = Flags(1);
    /// In the permanent generation (`gc.freeze`).
    pub(crate) const FROZEN: Flags = Flags(2);
    /// Some of its references were not told by its type but look like ones.
    pub(crate) const CONSERVATIVE: Flags = Flags(4);
    /// Of a class with `__del__`.
    pub(crate) const FINALIZER: Flags = Flags(8);

    pub(crate) fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Why an object is alive by itself: where every path to a root ends.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Root {
    /// An entry of `sys.modules`; the object is the module.
    Module { name: String },
    /// A local variable of a running frame; the object is its value. `variable` is empty where it has no name
    /// (a value on the evaluation stack).
    Local { function: String, variable: String },
    /// Anything else the interpreter itself holds, said in its own words: `builtins`, `sys`, a thread's state.
    Interpreter { name: String },
}

/// The heap of a process at one instant.
#[derive(Debug)]
pub(crate) struct Heap {
    addresses: Vec<u64>,
    types: Vec<TypeId>,
    sizes: Vec<u64>,
    flags: Vec<Flags>,
    /// Empty where nobody knows.
    reference_counts: Vec<u32>,
    /// Empty where nobody looked.
    contents: Vec<u64>,
    type_names: Vec<Box<str>>,
    referents: Graph,
    /// Parallel to the edges of `referents`: an index into `names`, 0 where the edge has no name of its own.
    edge_names: Vec<u32>,
    /// Written as a step in Python (`.payload`, `['k']`); the first is empty.
    names: Vec<Box<str>>,
    roots: Vec<(ObjectId, Root)>,
    referrers: OnceLock<Graph>,
}

impl Heap {
    /// The reference count of what is immortal.
    pub(crate) const UNCOUNTED: u32 = u32::MAX;

    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = ObjectId> + use<> {
        (0..self.addresses.len() as u32).map(ObjectId)
    }

    pub(crate) fn address(&self, object: ObjectId) -> Address {
        Address(self.addresses[object.index()])
    }

    /// The object at exactly this address.
    pub(crate) fn at(&self, address: Address) -> Option<ObjectId> {
        self.addresses.binary_search(&address.0).ok().map(|row| ObjectId(row as u32))
    }

    /// Of all objects, ascending.
    pub(crate) fn addresses(&self) -> &[u64] {
        &self.addresses
    }

    pub(crate) fn type_of(&self, object: ObjectId) -> TypeId {
        self.types[object.index()]
    }

    /// Module-qualified: `builtins.dict`, `app.cache.Entry`. As the target wrote it: escape before showing.
    pub(crate) fn type_name(&self, id: TypeId) -> &str {
        &self.type_names[id.index()]
    }

    pub(crate) fn type_name_of(&self, object: ObjectId) -> &str {
        self.type_name(self.type_of(object))
    }

    pub(crate) fn type_count(&self) -> usize {
        self.type_names.len()
    }

    pub(crate) fn type_named(&self, name: &str) -> Option<TypeId> {
        self.type_names.iter().position(|n| &**n == name).map(|i| TypeId(i as u32))
    }

    /// Bytes, as `sys.getsizeof` counts them.
    pub(crate) fn size(&self, object: ObjectId) -> u64 {
        self.sizes[object.index()]
    }

    pub(crate) fn flags(&self, object: ObjectId) -> Flags {
        self.flags[object.index()]
    }

    /// How many references to each object there are by its own count, or [`Heap::UNCOUNTED`]; nothing where nobody knows, or
    /// somebody has taken them.
    pub(crate) fn take_reference_counts(&mut self) -> Option<Vec<u32>> {
        Some(std::mem::take(&mut self.reference_counts)).filter(|counts| counts.len() == self.len())
    }

    /// For each str and bytes a number that two of the same type have in common if their contents are equal, and else do not,
    /// but for one chance in 2^64; 0 for all other objects and where it is not known. Nothing where nobody looked. The numbers
    /// of another heap mean nothing in this one.
    pub(crate) fn contents(&self) -> Option<&[u64]> {
        (self.contents.len() == self.len()).then_some(&self.contents)
    }

    /// What the object refers to, in the order in which its type visits them (for list and tuple: by index).
    pub(crate) fn referents(&self, object: ObjectId) -> &[u32] {
        self.referents.of(object)
    }

    /// Who refers to the object, by ascending row. Computed when first asked for.
    pub(crate) fn referrers(&self, object: ObjectId) -> &[u32] {
        self.referrers.get_or_init(|| self.referents.reversed()).of(object)
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.referents.edge_count()
    }

    /// How the step from `object` to its `position`th referent is written in Python, where that is known.
    pub(crate) fn edge_name(&self, object: ObjectId, position: usize) -> Option<std::borrow::Cow<'_, str>> {
        let edge = self.referents.range_of(object).start + position;
        match self.edge_names.get(edge).copied().unwrap_or(0) {
            0 if matches!(self.type_name_of(object), "builtins.list" | "builtins.tuple") => {
                Some(format!("[{position}]").into())
            }
            0 => None,
            name => Some((&*self.names[name as usize]).into()),
        }
    }

    /// For each referent of the object the row of [`names`](Heap::names) that names the edge; 0 where it has no name of
    /// its own.
    pub(crate) fn edge_name_ids(&self, object: ObjectId) -> &[u32] {
        &self.edge_names[self.referents.range_of(object)]
    }

    /// The table of edge names, each written as a step in Python; the first is empty.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The table of type names.
    pub(crate) fn type_names(&self) -> &[Box<str>] {
        &self.type_names
    }

    /// By ascending row of the object.
    pub(crate) fn roots(&self) -> &[(ObjectId, Root)] {
        &self.roots
    }
}

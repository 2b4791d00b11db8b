//! Takes what a collector found, in any order and addressed by target addresses, and makes the [`Heap`] of it.
//!
//! All of it is untrusted: an object reported twice keeps its first row, a referent nobody reported is dropped and counted.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Flags, Graph, Heap, ObjectId, Root, TypeId};
use crate::units::Address;

/// More objects than this are not taken in: rows are 32 bits and one value is kept free.
const MAX_OBJECTS: usize = u32::MAX as usize - 1;

/// Collects objects, edges, names and roots, then [`finish`](HeapBuilder::finish)es.
#[derive(Default)]
pub(crate) struct HeapBuilder {
    addresses: Vec<u64>,
    types: Vec<TypeId>,
    sizes: Vec<u64>,
    flags: Vec<Flags>,
    starts: Vec<u64>,
    referents: Vec<u64>,
    edge_names: Vec<u32>,
    type_names: Vec<Box<str>>,
    type_ids: FxHashMap<Box<str>, TypeId>,
    names: Vec<Box<str>>,
    name_ids: FxHashMap<Box<str>, u32>,
    roots: Vec<(u64, Root)>,
    /// Names of all edges of objects of a type with so many of them; nothing where there is more than one opinion.
    shapes: FxHashMap<(TypeId, usize), Option<Box<[u32]>>>,
    /// Names of all edges of single objects: where in `late_names` they are.
    late: FxHashMap<u64, Range<usize>>,
    late_names: Vec<u32>,
    left_out: FxHashSet<u64>,
}

/// What did not fit while the heap was built; each is an anomaly of the report's coverage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Anomalies {
    /// Objects reported more than once.
    pub(crate) repeated: u64,
    /// References to something that is not an object of the heap.
    pub(crate) dangling: u64,
}

impl Anomalies {
    pub(crate) fn total(self) -> u64 {
        self.repeated + self.dangling
    }
}

impl HeapBuilder {
    /// The row of the table of types with this name; types of the same name are one.
    pub(crate) fn type_id(&mut self, name: &str) -> TypeId {
        if let Some(&id) = self.type_ids.get(name) {
            return id;
        }
        let id = TypeId(self.type_names.len() as u32);
        self.type_names.push(name.into());
        self.type_ids.insert(name.into(), id);
        id
    }

    /// The number under which an edge name is given to [`object`](HeapBuilder::object); 0 is no name.
    pub(crate) fn name_id(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        if self.names.is_empty() {
            self.names.push("".into());
        }
        if let Some(&id) = self.name_ids.get(name) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.name_ids.insert(name.into(), id);
        id
    }

    /// One object with its referents by address, in the order of its type's `tp_traverse` (list, tuple: by index), each
    /// with the number of its name.
    pub(crate) fn object(
        &mut self,
        address: Address,
        kind: TypeId,
        size: u64,
        flags: Flags,
        referents: impl Iterator<Item = (u64, u32)>,
    ) {
        if self.addresses.len() >= MAX_OBJECTS {
            return;
        }
        self.starts.push(self.referents.len() as u64);
        self.addresses.push(address.0);
        self.types.push(kind);
        self.sizes.push(size);
        self.flags.push(flags);
        for (referent, name) in referents {
            self.referents.push(referent);
            self.edge_names.push(name);
        }
    }

    /// Further referents of the object given last, after those it has.
    pub(crate) fn further(&mut self, referents: impl Iterator<Item = (u64, u32)>) {
        if self.addresses.is_empty() || self.addresses.len() >= MAX_OBJECTS {
            return;
        }
        for (referent, name) in referents {
            self.referents.push(referent);
            self.edge_names.push(name);
        }
    }

    /// Names the edges of one object, given before or after this, where they have no name yet.
    pub(crate) fn name_edges(&mut self, object: Address, names: &[u32]) {
        let start = self.late_names.len();
        self.late_names.extend_from_slice(names);
        self.late.insert(object.0, start..self.late_names.len());
    }

    /// Names the edges of all objects of a type that have so many edges, where nothing else names them.
    pub(crate) fn name_alike(&mut self, kind: TypeId, names: &[u32]) {
        let shape = self.shapes.entry((kind, names.len())).or_insert_with(|| Some(names.into()));
        if shape.as_deref().is_some_and(|known| known != names) {
            *shape = None;
        }
    }

    /// What was said of the names of the edges of the `i`th object given.
    fn late_names(&self, i: u32) -> &[u32] {
        let i = i as usize;
        let degree = (self.starts[i + 1] - self.starts[i]) as usize;
        let own = self.late.get(&self.addresses[i]).map(|range| &self.late_names[range.clone()]);
        own.filter(|names| names.len() == degree)
            .or_else(|| self.shapes.get(&(self.types[i], degree))?.as_deref())
            .unwrap_or_default()
    }

    /// What is known not to be of this heap: a reference to it is dropped, and is no anomaly.
    pub(crate) fn leave_out(&mut self, addresses: impl IntoIterator<Item = u64>) {
        self.left_out.extend(addresses);
    }

    pub(crate) fn root(&mut self, object: Address, root: Root) {
        self.roots.push((object.0, root));
    }

    /// Objects taken in so far.
    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Sorts by address, turns addresses into rows, drops what points nowhere.
    pub(crate) fn finish(mut self) -> (Heap, Anomalies) {
        let mut anomalies = Anomalies::default();
        self.starts.push(self.referents.len() as u64);

        // By address, then by arrival: the first report of an address is in front.
        let mut order: Vec<(u64, u32)> = self.addresses.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let before = order.len();
        order.dedup_by_key(|(address, _)| *address);
        anomalies.repeated = (before - order.len()) as u64;

        let rows: FxHashMap<u64, u32> = order.iter().zip(0..).map(|(&(address, _), row)| (address, row)).collect();
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut targets = Vec::with_capacity(self.referents.len());
        let mut edge_names = Vec::with_capacity(self.referents.len());
        for &(_, i) in &order {
            starts.push(targets.len() as u64);
            let edges = self.starts[i as usize] as usize..self.starts[i as usize + 1] as usize;
            let late = if edges.is_empty() { &[] } else { self.late_names(i) };
            for (position, edge) in edges.enumerate() {
                match rows.get(&self.referents[edge]) {
                    Some(&row) => {
                        targets.push(row);
                        let name = self.edge_names[edge];
                        edge_names.push(if name == 0 { late.get(position).copied().unwrap_or(0) } else { name });
                    }
                    None if self.left_out.contains(&self.referents[edge]) => {}
                    None => anomalies.dangling += 1,
                }
            }
        }
        starts.push(targets.len() as u64);

        let mut roots: Vec<(ObjectId, Root)> = Vec::with_capacity(self.roots.len());
        for (address, root) in self.roots {
            match rows.get(&address) {
                Some(&row) => roots.push((ObjectId(row), root)),
                None => anomalies.dangling += 1,
            }
        }
        roots.sort_by_key(|(object, _)| *object);

        if self.names.is_empty() {
            self.names.push("".into());
        }
        let heap = Heap {
            addresses: order.iter().map(|&(address, _)| address).collect(),
            types: order.iter().map(|&(_, i)| self.types[i as usize]).collect(),
            sizes: order.iter().map(|&(_, i)| self.sizes[i as usize]).collect(),
            flags: order.iter().map(|&(_, i)| self.flags[i as usize]).collect(),
            reference_counts: Vec::new(),
            contents: Vec::new(),
            type_names: self.type_names,
            referents: Graph::new(starts, targets),
            edge_names,
            names: self.names,
            roots,
            referrers: Default::default(),
        };
        (heap, anomalies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_late_are_those_of_the_object_then_of_its_like() {
        let mut builder = HeapBuilder::default();
        let (point, other) = (builder.type_id("app.Point"), builder.type_id("app.Other"));
        let edges = |names: [u32; 2]| [(16, names[0]), (32, names[1])].into_iter();
        let (x, y, z) = (builder.name_id(".x"), builder.name_id(".y"), builder.name_id(".z"));
        builder.name_alike(point, &[x, y]);
        for address in [16, 32] {
            builder.object(Address(address), point, 48, Flags::TRACKED, edges([0, 0]));
        }
        builder.object(Address(48), other, 48, Flags::TRACKED, edges([0, z]));
        builder.name_edges(Address(32), &[z, 0]);
        builder.name_alike(other, &[x, y]);
        builder.name_alike(other, &[y, x]);
        let (heap, _) = builder.finish();
        let names = |row| [0, 1].map(|i| heap.edge_name(ObjectId(row), i).map(|name| name.into_owned()));
        assert_eq!(names(0), [Some(".x".into()), Some(".y".into())]);
        assert_eq!(names(1), [Some(".z".into()), None]);
        assert_eq!(names(2), [None, Some(".z".into())]);
    }

    #[test]
    fn repeated_objects_and_dangling_references_are_counted_not_believed() {
        let mut builder = HeapBuilder::default();
        let list = builder.type_id("builtins.list");
        builder.object(Address(32), list, 56, Flags::TRACKED, [(16, 0), (99, 0)].into_iter());
        builder.object(Address(16), list, 64, Flags::TRACKED, std::iter::empty());
        builder.object(Address(16), list, 1, Flags::TRACKED, std::iter::empty());
        builder.object(Address(48), list, 56, Flags::TRACKED, [(64, 0)].into_iter());
        builder.leave_out([64]);
        builder.root(Address(7), Root::Interpreter { name: "x".into() });
        let (heap, anomalies) = builder.finish();
        assert_eq!(anomalies, Anomalies { repeated: 1, dangling: 2 });
        assert_eq!(heap.len(), 3);
        let (first, second) = (ObjectId(0), ObjectId(1));
        assert_eq!(heap.size(first), 64);
        assert_eq!(heap.referents(second), [0]);
        assert_eq!(heap.referrers(first), [1]);
        assert_eq!(heap.edge_name(second, 0).as_deref(), Some("[0]"));
    }
}

//! A heap taken from columns that are laid out already, as a snapshot keeps them: checked here, believed afterwards.
//!
//! The way in for what is sorted and numbered; whatever comes by address and in any order goes through
//! [`super::HeapBuilder`].

use std::sync::OnceLock;

use super::{Flags, Graph, Heap, ObjectId, Root, TypeId};

/// A heap as plain columns, one entry per object, objects by ascending address.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) addresses: Vec<u64>,
    /// Rows of `type_names`.
    pub(crate) types: Vec<TypeId>,
    pub(crate) sizes: Vec<u64>,
    pub(crate) flags: Vec<Flags>,
    /// Or none at all: see [`Heap::take_reference_counts`].
    pub(crate) reference_counts: Vec<u32>,
    /// Or none at all: see [`Heap::contents`].
    pub(crate) contents: Vec<u64>,
    pub(crate) type_names: Vec<Box<str>>,
    /// Where each object's edges start; one entry more than there are objects.
    pub(crate) starts: Vec<u64>,
    /// Rows, one per edge.
    pub(crate) referents: Vec<u32>,
    /// Rows of `names`, one per edge; 0 where the edge has no name.
    pub(crate) edge_names: Vec<u32>,
    /// The first is empty.
    pub(crate) names: Vec<Box<str>>,
    pub(crate) roots: Vec<(ObjectId, Root)>,
}

impl Columns {
    /// The heap, or what does not hold together in the columns.
    pub(crate) fn into_heap(mut self) -> Result<Heap, &'static str> {
        let objects = self.addresses.len();
        let edges = self.referents.len();
        let check = |holds: bool, complaint: &'static str| if holds { Ok(()) } else { Err(complaint) };
        check(u32::try_from(objects).is_ok_and(|rows| rows < u32::MAX), "there are more objects than rows")?;
        check(self.addresses.is_sorted_by(|a, b| a < b), "the addresses do not ascend")?;
        let columns = [self.types.len(), self.sizes.len(), self.flags.len(), self.starts.len().wrapping_sub(1)];
        check(columns.iter().all(|&len| len == objects), "the columns differ in length")?;
        let counts = self.reference_counts.len();
        check(counts == 0 || counts == objects, "not all objects have a reference count")?;
        let contents = self.contents.len();
        check(contents == 0 || contents == objects, "not all objects have a place for their content")?;
        check(self.starts.first() == Some(&0) && self.starts.is_sorted(), "the edges are not in order")?;
        check(self.starts.last() == Some(&(edges as u64)), "the edges are not all those of the objects")?;
        check(self.edge_names.len() == edges, "the edges and their names differ in number")?;
        check(self.referents.iter().all(|&row| (row as usize) < objects), "a referent is no row")?;
        check(self.types.iter().all(|id| id.index() < self.type_names.len()), "a type has no name")?;
        check(self.names.first().is_none_or(|name| name.is_empty()), "the first edge name is not empty")?;
        if self.names.is_empty() {
            self.names.push("".into());
        }
        check(self.edge_names.iter().all(|&id| (id as usize) < self.names.len()), "an edge name is unknown")?;
        check(self.roots.iter().all(|(object, _)| object.index() < objects), "a root is no row")?;
        self.roots.sort_by_key(|(object, _)| *object);
        Ok(Heap {
            addresses: self.addresses,
            types: self.types,
            sizes: self.sizes,
            flags: self.flags,
            reference_counts: self.reference_counts,
            contents: self.contents,
            type_names: self.type_names,
            referents: Graph::new(self.starts, self.referents),
            edge_names: self.edge_names,
            names: self.names,
            roots: self.roots,
            referrers: OnceLock::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two objects, the second of which refers to the first by a name.
    fn columns() -> Columns {
        Columns {
            addresses: vec![16, 32],
            types: vec![TypeId(0); 2],
            sizes: vec![1, 2],
            flags: vec![Flags::TRACKED; 2],
            reference_counts: vec![1, 2],
            contents: vec![0, 9],
            type_names: vec!["app.T".into()],
            starts: vec![0, 0, 1],
            referents: vec![0],
            edge_names: vec![1],
            names: vec!["".into(), ".x".into()],
            roots: vec![(ObjectId(1), Root::Module { name: "app".into() })],
        }
    }

    #[test]
    fn columns_that_hold_together_are_a_heap() {
        let heap = columns().into_heap().expect("these do");
        assert_eq!(heap.edge_name(ObjectId(1), 0).as_deref(), Some(".x"));
        assert_eq!(heap.referrers(ObjectId(0)), [1]);
        assert_eq!(Columns { starts: vec![0], ..Columns::default() }.into_heap().expect("empty").len(), 0);
    }

    #[test]
    fn columns_that_do_not_are_refused() {
        let check = |spoil: fn(&mut Columns), complaint: &str| {
            let mut columns = columns();
            spoil(&mut columns);
            assert_eq!(columns.into_heap().err(), Some(complaint));
        };
        check(|c| c.addresses[1] = 16, "the addresses do not ascend");
        check(|c| c.sizes.push(3), "the columns differ in length");
        check(|c| c.starts.clear(), "the columns differ in length");
        check(|c| c.reference_counts.truncate(1), "not all objects have a reference count");
        check(|c| c.contents.truncate(1), "not all objects have a place for their content");
        check(|c| c.starts = vec![0, 2, 1], "the edges are not in order");
        check(|c| c.referents.push(0), "the edges are not all those of the objects");
        check(|c| c.edge_names.clear(), "the edges and their names differ in number");
        check(|c| c.referents[0] = 2, "a referent is no row");
        check(|c| c.types[0] = TypeId(1), "a type has no name");
        check(|c| c.names[0] = "x".into(), "the first edge name is not empty");
        check(|c| c.edge_names[0] = 2, "an edge name is unknown");
        check(|c| c.roots[0].0 = ObjectId(2), "a root is no row");
    }
}

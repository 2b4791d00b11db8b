//! Groups by who refers to an object, or through what: heapy's *referrer classification sets* and *vias*.
//!
//! An object that several refer to is in one group all the same: that of exactly these. Weak references are none, and roots
//! refer to what they hold.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::edges::Edges;
use super::super::labels::{Label, append};
use super::super::neighbours;
use super::super::paths::Start;
use super::keys::Named;
use super::parts::{Numbers, Parts};
use crate::heap::{Heap, ObjectId, Root, TypeId};

/// So many referrers of a group are named.
const NAMED: usize = 8;
/// Of one type of containers so many subscripts are told apart: keys, and indexes, which say less.
const FEW_KEYS: usize = 12;
const FEW_INDEXES: usize = 4;

/// By the types of those who refer to the object: a dict of attributes by whose it is, a local variable by its function.
pub(super) fn by_referrer_type(edges: &Edges, objects: &[ObjectId]) -> Parts {
    #[derive(Clone, PartialEq, Eq, Hash)]
    enum Referrer<'h> {
        Object(Named),
        Frame(&'h str),
        Module,
        Interpreter,
    }
    let mut found = Found::new();
    neighbours::referrers(edges, objects, |_, _, holder, referent| {
        found.add(referent, Referrer::Object(Named::of(edges, holder)));
    });
    found.add_roots(edges.heap, objects, |root| match root {
        Root::Local { function, .. } => Referrer::Frame(function),
        Root::Module { .. } => Referrer::Module,
        Root::Interpreter { .. } => Referrer::Interpreter,
    });
    found.parts(objects, |referrer| match referrer {
        Referrer::Object(named) => named.written(edges.heap),
        Referrer::Frame(function) => format!("(frame of {function})"),
        Referrer::Module => "(sys.modules)".to_owned(),
        Referrer::Interpreter => "(the interpreter)".to_owned(),
    })
}

/// By how they refer to it: `app.Bus.last`, `builtins.list[…]`, `app.BUS` of a module.
pub(in super::super) fn by_via(edges: &Edges, objects: &[ObjectId]) -> Parts {
    #[derive(Clone, PartialEq, Eq, Hash)]
    enum Via<'h> {
        Step(TypeId, Label),
        Global(&'h str, Label),
        Root(Start<'h>),
    }
    let heap = edges.heap;
    let many = subscripted(edges, objects);
    let mut found = Found::new();
    neighbours::referrers(edges, objects, |label, shown, _, referent| {
        let kind = heap.type_of(shown);
        let label = if label.is_subscript(heap) && many.contains(&kind) { Label::Many } else { label };
        found.add(
            referent,
            match edges.module(shown) {
                Some(module) => Via::Global(module, label),
                None => Via::Step(kind, label),
            },
        );
    });
    found.add_roots(heap, objects, |root| Via::Root(Start::of(root)));
    let step = |mut holder: String, label: &Label| {
        append(&mut holder, &label.written(heap));
        holder
    };
    found.parts(objects, |via| match via {
        // Who it is, is all that is known.
        Via::Step(kind, Label::Unnamed(_)) => heap.type_name(*kind).to_owned(),
        Via::Step(kind, label) => step(heap.type_name(*kind).to_owned(), label),
        Via::Global(module, label) => step((*module).to_owned(), label),
        Via::Root(start) => start.expression(),
    })
}

/// The types of containers that have the objects under more subscripts than are told apart.
fn subscripted(edges: &Edges, objects: &[ObjectId]) -> FxHashSet<TypeId> {
    let mut labels: FxHashMap<TypeId, FxHashSet<Label>> = FxHashMap::default();
    let mut many = FxHashSet::default();
    neighbours::referrers(edges, objects, |label, shown, _, _| {
        let kind = edges.heap.type_of(shown);
        if !label.is_subscript(edges.heap) || many.contains(&kind) {
            return;
        }
        let known = labels.entry(kind).or_default();
        known.insert(label);
        if known.len() > if matches!(label, Label::Index(_)) { FEW_INDEXES } else { FEW_KEYS } {
            labels.remove(&kind);
            many.insert(kind);
        }
    });
    many
}

/// Who refers to which object, in the making.
struct Found<K> {
    referrers: Numbers<K>,
    /// The object and the number of who refers to it.
    pairs: Vec<(ObjectId, u32)>,
}

impl<K: Clone + Eq + std::hash::Hash> Found<K> {
    fn new() -> Found<K> {
        Found { referrers: Numbers::default(), pairs: Vec::new() }
    }

    fn add(&mut self, object: ObjectId, referrer: K) {
        let number = self.referrers.number(referrer);
        self.pairs.push((object, number));
    }

    fn add_roots<'h>(&mut self, heap: &'h Heap, objects: &[ObjectId], referrer: impl Fn(&'h Root) -> K) {
        for (object, root) in heap.roots() {
            if objects.binary_search(object).is_ok() {
                self.add(*object, referrer(root));
            }
        }
    }

    /// By the set of all who refer to an object; `objects` ascend.
    fn parts(mut self, objects: &[ObjectId], written: impl Fn(&K) -> String) -> Parts {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut rest = &self.pairs[..];
        let sets = objects.iter().map(|object| {
            let (of, behind) = rest.split_at(rest.iter().take_while(|(other, _)| other == object).count());
            rest = behind;
            of.iter().map(|(_, number)| *number).collect::<Vec<u32>>()
        });
        let names: Vec<String> = self.referrers.things.iter().map(written).collect();
        Parts::new(sets, |set| {
            let mut names: Vec<&str> = set.iter().map(|&number| &*names[number as usize]).collect();
            names.sort_unstable();
            names.dedup();
            match names.len() {
                0 => "(nothing)".to_owned(),
                all if all > NAMED => format!("{}, … and {} more", names[..NAMED].join(", "), all - NAMED),
                _ => names.join(", "),
            }
        })
    }
}

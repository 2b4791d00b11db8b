//! How edges are read and written: which of them hold an object, and what a step along one is called in Python.
//!
//! An instance keeps its attributes in a dict of its own, and so does a module. That is how CPython does it, not what a
//! reader asked for: a step through such a dict is written as the attribute it is.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::labels::Label;
use crate::heap::{Heap, ObjectId, Root, TypeId};

/// The edge from an object to the dict of its attributes.
pub(super) const DICT: &str = ".__dict__";
/// The only edge by which a weak reference holds anything.
const CALLBACK: &str = ".__callback__";

/// Types whose edges do not keep their referents alive. Until CPython 3.10 the first three are named as if they were
/// built in (`Objects/weakrefobject.c`: `tp_name`); the others are `Lib/weakref.py`.
const WEAK_TYPES: [&str; 8] = [
    "weakref.ReferenceType",
    "weakref.ProxyType",
    "weakref.CallableProxyType",
    "builtins.weakref",
    "builtins.weakproxy",
    "builtins.weakcallableproxy",
    "weakref.KeyedRef",
    "weakref.WeakMethod",
];

/// The edge from a dict to a key of it.
const KEY: &str = "key";

const NOBODY: u32 = u32::MAX;

/// The edges of a heap, understood.
pub(crate) struct Edges<'h> {
    pub(super) heap: &'h Heap,
    /// By type: are its edges weak?
    weak: Vec<bool>,
    callback: Option<u32>,
    key: Option<u32>,
    dict: Option<u32>,
    string: Option<TypeId>,
    /// By row: whose `__dict__` the object is. Of several owners the first. Not all who follow edges ask for it.
    owners: OnceLock<Vec<u32>>,
    modules: FxHashMap<u32, &'h str>,
    /// Of names `['k']` those `.k`, where there are both: objects of one type may have their attributes in a dict or not.
    attributes: OnceLock<FxHashMap<u32, u32>>,
}

impl<'h> Edges<'h> {
    pub(crate) fn new(heap: &'h Heap) -> Edges<'h> {
        let name = |text: &str| heap.names().iter().position(|name| **name == *text).map(|id| id as u32);
        let dict = name(DICT);
        let mut modules = FxHashMap::default();
        for (object, root) in heap.roots() {
            if let Root::Module { name } = root {
                // A module under several names (`__main__`) goes by the first in order.
                let known = modules.entry(object.0).or_insert(name.as_str());
                *known = (*known).min(name);
            }
        }
        let weak = heap.type_names().iter().map(|name| WEAK_TYPES.contains(&&**name)).collect();
        let string = heap.type_named("builtins.str");
        Edges {
            heap,
            weak,
            callback: name(CALLBACK),
            key: name(KEY),
            dict,
            string,
            owners: OnceLock::new(),
            modules,
            attributes: OnceLock::new(),
        }
    }

    /// Are the edges of this object weak, but for the one to its callback?
    pub(super) fn is_weak(&self, object: ObjectId) -> bool {
        self.weak[self.heap.type_of(object).index()]
    }

    /// Does this edge keep its referent alive?
    pub(super) fn holds(&self, object: ObjectId, position: usize) -> bool {
        !self.is_weak(object) || self.callback == Some(self.heap.edge_name_ids(object)[position])
    }

    /// What the object keeps alive, in the order of its edges.
    pub(super) fn held(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> {
        let weak = self.is_weak(object);
        let referents = self.heap.referents(object).iter().enumerate();
        referents.filter(move |&(position, _)| !weak || self.holds(object, position)).map(|(_, &row)| ObjectId(row))
    }

    /// The edge from one object to another that says most: the first that has a name, else the first.
    pub(super) fn between(&self, from: ObjectId, to: ObjectId) -> Option<usize> {
        let mut edges = (0..).zip(self.heap.referents(from));
        let edges = edges.by_ref().filter(|&(position, &row)| row == to.0 && self.holds(from, position));
        let mut unnamed = None;
        for (position, _) in edges {
            if self.says_much(self.label(from, position)) {
                return Some(position);
            }
            unnamed.get_or_insert(position);
        }
        unnamed
    }

    /// Whose `__dict__` this is, if anyone's.
    pub(super) fn owner(&self, dict: ObjectId) -> Option<ObjectId> {
        let owners = self.owners.get_or_init(|| self.owners());
        Some(owners[dict.index()]).filter(|&owner| owner != NOBODY).map(ObjectId)
    }

    fn owners(&self) -> Vec<u32> {
        let heap = self.heap;
        let mut owners = vec![NOBODY; heap.len()];
        if let (Some(dict), Some(dict_type)) = (self.dict, heap.type_named("builtins.dict")) {
            for owner in heap.objects() {
                for (&name, &referent) in heap.edge_name_ids(owner).iter().zip(heap.referents(owner)) {
                    let free = owners[referent as usize] == NOBODY;
                    if name == dict && free && heap.type_of(ObjectId(referent)) == dict_type {
                        owners[referent as usize] = owner.0;
                    }
                }
            }
        }
        owners
    }

    /// Is this the edge from an object to its `__dict__`?
    pub(super) fn is_dict(&self, object: ObjectId, position: usize) -> bool {
        self.is_dict_of(self.label(object, position), ObjectId(self.heap.referents(object)[position]))
    }

    /// Is this the step to the `__dict__` of an object?
    pub(super) fn is_dict_of(&self, label: Label, dict: ObjectId) -> bool {
        self.dict.is_some_and(|name| label == Label::Name(name)) && self.owner(dict).is_some()
    }

    pub(super) fn is_string(&self, object: ObjectId) -> bool {
        Some(self.heap.type_of(object)) == self.string
    }

    /// Is this the edge from a dict to one of its keys?
    pub(super) fn is_key(&self, object: ObjectId, position: usize) -> bool {
        self.key == Some(self.heap.edge_name_ids(object)[position])
    }

    /// Does the step have a name of its own, which is not just that of a key?
    pub(super) fn says_much(&self, label: Label) -> bool {
        match label {
            Label::Name(name) => Some(name) != self.key,
            Label::Unnamed(_) => false,
            Label::Attribute(_) | Label::Index(_) | Label::Many => true,
        }
    }

    /// The name under which the object is in `sys.modules`.
    pub(super) fn module(&self, object: ObjectId) -> Option<&'h str> {
        self.modules.get(&object.0).copied()
    }

    /// The step from a module to what it has under `.k`, as a global; `None` for other objects and other steps.
    pub(super) fn written_as_global(&self, module: ObjectId, step: &str) -> Option<String> {
        let name = step.strip_prefix('.').filter(|name| is_identifier(name) && step != DICT)?;
        Some(global(name, self.module(module)?))
    }

    /// The step along an edge.
    pub(super) fn label(&self, object: ObjectId, position: usize) -> Label {
        match self.heap.edge_name_ids(object)[position] {
            0 if self.heap.edge_name(object, position).is_some() => Label::Index(position as u64),
            0 => Label::Unnamed(self.heap.type_of(object)),
            name => Label::Name(name),
        }
    }

    /// The step from an object through its `__dict__`, by the step from there; none where it is written in two steps, as that
    /// to a key, or to something without a name.
    pub(super) fn through(&self, label: Label) -> Option<Label> {
        let Label::Name(name) = label else { return None };
        if !self.says_much(label) {
            return None;
        }
        let names = self.heap.names();
        let alike = self.attributes.get_or_init(|| {
            let dotted = (0..).zip(names).filter_map(|(id, name)| Some((name.strip_prefix('.')?, id)));
            let dotted: FxHashMap<&str, u32> = dotted.collect();
            let keys = (0..).zip(names).filter_map(|(id, name)| Some((id, *dotted.get(identifier(name)?)?)));
            keys.collect()
        });
        Some(alike.get(&name).map_or(Label::Attribute(name), |&name| Label::Name(name)))
    }
}

/// The `k` of `['k']`, where it could stand after a dot.
pub(super) fn identifier(step: &str) -> Option<&str> {
    step.strip_prefix("['")?.strip_suffix("']").filter(|key| is_identifier(key))
}

pub(super) fn is_identifier(text: &str) -> bool {
    !text.starts_with(char::is_numeric) && !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A global as the contract writes it: `KEEP in module __main__`.
pub(super) fn global(name: &str, module: &str) -> String {
    format!("{name} in module {module}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;

    #[test]
    fn only_what_python_takes_after_a_dot_is_an_attribute() {
        for (step, expected) in [
            ("['k']", Some("k")),
            ("['_größe2']", Some("_größe2")),
            ("['2k']", None),
            ("['a b']", None),
            ("['']", None),
            ("[2]", None),
            (".k", None),
            ("['k", None),
            ("['", None),
        ] {
            assert_eq!(identifier(step), expected, "{step}");
        }
    }

    #[test]
    fn dicts_know_whose_they_are() {
        let heap = sample::heap(
            "o:app.A -> d.__dict__, e.other, t.__dict__
             p:app.A -> d.__dict__
             d:builtins.dict -> x['k'], x['a b'], x
             e:builtins.dict
             t:builtins.tuple
             x:app.X",
        );
        let edges = Edges::new(&heap);
        let (o, p, d, e, t) = (ObjectId(0), ObjectId(1), ObjectId(2), ObjectId(3), ObjectId(4));
        assert_eq!(edges.owner(d), Some(o), "the first of two");
        assert_eq!((edges.owner(e), edges.owner(t)), (None, None), "by name and type");
        assert!(edges.is_dict(o, 0) && edges.is_dict(p, 0) && !edges.is_dict(o, 1) && !edges.is_dict(o, 2));
        let through: Vec<_> =
            (0..3).map(|position| Some(edges.through(edges.label(d, position))?.written(&heap))).collect();
        assert_eq!(through, [Some(".k".to_owned()), Some(".__dict__['a b']".to_owned()), None]);
    }

    #[test]
    fn weak_references_hold_their_callback_alone() {
        let heap = sample::heap(
            "r:weakref.ReferenceType -> x, f.__callback__
             q:builtins.weakref -> x.key
             l:builtins.list -> x
             x:app.X
             f:builtins.function",
        );
        let edges = Edges::new(&heap);
        let (r, q, l, x) = (ObjectId(0), ObjectId(1), ObjectId(2), ObjectId(3));
        assert_eq!([(r, 0), (r, 1), (q, 0), (l, 0)].map(|(o, i)| edges.holds(o, i)), [false, true, false, true]);
        assert_eq!((edges.between(r, x), edges.between(l, x)), (None, Some(0)));
    }

    #[test]
    fn of_several_edges_the_one_with_a_name_is_told() {
        let heap = sample::heap("d:builtins.dict -> k, k['k'], k['l']\nk:builtins.str");
        assert_eq!(Edges::new(&heap).between(ObjectId(0), ObjectId(1)), Some(1));
    }
}

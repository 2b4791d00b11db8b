//! Puts objects into groups by the step to them and by type. Where a level has many subscripts, they are one step.

use rustc_hash::FxHashMap;

use super::super::labels::Label;
use super::Group;
use crate::heap::{Heap, ObjectId, TypeId};

/// So many subscripts of a type are told apart: keys, and indexes, which say less.
const FEW_KEYS: usize = 12;
const FEW_INDEXES: usize = 4;

/// Groups in the making: `C` is what else keeps objects apart.
pub(super) struct Collector<'h, C> {
    heap: &'h Heap,
    groups: Vec<(Label, TypeId, C, Vec<ObjectId>)>,
    index: FxHashMap<(Label, TypeId, C), usize>,
    /// Of each type: how many groups have a subscript; none once these are one.
    subscripts: FxHashMap<(TypeId, C), Option<usize>>,
}

impl<'h, C: Copy + Eq + std::hash::Hash> Collector<'h, C> {
    pub(super) fn new(heap: &'h Heap) -> Collector<'h, C> {
        Collector { heap, groups: Vec::new(), index: FxHashMap::default(), subscripts: FxHashMap::default() }
    }

    pub(super) fn add(&mut self, label: Label, object: ObjectId, apart: C) {
        let kind = self.heap.type_of(object);
        let label = if label.is_subscript(self.heap) { self.subscript(label, kind, apart) } else { label };
        let next = self.groups.len();
        let at = *self.index.entry((label, kind, apart)).or_insert(next);
        match self.groups.get_mut(at) {
            Some((.., objects)) => objects.push(object),
            None => self.groups.push((label, kind, apart, vec![object])),
        }
    }

    /// The subscript itself, or what stands for many.
    fn subscript(&mut self, label: Label, kind: TypeId, apart: C) -> Label {
        let known = self.subscripts.entry((kind, apart)).or_insert(Some(0));
        let Some(count) = known else { return Label::Many };
        if self.index.contains_key(&(label, kind, apart)) {
            return label;
        }
        *count += 1;
        if *count <= if matches!(label, Label::Index(_)) { FEW_INDEXES } else { FEW_KEYS } {
            return label;
        }
        *known = None;
        // One too many: they become one group, in the place of the first.
        let mut all = Vec::new();
        let mut first = None;
        for (at, (label, other, same, objects)) in self.groups.iter_mut().enumerate() {
            if *other == kind && *same == apart && label.is_subscript(self.heap) {
                self.index.remove(&(*label, kind, apart));
                all.append(objects);
                first.get_or_insert(at);
            }
        }
        let first = first.expect("there were some");
        self.groups[first] = (Label::Many, kind, apart, all);
        self.index.insert((Label::Many, kind, apart), first);
        Label::Many
    }

    /// The groups in the order in which they came up, each object once in a group.
    pub(super) fn groups(self) -> impl Iterator<Item = Group<C>> {
        let filled = self.groups.into_iter().filter(|(.., objects)| !objects.is_empty());
        filled.map(|(label, kind, more, mut objects)| {
            objects.sort_unstable();
            objects.dedup();
            Group { label: Some(label), kind, objects, more }
        })
    }
}

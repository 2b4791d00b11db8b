//! What objects refer to, or what refers to them, step by step. What has been unfolded is not unfolded again.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::dominators::Dominators;
use super::super::edges::Edges;
use super::super::neighbours;
use super::collect::Collector;
use super::{Again, Group, Grower, Level, Shape, Walk, Weight, bytes};
use crate::heap::ObjectId;

/// The tree that hangs on the objects, which are all of one type.
pub(super) fn level(edges: &Edges, tree: &Dominators, objects: &[ObjectId], up: bool, shape: Shape) -> Level {
    let Some(&first) = objects.first() else { return Level::default() };
    let mut around = Around { edges, tree, up, unfolded: FxHashSet::default(), on_the_way: FxHashMap::default() };
    let kind = edges.heap.type_of(first);
    let top = Group { label: None, kind, objects: objects.to_vec(), more: None };
    // Levels are counted from the objects on.
    let shape = Shape { depth: shape.depth.saturating_add(1), ..shape };
    Grower { heap: edges.heap, tree, shape, floor: 0 }.level(&mut around, vec![top], 0, None)
}

struct Around<'a, 'h> {
    edges: &'a Edges<'h>,
    tree: &'a Dominators,
    up: bool,
    unfolded: FxHashSet<ObjectId>,
    /// Objects from the top to here, with how often each is.
    on_the_way: FxHashMap<ObjectId, usize>,
}

impl Around<'_, '_> {
    fn seen(&self, object: ObjectId) -> Option<Again> {
        match self.unfolded.contains(&object) {
            true if self.on_the_way.contains_key(&object) => Some(Again::Cycle),
            true => Some(Again::Above),
            false => None,
        }
    }
}

impl Walk for Around<'_, '_> {
    type More = Option<Again>;

    fn below(&mut self, group: &mut Group<Option<Again>>) -> Vec<Group<Option<Again>>> {
        for &object in &group.objects {
            self.unfolded.insert(object);
            *self.on_the_way.entry(object).or_default() += 1;
        }
        let mut found = Collector::new(self.edges.heap);
        if self.up {
            neighbours::referrers(self.edges, &group.objects, |label, shown, _, _| {
                found.add(label, shown, self.seen(shown));
            });
        } else {
            for &object in &group.objects {
                neighbours::referents(self.edges, object, |label, referent| {
                    found.add(label, referent, self.seen(referent));
                });
            }
        }
        found.groups().collect()
    }

    fn has_below(&self, group: &Group<Option<Again>>) -> bool {
        let heap = self.edges.heap;
        let any = |&object: &ObjectId| match self.up {
            true => !heap.referrers(object).is_empty(),
            false => self.edges.held(object).next().is_some(),
        };
        group.objects.iter().any(any)
    }

    fn leave(&mut self, group: &Group<Option<Again>>) {
        for object in &group.objects {
            if let Some(times) = self.on_the_way.get_mut(object) {
                *times -= 1;
                if *times == 0 {
                    self.on_the_way.remove(object);
                }
            }
        }
    }

    fn weight(&self, group: &Group<Option<Again>>) -> Weight {
        (self.tree.retained_by_any(&group.objects), bytes(self.edges.heap, &group.objects))
    }

    fn again(&self, group: &Group<Option<Again>>) -> Option<Again> {
        // They may have been on another branch since the group was made.
        let seen = || group.objects.iter().all(|object| self.unfolded.contains(object));
        group.more.or_else(|| seen().then_some(Again::Above))
    }
}

//! Down the dominator tree. Where a level has many objects of a type they are one branch, but for those that retain a good
//! part of what is above.

use rustc_hash::FxHashMap;

use super::super::dominators::{Children, Dominators, Node};
use super::super::edges::Edges;
use super::super::labels::Label;
use super::super::neighbours;
use super::super::paths::Paths;
use super::{Group, Grower, Level, Shape, WORTH_UNFOLDING, Walk, Weight};
use crate::heap::{ObjectId, TypeId};

/// What retains at least this part of what is above it stands alone.
const ALONE: u64 = 10;
/// As many objects of a type as stand alone in any case.
const FEW: usize = 3;

/// What the roots hold.
pub(super) fn from_roots(edges: &Edges, tree: &Dominators, paths: &Paths, shape: Shape) -> Level {
    let held = Held { edges, tree, children: tree.children(), paths };
    let groups = held.grouped(held.children.of(Node::Roots).map(|object| (None, object)), tree.total());
    held.level(groups, tree.total(), shape)
}

/// What the objects hold: those that no other of them holds, and what is below.
pub(super) fn from(edges: &Edges, tree: &Dominators, paths: &Paths, objects: &[ObjectId], shape: Shape) -> Level {
    let held = Held { edges, tree, children: tree.children(), paths };
    let all = tree.retained_by_any(objects);
    let groups = held.grouped(tree.topmost(objects).into_iter().map(|object| (None, object)), all);
    held.level(groups, all, shape)
}

struct Held<'a, 'h> {
    edges: &'a Edges<'h>,
    tree: &'a Dominators,
    children: Children<'a>,
    paths: &'a Paths<'a, 'h>,
}

/// What the objects of a group retain.
struct Retained(u64);

/// Objects of a type that may become one group.
struct Together {
    common: Common,
    objects: Vec<(Option<Label>, ObjectId)>,
    retained: u64,
}

/// The step to all objects of a group.
#[derive(Clone, Copy)]
enum Common {
    None,
    Same(Option<Label>),
}

impl Held<'_, '_> {
    fn level(mut self, groups: Vec<Group<Retained>>, all: u64, shape: Shape) -> Level {
        let (edges, tree) = (self.edges, self.tree);
        Grower { heap: edges.heap, tree, shape, floor: all / WORTH_UNFOLDING }.level(&mut self, groups, 0, None)
    }

    /// Objects whose subtrees do not overlap, with the steps to them, out of what retains `all`.
    fn grouped(&self, objects: impl Iterator<Item = (Option<Label>, ObjectId)>, all: u64) -> Vec<Group<Retained>> {
        let heap = self.edges.heap;
        let mut groups: Vec<Group<Retained>> = Vec::new();
        let retained = |object| self.tree.retained(object).unwrap_or(0);
        let alone = |label, object| {
            let (kind, more) = (heap.type_of(object), Retained(retained(object)));
            Group { label, kind, objects: vec![object], more }
        };
        let mut together: FxHashMap<TypeId, Together> = FxHashMap::default();
        for (label, object) in objects {
            let bytes = retained(object);
            if bytes > 0 && bytes.saturating_mul(ALONE) >= all {
                groups.push(alone(label, object));
                continue;
            }
            let first = || Together { common: Common::Same(label), objects: Vec::new(), retained: 0 };
            let those = together.entry(heap.type_of(object)).or_insert_with(first);
            those.common = self.common(those.common, label);
            those.objects.push((label, object));
            those.retained = those.retained.saturating_add(bytes);
        }
        for (kind, Together { common, objects, retained }) in together {
            if objects.len() <= FEW {
                groups.extend(objects.into_iter().map(|(label, object)| alone(label, object)));
                continue;
            }
            let mut objects: Vec<ObjectId> = objects.into_iter().map(|(_, object)| object).collect();
            objects.sort_unstable();
            let label = if let Common::Same(label) = common { label } else { None };
            groups.push(Group { label, kind, objects, more: Retained(retained) });
        }
        groups
    }

    fn common(&self, common: Common, label: Option<Label>) -> Common {
        let heap = self.edges.heap;
        match (common, label) {
            (Common::Same(one), other) if one == other => common,
            (Common::Same(Some(one)), Some(other)) if one.is_subscript(heap) && other.is_subscript(heap) => {
                Common::Same(Some(Label::Many))
            }
            _ => Common::None,
        }
    }

    /// The objects that this one dominates immediately, with the step to each that it refers to itself.
    fn children(&self, object: ObjectId) -> impl Iterator<Item = (Option<Label>, ObjectId)> {
        let node = Node::Object(object);
        let held = neighbours::once(self.edges, object, |child| self.tree.dominator(child) == Some(node));
        let labels: FxHashMap<ObjectId, Label> = held.collect();
        self.children.of(node).map(move |child| (labels.get(&child).copied(), child))
    }
}

impl Walk for Held<'_, '_> {
    type More = Retained;

    fn below(&mut self, group: &mut Group<Retained>) -> Vec<Group<Retained>> {
        self.grouped(group.objects.iter().flat_map(|&object| self.children(object)), group.more.0)
    }

    fn has_below(&self, group: &Group<Retained>) -> bool {
        group.objects.iter().any(|&object| self.children.of(Node::Object(object)).len() > 0)
    }

    fn weight(&self, group: &Group<Retained>) -> Weight {
        (group.more.0, 0)
    }

    /// An object to which what is above does not refer itself is told by the shortest path to it.
    fn edge(&self, group: &Group<Retained>) -> Option<String> {
        match group.objects[..] {
            [object] => self.paths.to(object).map(|path| path.expression(self.edges)),
            _ => None,
        }
    }
}

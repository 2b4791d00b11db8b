//! Walks over a heap, cut to what a person can read: down the dominator tree, along the paths to a type, around an object.
//!
//! Each walk says what is below some objects, in groups; here the groups become branches: in order, so many of a level, so
//! deep, and what is left out is counted. A heap has cycles and lists of millions; an outline ends.

mod around;
mod collect;
mod held;
mod ways;

use std::cmp::Reverse;

use serde::Serialize;

use super::dominators::Dominators;
use super::edges::Edges;
use super::labels::Label;
use super::paths::Paths;
use super::retained::retained_by_type;
use super::{Step, Tool, asked};
use crate::cli::values::Asked;
use crate::error::Result;
use crate::heap::{Capture, Heap, ObjectId, TargetFacts, TypeId};
use crate::units::Address;

/// Of what is less than this part of the whole, only the first line is shown.
const WORTH_UNFOLDING: u64 = 100;

/// JSON of `dominators`, `paths` and `tree`.
#[derive(Debug, Serialize)]
pub(crate) struct Outline {
    /// `memory-analyzer/dominators`, `…/paths` or `…/tree`.
    pub(crate) schema: &'static str,
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    pub(crate) snapshot: String,
    pub(crate) target: TargetFacts,
    /// What the roots reach, through references that hold.
    pub(crate) reached: Amount,
    pub(crate) unreached: Amount,
    /// What was asked for; absent where that is everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Subject>,
    /// Of `tree`: `referents` or `referrers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) direction: Option<&'static str>,
    /// Of `paths` to one object: the shortest, from the root on; empty where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_to_root: Option<Vec<Step>>,
    /// Of `paths`: where the objects are, as expressions; those with most objects first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) places: Option<Vec<Place>>,
    #[serde(flatten)]
    pub(crate) level: Level,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// The objects that an outline is about.
#[derive(Debug, Serialize)]
pub(crate) struct Subject {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Of a single object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// What would be free if all of them went.
    pub(crate) retained_bytes: u64,
    /// How many of them no root reaches.
    pub(crate) unreached: u64,
}

/// Where objects are.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(crate) expression: String,
    pub(crate) objects: u64,
    pub(crate) retained_bytes: u64,
}

/// What is below something.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Level {
    /// In the order of what they retain (of `paths`: of the objects that they lead to), most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) branches: Vec<Branch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<LeftOut>,
}

/// Branches of a level that are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) branches: u64,
    pub(crate) objects: u64,
}

/// One object, or several of one type.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Branch {
    /// The step to it, where there is one for all: from the objects above, or of `tree --up` to these; at the top from a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edge: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) count: u64,
    /// Of a single object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address>,
    /// The sizes of the objects themselves.
    pub(crate) bytes: u64,
    /// What they dominate, each byte once.
    pub(crate) retained_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) way: Option<Way>,
    /// Of `tree`: where these objects have been shown before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Again>,
    /// There is more below, which is not shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) folded: bool,
    #[serde(flatten)]
    pub(crate) below: Level,
}

/// Of `paths`: what a branch leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Way {
    /// All steps up to here.
    pub(crate) expression: String,
    /// So many times the step is taken one after the other, as in a linked list.
    #[serde(skip_serializing_if = "is_once")]
    pub(crate) repeated: u64,
    /// Of the objects asked for, those to which the path leads through here, …
    #[serde(flatten)]
    pub(crate) leads: Leads,
    /// … and those that are here.
    pub(crate) here: Leads,
}

/// Some of the objects asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Leads {
    pub(crate) objects: u64,
    /// What they dominate, each byte once: of a chain of such objects it counts for the first.
    pub(crate) retained_bytes: u64,
}

impl std::ops::AddAssign for Leads {
    fn add_assign(&mut self, other: Leads) {
        self.objects += other.objects;
        self.retained_bytes = self.retained_bytes.saturating_add(other.retained_bytes);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Again {
    /// On the way from the top to here.
    Cycle,
    /// On another branch.
    Above,
}

fn is_once(times: &u64) -> bool {
    *times == 1
}

/// How much of an outline is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels.
    pub(crate) depth: usize,
    /// Branches of each level.
    pub(crate) top: usize,
}

/// What an outline shows of a heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What the subject, or else the roots, hold by the dominator tree.
    Dominators(Option<Asked>),
    /// How roots lead to the subject.
    Paths(Asked),
    /// What the subject refers to, or what refers to it.
    Tree { subject: Asked, up: bool },
}

/// Makes an outline. `step` is told what was done, for those who measure.
pub(crate) fn outline(
    capture: &Capture,
    snapshot: String,
    question: &Question,
    shape: Shape,
    step: &dyn Fn(&str),
) -> Result<Outline> {
    let heap = &capture.heap;
    let (schema, asked) = match question {
        Question::Dominators(asked) => ("memory-analyzer/dominators", asked.as_ref()),
        Question::Paths(asked) => ("memory-analyzer/paths", Some(asked)),
        Question::Tree { subject, .. } => ("memory-analyzer/tree", Some(subject)),
    };
    let objects = asked.map(|asked| asked::objects(heap, asked)).transpose()?;
    let edges = Edges::new(heap);
    let tree = Dominators::new(&edges);
    step("dominator tree and retained sizes of objects");
    let subject = objects.as_deref().map(|objects| subject(&edges, &tree, objects));
    step("retained sizes of types");
    let paths = Paths::new(&edges);
    step("shortest paths");
    let chosen = objects.as_deref().unwrap_or_default();
    let (mut path_to_root, mut places) = (None, None);
    let level = match question {
        Question::Dominators(None) => held::from_roots(&edges, &tree, &paths, shape),
        Question::Dominators(Some(_)) => held::from(&edges, &tree, &paths, chosen, shape),
        Question::Tree { up, .. } => around::level(&edges, &tree, chosen, *up, shape),
        Question::Paths(Asked::Address(_)) => {
            let path = chosen.first().and_then(|&object| paths.to(object));
            path_to_root = Some(path.as_ref().map(|path| path.steps(&edges)).unwrap_or_default());
            let retained_bytes = tree.retained_by_any(chosen);
            let place = path.map(|path| Place { expression: path.expression(&edges), objects: 1, retained_bytes });
            places = Some(place.into_iter().collect());
            Level::default()
        }
        Question::Paths(Asked::Type(_)) => {
            let level = ways::level(&edges, &tree, &paths, chosen, shape);
            places = Some(ways::places(&level));
            level
        }
    };
    step("outline");
    let reached = Amount { objects: tree.reached() as u64, bytes: tree.total() };
    Ok(Outline {
        schema,
        schema_version: 1,
        tool: Tool::this(),
        snapshot,
        target: capture.target.clone(),
        reached,
        unreached: unreached(heap, &tree),
        subject,
        direction: match question {
            Question::Tree { up, .. } => Some(if *up { "referrers" } else { "referents" }),
            _ => None,
        },
        path_to_root,
        places,
        level,
    })
}

/// The objects are one, or all of a type.
fn subject(edges: &Edges, tree: &Dominators, objects: &[ObjectId]) -> Subject {
    let heap = edges.heap;
    let kind = heap.type_of(objects[0]);
    let retained_bytes = match objects {
        [object] => tree.retained(*object).unwrap_or(0),
        _ => retained_by_type(edges, tree)[kind.index()],
    };
    Subject {
        kind: heap.type_name(kind).to_owned(),
        address: single(heap, objects),
        count: objects.len() as u64,
        bytes: bytes(heap, objects),
        retained_bytes,
        unreached: objects.iter().filter(|&&object| tree.retained(object).is_none()).count() as u64,
    }
}

fn unreached(heap: &Heap, tree: &Dominators) -> Amount {
    let mut amount = Amount::default();
    for object in heap.objects().filter(|&object| tree.retained(object).is_none()) {
        amount.objects += 1;
        amount.bytes = amount.bytes.saturating_add(heap.size(object));
    }
    amount
}

fn single(heap: &Heap, objects: &[ObjectId]) -> Option<Address> {
    match objects {
        [object] => Some(heap.address(*object)),
        _ => None,
    }
}

fn bytes(heap: &Heap, objects: &[ObjectId]) -> u64 {
    objects.iter().fold(0, |sum, &object| sum.saturating_add(heap.size(object)))
}

/// Objects of one type that are shown as one, with what else the walk knows of them.
#[derive(Debug)]
struct Group<X> {
    /// The step to them, where it is the same for all.
    label: Option<Label>,
    kind: TypeId,
    /// By ascending address, each once.
    objects: Vec<ObjectId>,
    more: X,
}

/// Greater is shown first; the first of the two decides what is worth unfolding.
type Weight = (u64, u64);

/// A walk over a heap.
trait Walk {
    type More;

    /// What is below the objects; may take some of that into the group.
    fn below(&mut self, group: &mut Group<Self::More>) -> Vec<Group<Self::More>>;

    /// Is there anything?
    fn has_below(&self, group: &Group<Self::More>) -> bool;

    /// What is below has been shown.
    fn leave(&mut self, _group: &Group<Self::More>) {}

    fn weight(&self, group: &Group<Self::More>) -> Weight;

    /// How the step to a group is told where it has no label.
    fn edge(&self, _group: &Group<Self::More>) -> Option<String> {
        None
    }

    fn way(&self, _group: &Group<Self::More>, _edge: Option<&str>, _above: Option<&Way>) -> Option<Way> {
        None
    }

    /// Have all objects of the group been unfolded already?
    fn again(&self, _group: &Group<Self::More>) -> Option<Again> {
        None
    }
}

/// What all walks need to make branches of groups.
struct Grower<'a> {
    heap: &'a Heap,
    tree: &'a Dominators,
    shape: Shape,
    /// The least weight that is unfolded.
    floor: u64,
}

impl Grower<'_> {
    fn level<W: Walk>(
        &self,
        walk: &mut W,
        mut groups: Vec<Group<W::More>>,
        depth: usize,
        above: Option<&Way>,
    ) -> Level {
        let heap = self.heap;
        groups.sort_by_cached_key(|group| {
            (Reverse(walk.weight(group)), heap.type_name(group.kind), group.objects.first().copied())
        });
        let rest = groups.split_off(self.shape.top.min(groups.len()));
        let left_out = (!rest.is_empty()).then(|| LeftOut {
            branches: rest.len() as u64,
            objects: rest.iter().map(|group| group.objects.len() as u64).sum(),
        });
        drop(rest);
        let branches = groups.into_iter().map(|group| self.branch(walk, group, depth, above)).collect();
        Level { branches, left_out }
    }

    fn branch<W: Walk>(&self, walk: &mut W, mut group: Group<W::More>, depth: usize, above: Option<&Way>) -> Branch {
        let heap = self.heap;
        let again = walk.again(&group);
        let has_below = again.is_none() && walk.has_below(&group);
        let unfolded = has_below && depth + 1 < self.shape.depth && walk.weight(&group).0 >= self.floor;
        let groups = unfolded.then(|| walk.below(&mut group));
        let edge = group.label.map(|label| label.written(heap)).or_else(|| walk.edge(&group));
        let way = walk.way(&group, edge.as_deref(), above);
        let below = groups.map(|groups| self.level(walk, groups, depth + 1, way.as_ref())).unwrap_or_default();
        if unfolded {
            walk.leave(&group);
        }
        Branch {
            edge,
            kind: heap.type_name(group.kind).to_owned(),
            count: group.objects.len() as u64,
            address: single(heap, &group.objects),
            bytes: bytes(heap, &group.objects),
            retained_bytes: self.tree.retained_by_any(&group.objects),
            way,
            again,
            folded: has_below && !unfolded,
            below,
        }
    }
}

#[cfg(test)]
mod tests;

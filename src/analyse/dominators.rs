//! Who holds what: the dominator tree of a heap, and what each object retains.
//!
//! An object *dominates* another if every path from the roots to the other leads through it: if it went, the other would
//! go. Its *immediate dominator* is the last such object before it, and what it *retains* are the bytes of all that it
//! dominates, itself included. Above all roots stands one node for them all ([`Node::Roots`]), so that there is one tree.
//! Weak references hold nothing.
//!
//! What no root reaches is in no tree, and what it retains is not defined here: it is garbage that was not collected yet, or
//! held by something we do not know. Nothing is guessed about it.
//!
//! Semi-NCA (L. Georgiadis, *Linear-Time Algorithms for Dominators and Related Problems*, 2005) on numbers in depth-first
//! preorder, without recursion. Its second half climbs the tree; that is quadratic for a linked list whose values are also
//! held by something else, which programs do have, so it climbs by jump pointers (E. Myers, *An applicative random-access
//! stack*, 1983). Time O(edges × log objects), some forty bytes for each object while it is made.

use std::sync::OnceLock;

use super::edges::Edges;
use super::groups::Groups;
use crate::heap::{Heap, ObjectId};

/// The number of what no root reaches; among the numbers of the tree it stands for the roots.
const NONE: u32 = 0;

/// A node of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    /// All roots together.
    Roots,
    Object(ObjectId),
}

/// The dominator tree of a heap. Takes some twenty bytes for each object, four more once it is asked for single objects,
/// and eight once it is asked who dominates whom.
#[derive(Debug)]
pub(crate) struct Dominators {
    /// How many objects the heap has, whether they are reached or not.
    objects: usize,
    /// By row: its number, from 1 in depth-first preorder; a dominator comes before what it dominates.
    numbers: OnceLock<Vec<u32>>,
    /// By number: the row. The first entry stands for the roots and is no row.
    rows: Vec<u32>,
    /// By number: that of the immediate dominator.
    dominators: Vec<u32>,
    /// By number: bytes.
    retained: Vec<u64>,
    joints: Vec<(u32, u32)>,
    spans: OnceLock<Vec<Span>>,
}

/// The tree from above: whose immediate dominator each node is. Takes twelve bytes for each object, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Children<'t> {
    tree: &'t Dominators,
    /// By number, the roots' first: those of the children.
    numbers: Groups<u32>,
}

impl Children<'_> {
    /// Whose immediate dominator the node is, each once; nothing under what no root reaches.
    pub(crate) fn of(&self, node: Node) -> impl ExactSizeIterator<Item = ObjectId> + '_ {
        let numbers = match node {
            Node::Roots => self.numbers.of(NONE as usize),
            Node::Object(object) => self.tree.number(object).map_or(&[][..], |number| self.numbers.of(number as usize)),
        };
        numbers.iter().map(|&number| ObjectId(self.tree.rows[number as usize]))
    }
}

/// The place of a node in a preorder of the tree, and how many follow that it dominates, itself included.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Dominators {
    /// Computes the tree: each object and each edge a few times.
    pub(crate) fn new(edges: &Edges) -> Dominators {
        let Search { rows, parents, semis, others } = Search::new(edges);
        // For each number those from which edges lead to it, but for its parent.
        let referrers = Groups::new(rows.len(), others.iter().copied());
        drop(others);
        let semis = semidominators(&parents, semis, &referrers);
        let dominators = climb(&parents, semis);
        let joints = joints(&parents, &dominators, &referrers);
        drop((parents, referrers));
        let retained = retained(edges.heap, &rows, &dominators);
        let (numbers, spans) = (OnceLock::new(), OnceLock::new());
        Dominators { objects: edges.heap.len(), numbers, rows, dominators, retained, joints, spans }
    }

    /// Bytes of all that the roots reach.
    pub(crate) fn total(&self) -> u64 {
        self.retained[NONE as usize]
    }

    /// How many objects the roots reach.
    pub(crate) fn reached(&self) -> usize {
        self.rows.len() - 1
    }

    /// The bytes that would be free if the object went; none where no root reaches it.
    pub(crate) fn retained(&self, object: ObjectId) -> Option<u64> {
        self.number(object).map(|number| self.retained[number as usize])
    }

    /// The immediate dominator: the last through which all paths from the roots lead; none where there is no path.
    pub(crate) fn dominator(&self, object: ObjectId) -> Option<Node> {
        self.number(object).map(|number| self.node(self.dominators[number as usize]))
    }

    pub(crate) fn children(&self) -> Children<'_> {
        let objects = self.dominators.iter().copied().zip(0..).skip(1);
        Children { tree: self, numbers: Groups::new(self.rows.len(), objects) }
    }

    /// Does every path to `other` lead through `object`? Of itself it does.
    #[cfg(test)]
    pub(crate) fn dominates(&self, object: ObjectId, other: ObjectId) -> bool {
        match (self.span(object), self.span(other)) {
            (Some(span), Some(other)) => (span.start..span.start + span.len).contains(&other.start),
            _ => false,
        }
    }

    /// Of some objects those that no other of them dominates, in no particular order: what they retain does not overlap.
    pub(crate) fn topmost(&self, objects: &[ObjectId]) -> Vec<ObjectId> {
        let mut spans: Vec<(Span, ObjectId)> =
            objects.iter().filter_map(|&object| Some((self.span(object)?, object))).collect();
        spans.sort_unstable_by_key(|(span, _)| span.start);
        let mut end = 0;
        let mut outside = |span: Span| {
            let outside = span.start >= end;
            end = end.max(span.start + span.len);
            outside
        };
        spans.into_iter().filter(|(span, _)| outside(*span)).map(|(_, object)| object).collect()
    }

    /// The bytes that one at least of the objects retains. What only several hold together is not in it.
    pub(crate) fn retained_by_any(&self, objects: &[ObjectId]) -> u64 {
        let retained = self.topmost(objects).into_iter().filter_map(|object| self.retained(object));
        retained.fold(0, u64::saturating_add)
    }

    /// The rows in the order of their numbers, before them an entry that stands for the roots.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// By number: that of the immediate dominator.
    pub(super) fn dominators(&self) -> &[u32] {
        &self.dominators
    }

    /// By number: the bytes retained.
    pub(super) fn bytes(&self) -> &[u64] {
        &self.retained
    }

    /// All edges to objects to which their dominator does not refer itself (*joints*: several ways meet there), each as the
    /// numbers it leads to and comes from; by the former.
    pub(super) fn joints(&self) -> &[(u32, u32)] {
        &self.joints
    }

    fn span(&self, object: ObjectId) -> Option<Span> {
        let number = self.number(object)?;
        let spans = self.spans.get_or_init(|| {
            let mut spans = vec![Span { start: 0, len: 1 }; self.rows.len()];
            for (number, &dominator) in self.dominators.iter().enumerate().skip(1).rev() {
                spans[dominator as usize].len += spans[number].len;
            }
            // Where the next child of each goes.
            let mut next = vec![1; self.rows.len()];
            for (number, &dominator) in self.dominators.iter().enumerate().skip(1) {
                let start = next[dominator as usize];
                next[dominator as usize] += spans[number].len;
                next[number] = start + 1;
                spans[number].start = start;
            }
            spans
        });
        Some(spans[number as usize])
    }

    fn number(&self, object: ObjectId) -> Option<u32> {
        let numbers = self.numbers.get_or_init(|| {
            let mut numbers = vec![NONE; self.objects];
            (1..).zip(&self.rows[1..]).for_each(|(number, &row)| numbers[row as usize] = number);
            numbers
        });
        Some(numbers[object.index()]).filter(|&number| number != NONE)
    }

    fn node(&self, number: u32) -> Node {
        if number == NONE { Node::Roots } else { Node::Object(ObjectId(self.rows[number as usize])) }
    }
}

/// A depth-first search of all that the roots reach, along edges that hold.
struct Search {
    rows: Vec<u32>,
    /// By number: from where it was reached first.
    parents: Vec<u32>,
    /// By number: the first in preorder among its referrers on the way down to it.
    semis: Vec<u32>,
    /// All edges but those from parents, as the numbers they lead to and come from.
    others: Vec<(u32, u32)>,
}

impl Search {
    fn new(edges: &Edges) -> Search {
        let heap = edges.heap;
        let mut numbers = vec![NONE; heap.len()];
        // What is never written to takes no memory; what grows is copied.
        let begun = || {
            let mut column = Vec::with_capacity(heap.len() + 1);
            column.push(NONE);
            column
        };
        let (mut rows, mut parents, mut semis) = (begun(), begun(), begun());
        let mut others = Vec::new();
        // Edges that led to nothing numbered when they were met, as the number they come from and the row they lead to.
        let mut open: Vec<(u32, u32)> = heap.roots().iter().rev().map(|(object, _)| (NONE, object.0)).collect();
        while let Some((from, row)) = open.pop() {
            let known = numbers[row as usize];
            if known != NONE {
                // What was numbered since is below `from`: this is one more way down.
                semis[known as usize] = from.min(semis[known as usize]);
                others.push((known, from));
                continue;
            }
            let number = rows.len() as u32;
            numbers[row as usize] = number;
            rows.push(row);
            parents.push(from);
            semis.push(from);
            for referent in edges.held(ObjectId(row)) {
                match numbers[referent.index()] {
                    NONE => open.push((number, referent.0)),
                    known if known == number => {}
                    known => others.push((known, number)),
                }
            }
        }
        Search { rows, parents, semis, others }
    }
}

/// A node of the forest in which semidominators are looked up.
#[derive(Clone, Copy)]
struct Link {
    ancestor: u32,
    /// The least semidominator from here up to, but without, the ancestor.
    least: u32,
}

/// By number: the first in preorder from which a path leads to it through nothing but what comes after it.
fn semidominators(parents: &[u32], mut semis: Vec<u32>, others: &Groups<u32>) -> Vec<u32> {
    let mut links: Vec<Link> = parents.iter().map(|&ancestor| Link { ancestor, least: NONE }).collect();
    let mut path = Vec::new();
    for number in (1..parents.len()).rev() {
        let mut semi = semis[number];
        for &from in others.of(number) {
            if semi == NONE {
                break;
            }
            // The others, on the way down, are in it already.
            if from as usize > number {
                semi = semi.min(least(&mut links, from, number as u32, &mut path));
            }
        }
        semis[number] = semi;
        links[number].least = semi;
    }
    semis
}

/// The least semidominator on the way from `node` up to the last one after `limit`; shortens that way for whoever comes next.
fn least(links: &mut [Link], node: u32, limit: u32, path: &mut Vec<u32>) -> u32 {
    let mut top = node;
    while links[top as usize].ancestor > limit {
        path.push(top);
        top = links[top as usize].ancestor;
    }
    let Link { ancestor, mut least } = links[top as usize];
    while let Some(below) = path.pop() {
        let link = &mut links[below as usize];
        least = least.min(link.least);
        *link = Link { ancestor, least };
    }
    least
}

/// A node's depth in the dominator tree, and an ancestor further up: so that any is reached in logarithmically many steps.
#[derive(Clone, Copy)]
struct Rung {
    depth: u32,
    jump: u32,
}

/// By number: the immediate dominator, which is the lowest dominator of the parent that does not come after the
/// semidominator.
fn climb(parents: &[u32], mut semis: Vec<u32>) -> Vec<u32> {
    let mut rungs = Vec::with_capacity(parents.len());
    rungs.push(Rung { depth: 0, jump: NONE });
    for number in 1..parents.len() {
        let semi = semis[number];
        let mut at = parents[number];
        while at > semi {
            let jump = rungs[at as usize].jump;
            // Of what comes before the number, the dominators stand in the place of the semidominators.
            at = if jump > semi { jump } else { semis[at as usize] };
        }
        semis[number] = at;
        let Rung { depth, jump } = rungs[at as usize];
        let beyond = rungs[jump as usize];
        let even = depth - beyond.depth == beyond.depth - rungs[beyond.jump as usize].depth;
        rungs.push(Rung { depth: depth + 1, jump: if even { beyond.jump } else { at } });
    }
    semis
}

/// See [`Dominators::joints`].
fn joints(parents: &[u32], dominators: &[u32], others: &Groups<u32>) -> Vec<(u32, u32)> {
    let mut joints = Vec::new();
    for number in 1..parents.len() {
        let (parent, others) = (parents[number], others.of(number));
        if parent != dominators[number] && !others.contains(&dominators[number]) {
            joints.extend([parent].iter().chain(others).map(|&from| (number as u32, from)));
        }
    }
    joints
}

/// By number: the sizes of all below in the tree, and its own.
fn retained(heap: &Heap, rows: &[u32], dominators: &[u32]) -> Vec<u64> {
    let mut retained = Vec::with_capacity(rows.len());
    retained.push(0);
    retained.extend(rows[1..].iter().map(|&row| heap.size(ObjectId(row))));
    for number in (1..rows.len()).rev() {
        let own = retained[number];
        let all = &mut retained[dominators[number] as usize];
        // A hostile target may claim any size.
        *all = own.saturating_add(*all);
    }
    retained
}

#[cfg(test)]
mod tests;

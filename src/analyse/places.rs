//! Where each object is, as an expression that is the same in another run of the program: the steps of its shortest path, all
//! subscripts of a container alike, and a step that is taken again and again, as in a linked list, once.
//!
//! Unlike an address, a place can be found again after a restart. What no root reaches has none.

use super::edges::Edges;
use super::labels::{Label, append};
use super::neighbours;
use super::paths::Paths;
use crate::heap::{ObjectId, TypeId};

/// Steps after which a path is not followed any more: its objects are all at one place.
const LONGEST: u32 = 24;

/// The place of objects that no root leads to.
const NOWHERE: u32 = 0;

/// What is told of places without an expression.
const NOWHERE_NAME: &str = "(no root reaches it)";

/// The places of all objects of a heap.
#[derive(Debug)]
pub(super) struct Places {
    /// By row.
    of: Vec<u32>,
    nodes: Vec<Node>,
}

/// The end of a path.
#[derive(Clone, Debug)]
struct Node {
    expression: String,
    /// The step that led here, and to what.
    last: Option<(Label, TypeId)>,
    steps: u32,
}

impl Places {
    pub(super) fn new(edges: &Edges, paths: &Paths) -> Places {
        let heap = edges.heap;
        let nowhere = Node { expression: NOWHERE_NAME.to_owned(), last: None, steps: 0 };
        let mut places = Places { of: vec![NOWHERE; heap.len()], nodes: vec![nowhere] };
        let mut starts = rustc_hash::FxHashMap::default();
        let mut steps = rustc_hash::FxHashMap::default();
        // Parents come before their children.
        for object in paths.order().iter().map(|&row| ObjectId(row)) {
            if paths.parent(object).is_none() {
                let start = paths.start(object);
                places.of[object.index()] = *starts.entry(start).or_insert_with(|| {
                    places.nodes.push(Node { expression: start.expression(), last: None, steps: 0 });
                    places.nodes.len() as u32 - 1
                });
            }
            // Attributes are at the object whose `__dict__` this is, if the path comes from there.
            let owner = edges.owner(object).filter(|&owner| paths.parent(object) == Some(owner));
            for (child, label) in neighbours::once(edges, object, |child| paths.parent(child) == Some(object)) {
                let attribute = owner.and_then(|owner| Some((owner, edges.through(label)?)));
                let (from, label) = attribute.unwrap_or((object, label));
                let label = if label.is_subscript(heap) { Label::Many } else { label };
                let from = places.of[from.index()];
                let step = (label, heap.type_of(child));
                let node = &places.nodes[from as usize];
                if node.steps == LONGEST || (node.last == Some(step) && label != Label::Many) {
                    places.of[child.index()] = from;
                    continue;
                }
                places.of[child.index()] = *steps.entry((from, step)).or_insert_with(|| {
                    let node = &places.nodes[from as usize];
                    let mut expression = node.expression.clone();
                    append(&mut expression, &label.written(heap));
                    let steps = node.steps + 1;
                    if steps == LONGEST {
                        expression.push('…');
                    }
                    places.nodes.push(Node { expression, last: Some(step), steps });
                    places.nodes.len() as u32 - 1
                });
            }
        }
        places
    }

    /// As the target wrote it: escape before showing.
    pub(super) fn of(&self, object: ObjectId) -> &str {
        &self.nodes[self.of[object.index()] as usize].expression
    }

    /// The number of the place.
    pub(super) fn number(&self, object: ObjectId) -> u32 {
        self.of[object.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;

    fn check(heap: &str, expected: &[&str]) {
        let heap = sample::heap(heap);
        let edges = Edges::new(&heap);
        let places = Places::new(&edges, &Paths::new(&edges));
        assert_eq!(heap.objects().map(|object| places.of(object)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn places_are_expressions_that_outlive_a_process() {
        check(
            "m:builtins.module -> md.__dict__
             md:builtins.dict -> r['REGISTRY'], o['KEPT']
             r:builtins.dict -> a['users'], b['others'], k
             a:app.A -> n.next
             b:app.A
             k:builtins.str
             n:app.A -> p.next
             p:app.A -> q.other
             q:app.A
             o:app.O -> od.__dict__
             od:builtins.dict -> t['t']
             t:builtins.tuple -> x
             x:app.X
             l:app.L -> x, y
             y:app.Y
             z:app.Z
             root m module app
             root l local app.main v",
            &[
                "app",
                "app.__dict__",
                "app.REGISTRY",
                "app.REGISTRY[…]",
                "app.REGISTRY[…]",
                "app.REGISTRY → (referent of builtins.dict)",
                "app.REGISTRY[…].next",
                "app.REGISTRY[…].next",
                "app.REGISTRY[…].next.other",
                "app.KEPT",
                "app.KEPT.__dict__",
                "app.KEPT.t",
                "(local v of app.main) → (referent of app.L)",
                "(local v of app.main)",
                "(local v of app.main) → (referent of app.L)",
                "(no root reaches it)",
            ],
        );
    }

    #[test]
    fn long_paths_end_somewhere() {
        let mut text = "root a0 module app\n".to_owned();
        for i in 0..60 {
            let step = if i % 2 == 0 { "left" } else { "right" };
            text.push_str(&format!("a{i}:app.A -> a{}.{step}\n", i + 1));
        }
        text.push_str("a60:app.A\n");
        let heap = sample::heap(&text);
        let edges = Edges::new(&heap);
        let places = Places::new(&edges, &Paths::new(&edges));
        assert_eq!(places.of(ObjectId(60)), places.of(ObjectId(24)));
        assert!(places.of(ObjectId(60)).ends_with(".left.right…"), "{}", places.of(ObjectId(60)));
        assert_eq!(places.of(ObjectId(2)), "app.left.right");
    }
}

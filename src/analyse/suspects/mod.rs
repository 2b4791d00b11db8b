//! Leak suspects: what a person would look at first, found without being asked.
//!
//! In the dominator tree the last objects that retain a large share (the *accumulation points* of Eclipse MAT), one by one
//! ([`held`]); on the shortest paths the containers of what others hold as well ([`reached`]); and the containers which took
//! what is new since an earlier capture of the process ([`grown`]). A program that has just begun has none of these: its
//! modules and classes are many and small, and that they hold what they define is no suspicion.
//!
//! What a suspect is told to retain is exact; that it is a leak nobody can know.

mod grown;
mod held;
mod reached;
mod rules;
#[cfg(test)]
mod tests;
mod words;

use std::cmp::Reverse;

use super::dominators::Dominators;
use super::edges::{DICT, Edges};
use super::holdings::Holdings;
use super::pairing::is_same_process;
use super::paths::Paths;
use crate::heap::{Capture, Heap, ObjectId, Suspect, TypeId};
use rules::{Enough, Rules};

/// The suspects of a heap: of each kind those that retain most first.
pub(crate) fn suspects(heap: &Heap, holdings: &Holdings) -> Vec<Suspect> {
    let edges = Edges::new(heap);
    let tree = &holdings.tree;
    let rules = Rules::get();
    let enough = &rules.accumulation;
    let mut found = held::found(&edges, tree, enough, rules.told.most);
    // Not before: what the search needed is gone.
    let paths = Paths::new(&edges);
    found.extend(reached::shared(&edges, tree, &paths, enough, rules.told.most, &found));
    found.iter().map(|found| words::told(found, &edges, tree, &paths)).collect()
}

/// What took the objects that `old` does not have. Of another process than that of `old` nothing is said: addresses mean
/// nothing there. Who holds what is computed where it is not given and there is anything to tell.
pub(crate) fn growth(old: &Capture, new: &Capture, holdings: Option<&Holdings>) -> Option<Vec<Suspect>> {
    if !is_same_process(&old.target, &new.target) {
        return None;
    }
    let rules = Rules::get();
    let edges = Edges::new(&new.heap);
    let paths = Paths::new(&edges);
    let found = grown::found(&old.heap, &edges, &paths, &rules.growth, rules.told.most);
    if found.is_empty() {
        return Some(Vec::new());
    }
    let computed = holdings.is_none().then(|| Dominators::new(&edges));
    let tree = holdings.map(|holdings| &holdings.tree).or(computed.as_ref())?;
    Some(found.iter().map(|found| words::told(found, &edges, tree, &paths)).collect())
}

/// A suspect before it is put into words.
#[derive(Debug)]
struct Found {
    what: What,
    object: ObjectId,
    /// What its share is of.
    weight: u64,
}

#[derive(Debug)]
enum What {
    /// Below it many objects of a type, and below these most is of the types that follow.
    Accumulation(Vec<Layer>),
    LargeObject,
    /// The first of so many that hold one another in a row.
    Chain(usize),
    /// Others hold these as well.
    Shared(Layer),
    /// It took so many objects of a type, less those that have gone, one of which is the example.
    Growth {
        taken: TypeId,
        example: ObjectId,
        more: i64,
    },
    /// It has itself become larger.
    Larger {
        by: u64,
    },
}

/// Objects of a type below something, with what they hold.
#[derive(Clone, Copy, Debug)]
struct Layer {
    kind: TypeId,
    count: usize,
    bytes: u64,
}

/// Where a program keeps what it consists of: a module or a class, or the dict of one.
fn is_namespace(edges: &Edges, object: ObjectId) -> bool {
    let heap = edges.heap;
    let has_edge = |object: ObjectId, step: &str| {
        let names = heap.edge_name_ids(object).iter();
        names.take(FEW_EDGES).any(|&name| *heap.names()[name as usize] == *step)
    };
    let is_one = |object: ObjectId| {
        let kind = heap.type_name_of(object);
        kind == "builtins.module" || kind == "builtins.type" || has_edge(object, MRO)
    };
    is_one(object) || edges.owner(object).is_some_and(|owner| is_one(owner) && has_edge(owner, DICT))
}

/// By which a class is known, whatever its metaclass.
const MRO: &str = ".__mro__";
/// A class has that among its first edges.
const FEW_EDGES: usize = 64;

/// Those of the most weight, of equals the one at the lowest address first, at most so many.
fn heaviest(mut objects: Vec<(u64, ObjectId)>, most: usize) -> impl Iterator<Item = (u64, ObjectId)> {
    objects.sort_unstable_by_key(|&(weight, object)| (Reverse(weight), object));
    objects.truncate(most);
    objects.into_iter()
}

impl Enough {
    /// The least that is enough, of a whole.
    fn least(&self, whole: u64) -> u64 {
        self.bytes.max((whole as f64 * self.share).ceil() as u64)
    }

    /// Is a part most of what there is?
    fn is_most(&self, part: u64, whole: u64) -> bool {
        part as f64 >= whole as f64 * self.of_one_type
    }
}

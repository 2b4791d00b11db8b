//! Groups by the thread whose local variables alone lead to an object: what would go if its stack did.
//!
//! A capture has the functions of local variables, and the stacks of threads. Where several threads are in a function,
//! whose variables those are is not known, and that is said.

use std::collections::BTreeMap;

use super::super::edges::Edges;
use super::parts::Parts;
use crate::heap::{ObjectId, Root, ThreadFacts};

/// Marks of objects; those of threads follow.
const UNREACHED: u32 = 0;
/// Reached without local variables.
const NO_THREAD: u32 = 1;
const SEVERAL: u32 = 2;
/// By local variables of we do not know which thread.
const UNKNOWN: u32 = 3;
const FIRST: u32 = 4;

pub(super) fn by_thread(edges: &Edges, threads: &[ThreadFacts], objects: &[ObjectId]) -> Parts {
    // By function: the mark of the thread that is in it.
    let mut running: BTreeMap<&str, u32> = BTreeMap::new();
    for (mark, thread) in (FIRST..).zip(threads) {
        for frame in &thread.frames {
            let known = running.entry(&frame.function).or_insert(mark);
            if *known != mark {
                *known = UNKNOWN;
            }
        }
    }
    let mut starts: Vec<(u32, ObjectId)> = Vec::new();
    for (object, root) in edges.heap.roots() {
        let mark = match root {
            Root::Local { function, .. } => running.get(&**function).copied().unwrap_or(UNKNOWN),
            Root::Module { .. } | Root::Interpreter { .. } => NO_THREAD,
        };
        starts.push((mark, *object));
    }
    // What needs no local variable comes first: it belongs to no thread, whoever refers to it too. Then what we do not know.
    starts.sort_unstable();
    let mut marks = vec![UNREACHED; edges.heap.len()];
    for (mark, start) in starts {
        spread(edges, &mut marks, mark, start);
    }
    Parts::new(objects.iter().map(|object| marks[object.index()]), |&mark| match mark {
        UNREACHED => "(no root reaches it)".to_owned(),
        NO_THREAD => "(not of a thread alone)".to_owned(),
        SEVERAL => "(several threads together)".to_owned(),
        UNKNOWN => "(a thread, unknown which)".to_owned(),
        mark => match &threads[(mark - FIRST) as usize] {
            thread if thread.name.is_empty() => format!("thread {:#x}", thread.ident),
            thread => thread.name.clone(),
        },
    })
}

/// Each object changes its mark at most twice: to that of a thread, then to that of several.
fn spread(edges: &Edges, marks: &mut [u32], mark: u32, start: ObjectId) {
    let mut open = vec![(mark, start)];
    while let Some((mark, object)) = open.pop() {
        let known = &mut marks[object.index()];
        let new = match *known {
            UNREACHED => mark,
            NO_THREAD | UNKNOWN | SEVERAL => continue,
            known if known == mark => continue,
            _ => SEVERAL,
        };
        *known = new;
        open.extend(edges.held(object).map(|referent| (new, referent)));
    }
}

//! Memory that holds nothing: equal texts, room in containers that is not used, empty containers, numbers in boxes, dicts of
//! instances that `__slots__` would do without. For each kind the bytes that would be saved.
//!
//! What is told is a lower bound: what somebody else may hold, what cannot be known of a heap and what only the interpreter
//! could change is left out. An object may be in several kinds, so these do not add up.

mod boxed;
mod claims;
mod containers;
mod duplicates;
mod rules;
mod slots;
#[cfg(test)]
mod tests;

use serde::Serialize;

use claims::Claims;
use rules::Rules;

use super::Tool;
use super::edges::Edges;
use super::outline::Amount;
use crate::heap::{Capture, Heap, ObjectId, TargetFacts, TypeId};
use crate::notice::Notice;
use crate::units::Address;

/// JSON of `waste`.
#[derive(Debug, Serialize)]
pub(crate) struct Waste {
    pub(crate) schema: &'static str,
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    pub(crate) snapshot: String,
    pub(crate) target: TargetFacts,
    /// All objects that there are.
    pub(crate) heap: Amount,
    /// What could not be looked for, and why.
    pub(crate) notices: Vec<Notice>,
    /// In the order of [`WasteKind`]; those that could not be looked for are absent.
    pub(crate) kinds: Vec<Finding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WasteKind {
    /// str and bytes of equal content.
    DuplicateTexts,
    /// Containers that take more than a copy of them would.
    SparseContainers,
    EmptyContainers,
    /// Lists and tuples of numbers, each of which is an object.
    BoxedNumbers,
    /// Dicts of instances.
    InstanceDicts,
}

/// All waste of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: WasteKind,
    /// What there is, …
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// … how much less it could be, …
    pub(crate) saved_bytes: u64,
    /// … and in how many groups it is.
    pub(crate) groups: u64,
    /// The groups of which most would be saved: by saved bytes descending, then by address.
    pub(crate) top: Vec<WasteRow>,
}

/// Objects with the same waste.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WasteRow {
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) saved_bytes: u64,
    /// Of the object of which most would be saved; of equals the one at the lowest address.
    pub(crate) max_saved_bytes: u64,
    pub(crate) max_address: Address,
    /// How those are held of which most would be saved together, as `group --by via` says it, …
    pub(crate) held_by: String,
    /// … and what would be saved of them.
    pub(crate) held_saved_bytes: u64,
}

/// Looks for everything; tells of at most `top` groups of each kind.
pub(crate) fn waste(capture: &Capture, snapshot: String, top: usize) -> Waste {
    let heap = &capture.heap;
    let edges = Edges::new(heap);
    let mut notices = Vec::new();
    let mut kinds = Vec::new();
    let name = |kind: &TypeId| heap.type_name(*kind).to_owned();
    match heap.contents() {
        Some(contents) => {
            let found = duplicates::duplicates(heap, contents);
            kinds.push(found.finding(WasteKind::DuplicateTexts, &edges, top, |(kind, _)| name(kind)));
        }
        None => notices.push(
            Notice::new("no-contents", "which texts are equal is not in this snapshot")
                .hint("take one with `memory-analyzer analyze PID -c reader --contents`"),
        ),
    }
    let holders = Holders::of(&edges);
    let rules = Rules::of(&capture.target.python, &mut notices);
    if let Some(rules) = &rules {
        let found = containers::sparse(&edges, &holders, rules);
        kinds.push(found.finding(WasteKind::SparseContainers, &edges, top, |named| named.written(heap)));
    }
    let found = containers::empty(&edges, &holders);
    kinds.push(found.finding(WasteKind::EmptyContainers, &edges, top, name));
    if let Some(rules) = &rules {
        let found = boxed::numbers(&edges, &holders, rules);
        let written = |(container, number): &(_, _)| format!("{} of {}", name(container), name(number));
        kinds.push(found.finding(WasteKind::BoxedNumbers, &edges, top, written));
        let found = slots::instances(&edges, &holders, rules);
        kinds.push(found.finding(WasteKind::InstanceDicts, &edges, top, name));
    }
    if capture.coverage.truncated {
        let text = "the heap is not complete: containers may look emptier than they are, and texts more alone";
        notices.push(Notice::new("truncated", text));
    }
    let bytes = heap.objects().fold(0, |sum: u64, object| sum.saturating_add(heap.size(object)));
    Waste {
        schema: "memory-analyzer/waste",
        schema_version: 1,
        tool: Tool::this(),
        snapshot,
        target: capture.target.clone(),
        heap: Amount { objects: heap.len() as u64, bytes },
        notices,
        kinds,
    }
}

/// Who alone holds each object.
struct Holders(Vec<u32>);

impl Holders {
    const NOBODY: u32 = u32::MAX;
    const SEVERAL: u32 = u32::MAX - 1;

    /// A root counts as another.
    fn of(edges: &Edges) -> Holders {
        let mut holders = vec![Holders::NOBODY; edges.heap.len()];
        for object in edges.heap.objects() {
            for held in edges.held(object) {
                let holder = &mut holders[held.index()];
                if *holder != object.0 {
                    *holder = if *holder == Holders::NOBODY { object.0 } else { Holders::SEVERAL };
                }
            }
        }
        for (object, _) in edges.heap.roots() {
            holders[object.index()] = Holders::SEVERAL;
        }
        Holders(holders)
    }

    /// Whether nobody but `holder` has it, as often as may be.
    fn is_only(&self, holder: ObjectId, held: ObjectId) -> bool {
        self.0[held.index()] == holder.0
    }

    /// Whether nobody is known to have it: then it is the interpreter's own, or garbage.
    fn is_nobodys(&self, object: ObjectId) -> bool {
        self.0[object.index()] == Holders::NOBODY
    }
}

/// The types of these names that the heap has, by row.
fn types_named(heap: &Heap, names: &[&str]) -> Vec<bool> {
    heap.type_names().iter().map(|name| names.contains(&&**name)).collect()
}

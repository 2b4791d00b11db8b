//! A heap, or a part of it, in groups by what its objects have in common: what heapy calls a partition. Several keys make one
//! table, as in SQL's GROUP BY.
//!
//! Each object of the part is in exactly one group, so counts and bytes add up to those of the part. What a capture does not
//! tell of its objects is a group of that name, not a guess.

mod filter;
mod keys;
mod owner;
mod parts;
mod referrers;
#[cfg(test)]
mod tests;
mod thread;

use std::cmp::Reverse;

use serde::Serialize;

pub(crate) use filter::Filter;
pub(super) use keys::Named;
pub(super) use parts::Numbers;
use parts::Parts;
pub(super) use referrers::by_via;

use super::edges::Edges;
use super::outline::Amount;
use super::{Tool, pairing};
use crate::cli::values::By;
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, ObjectId, TargetFacts};
use crate::units::Address;

/// JSON of `group`.
#[derive(Debug, Serialize)]
pub(crate) struct Grouping {
    pub(crate) schema: &'static str,
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    pub(crate) snapshot: String,
    pub(crate) target: TargetFacts,
    pub(crate) by: Vec<&'static str>,
    /// All objects that there are, …
    pub(crate) heap: Amount,
    /// … and those in the groups: the ones that the filters leave.
    pub(crate) grouped: Amount,
    /// By bytes descending, then key ascending.
    pub(crate) groups: Vec<Row>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// What its objects have in common, in the order of `by`.
    pub(crate) key: Vec<String>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    /// The largest of them; of equals the one at the lowest address.
    pub(crate) max_address: Address,
}

/// Puts what the filter leaves into groups. Objects are new if `earlier`, a capture of the same process, does not have them.
pub(crate) fn group(
    capture: &Capture,
    snapshot: String,
    by: &[By],
    filter: &Filter,
    earlier: Option<&Capture>,
) -> Result<Grouping> {
    if let Some(earlier) = earlier.filter(|earlier| !pairing::is_same_process(&earlier.target, &capture.target)) {
        let text = format!(
            "cannot tell what is new since then: the earlier snapshot is of another process (pid {}, started {})",
            earlier.target.pid, earlier.target.start_time
        );
        return Err(Error::new(Kind::Usage, text)
            .hint("objects are told apart by their addresses, which mean nothing in another process")
            .hint("`memory-analyzer diff OLD NEW` compares both by type and by place"));
    }
    let edges = Edges::new(&capture.heap);
    let objects = filter.objects(&edges, earlier.map(|earlier| &earlier.heap))?;
    let parts: Vec<Parts> = by.iter().map(|by| parts_by(*by, &edges, capture, &objects)).collect();
    let all: Vec<ObjectId> = capture.heap.objects().collect();
    Ok(Grouping {
        schema: "memory-analyzer/group",
        schema_version: 1,
        tool: Tool::this(),
        snapshot,
        target: capture.target.clone(),
        by: by.iter().map(|by| by.name()).collect(),
        heap: amount(&edges, &all),
        grouped: amount(&edges, &objects),
        groups: rows(&edges, &objects, &parts),
    })
}

fn parts_by(by: By, edges: &Edges, capture: &Capture, objects: &[ObjectId]) -> Parts {
    match by {
        By::Type => keys::by_type(edges, objects),
        By::Module => keys::by_module(edges, objects),
        By::Size => keys::by_size(edges, objects),
        By::Generation => keys::by_generation(edges, objects),
        By::ReferrerType => referrers::by_referrer_type(edges, objects),
        By::Via => referrers::by_via(edges, objects),
        By::Owner => owner::by_owner(edges, objects),
        By::Thread => thread::by_thread(edges, &capture.threads, objects),
    }
}

fn amount(edges: &Edges, objects: &[ObjectId]) -> Amount {
    let bytes = objects.iter().fold(0, |sum: u64, &object| sum.saturating_add(edges.heap.size(object)));
    Amount { objects: objects.len() as u64, bytes }
}

fn rows(edges: &Edges, objects: &[ObjectId], parts: &[Parts]) -> Vec<Row> {
    let heap = edges.heap;
    let together = parts::product(objects.len(), parts);
    let mut rows: Vec<Row> = Vec::new();
    for (&object, &group) in objects.iter().zip(&together.of) {
        let bytes = heap.size(object);
        // Groups are numbered as they come up.
        if rows.len() == group as usize {
            let key = parts.iter().zip(&together.keys[group as usize]);
            let key = key.map(|(parts, &part)| parts.names[part as usize].clone()).collect();
            let max_address = heap.address(object);
            rows.push(Row { key, count: 0, bytes: 0, max_bytes: bytes, max_address });
        }
        let row = &mut rows[group as usize];
        row.count += 1;
        // A hostile target may claim any size.
        row.bytes = row.bytes.saturating_add(bytes);
        if bytes > row.max_bytes {
            (row.max_bytes, row.max_address) = (bytes, heap.address(object));
        }
    }
    rows.sort_by(|a, b| (Reverse(a.bytes), &a.key).cmp(&(Reverse(b.bytes), &b.key)));
    rows
}

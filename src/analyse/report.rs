//! The report as data: exactly the JSON of the contract, which every other format is made from.
//!
//! A part that was not asked for is absent. Order is total and stated at each list; nothing downstream sorts.

use serde::Serialize;
use serde_json::{Map, Value};

use super::AccountsReport;
use crate::error::Error;
pub(crate) use crate::heap::Step;
use crate::heap::{CollectionFacts, Coverage, Garbage, Suspect, TargetFacts, ThreadFacts};
use crate::units::Address;

/// One run of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: &'static str,
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// In the order in which they were asked for.
    pub(crate) targets: Vec<TargetReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Report {
    pub(crate) fn new(targets: Vec<TargetReport>) -> Report {
        Report { schema: "memory-analyzer/report", schema_version: 1, tool: Tool::this(), targets }
    }
}

impl Tool {
    pub(crate) fn this() -> Tool {
        Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }
    }
}

/// What is reported of one process; after a failure only `target` and `error`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TargetReport {
    pub(crate) target: TargetFacts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collection: Option<CollectionFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<Coverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<Totals>,
    /// By bytes descending, then type ascending; all types, whatever a format shows of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) types: Option<Vec<TypeRow>>,
    /// In the order of `types` for the N largest, then the types named, as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) references: Option<Vec<References>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<Diff>,
    /// Of a comparison those that grew first; each kind by what they retain, most first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) suspects: Option<Vec<Suspect>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accounts: Option<AccountsReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) garbage: Option<Garbage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<Vec<ThreadFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) probes: Option<Map<String, Value>>,
    /// The snapshot written or read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) types: u64,
}

/// One line of the histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TypeRow {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    /// The largest object of the type; of equals the one at the lowest address.
    pub(crate) max_address: Address,
    /// What would be free if all objects of the type went, of what the roots reach; computed only where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retained_bytes: Option<u64>,
}

/// An object and its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct References {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) address: Address,
    pub(crate) bytes: u64,
    /// In the order of its type, as far as the limit; `referent_count` says how many there are.
    pub(crate) referents: Vec<Step>,
    pub(crate) referent_count: u64,
    /// By ascending address, as far as the limit; `referrer_count` says how many there are.
    pub(crate) referrers: Vec<Step>,
    pub(crate) referrer_count: u64,
    /// From what a root holds to the object; empty when no root leads to it.
    pub(crate) path_to_root: Vec<Step>,
    /// Pictures written.
    pub(crate) files: Vec<String>,
}

/// What changed since an earlier snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diff {
    pub(crate) since: Since,
    /// Of several snapshots in a row, those between that earlier one and this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) by_way_of: Vec<Since>,
    /// By bytes_delta descending, then type ascending; types without a change (of several: without growth each time) are left
    /// out.
    pub(crate) types: Vec<TypeDelta>,
    /// The same by type and place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) places: Option<Vec<TypeDelta>>,
}

/// The earlier snapshot and how it was matched with this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Since {
    pub(crate) snapshot: String,
    pub(crate) started_at: String,
    pub(crate) pid: i32,
    /// `pid-and-start-time`, `cmdline` or `given` (the user named both).
    pub(crate) paired_by: String,
}

/// What changed of a type, or of its objects at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TypeDelta {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The steps of the shortest path to each of the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    pub(crate) count: u64,
    pub(crate) count_delta: i64,
    /// Of those at a place, in the same process: how many were not there before, by address and type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) bytes_delta: i64,
    /// Of several snapshots: `bytes_delta` from each to the next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<i64>,
    /// What would be free if all of the type went; of those at a place, what at least one of them dominates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retained_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retained_delta: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) kind: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) text: String,
    pub(crate) hints: Vec<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> ErrorReport {
        ErrorReport {
            kind: error.kind.name(),
            exit_code: error.kind.exit_code(),
            text: error.text.clone(),
            hints: error.hints.clone(),
        }
    }
}

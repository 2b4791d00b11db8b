//! A heap with the facts about where it came from: what collectors hand on and snapshots keep.
//!
//! Plain data. Field names are those of the JSON report, whose meaning CONTRACT and README fix; times are RFC 3339 UTC.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Accounts, Garbage, Heap, Suspect};
use crate::notice::Notice;

/// Everything one collection brought home.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) target: TargetFacts,
    pub(crate) collection: CollectionFacts,
    pub(crate) coverage: Coverage,
    pub(crate) heap: Heap,
    /// What each probe beside `heap` and `threads` emitted, by its name.
    pub(crate) probes: Map<String, Value>,
    pub(crate) threads: Vec<ThreadFacts>,
    /// Of live targets that were read.
    pub(crate) accounts: Option<Accounts>,
    /// As found when it was collected: snapshots do not have what it is made of.
    pub(crate) garbage: Option<Garbage>,
    /// What all objects of each type retain together, by the heap's table of types; where somebody has computed it, or the
    /// snapshot has it.
    pub(crate) retained_by_type: Option<Vec<u64>>,
    /// As found when it was collected, so that nobody has to wait for them again.
    pub(crate) suspects: Option<Vec<Suspect>>,
}

/// Whose heap it is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct TargetFacts {
    pub(crate) pid: i32,
    /// When the process started; with `pid` and `host` its identity.
    pub(crate) start_time: String,
    pub(crate) host: String,
    pub(crate) cmdline: Vec<String>,
    pub(crate) executable: String,
    pub(crate) rss_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) python: PythonFacts,
}

/// Which interpreter runs there.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct PythonFacts {
    /// As `platform.python_version()` says it: `3.11.7`.
    pub(crate) version: String,
    /// Built with `--with-pydebug`.
    pub(crate) debug: bool,
    pub(crate) free_threaded: bool,
}

/// How the heap was obtained, and at what cost to the target.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct CollectionFacts {
    pub(crate) collector: String,
    /// Why this collector and this way of freezing.
    pub(crate) reason: String,
    /// `twin`, `stop`, `live` or `none`: what we worked on.
    pub(crate) freeze: String,
    pub(crate) started_at: String,
    /// How long the target's threads could not run, in ms.
    pub(crate) pause_ms: f64,
    pub(crate) wall_ms: f64,
    /// Where the struct offsets came from: `dwarf`, `table`, `debug-offsets`.
    pub(crate) layout_source: String,
    pub(crate) warnings: Vec<Notice>,
}

/// How much of the heap was seen.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Coverage {
    pub(crate) objects: u64,
    pub(crate) gc_tracked: u64,
    pub(crate) frozen: u64,
    pub(crate) edges: u64,
    pub(crate) conservative_edges: u64,
    /// What was read and did not fit: dangling references, objects reported twice, records that could not be decoded.
    pub(crate) anomalies: u64,
    /// The collection ended before it was complete: counts are lower bounds.
    pub(crate) truncated: bool,
}

/// One thread and its Python stack.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ThreadFacts {
    /// `threading`'s identifier of it.
    pub(crate) ident: u64,
    pub(crate) name: String,
    /// Innermost first.
    pub(crate) frames: Vec<Frame>,
}

/// One Python frame.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// Module-qualified where known: `app.main`.
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) locals: Vec<LocalVariable>,
}

/// A local variable: its type, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct LocalVariable {
    /// Empty where the name cannot be had without changing the target.
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

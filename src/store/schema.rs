//! The layout of a snapshot file: its columns, how each is packed, and the facts kept beside them.
//!
//! Fixed by the number of the format: whoever changes a name, a type or a meaning here raises [`FORMAT`].
//! Sources: parquet-format `LogicalTypes.md` (LIST in three levels), `Encodings.md` (DELTA_BINARY_PACKED).

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{DeltaBinaryPackedEncoderOptions, EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::analyse::Findings;
use crate::heap::{
    Accounts, Capture, CollectionFacts, Coverage, Garbage, ObjectId, Root, Suspect, TargetFacts, ThreadFacts,
};

/// The number of the format that this program writes, and the newest it reads; it reads all before it.
pub(super) const FORMAT: u64 = 3;

/// Keys of the file's metadata.
pub(super) const FORMAT_KEY: &str = "memory-analyzer.format";
pub(super) const TOOL_KEY: &str = "memory-analyzer.tool";
pub(super) const CAPTURE_KEY: &str = "memory-analyzer.capture";
/// Length and CRC-32 of the rows, CRC-32 of the capture.
pub(super) const CHECKSUM_KEY: &str = "memory-analyzer.checksum";

/// Who wrote the file; said when it is too new for whoever reads it.
pub(super) const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// One row per object, by ascending address. `referents` are row numbers from 0 through the whole file (DuckDB's
/// `file_row_number`); `edge_names` runs beside it, null where an edge has no name. Indexes of lists and tuples are not
/// written down: they are the positions.
const HEAP: &str = "
    required int64 address (INTEGER(64, false));
    required binary type (STRING);
    required int64 size (INTEGER(64, false));
    required int32 flags;
    required group referents (LIST) { repeated group list { required int32 element (INTEGER(32, false)); } }
    required group edge_names (LIST) { repeated group list { optional binary element (STRING); } }";
/// How many these are.
pub(super) const HEAP_COLUMNS: usize = 6;

/// Since format 2, for those who ask by SQL; of all this we read `type_retained` alone. `dominator` is the row number of the
/// immediate dominator, null where that is no single object; `retained` null where no root reaches the object; `type_retained`
/// what all of its type retain together. The rest is whose heap it is, the same in every row, which takes next to no room.
const FOR_SQL: &str = "
    optional int32 dominator (INTEGER(32, false));
    optional int64 retained (INTEGER(64, false));
    required int64 type_retained (INTEGER(64, false));
    required binary host (STRING);
    required int32 pid;
    required binary start_time (STRING);
    required binary started_at (STRING);";
/// Its place among all columns.
pub(super) const TYPE_RETAINED: usize = 8;

/// Since format 3: what str and bytes of equal content have in common within this file; null where it is not known.
const CONTENTS: &str = "optional int64 content (INTEGER(64, false));";
/// Its place among all columns.
pub(super) const CONTENT: usize = 13;

/// DELTA_BINARY_PACKED packs so many values at a time, in so many parts of which each has a bit width of its own.
const BLOCK_VALUES: usize = 128;
const BLOCK_PARTS: usize = 4;

/// A file has at most so many objects, and so many references, per byte: of a block there remain at least the smallest
/// difference and the bit widths, one byte each.
pub(super) const MAX_VALUES_PER_BYTE: u64 = (BLOCK_VALUES / (1 + BLOCK_PARTS) + 1) as u64;

/// Level 1: higher ones cost more than the few percent they save.
const ZSTD_LEVEL: i32 = 1;

/// A dictionary that outgrew this is written as plain strings: it would no longer be one.
const DICTIONARY_BYTES: usize = 4 << 20;

/// That of a format which this program reads.
pub(super) fn schema(format: u64) -> TypePtr {
    let for_sql = if format < 2 { "" } else { FOR_SQL };
    let contents = if format < 3 { "" } else { CONTENTS };
    let message = format!("message heap {{ {HEAP} {for_sql} {contents} }}");
    Arc::new(parse_message_type(&message).expect("the schemas are constants that a test reads"))
}

/// How the columns are packed. Addresses and referents are not compressed beyond their differences: it saves little, and
/// so the length of a file says how much can be in it ([`MAX_VALUES_PER_BYTE`]).
pub(super) fn properties(facts: Vec<KeyValue>) -> Result<WriterProperties> {
    let column = |path: &[&str]| ColumnPath::new(path.iter().map(|&part| part.to_owned()).collect());
    let blocks = DeltaBinaryPackedEncoderOptions::try_new(BLOCK_VALUES, BLOCK_PARTS)?;
    let mut builder = WriterProperties::builder()
        .set_created_by(TOOL.to_owned())
        .set_key_value_metadata(Some(facts))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES);
    // Numbers that are all different.
    let content = column(&["content"]);
    builder = builder
        .set_column_dictionary_enabled(content.clone(), false)
        .set_column_compression(content, Compression::UNCOMPRESSED);
    for column in [column(&["address"]), column(&["referents", "list", "element"])] {
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_delta_binary_packed_encoder_options(column.clone(), blocks)
            .set_column_compression(column, Compression::UNCOMPRESSED);
    }
    // Many differ, but neighbours are alike: that is for the compression.
    Ok(builder.set_column_dictionary_enabled(column(&["dominator"]), false).build())
}

/// What is kept of a [`Capture`] beside the heap's columns, as JSON under [`CAPTURE_KEY`].
#[derive(Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) target: TargetFacts,
    pub(super) collection: CollectionFacts,
    pub(super) coverage: Coverage,
    pub(super) threads: Vec<ThreadFacts>,
    pub(super) roots: Vec<RootFact>,
    pub(super) probes: Map<String, Value>,
    /// Absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accounts: Option<Accounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) garbage: Option<Garbage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) suspects: Option<Vec<Suspect>>,
}

/// One root: the row of the object and why it lives.
#[derive(Serialize, Deserialize)]
pub(super) struct RootFact {
    pub(super) row: u32,
    #[serde(flatten)]
    pub(super) root: Root,
}

impl Facts {
    pub(super) fn of(capture: &Capture, findings: &Findings) -> Facts {
        let root = |(object, root): &(ObjectId, Root)| RootFact { row: object.0, root: root.clone() };
        Facts {
            target: capture.target.clone(),
            collection: capture.collection.clone(),
            coverage: capture.coverage.clone(),
            threads: capture.threads.clone(),
            roots: capture.heap.roots().iter().map(root).collect(),
            probes: capture.probes.clone(),
            accounts: capture.accounts.clone(),
            garbage: findings.garbage.clone(),
            suspects: findings.suspects.clone(),
        }
    }
}

//! A capture as a file that outlives its process: Parquet, one row per object, that any table tool opens as it is.
//!
//! Written whole or not at all, for the owner's eyes only. Whatever is read is untrusted: damage is an error with exit
//! code 9, never a panic, never more memory than the length of the file accounts for.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::checksum::{self, Summing};
use super::decode::{self, Damage, Decoded};
use super::schema::{self, CAPTURE_KEY, CHECKSUM_KEY, FORMAT, FORMAT_KEY, Facts, TOOL, TOOL_KEY};
use super::{encode, quiet, whole};
use crate::analyse::{Findings, Holdings};
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, ObjectId, TargetFacts};
use crate::units::printable;

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";
/// The length of the footer, then [`MAGIC`].
const TAIL_BYTES: u64 = 8;
/// Longest path and foreign text shown in a message.
const SHOWN: usize = 300;

/// Writes `capture` to `path`, in place of what is there, and says how many bytes that took. Who holds what in it, and what
/// else was found, is asked for as late as it is needed, and is none where the search has failed.
///
/// The file appears when it is complete, with mode 0600: until then it has another name in the same directory.
pub(crate) fn write<'f>(
    path: &Path,
    capture: &Capture,
    holdings: impl FnOnce() -> Option<&'f Holdings>,
    findings: impl FnOnce() -> Option<&'f Findings>,
) -> Result<u64> {
    let failed = |error| refused("write", path, error);
    let mut file = whole::begin(path).map_err(failed)?;
    encode_into(file.as_file_mut(), capture, holdings, findings).map_err(|error| match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => failed(*error),
            Err(other) => Error::new(Kind::Defect, format!("cannot write snapshot {}: {other}", shown(path))),
        },
        other => Error::new(Kind::Defect, format!("cannot write snapshot {}: {other}", shown(path))),
    })?;
    let length = whole::finish(file, path).map_err(failed)?;
    Ok(length)
}

fn encode_into<'f>(
    file: &mut File,
    capture: &Capture,
    holdings: impl FnOnce() -> Option<&'f Holdings>,
    findings: impl FnOnce() -> Option<&'f Findings>,
) -> parquet::errors::Result<()> {
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), Some(value));
    // The format first: it is looked for before the rest is understood.
    let pairs = [(FORMAT_KEY, FORMAT.to_string()), (TOOL_KEY, TOOL.to_owned())];
    let properties = schema::properties(pairs.map(|(key, value)| pair(key, value)).into())?;
    let (file, sum) = Summing::new(file);
    let mut writer = SerializedFileWriter::new(file, schema::schema(FORMAT), Arc::new(properties))?;
    encode::rows(capture, holdings, &mut writer)?;
    writer.flush()?;
    let findings = findings().ok_or_else(|| encode::not_found("garbage and suspects"))?;
    let facts = Facts::of(capture, findings);
    let facts = serde_json::to_string(&facts).map_err(|error| ParquetError::External(error.into()))?;
    let proof = sum.proof(&facts);
    writer.append_key_value_metadata(pair(CAPTURE_KEY, facts));
    writer.append_key_value_metadata(pair(CHECKSUM_KEY, proof));
    writer.finish()?;
    Ok(())
}

/// The capture in the snapshot at `path`.
pub(crate) fn read(path: &Path) -> Result<Capture> {
    read_as(path, decode)
}

/// Only whose heap is in the snapshot at `path`, and when it was collected.
pub(crate) fn origin(path: &Path) -> Result<(TargetFacts, String)> {
    read_as(path, |file, length| {
        let facts = decode_facts(&file, length)?.facts;
        Ok((facts.target, facts.collection.started_at))
    })
}

/// Opens the file at `path` and decodes it, with every refusal as an error.
fn read_as<T>(path: &Path, decode: impl FnOnce(File, u64) -> std::result::Result<T, Refusal>) -> Result<T> {
    let bad = |what: String| Error::new(Kind::BadFile, what);
    // Asked before it is opened: to open a pipe is to wait for its other end.
    let metadata = fs::metadata(path).map_err(|error| refused("read", path, error))?;
    if metadata.is_dir() {
        return Err(bad(format!("{} is a directory, not a snapshot", shown(path))).hint("name one of the files in it"));
    }
    if !metadata.is_file() {
        return Err(bad(format!("{} is not a regular file, as a snapshot is", shown(path))));
    }
    let file = File::open(path).map_err(|error| refused("read", path, error))?;
    let decoded = quiet::catch(|| decode(file, metadata.len()));
    match decoded.unwrap_or_else(|| Err(Refusal::Damaged("it cannot be decoded".to_owned()))) {
        Ok(decoded) => Ok(decoded),
        Err(Refusal::Foreign(what)) => Err(bad(format!("{} is not a snapshot: it is {what}", shown(path)))
            .hint("snapshots are the files that `memory-analyzer analyze` writes")),
        Err(Refusal::Newer { format, tool }) => Err(bad(format!(
            "cannot read snapshot {}: it has format {}, and this is {TOOL}, which reads formats up to {FORMAT}",
            shown(path),
            printable(&format, SHOWN)
        ))
        .hint(match tool {
            Some(tool) => format!("update memory-analyzer: the snapshot was written by {}", printable(&tool, SHOWN)),
            None => "update memory-analyzer".to_owned(),
        })),
        Err(Refusal::Damaged(how)) => {
            Err(bad(format!("snapshot {} is damaged: {}", shown(path), printable(&how, SHOWN)))
                .hint("snapshots are written whole or not at all: copy it again, or take a new one"))
        }
    }
}

/// Why a file is not read.
enum Refusal {
    /// Something else; said as "it is …".
    Foreign(&'static str),
    Newer {
        format: String,
        tool: Option<String>,
    },
    Damaged(Damage),
}

impl<T: Into<Damage>> From<T> for Refusal {
    fn from(damage: T) -> Refusal {
        Refusal::Damaged(damage.into())
    }
}

fn decode(file: File, length: u64) -> std::result::Result<Capture, Refusal> {
    let Opened { metadata, facts, proof } = decode_facts(&file, length)?;
    if !checksum::fits_rows(&proof, &file, length).map_err(|error| error.to_string())? {
        return Err("its rows do not fit their checksum".into());
    }
    let Decoded { mut heap, retained_by_type } = decode::columns(file, length, &metadata)?;
    heap.roots = facts.roots.into_iter().map(|fact| (ObjectId(fact.row), fact.root)).collect();
    Ok(Capture {
        target: facts.target,
        collection: facts.collection,
        coverage: facts.coverage,
        heap: heap.into_heap()?,
        probes: facts.probes,
        threads: facts.threads,
        accounts: facts.accounts,
        garbage: facts.garbage,
        suspects: facts.suspects,
        retained_by_type,
    })
}

/// A snapshot whose rows have not been looked at yet.
struct Opened {
    metadata: ParquetMetaData,
    facts: Facts,
    proof: String,
}

fn decode_facts(file: &File, length: u64) -> std::result::Result<Opened, Refusal> {
    let footer = footer(file, length)?;
    // Before the rest is decoded, for which a newer format may have another schema.
    let Some(format) = value_of(FORMAT_KEY, &footer) else {
        return Err(Refusal::Foreign("a Parquet file of another kind"));
    };
    let format = match format.parse::<u64>() {
        Ok(known @ 1..=FORMAT) => known,
        Ok(newer) if newer > FORMAT => return Err(Refusal::Newer { format, tool: value_of(TOOL_KEY, &footer) }),
        _ => return Err("its format has no number".into()),
    };
    // Our own schema in place of the file's, which the decoder would take at its word.
    let schema = Arc::new(SchemaDescriptor::new(schema::schema(format)));
    let options = ParquetMetaDataOptions::new().with_schema(schema);
    let metadata =
        ParquetMetaDataReader::decode_metadata_with_options(&footer, Some(&options)).map_err(decode::damage)?;
    drop(footer);
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| pairs.into_iter().flatten().find(|pair| pair.key == key)?.value.clone();
    let facts = value(CAPTURE_KEY).ok_or("the facts of the capture are missing")?;
    let proof = value(CHECKSUM_KEY).ok_or("its checksum is missing")?;
    if !checksum::fits_facts(&proof, &facts) {
        return Err("the facts of the capture do not fit their checksum".into());
    }
    let facts: Facts = serde_json::from_str(&facts).map_err(|error| format!("the facts of the capture: {error}"))?;
    Ok(Opened { metadata, facts, proof })
}

/// The file's metadata, still in Thrift.
fn footer(file: &File, length: u64) -> std::result::Result<Vec<u8>, Refusal> {
    let unreadable = |error: io::Error| Refusal::Damaged(error.to_string());
    let mut magic = [0; MAGIC.len()];
    match length {
        0 => return Err("it is empty".into()),
        _ if length < MAGIC.len() as u64 => return Err(Refusal::Foreign("no Parquet file")),
        _ => file.read_exact_at(&mut magic, 0).map_err(unreadable)?,
    }
    if magic != *MAGIC {
        return Err(Refusal::Foreign("no Parquet file"));
    }
    let mut tail = [0; TAIL_BYTES as usize];
    let end = length.checked_sub(TAIL_BYTES).ok_or("it ends too early")?;
    file.read_exact_at(&mut tail, end).map_err(unreadable)?;
    let (size, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err("it ends too early".into());
    }
    let size = u32::from_le_bytes(size.try_into().expect("four bytes were split off"));
    let start = end.checked_sub(u64::from(size)).filter(|&start| start >= MAGIC.len() as u64);
    let start = start.ok_or("its footer is longer than the file")?;
    let mut footer = vec![0; size as usize];
    file.read_exact_at(&mut footer, start).map_err(unreadable)?;
    Ok(footer)
}

/// The text under `key` in a footer that may be of a newer format: a KeyValue is two strings with their lengths, each
/// headed by 0x18 (Thrift compact: the next field, a string).
fn value_of(key: &str, footer: &[u8]) -> Option<String> {
    let at = footer.windows(key.len()).position(|window| window == key.as_bytes())?;
    let value = &footer[at + key.len()..];
    match value {
        // One byte of length is enough for what is looked for.
        [0x18, length @ ..=0x7f, text @ ..] => String::from_utf8(text.get(..usize::from(*length))?.to_vec()).ok(),
        _ => None,
    }
}

/// What the operating system said, as an error.
fn refused(doing: &str, path: &Path, error: io::Error) -> Error {
    // A file or directory that is not there is a name given wrongly; all else is the system's refusal.
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Kind::BadFile,
        _ => Kind::NotPermitted,
    };
    Error::new(kind, format!("cannot {doing} snapshot {}: {error}", shown(path)))
}

fn shown(path: &Path) -> String {
    format!("`{}`", printable(&path.to_string_lossy(), SHOWN))
}

#[cfg(test)]
mod tests;

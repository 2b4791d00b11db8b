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
use crate::analyse::Holdings;
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, ObjectId, TargetFacts};
use crate::units::printable;

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";
/// The length of the footer, then [`MAGIC`].
const TAIL_BYTES: u64 = 8;
/// Longest path and foreign text shown in a message.
const SHOWN: usize = 300;

/// Writes `capture`, and who holds what in it, to `path`, in place of what is there, and says how many bytes that took.
///
/// The file appears when it is complete, with mode 0600: until then it has another name in the same directory.
pub(crate) fn write(path: &Path, capture: &Capture, holdings: &Holdings) -> Result<u64> {
    let failed = |error| refused("write", path, error);
    let mut file = whole::begin(path).map_err(failed)?;
    encode_into(file.as_file_mut(), capture, holdings).map_err(|error| match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => failed(*error),
            Err(other) => Error::new(Kind::Defect, format!("cannot write snapshot {}: {other}", shown(path))),
        },
        other => Error::new(Kind::Defect, format!("cannot write snapshot {}: {other}", shown(path))),
    })?;
    let length = whole::finish(file, path).map_err(failed)?;
    Ok(length)
}

fn encode_into(file: &mut File, capture: &Capture, holdings: &Holdings) -> parquet::errors::Result<()> {
    let facts = serde_json::to_string(&Facts::of(capture)).map_err(|error| ParquetError::External(error.into()))?;
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), Some(value));
    // The format first: it is looked for before the rest is understood.
    let pairs = [(FORMAT_KEY, FORMAT.to_string()), (TOOL_KEY, TOOL.to_owned()), (CAPTURE_KEY, facts.clone())];
    let properties = schema::properties(pairs.map(|(key, value)| pair(key, value)).into())?;
    let (file, sum) = Summing::new(file);
    let mut writer = SerializedFileWriter::new(file, schema::schema(FORMAT), Arc::new(properties))?;
    encode::rows(capture, holdings, &mut writer)?;
    writer.flush()?;
    writer.append_key_value_metadata(pair(CHECKSUM_KEY, sum.proof(&facts)));
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
mod tests {
    use std::path::PathBuf;

    use std::os::unix::fs::PermissionsExt;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::json;

    use super::schema::{HEAP_COLUMNS, TYPE_RETAINED};
    use super::*;
    use crate::heap::{
        Accounts, CollectionFacts, Coverage, Flags, Frame, HeapBuilder, LocalVariable, PythonFacts, Root, TargetFacts,
        ThreadFacts, sample,
    };
    use crate::notice::Notice;
    use crate::units::Address;

    /// A capture with something in every field.
    fn capture() -> Capture {
        let heap = sample::heap(
            "m:builtins.module -> d.__dict__
             d:builtins.dict=232 -> l['KEEP'], e
             l:builtins.list=88 -> e, d
             e:app.Entry=48
             root m module app
             root l local app.main keep
             root e sys",
        );
        let locals = vec![LocalVariable { name: "keep".into(), kind: "builtins.list".into() }];
        let frame = Frame { function: "app.main".into(), file: "app.py".into(), line: 3, locals };
        Capture {
            target: TargetFacts {
                pid: 4711,
                cmdline: vec!["python".into(), "-m".into(), "app\u{1b}".into()],
                python: PythonFacts { version: "3.11.7".into(), debug: false, free_threaded: false },
                ..TargetFacts::default()
            },
            collection: CollectionFacts {
                pause_ms: 1.25,
                warnings: vec![Notice::new("module-missing", "no objgraph").hint("install it")],
                ..CollectionFacts::default()
            },
            coverage: Coverage { objects: 4, edges: 5, ..Coverage::default() },
            heap,
            probes: json!({"gc": {"thresholds": [700, 10, 10]}}).as_object().expect("an object").clone(),
            threads: vec![ThreadFacts { ident: u64::MAX, name: "MainThread".into(), frames: vec![frame] }],
            accounts: Some(Accounts { rss_bytes: 8192, parts: Vec::new() }),
            garbage: None,
            retained_by_type: None,
        }
    }

    /// Everything that can be asked of a capture.
    fn told(capture: &Capture) -> String {
        let Capture { heap, target, collection, coverage, probes, threads, accounts, .. } = capture;
        let object = |object: ObjectId| {
            let edges: Vec<_> = (0..heap.referents(object).len()).map(|i| heap.edge_name(object, i)).collect();
            let (kind, flags) = (heap.type_name_of(object), heap.flags(object));
            format!(
                "{} {kind} {} {flags:?} {:?} {edges:?}\n",
                heap.address(object),
                heap.size(object),
                heap.referents(object)
            )
        };
        let objects: String = heap.objects().map(object).collect();
        let facts = format!("{target:?}\n{collection:?}\n{coverage:?}\n{probes:?}\n{threads:?}\n{accounts:?}");
        format!("{objects}{:?}\n{facts}", heap.roots())
    }

    fn save(path: &Path, capture: &Capture) -> Result<u64> {
        write(path, capture, &Holdings::of(&capture.heap))
    }

    /// A directory with a snapshot in it.
    fn written() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("4711.parquet");
        save(&path, &capture()).expect("written");
        (directory, path)
    }

    fn names_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let (directory, path) = written();
        let length = save(&path, &capture()).expect("in place of the first");
        let metadata = fs::metadata(&path).expect("there");
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o7777), (length, 0o600));
        assert_eq!(names_in(directory.path()), ["4711.parquet"]);
        assert_eq!(told(&read(&path).expect("read")), told(&capture()));
    }

    #[test]
    fn a_failure_to_write_says_why_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let check = |path: &str, kind, cause: &str| {
            let error = save(&directory.path().join(path), &capture()).expect_err("this cannot be written");
            assert_eq!(error.kind, kind);
            assert!(error.text.starts_with("cannot write snapshot `/") && error.text.contains(cause), "{error}");
        };
        fs::create_dir_all(directory.path().join("there/inside")).expect("made");
        check("there", Kind::BadFile, "Is a directory");
        check("not/there", Kind::BadFile, "No such file or directory");
        assert_eq!(names_in(directory.path()), ["there"]);
    }

    /// What `read` says of a file with this content, without its directory; panics when it is read.
    fn refusal(content: &[u8]) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        fs::write(&path, content).expect("written");
        let error = read(&path).expect_err("this is no snapshot");
        assert_eq!(error.kind, Kind::BadFile);
        let text = error.text.replace(&format!("{}/", directory.path().display()), "");
        [text].into_iter().chain(error.hints).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn each_kind_of_bad_file_has_its_text() {
        let (directory, path) = written();
        let good = fs::read(&path).expect("read");
        let hint = "snapshots are written whole or not at all: copy it again, or take a new one";
        assert_eq!(refusal(b""), format!("snapshot `x` is damaged: it is empty | {hint}"));
        assert_eq!(refusal(&good[..good.len() - 1]), format!("snapshot `x` is damaged: it ends too early | {hint}"));
        assert_eq!(refusal(&good[..6]), format!("snapshot `x` is damaged: it ends too early | {hint}"));
        let claim = [&good[..4], &[0xff; 4], &good[..4]].concat();
        assert_eq!(refusal(&claim), format!("snapshot `x` is damaged: its footer is longer than the file | {hint}"));
        let hint = "snapshots are the files that `memory-analyzer analyze` writes";
        assert_eq!(refusal(b"#!"), format!("`x` is not a snapshot: it is no Parquet file | {hint}"));
        assert_eq!(refusal(b"#!/bin/sh"), format!("`x` is not a snapshot: it is no Parquet file | {hint}"));
        let mut foreign = Vec::new();
        SerializedFileWriter::new(&mut foreign, schema::schema(FORMAT), Default::default())
            .and_then(SerializedFileWriter::close)
            .expect("a Parquet file without our keys");
        assert_eq!(refusal(&foreign), format!("`x` is not a snapshot: it is a Parquet file of another kind | {hint}"));

        let error = read(directory.path()).expect_err("a directory");
        assert!(error.text.ends_with("` is a directory, not a snapshot"), "{error}");
        let error = read(Path::new("/dev/null")).expect_err("a device");
        assert_eq!(error.text, "`/dev/null` is not a regular file, as a snapshot is");
        let error = read(Path::new("/not/there")).expect_err("nothing");
        assert_eq!(error.text, "cannot read snapshot `/not/there`: No such file or directory (os error 2)");
        assert_eq!(error.kind.exit_code(), 9);
    }

    /// By the names of its columns alone, as any program would read it.
    #[test]
    fn others_read_who_holds_what_and_whose_it_is() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        use parquet::record::{Field, RowAccessor};

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        let heap = sample::heap(
            "m:builtins.module=1 -> a, b
             a:app.Node=10 -> s
             b:app.Node=20 -> s
             s:app.Shared=100
             g:app.Node=5 -> a
             root m module app",
        );
        let mut capture = Capture { heap, ..capture() };
        capture.target.host = "one".into();
        capture.target.start_time = "2026-01-02T03:04:05Z".into();
        capture.collection.started_at = "2026-01-02T04:00:00.250Z".into();
        save(&path, &capture).expect("written");
        let reader = SerializedFileReader::new(File::open(&path).expect("open")).expect("Parquet");
        let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect();
        let fields: Vec<Vec<Field>> =
            rows.iter().map(|row| row.get_column_iter().map(|(_, field)| field.clone()).collect()).collect();
        let names: Vec<&String> = rows[0].get_column_iter().map(|(name, _)| name).skip(HEAP_COLUMNS).collect();
        let expected = ["dominator", "retained", "type_retained", "host", "pid", "start_time", "started_at"];
        assert_eq!(names, expected);
        let held: Vec<_> = fields.iter().map(|row| row[HEAP_COLUMNS..TYPE_RETAINED + 1].to_vec()).collect();
        let row = |dominator: Option<u32>, retained: Option<u64>, of_type| {
            let dominator = dominator.map_or(Field::Null, Field::UInt);
            vec![dominator, retained.map_or(Field::Null, Field::ULong), Field::ULong(of_type)]
        };
        let node = |bytes: Option<u64>| row(bytes.map(|_| 0), bytes, 130);
        let module = row(None, Some(131), 131);
        assert_eq!(held, [module, node(Some(10)), node(Some(20)), row(Some(0), Some(100), 100), node(None)]);
        for row in rows {
            assert_eq!(row.get_string(TYPE_RETAINED + 1).expect("a text"), "one");
            assert_eq!(row.get_int(TYPE_RETAINED + 2).expect("a number"), 4711);
            assert_eq!(row.get_string(TYPE_RETAINED + 3).expect("a text"), "2026-01-02T03:04:05Z");
            assert_eq!(row.get_string(TYPE_RETAINED + 4).expect("a text"), "2026-01-02T04:00:00.250Z");
        }
    }

    /// `content` with the number of its format replaced.
    fn with_format(content: &[u8], format: u8) -> Vec<u8> {
        let key = FORMAT_KEY.as_bytes();
        let at = content.windows(key.len()).position(|window| window == key).expect("the key") + key.len();
        let mut content = content.to_vec();
        assert_eq!(content[at..at + 3], [0x18, 1, b'2']);
        content[at + 2] = format;
        content
    }

    #[test]
    fn a_newer_format_says_so() {
        let (_directory, path) = written();
        let good = fs::read(&path).expect("read");
        let newer = with_format(&good, b'3');
        assert_eq!(
            refusal(&newer),
            format!(
                "cannot read snapshot `x`: it has format 3, and this is {TOOL}, which reads formats up to 2 | \
                 update memory-analyzer: the snapshot was written by {TOOL}"
            )
        );
        assert!(refusal(&with_format(&good, b'x')).starts_with("snapshot `x` is damaged: its format has no number"));
        assert!(refusal(&with_format(&good, b'0')).starts_with("snapshot `x` is damaged: its format has no number"));
    }

    #[test]
    fn no_damage_is_a_panic() {
        let (directory, path) = written();
        let good = fs::read(&path).expect("read");
        let path = directory.path().join("spoiled");
        let mut refused = 0;
        for at in 0..good.len() {
            for spoil in [0xff, 0x80, 0x01] {
                let mut content = good.clone();
                content[at] ^= spoil;
                fs::write(&path, &content).expect("written");
                // Damage that makes another snapshot cannot be told from one; all other must end in an error.
                refused += usize::from(read(&path).is_err());
            }
        }
        assert!(refused > good.len(), "{refused} of {}", good.len());
        for length in 0..good.len() {
            assert!(refusal(&good[..length]).contains("snapshot"));
        }
    }

    #[test]
    fn a_file_too_small_for_what_it_claims_is_refused() {
        let mut builder = HeapBuilder::default();
        let kind = builder.type_id("builtins.float");
        for i in 0..200_000 {
            builder.object(Address(16 * i), kind, 24, Flags::default(), std::iter::empty());
        }
        let capture = Capture { heap: builder.finish().0, ..capture() };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        save(&path, &capture).expect("written");
        assert_eq!(read(&path).expect("the same as we write it").heap.len(), 200_000);

        // The same rows as one could compress them, ten thousandfold and more: not how we write.
        let good = ParquetMetaDataReader::new().parse_and_finish(&File::open(&path).expect("open")).expect("read");
        let mut facts = good.file_metadata().key_value_metadata().cloned().expect("facts");
        facts.retain(|pair| pair.key != CHECKSUM_KEY);
        let capture_fact = facts.iter().find(|pair| pair.key == CAPTURE_KEY).and_then(|pair| pair.value.clone());
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_key_value_metadata(Some(facts))
            .set_dictionary_enabled(false)
            .set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0)
            .set_compression(parquet::basic::Compression::ZSTD(Default::default()))
            .set_data_page_row_count_limit(usize::MAX)
            .build();
        let bomb_path = directory.path().join("bomb");
        let mut file = File::create(&bomb_path).expect("created");
        let (file, sum) = Summing::new(&mut file);
        let mut writer = SerializedFileWriter::new(file, schema::schema(FORMAT), properties.into()).expect("made");
        encode::rows(&capture, &Holdings::of(&capture.heap), &mut writer).expect("encoded");
        writer.flush().expect("flushed");
        // Whoever makes one can also make its checksum fit.
        let proof = sum.proof(&capture_fact.expect("the capture"));
        writer.append_key_value_metadata(KeyValue::new(CHECKSUM_KEY.to_owned(), Some(proof)));
        writer.finish().expect("finished");
        drop(writer);
        let bomb = fs::read(&bomb_path).expect("read");
        let claim = "snapshot `x` is damaged: it claims more objects or references than its length allows";
        assert!(refusal(&bomb).starts_with(claim), "{} bytes: {}", bomb.len(), refusal(&bomb));
    }

    prop_compose! {
        /// Objects in any order, with names that may be anything and edges that may go anywhere.
        fn heaps()(
            objects in vec((any::<u64>(), 0..4usize, any::<u64>(), 0..8u8, vec((any::<u16>(), 0..4usize), 0..6)), 0..40),
            names in vec(any::<String>(), 4),
            roots in vec((any::<u16>(), any::<String>()), 0..4),
        ) -> Capture {
            let mut builder = HeapBuilder::default();
            let kinds = ["builtins.list", "builtins.tuple", "", names[0].as_str()].map(|name| builder.type_id(name));
            let ids: Vec<u32> = names.iter().map(|name| builder.name_id(name)).collect();
            let address = |pick: u16| objects.get(pick as usize % objects.len().max(1)).map_or(0, |object| object.0);
            for (at, kind, size, flags, edges) in &objects {
                let edges = edges.iter().map(|&(to, name)| (address(to), ids[name]));
                builder.object(Address(*at), kinds[*kind], *size, Flags(*flags), edges);
            }
            for (object, name) in roots {
                builder.root(Address(address(object)), Root::Interpreter { name });
            }
            Capture { heap: builder.finish().0, ..capture() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_heap_comes_back(capture in heaps()) {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("x");
            save(&path, &capture).expect("written");
            let again = read(&path).expect("read");
            prop_assert_eq!(told(&again), told(&capture));
            prop_assert_eq!(again.retained_by_type, Some(Holdings::of(&again.heap).by_type));
        }
    }
}

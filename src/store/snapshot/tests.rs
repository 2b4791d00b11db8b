//! Round trips, what others read, and damage of every kind.

use std::path::PathBuf;

use std::os::unix::fs::PermissionsExt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::schema::{HEAP_COLUMNS, TYPE_RETAINED};
use super::*;
use crate::analyse::Holdings;
use crate::heap::{
    Accounts, CollectionFacts, Coverage, Flags, Frame, HeapBuilder, LocalVariable, PythonFacts, Root, Suspect,
    TargetFacts, ThreadFacts, sample,
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
    )
    .with_contents(vec![0, 0, 7, u64::MAX]);
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
        probes: json!({"gc": {"thresholds": [700, 10, 10]}}).as_object().expect("an object").clone(),
        threads: vec![ThreadFacts { ident: u64::MAX, name: "MainThread".into(), frames: vec![frame] }],
        accounts: Some(Accounts { rss_bytes: 8192, parts: Vec::new() }),
        suspects: Some(vec![Suspect { address: Address(u64::MAX), share: 0.25, ..Suspect::default() }]),
        ..sample::capture(heap)
    }
}

/// Everything that can be asked of a capture.
fn told(capture: &Capture) -> String {
    let Capture { heap, target, collection, coverage, probes, threads, accounts, suspects, .. } = capture;
    let object = |object: ObjectId| {
        let edges: Vec<_> = (0..heap.referents(object).len()).map(|i| heap.edge_name(object, i)).collect();
        let (kind, flags, referents) = (heap.type_name_of(object), heap.flags(object), heap.referents(object));
        let content = heap.contents().map(|contents| contents[object.index()]);
        let (address, size) = (heap.address(object), heap.size(object));
        format!("{address} {kind} {size} {flags:?} {content:?} {referents:?} {edges:?}\n")
    };
    let objects: String = heap.objects().map(object).collect();
    let facts =
        format!("{target:?}\n{collection:?}\n{coverage:?}\n{probes:?}\n{threads:?}\n{accounts:?}\n{suspects:?}");
    format!("{objects}{:?}\n{facts}", heap.roots())
}

fn save(path: &Path, capture: &Capture) -> Result<u64> {
    let (garbage, suspects) = (capture.garbage.clone(), capture.suspects.clone());
    let (holdings, findings) = (Holdings::of(&capture.heap), Findings { garbage, suspects });
    write(path, capture, || Some(&holdings), || Some(&findings))
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
    let expected = ["dominator", "retained", "type_retained", "host", "pid", "start_time", "started_at", "content"];
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

/// What was written once is read for ever. What types retain has been in snapshots since format 2, which
/// texts are equal since format 3.
#[test]
fn recordings_of_every_format_are_read() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let told = [("grown", 11_337, false, false), ("grown-2", 11_685, true, false), ("grown-3", 11_632, true, true)];
    for (name, objects, has_retained, has_contents) in told {
        let capture = read(&recordings.join(name).with_extension("parquet")).expect("read");
        assert_eq!(capture.heap.len(), objects, "{name}");
        assert_eq!(capture.heap.contents().is_some(), has_contents, "{name}");
        let computed = Holdings::of(&capture.heap).by_type;
        assert!(computed.iter().any(|&bytes| bytes > 0));
        assert_eq!(capture.retained_by_type, has_retained.then_some(computed), "{name}");
    }
}

/// `content` with the number of its format replaced.
fn with_format(content: &[u8], format: u8) -> Vec<u8> {
    let key = FORMAT_KEY.as_bytes();
    let at = content.windows(key.len()).position(|window| window == key).expect("the key") + key.len();
    let mut content = content.to_vec();
    assert_eq!(content[at..at + 3], [0x18, 1, b'3']);
    content[at + 2] = format;
    content
}

#[test]
fn a_newer_format_says_so() {
    let (_directory, path) = written();
    let good = fs::read(&path).expect("read");
    let newer = with_format(&good, b'4');
    assert_eq!(
        refusal(&newer),
        format!(
            "cannot read snapshot `x`: it has format 4, and this is {TOOL}, which reads formats up to 3 | \
             update memory-analyzer: the snapshot was written by {TOOL}"
        )
    );
    assert!(refusal(&with_format(&good, b'x')).starts_with("snapshot `x` is damaged: its format has no number"));
    assert!(refusal(&with_format(&good, b'0')).starts_with("snapshot `x` is damaged: its format has no number"));
    assert!(refusal(&with_format(&good, b'2')).starts_with("snapshot `x` is damaged: "), "it has more columns");
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
    let holdings = Holdings::of(&capture.heap);
    encode::rows(&capture, || Some(&holdings), &mut writer).expect("encoded");
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
        contents in vec(prop_oneof![Just(0), any::<u64>()], 40),
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
        let heap = builder.finish().0;
        // If not one is known, nobody has asked.
        let contents = [&[1][..], &contents].concat()[..heap.len()].to_vec();
        Capture { heap: heap.with_contents(contents), ..capture() }
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

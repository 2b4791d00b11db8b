//! `waste` of snapshots of live programs, against what the program measures on itself: copies, slotted classes, arrays.

use serde_json::Value;

use crate::assert_file_snapshot;
use crate::matrix::each_everywhere;
use crate::support::{Done, Python, Run, Target, root, usual};

fn waste(done: &Done, words: &[&str]) -> Value {
    let run = Run::new(["waste"]).arg(done.dir().join("snapshot")).args(["--format", "json", "--top", "0"]).args(words);
    let json = run.output().exits(0).json();
    assert_eq!((&json["schema"], &json["schema_version"]), (&"memory-analyzer/waste".into(), &1.into()));
    json
}

fn take(target: &Target, words: &[&str]) -> Done {
    let done = Run::analyze(&[target.pid]).args(["--top", "1", "-f", "snapshot"]).args(words).output().exits(0);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    done
}

fn rows<'w>(waste: &'w Value, kind: &str) -> &'w Vec<Value> {
    let found = waste["kinds"].as_array().unwrap().iter().find(|finding| finding["kind"] == kind);
    let finding = found.unwrap_or_else(|| panic!("no {kind} in {waste:#}"));
    let rows = finding["top"].as_array().unwrap();
    for amount in ["objects", "bytes", "saved_bytes"] {
        let sum: u64 = rows.iter().map(|row| row[amount].as_u64().unwrap()).sum();
        assert_eq!(finding[amount].as_u64(), Some(sum), "{kind}: {amount}");
    }
    rows
}

fn row<'w>(waste: &'w Value, kind: &str, name: &str) -> Option<&'w Value> {
    rows(waste, kind).iter().find(|row| row["type"] == name)
}

fn saved(waste: &Value, kind: &str, name: &str) -> u64 {
    row(waste, kind, name).map_or(0, |row| row["saved_bytes"].as_u64().unwrap())
}

/// Those of which much would be saved are the program's, to the byte.
fn texts_are_told(waste: &Value, oracle: &Value) {
    let amounts = |row: &Value| ["objects", "bytes", "saved_bytes"].map(|amount| row[amount].as_u64().unwrap());
    let large = rows(waste, "duplicate-texts").iter().filter(|row| row["saved_bytes"].as_u64() >= Some(10_000));
    let mut found: Vec<_> = large.map(|row| (row["type"].as_str().unwrap(), amounts(row))).collect();
    let expected = oracle["texts"].as_array().unwrap().iter();
    let mut expected: Vec<_> =
        expected.map(|row| (row[0].as_str().unwrap(), [1, 2, 3].map(|at| row[at].as_u64().unwrap()))).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn containers_are_told(waste: &Value, oracle: &Value) {
    for (name, expected) in oracle["sparse"].as_object().unwrap() {
        let row = row(waste, "sparse-containers", name).unwrap_or_else(|| panic!("no {name}"));
        let max = row["max_saved_bytes"].as_u64();
        assert_eq!(max, expected[1].as_u64(), "{name}: {row:#}");
        match name.as_str() {
            "dict of __main__.Loose" => assert_eq!(row["saved_bytes"], expected[0]),
            _ => assert_eq!(row["max_address"].as_str(), Some(&*format!("{:#x}", expected[0].as_u64().unwrap()))),
        }
    }
}

fn session(python: &Python, words: &[&str]) -> (Value, Value) {
    let target = Target::start(python, "waste.py", [""; 0]);
    let done = take(&target, words);
    (waste(&done, &[]), target.oracle().clone())
}

#[test]
fn is_what_would_be_saved_by_the_reader() {
    each_everywhere(|python| {
        let (waste, oracle) = session(python, &["-c", "reader", "--contents"]);
        assert_eq!(waste["notices"], Value::Array(Vec::new()));
        texts_are_told(&waste, &oracle);
        containers_are_told(&waste, &oracle);
        for (name, expected) in oracle["empty"].as_object().unwrap() {
            let row = row(&waste, "empty-containers", name).unwrap();
            let (objects, each) = (expected[0].as_u64().unwrap(), expected[1].as_u64().unwrap());
            // The interpreter may have a few more.
            assert!((objects..objects + 10).contains(&row["objects"].as_u64().unwrap()), "{row:#}");
            assert_eq!(
                (row["bytes"].as_u64(), &row["saved_bytes"]),
                (Some(row["objects"].as_u64().unwrap() * each), &row["bytes"])
            );
        }
        let lists = row(&waste, "empty-containers", "builtins.list").unwrap()["objects"].as_u64().unwrap();
        assert!((1000..=oracle["empty lists"].as_u64().unwrap()).contains(&lists), "{lists}");
        for (name, expected) in oracle["boxed"].as_object().unwrap() {
            let row = row(&waste, "boxed-numbers", name).unwrap();
            assert_eq!(&row["max_saved_bytes"], expected, "{name}");
        }
        let short = saved(&waste, "boxed-numbers", "builtins.list of builtins.int");
        let most = oracle["boxed short"].as_u64().unwrap();
        // Those that the interpreter has for itself are never freed, whichever of them these are.
        let own = oracle["small ints"].as_u64().unwrap() * 28;
        assert!((most - own..=most).contains(&short), "{short} of {most}");
        assert_eq!(saved(&waste, "instance-dicts", "__main__.Asked"), oracle["asked"].as_u64().unwrap());
        assert_eq!(saved(&waste, "instance-dicts", "__main__.Plain"), oracle["plain"].as_u64().unwrap());
        for class in ["Failure", "Unlike", "Odd"] {
            assert_eq!(saved(&waste, "instance-dicts", &format!("__main__.{class}")), 0, "{class}");
        }
    });
}

/// GDB tells no contents, and not the names of all edges: then less is told.
#[test]
fn is_no_more_than_would_be_saved_by_gdb() {
    let (waste, oracle) = session(usual(), &["-c", "gdb", "--probe", "heap", "--contents"]);
    assert_eq!(waste["notices"][0]["code"], "no-contents");
    containers_are_told(&waste, &oracle);
    for (name, expected) in oracle["boxed"].as_object().unwrap() {
        assert_eq!(&row(&waste, "boxed-numbers", name).unwrap()["max_saved_bytes"], expected, "{name}");
    }
    let asked = saved(&waste, "instance-dicts", "__main__.Asked");
    assert!(asked <= oracle["asked"].as_u64().unwrap(), "{asked}");
    assert!(saved(&waste, "instance-dicts", "__main__.Plain") <= oracle["plain"].as_u64().unwrap());
}

/// Nothing but which texts are equal is in a snapshot, and nothing at all unless asked for.
#[test]
fn contents_are_asked_for_and_are_not_kept() {
    let target = Target::start(usual(), "waste.py", [""; 0]);
    let without = take(&target, &["-c", "reader"]);
    let told = waste(&without, &[]);
    assert_eq!(told["notices"][0]["code"], "no-contents");
    assert!(told["kinds"].as_array().unwrap().iter().all(|finding| finding["kind"] != "duplicate-texts"));
    let with = Run::analyze(&[target.pid]).args(["-c", "reader", "-q", "-f", "snapshot"]);
    let with = with.env("MEMORY_ANALYZER_CONTENTS", "true").output().exits(0);
    texts_are_told(&waste(&with, &[]), target.oracle());
    let bytes = std::fs::read(with.dir().join("snapshot")).unwrap();
    assert!(!bytes.windows(200).any(|window| window == [b'a'; 200]));
    target.assert_unharmed();
    let gdb = Run::analyze(&[target.pid]).args(["-c", "gdb", "--probe", "heap", "--contents"]).output().exits(0);
    assert!(gdb.stderr.contains("`-c reader --contents`"), "{}", gdb.stderr);
    target.assert_unharmed();
}

/// The same everywhere: of recordings, of the first format too.
#[test]
fn of_recordings() {
    let told = |name: &str, words: &[&str]| {
        let recording = root().join("tests/recordings").join(name);
        let done = Run::new(["waste"]).arg(recording).args(words).output().exits(0);
        assert_eq!(done.stderr, "");
        done.stdout.replace(&root().display().to_string(), "[ROOT]")
    };
    assert_file_snapshot!("it_waste_text", told("grown-3.parquet", &["--top", "4"]));
    assert_file_snapshot!("it_waste_json", told("grown.parquet", &["--top", "1", "--format", "json"]));
}

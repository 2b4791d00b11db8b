//! `group` of snapshots of live programs: the classic session of heapy, from what grew to who refers to it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::assert_file_snapshot;
use crate::matrix::each_everywhere;
use crate::support::{Done, Python, Run, Target, root, usual};

fn group(snapshot: &Path, words: &[&str]) -> Vec<Value> {
    let done = Run::new(["group"]).arg(snapshot).args(words).args(["--format", "json"]).output().exits(0);
    assert_eq!(done.stderr, "");
    let json = done.json();
    assert_eq!((&json["schema"], &json["schema_version"]), (&"memory-analyzer/group".into(), &1.into()));
    json["groups"].as_array().unwrap().clone()
}

/// Key and count of each group.
fn counts(groups: &[Value]) -> Vec<(&str, u64)> {
    groups.iter().map(|row| (row["key"][0].as_str().unwrap(), row["count"].as_u64().unwrap())).collect()
}

fn take(target: &Target, file: &str, words: &[&str]) -> (Done, PathBuf) {
    let done = Run::analyze(&[target.pid]).args(["--top", "1", "-f", file]).args(words).output().exits(0);
    target.assert_unharmed();
    let path = done.dir().join(file);
    (done, path)
}

/// A heap, another, what has come, who refers to that, and who to those.
fn session(python: &Python, words: &[&str]) {
    let mut target = Target::start(python, "listeners.py", [""; 0]);
    let (_first, before) = take(&target, "before.parquet", words);
    let known = target.ask("241");
    assert_eq!(known["count"], 17 + 241);
    let (_second, after) = take(&target, "after.parquet", words);
    let since = ["--new-since", before.to_str().unwrap()];
    let new = |words: &[&str]| group(&after, &[&since, words].concat());

    let diff = Run::new(["diff", "--format", "json"]).args([&before, &after]).output().exits(0).report();
    let rows = diff["diff"]["types"].as_array().unwrap();
    let marker = rows.iter().find(|row| row["type"] == "__main__.Marker").unwrap();
    assert_eq!((&marker["count"], &marker["count_delta"]), (&258.into(), &241.into()));

    let markers = ["--type", "Marker"];
    assert_eq!(counts(&new(&markers)), [("__main__.Marker", 241)]);
    let via = new(&[&markers[..], &["--by", "via"]].concat());
    assert_eq!(
        counts(&via),
        [("builtins.list[…]", 240), ("__main__.Bus.last, builtins.list[…]", 1)],
        "the last one is an attribute, too"
    );
    // Upwards, step by step.
    let lists = group(&after, &["--refers-to", "Marker", "--type", "list"]);
    assert_eq!(counts(&lists), [("builtins.list", 1)]);
    assert_eq!(lists[0]["max_address"], known["listeners"]);
    let bus = group(&after, &["--refers-to", known["listeners"].as_str().unwrap()]);
    assert_eq!(counts(&bus), [("__main__.Bus", 1)]);
    assert_eq!(bus[0]["max_address"], known["bus"]);
    let module = group(&after, &["--type", "Bus", "--by", "via,owner"]);
    assert_eq!(module[0]["key"], json!(["__main__.BUS", "builtins.module"]));
    // Downwards.
    let notes = ["--referred-by", "Marker", "--min-size", "1000"];
    assert_eq!(counts(&group(&after, &notes)), [("builtins.bytearray", 258)]);
    let all = group(&after, &["--module", "__main__", "--by", "module"]);
    assert_eq!(all[0]["key"], json!(["__main__"]));

    // Of another process addresses mean nothing.
    let other = Target::start(python, "listeners.py", [""; 0]);
    let (_third, others) = take(&other, "other.parquet", words);
    let run = Run::new(["group"]).arg(&others).args(since);
    assert!(run.output().exits(2).stderr.contains("of another process"));
}

#[test]
fn the_classic_session_by_the_reader() {
    each_everywhere(|python| session(python, &["-c", "reader"]));
}

#[test]
fn the_classic_session_by_gdb() {
    session(usual(), &["-c", "gdb", "--probe", "heap"]);
}

/// The same everywhere: of recordings.
#[test]
fn of_recordings_in_text() {
    let recording = |name: &str| root().join(format!("tests/recordings/{name}.parquet")).display().to_string();
    let text = |words: &[&str]| {
        let done = Run::new(["group", &recording("grown")]).args(words).output().exits(0);
        assert_eq!(done.stderr, "");
        done.stdout.replace(&root().display().to_string(), "[ROOT]")
    };
    assert_file_snapshot!("it_groups_type", text(&["--top", "8"]));
    assert_file_snapshot!("it_groups_via", text(&["--type", "Entry", "--by", "via,owner", "--bytes"]));
    assert_file_snapshot!("it_groups_nothing", text(&["--type", "Entry", "--min-size", "1MiB"]));
}

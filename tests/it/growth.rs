//! `diff` of snapshots of live programs: where it grew, in the same process and after a restart, and what grows each time.

use std::path::PathBuf;

use serde_json::Value;

use crate::assert_file_snapshot;
use crate::matrix::each_everywhere;
use crate::support::{Done, Python, Run, Target, root};

fn take(target: &Target, file: &str) -> (Done, PathBuf) {
    let done = Run::analyze(&[target.pid]).args(["-c", "reader", "--top", "1", "-f", file]).output().exits(0);
    target.assert_unharmed();
    let path = done.dir().join(file);
    (done, path)
}

fn diff(row: &[&PathBuf]) -> Value {
    let done = Run::new(["diff", "--format", "json"]).args(row).output().exits(0);
    assert_eq!(done.stderr, "");
    done.report()["diff"].clone()
}

/// The rows of a type.
fn of<'d>(diff: &'d Value, part: &str, kind: &str) -> Vec<&'d Value> {
    diff[part].as_array().unwrap().iter().filter(|row| row["type"] == format!("__main__.{kind}")).collect()
}

fn check(python: &Python) {
    let mut target = Target::start(python, "listeners.py", [""; 0]);
    let first = target.oracle().clone();
    let (_a, a) = take(&target, "a.parquet");
    target.ask("241");
    let (_b, b) = take(&target, "b.parquet");
    let last = target.ask("100");
    let (_c, c) = take(&target, "c.parquet");
    let retained = |oracle: &Value| oracle["retained"].as_i64().unwrap();

    // Two of one process.
    let two = diff(&[&a, &c]);
    assert_eq!(two["by_way_of"], Value::Null);
    let marker = of(&two, "types", "Marker")[0];
    assert_eq!((&marker["count"], &marker["count_delta"]), (&358.into(), &341.into()));
    assert_eq!(marker["retained_bytes"], retained(&last));
    assert_eq!(marker["retained_delta"], retained(&last) - retained(&first));
    assert_eq!(of(&two, "types", "Once").len(), 1);
    let places = of(&two, "places", "Marker");
    assert_eq!(places.len(), 1, "the last one is at the same place before and after: {places:?}");
    assert_eq!(places[0]["place"], "__main__.BUS.listeners[…]");
    // Of those in the list now, 17 were there before, one of them at the other place.
    assert_eq!((&places[0]["count_delta"], &places[0]["new"]), (&341.into(), &340.into()));
    assert!(places[0]["retained_delta"].as_i64() > Some(340 * 1000), "{places:?}");

    // Three: what comes once, and what comes and goes, is not in it.
    let three = diff(&[&a, &b, &c]);
    assert_eq!(three["by_way_of"].as_array().map(Vec::len), Some(1));
    let marker = of(&three, "types", "Marker")[0];
    let steps: Vec<i64> = marker["steps"].as_array().unwrap().iter().map(|step| step.as_i64().unwrap()).collect();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0] * 100, steps[1] * 241, "each of the same size");
    assert_eq!(marker["bytes_delta"], steps[0] + steps[1]);
    assert!(of(&three, "types", "Once").is_empty() && of(&three, "types", "Request").is_empty());
    assert_eq!(of(&three, "places", "Marker")[0]["place"], "__main__.BUS.listeners[…]");

    // After a restart: by place, and nothing is said of who is new.
    let mut other = Target::start(python, "listeners.py", [""; 0]);
    other.ask("50");
    let (_other, d) = take(&other, "d.parquet");
    let restarted = diff(&[&a, &d]);
    let places = of(&restarted, "places", "Marker");
    assert_eq!((&places[0]["place"], &places[0]["count_delta"]), (&"__main__.BUS.listeners[…]".into(), &50.into()));
    assert_eq!(places[0]["new"], Value::Null);
}

#[test]
fn of_listeners_that_nobody_takes_away() {
    each_everywhere(check);
}

/// The same everywhere: of recordings.
#[test]
fn of_recordings_in_text() {
    let recording = |name: &str| root().join(format!("tests/recordings/{name}.parquet")).display().to_string();
    let (before, grown) = (recording("before"), recording("grown"));
    let run = Run::new(["diff", &before, &grown, &grown, "--top", "3"]);
    let shown = run.output().exits(0).stdout.replace(&root().display().to_string(), "[ROOT]");
    assert_file_snapshot!("it_diff_several", shown);
}

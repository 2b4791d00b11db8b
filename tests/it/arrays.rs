//! numpy's arrays and pandas' tables through the reader: sizes to the byte, owners and views, and what a table keeps.

use std::collections::HashSet;

use serde::Deserialize;

use crate::support::snapshot::{self, Objects};
use crate::support::{Run, Target, python};

/// What arrays.py says of one of its objects.
#[derive(Deserialize, Debug)]
struct Truth {
    name: String,
    address: u64,
    #[serde(rename = "type")]
    type_name: String,
    size: Option<u64>,
    /// Some of what it refers to.
    referents: Vec<u64>,
    /// Some of what it keeps alive.
    reached: Vec<u64>,
}

/// By way of these there is everything.
const EVERYWHERE: [&str; 4] = ["builtins.type", "abc.ABCMeta", "builtins.module", "builtins.function"];

/// Everything that there is a way to from this address, but by what leads everywhere.
fn reachable(objects: &Objects, from: u64) -> HashSet<u64> {
    let (mut found, mut pending) = (HashSet::from([from]), vec![from]);
    while let Some(address) = pending.pop() {
        let object = objects.get(&address).filter(|object| !EVERYWHERE.contains(&object.kind.as_str()));
        let referents = object.into_iter().flat_map(|object| &object.referents);
        pending.extend(referents.filter(|&&referent| found.insert(referent)));
    }
    assert!(found.len() < objects.len() / 10, "{} of {} objects: that is everywhere", found.len(), objects.len());
    found
}

fn wrong(truth: &Truth, objects: &Objects) -> Vec<String> {
    let Some(object) = objects.get(&truth.address) else { return vec!["absent".to_owned()] };
    let mut wrong = Vec::new();
    if object.kind != truth.type_name {
        wrong.push(format!("a {}", object.kind));
    }
    if let Some(size) = truth.size.filter(|&size| size != object.size) {
        wrong.push(format!("{} bytes instead of {size}", object.size));
    }
    if !truth.referents.iter().all(|referent| object.referents.contains(referent)) {
        wrong.push(format!("refers to {:x?}, not to {:x?}", object.referents, truth.referents));
    }
    if !truth.reached.is_empty() {
        let found = reachable(objects, truth.address);
        let lost: Vec<&u64> = truth.reached.iter().filter(|address| !found.contains(address)).collect();
        if !lost.is_empty() {
            wrong.push(format!("no way to {lost:x?}"));
        }
    }
    wrong
}

#[test]
fn of_numpy_and_pandas() {
    let Some(python) = python::with_arrays() else { return };
    let target = Target::start(&python, "arrays.py", [""; 0]);
    let run = Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json", "-q", "-f", "snapshot"]);
    let done = run.output().exits(0);
    assert_eq!(done.report()["coverage"]["truncated"], false);
    target.assert_unharmed();
    target.assert_nothing_mapped();

    let truths = Vec::<Truth>::deserialize(target.oracle()).unwrap();
    assert!(truths.len() > 40, "only {} objects", truths.len());
    assert!(truths.iter().map(|truth| truth.reached.len()).sum::<usize>() > 15, "the tables have no arrays");
    let objects = snapshot::open(&done.dir().join("snapshot"));
    let of = |truth: &Truth| wrong(truth, &objects).into_iter().map(|text| format!("{}: {text}", truth.name)).collect();
    let all: Vec<String> = truths.iter().flat_map(|truth| -> Vec<String> { of(truth) }).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

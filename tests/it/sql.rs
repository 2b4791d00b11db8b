//! SQL on a folder of snapshots, by engines that are not ours and know nothing of us: the statements are README's, the answers
//! what the targets know of themselves and what our own reports say.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, Target, program, root, root_or_say, say, usual};

/// Of a type: objects, bytes, bytes retained.
type Sums = BTreeMap<String, [u64; 3]>;

/// README's statements, in their order.
fn statements() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = text.split("\n## ").find(|part| part.starts_with("More than one machine")).expect("the section");
    let blocks = section.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.contains("FROM objects")).collect()
}

/// The interpreter of a virtual environment below target/site that has a module; what there is none of is said.
fn with(site: &str, module: &str) -> Option<PathBuf> {
    let python = root().join(format!("target/site/{site}/bin/python"));
    let found = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        say(&format!("not tested: SQL by {site}: no {module} in target/site/{site}"));
    }
    found.then_some(python)
}

/// The rows that an engine answers each statement with.
fn answers(engine: &str, python: &Path, folder: &Path, statements: &[String]) -> Vec<Vec<Vec<Value>>> {
    let mut command = Command::new(python);
    command.arg(program("sql.py")).arg(engine).arg(folder).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for statement in statements {
        writeln!(input, "{}", json!(statement)).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), statements.len());
    rows
}

/// Snapshots of two programs at two times, each as on a host of its own, and what is true of them.
struct Fleet {
    folder: TempDir,
    /// Of each program: what it says of its listeners, before and after.
    oracles: [[Value; 2]; 2],
    /// Of each program: our report, before and after.
    reports: [[Value; 2]; 2],
}

const HOSTS: [&str; 2] = ["one", "two"];

fn fleet() -> Fleet {
    let folder = tempfile::tempdir().unwrap();
    let take = |target: &Target, host: &str, when: &str| {
        let file = folder.path().join(format!("{host}-{when}.parquet"));
        let script = format!("hostname {host} && exec \"$@\"");
        let run = Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json", "-q", "-f"]).arg(file);
        let report = run.by(["unshare", "-u", "sh", "-c", &script, "sh"]).output().exits(0).report();
        target.assert_unharmed();
        report
    };
    let mut targets = HOSTS.map(|_| Target::start(usual(), "listeners.py", [""; 0]));
    let mut part = |host: usize, more: &str| {
        let target = &mut targets[host];
        let before = (target.oracle().clone(), take(target, HOSTS[host], "before"));
        let after = (target.ask(more), take(target, HOSTS[host], "after"));
        ([before.0, after.0], [before.1, after.1])
    };
    let (one, two) = (part(0, "241"), part(1, "50"));
    Fleet { folder, oracles: [one.0, two.0], reports: [one.1, two.1] }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Both statements of README, by one engine.
fn check(engine: &str, python: &Path, fleet: &Fleet) {
    let [top, growth] = statements().try_into().expect("two statements");
    let of_markers = |statement: &str| {
        statement.replace("FROM objects", "FROM (SELECT * FROM objects WHERE type = '__main__.Marker')")
    };
    let (whole, limit) = top.rsplit_once("LIMIT").expect("the table is cut");
    let all = [whole.to_owned(), growth.clone(), of_markers(&growth), top.clone()];
    let [types, hosts, markers, first] = answers(engine, python, fleet.folder.path(), &all).try_into().expect("four");

    // What types retain: the same sums as in our reports, and what the programs know of their listeners.
    let mut found = Sums::new();
    for row in &types {
        let [kind, processes, objects, bytes, retained] = &row[..] else { panic!("{row:?}") };
        assert!((1..=2).contains(&number(processes)), "{row:?}");
        found.insert(kind.as_str().unwrap().to_owned(), [objects, bytes, retained].map(number));
    }
    let mut told = Sums::new();
    for [_, newest] in &fleet.reports {
        for row in newest["types"].as_array().unwrap() {
            let sums = told.entry(row["type"].as_str().unwrap().to_owned()).or_default();
            let here = ["count", "bytes", "retained_bytes"].map(|field| number(&row[field]));
            sums.iter_mut().zip(here).for_each(|(sum, here)| *sum += here);
        }
    }
    assert_eq!(found, told);
    let known = |field: &str| fleet.oracles.iter().map(|[_, after]| number(&after[field])).sum::<u64>();
    let marker = number(&fleet.oracles[0][0]["marker"]);
    let count = known("count");
    assert_eq!(found["__main__.Marker"], [count, count * marker, known("retained")]);
    let retained: Vec<u64> = first.iter().map(|row| number(&row[4])).collect();
    assert_eq!(retained.len().to_string(), limit.trim());
    assert!(retained.is_sorted_by(|a, b| a >= b), "{retained:?}");

    // Growth: of all, as in our reports; of the listeners, as the programs know.
    let growth = |rows: &[Vec<Value>]| -> Vec<(String, u64)> {
        rows.iter().map(|row| (row[0].as_str().unwrap().to_owned(), number(&row[3]))).collect()
    };
    let bytes = |report: &Value| number(&report["totals"]["bytes"]);
    let grown = fleet.reports.each_ref().map(|[before, after]| bytes(after) - bytes(before));
    assert_eq!(growth(&hosts), [("one".to_owned(), grown[0]), ("two".to_owned(), grown[1])]);
    assert_eq!(growth(&markers), [("one".to_owned(), 241 * marker), ("two".to_owned(), 50 * marker)]);
}

#[test]
fn of_two_hosts() {
    let Some(python) = with("duckdb", "duckdb") else { return };
    if !root_or_say("SQL on snapshots of two hosts") {
        return;
    }
    let fleet = fleet();
    check("duckdb", &python, &fleet);

    // By row numbers: all but the last listener, which something else refers to as well, hang on the list alone.
    let statement = "SELECT above.address, count(*) FROM objects JOIN objects AS above ON objects.dominator = above.file_row_number \
                     AND objects.host = above.host AND objects.started_at = above.started_at \
                     WHERE objects.type = '__main__.Marker' AND above.type = 'builtins.list' GROUP BY 1 ORDER BY 2";
    let rows = answers("duckdb", &python, fleet.folder.path(), &[statement.to_owned()]).remove(0);
    let mut expected = BTreeMap::<u64, u64>::new();
    for oracle in fleet.oracles.iter().flatten() {
        let list = u64::from_str_radix(oracle["listeners"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        *expected.entry(list).or_default() += number(&oracle["count"]) - 1;
    }
    let found: BTreeMap<u64, u64> = rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
    assert_eq!(found, expected);

    let java = || Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    match with("spark", "pyspark") {
        Some(python) if java() => check("spark", &python, &fleet),
        Some(_) => say("not tested: SQL by spark: no Java"),
        None => {}
    }
}

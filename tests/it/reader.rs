//! The reader: the whole heap from outside, of targets in every state, none of which runs a line of Python for it.
//!
//! `IT_COLLECTOR=gdb` runs what is here through GDB, which shows whether a test or the reader is wrong.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::live::{assert_user_classes, differences};
use crate::matrix::each_everywhere;
use crate::support::snapshot::{self, Objects};
use crate::support::{Done, Python, Run, Target, each, number, process, root_or_say, say, signal, soon, usual};

/// How many readings in a row, of all busy targets together; a longer run by `IT_READINGS=1000`.
const READINGS: u64 = 60;
/// More resident memory than after the first reading, which a target's own allocators may take.
const GROWTH: u64 = 8 << 20;

/// Of these the reader may find more than others: what C code alone refers to, so that no `tp_traverse` and no attribute
/// leads to it. Names in descriptors and modules, strings that are merely interned, caches of code objects, values of what
/// the collector does not know.
const HELD_BY_C: [&str; 6] =
    ["builtins.str", "builtins.bytes", "builtins.int", "builtins.tuple", "builtins.dict", "builtins.weakref"];
/// Of these too, where the zoo has some: parts of connections to sqlite (to 3.9), times that the module keeps (3.13), fields of
/// `os.stat_result` beyond its length (to 3.7).
const HELD_IN_THE_ZOO: [&str; 5] =
    ["builtins.sqlite3Node", "sqlite3.Cache", "sqlite3.Statement", "datetime.datetime", "builtins.float"];
/// What these refer to GDB knows better: their state in C is behind pointers. The objects are found otherwise.
const STATE_IN_C: [&str; 2] = ["builtins.module", "builtins.PyCapsule"];
/// Of these GDB may find more: for a frame that runs, it makes an object when it asks for it.
const MADE_BY_GDB: [&str; 1] = ["builtins.frame"];

fn collector() -> String {
    std::env::var("IT_COLLECTOR").unwrap_or_else(|_| "reader".to_owned())
}

fn analyze(target: &Target, words: &[&str]) -> Run {
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "--collector", &collector()]);
    let run = if collector() == "gdb" { run.args(["--probe", "heap", "--max-hold", "20"]) } else { run };
    run.args(words)
}

/// An orderly report.
#[track_caller]
fn read(target: &Target, words: &[&str]) -> (Done, Value) {
    let done = analyze(target, words).output().exits(0);
    let report = done.report();
    let how = &report["collection"];
    assert_eq!(how["collector"], collector(), "{how}");
    if let [.., "--freeze", freeze] = words {
        assert_eq!(how["freeze"], *freeze, "{how}");
    }
    assert!(how["pause_ms"].is_number(), "{how}");
    assert_eq!(report["coverage"]["truncated"], false, "{}", report["coverage"]);
    (done, report)
}

/// Everything that the census has, and more of nothing but what is named above.
#[track_caller]
fn assert_covers(report: &Value, target: &Target) {
    let wrong = differences(report, target, &HELD_BY_C);
    assert!(wrong.is_empty(), "count and bytes differ:\n{}", wrong.join("\n"));
    assert_eq!(report["coverage"]["anomalies"], 0, "{}", report["coverage"]);
}

/// One of live.py's modes in which it does not answer.
fn silent(python: &Python, mode: &str) {
    assert_read(&Target::start(python, "live.py", [mode]));
}

/// By every way there is the heap of live.py is found.
#[track_caller]
pub(crate) fn assert_read(target: &Target) {
    for freeze in if collector() == "gdb" { &["twin", "stop"][..] } else { &["twin", "stop", "live"] } {
        let (_, report) = read(target, &["--freeze", freeze]);
        assert_user_classes(&report, target.oracle());
        assert_covers(&report, target);
        target.assert_unharmed();
        target.assert_nothing_mapped();
    }
}

/// One in which it answers: it is as it was. `still`: its heap does not change while it is looked at.
fn asked(python: &Python, mode: &str, still: bool) {
    let mut target = Target::start(python, "live.py", [mode]);
    let (_, mut before) = (target.ask("state"), target.ask("state"));
    for freeze in ["twin", "stop"] {
        let (_, report) = read(&target, &["--freeze", freeze]);
        assert_user_classes(&report, target.oracle());
        assert_eq!(report["coverage"]["frozen"], before["frozen"]);
        target.assert_unharmed();
        target.assert_nothing_mapped();
        let after = target.ask("state");
        for part in ["modules", "path", "main", "enabled", "frozen", "trace"] {
            assert_eq!(after[part], before[part], "{part}, {freeze}");
        }
        if still {
            assert_covers(&report, &target);
            for part in ["objects", "collections", "ticks"] {
                assert_eq!(after[part], before[part], "{part}, {freeze}");
            }
        } else {
            target.assert_goes_on(&after);
        }
        before = after;
    }
}

#[test]
fn idle() {
    each(|_| true, |python| silent(python, "idle"));
    each(|_| true, |python| asked(python, "idle", true));
}

#[test]
fn in_select() {
    each(|_| true, |python| silent(python, "select"));
}

#[test]
fn busy() {
    each(|_| true, |python| asked(python, "busy", false));
}

#[test]
fn four_busy_threads() {
    each(|_| true, |python| asked(python, "threads", false));
}

#[test]
fn an_asyncio_loop() {
    each(|_| true, |python| asked(python, "asyncio", false));
}

#[test]
fn a_c_call_that_keeps_the_gil() {
    each(|_| true, |python| silent(python, "gilhold"));
}

#[test]
fn a_c_call_that_keeps_the_gil_for_ever() {
    each(|_| true, |python| silent(python, "gilpause"));
}

#[test]
fn a_deadlock() {
    each(|_| true, |python| silent(python, "deadlock"));
}

#[test]
fn a_frozen_heap() {
    each(
        |python| python.minor() >= 7,
        |python| {
            silent(python, "frozen");
            let target = Target::start(python, "live.py", ["frozen"]);
            let (_, report) = read(&target, &[]);
            assert!(report["coverage"]["frozen"].as_u64() > Some(1000), "{}", report["coverage"]);
        },
    );
}

/// Someone has stopped it: it is read as it is, and left as it was.
#[test]
fn a_stopped_process() {
    each(
        |_| true,
        |python| {
            let mut target = Target::start(python, "live.py", ["idle"]);
            let stopped = |pid: i32| {
                let state = process::status_field(pid, "State:").unwrap_or_default();
                if state.starts_with('T') { Ok(()) } else { Err(state) }
            };
            signal("STOP", target.pid.into());
            soon("stopped", || stopped(target.pid));
            let (_, report) = read(&target, &[]);
            assert_eq!(stopped(target.pid), Ok(()));
            assert_eq!(process::status_field(target.pid, "TracerPid:").as_deref(), Some("0"));
            assert_eq!(process::children(target.pid), process::NONE);
            assert_user_classes(&report, target.oracle());
            assert_covers(&report, &target);
            signal("CONT", target.pid.into());
            soon("it goes on", || process::free(target.pid));
            target.ask("state");
            target.assert_unharmed();
        },
    );
}

/// No twin can be made of it: what is read is the target itself.
#[test]
fn under_a_seccomp_filter() {
    if !root_or_say("a target under a seccomp filter") {
        return;
    }
    each(
        |_| true,
        |python| {
            let target = Target::start(python, "filtered.py", [""; 0]);
            let (done, report) = read(&target, &[]);
            assert_eq!(report["collection"]["freeze"], "stop", "{}", report["collection"]);
            assert!(done.stderr.contains("seccomp"), "{}", done.stderr);
            for class in ["__main__.Instruction", "__main__.Program"] {
                assert_eq!(row(&report, class).0, 1, "{class}");
            }
            target.assert_unharmed();
            target.assert_nothing_mapped();
        },
    );
}

/// What every interpreter has is not there: as if it were laid out otherwise, it is not read.
#[test]
fn what_does_not_fit_is_refused() {
    each(
        |_| true,
        |python| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("sitecustomize.py"), "import sys; sys.version = '3.0.1 (a lie)'")
                .unwrap();
            let target = Target::how(python, "live.py", ["idle"]).env("PYTHONPATH", folder.path()).now();
            for freeze in ["twin", "stop", "live"] {
                let done = Run::analyze(&[target.pid]).args(["-c", "reader", "--freeze", freeze]).output().exits(4);
                assert!(
                    done.stderr.contains("`sys.version` reads \"3.0.1 (a lie)\", which is not 3."),
                    "{}",
                    done.stderr
                );
                assert!(done.stderr.contains("hint: "), "{}", done.stderr);
                assert_eq!(done.stdout, "");
                target.assert_unharmed();
                target.assert_nothing_mapped();
            }
        },
    );
}

/// Count and bytes of a type.
pub(crate) fn row(report: &Value, name: &str) -> (u64, u64) {
    let rows = report["types"].as_array().expect("types");
    let row = rows.iter().find(|row| row["type"] == name);
    row.map_or((0, 0), |row| (row["count"].as_u64().unwrap(), row["bytes"].as_u64().unwrap()))
}

/// The objects of restless.py that are always there.
#[track_caller]
fn assert_kept(report: &Value, target: &Target) {
    for (name, said) in target.oracle().as_object().expect("types") {
        let [count, each] = [0, 1].map(|part| said[part].as_u64().unwrap());
        if count > 0 {
            assert_eq!(row(report, name), (count, count * each), "{name}");
        }
    }
}

/// A process that never rests, or has much of something.
fn restless(python: &Python, mode: &str) {
    let mut target = Target::how(python, "restless.py", [mode]).parent().now();
    for freeze in ["twin", "stop"] {
        target.ask("go");
        let (_, report) = read(&target, &["--freeze", freeze]);
        assert_kept(&report, &target);
        // What is mapped changes by itself in such a process: others tell whether something of ours is left.
        assert_rests(&mut target);
    }
}

/// At rest it has nothing that it did not make, and has lost nothing.
#[track_caller]
fn assert_rests(target: &mut Target) {
    let counts = target.ask("rest");
    assert_eq!(counts["wrong"], 0, "{counts}");
    assert_eq!(process::unharmed(target.pid), Ok(()));
    target.assert_unharmed();
}

#[test]
fn in_the_middle_of_a_collection() {
    each(|_| true, |python| (0..5).for_each(|_| restless(python, "collect")));
}

#[test]
fn having_children_all_the_time() {
    each(|_| true, |python| restless(python, "fork"));
}

#[test]
fn starting_threads_all_the_time() {
    each(|_| true, |python| restless(python, "threads"));
}

#[test]
fn getting_signals_all_the_time() {
    each(|_| true, |python| restless(python, "signals"));
}

#[test]
fn two_hundred_threads() {
    each(|_| true, |python| restless(python, "many"));
}

/// 3.6 and 3.7 have none that Python code could make.
#[test]
fn interpreters_beside_the_first() {
    each(|python| python.minor() >= 8, |python| restless(python, "interpreters"));
}

/// Many in a row of targets that are busy: nothing lost, nothing hung, nothing changed.
#[test]
fn many_readings() {
    let busy = [
        ("live.py", "busy"),
        ("live.py", "threads"),
        ("live.py", "asyncio"),
        ("restless.py", "collect"),
        ("restless.py", "fork"),
        ("restless.py", "threads"),
        ("restless.py", "signals"),
    ];
    let times = number("IT_READINGS", READINGS).div_ceil(busy.len() as u64);
    for (program, mode) in busy {
        let mut target = Target::how(usual(), program, [mode]).parent().now();
        let mut resident = 0;
        for round in 0..times {
            let freeze = if round % 4 == 3 { "stop" } else { "twin" };
            let (_, report) = read(&target, &["-q", "--freeze", freeze]);
            if program == "live.py" {
                assert_user_classes(&report, target.oracle());
            } else {
                assert_kept(&report, &target);
            }
            assert_eq!(process::free(target.pid), Ok(()), "{mode}, round {round}");
            if round == 0 {
                resident = process::resident(target.pid);
            }
        }
        let state = target.ask("state");
        target.assert_goes_on(&state);
        if program == "live.py" {
            assert_eq!(process::unharmed(target.pid), Ok(()));
            target.assert_nothing_mapped();
        } else {
            assert_rests(&mut target);
        }
        target.assert_unharmed();
        let grown = process::resident(target.pid).saturating_sub(resident);
        assert!(grown <= GROWTH, "{mode}: it grew by {grown} bytes");
        say(&format!("{times} readings of {program} {mode}"));
    }
}

/// What is in one heap only, and what differs, by type: how many, and the first of them.
fn compared(read: &Objects, told: &Objects, may_be_more: &dyn Fn(&str) -> bool) -> BTreeMap<String, (u64, String)> {
    let mut table = BTreeMap::new();
    let mut add = |what: String, address: u64| {
        table.entry(what).or_insert_with(|| (0, format!("{address:#x}"))).0 += 1;
    };
    for (&address, object) in read {
        if !told.contains_key(&address) && !may_be_more(&object.kind) {
            add(format!("{}: found by the reader only", object.kind), address);
        }
    }
    for (&address, object) in told {
        let Some(same) = read.get(&address) else {
            if !MADE_BY_GDB.contains(&object.kind.as_str()) {
                add(format!("{}: found by GDB only", object.kind), address);
            }
            continue;
        };
        if same.kind != object.kind {
            add(format!("{}: to the reader a {}", object.kind, same.kind), address);
        }
        if same.size != object.size {
            add(format!("{}: {} bytes, to the reader {}", object.kind, object.size, same.size), address);
        }
        let known: HashSet<u64> = same.referents.iter().copied().collect();
        for referent in object.referents.iter().filter(|referent| !known.contains(referent)) {
            let kind = told.get(referent).map_or("?", |referent| &referent.kind);
            if !MADE_BY_GDB.contains(&kind) && !STATE_IN_C.contains(&object.kind.as_str()) {
                add(format!("{}: the reader misses a referent of type {kind}", object.kind), address);
            }
        }
    }
    table
}

/// The reader and GDB on the same idle target: object for object, and so the same table.
fn the_same(python: &Python, program: &str, words: &[&str], more: &[&str]) {
    let target = Target::start(python, program, words);
    let heap = |collector: &str| {
        let run = Run::analyze(&[target.pid]).args(["--format", "json", "-q", "-f", "snapshot", "-c", collector]);
        let done = run.output().exits(0);
        let report = done.report();
        assert_eq!(report["collection"]["collector"], collector);
        (snapshot::open(&done.dir().join("snapshot")), report)
    };
    let ((read, read_report), (told, told_report)) = (heap(&collector()), heap("gdb"));
    let may_be_more = |name: &str| HELD_BY_C.contains(&name) || more.contains(&name);
    let lines = compared(&read, &told, &may_be_more)
        .into_iter()
        .map(|(what, (count, first))| format!("  {count} {what}, e.g. {first}\n"));
    let table: String = lines.collect();
    assert!(table.is_empty(), "{program}:\n{table}");
    for theirs in told_report["types"].as_array().expect("types") {
        let name = theirs["type"].as_str().unwrap();
        if !may_be_more(name) && !MADE_BY_GDB.contains(&name) {
            assert_eq!(row(&read_report, name), row(&told_report, name), "{name}");
        }
    }
    target.assert_unharmed();
}

#[test]
fn the_same_heap_as_through_gdb() {
    each_everywhere(|python| the_same(python, "live.py", &["idle"], &[]));
}

#[test]
fn the_same_zoo_as_through_gdb() {
    each_everywhere(|python| the_same(python, "zoo.py", &[], &HELD_IN_THE_ZOO));
}

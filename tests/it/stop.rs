//! `--freeze stop`: the same numbers from the target itself, which is afterwards as it was.

use serde_json::Value;

use crate::live::{EXPECTED, assert_census, assert_user_classes, warnings};
use crate::support::{Python, Run, Target, each, soon, usual};

#[track_caller]
fn assert_same(before: &Value, after: &Value, parts: &[&str]) {
    for part in parts {
        assert_eq!(after[part], before[part], "{part}");
    }
}

/// None has run on our account. What we made and freed was counted, though: the next of the youngest may come early.
#[track_caller]
fn assert_collections(before: &Value, after: &Value) {
    let of = |state: &Value| [0, 1, 2].map(|generation| state["collections"][generation].as_u64().unwrap());
    let ([young, middle, old], [early, ..]) = (of(before), of(after));
    assert!(early <= young + 1, "{early} young collections, {young} before");
    assert_eq!(of(after), [early, middle, old]);
}

fn stop(python: &Python, mode: &str, still: bool) {
    let mut target = Target::start(python, "live.py", [mode]);
    let (_, before) = (target.ask("state"), target.ask("state"));
    let run = Run::analyze(&[target.pid]).args([
        "--format",
        "json",
        "--probe",
        "heap",
        "--freeze",
        "stop",
        "--max-hold",
        "20",
    ]);
    let done = run.output().exits(0);
    let report = done.report();
    assert_eq!(report["collection"]["freeze"], "stop", "{}", report["collection"]);
    // Some versions freeze what they start with, and only in a copy it could be thawed.
    let frozen = before["frozen"].as_u64() > Some(0);
    // With other threads running, only what roots reach is listed there: their lists may be in the making.
    let version = report["target"]["python"]["version"].as_str().unwrap_or("").to_owned();
    let old = version.starts_with("3.6.") || version.starts_with("3.7.");
    let expected = |code: &&str| (frozen && *code == "frozen-not-listed") || (old && *code == "roots-only");
    let others: Vec<&str> = warnings(&report).into_iter().filter(|code| !expected(code)).collect();
    assert_eq!(others, EXPECTED);
    assert_eq!(report["coverage"]["truncated"], false);
    assert_user_classes(&report, target.oracle());
    target.assert_unharmed();
    target.assert_nothing_mapped();
    // What was begun before ends with the first answer: the objects of the call that was interrupted.
    let _ = target.ask("state");
    let after = target.ask("state");
    assert_same(&before, &after, &["modules", "path", "main", "enabled", "frozen", "trace"]);
    if still {
        if !frozen {
            assert_census(&report, &target);
        }
        assert_same(&before, &after, &["objects", "ticks"]);
        assert_collections(&before, &after);
    } else {
        soon("it goes on", || {
            let now = &target.ask("state")["ticks"];
            if now.as_u64() > after["ticks"].as_u64() { Ok(()) } else { Err(format!("at {now}")) }
        });
    }
}

#[test]
fn leaves_an_idle_target_as_it_was() {
    each(|_| true, |python| stop(python, "idle", true));
}

#[test]
fn leaves_a_selecting_target_as_it_was() {
    each(|_| true, |python| stop(python, "select", true));
}

#[test]
fn lets_a_busy_target_go_on() {
    each(|_| true, |python| stop(python, "busy", false));
}

#[test]
fn lets_four_busy_threads_go_on() {
    each(|_| true, |python| stop(python, "threads", false));
}

#[test]
fn lets_an_asyncio_loop_go_on() {
    each(|_| true, |python| stop(python, "asyncio", false));
}

/// What would take longer than the target may be held is left out, and that is said.
#[test]
fn keeps_to_the_hold_budget() {
    let mut target = Target::start(usual(), "live.py", ["idle"]);
    let _ = target.ask("state");
    let before = target.ask("state");
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "--freeze", "stop", "--max-hold", "0.02"]);
    let report = run.output().exits(0).report();
    assert_eq!(report["coverage"]["truncated"], true, "{}", report["coverage"]);
    assert_ne!(report["collection"]["warnings"], Value::Array(Vec::new()));
    target.assert_unharmed();
    target.assert_nothing_mapped();
    let _ = target.ask("state");
    let after = target.ask("state");
    assert_same(&before, &after, &["modules", "path", "main", "enabled", "frozen", "trace", "objects"]);
    assert_collections(&before, &after);
}

//! The newest interpreters and their debug builds, from the root folders that `make matrix` makes: each target sits in one of
//! them as in a container, and is analysed from outside.
//!
//! Knows no version: what is there is tested. Where nothing is, that is said, and nothing is tested.

use serde_json::Value;

use crate::live::{EXPECTED, assert_census, assert_user_classes, warnings};
use crate::places::assert_refused;
use crate::support::{Python, Run, Target, each_of, free_threaded, pythons, pythons_in_chroot, root_or_say};

/// What reads the heap, what it warns of, and whether it sees the same as the census; the reader sees more than the target can.
const COLLECTORS: [(&str, &[&str], bool); 2] = [("gdb", &EXPECTED, true), ("reader", &[], false)];
const FREEZES: [&str; 2] = ["twin", "stop"];

/// Those to test: in a root folder of its own only root can start one.
pub(crate) fn found() -> &'static [Python] {
    if root_or_say("CPython in a root folder of its own") { pythons_in_chroot() } else { &[] }
}

/// The same on every CPython there is, here and there.
pub(crate) fn each_everywhere(check: impl Fn(&Python)) {
    each_of(pythons().iter().chain(found()), check);
}

fn analysed(target: &Target, collector: &str, freeze: &str) -> Value {
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "--probe", "heap", "--max-hold", "20"]);
    let report = run.args(["--collector", collector, "--freeze", freeze]).output().exits(0).report();
    let how = &report["collection"];
    assert_eq!((&how["collector"], &how["freeze"]), (&collector.into(), &freeze.into()), "{how}");
    assert_ne!(how["layout_source"].as_str().unwrap_or_default(), "", "{how}");
    assert_eq!(report["coverage"]["truncated"], false);
    assert_eq!(report["coverage"]["anomalies"], 0);
    let (major, minor, micro) = target.python.version;
    let python = &report["target"]["python"];
    assert_eq!(python["version"], format!("{major}.{minor}.{micro}"));
    assert_eq!(python["debug"], target.python.debug);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    report
}

/// One mode by every way, each on a fresh target. `still`: the heap does not change while it is looked at.
fn matrix(mode: &str, still: bool) {
    each_of(found(), |python| {
        for ((collector, expected, same), freeze) in
            COLLECTORS.iter().flat_map(|one| FREEZES.map(|freeze| (one, freeze)))
        {
            let mut target = Target::start(python, "live.py", [mode]);
            let (_, before) = (target.ask("state"), target.ask("state"));
            let report = analysed(&target, collector, freeze);
            assert_user_classes(&report, target.oracle());
            // Some versions freeze what they start with, and only in a copy it could be thawed.
            let frozen = freeze == "stop" && before["frozen"].as_u64() > Some(0);
            let others = warnings(&report).into_iter().filter(|code| !(frozen && *code == "frozen-not-listed"));
            assert_eq!(others.collect::<Vec<_>>(), *expected, "{collector}, {freeze}");
            if still && *same && !frozen {
                assert_census(&report, &target);
            }
            // What was begun before ends with the first answer.
            let (_, after) = (target.ask("state"), target.ask("state"));
            for part in ["modules", "path", "main", "enabled", "frozen", "trace"] {
                assert_eq!(after[part], before[part], "{part}, {collector}, {freeze}");
            }
            if still {
                assert_eq!(after["objects"], before["objects"], "{collector}, {freeze}");
            } else {
                target.assert_goes_on(&after);
            }
        }
    });
}

#[test]
fn idle() {
    matrix("idle", true);
}

#[test]
fn busy() {
    matrix("busy", false);
}

/// Such builds themselves, where there is one; `places` has interpreters that only say so of themselves.
#[test]
fn without_a_gil() {
    each_of(free_threaded(), |python| {
        let mut file = python.root.clone().unwrap_or_default().into_os_string();
        file.push(&python.path);
        assert_refused(&Target::start(python, "plain.py", [""; 0]), file.as_ref());
    });
}

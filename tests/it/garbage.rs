//! Garbage that waits for the collector, what it gave up, and what only C code holds: each told from what is merely kept.

use serde_json::Value;

use crate::matrix::each_everywhere;
use crate::support::{Run, Target, usual};

/// The count of a class of the program in a list of types.
fn count(types: &Value, class: &str) -> Option<u64> {
    let name = format!("__main__.{class}");
    types.as_array().unwrap().iter().find(|row| row["type"] == *name).map(|row| row["count"].as_u64().unwrap())
}

#[test]
fn is_told_by_who_holds_it() {
    each_everywhere(|python| {
        let target = Target::start(python, "garbage.py", [""; 0]);
        for freeze in ["twin", "stop"] {
            let run = Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json", "-q", "-f", "snapshot"]);
            let done = run.args(["--freeze", freeze]).output().exits(0);
            target.assert_unharmed();
            target.assert_nothing_mapped();
            let report = done.report();
            let garbage = &report["garbage"];
            let of = |part: &str, class: &str| count(&garbage[part]["types"], class);
            assert_eq!(of("unreachable", "Waiting"), Some(200), "{garbage:#}");
            assert_eq!(of("unreachable", "Finalized"), Some(30));
            assert_eq!(of("with_finalizers", "Finalized"), Some(30));
            assert_eq!(of("with_finalizers", "Waiting"), None);
            assert_eq!(of("uncollectable", "Saved"), Some(70));
            for class in ["Kept", "Leaked", "Payload", "Saved", "HeldTwice"] {
                assert_eq!(of("unreachable", class), None, "{class}: {garbage:#}");
            }
            let held = |class: &str| count(&garbage["held_outside"], class);
            assert_eq!((held("Leaked"), held("HeldTwice")), (Some(400), Some(150)), "{garbage:#}");
            for class in ["Kept", "Payload", "Saved", "Waiting", "Finalized"] {
                assert_eq!(held(class), None, "{class}: {garbage:#}");
            }
            let rows = garbage["held_outside"].as_array().unwrap();
            let row = |class: &str| rows.iter().find(|row| row["type"] == *format!("__main__.{class}")).unwrap();
            assert_eq!((&row("Leaked")["unreachable"], &row("HeldTwice")["unreachable"]), (&400.into(), &0.into()));
            let snapshot = std::fs::read(done.dir().join("snapshot")).unwrap();
            let again = Run::new(["report", "snapshot", "--format", "json"]).file("snapshot", snapshot);
            assert_eq!(again.output().exits(0).report()["garbage"], *garbage, "from the snapshot");
        }
    });
}

/// Where there is nothing to tell, nothing is told; else it is in the text too.
#[test]
fn is_shown_where_there_is_any() {
    let text = |program: &str| {
        let target = Target::start(usual(), program, [""; 0]);
        let text = Run::analyze(&[target.pid]).args(["-c", "reader"]).output().exits(0).stdout;
        target.assert_unharmed();
        text
    };
    assert!(!text("plain.py").contains("Garbage"), "of a plain program");
    let found = text("garbage.py");
    for said in ["Garbage, and what C code holds", "in gc.garbage", "__main__.Leaked"] {
        assert!(found.contains(said), "{said} is missing in\n{found}");
    }
}

//! Many twins in a row of a target that would notice anything: sums, a pipe, children, signals, a timer.

use serde_json::Value;

use crate::support::{Run, Target, number, process, say, soon, usual};

/// How often each; a longer run by `IT_TWINS=2000 make test`.
const TWINS: u64 = 200;
const STOPS: u64 = 50;
/// `IT_READINGS=1000 make test`
const READINGS: u64 = 60;
/// In so many rounds every thread has had its turn.
const SETTLED: u64 = 15;
/// More resident memory than before, which its allocators may take.
const GROWTH: u64 = 8 << 20;

/// The sum which beat.py's workers compute, computed again.
fn sum(seed: u64, steps: u64) -> u64 {
    (0..steps).fold(seed, |x, _| x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407))
}

#[track_caller]
fn count(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// All that it counts fits together.
#[track_caller]
fn assert_sound(report: &Value) {
    assert_eq!(count(report, "strange"), 0, "children that ended strangely: {report}");
    assert_eq!(count(report, "wrong"), 0, "numbers that came out of order: {report}");
    assert_eq!(count(report, "deaths"), count(report, "children"), "SIGCHLD for each child of its own and no other");
}

fn many(collector: &str, freeze: &str, times: u64) {
    let mut target = Target::how(usual(), "beat.py", [""; 0]).parent().now();
    let first = target.ask("hold");
    let descriptors = process::descriptors(target.pid);
    // The first ones may bring its allocators to take more, one for each thread that probes run in; the others may not.
    let mut resident = 0;
    for round in 0..times {
        let before = target.ask("go");
        let run = Run::analyze(&[target.pid]).args(["--format", "json", "-q", "--max-hold", "10"]);
        let run = if collector == "gdb" { run.args(["--probe", "heap"]) } else { run };
        let done = run.args(["--collector", collector, "--freeze", freeze]).output().exits(0);
        assert_eq!(done.stderr, "", "in round {round}");
        assert_eq!(done.report()["collection"]["freeze"], freeze);
        let mut after = target.ask("hold");
        // A reading may be over before each of its threads had a turn.
        soon("everything goes on", || {
            let still =
                ["alarms", "steps", "received"].into_iter().find(|beat| count(&after, beat) <= count(&before, beat));
            let Some(still) = still else { return Ok(()) };
            let told = format!("{still} stands still in round {round}: {after}");
            after = target.ask("hold");
            Err(told)
        });
        assert_sound(&after);
        assert_eq!(process::children(target.pid), process::NONE, "in round {round}");
        target.assert_unharmed();
        assert_eq!(process::descriptors(target.pid), descriptors, "in round {round}");
        if round <= SETTLED {
            resident = process::resident(target.pid);
        }
    }
    let grown = process::resident(target.pid).saturating_sub(resident);
    assert!(grown <= GROWTH, "it grew by {grown} bytes");
    target.assert_nothing_mapped();

    let last = target.ask("end");
    assert_sound(&last);
    assert!(count(&last, "children") > count(&first, "children"), "{last}");
    let workers = last["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 4);
    for worker in workers {
        let [seed, steps, value] = [0, 1, 2].map(|part| worker[part].as_u64().unwrap());
        assert_eq!(value, sum(seed, steps), "the sum of worker {seed} after {steps} steps");
    }
    say(&format!(
        "{times} times {collector} --freeze {freeze}: {} steps, {} alarms, {} children",
        last["steps"], last["alarms"], last["children"]
    ));
}

#[test]
fn two_hundred_twins() {
    many("gdb", "twin", number("IT_TWINS", TWINS));
}

#[test]
fn fifty_stops() {
    many("gdb", "stop", number("IT_STOPS", STOPS));
}

#[test]
fn sixty_readings_of_twins() {
    many("reader", "twin", number("IT_READINGS", READINGS));
}

#[test]
fn sixty_readings_of_the_stopped_target() {
    many("reader", "stop", number("IT_READINGS", READINGS));
}

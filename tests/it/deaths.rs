//! Whatever dies, and whenever: the target goes on, nobody holds it, and no twin stays.

use crate::live::assert_user_classes;
use crate::support::run::Running;
use crate::support::{Done, Run, Target, process, say, signal, soon, usual};

const GDB_IS_KILLED: &str = "gdb is killed";

/// Which collector, on what.
type How = (&'static str, &'static str);

const GDB_ON_A_TWIN: How = ("gdb", "twin");
const GDB_ON_THE_TARGET: How = ("gdb", "stop");
const READER_OF_A_TWIN: How = ("reader", "twin");
const READER_OF_THE_TARGET: How = ("reader", "stop");

fn run(target: &Target, (collector, freeze): How) -> Running {
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "--max-hold", "10", "-d"]);
    let run = if collector == "gdb" { run.args(["--probe", "heap"]) } else { run };
    run.args(["--collector", collector, "--freeze", freeze]).start()
}

/// How many steps an undisturbed run tells.
fn steps(target: &Target, how: How) -> usize {
    let done = run(target, how).wait().exits(0);
    done.stderr.lines().count()
}

fn beating() -> Target {
    let mut target = Target::how(usual(), "beat.py", [""; 0]).parent().now();
    target.ask("hold");
    target
}

/// It computes on, its pipe and its timer go on, and there is no one about it.
/// `strays`: how many SIGCHLD it may have received that were not for a child of its own.
fn assert_goes_on(target: &mut Target, at: &str, strays: u64) {
    soon(&format!("free after {at}"), || process::unharmed(target.pid));
    let before = target.ask("report");
    for beating in ["steps", "alarms", "received"] {
        soon(&format!("{beating} go on after {at}"), || {
            let now = target.ask("report");
            if now[beating].as_u64() > before[beating].as_u64() { Ok(()) } else { Err(format!("at {}", now[beating])) }
        });
    }
    let now = target.ask("report");
    assert_eq!(now["strange"], 0, "after {at}");
    assert_eq!(now["wrong"], 0, "after {at}");
    let strayed = now["deaths"].as_u64().unwrap() - now["children"].as_u64().unwrap();
    assert!(strayed <= strays, "{strayed} SIGCHLD without a child after {at}");
    target.assert_unharmed();
}

/// Does something to the run right after each of its steps in turn.
fn at_each_step(how: How, what: &str, mut act: impl FnMut(&Running) -> bool, check: impl Fn(&Done, &str)) {
    let mut target = beating();
    let count = steps(&target, how);
    assert!(count >= if how.0 == "gdb" { 8 } else { 4 }, "only {count} steps");
    // A GDB that dies in the middle of attaching leaves the twin its SIGSTOP: the kernel tells the twin's parent of that
    // stop (signal(7), CLD_STOPPED), before anybody can end the twin. Nothing else may be noticed of any death.
    let strays = if (how, what) == (GDB_ON_A_TWIN, GDB_IS_KILLED) { count as u64 } else { 0 };
    let mut acted = 0;
    for number in 1..=count {
        let mut running = run(&target, how);
        let mut step = String::new();
        for _ in 0..number {
            // The number of steps varies a little: waiting for the GIL, a second twin.
            let Some(line) = running.line() else { break };
            step = line;
        }
        acted += usize::from(act(&running));
        let mark = running.pid();
        let family = running.family();
        let done = running.wait();
        let at = format!("{what} at step {number}, `{step}`");
        assert!(!done.stderr.contains("panicked"), "{at}: {}", done.stderr);
        check(&done, &at);
        soon(&format!("nothing of pid {mark} is left after {at}"), || {
            let left: Vec<i32> = family.iter().copied().filter(|pid| process::free(*pid).is_ok()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
        assert_goes_on(&mut target, &at, strays);
    }
    assert!(acted >= count / 2, "{what}: only {acted} times in {count} steps");
    // And it can still be analysed.
    let _ = run(&target, how).wait().exits(0);
    assert_goes_on(&mut target, "all of it", strays);
    say(&format!("{how:?}: {what}, {acted} times"));
}

fn we_are_killed(how: How) {
    let act = |running: &Running| {
        signal("KILL", running.pid().into());
        true
    };
    at_each_step(how, "we are killed", act, |_, _| {});
}

fn we_are_interrupted(how: How) {
    let act = |running: &Running| {
        // The whole group, as a terminal does it.
        signal("INT", -i64::from(running.pid()));
        true
    };
    at_each_step(how, "Ctrl-C", act, |_, _| {});
}

/// A GDB that dies is a failure like any other: in a twin it is tried again; else it is told in an orderly way.
fn gdb_is_killed(how: How) {
    let act = |running: &Running| {
        let gdb = running.gdb();
        if let Some(gdb) = gdb {
            signal("KILL", gdb.into());
        }
        gdb.is_some()
    };
    at_each_step(how, GDB_IS_KILLED, act, |done, at| {
        assert!(matches!(done.code, Some(0 | 6)), "exit code {:?} after {at}:\n{}", done.code, done.stderr);
    });
}

#[test]
fn of_us_beside_a_twin() {
    we_are_killed(GDB_ON_A_TWIN);
}

#[test]
fn of_us_beside_the_stopped_target() {
    we_are_killed(GDB_ON_THE_TARGET);
}

#[test]
fn of_gdb_beside_a_twin() {
    gdb_is_killed(GDB_ON_A_TWIN);
}

#[test]
fn of_gdb_beside_the_stopped_target() {
    gdb_is_killed(GDB_ON_THE_TARGET);
}

#[test]
fn by_ctrl_c_beside_a_twin() {
    we_are_interrupted(GDB_ON_A_TWIN);
}

#[test]
fn by_ctrl_c_beside_the_stopped_target() {
    we_are_interrupted(GDB_ON_THE_TARGET);
}

#[test]
fn of_us_reading_a_twin() {
    we_are_killed(READER_OF_A_TWIN);
}

#[test]
fn of_us_reading_the_stopped_target() {
    we_are_killed(READER_OF_THE_TARGET);
}

#[test]
fn by_ctrl_c_reading_a_twin() {
    we_are_interrupted(READER_OF_A_TWIN);
}

#[test]
fn by_ctrl_c_reading_the_stopped_target() {
    we_are_interrupted(READER_OF_THE_TARGET);
}

/// The target itself may end at any moment, too.
fn the_target_ends(how: How) {
    let target = beating();
    let count = steps(&target, how);
    drop(target);
    for number in 1..=count {
        let target = beating();
        let mut running = run(&target, how);
        for _ in 0..number {
            if running.line().is_none() {
                break;
            }
        }
        drop(target);
        let done = running.wait();
        // What was in the twin already is a whole report.
        assert!(matches!(done.code, Some(0 | 3 | 6)), "exit code {:?} at step {number}:\n{}", done.code, done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
}

#[test]
fn of_the_target() {
    the_target_ends(GDB_ON_A_TWIN);
}

#[test]
fn of_the_target_that_is_read() {
    the_target_ends(READER_OF_A_TWIN);
}

/// As where memory runs out: what is left to be read would look empty.
#[test]
fn of_a_twin_that_is_read() {
    let target = Target::start(usual(), "live.py", ["idle"]);
    let mut running = run(&target, READER_OF_A_TWIN);
    let twin = std::iter::from_fn(|| running.line())
        .find_map(|line| line.split_once(", twin ")?.1.split(' ').next()?.parse().ok());
    signal("KILL", twin.expect("a twin was made"));
    let done = running.wait();
    match done.code {
        Some(6) => assert!(done.stderr.contains("ended before all of it was read"), "{}", done.stderr),
        _ => {
            say("it had been read before it ended");
            assert_user_classes(&done.exits(0).report(), target.oracle());
        }
    }
    soon("it is free", || process::unharmed(target.pid));
    target.assert_unharmed();
}

//! Injection on real processes: whatever happens to us in between, the thread goes on as if nothing had been.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

#[cfg(target_arch = "x86_64")]
use super::inject::{Injector, Step};
#[cfg(target_arch = "x86_64")]
use super::threads::Held;

/// A Python that runs a program of ours; killed when dropped.
pub(super) struct Target {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// Says that it is ready, and sleeps.
pub(super) const QUIET: &str = "import time\nprint('ready', flush=True)\ntime.sleep(600)";

/// Counts, checks its arithmetic, handles a 1 ms timer and reads a pipe.
const PROGRAM: &str = r#"
import math, os, signal, sys, threading, time
ticks = [0]
def tick(*_): ticks[0] += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
r, w = os.pipe()
def writer():
    while True:
        os.write(w, b"x")
        time.sleep(0.0005)
threading.Thread(target=writer, daemon=True).start()
print("ready", flush=True)
rounds = 0
want = sum(math.sin(i) * math.sqrt(i) for i in range(2000))
while True:
    got = sum(math.sin(i) * math.sqrt(i) for i in range(2000))
    if got != want or os.read(r, 1) != b"x":
        print("wrong", got, want, flush=True)
        sys.exit(1)
    rounds += 1
    if rounds % 100 == 0:
        print("alive", rounds, ticks[0], flush=True)
"#;

impl Target {
    fn start() -> Target {
        Target::running(PROGRAM)
    }

    /// Runs `program`, which prints `ready` first.
    pub(super) fn running(program: &str) -> Target {
        let mut child = Command::new("python3")
            .args(["-S", "-c", program])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is on PATH");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let mut target = Target { child, out };
        assert_eq!(target.line(), "ready");
        target
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("readable");
        line.trim().to_owned()
    }

    /// It computes, and its timer fires, after what has been done to it.
    pub(super) fn assert_unharmed(&mut self) {
        // What was printed before says nothing: look at lines of two more rounds of hundred.
        let count = |line: &str| -> Vec<u64> { line.split(' ').skip(1).map(|w| w.parse().expect("number")).collect() };
        let mut last = Vec::new();
        for _ in 0..3 {
            let line = self.line();
            assert!(line.starts_with("alive"), "{line:?}");
            let now = count(&line);
            assert!(last.is_empty() || now[1] > last[1], "the timer stopped: {line}");
            last = now;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("alive");
        assert!(status.contains("TracerPid:\t0"));
        assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_are_made_and_leave_no_trace() {
    super::sys::prepare_to_wait();
    let mut target = Target::start();
    let pid = target.pid();
    let injector = Injector::open(pid).expect("gadgets");
    for _ in 0..300 {
        let mut held = Held::freeze(pid).expect("frozen");
        let tids: Vec<i32> = held.ids().collect();
        for tid in tids {
            let outcome = injector.call(&mut held, tid, libc::SYS_getpid, [0; 6]).expect("called");
            assert_eq!(outcome.result, i64::from(pid));
        }
        held.release();
    }
    target.assert_unharmed();
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_thread_puts_itself_back_when_we_die_in_the_middle_of_a_call() {
    super::sys::prepare_to_wait();
    for step in [Step::Sent, Step::Masked, Step::Called, Step::Unmasked] {
        let mut target = Target::start();
        let pid = target.pid();
        let injector = Injector::open(pid).expect("gadgets");
        for number in [libc::SYS_getpid, libc::SYS_clone] {
            for _ in 0..50 {
                let mut held = Held::freeze(pid).expect("frozen");
                let tids: Vec<i32> = held.ids().collect();
                for tid in tids {
                    injector.abandon(&mut held, tid, number, step);
                }
                held.release();
            }
        }
        target.assert_unharmed();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("listed");
        assert_eq!(children, "", "after {step:?}");
    }
}

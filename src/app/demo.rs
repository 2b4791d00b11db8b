//! `demo`: a leaking Python program is started, analysed twice, and what grew is shown.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::Verdict;
use super::analyze::{draw, reported};
use super::console::{Console, Watcher};
use super::finish::{finish, suspects};
use crate::analyse::Report;
use crate::cli::plan::{DemoPlan, Screen};
use crate::collect;
use crate::error::{Error, Kind, Result};
use crate::store::Matched;

/// Serves "requests" and forgets to forget their sessions; says so each time it has served a thousand.
const PROGRAM: &str = r#"import sys, threading

class Session:
    def __init__(self, number):
        self.user = "user-%d" % (number % 100)
        self.payload = bytearray(256)

class Server:
    def __init__(self):
        self.sessions = {}              # the leak: nothing ever leaves it
        self.recent = []

    def handle(self, number):
        self.sessions["session-%d" % number] = Session(number)
        self.recent = (self.recent + [number])[-100:]

SERVER = Server()
number = 0
while True:
    for _ in range(1000):
        SERVER.handle(number)
        number += 1
    print("served", number, flush=True)
    if not sys.stdin.readline():
        break
"#;

/// The program, ended when dropped.
struct Leaking {
    child: Child,
}

impl Drop for Leaking {
    fn drop(&mut self) {
        // It may have ended by itself when its input closed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn run(plan: &DemoPlan, console: &Console) -> Result<Verdict> {
    let failed = |e: std::io::Error| Error::new(Kind::Defect, format!("the demo program does not run: {e}"));
    let tell = |text: &str| {
        if !plan.screen.quiet {
            console.progress(text)
        }
    };
    let folder =
        tempfile::Builder::new().prefix("memory-analyzer-").tempdir_in(&plan.collect.temp_dir).map_err(failed)?;
    let script = folder.path().join("leaking.py");
    std::fs::write(&script, PROGRAM).map_err(failed)?;
    let mut leaking = Leaking {
        child: Command::new(&plan.python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?,
    };
    let pid = leaking.child.id() as i32;
    let (Some(mut requests), Some(served)) = (leaking.child.stdin.take(), leaking.child.stdout.take()) else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut served = BufReader::new(served).lines();
    let mut wait = || served.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into())).map_err(failed);
    let capture = |screen: &Screen| {
        let watcher = Watcher::new(*console, pid, plan.collect.trace, screen.progress);
        let captured = collect::capture(pid, &plan.collect, &plan.selection, screen.now, &watcher);
        watcher.finish();
        captured
    };

    tell(&format!(
        "started a leaking program with {}, pid {pid}: it keeps every session it ever served",
        plan.python.display()
    ));
    tell(&format!("it {}; analysing it for the first time", wait()?));
    let mut before = capture(&plan.screen)?;
    use std::io::Write;
    for _ in 0..4 {
        requests.write_all(b"\n").and_then(|()| requests.flush()).map_err(failed)?;
        wait()?;
    }
    tell("it served four thousand more; analysing it again");
    let mut after = capture(&plan.screen)?;
    let pauses = (before.collection.pause_ms, after.collection.pause_ms);

    std::fs::create_dir_all(&plan.outputs.directory).map_err(|e| {
        Error::new(Kind::BadFile, format!("cannot make the folder {}: {e}", plan.outputs.directory.display()))
    })?;
    let first = plan.outputs.directory.join("demo-before.parquet");
    let second = plan.outputs.directory.join("demo-after.parquet");
    for (path, capture) in [(&first, &mut before), (&second, &mut after)] {
        finish(capture, None, None, path).written?;
    }
    let earlier = Matched { capture: before, path: first.display().to_string(), paired_by: "pid-and-start-time" };
    let leaking_type =
        crate::cli::plan::Selection { types: vec!["__main__.Session".to_owned()], ..plan.selection.clone() };
    let (mut report, holdings) = reported(&mut after, &leaking_type, Some(&earlier), plan.screen.format);
    report.suspects = suspects(&after, None, Some(&earlier), holdings.as_ref());
    report.snapshot = Some(second.display().to_string());
    (report.threads, report.probes) = (None, None);
    draw(&mut report, &after, &plan.outputs.directory)?;
    console.report(&Report::new(vec![report]), &plan.screen, plan.selection.top)?;
    tell(&format!("the program was paused for {} ms and {} ms, and never noticed more", pauses.0, pauses.1));
    Ok(Verdict::Done)
}

//! `analyze`: every target on a thread of its own, one report of all.

use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use super::Verdict;
use super::console::{Console, Watcher};
use super::finish::{Finished, finish, joined};
use crate::analyse::{self, Earlier, Holdings, Report, TargetReport};
use crate::cli::plan::{AnalyzePlan, Selection, Thresholds};
use crate::cli::values::Format;
use crate::collect;
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, TargetFacts};
use crate::notice::Notice;
use crate::render::graph::{self, Direction};
use crate::store::{self, Matched};
use crate::target::procfs;

pub(super) fn run(plan: &AnalyzePlan, console: &Console) -> Result<Verdict> {
    // A core, or processes.
    let subjects: Vec<Option<i32>> = match plan.collect.core {
        Some(_) => vec![None],
        None => plan.targets.iter().copied().map(Some).collect(),
    };
    thread::scope(|scope| {
        // What takes long is done while the report is made ready and shown: nobody has to wait for it.
        let one = |pid| {
            let One { report, mut capture, earlier, holdings, path } = one(plan, pid, console)?;
            let writing = path.clone();
            Ok((report, path, scope.spawn(move || finish(&mut capture, earlier.as_ref(), holdings, &writing))))
        };
        let running: Vec<_> = subjects.iter().map(|&pid| scope.spawn(move || one(pid))).collect();
        let mut targets = Vec::new();
        let mut failed = Vec::new();
        let mut unfinished = Vec::new();
        let alone = subjects.len() == 1;
        for (&pid, running) in subjects.iter().zip(running) {
            let host = pid.map_or_else(String::new, |_| procfs::host_name());
            let pid = pid.unwrap_or(0);
            targets.push(match joined(running.join(), "the analysis of this target").and_then(|done| done) {
                Ok((report, path, finishing)) => {
                    unfinished.push(Unfinished { target: targets.len(), path, finishing });
                    let subject = if alone { String::new() } else { format!("pid {pid}: ") };
                    if !plan.screen.quiet {
                        for notice in report.collection.iter().flat_map(|c| &c.warnings) {
                            console.notice(notice, &subject);
                        }
                    }
                    report
                }
                Err(error) => {
                    let facts = TargetFacts { pid, host, ..TargetFacts::default() };
                    console.error(&if alone { error.clone() } else { error.clone().while_(format!("pid {pid}")) });
                    failed.push(error.kind);
                    TargetReport { target: facts, error: Some((&error).into()), ..TargetReport::default() }
                }
            });
        }
        let exceeded = exceeded(&targets, plan.thresholds, console);
        if plan.screen.format == Format::Json {
            settle(unfinished, &mut targets, &mut failed, console);
            console.report(&Report::new(targets), &plan.screen, plan.selection.top)?;
        } else {
            // A failure on its own has been told; there is nothing to report in text.
            let mut report = Report::new(targets);
            if failed.len() < subjects.len() {
                console.report(&report, &plan.screen, plan.selection.top)?;
            }
            settle(unfinished, &mut report.targets, &mut failed, console);
            console.rest(&report, &plan.screen, plan.selection.top)?;
        }
        Ok(match failed.first() {
            Some(&kind) if failed.len() == subjects.len() => Verdict::Failed(kind),
            Some(_) => Verdict::Failed(Kind::Partial),
            None if exceeded => Verdict::Failed(Kind::Threshold),
            None => Verdict::Done,
        })
    })
}

/// A report to which something is missing yet.
struct Unfinished<'scope> {
    /// The row of its target.
    target: usize,
    path: PathBuf,
    finishing: ScopedJoinHandle<'scope, Finished>,
}

/// Waits for what is missing; a report without a snapshot says why.
fn settle(unfinished: Vec<Unfinished>, targets: &mut [TargetReport], failed: &mut Vec<Kind>, console: &Console) {
    for Unfinished { target, path, finishing } in unfinished {
        let Some(report) = targets.get_mut(target) else { continue };
        let written = joined(finishing.join(), "writing the snapshot").and_then(|finished| {
            (report.garbage, report.suspects) = (finished.garbage, finished.suspects);
            finished.written
        });
        match written {
            Ok(()) => report.snapshot = Some(path.display().to_string()),
            Err(error) => {
                console.error(&error);
                let warnings = report.collection.iter_mut().map(|collection| &mut collection.warnings);
                warnings.for_each(|all| all.push(Notice::new("snapshot-not-written", error.text.clone())));
                failed.push(error.kind);
            }
        }
    }
}

/// A process, collected and compared.
struct One {
    report: TargetReport,
    /// What its snapshot is to have, as far as it is known, …
    capture: Capture,
    holdings: Option<Holdings>,
    earlier: Option<Matched>,
    /// … and where.
    path: PathBuf,
}

/// Collects and compares one process, or without a PID the core.
fn one(plan: &AnalyzePlan, pid: Option<i32>, console: &Console) -> Result<One> {
    let folder = plan.outputs.snapshot(pid.unwrap_or(0)).parent().unwrap_or(Path::new("/")).to_owned();
    std::fs::create_dir_all(&folder)
        .map_err(|e| Error::new(Kind::BadFile, format!("cannot make the folder {}: {e}", folder.display())))?;
    let watcher = Watcher::new(*console, pid.unwrap_or(0), plan.collect.trace, plan.screen.progress);
    let captured = match pid {
        Some(pid) => collect::capture(pid, &plan.collect, &plan.selection, plan.screen.now, &watcher),
        None => collect::core::capture(&plan.collect, plan.screen.now, &watcher),
    };
    watcher.finish();
    let mut capture = captured?;
    let (earlier, notices) = store::matching(&capture.target, &plan.compare_with)?;
    capture.collection.warnings.extend(notices);
    let (mut report, holdings) = reported(&mut capture, &plan.selection, earlier.as_ref(), plan.screen.format);
    draw(&mut report, &capture, &folder)?;
    let path = plan.outputs.snapshot(capture.target.pid);
    Ok(One { report, capture, holdings, earlier, path })
}

/// The report of a capture, compared with an earlier one if there is one. The table that people read does not tell what
/// types retain, and does not wait for it; JSON does, and whatever had to be computed for it is returned too.
pub(super) fn reported(
    capture: &mut Capture,
    selection: &Selection,
    earlier: Option<&Matched>,
    format: Format,
) -> (TargetReport, Option<Holdings>) {
    let json = format == Format::Json;
    let holdings = (json && capture.retained_by_type.is_none()).then(|| Holdings::of(&capture.heap));
    if let Some(holdings) = &holdings {
        capture.retained_by_type = Some(holdings.by_type.clone());
    }
    let selection = analyse::Selection { largest: selection.largest, types: selection.types.clone() };
    let earlier = earlier.map(|e| Earlier { capture: &e.capture, path: &e.path, paired_by: e.paired_by });
    (analyse::report(capture, &selection, earlier, json).0, holdings)
}

/// Draws what refers to each object shown, and what it refers to, beside the snapshot.
pub(super) fn draw(report: &mut TargetReport, capture: &Capture, folder: &Path) -> Result<()> {
    for shown in report.references.iter_mut().flatten() {
        let Some(object) = capture.heap.at(shown.address) else { continue };
        for direction in [Direction::Referents, Direction::Referrers] {
            let drawn = graph::draw(&graph::picture(&capture.heap, object, direction));
            let stem = graph::file_stem(direction, capture.target.pid, &shown.kind);
            for (extension, bytes) in
                [("svg", drawn.svg.as_bytes()), ("png", &drawn.png), ("dot", drawn.dot.as_bytes())]
            {
                let path = folder.join(format!("{stem}.{extension}"));
                store::write_privately(&path, bytes)?;
                shown.files.push(path.display().to_string());
            }
        }
    }
    Ok(())
}

/// Whether a threshold given was exceeded; tells which.
pub(super) fn exceeded(targets: &[TargetReport], thresholds: Thresholds, console: &Console) -> bool {
    let mut exceeded = false;
    let mut tell = |what: String| {
        exceeded = true;
        console.error(&Error::new(Kind::Threshold, what));
    };
    for target in targets {
        let pid = target.target.pid;
        if let (Some(limit), Some(totals)) = (thresholds.total, target.totals)
            && totals.bytes > limit
        {
            tell(format!("pid {pid}: {} bytes of Python objects are more than the {limit} allowed", totals.bytes));
        }
        if let (Some(limit), Some(diff)) = (thresholds.growth, &target.diff) {
            let grown: i64 = diff.types.iter().map(|t| t.bytes_delta).sum();
            if grown > 0 && grown.unsigned_abs() > limit {
                tell(format!(
                    "pid {pid}: {grown} bytes more than in {} are more than the {limit} allowed",
                    diff.since.snapshot
                ));
            }
        }
    }
    exceeded
}

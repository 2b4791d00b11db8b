//! `analyze`: every target on a thread of its own, one report of all.

use std::path::Path;
use std::thread;

use super::Verdict;
use super::console::{Console, Watcher};
use crate::analyse::{self, Earlier, Report, TargetReport};
use crate::cli::plan::{AnalyzePlan, Selection, Thresholds};
use crate::collect;
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, TargetFacts};
use crate::render::graph::{self, Direction};
use crate::store::{self, Matched};
use crate::target::procfs;

pub(super) fn run(plan: &AnalyzePlan, console: &Console) -> Result<Verdict> {
    // A core, or processes.
    let subjects: Vec<Option<i32>> = match plan.collect.core {
        Some(_) => vec![None],
        None => plan.targets.iter().copied().map(Some).collect(),
    };
    let outcomes: Vec<Result<TargetReport>> = thread::scope(|scope| {
        let running: Vec<_> = subjects.iter().map(|&pid| scope.spawn(move || one(plan, pid, console))).collect();
        let panicked = |_| Err(Error::new(Kind::Defect, "the analysis of this target panicked"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    });

    let mut failed = Vec::new();
    let mut targets = Vec::new();
    let alone = subjects.len() == 1;
    for (&pid, outcome) in subjects.iter().zip(outcomes) {
        let host = pid.map_or_else(String::new, |_| procfs::host_name());
        let pid = pid.unwrap_or(0);
        targets.push(match outcome {
            Ok(report) => {
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
    // A failure on its own has been told; there is nothing to report in text.
    if failed.len() < targets.len() || plan.screen.format == crate::cli::values::Format::Json {
        console.report(&Report::new(targets), &plan.screen, plan.selection.top)?;
    }
    Ok(match failed.first() {
        Some(&kind) if failed.len() == subjects.len() => Verdict::Failed(kind),
        Some(_) => Verdict::Failed(Kind::Partial),
        None if exceeded => Verdict::Failed(Kind::Threshold),
        None => Verdict::Done,
    })
}

/// Collects, compares, stores and reports one process, or without a PID the core.
fn one(plan: &AnalyzePlan, pid: Option<i32>, console: &Console) -> Result<TargetReport> {
    let watcher = Watcher::new(*console, pid.unwrap_or(0), plan.collect.trace, plan.screen.progress);
    let captured = match pid {
        Some(pid) => collect::capture(pid, &plan.collect, &plan.selection, plan.screen.now, &watcher),
        None => collect::core::capture(&plan.collect, plan.screen.now, &watcher),
    };
    watcher.finish();
    let mut capture = captured?;
    let (earlier, notices) = store::matching(&capture.target, &plan.compare_with)?;
    capture.collection.warnings.extend(notices);

    let path = plan.outputs.snapshot(capture.target.pid);
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::new(Kind::BadFile, format!("cannot make the folder {}: {e}", folder.display())))?;
    store::write(&path, &capture)?;
    let mut report = reported(&capture, &plan.selection, earlier.as_ref());
    report.snapshot = Some(path.display().to_string());
    draw(&mut report, &capture, folder)?;
    Ok(report)
}

/// The report of a capture, compared with an earlier one if there is one.
pub(super) fn reported(capture: &Capture, selection: &Selection, earlier: Option<&Matched>) -> TargetReport {
    let selection = analyse::Selection { largest: selection.largest, types: selection.types.clone() };
    let earlier = earlier.map(|e| Earlier { capture: &e.capture, path: &e.path, paired_by: e.paired_by });
    analyse::report(capture, &selection, earlier).0
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

//! `report` and `diff`: any report again, from snapshots alone.

use super::Verdict;
use super::analyze::{draw, exceeded, reported};
use super::console::Console;
use crate::analyse::{Report, TargetReport};
use crate::cli::plan::{DiffPlan, ReportPlan};
use crate::cli::values::Format;
use crate::error::{Kind, Result};
use crate::store::{self, Matched};

pub(super) fn report(plan: &ReportPlan, console: &Console) -> Result<Verdict> {
    let mut capture = store::read(&plan.snapshot)?;
    let (earlier, notices) = store::matching(&capture.target, &plan.compare_with)?;
    capture.collection.warnings.extend(notices);
    let mut target = reported(&capture, &plan.selection, earlier.as_ref(), plan.screen.format);
    target.snapshot = Some(plan.snapshot.display().to_string());
    draw(&mut target, &capture, &plan.pictures)?;
    finish(target, plan.thresholds, &plan.screen, plan.selection.top, console)
}

pub(super) fn diff(plan: &DiffPlan, console: &Console) -> Result<Verdict> {
    let old = store::read(&plan.old)?;
    let new = store::read(&plan.new)?;
    let earlier = Matched { capture: old, path: plan.old.display().to_string(), paired_by: "given" };
    let mut target = reported(&new, &plan.selection, Some(&earlier), Format::Text);
    // The table of the later one is `report`'s to show.
    (target.types, target.threads, target.probes) = (None, None, None);
    target.snapshot = Some(plan.new.display().to_string());
    finish(target, plan.thresholds, &plan.screen, plan.selection.top, console)
}

fn finish(
    target: TargetReport,
    thresholds: crate::cli::plan::Thresholds,
    screen: &crate::cli::plan::Screen,
    top: Option<usize>,
    console: &Console,
) -> Result<Verdict> {
    let targets = vec![target];
    let exceeded = exceeded(&targets, thresholds, console);
    console.report(&Report::new(targets), screen, top)?;
    Ok(if exceeded { Verdict::Failed(Kind::Threshold) } else { Verdict::Done })
}

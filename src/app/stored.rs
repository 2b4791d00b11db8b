//! `report` and `diff`: any report again, from snapshots alone.

use super::Verdict;
use super::analyze::{draw, exceeded, reported};
use super::console::Console;
use super::finish::suspects;
use crate::analyse::{Extent, Report, Series, TargetReport, growth, limits_of_comparison, totals};
use crate::cli::plan::{DiffPlan, ReportPlan};
use crate::cli::values::Format;
use crate::error::{Kind, Result};
use crate::store;

pub(super) fn report(plan: &ReportPlan, console: &Console) -> Result<Verdict> {
    let mut capture = store::read(&plan.snapshot)?;
    let (earlier, notices) = store::matching(&capture.target, &plan.compare_with)?;
    capture.collection.warnings.extend(notices);
    let (mut target, holdings) = reported(&mut capture, &plan.selection, earlier.as_ref(), plan.screen.format);
    target.suspects = suspects(&capture, capture.suspects.as_deref(), earlier.as_ref(), holdings.as_ref());
    target.snapshot = Some(plan.snapshot.display().to_string());
    draw(&mut target, &capture, &plan.pictures)?;
    finish(target, plan.thresholds, &plan.screen, plan.selection.top, console)
}

pub(super) fn diff(plan: &DiffPlan, console: &Console) -> Result<Verdict> {
    let newest = store::read(&plan.new)?;
    let extent = Extent { retained: plan.screen.format == Format::Json, places: true };
    let mut series = Series::new(&newest, extent);
    let (mut notices, mut grown) = (Vec::new(), None);
    for path in &plan.earlier {
        // One at a time: each may be as large as the newest.
        let earlier = store::read(path)?;
        // Since the first of the same process.
        grown = grown.or_else(|| growth(&earlier, &newest, None));
        series.add(&earlier, &path.display().to_string(), "given");
        for notice in limits_of_comparison(&earlier, &newest) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
    }
    let mut collection = newest.collection.clone();
    collection.warnings.extend(notices);
    // The table of the later one is `report`'s to show.
    let target = TargetReport {
        diff: series.diff(),
        suspects: grown,
        target: newest.target.clone(),
        collection: Some(collection),
        coverage: Some(newest.coverage.clone()),
        totals: Some(totals(&newest.heap)),
        snapshot: Some(plan.new.display().to_string()),
        ..TargetReport::default()
    };
    finish(target, plan.thresholds, &plan.screen, plan.top, console)
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

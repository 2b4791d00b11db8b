//! `group`: the objects of a snapshot in groups.

use super::Verdict;
use super::console::Console;
use crate::analyse::{self, Filter};
use crate::cli::plan::GroupPlan;
use crate::error::Result;
use crate::{render, store};

pub(super) fn run(plan: &GroupPlan, console: &Console) -> Result<Verdict> {
    let earlier = plan.new_since.as_deref().map(store::read).transpose()?;
    let capture = store::read(&plan.snapshot)?;
    let filter = Filter {
        kind: plan.kind.clone(),
        module: plan.module.clone(),
        min_size: plan.min_size,
        referred_by: plan.referred_by.clone(),
        refers_to: plan.refers_to.clone(),
    };
    let snapshot = plan.snapshot.display().to_string();
    let grouping = analyse::group(&capture, snapshot, &plan.by, &filter, earlier.as_ref())?;
    console.told(&grouping, &plan.screen, plan.top, render::grouping)?;
    Ok(Verdict::Done)
}

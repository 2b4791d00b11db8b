//! `waste`: what of the memory of a snapshot holds nothing.

use super::Verdict;
use super::console::Console;
use crate::cli::plan::WastePlan;
use crate::error::Result;
use crate::{analyse, render, store};

pub(super) fn run(plan: &WastePlan, console: &Console) -> Result<Verdict> {
    let capture = store::read(&plan.snapshot)?;
    let snapshot = plan.snapshot.display().to_string();
    let waste = analyse::waste(&capture, snapshot, plan.top.unwrap_or(usize::MAX));
    console.told(&waste, &plan.screen, plan.top, render::waste)?;
    Ok(Verdict::Done)
}

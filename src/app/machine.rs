//! `ps` and `doctor`: what is here, and whether it can be examined.

use super::Verdict;
use super::console::Console;
use crate::cli::plan::{DoctorPlan, PsPlan};
use crate::cli::values::Format;
use crate::error::{Kind, Result};
use crate::target::{doctor, ps};

pub(super) fn ps(plan: &PsPlan, console: &Console) -> Result<Verdict> {
    let listed = ps::list(ps::look_at)?;
    console.result(&match plan.screen.format {
        Format::Json => ps::json(&listed),
        Format::Text => ps::text(&listed, plan.screen.exact, plan.screen.width),
    })?;
    Ok(Verdict::Done)
}

pub(super) fn doctor(plan: &DoctorPlan, console: &Console) -> Result<Verdict> {
    let findings = doctor::check(plan.target, &plan.collect);
    console.result(&doctor::text(&findings, plan.screen.colour))?;
    Ok(match doctor::exit_code(&findings) {
        0 => Verdict::Done,
        code => Verdict::Failed(Kind::from_exit_code(code)),
    })
}

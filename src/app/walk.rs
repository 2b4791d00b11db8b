//! `dominators`, `paths` and `tree`: outlines of a snapshot.

use std::time::Instant;

use super::Verdict;
use super::console::Console;
use crate::analyse::{self, Question, Shape};
use crate::cli::plan::{Walk, WalkPlan};
use crate::error::Result;
use crate::{render, store};

pub(super) fn run(plan: &WalkPlan, console: &Console) -> Result<Verdict> {
    let begun = Instant::now();
    let step = |text: &str| {
        if plan.trace {
            console.progress(&format!("[{:8.3} s] {text}", begun.elapsed().as_secs_f64()));
        }
    };
    let capture = store::read(&plan.snapshot)?;
    step(&format!("read: {} objects, {} references", capture.heap.len(), capture.heap.edge_count()));
    let question = match &plan.walk {
        Walk::Dominators(subject) => Question::Dominators(subject.clone()),
        Walk::Paths(subject) => Question::Paths(subject.clone()),
        Walk::Tree { subject, up } => Question::Tree { subject: subject.clone(), up: *up },
    };
    let shape = Shape { depth: plan.depth, top: plan.top.unwrap_or(usize::MAX) };
    let snapshot = plan.snapshot.display().to_string();
    let outline = analyse::outline(&capture, snapshot, &question, shape, &step)?;
    console.told(&outline, &plan.screen, plan.top, render::outline)?;
    Ok(Verdict::Done)
}

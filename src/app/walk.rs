//! `dominators`, `paths` and `tree`: outlines of a snapshot.

use std::time::Instant;

use super::Verdict;
use super::console::Console;
use crate::analyse::{self, Asked, Question, Shape};
use crate::cli::plan::{Walk, WalkPlan};
use crate::cli::values::{self, Format};
use crate::error::Result;
use crate::render::{self, TextOptions};
use crate::store;

pub(super) fn run(plan: &WalkPlan, console: &Console) -> Result<Verdict> {
    let begun = Instant::now();
    let step = |text: &str| {
        if plan.trace {
            console.progress(&format!("[{:8.3} s] {text}", begun.elapsed().as_secs_f64()));
        }
    };
    let capture = store::read(&plan.snapshot)?;
    step(&format!("read: {} objects, {} references", capture.heap.len(), capture.heap.edge_count()));
    let asked = |asked: &values::Asked| match asked {
        values::Asked::Address(address) => Asked::Address(*address),
        values::Asked::Type(name) => Asked::Type(name.clone()),
    };
    let question = match &plan.walk {
        Walk::Dominators(subject) => Question::Dominators(subject.as_ref().map(asked)),
        Walk::Paths(subject) => Question::Paths(asked(subject)),
        Walk::Tree { subject, up } => Question::Tree { subject: asked(subject), up: *up },
    };
    let top = plan.top.unwrap_or(usize::MAX);
    let shape = Shape { depth: plan.depth, top };
    let snapshot = plan.snapshot.display().to_string();
    let outline = analyse::outline(&capture, snapshot, &question, shape, &step)?;
    let screen = &plan.screen;
    let options = TextOptions { top, color: screen.colour, width: screen.width, exact_bytes: screen.exact };
    console.result(&match screen.format {
        Format::Json => render::json(&outline),
        Format::Text => render::outline(&outline, &options),
    })?;
    Ok(Verdict::Done)
}

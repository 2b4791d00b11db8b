//! Report → document: what is told of a report, in which order and in which words. Decides nothing about looks.
//!
//! What is there is told: a report of a comparison alone (`diff OLD NEW`) has no table of types, a failed target only its
//! error. What a limit leaves out is always said.

mod accounts;
mod diff;
mod garbage;
mod group;
mod header;
mod outline;
mod probes;
mod references;
mod suspects;
mod threads;
mod types;
mod waste;

pub(crate) use group::grouping;
pub(crate) use outline::outline;
pub(crate) use waste::waste;

use super::document::{Block, Document, Line, Notice, Role, Severity, Value};
use crate::analyse::{Report, TargetReport};
use crate::notice;

/// The report with at most `top` rows in each table.
pub(crate) fn document(report: &Report, top: usize) -> Document {
    let mut out = Document::default();
    for target in &report.targets {
        one(&mut out, target, top);
    }
    if report.targets.len() > 1 {
        let failed = report.targets.iter().filter(|target| target.error.is_some()).count();
        let mut line = Line::text(format!("{} processes", report.targets.len()));
        if failed > 0 {
            line = line.plain(", ").with(Role::Bad, format!("{failed} failed"));
        }
        out.heading(1, "All");
        out.paragraph(line);
    }
    out
}

/// Garbage and suspects, and where the snapshots of the targets are.
pub(crate) fn rest(report: &Report, top: usize) -> Document {
    let mut out = Document::default();
    let several = report.targets.len() > 1;
    for target in &report.targets {
        let mut part = Document::default();
        if let Some(garbage) = &target.garbage {
            garbage::garbage(&mut part, garbage, top);
        }
        suspects::suspects(&mut part, target.suspects.as_deref().unwrap_or_default());
        if several && !part.blocks.is_empty() {
            out.heading(1, format!("PID {}", target.target.pid));
        }
        out.blocks.extend(part.blocks);
    }
    for target in &report.targets {
        let Some(path) = &target.snapshot else { continue };
        let of = if several { format!(" of {}", target.target.pid) } else { String::new() };
        out.paragraph(Line::text(format!("snapshot{of}  ")).with(Role::Path, path.as_str()));
    }
    out
}

fn one(out: &mut Document, target: &TargetReport, top: usize) {
    header::header(out, target);
    if let Some(types) = &target.types {
        types::table(out, types, target.totals, top);
    }
    if let Some(accounts) = &target.accounts {
        accounts::accounts(out, accounts);
    }
    if let Some(garbage) = &target.garbage {
        garbage::garbage(out, garbage, top);
    }
    if let Some(diff) = &target.diff {
        diff::diff(out, diff, top);
    }
    suspects::suspects(out, target.suspects.as_deref().unwrap_or_default());
    for references in target.references.iter().flatten() {
        references::references(out, references);
    }
    if let Some(threads) = &target.threads {
        threads::threads(out, threads);
    }
    for (name, value) in target.probes.iter().flatten() {
        probes::probe(out, name, value, top);
    }
    for warning in target.collection.iter().flat_map(|c| &c.warnings) {
        out.push(Block::Notice(warning_block(warning)));
    }
    if let Some(error) = &target.error {
        let (text, hints) = (error.text.clone(), error.hints.clone());
        out.push(Block::Notice(Notice { severity: Severity::Error, code: None, text, hints }));
    }
}

fn warning_block(warning: &notice::Notice) -> Notice {
    Notice {
        severity: Severity::Warning,
        code: Some(warning.code.clone()),
        text: warning.text.clone(),
        hints: warning.hint.iter().cloned().collect(),
    }
}

/// `part` of `whole` in percent; of nothing, nothing.
fn percent(part: u64, whole: u64) -> Value {
    Value::Percent(if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

/// `1 object`, `2 objects`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What a list does not show, if it does not show all.
fn more(shown: usize, all: u64) -> Option<Line> {
    let left = all.saturating_sub(shown as u64);
    (left > 0).then(|| Line::new().with(Role::Dim, format!("… and {left} more")))
}

//! Walks over a heap: down the dominator tree, along the paths to a type, around an object.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Tree, Value};
use super::references::path;
use super::{counted, header, percent};
use crate::analyse::{Again, Branch, Level, Outline, Place, Subject, TargetReport};

/// The outline with at most `top` places.
pub(crate) fn outline(of: &Outline, top: usize) -> Document {
    let mut out = Document::default();
    let snapshot = Some(of.snapshot.clone());
    header::header(&mut out, &TargetReport { target: of.target.clone(), snapshot, ..TargetReport::default() });
    let question = match (of.schema, &of.subject) {
        ("memory-analyzer/dominators", None) => "What holds the memory",
        ("memory-analyzer/dominators", Some(_)) => "What it holds",
        ("memory-analyzer/paths", _) => "Paths from the roots",
        _ if of.direction == Some("referrers") => "What refers to it",
        _ => "What it refers to",
    };
    out.heading(2, question);
    out.push(Block::KeyValues(facts(of)));
    if let Some(places) = &of.places {
        self::places(&mut out, places, of.subject.as_ref(), top);
    }
    if let Some(steps) = &of.path_to_root {
        path(&mut out, steps);
    }
    let trees = level(&of.level, of.reached.bytes);
    if of.places.is_some() && !trees.is_empty() {
        out.paragraph(Line::text("step by step"));
    }
    trees.into_iter().for_each(|tree| out.push(Block::Tree(tree)));
    out
}

fn facts(of: &Outline) -> Vec<(String, Line)> {
    let mut facts = Vec::new();
    if let Some(subject) = &of.subject {
        let mut line = objects(Line::new(), subject.count, &subject.kind, subject.address);
        line = line.plain("  ").plain(Value::Bytes(subject.bytes)).plain(", ").plain(retain(subject.count));
        line = share(line, subject.retained_bytes, of.reached.bytes);
        if subject.unreached > 0 && subject.count > 1 {
            line = line.with(Role::Warning, format!("; {} of them are reached by no root", subject.unreached));
        } else if subject.unreached > 0 {
            line = line.with(Role::Warning, "; it is reached by no root");
        }
        facts.push(("of".to_owned(), line));
    }
    let reached = Line::text(counted(of.reached.objects, "object")).plain(", ").plain(Value::Bytes(of.reached.bytes));
    facts.push(("reached".to_owned(), reached));
    if of.unreached.objects > 0 {
        let line = Line::text(counted(of.unreached.objects, "object")).plain(", ");
        let line = line.plain(Value::Bytes(of.unreached.bytes)).plain(": by no root; they are not in the shares");
        facts.push(("not reached".to_owned(), line));
    }
    facts
}

/// A table of expressions, the most common first.
fn places(out: &mut Document, places: &[Place], subject: Option<&Subject>, top: usize) {
    let shown = &places[..places.len().min(top)];
    let row = |objects, bytes, text| vec![Span::plain(Value::Count(objects)), Span::plain(Value::Bytes(bytes)), text];
    let rows = shown
        .iter()
        .map(|place| row(place.objects, place.retained_bytes, Span::plain(place.expression.as_str())))
        .collect();
    let told: u64 = shown.iter().map(|place| place.objects).sum();
    let all = subject.map_or(0, |subject| subject.count - subject.unreached);
    let mut foot = Vec::new();
    if all > told {
        let text = Span::new(Role::Dim, "… elsewhere");
        foot.push(vec![Span::plain(Value::Count(all - told)), Span::plain(Value::Empty), text]);
    }
    if !shown.is_empty() {
        let columns = vec![Column::right("Count"), Column::right("Retained"), Column::left("Place", Role::Edge)];
        out.push(Block::Table(Table { columns, rows, foot }));
    }
}

fn level(of: &Level, all: u64) -> Vec<Tree> {
    let mut trees: Vec<Tree> = of.branches.iter().map(|branch| tree(branch, all)).collect();
    if let Some(left) = of.left_out {
        let branches = counted(left.branches, "more branch").replace("branchs", "branches");
        let text = format!("… {branches}, {}", counted(left.objects, "object"));
        trees.push(Tree::leaf(Line::new().with(Role::Dim, text)));
    }
    trees
}

fn tree(branch: &Branch, all: u64) -> Tree {
    Tree { line: line(branch, all), children: level(&branch.below, all) }
}

/// `.payload  5000 × builtins.bytes  1.2 MiB, retain 1.2 MiB (22.2 %)`
fn line(branch: &Branch, all: u64) -> Line {
    let mut line = Line::new();
    if let Some(edge) = &branch.edge {
        let repeated = branch.way.as_ref().is_some_and(|way| way.repeated > 1);
        line = line.with(Role::Edge, format!("{edge}{}", if repeated { "…" } else { "" })).plain("  ");
    }
    line = objects(line, branch.count, &branch.kind, branch.address).plain("  ");
    line = match &branch.way {
        Some(way) => {
            let here = if way.here.objects == way.leads.objects { "" } else { "to " };
            line = line.plain(format!("{here}{}, ", counted(way.leads.objects, "object")));
            line.with(Role::Strong, Value::Bytes(way.leads.retained_bytes))
        }
        None => {
            line = line.plain(Value::Bytes(branch.bytes)).plain(", ");
            match branch.retained_bytes {
                // At least its own bytes, if any path led there.
                0 if branch.bytes > 0 => line.with(Role::Warning, "reached by no root"),
                retained => share(line.plain(retain(branch.count)), retained, all),
            }
        }
    };
    match branch.again {
        Some(Again::Cycle) => line.with(Role::Warning, "  ↑ a cycle"),
        Some(Again::Above) => line.with(Role::Dim, "  ↑ unfolded above"),
        None if branch.folded => line.with(Role::Dim, "  …"),
        None => line,
    }
}

/// One with its address, or how many.
fn objects(line: Line, count: u64, kind: &str, address: Option<crate::units::Address>) -> Line {
    match address {
        Some(address) => line.with(Role::Kind, kind).plain("  ").with(Role::Dim, address),
        None => line.plain(format!("{count} × ")).with(Role::Kind, kind),
    }
}

fn retain(count: u64) -> &'static str {
    if count == 1 { "retains " } else { "retain " }
}

fn share(line: Line, part: u64, whole: u64) -> Line {
    line.with(Role::Strong, Value::Bytes(part)).plain(" (").plain(percent(part, whole)).plain(" %)")
}

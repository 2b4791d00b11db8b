//! The largest object of a type in its surroundings: the way a root leads to it, what it refers to, what refers to it.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Tree, Value};
use super::more;
use crate::analyse::{References, Step};

/// Referents and referrers shown of each; the pictures and JSON have more.
const MAX_NEIGHBOURS: usize = 10;
/// Steps of a path that are shown; of a longer one its two ends.
const MAX_PATH: usize = 24;

pub(super) fn references(out: &mut Document, of: &References) {
    let title = Line::new().with(Role::Heading, "Largest ").with(Role::Kind, of.kind.as_str());
    let title = title.plain("  ").with(Role::Strong, Value::Bytes(of.bytes)).plain(" at ").with(Role::Dim, of.address);
    out.push(Block::Heading { level: 2, line: title });
    path(out, &of.path_to_root);
    neighbours(out, "refers to", &of.referents, of.referent_count);
    neighbours(out, "referred to by", &of.referrers, of.referrer_count);
    if !of.files.is_empty() {
        let lines = of.files.iter().map(|file| Tree::leaf(Line::new().with(Role::Path, file.as_str())));
        out.push(Block::Tree(Tree { line: Line::text("pictures"), children: lines.collect() }));
    }
}

/// One step a line, the root's first, the object itself last.
pub(super) fn path(out: &mut Document, steps: &[Step]) {
    if steps.is_empty() {
        out.paragraph(Line::text("path to root: none was found, nothing that is a root leads to it"));
        return;
    }
    out.paragraph(Line::text("path to root"));
    let mut rows = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if steps.len() > MAX_PATH && index >= MAX_PATH / 2 && index + MAX_PATH / 2 < steps.len() {
            if index == MAX_PATH / 2 {
                let left = steps.len() - MAX_PATH / 2 * 2;
                rows.push(row(Span::new(Role::Dim, format!("  … {left} more …")), Value::Empty, Value::Empty));
            }
            continue;
        }
        let edge = if step.edge.is_empty() { "refers to" } else { &step.edge };
        let arrow = if index == 0 { "  " } else { "  → " };
        rows.push(row(Span::plain(format!("{arrow}{edge}")), step.kind.as_str().into(), step.address.into()));
    }
    let columns = [Role::Edge, Role::Kind, Role::Dim].map(|role| Column::left("", role)).into();
    out.push(Block::Table(Table { columns, rows, foot: Vec::new() }));
}

fn row(edge: Span, kind: Value, address: Value) -> Vec<Span> {
    vec![edge, Span::plain(kind), Span::plain(address)]
}

fn neighbours(out: &mut Document, name: &str, steps: &[Step], count: u64) {
    if count == 0 && steps.is_empty() {
        out.paragraph(Line::text(format!("{name} nothing")));
        return;
    }
    let shown = &steps[..steps.len().min(MAX_NEIGHBOURS)];
    let mut children: Vec<Tree> = shown.iter().map(|step| Tree::leaf(neighbour(step))).collect();
    children.extend(more(shown.len(), count.max(steps.len() as u64)).map(Tree::leaf));
    let line = Line::text(format!("{name} {}", count.max(steps.len() as u64)));
    out.push(Block::Tree(Tree { line, children }));
}

fn neighbour(step: &Step) -> Line {
    let mut line = Line::new();
    if !step.edge.is_empty() {
        line = line.with(Role::Edge, step.edge.as_str()).plain("  ");
    }
    line.with(Role::Kind, step.kind.as_str()).plain("  ").with(Role::Dim, step.address)
}

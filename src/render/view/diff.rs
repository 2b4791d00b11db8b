//! What grew and what shrank since an earlier snapshot.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::counted;
use crate::analyse::{Diff, TypeDelta};

/// The `top` types that grew most, one row for all others, and the sum.
pub(super) fn diff(out: &mut Document, diff: &Diff, top: usize) {
    out.heading(2, "Change, by size");
    out.paragraph(since(diff));
    if diff.types.is_empty() {
        out.paragraph(Line::text("no type has changed"));
        return;
    }
    let (shown, rest) = diff.types.split_at(top.min(diff.types.len()));
    let mut rows = Vec::with_capacity(shown.len());
    for (index, row) in shown.iter().enumerate() {
        let mut cells = vec![Span::new(Role::Dim, Value::Count(index as u64)), Span::plain(Value::Count(row.count))];
        cells.push(change(row.count_delta, Value::CountChange));
        cells.push(Span::plain(Value::Bytes(row.bytes)));
        cells.push(change(row.bytes_delta, Value::BytesChange));
        cells.push(Span::plain(row.kind.as_str()));
        rows.push(cells);
    }
    let mut foot = Vec::new();
    if !rest.is_empty() {
        let text = format!("… and {}", counted(rest.len() as u64, "more type"));
        foot.push(summary(rest, Span::new(Role::Dim, text)));
    }
    let text = format!("change in all, {}", counted(diff.types.len() as u64, "type"));
    foot.push(summary(&diff.types, Span::new(Role::Strong, text)));

    let columns = ["Index", "Count", "Count Δ", "Size", "Size Δ"].map(Column::right);
    let columns = columns.into_iter().chain([Column::left("Kind", Role::Kind)]).collect();
    out.push(Block::Table(Table { columns, rows, foot }));
}

fn since(diff: &Diff) -> Line {
    let since = &diff.since;
    let how = match since.paired_by.as_str() {
        "pid-and-start-time" => "the same process, by PID and start time",
        "cmdline" => "another process with the same command line",
        "given" => "as given",
        other => other,
    };
    let mut line = Line::text("since ").with(Role::Strong, since.started_at.as_str());
    line = line.plain(format!(" (PID {}; {how}), ", since.pid));
    line.with(Role::Path, since.snapshot.as_str())
}

/// A change, in the colour of what it means for memory.
fn change(delta: i64, value: impl Fn(i64) -> Value) -> Span {
    let role = match delta {
        0 => Role::Dim,
        d if d > 0 => Role::Bad,
        _ => Role::Good,
    };
    Span::new(role, value(delta))
}

fn summary(types: &[TypeDelta], text: Span) -> Vec<Span> {
    let sum = |of: fn(&TypeDelta) -> i64| types.iter().fold(0i64, |sum, row| sum.saturating_add(of(row)));
    let empty = || Span::plain(Value::Empty);
    let count = change(sum(|row| row.count_delta), Value::CountChange);
    let bytes = change(sum(|row| row.bytes_delta), Value::BytesChange);
    vec![empty(), empty(), count, empty(), bytes, text]
}

//! What grew and what shrank since an earlier snapshot.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::counted;
use crate::analyse::{Diff, TypeDelta};

/// The `top` types that grew most, one row for all others, and the sum; then the same of places that grew, where they are told.
pub(super) fn diff(out: &mut Document, diff: &Diff, top: usize) {
    let several = !diff.by_way_of.is_empty();
    out.heading(2, if several { "Growing each time, by size" } else { "Change, by size" });
    out.paragraph(since(diff));
    if diff.types.is_empty() {
        out.paragraph(Line::text(if several { "no type has grown each time" } else { "no type has changed" }));
    } else {
        changes(out, &diff.types, top, "type");
    }
    let grown: Vec<TypeDelta> = diff.places.iter().flatten().filter(|row| row.bytes_delta > 0).cloned().collect();
    if !grown.is_empty() {
        out.heading(2, "Where it grew");
        changes(out, &grown, top, "place");
    }
}

/// A table of changes by type, or by place and type.
fn changes(out: &mut Document, all: &[TypeDelta], top: usize, noun: &str) {
    let (shown, rest) = all.split_at(top.min(all.len()));
    let (new, places) = (all.iter().any(|row| row.new.is_some()), all.iter().any(|row| row.place.is_some()));
    let steps = all.first().map_or(0, |row| row.steps.len());
    let mut rows = Vec::with_capacity(shown.len());
    for (index, row) in shown.iter().enumerate() {
        let mut cells = vec![Span::new(Role::Dim, Value::Count(index as u64)), Span::plain(Value::Count(row.count))];
        cells.push(change(row.count_delta, Value::CountChange));
        if new {
            cells.push(Span::plain(row.new.map_or(Value::Empty, Value::Count)));
        }
        cells.push(Span::plain(Value::Bytes(row.bytes)));
        cells.push(change(row.bytes_delta, Value::BytesChange));
        cells.extend(row.steps.iter().map(|&step| change(step, Value::BytesChange)));
        cells.push(Span::plain(row.kind.as_str()));
        cells.extend(row.place.iter().map(|place| Span::plain(place.as_str())));
        rows.push(cells);
    }
    let summary = |of: &[TypeDelta], text: Span| {
        let sum = |of: &dyn Fn(&TypeDelta) -> i64, rows: &[TypeDelta]| {
            rows.iter().fold(0i64, |sum, row| sum.saturating_add(of(row)))
        };
        let empty = || Span::plain(Value::Empty);
        let mut cells = vec![empty(), empty(), change(sum(&|row| row.count_delta, of), Value::CountChange)];
        cells.extend(new.then(empty));
        cells.extend([empty(), change(sum(&|row| row.bytes_delta, of), Value::BytesChange)]);
        let step = |step: usize| move |row: &TypeDelta| row.steps.get(step).copied().unwrap_or(0);
        cells.extend((0..steps).map(|at| change(sum(&step(at), of), Value::BytesChange)));
        cells.push(text);
        cells.extend(places.then(empty));
        cells
    };
    let mut foot = Vec::new();
    if !rest.is_empty() {
        let text = format!("… and {}", counted(rest.len() as u64, &format!("more {noun}")));
        foot.push(summary(rest, Span::new(Role::Dim, text)));
    }
    let what = if places { "growth" } else { "change" };
    let text = format!("{what} in all, {}", counted(all.len() as u64, noun));
    foot.push(summary(all, Span::new(Role::Strong, text)));

    let mut columns = ["Index", "Count", "Count Δ"].map(Column::right).to_vec();
    columns.extend(new.then(|| Column::right("New")));
    columns.extend(["Size", "Size Δ"].map(Column::right));
    columns.extend((1..=steps).map(|step| Column::right(&format!("Δ {step}"))));
    columns.push(Column::left("Kind", Role::Kind));
    columns.extend(places.then(|| Column::left("Place", Role::Edge)));
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
    line = line.with(Role::Path, since.snapshot.as_str());
    for between in &diff.by_way_of {
        line = line.plain(", ").with(Role::Path, between.snapshot.as_str());
    }
    line
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

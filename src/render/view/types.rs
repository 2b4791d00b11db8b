//! The table of types in the layout that heapy and meliae made known: `Index Count % Size % Cum Max Kind`.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::{counted, percent};
use crate::analyse::{Totals, TypeRow};

/// The first `top` types, one row for all others, and the total. Percentages are of `totals`, else of the rows.
pub(super) fn table(out: &mut Document, types: &[TypeRow], totals: Option<Totals>, top: usize) {
    let totals = totals.unwrap_or_else(|| sum(types));
    out.heading(2, "Types, by size");
    if types.is_empty() {
        out.paragraph(Line::text("no objects"));
        return;
    }
    let (shown, rest) = types.split_at(top.min(types.len()));
    let mut running = 0u64;
    let mut rows = Vec::with_capacity(shown.len());
    for (index, row) in shown.iter().enumerate() {
        running = running.saturating_add(row.bytes);
        let mut cells = vec![Span::new(Role::Dim, Value::Count(index as u64))];
        cells.extend(numbers(row.count, row.bytes, running, totals));
        cells.push(Span::plain(Value::Bytes(row.max_bytes)));
        cells.push(Span::plain(row.kind.as_str()));
        rows.push(cells);
    }
    let mut foot = Vec::new();
    if !rest.is_empty() {
        let left = sum(rest);
        running = running.saturating_add(left.bytes);
        let text = format!("… and {}", counted(left.types, "more type"));
        foot.push(summary(left.objects, left.bytes, running, totals, Span::new(Role::Dim, text)));
    }
    let text = format!("total, {}", counted(totals.types, "type"));
    foot.push(summary(totals.objects, totals.bytes, totals.bytes, totals, Span::new(Role::Strong, text)));

    let columns = ["Index", "Count", "%", "Size", "%", "Cum", "Max"].map(Column::right);
    let columns = columns.into_iter().chain([Column::left("Kind", Role::Kind)]).collect();
    out.push(Block::Table(Table { columns, rows, foot }));
}

/// `Count % Size % Cum`.
pub(super) fn numbers(count: u64, bytes: u64, running: u64, totals: Totals) -> [Span; 5] {
    [
        Span::plain(Value::Count(count)),
        Span::new(Role::Dim, percent(count, totals.objects)),
        Span::new(Role::Strong, Value::Bytes(bytes)),
        Span::new(Role::Dim, percent(bytes, totals.bytes)),
        Span::new(Role::Dim, percent(running, totals.bytes)),
    ]
}

fn summary(count: u64, bytes: u64, running: u64, totals: Totals, text: Span) -> Vec<Span> {
    let mut cells = vec![Span::plain(Value::Empty)];
    cells.extend(numbers(count, bytes, running, totals));
    cells.extend([Span::plain(Value::Empty), text]);
    cells
}

fn sum(types: &[TypeRow]) -> Totals {
    let mut totals = Totals { types: types.len() as u64, ..Totals::default() };
    for row in types {
        totals.objects = totals.objects.saturating_add(row.count);
        totals.bytes = totals.bytes.saturating_add(row.bytes);
    }
    totals
}

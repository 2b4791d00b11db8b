//! Objects in groups: a table of these, in the layout of the table of types, with the address of the largest object of each.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::{counted, header, types};
use crate::analyse::{Grouping, TargetReport, Totals};

/// The first `top` groups, one row for all others, and the total.
pub(crate) fn grouping(of: &Grouping, top: usize) -> Document {
    let mut out = Document::default();
    let snapshot = Some(of.snapshot.clone());
    header::header(&mut out, &TargetReport { target: of.target.clone(), snapshot, ..TargetReport::default() });
    out.heading(2, format!("Groups by {}", of.by.join(", ")));
    if of.grouped.objects == 0 {
        out.paragraph(Line::text("no objects"));
        return out;
    }
    if of.grouped != of.heap {
        let heap = counted(of.heap.objects, "object");
        let line = Line::text(counted(of.grouped.objects, "object")).plain(" of ").plain(heap).plain(", ");
        out.paragraph(line.plain(Value::Bytes(of.grouped.bytes)).plain(" of ").plain(Value::Bytes(of.heap.bytes)));
    }
    let keys = of.by.len();
    let totals = Totals { objects: of.grouped.objects, bytes: of.grouped.bytes, types: of.groups.len() as u64 };
    let (shown, rest) = of.groups.split_at(top.min(of.groups.len()));
    let mut running = 0u64;
    let mut rows = Vec::with_capacity(shown.len());
    for (index, row) in shown.iter().enumerate() {
        running = running.saturating_add(row.bytes);
        let mut cells = vec![Span::new(Role::Dim, Value::Count(index as u64))];
        cells.extend(types::numbers(row.count, row.bytes, running, totals));
        cells.push(Span::plain(Value::Bytes(row.max_bytes)));
        cells.push(Span::new(Role::Dim, row.max_address));
        cells.extend(row.key.iter().map(|key| Span::plain(key.as_str())));
        rows.push(cells);
    }
    let summary = |count, bytes, running, text: Span| {
        let mut cells = vec![Span::plain(Value::Empty)];
        cells.extend(types::numbers(count, bytes, running, totals));
        cells.extend([Span::plain(Value::Empty), Span::plain(Value::Empty), text]);
        cells.extend((1..keys).map(|_| Span::plain(Value::Empty)));
        cells
    };
    let mut foot = Vec::new();
    if !rest.is_empty() {
        let sum = |of: fn(&crate::analyse::Row) -> u64| rest.iter().fold(0u64, |sum, row| sum.saturating_add(of(row)));
        let (count, bytes) = (sum(|row| row.count), sum(|row| row.bytes));
        let text = format!("… and {}", counted(rest.len() as u64, "more group"));
        foot.push(summary(count, bytes, running.saturating_add(bytes), Span::new(Role::Dim, text)));
    }
    let text = format!("total, {}", counted(totals.types, "group"));
    foot.push(summary(totals.objects, totals.bytes, totals.bytes, Span::new(Role::Strong, text)));

    let columns = ["Index", "Count", "%", "Size", "%", "Cum", "Max", "Max at"].map(Column::right);
    let keys = of.by.iter().map(|by| Column::left(by, Role::Kind));
    out.push(Block::Table(Table { columns: columns.into_iter().chain(keys).collect(), rows, foot }));
    out
}

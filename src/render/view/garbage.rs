//! Garbage and what C code holds, where there is enough of it to be worth a line. JSON has all of it.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::counted;
use crate::analyse::{is_much, is_suspicious};
use crate::heap::{Garbage, Held, Population};
use crate::units::Bytes;

pub(super) fn garbage(out: &mut Document, garbage: &Garbage, top: usize) {
    let held: Vec<&Held> = garbage.held_outside.iter().filter(|held| is_suspicious(held)).collect();
    let (waits, gave_up) = (is_much(&garbage.unreachable), garbage.uncollectable.objects > 0);
    if held.is_empty() && !waits && !gave_up {
        return;
    }
    out.heading(2, "Garbage, and what C code holds");
    if waits {
        let finalizers = match garbage.with_finalizers.objects {
            0 => String::new(),
            count => format!(", {count} of them of classes with __del__"),
        };
        let text = "reached by nothing and not collected yet";
        population(out, &garbage.unreachable, format!("{text}{finalizers}"), top);
    }
    if gave_up {
        population(out, &garbage.uncollectable, "in gc.garbage: the collector gave them up".to_owned(), top);
    }
    if held.is_empty() {
        return;
    }
    let text =
        "Reached by no root, and with more references than are known: only C code can hold them, or it has lost them.";
    out.paragraph(Line::text(text));
    let rows = held.iter().take(top).map(|held| {
        vec![
            Span::plain(Value::Count(held.unreachable)),
            Span::new(Role::Strong, Value::Bytes(held.bytes)),
            Span::plain(held.kind.as_str()),
        ]
    });
    let columns = ["Count", "Size"].map(Column::right);
    let columns = columns.into_iter().chain([Column::left("Kind", Role::Kind)]).collect();
    out.push(Block::Table(Table { columns, rows: rows.collect(), foot: Vec::new() }));
}

fn population(out: &mut Document, population: &Population, what: String, top: usize) {
    let mut line = Line::new().with(Role::Strong, counted(population.objects, "object"));
    line = line.plain(format!(" of {} {what}: ", Bytes(population.bytes)));
    for (index, share) in population.types.iter().take(top.min(5)).enumerate() {
        line = line.plain(if index == 0 { "" } else { ", " }).with(Role::Kind, share.kind.as_str());
        line = line.plain(format!(" {}", share.count));
    }
    if population.types.len() > top.min(5) {
        line = line.plain(", …");
    }
    out.paragraph(line);
}

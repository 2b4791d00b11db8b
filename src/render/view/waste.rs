//! Waste: a table of its kinds, then for each kind the groups of which most would be saved.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::{counted, header, percent, warning_block};
use crate::analyse::{Finding, TargetReport, Waste, WasteKind};

/// At most `top` groups of each kind, one row for all others, and the total.
pub(crate) fn waste(of: &Waste, top: usize) -> Document {
    let mut out = Document::default();
    let snapshot = Some(of.snapshot.clone());
    header::header(&mut out, &TargetReport { target: of.target.clone(), snapshot, ..TargetReport::default() });
    out.heading(2, "Waste, by kind");
    let heap = Line::text("of ").plain(counted(of.heap.objects, "object")).plain(", ");
    out.paragraph(heap.plain(Value::Bytes(of.heap.bytes)).plain("; what is in two kinds is told in both"));
    let whole = of.heap.bytes;
    let rows = of.kinds.iter().map(|finding| {
        let mut cells = amounts(finding.objects, finding.bytes, finding.saved_bytes, whole);
        cells.push(Span::plain(words(finding.kind).0));
        cells
    });
    let columns = ["Objects", "Size", "Saved", "%"].map(Column::right);
    let columns = columns.into_iter().chain([Column::left("Kind", Role::Plain)]).collect();
    out.push(Block::Table(Table { columns, rows: rows.collect(), foot: Vec::new() }));
    for finding in of.kinds.iter().filter(|finding| finding.groups > 0) {
        groups(&mut out, finding, top, whole);
    }
    for notice in &of.notices {
        out.push(Block::Notice(warning_block(notice)));
    }
    out
}

/// What a kind is called, and what would be done about it.
fn words(kind: WasteKind) -> (&'static str, &'static str) {
    match kind {
        WasteKind::DuplicateTexts => ("equal str and bytes", "one of each would do: sys.intern, a cache of one's own"),
        WasteKind::SparseContainers => {
            ("containers larger than a copy", "a copy has less room: list(x), set(x), dict(x)")
        }
        WasteKind::EmptyContainers => ("empty containers", "made when they are needed, they would not be there"),
        WasteKind::BoxedNumbers => ("numbers in boxes", "array.array keeps each in eight bytes"),
        WasteKind::InstanceDicts => ("dicts of instances", "with __slots__ the class would have none"),
    }
}

fn amounts(objects: u64, bytes: u64, saved: u64, whole: u64) -> Vec<Span> {
    let amounts = [Value::Count(objects), Value::Bytes(bytes), Value::Bytes(saved), percent(saved, whole)];
    amounts.into_iter().map(Span::plain).collect()
}

fn groups(out: &mut Document, finding: &Finding, top: usize, whole: u64) {
    let (name, remedy) = words(finding.kind);
    out.heading(2, format!("{}{}, by bytes saved", name[..1].to_uppercase(), &name[1..]));
    out.paragraph(Line::new().with(Role::Dim, remedy));
    let shown = &finding.top[..top.min(finding.top.len())];
    let mut rows = Vec::with_capacity(shown.len());
    for (index, row) in shown.iter().enumerate() {
        let mut cells = vec![Span::new(Role::Dim, Value::Count(index as u64))];
        cells.extend(amounts(row.objects, row.bytes, row.saved_bytes, whole));
        cells.push(Span::plain(Value::Bytes(row.max_saved_bytes)));
        cells.push(Span::new(Role::Dim, row.max_address));
        cells.push(Span::plain(row.name.as_str()));
        cells.push(Span::new(Role::Edge, row.held_by.as_str()));
        rows.push(cells);
    }
    let summary = |objects, bytes, saved, text: Span| {
        let mut cells = vec![Span::plain(Value::Empty)];
        cells.extend(amounts(objects, bytes, saved, whole));
        cells.extend([Span::plain(Value::Empty), Span::plain(Value::Empty), text, Span::plain(Value::Empty)]);
        cells
    };
    let mut foot = Vec::new();
    let left = finding.groups.saturating_sub(shown.len() as u64);
    if left > 0 {
        let rest = |all: u64, of: fn(&crate::analyse::WasteRow) -> u64| {
            shown.iter().fold(all, |rest, row| rest.saturating_sub(of(row)))
        };
        let objects = rest(finding.objects, |row| row.objects);
        let (bytes, saved) = (rest(finding.bytes, |row| row.bytes), rest(finding.saved_bytes, |row| row.saved_bytes));
        let text = format!("… and {}", counted(left, "more group"));
        foot.push(summary(objects, bytes, saved, Span::new(Role::Dim, text)));
    }
    let text = Span::new(Role::Strong, format!("total, {}", counted(finding.groups, "group")));
    foot.push(summary(finding.objects, finding.bytes, finding.saved_bytes, text));
    let columns = ["Index", "Objects", "Size", "Saved", "%", "Max", "Max at"].map(Column::right);
    let columns = columns.into_iter().chain([Column::left("Type", Role::Kind), Column::left("Mostly in", Role::Edge)]);
    out.push(Block::Table(Table { columns: columns.collect(), rows, foot }));
}

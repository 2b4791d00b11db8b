//! Where the resident size went: a line for each part that has any of it, and what that means.

use super::super::document::{Block, Column, Document, Line, Role, Span, Table, Value};
use super::percent;
use crate::analyse::AccountsReport;
use crate::heap::PartName;

pub(super) fn accounts(out: &mut Document, accounts: &AccountsReport) {
    out.heading(2, "Resident size, by what it is for");
    let mut rows = Vec::new();
    for part in accounts.parts.iter().filter(|part| part.resident_bytes > 0) {
        rows.push(vec![
            Span::new(Role::Strong, Value::Bytes(part.resident_bytes)),
            Span::new(Role::Dim, percent(part.resident_bytes, accounts.rss_bytes)),
            Span::plain(name(part.name)),
            Span::new(Role::Dim, part.detail.as_str()),
        ]);
    }
    let total = vec![
        Span::new(Role::Strong, Value::Bytes(accounts.rss_bytes)),
        Span::new(Role::Dim, percent(accounts.rss_bytes, accounts.rss_bytes)),
        Span::new(Role::Strong, "total"),
        Span::plain(Value::Empty),
    ];
    let columns = vec![
        Column::right("Resident"),
        Column::right("%"),
        Column::left("Part", Role::Plain),
        Column::left("Found", Role::Dim),
    ];
    out.push(Block::Table(Table { columns, rows, foot: vec![total] }));
    for sentence in std::iter::once(&accounts.summary).chain(&accounts.growth) {
        out.paragraph(Line::text(sentence.as_str()));
    }
}

fn name(part: PartName) -> &'static str {
    match part {
        PartName::PythonObjects => "Python objects",
        PartName::PymallocFree => "pymalloc, free",
        PartName::GlibcInUse => "glibc, in use by C code",
        PartName::GlibcFree => "glibc, free",
        PartName::MmappedBlocks => "large mapped blocks of C code",
        PartName::ThreadStacks => "thread stacks",
        PartName::LibrariesAndFiles => "libraries and files",
        PartName::SharedMemory => "shared memory",
        PartName::Rest => "the rest",
    }
}

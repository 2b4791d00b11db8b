//! The presentation model: what is shown, in which order and meaning, before anyone decides on fonts or colours.
//!
//! Values keep their type ([`Value`]), so that one place per format decides how a size or an address is written, and a
//! viewer can sort by them. Text in a document is raw, as the target wrote it: renderers make it harmless.

use crate::units::Address;

/// Blocks in reading order.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    /// Level 1 opens a process, level 2 a part of its report.
    Heading {
        level: u8,
        line: Line,
    },
    Paragraph(Line),
    /// A sentence, in as many lines as it takes.
    Prose(String),
    /// Names with what they stand for, in two columns.
    KeyValues(Vec<(String, Line)>),
    Table(Table),
    Tree(Tree),
    Notice(Notice),
    /// Lines shown as they are, such as JSON.
    Verbatim(Vec<String>),
}

/// What a piece of text is, from which each format derives how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Role {
    #[default]
    Plain,
    Heading,
    /// Beside the point: addresses, names of fields.
    Dim,
    /// What the eye should find.
    Strong,
    /// The name of a type; may be shortened in the middle.
    Kind,
    /// How a reference is written in Python.
    Edge,
    /// A path or command line; may be shortened in the middle.
    Path,
    Good,
    Warning,
    Bad,
}

/// A value that is not yet text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Count(u64),
    /// A difference of counts, written with its sign.
    CountChange(i64),
    Bytes(u64),
    /// A difference in bytes, written with its sign.
    BytesChange(i64),
    /// 0 to 100.
    Percent(f64),
    Milliseconds(f64),
    Address(Address),
    Empty,
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<Address> for Value {
    fn from(address: Address) -> Value {
        Value::Address(address)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) role: Role,
    pub(crate) value: Value,
}

impl Span {
    pub(crate) fn new(role: Role, value: impl Into<Value>) -> Span {
        Span { role, value: value.into() }
    }

    pub(crate) fn plain(value: impl Into<Value>) -> Span {
        Span::new(Role::Plain, value)
    }
}

/// Spans one after the other, with nothing between them.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Line(pub(crate) Vec<Span>);

impl Line {
    pub(crate) fn new() -> Line {
        Line::default()
    }

    pub(crate) fn text(text: impl Into<Value>) -> Line {
        Line::new().plain(text)
    }

    pub(crate) fn plain(self, value: impl Into<Value>) -> Line {
        self.with(Role::Plain, value)
    }

    pub(crate) fn with(mut self, role: Role, value: impl Into<Value>) -> Line {
        self.0.push(Span::new(role, value));
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) align: Align,
    /// Of cells that have no role of their own.
    pub(crate) role: Role,
}

impl Column {
    pub(crate) fn left(title: &str, role: Role) -> Column {
        Column { title: title.to_owned(), align: Align::Left, role }
    }

    pub(crate) fn right(title: &str) -> Column {
        Column { title: title.to_owned(), align: Align::Right, role: Role::Plain }
    }
}

/// Rows of as many cells as there are columns. Without any title there is no head.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Span>>,
    /// Rows that sum up: what was left out, the total.
    pub(crate) foot: Vec<Vec<Span>>,
}

/// A line with what hangs on it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Tree {
    pub(crate) line: Line,
    pub(crate) children: Vec<Tree>,
}

impl Tree {
    pub(crate) fn leaf(line: Line) -> Tree {
        Tree { line, children: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Warning,
    Error,
}

/// A finding or a failure with its remedies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) severity: Severity,
    /// Of a warning, its stable code.
    pub(crate) code: Option<String>,
    pub(crate) text: String,
    pub(crate) hints: Vec<String>,
}

impl Document {
    pub(crate) fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    pub(crate) fn heading(&mut self, level: u8, text: impl Into<Value>) {
        self.push(Block::Heading { level, line: Line::new().with(Role::Heading, text) });
    }

    pub(crate) fn paragraph(&mut self, line: Line) {
        self.push(Block::Paragraph(line));
    }
}

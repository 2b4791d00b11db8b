//! Document → plain or coloured text for a terminal, a file or a pipe. The only place where text gets colour or is cut.
//!
//! A character counts as one column. Nothing is cut unless the width is limited, and then only names of types and paths, in
//! their middle, where they carry least.

use anstyle::{AnsiColor, Effects, Style as Ansi};

use super::document::{Align, Block, Column, Document, Line, Notice, Role, Severity, Span, Table, Tree, Value};
use crate::units::{Bytes, printable, signed_bytes};

/// Characters of one value that are shown at most, whatever the width: names come from the target.
const MAX_TEXT: usize = 2000;
/// A name is not cut to less than this, rather let the line be too long.
const MIN_NAME: usize = 16;
const COLUMN_GAP: usize = 2;
const INDENT: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: bool,
    /// Columns; `usize::MAX` where there is no limit.
    pub(crate) width: usize,
    /// Sizes as plain numbers of bytes.
    pub(crate) bytes_exact: bool,
}

/// The document as text; every line ends with a line feed and has no blanks before it.
pub(crate) fn render(document: &Document, style: Style) -> String {
    let mut out = Writer { style, out: String::new() };
    let mut previous: Option<&Block> = None;
    for block in &document.blocks {
        let together = match (previous, block) {
            (None, _) => true,
            (Some(Block::Heading { .. }), b) => !matches!(b, Block::Heading { .. }),
            (Some(Block::Prose(_)), Block::Paragraph(_)) => true,
            (Some(Block::Notice(_)), Block::Notice(_)) => true,
            (Some(Block::Paragraph(_)), b) => !matches!(b, Block::Heading { .. } | Block::Notice(_)),
            (Some(Block::Tree(_) | Block::Table(_)), Block::Tree(_)) => true,
            _ => false,
        };
        if !together {
            out.out.push('\n');
        }
        out.block(block);
        previous = Some(block);
    }
    out.out
}

struct Writer {
    style: Style,
    out: String,
}

/// Text without escapes, with what it is.
type Piece = (Role, String);

impl Writer {
    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading { line, .. } | Block::Paragraph(line) => self.line(0, line),
            Block::Prose(text) => self.prose(text),
            Block::KeyValues(pairs) => {
                let width = pairs.iter().map(|(key, _)| columns(key)).max().unwrap_or(0);
                for (key, line) in pairs {
                    self.blanks(INDENT);
                    self.styled(Role::Dim, key);
                    self.blanks(width - columns(key) + COLUMN_GAP);
                    self.line(INDENT + width + COLUMN_GAP, line);
                }
            }
            Block::Table(table) => self.table(table),
            Block::Tree(tree) => {
                self.line(0, &tree.line);
                self.branches(&tree.children, "");
            }
            Block::Notice(notice) => self.notice(notice),
            Block::Verbatim(lines) => {
                for line in lines {
                    self.out.push_str(&printable(line, MAX_TEXT));
                    self.end_line();
                }
            }
        }
    }

    /// Lines are broken at blanks; a longer word stays whole.
    fn prose(&mut self, text: &str) {
        let text = printable(text, MAX_TEXT);
        let mut used = 0;
        for word in text.split(' ') {
            if used > 0 && used + 1 + columns(word) > self.style.width {
                self.end_line();
                used = 0;
            }
            self.blanks(usize::from(used > 0));
            self.out.push_str(word);
            used += usize::from(used > 0) + columns(word);
        }
        self.end_line();
    }

    fn notice(&mut self, notice: &Notice) {
        let (role, name) = match notice.severity {
            Severity::Warning => (Role::Warning, "warning"),
            Severity::Error => (Role::Bad, "error"),
        };
        let label = match &notice.code {
            Some(code) => format!("{name}[{code}]:"),
            None => format!("{name}:"),
        };
        self.line(0, &Line::new().with(role, label).plain(" ").plain(notice.text.as_str()));
        for hint in &notice.hints {
            self.line(0, &Line::new().plain("  ").with(Role::Good, "hint:").plain(" ").plain(hint.as_str()));
        }
    }

    fn branches(&mut self, children: &[Tree], prefix: &str) {
        for (i, child) in children.iter().enumerate() {
            let (branch, below) = if i + 1 == children.len() { ("└─", "   ") } else { ("├─", "│  ") };
            let branch = format!("{prefix}{branch}");
            self.styled(Role::Dim, &branch);
            self.blanks(1);
            self.line(columns(&branch) + 1, &child.line);
            self.branches(&child.children, &format!("{prefix}{below}"));
        }
    }

    fn table(&mut self, table: &Table) {
        let cells = |rows: &[Vec<Span>]| -> Vec<Vec<Piece>> {
            rows.iter().map(|row| row.iter().zip(&table.columns).map(|(s, c)| self.cell(s, c)).collect()).collect()
        };
        let (rows, foot) = (cells(&table.rows), cells(&table.foot));
        let mut widths: Vec<usize> = table.columns.iter().map(|column| columns(&column.title)).collect();
        for row in rows.iter().chain(&foot) {
            for (width, (_, text)) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns(text));
            }
        }
        shrink(&mut widths, &table.columns, self.style.width);

        let title: Vec<Piece> = table.columns.iter().map(|c| (Role::Heading, c.title.clone())).collect();
        if title.iter().any(|(_, text)| !text.is_empty()) {
            self.row(&title, &widths, table);
        }
        for row in rows.iter().chain(&foot) {
            self.row(row, &widths, table);
        }
    }

    fn cell(&self, span: &Span, column: &Column) -> Piece {
        let role = if span.role == Role::Plain { column.role } else { span.role };
        (role, self.value(&span.value, ""))
    }

    fn row(&mut self, row: &[Piece], widths: &[usize], table: &Table) {
        let used = row.iter().rposition(|(_, text)| !text.is_empty()).map_or(0, |last| last + 1);
        for (i, (role, text)) in row[..used].iter().enumerate() {
            let text = shorten(text, widths[i]);
            let padding = widths[i].saturating_sub(columns(&text));
            if i > 0 {
                self.blanks(COLUMN_GAP);
            }
            if table.columns[i].align == Align::Right {
                self.blanks(padding);
            }
            self.styled(*role, &text);
            if table.columns[i].align == Align::Left && i + 1 < used {
                self.blanks(padding);
            }
        }
        self.end_line();
    }

    /// One line, of which `indent` columns are used already.
    fn line(&mut self, indent: usize, line: &Line) {
        let mut pieces: Vec<Piece> = line.0.iter().map(|span| (span.role, self.value(&span.value, " B"))).collect();
        let available = self.style.width.saturating_sub(indent);
        let total: usize = pieces.iter().map(|(_, text)| columns(text)).sum();
        if total > available {
            let longest = pieces.iter_mut().filter(|(role, _)| may_be_cut(*role)).max_by_key(|(_, text)| columns(text));
            if let Some((_, text)) = longest {
                *text = shorten(text, columns(text).saturating_sub(total - available).max(MIN_NAME));
            }
        }
        for (role, text) in pieces {
            self.styled(role, &text);
        }
        self.end_line();
    }

    /// Where the last value is empty, what stood before it must not leave blanks.
    fn end_line(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }

    fn blanks(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    fn styled(&mut self, role: Role, text: &str) {
        let ansi = ansi(role);
        if self.style.color && !ansi.is_plain() && !text.is_empty() {
            self.out.push_str(&format!("{ansi}{text}{ansi:#}"));
        } else {
            self.out.push_str(text);
        }
    }

    /// The value as text that no terminal takes as a command. `unit` follows exact sizes: nothing does in a table, whose
    /// numbers someone may want to add up.
    fn value(&self, value: &Value, unit: &str) -> String {
        match value {
            Value::Text(text) => printable(text, MAX_TEXT),
            Value::Count(count) => count.to_string(),
            Value::CountChange(change) => signed(*change),
            Value::Bytes(bytes) if self.style.bytes_exact => format!("{bytes}{unit}"),
            Value::Bytes(bytes) => Bytes(*bytes).to_string(),
            Value::BytesChange(change) if self.style.bytes_exact => format!("{}{unit}", signed(*change)),
            Value::BytesChange(change) => signed_bytes(*change),
            Value::Percent(percent) => format!("{percent:.1}"),
            Value::Milliseconds(ms) if *ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
            Value::Milliseconds(ms) => format!("{ms:.2} ms"),
            Value::Address(address) => address.to_string(),
            Value::Empty => String::new(),
        }
    }
}

/// Always with its sign, as far as there is one.
fn signed(change: i64) -> String {
    if change == 0 { "0".to_owned() } else { format!("{change:+}") }
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

fn may_be_cut(role: Role) -> bool {
    matches!(role, Role::Kind | Role::Path)
}

/// Takes from the widest columns that may be cut until the table fits, as far as it goes.
fn shrink(widths: &mut [usize], columns: &[Column], limit: usize) {
    let total = widths.iter().sum::<usize>() + COLUMN_GAP * widths.len().saturating_sub(1);
    let mut excess = total.saturating_sub(limit);
    while excess > 0 {
        let widest = widths.iter_mut().zip(columns).filter(|(w, c)| may_be_cut(c.role) && **w > MIN_NAME);
        let Some((width, _)) = widest.max_by_key(|(w, _)| **w) else { return };
        let cut = excess.min(*width - MIN_NAME);
        *width -= cut;
        excess -= cut;
    }
}

/// `text` in at most `limit` columns, with an ellipsis in its middle where something is missing.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let count = columns(text);
    if count <= limit {
        return text.to_owned();
    }
    let kept = limit.saturating_sub(1);
    // The end of a qualified name says more than its beginning.
    let head = kept / 3;
    let mut out: String = text.chars().take(head).collect();
    out.push('…');
    out.extend(text.chars().skip(count - (kept - head)));
    out
}

/// The look of a role. Only the eight colours every terminal has, none that vanishes on white or black.
fn ansi(role: Role) -> Ansi {
    let style = Ansi::new();
    match role {
        Role::Plain | Role::Path => style,
        Role::Heading | Role::Strong => style.effects(Effects::BOLD),
        Role::Dim => style.effects(Effects::DIMMED),
        Role::Kind => style.fg_color(Some(AnsiColor::Cyan.into())),
        Role::Edge => style.fg_color(Some(AnsiColor::Magenta.into())),
        Role::Good => style.fg_color(Some(AnsiColor::Green.into())),
        Role::Warning => style.fg_color(Some(AnsiColor::Yellow.into())),
        Role::Bad => style.fg_color(Some(AnsiColor::Red.into())).effects(Effects::BOLD),
    }
}

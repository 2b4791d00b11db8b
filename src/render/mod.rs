//! Report → text and JSON, and heaps → pictures. Sees data only: opens no file, asks no terminal, prints nothing.
//!
//! Text (later HTML and the viewer) is a rendering of one [`document::Document`]; JSON is the report itself. Whatever a
//! target has named reaches the reader through [`crate::units::printable`], at the place where text is put together.

pub(crate) mod document;
pub(crate) mod graph;
mod json;
pub(crate) mod text;
mod view;

pub(crate) use json::json;

use crate::analyse::{Grouping, Outline, Report, Waste};

/// How a report is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextOptions {
    /// Rows of a table that are shown; what is left out is summed up in one line.
    pub(crate) top: usize,
    pub(crate) color: bool,
    /// Columns of the terminal; `None` shortens nothing.
    pub(crate) width: Option<usize>,
    /// Sizes as plain numbers of bytes.
    pub(crate) exact_bytes: bool,
}

/// The report as people read it, with a line feed at its end.
pub(crate) fn text(report: &Report, options: &TextOptions) -> String {
    text::render(&view::document(report, options.top), options.style())
}

/// An outline as people read it, with a line feed at its end.
pub(crate) fn outline(outline: &Outline, options: &TextOptions) -> String {
    text::render(&view::outline(outline, options.top), options.style())
}

/// Groups as people read them, with a line feed at the end.
pub(crate) fn grouping(grouping: &Grouping, options: &TextOptions) -> String {
    text::render(&view::grouping(grouping, options.top), options.style())
}

/// Waste as people read it, with a line feed at the end.
pub(crate) fn waste(waste: &Waste, options: &TextOptions) -> String {
    text::render(&view::waste(waste, options.top), options.style())
}

/// What was not known yet when the report was shown, which it follows: garbage, suspects, and where the snapshots of the targets are.
pub(crate) fn rest(report: &Report, options: &TextOptions) -> String {
    let text = text::render(&view::rest(report, options.top), options.style());
    if text.is_empty() { text } else { format!("\n{text}") }
}

impl TextOptions {
    fn style(&self) -> text::Style {
        let width = self.width.unwrap_or(usize::MAX);
        text::Style { color: self.color, width, bytes_exact: self.exact_bytes }
    }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

//! A report as JSON: the contract's object, nothing added, nothing left out.

use serde::Serialize;

use crate::units::is_hidden;

/// Pretty-printed, with a line feed at its end.
pub(crate) fn json(report: &impl Serialize) -> String {
    let plain = serde_json::to_string_pretty(report).expect("a report has string keys only and no fallible field");
    visible(&plain) + "\n"
}

/// JSON leaves C1 controls and bidirectional overrides as they are; here they are escaped by their numbers, the same data
/// (RFC 8259 section 7) and harmless when someone looks at it in a terminal.
pub(super) fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // Outside of strings JSON is ASCII, and inside serde_json has escaped the controls below U+0020.
        if is_hidden(c) && c != '\n' {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

//! Reads str, bytes and int objects as text: names of types and attributes, keys of dicts as Python writes them.
//!
//! Sources: `Include/cpython/unicodeobject.h`, `Include/cpython/longintrepr.h`. Lengths are capped before anything is read.

use super::image::WORD;
use super::types::{Kind, Types};
use super::walk::Walk;

/// A longer name is cut.
const LONGEST: u64 = 200;
/// Longer texts of keys are cut, as the GDB collector does it.
const LONGEST_KEY: usize = 100;
/// `str` objects say in bits what follows them: the width of a character, whether it follows at all, whether it is ASCII.
const KIND_SHIFT: u32 = 2;
const COMPACT: u32 = 1 << 5;
const ASCII: u32 = 1 << 6;
/// Signs and digits of an int: 30 bits a digit.
const DIGIT_BITS: u32 = 30;

/// How a str object is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) length: u64,
    /// Bytes per character.
    pub(super) width: u64,
    pub(super) compact: bool,
    pub(super) ascii: bool,
}

impl Walk<'_, '_> {
    pub(super) fn storage(&self, string: u64) -> Option<Storage> {
        let length = self.view.word(string + self.fields.str_length)?;
        let state = self.view.half(string + self.fields.str_state)?;
        let width = u64::from(state >> KIND_SHIFT & 7);
        Some(Storage { length, width, compact: state & COMPACT != 0, ascii: state & ASCII != 0 })
    }

    /// Where its characters are; nowhere for a str of old that was never made ready.
    pub(super) fn characters(&self, string: u64, storage: Storage) -> Option<u64> {
        if !matches!(storage.width, 1 | 2 | 4) {
            return None;
        }
        match (storage.compact, storage.ascii) {
            (true, true) => Some(string + self.fields.str_ascii_size),
            (true, false) => Some(string + self.fields.str_compact_size),
            (false, _) => self.view.word(string + self.fields.str_data),
        }
    }

    /// The text of a str object, at most `limit` characters of it; and whether that is all.
    fn text(&self, string: u64, limit: u64) -> Option<(String, bool)> {
        let storage = self.storage(string)?;
        let data = self.characters(string, storage)?;
        let count = storage.length.min(limit);
        let bytes = self.view.bytes(data, (count * storage.width) as usize)?;
        if !self.view.claim(bytes.len() as u64 / WORD + 1) {
            return None;
        }
        let text = match storage.width {
            1 if bytes.is_ascii() => String::from_utf8(bytes.into_owned()).unwrap_or_default(),
            1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
            2 => {
                bytes.chunks_exact(2).map(|pair| character(u32::from(u16::from_le_bytes([pair[0], pair[1]])))).collect()
            }
            _ => bytes
                .chunks_exact(4)
                .map(|four| character(four.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))))
                .collect(),
        };
        Some((text, count == storage.length))
    }

    /// The text of an object that should be a str: a name.
    pub(super) fn name(&self, object: u64) -> Option<String> {
        if object == 0 || !self.is_str(object) {
            return None;
        }
        self.text(object, LONGEST).map(|(text, _)| text)
    }

    pub(super) fn is_str(&self, object: u64) -> bool {
        /// `Py_TPFLAGS_UNICODE_SUBCLASS`.
        const UNICODE: u64 = 1 << 28;
        let kind = self.view.pointer(object.wrapping_add(self.fields.object_type));
        kind != 0 && self.view.word(kind.wrapping_add(self.fields.type_flags)).is_some_and(|flags| flags & UNICODE != 0)
    }

    /// How a key is written as a step in Python, `['k']`; `None` where that would need somebody's code.
    pub(super) fn key(&self, object: u64, types: &Types) -> Option<String> {
        let kind = types.known(self.view.pointer(object + self.fields.object_type))?;
        if !kind.is_builtin {
            return None;
        }
        match kind.kind {
            Kind::Str => {
                let (text, whole) = self.text(object, LONGEST_KEY as u64)?;
                Some(quoted(&text, whole, ""))
            }
            Kind::Bytes => {
                let length = self.view.word(object + self.fields.object_length)?;
                let count = length.min(LONGEST_KEY as u64);
                let bytes = self.view.bytes(object + self.fields.bytes_items, count as usize)?;
                Some(quoted(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>(), count == length, "b"))
            }
            Kind::Bool => Some(if self.int(object)? == 0 { "[False]" } else { "[True]" }.to_owned()),
            Kind::Int => Some(self.int(object).map_or_else(|| "[...]".to_owned(), |value| format!("[{value}]"))),
            Kind::None => Some("[None]".to_owned()),
            _ => None,
        }
    }

    /// How many digits an int has, and whether it is negative.
    pub(super) fn digits(&self, object: u64) -> Option<(u64, bool)> {
        match self.fields.int_tag {
            // 3.12 and later: the sign in the lowest bits, 0 positive, 1 zero, 2 negative.
            Some(tag) => {
                let tag = self.view.word(object + tag)?;
                Some((tag >> 3, tag & 3 == 2))
            }
            None => {
                let length = self.view.word(object + self.fields.object_length)? as i64;
                Some((length.unsigned_abs(), length < 0))
            }
        }
    }

    /// The value of an int of at most four digits.
    pub(super) fn int(&self, object: u64) -> Option<i128> {
        let (digits, negative) = self.digits(object)?;
        let mut value = 0i128;
        for at in (0..digits).rev() {
            if digits > 4 {
                return None;
            }
            let digit = self.view.half(object + self.fields.int_digits + 4 * at)?;
            value = value << DIGIT_BITS | i128::from(digit & ((1 << DIGIT_BITS) - 1));
        }
        Some(if negative { -value } else { value })
    }
}

fn character(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// As `repr` writes it, in brackets; `...` follows one that is cut.
fn quoted(text: &str, whole: bool, prefix: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity("['']".len() + prefix.len() + text.len());
    out.push('[');
    out.push_str(prefix);
    out.push(quote);
    // Nearly all are plain to their end.
    let special = text.find(|c: char| !c.is_ascii_graphic() && c != ' ' || c == '\\' || c == quote);
    let (plain, rest) = text.split_at(special.unwrap_or(text.len()));
    out.push_str(plain);
    for c in rest.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if !c.is_ascii() && (!prefix.is_empty() || c.is_control()) => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    if !whole {
        out.push_str("...");
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_python_does() {
        for (text, expected) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\\b\n\x07\x7f", "'a\\\\b\\n\\x07\\x7f'"),
            ("ü\u{85}", "'ü\\x85'"),
        ] {
            assert_eq!(quoted(text, true, ""), format!("[{expected}]"));
        }
        assert_eq!(quoted("\u{e9}", true, "b"), "[b'\\xe9']");
        assert_eq!(quoted("ab", false, ""), "['ab'...]");
    }
}

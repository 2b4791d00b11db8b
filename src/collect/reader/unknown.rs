//! Objects of C types that nobody described, or only their base: whatever in them looks like a reference is told as a guess.
//!
//! Bounded by the size that the type says. Whether the place a word leads to has an object is for the sink to say; it is
//! stricter with guesses.

use super::image::WORD;
use super::types::{Attributes, Kind, Type};
use super::walk::{Sink, Step, Walk};

/// Larger structs are looked at only so far, in bytes.
const FARTHEST: u64 = 1 << 14;

impl Walk<'_, '_> {
    /// The words of an object that its kind says nothing of, but for those that are known by themselves.
    pub(super) fn visit_unknown(&self, object: u64, kind: &Type, sink: &mut impl Sink) {
        let items =
            if kind.kind == Kind::Unknown { self.length_of(object, kind).saturating_mul(kind.itemsize) } else { 0 };
        let end = kind.solid_size.saturating_add(items).min(FARTHEST);
        let attributes = if let Attributes::At(offset) = kind.attributes { offset as u64 } else { 0 };
        let mut known = [kind.weaklist, attributes];
        known.sort_unstable();
        let mut at = kind.known_size;
        for word in known.into_iter().filter(|word| (kind.known_size..end).contains(word)).chain([end]) {
            self.guess(object.wrapping_add(at), word.saturating_sub(at), sink);
            at = word + WORD;
        }
    }

    /// The words of `size` bytes from `start` on.
    pub(super) fn guess(&self, start: u64, size: u64, sink: &mut impl Sink) {
        let words = size.min(FARTHEST) / WORD;
        if !self.view.claim(words) {
            return;
        }
        for at in (0..words).map(|word| start.wrapping_add(word * WORD)) {
            match self.view.word(at) {
                Some(0) => {}
                Some(word) => sink.edge(word, Step::Guess),
                None => return,
            }
        }
    }
}

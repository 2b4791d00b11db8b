//! Objects of C types that nobody described: whatever in them looks like a reference is told as a guess.
//!
//! Bounded by the size that the type says. Whether the place a word leads to has an object is for the sink to say; it is
//! stricter with guesses.

use super::image::WORD;
use super::types::Type;
use super::walk::{Sink, Step, Walk};

/// Larger structs are looked at only so far, in bytes.
const FARTHEST: u64 = 1 << 14;

impl Walk<'_, '_> {
    /// The words behind the object's header.
    pub(super) fn visit_unknown(&self, object: u64, kind: &Type, sink: &mut impl Sink) {
        let items = self.length_of(object, kind).saturating_mul(kind.itemsize);
        let size = kind.solid_size.saturating_add(items).min(FARTHEST);
        let header = self.fields.object_size;
        if size > header {
            self.guess(object.wrapping_add(header), size - header, sink);
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

//! Which texts are equal: a number for the content of each str and bytes, under a key that nobody keeps.
//!
//! The key is made for one heap and thrown away with it, so that a number tells nothing of a content but which others are the
//! same: nobody can try out words. A text that cannot be read to its end has none; a part is never taken for the whole.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::image::WORD;
use super::types::{Kind, Type};
use super::walk::Walk;

/// So many bytes are looked at in one piece; where pieces end must not depend on where memory does.
const PIECE: u64 = 4096;

/// Makes the numbers of one heap.
pub(super) struct Digests(RandomState);

impl Digests {
    pub(super) fn new() -> Digests {
        Digests(RandomState::new())
    }
}

impl Walk<'_, '_> {
    /// The number of what is in a str or bytes; 0 for other objects and where it cannot be read. A str has its characters in
    /// the narrowest of three widths (PEP 393), so equal texts are equal bytes.
    pub(super) fn content(&self, object: u64, kind: &Type, digests: &Digests) -> u64 {
        if !kind.is_builtin {
            return 0;
        }
        let (start, length, width) = match kind.kind {
            Kind::Str => {
                let Some(storage) = self.storage(object) else { return 0 };
                let Some(start) = self.characters(object, storage) else { return 0 };
                (start, storage.length.saturating_mul(storage.width), storage.width)
            }
            // No width of a character: a str never has the number of a bytes.
            Kind::Bytes => (object + self.fields.bytes_items, self.length_of(object, kind), 0),
            _ => return 0,
        };
        self.digest(start, length, width, digests).unwrap_or(0)
    }

    fn digest(&self, start: u64, length: u64, width: u64, digests: &Digests) -> Option<u64> {
        let mut hasher = digests.0.build_hasher();
        hasher.write_u64(width);
        hasher.write_u64(length);
        if length > 0 {
            if !self.view.has(start, length) || !self.view.claim(length.div_ceil(WORD)) {
                return None;
            }
            for at in (0..length).step_by(PIECE as usize) {
                let bytes = self.view.bytes(start + at, (length - at).min(PIECE) as usize)?;
                hasher.write(&bytes);
            }
        }
        // 0 is for those that have none.
        Some(hasher.finish().max(1))
    }
}

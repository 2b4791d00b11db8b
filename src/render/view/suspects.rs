//! Leak suspects, each a sentence with the path to the object that it is about. Nothing where there are none.

use super::super::document::{Block, Document};
use super::references::path;
use crate::heap::Suspect;

pub(super) fn suspects(out: &mut Document, suspects: &[Suspect]) {
    if suspects.is_empty() {
        return;
    }
    out.heading(2, "Leak suspects");
    for suspect in suspects {
        out.push(Block::Prose(suspect.text.clone()));
        path(out, &suspect.path_to_root);
    }
}

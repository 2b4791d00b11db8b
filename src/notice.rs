//! What a report must say about itself: findings that cost it something but did not end it.
//!
//! A notice has a stable code for machines, a sentence, and a remedy where there is one. It appears on stderr and in every
//! format of the report, so that no number is read as more than it is.

use serde::{Deserialize, Serialize};

/// One such finding; `warnings` in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// Stable and kebab-case: `module-missing`, `stream-truncated`, `twin-impossible`.
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

impl Notice {
    pub(crate) fn new(code: &str, text: impl Into<String>) -> Notice {
        Notice { code: code.to_owned(), text: text.into(), hint: None }
    }

    /// Adds the remedy.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Notice {
        self.hint = Some(hint.into());
        self
    }
}

/// Who hears what is going on while a target is examined: `--debug` the steps, a terminal the progress.
pub(crate) trait Listener: Send + Sync {
    /// One step is done, or about to begin: "twin 4711 made in 1.4 ms".
    fn step(&self, text: &str);

    /// Objects collected so far, of how many about.
    fn progress(&self, objects: u64, of: Option<u64>);
}

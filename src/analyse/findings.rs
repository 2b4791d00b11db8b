//! What takes long to find in a heap, and nobody has to wait for, beside who holds what.

use crate::heap::{Garbage, Suspect};

/// What was found, or was known already; none where nobody has looked for it.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) garbage: Option<Garbage>,
    pub(crate) suspects: Option<Vec<Suspect>>,
}

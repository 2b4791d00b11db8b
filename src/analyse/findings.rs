//! What takes long to find in a heap, and nobody has to wait for: garbage, who holds what, leak suspects.

use super::holdings::Holdings;
use super::{garbage, suspects};
use crate::heap::{Garbage, Heap, Suspect};

/// What was found, or was known already.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) garbage: Option<Garbage>,
    pub(crate) holdings: Holdings,
    pub(crate) suspects: Option<Vec<Suspect>>,
}

impl Findings {
    /// Looks for one after the other, as each needs memory of its own: garbage, by the reference counts, which are let go;
    /// who holds what, unless that is known; suspects.
    pub(crate) fn of(heap: &Heap, counts: Option<Vec<u32>>, holdings: Option<Holdings>) -> Findings {
        let garbage = counts.map(|counts| garbage(heap, &counts));
        let holdings = holdings.unwrap_or_else(|| Holdings::of(heap));
        let suspects = Some(suspects(heap, &holdings));
        Findings { garbage, holdings, suspects }
    }
}

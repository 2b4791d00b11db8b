//! What may be why memory grows, in words: plain data, as found and as snapshots keep it.

use serde::{Deserialize, Serialize};

use crate::units::Address;

/// Something that a person would look at first.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Suspect {
    /// `accumulation`, `large-object`, `chain`, `shared` or `growth`. Text, as a later version may know more of them.
    pub(crate) rule: String,
    /// A sentence, with names as the target wrote them: escape before showing.
    pub(crate) text: String,
    /// Of the object that holds.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) address: Address,
    pub(crate) retained_bytes: u64,
    /// Of the bytes that the roots reach, from 0 to 1: what it retains; of `shared`, what is reached through it; of `growth`,
    /// what it took.
    pub(crate) share: f64,
    /// How many objects more it refers to than in the earlier capture, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count_delta: Option<i64>,
    /// From what a root holds to the object.
    pub(crate) path_to_root: Vec<Step>,
}

/// An object together with the edge that leads to it (of a referrer: the edge from it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) address: Address,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) edge: String,
}

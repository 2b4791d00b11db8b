//! Questions put to a heap: pure functions from a [`crate::heap::Heap`] to parts of the [`Report`], one file per question.

mod accounts;
mod build;
mod diff;
mod edges;
mod garbage;
mod histogram;
mod pairing;
mod paths;
mod references;
mod report;

pub(crate) use accounts::{AccountsReport, accounts};
pub(crate) use build::{Earlier, report};
pub(crate) use diff::diff;
pub(crate) use garbage::{garbage, is_much, is_suspicious};
pub(crate) use histogram::histogram;
pub(crate) use pairing::{Candidate, pair};
pub(crate) use references::{Limits, Selection, references};
pub(crate) use report::*;

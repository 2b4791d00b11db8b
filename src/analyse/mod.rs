//! Questions put to a heap: pure functions from a [`crate::heap::Heap`] to parts of the [`Report`], one file per question.

mod accounts;
mod asked;
mod build;
mod census;
mod diff;
mod dominators;
mod edges;
mod findings;
mod garbage;
mod group;
mod groups;
mod histogram;
mod holdings;
mod labels;
mod names;
mod neighbours;
mod newcomers;
#[cfg(test)]
mod oracle;
mod outline;
mod pairing;
mod paths;
mod places;
mod references;
mod report;
mod retained;
mod series;
mod suspects;
mod waste;

pub(crate) use accounts::{AccountsReport, accounts};
pub(crate) use build::{Earlier, limits_of_comparison, report};
pub(crate) use findings::Findings;
pub(crate) use garbage::{garbage, is_much, is_suspicious};
pub(crate) use group::{Filter, Grouping, Row, group};
pub(crate) use histogram::{histogram, totals};
pub(crate) use holdings::Holdings;
pub(crate) use outline::{Again, Branch, Level, Outline, Place, Question, Shape, Subject, outline};
pub(crate) use pairing::{Candidate, pair};
pub(crate) use references::{Limits, Selection, references};
pub(crate) use report::*;
pub(crate) use series::{Extent, Series};
pub(crate) use suspects::{growth, suspects};
pub(crate) use waste::{Finding, Waste, WasteKind, WasteRow, waste};

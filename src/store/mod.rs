//! What outlives a run: snapshot files. Reads and writes files, asks no process and decides nothing.

mod checksum;
mod decode;
mod earlier;
mod encode;
mod pages;
mod quiet;
mod schema;
mod snapshot;
mod whole;

pub(crate) use earlier::{Matched, matching};
pub(crate) use snapshot::{read, write};
pub(crate) use whole::write as write_privately;

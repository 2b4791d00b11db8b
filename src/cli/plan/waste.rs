//! The plan of `waste`.

use std::path::PathBuf;

use super::super::args::WasteArgs;
use super::super::environment::Environment;
use super::{Screen, existing, load, screen, top};
use crate::error::Result;

/// `waste`.
#[derive(Debug)]
pub(crate) struct WastePlan {
    pub(crate) snapshot: PathBuf,
    /// Groups of each kind; all of them without.
    pub(crate) top: Option<usize>,
    pub(crate) screen: Screen,
}

pub(super) fn waste(args: WasteArgs, here: &Environment) -> Result<WastePlan> {
    let settings = load(&args.common, here)?;
    Ok(WastePlan {
        snapshot: existing(here, &args.snapshot.file, "the snapshot")?,
        top: top(&args.table, &settings),
        screen: screen(&args.table, &args.common, &settings, here),
    })
}

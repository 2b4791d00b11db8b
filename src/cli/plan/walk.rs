//! The plans of the commands that walk over a snapshot.

use std::path::PathBuf;

use super::super::args::{SnapshotArg, TableArgs, WalkArgs};
use super::super::environment::Environment;
use super::super::values::Asked;
use super::{Screen, existing, load, screen, some_rows};
use crate::error::Result;

/// Levels that are shown: of the dominator tree, which is wide; of paths, which are to be seen to their end; of what is
/// around an object, which branches at every step.
const LEVELS: [usize; 3] = [5, 20, 3];
/// Branches of a level.
const BRANCHES: usize = 10;

/// `dominators`, `paths` or `tree`.
#[derive(Debug)]
pub(crate) struct WalkPlan {
    pub(crate) snapshot: PathBuf,
    pub(crate) walk: Walk,
    /// How many levels.
    pub(crate) depth: usize,
    /// How many branches of each; all of them without.
    pub(crate) top: Option<usize>,
    pub(crate) screen: Screen,
    /// Trace every step on stderr.
    pub(crate) trace: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Down from the roots, or from what is asked for.
    Dominators(Option<Asked>),
    Paths(Asked),
    Tree {
        subject: Asked,
        up: bool,
    },
}

pub(super) fn walk(walk: Walk, file: SnapshotArg, args: WalkArgs, here: &Environment) -> Result<WalkPlan> {
    let settings = load(&args.common, here)?;
    let table = TableArgs { format: args.format, top: None, bytes: args.bytes };
    let levels = match walk {
        Walk::Dominators(_) => LEVELS[0],
        Walk::Paths(_) => LEVELS[1],
        Walk::Tree { .. } => LEVELS[2],
    };
    Ok(WalkPlan {
        snapshot: existing(here, &file.file, "the snapshot")?,
        walk,
        depth: args.depth.unwrap_or(levels),
        top: some_rows(args.top.unwrap_or(BRANCHES)),
        screen: screen(&table, &args.common, &settings, here),
        trace: args.debug,
    })
}

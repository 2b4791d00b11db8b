//! The plan of `group`.

use std::path::PathBuf;

use super::super::args::GroupArgs;
use super::super::environment::Environment;
use super::super::values::{Asked, By};
use super::{Screen, each_once, existing, load, screen, top};
use crate::error::Result;

/// `group`.
#[derive(Debug)]
pub(crate) struct GroupPlan {
    pub(crate) snapshot: PathBuf,
    /// Each once.
    pub(crate) by: Vec<By>,
    pub(crate) kind: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) min_size: Option<u64>,
    pub(crate) referred_by: Option<Asked>,
    pub(crate) refers_to: Option<Asked>,
    pub(crate) new_since: Option<PathBuf>,
    /// Rows of the table; all of them without.
    pub(crate) top: Option<usize>,
    pub(crate) screen: Screen,
}

pub(super) fn group(args: GroupArgs, here: &Environment) -> Result<GroupPlan> {
    let settings = load(&args.common, here)?;
    Ok(GroupPlan {
        snapshot: existing(here, &args.snapshot.file, "the snapshot")?,
        by: each_once(args.by),
        kind: args.kind,
        module: args.module,
        min_size: args.min_size,
        referred_by: args.referred_by,
        refers_to: args.refers_to,
        new_since: args.new_since.map(|old| existing(here, &old, "the earlier snapshot")).transpose()?,
        top: top(&args.table, &settings),
        screen: screen(&args.table, &args.common, &settings, here),
    })
}

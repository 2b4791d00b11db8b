//! What `group` takes.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::super::values::{self, Asked, By};
use super::{CommonArgs, SnapshotArg, TableArgs};

#[derive(Debug, Args)]
pub(crate) struct GroupArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArg,
    /// What the objects of a group have in common; several keys make one table
    #[arg(long, value_enum, value_name = "KEY", value_delimiter = ',', default_value = "type")]
    pub(crate) by: Vec<By>,
    /// Only objects of this type, such as app.cache.Entry or "dict of app.cache.Entry"
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only objects of types of this module and those below it
    #[arg(long, value_name = "MODULE")]
    pub(crate) module: Option<String>,
    /// Only objects of at least this size, such as 1KiB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) min_size: Option<u64>,
    /// Only objects that this object, or one of this type, refers to
    #[arg(long, value_name = "TYPE|ADDRESS", value_parser = values::asked)]
    pub(crate) referred_by: Option<Asked>,
    /// Only objects that refer to this object, or to one of this type
    #[arg(long, value_name = "TYPE|ADDRESS", value_parser = values::asked)]
    pub(crate) refers_to: Option<Asked>,
    /// Only objects that this earlier snapshot of the same process does not have
    #[arg(long, value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub(crate) new_since: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

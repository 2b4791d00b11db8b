//! What `waste` takes.

use clap::Args;

use super::{CommonArgs, SnapshotArg, TableArgs};

#[derive(Debug, Args)]
pub(crate) struct WasteArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArg,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

//! What the commands take that walk over a snapshot: `dominators`, `paths` and `tree`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::super::values::{self, Asked, Format};
use super::CommonArgs;

/// What `dominators` takes.
#[derive(Debug, Args)]
pub(crate) struct DominatorsArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArg,
    /// A type, or an object by its address, such as app.cache.Entry or 0x7f3f010d4050 [default: all]
    #[arg(value_name = "TYPE|ADDRESS", value_parser = values::asked)]
    pub(crate) subject: Option<Asked>,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// What `paths` takes.
#[derive(Debug, Args)]
pub(crate) struct PathsArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArg,
    /// A type, or an object by its address, such as app.cache.Entry or 0x7f3f010d4050
    #[arg(value_name = "TYPE|ADDRESS", value_parser = values::asked)]
    pub(crate) subject: Asked,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// What `tree` takes.
#[derive(Debug, Args)]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArg,
    /// A type, or an object by its address, such as app.cache.Entry or 0x7f3f010d4050
    #[arg(value_name = "TYPE|ADDRESS", value_parser = values::asked)]
    pub(crate) subject: Asked,
    /// What refers to it, instead of what it refers to
    #[arg(long)]
    pub(crate) up: bool,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArg {
    /// The snapshot to look into
    #[arg(value_name = "SNAPSHOT", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// How much is shown, and how.
#[derive(Debug, Args)]
pub(crate) struct WalkArgs {
    /// How many levels are shown [default: 5; of paths 20, of tree 3]
    #[arg(long, value_name = "N", value_parser = values::levels)]
    pub(crate) depth: Option<usize>,
    /// How many branches of a level are shown; 0 for all [default: 10]
    #[arg(long, value_name = "N", value_parser = values::rows)]
    pub(crate) top: Option<usize>,
    /// How to write the outline [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Exact numbers of bytes
    #[arg(long)]
    pub(crate) bytes: bool,
    /// Tell on stderr, step by step with times, what is done
    #[arg(short, long)]
    pub(crate) debug: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

//! The house as a library: [`run`] is all that the programs call; how it is built is told here.
//!
#![doc = include_str!("ARCHITECTURE.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod analyse;
mod app;
mod cli;
mod collect;
mod error;
mod freeze;
mod heap;
mod layout;
mod notice;
mod render;
mod store;
mod target;
mod units;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, the name of the program first; with `alias` it is that of `memory-analyzer analyze`.
pub fn run(argv: impl Iterator<Item = OsString>, alias: bool) -> ExitCode {
    let argv: Vec<OsString> = argv.collect();
    // Under either name the program is its own keeper.
    let keeper = argv.get(1).is_some_and(|word| word == freeze::SUBCOMMAND);
    app::run(argv.into_iter(), alias && !keeper)
}

//! What each command does, as a sequence of the house's rooms: plan → collect → analyse → render → store.
//!
//! The only place that writes to stdout and stderr. Everything below gives values.

mod analyze;
mod console;
mod demo;
mod finish;
mod group;
mod machine;
mod stored;
mod walk;
mod waste;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::environment::Environment;
use crate::cli::plan::{self, Plan};
use crate::cli::{self, ParseOutcome};
use crate::error::{Kind, Result};
use console::Console;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    /// Some targets failed and were reported as such.
    Failed(Kind),
}

/// Runs one command line, the program's name first; with `alias` it is that of `memory-analyzer analyze`.
pub(crate) fn run(argv: impl Iterator<Item = OsString>, alias: bool) -> ExitCode {
    let here = Environment::read();
    let console = Console::new(here.colour_on_stderr());
    let command = match cli::parse(argv, alias) {
        Ok(command) => command,
        Err(ParseOutcome::Shown(text)) => {
            let text = if here.colour() { text } else { anstream::adapter::strip_str(&text).to_string() };
            return exit_code(console.result(&text).map(|()| Verdict::Done), &console);
        }
        Err(ParseOutcome::Failed(error)) => return exit_code(Err(error), &console),
    };
    exit_code(plan::resolve(command, &here).and_then(|plan| execute(plan, &console)), &console)
}

fn execute(plan: Plan, console: &Console) -> Result<Verdict> {
    match plan {
        Plan::Analyze(plan) => analyze::run(&plan, console),
        Plan::Report(plan) => stored::report(&plan, console),
        Plan::Diff(plan) => stored::diff(&plan, console),
        Plan::Walk(plan) => walk::run(&plan, console),
        Plan::Group(plan) => group::run(&plan, console),
        Plan::Waste(plan) => waste::run(&plan, console),
        Plan::Ps(plan) => machine::ps(&plan, console),
        Plan::Doctor(plan) => machine::doctor(&plan, console),
        Plan::Demo(plan) => demo::run(&plan, console),
        Plan::Completions(shell) => {
            console.result(&String::from_utf8_lossy(&cli::completions::script(shell))).map(|()| Verdict::Done)
        }
        Plan::Layout { file, libraries } => {
            console.result(&crate::layout::generate(&file, &libraries)?).map(|()| Verdict::Done)
        }
        Plan::Keeper => {
            crate::freeze::keep(std::io::stdin().lock(), std::io::stdout().lock());
            Ok(Verdict::Done)
        }
    }
}

fn exit_code(outcome: Result<Verdict>, console: &Console) -> ExitCode {
    match outcome {
        Ok(Verdict::Done) => ExitCode::SUCCESS,
        Ok(Verdict::Failed(kind)) => ExitCode::from(kind.exit_code()),
        Err(error) => {
            console.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

//! What all tests share: interpreters, target processes, runs of the program, and looking at processes from outside.

pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod redact;
pub(crate) mod run;
pub(crate) mod snapshot;
pub(crate) mod target;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use process::signal;
pub(crate) use python::{Python, each, each_of, free_threaded, pythons, pythons_in_chroot, usual};
pub(crate) use redact::redacted;
pub(crate) use run::{Done, Run};
pub(crate) use target::Target;

/// Says something that is seen even when the test passes: libtest catches the print macros only.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A program of tests/programs.
pub(crate) fn program(name: &str) -> PathBuf {
    root().join("tests/programs").join(name)
}

/// Waits for something that is to come soon, but not at once; says what did not come.
///
/// For what follows a death, of which nobody is told. Never for what an orderly run has promised to have done.
pub(crate) fn soon(what: &str, mut come: impl FnMut() -> Result<(), String>) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match come() {
            Ok(()) => return,
            Err(still) if Instant::now() > until => panic!("{what}: still {still}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A number that the environment may change.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// Whether we are root; says what is not tested otherwise.
pub(crate) fn root_or_say(test: &str) -> bool {
    let root = process::status_field("self", "Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"));
    if !root {
        say(&format!("not tested: {test}: needs root"));
    }
    root
}

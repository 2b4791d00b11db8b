//! What GDB says, and what it means for whoever is waiting for a report.
//!
//! GDB talks to people, in prose that changes between versions; so prose only ever *explains* a failure that was noticed by
//! other means (no answer, an error answer, no stream). What is not understood is quoted.

use std::time::Duration;

use regex::Regex;

use crate::error::{Error, Kind};
use crate::units::printable;

/// GDB's talk is quoted up to here.
const MAX_QUOTE: usize = 300;

/// A meaning that GDB's talk can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    NotPermitted,
    NoSuchProcess,
    TracedBy(i32),
    Zombie,
    NoSymbols(String),
    WrongExecutable,
    NotAnExecutable,
    NoPython,
    Killed(String),
    Exited,
    BadMemory,
}

/// The first meaning found in what GDB said; causes come before their consequences.
pub(crate) fn meaning(talk: &str) -> Option<Meaning> {
    let find = |pattern: &str| Regex::new(pattern).ok().and_then(|r| r.captures(talk));
    let text = |c: &regex::Captures, i: usize| c.get(i).map_or_else(String::new, |m| printable(m.as_str(), 100));
    if let Some(c) = find(r"is already traced by process (\d+)") {
        return text(&c, 1).parse().ok().map(Meaning::TracedBy);
    }
    if find(r"(?i)is a zombie").is_some() {
        return Some(Meaning::Zombie);
    }
    if find(r"(?i)ptrace: Operation not permitted|Could not attach to process").is_some() {
        return Some(Meaning::NotPermitted);
    }
    if find(r"(?i)ptrace: No such process|No such process").is_some() {
        return Some(Meaning::NoSuchProcess);
    }
    if find(r"(?i)Python scripting is not supported|Scripting in the .Python. language is not supported").is_some() {
        return Some(Meaning::NoPython);
    }
    if find(r"not in executable format|file format not recognized").is_some() {
        return Some(Meaning::NotAnExecutable);
    }
    if find(r"(?i)mismatch between current exec-file|exec-file mismatch|build-id .*does not match").is_some() {
        return Some(Meaning::WrongExecutable);
    }
    if let Some(c) = find(r#"No symbol "([^"\n]{1,100})" in current context"#) {
        return Some(Meaning::NoSymbols(text(&c, 1)));
    }
    if find(r"(?i)No symbol table is loaded|no symbols? (?:table )?(?:found|loaded)").is_some() {
        return Some(Meaning::NoSymbols(String::new()));
    }
    if let Some(c) = find(r"(?:Program|Thread .*) (?:terminated|received) (?:with )?signal (SIG\w{1,12})") {
        return Some(Meaning::Killed(text(&c, 1)));
    }
    if find(r"\[Inferior \d+ \(process \d+\) exited").is_some() {
        return Some(Meaning::Exited);
    }
    find(r"Cannot access memory at address").map(|_| Meaning::BadMemory)
}

/// GDB answered an order with an error.
pub(crate) fn failed(doing: &str, error: &str, talk: &str) -> Error {
    let text = format!("gdb could not {doing}: {}", printable(error, MAX_QUOTE));
    explain(text, meaning(error).or_else(|| meaning(talk)), Kind::Busy)
}

/// GDB did not answer in time.
pub(crate) fn timed_out(doing: &str, deadline: Duration, talk: &str) -> Error {
    let text = format!("gdb did not {doing} within {:.0} s{}", deadline.as_secs_f64().ceil(), quote(talk));
    explain(text, meaning(talk), Kind::Busy)
        .hint("`--debug` shows every step with its time: the last one is where it hangs")
}

/// GDB ended in the middle of an order.
pub(crate) fn ended(doing: &str, talk: &str) -> Error {
    explain(format!("gdb ended while it was to {doing}{}", quote(talk)), meaning(talk), Kind::Busy)
}

fn quote(talk: &str) -> String {
    let last = talk.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("");
    if last.is_empty() { String::new() } else { format!("; it said: {}", printable(last, MAX_QUOTE)) }
}

fn explain(text: String, meaning: Option<Meaning>, otherwise: Kind) -> Error {
    let Some(meaning) = meaning else { return Error::new(otherwise, text) };
    match meaning {
        Meaning::NotPermitted => Error::new(Kind::NotPermitted, text)
            .hint("run as root, or allow it: `memory-analyzer doctor PID` says what is missing"),
        Meaning::NoSuchProcess | Meaning::Zombie => {
            Error::new(Kind::NoProcess, text).hint("the process ended meanwhile")
        }
        Meaning::TracedBy(pid) => Error::new(Kind::Busy, text)
            .hint(format!("another debugger or tracer holds it: see `ps -p {pid} -o pid,user,args`")),
        Meaning::NoSymbols(symbol) => {
            let which = if symbol.is_empty() { String::new() } else { format!(" (`{symbol}`)") };
            Error::new(Kind::NotPython, text)
                .hint(format!("the executable has no symbol table{which}: give one with symbols by `-e`, or install the debug package"))
                .hint("Debian, Ubuntu: `apt-get install python3-dbg`; Fedora, RHEL: `dnf debuginfo-install python3`")
        }
        Meaning::WrongExecutable => Error::new(Kind::Usage, text).hint(
            "the file given with `-e` is not the one that runs: leave `-e` out, and the right one is found by build-id",
        ),
        Meaning::NotAnExecutable => {
            Error::new(Kind::BadFile, text).hint("`-e` takes the interpreter's ELF file, not a script that starts it")
        }
        Meaning::NoPython => Error::new(Kind::Usage, text)
            .hint("this GDB was built without Python: install the full one (`apt-get install gdb`, not gdb-minimal)"),
        Meaning::Killed(signal) => Error::new(otherwise, format!("{text} (it was ended by {signal})")),
        Meaning::Exited | Meaning::BadMemory => Error::new(otherwise, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gdb_says_is_understood() {
        let check = |talk: &str, expected: Option<Meaning>| assert_eq!(meaning(talk), expected, "{talk}");
        check("ptrace: Operation not permitted.", Some(Meaning::NotPermitted));
        check(
            "warning: process 12 is already traced by process 7\nptrace: Operation not permitted.",
            Some(Meaning::TracedBy(7)),
        );
        check(
            "warning: process 5 is a zombie - the process has already terminated\nptrace: Operation not permitted.",
            Some(Meaning::Zombie),
        );
        check("ptrace: No such process.", Some(Meaning::NoSuchProcess));
        check("No symbol table is loaded.  Use the \"file\" command.", Some(Meaning::NoSymbols(String::new())));
        check(
            "No symbol \"PyRun_SimpleString\" in current context.",
            Some(Meaning::NoSymbols("PyRun_SimpleString".into())),
        );
        check("\"/tmp/x\": not in executable format: file format not recognized", Some(Meaning::NotAnExecutable));
        check("Python scripting is not supported in this copy of GDB.", Some(Meaning::NoPython));
        check("Program terminated with signal SIGSEGV, Segmentation fault.", Some(Meaning::Killed("SIGSEGV".into())));
        check("[Inferior 1 (process 99) exited normally]", Some(Meaning::Exited));
        check("Reading symbols from x...", None);
        check("", None);
    }

    #[test]
    fn hostile_talk_is_quoted_escaped_and_short() {
        let error = ended("attach", &format!("\x1b[2J{}", "x".repeat(10_000)));
        assert!(!error.text.contains('\x1b') && error.text.len() < 1000, "{}", error.text);
    }
}

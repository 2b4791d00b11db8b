//! Whether a process can be examined: what is in the way, in the order of certainty, and the exact remedy.
//!
//! One code for two callers. [`preflight`] ends with the first obstacle, as the error of `analyze`; [`check`] goes on and
//! tells everything, as `doctor`. Looks, and never attaches: opening `/proc/PID/mem` asks the kernel the same question.

mod advice;
mod debug_files;
mod judge;

pub(crate) use debug_files::debug_file_of;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::machine::{self, Machine};
use super::maps;
use super::memory::ProcessMemory;
use super::procfs::{self, Process};
use super::python::{self, Interpreter, Source};
use crate::cli::plan::CollectPlan;
use crate::error::{Error, Kind, Result};
use crate::units::{Bytes, printable};

/// Generations of descendants in which a Python is looked for when a process is none: `sh` → `timeout` → `python3`.
const MAX_GENERATIONS: usize = 4;
/// An uninterruptible sleep on a working disk is over by then; the state is read so often, so far apart.
const SLEEP_LOOKS: usize = 6;
const SLEEP_BETWEEN: Duration = Duration::from_millis(20);

/// Something that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A word or two: `permission`, `twin`.
    pub(crate) what: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
    /// Each one thing to do.
    pub(crate) remedies: Vec<String>,
}

/// What a finding means for the analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Possible, but not in the best way.
    Limited,
    /// Impossible; `analyze` would fail with this.
    Blocked(Kind),
}

impl Finding {
    fn fine(what: &'static str, detail: impl Into<String>) -> Finding {
        Finding { what, verdict: Verdict::Fine, detail: detail.into(), remedies: Vec::new() }
    }

    fn limited(what: &'static str, detail: impl Into<String>, remedies: Vec<String>) -> Finding {
        Finding { what, verdict: Verdict::Limited, detail: detail.into(), remedies }
    }

    fn blocked(what: &'static str, error: Error) -> Finding {
        Finding { what, verdict: Verdict::Blocked(error.kind), detail: error.text, remedies: error.hints }
    }

    fn of(what: &'static str, result: Result<String>) -> Finding {
        result.map_or_else(|error| Finding::blocked(what, error), |detail| Finding::fine(what, detail))
    }
}

/// A process and what the kernel says about our rights on it.
#[derive(Clone, Debug)]
struct Subject {
    process: Process,
    /// The error number with which the kernel refuses to let us read its memory.
    refused: Option<i32>,
    /// Who owns its entry in `/proc`: root, when it is not dumpable (proc(5)).
    entry_owner: Option<u32>,
    tracer_name: String,
    user: String,
}

impl Subject {
    fn read(pid: i32) -> Result<Subject> {
        let mut process = Process::read(pid)?;
        for _ in 0..SLEEP_LOOKS {
            if process.state != 'D' {
                break;
            }
            std::thread::sleep(SLEEP_BETWEEN);
            process.state = procfs::state(pid).unwrap_or('X');
        }
        Ok(Subject {
            refused: File::open(format!("/proc/{pid}/mem")).err().and_then(|error| error.raw_os_error()),
            entry_owner: std::fs::metadata(format!("/proc/{pid}/status")).ok().map(|entry| entry.uid()),
            tracer_name: procfs::name(process.tracer),
            user: procfs::user_name(process.uids.effective, &procfs::passwd()),
            process,
        })
    }
}

/// Makes sure that process `pid` can be examined now.
///
/// Errors, the first that applies: `NoProcess`; `NotPython` for a thread of the kernel; `NotPermitted`; `NotPython`, naming a
/// child that is Python; `Busy`.
pub(crate) fn preflight(pid: i32) -> Result<(Process, Interpreter, Result<()>)> {
    let subject = Subject::read(pid)?;
    let machine = Machine::read()?;
    judge::existence(&subject)?;
    judge::permission(&subject, &machine)?;
    let interpreter = find_python(&subject.process)?;
    interpreter.is_supported()?;
    let state = judge::state(&subject).map(drop);
    Ok((subject.process, interpreter, state))
}

/// Whether `ps` may say that a process can be attached to; else a word or two why not.
pub(super) fn attachable(process: &Process, machine: &Machine) -> std::result::Result<(), &'static str> {
    let refused = File::open(format!("/proc/{}/mem", process.pid)).err().and_then(|error| error.raw_os_error());
    let subject = Subject {
        process: process.clone(),
        refused,
        entry_owner: None,
        tracer_name: String::new(),
        user: String::new(),
    };
    judge::existence(&subject).map_err(|_| "ended")?;
    judge::permission(&subject, machine).map_err(|_| "not permitted")?;
    judge::state(&subject).map(drop).map_err(|_| match process.state {
        _ if process.tracer != 0 => "traced",
        'T' | 't' => "stopped",
        _ => "busy",
    })
}

/// The interpreter in `process`. When there is none, the error names the descendant that has one.
fn find_python(process: &Process) -> Result<Interpreter> {
    let pid = process.pid;
    let gone = |error: std::io::Error| match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            Error::new(Kind::NotPermitted, format!("cannot read the mappings of pid {pid}: {error}"))
                .hint(format!("`memory-analyzer doctor {pid}` says what is missing"))
        }
        _ => Error::new(Kind::NoProcess, format!("process {pid} ended meanwhile")),
    };
    let memory = ProcessMemory::open(pid).map_err(gone)?;
    let found = python::find(Source::Process(pid), &maps::read(pid).map_err(gone)?, &memory);
    found.map_err(|error| match error.kind {
        Kind::NotPython => match python_below(pid) {
            Some((child, version)) => judge::wrapper(process, child, &procfs::name(child), &version),
            None => error,
        },
        _ => error,
    })
}

/// The nearest descendant of `pid` that is Python, with its version.
fn python_below(pid: i32) -> Option<(i32, String)> {
    let mut generation = vec![pid];
    for _ in 0..MAX_GENERATIONS {
        generation = procfs::children(&generation);
        if let Some(found) =
            generation.iter().find_map(|child| Some((*child, python::looks_like_python(*child)?.version)))
        {
            return Some(found);
        }
    }
    None
}

/// Looks at everything that matters for `pid`, or without one at the machine alone, for an analysis as `collect` asks for.
pub(crate) fn check(pid: Option<i32>, collect: &CollectPlan) -> Vec<Finding> {
    let machine = match Machine::read() {
        Ok(machine) => machine,
        Err(error) => return vec![Finding::blocked("machine", error)],
    };
    let gdb = judge::gdb(collect, machine::gdb);
    let Some(pid) = pid else {
        return vec![judge::architecture(&machine), judge::rights(&machine), judge::collector(collect), gdb];
    };
    let mut findings = Vec::new();
    let subject = Subject::read(pid).and_then(|subject| judge::existence(&subject).map(|detail| (subject, detail)));
    let subject = match subject {
        Ok((subject, detail)) => {
            findings.push(Finding::fine("process", detail));
            subject
        }
        Err(error) => {
            findings.push(Finding::blocked("process", error));
            return findings;
        }
    };
    let permission = judge::permission(&subject, &machine);
    let permitted = permission.is_ok();
    findings.push(Finding::of("permission", permission));
    if permitted {
        let interpreter = find_python(&subject.process);
        findings.push(Finding::of("python", interpreter.as_ref().map_err(Error::clone).and_then(judge::interpreter)));
        findings.push(judge::standing(&subject, collect));
        findings.extend(judge::place(&subject.process, &machine.ourselves));
        if let Ok(interpreter) = &interpreter {
            findings.push(debug_files::finding(interpreter, collect));
        }
        let reason = judge::no_twin(&subject.process, &machine, || machine::full(&subject.process));
        findings.push(judge::freeze(&subject.process, reason, collect));
    } else {
        findings.push(judge::standing(&subject, collect));
    }
    findings.extend([judge::collector(collect), gdb]);
    findings
}

/// The exit code that `doctor` ends with: that of the first thing which is in the way.
pub(crate) fn exit_code(findings: &[Finding]) -> u8 {
    let blocked = findings.iter().find_map(|finding| match finding.verdict {
        Verdict::Blocked(kind) => Some(kind.exit_code()),
        _ => None,
    });
    blocked.unwrap_or(0)
}

/// The findings for people, a line each and their remedies, with a line feed at the end.
pub(crate) fn text(findings: &[Finding], colour: bool) -> String {
    let style = |color: anstyle::AnsiColor| if colour { color.on_default() } else { anstyle::Style::new() };
    let mut text = String::new();
    for finding in findings {
        let (mark, color) = match finding.verdict {
            Verdict::Fine => ("ok", anstyle::AnsiColor::Green),
            Verdict::Limited => ("limited", anstyle::AnsiColor::Yellow),
            Verdict::Blocked(_) => ("no", anstyle::AnsiColor::Red),
        };
        let style = style(color);
        text.push_str(&format!("{style}{mark:7}{style:#}  {:12}  {}\n", finding.what, finding.detail));
        for remedy in &finding.remedies {
            text.push_str(&format!("{:23}hint: {remedy}\n", ""));
        }
    }
    let blocked = findings.iter().any(|finding| matches!(finding.verdict, Verdict::Blocked(_)));
    let of_a_process = findings.iter().any(|finding| finding.what == "process");
    let summary = match (of_a_process, blocked) {
        (true, false) => "It can be analysed.",
        (true, true) => "It cannot be analysed as things are.",
        (false, false) => "Processes can be analysed here; `memory-analyzer doctor PID` looks at one.",
        (false, true) => "No process can be analysed here as things are.",
    };
    text.push_str(summary);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;

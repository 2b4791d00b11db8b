//! The values options and settings can have, each read from text in one place, whether it was typed or configured.
//!
//! A reader's error says what is expected ("a number of seconds …"), so that it can end any sentence. Looks at text only:
//! whether a file exists is for [`super::plan`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::units::Address;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people
    Text,
    /// One object for programs
    Json,
}

/// Who collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Collector {
    /// The most suitable one here
    Auto,
    /// GDB, which has the interpreter itself run the probes
    Gdb,
    /// Reads memory from outside and runs nothing: also of a process that hangs
    Reader,
}

/// What the work is done on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Freeze {
    /// A twin where one can be made, else the stopped process
    Auto,
    /// A copy-on-write twin of the process, which goes on meanwhile
    Twin,
    /// The process itself, stopped meanwhile
    Stop,
    /// The process itself while it runs, as well as that can be done (reader only)
    Live,
}

/// A probe that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum BuiltinProbe {
    Heap,
    Gc,
    Threads,
    Objgraph,
    Pympler,
}

impl BuiltinProbe {
    pub(crate) const ALL: [BuiltinProbe; 5] =
        [BuiltinProbe::Heap, BuiltinProbe::Gc, BuiltinProbe::Threads, BuiltinProbe::Objgraph, BuiltinProbe::Pympler];

    pub(crate) fn name(self) -> &'static str {
        match self {
            BuiltinProbe::Heap => "heap",
            BuiltinProbe::Gc => "gc",
            BuiltinProbe::Threads => "threads",
            BuiltinProbe::Objgraph => "objgraph",
            BuiltinProbe::Pympler => "pympler",
        }
    }

    /// Whether every report needs it; the others run the libraries of that name.
    pub(crate) fn always_runs(self) -> bool {
        !matches!(self, BuiltinProbe::Objgraph | BuiltinProbe::Pympler)
    }
}

/// What `--probe` or the setting `probes` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProbeChoice {
    Builtin(BuiltinProbe),
    File(PathBuf),
}

/// The longest time any option accepts; more is a typing error.
const MOST_SECONDS: f64 = 7.0 * 86_400.0;

/// A positive number of seconds, fractions allowed.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || format!("a number of seconds above 0, at most {MOST_SECONDS}");
    let value = text.trim().parse::<f64>().map_err(|_| expected())?;
    if (0.001..=MOST_SECONDS).contains(&value) { Ok(Duration::from_secs_f64(value)) } else { Err(expected()) }
}

/// Objects of a heap, as somebody names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Address(Address),
    /// The name of a type, or the end of it.
    Type(String),
}

/// An address where it begins like one, else a type.
pub(crate) fn asked(text: &str) -> Result<Asked, String> {
    if !text.starts_with("0x") && !text.starts_with("0X") {
        return Ok(Asked::Type(text.to_owned()));
    }
    text.parse().map(Asked::Address).map_err(|address| format!("a type such as app.cache.Entry, or {address}"))
}

/// What objects of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Their type; dicts of attributes by whose they are
    Type,
    /// The module of their type
    Module,
    /// Their size
    Size,
    /// The types of all who refer to them
    ReferrerType,
    /// How those refer to them: attributes, subscripts, variables
    Via,
    /// The type of what alone keeps them: their immediate dominator
    Owner,
    /// How the garbage collector has them
    Generation,
    /// The thread whose local variables alone lead to them
    Thread,
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Module => "module",
            By::Size => "size",
            By::ReferrerType => "referrer-type",
            By::Via => "via",
            By::Owner => "owner",
            By::Generation => "generation",
            By::Thread => "thread",
        }
    }
}

/// The most levels of a tree: deeper JSON is refused by those who read it.
const MOST_LEVELS: usize = 50;

/// How many levels of a tree.
pub(crate) fn levels(text: &str) -> Result<usize, String> {
    let number = text.trim().parse::<usize>().ok().filter(|n| (1..=MOST_LEVELS).contains(n));
    number.ok_or_else(|| format!("a whole number from 1 to {MOST_LEVELS}"))
}

/// The most rows or types that can be asked for.
const MOST_ROWS: usize = 1_000_000;

/// How many rows of a table; 0 where all are meant.
pub(crate) fn rows(text: &str) -> Result<usize, String> {
    text.trim()
        .parse::<usize>()
        .ok()
        .filter(|n| *n <= MOST_ROWS)
        .ok_or_else(|| format!("a whole number from 0 to {MOST_ROWS}"))
}

/// A process id as the kernel hands them out (proc(5), `pid_max`: at most 2^22).
pub(crate) fn pid(text: &str) -> Result<i32, String> {
    text.trim()
        .parse::<i32>()
        .ok()
        .filter(|pid| (1..=1 << 22).contains(pid))
        .ok_or_else(|| format!("a process id from 1 to {}", 1 << 22))
}

/// A size in bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    text.parse::<crate::units::Bytes>().map(|size| size.0)
}

/// A built-in probe by its name, or a file: what has a `/` or ends in `.py`.
pub(crate) fn probe(text: &str) -> Result<ProbeChoice, String> {
    if text.contains('/') || text.ends_with(".py") {
        return Ok(ProbeChoice::File(PathBuf::from(text)));
    }
    let names = BuiltinProbe::ALL.map(BuiltinProbe::name);
    if let Some(probe) = BuiltinProbe::ALL.into_iter().find(|probe| probe.name() == text) {
        return Ok(ProbeChoice::Builtin(probe));
    }
    let nearest = nearest(text, names).map(|name| format!(" (the nearest is `{name}`)")).unwrap_or_default();
    Err(format!("one of {}, or the path of a FILE.py{nearest}", names.join(", ")))
}

/// The name under which a user's probe reports: the stem of its file, an identifier.
pub(crate) fn probe_name(file: &Path) -> Option<&str> {
    const LONGEST: usize = 64;
    let stem = file.file_stem()?.to_str()?;
    let starts_well = stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (starts_well && goes_on_well && stem.len() <= LONGEST).then_some(stem)
}

/// The candidate that `word` was probably meant to be, if any is near.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Letters swapped count once; with more than a third of them wrong, what is offered reads like noise.
    let near = (word.chars().count() / 3).max(1);
    let measured = candidates.into_iter().map(|name| (strsim::osa_distance(word, name), name));
    measured.filter(|(distance, _)| *distance <= near).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_positive_and_bounded() {
        for (text, millis) in [("2", Some(2000)), ("0.25", Some(250)), (" 60 ", Some(60_000))] {
            assert_eq!(seconds(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "1e9", "", "2s"] {
            assert_eq!(seconds(text), Err("a number of seconds above 0, at most 604800".to_owned()), "{text}");
        }
    }

    #[test]
    fn pids_are_positive() {
        assert_eq!(pid("4711"), Ok(4711));
        for text in ["0", "-4", "4194305", "99999999999", "self", ""] {
            assert!(pid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn objects_are_named_by_type_or_address() {
        assert_eq!(asked("app.Entry"), Ok(Asked::Type("app.Entry".into())));
        assert_eq!(asked("0x7f3f010d4050"), Ok(Asked::Address(Address(0x7f3f_010d_4050))));
        for text in ["0x", "0xentry", "0x+1", "0x11112222333344445"] {
            assert!(asked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn probes_are_names_or_files() {
        assert_eq!(probe("gc"), Ok(ProbeChoice::Builtin(BuiltinProbe::Gc)));
        assert_eq!(probe("mine.py"), Ok(ProbeChoice::File("mine.py".into())));
        assert_eq!(probe("./heap"), Ok(ProbeChoice::File("./heap".into())));
        assert_eq!(
            probe("objgrap").unwrap_err(),
            "one of heap, gc, threads, objgraph, pympler, or the path of a FILE.py (the nearest is `objgraph`)"
        );
        assert_eq!(probe("zzz").unwrap_err(), "one of heap, gc, threads, objgraph, pympler, or the path of a FILE.py");
    }

    #[test]
    fn every_builtin_probe_is_called_what_the_command_line_calls_it() {
        for probe in BuiltinProbe::ALL {
            let value = probe.to_possible_value().expect("no probe is hidden");
            assert_eq!(value.get_name(), probe.name());
        }
    }

    #[test]
    fn every_key_is_called_what_the_command_line_calls_it() {
        for by in By::value_variants() {
            assert_eq!(by.to_possible_value().map(|value| value.get_name().to_owned()).as_deref(), Some(by.name()));
        }
    }

    #[test]
    fn probes_of_users_have_names_a_report_can_carry() {
        for (file, name) in
            [("/x/queue-depth.py", Some("queue-depth")), ("_a1.py", Some("_a1")), ("1a.py", None), ("a b.py", None)]
        {
            assert_eq!(probe_name(Path::new(file)), name, "{file}");
        }
    }
}

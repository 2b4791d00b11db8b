//! Composes the one Python statement that runs the probes inside the target's interpreter.
//!
//! It is given to `PyRun_SimpleString`, which executes in `__main__`: so it is an expression that binds no name there, and
//! pure ASCII without NUL bytes, because it passes through C strings and a debugger. It does not run anything itself.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::probes::UserProbe;
use crate::cli::values::BuiltinProbe;
use crate::error::{Error, Kind, Result};

const FIRST: &str = include_str!("../../gdb-scripts/probes/first.py");
const RUNNER: &str = include_str!("../../gdb-scripts/probes/runner.py");
const HEAP: &str =
    concat!(include_str!("../../gdb-scripts/probes/heap.py"), include_str!("../../gdb-scripts/probes/heap_names.py"));
const GC: &str = include_str!("../../gdb-scripts/probes/gc.py");
const THREADS: &str = include_str!("../../gdb-scripts/probes/threads.py");
const OBJGRAPH: &str = include_str!("../../gdb-scripts/probes/objgraph.py");
const PYMPLER: &str = include_str!("../../gdb-scripts/probes/pympler.py");

/// The longest source that is handed over: it is written into memory mapped for it.
const MOST_BYTES: usize = 64 << 20;

/// Whose interpreter runs the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A copy, which ends with the last probe.
    Twin,
    /// The target itself, in which nothing may be left.
    Stop,
}

/// What is to be run, and within which limits.
pub(super) struct ProbeOrder<'a> {
    pub(super) mode: Mode,
    /// The descriptor, in the process where the probes run, that takes the stream.
    pub(super) write_to: u32,
    /// Left for all of it.
    pub(super) time: Duration,
    /// In [`Mode::Stop`], how long the target may be held.
    pub(super) hold: Duration,
    /// How many types to show the largest object of.
    pub(super) largest: usize,
    /// Types to show the largest object of; also without their module.
    pub(super) types: &'a [String],
    /// Where libraries are looked for after the target's own path.
    pub(super) site_dirs: &'a [PathBuf],
    pub(super) builtin: &'a [BuiltinProbe],
    pub(super) user: &'a [UserProbe],
}

/// The statement, ASCII, with a line feed at its end and without a NUL byte.
///
/// Fails with [`Kind::Usage`] when the user's probes make it longer than can be handed over.
pub(super) fn compose(order: &ProbeOrder) -> Result<Vec<u8>> {
    // The names of `__main__` belong to the target (`from re import *` is common): builtins are taken by their module.
    // `exec` of text and not of what `compile` makes of it: that would make some hundred types of `ast` in the target.
    // Interned texts are in order of birth: from this name on they are ours (see runner.py). Some interpreters never forget
    // one; what a twin knows, it does not know from runs in the target itself.
    let begin = if order.mode == Mode::Twin { "memory_analyzer_in_twin" } else { "memory_analyzer" };
    let mut out = format!("0 and {begin} or __builtins__.exec(");
    text(&mut out, FIRST);
    out.push_str(", {'__name__': '<memory-analyzer>', 'RUNNER': ");
    text(&mut out, RUNNER);
    out.push_str(", 'ORDER': {'begin': ");
    text(&mut out, begin);
    out.push_str(", 'mode': ");
    text(&mut out, if order.mode == Mode::Twin { "twin" } else { "stop" });
    let (time, hold) = (order.time.as_secs_f64(), order.hold.as_secs_f64());
    let _ = write!(out, ", 'write_to': {}, 'time': {time:.3}, 'hold': {hold:.3}", order.write_to);
    let _ = write!(out, ", 'largest': {}, 'types': [", order.largest);
    for name in order.types {
        text(&mut out, name);
        out.push(',');
    }
    out.push_str("], 'site_dirs': [");
    for folder in order.site_dirs {
        bytes_as_text(&mut out, folder.as_os_str().as_encoded_bytes());
        out.push(',');
    }
    out.push_str("], 'probes': [");
    // What the user wrote runs before the libraries, which are slow.
    let libraries = |probe: &&BuiltinProbe| !probe.always_runs();
    for probe in order.builtin.iter().filter(|p| !libraries(p)) {
        entry(&mut out, probe.name(), source(*probe), format!("{}.py", probe.name()).as_bytes(), false);
    }
    for probe in order.user {
        entry(&mut out, &probe.name, &probe.text, probe.path.as_os_str().as_encoded_bytes(), true);
    }
    for probe in order.builtin.iter().filter(libraries) {
        entry(&mut out, probe.name(), source(*probe), format!("{}.py", probe.name()).as_bytes(), false);
    }
    out.push_str("]}})\n");
    if out.len() > MOST_BYTES {
        return Err(Error::new(Kind::Usage, format!("the probes are {} bytes as Python source: too long", out.len()))
            .hint("name fewer or shorter `--probe` files"));
    }
    Ok(out.into_bytes())
}

fn source(probe: BuiltinProbe) -> &'static str {
    match probe {
        BuiltinProbe::Heap => HEAP,
        BuiltinProbe::Gc => GC,
        BuiltinProbe::Threads => THREADS,
        BuiltinProbe::Objgraph => OBJGRAPH,
        BuiltinProbe::Pympler => PYMPLER,
    }
}

fn entry(out: &mut String, name: &str, source: &str, path: &[u8], user: bool) {
    out.push('(');
    text(out, name);
    out.push(',');
    text(out, source);
    out.push(',');
    bytes_as_text(out, path);
    out.push_str(if user { ",True)," } else { ",False)," });
}

/// A `str` literal.
fn text(out: &mut String, text: &str) {
    out.push('\'');
    for character in text.chars() {
        literal(out, character);
    }
    out.push('\'');
}

/// A `str` literal of a path, bytes that are no UTF-8 as Python's `surrogateescape` has them.
fn bytes_as_text(out: &mut String, bytes: &[u8]) {
    out.push('\'');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            literal(out, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\udc{byte:02x}");
        }
    }
    out.push('\'');
}

fn literal(out: &mut String, character: char) {
    let code = u32::from(character);
    let _ = match code {
        0x0a => write!(out, "\\n"),
        0x27 | 0x5c => write!(out, "\\{character}"),
        0x20..0x7f => write!(out, "{character}"),
        0..0x100 => write!(out, "\\x{code:02x}"),
        0x100..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_one_line_of_ascii_whatever_is_in_it() {
        let user =
            [UserProbe { name: "mine".into(), path: "/tmp/é'\\.py".into(), text: "emit('\u{1F40D}\t')\n".into() }];
        let order = ProbeOrder {
            mode: Mode::Stop,
            write_to: 7,
            time: Duration::from_millis(1500),
            hold: Duration::from_secs(2),
            largest: 3,
            types: &["app.Entry".into(), "it's".into()],
            site_dirs: &["/srv/lib".into()],
            builtin: &BuiltinProbe::ALL,
            user: &user,
        };
        let source = String::from_utf8(compose(&order).unwrap()).unwrap();
        assert!(source.is_ascii() && !source.contains('\0'));
        assert_eq!(source.find('\n'), Some(source.len() - 1));
        assert!(source.starts_with("0 and memory_analyzer or __builtins__.exec("));
        assert!(source.contains("{'begin': 'memory_analyzer', 'mode': 'stop', 'write_to': 7, 'time': 1.500, 'hold': 2.000, 'largest': 3, 'types': ['app.Entry','it\\'s',], 'site_dirs': ['/srv/lib',]"));
        assert!(source.contains(r"('mine','emit(\'\U0001f40d\x09\')\n','/tmp/\xe9\'\\.py',True)"));
    }

    #[test]
    fn paths_that_are_no_text_survive() {
        let mut out = String::new();
        bytes_as_text(&mut out, b"a\xffb");
        assert_eq!(out, r"'a\udcffb'");
    }
}

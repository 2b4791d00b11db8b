//! The Python processes here: which, of what version and user, how big, and whether we could attach.
//!
//! Looks at files and `/proc` only; the right to attach is asked of the kernel, not used.

use serde::Serialize;

use super::doctor;
use super::machine::Machine;
use super::procfs::{self, Process};
use super::python::{Look, looks_like_python};
use crate::error::Result;
use crate::units::{Bytes, printable};

/// One Python process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) pid: i32,
    /// `3.11.7`; `3` where only that can be told without attaching.
    pub(crate) version: String,
    pub(crate) user: String,
    pub(crate) rss_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) attachable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) cmdline: Vec<String>,
}

/// The list as programs read it.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    schema_version: u32,
    processes: &'a [Listed],
}

/// The longest version that is believed; it may be read from a file of the target's.
const MAX_VERSION: usize = 32;

/// The Python processes here but ourselves, by PID. `look_at` tells of one what it is, or that it is no Python.
pub(crate) fn list(look_at: impl Fn(&Process) -> Option<Look>) -> Result<Vec<Listed>> {
    let machine = Machine::read()?;
    let passwd = procfs::passwd();
    let mut listed = Vec::new();
    for pid in procfs::pids() {
        // Processes come and go while we look.
        let Ok(process) = Process::read(pid) else { continue };
        if pid == machine.ourselves.pid || process.kernel_thread || process.has_ended() {
            continue;
        }
        let Some(look) = look_at(&process) else { continue };
        let reason = match look.free_threaded {
            true => Some("free-threaded"),
            false => doctor::attachable(&process, &machine).err(),
        };
        listed.push(Listed {
            pid,
            version: printable(&look.version, MAX_VERSION),
            user: procfs::user_name(process.uids.effective, &passwd),
            rss_bytes: process.rss_bytes,
            threads: process.threads,
            attachable: reason.is_none(),
            reason,
            cmdline: process.command_line,
        });
    }
    Ok(listed)
}

/// Whether `process` is Python, by its files where we may see them, else by its name alone.
pub(crate) fn look_at(process: &Process) -> Option<Look> {
    if process.executable.is_some() {
        return looks_like_python(process.pid);
    }
    // Of another user's process only its name and arguments are to be seen.
    let program =
        process.command_line.first().map_or(process.name.as_str(), |path| path.rsplit('/').next().unwrap_or(path));
    let version = program.strip_prefix("python")?;
    let (version, free_threaded) = match version.strip_suffix('t') {
        Some(version) if version.ends_with(|last: char| last.is_ascii_digit()) => (version, true),
        _ => (version, false),
    };
    let plausible = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !version.starts_with('2');
    let version = if version.is_empty() { "3" } else { version };
    plausible.then(|| Look { version: version.to_owned(), free_threaded })
}

/// The list as a table, with a line feed at the end; `exact` shows sizes as numbers of bytes. What is wider than `width`
/// columns is cut.
pub(crate) fn text(listed: &[Listed], exact: bool, width: Option<usize>) -> String {
    let mut rows = vec![["PID", "VERSION", "USER", "RSS", "THREADS", "ATTACHABLE", "COMMAND"].map(str::to_owned)];
    rows.extend(listed.iter().map(|process| {
        [
            process.pid.to_string(),
            process.version.clone(),
            process.user.clone(),
            if exact { process.rss_bytes.to_string() } else { Bytes(process.rss_bytes).to_string() },
            process.threads.to_string(),
            process.reason.map_or_else(|| "yes".to_owned(), |reason| format!("no: {reason}")),
            printable(&process.cmdline.join(" "), 4096),
        ]
    }));
    const RIGHT: [bool; 7] = [true, false, false, true, true, false, false];
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells =
            row.iter().zip(widths).zip(RIGHT).map(|((cell, width), right)| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(&printable(line.trim_end(), width.unwrap_or(usize::MAX).saturating_sub(1)));
        text.push('\n');
    }
    text
}

/// The list as one JSON object, with a line feed at the end.
pub(crate) fn json(listed: &[Listed]) -> String {
    let document = Document { schema: "memory-analyzer/processes", schema_version: 1, processes: listed };
    let mut text = serde_json::to_string_pretty(&document).expect("plain data has no keys that are not text");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::procfs::tests::ordinary;
    use super::*;

    fn sample() -> Vec<Listed> {
        let process = |pid, version: &str, reason: Option<&'static str>, cmdline: &[&str]| Listed {
            pid,
            version: version.into(),
            user: "alice".into(),
            rss_bytes: 89_128_960,
            threads: 5,
            attachable: reason.is_none(),
            reason,
            cmdline: cmdline.iter().map(|&word| word.to_owned()).collect(),
        };
        vec![
            process(9, "3.11.7", None, &["python3", "app.py"]),
            process(4711, "3", Some("not permitted"), &["python3", "\x1b[2J"]),
        ]
    }

    #[test]
    fn the_table_and_its_json() {
        insta::assert_snapshot!(text(&sample(), false, None), @r#"
         PID  VERSION  USER        RSS  THREADS  ATTACHABLE         COMMAND
           9  3.11.7   alice  85.0 MiB        5  yes                python3 app.py
        4711  3        alice  85.0 MiB        5  no: not permitted  python3 \u{1b}[2J
        "#);
        insta::assert_snapshot!(text(&sample(), true, Some(60)), @"
         PID  VERSION  USER        RSS  THREADS  ATTACHABLE        …
           9  3.11.7   alice  89128960        5  yes               …
        4711  3        alice  89128960        5  no: not permitted …
        ");
        insta::assert_snapshot!(json(&sample()[1..]), @r#"
        {
          "schema": "memory-analyzer/processes",
          "schema_version": 1,
          "processes": [
            {
              "pid": 4711,
              "version": "3",
              "user": "alice",
              "rss_bytes": 89128960,
              "threads": 5,
              "attachable": false,
              "reason": "not permitted",
              "cmdline": [
                "python3",
                "\u001b[2J"
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn without_a_look_at_files_the_name_decides() {
        let check = |name: &str, words: &[&str]| {
            let mut process = ordinary(1 << 23);
            process.executable = None;
            process.name = name.to_owned();
            process.command_line = words.iter().map(|&word| word.to_owned()).collect();
            look_at(&process).map(|look| (look.version, look.free_threaded))
        };
        assert_eq!(check("x", &["/usr/bin/python3.11", "x"]), Some(("3.11".into(), false)));
        assert_eq!(check("x", &["python"]), Some(("3".into(), false)));
        assert_eq!(check("python3", &[]), Some(("3".into(), false)));
        assert_eq!(check("python3.14t", &[]), Some(("3.14".into(), true)));
        assert_eq!(check("pythont", &[]), None);
        assert_eq!(check("python2.7", &[]), None);
        assert_eq!(check("python3-config", &[]), None);
        assert_eq!(check("bash", &["bash", "python3"]), None);
    }

    #[test]
    fn only_python_is_listed() {
        let ours = std::process::id() as i32;
        assert_eq!(list(|_| None).unwrap(), []);
        let listed = list(|_| Some(Look { version: "3.9\x1b".into(), free_threaded: true })).unwrap();
        assert!(listed.iter().all(|process| process.pid != ours && process.version == "3.9\\u{1b}"));
        assert!(listed.iter().all(|process| !process.attachable && process.reason == Some("free-threaded")));
    }
}

//! Takes out of a text what differs between runs and machines, so that the rest can be in a snapshot.

use regex::Regex;

use super::{Done, Target};

/// `text` without process ids, times, addresses, build-ids and paths of this run.
pub(crate) fn redacted(text: &str, done: &Done, targets: &[&Target]) -> String {
    let mut text = text.replace(&done.dir().display().to_string(), "[DIR]");
    for target in targets {
        text = text.replace(&target.python.path.display().to_string(), "[PYTHON]");
        text = replaced(&text, &format!(r"\b{}\b", target.pid), "[PID]");
    }
    for (pattern, name) in [
        (r"\bpid [1-9]\d+\b", "pid [PID]"),
        (r"-p \d+\b", "-p [PID]"),
        (r"process \d{2,}\b", "process [PID]"),
        (r"parent \d+\b", "parent [PID]"),
        (r"Python 3\.\d+\.\d+", "Python [VERSION]"),
        (r"(, /[\w./+-]+\.so[\w.]*)+", ", [LIBRARIES]"),
        (r"\(PID \d+", "(PID [PID]"),
        (r"\b[0-9a-f]{40}\b", "[BUILD-ID]"),
        (r"0x[0-9a-f]+", "[ADDRESS]"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r"\b\d+(\.\d+)? ms\b", "[N] ms"),
        (r"\b\d{2,} bytes\b", "[N] bytes"),
        (r"/usr/bin/python3\.\d+", "[PYTHON]"),
        (r"\bpython3\.\d+\b", "[PYTHON]"),
    ] {
        text = replaced(&text, pattern, name);
    }
    text
}

fn replaced(text: &str, pattern: &str, by: &str) -> String {
    Regex::new(pattern).unwrap().replace_all(text, by).into_owned()
}

/// Compares with a file of the folder `snapshots/`.
#[macro_export]
macro_rules! assert_file_snapshot {
    ($name:expr, $text:expr) => {
        insta::with_settings!({snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!($name, $text);
        })
    };
}

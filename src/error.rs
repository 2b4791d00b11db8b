//! What can go wrong, as values: a kind with its exit code, what was tried and found, and what to do about it.
//!
//! An [`Error`] ends the work on one target (or the whole run); what only makes a report poorer is a
//! [`crate::notice::Notice`]. Leaf errors live near their code (`thiserror`) and become an [`Error`] where their remedy
//! is known. Nothing is ever found out by looking into a message.

use std::fmt;

/// The class of a failure. The numbers are the exit codes that scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A defect of ours.
    Defect = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// No such process, or it ended meanwhile.
    NoProcess = 3,
    /// Not Python, or a version we cannot read.
    NotPython = 4,
    /// The operating system does not let us.
    NotPermitted = 5,
    /// The target cannot be examined now: traced, stopped by someone, no safe point, deadline, pause budget.
    Busy = 6,
    /// Some targets failed, others were reported.
    Partial = 7,
    /// A threshold given was exceeded.
    Threshold = 8,
    /// A file given is missing, damaged, or of another kind.
    BadFile = 9,
}

impl Kind {
    /// The exit code of the program.
    pub(crate) fn exit_code(self) -> u8 {
        self as u8
    }

    /// The kind with this exit code; any other number is a defect.
    pub(crate) fn from_exit_code(code: u8) -> Kind {
        use Kind::*;
        [Usage, NoProcess, NotPython, NotPermitted, Busy, Partial, Threshold, BadFile]
            .into_iter()
            .find(|kind| kind.exit_code() == code)
            .unwrap_or(Defect)
    }

    /// A stable name for machines: the `kind` of an error in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Defect => "defect",
            Kind::Usage => "usage",
            Kind::NoProcess => "no-process",
            Kind::NotPython => "not-python",
            Kind::NotPermitted => "not-permitted",
            Kind::Busy => "busy",
            Kind::Partial => "partial",
            Kind::Threshold => "threshold",
            Kind::BadFile => "bad-file",
        }
    }
}

/// A failure, told so that the reader can act on it.
///
/// `text` is a lowercase fragment without a full stop: "cannot read X of pid N: cause"; each hint is one remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) hints: Vec<String>,
}

/// The result of everything that can end the work on a target.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Error {
        Error { kind, text: text.into(), hints: Vec::new() }
    }

    /// Adds a remedy, shown as a `hint:` line.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hints.push(hint.into());
        self
    }

    /// Puts what was being done before what went wrong.
    pub(crate) fn while_(mut self, doing: impl fmt::Display) -> Error {
        self.text = format!("{doing}: {}", self.text);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

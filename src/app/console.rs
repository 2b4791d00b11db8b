//! stdout and stderr: results on the one, all else on the other; a closed pipe is a quiet success.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::analyse::Report;
use crate::cli::plan::Screen;
use crate::cli::values::Format;
use crate::error::{Error, Kind, Result};
use crate::notice::{Listener, Notice};
use crate::render::{self, TextOptions};

/// The two streams of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    colour: bool,
}

impl Console {
    pub(super) fn new(colour: bool) -> Console {
        Console { colour }
    }

    /// A result, on stdout.
    pub(super) fn result(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::new(Kind::Defect, format!("cannot write to stdout: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// A report in the format asked for.
    pub(super) fn report(&self, report: &Report, screen: &Screen, top: Option<usize>) -> Result<()> {
        self.told(report, screen, top, render::text)
    }

    /// What can be told in any format, in that asked for; `text` is how people read it.
    pub(super) fn told<T: Serialize>(
        &self,
        what: &T,
        screen: &Screen,
        top: Option<usize>,
        text: fn(&T, &TextOptions) -> String,
    ) -> Result<()> {
        self.result(&match screen.format {
            Format::Json => render::json(what),
            Format::Text => text(what, &options(screen, top)),
        })
    }

    /// What a report that has been shown in text did not have then: garbage, suspects, and where the snapshots are.
    pub(super) fn rest(&self, report: &Report, screen: &Screen, top: Option<usize>) -> Result<()> {
        self.result(&render::rest(report, &options(screen, top)))
    }

    /// A failure with its remedies, on stderr.
    pub(super) fn error(&self, error: &Error) {
        self.line("error", "31", &error.text);
        for hint in &error.hints {
            self.line("hint", "36", hint);
        }
    }

    /// Something a report says of itself, on stderr.
    pub(super) fn notice(&self, notice: &Notice, subject: &str) {
        self.line("warning", "33", &format!("{subject}{}", notice.text));
        if let Some(hint) = &notice.hint {
            self.line("hint", "36", hint);
        }
    }

    /// What is going on, on stderr.
    pub(super) fn progress(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    fn line(&self, label: &str, colour: &str, text: &str) {
        if self.colour {
            self.write(&format!("\x1b[1;{colour}m{label}\x1b[0m: {text}\n"));
        } else {
            self.write(&format!("{label}: {text}\n"));
        }
    }

    fn write(&self, text: &str) {
        // Nobody is left to be told that stderr is closed.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

fn options(screen: &Screen, top: Option<usize>) -> TextOptions {
    TextOptions { top: top.unwrap_or(usize::MAX), color: screen.colour, width: screen.width, exact_bytes: screen.exact }
}

/// Shows what happens to one target while it happens.
#[derive(Debug)]
pub(super) struct Watcher {
    console: Console,
    pid: i32,
    trace: bool,
    started: Instant,
    bar: Option<ProgressBar>,
    /// Steps are told from several threads; their times must ascend.
    order: Mutex<()>,
}

impl Watcher {
    /// `trace`: every step; `bar`: a progress bar, for a terminal.
    pub(super) fn new(console: Console, pid: i32, trace: bool, bar: bool) -> Watcher {
        let bar = bar.then(|| {
            let style =
                ProgressStyle::with_template("{spinner} pid {prefix} {bar:30} {human_pos} objects {msg} [{elapsed}]");
            let bar = ProgressBar::new(0).with_prefix(pid.to_string());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Watcher { console, pid, trace, started: Instant::now(), bar, order: Mutex::new(()) }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Listener for Watcher {
    fn step(&self, text: &str) {
        if self.trace {
            let _ordered = self.order.lock();
            self.console.progress(&format!("[{:8.3} s] {}: {text}", self.started.elapsed().as_secs_f64(), self.pid));
        }
    }

    fn progress(&self, objects: u64, of: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(of) = of {
                bar.set_length(of.max(objects));
            }
            bar.set_position(objects);
        }
    }
}

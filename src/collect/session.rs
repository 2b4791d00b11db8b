//! A debugger as a child process that obeys: orders out, answers in, each with a deadline.
//!
//! What GDB says by itself in between is kept as `talk`, for [`super::gdb_messages`] to make sense of when something fails.

use std::io::{BufRead, BufReader, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use duct::{ReaderHandle, cmd};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::gdb_messages;
use crate::error::{Error, Kind, Result};
use crate::notice::Listener;

/// What an answer begins with (`gdb_session.py`).
const MARK: &str = "\x1egdb-session ";
const SCRIPT: &str = include_str!("../../gdb-scripts/gdb_session.py");
/// GDB's own start, on a loaded machine.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// More talk than this is not kept: a debugger in a loop.
const MAX_TALK: usize = 256 * 1024;

/// A running GDB that has loaded our script.
pub(crate) struct Session<'a> {
    child: Arc<ReaderHandle>,
    orders: Option<PipeWriter>,
    lines: Receiver<String>,
    talk: String,
    listener: &'a dyn Listener,
    /// Holds the script; goes with the session.
    _folder: tempfile::TempDir,
}

impl<'a> Session<'a> {
    /// Starts GDB. Nothing of the user's or the system's GDB configuration is read, no debug information is downloaded or
    /// expanded, no library's symbols are loaded unasked.
    pub(crate) fn start(gdb: &Path, temp_dir: &Path, listener: &'a dyn Listener) -> Result<Session<'a>> {
        let failed = |error: std::io::Error| start_error(gdb, &error);
        // Private (0700) and not predictable.
        let folder = tempfile::Builder::new().prefix("memory-analyzer-").tempdir_in(temp_dir).map_err(failed)?;
        let script: PathBuf = folder.path().join("gdb_session.py");
        std::fs::write(&script, SCRIPT).map_err(failed)?;
        let (order_end, orders) = std::io::pipe().map_err(failed)?;
        let quiet = [
            "set auto-load off",
            "set debuginfod enabled off",
            "set auto-solib-add off",
            "set libthread-db-search-path /nonexistent",
        ];
        let mut arguments: Vec<String> = ["-nx", "-q", "-batch", "--readnever"].map(String::from).to_vec();
        for setting in quiet {
            arguments.extend(["-iex".to_owned(), setting.to_owned()]);
        }
        arguments.extend(["-x".to_owned(), script.display().to_string()]);
        let child = cmd(gdb, arguments)
            .stdin_file(order_end)
            .stderr_to_stdout()
            // GDB's own Python must not be led astray by what is meant for the target's.
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .env_remove("DEBUGINFOD_URLS")
            .env("LC_ALL", "C.UTF-8")
            // A Ctrl-C in the terminal is for us: GDB would hand it on to the process that it holds.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .unchecked()
            .reader()
            .map_err(failed)?;
        let child = Arc::new(child);
        let (sender, lines) = channel();
        let reader = Arc::clone(&child);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(&*reader);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        let mut session =
            Session { child, orders: Some(orders), lines, talk: String::new(), listener, _folder: folder };
        let ready: Value = session.answer("start", START_DEADLINE)?;
        listener.step(&format!("gdb {} started", ready["ready"].as_str().unwrap_or("?")));
        Ok(session)
    }

    /// Gives an order and waits for its answer.
    pub(crate) fn order<T: DeserializeOwned>(&mut self, order: Value, deadline: Duration) -> Result<T> {
        let doing = wording(order["do"].as_str().unwrap_or(""));
        self.tell(order)?;
        self.answer(doing, deadline)
    }

    /// Gives an order whose answer is asked for later.
    pub(crate) fn tell(&mut self, order: Value) -> Result<()> {
        let doing = wording(order["do"].as_str().unwrap_or(""));
        self.talk.clear();
        let mut line = order.to_string();
        line.push('\n');
        let orders = self.orders.as_mut().ok_or_else(|| Error::new(Kind::Defect, "gdb has been told to quit"))?;
        orders.write_all(line.as_bytes()).map_err(|_| gdb_messages::ended(doing, &self.talk))
    }

    /// The answer to the order given last.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, doing: &str, deadline: Duration) -> Result<T> {
        let until = Instant::now() + deadline;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(text) = line.strip_prefix(MARK) {
                        return self.understand(doing, text);
                    }
                    self.hear(&line);
                }
                Err(RecvTimeoutError::Timeout) => return Err(gdb_messages::timed_out(doing, deadline, &self.talk)),
                Err(RecvTimeoutError::Disconnected) => return Err(gdb_messages::ended(doing, &self.talk)),
            }
        }
    }

    fn understand<T: DeserializeOwned>(&mut self, doing: &str, text: &str) -> Result<T> {
        let value: Value = serde_json::from_str(text)
            .map_err(|e| Error::new(Kind::Defect, format!("gdb: the answer to {doing} is not JSON: {e}")))?;
        for line in value["talk"].as_str().unwrap_or("").lines() {
            self.hear(line);
        }
        if let Some(error) = value["error"].as_str() {
            return Err(gdb_messages::failed(doing, error, &self.talk));
        }
        serde_json::from_value(value)
            .map_err(|e| Error::new(Kind::Defect, format!("gdb: unexpected answer to {doing}: {e}")))
    }

    fn hear(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        self.listener.step(&format!("gdb: {}", crate::units::printable(line, 400)));
        if self.talk.len() + line.len() < MAX_TALK {
            self.talk.push_str(line);
            self.talk.push('\n');
        }
    }

    /// What GDB has said since the last order.
    pub(crate) fn talk(&self) -> &str {
        &self.talk
    }

    /// Has GDB let go of everything and end.
    pub(crate) fn quit(mut self) {
        let _ = self.tell(json!({"do": "quit"}));
        drop(self.orders.take());
        // Its output ends with it.
        let until = Instant::now() + Duration::from_secs(5);
        while self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // The kernel lets go of what it still holds.
        let _ = self.child.kill();
    }
}

/// An order as it is named in a message: "gdb could not …".
fn wording(order: &str) -> &'static str {
    match order {
        "prepare" => "take its settings",
        "attach" => "attach",
        "symbols" => "load symbols",
        "threads" => "read the threads",
        "send" => "set registers",
        "continue" => "continue",
        "detach" => "detach",
        _ => "end",
    }
}

fn start_error(gdb: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot start `{}`: {error}", gdb.display())).hint(
        "install it: `apt-get install gdb` (Debian, Ubuntu), `dnf install gdb` (Fedora, RHEL), `apk add gdb` (Alpine)",
    )
}

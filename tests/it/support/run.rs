//! One run of the program, in a folder of its own and without the settings of this machine's users.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::process;

/// No run of a test takes that long, unless it hangs.
const LONGEST: Duration = Duration::from_secs(180);

/// A run to be.
#[derive(Debug)]
#[must_use]
pub(crate) struct Run {
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    dir: TempDir,
    mark: String,
}

impl Run {
    /// `memory-analyzer WORDS…`
    pub(crate) fn new<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Run {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::tempdir().unwrap();
        // Other users run in it too.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let mark = format!("IT_RUN={}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Run { words: vec![env!("CARGO_BIN_EXE_memory-analyzer").into()], variables: Vec::new(), dir, mark }.args(words)
    }

    /// `memory-analyzer analyze PID…`
    pub(crate) fn analyze(pids: &[i32]) -> Run {
        Run::new(["analyze"]).args(pids.iter().map(i32::to_string))
    }

    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Run {
        self.words.push(word.as_ref().to_owned());
        self
    }

    pub(crate) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Run {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Another program in its place: one of ours, or a copy.
    pub(crate) fn program(mut self, program: impl AsRef<OsStr>) -> Run {
        self.words[0] = program.as_ref().to_owned();
        self
    }

    /// By way of another program, such as `setpriv …`.
    pub(crate) fn by<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Run {
        let words: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.words.splice(0..0, words);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The folder it runs in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file into that folder.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Run {
        std::fs::write(self.dir().join(name), text).unwrap();
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(self.dir()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir()).env("LC_ALL", "C.UTF-8").env("RUST_BACKTRACE", "0");
        // Tests of the reader say so.
        command.env("MEMORY_ANALYZER_COLLECTOR", "gdb");
        let (name, value) = self.mark.split_once('=').unwrap();
        command.env(name, value).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // As a shell does it: signals of a terminal reach it with its children, and us not.
        command.process_group(0);
        command
    }

    /// Starts it; what it says on stderr can be followed.
    pub(crate) fn start(self) -> Running {
        let mut child = self.command().spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let errors = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        let out = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = out.read_to_end(&mut bytes);
            bytes
        });
        thread::spawn(move || {
            for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        Running { child, lines, heard: Vec::new(), out: Some(out), dir: Some(self.dir), mark: self.mark }
    }

    /// Runs it to its end.
    pub(crate) fn output(self) -> Done {
        self.start().wait()
    }
}

/// A run that is under way; ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    heard: Vec<String>,
    out: Option<thread::JoinHandle<Vec<u8>>>,
    dir: Option<TempDir>,
    mark: String,
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The next line on stderr; none at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LONGEST) {
            Ok(line) => {
                self.heard.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("hangs after:\n{}", self.heard.join("\n")),
        }
    }

    /// The processes that it started, and itself.
    pub(crate) fn family(&self) -> Vec<i32> {
        process::with_variable(&self.mark)
    }

    /// Its GDB.
    pub(crate) fn gdb(&self) -> Option<i32> {
        self.family().into_iter().find(|pid| process::name(*pid) == "gdb")
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Done {
        while self.line().is_some() {}
        let stdout = self.out.take().unwrap().join().unwrap();
        // Nobody holds its outputs any more; it may still have to be seen dead.
        let status = self.child.wait().unwrap();
        let mut stderr = self.heard.join("\n");
        if !stderr.is_empty() {
            stderr.push('\n');
        }
        let stdout = String::from_utf8(stdout).expect("stdout is UTF-8");
        Done { code: status.code(), stdout, stderr, dir: self.dir.take().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    dir: TempDir,
}

impl Done {
    /// It ended with this exit code, and without a panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Done {
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.code, Some(code), "stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }

    /// The folder it ran in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The whole JSON report.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }

    /// Of the only target.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        let mut json = self.json();
        assert_eq!(json["targets"].as_array().map(Vec::len), Some(1), "{json}");
        json["targets"][0].take()
    }

    /// Files with this extension in the folder for results.
    pub(crate) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir().join("memory_analyzer_out")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.extension() == Some(OsStr::new(extension)));
        files.sort();
        files
    }
}

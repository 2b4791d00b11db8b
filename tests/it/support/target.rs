//! A process to analyse: started by handshake, asked over its standard input, looked at from outside, ended when dropped.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::{Python, process, program, soon};

/// No target takes that long to answer, unless it is harmed.
const LONGEST: Duration = Duration::from_secs(60);

/// Goes into the root folder $1 as into a container, where the folder $0 is /mnt: what else there is cannot be seen there, and
/// its paths are not ours. Nothing of it is left when the process is gone.
const ENTER: &str = "mount --bind \"$1\" \"$1\" && mount --bind \"$0\" \"$1/mnt\" && mount -t proc proc \"$1/proc\" && \
                     cd \"$1\" && pivot_root . . && umount -l . && shift && exec \"$@\"";

/// What a target has written so far, and not been asked for yet.
#[derive(Debug, Default)]
struct Written {
    bytes: Mutex<(Vec<u8>, bool)>,
    more: Condvar,
}

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) pid: i32,
    pub(crate) python: Python,
    child: Child,
    input: Option<ChildStdin>,
    written: Arc<Written>,
    errors: NamedTempFile,
    oracle: Option<Value>,
    /// As it was when it was ready.
    descriptors: BTreeMap<i32, OsString>,
    mappings: Vec<String>,
    /// Whether it may have children of its own.
    parent: bool,
}

/// How a target is to be started.
#[derive(Debug)]
#[must_use]
pub(crate) struct Start {
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    python: Python,
    parent: bool,
    inner: bool,
}

impl Target {
    /// A program of tests/programs under an interpreter, ready.
    pub(crate) fn start<W: AsRef<OsStr>>(python: &Python, name: &str, words: impl IntoIterator<Item = W>) -> Target {
        Target::how(python, name, words).now()
    }

    pub(crate) fn how<W: AsRef<OsStr>>(python: &Python, name: &str, words: impl IntoIterator<Item = W>) -> Start {
        let Some(folder) = &python.root else { return Start::of(python, program(name), words) };
        let script: [&OsStr; 5] = ["unshare".as_ref(), "-m".as_ref(), "sh".as_ref(), "-c".as_ref(), ENTER.as_ref()];
        let places = [program("").into_os_string(), folder.into()];
        Start::of(python, Path::new("/mnt").join(name), words).by(script.into_iter().map(OsStr::to_owned).chain(places))
    }

    /// The census of its heap which it took before it was ready.
    pub(crate) fn oracle(&self) -> &Value {
        self.oracle.as_ref().expect("a program that takes a census")
    }

    /// What is mapped now is what it has: something was done to its files.
    pub(crate) fn look_again(&mut self) {
        self.mappings = process::mappings(self.pid);
    }

    /// The next line it writes.
    pub(crate) fn line(&self) -> String {
        let mut written = self.written.bytes.lock().unwrap();
        loop {
            if let Some(end) = written.0.iter().position(|byte| *byte == b'\n') {
                let rest = written.0.split_off(end + 1);
                let mut line = std::mem::replace(&mut written.0, rest);
                line.pop();
                return String::from_utf8(line).unwrap();
            }
            assert!(!written.1, "pid {} has ended: {}", self.pid, self.said());
            let (again, waited) = self.written.more.wait_timeout(written, LONGEST).unwrap();
            assert!(!waited.timed_out(), "pid {} does not answer; stderr: {}", self.pid, self.said());
            written = again;
        }
    }

    /// Gives it a line.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its standard input");
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Gives it a line and reads its answer, JSON with or without a word before.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.tell(line);
        let answer = self.line();
        let json = answer.strip_prefix(&format!("{line} ")).unwrap_or(&answer);
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// It has counted on since it was in `state`.
    #[track_caller]
    pub(crate) fn assert_goes_on(&mut self, state: &Value) {
        let before = state["ticks"].as_u64();
        soon("it goes on", || {
            let now = self.ask("state")["ticks"].as_u64();
            if now > before { Ok(()) } else { Err(format!("at {now:?}")) }
        });
    }

    /// How it ended, which it is about to do.
    pub(crate) fn ends(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn said(&self) -> String {
        let mut text = String::new();
        File::open(self.errors.path()).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// It lives, nobody holds or traces it, nothing was written in its name, nothing of ours is open in it or left behind it.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self) {
        let free = if self.parent { process::free(self.pid) } else { process::unharmed(self.pid) };
        assert_eq!(free, Ok(()));
        assert_eq!(self.said(), "", "on the stderr of the target");
        let written = self.written.bytes.lock().unwrap();
        assert_eq!(String::from_utf8_lossy(&written.0), "", "on the stdout of the target");
        assert_eq!(process::descriptors(self.pid), self.descriptors);
    }

    /// Nothing is mapped into it that was not when it was ready. Its own allocators may have mapped more meanwhile: that
    /// is memory without a name, neither executable nor shared.
    #[track_caller]
    pub(crate) fn assert_nothing_mapped(&self) {
        let strange = |line: &&String| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let own = matches!(words.get(5).copied(), None | Some("[heap]") | Some("[stack]"));
            let loading = words.get(5).is_some_and(|path| process::is_loading(path));
            !(own && matches!(words[1], "rw-p" | "---p") || loading)
        };
        let before: Vec<&String> = self.mappings.iter().filter(strange).collect();
        let now = process::mappings(self.pid);
        assert_eq!(now.iter().filter(strange).collect::<Vec<_>>(), before);
    }
}

impl Start {
    fn of<W: AsRef<OsStr>>(python: &Python, program: PathBuf, words: impl IntoIterator<Item = W>) -> Start {
        let mut all: Vec<OsString> = vec![python.path.clone().into(), program.into()];
        all.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        Start { words: all, variables: Vec::new(), python: python.clone(), parent: false, inner: false }
    }

    /// By way of another program, such as `setpriv …`, which becomes it.
    pub(crate) fn by<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Start {
        let words: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.words.splice(0..0, words);
        self
    }

    /// The same, but the program stays and the target is its only child.
    pub(crate) fn inside<W: AsRef<OsStr>>(self, words: impl IntoIterator<Item = W>) -> Start {
        Start { inner: true, ..self.by(words) }
    }

    /// Another copy of the program, which other users can read.
    pub(crate) fn copied_to(mut self, path: PathBuf) -> Start {
        let at = self.words.iter().position(|word| *word == *self.python.path.as_os_str()).unwrap() + 1;
        std::fs::copy(&self.words[at], &path).unwrap();
        self.words[at] = path.into();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Start {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// It has children of its own.
    pub(crate) fn parent(mut self) -> Start {
        self.parent = true;
        self
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) fn now(self) -> Target {
        let errors = NamedTempFile::new().unwrap();
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let written = Arc::<Written>::default();
        let reader = Arc::clone(&written);
        thread::spawn(move || {
            let mut piece = [0; 65536];
            loop {
                let length = output.read(&mut piece).unwrap_or(0);
                let mut written = reader.bytes.lock().unwrap();
                written.0.extend_from_slice(&piece[..length]);
                written.1 = length == 0;
                reader.more.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        let mut target = Target {
            pid: child.id() as i32,
            python: self.python,
            input: child.stdin.take(),
            child,
            written,
            errors,
            oracle: None,
            descriptors: BTreeMap::new(),
            mappings: Vec::new(),
            parent: self.parent,
        };
        loop {
            let line = target.line();
            match line.strip_prefix("oracle ") {
                Some(census) => target.oracle = Some(serde_json::from_str(census).unwrap()),
                None => {
                    assert_eq!(line, "ready");
                    break;
                }
            }
        }
        while self.inner && !process::children(target.pid).is_empty() {
            target.pid = process::children(target.pid)[0];
        }
        target.descriptors = process::descriptors(target.pid);
        target.mappings = process::mappings(target.pid);
        target
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.pid != self.child.id() as i32 {
            process::signal("KILL", self.pid.into());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

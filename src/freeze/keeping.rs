//! The analyzer's side of the keeper: asks, and gets answers with a deadline.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::gil::GilSite;
use super::isolate::Purpose;
use super::keeper::{Answer, Request, TwinAnswer};
use super::landing::Landing;
use super::visit::VisitState;
use crate::error::{Error, Kind, Result};

/// Longer than everything the keeper does by its own deadlines.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// The hidden subcommand by which this program becomes a keeper.
pub(crate) const SUBCOMMAND: &str = "keeper";

/// A running keeper. Dropping it closes its input: it cleans up and ends by itself.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// A twin, or why there can be none.
pub(crate) enum TwinOrReason {
    Twin(Box<TwinAnswer>, File),
    Impossible(String),
}

/// A target prepared for `--freeze stop`.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) landing: Landing,
    /// The target's descriptor to write to.
    pub(crate) write_to: u32,
    /// The memory file it writes to.
    pub(crate) file: File,
    pub(crate) pause: Duration,
}

impl Keeper {
    /// Starts one.
    pub(crate) fn start() -> Result<Keeper> {
        let failed = |error: std::io::Error| Error::new(Kind::Defect, format!("cannot start the keeper: {error}"));
        let mut child = Command::new("/proc/self/exe")
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let requests = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Keeper { child, requests, answers })
    }

    /// Has a twin made of `pid`; the file is where it writes.
    pub(crate) fn twin(
        &mut self,
        pid: i32,
        site: &GilSite,
        landing_size: u64,
        lifetime: Duration,
        purpose: Purpose,
    ) -> Result<TwinOrReason> {
        let request = Request::Twin { pid, site: site.clone(), landing_size, lifetime_s: lifetime.as_secs(), purpose };
        match self.ask(&request)? {
            Answer::Twin(twin) => {
                let pipe = self.open(twin.pipe)?;
                Ok(TwinOrReason::Twin(Box::new(twin), pipe))
            }
            Answer::Impossible { reason } => Ok(TwinOrReason::Impossible(reason)),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the target itself prepared.
    pub(crate) fn visit(&mut self, pid: i32, landing_size: u64) -> Result<Prepared> {
        match self.ask(&Request::Visit { pid, landing_size })? {
            Answer::Visit { landing, write_to, file, pause_ns } => {
                let file = self.open(file)?;
                Ok(Prepared { landing, write_to, file, pause: Duration::from_nanos(pause_ns) })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the twin or the visit: how long the target stood still for it, and whether nothing is left of ours.
    pub(crate) fn end(&mut self, visit: VisitState) -> Result<(Duration, bool)> {
        match self.ask(&Request::End { visit })? {
            Answer::Ended { pause_ns, clean } => Ok((Duration::from_nanos(pause_ns), clean)),
            other => Err(unexpected(&other)),
        }
    }

    /// Opens a descriptor of the keeper anew, as a file of ours.
    fn open(&self, fd: i32) -> Result<File> {
        let path = format!("/proc/{}/fd/{fd}", self.child.id());
        File::open(path).map_err(|e| Error::new(Kind::Defect, format!("cannot open the hand-over: {e}")))
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        let mut text = serde_json::to_string(request).map_err(|e| lost(&e))?;
        text.push('\n');
        let requests = self.requests.as_mut().ok_or_else(|| lost(&"its input is closed"))?;
        requests.write_all(text.as_bytes()).and_then(|()| requests.flush()).map_err(|e| lost(&e))?;
        let line = self.answers.recv_timeout(ANSWER_DEADLINE).map_err(|e| match e {
            RecvTimeoutError::Timeout => lost(&format!("no answer within {} s", ANSWER_DEADLINE.as_secs())),
            RecvTimeoutError::Disconnected => lost(&"it ended"),
        })?;
        match serde_json::from_str(&line).map_err(|e| lost(&e))? {
            Answer::Failed { exit_code, text, hints } => {
                Err(Error { kind: Kind::from_exit_code(exit_code), text, hints })
            }
            answer => Ok(answer),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.requests.take());
        // It ends by itself as soon as it has cleaned up; its own waits all have deadlines.
        let _ = self.child.wait();
    }
}

fn lost(what: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Defect, format!("lost the keeper, the process of ours that holds the target: {what}"))
        .hint("the target was let go by the kernel when it ended; a twin, if there was one, ends by its own timer")
}

fn unexpected(answer: &Answer) -> Error {
    Error::new(Kind::Defect, format!("the keeper answered something else: {answer:?}"))
}

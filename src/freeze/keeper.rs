//! The keeper: a small process of our own, one per target, which alone holds and touches it.
//!
//! It exists so that whatever happens to the analyzer (a panic, Ctrl-C, the terminal, `kill -9`), somebody is left who ends
//! the twin, has it reaped, and takes away what a visit brought. It is deaf to the signals of the terminal, obeys requests on
//! its standard input, one JSON object a line, and cleans up when that closes. Should it be killed too, the kernel lets the
//! target go, frames on the stack put an injected thread back (`x86_64::Chain`), and the twin's timer ends the twin.

use std::io::{BufRead, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gil::{GilSite, Way};
use super::isolate::{Isolation, Purpose};
use super::landing::Landing;
use super::registers::RegisterSet;
use super::sys;
use super::twin::{self, NoTwin, Twin};
use super::visit::{self, Visit, VisitState};
use crate::error::{Error, Kind};

/// A longer request is not one of ours.
const MAX_REQUEST: u64 = 1 << 20;

/// What the analyzer asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(super) enum Request {
    /// Make a twin.
    Twin { pid: i32, site: GilSite, landing_size: u64, lifetime_s: u64, purpose: Purpose },
    /// Prepare the target itself.
    Visit { pid: i32, landing_size: u64 },
    /// End the twin or the visit.
    End { visit: VisitState },
}

/// What the keeper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(super) enum Answer {
    Twin(TwinAnswer),
    Visit {
        landing: Landing,
        write_to: u32,
        file: i32,
        pause_ns: u64,
    },
    /// `clean`: nothing of ours is left in the target.
    Ended {
        pause_ns: u64,
        clean: bool,
    },
    /// There can be no twin of this target.
    Impossible {
        reason: String,
    },
    Failed {
        exit_code: u8,
        text: String,
        hints: Vec<String>,
    },
}

/// A twin as the analyzer needs to know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TwinAnswer {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    pub(crate) tstate: u64,
    pub(crate) way: Way,
    pub(crate) registers: RegisterSet,
    pub(crate) landing: Landing,
    /// The twin's descriptor to write to.
    pub(crate) write_to: u32,
    /// The keeper's descriptor to read from.
    pub(super) pipe: i32,
    pub(crate) pause_ns: u64,
    pub(crate) threads: usize,
}

/// What the keeper has made and will clean up.
enum Work {
    Nothing,
    Twin(Twin),
    Visit(Visit),
}

/// Serves requests until the analyzer is gone.
pub(crate) fn run(requests: impl BufRead, mut answers: impl Write) {
    sys::stand_apart();
    sys::prepare_to_wait();
    let mut work = Work::Nothing;
    let mut requests = requests.take(MAX_REQUEST);
    let mut line = String::new();
    while requests.read_line(&mut line).is_ok_and(|length| length > 0) {
        let answer = match serde_json::from_str(&line) {
            Ok(request) => serve(request, &mut work),
            Err(error) => failed(&Error::new(Kind::Defect, format!("keeper: not a request: {error}"))),
        };
        line.clear();
        requests.set_limit(MAX_REQUEST);
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        if answers.write_all(text.as_bytes()).and_then(|()| answers.flush()).is_err() {
            break;
        }
    }
    // Nobody is left who knows: be careful.
    end(&mut work, VisitState::Queued);
}

fn serve(request: Request, work: &mut Work) -> Answer {
    match request {
        Request::Twin { pid, site, landing_size, lifetime_s, purpose } => {
            end(work, VisitState::Queued);
            let isolation = Isolation { landing_size, lifetime: Duration::from_secs(lifetime_s), purpose };
            match twin::make(pid, &site, isolation) {
                Ok(twin) => {
                    let answer = Answer::Twin(TwinAnswer {
                        pid: twin.pid,
                        tid: twin.thread.tid,
                        tstate: twin.thread.tstate,
                        way: twin.thread.way,
                        registers: twin.registers,
                        landing: twin.isolated.landing,
                        write_to: twin.isolated.write_to,
                        pipe: twin.isolated.pipe.as_raw_fd(),
                        pause_ns: twin.pause.as_nanos() as u64,
                        threads: twin.threads,
                    });
                    *work = Work::Twin(twin);
                    answer
                }
                Err(NoTwin::Impossible(reason)) => Answer::Impossible { reason },
                Err(NoTwin::Failed(error)) => failed(&error),
            }
        }
        Request::Visit { pid, landing_size } => {
            end(work, VisitState::Queued);
            match visit::begin(pid, landing_size) {
                Ok(visit) => {
                    let answer = Answer::Visit {
                        landing: visit.landing,
                        write_to: visit.write_to,
                        file: visit.file.as_raw_fd(),
                        pause_ns: visit.pause.as_nanos() as u64,
                    };
                    *work = Work::Visit(visit);
                    answer
                }
                Err(error) => failed(&error),
            }
        }
        Request::End { visit } => end(work, visit),
    }
}

fn end(work: &mut Work, state: VisitState) -> Answer {
    let ended = match std::mem::replace(work, Work::Nothing) {
        Work::Nothing => Ok((Duration::ZERO, true)),
        Work::Twin(twin) => twin.end().map(|pause| (pause, true)),
        Work::Visit(visit) => visit.end(state),
    };
    match ended {
        Ok((pause, clean)) => Answer::Ended { pause_ns: pause.as_nanos() as u64, clean },
        // A target that has ended took everything with it.
        Err(error) if error.kind == Kind::NoProcess => Answer::Ended { pause_ns: 0, clean: true },
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Answer {
    Answer::Failed { exit_code: error.kind.exit_code(), text: error.text.clone(), hints: error.hints.clone() }
}

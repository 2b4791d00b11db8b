//! The reader collector's way to memory that does not change: a twin, or a copy made while the target stands still.
//!
//! A collection of garbage in progress has its lists in pieces: then the target goes on, and a moment later it is tried again.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::gdb::{Collected, Twinned};
use super::reader::{self, Extent, Source, Unreadable};
use super::wire::Received;
use super::{Job, accounts};
use crate::error::{Error, Kind, Result};
use crate::freeze::{self, How, Keeper, Landing, Purpose, Residence, Stood, TwinOrReason, VisitState};
use crate::notice::Notice;
use crate::target::maps::{self, Mapping};
use crate::target::memory::{Memory, ProcessMemory};
use crate::units::milliseconds;

/// More threads than this are not worth their start.
const MOST_THREADS: usize = 4;
/// How long to wait before the next try, at first and at most.
const WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// Of a target whose lists are in pieces each of so many times, what they lead to is reported.
const MOST_TRIES: u32 = 20;
/// To see whether a process is there, its first mappings are tried; some cannot be read even so.
const MOST_TRIED: usize = 100;
/// What fails the self-check so many times in a row is not just changing.
const MOST_UNFIT: u32 = 3;
/// A twin lives a little longer than we may need it.
const SPARE: Duration = Duration::from_secs(30);

/// Reads a twin.
pub(super) fn on_twin(job: &Job, keeper: &mut Keeper) -> Result<Twinned> {
    let mut pause = Duration::ZERO;
    let mut tries = Tries::new(job);
    loop {
        let (twin, _pipe) =
            match keeper.twin(job.pid, &job.site, Landing::size_for(0), job.left() + SPARE, Purpose::Reading)? {
                TwinOrReason::Twin(twin, pipe) => (twin, pipe),
                TwinOrReason::Impossible(reason) => return Ok(Twinned::Impossible(reason)),
            };
        pause += Duration::from_nanos(twin.pause_ns);
        job.step(&format!(
            "{} threads stopped, twin {} made in {} ms",
            twin.threads,
            twin.pid,
            milliseconds(Duration::from_nanos(twin.pause_ns))
        ));
        let residence = Residence::of(job.pid);
        let outcome = read_process(job, twin.pid, residence, tries.may_go_on());
        let (stood, _) = keeper.end(VisitState::Finished)?;
        pause += stood;
        job.step("twin gone");
        match outcome {
            Ok(received) => {
                let notices = tries.notices();
                return Ok(Twinned::Collected(Box::new(Collected { received, freeze: "twin", pause, notices })));
            }
            Err(Unreadable::Collecting) => tries.wait()?,
            Err(Unreadable::Unfit(error)) => tries.unfit(error)?,
            Err(Unreadable::Failed(error)) => return Err(error),
        }
    }
}

/// Reads a copy of the target's own memory.
pub(super) fn on_target(job: &Job, how: How) -> Result<Collected> {
    let mut pause = Duration::ZERO;
    let mut tries = Tries::new(job);
    loop {
        let copy = freeze::copy(job.pid, how, job.plan.max_pause)?;
        pause += copy.pause;
        job.step(&format!(
            "{} MiB copied, the target stood still for {} ms",
            copy.bytes() >> 20,
            milliseconds(copy.pause)
        ));
        let again = copy.stood != Stood::AlreadyStopped && tries.may_go_on();
        let check = Extent::whole_if(copy.stood != Stood::Running && copy.missing_pages == 0);
        let residence = Residence::of(job.pid);
        match read(job, &copy, &copy.mappings, residence, check, again) {
            Ok(mut received) => {
                let mut notices = tries.notices();
                let label = if how == How::Live { "live" } else { "stop" };
                match copy.stood {
                    Stood::Stopped => {}
                    Stood::AlreadyStopped => notices.push(Notice::new(
                        "stopped-already",
                        "somebody had stopped it: it was read as it stood, and left so",
                    )),
                    Stood::Running => notices.push(
                        Notice::new("live", "it ran while it was read: numbers are close, not exact")
                            .hint("`--freeze twin` and `--freeze stop` are exact"),
                    ),
                }
                if copy.missing_pages > 0 {
                    received.coverage.truncated = true;
                    let text = format!("{} pages of its memory were gone before they were read", copy.missing_pages);
                    notices.push(Notice::new("pages-missing", text));
                }
                return Ok(Collected { received, freeze: label, pause, notices });
            }
            Err(Unreadable::Collecting) if copy.stood == Stood::AlreadyStopped => {
                let text = format!(
                    "pid {} was stopped in the middle of a garbage collection: its lists are in pieces",
                    job.pid
                );
                return Err(
                    Error::new(Kind::Busy, text).hint(format!("continue it for a moment: `kill -CONT {}`", job.pid))
                );
            }
            Err(Unreadable::Collecting) => tries.wait()?,
            Err(Unreadable::Unfit(error)) => tries.unfit(error)?,
            Err(Unreadable::Failed(error)) => return Err(error),
        }
    }
}

fn gone(pid: i32, error: &std::io::Error) -> Error {
    Error::new(Kind::Busy, format!("cannot read the memory of process {pid}: {error}"))
}

fn read_process(
    job: &Job,
    pid: i32,
    residence: io::Result<Residence>,
    again: bool,
) -> std::result::Result<Received, Unreadable> {
    // Not by `process_vm_readv`, which pins what it reads: the kernel gives a twin its own copy of each page before that
    // (mm/gup.c, `gup_must_unshare`, Linux 5.19 and later), which takes longer than reading and doubles the memory.
    let memory = ProcessMemory::open(pid).map_err(|e| gone(pid, &e))?;
    let mappings = maps::read(pid).map_err(|e| gone(pid, &e))?;
    let received = read(job, &memory, &mappings, residence, Extent::Whole, again);
    if is_gone(&memory, &mappings) {
        let text = format!("the twin of pid {} ended before all of it was read", job.pid);
        let hint = "it is the first to go where memory runs out; `--freeze stop` needs no twin";
        return Err(Error::new(Kind::Busy, text).hint(hint).into());
    }
    received
}

/// Whether nothing of it can be read any more: a process that has ended looks as if it were empty.
fn is_gone(memory: &dyn Memory, mappings: &[Mapping]) -> bool {
    let readable = mappings.iter().filter(|mapping| mapping.permissions.read);
    readable.take(MOST_TRIED).all(|mapping| memory.u64(mapping.start).is_err())
}

fn read(
    job: &Job,
    memory: &(dyn Memory + Sync),
    mappings: &[Mapping],
    residence: io::Result<Residence>,
    check: Extent,
    again: bool,
) -> std::result::Result<Received, Unreadable> {
    let source = Source {
        memory,
        mappings,
        layout: &job.layout,
        version: job.interpreter.version,
        runtime: job.interpreter.runtime,
        until: Instant::now().checked_add(job.left()),
        check,
        contents: job.plan.contents,
    };
    let begun = Instant::now();
    let mut received = reader::read(&source, threads(), again)?;
    job.step(&format!("memory read in {} ms", milliseconds(begun.elapsed())));
    match residence {
        Ok(residence) => account(job, memory, &residence, &mut received),
        Err(error) => {
            let text = format!("which of its memory is resident cannot be told: {error}");
            received.notices.push(Notice::new("no-accounts", text));
        }
    }
    Ok(received)
}

/// Adds where its resident size went.
fn account(job: &Job, memory: &dyn Memory, residence: &Residence, received: &mut Received) {
    let begun = Instant::now();
    let blocks = std::mem::take(&mut received.blocks);
    received.accounts = Some(accounts::accounts(&accounts::Source {
        residence,
        memory,
        version: job.interpreter.version,
        heap: &received.heap,
        blocks: &blocks,
        threads: &received.threads,
    }));
    job.step(&format!("resident size accounted for in {} ms", milliseconds(begun.elapsed())));
}

/// How many threads of ours list objects.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// Tries that met the collector at work.
struct Tries<'j, 'a> {
    job: &'j Job<'a>,
    count: u32,
    unfit: u32,
}

impl<'j, 'a> Tries<'j, 'a> {
    fn new(job: &'j Job<'a>) -> Self {
        Tries { job, count: 0, unfit: 0 }
    }

    /// Lets some time pass, the longer the more tries there were.
    fn wait(&mut self) -> Result<()> {
        let wait = WAIT.saturating_mul(1 << self.count.min(10)).min(LONGEST_WAIT);
        self.count += 1;
        if wait >= self.job.left() {
            let text = format!(
                "pid {} was collecting garbage each of the {} times it was looked at",
                self.job.pid, self.count
            );
            return Err(Error::new(Kind::Busy, text).hint("try again later, or with a longer `--timeout`"));
        }
        self.job.step("it was collecting garbage just then: trying again");
        thread::sleep(wait);
        Ok(())
    }

    /// Something may have been just changing; what is wrong each time is.
    fn unfit(&mut self, error: Error) -> Result<()> {
        self.unfit += 1;
        if self.unfit >= MOST_UNFIT || error.kind != Kind::NotPython {
            return Err(error);
        }
        self.job.step(&format!("{}: trying again", error.text));
        Ok(())
    }

    /// Whether lists in pieces are worth another try, or have to be taken as they are.
    fn may_go_on(&self) -> bool {
        self.count < MOST_TRIES
    }

    fn notices(&self) -> Vec<Notice> {
        let text = || format!("it was collecting garbage the first {} times it was looked at", self.count);
        (self.count > 0).then(|| Notice::new("collecting", text())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_has_ended_is_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("there is a `cat`");
        let pid = child.id() as i32;
        let memory = ProcessMemory::open(pid).expect("our child's memory opens");
        let mappings = maps::read(pid).expect("our child's mappings are readable");
        assert!(!mappings.is_empty() && !is_gone(&memory, &mappings));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        assert!(is_gone(&memory, &mappings));
    }
}

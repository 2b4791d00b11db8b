//! The private memory of a process as it was at one instant, copied while it stands still: nothing is run in it.
//!
//! All room is made before the process is stopped, two threads copy, and the process goes on. One that somebody else has stopped
//! is read as it stands and left so: neither attached to nor continued. What is not private memory (names in a file's read-only
//! data) is read from the process itself, later; it does not change. Memory that nobody had touched is known to be zeros and is
//! not touched now.

mod fill;
mod room;
mod standing;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use memmap2::MmapMut;

use super::fast_memory::{FastMemory, read_memory};
use super::resident::{Range, Resident, Scanner, without};
use super::sys;
use super::threads::Held;
use crate::error::{Error, Kind, Result};
use crate::target::maps::Mapping;
use crate::target::memory::Memory;
use crate::units::milliseconds;

/// What a copy reaches at least where memory is slow, with two threads; ordinary machines reach two or three times that.
const BYTES_PER_SECOND: f64 = 2.5e9;
/// The same for memory that has to be fetched from disk first.
const SWAPPED_BYTES_PER_SECOND: f64 = 100e6;
/// Stopping threads and letting them go.
const PAUSE_FLOOR: Duration = Duration::from_millis(3);
/// What untouched memory shows.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// How often a process is tried that is being stopped, continued or examined by others, and how long it is left alone between.
const ATTEMPTS: u32 = 10;
const RESPITE: Duration = Duration::from_millis(10);

/// Whether a process is held for its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Stop,
    /// Not at all: parts of the copy are of different instants.
    Live,
}

/// What a process did while it was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stood {
    /// We held it.
    Stopped,
    /// Somebody else had stopped it.
    AlreadyStopped,
    /// It ran.
    Running,
}

/// The memory of a process, copied.
#[derive(Debug)]
pub(crate) struct Copy {
    /// How long the process was held for it.
    pub(crate) pause: Duration,
    pub(crate) stood: Stood,
    /// Pages that were there and could not be read: gone meanwhile, or damaged on disk.
    pub(crate) missing_pages: u64,
    /// What was mapped.
    pub(crate) mappings: Vec<Mapping>,
    content: MmapMut,
    runs: Vec<Run>,
    /// Where there is no run, memory that was untouched. Of a process that ran, none: it may have been touched since.
    untouched: Vec<Range>,
    /// For what is not copied.
    process: FastMemory,
}

/// Memory from `start` to `end`, at `offset` in the content.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    end: u64,
    offset: usize,
}

/// Copies the private memory of `pid`.
///
/// Errors: `Busy` when it would have to be held for longer than `max_pause`, or is being examined by somebody else.
pub(crate) fn copy(pid: i32, how: How, max_pause: Duration) -> Result<Copy> {
    // A thread of its own, because a tracer is a thread: whatever goes wrong, the kernel lets the process go when it ends, and
    // with it go its signal mask and its priority.
    let outcome = std::thread::scope(|scope| scope.spawn(|| try_to_copy(pid, how, max_pause)).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn try_to_copy(pid: i32, how: How, max_pause: Duration) -> Result<Copy> {
    sys::prepare_to_wait();
    let scanner = Scanner::open(pid).map_err(|error| unreadable(pid, &error))?;
    let process = read_memory(pid).map_err(|error| unreadable(pid, &error))?;
    let mut copier = Copier { pid, how, max_pause, scanner, process, room: None };
    let mut attempts = 1;
    loop {
        match copier.attempt()? {
            Attempt::Done(taken) => return Copy::new(pid, taken, copier.process),
            Attempt::Again(error) if attempts == ATTEMPTS => return Err(error),
            Attempt::Again(_) => attempts += 1,
        }
        std::thread::sleep(RESPITE);
    }
}

/// What attempts at a copy need and keep.
struct Copier {
    pid: i32,
    how: How,
    max_pause: Duration,
    scanner: Scanner,
    process: FastMemory,
    room: Option<MmapMut>,
}

enum Attempt {
    Done(Taken),
    /// What somebody else does with the process was in the way, or the process itself.
    Again(Error),
}

/// What has been copied, and how.
struct Taken {
    pause: Duration,
    stood: Stood,
    resident: Resident,
    missing: Vec<Range>,
    content: MmapMut,
}

impl Copier {
    fn attempt(&mut self) -> Result<Attempt> {
        let pid = self.pid;
        let (before, pause) = measure(pid, &mut self.scanner)?;
        if self.how == How::Stop && standing::threads(pid).is_none() {
            within_budget(pid, pause, self.max_pause)?;
        }
        let mut content = match self.room.take().filter(|room| room.len() as u64 > before.bytes) {
            Some(room) => room,
            None => room::make(pid, before.bytes)?,
        };
        // Meanwhile somebody may have stopped the process, or continued it.
        let standing = standing::threads(pid);
        let mut held = None;
        if self.how == How::Stop && standing.is_none() {
            within_budget(pid, pause, self.max_pause)?;
            held = match Held::freeze(pid) {
                Ok(held) => Some(held),
                // Stopped by somebody just now, or examined by somebody who will soon have finished.
                Err(error) if error.kind == Kind::Busy => {
                    self.room = Some(content);
                    return Ok(Attempt::Again(error));
                }
                Err(error) => return Err(error),
            };
        }
        // What there is has changed since it was measured.
        let resident = self.scanner.scan().map_err(|error| unreadable(pid, &error))?;
        if resident.bytes > content.len() as u64 {
            return Ok(Attempt::Again(outgrown(pid)));
        }
        let missing =
            fill::fill(&self.process, &resident.runs, &mut content).map_err(|error| unreadable(pid, &error))?;
        let pause = held.map(Held::release);
        let stood = match (pause, &standing) {
            (Some(_), _) => Stood::Stopped,
            (None, Some(_)) if standing::threads(pid) == standing => Stood::AlreadyStopped,
            (None, Some(_)) if self.how == How::Stop => {
                self.room = Some(content);
                return Ok(Attempt::Again(restless(pid)));
            }
            (None, _) => Stood::Running,
        };
        Ok(Attempt::Done(Taken { pause: pause.unwrap_or_default(), stood, resident, missing, content }))
    }
}

/// What there is to copy, and how long that would take.
fn measure(pid: i32, scanner: &mut Scanner) -> Result<(Resident, Duration)> {
    let begun = Instant::now();
    let resident = scanner.scan().map_err(|error| unreadable(pid, &error))?;
    // It will be looked at once more while it is held.
    let pause = begun.elapsed() + copying_time(&resident);
    if resident.bytes == 0 {
        return Err(Error::new(Kind::NoProcess, format!("process {pid} has no memory: it has ended")));
    }
    Ok((resident, pause))
}

fn copying_time(resident: &Resident) -> Duration {
    let from_memory = resident.bytes as f64 / BYTES_PER_SECOND;
    PAUSE_FLOOR + Duration::from_secs_f64(from_memory + resident.swapped as f64 / SWAPPED_BYTES_PER_SECOND)
}

/// Refuses before anything is touched when the pause would be longer than allowed.
fn within_budget(pid: i32, estimate: Duration, allowed: Duration) -> Result<()> {
    if estimate <= allowed {
        return Ok(());
    }
    let text = format!(
        "a copy of pid {pid} would pause it for about {:.0} ms, more than the {:.0} ms allowed",
        milliseconds(estimate),
        milliseconds(allowed)
    );
    Err(Error::new(Kind::Busy, text).hint("allow more with `--max-pause SECONDS`"))
}

impl Copy {
    fn new(pid: i32, taken: Taken, process: FastMemory) -> Result<Copy> {
        let Taken { pause, stood, resident, missing, content } = taken;
        let mut offset = 0;
        let whole = resident.runs.iter().map(|&(start, end)| {
            let run = Run { start, end, offset };
            offset += (end - start) as usize;
            run
        });
        let mut runs: Vec<Run> = whole.collect();
        if !missing.is_empty() {
            let left = without(&resident.runs, &missing);
            let part = |&(start, end): &Range| {
                let whole = find(&runs, start)?;
                Some(Run { start, end, offset: whole.offset + (start - whole.start) as usize })
            };
            runs = left.iter().filter_map(part).collect();
        }
        if runs.is_empty() {
            return Err(Error::new(Kind::NoProcess, format!("process {pid} ended while it was copied")));
        }
        let missing_bytes: u64 = missing.iter().map(|(start, end)| end - start).sum();
        let untouched = match stood {
            Stood::Running => Vec::new(),
            _ => without(&resident.anonymous, &missing),
        };
        let missing_pages = missing_bytes / super::sys_memory::page_size();
        let mappings = resident.mappings;
        Ok(Copy { pause, stood, missing_pages, mappings, content, runs, untouched, process })
    }

    /// How much has been copied.
    pub(crate) fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// Reads the beginning of what is at `address` from the one place it is in: how much that was.
    fn read_piece(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((start, bytes)) = self.at_hand(address) {
            let found = bytes.get((address - start) as usize..).unwrap_or_default();
            let length = found.len().min(buffer.len());
            let (Some(room), Some(found)) = (buffer.get_mut(..length), found.get(..length)) else { return Ok(0) };
            room.copy_from_slice(found);
            return Ok(length);
        }
        let next_untouched = self.untouched.partition_point(|(start, _)| *start <= address);
        let next_untouched = self.untouched.get(next_untouched).map_or(u64::MAX, |(start, _)| *start);
        let length = (self.next_run(address).min(next_untouched) - address).min(buffer.len() as u64) as usize;
        self.process.read(address, buffer.get_mut(..length).ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok(length)
    }

    /// Where the next run begins.
    fn next_run(&self, address: u64) -> u64 {
        self.runs.get(self.runs.partition_point(|run| run.start <= address)).map_or(u64::MAX, |run| run.start)
    }

    /// What is known to be zeros around `address`: from where on, and how long.
    fn zeros(&self, address: u64) -> Option<(u64, usize)> {
        let next = self.untouched.partition_point(|(start, _)| *start <= address);
        let (start, end) = self.untouched.get(next.checked_sub(1)?).filter(|(_, end)| address < *end)?;
        let start = (*start).max(address - address % ZEROS.len() as u64);
        let before = self.runs.partition_point(|run| run.start <= address).checked_sub(1);
        let start = before.and_then(|last| self.runs.get(last)).map_or(start, |run| run.end.max(start));
        let end = self.next_run(address).min(*end);
        Some((start, (end - start).min(ZEROS.len() as u64) as usize))
    }
}

/// The run that `address` is in.
fn find(runs: &[Run], address: u64) -> Option<&Run> {
    let after = runs.partition_point(|run| run.start <= address);
    runs.get(after.checked_sub(1)?).filter(|run| address < run.end)
}

impl Memory for Copy {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        if let Some(found) = self.slice(address, buffer.len()) {
            buffer.copy_from_slice(found);
            return Ok(());
        }
        address.checked_add(buffer.len() as u64).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += self.read_piece(address + done as u64, rest)?;
        }
        Ok(())
    }

    fn at_hand(&self, address: u64) -> Option<(u64, &[u8])> {
        if let Some(run) = find(&self.runs, address) {
            let length = (run.end - run.start) as usize;
            return Some((run.start, self.content.get(run.offset..run.offset.checked_add(length)?)?));
        }
        let (start, length) = self.zeros(address)?;
        Some((start, ZEROS.get(..length)?))
    }
}

fn unreadable(pid: i32, error: &io::Error) -> Error {
    let text = format!("cannot copy the memory of pid {pid}: {error}");
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Error::new(Kind::NoProcess, text),
        Some(libc::EPERM | libc::EACCES) => {
            Error::new(Kind::NotPermitted, text).hint(format!("`memory-analyzer doctor {pid}` says what is missing"))
        }
        _ => Error::new(Kind::Busy, text),
    }
}

fn outgrown(pid: i32) -> Error {
    Error::new(Kind::Busy, format!("pid {pid} grows faster than room for a copy of it can be made")).hint("try again")
}

fn restless(pid: i32) -> Error {
    let text = format!("pid {pid} is being stopped and continued all the time by somebody else");
    Error::new(Kind::Busy, text).hint(format!("see who traces it: `grep TracerPid /proc/{pid}/status`"))
}

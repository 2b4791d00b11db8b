//! Fills room with the memory of a process, by two threads. A page that is not there any more is left out.

use std::io;
use std::sync::Mutex;

use super::super::fast_memory::{FastMemory, MAX_PIECES};
use super::super::resident::{Range, join};
use super::super::sys_memory;

/// What is copied by one call: enough for its cost not to matter, little enough for two threads to finish together.
const CALL: usize = 1 << 20;
const THREADS: usize = 2;

/// Room, and the pieces of memory that fill it.
struct Task<'a> {
    room: &'a mut [u8],
    pieces: Vec<(u64, usize)>,
}

/// Copies `runs`, one after the other, to `content`, which is at least as long: the pages that were not there, ascending.
pub(super) fn fill(process: &FastMemory, runs: &[Range], content: &mut [u8]) -> io::Result<Vec<Range>> {
    let tasks = Mutex::new(tasks(runs, content));
    // What a thread was too late for was taken by another.
    let next = || tasks.lock().ok()?.pop();
    let work = || -> io::Result<Vec<Range>> {
        let mut missing = Vec::new();
        while let Some(task) = next() {
            copy(process, task, &mut missing)?;
        }
        Ok(missing)
    };
    let mut missing = std::thread::scope(|scope| {
        // Without a second thread the first does it all.
        let others: Vec<_> =
            (1..THREADS).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut missing = work()?;
        for other in others {
            missing.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        io::Result::Ok(missing)
    })?;
    missing.sort_unstable();
    let mut joined = Vec::new();
    missing.into_iter().for_each(|(start, end)| join(&mut joined, start, end));
    Ok(joined)
}

/// Cuts the work into calls.
fn tasks<'a>(runs: &[Range], content: &'a mut [u8]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    let mut left = content;
    let mut pieces = Vec::new();
    let mut size = 0;
    let mut cut = |pieces: &mut Vec<(u64, usize)>, size: &mut usize| {
        if let Some((room, rest)) = std::mem::take(&mut left).split_at_mut_checked(*size) {
            left = rest;
            tasks.push(Task { room, pieces: std::mem::take(pieces) });
        }
        *size = 0;
    };
    for &(start, end) in runs {
        let mut at = start;
        while at < end {
            let length = (CALL - size).min((end - at) as usize);
            pieces.push((at, length));
            (at, size) = (at + length as u64, size + length);
            if size == CALL || pieces.len() == MAX_PIECES {
                cut(&mut pieces, &mut size);
            }
        }
    }
    cut(&mut pieces, &mut size);
    tasks
}

/// Does one task; the pages it could not read are added to `missing`.
fn copy(process: &FastMemory, task: Task, missing: &mut Vec<Range>) -> io::Result<()> {
    let page = sys_memory::page_size();
    let Task { mut room, mut pieces } = task;
    let mut first = 0;
    while let Some(&(address, length)) = pieces.get(first) {
        let step = match process.read_some(room, pieces.get(first..).unwrap_or_default()) {
            Ok(read) if read > 0 => read,
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EIO | libc::ENOMEM)) => {
                return Err(error);
            }
            // The page at the beginning is not there.
            _ => {
                let end = (address / page + 1) * page;
                let skipped = (end - address).min(length as u64);
                missing.push((address, address + skipped));
                skipped as usize
            }
        };
        room = room.split_at_mut_checked(step).map(|(_, rest)| rest).ok_or(io::ErrorKind::InvalidData)?;
        let mut left = step;
        while let Some((address, length)) = pieces.get_mut(first).filter(|_| left > 0) {
            let part = left.min(*length);
            (*address, *length) = (*address + part as u64, *length - part);
            left -= part;
            if *length == 0 {
                first += 1;
            }
        }
    }
    Ok(())
}

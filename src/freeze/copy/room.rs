//! Room for a copy, made before anybody stands still for it.

use std::io;

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::error::{Error, Kind, Result};
use crate::target::machine;
use crate::units::Bytes;

/// What a process may grow by until it is held, at no cost; by more, and the room is made while it is held.
const GROWTH: u64 = 2 << 20;
/// It may grow by this in all.
const MAX_GROWTH: u64 = 64 << 20;
/// The part of the available memory that is left to others.
const LEFT_TO_OTHERS: u64 = 16;

/// Room for `bytes` and some more, all of it there.
pub(super) fn make(pid: i32, bytes: u64) -> Result<MmapMut> {
    let needed = bytes.saturating_add(GROWTH);
    if let Some(available) = machine::available_memory()
        && needed > available - available / LEFT_TO_OTHERS
    {
        let text = format!(
            "a copy of pid {pid} would take {}, and only {} of memory are available",
            Bytes(needed),
            Bytes(available)
        );
        return Err(Error::new(Kind::Busy, text).hint("`--freeze twin` copies only what changes meanwhile"));
    }
    let all = bytes.saturating_add(bytes / 4).saturating_add(MAX_GROWTH);
    map(all, needed).map_err(|error| {
        Error::new(Kind::Busy, format!("no room for a copy of pid {pid}, {}: {error}", Bytes(needed)))
            .hint("see `ulimit -v` and the memory limit of our control group")
    })
}

fn map(all: u64, touched: u64) -> io::Result<MmapMut> {
    let size = |bytes| usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory));
    let (all, touched) = (size(all)?, size(touched)?.min(size(all)?));
    let mut room = MmapOptions::new().len(all).no_reserve_swap().map_anon()?;
    // Faster to make and to walk; not every kernel has them.
    let _ = room.advise(Advice::HugePage);
    let half = (touched / 2).next_multiple_of(GROWTH as usize).min(touched);
    let populated = std::thread::scope(|scope| {
        let second = scope.spawn(|| room.advise_range(Advice::PopulateWrite, half, touched - half));
        let first = room.advise_range(Advice::PopulateWrite, 0, half);
        first.and(second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    match populated {
        // Before Linux 5.14: a byte in each page, of whatever size.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            room.get_mut(..touched).unwrap_or_default().iter_mut().step_by(4096).for_each(|byte| *byte = 0);
        }
        other => other?,
    }
    Ok(room)
}

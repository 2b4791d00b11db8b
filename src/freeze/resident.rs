//! Which private memory of a process there is to copy: pages that are in memory or swapped out, and are the process's own.
//!
//! Reading any other page would map it in the process. Shared memory, devices and what the kernel shows of itself are not private
//! memory; pages of a file that have not been written to are in the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::sys_memory::{self, PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_SWAPPED, PAGE_IS_ZERO, PageRegion};
use crate::target::maps::{self, Mapping};

/// More runs of pages than this are made to be a nuisance: their bookkeeping would be larger than they are.
const MAX_RUNS: usize = 1 << 22;
/// Regions that one call of the kernel's scan tells of.
const REGIONS: usize = 1024;
/// Entries of a pagemap that are read at once.
const ENTRIES: usize = 16 * 1024;
/// Bits of an entry (`Documentation/admin-guide/mm/pagemap.rst`).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;

/// A range of addresses, `start` to `end` (exclusive).
pub(super) type Range = (u64, u64);

/// What there is to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    /// Ascending and apart.
    pub(super) runs: Vec<Range>,
    /// Mapped private memory with no file behind it, ascending: what of it is in no run is zeros that nobody has touched.
    pub(super) anonymous: Vec<Range>,
    /// In all runs.
    pub(super) bytes: u64,
    /// Of these, on disk.
    pub(super) swapped: u64,
    /// Everything that is mapped.
    pub(super) mappings: Vec<Mapping>,
}

impl Resident {
    fn add(&mut self, start: u64, end: u64, swapped: bool) -> io::Result<()> {
        let length = end.saturating_sub(start);
        self.bytes += length;
        self.swapped += if swapped { length } else { 0 };
        join(&mut self.runs, start, end);
        if self.runs.len() > MAX_RUNS { Err(io::Error::other("it is in too many pieces")) } else { Ok(()) }
    }
}

/// Looks at the pages of one process, as often as asked.
#[derive(Debug)]
pub(super) struct Scanner {
    pid: i32,
    pagemap: File,
    /// What the kernel is to leave out in a scan of its own; `None` where it cannot scan (before Linux 6.7).
    unwanted: Option<u64>,
    /// How many pages may still be asked for one by one, whether they are there or not.
    entries: u64,
}

impl Scanner {
    pub(super) fn open(pid: i32) -> io::Result<Scanner> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Scanner { pid, pagemap, unwanted: Some(PAGE_IS_ZERO | PAGE_IS_GUARD), entries: u64::MAX })
    }

    /// Gives up rather than look at more pages than that one by one.
    pub(super) fn at_most(self, entries: u64) -> Scanner {
        Scanner { entries, ..self }
    }

    /// One that reads the entries of all pages, as on an old kernel.
    #[cfg(test)]
    pub(super) fn by_entries(pid: i32) -> io::Result<Scanner> {
        Ok(Scanner { unwanted: None, ..Scanner::open(pid)? })
    }

    /// What there is now.
    pub(super) fn scan(&mut self) -> io::Result<Resident> {
        let mappings = maps::read(self.pid)?;
        let mut resident = Resident::default();
        let mut wanted: Vec<Range> = Vec::with_capacity(mappings.len());
        for mapping in mappings.iter().filter(|mapping| is_private_memory(mapping)) {
            if mapping.inode == 0 {
                join(&mut resident.anonymous, mapping.start, mapping.end);
            }
            join(&mut wanted, mapping.start, mapping.end);
        }
        for range in wanted {
            self.each(range, PAGE_IS_FILE, &mut |start, end, swapped| resident.add(start, end, swapped))?;
        }
        resident.mappings = mappings;
        Ok(resident)
    }

    /// Tells of the pages in a range that are in memory or swapped out, and not in the categories `unwanted`: [`PAGE_IS_FILE`]
    /// or none.
    pub(super) fn each(&mut self, range: Range, unwanted: u64, told: &mut Told) -> io::Result<()> {
        while let Some(always) = self.unwanted {
            match self.ask(range, always | unwanted, told) {
                Ok(()) => return Ok(()),
                // A kernel that does not know the newest category, or does not scan at all.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => {
                    let older = always & !PAGE_IS_GUARD;
                    self.unwanted = (older != always).then_some(older);
                }
                Err(error) => return Err(error),
            }
        }
        self.read_entries(range, if unwanted == 0 { 0 } else { OF_FILE }, told)
    }

    /// Has the kernel scan a range: it passes over what is not there at once.
    fn ask(&self, (start, end): Range, unwanted: u64, told: &mut Told) -> io::Result<()> {
        let mut found = [PageRegion::default(); REGIONS];
        let mut at = start;
        while at < end {
            let (count, came_to) = sys_memory::scan_pages(&self.pagemap, (at, end), unwanted, &mut found)?;
            for region in found.iter().take(count) {
                told(region.start, region.end, region.categories & PAGE_IS_SWAPPED != 0)?;
            }
            if came_to <= at {
                return Err(io::Error::other("the kernel's scan of its pages makes no progress"));
            }
            at = came_to;
        }
        Ok(())
    }

    /// Reads one word for each page of a range, whether it is there or not.
    fn read_entries(&mut self, (start, end): Range, unwanted: u64, told: &mut Told) -> io::Result<()> {
        let page = sys_memory::page_size();
        let mut buffer = vec![0u8; ENTRIES * 8];
        let mut at = start;
        while at < end {
            let wanted = ((end - at).div_ceil(page) as usize).min(ENTRIES) * 8;
            let Some(room) = buffer.get_mut(..wanted) else { break };
            let left = self.entries.checked_sub(wanted as u64 / 8);
            self.entries = left.ok_or_else(|| io::Error::other("too much is mapped to look at every page"))?;
            let read = self.pagemap.read_at(room, at / page * 8)?;
            let entries = room.get(..read).unwrap_or_default().as_chunks::<8>().0;
            for entry in entries.iter().map(|bytes| u64::from_le_bytes(*bytes)) {
                if entry & (PRESENT | SWAPPED) != 0 && entry & unwanted == 0 {
                    told(at, at + page, entry & PRESENT == 0)?;
                }
                at += page;
            }
            if entries.is_empty() {
                break; // above what a process may map: the page of old system calls
            }
        }
        Ok(())
    }
}

/// Hears of pages, from where to where, and whether they are swapped out.
type Told<'t> = dyn FnMut(u64, u64, bool) -> io::Result<()> + 't;

/// Adds a range that starts where the last one ends, or later.
pub(super) fn join(ranges: &mut Vec<Range>, start: u64, end: u64) {
    match ranges.last_mut() {
        Some((_, last)) if *last == start => *last = end,
        _ => ranges.push((start, end)),
    }
}

/// Whether pages of the mapping may be the process's own, and may be read.
fn is_private_memory(mapping: &Mapping) -> bool {
    mapping.permissions.read && !mapping.permissions.shared && is_memory(mapping)
}

/// Whether it is memory, not a window into a device or the kernel.
pub(super) fn is_memory(mapping: &Mapping) -> bool {
    // `[vvar]`, `[vdso]`, `[vsyscall]` are the kernel's; a name that a process gives begins `[anon:`.
    let of_kernel = mapping.path.as_os_str().as_encoded_bytes().starts_with(b"[v");
    let device =
        mapping.path.starts_with("/dev") && !mapping.path.starts_with("/dev/shm") && mapping.path != *"/dev/zero";
    !of_kernel && !device
}

/// `ranges` without `holes`, both ascending and apart.
pub(super) fn without(ranges: &[Range], holes: &[Range]) -> Vec<Range> {
    let mut left = Vec::with_capacity(ranges.len());
    let mut holes = holes.iter().copied().peekable();
    for &(mut start, end) in ranges {
        while let Some(&(hole, hole_end)) = holes.peek().filter(|(hole, _)| *hole < end) {
            if start < hole {
                left.push((start, hole));
            }
            start = start.max(hole_end);
            if hole_end > end {
                break; // it may reach into the next range
            }
            holes.next();
        }
        if start < end {
            left.push((start, end));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freeze::tests::{QUIET, Target};

    #[test]
    fn only_private_readable_memory_is_copied() {
        let check = |line: &str, expected: bool| {
            let mappings = maps::parse(line.as_bytes());
            assert_eq!(mappings.iter().map(is_private_memory).collect::<Vec<_>>(), [expected], "{line}");
        };
        check("1000-2000 rw-p 0 00:00 0 [heap]", true);
        check("1000-2000 rw-p 0 00:00 0 ", true);
        check("1000-2000 r--p 0 fe:01 7 /usr/lib/libpython3.11.so.1.0", true);
        check("1000-2000 rw-p 0 00:00 0 [anon:v]", true);
        check("1000-2000 rw-p 0 00:05 7 /dev/zero", true);
        check("1000-2000 rw-p 0 00:1a 7 /dev/shm/private", true);
        check("1000-2000 ---p 0 00:00 0 ", false);
        check("1000-2000 rw-s 0 00:01 7 /dev/shm/ring", false);
        check("1000-2000 r--p 0 00:00 0 [vvar]", false);
        check("1000-2000 --xp 0 00:00 0 [vsyscall]", false);
        check("1000-2000 rw-p 0 00:05 7 /dev/mem", false);
    }

    #[test]
    fn holes_are_cut_out() {
        let check = |ranges: &[Range], holes: &[Range], expected: &[Range]| {
            assert_eq!(without(ranges, holes), expected, "{ranges:?} without {holes:?}");
        };
        check(&[(1, 9)], &[], &[(1, 9)]);
        check(&[(1, 9)], &[(3, 4), (6, 7)], &[(1, 3), (4, 6), (7, 9)]);
        check(&[(1, 9)], &[(1, 2), (8, 9)], &[(2, 8)]);
        check(&[(1, 4), (5, 9)], &[(1, 4), (6, 7)], &[(5, 6), (7, 9)]);
        check(&[(5, 9)], &[(1, 2)], &[(5, 9)]);
        check(&[(1, 4), (5, 9)], &[(3, 6)], &[(1, 3), (6, 9)]);
        check(&[(1, 2)], &[(1, 2)], &[]);
    }

    #[test]
    fn both_ways_of_looking_agree() {
        // Memory nobody else writes to meanwhile: the tests beside this one allocate.
        let child = Target::running(QUIET);
        let pid = child.pid();
        let scanned = Scanner::open(pid).expect("own child").scan().expect("scanned");
        let read = Scanner::by_entries(pid).expect("own child").scan().expect("read");
        let few = Scanner::by_entries(pid).expect("own child").at_most(10).scan();
        assert_eq!(few.expect_err("it has more").to_string(), "too much is mapped to look at every page");
        assert!(scanned.bytes > 1 << 20, "{scanned:?}");
        // The scan leaves out pages of zeros; a Python has next to none.
        let more = without(&read.runs, &scanned.runs);
        assert!(more.iter().map(|(start, end)| end - start).sum::<u64>() <= 64 * sys_memory::page_size(), "{more:x?}");
        assert_eq!(without(&scanned.runs, &read.runs), []);
        assert_eq!(scanned.anonymous, read.anonymous);
    }
}

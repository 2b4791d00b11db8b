//! Which pages of a process are in memory, whosever they are: what its resident size is made of.
//!
//! Asked of the kernel while the process runs, once, and touching none of its pages. What is only swapped out is not in memory.

use std::cell::Cell;
use std::io;

use super::resident::{Range, Scanner, is_memory, join};
use crate::target::maps::{self, Mapping};

/// More runs of pages than this are made to be a nuisance.
const MAX_RUNS: usize = 1 << 22;
/// More pages than this are not asked for one by one, as old kernels want it: nobody waits for a line of the report that long.
const MAX_ENTRIES: u64 = 1 << 24;

/// The resident pages of a process.
#[derive(Debug, Default)]
pub(crate) struct Residence {
    /// Of memory, ascending and apart.
    pub(crate) mappings: Vec<Mapping>,
    /// Ascending and apart, with how many bytes are in those before.
    runs: Vec<(u64, u64, u64)>,
    /// Which run was looked at last: most questions are in order.
    last: Cell<usize>,
}

impl Residence {
    /// Of the process as it is now.
    pub(crate) fn of(pid: i32) -> io::Result<Residence> {
        let mut mappings = maps::read(pid)?;
        let mut end = 0;
        mappings.retain(|mapping| {
            let keep = is_memory(mapping) && mapping.start >= end;
            end = if keep { mapping.end } else { end };
            keep
        });
        let mut scanner = Scanner::open(pid)?.at_most(MAX_ENTRIES);
        let mut runs = Vec::new();
        for mapping in &mappings {
            scanner.each((mapping.start, mapping.end), 0, &mut |start, end, swapped| {
                if !swapped {
                    join(&mut runs, start, end);
                }
                if runs.len() > MAX_RUNS { Err(io::Error::other("it is in too many pieces")) } else { Ok(()) }
            })?;
        }
        Ok(Residence::new(mappings, &runs))
    }

    pub(crate) fn new(mappings: Vec<Mapping>, runs: &[Range]) -> Residence {
        let mut before = 0;
        let runs = runs.iter().map(|&(start, end)| {
            let run = (start, end, before);
            before += end - start;
            run
        });
        Residence { mappings, runs: runs.collect(), last: Cell::new(0) }
    }

    /// All that is resident.
    pub(crate) fn bytes(&self) -> u64 {
        self.runs.last().map_or(0, |(start, end, before)| before + (end - start))
    }

    /// What is resident from `start` to `end`.
    pub(crate) fn within(&self, start: u64, end: u64) -> u64 {
        let last = self.runs.get(self.last.get());
        if last.is_some_and(|(from, to, _)| *from <= start && end <= *to) {
            return end.saturating_sub(start);
        }
        self.before(end).saturating_sub(self.before(start))
    }

    /// What is resident below `address`.
    fn before(&self, address: u64) -> u64 {
        let Some(at) = self.runs.partition_point(|(start, ..)| *start < address).checked_sub(1) else { return 0 };
        self.last.set(at);
        self.runs.get(at).map_or(0, |(start, end, before)| before + address.min(*end) - start)
    }

    /// The first byte from `address` on that is in memory.
    pub(crate) fn next(&self, address: u64) -> Option<u64> {
        let (start, ..) = self.runs.get(self.runs.partition_point(|(_, end, _)| *end <= address))?;
        Some(address.max(*start))
    }

    /// Whether the byte at `address` is in memory.
    pub(crate) fn has(&self, address: u64) -> bool {
        self.within(address, address.saturating_add(1)) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freeze::tests::{QUIET, Target};

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        let residence = Residence::new(Vec::new(), &[(0x1000, 0x3000), (0x8000, 0x9000)]);
        for ((start, end), expected) in [
            ((0, 0x10000), 0x3000),
            ((0x1000, 0x3000), 0x2000),
            ((0x1800, 0x2000), 0x800),
            ((0x2800, 0x8010), 0x810),
            ((0x3000, 0x8000), 0),
            ((0x8fff, u64::MAX), 1),
            ((0x2000, 0x1000), 0),
        ] {
            assert_eq!(residence.within(start, end), expected, "{start:#x} to {end:#x}");
        }
        assert_eq!((residence.bytes(), residence.has(0x2fff), residence.has(0x3000)), (0x3000, true, false));
        let next = [0, 0x1fff, 0x3000, 0x8fff, 0x9000].map(|address| residence.next(address));
        assert_eq!(next, [Some(0x1000), Some(0x1fff), Some(0x8000), Some(0x8fff), None]);
        assert_eq!(Residence::default().within(0, u64::MAX), 0);
    }

    #[test]
    fn all_of_it_is_what_the_kernel_says() {
        let child = Target::running(QUIET);
        let residence = Residence::of(child.pid()).expect("own child");
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.pid())).expect("own child");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("there is one");
        let expected: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        // The page of the kernel's own that each process has.
        assert!(residence.bytes().abs_diff(expected << 10) <= 8 << 10, "{} of {}", residence.bytes(), expected << 10);
    }
}

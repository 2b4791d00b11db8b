//! Charges every resident byte to one part and none twice: what holds by construction, whatever the target's memory says.
//!
//! A territory is memory that one allocator is known to have. Territories do not overlap, and what is charged within one is never
//! more than what is resident in it; all else goes by the kind of its mapping.

use std::collections::BTreeMap;

use crate::freeze::Residence;
use crate::heap::PartName;
use crate::target::maps::Mapping;

pub(super) struct Ledger<'r> {
    pub(super) residence: &'r Residence,
    /// From start to end.
    territories: BTreeMap<u64, u64>,
    amounts: [u64; PartName::ALL.len()],
}

/// One territory while it is charged.
pub(super) struct Territory<'l, 'r> {
    ledger: &'l mut Ledger<'r>,
    left: u64,
    /// What nothing else is known of.
    otherwise: PartName,
}

impl<'r> Ledger<'r> {
    pub(super) fn new(residence: &'r Residence) -> Self {
        Ledger { residence, territories: BTreeMap::new(), amounts: Default::default() }
    }

    pub(super) fn amount(&self, part: PartName) -> u64 {
        self.amounts[part as usize]
    }

    /// Moves what a closer look tells of what was charged already.
    pub(super) fn transfer(&mut self, from: PartName, to: PartName, bytes: u64) {
        let bytes = bytes.min(self.amounts[from as usize]);
        self.amounts[from as usize] -= bytes;
        self.amounts[to as usize] += bytes;
    }

    /// The memory from `start` to `end`, if it is the process's own and nobody else's yet.
    pub(super) fn territory(&mut self, start: u64, end: u64, otherwise: PartName) -> Option<Territory<'_, 'r>> {
        if start >= end || self.owner(start, end).is_some() || !self.is_plain(start, end) {
            return None;
        }
        self.territories.insert(start, end);
        let left = self.residence.within(start, end);
        Some(Territory { ledger: self, left, otherwise })
    }

    /// The first territory that has something of a range.
    pub(super) fn owner(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let before = self.territories.range(..=start).next_back().filter(|&(_, &to)| to > start);
        before.or_else(|| self.territories.range(start..end).next()).map(|(&from, &to)| (from, to))
    }

    /// Whether all of it is private writable memory without a file.
    fn is_plain(&self, start: u64, end: u64) -> bool {
        let mappings = &self.residence.mappings;
        let first = mappings.partition_point(|mapping| mapping.end <= start);
        let mut at = start;
        for mapping in mappings.iter().skip(first) {
            if mapping.start > at || !is_plain(mapping) {
                return false;
            }
            at = mapping.end;
            if at >= end {
                return true;
            }
        }
        false
    }

    /// The pieces of a mapping that are in no territory, ascending.
    pub(super) fn unclaimed(&self, mapping: &Mapping) -> Vec<(u64, u64)> {
        let mut pieces = Vec::new();
        let mut at = mapping.start;
        while at < mapping.end {
            let Some((start, end)) = self.owner(at, mapping.end) else {
                pieces.push((at, mapping.end));
                break;
            };
            if at < start {
                pieces.push((at, start));
            }
            at = end;
        }
        pieces
    }

    /// Charges a piece that is in no territory, and that nothing else is charged for.
    pub(super) fn charge_unclaimed(&mut self, (start, end): (u64, u64), part: PartName) -> u64 {
        let bytes = self.residence.within(start, end);
        self.amounts[part as usize] += bytes;
        bytes
    }
}

impl Territory<'_, '_> {
    /// Charges what is resident from `start` to `end`; parts of the territory that do not overlap.
    pub(super) fn charge(&mut self, part: PartName, start: u64, end: u64) {
        let bytes = self.ledger.residence.within(start, end);
        self.charge_bytes(part, bytes);
    }

    pub(super) fn charge_bytes(&mut self, part: PartName, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.ledger.amounts[part as usize] += bytes;
    }

    pub(super) fn resident(&self, start: u64, end: u64) -> u64 {
        self.ledger.residence.within(start, end)
    }
}

impl Drop for Territory<'_, '_> {
    fn drop(&mut self) {
        self.ledger.amounts[self.otherwise as usize] += self.left;
    }
}

/// Private writable memory without a file: what allocators have.
pub(super) fn is_plain(mapping: &Mapping) -> bool {
    let permissions = mapping.permissions;
    mapping.inode == 0 && !permissions.shared && permissions.write && mapping.path != *"[stack]"
}

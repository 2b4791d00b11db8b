//! Stacks of threads: those that glibc lists, and memory above a guard that nobody may touch.
//!
//! glibc from 2.42 on has the kernel guard a stack without a mapping of its own (`MADV_GUARD_INSTALL`, Linux 6.13), and stacks that
//! adjoin are one mapping then; but on top of each is the thread's descriptor, which knows its own place and the stack it lies in,
//! and is in a ring with the others. One that does not know both is not believed. Where descriptors are not known, as of other
//! libraries than glibc, there are the guards. Sources: `nptl/descr.h`, `nptl/allocatestack.c`, `sysdeps/x86_64/nptl/tls.h`,
//! `sysdeps/generic/ldsodefs.h` of 2.23 to 2.43.

use std::collections::BTreeSet;

use super::PAGE;
use super::ledger::{Ledger, is_plain};
use super::window::Window;
use crate::freeze::Residence;
use crate::heap::{PartName, ThreadFacts};

/// `list` in `struct pthread`, behind the `tcbhead_t` of x86-64, whose first and third words are its own address.
const LINKS: u64 = 704;
/// `stackblock`, `stackblock_size` and `guardsize` are in so many bytes of `struct pthread`, which is larger.
const DESCRIPTOR: usize = 2048;
/// A descriptor, and what it is aligned to.
const MOST_ON_TOP: u64 = 2 * PAGE;
/// Heads of rings, each of two words, lie side by side from 2.34 on: of stacks in use, of those that the program made itself (and of
/// the main thread), of those that are kept for the next thread.
const NEXT_TO_HEAD: [i64; 4] = [-32, -16, 16, 32];
/// Links that are followed.
const MOST_LINKS: usize = 1 << 16;
/// Guards below stacks are not larger.
const LARGEST_GUARD: u64 = 64 << 10;
/// A stack of a thread without Python above a guard is believed up to this, the usual `ulimit -s`.
const LARGEST_STACK: u64 = 8 << 20;

/// Charges all stacks but that of the main thread; how many there are.
pub(super) fn charge(ledger: &mut Ledger, window: &mut Window, threads: &[ThreadFacts]) -> u64 {
    let mut stacks = listed(window, threads);
    stacks.extend(guarded(ledger.residence, threads));
    let mut count = 0;
    for (start, end) in stacks {
        count += u64::from(ledger.territory(start, end, PartName::ThreadStacks).is_some());
    }
    count
}

/// The stacks in the rings that the descriptors of Python's threads are in, and in the rings beside these.
fn listed(window: &mut Window, threads: &[ThreadFacts]) -> Vec<(u64, u64)> {
    let mut rings = Rings { window, seen: BTreeSet::new(), heads: Vec::new(), stacks: Vec::new() };
    for thread in threads {
        // What `pthread_self` refers to.
        if descriptor(rings.window, thread.ident).is_some() {
            rings.follow(thread.ident + LINKS);
        }
    }
    for head in std::mem::take(&mut rings.heads) {
        for distance in NEXT_TO_HEAD {
            rings.follow(head.wrapping_add_signed(distance));
        }
    }
    rings.stacks
}

struct Rings<'w, 'm> {
    window: &'w mut Window<'m>,
    seen: BTreeSet<u64>,
    /// Links that are in no descriptor.
    heads: Vec<u64>,
    stacks: Vec<(u64, u64)>,
}

impl Rings<'_, '_> {
    /// Follows the links from one on until they close, or lead nowhere.
    fn follow(&mut self, mut link: u64) {
        while self.seen.len() < MOST_LINKS && self.seen.insert(link) {
            let found = link.checked_sub(LINKS).and_then(|at| descriptor(self.window, at));
            link = if let Some((next, stack)) = found {
                self.stacks.extend(stack);
                next
            } else {
                self.heads.push(link);
                let Some(next) = self.window.aside(link) else { return };
                u64::from_le_bytes(next)
            };
        }
    }
}

/// What the descriptor at an address is linked to next, and the stack that it is on, if there is a descriptor.
fn descriptor(window: &mut Window, at: u64) -> Option<(u64, Option<(u64, u64)>)> {
    let bytes: [u8; DESCRIPTOR] = window.aside(at)?;
    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let [itself, _, again, ..] = *words else { return None };
    let next = *words.get(LINKS as usize / 8)?;
    let stack = |words: &[u64]| {
        let [start, size, guard] = *words else { return None };
        let end = start.checked_add(size)?.checked_next_multiple_of(PAGE)?;
        let fits = start > 0 && start < at && at < end && end - at <= MOST_ON_TOP && guard < at - start;
        (fits && start.is_multiple_of(PAGE) && guard.is_multiple_of(PAGE)).then(|| (start + guard, end))
    };
    (itself == at && again == at).then(|| (next, words.windows(3).find_map(stack)))
}

/// Memory right above a guard.
fn guarded(residence: &Residence, threads: &[ThreadFacts]) -> Vec<(u64, u64)> {
    let mut stacks = Vec::new();
    for pair in residence.mappings.windows(2) {
        let [guard, stack] = pair else { continue };
        let permissions = guard.permissions;
        let is_guard = guard.inode == 0
            && !(permissions.read || permissions.write || permissions.execute)
            && guard.end == stack.start
            && guard.end - guard.start <= LARGEST_GUARD;
        if !is_guard || !is_plain(stack) {
            continue;
        }
        // What `pthread_self` refers to is in the last page of the stack.
        let own = threads.iter().map(|thread| thread.ident).find(|&ident| stack.contains(ident));
        let end = match own {
            Some(ident) => (ident + 1).next_multiple_of(PAGE),
            None => stack.end.min(stack.start + LARGEST_STACK),
        };
        stacks.push((stack.start, end));
    }
    stacks
}

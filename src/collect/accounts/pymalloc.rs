//! pymalloc: which blocks of its arenas are in use, by the headers of their pools.
//!
//! The arenas are found without any symbol: the array that lists them is a block of malloc's, and what is in it is unmistakable.
//! Sources: `Objects/obmalloc.c`, from 3.12 on `Include/internal/pycore_obmalloc.h`; the structs are the same from 3.6 to 3.15.

use super::ledger::Ledger;
use super::window::Window;
use crate::heap::PartName;
use crate::target::version::Version;

/// `struct arena_object`: address, pool_address, nfreepools and ntotalpools, freepools, nextarena, prevarena.
const ENTRY: u64 = 48;
/// `INITIAL_ARENA_OBJECTS`; there are twice as many each time.
const FIRST_ENTRIES: u64 = 16;
const LEAST_ARRAY: u64 = ENTRY * FIRST_ENTRIES;
/// In front of it, where the debug allocator's hooks are installed.
const HOOKS: u64 = 16;
const PAGE: u64 = 4096;
/// `POOL_OVERHEAD`
const POOL_HEADER: u64 = 48;
const LARGEST_BLOCK: u64 = 512;
/// Pools in an arena; where an arena does not begin where a pool may, one less. 128 with huge pages.
const POOLS: [u32; 2] = [64, 128];
const MOST_ARENAS: usize = 1 << 20;

/// One arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arena {
    start: u64,
    end: u64,
    /// From here on no pool has been made yet.
    fresh: u64,
    /// Its place in the array, which its pools know.
    index: u32,
}

/// All arenas, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) arenas: u64,
    pub(super) in_use: u64,
    pub(super) free: u64,
    pub(super) bytes: u64,
}

/// The bytes of a pool: there are large ones where arenas are found by a radix tree.
pub(super) fn pool_size(version: Version) -> u64 {
    if version.at_least(3, 10) { 16 << 10 } else { 4 << 10 }
}

/// The arenas that the block from `start` to `end` lists, if that is what it is for.
pub(super) fn listed(window: &mut Window, (start, end): (u64, u64), pool: u64, all: &mut Vec<Arena>) {
    for start in [start, start + HOOKS] {
        // What can be none is seen at the first entry in nearly all cases.
        if end.saturating_sub(start) < LEAST_ARRAY || entry(window, start, 0, pool).is_none() {
            continue;
        }
        let mut count = FIRST_ENTRIES;
        while (end - start) / ENTRY >= 2 * count {
            count *= 2;
        }
        let before = all.len();
        for index in 0..count {
            match entry(window, start + index * ENTRY, index as u32, pool) {
                Some(Some(arena)) if all.len() < MOST_ARENAS => all.push(arena),
                Some(_) => {}
                None => {
                    all.truncate(before);
                    break;
                }
            }
        }
        // An array without any arena, and one whose pools do not know their place, is something else.
        if let Some(first) = all.get(before) {
            match header(window, first.first_pool(pool)) {
                Some(found) if first.fresh > first.first_pool(pool) && found.is_of(first, pool) => return,
                _ => all.truncate(before),
            }
        }
    }
}

/// What an entry of the array is: `None` if it is none; an arena, or a place for one.
fn entry(window: &mut Window, at: u64, index: u32, pool: u64) -> Option<Option<Arena>> {
    let start = window.word(at)?;
    if start == 0 {
        return Some(None);
    }
    let fresh = window.word(at + 8)?;
    let pools = window.word(at + 16)?;
    let (free, total) = (pools as u32, (pools >> 32) as u32);
    let whole = POOLS.into_iter().find(|&count| total == count || total == count - 1)?;
    let end = start.checked_add(u64::from(whole) * pool)?;
    let fits =
        start.is_multiple_of(PAGE) && start < fresh && fresh <= end && fresh.is_multiple_of(pool) && free <= total;
    fits.then_some(Some(Arena { start, end, fresh, index }))
}

/// A pool's header.
#[derive(Clone, Copy, Debug)]
struct Pool {
    count: u64,
    arena: u32,
    class: u32,
    next: u64,
    last: u64,
}

fn header(window: &mut Window, at: u64) -> Option<Pool> {
    let bytes: [u8; POOL_HEADER as usize] = window.aside(at)?;
    let (words, _) = bytes.as_chunks::<4>();
    let [count, _, _, _, _, _, _, _, arena, class, next, last] = *words else { return None };
    let number = u32::from_le_bytes;
    Some(Pool {
        count: number(count).into(),
        arena: number(arena),
        class: number(class),
        next: number(next).into(),
        last: number(last).into(),
    })
}

impl Pool {
    /// The bytes of a block.
    fn block(&self, pool: u64) -> u64 {
        pool.wrapping_sub(self.last)
    }

    /// Whether it can be one of this arena's.
    fn is_of(&self, arena: &Arena, pool: u64) -> bool {
        let block = self.block(pool);
        // Blocks are aligned to 16 bytes, before 3.7.4 to 8.
        let is_class = [8, 16].iter().any(|alignment| (u64::from(self.class) + 1) * alignment == block);
        self.arena == arena.index
            && is_class
            && block <= LARGEST_BLOCK
            && (POOL_HEADER..=pool).contains(&self.next)
            && self.count * block <= self.next - POOL_HEADER
    }
}

impl Arena {
    fn first_pool(&self, pool: u64) -> u64 {
        self.start.next_multiple_of(pool)
    }
}

/// Charges all arenas.
pub(super) fn charge(ledger: &mut Ledger, window: &mut Window, mut arenas: Vec<Arena>, pool: u64) -> Found {
    let mut found = Found::default();
    arenas.sort_unstable();
    arenas.dedup();
    for arena in &arenas {
        let Some(mut territory) = ledger.territory(arena.start, arena.end, PartName::PymallocFree) else { continue };
        found.arenas += 1;
        found.bytes += arena.end - arena.start;
        for at in (arena.first_pool(pool)..arena.fresh.min(arena.end)).step_by(pool as usize) {
            let Some(pool_header) = header(window, at).filter(|header| header.is_of(arena, pool)) else { continue };
            let block = pool_header.block(pool);
            let used = pool_header.count * block;
            found.in_use += used;
            // Pools that are all free are given to another class as soon as one needs them: they are not blocks.
            if pool_header.count > 0 {
                found.free += (pool - POOL_HEADER) / block * block - used;
            }
            let resident = territory.resident(at, at + pool_header.next);
            territory.charge_bytes(PartName::PythonObjects, used.min(resident));
        }
    }
    found
}

//! glibc's malloc: which chunks of its heaps are in use and which are free, by the headers in front of them.
//!
//! The main arena's heap is what `brk` gave; those of the other arenas begin at multiples of 64 MiB. Chunks that a thread keeps for
//! itself (tcache) count as in use, as `mallinfo2` has it. Everything may be made up, or broken by a bug of the target's: a chain of
//! chunks is believed as far as it holds together. Sources: `malloc/malloc.c`, `malloc/arena.c` of 2.23 to 2.43.

use std::collections::BTreeSet;

use super::ledger::{Ledger, is_plain};
use super::owners::Owners;
use super::window::Window;
use crate::freeze::Residence;
use crate::heap::PartName;
use crate::target::maps::Mapping;

/// What is in front of a chunk's content: the size of a free one before it, and its own.
pub(super) const HEADER: u64 = 16;
const LEAST_CHUNK: u64 = 32;
/// `PREV_INUSE`, `IS_MMAPPED`, `NON_MAIN_ARENA`.
const BEFORE_IN_USE: u64 = 1;
const MMAPPED: u64 = 2;
const OTHER_ARENA: u64 = 4;
const FLAGS: u64 = 7;
/// `HEAP_MAX_SIZE`
const HEAP: u64 = 64 << 20;
const PAGE: u64 = 4096;
/// `NFASTBINS`, of 16 bytes each, right before `top` in `struct malloc_state`.
const FAST_BINS: u64 = 10;
/// Where `top` is in it: from 2.27 on there is one more field before the fast bins.
const TOP_AFTER_FAST_BINS: [u64; 2] = [96, 88];
/// From 2.43 on there are no fast bins.
const TOP_AFTER_FLAGS: u64 = 8;
/// `bins` begins two words after `top`; each is a list that leads to itself when it is empty.
const BINS: u64 = 127;
/// So many of them are empty in any arena: those of chunks of a megabyte, for example.
const LEAST_EMPTY: u64 = 24;
/// From `top` to `next`: the arenas are in a ring.
const NEXT: u64 = 2064;
/// What is behind `top` in `struct malloc_state`.
const BEHIND_TOP: u64 = 2104;
/// Chunks in fast bins that are remembered.
const MOST_FAST: usize = 1 << 22;
const MOST_ARENAS: usize = 4096;

/// What walking found beside the amounts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) arenas: u64,
    pub(super) chunks: u64,
    /// Heaps whose chunks did not hold together to the end.
    pub(super) broken: u64,
    /// Without it, chunks in the main arena's fast bins pass for used ones.
    pub(super) main_arena: bool,
}

/// A heap: a chain of chunks from `first` to `end`, the last of which is the arena's reserve if it ends there.
struct Heap {
    start: u64,
    first: u64,
    end: u64,
    /// 0, or [`OTHER_ARENA`].
    flag: u64,
}

/// Walks all heaps; `used` hears of each chunk that is in use, by where its content begins and ends.
pub(super) fn walk(
    ledger: &mut Ledger,
    window: &mut Window,
    owners: &mut Owners,
    used: &mut dyn FnMut(&mut Window, u64, u64),
) -> Found {
    let mut found = Found::default();
    let residence = ledger.residence;
    let mut heaps = Vec::new();
    let mut tops = Vec::new();
    let mut main = None;
    if let Some(mapping) = residence.mappings.iter().find(|mapping| mapping.path == *"[heap]") {
        heaps.push(Heap { start: mapping.start, first: mapping.start, end: mapping.end, flag: 0 });
        main = main_top(residence, window, mapping);
        tops.extend(main);
    }
    for mapping in residence.mappings.iter().filter(|mapping| is_plain(mapping)) {
        let mut at = mapping.start.next_multiple_of(HEAP);
        while at < mapping.end && tops.len() < MOST_ARENAS {
            if residence.has(at)
                && let Some((heap, top)) = other_heap(window, at, mapping)
            {
                heaps.push(heap);
                tops.extend(top);
            }
            at = at.saturating_add(HEAP);
        }
    }
    // What leads to an arena tells where it begins, and so whether it has fast bins.
    let arenas: BTreeSet<u64> =
        tops.iter().filter_map(|&top| window.aside(top + NEXT)).map(u64::from_le_bytes).collect();
    let is_after = |top: u64, before: u64| top.checked_sub(before).is_some_and(|arena| arenas.contains(&arena));
    tops.retain(|&top| TOP_AFTER_FAST_BINS.iter().any(|&before| is_after(top, before)));
    found.main_arena = main.is_some_and(|top| tops.contains(&top) || is_after(top, TOP_AFTER_FLAGS));
    let fast = fast_chunks(window, &tops, &heaps);
    for heap in heaps {
        let chunks = found.chunks;
        let is_whole = walk_heap(&heap, ledger, window, owners, &fast, &mut found, used);
        found.arenas += u64::from(found.chunks > chunks);
        found.broken += u64::from(!is_whole);
    }
    found
}

/// Where the main arena's `top` is, in libc's own data or, linked statically, in the program's: recognised by its empty bins.
fn main_top(residence: &Residence, window: &mut Window, heap: &Mapping) -> Option<u64> {
    let is_libc = |mapping: &&Mapping| {
        let name = mapping.path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("libc.so") || name.starts_with("libc-"))
    };
    let written = |mapping: &&Mapping| mapping.inode != 0 && mapping.permissions.write && !mapping.permissions.shared;
    let files = || residence.mappings.iter().filter(written);
    let libc: Vec<&Mapping> = files().filter(is_libc).collect();
    let places = if libc.is_empty() { files().take(1).collect() } else { libc };
    let candidates =
        places.into_iter().flat_map(|mapping| (mapping.start..mapping.end.saturating_sub(BEHIND_TOP)).step_by(8));
    // A few bins before it looks the same, but for the last.
    let bins = candidates.filter_map(|top| {
        let chunk = window.word(top)?;
        heap.contains(chunk).then(|| (empty_bins(window, top), top))
    });
    bins.max().filter(|(empty, _)| *empty >= LEAST_EMPTY).map(|(_, top)| top)
}

/// How many bins of the arena whose `top` would be here are empty. The last always is: if it is not, this is no arena.
fn empty_bins(window: &mut Window, top: u64) -> u64 {
    let mut is_empty = |bin: &u64| {
        let header = top + bin * 16;
        window.word(header + 16) == Some(header) && window.word(header + 24) == Some(header)
    };
    if is_empty(&(BINS - 1)) { (0..BINS).filter(is_empty).count() as u64 } else { 0 }
}

/// The heap of another arena at a multiple of its size; and where that arena's `top` is, if this is its first heap.
fn other_heap(window: &mut Window, at: u64, mapping: &Mapping) -> Option<(Heap, Option<u64>)> {
    let arena = window.word(at)?;
    let size = window.word(at + 16)?;
    let end = at.checked_add(size)?;
    let fits = size.is_multiple_of(PAGE) && (PAGE..=HEAP).contains(&size) && end <= mapping.end;
    // `heap_info` has four words, from 2.35 on six.
    let own = arena - arena % HEAP;
    let info = arena.checked_sub(own).filter(|&offset| fits && (offset == 0x20 || offset == 0x30))?;
    if window.word(own)? != arena {
        return None;
    }
    if own != at {
        return Some((Heap { start: at, first: at + info, end, flag: OTHER_ARENA }, None));
    }
    let mut places = TOP_AFTER_FAST_BINS.into_iter().chain([TOP_AFTER_FLAGS]).map(|before| arena + before);
    let top = places.find(|&top| empty_bins(window, top) >= LEAST_EMPTY)?;
    let first = (top + BEHIND_TOP).next_multiple_of(16);
    Some((Heap { start: at, first, end, flag: OTHER_ARENA }, Some(top)))
}

/// The chunks in the arenas' fast bins, ascending: free, though by the headers they are in use.
fn fast_chunks(window: &mut Window, tops: &[u64], heaps: &[Heap]) -> Vec<u64> {
    let mut all = Vec::new();
    for &top in tops {
        for bin in 0..FAST_BINS {
            let head = window.word(top - 8 * FAST_BINS + 8 * bin).unwrap_or(0);
            let before = all.len();
            // From 2.32 on the pointers are mangled with where they are (`PROTECT_PTR`).
            for mangled in [true, false] {
                if fast_list(window, head, LEAST_CHUNK + 16 * bin, mangled, heaps, &mut all) {
                    break;
                }
                if !mangled || window.is_exhausted() {
                    break;
                }
                all.truncate(before);
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether the list of chunks of a size holds together to its end.
fn fast_list(window: &mut Window, head: u64, size: u64, mangled: bool, heaps: &[Heap], all: &mut Vec<u64>) -> bool {
    let mut chunk = head;
    while chunk != 0 {
        let is_there = heaps.iter().any(|heap| heap.first <= chunk && chunk < heap.end);
        let Some(next) = window.word(chunk.wrapping_add(HEADER)).filter(|_| is_there) else { return false };
        if window.word(chunk + 8).map(|word| word & !FLAGS) != Some(size) || all.len() >= MOST_FAST {
            return false;
        }
        all.push(chunk);
        chunk = if mangled { next ^ ((chunk + HEADER) >> 12) } else { next };
    }
    true
}

/// Charges the chunks of a heap; whether they held together to its end.
fn walk_heap(
    heap: &Heap,
    ledger: &mut Ledger,
    window: &mut Window,
    owners: &mut Owners,
    fast: &[u64],
    found: &mut Found,
    used: &mut dyn FnMut(&mut Window, u64, u64),
) -> bool {
    // A heap that is none is left to whoever else knows what it is.
    if chunk_at(window, heap, heap.first).is_none() {
        return false;
    }
    let Some(mut territory) = ledger.territory(heap.start, heap.end, PartName::Rest) else { return false };
    territory.charge(PartName::GlibcInUse, heap.start, heap.first);
    let mut fast = fast.get(fast.partition_point(|&chunk| chunk < heap.first)..).unwrap_or_default();
    let mut at = heap.first;
    loop {
        let Some(size) = chunk_at(window, heap, at) else {
            // Two headers without content end a heap that another follows.
            let is_end = window.word(at + 8).is_some_and(|word| word & !FLAGS <= HEADER);
            if is_end {
                territory.charge(PartName::GlibcFree, at, heap.end);
            }
            return is_end;
        };
        found.chunks += 1;
        let end = at + size;
        while fast.first().is_some_and(|&chunk| chunk < at) {
            fast = fast.get(1..).unwrap_or_default();
        }
        let is_last = end == heap.end;
        let is_free =
            is_last || fast.first() == Some(&at) || window.word(end + 8).is_some_and(|next| next & BEFORE_IN_USE == 0);
        if is_free {
            territory.charge(PartName::GlibcFree, at, end);
        } else if owners.have(at + HEADER, end) {
            territory.charge(PartName::PythonObjects, at, end);
        } else {
            territory.charge(PartName::GlibcInUse, at, end);
            used(window, at + HEADER, end);
        }
        if is_last {
            return true;
        }
        at = end;
    }
}

/// The size of the chunk at an address, if there can be one.
fn chunk_at(window: &mut Window, heap: &Heap, at: u64) -> Option<u64> {
    let word = window.word(at.checked_add(8)?)?;
    let size = word & !FLAGS;
    let flag = if heap.flag == 0 { word & OTHER_ARENA == 0 } else { true };
    (flag && word & MMAPPED == 0 && size >= LEAST_CHUNK && size.is_multiple_of(16) && size <= heap.end - at)
        .then_some(size)
}

/// The size of a block that was mapped for itself and begins at a page. Its header tells that, from 2.43 on without as much as
/// another header at its end (`mmap_set_chunk`).
pub(super) fn mmapped_block(window: &mut Window, at: u64, end: u64) -> Option<u64> {
    let word = window.word(at + 8)?;
    let size = word & !FLAGS;
    let size = [size, size.checked_add(HEADER)?].into_iter().find(|size| size.is_multiple_of(PAGE))?;
    let fits = word & FLAGS == MMAPPED && size >= PAGE && size <= end - at;
    (fits && window.word(at)? == 0).then_some(size)
}

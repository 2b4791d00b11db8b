//! Where the resident size of a live target went: each resident page to Python's objects, to what allocators keep, to C code, to
//! files.
//!
//! Which pages are resident is asked of the target; what is in them is read where the heap was read: in its twin, or in the copy.
//! The heap's objects are known, and the allocators are recognised by what they write into memory, without symbols. What is
//! recognised by nobody is `rest`, never a guess. Summing up is for `analyse`.

mod glibc;
mod ledger;
mod owners;
mod pymalloc;
mod stacks;
#[cfg(test)]
mod tests;
mod window;

use self::ledger::{Ledger, is_plain};
use self::owners::Owners;
use self::window::Window;
use crate::freeze::Residence;
use crate::heap::{Accounts, Heap, Part, PartName, ThreadFacts};
use crate::target::elf::loaded::loaded_end;
use crate::target::maps::Mapping;
use crate::target::memory::Memory;
use crate::target::version::Version;
use crate::units::Bytes;

const PAGE: u64 = 4096;

/// What the accounts are made of.
pub(super) struct Source<'a> {
    pub(super) residence: &'a Residence,
    pub(super) memory: &'a dyn Memory,
    pub(super) version: Version,
    pub(super) heap: &'a Heap,
    /// Where objects keep what they own, ascending.
    pub(super) blocks: &'a [u64],
    pub(super) threads: &'a [ThreadFacts],
}

/// What there is to say beside the amounts.
#[derive(Debug, Default)]
struct Found {
    glibc: glibc::Found,
    pymalloc: pymalloc::Found,
    stacks: u64,
    /// Objects in memory of no allocator that is known.
    estimated: u64,
    exhausted: bool,
}

/// The accounts of the process at the time of its residence.
pub(super) fn accounts(source: &Source) -> Accounts {
    let mut ledger = Ledger::new(source.residence);
    let mut window = Window::new(source.memory);
    let mut found = Found::default();
    let objects = source.heap.addresses();
    let pool = pymalloc::pool_size(source.version);
    let mut arenas = Vec::new();
    let mut owners = Owners::new(objects, source.blocks);
    found.glibc = glibc::walk(&mut ledger, &mut window, &mut owners, &mut |window, start, end| {
        pymalloc::listed(window, (start, end), pool, &mut arenas);
    });
    found.stacks = stacks::charge(&mut ledger, &mut window, source.threads);
    if arenas.is_empty() {
        // With so many arenas that their list was mapped for itself.
        mmapped_blocks(&mut Ledger::new(source.residence), &mut window, source, &mut |window, start, end| {
            pymalloc::listed(window, (start, end), pool, &mut arenas);
        });
    }
    found.pymalloc = pymalloc::charge(&mut ledger, &mut window, arenas, pool);
    mmapped_blocks(&mut ledger, &mut window, source, &mut |_, _, _| {});
    files(&mut ledger, source.memory);
    found.estimated = rest(&mut ledger, source.heap);
    found.exhausted = window.is_exhausted();
    let part = |name| Part { name, resident_bytes: ledger.amount(name), detail: found.detail(name) };
    Accounts { rss_bytes: source.residence.bytes(), parts: PartName::ALL.map(part).into() }
}

/// Blocks so large that malloc had each mapped for itself.
fn mmapped_blocks(
    ledger: &mut Ledger,
    window: &mut Window,
    source: &Source,
    used: &mut dyn FnMut(&mut Window, u64, u64),
) {
    let mut owners = Owners::new(source.heap.addresses(), source.blocks);
    let residence = ledger.residence;
    for mapping in residence.mappings.iter().filter(|mapping| is_plain(mapping) && mapping.path != *"[heap]") {
        for (mut at, end) in ledger.unclaimed(mapping) {
            // Terabytes may be mapped and never touched.
            while let Some(next) = residence.next(at).filter(|&next| next < end) {
                at = next;
                let Some(size) = glibc::mmapped_block(window, at, end) else {
                    at += PAGE;
                    continue;
                };
                let (content, next) = (at + glibc::HEADER, at + size);
                let is_owned = owners.have(content, next);
                let part = if is_owned { PartName::PythonObjects } else { PartName::MmappedBlocks };
                drop(ledger.territory(at, next, part));
                if !is_owned {
                    used(window, content, next);
                }
                at = next;
            }
        }
    }
}

/// Files, with the zeros that their last segments have behind them; and what is shared.
fn files(ledger: &mut Ledger, memory: &dyn Memory) {
    let residence = ledger.residence;
    let mut end = 0;
    for mapping in &residence.mappings {
        if mapping.inode != 0 && !mapping.permissions.shared && mapping.offset == 0 {
            end = loaded_end(mapping, memory).unwrap_or(0);
        }
        if is_plain(mapping) && mapping.start < end && mapping.path != *"[heap]" {
            drop(ledger.territory(mapping.start, end.min(mapping.end), PartName::LibrariesAndFiles));
        }
    }
}

/// Charges what is in no territory; how much of that is estimated to be objects.
fn rest(ledger: &mut Ledger, heap: &Heap) -> u64 {
    let residence = ledger.residence;
    let mut estimated = 0;
    let mut row = 0;
    for mapping in &residence.mappings {
        let part = match mapping {
            mapping if is_shared(mapping) => PartName::SharedMemory,
            mapping if mapping.inode != 0 => PartName::LibrariesAndFiles,
            mapping if mapping.path == *"[stack]" => PartName::ThreadStacks,
            _ => PartName::Rest,
        };
        for (start, end) in ledger.unclaimed(mapping) {
            let bytes = ledger.charge_unclaimed((start, end), part);
            if part != PartName::Rest || bytes == 0 {
                continue;
            }
            // Of an allocator that is not known there are at least the objects.
            row += heap.addresses().get(row..).unwrap_or_default().partition_point(|&address| address < start);
            let here = heap.addresses().get(row..).unwrap_or_default().partition_point(|&address| address < end);
            let sizes = (row..row + here).map(|row| heap.size(crate::heap::ObjectId(row as u32)));
            let objects = sizes.fold(0u64, u64::saturating_add).min(bytes);
            ledger.transfer(PartName::Rest, PartName::PythonObjects, objects);
            estimated += objects;
        }
    }
    estimated
}

/// Memory that processes share, not a file that several have mapped.
fn is_shared(mapping: &Mapping) -> bool {
    let name = mapping.path.as_os_str().as_encoded_bytes();
    let of_memory = [&b"/dev/shm/"[..], b"/dev/zero", b"/SYSV", b"/memfd:", b"/anon_hugepage"];
    mapping.permissions.shared && (name.is_empty() || of_memory.iter().any(|start| name.starts_with(start)))
}

impl Found {
    fn detail(&self, name: PartName) -> String {
        let Found { glibc, pymalloc, .. } = self;
        let incomplete = if self.exhausted { "; there is more than was looked at" } else { "" };
        match name {
            PartName::PythonObjects if pymalloc.arenas == 0 && self.estimated > 0 => {
                format!("estimated by their sizes: {} are in no allocator that is known", Bytes(self.estimated))
            }
            PartName::PythonObjects => {
                format!("{} bytes in blocks of pymalloc, the rest in malloc's", pymalloc.in_use)
            }
            PartName::PymallocFree if pymalloc.arenas == 0 => "no arenas of pymalloc were found".to_owned(),
            PartName::PymallocFree => {
                let (arenas, bytes, free) = (pymalloc.arenas, pymalloc.bytes, pymalloc.free);
                format!("{arenas} arenas of {bytes} bytes, {free} bytes free in pools that are in use{incomplete}")
            }
            PartName::GlibcInUse if glibc.arenas == 0 => "no heap of glibc's was found".to_owned(),
            PartName::GlibcInUse => {
                let broken = if glibc.broken > 0 { "; not all could be followed to the end" } else { "" };
                format!("of C code; {} chunks in {} heaps{broken}{incomplete}", glibc.chunks, glibc.arenas)
            }
            PartName::GlibcFree if glibc.arenas > 0 && !glibc.main_arena => {
                "without the main arena's fast bins, which were not found".to_owned()
            }
            PartName::ThreadStacks => {
                format!("of the main thread and {} other{}", self.stacks, if self.stacks == 1 { "" } else { "s" })
            }
            PartName::MmappedBlocks => "large blocks of C code".to_owned(),
            PartName::Rest => "memory of no known allocator".to_owned(),
            _ => String::new(),
        }
    }
}

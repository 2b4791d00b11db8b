//! Memory made by hand: heaps that are whole, and such as would have the walk go on for ever, or count twice.

use super::*;
use crate::heap::HeapBuilder;
use crate::target::maps;
use crate::target::memory::FakeMemory;

const START: u64 = 0x10_0000;
const END: u64 = 0x11_0000;

fn mappings() -> Vec<Mapping> {
    maps::parse(
        b"10000-20000 rw-p 0 fe:01 7 /lib/libc.so.6\n\
          100000-110000 rw-p 0 00:00 0 [heap]\n\
          200000-400000 rw-p 0 00:00 0 \n\
          500000-501000 rw-s 0 00:01 9 /dev/shm/ring\n\
          600000-602000 rw-p 0 00:00 0 [stack]\n\
          4000000-4010000 rw-p 0 00:00 0 \n",
    )
}

/// Every page is resident but those of `absent`.
fn amounts(memory: &FakeMemory, absent: &[(u64, u64)]) -> Vec<(PartName, u64)> {
    amounts_of(memory, absent, 0).0
}

/// The same with a thread of Python's; and how many stacks there are.
fn amounts_of(memory: &FakeMemory, absent: &[(u64, u64)], ident: u64) -> (Vec<(PartName, u64)>, String) {
    let mappings = mappings();
    let mut runs = Vec::new();
    for mapping in &mappings {
        for page in (mapping.start..mapping.end).step_by(PAGE as usize) {
            if !absent.iter().any(|&(start, end)| start <= page && page < end) {
                runs.push((page, page + PAGE));
            }
        }
    }
    let residence = Residence::new(mappings, &runs);
    let (heap, _) = HeapBuilder::default().finish();
    let version = Version::new(3, 9, 0);
    let threads = [ThreadFacts { ident, ..ThreadFacts::default() }];
    let source = Source { residence: &residence, memory, version, heap: &heap, blocks: &[], threads: &threads };
    let found = accounts(&source);
    assert_eq!(found.parts.iter().map(|part| part.resident_bytes).sum::<u64>(), found.rss_bytes);
    assert_eq!(found.rss_bytes, residence.bytes());
    let stacks = found.parts.iter().find(|part| part.name == PartName::ThreadStacks).expect("every part is there");
    let amounts =
        found.parts.iter().filter(|part| part.resident_bytes > 0).map(|part| (part.name, part.resident_bytes));
    (amounts.collect(), stacks.detail.clone())
}

/// A heap of chunks with these sizes, flags included, from its start on; what is mapped besides reads as zeros.
fn memory(sizes: &[u64]) -> FakeMemory {
    let mut memory = FakeMemory::default();
    for mapping in mappings() {
        memory.write(mapping.start, &vec![0; (mapping.end - mapping.start) as usize]);
    }
    let mut at = START;
    for size in sizes {
        memory.write_u64(at + 8, *size);
        at = at.wrapping_add(size & !7);
    }
    memory
}

/// What all cases have: the file, what is shared, the stack.
const OTHERS: [(PartName, u64); 3] =
    [(PartName::ThreadStacks, 0x2000), (PartName::LibrariesAndFiles, 0x1_0000), (PartName::SharedMemory, 0x1000)];

fn check(memory: &FakeMemory, expected: &[(PartName, u64)]) {
    let mut expected: Vec<_> = expected.iter().copied().chain(OTHERS).collect();
    expected.sort();
    assert_eq!(amounts(memory, &[]), expected);
}

const WHOLE: [u64; 4] = [0x1001, 0x2001, 0x3000 | 1, 0xa000];
const REST: u64 = 0x21_0000;

#[test]
fn chunks_are_free_if_the_next_says_so() {
    use PartName::{GlibcFree, GlibcInUse, Rest};
    // The third is free: the fourth says that what is before it is not in use, and is the reserve itself.
    check(&memory(&WHOLE), &[(GlibcInUse, 0x3000), (GlibcFree, 0xd000), (Rest, REST)]);
}

#[test]
fn what_does_not_hold_together_is_the_rest() {
    use PartName::{GlibcFree, GlibcInUse, Rest};
    let all = END - START;
    check(&memory(&[]), &[(Rest, REST + all)]);
    check(
        &memory(&[0x1001, 0x2001, 0x18, 0]),
        &[(GlibcInUse, 0x1000), (GlibcFree, 0x2000), (Rest, REST + all - 0x3000)],
    );
    // Longer than the heap, of another arena, mapped for itself, not a multiple of 16.
    for size in [0x10_0001, 0x1005, 0x1003, 0x1009, u64::MAX, 0x11] {
        check(&memory(&[size]), &[(Rest, REST + all)]);
    }
    // Two headers without content.
    check(&memory(&[0x1001, 0x2001, 0x11, 0x11]), &[(GlibcInUse, 0x3000), (GlibcFree, all - 0x3000), (Rest, REST)]);
}

#[test]
fn blocks_mapped_for_themselves_are_told_from_what_is_around_them() {
    use PartName::{GlibcFree, GlibcInUse, MmappedBlocks, Rest};
    let mut memory = memory(&WHOLE);
    memory.write_u64(0x21_0008, 0x8_0002);
    memory.write_u64(0x29_0008, 0x1002);
    // From 2.43 on there is a header's worth behind it; less of it than that is none.
    memory.write_u64(0x2a_0008, 0x2ff2);
    memory.write_u64(0x2b_0008, 0x2fe2);
    // Longer than what is mapped; and one that says that something is before it.
    memory.write_u64(0x3f_0008, 0x1_1002);
    memory.write_u64(0x3f_8000, 0x10);
    memory.write_u64(0x3f_8008, 0x1002);
    check(&memory, &[(GlibcInUse, 0x3000), (GlibcFree, 0xd000), (MmappedBlocks, 0x8_4000), (Rest, REST - 0x8_4000)]);
    let absent = [(0x22_0000, 0x28_0000), (0x10_9000, END)];
    let found = amounts(&memory, &absent);
    assert!(found.contains(&(MmappedBlocks, 0x2_4000)) && found.contains(&(GlibcFree, 0x6000)), "{found:?}");
}

/// An array of sixteen arenas at the first chunk, of which these are given by their entries.
fn with_arenas(entries: &[[u64; 3]]) -> FakeMemory {
    let mut memory = memory(&WHOLE);
    for (at, words) in (START + 16..).step_by(48).zip(entries) {
        for (at, word) in (at..).step_by(8).zip(words) {
            memory.write_u64(at, *word);
        }
    }
    memory
}

fn pool(memory: &mut FakeMemory, at: u64, arena: u32, count: u32, block: u32) {
    memory.write(at, &count.to_le_bytes());
    for (offset, number) in [(32, arena), (36, block / 16 - 1), (40, 48 + 100 / 3 * block), (44, 4096 - block)] {
        memory.write(at + offset, &number.to_le_bytes());
    }
}

const POOLS: u64 = 64 << 32;

#[test]
fn pools_know_how_many_of_their_blocks_are_in_use() {
    use PartName::{GlibcFree, GlibcInUse, PymallocFree, PythonObjects, Rest};
    let glibc = [(GlibcInUse, 0x3000), (GlibcFree, 0xd000)];
    let arena = 0x4_0000;
    let mut memory = with_arenas(&[[0x20_0000, 0x20_2000, POOLS | 62], [0; 3], [0x30_0000, 0x30_1000, POOLS]]);
    pool(&mut memory, 0x20_0000, 0, 3, 64);
    pool(&mut memory, 0x20_1000, 0, 33, 32);
    // One that claims more blocks than it has, and so says nothing.
    pool(&mut memory, 0x30_0000, 2, u32::MAX, 64);
    let used = 3 * 64 + 33 * 32;
    let expected = [(PythonObjects, used), (PymallocFree, 2 * arena - used), (Rest, REST - 2 * arena)];
    check(&memory, &[&glibc[..], &expected].concat());
    // One that reaches into another, and one that is not mapped to its end.
    for second in [0x20_8000, 0x3e_0000] {
        let mut memory = with_arenas(&[[0x20_0000, 0x20_2000, POOLS | 62], [second, second + 0x1000, POOLS]]);
        pool(&mut memory, 0x20_0000, 0, 3, 64);
        let expected = [(PythonObjects, 192), (PymallocFree, arena - 192), (Rest, REST - arena)];
        check(&memory, &[&glibc[..], &expected].concat());
    }
    // Not an array of arenas: no pool knows of it; too many pools; pools before the arena's begin.
    for entry in
        [[0x20_0000, 0x20_2000, POOLS], [0x20_0000, 0x20_2000, 70 << 32], [0x20_0000, 0x1f_0000, POOLS], [1, 2, 3]]
    {
        check(&with_arenas(&[entry]), &[&glibc[..], &[(Rest, REST)]].concat());
    }
}

#[test]
fn lists_of_free_chunks_that_never_end_are_left() {
    // A malloc_state in libc's data, whose first fast bin leads to a chunk that leads to itself.
    let mut memory = memory(&[0x1001, 0x21, 0x2001, 0xcfe1]);
    let top = 0x1_1000;
    write_state(&mut memory, top - 96, top, START + 0x3020);
    memory.write_u64(top - 80, START + 0x1000);
    // As it is in truth: mangled with where it is.
    memory.write_u64(START + 0x1010, (START + 0x1010) >> 12);
    let whole = amounts(&memory, &[]);
    assert!(whole.contains(&(PartName::GlibcFree, 0xcfe0 + 0x20)), "{whole:?}");
    memory.write_u64(START + 0x1010, START + 0x1000);
    assert_eq!(amounts(&memory, &[]), whole, "it is free, though the list is broken");
    // Chunks that no bin has yet are in the first.
    memory.write_u64(top + 16, START + 0x1000);
    assert_eq!(amounts(&memory, &[]), whole);
    // From 2.43 on an arena has no fast bins, and something else is before it.
    memory.write_u64(top + 2064, top - 8);
    let used = amounts(&memory, &[]);
    assert!(used.contains(&(PartName::GlibcFree, 0xcfe0)), "{used:?}");
}

/// A malloc_state without free chunks, the only one in its ring.
fn write_state(memory: &mut FakeMemory, state: u64, top: u64, chunk: u64) {
    memory.write_u64(top, chunk);
    for header in (top..).step_by(16).take(127) {
        memory.write_u64(header + 16, header);
        memory.write_u64(header + 24, header);
    }
    memory.write_u64(top + 2064, state);
}

#[test]
fn arenas_of_threads_are_in_heaps_of_their_own() {
    use PartName::{GlibcFree, GlibcInUse, Rest};
    let heap = 0x400_0000;
    // `heap_info` and `malloc_state` of 2.26, 2.36 and 2.43.
    for (info, before) in [(0x20, 88), (0x30, 96), (0x30, 8)] {
        let mut memory = memory(&WHOLE);
        let arena = heap + info;
        memory.write_u64(heap, arena);
        memory.write_u64(heap + 16, 0x1_0000);
        write_state(&mut memory, arena, arena + before, heap + 0x3000);
        let first = (arena + before + 2104).next_multiple_of(16);
        memory.write_u64(first + 8, (0x2000 - (first - heap)) | 5);
        memory.write_u64(heap + 0x2008, 0x1005);
        memory.write_u64(heap + 0x3008, 0xd001);
        check(&memory, &[(GlibcInUse, 0x3000 + 0x3000), (GlibcFree, 0xd000 + 0xd000), (Rest, 0x20_0000)]);
    }
}

/// What glibc has on top of a stack: the thread's descriptor with the links of its ring, and where the stack is.
fn write_thread(memory: &mut FakeMemory, at: u64, next: u64, [start, size, guard]: [u64; 3]) {
    for (offset, word) in [(0, at), (16, at), (704, next), (1680, start), (1688, size), (1696, guard)] {
        memory.write_u64(at + offset, word);
    }
}

#[test]
fn stacks_without_a_guard_of_their_own_are_in_rings() {
    let check = |memory: &FakeMemory, ident, count: &str, bytes| {
        let (amounts, detail) = amounts_of(memory, &[], ident);
        assert_eq!(detail, format!("of the main thread and {count}"));
        assert!(amounts.contains(&(PartName::ThreadStacks, 0x2000 + bytes)), "{amounts:?}");
    };
    let size = 0x1_0000;
    let stack = |start| [start, size, 0x1000];
    let (first, second, third) = (0x20_f000, 0x21_f700, 0x22_f700);
    let (main, heads) = (0x3f_0040, 0x30_0000);
    let mut memory = memory(&WHOLE);
    // Two that adjoin are in use, one is kept; the main thread is in a ring whose head is between theirs.
    write_thread(&mut memory, first, second + 704, stack(0x20_0000));
    write_thread(&mut memory, second, heads, stack(0x21_0000));
    write_thread(&mut memory, third, heads + 32, stack(0x22_0000));
    write_thread(&mut memory, main, heads + 16, [0, 0x7fff_0000_0010, 0]);
    for (head, next) in [(0, first), (16, main), (32, third)] {
        memory.write_u64(heads + head, next + 704);
    }
    for ident in [first, second, third, main] {
        check(&memory, ident, "3 others", 3 * (size - 0x1000));
    }
    for ident in [0, first + 8, heads, u64::MAX] {
        check(&memory, ident, "0 others", 0);
    }
    // One that leads back to itself, and such as are not on the stack that they tell of.
    memory.write_u64(first + 704, first + 704);
    check(&memory, first, "1 other", size - 0x1000);
    for stack in [
        stack(0x21_0000),
        stack(0x1f_0000),
        [0x20_0008, size, 0x1000],
        [0x20_0000, size, 0x800],
        [0x20_0000, size, size],
        [0x20_0000, 0x10_0000, 0x1000],
        [0x20_0000, u64::MAX, 0x1000],
        [u64::MAX - 0xfff, 0x1000, u64::MAX - 0xfff],
    ] {
        write_thread(&mut memory, first, first + 704, stack);
        check(&memory, first, "0 others", 0);
    }
}

//! The offsets that an interpreter tells of itself: `_Py_DebugOffsets`, at the beginning of `_PyRuntime` since 3.13.
//!
//! They come from the target's memory, so they are believed only within the sizes given with them. They are few: not
//! where the GIL's locks are. Layout of the table: `Include/internal/pycore_debug_offsets.h` (3.13:
//! `pycore_runtime.h`).

use super::{MAX_OFFSET, Offsets};
use crate::target::memory::Memory;
use crate::target::version::Version;

/// The part of the table that we read, in bytes: to the end of `debugger_support.eval_breaker` of 3.15.
const LENGTH: usize = 848;

/// Where in the table a version has the entries we want; each is eight bytes.
struct Table {
    /// Name, entry, and the entry that is the size of the struct it is in.
    entries: &'static [(&'static str, usize, usize)],
    /// The offset of the GC state in the interpreter and that of `collecting` in it, with the two sizes.
    collecting: [(usize, usize); 2],
    /// The offsets in the interpreter of its own GIL, then of two of that one's fields.
    gil: [usize; 3],
}

const RUNTIME: usize = 24;
const INTERPRETER: usize = 48;

const OF_3_13: Table = Table {
    entries: &[
        ("runtime.finalizing", 32, RUNTIME),
        ("runtime.interpreters_head", 40, RUNTIME),
        ("interp.next", 64, INTERPRETER),
        ("interp.threads_head", 72, INTERPRETER),
        ("interp.gil", 112, INTERPRETER),
        ("tstate.prev", 160, 152),
        ("tstate.next", 168, 152),
        ("tstate.interp", 176, 152),
        ("tstate.thread_id", 192, 152),
        ("tstate.native_thread_id", 200, 152),
    ],
    collecting: [(80, INTERPRETER), (576, 568)],
    gil: [120, 144, 136],
};

const OF_3_14: Table = Table {
    entries: &[
        ("runtime.finalizing", 32, RUNTIME),
        ("runtime.interpreters_head", 40, RUNTIME),
        ("interp.next", 64, INTERPRETER),
        ("interp.threads_head", 72, INTERPRETER),
        ("interp.gil", 120, INTERPRETER),
        ("tstate.prev", 184, 176),
        ("tstate.next", 192, 176),
        ("tstate.interp", 200, 176),
        ("tstate.thread_id", 216, 176),
        ("tstate.native_thread_id", 224, 176),
        ("tstate.eval_breaker", 712, 176),
    ],
    collecting: [(88, INTERPRETER), (656, 648)],
    gil: [128, 152, 144],
};

const OF_3_15: Table = Table {
    entries: &[
        ("runtime.finalizing", 32, RUNTIME),
        ("runtime.interpreters_head", 40, RUNTIME),
        ("interp.next", 64, INTERPRETER),
        ("interp.threads_head", 72, INTERPRETER),
        ("interp.gil", 120, INTERPRETER),
        ("tstate.prev", 184, 176),
        ("tstate.next", 192, 176),
        ("tstate.interp", 200, 176),
        ("tstate.thread_id", 240, 176),
        ("tstate.native_thread_id", 248, 176),
        ("tstate.eval_breaker", 840, 176),
    ],
    collecting: [(88, INTERPRETER), (760, 752)],
    gil: [128, 152, 144],
};

/// The offsets in the table at `runtime`; the error says what is wrong with it.
pub(super) fn read(runtime: u64, version: Version, memory: &dyn Memory) -> Result<Offsets, String> {
    let table = match version.minor {
        13 => &OF_3_13,
        14 => &OF_3_14,
        15 => &OF_3_15,
        _ => return Err(format!("the form of {version}'s debug offsets is unknown")),
    };
    if !version.is_frozen() {
        // The table itself changed between betas.
        return Err(format!("{version} is not a release, and its debug offsets may have any form"));
    }
    let mut bytes = [0; LENGTH];
    memory.read(runtime, &mut bytes).map_err(|error| format!("cannot read the debug offsets: {error}"))?;
    let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
    if &bytes[..8] != b"xdebugpy" || word(8) != u64::from(version.hex()) {
        return Err("there are no debug offsets of this version".to_owned());
    }
    let within = |at: usize, size: usize| {
        let (value, size) = (word(at), word(size));
        let fits = size < MAX_OFFSET && value.checked_add(4).is_some_and(|end| end <= size);
        fits.then_some(value).ok_or_else(|| format!("its debug offsets contradict themselves: {value} of {size} bytes"))
    };
    let mut offsets = Offsets::new();
    for &(name, at, size) in table.entries {
        offsets.insert(name, within(at, size)?);
    }
    let [gc, collecting] = table.collecting;
    offsets.insert("interp.gc_collecting", within(gc.0, gc.1)? + within(collecting.0, collecting.1)?);
    let [gil, holder, locked] = table.gil;
    let gil = within(gil, INTERPRETER)?;
    for (name, at) in [("gil.last_holder", holder), ("gil.locked", locked)] {
        let offset = within(at, INTERPRETER)?.checked_sub(gil).ok_or("its debug offsets contradict themselves: gil")?;
        offsets.insert(name, offset);
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::memory::FakeMemory;

    const RUNTIME: u64 = 0x1000;
    /// The words that 3.13.0's table begins with, to `thread_state`.
    const WORDS: [(usize, u64); 24] = [
        (16, 0),
        (24, 283_320),
        (32, 608),
        (40, 632),
        (48, 194_968),
        (56, 7272),
        (64, 7264),
        (72, 7344),
        (80, 7400),
        (88, 7656),
        (96, 7688),
        (104, 7696),
        (112, 16),
        (120, 7688),
        (136, 7704),
        (144, 7696),
        (152, 312),
        (160, 0),
        (168, 8),
        (176, 16),
        (192, 152),
        (200, 160),
        (568, 240),
        (576, 200),
    ];

    fn table(changes: &[(usize, u64)]) -> Result<Offsets, String> {
        let version = Version::new(3, 13, 0);
        let mut memory = FakeMemory::default();
        memory.write(RUNTIME, &[0; LENGTH]);
        memory.write(RUNTIME, b"xdebugpy");
        memory.write_u64(RUNTIME + 8, version.hex().into());
        for &(at, word) in WORDS.iter().chain(changes) {
            memory.write_u64(RUNTIME + at as u64, word);
        }
        read(RUNTIME, version, &memory)
    }

    #[test]
    fn what_it_tells() {
        let offsets = table(&[]).expect("it is whole");
        assert_eq!(offsets["interp.threads_head"], 7344);
        assert_eq!(offsets["interp.gc_collecting"], 7600);
        assert_eq!((offsets["gil.last_holder"], offsets["gil.locked"]), (8, 16));
        assert_eq!(offsets.get("gil.mutex"), None);
    }

    proptest! {
        /// Whatever is there: what is believed is an offset that a struct can have.
        #[test]
        fn fuzz_debug_offsets(changes in proptest::collection::vec((2..LENGTH / 8, any::<u64>(), 0..64_u32), 1..6)) {
            let changes: Vec<_> = changes.iter().map(|&(word, value, shift)| (8 * word, value >> shift)).collect();
            if let Ok(offsets) = table(&changes) {
                prop_assert!(offsets.values().all(|&offset| offset < 2 * MAX_OFFSET), "{offsets:?}");
            }
        }
    }

    #[test]
    fn lies_are_refused() {
        fn check(at: usize, word: u64) {
            assert!(table(&[(at, word)]).is_err(), "{word} at {at}");
        }
        check(0, 0);
        check(8, 0x030d_01f0);
        check(40, 283_320);
        check(40, u64::MAX);
        check(24, u64::MAX);
        check(24, 0);
        check(80, 194_967);
        check(576, 1 << 63);
        check(120, 7700);
        let none = FakeMemory::default();
        assert!(read(RUNTIME, Version::new(3, 13, 0), &none).is_err());
        assert!(read(RUNTIME, Version { level: 0xb3, ..Version::new(3, 14, 0) }, &none).is_err());
        assert!(read(RUNTIME, Version::new(3, 16, 0), &none).is_err());
    }
}

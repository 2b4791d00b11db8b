//! The self-check: do these offsets make sense of this target? Wrong ones would not crash, they would tell plausible
//! lies.
//!
//! Reads only, follows no list further than its bound, and knows the process by its memory and its thread ids alone.
//! The target may be running: what it is just changing can fail the check, so whoever calls tries again.

use super::Layout;
use crate::target::memory::Memory;

const MAX_INTERPRETERS: usize = 1 << 12;
const MAX_THREADS: usize = 1 << 17;
/// User space ends here on all 64-bit processors we know (five-level page tables need to be asked for).
const USER_SPACE: u64 = 1 << 47;

/// What is known of the target without offsets.
pub(super) struct Target<'a> {
    /// The address of `_PyRuntime`, 0 for 3.6.
    pub(super) runtime: u64,
    /// Its threads, as its own PID namespace numbers them.
    pub(super) native_thread_ids: &'a [u64],
    /// What `pthread_self()` is in them, as far as that is known.
    pub(super) thread_pointers: &'a [u64],
    pub(super) memory: &'a dyn Memory,
}

/// `Ok` when all that can be checked holds; else the first thing that does not.
pub(super) fn check(layout: &Layout, target: &Target<'_>) -> Result<(), String> {
    let interpreters = target.interpreters(layout)?;
    let mut threads = Vec::new();
    for &interpreter in &interpreters {
        target.threads(layout, interpreter, &mut threads)?;
    }
    let main = target.main(layout, &interpreters)?;
    if !threads.iter().any(|&thread| target.word(thread, layout, "tstate.interp").is_ok_and(|interp| interp == main)) {
        return Err("the main interpreter has no thread state".to_owned());
    }
    target.thread_ids(layout, &threads)?;
    target.gil(layout, main, &threads)
}

impl Target<'_> {
    fn read(&self, address: u64, what: &str) -> Result<u64, String> {
        self.memory.u64(address).map_err(|error| format!("cannot read {what} at {address:#x}: {error}"))
    }

    /// The word at the field `name` of the struct at `base`.
    fn word(&self, base: u64, layout: &Layout, name: &str) -> Result<u64, String> {
        let offset = layout.offset(name).ok_or_else(|| format!("it does not tell `{name}`"))?;
        self.read(base.wrapping_add(offset), name)
    }

    /// All interpreters, from `interpreters.head` on.
    fn interpreters(&self, layout: &Layout) -> Result<Vec<u64>, String> {
        let mut next = match layout.symbol_address("interp_head") {
            _ if self.runtime != 0 => self.word(self.runtime, layout, "runtime.interpreters_head")?,
            Some(head) => self.read(head, "interp_head")?,
            None => return Err("the file has no symbols, and 3.6 has its state nowhere else".to_owned()),
        };
        let mut interpreters = Vec::new();
        while next != 0 {
            if interpreters.len() == MAX_INTERPRETERS {
                return Err("the list of interpreters does not end".to_owned());
            }
            interpreters.push(pointer(next, "an interpreter")?);
            next = self.word(next, layout, "interp.next")?;
        }
        Ok(interpreters)
    }

    /// The main interpreter, which must be on the list; 3.6 has it last.
    fn main(&self, layout: &Layout, interpreters: &[u64]) -> Result<u64, String> {
        let last = *interpreters.last().ok_or("there is no interpreter")?;
        if layout.offset("runtime.interpreters_main").is_none() {
            return Ok(last);
        }
        let main = self.word(self.runtime, layout, "runtime.interpreters_main")?;
        if interpreters.contains(&main) { Ok(main) } else { Err("the main interpreter is not on the list".to_owned()) }
    }

    /// Adds the thread states of `interpreter`, each of which must point back to it and to the one before.
    fn threads(&self, layout: &Layout, interpreter: u64, threads: &mut Vec<u64>) -> Result<(), String> {
        let mut next = self.word(interpreter, layout, "interp.threads_head")?;
        let mut before = 0;
        while next != 0 {
            if threads.len() == MAX_THREADS {
                return Err("the list of thread states does not end".to_owned());
            }
            let thread = pointer(next, "a thread state")?;
            if self.word(thread, layout, "tstate.interp")? != interpreter {
                return Err("a thread state is not of the interpreter that lists it".to_owned());
            }
            if self.word(thread, layout, "tstate.prev")? != before {
                return Err("the list of thread states does not lead back".to_owned());
            }
            threads.push(thread);
            before = thread;
            next = self.word(thread, layout, "tstate.next")?;
        }
        Ok(())
    }

    /// One thread state must be of a thread there is; others may be just beginning, ending, or left over from a fork.
    fn thread_ids(&self, layout: &Layout, threads: &[u64]) -> Result<(), String> {
        let mut seen = 0;
        for &thread in threads {
            let id = self.word(thread, layout, "tstate.thread_id")?;
            let matches = match layout.offset("tstate.native_thread_id") {
                // A core cut off has lost its threads.
                Some(offset) if !self.native_thread_ids.is_empty() => {
                    let native = self.read(thread.wrapping_add(offset), "tstate.native_thread_id")?;
                    // `gcore` numbers threads as GDB sees them, which in a container is not as they do.
                    id != 0 && (self.native_thread_ids.contains(&native) || self.thread_pointers.contains(&id))
                }
                _ => self.is_thread(id),
            };
            seen += usize::from(matches);
        }
        if seen == 0 { Err("no thread state is of a thread of the process".to_owned()) } else { Ok(()) }
    }

    /// `pthread_self` is the address of the thread's control block; that of x86-64 begins with its own address, in
    /// glibc (`tcbhead_t`) and musl (`struct pthread`).
    fn is_thread(&self, id: u64) -> bool {
        match self.memory.u64(id) {
            Ok(begin) => id != 0 && (begin == id || !cfg!(target_arch = "x86_64")),
            // What is cut off of a core is its end: the list of threads, and their stacks.
            Err(_) => self.native_thread_ids.is_empty() && pointer(id, "a thread").is_ok(),
        }
    }

    fn gil(&self, layout: &Layout, main: u64, threads: &[u64]) -> Result<(), String> {
        let (locked, holder) = match layout.symbol_address("gil_locked") {
            Some(locked) => (locked, layout.symbol_address("gil_last_holder").ok_or("there is no `gil_last_holder`")?),
            None => {
                let gil = match layout.offset("runtime.gil") {
                    Some(offset) => self.runtime.wrapping_add(offset),
                    None => pointer(self.word(main, layout, "interp.gil")?, "the GIL")?,
                };
                let field = |name| layout.offset(name).map(|offset| gil.wrapping_add(offset));
                match (field("gil.locked"), field("gil.last_holder")) {
                    (Some(locked), Some(holder)) => (locked, holder),
                    _ => return Err("it does not tell the GIL's fields".to_owned()),
                }
            }
        };
        let state = self.memory.u32(locked).map_err(|error| format!("cannot read the GIL at {locked:#x}: {error}"))?;
        // -1: not made yet.
        if ![0, 1, u32::MAX].contains(&state) {
            return Err(format!("the GIL's state is {state}"));
        }
        // The last holder may have ended since.
        pointer_or_null(self.read(holder, "gil.last_holder")?, "the GIL's last holder")?;
        let current = match layout.symbol_address("_PyThreadState_Current") {
            Some(address) => self.read(address, "_PyThreadState_Current")?,
            None if layout.offset("runtime.tstate_current").is_none() => 0,
            None => self.word(self.runtime, layout, "runtime.tstate_current")?,
        };
        if current != 0 && !threads.contains(&current) {
            return Err("the current thread state is not on any list".to_owned());
        }
        Ok(())
    }
}

/// `address`, if a struct could be there.
fn pointer(address: u64, what: &str) -> Result<u64, String> {
    if address == 0 { Err(format!("{what} is null")) } else { pointer_or_null(address, what) }
}

fn pointer_or_null(address: u64, what: &str) -> Result<u64, String> {
    if address.is_multiple_of(8) && address < USER_SPACE {
        Ok(address)
    } else {
        Err(format!("{what} is at {address:#x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::{Found, Origin};
    use crate::target::memory::FakeMemory;

    const RUNTIME: u64 = 0x1000;
    const GIL: u64 = 0x1100;
    const MAIN: u64 = 0x2000;
    const OTHER: u64 = 0x2800;
    const FIRST: u64 = 0x3000;
    const SECOND: u64 = 0x3800;

    fn layout() -> Layout {
        let offsets = [
            ("runtime.gil", 0x100),
            ("runtime.tstate_current", 0x10),
            ("runtime.interpreters_head", 0),
            ("runtime.interpreters_main", 8),
            ("interp.next", 0),
            ("interp.threads_head", 8),
            ("tstate.prev", 0),
            ("tstate.next", 8),
            ("tstate.interp", 16),
            ("tstate.thread_id", 24),
            ("tstate.native_thread_id", 32),
            ("gil.last_holder", 8),
            ("gil.locked", 16),
        ];
        Layout {
            origin: Origin::DebugOffsets,
            found: Found { offsets: offsets.into(), ..Found::default() },
            statics: Default::default(),
        }
    }

    /// Two interpreters, the main one with two threads.
    fn memory() -> FakeMemory {
        let mut memory = FakeMemory::default();
        let words = [
            (RUNTIME, [OTHER, MAIN, SECOND, 0, 0]),
            (GIL, [5000, FIRST, 1, 0, 0]),
            (OTHER, [MAIN, 0, 0, 0, 0]),
            (MAIN, [0, FIRST, 0, 0, 0]),
            (FIRST, [0, SECOND, MAIN, 0x7000, 41]),
            (SECOND, [FIRST, 0, MAIN, 0x8000, 77]),
        ];
        for (address, words) in words {
            for (index, word) in words.into_iter().enumerate() {
                memory.write_u64(address + 8 * index as u64, word);
            }
        }
        memory
    }

    fn outcome(layout: &Layout, memory: &FakeMemory) -> String {
        let target = Target { runtime: RUNTIME, native_thread_ids: &[40, 41], thread_pointers: &[], memory };
        super::check(layout, &target).err().unwrap_or_default()
    }

    #[test]
    fn lies_are_found_out() {
        fn check(address: u64, word: u64, expected: &str) {
            let mut memory = memory();
            memory.write_u64(address, word);
            assert_eq!(outcome(&layout(), &memory), expected, "{address:#x} = {word:#x}");
        }
        check(GIL, 0, "");
        check(GIL + 16, 2, "the GIL's state is 2");
        check(GIL + 16, u64::from(u32::MAX), "");
        check(GIL + 8, 0, "");
        check(GIL + 8, 0x9000, "");
        check(GIL + 8, 0x9001, "the GIL's last holder is at 0x9001");
        check(GIL + 8, 1 << 47, "the GIL's last holder is at 0x800000000000");
        check(RUNTIME + 16, 0, "");
        check(RUNTIME + 16, 0x9000, "the current thread state is not on any list");
        check(RUNTIME, 0, "there is no interpreter");
        check(RUNTIME, OTHER + 4, "an interpreter is at 0x2804");
        check(RUNTIME, 0x9000, "cannot read interp.next at 0x9000: address not available");
        check(RUNTIME + 8, FIRST, "the main interpreter is not on the list");
        check(RUNTIME + 8, OTHER, "the main interpreter has no thread state");
        check(MAIN, OTHER, "the list of interpreters does not end");
        check(MAIN + 8, SECOND, "the list of thread states does not lead back");
        check(SECOND + 8, FIRST, "the list of thread states does not lead back");
        check(SECOND + 16, OTHER, "a thread state is not of the interpreter that lists it");
        check(FIRST + 32, 42, "no thread state is of a thread of the process");
        check(FIRST + 24, 0, "no thread state is of a thread of the process");
        check(SECOND + 32, 0, "");
    }

    proptest! {
        /// Whatever is in memory, and wherever the fields are said to be.
        #[test]
        fn fuzz_checks(
            words in proptest::collection::vec((0..0x600_u64, prop_oneof![any::<u64>(), 0..0x700_u64]), 0..8),
            offsets in proptest::collection::vec((0..13_usize, prop_oneof![any::<u64>(), 0..64_u64]), 0..3),
        ) {
            let (mut memory, mut layout) = (memory(), layout());
            for (at, word) in words {
                memory.write_u64(RUNTIME + 8 * at, if word < 0x700 { RUNTIME + 8 * word } else { word });
            }
            for (number, offset) in offsets {
                if let Some(known) = layout.found.offsets.values_mut().nth(number) {
                    *known = offset;
                }
            }
            outcome(&layout, &memory);
        }
    }

    #[test]
    fn without_native_ids_a_thread_is_known_by_its_control_block() {
        let mut layout = layout();
        layout.found.offsets.remove("tstate.native_thread_id");
        let mut memory = memory();
        assert_eq!(outcome(&layout, &memory), "no thread state is of a thread of the process");
        memory.write_u64(0x8000, 0x8000);
        assert_eq!(outcome(&layout, &memory), "");
    }

    #[test]
    fn of_a_core_cut_off_threads_may_be_missing() {
        let check = |memory: &FakeMemory| {
            let target = Target { runtime: RUNTIME, native_thread_ids: &[], thread_pointers: &[], memory };
            super::check(&layout(), &target).err().unwrap_or_default()
        };
        let mut memory = memory();
        assert_eq!(check(&memory), "");
        for thread in [0x7000, 0x8000] {
            memory.write_u64(thread, 1);
        }
        let told = cfg!(target_arch = "x86_64");
        assert_eq!(check(&memory), if told { "no thread state is of a thread of the process" } else { "" });
    }

    #[test]
    fn what_is_not_told_is_not_guessed() {
        for name in layout().found.offsets.keys().filter(|name| {
            !["runtime.interpreters_main", "runtime.tstate_current", "tstate.native_thread_id"].contains(*name)
        }) {
            let mut layout = layout();
            layout.found.offsets.remove(name);
            assert_ne!(outcome(&layout, &memory()), "", "{name}");
        }
    }
}

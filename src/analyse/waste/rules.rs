//! How large CPython makes things, by version: only what cannot be read off the sizes in a heap.
//!
//! Sources, each from 3.6 to 3.13: `Objects/dictobject.c` (`dict_merge`, `dictresize`, `ESTIMATE_SIZE`, `_PyDict_KeysSize`),
//! `Objects/setobject.c` (`set_merge`, `set_table_resize`), `Objects/listobject.c` (`list_extend`, `list_resize`,
//! `list_preallocate_exact`), `Modules/arraymodule.c`, `Include/internal/pycore_object.h` (what is in front of an object).
//! Later: `Objects/dictobject.c` as of gh-133703, `Include/internal/pycore_runtime_structs.h` (`_PY_NSMALLPOSINTS`). That 3.14
//! and 3.15 are else as 3.13 is was measured, not read.

use crate::heap::PythonFacts;
use crate::notice::Notice;

const WORD: u64 = 8;
/// Of a set's or a dict's smallest table.
const FEWEST_SLOTS: u64 = 8;
/// Larger tables are not believed.
const MOST_LOG2: u32 = 40;
/// An entry of a set: the item and its hash.
const SET_ENTRY: u64 = 2 * WORD;
/// The minor versions whose rules were compared with what they do.
const PROVEN: std::ops::RangeInclusive<u32> = 6..=15;

/// The rules of one interpreter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    minor: u32,
    /// Whether some dicts get a table twice as large as they need, from 3.10 on.
    generous: bool,
    /// `sys.getsizeof(object())`: what every object has.
    object: u64,
    /// What the collector has in front of an object.
    gc_head: u64,
}

/// The table of a dict that has its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeysTable {
    log2_slots: u32,
    /// The bytes of an entry.
    stride: u64,
}

impl Rules {
    /// Those of this interpreter; else says why there are none.
    pub(super) fn of(python: &PythonFacts, notices: &mut Vec<Notice>) -> Option<Rules> {
        let mut numbers = python.version.split('.').map(|part| part.parse::<u32>().ok());
        let minor = match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(3), Some(minor)) if minor >= *PROVEN.start() && !python.free_threaded => minor,
            _ => {
                let text = "how this Python sizes its objects is not known: only what does not depend on it is told";
                notices.push(Notice::new("sizes-unknown", text));
                return None;
            }
        };
        if !PROVEN.contains(&minor) {
            let text = format!("that CPython 3.{minor} sizes its containers as 3.{} does is believed", PROVEN.end());
            notices.push(Notice::new("sizes-unproven", text));
        }
        // `calculate_log2_keysize` was mended in 3.13.4 and in 3.14.0b2 (gh-133703). What has no plain third number there, as
        // 3.13.4+ or 3.14.0b1, is taken for one from before: then less is claimed.
        let micro = numbers.next().flatten();
        let generous = match minor {
            10..=12 => true,
            13 => micro < Some(4),
            14 => micro.is_none(),
            _ => false,
        };
        // Until 3.7 debug builds link all objects in a list (`Py_TRACE_REFS`), and the head is as long as two long doubles.
        let links = if python.debug && minor <= 7 { 2 * WORD } else { 0 };
        let gc_head = if minor <= 7 { 4 * WORD } else { 2 * WORD };
        Some(Rules { minor, generous, object: 2 * WORD + links, gc_head })
    }

    pub(super) fn list_base(&self) -> u64 {
        self.object + self.gc_head + 3 * WORD
    }

    /// How many slots `list(x)` has for so many items.
    pub(super) fn list_slots(&self, items: u64) -> u64 {
        match self.minor {
            _ if items == 0 => 0,
            ..=7 => items + (items >> 3) + if items < 9 { 3 } else { 6 },
            8 | 9 => items,
            _ => items + (items & 1),
        }
    }

    pub(super) fn set_base(&self) -> u64 {
        self.object + self.gc_head + 23 * WORD
    }

    /// What `set(x)` has beside its struct for so many items.
    pub(super) fn set_table(&self, items: u64) -> u64 {
        // Eight slots are in the struct itself.
        if items < 5 { 0 } else { (2 * items + 1).next_power_of_two().max(FEWEST_SLOTS) * SET_ENTRY }
    }

    pub(super) fn dict_base(&self) -> u64 {
        self.object + self.gc_head + 4 * WORD
    }

    /// The table that takes exactly so many bytes.
    pub(super) fn keys_table(&self, bytes: u64) -> Option<KeysTable> {
        let strides: &[u64] = if self.minor <= 10 { &[3 * WORD] } else { &[2 * WORD, 3 * WORD] };
        // A slot takes a byte at least.
        let sizes = (3..=MOST_LOG2).take_while(|log2_slots| 1 << log2_slots < bytes);
        let mut tables =
            sizes.flat_map(|log2_slots| strides.iter().map(move |&stride| KeysTable { log2_slots, stride }));
        tables.find(|table| self.table_size(*table) == bytes)
    }

    /// What the table of `dict(x)` takes, where `x` has this table and so many items.
    pub(super) fn copied_table(&self, table: KeysTable, items: u64) -> u64 {
        let estimate = items.saturating_mul(3).saturating_add(1) / 2;
        // There one bit of `calculate_log2_keysize` does not do what it should.
        let wanted = if self.generous {
            (((estimate | FEWEST_SLOTS) - 1) | (FEWEST_SLOTS - 1)).saturating_add(1)
        } else {
            estimate
        };
        let slots = wanted.next_power_of_two().max(FEWEST_SLOTS);
        self.table_size(KeysTable { log2_slots: slots.trailing_zeros(), ..table })
    }

    fn table_size(&self, table: KeysTable) -> u64 {
        let slots = 1u64 << table.log2_slots.min(MOST_LOG2);
        let head = if self.minor <= 10 { 5 * WORD } else { 4 * WORD };
        let index_bytes = match table.log2_slots {
            ..=7 => 1,
            8..=15 => 2,
            16..=31 => 4,
            _ => 8,
        };
        head + slots * index_bytes + slots * 2 / 3 * table.stride
    }

    /// Whether a dict whose table takes so many bytes may have values of its own and keys shared with others instead.
    pub(super) fn may_be_split(&self, table_bytes: u64) -> bool {
        /// `SHARED_KEYS_MAX_SIZE`, 3.11 and later; before, no size is that of both.
        const MOST_SHARED: u64 = 30;
        self.minor >= 11 && table_bytes <= MOST_SHARED * WORD
    }

    /// The size of an instance of a class derived from `object` alone, with a `__dict__` and weak references.
    pub(super) fn instance(&self) -> u64 {
        let beside = match self.minor {
            ..=10 => 2 * WORD,
            11 => 3 * WORD,
            _ => 2 * WORD,
        };
        self.object + self.gc_head + beside
    }

    /// How much smaller it is without a `__dict__`. From 3.12 on weak references keep what the dict was kept in.
    pub(super) fn dict_slot(&self) -> u64 {
        match self.minor {
            ..=10 => WORD,
            11 => 2 * WORD,
            _ => 0,
        }
    }

    /// An `array.array` of so many numbers of eight bytes.
    pub(super) fn array(&self, items: u64) -> u64 {
        let base = if self.minor <= 9 { self.object + 6 * WORD } else { self.object + self.gc_head + 6 * WORD };
        base.saturating_add(items.saturating_mul(WORD))
    }

    /// The largest size of an int that certainly fits into eight bytes: that of two digits of 30 bits.
    pub(super) fn largest_int(&self) -> u64 {
        self.object + 2 * WORD
    }

    /// The largest of one digit, …
    pub(super) fn short_int(&self) -> u64 {
        self.object + WORD + WORD / 2
    }

    /// … and how many of these the interpreter has for itself.
    pub(super) fn small_ints(&self) -> u64 {
        // -5 to 256; from 3.15 on to 1024.
        if self.minor <= 14 { 262 } else { 1030 }
    }
}

#[cfg(test)]
pub(super) fn rules(version: &str) -> Rules {
    let python = PythonFacts { version: version.to_owned(), ..PythonFacts::default() };
    Rules::of(&python, &mut Vec::new()).expect("a version with rules")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_as_large_as_python_makes_them() {
        // `sys.getsizeof` of what these were copied to, less that of an empty struct, in each version.
        let dict = |version: &str, bytes| {
            let rules = rules(version);
            let table = rules.keys_table(bytes).expect("the size of a table");
            [1, 4, 5, 6, 10, 11, 20, 21, 22, 42, 43].map(|items| rules.copied_table(table, items))
        };
        let smallest = [168, 168, 168, 296, 296, 576, 576, 576, 1112, 1112, 2208];
        for version in ["3.6.15", "3.7.16", "3.8.18", "3.9.18"] {
            assert_eq!(dict(version, 4632), smallest, "{version}");
        }
        assert_eq!(dict("3.10.13", 4632), [296, 296, 168, 296, 296, 576, 576, 1112, 1112, 1112, 2208]);
        assert_eq!(dict("3.11.7", 3264), [208, 208, 120, 208, 208, 400, 400, 768, 768, 768, 1520]);
        // Measured on 3.12.1, 3.13.0, 3.13.18, 3.14.10 and 3.15.2; where between them it changed is from the changelog.
        let generous = [288, 288, 160, 288, 288, 568, 568, 1104, 1104, 1104, 2200];
        for version in ["3.12.1", "3.13.0", "3.13.3", "3.13.0+", "3.14.0b1"] {
            assert_eq!(dict(version, 4624), generous, "{version}");
        }
        for version in ["3.13.4", "3.13.18", "3.14.0", "3.14.10", "3.15.2", "3.15.0a1"] {
            assert_eq!(dict(version, 3264), [120, 120, 120, 208, 208, 400, 400, 400, 768, 768, 1520], "{version}");
            assert_eq!(dict(version, 4624), [160, 160, 160, 288, 288, 568, 568, 568, 1104, 1104, 2200], "{version}");
        }
        assert_eq!(rules("3.13.0").keys_table(209), None);
        let list = |version| [0, 1, 2, 8, 9, 15].map(|items| rules(version).list_slots(items));
        assert_eq!(list("3.7.16"), [0, 4, 5, 12, 16, 22]);
        assert_eq!(list("3.8.18"), [0, 1, 2, 8, 9, 15]);
        for version in ["3.12.1", "3.13.18", "3.14.10", "3.15.2"] {
            assert_eq!(list(version), [0, 2, 2, 8, 10, 16], "{version}");
        }
        for version in ["3.11.7", "3.13.18", "3.14.10", "3.15.2"] {
            let set = [0, 4, 5, 7, 8, 16].map(|items| rules(version).set_table(items));
            assert_eq!(set, [0, 0, 256, 256, 512, 1024], "{version}");
        }
    }

    #[test]
    fn empty_things_are_as_large_as_python_makes_them() {
        for (version, list, set, dict, instance, array) in [
            ("3.6.15", 72, 232, 80, 64, 64),
            ("3.8.18", 56, 216, 64, 48, 64),
            ("3.10.13", 56, 216, 64, 48, 80),
            ("3.11.7", 56, 216, 64, 56, 80),
            ("3.13.0", 56, 216, 64, 48, 80),
            ("3.14.10", 56, 216, 64, 48, 80),
            ("3.15.2", 56, 216, 64, 48, 80),
        ] {
            let rules = rules(version);
            let found = (rules.list_base(), rules.set_base(), rules.dict_base(), rules.instance(), rules.array(0));
            assert_eq!(found, (list, set, dict, instance, array), "{version}");
        }
    }

    #[test]
    fn ints_are_as_large_and_as_many_as_python_has_them() {
        // `sys.getsizeof(2**60 - 1)`, `sys.getsizeof(2**30 - 1)`, and how many `int(str(number)) is int(str(number))`.
        for (version, small) in [("3.12.1", 262), ("3.13.18", 262), ("3.14.10", 262), ("3.15.2", 1030)] {
            let rules = rules(version);
            assert_eq!((rules.largest_int(), rules.short_int(), rules.small_ints()), (32, 28, small), "{version}");
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        let check = |version: &str, free_threaded, code: &str| {
            let mut notices = Vec::new();
            let python = PythonFacts { version: version.into(), free_threaded, ..PythonFacts::default() };
            let rules = Rules::of(&python, &mut notices);
            assert_eq!(notices.iter().map(|notice| &*notice.code).collect::<Vec<_>>(), [code]);
            rules.is_some()
        };
        assert!(!check("3.13.0", true, "sizes-unknown"));
        assert!(!check("2.7.18", false, "sizes-unknown"));
        assert!(!check("", false, "sizes-unknown"));
        assert!(check("3.16.0", false, "sizes-unproven"));
    }
}

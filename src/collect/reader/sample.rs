//! A small heap made by hand as a version of CPython would have laid it out: for tests that need no interpreter.
//!
//! It has an object of each kind that the walk tells apart, and one of each type that the layout knows. What is expected of
//! the reader is kept beside it: every object and the name of its type.

mod modules;
mod process;

use std::collections::BTreeMap;
use std::io;

use super::fields::Fields;
use super::image::WORD;
use super::types::flag;
use super::{Extent, Received, Source, Unreadable, read};
use crate::layout::Layout;
use crate::target::maps::{self, Mapping};
use crate::target::memory::Memory;
use crate::target::version::Version;

/// Where it is.
pub(super) const START: u64 = 0x7f12_3400_0000;
/// What mappings are made of.
const PAGE: u64 = 4096;
/// In front of an object: the collector's header, and what a class has put between.
const BEFORE: u64 = 64;
/// The `tp_traverse` of classes written in Python.
const PYTHON_TRAVERSE: u64 = 0x5000;
const UNICODE: u64 = 1 << 28;
const GC: u64 = flag::HAVE_GC;
/// `PyUnicode_1BYTE_KIND`, compact, ASCII.
const PLAIN_TEXT: u64 = 1 << 2 | 1 << 5 | 1 << 6;

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) version: Version,
    pub(super) layout: Layout,
    pub(super) runtime: u64,
    /// From [`START`] on.
    pub(super) bytes: Vec<u8>,
    pub(super) mappings: Vec<Mapping>,
    /// The type of each object there is.
    pub(super) made: BTreeMap<u64, String>,
}

impl Memory for Sample {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        let found = self.slice(address, buffer.len()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn slice(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(address.checked_sub(START)?).ok()?..)?.get(..length)
    }
}

impl Sample {
    /// One for each table.
    pub(super) fn all() -> Vec<Sample> {
        Layout::of_tables(START).into_iter().map(|(version, layout)| Sample::new(version, layout)).collect()
    }

    pub(super) fn new(version: Version, layout: Layout) -> Sample {
        let fields = Fields::new(&layout, version).expect("the tables are whole");
        let mut maker =
            Maker { fields, bytes: Vec::new(), types: BTreeMap::new(), made: BTreeMap::new(), tracked: Vec::new() };
        maker.process(&layout);
        maker.bytes.resize(maker.bytes.len().next_multiple_of(PAGE as usize), 0);
        let end = START + maker.bytes.len() as u64;
        let mappings = maps::parse(format!("{START:x}-{end:x} rw-p 0 00:00 0 \n").as_bytes());
        let runtime = if version.at_least(3, 7) { START } else { 0 };
        Sample { version, layout, runtime, bytes: maker.bytes, mappings, made: maker.made }
    }

    pub(super) fn fields(&self) -> Fields {
        Fields::new(&self.layout, self.version).expect("the tables are whole")
    }

    /// The object of this type that was made first.
    pub(super) fn object_of(&self, name: &str) -> u64 {
        *self.made.iter().find(|(_, kind)| *kind == name).expect("there is one").0
    }

    pub(super) fn read(&self, threads: usize, again: bool) -> Result<Received, Unreadable> {
        let Sample { layout, version, runtime, mappings, .. } = self;
        let source = |check| Source {
            memory: self,
            mappings,
            layout,
            version: *version,
            runtime: *runtime,
            until: None,
            check,
            contents: true,
        };
        // What does not fit any more is refused, but in an orderly way.
        match read(&source(Extent::Whole), threads, again) {
            Err(Unreadable::Unfit(_)) => read(&source(Extent::Nothing), threads, again),
            received => received,
        }
    }

    pub(super) fn set(&mut self, address: u64, word: u64) {
        let at = (address - START) as usize;
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
}

struct Maker {
    fields: Fields,
    bytes: Vec<u8>,
    types: BTreeMap<String, u64>,
    made: BTreeMap<u64, String>,
    /// In the order of the collector's list.
    tracked: Vec<u64>,
}

impl Maker {
    fn room(&mut self, size: u64) -> u64 {
        let at = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(at + size.next_multiple_of(WORD) as usize, 0);
        START + at as u64
    }

    fn put(&mut self, address: u64, word: u64) {
        self.put_bytes(address, &word.to_le_bytes());
    }

    fn put_half(&mut self, address: u64, half: u32) {
        self.put_bytes(address, &half.to_le_bytes());
    }

    fn put_bytes(&mut self, address: u64, bytes: &[u8]) {
        let at = (address - START) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Where a version has such a member.
    fn put_at(&mut self, address: u64, member: Option<u64>, word: u64) {
        if let Some(offset) = member {
            self.put(address + offset, word);
        }
    }

    fn word(&self, address: u64) -> u64 {
        let at = (address - START) as usize;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight"))
    }

    /// An object of `size` bytes; where the collector knows its type, in its list.
    fn object(&mut self, name: &str, size: u64) -> u64 {
        let kind = self.types[name];
        let object = self.room(BEFORE + size.max(self.fields.object_length + WORD)) + BEFORE;
        self.put(object + self.fields.object_refcnt, 1);
        self.put(object + self.fields.object_type, kind);
        self.made.insert(object, name.to_owned());
        if self.word(kind + self.fields.type_flags) & GC != 0 {
            self.tracked.push(object);
        }
        object
    }

    /// A type, whose own type is `builtins.type`.
    fn class(&mut self, name: &str, flags: u64, size: u64) -> u64 {
        let is_heap_type = flags & flag::HEAP_TYPE != 0;
        let f = self.fields.clone();
        let class = self.room(BEFORE + f.heaptype_size.max(f.type_size) + 4 * f.member_size) + BEFORE;
        let metatype = *self.types.get("builtins.type").unwrap_or(&class);
        let (size, each) = f.size_of_objects(name).unwrap_or((size, 0));
        self.types.insert(name.to_owned(), class);
        self.made.insert(class, "builtins.type".to_owned());
        let text = self.room(name.len() as u64 + 1);
        self.put_bytes(text, name.strip_prefix("builtins.").unwrap_or(name).as_bytes());
        for (offset, word) in [
            (f.object_refcnt, 1),
            (f.object_type, metatype),
            (f.type_name, text),
            (f.type_flags, flags | flag::READY),
            (f.type_basicsize, size),
            (f.type_itemsize, each),
            (f.type_base, if is_heap_type { self.types["builtins.object"] } else { 0 }),
        ] {
            self.put(class + offset, word);
        }
        if is_heap_type {
            self.tracked.push(class);
        }
        class
    }

    /// One written in Python.
    fn python_class(&mut self, name: &str, flags: u64, size: u64, entries: &[(&str, u64)]) -> u64 {
        let class = self.class(name, flags | flag::HEAP_TYPE | GC, size);
        let (module, qualname) = name.split_once('.').expect("qualified");
        let (module, qualname) = (self.text(module), self.text(qualname));
        let dict = self.dict(&[&[("__module__", module), ("name", qualname)], entries].concat());
        let order = self.tuple(&[class, self.types["builtins.object"]]);
        let f = self.fields.clone();
        self.put(class + f.type_traverse, PYTHON_TRAVERSE);
        self.put(class + f.heaptype_qualname, qualname);
        self.put(class + f.type_dict, dict);
        self.put(class + f.type_mro, order);
        class
    }

    fn text(&mut self, text: &str) -> u64 {
        let f = self.fields.clone();
        let object = self.object("builtins.str", f.str_ascii_size + text.len() as u64 + 1);
        self.put(object + f.str_length, text.len() as u64);
        self.put_half(object + f.str_state, PLAIN_TEXT as u32);
        self.put_bytes(object + f.str_ascii_size, text.as_bytes());
        object
    }

    fn blob(&mut self, bytes: &[u8]) -> u64 {
        let object = self.object("builtins.bytes", self.fields.bytes_items + bytes.len() as u64 + 1);
        self.put(object + self.fields.object_length, bytes.len() as u64);
        self.put_bytes(object + self.fields.bytes_items, bytes);
        object
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        let first = self.room(words.len() as u64 * WORD);
        for (&word, at) in words.iter().zip((first..).step_by(8)) {
            self.put(at, word);
        }
        first
    }

    fn tuple(&mut self, items: &[u64]) -> u64 {
        let f = self.fields.clone();
        let object = self.object("builtins.tuple", f.tuple_items + items.len() as u64 * WORD);
        self.put(object + f.object_length, items.len() as u64);
        for (&item, at) in items.iter().zip((object + f.tuple_items..).step_by(8)) {
            self.put(at, item);
        }
        object
    }

    fn list(&mut self, items: &[u64]) -> u64 {
        let f = self.fields.clone();
        let (object, first) = (self.object("builtins.list", f.list_allocated + WORD), self.words(items));
        self.put(object + f.object_length, items.len() as u64);
        self.put(object + f.list_items, first);
        self.put(object + f.list_allocated, items.len() as u64);
        object
    }

    fn set(&mut self, item: u64, table: Option<u64>) -> u64 {
        let f = self.fields.clone();
        let set = self.object("builtins.set", f.set_small_table.max(f.set_table) + 200);
        let table = table.unwrap_or(set + f.set_small_table);
        // One was taken out.
        for (offset, word) in [(0, item), (8, 77), (32, item), (40, u64::MAX)] {
            self.put(table + offset, word);
        }
        for (offset, word) in [(f.set_used, 1), (f.set_mask, 7), (f.set_table, table)] {
            self.put(set + offset, word);
        }
        set
    }

    /// A table of keys with room for eight or sixteen; `general`: for other keys than str.
    fn keys(&mut self, keys: &[u64], general: bool) -> (u64, Vec<u64>) {
        let f = self.fields.clone();
        let log2: u8 = if keys.len() > 5 { 4 } else { 3 };
        let (slots, usable) = (1 << log2, (2u64 << log2) / 3);
        let table = self.room(f.keys_indices + slots + usable * 24);
        let is_short = f.keys_log2_size.is_some() && !general;
        let (stride, key_at) = if is_short { (16, 0) } else { (24, 8) };
        self.put(table, 1);
        self.put_at(table, f.keys_table_size, slots);
        for (offset, byte) in
            [(f.keys_log2_size, log2), (f.keys_log2_index_bytes, log2), (f.keys_kind, u8::from(is_short))]
        {
            if let Some(offset) = offset {
                self.put_bytes(table + offset, &[byte]);
            }
        }
        self.put(table + f.keys_usable, usable - keys.len() as u64);
        self.put(table + f.keys_nentries, keys.len() as u64);
        let first = table + f.keys_indices + slots + key_at;
        let places: Vec<u64> = (first..).step_by(stride).take(keys.len()).collect();
        for (&place, &key) in places.iter().zip(keys) {
            self.put(place, key);
        }
        (table, places)
    }

    fn dict_of(&mut self, entries: &[(u64, u64)], general: bool) -> u64 {
        let keys: Vec<u64> = entries.iter().map(|entry| entry.0).collect();
        let (table, places) = self.keys(&keys, general);
        for (place, (_, value)) in places.into_iter().zip(entries) {
            self.put(place + WORD, *value);
        }
        let f = self.fields.clone();
        let dict = self.object("builtins.dict", f.dict_size);
        self.put(dict + f.dict_used, entries.len() as u64);
        self.put(dict + f.dict_keys, table);
        dict
    }

    fn dict(&mut self, entries: &[(&str, u64)]) -> u64 {
        let entries: Vec<(u64, u64)> = entries.iter().map(|&(key, value)| (self.text(key), value)).collect();
        self.dict_of(&entries, false)
    }

    fn module(&mut self, entries: &[(&str, u64)]) -> u64 {
        let dict = self.dict(entries);
        let module = self.object("builtins.module", 128);
        self.put_at(module, self.fields.module_dict, dict);
        module
    }
}

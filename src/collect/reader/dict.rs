//! dict in all its forms: combined tables, tables that share their keys, values kept in the instance.
//!
//! Sources: `Objects/dictobject.c`, `Objects/dict-common.h` (3.6 to 3.10), `Include/internal/pycore_dict.h` (3.11 and later).

use super::image::WORD;
use super::walk::{Sink, Step, Walk};

/// `dk_kind` of 3.11 and later: the entries have hashes.
const GENERAL: u8 = 0;
/// Larger tables are not believed: 2^40 entries would be 24 TiB.
const MOST_LOG2: u64 = 40;

/// The keys of a dict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// The address of the first entry, and the bytes of each.
    entries: u64,
    stride: u64,
    /// Where in an entry the key is; the value follows it.
    key: u64,
    /// Entries in use or used once.
    pub(super) count: u64,
    usable: u64,
    /// Slots of the index, and its bytes.
    slots: u64,
    index_bytes: u64,
    references: u64,
}

impl Keys {
    /// The address of the pointer to the key of an entry.
    pub(super) fn key_at(&self, entry: u64) -> u64 {
        self.entries + entry * self.stride + self.key
    }

    /// Whether there are as many entries, used and to be used, as the index has room for: so in a dict that has its own
    /// table and was never asked for any of its items.
    pub(super) fn is_whole(&self) -> bool {
        self.count.checked_add(self.usable) == Some(usable_fraction(self.slots))
    }
}

impl Walk<'_, '_> {
    /// The table at `address`, if it can be one.
    pub(super) fn keys(&self, address: u64) -> Option<Keys> {
        if address == 0 || !address.is_multiple_of(WORD) {
            return None;
        }
        let (view, fields) = (&self.view, self.fields);
        let count = view.word(address + fields.keys_nentries)?;
        let usable = view.word(address + fields.keys_usable)?;
        let (slots, index_bytes, stride, key) = match (fields.keys_log2_size, fields.keys_log2_index_bytes) {
            (Some(log2_size), Some(log2_bytes)) => {
                let slots = u64::from(view.byte(address + log2_size)?);
                let bytes = u64::from(view.byte(address + log2_bytes)?);
                let kind = view.byte(address + fields.keys_kind?)?;
                if slots > MOST_LOG2 || bytes > MOST_LOG2 + 3 {
                    return None;
                }
                let (stride, key) = if kind == GENERAL { (3 * WORD, WORD) } else { (2 * WORD, 0) };
                (1 << slots, 1 << bytes, stride, key)
            }
            _ => {
                let slots = view.word(address + fields.keys_table_size?)?;
                if slots > 1 << MOST_LOG2 {
                    return None;
                }
                let width = match slots {
                    0..=0xff => 1,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => 8,
                };
                (slots, slots * width, 3 * WORD, WORD)
            }
        };
        let entries = address + fields.keys_indices + index_bytes;
        let fits = count <= slots && (count == 0 || view.has(entries, count * stride));
        let references = view.word(address)?;
        fits.then_some(Keys { entries, stride, key, count, usable, slots, index_bytes, references })
    }

    /// Keys and values in turn.
    pub(super) fn visit_dict(&self, dict: u64, sink: &mut impl Sink) {
        let Some(keys) = self.keys(self.view.pointer(dict + self.fields.dict_keys)) else { return };
        if !self.view.claim(keys.count * keys.stride / WORD) {
            return;
        }
        let values = self.view.pointer(dict + self.fields.dict_values);
        let values = (values != 0).then(|| values.wrapping_add(self.fields.values_items.unwrap_or(0)));
        for entry in 0..keys.count {
            let at = keys.key_at(entry);
            let value = match values {
                Some(first) => self.view.pointer(first.wrapping_add(entry * WORD)),
                None => self.view.pointer(at + WORD),
            };
            if value != 0 {
                let key = self.view.pointer(at);
                sink.edge(key, Step::Named("key"));
                sink.edge(value, Step::Key(key));
            }
        }
    }

    /// The value under a str of this text; reads no further than the table goes.
    pub(super) fn lookup(&self, dict: u64, name: &str) -> Option<u64> {
        let mut found = None;
        self.visit_dict_by_name(dict, &mut |key, value| {
            if key == name {
                found = Some(value);
            }
            found.is_none()
        });
        found
    }

    /// Each value of a dict under its key, where that is a str, until `visit` says false.
    pub(super) fn visit_dict_by_name(&self, dict: u64, visit: &mut dyn FnMut(&str, u64) -> bool) {
        if dict == 0 {
            return;
        }
        let mut last = 0;
        let mut more = true;
        self.visit_dict(dict, &mut |target: u64, step: Step<'_>| match step {
            Step::Key(_) if more => {
                if let Some(name) = self.name(last) {
                    more = visit(&name, target);
                }
            }
            _ => last = target,
        });
    }

    /// What `dict.__sizeof__` adds to the struct.
    pub(super) fn dict_tables_size(&self, dict: u64) -> u64 {
        let Some(keys) = self.keys(self.view.pointer(dict + self.fields.dict_keys)) else { return 0 };
        let is_split = self.view.pointer(dict + self.fields.dict_values) != 0;
        let is_old = self.fields.keys_log2_size.is_none();
        let mut size = 0u64;
        if is_split {
            size = WORD.saturating_mul(match is_old {
                true => usable_fraction(keys.slots),
                false => keys.count.saturating_add(keys.usable),
            });
        }
        // To 3.11 both are asked; shared keys have more than one owner.
        if keys.references == 1 && (!is_split || self.fields.version.minor <= 11) {
            size = size.saturating_add(self.keys_size_of(&keys));
        }
        size
    }

    /// `_PyDict_KeysSize`: the table of keys at this address in bytes.
    pub(super) fn keys_size(&self, address: u64) -> u64 {
        self.keys(address).map_or(0, |keys| self.keys_size_of(&keys))
    }

    fn keys_size_of(&self, keys: &Keys) -> u64 {
        self.fields.keys_indices + keys.index_bytes + usable_fraction(keys.slots) * keys.stride
    }

    /// An OrderedDict: its items and its attributes. The nodes that keep the order refer to the same keys.
    pub(super) fn visit_ordered_dict(&self, dict: u64, sink: &mut impl Sink) {
        self.visit_dict(dict, sink);
        if let Some(attributes) = self.fields.ordered_dict_attributes {
            sink.edge(self.view.pointer(dict + attributes), Step::Named(".__dict__"));
        }
    }
}

/// `USABLE_FRACTION`: a table is at most two thirds full.
fn usable_fraction(slots: u64) -> u64 {
    (slots << 1) / 3
}

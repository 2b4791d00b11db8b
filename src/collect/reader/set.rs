//! set, frozenset and deque: containers with places of their own for their items.
//!
//! Sources: `Include/cpython/setobject.h`, `Objects/setobject.c`, `Modules/_collectionsmodule.c`.

use super::image::WORD;
use super::walk::{Sink, Step, Walk};

/// A set's entry: the item, then its hash.
const ENTRY: u64 = 2 * WORD;
/// Larger tables are not believed.
const MOST_SLOTS: u64 = 1 << 40;
/// The same of deques.
const MOST_IN_DEQUE: u64 = 1 << 31;

impl Walk<'_, '_> {
    /// Where a set's table is and how many slots it has, if that can be.
    fn set_table(&self, set: u64) -> Option<(u64, u64)> {
        let slots = self.view.word(set + self.fields.set_mask)?.checked_add(1)?;
        let table = self.view.word(set + self.fields.set_table)?;
        (slots <= MOST_SLOTS && self.view.has(table, slots * ENTRY)).then_some((table, slots))
    }

    /// The items, without the mark of those taken out: an object of the interpreter's that is in no other place.
    pub(super) fn visit_set(&self, set: u64, sink: &mut impl Sink) {
        let Some((table, slots)) = self.set_table(set) else { return };
        if !self.view.claim(slots * ENTRY / WORD) {
            return;
        }
        let mut left = self.view.pointer(set + self.fields.set_used);
        for slot in 0..slots {
            let item = self.view.pointer(table + slot * ENTRY);
            // -1 is the hash of no object, and that of the mark.
            let is_mark = self.view.word(table + slot * ENTRY + WORD) == Some(u64::MAX);
            if item != 0 && !is_mark && left > 0 {
                left -= 1;
                sink.edge(item, Step::Unnamed);
            }
        }
    }

    /// What `set.__sizeof__` adds to the struct: a table that is not inside it.
    pub(super) fn set_table_size(&self, set: u64) -> u64 {
        match self.set_table(set) {
            Some((table, _)) if table == set + self.fields.set_small_table => 0,
            Some((_, slots)) => slots * ENTRY,
            None => 0,
        }
    }

    /// A chain of blocks from the left, the first of which begins at an index.
    pub(super) fn visit_deque(&self, deque: u64, sink: &mut impl Sink) {
        let fields = self.fields;
        let offsets = (
            fields.deque_left_block,
            fields.deque_left_index,
            fields.deque_block_items,
            fields.deque_block_items_size,
            fields.deque_block_right,
        );
        let (Some(left_block), Some(left_index), Some(items), Some(items_size), Some(right)) = offsets else { return };
        let count = self.view.pointer(deque + fields.object_length).min(MOST_IN_DEQUE);
        if !self.view.claim(count) {
            return;
        }
        let mut block = self.view.pointer(deque + left_block);
        let mut index = self.view.pointer(deque + left_index);
        for at in 0..count {
            if index >= items_size / WORD {
                block = self.view.pointer(block.wrapping_add(right));
                index = 0;
            }
            let Some(item) = self.view.word(block.wrapping_add(items + index * WORD)) else { return };
            sink.edge(item, Step::Index(at));
            index += 1;
        }
    }

    /// What `deque.__sizeof__` adds to the struct: its blocks.
    pub(super) fn deque_blocks_size(&self, deque: u64) -> u64 {
        let fields = self.fields;
        let offsets = (fields.deque_left_index, fields.deque_block_items_size, fields.deque_block_size);
        let (Some(left_index), Some(items_size), Some(block_size)) = offsets else { return 0 };
        let count = self.view.pointer(deque + fields.object_length);
        let first = self.view.pointer(deque + left_index);
        let places = (items_size / WORD).max(1);
        first.saturating_add(count).div_ceil(places).saturating_mul(block_size)
    }
}

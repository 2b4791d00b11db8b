//! What the `__sizeof__` of types of the standard library adds to the size that their type tells.
//!
//! Sources: `Modules/arraymodule.c`, `_io/bufferedio.c`, `_io/bytesio.c`, `itertoolsmodule.c`, `_decimal/_decimal.c`,
//! `_elementtree.c`, `_pickle.c`, `_queuemodule.c`, `_struct.c`; `Parser/node.c` (to 3.9).

use super::image::WORD;
use super::library::Library;
use super::walk::Walk;

/// `MPD_STATIC_DATA | MPD_SHARED_DATA | MPD_CONST_DATA` (Modules/_decimal/libmpdec/mpdecimal.h): its digits are not its own.
const DIGITS_OF_OTHERS: u8 = 0xe0;
/// Longer texts and formats are not believed.
const LONGEST: u64 = 1 << 20;
/// Larger syntax trees are not believed.
const MOST_NODES: u64 = 1 << 24;

impl Walk<'_, '_> {
    /// `None` where there is nothing to add.
    pub(super) fn size_beyond(&self, object: u64, library: Library) -> Option<u64> {
        let (view, fields) = (&self.view, self.fields);
        let word = |offset: u64| view.pointer(object + offset);
        let words = |count: u64| count.saturating_mul(WORD);
        Some(match library {
            Library::Array => {
                let description = word(fields.array_description?);
                let item_size = view.half(description + fields.array_description_item_size?)?;
                word(fields.array_allocated?).saturating_mul(item_size.into())
            }
            Library::Buffered if word(fields.buffered_buffer?) == 0 => 0,
            Library::Buffered => word(fields.buffered_buffer_size?),
            Library::BytesIo => {
                let buffer = word(fields.bytes_io_buffer?);
                // Shared with whoever made it, or with who asked for its value.
                let is_shared = view.half(buffer + fields.object_refcnt) != Some(1);
                if is_shared { 0 } else { self.bytes_size(buffer) }
            }
            Library::Combinations => words(word(fields.combinations_length?)),
            Library::CombinationsWithReplacement => words(word(fields.combinations_with_replacement_length?)),
            Library::Permutations => {
                let pool = view.pointer(word(fields.permutations_pool?) + fields.object_length);
                words(pool.saturating_add(word(fields.permutations_length?)))
            }
            Library::Product => words(view.pointer(word(fields.product_pools?) + fields.object_length)),
            Library::CtypesDict => self.ctypes_dict_size(object)?,
            Library::Decimal => {
                let is_own = view.byte(object + fields.decimal_flags?)? & DIGITS_OF_OTHERS == 0;
                if is_own { words(word(fields.decimal_allocated?)) } else { 0 }
            }
            Library::Element => self.element_size(word(fields.element_extra?))?,
            Library::NumpyArray => self.numpy_array_size(object)?,
            Library::NumpyScalar(size) => size,
            Library::Pickler => {
                let memo = word(fields.pickler_memo?);
                let entries = view.pointer(memo + fields.memo_table_allocated?).saturating_mul(fields.memo_entry_size?);
                let memo_size = if memo == 0 { 0 } else { fields.memo_table_size?.saturating_add(entries) };
                memo_size.saturating_add(self.bytes_size(word(fields.pickler_output_buffer?)))
            }
            // From 3.15 on its `__sizeof__` tells of the ring.
            Library::SimpleQueue if fields.version.at_least(3, 15) => words(word(fields.simple_queue_capacity?)),
            Library::Struct => {
                let (codes, size) = (word(fields.struct_codes?), fields.format_code_size?);
                // One more ends the list.
                let count = (0..LONGEST).find(|at| !view.claim(1) || view.pointer(codes + at * size) == 0)? + 1;
                count * size
            }
            Library::SyntaxTree => self.syntax_tree_size(word(fields.syntax_tree_root?))?,
            Library::Unpickler => {
                let table = |start: Option<u64>, count: Option<u64>| {
                    Some(if word(start?) == 0 { 0 } else { words(word(count?)) })
                };
                let texts = [fields.unpickler_input_line, fields.unpickler_encoding, fields.unpickler_errors];
                table(fields.unpickler_memo, fields.unpickler_memo_size)?
                    .saturating_add(table(fields.unpickler_marks, fields.unpickler_marks_size)?)
                    .saturating_add(texts.into_iter().flatten().map(|text| self.text_size(word(text))).sum())
            }
            Library::ElementIterator
            | Library::HamtArray
            | Library::HamtBitmap
            | Library::HamtCollision
            | Library::LruCache
            | Library::PickleStack
            | Library::SimpleQueue
            | Library::TeeData => 0,
        })
    }

    /// Of a bytes object; 0 where there is none.
    pub(super) fn bytes_size(&self, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        let length = self.view.pointer(bytes + self.fields.object_length);
        self.bytes_header().saturating_add(length)
    }

    /// Of an empty bytes object: the zero that ends it counts.
    pub(super) fn bytes_header(&self) -> u64 {
        self.fields.bytes_items + 1
    }

    /// Of a text in C with the zero that ends it; 0 where there is none.
    pub(super) fn text_size(&self, text: u64) -> u64 {
        if text == 0 {
            return 0;
        }
        let length = (0..LONGEST).find(|at| self.view.byte(text + at).is_none_or(|byte| byte == 0));
        self.view.claim(length.unwrap_or(LONGEST) / WORD + 1);
        length.map_or(0, |length| length + 1)
    }

    fn element_size(&self, extra: u64) -> Option<u64> {
        let fields = self.fields;
        let children = self.view.pointer(extra + fields.element_extra_children?);
        let allocated = self.view.pointer(extra + fields.element_extra_allocated?);
        Some(match children {
            _ if extra == 0 => 0,
            _ if children == extra + fields.element_extra_inside? => fields.element_extra_size?,
            _ => fields.element_extra_size?.saturating_add(allocated.saturating_mul(WORD)),
        })
    }

    /// `_PyNode_SizeOf`.
    fn syntax_tree_size(&self, root: u64) -> Option<u64> {
        let (view, fields) = (&self.view, self.fields);
        let (size, text) = (fields.syntax_node_size?, fields.syntax_node_text?);
        let mut total = size;
        let (mut pending, mut seen) = (vec![root], 0);
        while let Some(node) = pending.pop() {
            total += self.text_size(view.pointer(node + text));
            let children = view.pointer(node + fields.syntax_node_children?);
            if children == 0 {
                continue;
            }
            let count = u64::from(view.half(node + fields.syntax_node_count?)?);
            seen += count;
            if seen > MOST_NODES || !view.has(children, count * size) || !view.claim(count) {
                return None;
            }
            // As Parser/node.c rounds up: how many were allocated.
            let allocated = match count {
                0 | 1 => count,
                2..=128 => count.next_multiple_of(4),
                _ => count.next_power_of_two(),
            };
            total += allocated * size;
            pending.extend((0..count).map(|at| children + at * size));
        }
        Some(total)
    }
}

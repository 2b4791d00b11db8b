//! Where an object keeps what it owns outside of itself: the address of the block that its type allocated for it.
//!
//! For the accounts of the resident size, which have to tell such memory from that of libraries in C. Only the one large block
//! of each container is told, not every text that an object of the library may have.

use super::image::WORD;
use super::library::Library;
use super::numpy;
use super::types::Kind;
use super::walk::Walk;

impl Walk<'_, '_> {
    /// 0 where there is none. It may be inside of the object, or nobody's: this is a pointer, not yet believed.
    pub(super) fn block_of(&self, object: u64, kind: Kind) -> u64 {
        let fields = self.fields;
        let word = |offset: u64| self.view.pointer(object.wrapping_add(offset));
        match kind {
            Kind::List => word(fields.list_items),
            Kind::Dict | Kind::OrderedDict => word(fields.dict_keys),
            Kind::Set => word(fields.set_table),
            // From 3.15 on a bytes object; else `ob_bytes`, which follows `ob_alloc` (Include/cpython/bytearrayobject.h).
            Kind::ByteArray => word(fields.bytearray_object.unwrap_or(fields.bytearray_allocated + WORD)),
            Kind::Deque => fields.deque_left_block.map_or(0, word),
            // `ob_item` is before `allocated` (Modules/arraymodule.c).
            Kind::Library(Library::Array) => fields.array_allocated.map_or(0, |at| word(at.wrapping_sub(WORD))),
            Kind::Library(Library::Buffered) => fields.buffered_buffer.map_or(0, word),
            Kind::Library(Library::NumpyArray) => word(fields.object_size + numpy::DATA),
            _ => 0,
        }
    }
}

//! `numpy.ndarray`: what owns its data, and the objects in one of dtype `object`; the sizes of scalars.
//!
//! The struct is part of numpy's binary interface (`PyArrayObject_fields` in `numpy/ndarraytypes.h`), so its offsets, which
//! count from the end of the object's header, are constants. numpy has no `tp_traverse`: to the collector all this is hidden.

use super::image::WORD;
use super::walk::{Sink, Step, Walk};

/// After the header; `int` where four bytes are read.
pub(super) const DATA: u64 = 0;
const DIMENSION_COUNT: u64 = 8;
const DIMENSIONS: u64 = 16;
const BASE: u64 = 32;
const DESCRIPTION: u64 = 40;
const FLAGS: u64 = 48;
/// The least that `tp_basicsize` can be, without the header.
pub(super) const LEAST_SIZE: u64 = 64;
/// `PyArray_Descr`: its type number, and its item size before numpy 2 and from there on, where there are 64 bits of flags.
const TYPE_NUMBER: u64 = 12;
const ITEM_SIZE_BEFORE_2: u64 = 16;
const FLAGS_FROM_2: u64 = 16;
const ITEM_SIZE_FROM_2: u64 = 24;
/// `NPY_ARRAY_OWNDATA`
const OWNS_DATA: u32 = 4;
/// `NPY_OBJECT`
const OBJECT: u32 = 17;
/// `NPY_MAXDIMS`, from 2.0 on
const MOST_DIMENSIONS: u64 = 64;

/// The bytes of the value in a scalar of the type with this name: they are in its struct, and `__sizeof__` adds them.
pub(super) fn scalar_size(name: &str) -> Option<u64> {
    let name = name.strip_prefix("numpy.")?;
    match name {
        "bool" | "bool_" | "byte" | "ubyte" => return Some(1),
        "intc" | "uintc" => return Some(4),
        "longlong" | "ulonglong" => return Some(8),
        "longdouble" => return Some(16),
        "clongdouble" => return Some(32),
        _ => {}
    }
    let kinds = ["int", "uint", "float", "complex", "datetime", "timedelta"];
    let bits = kinds.iter().find_map(|kind| name.strip_prefix(kind)?.parse::<u64>().ok());
    bits.filter(|bits| *bits <= 256).map(|bits| bits / 8)
}

/// An array's data.
struct Data {
    owned: bool,
    dimensions: u64,
    /// How many items.
    count: u64,
    item_size: u64,
    type_number: u32,
}

impl Walk<'_, '_> {
    fn numpy_data(&self, array: u64) -> Option<Data> {
        let view = &self.view;
        let fields = array + self.fields.object_size;
        let dimensions = u64::from(view.half(fields + DIMENSION_COUNT)?);
        let sizes = view.pointer(fields + DIMENSIONS);
        if dimensions > MOST_DIMENSIONS || dimensions > 0 && !view.has(sizes, dimensions * WORD) {
            return None;
        }
        let count = (0..dimensions).try_fold(1u64, |count, at| count.checked_mul(view.word(sizes + at * WORD)?))?;
        let description = view.pointer(fields + DESCRIPTION) + self.fields.object_size;
        // Before numpy 2 the upper half is the alignment, which is never zero; of the flags it has none.
        let is_2 = view.half(description + FLAGS_FROM_2 + 4)? == 0;
        let item_size = match is_2 {
            true => view.word(description + ITEM_SIZE_FROM_2)?,
            false => view.half(description + ITEM_SIZE_BEFORE_2)?.into(),
        };
        let owned = view.half(fields + FLAGS)? & OWNS_DATA != 0;
        let type_number = view.half(description + TYPE_NUMBER)?;
        Some(Data { owned, dimensions, count, item_size, type_number })
    }

    /// What the data is borrowed from, or the objects that are the data.
    pub(super) fn visit_numpy_array(&self, array: u64, sink: &mut impl Sink) -> Option<()> {
        let fields = array + self.fields.object_size;
        sink.edge(self.view.pointer(fields + BASE), Step::Named(".base"));
        sink.edge(self.view.pointer(fields + DESCRIPTION), Step::Named(".dtype"));
        let data = self.numpy_data(array)?;
        if !data.owned || data.type_number != OBJECT || data.item_size != WORD {
            return None;
        }
        let step = |at| if data.dimensions == 1 { Step::Index(at) } else { Step::Unnamed };
        self.each_word(self.view.pointer(fields + DATA), data.count, |at, word| sink.edge(word, step(at)));
        Some(())
    }

    /// `array_sizeof` (numpy/_core/src/multiarray/methods.c) without `tp_basicsize`.
    pub(super) fn numpy_array_size(&self, array: u64) -> Option<u64> {
        let data = self.numpy_data(array)?;
        let owned = if data.owned { data.count.checked_mul(data.item_size)? } else { 0 };
        owned.checked_add(2 * data.dimensions * WORD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_known_by_their_names() {
        for (name, size) in [
            ("numpy.bool", Some(1)),
            ("numpy.int8", Some(1)),
            ("numpy.uint32", Some(4)),
            ("numpy.float64", Some(8)),
            ("numpy.datetime64", Some(8)),
            ("numpy.clongdouble", Some(32)),
            ("numpy.str_", None),
            ("numpy.int99999", None),
            ("numpy.int", None),
            ("other.int8", None),
        ] {
            assert_eq!(scalar_size(name), size, "{name}");
        }
    }
}

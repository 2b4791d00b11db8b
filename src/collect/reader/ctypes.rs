//! What ctypes keeps of a type: in a dict with more behind it to 3.12, behind the type object from 3.13 on.
//!
//! Sources: `Modules/_ctypes/stgdict.c` and `ctypes.h`; `CType_Type` in `_ctypes.c`.

use super::image::WORD;
use super::walk::{Sink, Step, Walk};

/// `ALIGNOF_MAX_ALIGN_T`: what a metatype adds is aligned to it.
const ALIGNMENT: u64 = 16;

/// Where parts of a `StgInfo` or `StgDictObject` are in it.
struct Info {
    length: Option<u64>,
    elements: Option<u64>,
    format: Option<u64>,
    dimensions: Option<u64>,
}

impl Walk<'_, '_> {
    /// `PyObject_GetTypeData`: behind what every type has.
    fn ctypes_info(&self, class: u64) -> Option<u64> {
        let info = class + self.fields.heaptype_size.next_multiple_of(ALIGNMENT);
        let is_initialized = self.view.half(info + self.fields.ctypes_info_initialized?)? != 0;
        is_initialized.then_some(info)
    }

    /// What a type refers to beside what all types do.
    pub(super) fn visit_ctypes_info(&self, class: u64, sink: &mut impl Sink) {
        let fields = self.fields;
        let proto = self.ctypes_dict(class).zip(fields.ctypes_dict_proto);
        if let Some((dict, proto)) = proto {
            sink.edge(self.view.pointer(dict + proto), Step::Unnamed);
        }
        let Some(info) = self.ctypes_info(class) else { return };
        let members = [
            fields.ctypes_info_proto,
            fields.ctypes_info_argtypes,
            fields.ctypes_info_converters,
            fields.ctypes_info_restype,
            fields.ctypes_info_checker,
            fields.ctypes_info_pointer_type,
            fields.ctypes_info_module,
        ];
        for member in members.into_iter().flatten() {
            sink.edge(self.view.pointer(info + member), Step::Unnamed);
        }
    }

    /// `PyType_stgdict`: of a type that ctypes is done with, the dict is one of its own kind.
    fn ctypes_dict(&self, class: u64) -> Option<u64> {
        let dict = self.dict_of_type(class);
        let kind = self.view.pointer(dict + self.fields.object_type);
        let size = self.view.pointer(kind + self.fields.type_basicsize);
        (size == self.fields.ctypes_dict_size?).then_some(dict)
    }

    /// `_ctypes.CType_Type.__sizeof__`.
    pub(super) fn ctypes_info_size(&self, class: u64) -> Option<u64> {
        let fields = self.fields;
        let parts = Info {
            length: fields.ctypes_info_length,
            elements: fields.ctypes_info_elements,
            format: fields.ctypes_info_format,
            dimensions: fields.ctypes_info_dimensions,
        };
        self.parts_size(self.ctypes_info(class)?, &parts)
    }

    /// `PyCStgDict_sizeof`: what it adds to the dict is in the size of the type already, and is added once more.
    pub(super) fn ctypes_dict_size(&self, dict: u64) -> Option<u64> {
        let fields = self.fields;
        let parts = Info {
            length: fields.ctypes_dict_length,
            elements: fields.ctypes_dict_elements,
            format: fields.ctypes_dict_format,
            dimensions: fields.ctypes_dict_dimensions,
        };
        let tables = self.dict_tables_size(dict);
        // 3.6 has it from dict.
        if !fields.version.at_least(3, 7) {
            return Some(tables);
        }
        let added = fields.ctypes_dict_size?.checked_sub(fields.dict_size)?;
        Some(tables.saturating_add(added).saturating_add(self.parts_size(dict, &parts)?))
    }

    fn parts_size(&self, info: u64, parts: &Info) -> Option<u64> {
        let word = |offset: Option<u64>| Some(self.view.pointer(info + offset?));
        let dimensions = u64::from(self.view.half(info + parts.dimensions?)?);
        let elements = if word(parts.elements)? == 0 { 0 } else { word(parts.length)?.saturating_add(1) };
        let words = dimensions.saturating_add(elements).saturating_mul(WORD);
        Some(words.saturating_add(self.text_size(word(parts.format)?)))
    }
}

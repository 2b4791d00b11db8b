//! The size of an object as `sys.getsizeof` says it, to the byte.
//!
//! That is `type(object).__sizeof__(object)` of the nearest type in C, plus the headers in front of the object. Sources:
//! `Python/sysmodule.c` (`_PySys_GetSizeOf`), and the `__sizeof__` of each type in `Objects`; of those in `Modules` in
//! [`super::size_library`].

use super::image::WORD;
use super::types::{Kind, Type, flag};
use super::walk::Walk;

/// Of the structs behind weak references, attribute values and their dict.
const PREHEADER: u64 = 2 * WORD;

impl Walk<'_, '_> {
    pub(super) fn size(&self, object: u64, kind: &Type) -> u64 {
        self.size_without_head(object, kind).saturating_add(self.head(object, kind))
    }

    /// What is in front of the object and counted with it.
    fn head(&self, object: u64, kind: &Type) -> u64 {
        let mut head = 0;
        // 3.11 and 3.12 count it for static types too.
        let counts_all = self.fields.version.minor == 11 || self.fields.version.minor == 12;
        if self.is_collected(object, kind) || kind.is_collected() && counts_all {
            head += self.fields.gc_head;
        }
        if self.fields.version.at_least(3, 11) && (kind.has(flag::MANAGED_DICT) || kind.has(flag::MANAGED_WEAKREF)) {
            head += PREHEADER;
        }
        head
    }

    /// Whether the collector's header is in front of this very object: a type that is static has none.
    pub(super) fn is_collected(&self, object: u64, kind: &Type) -> bool {
        let is_static_type =
            kind.kind.is_of_types() && self.view.pointer(object + self.fields.type_flags) & flag::HEAP_TYPE == 0;
        kind.is_collected() && !is_static_type
    }

    fn size_without_head(&self, object: u64, kind: &Type) -> u64 {
        let fields = self.fields;
        let word = |offset: u64| self.view.pointer(object.wrapping_add(offset));
        let plain = || kind.basicsize.saturating_add(self.length_of(object, kind).saturating_mul(kind.itemsize));
        match kind.kind {
            Kind::List => plain().saturating_add(word(fields.list_allocated).saturating_mul(WORD)),
            Kind::Dict => plain().saturating_add(self.dict_tables_size(object)),
            Kind::OrderedDict => {
                plain().saturating_add(self.dict_tables_size(object)).saturating_add(self.order_size(object))
            }
            Kind::Set => plain().saturating_add(self.set_table_size(object)),
            Kind::Deque => kind.basicsize.saturating_add(self.deque_blocks_size(object)),
            Kind::Str => self.str_size(object),
            Kind::Int | Kind::Bool => {
                let digits = self.digits(object).map_or(0, |(digits, _)| digits);
                // From 3.11.2 on a zero has a digit too; from 3.12 on the size of a subclass counts.
                let version = fields.version;
                let least = u64::from((version.major, version.minor, version.micro) >= (3, 11, 2));
                let start = if fields.int_tag.is_some() { kind.basicsize } else { fields.int_digits };
                start.saturating_add(digits.max(least).saturating_mul(4))
            }
            Kind::ByteArray => plain().saturating_add(self.bytearray_size(object)),
            Kind::Type => self.type_size(object),
            Kind::CtypesType if fields.ctypes_info_initialized.is_none() => self.type_size(object),
            Kind::CtypesType => plain().saturating_add(self.ctypes_info_size(object).unwrap_or(0)),
            Kind::Code => self.code_size(object, kind),
            Kind::Frame => self.frame_size(object, plain()),
            Kind::Generator => self.generator_size(object).unwrap_or_else(plain),
            Kind::Library(library) => plain().saturating_add(self.size_beyond(object, library).unwrap_or(0)),
            _ => plain(),
        }
    }

    /// `unicode_sizeof` (Objects/unicodeobject.c).
    fn str_size(&self, string: u64) -> u64 {
        let fields = self.fields;
        let Some(storage) = self.storage(string) else { return fields.str_size };
        let characters = storage.length.saturating_add(1).saturating_mul(storage.width);
        let data = self.view.pointer(string + fields.str_data);
        let mut size = match (storage.compact, storage.ascii) {
            (true, true) => fields.str_ascii_size.saturating_add(storage.length).saturating_add(1),
            (true, false) => fields.str_compact_size.saturating_add(characters),
            (false, _) if data != 0 => fields.str_size.saturating_add(characters),
            (false, _) => fields.str_size,
        };
        let is_short = storage.compact && storage.ascii;
        let text = if storage.compact { string + fields.str_compact_size } else { data };
        // To 3.11: another copy, of wide characters.
        if let Some(wide) = fields.str_wstr {
            let wide = self.view.pointer(string + wide);
            let told = fields.str_wstr_length.filter(|_| !is_short);
            let length = told.map_or(storage.length, |offset| self.view.pointer(string + offset));
            if wide != 0 && wide != text {
                size = size.saturating_add(length.saturating_add(1).saturating_mul(4));
            }
        }
        let utf8 = if is_short { 0 } else { self.view.pointer(string + fields.str_utf8) };
        if utf8 != 0 && utf8 != text {
            size = size.saturating_add(self.view.pointer(string + fields.str_utf8_length).saturating_add(1));
        }
        size
    }

    /// `type___sizeof___impl` (Objects/typeobject.c).
    fn type_size(&self, class: u64) -> u64 {
        let fields = self.fields;
        if self.view.pointer(class + fields.type_flags) & flag::HEAP_TYPE == 0 {
            return fields.type_size;
        }
        fields.heaptype_size + self.keys_size(self.view.pointer(class + fields.heaptype_cached_keys))
    }

    /// `code_sizeof` (Objects/codeobject.c).
    fn code_size(&self, code: u64, kind: &Type) -> u64 {
        let items = self.length_of(code, kind).saturating_mul(kind.itemsize);
        let size = kind.basicsize.saturating_add(items).saturating_add(WORD - 1) & !(WORD - 1);
        let fields = self.fields;
        let member = |offset: Option<u64>| offset.map_or(0, |offset| self.view.pointer(code + offset));
        let length = |object: u64| self.view.pointer(object.wrapping_add(fields.object_length));
        let mut words = 0u64;
        // To 3.10: which arguments are cells.
        if member(fields.code_cell2arg) != 0 {
            words = words.saturating_add(length(member(fields.code_cellvars)));
        }
        // What tools attach.
        let extra = member(fields.code_extra);
        if let Some(count) = fields.code_extra_count.filter(|_| extra != 0) {
            let header = u64::from(fields.version.at_least(3, 7));
            words = words.saturating_add(self.view.pointer(extra + count)).saturating_add(header);
        }
        size.saturating_add(words.saturating_mul(WORD)).saturating_add(self.opcache_size(code).unwrap_or(0))
    }

    /// 3.8 to 3.10: the caches of code that has run often, and which instruction has which.
    fn opcache_size(&self, code: u64) -> Option<u64> {
        let fields = self.fields;
        if self.view.pointer(code + fields.code_opcache?) == 0 {
            return None;
        }
        let count = u64::from(self.view.byte(code + fields.code_opcache_size?)?);
        let bytes = self.view.pointer(self.view.pointer(code + fields.code_code?) + fields.object_length);
        (bytes / 2).checked_add(count * fields.opcache_size?)
    }

    /// What `OrderedDict.__sizeof__` adds to a dict's: the index of its nodes and the nodes.
    fn order_size(&self, dict: u64) -> u64 {
        let (Some(nodes), Some(node)) = (self.fields.ordered_dict_nodes, self.fields.ordered_dict_node_size) else {
            return 0;
        };
        let index = self.view.pointer(dict + nodes).saturating_mul(WORD);
        index.saturating_add(self.view.pointer(dict + self.fields.dict_used).saturating_mul(node))
    }

    /// `frame_sizeof` (Objects/frameobject.c).
    fn frame_size(&self, frame: u64, plain: u64) -> u64 {
        let fields = self.fields;
        match (fields.frame_own_iframe, fields.frame_iframe, fields.iframe_localsplus) {
            (Some(own), Some(iframe), Some(localsplus)) => {
                let places = self.places_of(self.view.pointer(frame + iframe)).unwrap_or(0);
                own.saturating_add(localsplus).saturating_add(places * WORD)
            }
            _ => self.old_frame_size(frame).unwrap_or(plain),
        }
    }

    /// To 3.10.
    fn old_frame_size(&self, frame: u64) -> Option<u64> {
        let (view, fields) = (&self.view, self.fields);
        let code = view.pointer(frame + fields.frame_code?);
        let half = |offset: u64| view.half(code + offset).map(u64::from);
        let length = |offset: u64| view.pointer(view.pointer(code + offset) + fields.object_length);
        let cells = length(fields.code_cellvars?).saturating_add(length(fields.code_freevars?));
        let places = cells.saturating_add(half(fields.code_nlocals)?).saturating_add(half(fields.code_stacksize)?);
        places.saturating_mul(WORD).checked_add(fields.frame_localsplus?)
    }

    /// `gen_sizeof` (Objects/genobject.c), 3.11 and later: before, a generator's frame is an object.
    fn generator_size(&self, generator: u64) -> Option<u64> {
        let start = self.fields.generator_iframe?;
        let places = self.places_of(generator + start)?;
        start.checked_add(self.fields.iframe_localsplus?)?.checked_add(places * WORD)
    }

    /// `_PyFrame_NumSlotsForCodeObject`: how many variables and values on the stack a frame of 3.11 and later has room for.
    fn places_of(&self, frame: u64) -> Option<u64> {
        let (view, fields) = (&self.view, self.fields);
        let code = view.pointer(frame + fields.iframe_code?) & !3;
        let named = u64::from(view.half(code + fields.code_nlocalsplus?)?);
        Some(named + u64::from(view.half(code + fields.code_stacksize)?))
    }

    /// What `bytearray.__sizeof__` adds to the struct; from 3.15 on its content is a bytes object.
    fn bytearray_size(&self, array: u64) -> u64 {
        let allocated = self.view.pointer(array + self.fields.bytearray_allocated);
        let header = if self.fields.bytearray_object.is_some() && allocated > 0 { self.bytes_header() } else { 0 };
        allocated.saturating_add(header)
    }
}

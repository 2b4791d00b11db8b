//! The size of an object as `sys.getsizeof` says it, to the byte.
//!
//! That is `type(object).__sizeof__(object)` of the nearest type in C, plus the headers in front of the object. Sources:
//! `Python/sysmodule.c` (`_PySys_GetSizeOf`), and the `__sizeof__` of each type in `Objects` and `Modules`.

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
        if self.is_collected(object, kind) || kind.is_collected() && self.fields.version.at_least(3, 11) {
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
            kind.kind == Kind::Type && self.view.pointer(object + self.fields.type_flags) & flag::HEAP_TYPE == 0;
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
                // 3.12 and later: a zero has a digit too, and the size of a subclass counts.
                match fields.int_tag {
                    Some(_) => kind.basicsize.saturating_add(digits.max(1).saturating_mul(4)),
                    None => fields.int_digits.saturating_add(digits.saturating_mul(4)),
                }
            }
            Kind::ByteArray => plain().saturating_add(word(fields.bytearray_allocated)),
            Kind::Type => self.type_size(object),
            Kind::Code => self.code_size(object, kind),
            Kind::Frame => self.frame_size(object, plain()),
            Kind::Generator => self.generator_size(object, plain()),
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
            (true, true) => return fields.str_ascii_size.saturating_add(storage.length).saturating_add(1),
            (true, false) => fields.str_compact_size.saturating_add(characters),
            (false, _) if data != 0 => fields.str_size.saturating_add(characters),
            (false, _) => fields.str_size,
        };
        let text = if storage.compact { string + fields.str_compact_size } else { data };
        // To 3.11: another copy, of wide characters.
        if let Some(wide) = fields.str_wstr {
            let wide = self.view.pointer(string + wide);
            let length = fields.str_wstr_length.map_or(storage.length, |offset| self.view.pointer(string + offset));
            if wide != 0 && wide != text {
                size = size.saturating_add(length.saturating_add(1).saturating_mul(4));
            }
        }
        let utf8 = self.view.pointer(string + fields.str_utf8);
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

    /// `code_sizeof` (Objects/codeobject.c), without what tools attached to it.
    fn code_size(&self, code: u64, kind: &Type) -> u64 {
        if self.fields.version.at_least(3, 11) {
            let items = self.length_of(code, kind).saturating_mul(kind.itemsize);
            return kind.basicsize.saturating_add(items).saturating_add(WORD - 1) & !(WORD - 1);
        }
        kind.basicsize
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
        let half = |at: u64| u64::from(self.view.half(at).unwrap_or(0));
        match (fields.frame_own_iframe, fields.frame_iframe, fields.iframe_localsplus) {
            (Some(own), Some(iframe), Some(localsplus)) => {
                let inner = self.view.pointer(frame + iframe);
                let code = self.view.pointer(inner.wrapping_add(fields.iframe_code.unwrap_or(0))) & !3;
                let places = half(code.wrapping_add(fields.code_nlocalsplus.unwrap_or(0)))
                    + half(code.wrapping_add(fields.code_stacksize));
                own + localsplus + places * WORD
            }
            _ => plain,
        }
    }

    fn generator_size(&self, generator: u64, plain: u64) -> u64 {
        let _ = generator;
        plain
    }
}

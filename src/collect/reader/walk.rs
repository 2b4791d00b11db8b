//! What an object refers to: one way for each kind, the same for marking and for listing.
//!
//! Emulates what `tp_traverse` of each type visits, plus what the collector does not need and an engineer does: the keys of
//! dicts, the parts of code objects. Nothing is written, no list followed beyond what its container can hold.

use rustc_hash::FxHashMap;

use super::fields::Fields;
use super::image::{Image, WORD};
use super::types::{Attributes, Kind, Structs, Type, flag};
use super::view::View;

/// Items of one container beyond this many are not believed.
const MOST_ITEMS: u64 = 1 << 31;

/// How a step from an object to its referent is written in Python.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'s> {
    Unnamed,
    /// All of it: `.__dict__`.
    Named(&'s str),
    /// `.x`, where the str object has the name.
    Attribute(u64),
    /// `['k']`, where the object is the key.
    Key(u64),
    /// `[3]`
    Index(u64),
    /// A local variable: what the frame is called, and the str object with its name.
    Local(&'static str, u64),
    /// Nobody said that this is a reference: it only looks like one.
    Guess,
}

/// Takes the references of an object, in order. Null and what is no object are for it to leave out.
pub(super) trait Sink {
    fn edge(&mut self, target: u64, step: Step<'_>);
}

impl<F: FnMut(u64, Step<'_>)> Sink for F {
    fn edge(&mut self, target: u64, step: Step<'_>) {
        self(target, step);
    }
}

/// What is known before anything is walked.
#[derive(Clone, Copy)]
pub(super) struct Guide<'i> {
    pub(super) fields: &'i Fields,
    pub(super) structs: &'i Structs,
    pub(super) static_dicts: &'i FxHashMap<u64, u64>,
}

impl<'i> Guide<'i> {
    /// A way through `image` on which each word may be looked at so many times.
    pub(super) fn walk<'a>(self, image: &'i Image<'a>, times: u64) -> Walk<'i, 'a> {
        let Guide { fields, structs, static_dicts } = self;
        Walk { view: View::new(image, times), fields, structs, static_dicts }
    }
}

/// A way through the target's objects for one thread.
pub(super) struct Walk<'i, 'a> {
    pub(super) view: View<'i, 'a>,
    pub(super) fields: &'i Fields,
    pub(super) structs: &'i Structs,
    pub(super) static_dicts: &'i FxHashMap<u64, u64>,
}

impl<'i, 'a> Walk<'i, 'a> {
    /// A way for another thread, on which each word may be looked at so many times.
    pub(super) fn another(&self, times: u64) -> Walk<'i, 'a> {
        Walk { view: self.view.another(times), ..*self }
    }
}

impl Walk<'_, '_> {
    /// Tells `sink` what the object at `object` of the type `kind` refers to.
    pub(super) fn visit(&self, object: u64, kind: &Type, sink: &mut impl Sink) {
        if !self.view.claim(kind.members.len() as u64 + 1) {
            return;
        }
        // A datetime without a time zone ends before the place for it.
        let is_short = |given| self.view.byte(object.wrapping_add(given)) == Some(0);
        let absent = if let Kind::PlainIf(given) = kind.kind
            && is_short(given)
        {
            kind.solid_size
        } else {
            0
        };
        let items = if kind.members_after_items { self.length_of(object, kind).wrapping_mul(kind.itemsize) } else { 0 };
        let start = object.wrapping_add(items.wrapping_add(WORD - 1) & !(WORD - 1));
        for (offset, step) in kind.members.iter().filter(|(offset, _)| *offset >= absent) {
            // The lowest bit of a reference is never part of the address: xml.etree marks texts in parts with it.
            sink.edge(self.view.pointer(start.wrapping_add(*offset)) & !1, Step::Named(step));
        }
        self.visit_attributes(object, kind, sink);
        if kind.visits_type {
            sink.edge(kind.address, Step::Named(".__class__"));
        }
        match kind.kind {
            // The content of a bytearray is a bytes object from 3.15 on, but nobody else's: it is counted in its size.
            Kind::Leaf
            | Kind::None
            | Kind::Bool
            | Kind::Int
            | Kind::Str
            | Kind::Bytes
            | Kind::ByteArray
            | Kind::Plain
            | Kind::PlainIf(_)
            | Kind::Unknown => {}
            Kind::Dict => self.visit_dict(object, sink),
            Kind::List => self.visit_items(self.list_items(object), kind, sink),
            Kind::Tuple => {
                let all = kind.items.and_then(|count| self.items(object + self.fields.tuple_items, count));
                self.visit_items(all.or_else(|| self.tuple_items(object)), kind, sink);
            }
            Kind::Set => self.visit_set(object, sink),
            Kind::Type => self.visit_type(object, sink),
            Kind::CtypesType => {
                self.visit_type(object, sink);
                self.visit_ctypes_info(object, sink);
            }
            Kind::Code => self.visit_code(object, sink),
            Kind::Frame => self.visit_frame(object, sink),
            Kind::Generator => self.visit_generator(object, kind, sink),
            Kind::Module => self.visit_module(object, sink),
            Kind::Deque => self.visit_deque(object, sink),
            Kind::OrderedDict => self.visit_ordered_dict(object, sink),
            Kind::Library(library) => {
                self.visit_library(object, library, sink);
            }
        }
        if kind.kind == Kind::Unknown || kind.known_size < kind.solid_size {
            self.visit_unknown(object, kind, sink);
        }
    }

    /// Words from `first` on.
    fn visit_items(&self, items: Option<(u64, u64)>, kind: &Type, sink: &mut impl Sink) {
        let Some((first, count)) = items else { return };
        // Where lists and tuples are what they are, the position says it all.
        let step = |at| if kind.is_builtin { Step::Unnamed } else { Step::Index(at) };
        self.each_word(first, count, |at, word| sink.edge(word, step(at)));
    }

    /// Each of `count` words from `first` on, if that many can be there.
    pub(super) fn each_word(&self, first: u64, count: u64, mut each: impl FnMut(u64, u64)) {
        let Some((first, count)) = self.items(first, count).filter(|_| self.view.claim(count)) else { return };
        for at in 0..count {
            each(at, self.view.pointer(first + at * WORD));
        }
    }

    /// Where the items are and how many, if that many can be there.
    pub(super) fn items(&self, first: u64, count: u64) -> Option<(u64, u64)> {
        (count > 0 && count <= MOST_ITEMS && self.view.has(first, count * WORD)).then_some((first, count))
    }

    pub(super) fn list_items(&self, list: u64) -> Option<(u64, u64)> {
        let first = self.view.word(list + self.fields.list_items)?;
        self.items(first, self.view.word(list + self.fields.object_length)?)
    }

    pub(super) fn tuple_items(&self, tuple: u64) -> Option<(u64, u64)> {
        self.items(tuple + self.fields.tuple_items, self.view.word(tuple + self.fields.object_length)?)
    }

    /// The instance's `__dict__`, or the values that stand for it.
    fn visit_attributes(&self, object: u64, kind: &Type, sink: &mut impl Sink) {
        match kind.attributes {
            Attributes::None => {}
            Attributes::At(offset) => {
                let at = self.attributes_at(object, kind, offset);
                sink.edge(self.view.pointer(at), Step::Named(".__dict__"));
            }
            Attributes::Managed => self.visit_managed(object, kind, sink),
        }
    }

    /// `_PyObject_GetDictPtr` (Objects/object.c): a negative offset counts from the end of an object with items.
    fn attributes_at(&self, object: u64, kind: &Type, offset: i64) -> u64 {
        if offset >= 0 {
            return object.wrapping_add(offset as u64);
        }
        let size = kind.basicsize.wrapping_add(self.length_of(object, kind).wrapping_mul(kind.itemsize));
        object.wrapping_add(size.wrapping_add(WORD - 1) & !(WORD - 1)).wrapping_add_signed(offset)
    }

    /// How many items a variable-sized object has.
    pub(super) fn length_of(&self, object: u64, kind: &Type) -> u64 {
        if kind.itemsize == 0 {
            return 0;
        }
        if kind.kind == Kind::Int {
            return self.digits(object).map_or(0, |(digits, _)| digits);
        }
        self.view.word(object + self.fields.object_length).map_or(0, |length| (length as i64).unsigned_abs())
    }

    /// 3.11 has two words in front of the object, for values and for a dict; 3.12 one for either; 3.13 the values inside.
    fn visit_managed(&self, object: u64, kind: &Type, sink: &mut impl Sink) {
        let dict_at = object.wrapping_sub(3 * WORD);
        let mut dict = self.view.pointer(dict_at);
        let values = match self.fields.version.minor {
            ..=11 => self.view.pointer(object.wrapping_sub(4 * WORD)),
            12 if dict & 1 == 1 => std::mem::take(&mut dict).wrapping_add(1),
            12 => 0,
            _ if kind.inline_values => {
                let values = object.wrapping_add(kind.basicsize);
                let valid = self.fields.values_valid.and_then(|offset| self.view.byte(values.wrapping_add(offset)));
                if valid == Some(1) { values } else { 0 }
            }
            _ => 0,
        };
        if values != 0 {
            let first = values.wrapping_add(self.fields.values_items.unwrap_or(0));
            self.visit_values(kind.address, first, sink);
        }
        sink.edge(dict, Step::Named(".__dict__"));
    }

    /// Attribute values without a dict: their names are the keys that instances of the class share.
    fn visit_values(&self, class: u64, first: u64, sink: &mut impl Sink) {
        let keys = self.view.pointer(class + self.fields.heaptype_cached_keys);
        let Some(keys) = self.keys(keys).filter(|keys| self.view.claim(keys.count)) else { return };
        for at in 0..keys.count {
            let value = self.view.pointer(first.wrapping_add(at * WORD));
            if value != 0 {
                sink.edge(value, Step::Attribute(self.view.pointer(keys.key_at(at))));
            }
        }
    }

    pub(super) fn visit_type(&self, class: u64, sink: &mut impl Sink) {
        let fields = self.fields;
        let member = |offset| self.view.pointer(class + offset);
        sink.edge(self.dict_of_type(class), Step::Named(".__dict__"));
        sink.edge(member(fields.type_cache), Step::Unnamed);
        sink.edge(member(fields.type_mro), Step::Named(".__mro__"));
        sink.edge(member(fields.type_bases), Step::Named(".__bases__"));
        sink.edge(member(fields.type_base), Step::Named(".__base__"));
        if let Some(module) = fields.heaptype_module.filter(|_| member(fields.type_flags) & flag::HEAP_TYPE != 0) {
            sink.edge(member(module), Step::Named(".__module__"));
        }
    }

    /// A static type of the core keeps its dict in the interpreter from 3.12 on.
    pub(super) fn dict_of_type(&self, class: u64) -> u64 {
        match self.view.pointer(class + self.fields.type_dict) {
            0 => self.static_dicts.get(&class).copied().unwrap_or(0),
            dict => dict,
        }
    }

    fn visit_code(&self, code: u64, sink: &mut impl Sink) {
        let fields = self.fields;
        let parts = [
            (Some(fields.code_consts), ".co_consts"),
            (Some(fields.code_names), ".co_names"),
            (fields.code_varnames, ".co_varnames"),
            (fields.code_freevars, ".co_freevars"),
            (fields.code_cellvars, ".co_cellvars"),
            (Some(fields.code_filename), ".co_filename"),
            (Some(fields.code_name), ".co_name"),
            (fields.code_qualname, ".co_qualname"),
            (fields.code_lnotab, ".co_lnotab"),
            (fields.code_linetable, ".co_linetable"),
            (fields.code_exceptiontable, ".co_exceptiontable"),
            (fields.code_code, ".co_code"),
        ];
        for (offset, step) in parts {
            if let Some(offset) = offset {
                sink.edge(self.view.pointer(code + offset), Step::Named(step));
            }
        }
    }

    /// The dict, and the module's own state in C, whose layout only the module knows.
    fn visit_module(&self, module: u64, sink: &mut impl Sink) {
        let fields = self.fields;
        let member = |offset: Option<u64>| offset.map_or(0, |offset| self.view.pointer(module + offset));
        sink.edge(member(fields.module_dict), Step::Named(".__dict__"));
        let definition = member(fields.module_definition);
        let of_definition = |offset: Option<u64>| offset.map_or(0, |o| self.view.pointer(definition.wrapping_add(o)));
        let (size, traverse) = match fields.module_state_size {
            Some(_) => (member(fields.module_state_size), member(fields.module_state_traverse)),
            None => (of_definition(fields.module_def_size), of_definition(fields.module_def_traverse)),
        };
        let state = member(fields.module_state);
        if state != 0 && traverse != 0 {
            self.guess(state, size, sink);
        }
    }
}

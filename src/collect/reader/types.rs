//! What has to be known of a type to read its objects: learned from the type object when its first object is met.
//!
//! Names alone decide nothing dangerous: whatever a type claims to be, each read of its objects is bounded. A type written in
//! Python is told by its `tp_traverse`, which is the same function for all of them.

use rustc_hash::FxHashMap;

use super::fields::Fields;
use super::image::WORD;
use super::library::Library;
use super::numpy;
use super::walk::Walk;
use crate::layout::{Layout, Plain};

/// `Py_TPFLAGS_*` of `Include/object.h` and `Include/cpython/object.h`.
pub(super) mod flag {
    pub(in super::super) const INLINE_VALUES: u64 = 1 << 2;
    pub(in super::super) const MANAGED_WEAKREF: u64 = 1 << 3;
    pub(in super::super) const MANAGED_DICT: u64 = 1 << 4;
    pub(in super::super) const HEAP_TYPE: u64 = 1 << 9;
    pub(in super::super) const READY: u64 = 1 << 12;
    pub(in super::super) const HAVE_GC: u64 = 1 << 14;
    pub(in super::super) const DICT_SUBCLASS: u64 = 1 << 29;
    pub(in super::super) const TYPE_SUBCLASS: u64 = 1 << 31;
}
/// Chains of bases and of metatypes are no longer.
const LONGEST_CHAIN: usize = 200;
/// More `__slots__` than this are not a class.
const MOST_SLOTS: u64 = 10_000;
/// More types than this are not learned: their objects are left out.
const MOST_TYPES: usize = 1 << 20;
/// `Py_T_OBJECT` and `Py_T_OBJECT_EX` (Include/descrobject.h): a member that refers to an object.
const T_OBJECT: u32 = 6;
const T_OBJECT_EX: u32 = 16;
/// `_Py_AFTER_ITEMS` (Include/descrobject.h, 3.15 and later): the member is behind the items, its offset without them.
const AFTER_ITEMS: u32 = 16;
const LONGEST_NAME: usize = 200;
/// What a type is called whose name cannot be read.
pub(super) const NAMELESS: &str = "?";
/// `tp_weaklistoffset` comes so much before `tp_base` (Include/cpython/object.h; Include/object.h to 3.7).
const WORDS_FROM_WEAKLIST_TO_BASE: u64 = 6;
/// Objects of a type that are larger have no fields worth looking at beyond.
const MOST_BASICSIZE: u64 = 1 << 16;

/// How the objects of a type are read: decided by the nearest base that is written in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Refers to nothing.
    Leaf,
    None,
    Bool,
    Int,
    Str,
    Bytes,
    ByteArray,
    Dict,
    List,
    Tuple,
    Set,
    Type,
    Code,
    Frame,
    Generator,
    Module,
    Deque,
    OrderedDict,
    /// Likewise, with what ctypes keeps of it.
    CtypesType,
    /// A struct with members: their offsets are in [`Type::members`].
    Plain,
    /// The same, but the base's members are only there while the byte at this offset is not zero.
    PlainIf(u64),
    /// More than a struct with members, and not of the interpreter's core.
    Library(Library),
    /// A C type that nobody described: a word of it that is the address of an object is taken for a reference.
    Unknown,
}

impl Kind {
    /// Whether the objects are types.
    pub(super) fn is_of_types(self) -> bool {
        matches!(self, Kind::Type | Kind::CtypesType)
    }
}

/// Where the objects of a type keep their `__dict__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    None,
    /// Bytes from the object on, or from its end if negative.
    At(i64),
    /// In front of the object: 3.11 and later.
    Managed,
}

/// A type.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) address: u64,
    /// Module-qualified, as the target wrote it.
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    /// Not a subclass but the very type of [`Type::kind`].
    pub(super) is_builtin: bool,
    pub(super) flags: u64,
    pub(super) basicsize: u64,
    pub(super) itemsize: u64,
    pub(super) attributes: Attributes,
    /// References at fixed offsets, with the step to them: `__slots__`, and the members of a plain struct.
    pub(super) members: Box<[(u64, Box<str>)]>,
    /// 3.15 and later: they are behind the items, and the offsets do not count those. Of subclasses of tuple.
    pub(super) members_after_items: bool,
    /// 3.13 and later: the attributes are in the object itself.
    pub(super) inline_values: bool,
    /// Objects of a heap type own a reference to it: to 3.8 only those of classes written in Python visit it.
    pub(super) visits_type: bool,
    /// How many items an object really has, where its length counts only those that indexing shows: `os.stat_result`.
    pub(super) items: Option<u64>,
    /// It, or a class that it is derived from, has `__del__`.
    pub(super) has_finalizer: bool,
    /// The `tp_basicsize` of the base in C that decides the kind.
    pub(super) solid_size: u64,
    /// So many bytes of that are what the kind says; nobody described the rest.
    pub(super) known_size: u64,
    /// Where in an object the list of its weak references begins, which it does not own; 0 if it has none.
    pub(super) weaklist: u64,
}

/// What a type written in C says of the structs of its objects.
struct Shape {
    kind: Kind,
    members: Vec<(u64, Box<str>)>,
    /// See [`Type::known_size`].
    known: u64,
}

impl Type {
    pub(super) fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// Its objects are known to the collector, so a header is in front of them.
    pub(super) fn is_collected(&self) -> bool {
        self.has(flag::HAVE_GC)
    }
}

/// The types met so far. What is no type is remembered too.
#[derive(Clone, Default)]
pub(super) struct Types {
    list: Vec<Type>,
    rows: FxHashMap<u64, Option<u32>>,
    /// `subtype_traverse` (Objects/typeobject.c): the `tp_traverse` of whatever is written in Python.
    python_traverse: u64,
}

impl Types {
    /// Learns from a class that is certainly written in Python how to tell the others.
    pub(super) fn learn_python_class(&mut self, class: u64, walk: &Walk) {
        self.python_traverse = walk.view.pointer(class + walk.fields.type_traverse);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Type> {
        self.list.iter()
    }

    pub(super) fn at(&self, row: u32) -> &Type {
        &self.list[row as usize]
    }

    /// The type at this address, if it was met.
    pub(super) fn known(&self, address: u64) -> Option<&Type> {
        self.row_of(address).map(|row| self.at(row))
    }

    pub(super) fn row_of(&self, address: u64) -> Option<u32> {
        self.rows.get(&address).copied().flatten()
    }

    /// The row of the type at `address`, which is learned if it was not met; `None` for what is no type.
    pub(super) fn row(&mut self, address: u64, walk: &Walk) -> Option<u32> {
        if let Some(&known) = self.rows.get(&address) {
            return known;
        }
        let row = match self.list.len() < MOST_TYPES && walk.is_type(address) {
            true => self.describe(address, walk).map(|described| {
                self.list.push(described);
                (self.list.len() - 1) as u32
            }),
            false => None,
        };
        if self.rows.len() < 2 * MOST_TYPES {
            self.rows.insert(address, row);
        }
        row
    }

    fn describe(&self, address: u64, walk: &Walk) -> Option<Type> {
        let (view, fields) = (&walk.view, walk.fields);
        let flags = view.word(address + fields.type_flags)?;
        let name = walk.name_of_type(address);
        let basicsize = view.word(address + fields.type_basicsize)?;
        let itemsize = view.word(address + fields.type_itemsize)?;
        let mut members = Vec::new();
        let mut members_after_items = false;
        // Down to the base that is written in C.
        let mut base = address;
        for _ in 0..LONGEST_CHAIN {
            if !self.is_python(base, walk) || !view.claim(1) {
                break;
            }
            members_after_items |= walk.slots(base, &mut members);
            base = view.pointer(base + fields.type_base);
        }
        let nothing = Shape { kind: Kind::Leaf, members: Vec::new(), known: MOST_BASICSIZE };
        let Shape { kind, members: more, known } = if walk.is_type(base) { walk.shape_of(base) } else { nothing };
        members.extend(more);
        let own = view.word(address + fields.type_dictoffset)? as i64;
        let below = view.word(base + fields.type_dictoffset).unwrap_or(0) as i64;
        let attributes = match own {
            _ if flags & flag::MANAGED_DICT != 0 => Attributes::Managed,
            0 => Attributes::None,
            // The base's own traverse visits it, and its members have it.
            _ if own == below && base != address && own < known as i64 => Attributes::None,
            _ if base == address && !matches!(kind, Kind::Unknown | Kind::Leaf) && own < known as i64 => {
                Attributes::None
            }
            _ => Attributes::At(own),
        };
        let is_heap_type = flags & flag::HEAP_TYPE != 0;
        Some(Type {
            address,
            name: name.into(),
            kind,
            is_builtin: base == address,
            flags,
            basicsize,
            itemsize,
            attributes,
            members: members.into(),
            members_after_items,
            inline_values: flags & flag::INLINE_VALUES != 0 && fields.values_capacity.is_some(),
            visits_type: is_heap_type
                && flags & flag::HAVE_GC != 0
                && (base != address || fields.version.at_least(3, 9)),
            items: if kind == Kind::Tuple { walk.items_of_sequence(base) } else { None },
            has_finalizer: self.has_finalizer(address, walk),
            solid_size: view.pointer(base + fields.type_basicsize).min(MOST_BASICSIZE),
            known_size: known,
            weaklist: view.pointer((address + fields.type_base).wrapping_sub(WORDS_FROM_WEAKLIST_TO_BASE * WORD)),
        })
    }

    /// Whether a class in its order of resolution has `__del__`, of those that are written in Python.
    fn has_finalizer(&self, address: u64, walk: &Walk) -> bool {
        let (view, fields) = (&walk.view, walk.fields);
        // `tp_finalize` (Include/cpython/object.h): after `tp_cache` come four words more.
        if view.pointer(address + fields.type_cache + 5 * WORD) == 0 || !self.is_python(address, walk) {
            return false;
        }
        let order = walk.tuple_items(view.pointer(address + fields.type_mro));
        let (first, count) = order.unwrap_or((0, 0));
        let classes = (0..count.min(LONGEST_CHAIN as u64)).map(|at| view.pointer(first + at * WORD));
        let python = |&class: &u64| view.claim(1) && walk.is_type(class) && self.is_python(class, walk);
        classes.filter(python).any(|class| walk.lookup(view.pointer(class + fields.type_dict), "__del__").is_some())
    }

    /// Whether a type is written in Python: it has the traverse of those, or is a heap type without any.
    fn is_python(&self, address: u64, walk: &Walk) -> bool {
        let flags = walk.view.pointer(address + walk.fields.type_flags);
        if flags & flag::HEAP_TYPE == 0 {
            return false;
        }
        let traverse = walk.view.pointer(address + walk.fields.type_traverse);
        if self.python_traverse != 0 && traverse == self.python_traverse {
            return true;
        }
        // One without references needs no traverse; a type made in C of which we know the struct is not such a one.
        flags & flag::HAVE_GC == 0 && matches!(walk.shape_of(address).kind, Kind::Unknown | Kind::Leaf)
    }
}

/// What `config/layouts` tells of plain structs, by the name of the type.
#[derive(Debug, Default)]
pub(super) struct Structs {
    known: FxHashMap<&'static str, Plain>,
}

impl Structs {
    pub(super) fn new(layout: &Layout) -> Structs {
        Structs { known: layout.objects().collect() }
    }
}

impl Walk<'_, '_> {
    /// `type`, which is its own type, by way of any object.
    pub(super) fn type_of_types(&self, object: u64) -> u64 {
        let mut at = object;
        for _ in 0..LONGEST_CHAIN {
            let kind = self.view.pointer(at.wrapping_add(self.fields.object_type));
            if kind == at {
                break;
            }
            at = kind;
        }
        at
    }

    /// Whether there is a type object at `address` beyond doubt: it was made ready, has a name and an order of resolution.
    pub(super) fn is_ready_type(&self, address: u64) -> bool {
        if !self.is_type(address) {
            return false;
        }
        let member = |offset: u64| self.view.pointer(address + offset);
        let is_named = self.view.byte(member(self.fields.type_name)).is_some_and(|first| first > b' ');
        let is_ready = member(self.fields.type_flags) & flag::READY != 0;
        is_ready && is_named && self.view.word(member(self.fields.type_mro)).is_some()
    }

    /// Whether there is a type object at `address`: its own type, and that one's, are such that their objects are types.
    pub(super) fn is_type(&self, address: u64) -> bool {
        let fields: &Fields = self.fields;
        let mut at = address;
        for _ in 0..3 {
            if at == 0 || !at.is_multiple_of(8) || !self.view.has(at, fields.type_size) {
                return false;
            }
            at = self.view.pointer(at + fields.object_type);
            if self.view.word(at.wrapping_add(fields.type_flags)).is_none_or(|flags| flags & flag::TYPE_SUBCLASS == 0) {
                return false;
            }
        }
        true
    }

    /// Module-qualified, as `type.__module__` and `type.__qualname__` say it: of a heap type from its dict, of another one
    /// from its `tp_name`.
    pub(super) fn name_of_type(&self, address: u64) -> String {
        let flags = self.view.pointer(address + self.fields.type_flags);
        let plain = self.view.c_string(self.view.pointer(address + self.fields.type_name), LONGEST_NAME);
        let plain = plain.filter(|name| !name.is_empty());
        if flags & flag::HEAP_TYPE == 0 {
            let whole = |name: String| if name.contains('.') { name } else { format!("builtins.{name}") };
            return plain.map_or_else(|| NAMELESS.to_owned(), whole);
        }
        let plain = plain.unwrap_or_else(|| NAMELESS.to_owned());
        let last = plain.rsplit('.').next().unwrap_or(&plain).to_owned();
        let qualname = self.name(self.view.pointer(address + self.fields.heaptype_qualname)).unwrap_or(last);
        let dict = self.view.pointer(address + self.fields.type_dict);
        let module = self.lookup(dict, "__module__").and_then(|module| self.name(module));
        format!("{}.{qualname}", module.as_deref().unwrap_or("?"))
    }

    /// The shape of the objects of a type written in C.
    fn shape_of(&self, address: u64) -> Shape {
        self.shape_within(address, LONGEST_CHAIN)
    }

    /// The same, with at most so many bases: a chain of them may close.
    fn shape_within(&self, address: u64, bases: usize) -> Shape {
        let plain = |kind, members, known| Shape { kind, members, known };
        let Some(bases) = bases.checked_sub(1).filter(|_| self.view.claim(1)) else {
            return plain(Kind::Leaf, Vec::new(), MOST_BASICSIZE);
        };
        let name = self.name_of_type(address);
        let basicsize = self.view.pointer(address + self.fields.type_basicsize);
        let flags = self.view.pointer(address + self.fields.type_flags);
        let kind = match name.as_str() {
            "builtins.object"
            | "builtins.float"
            | "builtins.complex"
            | "builtins.ellipsis"
            | "builtins.NotImplementedType" => Kind::Leaf,
            "builtins.NoneType" => Kind::None,
            "builtins.bool" => Kind::Bool,
            "builtins.int" => Kind::Int,
            "builtins.str" => Kind::Str,
            "builtins.bytes" => Kind::Bytes,
            "builtins.bytearray" => Kind::ByteArray,
            "builtins.dict" | "builtins.frozendict" => Kind::Dict,
            "builtins.list" => Kind::List,
            "builtins.tuple" => Kind::Tuple,
            "builtins.set" | "builtins.frozenset" => Kind::Set,
            "builtins.type" => Kind::Type,
            "_ctypes.CType_Type"
            | "_ctypes.PyCArrayType"
            | "_ctypes.PyCFuncPtrType"
            | "_ctypes.PyCPointerType"
            | "_ctypes.PyCSimpleType"
            | "_ctypes.PyCStructType"
            | "_ctypes.UnionType" => Kind::CtypesType,
            "builtins.code" => Kind::Code,
            "builtins.frame" => Kind::Frame,
            "builtins.generator" | "builtins.coroutine" | "builtins.async_generator" => Kind::Generator,
            "builtins.module" => Kind::Module,
            "collections.deque" => Kind::Deque,
            "collections.OrderedDict" => Kind::OrderedDict,
            _ => Kind::Unknown,
        };
        if kind != Kind::Unknown && self.misfit(address).is_none() {
            return plain(kind, Vec::new(), basicsize);
        }
        if let Some(known) = self.structs.known.get(name.as_str()).filter(|known| known.size == basicsize) {
            let named = known.visits.iter().map(|&(offset, step)| (offset, step.into())).collect();
            if let Some(given) = known.given {
                return plain(Kind::PlainIf(given), named, basicsize);
            }
            if let Some(library) = Library::of(&name) {
                return plain(Kind::Library(library), named, basicsize);
            }
            // What it has beside its own members is its base's: a defaultdict is a dict.
            let base = self.view.pointer(address + self.fields.type_base);
            let inherited =
                if self.is_type(base) && base != address { self.shape_within(base, bases).kind } else { Kind::Plain };
            let is_container = matches!(inherited, Kind::Dict | Kind::List | Kind::Tuple | Kind::Set);
            return plain(if is_container { inherited } else { Kind::Plain }, named, basicsize);
        }
        // numpy is no part of CPython, so its structs are not in the tables.
        let is_large = basicsize >= self.fields.object_size + numpy::LEAST_SIZE;
        match Library::of(&name) {
            Some(array @ Library::NumpyArray) if is_large => return plain(Kind::Library(array), Vec::new(), basicsize),
            Some(scalar @ Library::NumpyScalar(_)) => return plain(Kind::Library(scalar), Vec::new(), basicsize),
            _ => {}
        }
        // The struct of a type in C begins with its base's (`best_base` in Objects/typeobject.c): what that one says holds, and
        // what comes behind is not known. Of metatypes it is nothing that matters.
        let base = self.view.pointer(address + self.fields.type_base);
        let is_collected = flags & flag::HAVE_GC != 0;
        if base != address && self.is_type(base) {
            let inherited = self.shape_within(base, bases);
            let adds_nothing = self.view.pointer(base + self.fields.type_basicsize) == basicsize;
            if inherited.kind.is_of_types() || !is_collected && !matches!(inherited.kind, Kind::Leaf | Kind::Unknown) {
                return Shape { known: basicsize, ..inherited };
            }
            if inherited.kind != Kind::Leaf && (adds_nothing || is_collected) {
                return inherited;
            }
        }
        let kind = if is_collected { Kind::Unknown } else { Kind::Leaf };
        plain(kind, Vec::new(), if is_collected { self.fields.object_size } else { basicsize })
    }

    /// Of a type made by `PyStructSequence_NewType`: its fields, with those that have a name only.
    fn items_of_sequence(&self, class: u64) -> Option<u64> {
        let count = self.lookup(self.dict_of_type(class), "n_fields")?;
        self.int(count)?.try_into().ok()
    }

    /// The `__slots__` that one class adds: `PyHeapType_GET_MEMBERS`, behind the type object. Says whether their places are
    /// behind the items.
    fn slots(&self, class: u64, members: &mut Vec<(u64, Box<str>)>) -> bool {
        let (view, fields) = (&self.view, self.fields);
        let count = view.pointer(class + fields.object_length);
        let metatype = view.pointer(class + fields.object_type);
        let table = class.wrapping_add(view.pointer(metatype.wrapping_add(fields.type_basicsize)));
        let length = count.saturating_mul(fields.member_size);
        if count == 0 || count > MOST_SLOTS || !view.has(table, length) || !view.claim(length / WORD + count) {
            return false;
        }
        let mut after_items = false;
        for at in 0..count {
            let member = table + at * fields.member_size;
            let kind = view.half(member + fields.member_type).unwrap_or(0);
            if kind != T_OBJECT && kind != T_OBJECT_EX {
                continue;
            }
            after_items |= view.half(member + fields.member_flags).unwrap_or(0) & AFTER_ITEMS != 0;
            let name = view.c_string(view.pointer(member + fields.member_name), LONGEST_NAME).unwrap_or_default();
            members.push((view.pointer(member + fields.member_offset), format!(".{name}").into()));
        }
        after_items
    }
}

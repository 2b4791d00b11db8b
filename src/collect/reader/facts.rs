//! What is so in every interpreter that is up: what some of its own objects are, and how large those of its own types are.
//!
//! Data for the self-check ([`super::check`]), with the way to follow and to compare it. What programs are likely to
//! change is not among it.

use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

use super::check::shown;
use super::fields::Fields;
use super::image::WORD;
use super::types::{Type, Types};
use super::walk::{Step, Walk};

/// What can be said of an object.
enum Fact {
    /// It is of the type of this name.
    Of(&'static str),
    /// It is a type of this name.
    Type(&'static str),
    Text(&'static str),
    /// A text with this in it.
    Within(&'static str),
    Int(i128),
    /// A tuple of types of these names.
    Types(&'static [&'static str]),
    /// It refers to something of the type of this name.
    Holds(&'static str),
    /// It refers to this text.
    Has(&'static str),
    /// If it is a list or a set, then it has as many objects as it says.
    Whole,
}

/// In which minor versions, in which module, by which steps, and what is there. `ModuleSpec` is written in Python.
const FACTS: &[(RangeInclusive<u8>, &str, &[&str], Fact)] = &[
    (ALL, "builtins", &["None"], Fact::Of("builtins.NoneType")),
    (ALL, "builtins", &["True"], Fact::Int(1)),
    (ALL, "builtins", &["bool"], Fact::Type("builtins.bool")),
    (ALL, "builtins", &["bool", "__base__"], Fact::Type("builtins.int")),
    (ALL, "builtins", &["bool", "__base__", "__base__"], Fact::Type("builtins.object")),
    (ALL, "builtins", &["bool", "__bases__"], Fact::Types(&["builtins.int"])),
    (ALL, "builtins", &["bool", "__mro__"], Fact::Types(&["builtins.bool", "builtins.int", "builtins.object"])),
    (ALL, "builtins", &["bool", "__new__"], Fact::Of("builtins.builtin_function_or_method")),
    (ALL, "sys", &["__dict__"], Fact::Of("builtins.dict")),
    (ALL, "sys", &["version"], Fact::Of("builtins.str")),
    (ALL, "sys", &["maxsize"], Fact::Int(i64::MAX as i128)),
    (ALL, "sys", &["path"], Fact::Whole),
    (ALL, "sys", &["meta_path"], Fact::Whole),
    (ALL, "sys", &["builtin_module_names"], Fact::Has("sys")),
    (10..=LAST, "sys", &["stdlib_module_names"], Fact::Whole),
    (10..=LAST, "sys", &["stdlib_module_names"], Fact::Has("os")),
    (ALL, "sys", &["__spec__", "name"], Fact::Text("sys")),
    (ALL, "types", &["FrameType"], Fact::Type("builtins.frame")),
    (ALL, "types", &["GeneratorType"], Fact::Type("builtins.generator")),
    (ALL, IMPORTLIB, &["ModuleSpec"], Fact::Type("_frozen_importlib.ModuleSpec")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__mro__"], Fact::Types(&["_frozen_importlib.ModuleSpec", "builtins.object"])),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__qualname__"], Fact::Text("ModuleSpec.__init__")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__code__"], Fact::Of("builtins.code")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_name"], Fact::Text("__init__")),
    (11..=LAST, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_qualname"], Fact::Text("ModuleSpec.__init__")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_filename"], Fact::Within("importlib")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_names"], Fact::Has("_cached")),
    (6..=10, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_varnames"], Fact::Has("is_package")),
    (ALL, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_consts"], Fact::Holds("builtins.NoneType")),
    (6..=10, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_code"], Fact::Of("builtins.bytes")),
    (6..=9, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_lnotab"], Fact::Of("builtins.bytes")),
    (10..=LAST, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_linetable"], Fact::Of("builtins.bytes")),
    (11..=LAST, IMPORTLIB, &["ModuleSpec", "__init__", "__code__", "co_exceptiontable"], Fact::Of("builtins.bytes")),
];
const LAST: u8 = u8::MAX;
const ALL: RangeInclusive<u8> = 6..=LAST;
const IMPORTLIB: &str = "_frozen_importlib";

/// The first of the facts that does not hold.
pub(super) fn check_facts(walk: &Walk, modules: &FxHashMap<String, u64>, types: &mut Types) -> Result<(), String> {
    for (_, module, steps, fact) in FACTS.iter().filter(|(minors, ..)| minors.contains(&walk.fields.version.minor)) {
        // Programs can do without most modules.
        let Some(&start) = modules.get(*module) else { continue };
        let mut at = Some(start);
        for step in *steps {
            at = at.and_then(|at| walk.known_attribute(at, step, types));
        }
        let said = format!("`{module}.{}`", steps.join("."));
        let at = at.ok_or_else(|| format!("there is no {said}"))?;
        walk.holds(at, fact, types).map_err(|found| format!("{said} {found}"))?;
    }
    Ok(())
}

impl Walk<'_, '_> {
    fn known_attribute(&self, object: u64, name: &str, types: &mut Types) -> Option<u64> {
        let row = types.row(self.type_of(object), self)?;
        self.attribute(object, types.at(row), name)
    }

    /// What an object has under this name itself: a member of its struct, or in its own dict.
    pub(super) fn attribute(&self, object: u64, kind: &Type, name: &str) -> Option<u64> {
        let mut found = None;
        let mut dict = 0;
        self.visit(object, kind, &mut |target: u64, step: Step<'_>| match step {
            _ if target == 0 || found.is_some() => {}
            Step::Attribute(own) if self.name(own).as_deref() == Some(name) => found = Some(target),
            Step::Named(".__dict__") if name != "__dict__" => dict = target,
            Step::Named(own) if own.strip_prefix('.') == Some(name) => found = Some(target),
            _ => {}
        });
        found.or_else(|| self.lookup(dict, name))
    }

    /// Whether the object is as said; else what it is.
    fn holds(&self, object: u64, fact: &Fact, types: &mut Types) -> Result<(), String> {
        let class = self.type_of(object);
        if !self.is_ready_type(class) {
            return Err("is no object".to_owned());
        }
        if let Some(misfit) = self.misfit(class) {
            return Err(misfit);
        }
        let kind = self.name_of_type(class);
        let text = || self.name(object).unwrap_or_default();
        let referents = |types: &mut Types| {
            let mut found = Vec::new();
            if let Some(row) = types.row(class, self) {
                self.visit(object, types.at(row), &mut |target: u64, _: Step<'_>| found.push(target));
            }
            found
        };
        let named = |object: u64| if self.is_ready_type(object) { self.name_of_type(object) } else { "?".to_owned() };
        let expect = |holds: bool, found: &str| if holds { Ok(()) } else { Err(format!("is {}", shown(found))) };
        match *fact {
            Fact::Of(expected) => expect(kind == expected, &format!("of the type {kind}")),
            Fact::Type(expected) if named(object) != expected => Err(format!("is {}", shown(&named(object)))),
            Fact::Type(_) => self.misfit(object).map_or(Ok(()), Err),
            Fact::Text(expected) => expect(text() == expected, &format!("\"{}\"", text())),
            Fact::Within(expected) => expect(text().contains(expected), &format!("\"{}\"", text())),
            Fact::Int(expected) => expect(self.int(object) == Some(expected), &format!("{:?}", self.int(object))),
            Fact::Types(expected) => {
                let found: Vec<String> = referents(types).into_iter().map(named).collect();
                expect(found == expected, &found.join(", "))
            }
            Fact::Holds(expected) => {
                let any = referents(types).into_iter().any(|object| self.expect_type(object, expected).is_ok());
                expect(any, &format!("a {kind} without a {expected}"))
            }
            Fact::Has(expected) => {
                let any = referents(types).into_iter().any(|object| self.name(object).as_deref() == Some(expected));
                expect(any, &format!("a {kind} without \"{expected}\""))
            }
            Fact::Whole => {
                let said = match kind.as_str() {
                    "builtins.list" => self.fields.object_length,
                    "builtins.set" | "builtins.frozenset" => self.fields.set_used,
                    // Somebody's own.
                    _ => return Ok(()),
                };
                let said = self.view.word(object + said).unwrap_or(0);
                let found = referents(types).into_iter().filter(|&object| self.is_ready_type(self.type_of(object)));
                let found = found.count() as u64;
                expect(found == said, &format!("a {kind} of {said} objects, of which {found} were found"))
            }
        }
    }

    /// Whether the object is of the type of this name; else of which it is.
    pub(super) fn expect_type(&self, object: u64, name: &str) -> Result<(), String> {
        let class = self.type_of(object);
        let found = if self.is_ready_type(class) { self.name_of_type(class) } else { "nothing".to_owned() };
        if found == name { Ok(()) } else { Err(shown(&found)) }
    }

    pub(super) fn type_of(&self, object: u64) -> u64 {
        self.view.pointer(object.wrapping_add(self.fields.object_type))
    }

    /// What is wrong with the size of a type's objects, if it is one of the interpreter's own types and we know their struct.
    pub(super) fn misfit(&self, class: u64) -> Option<String> {
        let name = self.name_of_type(class);
        let expected = self.fields.size_of_objects(&name)?;
        let [size, each] = [self.fields.type_basicsize, self.fields.type_itemsize]
            .map(|offset| self.view.word(class + offset).unwrap_or(0));
        let wrong = (size, each) != expected;
        let (of, of_each) = expected;
        wrong.then(|| {
            format!("is or has the type {}, whose objects have {size} bytes and {each} for each item, not {of} and {of_each}", shown(&name))
        })
    }
}

impl Fields {
    /// `tp_basicsize` and `tp_itemsize` of a type of the interpreter's own.
    pub(super) fn size_of_objects(&self, name: &str) -> Option<(u64, u64)> {
        let fields = self;
        let places = fields.iframe_localsplus;
        Some(match name {
            "builtins.object" => (fields.object_size, 0),
            "builtins.str" => (fields.str_size, 0),
            "builtins.bytes" => (fields.bytes_items + 1, 1),
            "builtins.int" => (fields.int_digits, 4),
            "builtins.list" => (fields.list_allocated + WORD, 0),
            "builtins.tuple" => (fields.tuple_items, WORD),
            "builtins.dict" => (fields.dict_size, 0),
            "builtins.set" | "builtins.frozenset" => (fields.set_size?, 0),
            "builtins.type" => (fields.heaptype_size, fields.member_size),
            // Since 3.11 the instructions are in the object.
            "builtins.code" if fields.code_adaptive.is_some() => (fields.code_adaptive?, 2),
            "builtins.code" => (fields.code_size?, 0),
            "builtins.frame" if places.is_some() => (fields.frame_own_iframe? + places?, WORD),
            "builtins.frame" => (fields.frame_localsplus? + WORD, WORD),
            "builtins.generator" | "builtins.coroutine" | "builtins.async_generator" => {
                (fields.generator_iframe? + places?, WORD)
            }
            _ => return None,
        })
    }
}

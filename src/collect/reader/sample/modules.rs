//! The modules that every interpreter has, with what the self-check asks of them.

use super::super::image::WORD;
use super::Maker;
use crate::layout::Layout;

impl Maker {
    /// `sys`, `builtins` and what imports others.
    pub(super) fn first_modules(&mut self, layout: &Layout) -> [(&'static str, u64); 3] {
        let none = self.object("builtins.NoneType", 0);
        let spec = self.module_spec(layout, none);
        let builtins = self.builtins(none);
        let name = self.text("sys");
        let (attributes, its_spec) = (self.dict(&[("name", name)]), self.object("_frozen_importlib.ModuleSpec", 64));
        self.put(its_spec + 24, attributes);
        let version = self.fields.version;
        let version = self.text(&format!("{}.{}.{} (main)", version.major, version.minor, version.micro));
        let (path, os) = (self.text("/lib"), self.text("os"));
        let sys = [
            ("version", version),
            ("maxsize", self.int_of(&[(1 << 30) - 1, (1 << 30) - 1, 7])),
            ("path", self.list(&[path])),
            ("meta_path", self.list(&[none])),
            ("builtin_module_names", self.tuple(&[name])),
            ("stdlib_module_names", self.tuple(&[os])),
            ("__spec__", its_spec),
        ];
        [
            ("sys", self.module(&sys)),
            ("builtins", builtins),
            ("_frozen_importlib", self.module(&[("ModuleSpec", spec)])),
        ]
    }

    /// A class of Python's own, instances of which have a dict.
    fn module_spec(&mut self, layout: &Layout, none: u64) -> u64 {
        let f = self.fields.clone();
        let (variable, name) = (self.text("is_package"), self.text("ModuleSpec.__init__"));
        let cached = self.text("_cached");
        let code = self.code("__init__", "<frozen importlib._bootstrap>", variable);
        let (names, constants) = (self.tuple(&[cached]), self.tuple(&[none]));
        self.put_at(code, f.code_qualname, name);
        self.put(code + f.code_names, names);
        self.put(code + f.code_consts, constants);
        let (_, plain) = layout.objects().find(|(name, _)| *name == "builtins.function").expect("it is known");
        let function = self.object("builtins.function", plain.size);
        for (offset, step) in plain.visits {
            let word = match step {
                ".__code__" => code,
                ".__qualname__" => name,
                _ => 0,
            };
            self.put(function + offset, word);
        }
        let class = self.python_class("_frozen_importlib.ModuleSpec", 0, 64, &[("__init__", function)]);
        self.put(class + f.type_dictoffset, 24);
        class
    }

    fn builtins(&mut self, none: u64) -> u64 {
        let f = self.fields.clone();
        let [bool, int, object] = ["bool", "int", "object"].map(|name| self.types[&format!("builtins.{name}")]);
        self.put(bool + f.type_base, int);
        self.put(int + f.type_base, object);
        let (bases, order) = (self.tuple(&[int]), self.tuple(&[bool, int, object]));
        self.put(bool + f.type_bases, bases);
        self.put(bool + f.type_mro, order);
        let new = self.object("builtins.builtin_function_or_method", 64);
        let dict = self.dict(&[("__new__", new)]);
        self.put(bool + f.type_dict, dict);
        let truth = self.object("builtins.bool", f.int_digits + 4);
        self.put_digits(truth, &[1]);
        self.module(&[("None", none), ("True", truth), ("bool", bool)])
    }

    pub(super) fn int_of(&mut self, digits: &[u32]) -> u64 {
        let object = self.object("builtins.int", self.fields.int_digits + 4 * digits.len() as u64);
        self.put_digits(object, digits);
        object
    }

    fn put_digits(&mut self, object: u64, digits: &[u32]) {
        let f = self.fields.clone();
        let count = digits.len() as u64;
        self.put(object + f.int_tag.unwrap_or(f.object_length), if f.int_tag.is_some() { count << 3 } else { count });
        for (&digit, at) in digits.iter().zip((object + f.int_digits..).step_by(WORD as usize / 2)) {
            self.put_half(at, digit);
        }
    }
}

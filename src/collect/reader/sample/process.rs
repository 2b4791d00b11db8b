//! The process that the sample is: an interpreter with its types, modules, thread and frames, and an object of each kind.

use super::super::image::WORD;
use super::super::types::flag;
use super::{GC, Maker, UNICODE};
use crate::layout::Layout;

/// Room for `_PyRuntime`, and for an interpreter without what is at its end.
const RUNTIME_SIZE: u64 = 0x2000;
const INTERPRETER_SIZE: u64 = 0x4000;

impl Maker {
    pub(super) fn code(&mut self, name: &str, file: &str, variable: u64) -> u64 {
        let f = self.fields.clone();
        let code = self.object("builtins.code", 512);
        let (names, empty) = (self.tuple(&[variable]), self.tuple(&[]));
        let (name, file, table) = (self.text(name), self.text(file), self.blob(&[0x80, 2, 4, 0]));
        for (member, word) in [
            (Some(f.code_consts), empty),
            (Some(f.code_names), empty),
            (f.code_cellvars, empty),
            (f.code_freevars, empty),
            (f.code_varnames, names),
            (f.code_localsplusnames, names),
            (Some(f.code_filename), file),
            (Some(f.code_name), name),
            (f.code_qualname, name),
            (f.code_lnotab, table),
            (f.code_linetable, table),
            (f.code_exceptiontable, table),
            (f.code_code, table),
        ] {
            self.put_at(code, member, word);
        }
        for (member, half) in [(Some(f.code_nlocals), 1), (f.code_nlocalsplus, 1), (Some(f.code_firstlineno), 7)] {
            if let Some(offset) = member {
                self.put_half(code + offset, half);
            }
        }
        self.put_half(code + f.code_stacksize, 2);
        code
    }

    /// A frame of 3.11 and later with one variable and one value on the stack.
    fn interpreter_frame(&mut self, frame: u64, code: u64, globals: u64, values: [u64; 2], owner: u8) {
        let f = self.fields.clone();
        let (Some(localsplus), Some(owned_by)) = (f.iframe_localsplus, f.iframe_owner) else { return };
        self.put_at(frame, f.iframe_code, code);
        self.put_at(frame, f.iframe_globals, globals);
        self.put_at(frame, f.iframe_instruction, code + f.code_adaptive.unwrap_or(0));
        self.put_at(frame, f.iframe_stack_pointer, frame + localsplus + 2 * WORD);
        if let Some(top) = f.iframe_stack_top {
            self.put_half(frame + top, 2);
        }
        self.put_bytes(frame + owned_by, &[owner]);
        self.put(frame + localsplus, values[0]);
        self.put(frame + localsplus + WORD, values[1]);
    }

    /// The same before: an object.
    fn frame_object(&mut self, code: u64, globals: u64, values: [u64; 2]) -> u64 {
        let f = self.fields.clone();
        let frame = self.object("builtins.frame", 512);
        if let Some(localsplus) = f.frame_localsplus {
            let stack = frame + localsplus + WORD;
            for (member, word) in [
                (f.frame_code, code),
                (f.frame_globals, globals),
                (f.frame_value_stack, stack),
                (f.frame_stack_top, stack + WORD),
                (f.frame_stack_depth, 1),
                (Some(localsplus), values[0]),
                (Some(localsplus + WORD), values[1]),
            ] {
                self.put_at(frame, member, word);
            }
        }
        frame
    }

    /// Puts objects into the list with this head.
    fn chain(&mut self, head: u64, objects: &[u64]) {
        let f = self.fields.clone();
        let mut before = head;
        for at in objects.iter().map(|object| object - f.gc_head).chain([head]) {
            self.put(before + f.gc_next, at);
            self.put(at + f.gc_prev, before);
            before = at;
        }
    }

    pub(super) fn process(&mut self, layout: &Layout) {
        let f = self.fields.clone();
        let runtime = self.room(RUNTIME_SIZE);
        let tables = [f.interp_static_types, f.interp_extension_types, f.interp_gc_generations];
        let end = tables.into_iter().flatten().max().unwrap_or(0).max(f.interp_modules);
        let interpreter = self.room(end + INTERPRETER_SIZE);
        let old_head = runtime; // of 3.6, as `Layout::of_tables` has it
        self.put(f.runtime_interpreters.map_or(old_head, |offset| runtime + offset), interpreter);

        self.types(layout);
        let globals = self.values(layout);
        let tstate = self.room(4096);
        self.put(interpreter + f.interp_threads, tstate);
        self.put(tstate + f.tstate_thread_id, 0x1234);
        self.put_at(tstate, f.tstate_cframe, tstate);
        self.threads(tstate, globals);

        let thread = self.python_class("threading.Thread", 0, 64, &[]);
        self.put(thread + f.type_dictoffset, 24);
        let (name, ident) = (self.text("worker"), self.int_of(&[0x1234]));
        let (attributes, worker) = (self.dict(&[("_name", name)]), self.object("threading.Thread", 64));
        self.put(worker + 24, attributes);
        let active = self.dict_of(&[(ident, worker)], true);
        let threading = self.module(&[("_active", active)]);
        let main = self.object("builtins.module", 128);
        self.put_at(main, f.module_dict, globals);
        let first = self.first_modules(layout);
        let modules = self.dict(&[&first[..], &[("threading", threading), ("__main__", main)]].concat());
        self.put(interpreter + f.interp_modules, modules);
        self.statics(interpreter);
        self.lists(runtime, interpreter);
    }

    /// All that the layout knows, and some that it does not.
    fn types(&mut self, layout: &Layout) {
        let f = self.fields.clone();
        self.class("builtins.type", GC | flag::TYPE_SUBCLASS, f.heaptype_size);
        self.class("builtins.object", 0, f.object_size);
        self.class("builtins.str", UNICODE, f.str_size);
        self.class("builtins.ext", GC, 64);
        self.class("numpy.ndarray", 0, f.object_size + 80);
        self.class("numpy.dtype", 0, f.object_size + 80);
        for name in ["int", "bool", "float", "bytes", "bytearray", "NoneType"] {
            self.class(&format!("builtins.{name}"), 0, f.object_size + WORD);
        }
        self.class("builtins.dict", GC | flag::DICT_SUBCLASS, f.dict_size);
        for name in ["list", "tuple", "set", "code", "frame", "generator", "coroutine", "module"] {
            self.class(&format!("builtins.{name}"), GC, f.object_size + WORD);
        }
        for name in ["collections.deque", "collections.OrderedDict", "_ctypes.PyCStructType"] {
            self.class(name, GC, 64);
        }
        for (name, plain) in layout.objects() {
            if !self.types.contains_key(name) {
                self.class(name, GC, plain.size);
            }
        }
        for class in self.types.clone().into_values() {
            let order = self.tuple(&[class]);
            self.put(class + f.type_mro, order);
        }
        let metatype = self.types["builtins.type"];
        self.put(metatype + f.type_dictoffset, f.type_dict);
        // Bytes and tuples have items of their size.
        let (bytes, tuple) = (self.types["builtins.bytes"], self.types["builtins.tuple"]);
        self.put(bytes + f.type_itemsize, 1);
        self.put(tuple + f.type_itemsize, WORD);
    }

    /// An object of each kind; the dict that refers to all of them.
    fn values(&mut self, layout: &Layout) -> u64 {
        let f = self.fields.clone();
        let (text, number, blob) = (self.text("value"), self.int_of(&[41]), self.blob(b"blob"));
        let (tuple, name) = (self.tuple(&[text, number]), self.text("__main__"));
        let outside = self.room(8 * 16);
        let sets = [self.set(text, None), self.set(number, Some(outside))];
        let mut kept = vec![tuple, blob, sets[0], sets[1]];
        kept.extend([self.dict_of(&[(number, text), (tuple, blob)], true), self.instances(text, number)]);
        // A dict whose values are beside its keys.
        let (split, shared) = (self.dict(&[]), self.text("shared"));
        let ((keys, _), values) = (self.keys(&[shared], false), self.words(&[0, blob, 0]));
        self.put(split + f.dict_keys, keys);
        self.put(split + f.dict_values, values + WORD - f.values_items.unwrap_or(0));
        kept.push(split);
        kept.extend([self.deque(&[text, number]), self.array(&[text, blob]), self.generator(text, blob)]);
        // Of a type that nobody knows.
        let unknown = self.object("builtins.ext", 64);
        self.put(unknown + f.object_size, tuple);
        self.put(unknown + f.object_size + WORD, 12345);
        kept.push(unknown);
        // What the others have in places that are not theirs to visit: counts, and a table of what there is.
        let table = self.words(&[text, number, blob, tuple, text, number, blob, tuple]);
        for (name, plain) in layout.objects() {
            if self.made.values().any(|kind| kind == name) {
                continue;
            }
            let object = self.object(name, plain.size);
            // References are what these have there.
            if !matches!(name, "builtins.hamt_array_node" | "itertools._tee_dataobject") {
                for at in (f.object_size..plain.size.saturating_sub(7)).step_by(8) {
                    self.put(object + at, if at % 16 == 0 { table } else { 3 });
                }
            }
            for (offset, _) in plain.visits {
                self.put(object + offset, text);
            }
            kept.push(object);
        }
        kept.extend(self.types.clone().into_values());
        let list = self.list(&kept);
        self.dict(&[("__name__", name), ("KEEP", list)])
    }

    /// One of each way to keep attributes.
    fn instances(&mut self, text: u64, number: u64) -> u64 {
        let f = self.fields.clone();
        let slotted = self.python_class("app.Slotted", 0, 32, &[]);
        let (member, name) = (slotted + f.heaptype_size, self.words(&[u64::from_le_bytes(*b"slot\0\0\0\0")]));
        self.put(slotted + f.object_length, 1);
        self.put(member + f.member_name, name);
        self.put_half(member + f.member_type, 16);
        self.put(member + f.member_offset, f.object_size);
        let metatype = self.types["builtins.type"];
        self.put(metatype + f.type_basicsize, f.heaptype_size);
        let first = self.object("app.Slotted", 32);
        self.put(first + f.object_size, text);
        let mut all = vec![first];
        if f.version.at_least(3, 11) {
            let inline = if f.values_valid.is_some() { flag::INLINE_VALUES } else { 0 };
            let class = self.python_class("app.Managed", flag::MANAGED_DICT | inline, f.object_size, &[]);
            let (keys, _) = self.keys(&[text], false);
            self.put(class + f.heaptype_cached_keys, keys);
            let managed = self.object("app.Managed", 96);
            let items = f.values_items.unwrap_or(0);
            match f.values_valid {
                Some(valid) => {
                    let values = managed + f.object_size;
                    self.put_bytes(values + valid, &[1]);
                    self.put(values + items, number);
                }
                None => {
                    let values = self.words(&[0, 0, number]) + 16 - items;
                    let at = if f.version.minor == 11 { managed - 32 } else { managed - 24 };
                    self.put(at, if f.version.minor == 11 { values } else { values - 1 });
                }
            }
            all.push(managed);
        }
        self.list(&all)
    }

    fn deque(&mut self, items: &[u64]) -> u64 {
        let f = self.fields.clone();
        let (deque, block) = (self.object("collections.deque", 128), self.room(1024));
        self.put(deque + f.object_length, items.len() as u64);
        self.put_at(deque, f.deque_left_block, block);
        for (&item, at) in items.iter().zip((f.deque_block_items.unwrap_or(0)..).step_by(8)) {
            self.put(block + at, item);
        }
        deque
    }

    /// `numpy.ndarray` of objects.
    fn array(&mut self, items: &[u64]) -> u64 {
        let start = self.fields.object_size;
        let (array, kind) = (self.object("numpy.ndarray", start + 80), self.object("numpy.dtype", start + 80));
        let (data, sizes) = (self.words(items), self.words(&[items.len() as u64]));
        for (offset, word) in [(0, data), (8, 1), (16, sizes), (40, kind), (48, 4)] {
            self.put(array + start + offset, word);
        }
        self.put_half(kind + start + 12, 17);
        self.put(kind + start + 24, WORD);
        array
    }

    fn generator(&mut self, variable: u64, value: u64) -> u64 {
        let f = self.fields.clone();
        let (code, globals) = (self.code("generate", "app.py", variable), self.dict(&[]));
        let generator = self.object("builtins.generator", 256);
        self.put_at(generator, f.generator_code, code);
        self.put(generator + f.generator_name, variable);
        match (f.generator_iframe, f.generator_frame) {
            (Some(offset), _) => self.interpreter_frame(generator + offset, code, globals, [value, value], 1),
            (None, offset) => {
                let frame = self.frame_object(code, globals, [value, value]);
                self.put_at(generator, offset, frame);
            }
        }
        generator
    }

    /// A thread with two frames.
    fn threads(&mut self, tstate: u64, globals: u64) {
        let f = self.fields.clone();
        let (variable, value) = (self.text("variable"), self.blob(b"local"));
        let code = self.code("main", "app.py", variable);
        if let Some(offset) = f.tstate_frame {
            let frames = [0; 2].map(|_| self.frame_object(code, globals, [value, value]));
            self.put(frames[0] + f.frame_back, frames[1]);
            self.put(tstate + offset, frames[0]);
            return;
        }
        let frames = [0; 2].map(|_| self.room(256));
        for frame in frames {
            self.interpreter_frame(frame, code, globals, [value, value], 0);
        }
        self.put_at(frames[0], f.iframe_previous, frames[1]);
        match (f.tstate_current_frame, f.tstate_cframe) {
            (Some(offset), _) => self.put(tstate + offset, frames[0]),
            (None, Some(offset)) => {
                let cframe = self.room(64);
                self.put(tstate + offset, cframe);
                self.put_at(cframe, f.cframe_current_frame, frames[0]);
            }
            _ => {}
        }
    }

    /// From 3.12 on static types have their dicts in the interpreter.
    fn statics(&mut self, interpreter: u64) {
        let f = self.fields.clone();
        let (Some(table), Some(kind), Some(dict), Some(size)) =
            (f.interp_static_types, f.static_type_type, f.static_type_dict, f.static_type_size)
        else {
            return;
        };
        for (at, name) in ["builtins.int", "builtins.list"].into_iter().enumerate() {
            let (entry, class, names) = (interpreter + table + at as u64 * size, self.types[name], self.dict(&[]));
            self.put(entry + kind, class);
            self.put(entry + dict, names);
        }
    }

    /// The collector's lists: the last object is frozen, all others are in the youngest generation.
    fn lists(&mut self, runtime: u64, interpreter: u64) {
        let f = self.fields.clone();
        let (first, permanent) = match (f.runtime_gc_generations, f.interp_gc_generations) {
            (Some(offset), _) if f.version.at_least(3, 7) => {
                (runtime + offset, f.runtime_gc_permanent.map(|at| runtime + at))
            }
            (_, Some(offset)) => (interpreter + offset, f.interp_gc_permanent.map(|at| interpreter + at)),
            _ => {
                let generations = self.room(4 * f.generation_size);
                self.put(runtime + WORD, generations);
                (generations, None)
            }
        };
        let mut tracked = std::mem::take(&mut self.tracked);
        let frozen: Vec<u64> = tracked.pop().into_iter().collect();
        match permanent {
            Some(head) => self.chain(head, &frozen),
            None => tracked.extend(frozen),
        }
        self.chain(first, &tracked);
        for other in 1..3 {
            self.chain(first + other * f.generation_size, &[]);
        }
        if let Some(refs) = f.gc_refs {
            for object in tracked {
                self.put(object - f.gc_head + refs, 2);
            }
        }
    }
}

//! Where the walk begins: the interpreters, the collector's lists, the modules, the frames of the threads.

use rustc_hash::{FxHashMap, FxHashSet};

use super::frames::FrameAt;
use super::walk::Walk;
use crate::layout::Layout;

const MOST_INTERPRETERS: usize = 1 << 12;
const MOST_THREADS: usize = 1 << 17;
const MOST_STATIC_TYPES: u64 = 1000;
/// Three generations; from 3.7 on the permanent one too.
const GENERATIONS: u64 = 3;

/// Where the state of the runtime is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// `_PyRuntime`; 0 for 3.6.
    runtime: u64,
    /// 3.6: `interp_head`, `_PyGC_generation0`, `collecting`, `_Py_Finalizing`.
    interpreters: Option<u64>,
    generations: Option<u64>,
    collecting: Option<u64>,
    finalizing: Option<u64>,
}

impl Site {
    pub(super) fn new(runtime: u64, layout: &Layout) -> Site {
        Site {
            runtime,
            interpreters: layout.symbol_address("interp_head"),
            generations: layout.symbol_address("_PyGC_generation0"),
            collecting: layout.symbol_address("collecting"),
            finalizing: layout.symbol_address("_Py_Finalizing"),
        }
    }
}

impl Walk<'_, '_> {
    /// All interpreters.
    pub(super) fn interpreters(&self, site: &Site) -> Vec<u64> {
        let head = match (site.interpreters, self.fields.runtime_interpreters) {
            (_, Some(offset)) if site.runtime != 0 => site.runtime + offset,
            (Some(symbol), _) => symbol,
            _ => return Vec::new(),
        };
        self.chain(self.view.pointer(head), self.fields.interp_next, MOST_INTERPRETERS)
    }

    /// The dicts of the static types of the core, which are the interpreter's from 3.12 on
    /// (Include/internal/pycore_typeobject.h; `pycore_interp_structs.h`).
    pub(super) fn static_dicts(&self, site: &Site) -> FxHashMap<u64, u64> {
        let fields = self.fields;
        let mut dicts = FxHashMap::default();
        let (Some(kind), Some(dict), Some(size)) =
            (fields.static_type_type, fields.static_type_dict, fields.static_type_size)
        else {
            return dicts;
        };
        for interpreter in self.interpreters(site) {
            for table in [fields.interp_static_types, fields.interp_extension_types].into_iter().flatten() {
                for entry in (0..MOST_STATIC_TYPES).map(|at| interpreter + table + at * size) {
                    let class = self.view.pointer(entry + kind);
                    if class == 0 || !self.is_type(class) || !self.view.claim(1) {
                        break;
                    }
                    dicts.entry(class).or_insert_with(|| self.view.pointer(entry + dict));
                }
            }
        }
        dicts
    }

    /// The thread states of an interpreter.
    pub(super) fn threads(&self, interpreter: u64) -> Vec<u64> {
        let head = self.view.pointer(interpreter + self.fields.interp_threads);
        self.chain(head, self.fields.tstate_next, MOST_THREADS)
    }

    /// Structs, each of which leads to the next, until that is null or was there before.
    pub(super) fn chain(&self, first: u64, next: u64, most: usize) -> Vec<u64> {
        let mut found = Vec::new();
        let mut seen = FxHashSet::default();
        let mut at = first;
        while at != 0 && found.len() < most && seen.insert(at) && self.view.claim(1) {
            found.push(at);
            at = self.view.pointer(at.wrapping_add(next));
        }
        found
    }

    /// For each interpreter whether it is collecting garbage just now: 1 then, else 0.
    pub(super) fn collecting(&self, site: &Site) -> Vec<u32> {
        let flag = |address: u64| self.view.half(address).unwrap_or(0);
        if let Some(address) = site.collecting {
            return vec![flag(address)];
        }
        if let Some(offset) = self.fields.runtime_gc_collecting {
            return vec![flag(site.runtime + offset)];
        }
        let Some(offset) = self.fields.interp_gc_collecting else { return Vec::new() };
        self.interpreters(site).iter().map(|interpreter| flag(interpreter + offset)).collect()
    }

    /// The thread state with which the interpreter is on its way out; 0 when it is not.
    pub(super) fn finalizing(&self, site: &Site) -> u64 {
        match (site.finalizing, self.fields.runtime_finalizing) {
            (Some(address), _) => self.view.pointer(address),
            (None, Some(offset)) if site.runtime != 0 => self.view.pointer(site.runtime + offset),
            _ => 0,
        }
    }

    /// Whether it is on its way out: what is left is being taken down.
    pub(super) fn is_finalizing(&self, site: &Site) -> bool {
        let finalizing = self.finalizing(site);
        finalizing != 0 && self.interpreters(site).iter().any(|&at| self.threads(at).contains(&finalizing))
    }

    /// The heads of the collector's lists, each with whether it is that of the permanent generation.
    pub(super) fn lists(&self, site: &Site) -> Vec<(u64, bool)> {
        let fields = self.fields;
        let of_each = |base: u64, generations: u64, permanent: Option<u64>| {
            let young = (0..GENERATIONS).map(move |n| (base + generations + n * fields.generation_size, false));
            young.chain(permanent.map(|offset| (base + offset, true)))
        };
        if let Some(offset) = fields.runtime_gc_generations.filter(|_| site.runtime != 0) {
            return of_each(site.runtime, offset, fields.runtime_gc_permanent).collect();
        }
        if let Some(offset) = fields.interp_gc_generations {
            let interpreters = self.interpreters(site);
            return interpreters.iter().flat_map(|&at| of_each(at, offset, fields.interp_gc_permanent)).collect();
        }
        let first = site.generations.map_or(0, |symbol| self.view.pointer(symbol));
        if first == 0 { Vec::new() } else { of_each(first, 0, None).collect() }
    }

    /// The entries of `sys.modules` of an interpreter.
    pub(super) fn each_module(&self, interpreter: u64, each: &mut dyn FnMut(&str, u64)) {
        let modules = self.view.pointer(interpreter + self.fields.interp_modules);
        self.visit_dict_by_name(modules, &mut |name, module| {
            each(name, module);
            true
        });
    }

    /// `app.main`: the function of a frame with the module it is from.
    pub(super) fn name_of_frame(&self, frame: &FrameAt) -> String {
        let name = self.fields.code_qualname.unwrap_or(self.fields.code_name);
        let name = self.name(self.view.pointer(frame.code + name)).unwrap_or_else(|| "?".to_owned());
        match self.lookup(frame.globals, "__name__").and_then(|module| self.name(module)) {
            Some(module) => format!("{module}.{name}"),
            None => name,
        }
    }
}

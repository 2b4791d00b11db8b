//! The self-check: is what these offsets lead to what every interpreter has? Wrong ones would not crash, they would tell
//! plausible lies.
//!
//! Asks what is true of every interpreter that is up, whoever built it and whatever it runs: some hundred words, however
//! large the heap. The answer is the first thing that is not so, told as what was looked at and what was there. What it
//! finds may just be changing, where the target stood still in the middle of a change: whoever calls tries again.

use rustc_hash::FxHashMap;

use super::facts::check_facts;
use super::roots::Site;
use super::types::{NAMELESS, Types, flag};
use super::walk::Walk;
use crate::target::version::Version;
use crate::units::printable;

/// Texts of the target's are shown so far.
const MOST_SHOWN: usize = 60;
/// Programs import some thousand.
const MOST_MODULES: usize = 100_000;
/// So many threads and so many frames of each are looked at: the others are read by the same offsets.
const MOST_THREADS: usize = 100;
const MOST_FRAMES: usize = 20;
/// References that lead to nothing, of so many objects: in none of the heaps that were read rightly there was one.
const DANGLING: u64 = 100;

/// What can be asked of the memory that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Extent {
    /// Everything: it is all there, and of one moment.
    Whole,
    /// What no running target changes.
    Lasting,
    /// Nothing: so much is missing that what is not found proves nothing.
    Nothing,
}

impl Extent {
    /// Whether anything can be asked.
    pub(super) fn is_any(self) -> bool {
        matches!(self, Extent::Whole | Extent::Lasting)
    }

    pub(in super::super) fn whole_if(exact: bool) -> Extent {
        if exact { Extent::Whole } else { Extent::Lasting }
    }
}

/// What no running target changes. `Ok` when all of it holds; else the first thing that does not.
pub(super) fn check(walk: &Walk, site: &Site, types: &mut Types) -> Result<(), String> {
    let modules = walk.check_modules(site)?;
    let [sys, builtins] = ["sys", "builtins"].map(|name| modules.get(name).copied().unwrap_or(0));
    walk.check_type_of_types(sys)?;
    walk.check_version(sys, walk.fields.version)?;
    walk.check_dict("builtins", builtins)?;
    check_facts(walk, &modules, types)?;
    walk.check_traverse(modules.get("_frozen_importlib").copied().unwrap_or(0))?;
    walk.check_flags(site)
}

/// Whether too much of what marking followed led to nothing.
pub(super) fn check_marked(dangling: u64, objects: u64) -> Result<(), String> {
    if dangling <= objects / DANGLING {
        return Ok(());
    }
    Err(format!("{dangling} references lead to nothing, with {objects} objects found"))
}

/// A text of the target's, as an error shows it.
pub(super) fn shown(text: &str) -> String {
    printable(text, MOST_SHOWN)
}

impl Walk<'_, '_> {
    /// The modules of an interpreter by name: of one that is up, which must be one of them.
    fn check_modules(&self, site: &Site) -> Result<FxHashMap<String, u64>, String> {
        let interpreters = self.interpreters(site);
        let mut most = 0;
        // The first one is the last of the list.
        for &interpreter in interpreters.iter().rev() {
            let mut modules = FxHashMap::default();
            let dict = self.view.pointer(interpreter + self.fields.interp_modules);
            self.visit_dict_by_name(dict, &mut |name, module| {
                modules.insert(name.to_owned(), module);
                modules.len() < MOST_MODULES
            });
            if let Some(strange) = modules.keys().find(|name| name.chars().any(char::is_control)) {
                return Err(format!("a name in `sys.modules` reads \"{}\"", shown(strange)));
            }
            if modules.contains_key("sys") && modules.contains_key("builtins") {
                return Ok(modules);
            }
            most = most.max(modules.len());
        }
        Err(match (interpreters.len(), most) {
            (0, _) => "there is no interpreter".to_owned(),
            (_, 0) => "there is not one module in `sys.modules`".to_owned(),
            (_, most) => format!("`sys` and `builtins` are not among the {most} names in `sys.modules`"),
        })
    }

    /// Whether there is no module at all: then nothing can be begun.
    pub(super) fn has_no_modules(&self, site: &Site) -> bool {
        let mut any = false;
        for interpreter in self.interpreters(site) {
            self.each_module(interpreter, &mut |_, _| any = true);
        }
        !any
    }

    /// Whether even `type` has no name: of a core without the interpreter's file.
    pub(super) fn is_nameless(&self, site: &Site) -> bool {
        let mut anything = 0;
        for interpreter in self.interpreters(site) {
            self.each_module(interpreter, &mut |_, module| anything = module);
        }
        anything != 0 && self.name_of_type(self.type_of_types(anything)) == NAMELESS
    }

    /// From any object upwards: the type of types is its own type.
    fn check_type_of_types(&self, object: u64) -> Result<(), String> {
        let at = self.type_of_types(object);
        let name = if self.is_ready_type(at) { self.name_of_type(at) } else { "no type".to_owned() };
        if self.type_of(at) != at || name != "builtins.type" {
            return Err(format!("the type of types, at {at:#x}, is {}", shown(&name)));
        }
        // It has its own dict where the struct of all types has it.
        let dict = self.view.word(at + self.fields.type_dictoffset);
        match dict == Some(self.fields.type_dict) {
            true => Ok(()),
            false => Err(format!("`type` has its dict at {:#x}", dict.unwrap_or(0))),
        }
    }

    /// `3.11.7 (main, …`, as the executable says too.
    fn check_version(&self, sys: u64, version: Version) -> Result<(), String> {
        let text = self.lookup(self.dict_of_module(sys), "version").and_then(|text| self.name(text));
        let text = text.ok_or("`sys.version` cannot be read")?;
        let expected = format!("{}.{}.{}", version.major, version.minor, version.micro);
        match text.strip_prefix(&expected) {
            Some(rest) if !rest.starts_with(|next: char| next.is_ascii_digit()) => Ok(()),
            _ => Err(format!("`sys.version` reads \"{}\", which is not {expected}", shown(&text))),
        }
    }

    /// The dict of a module that is hardly ever changed: it has as many values as it says, and the room for them.
    fn check_dict(&self, name: &str, module: u64) -> Result<(), String> {
        let dict = self.dict_of_module(module);
        let said = self.view.word(dict.wrapping_add(self.fields.dict_used)).unwrap_or(0);
        let mut found = 0;
        self.visit_dict_by_name(dict, &mut |_, _| {
            found += 1;
            true
        });
        if said == 0 || said != found {
            return Err(format!("the dict of `{name}` says that it has {said} entries, and {found} were found"));
        }
        match self.keys(self.view.pointer(dict + self.fields.dict_keys)) {
            Some(keys) if keys.is_whole() => Ok(()),
            _ => Err(format!("the table of the dict of `{name}` has another room than its size gives")),
        }
    }

    /// By their traverse classes written in Python are told from others: two of them have the same, and `module` another.
    fn check_traverse(&self, importlib: u64) -> Result<(), String> {
        let dict = self.dict_of_module(importlib);
        let traverse = |class: u64| self.view.pointer(class.wrapping_add(self.fields.type_traverse));
        let [Some(one), Some(other)] = ["ModuleSpec", "BuiltinImporter"].map(|name| self.lookup(dict, name)) else {
            return Ok(());
        };
        let (theirs, of_modules) = (traverse(one), traverse(self.type_of(importlib)));
        let is_code = self.view.has(theirs, 1) && self.view.has(of_modules, 1);
        match is_code && theirs == traverse(other) && theirs != of_modules {
            true => Ok(()),
            false => Err(format!("`ModuleSpec` has {theirs:#x} for its `tp_traverse`")),
        }
    }

    fn dict_of_module(&self, module: u64) -> u64 {
        self.fields.module_dict.map_or(0, |offset| self.view.pointer(module.wrapping_add(offset)))
    }

    /// The collector's flag, and the thread that ends the interpreter.
    fn check_flags(&self, site: &Site) -> Result<(), String> {
        let flags = self.collecting(site);
        if let Some(flag) = flags.iter().find(|&&flag| flag > 1) {
            return Err(format!("the flag that the collector is at work is {flag}"));
        }
        let finalizing = self.finalizing(site);
        if finalizing != 0 && !self.is_finalizing(site) {
            return Err(format!("what ends the interpreter, at {finalizing:#x}, is no thread of it"));
        }
        Ok(())
    }

    /// The frames of the threads. In memory that was copied while the target ran, they do not hold together.
    pub(super) fn check_threads(&self, site: &Site) -> Result<(), String> {
        let interpreters = self.interpreters(site);
        let threads = interpreters.iter().flat_map(|&interpreter| self.threads(interpreter));
        threads.take(MOST_THREADS).try_for_each(|thread| self.check_frames(thread))
    }

    /// Each frame has a code object and a dict of globals.
    fn check_frames(&self, thread: u64) -> Result<(), String> {
        if let Some(offset) = self.fields.tstate_cframe
            && !self.view.has(self.view.pointer(thread.wrapping_add(offset)), 8)
        {
            return Err(format!("the thread state at {thread:#x} has no place for its frames"));
        }
        let of = format!("a frame of the thread state at {thread:#x}");
        for frame in self.possible_frames(thread).iter().take(MOST_FRAMES) {
            let frame = frame.as_ref().ok_or_else(|| format!("{of} cannot be read"))?;
            self.expect_type(frame.code, "builtins.code").map_err(|found| format!("{of} has {found} for its code"))?;
            let globals = self.view.pointer(self.type_of(frame.globals).wrapping_add(self.fields.type_flags));
            if globals & flag::DICT_SUBCLASS == 0 {
                return Err(format!("{of} has no dict for its globals"));
            }
            for (part, expected) in [(frame.function, "builtins.function"), (frame.object, "builtins.frame")] {
                if part != 0 {
                    self.expect_type(part, expected).map_err(|found| format!("{of} has {found} for its {expected}"))?;
                }
            }
            let names = self.names_of_places(frame);
            if frame.named != names || names > 0 && !self.is_str(self.name_of_place(frame, 0)) {
                return Err(format!("{of} has {} variables with {names} names", frame.named));
            }
            if !self.is_in_code(frame) {
                return Err(format!("{of} is at {:#x}, where it has no code", frame.instruction));
            }
        }
        Ok(())
    }

    /// The collector's lists lead back as they lead forth, at their heads, and to objects that are collected. One of an
    /// interpreter's may just be changing; half of them are not.
    pub(super) fn check_lists(&self, site: &Site) -> Result<(), String> {
        let lists = self.lists(site);
        let broken: Vec<String> = lists.iter().filter_map(|&(head, _)| self.check_head(head).err()).collect();
        match broken.first() {
            Some(first) if broken.len() * 2 >= lists.len() => {
                Err(format!("of {} lists of the collector {} are none: {first}", lists.len(), broken.len()))
            }
            None if lists.is_empty() => Err("the collector has no lists".to_owned()),
            _ => Ok(()),
        }
    }

    fn check_head(&self, head: u64) -> Result<(), String> {
        let [first, last] = self.ends_of_list(head).ok_or_else(|| format!("that at {head:#x} does not lead back"))?;
        for node in [first, last].into_iter().filter(|&node| node != head) {
            let class = self.type_of(node.wrapping_add(self.fields.gc_head));
            if !self.is_type(class) || self.view.pointer(class + self.fields.type_flags) & flag::HAVE_GC == 0 {
                return Err(format!("that at {head:#x} has at {node:#x} what is not collected"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

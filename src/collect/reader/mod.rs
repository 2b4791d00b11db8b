//! The reader: the whole heap from outside, without running a line of Python.
//!
//! Works on memory that does not change: that of a twin, a copy made while the target stood still, a core file. Two passes:
//! [`mark`] finds every object, [`list`] writes them down by address. All that is read is hostile: lengths are capped,
//! pointers checked, loops bounded; what does not fit is counted, never believed.

mod block;
mod check;
mod content;
mod ctypes;
mod dict;
mod facts;
mod fields;
mod frames;
#[cfg(test)]
mod fuzz;
mod image;
mod library;
mod lines;
mod list;
mod lists;
mod mark;
mod names;
mod numpy;
mod places;
mod roots;
#[cfg(test)]
mod sample;
mod set;
mod size;
mod size_library;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod types;
mod unknown;
mod view;
mod walk;

use std::time::Instant;

pub(super) use self::check::Extent;
use self::content::Digests;
use self::fields::Fields;
use self::image::{Image, WORD};
use self::lists::Listed;
use self::mark::Marked;
use self::places::Places;
use self::roots::Site;
use self::types::{NAMELESS, Structs, Types};
use self::walk::{Guide, Walk};
use super::wire::Received;
use crate::error::{Error, Kind};
use crate::heap::{Coverage, ObjectId, Root, ThreadFacts};
use crate::layout::Layout;
use crate::notice::Notice;
use crate::target::maps::Mapping;
use crate::target::memory::Memory;
use crate::target::version::Version;
use crate::units::Bytes;

/// How often each word may be looked at before marking begins: those of types more than once.
const TIMES: u64 = 16;

/// What is read, and how it is laid out.
pub(super) struct Source<'a> {
    pub(super) memory: &'a (dyn Memory + Sync),
    pub(super) mappings: &'a [Mapping],
    pub(super) layout: &'a Layout,
    pub(super) version: Version,
    /// The address of `_PyRuntime`, 0 for 3.6.
    pub(super) runtime: u64,
    /// When to give up.
    pub(super) until: Option<Instant>,
    pub(super) check: Extent,
    /// Whether texts that are equal are to be told: [`crate::heap::Heap::contents`].
    pub(super) contents: bool,
}

/// Why memory gives no heap.
pub(super) enum Unreadable {
    /// The collector is at work, or its lists are being changed: they are in pieces. A moment later they are not.
    Collecting,
    /// What the offsets lead to is not what an interpreter has; unless it was just being changed.
    Unfit(Error),
    Failed(Error),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Unreadable::Failed(error)
    }
}

/// Reads the heap; `threads` threads of ours work on it. Lists in pieces are an error where a later moment can be had
/// (`again`), else what they lead to is missing.
pub(super) fn read(source: &Source, threads: usize, again: bool) -> std::result::Result<Received, Unreadable> {
    let mut image = Image::new(source.memory, source.mappings, source.until);
    let received = read_image(source, &mut image, threads, again);
    if image.is_late() {
        let text = "its time was over before all of its memory was read";
        return Err(Error::new(Kind::Busy, text).hint("allow more with `--timeout SECONDS`").into());
    }
    received
}

fn read_image(
    source: &Source,
    image: &mut Image,
    threads: usize,
    again: bool,
) -> std::result::Result<Received, Unreadable> {
    let fields = Fields::new(source.layout, source.version)?;
    let structs = Structs::new(source.layout);
    let site = Site::new(source.runtime, source.layout);
    let guide = Guide { fields: &fields, structs: &structs, static_dicts: &Default::default() };
    let static_dicts = guide.walk(image, TIMES).static_dicts(&site);
    let guide = Guide { static_dicts: &static_dicts, ..guide };
    let found = find(source, &guide.walk(image, TIMES), &site, threads, again)?;
    let Found { marked, types, frozen, roots, broken_lists, stacks, mut notices, .. } = found;
    let digests = source.contents.then(Digests::new);
    let (mut columns, counted, blocks) = list::list(image, guide, &types, &marked, &frozen, digests.as_ref(), threads);
    let walk = guide.walk(image, TIMES);
    for (object, root) in roots {
        let Some(root) = root else { continue };
        if let Root::Module { .. } = root
            && !walk.is_module(object, &types)
        {
            continue;
        }
        if let Some(row) = walk.view.number(object).and_then(|number| marked.objects.rank(number)) {
            columns.roots.push((ObjectId(row), root));
        }
    }
    let edges = columns.referents.len() as u64;
    let heap = columns.into_heap().map_err(|what| Error::new(Kind::Defect, format!("the reader's heap: {what}")))?;
    if broken_lists > 0 {
        let text = format!(
            "{} of the collector's lists were being changed: objects that only they lead to are missing",
            broken_lists
        );
        notices.push(Notice::new("lists-broken", text));
    }
    if image.left_out > 0 {
        let text = format!("{} of its memory were not looked at: it has mapped too much", Bytes(image.left_out));
        notices.push(Notice::new("memory-left-out", text));
    }
    let nameless = types.iter().filter(|kind| &*kind.name == NAMELESS).count();
    if nameless > 0 {
        let text = format!("the names of {nameless} types are not in its memory: they are all listed as `{NAMELESS}`");
        notices.push(Notice::new("names-missing", text));
    }
    let refused = counted.refused || marked.refused || found.refused || walk.view.refused.get();
    if refused {
        let text =
            "its objects are damaged: together they have more in them than there is memory, and not all was read";
        notices.push(Notice::new("claims-refused", text));
    }
    if counted.names_left_out {
        notices.push(Notice::new("keys-left-out", "there are more keys of dicts than are written down"));
    }
    Ok(Received {
        coverage: Coverage {
            objects: marked.count,
            gc_tracked: counted.tracked,
            frozen: counted.frozen,
            edges,
            conservative_edges: counted.conservative_edges,
            anomalies: marked.dangling + broken_lists + u64::from(refused),
            truncated: broken_lists > 0 || image.left_out > 0 || refused,
        },
        heap,
        probes: Default::default(),
        threads: stacks,
        notices,
        blocks,
        accounts: None,
        complete: true,
    })
}

/// What there is to be listed.
struct Found {
    marked: Marked,
    types: Types,
    /// Those of the permanent generation.
    frozen: Places,
    /// What interpreters hold; those without a root of their own are only followed.
    roots: Vec<(u64, Option<Root>)>,
    broken_lists: u64,
    stacks: Vec<ThreadFacts>,
    /// See [`View::claim`](view::View::claim).
    refused: bool,
    notices: Vec<Notice>,
}

/// The first pass: what fits, as far as that can be told, and every object in it.
fn find(
    source: &Source,
    walk: &Walk,
    site: &Site,
    threads: usize,
    again: bool,
) -> std::result::Result<Found, Unreadable> {
    let unfit = |what: String| Unreadable::Unfit(source.unfit(&what, walk.is_finalizing(site)));
    let mut types = learned(walk, site);
    let mut notices = Vec::new();
    if walk.is_nameless(site) {
        let text = "the names of its types are not in its memory: they are part of the interpreter's file";
        return Err(Error::new(Kind::NotPython, text).into());
    }
    if source.check.is_any() {
        check::check(walk, site, &mut types).map_err(unfit)?;
    } else if walk.has_no_modules(site) {
        return Err(
            Error::new(Kind::NotPython, "there is not one module in `sys.modules`: it is not in what is left").into()
        );
    } else {
        let text = "so much of its memory is missing that where things are could not be checked";
        notices.push(Notice::new("unchecked", text));
    }
    if walk.collecting(site).contains(&1) {
        return Err(Unreadable::Collecting);
    }
    if source.check == Extent::Whole {
        walk.check_threads(site).and_then(|()| walk.check_lists(site)).map_err(unfit)?;
    }
    if walk.is_finalizing(site) {
        notices
            .push(Notice::new("finalizing", "the interpreter is shutting down: part of what it had is gone already"));
    }
    let (objects, frozen) = (Places::new(walk.view.words()), Places::new(walk.view.words()));
    let mut listed = Listed::default();
    for (head, is_permanent) in walk.lists(site) {
        let before = listed.objects.len();
        walk.follow_list(head, &objects, &mut listed);
        if is_permanent {
            for number in listed.objects[before..].iter().filter_map(|&object| walk.view.number(object)) {
                frozen.insert(number);
            }
        }
    }
    if again && listed.broken > 0 {
        return Err(Unreadable::Collecting);
    }
    let mut roots = Vec::new();
    for interpreter in walk.interpreters(site) {
        walk.roots_of(interpreter, &mut roots);
    }
    let held: Vec<u64> = roots.iter().map(|(object, _)| *object).collect();
    let (marked, types) = mark::mark(walk, objects, &listed.objects, &held, types, threads);
    let broken_lists = listed.broken;
    drop(listed);
    if source.check == Extent::Whole {
        check::check_marked(marked.dangling, marked.count).map_err(unfit)?;
    }
    if marked.count == 0 {
        return Err(Error::new(Kind::Busy, "not one object was found in its memory").into());
    }
    // Here, while all of the memory is at hand.
    let stacks = walk.thread_facts(site, &types);
    let refused = walk.view.refused.get();
    Ok(Found { marked, types, frozen, roots, broken_lists, stacks, refused, notices })
}

impl Source<'_> {
    /// The self-check failed with `what`.
    fn unfit(&self, what: &str, finalizing: bool) -> Error {
        let Source { version, layout, .. } = self;
        if finalizing {
            let text = "the interpreter is shutting down, and too little of it is left to be read";
            return Error::new(Kind::Busy, format!("{text}: {what}"));
        }
        let text = format!("the offsets from {} do not fit this CPython {version}: {what}", layout.origin);
        Error::new(Kind::NotPython, text)
            .hint("give an unstripped file of this very build with -e, or install its debug symbols")
            .hint("if it has just been started, try again")
    }
}

/// The types, with a class written in Python to tell others of its kind by: `ModuleSpec` is in every interpreter.
fn learned(walk: &Walk, site: &Site) -> Types {
    let mut types = Types::default();
    for interpreter in walk.interpreters(site) {
        let mut machinery = 0;
        walk.each_module(interpreter, &mut |name, module| {
            if name == "_frozen_importlib" {
                machinery = module;
            }
        });
        let dict = walk.fields.module_dict.map_or(0, |offset| walk.view.pointer(machinery.wrapping_add(offset)));
        if let Some(class) = walk.lookup(dict, "ModuleSpec").filter(|&class| walk.is_type(class)) {
            types.learn_python_class(class, walk);
        }
    }
    types
}

impl Walk<'_, '_> {
    /// The objects that an interpreter itself holds.
    fn roots_of(&self, interpreter: u64, roots: &mut Vec<(u64, Option<Root>)>) {
        roots.push((self.view.pointer(interpreter + self.fields.interp_modules), None));
        self.each_module(interpreter, &mut |name, module| {
            roots.push((module, Some(Root::Module { name: name.to_owned() })));
            if matches!(name, "builtins" | "sys") {
                roots.push((module, Some(Root::Interpreter { name: name.to_owned() })));
            }
        });
        for tstate in self.threads(interpreter) {
            for frame in self.frames_of_thread(tstate) {
                roots.push((frame.code, None));
                let function = self.name_of_frame(&frame);
                self.places(&frame, &mut |name, value| {
                    if self.view.claim(function.len() as u64 / WORD) {
                        let variable = self.name(name).unwrap_or_default();
                        roots.push((value, Some(Root::Local { function: function.clone(), variable })));
                    }
                });
            }
        }
    }
}

//! Every thread's Python stack as memory has it: functions, files, lines, and the types of the locals. Works for a process
//! that hangs just as well.

use rustc_hash::FxHashMap;

use super::image::WORD;
use super::roots::Site;
use super::types::Types;
use super::walk::{Step, Walk};
use crate::heap::{Frame, LocalVariable, ThreadFacts};

/// As the GDB collector's probe has it.
const MOST_FRAMES: usize = 500;
const MOST_LOCALS: usize = 200;
const MOST_THREADS: usize = 10_000;

impl Walk<'_, '_> {
    /// All threads of all interpreters, by identifier.
    pub(super) fn thread_facts(&self, site: &Site, types: &Types) -> Vec<ThreadFacts> {
        let mut facts = Vec::new();
        for interpreter in self.interpreters(site) {
            let names = self.thread_names(interpreter, types);
            for tstate in self.threads(interpreter).into_iter().take(MOST_THREADS) {
                let ident = self.view.pointer(tstate + self.fields.tstate_thread_id);
                let frames = self.frames_of_thread(tstate);
                let frames: Vec<Frame> =
                    frames.iter().take(MOST_FRAMES).map(|frame| self.frame_facts(frame, types)).collect();
                if ident != 0 || !frames.is_empty() {
                    facts.push(ThreadFacts { ident, name: names.get(&ident).cloned().unwrap_or_default(), frames });
                }
            }
        }
        facts.sort_by_key(|thread| thread.ident);
        facts
    }

    fn frame_facts(&self, frame: &super::frames::FrameAt, types: &Types) -> Frame {
        let mut locals = Vec::new();
        self.places(frame, &mut |name, value| {
            if locals.len() < MOST_LOCALS
                && let Some(name) = self.name(name)
            {
                let kind = self.view.pointer(value + self.fields.object_type);
                let kind = types.known(kind).map_or_else(|| "?".to_owned(), |kind| kind.name.to_string());
                if self.view.claim(kind.len() as u64 / WORD) {
                    locals.push(LocalVariable { name, kind });
                }
            }
        });
        Frame {
            function: self.name_of_frame(frame),
            file: self.name(self.view.pointer(frame.code + self.fields.code_filename)).unwrap_or_default(),
            line: self.line(frame),
            locals,
        }
    }

    /// The names that `threading` has, by identifier.
    fn thread_names(&self, interpreter: u64, types: &Types) -> FxHashMap<u64, String> {
        let mut names = FxHashMap::default();
        let mut threading = 0;
        self.each_module(interpreter, &mut |name, module| {
            if name == "threading" {
                threading = module;
            }
        });
        let Some(offset) = self.fields.module_dict.filter(|_| threading != 0) else { return names };
        let active = self.lookup(self.view.pointer(threading + offset), "_active").unwrap_or(0);
        let mut ident = None;
        self.visit_dict(active, &mut |target: u64, step: Step<'_>| match step {
            Step::Key(_) => {
                let name = types.known(self.type_of(target)).and_then(|kind| self.attribute(target, kind, "_name"));
                let name = name.and_then(|name| self.name(name));
                if let (Some(ident), Some(name)) = (ident, name)
                    && names.len() < MOST_THREADS
                {
                    names.insert(ident, name);
                }
            }
            _ => ident = self.int(target).and_then(|value| u64::try_from(value).ok()),
        });
        names
    }
}

//! Frames, and what is suspended in one: locals by name, the values on the evaluation stack.
//!
//! To 3.10 a frame is an object; from 3.11 on a struct in a thread's own memory or inside a generator, and an object only
//! where somebody asked for it. Sources: `Include/frameobject.h` (3.6 to 3.10), `Include/internal/pycore_frame.h` (3.11 to
//! 3.13), `pycore_interpframe_structs.h` and `pycore_stackref.h` (3.14 and later).

use super::image::WORD;
use super::types::Type;
use super::walk::{Sink, Step, Walk};

/// More places in one frame are not believed.
const MOST_PLACES: u64 = 1 << 20;
/// Bytes of an instruction with its argument, since 3.11.
const INSTRUCTION: u64 = 2;
/// Deeper stacks end here.
const DEEPEST: usize = 100_000;
/// `FRAME_OWNED_BY_GENERATOR` and `FRAME_OWNED_BY_FRAME_OBJECT`; from 3 on a frame belongs to C code and has no Python in it.
const BY_GENERATOR: u8 = 1;
const BY_FRAME_OBJECT: u8 = 2;
const BY_C: u8 = 3;

/// One frame as all versions have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameAt {
    pub(super) code: u64,
    pub(super) globals: u64,
    pub(super) function: u64,
    /// `f_locals`: of a module or class body.
    locals_dict: u64,
    /// The frame object, if there is one.
    pub(super) object: u64,
    /// The address of the first place, how many have names, and how many are on the stack above.
    first: u64,
    pub(super) named: u64,
    stacked: u64,
    /// 3.11 and later: the instruction; before: `f_lasti`.
    pub(super) instruction: u64,
}

impl Walk<'_, '_> {
    /// The frames of a thread, the innermost first.
    pub(super) fn frames_of_thread(&self, tstate: u64) -> Vec<FrameAt> {
        self.possible_frames(tstate).into_iter().flatten().collect()
    }

    /// The same, with `None` for each that is none.
    pub(super) fn possible_frames(&self, tstate: u64) -> Vec<Option<FrameAt>> {
        let fields = self.fields;
        if let Some(offset) = fields.tstate_frame {
            let frames = self.chain(self.view.pointer(tstate + offset), fields.frame_back, DEEPEST);
            return frames.into_iter().map(|frame| self.frame_object(frame)).collect();
        }
        let innermost = match (fields.tstate_current_frame, fields.tstate_cframe, fields.cframe_current_frame) {
            (Some(offset), ..) => self.view.pointer(tstate + offset),
            (None, Some(cframe), Some(offset)) => {
                self.view.pointer(self.view.pointer(tstate + cframe).wrapping_add(offset))
            }
            _ => 0,
        };
        let Some(previous) = fields.iframe_previous else { return Vec::new() };
        let frames = self.chain(innermost, previous, DEEPEST).into_iter();
        frames.filter(|&frame| self.owner(frame) < BY_C).map(|frame| self.interpreter_frame(frame)).collect()
    }

    fn owner(&self, frame: u64) -> u8 {
        self.fields.iframe_owner.and_then(|offset| self.view.byte(frame.wrapping_add(offset))).unwrap_or(u8::MAX)
    }

    /// A frame object of 3.6 to 3.10.
    fn frame_object(&self, frame: u64) -> Option<FrameAt> {
        let (view, fields) = (&self.view, self.fields);
        let code = view.pointer(frame + fields.frame_code?);
        let first = frame + fields.frame_localsplus?;
        let free = [fields.code_cellvars?, fields.code_freevars?];
        let cells: u64 =
            free.iter().map(|&o| view.pointer(view.pointer(code + o).wrapping_add(fields.object_length))).sum();
        let named = u64::from(view.half(code.wrapping_add(fields.code_nlocals))?).checked_add(cells)?;
        let stack = view.pointer(frame + fields.frame_value_stack?);
        let stacked = match (fields.frame_stack_depth, fields.frame_stack_top) {
            // -1 while it runs
            (Some(depth), _) => (view.half(frame + depth)? as i32).max(0) as u64,
            (None, Some(top)) => view.pointer(frame + top).saturating_sub(stack) / WORD,
            _ => 0,
        };
        let instruction = u64::from(view.half(frame + fields.frame_last_instruction?)?);
        self.checked(FrameAt {
            code,
            globals: view.pointer(frame + fields.frame_globals?),
            function: 0,
            locals_dict: view.pointer(frame + fields.frame_locals?),
            object: frame,
            first,
            named,
            stacked,
            instruction,
        })
    }

    /// A frame of 3.11 and later.
    fn interpreter_frame(&self, frame: u64) -> Option<FrameAt> {
        let (view, fields) = (&self.view, self.fields);
        let at = |offset: u64| frame.wrapping_add(offset);
        let code = untagged(view.pointer(at(fields.iframe_code?)));
        let first = at(fields.iframe_localsplus?);
        let named = u64::from(view.half(code.wrapping_add(fields.code_nlocalsplus?))?);
        let depth = match (fields.iframe_stack_top, fields.iframe_stack_pointer) {
            // Of all places; -1, and null, while it runs.
            (Some(top), _) => (view.half(at(top))? as i32).max(0) as u64,
            (None, Some(pointer)) => view.pointer(at(pointer)).saturating_sub(first) / WORD,
            _ => 0,
        };
        self.checked(FrameAt {
            code,
            globals: view.pointer(at(fields.iframe_globals?)),
            function: untagged(view.pointer(at(fields.iframe_function?))),
            locals_dict: view.pointer(at(fields.iframe_locals?)),
            object: view.pointer(at(fields.iframe_frame?)),
            first,
            named,
            stacked: depth.saturating_sub(named),
            instruction: view.pointer(at(fields.iframe_instruction?)),
        })
    }

    fn checked(&self, frame: FrameAt) -> Option<FrameAt> {
        let places = frame.named.checked_add(frame.stacked)?;
        let fits = places <= MOST_PLACES && self.view.has(frame.first, places * WORD);
        (fits && self.view.claim(places + 1)).then_some(frame)
    }

    /// Whether the instruction is one of the code's own, as far as it has an address: since 3.11.
    pub(super) fn is_in_code(&self, frame: &FrameAt) -> bool {
        let Some(adaptive) = self.fields.code_adaptive else { return true };
        let start = frame.code.wrapping_add(adaptive);
        let units = self.view.pointer(frame.code.wrapping_add(self.fields.object_length));
        // Before the first one it is that in front of it.
        (start.saturating_sub(INSTRUCTION)..=start.saturating_add(units.saturating_mul(INSTRUCTION)))
            .contains(&frame.instruction)
    }

    /// How many names a frame's code has for its places.
    pub(super) fn names_of_places(&self, frame: &FrameAt) -> u64 {
        let names = self.tables_of_names().into_iter().flatten();
        names
            .map(|table| self.tuple_items(self.view.pointer(frame.code.wrapping_add(table))).map_or(0, |(_, n)| n))
            .sum()
    }

    fn tables_of_names(&self) -> [Option<u64>; 3] {
        let fields = self.fields;
        match fields.code_localsplusnames {
            Some(names) => [Some(names), None, None],
            None => [fields.code_varnames, fields.code_cellvars, fields.code_freevars],
        }
    }

    /// The str object with the name of a frame's place; 0 for one on the stack.
    pub(super) fn name_of_place(&self, frame: &FrameAt, place: u64) -> u64 {
        let mut place = place;
        for table in self.tables_of_names().into_iter().flatten() {
            let names = self.view.pointer(frame.code.wrapping_add(table));
            let Some((first, count)) = self.tuple_items(names) else { continue };
            if place < count {
                return self.view.pointer(first + place * WORD);
            }
            place -= count;
        }
        0
    }

    /// Each value in a frame with the str object of its name; 0 for one on the stack.
    pub(super) fn places(&self, frame: &FrameAt, each: &mut dyn FnMut(u64, u64)) {
        for place in 0..frame.named + frame.stacked {
            let value = untagged(self.view.pointer(frame.first + place * WORD));
            if value != 0 {
                let name = if place < frame.named { self.name_of_place(frame, place) } else { 0 };
                each(name, value);
            }
        }
    }

    /// What a frame refers to; `step` is how its variables are written.
    fn visit_frame_at(&self, frame: &FrameAt, step: &'static str, sink: &mut impl Sink) {
        sink.edge(frame.locals_dict, Step::Unnamed);
        sink.edge(frame.function, Step::Unnamed);
        sink.edge(frame.code, Step::Unnamed);
        self.places(frame, &mut |name, value| sink.edge(value, Step::Local(step, name)));
    }

    /// A frame object.
    pub(super) fn visit_frame(&self, object: u64, sink: &mut impl Sink) {
        let (view, fields) = (&self.view, self.fields);
        let member = |offset: Option<u64>| offset.map_or(0, |offset| view.pointer(object + offset));
        sink.edge(view.pointer(object + fields.frame_back), Step::Named(".f_back"));
        sink.edge(view.pointer(object + fields.frame_trace), Step::Named(".f_trace"));
        match fields.frame_iframe {
            None => {
                sink.edge(member(fields.frame_builtins), Step::Named(".f_builtins"));
                sink.edge(member(fields.frame_globals), Step::Named(".f_globals"));
                for exception in [fields.frame_exception_type, fields.frame_exception, fields.frame_exception_traceback]
                {
                    sink.edge(member(exception), Step::Unnamed);
                }
                if let Some(frame) = self.frame_object(object) {
                    self.visit_frame_at(&frame, ".f_locals", sink);
                }
            }
            Some(iframe) => {
                sink.edge(member(fields.frame_extra_locals), Step::Unnamed);
                sink.edge(member(fields.frame_locals_cache), Step::Unnamed);
                sink.edge(member(fields.frame_overwritten), Step::Unnamed);
                let inner = view.pointer(object + iframe);
                if self.owner(inner) == BY_FRAME_OBJECT
                    && let Some(frame) = self.interpreter_frame(inner)
                {
                    self.visit_frame_at(&frame, ".f_locals", sink);
                }
            }
        }
    }

    /// A generator, coroutine or asynchronous generator: its frame is its own.
    pub(super) fn visit_generator(&self, generator: u64, kind: &Type, sink: &mut impl Sink) {
        let (view, fields) = (&self.view, self.fields);
        let member = |offset: Option<u64>| offset.map_or(0, |offset| view.pointer(generator + offset));
        let (frame_step, local_step) = match &*kind.name {
            "builtins.coroutine" => (".cr_frame", ".cr_frame.f_locals"),
            "builtins.async_generator" => (".ag_frame", ".ag_frame.f_locals"),
            _ => (".gi_frame", ".gi_frame.f_locals"),
        };
        sink.edge(member(fields.generator_code), Step::Named(".gi_code"));
        sink.edge(view.pointer(generator + fields.generator_name), Step::Named(".__name__"));
        sink.edge(view.pointer(generator + fields.generator_qualname), Step::Named(".__qualname__"));
        for exception in
            [fields.generator_exception_type, fields.generator_exception, fields.generator_exception_traceback]
        {
            sink.edge(member(exception), Step::Unnamed);
        }
        // A plain generator leaves it as it was.
        if &*kind.name != "builtins.generator" {
            sink.edge(member(fields.generator_origin), Step::Unnamed);
        }
        if let Some(frame) = fields.generator_frame {
            sink.edge(view.pointer(generator + frame), Step::Named(frame_step));
        }
        let Some(frame) = fields.generator_iframe.map(|offset| generator + offset) else { return };
        if self.is_cleared(generator) {
            // 3.14 and later: the code is kept.
            if let Some(code) = fields.iframe_code.filter(|_| fields.version.at_least(3, 14)) {
                sink.edge(untagged(view.pointer(frame + code)), Step::Unnamed);
            }
            return;
        }
        let Some(found) = self.interpreter_frame(frame) else { return };
        sink.edge(found.object, Step::Named(frame_step));
        if self.owner(frame) == BY_GENERATOR {
            self.visit_frame_at(&found, local_step, sink);
        }
    }

    /// `FRAME_CLEARED` (Include/internal/pycore_frame.h): what is in the frame was given up.
    fn is_cleared(&self, generator: u64) -> bool {
        let state = self.fields.generator_frame_state.and_then(|offset| self.view.byte(generator + offset));
        let cleared = if self.fields.version.at_least(3, 15) { 5 } else { 4 };
        state.is_some_and(|state| state as i8 >= cleared)
    }
}

/// 3.14 and later tag the references in frames: 1 is one that is borrowed, 3 a small int without an object. Objects are
/// aligned, so that for the others it changes nothing.
fn untagged(word: u64) -> u64 {
    if word & 3 == 3 { 0 } else { word & !3 }
}

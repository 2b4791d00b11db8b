//! The first pass: which places in memory have an object. Begins at the collector's lists and the roots, follows every
//! reference to a fixpoint, and sets one bit for each object found.

use super::image::Image;
use super::places::Places;
use super::types::{Kind, Types};
use super::walk::{Step, Walk};

/// What a reference count can be: that of an immortal object of 3.12 and later, or less.
const MOST_REFERENCES: u64 = 1 << 48;

/// What marking found.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) objects: Places,
    pub(super) frozen: Places,
    pub(super) count: u64,
    /// References to what is no object.
    pub(super) dangling: u64,
    /// Lists that do not hold together.
    pub(super) broken_lists: u64,
}

/// Follows references.
pub(super) struct Marker<'w, 'i, 'a> {
    walk: &'w Walk<'i, 'a>,
    pub(super) types: Types,
    objects: Places,
    frozen: Places,
    words: u64,
    pending: Vec<u64>,
    dangling: u64,
    pub(super) broken_lists: u64,
}

impl<'w, 'i, 'a> Marker<'w, 'i, 'a> {
    pub(super) fn new(walk: &'w Walk<'i, 'a>, image: &Image, types: Types) -> Self {
        let words = image.words();
        Marker {
            walk,
            types,
            objects: Places::new(words),
            frozen: Places::default(),
            words,
            pending: Vec::new(),
            dangling: 0,
            broken_lists: 0,
        }
    }

    /// All objects of a collector's list.
    pub(super) fn list(&mut self, head: u64, permanent: bool) {
        let walk = self.walk;
        let mut found = Vec::new();
        if walk.each_of_list(head, &mut |object| found.push(object)).is_err() {
            self.broken_lists += 1;
        }
        if permanent && !found.is_empty() {
            self.frozen = Places::new(self.words);
            for number in found.iter().filter_map(|&object| walk.view.number(object)) {
                self.frozen.insert(number);
            }
        }
        for object in found {
            self.object(object);
            self.follow();
        }
    }

    /// An object that must be one.
    pub(super) fn object(&mut self, address: u64) {
        if address != 0 && !self.take(address) {
            self.dangling += 1;
        }
    }

    /// Whether there is an object at `address`; if it is new, it will be followed.
    fn take(&mut self, address: u64) -> bool {
        let Some(number) = self.walk.view.number(address) else { return false };
        if self.objects.has(number) {
            return true;
        }
        let kind = self.walk.view.pointer(address.wrapping_add(self.walk.fields.object_type));
        if self.types.row(kind, self.walk).is_none() {
            return false;
        }
        if self.objects.insert(number) {
            self.pending.push(address);
        }
        true
    }

    /// Until nothing new comes up.
    pub(super) fn follow(&mut self) {
        let walk = self.walk;
        let mut unsure: Vec<(u64, bool)> = Vec::new();
        while let Some(object) = self.pending.pop() {
            let kind_at = walk.view.pointer(object + walk.fields.object_type);
            let Some(row) = self.types.row_of(kind_at) else { continue };
            let types = &self.types;
            let (objects, pending) = (&mut self.objects, &mut self.pending);
            walk.visit(object, types.at(row), &mut |target: u64, step: Step<'_>| {
                if target == 0 {
                    return;
                }
                let guess = matches!(step, Step::Guess);
                let Some(number) = walk.view.number(target) else { return unsure.push((target, guess)) };
                if objects.has(number) {
                    return;
                }
                let kind = walk.view.pointer(target.wrapping_add(walk.fields.object_type));
                if !guess && types.row_of(kind).is_some() {
                    if objects.insert(number) {
                        pending.push(target);
                    }
                } else {
                    unsure.push((target, guess));
                }
            });
            for (target, guess) in unsure.drain(..) {
                if guess && !walk.looks_like_object(target) {
                    continue;
                }
                if !self.take(target) && !guess {
                    self.dangling += 1;
                }
            }
            // Whether anything refers to a type or not, its objects do.
            self.object(kind_at);
        }
    }

    pub(super) fn finish(mut self) -> (Marked, Types) {
        self.follow();
        let count = self.objects.count();
        let marked = Marked {
            objects: self.objects,
            frozen: self.frozen,
            count,
            dangling: self.dangling,
            broken_lists: self.broken_lists,
        };
        (marked, self.types)
    }
}

impl Walk<'_, '_> {
    /// Stricter than for a reference proper: a word that nobody called one must lead to a live object.
    fn looks_like_object(&self, address: u64) -> bool {
        let references = self.view.word(address.wrapping_add(self.fields.object_refcnt));
        address.is_multiple_of(8)
            && references.is_some_and(|count| count > 0 && count & 0xffff_ffff != 0 && count < MOST_REFERENCES)
            && self.is_ready_type(self.view.pointer(address.wrapping_add(self.fields.object_type)))
    }

    /// In one of the collector's lists.
    pub(super) fn is_tracked(&self, object: u64) -> bool {
        let head = object.wrapping_sub(self.fields.gc_head);
        match self.fields.gc_refs {
            // To 3.7: _PyGC_REFS_UNTRACKED, above a bit for finalizers.
            Some(refs) => self.view.word(head.wrapping_add(refs)).is_some_and(|refs| refs as i64 >> 1 != -2),
            None => self.view.word(head.wrapping_add(self.fields.gc_next)).is_some_and(|next| next != 0),
        }
    }

    /// Whether an object is a module, or of a class derived from that.
    pub(super) fn is_module(&self, object: u64, types: &Types) -> bool {
        let kind = self.view.pointer(object.wrapping_add(self.fields.object_type));
        types.known(kind).is_some_and(|kind| kind.kind == Kind::Module)
    }
}

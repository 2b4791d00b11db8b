//! The first pass: which places in memory have an object. Begins at the collector's lists and the roots, follows every
//! reference to a fixpoint, and sets one bit for each object found.
//!
//! What the lists have is marked beforehand and visited in their order, by several threads: what is reached besides is not
//! in any list and lies nearby, so memory is read in the order in which it was filled.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::places::Places;
use super::types::{Kind, Types};
use super::walk::{Step, Walk};
use crate::heap::Heap;

/// What a thread takes from the lists at a time.
const SHARE: usize = 1024;
/// How often each word may be looked at by each thread: those of types more than once.
const TIMES: u64 = 16;
/// What a reference count can be: that of an immortal object of 3.12 and later, or less.
const MOST_REFERENCES: u64 = 1 << 48;

/// More references to one object are not counted ones, up to 3.11.
const LEAST_IMMORTAL: u32 = 500_000_000;

/// What marking found.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) objects: Places,
    pub(super) count: u64,
    /// References, also those that lead to nothing.
    pub(super) references: usize,
    /// References to what is no object.
    pub(super) dangling: u64,
    /// See [`View::claim`](super::view::View::claim).
    pub(super) refused: bool,
}

/// Marks what is reached from `listed`, which is marked already, and from `roots`; learns their types.
pub(super) fn mark(
    walk: &Walk,
    mut objects: Places,
    listed: &[u64],
    roots: &[u64],
    types: Types,
    threads: usize,
) -> (Marked, Types) {
    let next = AtomicUsize::new(0);
    let mut first = Marker::new(walk.another(TIMES), types.clone(), &objects);
    let others: Vec<Marker> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let mut other = Marker::new(walk.another(TIMES), types.clone(), &objects);
                let next = &next;
                scope.spawn(move || {
                    other.share(listed, next);
                    other
                })
            })
            .collect();
        roots.iter().for_each(|&root| first.object(root));
        first.follow();
        first.share(listed, &next);
        others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut refused = first.walk.view.refused.get();
    let (mut types, mut references, mut dangling) = (first.types, first.references, first.dangling);
    for other in others {
        for kind in other.types.iter() {
            types.row(kind.address, walk);
        }
        references += other.references;
        dangling += other.dangling;
        refused |= other.walk.view.refused.get();
    }
    let count = objects.count();
    (Marked { objects, count, references, dangling, refused }, types)
}

/// Follows references, for one thread.
struct Marker<'m, 'i, 'a> {
    walk: Walk<'i, 'a>,
    types: Types,
    objects: &'m Places,
    pending: Vec<u64>,
    references: usize,
    dangling: u64,
}

impl<'m, 'i, 'a> Marker<'m, 'i, 'a> {
    fn new(walk: Walk<'i, 'a>, types: Types, objects: &'m Places) -> Self {
        Marker { walk, types, objects, pending: Vec::new(), references: 0, dangling: 0 }
    }

    /// Visits what nobody has visited yet of the lists.
    fn share(&mut self, listed: &[u64], next: &AtomicUsize) {
        while let Some(rest) = listed.get(next.fetch_add(SHARE, Relaxed)..).filter(|rest| !rest.is_empty()) {
            rest.iter().take(SHARE).for_each(|&object| self.listed(object));
        }
    }

    /// An object of one of the collector's lists, which is marked.
    fn listed(&mut self, address: u64) {
        if self.kind_at(address).is_some() {
            self.pending.push(address);
            return self.follow();
        }
        self.dangling += 1;
        if let Some(number) = self.walk.view.number(address) {
            self.objects.remove(number);
        }
    }

    /// An object that must be one.
    fn object(&mut self, address: u64) {
        if address != 0 && !self.take(address) {
            self.dangling += 1;
        }
    }

    /// The row of the type of what is at `address`, if that is an object.
    fn kind_at(&mut self, address: u64) -> Option<u32> {
        let kind = self.walk.view.pointer(address.wrapping_add(self.walk.fields.object_type));
        self.types.row(kind, &self.walk)
    }

    /// Whether there is an object at `address`; if it is new, it will be followed.
    fn take(&mut self, address: u64) -> bool {
        let Some(number) = self.walk.view.number(address) else { return false };
        if self.objects.has(number) {
            return true;
        }
        if self.kind_at(address).is_none() {
            return false;
        }
        if self.objects.insert(number) {
            self.pending.push(address);
        }
        true
    }

    /// Until nothing new comes up.
    fn follow(&mut self) {
        let mut unsure: Vec<(u64, bool)> = Vec::new();
        while let Some(object) = self.pending.pop() {
            let walk = &self.walk;
            let kind_at = walk.view.pointer(object + walk.fields.object_type);
            let Some(row) = self.types.row_of(kind_at) else { continue };
            let types = &self.types;
            let (objects, pending, references) = (self.objects, &mut self.pending, &mut self.references);
            walk.visit(object, types.at(row), &mut |target: u64, step: Step<'_>| {
                if target == 0 {
                    return;
                }
                let guess = matches!(step, Step::Guess);
                *references += usize::from(!guess);
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
                if guess && !self.walk.looks_like_object(target) {
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
}

impl Walk<'_, '_> {
    /// Stricter than for a reference proper: a word that nobody called one must lead to a live object.
    fn looks_like_object(&self, address: u64) -> bool {
        let references = self.view.word(address.wrapping_add(self.fields.object_refcnt));
        address.is_multiple_of(8)
            && references.is_some_and(|count| count > 0 && count & 0xffff_ffff != 0 && count < MOST_REFERENCES)
            && self.is_ready_type(self.view.pointer(address.wrapping_add(self.fields.object_type)))
    }

    /// How many references to an object it counts itself.
    pub(super) fn reference_count(&self, object: u64) -> u32 {
        let Some(count) = self.view.word(object.wrapping_add(self.fields.object_refcnt)) else {
            return Heap::UNCOUNTED;
        };
        // From 3.12 on the lower half counts, and of what is immortal its highest bit is set (Include/refcount.h).
        if self.fields.version.at_least(3, 12) {
            let count = count as u32;
            return if (count as i32) < 0 { Heap::UNCOUNTED } else { count };
        }
        // What is part of the interpreter's file begins with 999999999 in 3.11.
        u32::try_from(count).ok().filter(|&count| count < LEAST_IMMORTAL).unwrap_or(Heap::UNCOUNTED)
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

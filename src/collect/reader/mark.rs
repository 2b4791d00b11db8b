//! The first pass: which places in memory have an object. Begins at the collector's lists and the roots, follows every
//! reference to a fixpoint, and sets one bit for each object found.

use super::image::Image;
use super::types::{Kind, Types};
use super::walk::{Step, Walk};

/// Bits are counted in blocks of so many words, so that a rank needs one look and a few more.
const BLOCK: usize = 8;
/// What a reference count can be: that of an immortal object of 3.12 and later, or less.
const MOST_REFERENCES: u64 = 1 << 48;

/// A set of places, by their numbers in the image.
#[derive(Debug, Default)]
pub(super) struct Places {
    bits: Vec<u64>,
    /// How many are before each block.
    ranks: Vec<u32>,
}

impl Places {
    fn new(words: u64) -> Places {
        Places { bits: vec![0; words.div_ceil(64) as usize], ranks: Vec::new() }
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.bits.get((number / 64) as usize).is_some_and(|bits| bits >> (number % 64) & 1 != 0)
    }

    /// Says whether it is new.
    fn insert(&mut self, number: u64) -> bool {
        let Some(bits) = self.bits.get_mut((number / 64) as usize) else { return false };
        let bit = 1 << (number % 64);
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    /// To be called when the last one is in: then ranks can be asked for.
    fn count(&mut self) -> u64 {
        let mut sum = 0u64;
        self.ranks = Vec::with_capacity(self.bits.len() / BLOCK + 1);
        for block in self.bits.chunks(BLOCK) {
            self.ranks.push(sum.min(u64::from(u32::MAX)) as u32);
            sum += block.iter().map(|bits| u64::from(bits.count_ones())).sum::<u64>();
        }
        sum
    }

    /// How many are before `number`: the row of the object there.
    pub(super) fn rank(&self, number: u64) -> u32 {
        let at = (number / 64) as usize;
        let block = at / BLOCK;
        let before: u32 = self.bits[block * BLOCK..at].iter().map(|bits| bits.count_ones()).sum();
        self.ranks[block] + before + (self.bits[at] & ((1 << (number % 64)) - 1)).count_ones()
    }

    /// Those in a range of blocks of 64, in ascending order.
    pub(super) fn iter(&self, blocks: std::ops::Range<usize>) -> impl Iterator<Item = u64> + '_ {
        let start = blocks.start;
        self.bits[blocks].iter().enumerate().flat_map(move |(at, &bits)| {
            let mut rest = bits;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    ((start + at) * 64) as u64 + u64::from(bit)
                })
            })
        })
    }

    /// Ranges of blocks with about the same number of objects each.
    pub(super) fn shares(&self, count: usize, objects: u64) -> Vec<std::ops::Range<usize>> {
        let mut shares = Vec::new();
        let mut start = 0;
        for share in 1..=count as u64 {
            let wanted = objects * share / count as u64;
            let end = match share == count as u64 {
                true => self.bits.len(),
                false => self.ranks.partition_point(|&rank| u64::from(rank) < wanted) * BLOCK,
            };
            let end = end.clamp(start, self.bits.len());
            shares.push(start..end);
            start = end;
        }
        shares
    }
}

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
        let most = self.words;
        let mut found = Vec::new();
        if walk.each_of_list(head, most, &mut |object| found.push(object)).is_err() {
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

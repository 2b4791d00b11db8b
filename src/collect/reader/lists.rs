//! The collector's lists, each followed from both ends at once by two threads.
//!
//! A list is believed only if it closes and leads back as it leads forth: in the middle of a collection it does not. An object is
//! taken by whoever comes to it first, so the two ends meet, and a list that runs in a circle ends.

use super::image::WORD;
use super::places::Places;
use super::walk::Walk;

/// The lowest bits of the links say other things from 3.8 on (Include/internal/pycore_gc.h).
const LINK: u64 = !3;

/// What the collector's lists have.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// In the order of their lists, about the order in which they were made.
    pub(super) objects: Vec<u64>,
    /// Lists that do not hold together.
    pub(super) broken: u64,
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Broken;

/// A list followed from one end to where somebody had been before, or to the head.
struct End {
    /// The last that was taken: the head, if none was.
    last: u64,
    /// What comes after it.
    next: u64,
}

impl Walk<'_, '_> {
    /// The first and the last node of a list, if they lead back to its head: itself when it is empty.
    pub(super) fn ends_of_list(&self, head: u64) -> Option<[u64; 2]> {
        let link = |at: u64, offset: u64| self.view.word(at.wrapping_add(offset)).map(|word| word & LINK);
        let (first, last) = (link(head, self.fields.gc_next)?, link(head, self.fields.gc_prev)?);
        let leads_back = link(first, self.fields.gc_prev)? == head && link(last, self.fields.gc_next)? == head;
        leads_back.then_some([first, last])
    }

    /// Adds to `listed` and to `places` the objects of the list at `head`.
    pub(super) fn follow_list(&self, head: u64, places: &Places, listed: &mut Listed) {
        let (next, prev) = (self.fields.gc_next, self.fields.gc_prev);
        let mut from_end = Vec::new();
        let (forth, back) = std::thread::scope(|scope| {
            // Each of its loops ends with the places there are.
            let walk = self.another(0);
            let from_end = &mut from_end;
            let back = scope.spawn(move || walk.follow_end(head, (prev, next), places, from_end));
            (self.follow_end(head, (next, prev), places, &mut listed.objects), back.join())
        });
        listed.objects.extend(from_end.into_iter().rev());
        let meets = match (forth, back) {
            (Ok(forth), Ok(Ok(back))) => forth.next == back.last && back.next == forth.last,
            _ => false,
        };
        listed.broken += u64::from(!meets);
    }

    /// Follows the links at `forth`, each of which has to have its like at `back`.
    fn follow_end(
        &self,
        head: u64,
        (forth, back): (u64, u64),
        places: &Places,
        found: &mut Vec<u64>,
    ) -> Result<End, Broken> {
        let mut last = head;
        loop {
            let next = self.view.word(last.wrapping_add(forth)).ok_or(Broken)? & LINK;
            if self.view.word(next.wrapping_add(back)).ok_or(Broken)? & LINK != last {
                return Err(Broken);
            }
            if next == head {
                return Ok(End { last, next });
            }
            // Of the heads that cannot be said: 3.13.18 has them at odd multiples of four.
            if !next.is_multiple_of(WORD) {
                return Err(Broken);
            }
            let object = next.wrapping_add(self.fields.gc_head);
            if !places.insert(self.view.number(object).ok_or(Broken)?) {
                return Ok(End { last, next });
            }
            found.push(object);
            last = next;
        }
    }
}

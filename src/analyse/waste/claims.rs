//! What is said of single objects, put into groups: one place for all kinds of waste.

use std::cmp::Reverse;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::super::edges::Edges;
use super::super::group::{Numbers, by_via};
use super::{Finding, WasteKind, WasteRow};
use crate::heap::ObjectId;

/// So many objects of a group are asked who holds them: the first by address.
const MOST_ASKED: usize = 10_000;

/// That of an object with so many bytes so many could be saved. Less than none, where the rest of its group pays for it.
struct Claim {
    object: ObjectId,
    group: u32,
    bytes: u64,
    saved: i64,
}

/// Claims in groups, each of which has a key.
pub(super) struct Claims<K> {
    claims: Vec<Claim>,
    groups: Numbers<K>,
}

/// What the claims of a group come to.
#[derive(Clone, Copy)]
struct Sum {
    group: u32,
    objects: u64,
    bytes: u64,
    saved: i64,
    /// The claim of which most would be saved.
    max: (i64, ObjectId),
}

impl<K: Clone + Eq + Hash> Claims<K> {
    pub(super) fn new() -> Claims<K> {
        Claims { claims: Vec::new(), groups: Numbers::default() }
    }

    pub(super) fn add(&mut self, key: K, object: ObjectId, bytes: u64, saved: i64) {
        let group = self.groups.number(key);
        self.claims.push(Claim { object, group, bytes, saved });
    }

    /// The groups of which something would be saved, `top` of them in full.
    pub(super) fn finding(self, kind: WasteKind, edges: &Edges, top: usize, written: impl Fn(&K) -> String) -> Finding {
        let mut sums = self.sums();
        // Those with the most first, then by address: no two groups have an object in common.
        sums.sort_unstable_by_key(|sum| (Reverse(sum.saved), sum.max.1));
        let total = |of: fn(&Sum) -> u64| sums.iter().fold(0u64, |total, sum| total.saturating_add(of(sum)));
        let shown = &sums[..top.min(sums.len())];
        let row = |(sum, (held_by, held_saved_bytes)): (&Sum, (String, u64))| WasteRow {
            name: written(&self.groups.things[sum.group as usize]),
            objects: sum.objects,
            bytes: sum.bytes,
            saved_bytes: sum.saved.unsigned_abs(),
            max_saved_bytes: sum.max.0.max(0).unsigned_abs(),
            max_address: edges.heap.address(sum.max.1),
            held_by,
            held_saved_bytes,
        };
        Finding {
            kind,
            objects: total(|sum| sum.objects),
            bytes: total(|sum| sum.bytes),
            saved_bytes: total(|sum| sum.saved.unsigned_abs()),
            groups: sums.len() as u64,
            top: shown.iter().zip(self.held_by(edges, shown)).map(row).collect(),
        }
    }

    fn sums(&self) -> Vec<Sum> {
        let none = |group| Sum { group, objects: 0, bytes: 0, saved: 0, max: (i64::MIN, ObjectId(u32::MAX)) };
        let mut sums: Vec<Sum> = (0..self.groups.things.len() as u32).map(none).collect();
        for claim in &self.claims {
            let sum = &mut sums[claim.group as usize];
            sum.objects += 1;
            // A hostile target may claim any size.
            sum.bytes = sum.bytes.saturating_add(claim.bytes);
            sum.saved = sum.saved.saturating_add(claim.saved);
            if (Reverse(claim.saved), claim.object) < (Reverse(sum.max.0), sum.max.1) {
                sum.max = (claim.saved, claim.object);
            }
        }
        sums.retain(|sum| sum.saved > 0);
        sums
    }

    /// For each of these groups how those of its objects are held of which most would be saved, and how much that is.
    fn held_by(&self, edges: &Edges, shown: &[Sum]) -> Vec<(String, u64)> {
        let mut places = vec![None; self.groups.things.len()];
        shown.iter().enumerate().for_each(|(place, sum)| places[sum.group as usize] = Some(place));
        let mut asked = vec![0; shown.len()];
        let mut members: Vec<(ObjectId, usize, u64)> = Vec::new();
        for claim in &self.claims {
            if let Some(place) = places[claim.group as usize].filter(|&place: &usize| asked[place] < MOST_ASKED) {
                asked[place] += 1;
                members.push((claim.object, place, claim.saved.max(0).unsigned_abs()));
            }
        }
        members.sort_unstable();
        let objects: Vec<ObjectId> = members.iter().map(|(object, ..)| *object).collect();
        let parts = by_via(edges, &objects);
        let mut saved: Vec<FxHashMap<u32, u64>> = vec![FxHashMap::default(); shown.len()];
        for (&(_, place, bytes), &part) in members.iter().zip(&parts.of) {
            let sum = saved[place].entry(part).or_default();
            *sum = sum.saturating_add(bytes);
        }
        let name = |part: u32| &*parts.names[part as usize];
        let most = |saved: FxHashMap<u32, u64>| {
            let most = saved.into_iter().max_by_key(|&(part, saved)| (saved, Reverse(name(part))));
            most.map_or((String::new(), 0), |(part, saved)| (name(part).to_owned(), saved))
        };
        saved.into_iter().map(most).collect()
    }
}

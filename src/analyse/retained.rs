//! What each type retains as a set: the bytes that would be free if all objects of the type went at once. The same for any
//! other partition of the heap.
//!
//! The dominator tree gives a lower bound only: what two objects of a type hold together neither dominates. So for each
//! type, which objects would the roots still reach if they had to get round the objects of that type? This is asked for many
//! types at a time, by a mask for each object with one bit for each type without which it would still be reached: all that
//! the masks of its referrers have together, less the bit of its own type.
//!
//! Every path to an object leads through its dominator. Where the dominator itself refers to the object, the mask is
//! therefore that of the dominator, less the own type, and no other edge says more. What is left are the *joints*, where
//! several ways meet: few in a heap, and their masks are found by following the edges to them until nothing changes. A bit
//! once set stays, so this ends.

use std::collections::VecDeque;

use super::dominators::Dominators;
use super::edges::Edges;
use super::groups::Groups;
use crate::heap::ObjectId;

/// A mask: parts that are dealt with together. Fewer bits mean more rounds, more bits more memory to wait for in each.
type Bits = u32;
const TOGETHER: usize = Bits::BITS as usize;
/// The number of the roots in the tree, and their place among the joints.
const ROOTS: u32 = 0;

/// By type: the bytes that the roots reach, and would not without the objects of the type.
pub(crate) fn retained_by_type(edges: &Edges, tree: &Dominators) -> Vec<u64> {
    let heap = edges.heap;
    retained_by_part(edges, tree, heap.type_count(), |object| heap.type_of(object).0)
}

/// By part: the bytes that the roots reach, and would not without the objects of that part. Each object is in one part, below
/// `parts`. For each so many parts ([`Bits`]) the
/// objects are gone over a few times.
pub(crate) fn retained_by_part(
    edges: &Edges,
    tree: &Dominators,
    parts: usize,
    part: impl Fn(ObjectId) -> u32,
) -> Vec<u64> {
    let mut retained = vec![0u64; parts];
    let mut add = |part: u32, bytes: u64| {
        let sum = &mut retained[part as usize];
        *sum = sum.saturating_add(bytes);
    };
    let asked = asked(edges, tree, parts, &part);
    for (object, &bytes) in reached(tree).zip(&tree.bytes()[1..]) {
        // Alone, or holding nothing.
        if !asked[part(object) as usize] {
            add(part(object), bytes);
        }
    }
    let asked: Vec<u32> = (0..).zip(&asked).filter(|(_, asked)| **asked).map(|(part, _)| part).collect();
    if asked.is_empty() {
        return retained;
    }
    let joints = Joints::new(tree, part);
    for together in asked.chunks(TOGETHER) {
        let mut own: Vec<Bits> = vec![!0; parts];
        for (bit, &part) in together.iter().enumerate() {
            own[part as usize] = !(1 << bit);
        }
        let ways = joints.ways(&own);
        let masks = joints.masks(&own, &ways);
        let mask = |number: usize| masks[joints.above[number] as usize] & ways[number];
        for (number, &dominator) in tree.dominators().iter().enumerate().skip(1) {
            // Where the dominator goes too, this is in what it retains.
            let mut goes = !mask(number) & mask(dominator as usize);
            while goes != 0 {
                add(together[goes.trailing_zeros() as usize], tree.bytes()[number]);
                goes &= goes - 1;
            }
        }
    }
    retained
}

/// By part: does it have to be asked for? Of a single object the tree knows, and of those that hold nothing.
fn asked(edges: &Edges, tree: &Dominators, parts: usize, part: impl Fn(ObjectId) -> u32) -> Vec<bool> {
    let (mut counts, mut hold) = (vec![0u32; parts], vec![false; parts]);
    for object in reached(tree) {
        let part = part(object) as usize;
        counts[part] += 1;
        hold[part] = hold[part] || edges.held(object).next().is_some();
    }
    counts.iter().zip(hold).map(|(count, hold)| *count > 1 && hold).collect()
}

/// What the roots reach, in the order of the tree.
fn reached(tree: &Dominators) -> impl Iterator<Item = ObjectId> + '_ {
    tree.rows()[1..].iter().map(|&row| ObjectId(row))
}

/// The heap as ways from joint to joint. Objects go by their numbers in the tree, joints also by their places, nearest to
/// the roots first: in that order their masks are found.
struct Joints<'t> {
    dominators: &'t [u32],
    /// By number; that of the roots means nothing.
    parts: Vec<u32>,
    /// By place: the number. The roots have the first.
    numbers: Vec<u32>,
    /// By number: the place of the lowest joint that dominates it, which may be itself.
    above: Vec<u32>,
    /// By place: the edges to joints that come from there or from what is next below: from which number, to which place.
    edges: Groups<(u32, u32)>,
}

impl<'t> Joints<'t> {
    fn new(tree: &'t Dominators, part: impl Fn(ObjectId) -> u32) -> Joints<'t> {
        let dominators = tree.dominators();
        let mut numbers = vec![ROOTS];
        numbers.extend(tree.joints().iter().map(|(joint, _)| joint));
        numbers.dedup();
        let mut above = Vec::with_capacity(dominators.len());
        above.push(ROOTS);
        let mut next = (1..).zip(&numbers[1..]).peekable();
        for (number, &dominator) in (0..).zip(dominators).skip(1) {
            let joint = next.next_if(|(_, joint)| **joint == number);
            above.push(joint.map_or(above[dominator as usize], |(place, _)| place));
        }
        let edges = |above: &[u32]| {
            let edges = tree.joints().iter();
            let edges = edges.map(|&(to, from)| (above[from as usize], (from, above[to as usize])));
            Groups::new(numbers.len(), edges)
        };
        let places = by_distance(numbers.len(), &edges(&above));
        above.iter_mut().for_each(|place| *place = places[*place as usize]);
        let edges = edges(&above);
        let mut sorted = vec![ROOTS; numbers.len()];
        numbers.iter().zip(places).for_each(|(&number, place)| sorted[place as usize] = number);
        let parts = tree.rows().iter().map(|&row| part(ObjectId(row))).collect();
        Joints { dominators, parts, numbers: sorted, above, edges }
    }

    /// By number: the parts that are not between it and the joint above, nor its own. `own` has all bits but that of the part.
    fn ways(&self, own: &[Bits]) -> Vec<Bits> {
        let mut ways: Vec<Bits> = Vec::with_capacity(self.dominators.len());
        ways.push(!0);
        for (number, &dominator) in self.dominators.iter().enumerate().skip(1) {
            let joint = self.above[number] != self.above[dominator as usize];
            ways.push(if joint { !0 } else { ways[dominator as usize] & own[self.parts[number] as usize] });
        }
        ways
    }

    /// By place: the parts without whose objects the joint is reached.
    fn masks(&self, own: &[Bits], ways: &[Bits]) -> Vec<Bits> {
        /// What a joint has, what may still come to it, and whether it is to hand on what it has.
        #[derive(Clone, Copy)]
        struct Mask {
            has: Bits,
            lacks: Bits,
            waits: bool,
        }
        let limit = |&number: &u32| Mask { has: 0, lacks: own[self.parts[number as usize] as usize], waits: false };
        let mut masks: Vec<Mask> = self.numbers.iter().map(limit).collect();
        masks[ROOTS as usize].has = !0;
        let mut queue = VecDeque::from([ROOTS]);
        while let Some(place) = queue.pop_front() {
            let mask = &mut masks[place as usize];
            mask.waits = false;
            let has = mask.has;
            for &(from, to) in self.edges.of(place as usize) {
                let mask = &mut masks[to as usize];
                // Often it lacks nothing.
                if mask.lacks & has == 0 {
                    continue;
                }
                let new = has & mask.lacks & ways[from as usize];
                mask.has |= new;
                mask.lacks &= !new;
                if new != 0 && !std::mem::replace(&mut mask.waits, true) {
                    queue.push_back(to);
                }
            }
        }
        masks.into_iter().map(|mask| mask.has).collect()
    }
}

/// New places of joints, by their old ones: in the order of their distance from the roots.
fn by_distance(joints: usize, edges: &Groups<(u32, u32)>) -> Vec<u32> {
    let mut places = vec![u32::MAX; joints];
    places[ROOTS as usize] = ROOTS;
    let mut order = vec![ROOTS];
    let mut next = 0;
    while let Some(&joint) = order.get(next) {
        next += 1;
        for &(_, to) in edges.of(joint as usize) {
            if places[to as usize] == u32::MAX {
                places[to as usize] = order.len() as u32;
                order.push(to);
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle;
    use super::*;
    use crate::heap::{Heap, TypeId, sample};

    fn of(heap: &Heap) -> Vec<u64> {
        let edges = Edges::new(heap);
        retained_by_type(&edges, &Dominators::new(&edges))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_type_retains_what_is_not_reached_without_it(heap in oracle::heaps()) {
            let expected: Vec<u64> = (0..heap.type_count() as u32)
                .map(|kind| oracle::retained(&heap, |object| heap.type_of(object) == TypeId(kind)))
                .collect();
            prop_assert_eq!(of(&heap), expected);
        }
    }

    fn check(heap: &str, expected: &[(&str, u64)]) {
        let heap = sample::heap(heap);
        let retained = of(&heap);
        for (kind, bytes) in expected {
            let id = heap.type_named(kind).expect("a type of the sample");
            assert_eq!(retained[id.index()], *bytes, "{kind}");
        }
    }

    #[test]
    fn what_two_of_a_type_hold_goes_with_both() {
        check(
            "m:builtins.module=1 -> a, b, c
             a:app.Node=10 -> s
             b:app.Node=20 -> s, c
             c:app.C=40
             s:app.Shared=100 -> t
             t:app.T=1000
             root m module app",
            &[("app.Node", 1130), ("app.C", 40), ("app.Shared", 1100), ("builtins.module", 1171)],
        );
    }

    #[test]
    fn more_types_than_go_together() {
        let mut text = String::from("m:builtins.module -> n0, n1, n2, n3\nroot m module app\n");
        for i in 0..200 {
            let next = if i < 196 { format!(" -> n{}", i + 4) } else { String::new() };
            text.push_str(&format!("n{i}:app.T{}=1{next}\n", i % 100));
        }
        let first: Vec<(String, u64)> = (0..100).map(|i| (format!("app.T{i}"), 50 - i / 4)).collect();
        check(&text, &first.iter().map(|(kind, bytes)| (&**kind, *bytes)).collect::<Vec<_>>());
    }

    #[test]
    fn what_no_root_reaches_is_retained_by_nothing() {
        check("a:app.A=8 -> b\nb:app.A=8\nc:app.C=1\nroot c sys", &[("app.A", 0), ("app.C", 1)]);
    }
}

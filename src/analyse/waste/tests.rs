//! Each kind of waste on heaps made by hand, and equal texts against a slow search.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::heap::{Flags, HeapBuilder, sample};

fn waste_of(heap: Heap, version: &str) -> Waste {
    let mut capture = sample::capture(heap);
    capture.target.python.version = version.to_owned();
    waste(&capture, "x".into(), usize::MAX)
}

/// Of one kind: what each row is called, how many objects and bytes, what would be saved, and by whom it is held.
fn rows(waste: &Waste, kind: WasteKind) -> Vec<(&str, u64, u64, u64, &str)> {
    let finding = waste.kinds.iter().find(|finding| finding.kind == kind).expect("it was looked for");
    assert_eq!(finding.saved_bytes, finding.top.iter().map(|row| row.saved_bytes).sum::<u64>());
    finding.top.iter().map(|row| (&*row.name, row.objects, row.bytes, row.saved_bytes, &*row.held_by)).collect()
}

fn codes(waste: &Waste) -> Vec<&str> {
    waste.notices.iter().map(|notice| &*notice.code).collect()
}

#[test]
fn of_equal_texts_one_is_needed() {
    let heap = sample::heap(
        "m:builtins.module -> l.TEXTS
         l:builtins.list=88 -> a, b, c, d, e, f, g, h
         a:builtins.str=60
         b:builtins.str=60
         c:builtins.str=70
         d:builtins.str=60
         e:builtins.bytes=60
         f:builtins.str=60
         g:builtins.str=60
         h:builtins.bytes=33
         root m module app",
    );
    // f and g are not known.
    let waste = waste_of(heap.with_contents(vec![0, 0, 5, 5, 5, 6, 5, 0, 0, 6]), "3.11.7");
    assert_eq!(rows(&waste, WasteKind::DuplicateTexts), [("builtins.str", 3, 190, 120, "builtins.list[0]")]);
    let row = &waste.kinds[0].top[0];
    assert_eq!((row.max_saved_bytes, row.max_address, row.held_saved_bytes), (60, Address(0x1020), 60));
    assert_eq!(codes(&waste), [""; 0]);
}

#[test]
fn what_cannot_be_looked_for_is_said() {
    let heap = || sample::heap("l:builtins.list=56\nm:builtins.module -> l\nroot m module app");
    let kinds = |waste: &Waste| waste.kinds.iter().map(|finding| finding.kind).collect::<Vec<_>>();
    let waste = waste_of(heap(), "2.7.18");
    assert_eq!(
        (codes(&waste), kinds(&waste)),
        (vec!["no-contents", "sizes-unknown"], vec![WasteKind::EmptyContainers])
    );
    assert_eq!(
        (codes(&waste_of(heap(), "3.6.15")), kinds(&waste_of(heap(), "3.6.15")).len()),
        (vec!["no-contents"], 4)
    );
    let mut capture = sample::capture(heap());
    capture.coverage.truncated = true;
    assert!(codes(&super::waste(&capture, "x".into(), 1)).contains(&"truncated"));
}

#[test]
fn room_that_a_copy_would_not_have_is_waste() {
    let heap = sample::heap(
        "m:builtins.module -> d.__dict__, l.LIST, t.TIGHT, s.SET, f.SMALL, i.i, p.p, n.NO_TABLE
         d:builtins.dict=3328 -> x['x']
         l:builtins.list=856 -> x, x, x
         t:builtins.list=88 -> x, x, x
         s:builtins.set=728 -> x, y, z
         f:builtins.frozenset=216 -> x
         i:app.Split=56 -> j.__dict__
         j:builtins.dict=272 -> x['a'], y['b'], z['c'], x['d'], x['e']
         p:app.Own=56 -> q.__dict__
         q:builtins.dict=464 -> x['a'], y['b'], z['c'], x['d'], x['e']
         n:builtins.dict=300 -> x['a']
         o:builtins.list=856 -> x
         x:app.X
         y:app.X
         z:app.X
         root m module app",
    );
    // Neither the dict of the module, nor that which may share its keys, nor what nobody holds.
    let waste = waste_of(heap, "3.11.7");
    let expected = [
        ("builtins.list", 1, 856, 768, "app.LIST"),
        ("builtins.set", 1, 728, 512, "app.SET"),
        ("dict of app.Own", 1, 464, 280, "app.Own.__dict__"),
    ];
    assert_eq!(rows(&waste, WasteKind::SparseContainers), expected);
}

#[test]
fn what_is_empty_is_told_but_for_dicts_of_attributes() {
    let heap = sample::heap(
        "m:builtins.module -> a.A, b.B, c.C, d.D, e.E, i.I
         a:builtins.list=856
         b:builtins.list=56
         c:collections.defaultdict=72 -> t.default_factory
         d:builtins.dict=64 -> t['k']
         e:app.List=56
         i:app.I=48 -> j.__dict__
         j:builtins.dict=64
         n:builtins.set=216
         t:builtins.type
         root m module app",
    );
    let expected = [("builtins.list", 2, 912, 912, "app.A"), ("collections.defaultdict", 1, 72, 72, "app.C")];
    assert_eq!(rows(&waste_of(heap, "3.11.7"), WasteKind::EmptyContainers), expected);
}

/// Items of a container: their type and size, and how many. Those called `shared` are the same in all containers.
type Items<'t> = (&'t str, u64, usize);

/// A module with containers of numbers.
fn numbers(containers: &[(&str, &[Items])]) -> Heap {
    let mut text = String::from("m:builtins.module -> root");
    let mut items = String::new();
    for (at, (kind, parts)) in containers.iter().enumerate() {
        text.push_str(&format!(", c{at}.C{at}"));
        let mut edges = Vec::new();
        for (part, (number, size, count)) in parts.iter().enumerate() {
            for index in 0..*count {
                let name = if *number == "shared" { format!("s{index}") } else { format!("n{at}x{part}x{index}") };
                if *number != "shared" {
                    items.push_str(&format!("\n{name}:{number}={size}"));
                }
                edges.push(name);
            }
        }
        items.push_str(&format!("\nc{at}:{kind}=5000 -> {}", edges.join(", ")));
    }
    let shared: String = (0..300).map(|index| format!("\ns{index}:builtins.float=24")).collect();
    let text = text.replace("root, ", "") + &items + &shared + "\nroot m module app";
    sample::heap(&text)
}

#[test]
fn boxes_of_numbers_that_nobody_else_holds_are_waste() {
    let heap = numbers(&[
        // Of 300 floats 200 are its own; an array takes 80 + 8 * 300. The tuple has the others, and 156 of its own.
        ("builtins.list", &[("builtins.float", 24, 200), ("shared", 24, 100)]),
        ("builtins.tuple", &[("shared", 24, 256)]),
        ("builtins.list", &[("builtins.int", 32, 300)]),
        // As many of one digit as may be the interpreter's.
        ("builtins.tuple", &[("builtins.int", 28, 300)]),
        // One that may be too large, too few, not all alike, not all numbers.
        ("builtins.list", &[("builtins.int", 32, 300), ("builtins.int", 36, 1)]),
        ("builtins.list", &[("builtins.float", 24, 255)]),
        ("builtins.list", &[("builtins.int", 32, 300), ("builtins.float", 24, 1)]),
        ("builtins.list", &[("builtins.float", 24, 300), ("builtins.bool", 28, 1)]),
    ]);
    let slack = |items: u64| 5000 - 80 - 8 * items;
    let expected = [
        ("builtins.list of builtins.int", 1, 14600, 9600 + slack(300), "app.C2"),
        ("builtins.list of builtins.float", 1, 9800, 4800 + slack(300), "app.C0"),
        ("builtins.tuple of builtins.float", 1, 5000 + 156 * 24, 156 * 24 + slack(256), "app.C1"),
        ("builtins.tuple of builtins.int", 1, 13400, 38 * 28 + slack(300), "app.C3"),
    ];
    assert_eq!(rows(&waste_of(heap, "3.12.1"), WasteKind::BoxedNumbers), expected);
}

#[test]
fn dicts_that_slots_would_do_without_are_waste() {
    let heap = sample::heap(
        "m:builtins.module -> l.ALL, h.HELD, o
         l:builtins.list=88 -> a, b, c, d, e, f
         a:app.A=48 -> p.__dict__
         p:builtins.dict=104 -> v['x'], v['y']
         b:app.A=48 -> q.__dict__
         q:builtins.dict=232 -> v['x'], v['z']
         c:app.A=48 -> h.__dict__
         h:builtins.dict=104 -> v['x']
         d:app.A=48
         e:app.Failure=88 -> r.__dict__
         r:builtins.dict=104 -> v['x']
         f:app.Odd=48 -> s.__dict__
         s:builtins.dict=104 -> v['not a name']
         o:builtins.Odd=48 -> t.__dict__
         t:builtins.dict=104 -> v['x']
         v:builtins.str
         root m module app",
    );
    // Three slots in each of the four, in place of the place for a dict; one dict is another's, too, and one has none.
    let expected = [("app.A", 4, 48 * 4 + 104 + 232, 104 + 232 + 2 * 8 - 4 * 3 * 8, "builtins.list[1]")];
    assert_eq!(rows(&waste_of(heap, "3.8.18"), WasteKind::InstanceDicts), expected);
}

#[test]
fn values_beside_instances_are_not_claimed() {
    let heap = sample::heap(
        "m:builtins.module -> l.ALL
         l:builtins.list=88 -> a, b, c
         a:app.A=48 -> k.__class__, v.x, p.__dict__
         p:builtins.dict=296 -> v['x'], v['y']
         b:app.A=48 -> k.__class__, v.x, v.z
         c:app.B=48 -> k.__class__, v.x
         k:builtins.type
         v:builtins.str
         root m module app",
    );
    // Three slots for a; b has two values already, and gets one more.
    let expected = [("app.A", 2, 48 * 2 + 296, 296 - 3 * 8 - 8, "builtins.list[0]")];
    assert_eq!(rows(&waste_of(heap, "3.13.0"), WasteKind::InstanceDicts), expected);
}

#[test]
fn what_is_not_shown_is_counted() {
    let heap = sample::heap(
        "m:builtins.module -> a.A, b.B
         a:builtins.list=56
         b:builtins.dict=64
         root m module app",
    );
    let waste = waste(&sample::capture(heap), "x".into(), 1);
    let finding = &waste.kinds[0];
    assert_eq!((finding.objects, finding.saved_bytes, finding.groups, finding.top.len()), (2, 120, 2, 1));
    assert_eq!(finding.top[0].name, "builtins.dict");
}

proptest! {
    #[test]
    fn equal_texts_are_found_as_by_looking_at_each_pair(
        texts in vec((0..3usize, 0..6u64, 0..200u64), 0..60),
    ) {
        let mut builder = HeapBuilder::default();
        let kinds = ["builtins.str", "builtins.bytes", "builtins.int"].map(|name| builder.type_id(name));
        for (at, (kind, _, size)) in texts.iter().enumerate() {
            builder.object(Address(16 * at as u64), kinds[*kind], *size, Flags::default(), std::iter::empty());
        }
        let contents = texts.iter().map(|(kind, content, _)| if *kind == 2 { 0 } else { *content }).collect();
        let heap = builder.finish().0.with_contents(contents);
        let mut slow: BTreeMap<usize, (u64, u64, u64)> = BTreeMap::new();
        for (at, one) in texts.iter().enumerate() {
            let equal = |other: &&(usize, u64, u64)| (one.0, one.1) == (other.0, other.1);
            let first = texts.iter().position(|other| equal(&other)).expect("itself");
            let all: Vec<u64> = texts.iter().filter(equal).map(|other| other.2).collect();
            if first == at && one.0 < 2 && one.1 != 0 && all.len() > 1 {
                let (sum, max) = (all.iter().sum::<u64>(), all.iter().max().expect("two"));
                slow.insert(at, (all.len() as u64, sum, sum - max));
            }
        }
        let waste = waste_of(heap, "3.11.7");
        let mut found: Vec<_> = match waste.kinds.first() {
            Some(finding) if finding.kind == WasteKind::DuplicateTexts => {
                finding.top.iter().map(|row| (row.objects, row.bytes, row.saved_bytes)).collect()
            }
            _ => Vec::new(),
        };
        // What takes no bytes is no waste.
        let mut expected: Vec<_> = slow.into_values().filter(|(.., saved)| *saved > 0).collect();
        prop_assert!(found.is_sorted_by(|a, b| a.2 >= b.2));
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

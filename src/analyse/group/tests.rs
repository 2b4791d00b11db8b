//! Groups of heaps written by hand, with known answers, and of random ones, against slow definitions.

use proptest::prelude::*;

use super::super::oracle;
use super::*;
use crate::cli::values::Asked;
use crate::heap::{Frame, Heap, ThreadFacts, sample};

fn told(grouping: &Grouping) -> Vec<(String, u64, u64)> {
    grouping.groups.iter().map(|row| (row.key.join(" | "), row.count, row.bytes)).collect()
}

fn check(capture: &Capture, by: &[By], filter: Filter, expected: &[(&str, u64, u64)]) {
    let grouping = group(capture, "new.parquet".into(), by, &filter, None).expect("the filters name what there is");
    let expected: Vec<_> = expected.iter().map(|(key, count, bytes)| (key.to_string(), *count, *bytes)).collect();
    assert_eq!(told(&grouping), expected, "{by:?}");
    let sums = told(&grouping).iter().fold((0, 0), |(count, bytes), row| (count + row.1, bytes + row.2));
    assert_eq!((grouping.grouped.objects, grouping.grouped.bytes), sums);
}

fn of_type(name: &str) -> Filter {
    Filter { kind: Some(name.into()), ..Filter::default() }
}

/// A bus with listeners, one of which it also has as the last; another is in a local variable.
const BUS: &str = "
    m:builtins.module=1 -> md.__dict__
    md:builtins.dict=2 -> bus['BUS']
    bus:app.Bus=4 -> bd.__dict__
    bd:builtins.dict=8 -> l['listeners'], e['last'], key.key
    key:builtins.str=16
    l:builtins.list=32 -> a, b, c, d, e
    a:app.bus.Marker=100
    b:app.bus.Marker=100
    c:app.bus.Marker=100
    d:app.bus.Marker=100
    e:app.bus.Marker=100
    f:app.bus.Marker=101
    g:app.bus.Marker.Inner=100
    w:weakref.ReferenceType=64 -> a.referent
    root m module app
    root f local app.main kept";

#[test]
fn by_what_an_object_is() {
    let capture = sample::capture(sample::heap(BUS));
    check(
        &capture,
        &[By::Type],
        Filter::default(),
        &[
            ("app.bus.Marker", 6, 601),
            ("app.bus.Marker.Inner", 1, 100),
            ("weakref.ReferenceType", 1, 64),
            ("builtins.list", 1, 32),
            ("builtins.str", 1, 16),
            ("dict of app.Bus", 1, 8),
            ("app.Bus", 1, 4),
            ("dict of builtins.module", 1, 2),
            ("builtins.module", 1, 1),
        ],
    );
    let app = Filter { module: Some("app".into()), ..Filter::default() };
    // There is no module `app.bus` among the roots: all of it is of `app`.
    check(&capture, &[By::Module], app, &[("app", 9, 713)]);
    check(&capture, &[By::Size], of_type("Marker"), &[("100 B", 5, 500), ("101 B", 1, 101)]);
    check(&capture, &[By::Generation], of_type("Marker"), &[("tracked (unknown which)", 6, 601)]);
    check(&capture, &[By::Type], of_type("dict of Bus"), &[("dict of app.Bus", 1, 8)]);
    check(&capture, &[By::Type], of_type("dict"), &[("dict of app.Bus", 1, 8), ("dict of builtins.module", 1, 2)]);
    let large = Filter { min_size: Some(101), ..Filter::default() };
    check(&capture, &[By::Type], large, &[("app.bus.Marker", 1, 101)]);
}

#[test]
fn by_who_refers_to_it_and_through_what() {
    let capture = sample::capture(sample::heap(BUS));
    check(
        &capture,
        &[By::ReferrerType],
        of_type("Marker"),
        &[("builtins.list", 4, 400), ("(frame of app.main)", 1, 101), ("builtins.list, dict of app.Bus", 1, 100)],
    );
    check(
        &capture,
        &[By::Via],
        of_type("Marker"),
        &[
            ("builtins.list[…]", 4, 400),
            ("(local kept of app.main)", 1, 101),
            ("app.Bus.last, builtins.list[…]", 1, 100),
        ],
    );
    check(&capture, &[By::Via], of_type("app.Bus"), &[("app.BUS", 1, 4)]);
    check(&capture, &[By::Via, By::Type], of_type("Inner"), &[("(nothing) | app.bus.Marker.Inner", 1, 100)]);
    let refers = |to: &str| Filter { refers_to: Some(Asked::Type(to.into())), ..Filter::default() };
    check(&capture, &[By::Type], refers("Marker"), &[("builtins.list", 1, 32), ("app.Bus", 1, 4)]);
    check(&capture, &[By::Type], refers("builtins.list"), &[("app.Bus", 1, 4)]);
    let referred = Filter { referred_by: Some(Asked::Address(Address(0x1020))), ..Filter::default() };
    check(
        &capture,
        &[By::Type],
        referred,
        &[("app.bus.Marker", 1, 100), ("builtins.list", 1, 32), ("builtins.str", 1, 16), ("dict of app.Bus", 1, 8)],
    );
}

#[test]
fn by_who_keeps_it() {
    check(
        &sample::capture(sample::heap(BUS)),
        &[By::Owner],
        of_type("Marker"),
        &[("builtins.list", 4, 400), ("(a root)", 1, 101), ("app.Bus", 1, 100)],
    );
    let shared = "m:app.M -> x\nn:app.N -> x\nx:app.X=5\ny:app.X=3\nroot m module m\nroot n module n";
    check(
        &sample::capture(sample::heap(shared)),
        &[By::Owner],
        of_type("X"),
        &[("(several together)", 1, 5), ("(no root reaches it)", 1, 3)],
    );
}

#[test]
fn by_the_thread_whose_variables_lead_to_it() {
    let mut capture = sample::capture(sample::heap(
        "m:app.T=1 -> g
         g:app.T=2
         a:app.T=4 -> b, both, g
         b:app.T=8
         c:app.T=16 -> both, m
         both:app.T=32 -> deep
         deep:app.T=64
         p:app.T=128
         q:app.T=256
         none:app.T=512
         root m module app
         root a local app.one x
         root c local app.two y
         root p local app.pool z
         root q local app.gone z",
    ));
    let frame = |function: &str| Frame { function: function.into(), ..Frame::default() };
    let thread = |name: &str, ident, functions: &[&str]| ThreadFacts {
        ident,
        name: name.into(),
        frames: functions.iter().map(|function| frame(function)).collect(),
    };
    capture.threads = vec![thread("one", 1, &["app.one", "app.pool"]), thread("", 0x2b, &["app.two", "app.pool"])];
    check(
        &capture,
        &[By::Thread],
        Filter::default(),
        &[
            ("(no root reaches it)", 1, 512),
            ("(a thread, unknown which)", 2, 384),
            ("(several threads together)", 2, 96),
            ("thread 0x2b", 1, 16),
            ("one", 2, 12),
            ("(not of a thread alone)", 2, 3),
        ],
    );
}

#[test]
fn what_is_new_since_an_earlier_snapshot_of_the_same_process() {
    let old = sample::capture(sample::heap("a:app.A=1\nb:app.B=2\nc:app.A=4"));
    let mut new = sample::capture(sample::heap("a:app.A=1\nb:app.A=8\nc:app.A=4\nd:app.A=16"));
    let told_ = |new: &Capture| {
        let grouping = group(new, String::new(), &[By::Type], &Filter::default(), Some(&old));
        grouping.map(|grouping| told(&grouping)).map_err(|error| error.text)
    };
    assert_eq!(told_(&new), Ok(vec![("app.A".into(), 2, 24)]), "another type at the same address is another object");
    new.target.start_time = "dusk".into();
    assert!(told_(&new).is_err_and(|text| text.contains("another process (pid 7, started noon)")));
}

#[test]
fn what_is_not_there_is_said() {
    let capture = sample::capture(sample::heap(BUS));
    let error = |filter: Filter| group(&capture, String::new(), &[By::Type], &filter, None).unwrap_err().text;
    assert_eq!(error(of_type("Markre")), "the heap has no object of type `Markre`");
    assert_eq!(error(of_type("dict of Markre")), "the heap has no object of type `Markre`");
    let nowhere = Filter { module: Some("ap\u{1b}".into()), ..Filter::default() };
    assert_eq!(error(nowhere), "the heap has no type of a module `ap\\u{1b}`");
}

/// By row, slow and simple: which objects have an edge to it that holds.
fn referrers(heap: &Heap, object: ObjectId) -> Vec<ObjectId> {
    let holds = |holder: ObjectId, position: usize| {
        let weak = heap.type_name_of(holder).starts_with("weakref.");
        !weak || heap.edge_name(holder, position).as_deref() == Some(".__callback__")
    };
    let refers = |&holder: &ObjectId| {
        let mut edges = heap.referents(holder).iter().enumerate();
        edges.any(|(position, &row)| row == object.0 && holds(holder, position))
    };
    heap.objects().filter(refers).collect()
}

/// Without which objects is it not reached?
fn dominators(heap: &Heap, object: ObjectId) -> Vec<ObjectId> {
    heap.objects().filter(|&other| !oracle::reached(heap, |it| it == other)[object.index()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_heaps_by_definition(heap in oracle::heaps()) {
        let reached = oracle::reached(&heap, |_| false);
        let is_root = |object: ObjectId| heap.roots().iter().any(|(root, _)| *root == object);
        let mut expected: Vec<(String, u64, u64)> = Vec::new();
        for object in heap.objects() {
            let mut names: Vec<&str> = referrers(&heap, object).into_iter().map(|it| heap.type_name_of(it)).collect();
            if is_root(object) {
                names.push("(the interpreter)");
            }
            names.sort();
            names.dedup();
            let names = if names.is_empty() { "(nothing)".to_owned() } else { names.join(", ") };
            let above = || dominators(&heap, object).into_iter().filter(|&it| it != object);
            let owner = match above().max_by_key(|&it| dominators(&heap, it).len()) {
                _ if !reached[object.index()] => "(no root reaches it)",
                Some(owner) => heap.type_name_of(owner),
                None if is_root(object) => "(a root)",
                None => "(several together)",
            };
            let key = format!("{names} | {owner}");
            let at = expected.iter().position(|(other, ..)| *other == key);
            let at = at.unwrap_or_else(|| {
                expected.push((key, 0, 0));
                expected.len() - 1
            });
            expected[at].1 += 1;
            expected[at].2 += heap.size(object);
        }
        expected.sort();
        let capture = sample::capture(heap);
        let by = [By::ReferrerType, By::Owner];
        let mut found = told(&group(&capture, String::new(), &by, &Filter::default(), None).expect("no filter"));
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

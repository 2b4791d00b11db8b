//! The tree against slow definitions on random graphs, by hand, and on graphs as deep as memory.

use proptest::prelude::*;

use super::super::oracle;
use super::*;
use crate::heap::sample;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_object_dominates_what_is_not_reached_without_it(heap in oracle::heaps()) {
        let tree = Dominators::new(&Edges::new(&heap));
        let now = oracle::reached(&heap, |_| false);
        prop_assert_eq!(tree.reached(), now.iter().filter(|reached| **reached).count());
        prop_assert_eq!(tree.total(), oracle::retained(&heap, |_| true));
        for object in heap.objects() {
            if !now[object.index()] {
                prop_assert_eq!((tree.retained(object), tree.dominator(object)), (None, None));
                continue;
            }
            prop_assert_eq!(tree.retained(object), Some(oracle::retained(&heap, |other| other == object)));
            let without = oracle::reached(&heap, |other| other == object);
            for other in heap.objects() {
                let dominates = now[other.index()] && !without[other.index()];
                prop_assert_eq!(tree.dominates(object, other), dominates);
                prop_assert_eq!(is_above(&tree, object, other), dominates);
            }
        }
    }

    #[test]
    fn what_some_retain_is_counted_once(heap in oracle::heaps(), chosen in proptest::collection::vec(0..24u32, 0..8)) {
        let tree = Dominators::new(&Edges::new(&heap));
        let chosen: Vec<ObjectId> = chosen.into_iter().filter(|&row| (row as usize) < heap.len()).map(ObjectId).collect();
        let among = |object: ObjectId| chosen.iter().any(|&other| tree.dominates(other, object));
        let expected = heap.objects().filter(|&object| among(object)).map(|object| heap.size(object)).sum::<u64>();
        prop_assert_eq!(tree.retained_by_any(&chosen), expected);
    }

    #[test]
    fn children_are_those_of_whom_a_node_is_the_dominator(heap in oracle::heaps()) {
        let tree = Dominators::new(&Edges::new(&heap));
        let below = tree.children();
        for node in [Node::Roots].into_iter().chain(heap.objects().map(Node::Object)) {
            let mut children: Vec<_> = below.of(node).collect();
            children.sort();
            let expected: Vec<_> = heap.objects().filter(|&o| tree.dominator(o) == Some(node)).collect();
            prop_assert_eq!(children, expected);
        }
    }
}

/// Whether `object` is `other` or above it in the tree, going up step by step.
fn is_above(tree: &Dominators, object: ObjectId, other: ObjectId) -> bool {
    let mut at = Some(Node::Object(other));
    while let Some(Node::Object(below)) = at {
        if below == object {
            return true;
        }
        at = tree.dominator(below);
    }
    false
}

/// For each object its name, what dominates it, and what it retains.
fn check(heap: &str, expected: &[(&str, Option<&str>, u64)]) {
    let names: Vec<&str> =
        heap.lines().map(str::trim).filter(|l| l.contains(':')).map(|l| l.split(':').next().unwrap_or("")).collect();
    let heap = sample::heap(heap);
    let tree = Dominators::new(&Edges::new(&heap));
    let told: Vec<_> = heap
        .objects()
        .filter_map(|object| {
            let above = match tree.dominator(object)? {
                Node::Object(above) => Some(names[above.index()]),
                Node::Roots => None,
            };
            Some((names[object.index()], above, tree.retained(object)?))
        })
        .collect();
    for row in expected {
        assert!(told.contains(row), "{row:?} is not in {told:?}");
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn what_two_hold_is_under_what_holds_both() {
    check(
        "m:builtins.module=1 -> a, b
         a:app.A=10 -> s, x
         b:app.B=20 -> s
         s:app.Shared=100 -> t
         t:app.T=1000
         x:app.X=5
         g:app.Garbage=7 -> x
         root m module app",
        &[
            ("m", None, 1136),
            ("a", Some("m"), 15),
            ("b", Some("m"), 20),
            ("s", Some("m"), 1100),
            ("t", Some("s"), 1000),
            ("x", Some("a"), 5),
        ],
    );
}

#[test]
fn what_two_roots_hold_is_under_no_object() {
    let heap = "a:app.A=1 -> x, b\nb:app.B=2 -> x, a\nx:app.X=4 -> w\nw:weakref.ReferenceType=8 -> y\ny:app.Y=16";
    check(
        &format!("{heap}\nroot a module app\nroot b sys"),
        &[("a", None, 1), ("b", None, 2), ("x", None, 12), ("w", Some("x"), 8)],
    );
    check(heap, &[]);
    check("", &[]);
}

/// Recursion would end here, and a step that climbs one by one would not.
#[test]
fn a_long_list_with_an_index_is_no_trouble() {
    const LENGTH: u64 = 200_000;
    let mut builder = crate::heap::HeapBuilder::default();
    let (list, node) = (builder.type_id("builtins.list"), builder.type_id("app.Node"));
    let address = |i: u64| crate::units::Address(16 * i);
    let (nodes, value) = (1..=LENGTH, |i: u64| LENGTH + i);
    // A list of all values, then the head; the search goes down the nodes first.
    let held = nodes.clone().map(value).chain([1]).map(|i| (address(i).0, 0));
    builder.object(address(3 * LENGTH), list, 1, Default::default(), held);
    for i in nodes {
        let next = (i < LENGTH).then(|| (address(i + 1).0, 0));
        builder.object(address(i), node, 1, Default::default(), [(address(value(i)).0, 0)].into_iter().chain(next));
        builder.object(address(value(i)), node, 1, Default::default(), std::iter::empty());
    }
    builder.root(address(3 * LENGTH), crate::heap::Root::Interpreter { name: "root".into() });
    let (heap, _) = builder.finish();
    let tree = Dominators::new(&Edges::new(&heap));
    let list = heap.at(address(3 * LENGTH)).expect("it was put there");
    assert_eq!(tree.retained(list), Some(2 * LENGTH + 1));
    assert_eq!(tree.children().of(Node::Object(list)).len() as u64, LENGTH + 1, "the values and the head");
    assert_eq!(tree.retained(heap.at(address(1)).expect("the head")), Some(LENGTH));
}

//! Outlines of heaps written by hand, with known answers, and of random ones, which must add up.

use proptest::prelude::*;

use super::super::oracle;
use super::*;
use crate::error::Kind;
use crate::heap::sample;

const ALL: Shape = Shape { depth: 40, top: usize::MAX };

fn of(heap: &str, question: &Question, shape: Shape) -> Result<Outline> {
    outline(&sample::capture(sample::heap(heap)), "old.parquet".into(), question, shape, &|_| {})
}

/// A line for each branch, indented by its level.
fn told(level: &Level, depth: usize, out: &mut String) {
    for branch in &level.branches {
        let edge = branch.edge.as_deref().map(|edge| format!("{edge} ")).unwrap_or_default();
        let what = match branch.address {
            Some(address) => format!("{} {address}", branch.kind),
            None => format!("{} × {}", branch.count, branch.kind),
        };
        let retained = match &branch.way {
            None => branch.retained_bytes.to_string(),
            Some(way) => {
                let leads = |leads: Leads| format!("{}/{}", leads.objects, leads.retained_bytes);
                format!("to {} here {} times {}", leads(way.leads), leads(way.here), way.repeated)
            }
        };
        let again = branch.again.map(|again| format!(" {again:?}")).unwrap_or_default();
        let folded = if branch.folded { " …" } else { "" };
        out.push_str(&format!("{}{edge}{what} {retained}{again}{folded}\n", "  ".repeat(depth)));
        told(&branch.below, depth + 1, out);
    }
    if let Some(left) = level.left_out {
        out.push_str(&format!("{}… {} branches, {} objects\n", "  ".repeat(depth), left.branches, left.objects));
    }
}

fn shown(heap: &str, question: &Question, shape: Shape) -> String {
    let outline = of(heap, question, shape).expect("the subject is there");
    let mut out = String::new();
    for place in outline.places.iter().flatten() {
        out.push_str(&format!("{} {}/{}\n", place.expression, place.objects, place.retained_bytes));
    }
    told(&outline.level, 0, &mut out);
    out
}

fn kind(name: &str) -> Asked {
    Asked::Type(name.into())
}

/// A registry of entries of several kinds, and a linked list, some of whose values are also in the registry.
const REGISTRY: &str = "
    m:builtins.module=10 -> md.__dict__
    md:builtins.dict=100 -> k.key, r['REGISTRY'], h['HEAD']
    k:builtins.str=5
    r:builtins.dict=200 -> a['a'], b['b'], c['c'], d['d'], big['big'], l['list']
    a:app.Entry=20 -> ad.__dict__
    ad:builtins.dict=30 -> pa['payload'], x['a b']
    pa:builtins.bytes=40
    x:app.X=1
    b:app.Entry=20 -> pb.payload
    pb:builtins.bytes=41
    c:app.Entry=20 -> pc.payload, s.shared
    pc:builtins.bytes=42
    d:app.Entry=20 -> s.shared
    s:app.Shared=7
    big:app.Entry=20 -> pbig.payload
    pbig:builtins.bytes=5000
    l:builtins.list=60 -> v0, v1, v2, v3, v4, v5
    v0:app.Value=1
    v1:app.Value=2
    v2:app.Value=3
    v3:app.Value=4
    v4:app.Value=5
    v5:app.Value=6
    h:app.Node=9 -> n1.next, v5.value
    n1:app.Node=9 -> n2.next
    n2:app.Node=9 -> h.next
    w:weakref.ReferenceType=8 -> pbig.referent
    g:app.Garbage=50 -> a.entry
    root m module app
    root w sys";

#[test]
fn what_is_held_is_told_from_the_top() {
    insta::assert_snapshot!(shown(REGISTRY, &Question::Dominators(None), ALL), @"
    app builtins.module 0x1000 5684
      .__dict__ builtins.dict 0x1010 5674
        ['REGISTRY'] builtins.dict 0x1030 5536
          ['big'] app.Entry 0x10e0 5020
            .payload builtins.bytes 0x10f0 5000
          […] 4 × app.Entry 234
            .__dict__ builtins.dict 0x1050 71
              ['payload'] builtins.bytes 0x1060 40
              ['a b'] app.X 0x1070 1
            .payload builtins.bytes 0x10b0 42
            .payload builtins.bytes 0x1090 41
          ['list'] builtins.list 0x1100 75
            […] 5 × app.Value 15
          app.REGISTRY['c'].shared app.Shared 0x10d0 7
        ['HEAD'] app.Node 0x1170 27 …
        app.HEAD.value app.Value 0x1160 6
        .key builtins.str 0x1020 5
    (sys) weakref.ReferenceType 0x11a0 8
    ");
    insta::assert_snapshot!(shown(REGISTRY, &Question::Dominators(None), Shape { depth: 3, top: 2 }), @"
    app builtins.module 0x1000 5684
      .__dict__ builtins.dict 0x1010 5674
        ['REGISTRY'] builtins.dict 0x1030 5536 …
        ['HEAD'] app.Node 0x1170 27 …
        … 2 branches, 2 objects
    (sys) weakref.ReferenceType 0x11a0 8
    ");
    let outline = of(REGISTRY, &Question::Dominators(None), ALL).expect("a question about everything");
    assert_eq!(outline.unreached, Amount { objects: 1, bytes: 50 });
    assert_eq!(outline.reached.objects, 27);
}

#[test]
fn what_objects_of_a_type_hold_is_told_once() {
    insta::assert_snapshot!(shown(REGISTRY, &Question::Dominators(Some(kind("Entry"))), ALL), @"
    app.REGISTRY['big'] app.Entry 0x10e0 5020
      .payload builtins.bytes 0x10f0 5000
    4 × app.Entry 234
      .__dict__ builtins.dict 0x1050 71
        ['payload'] builtins.bytes 0x1060 40
        ['a b'] app.X 0x1070 1
      .payload builtins.bytes 0x10b0 42
      .payload builtins.bytes 0x1090 41
    ");
    insta::assert_snapshot!(shown(REGISTRY, &Question::Dominators(Some(kind("app.Node"))), ALL), @"
    app.HEAD app.Node 0x1170 27
      .next app.Node 0x1180 18
        .next app.Node 0x1190 9
    ");
    let subject = of(REGISTRY, &Question::Dominators(Some(kind("Entry"))), ALL).expect("it is there").subject;
    let subject = subject.expect("it was asked for");
    assert_eq!((subject.count, subject.bytes, subject.retained_bytes, subject.unreached), (5, 100, 5261, 0));
}

#[test]
fn paths_are_merged_where_they_take_the_same_steps() {
    insta::assert_snapshot!(shown(REGISTRY, &Question::Paths(kind("bytes")), ALL), @"
    app.REGISTRY['big'].payload 1/5000
    app.REGISTRY['c'].payload 1/42
    app.REGISTRY['b'].payload 1/41
    app.REGISTRY['a'].payload 1/40
    module app builtins.module 0x1000 to 4/5123 here 0/0 times 1
      .REGISTRY builtins.dict 0x1030 to 4/5123 here 0/0 times 1
        ['big'] app.Entry 0x10e0 to 1/5000 here 0/0 times 1
          .payload builtins.bytes 0x10f0 to 1/5000 here 1/5000 times 1
        ['c'] app.Entry 0x10a0 to 1/42 here 0/0 times 1
          .payload builtins.bytes 0x10b0 to 1/42 here 1/42 times 1
        ['b'] app.Entry 0x1080 to 1/41 here 0/0 times 1
          .payload builtins.bytes 0x1090 to 1/41 here 1/41 times 1
        ['a'] app.Entry 0x1040 to 1/40 here 0/0 times 1
          .payload builtins.bytes 0x1060 to 1/40 here 1/40 times 1
    ");
    insta::assert_snapshot!(shown(REGISTRY, &Question::Paths(kind("Value")), ALL), @"
    app.REGISTRY['list'][…] 5/15
    app.HEAD.value 1/6
    module app builtins.module 0x1000 to 6/21 here 0/0 times 1
      .REGISTRY builtins.dict 0x1030 to 5/15 here 0/0 times 1
        ['list'] builtins.list 0x1100 to 5/15 here 0/0 times 1
          […] 5 × app.Value to 5/15 here 5/15 times 1
      .HEAD app.Node 0x1170 to 1/6 here 0/0 times 1
        .value app.Value 0x1160 to 1/6 here 1/6 times 1
    ");
    insta::assert_snapshot!(shown(REGISTRY, &Question::Paths(kind("app.X")), ALL), @"
    app.REGISTRY['a'].__dict__['a b'] 1/1
    module app builtins.module 0x1000 to 1/1 here 0/0 times 1
      .REGISTRY builtins.dict 0x1030 to 1/1 here 0/0 times 1
        ['a'] app.Entry 0x1040 to 1/1 here 0/0 times 1
          .__dict__['a b'] app.X 0x1070 to 1/1 here 1/1 times 1
    ");
    insta::assert_snapshot!(shown(REGISTRY, &Question::Paths(kind("Garbage")), ALL), @"");
}

#[test]
fn a_chain_is_one_branch_however_long() {
    insta::assert_snapshot!(shown(REGISTRY, &Question::Paths(kind("Node")), ALL), @"
    app.HEAD.next… 2/0
    app.HEAD 1/27
    module app builtins.module 0x1000 to 3/27 here 0/0 times 1
      .HEAD app.Node 0x1170 to 3/27 here 1/27 times 1
        .next 2 × app.Node to 2/0 here 2/0 times 2
    ");
    let mut heap = String::from("m:builtins.module -> n0.HEAD\nroot m module app\nn5000:app.Last=3\n");
    for i in 0..5000 {
        heap.push_str(&format!("n{i}:app.Node=1 -> n{}.next\n", i + 1));
    }
    insta::assert_snapshot!(shown(&heap, &Question::Paths(kind("Last")), ALL), @"
    app.HEAD.next….next 1/3
    module app builtins.module 0x1000 to 1/3 here 0/0 times 1
      .HEAD app.Node 0x1020 to 1/3 here 0/0 times 1
        .next 4999 × app.Node to 1/3 here 0/0 times 4999
          .next app.Last 0x1010 to 1/3 here 1/3 times 1
    ");
    insta::assert_snapshot!(shown(&heap, &Question::Paths(kind("Node")), ALL), @"
    app.HEAD.next… 4999/0
    app.HEAD 1/5003
    module app builtins.module 0x1000 to 5000/5003 here 0/0 times 1
      .HEAD app.Node 0x1020 to 5000/5003 here 1/5003 times 1
        .next 4999 × app.Node to 4999/0 here 4999/0 times 4999
    ");
}

#[test]
fn globals_of_running_code_are_those_of_its_module() {
    let heap = "m:builtins.module -> a.A\na:app.A=1 -> x.x\nx:app.X=2\nb:app.B -> y.y\ny:app.X=4\nz:app.X=8
        root m module app\nroot b local app.<module> B\nroot z local app.main z";
    insta::assert_snapshot!(shown(heap, &Question::Paths(kind("X")), ALL), @"
    (local z of app.main) 1/8
    app.B.y 1/4
    app.A.x 1/2
    module app builtins.module 0x1000 to 2/6 here 0/0 times 1
      .B app.B 0x1030 to 1/4 here 0/0 times 1
        .y app.X 0x1040 to 1/4 here 1/4 times 1
      .A app.A 0x1010 to 1/2 here 0/0 times 1
        .x app.X 0x1020 to 1/2 here 1/2 times 1
    local z of app.main app.X 0x1050 to 1/8 here 1/8 times 1
    ");
}

#[test]
fn one_object_has_one_path() {
    let outline = of(REGISTRY, &Question::Paths(Asked::Address(Address(0x1060))), ALL).expect("it is there");
    let expressions: Vec<_> = outline.places.iter().flatten().map(|place| &*place.expression).collect();
    assert_eq!(expressions, ["app.REGISTRY['a'].payload"]);
    let edges: Vec<_> = outline.path_to_root.iter().flatten().map(|step| &*step.edge).collect();
    assert_eq!(edges, ["REGISTRY in module app", "['a']", ".payload"]);
    let garbage = of(REGISTRY, &Question::Paths(Asked::Address(Address(0x11b0))), ALL).expect("it is there");
    assert_eq!((garbage.path_to_root, garbage.places), (Some(vec![]), Some(vec![])));
    assert_eq!(garbage.subject.map(|subject| subject.unreached), Some(1));
}

#[test]
fn a_tree_ends_where_it_has_been() {
    let tree = |name: &str, up| Question::Tree { subject: kind(name), up };
    insta::assert_snapshot!(shown(REGISTRY, &tree("Node", false), ALL), @"
    3 × app.Node 27
      .next 3 × app.Node 27 Cycle
      .value app.Value 0x1160 6
    ");
    let one = Question::Tree { subject: Asked::Address(Address(0x1160)), up: false };
    insta::assert_snapshot!(shown(REGISTRY, &one, ALL), @"app.Value 0x1160 6");
    insta::assert_snapshot!(shown(REGISTRY, &tree("Shared", true), ALL), @"
    app.Shared 0x10d0 7
      .shared 2 × app.Entry 82
        ['c'] builtins.dict 0x1030 5536
          .REGISTRY builtins.module 0x1000 5684
        ['d'] builtins.dict 0x1030 5536 Above
    ");
    insta::assert_snapshot!(shown(REGISTRY, &tree("Entry", false), Shape { depth: 1, top: 1 }), @"
    5 × app.Entry 5254
      .payload 4 × builtins.bytes 5123
      … 2 branches, 2 objects
    ");
}

#[test]
fn many_subscripts_are_one_step_and_few_are_not() {
    let heap = |keys: usize| {
        let edges: Vec<String> = (0..keys).map(|i| format!("x{i}['k{i}']")).collect();
        let values: String = (0..keys).map(|i| format!("x{i}:app.X=1\n")).collect();
        format!("d:builtins.dict -> {}, y['y']\ny:app.Y=1\n{values}root d builtins", edges.join(", "))
    };
    let tree = Question::Tree { subject: Asked::Address(Address(0x1000)), up: false };
    for (keys, lines) in [(12, 14), (13, 3)] {
        let shown = shown(&heap(keys), &tree, ALL);
        assert_eq!(shown.lines().count(), lines, "{shown}");
        assert_eq!(shown.contains("[…] 13 × app.X"), keys == 13, "{shown}");
        assert!(shown.contains("['y'] app.Y"), "{shown}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let check = |asked: Asked, text: &str, hints: &[&str]| {
        let error = of(REGISTRY, &Question::Paths(asked), ALL).expect_err("it is not there");
        assert_eq!(
            (error.kind, &*error.text, &*error.hints),
            (Kind::Usage, text, &*hints.iter().map(|h| h.to_string()).collect::<Vec<_>>())
        );
    };
    check(kind("entri"), "the heap has no object of type `entri`", &["there is `app.Entry`"]);
    check(kind("nothing"), "the heap has no object of type `nothing`", &[]);
    let hint = "addresses are those of objects in this snapshot; another analysis of the process has others";
    check(Asked::Address(Address(0x1008)), "the heap has no object at 0x1008", &[hint]);
}

/// Each object of a level and below it, those of `again` excepted.
fn sum(level: &Level, of: fn(&Branch) -> u64) -> u64 {
    level.branches.iter().map(|branch| of(branch) + sum(&branch.below, of)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_heaps_add_up(heap in oracle::heaps(), depth in 1..6usize, top in 1..4usize) {
        let reached = oracle::reached(&heap, |_| false);
        let capture = sample::capture(heap);
        let heap = &capture.heap;
        let ask = |question: &Question, shape| outline(&capture, String::new(), question, shape, &|_| {}).expect("it is there");
        let all = ask(&Question::Dominators(None), ALL);
        // Not of a heap in which something is worth less than a hundredth.
        if sum(&all.level, |branch| branch.folded.into()) == 0 {
            prop_assert_eq!(sum(&all.level, |branch| branch.count), all.reached.objects);
            prop_assert_eq!(sum(&all.level, |branch| branch.bytes), all.reached.bytes);
        }
        for object in heap.objects() {
            let name = Asked::Type(heap.type_name_of(object).to_owned());
            let of_type = heap.objects().filter(|&other| heap.type_of(other) == heap.type_of(object));
            let alive = of_type.filter(|other| reached[other.index()]).count() as u64;
            let paths = ask(&Question::Paths(name.clone()), ALL);
            prop_assert_eq!(paths.places.iter().flatten().map(|place| place.objects).sum::<u64>(), alive);
            prop_assert_eq!(sum(&paths.level, |branch| branch.way.as_ref().map_or(0, |way| way.here.objects)), alive);
            for up in [false, true] {
                let question = Question::Tree { subject: name.clone(), up };
                let around = ask(&question, ALL);
                prop_assert!(sum(&around.level, |_| 1) < 1000, "it ends");
                ask(&question, Shape { depth, top });
            }
            ask(&Question::Dominators(Some(name)), Shape { depth, top });
        }
    }
}

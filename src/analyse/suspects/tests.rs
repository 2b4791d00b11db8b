//! Heaps with one suspect, and the same just below what makes it one.

use super::*;
use crate::heap::{Step, TargetFacts, sample};
use crate::units::Address;

/// A module `app`, whose globals are in `md`.
const MODULE: &str = "root m module app\nm:builtins.module=1 -> md.__dict__\n";

/// Lines of so many objects, each of the type and size, and the edges to them.
fn many(name: &str, count: usize, kind: &str) -> (String, String) {
    let lines = (0..count).map(|i| format!("{name}{i}:{kind}\n")).collect();
    (lines, edges(name, count))
}

fn edges(name: &str, count: usize) -> String {
    (0..count).map(|i| format!("{name}{i}")).collect::<Vec<_>>().join(", ")
}

fn global(name: &str, object: &str) -> String {
    format!("{MODULE}md:builtins.dict=1 -> {object}['{name}']\n")
}

/// A list `app.LEAK` of entries.
fn listed(count: usize, size: usize) -> String {
    let (lines, edges) = many("e", count, &format!("app.Entry={size}"));
    format!("{}l:builtins.list=0 -> {edges}\n{lines}", global("LEAK", "l"))
}

fn of(heap: &str) -> Vec<Suspect> {
    let heap = sample::heap(heap);
    suspects(&heap, &Holdings::of(&heap))
}

#[track_caller]
fn check(heap: &str, expected: &[&str]) {
    let told: Vec<String> = of(heap).iter().map(|suspect| format!("{}: {}", suspect.rule, suspect.text)).collect();
    assert_eq!(told, expected);
}

#[test]
fn where_much_accumulates() {
    let text = "accumulation: app.LEAK (builtins.list) retains 2.0 MiB (100.0 % of all): it keeps 100 objects of type app.Entry";
    check(&listed(100, 20972), &[text]);
    // 152 bytes less than 2 MiB; one object less than a hundred.
    check(&listed(100, 20970), &[]);
    check(&listed(99, 30000), &[]);
    let all = of(&listed(100, 20972));
    let step = Step { address: Address(0x1020), kind: "builtins.list".into(), edge: "LEAK in module app".into() };
    let expected = Suspect {
        rule: "accumulation".into(),
        text: all[0].text.clone(),
        kind: "builtins.list".into(),
        address: step.address,
        retained_bytes: 2_097_200,
        share: 1.0,
        count_delta: None,
        path_to_root: vec![step],
    };
    assert_eq!(all, [expected]);
}

#[test]
fn of_all_there_is_it_must_be_a_share() {
    let among = |rest: usize| {
        let (entries, to_entries) = many("e", 100, "app.Entry=30000");
        let (others, to_others) = many("o", 50, &format!("app.Other={rest}"));
        format!(
            "{MODULE}md:builtins.dict=0 -> l['LEAK'], {to_others}\nl:builtins.list=0 -> {to_entries}\n{entries}{others}"
        )
    };
    assert_eq!(of(&among(540_000)).len(), 0, "9.99 %");
    assert_eq!(of(&among(539_000))[0].share, 0.1002);
}

#[test]
fn most_of_it_must_be_of_one_type() {
    let mixed = |size: usize| {
        let (entries, to_entries) = many("e", 100, &format!("app.Entry={size}"));
        let others: String = (0..60).map(|i| format!("o{i}:app.Other{i}=20000\n")).collect();
        let to_others = edges("o", 60);
        format!("{}l:builtins.list=0 -> {to_entries}, {to_others}\n{entries}{others}", global("LEAK", "l"))
    };
    check(&mixed(11990), &[]);
    assert_eq!(of(&mixed(12010)).len(), 1);
}

#[test]
fn containers_between_are_passed_over_and_what_is_below_is_named() {
    let mut heap = global("LEAK", "d") + "d:builtins.dict=0 -> " + &edges("l", 10) + "\n";
    for list in 0..10 {
        let names: Vec<String> = (0..20).map(|i| format!("e{list}_{i}")).collect();
        heap += &format!("l{list}:builtins.list=0 -> {}\n", names.join(", "));
        for name in names {
            heap += &format!(
                "{name}:app.Entry=10 -> {name}d.__dict__\n{name}d:builtins.dict=10 -> {name}p\n{name}p:app.P=20000\n"
            );
        }
    }
    let text = "accumulation: app.LEAK (builtins.dict) retains 3.8 MiB (100.0 % of all): it keeps 200 objects of type app.Entry, \
                which mostly hold builtins.dict, which mostly hold app.P";
    check(&heap, &[text]);
}

#[test]
fn what_defines_a_program_is_not_suspicious() {
    let (lines, to) = many("f", 200, "builtins.function=20000");
    check(&format!("{MODULE}md:builtins.dict=0 -> {to}\n{lines}"), &[]);
    let class = "c:abc.ABCMeta=1 -> t.__mro__, cd.__dict__\nt:builtins.tuple\n";
    check(&format!("{}{class}cd:builtins.dict=0 -> {to}\n{lines}", global("C", "c")), &[]);
    // In a dict of a program they are.
    let heap = format!("{}d:builtins.dict=0 -> {to}\n{lines}", global("HOOKS", "d"));
    assert!(of(&heap)[0].text.starts_with("app.HOOKS (builtins.dict) retains 3.8 MiB"));
}

#[test]
fn one_large_object() {
    let blob = |size: usize| global("BLOB", "b") + &format!("b:builtins.bytearray={size}\n");
    check(&blob(2_097_152), &["large-object: app.BLOB is a single builtins.bytearray of 2.0 MiB (100.0 % of all)"]);
    check(&blob(2_097_151), &[]);
}

#[test]
fn a_chain_is_one_suspect() {
    let chain = |links: usize| {
        let mut heap = global("HEAD", "n0");
        for i in 0..links {
            let next = i + 1;
            let to = if next < links { format!(" -> n{next}['next']") } else { String::new() };
            heap += &format!("n{i}:app.Node=30000 -> d{i}.__dict__\nd{i}:builtins.dict=100{to}\n");
        }
        heap
    };
    let text = "chain: app.HEAD is the first of 100 objects of type app.Node each of which keeps the next: it retains 2.9 MiB (100.0 % of all)";
    check(&chain(100), &[text]);
    check(&chain(99), &[]);
    // Of a chain of dicts the dict of the module is no part.
    let dicts = |links: usize| {
        let to = |i: usize| if i + 1 < links { format!(" -> n{}['next']", i + 1) } else { String::new() };
        let lines: String = (0..links).map(|i| format!("n{i}:builtins.dict=30000{}\n", to(i))).collect();
        global("HEAD", "n0") + &lines
    };
    assert!(of(&dicts(100))[0].text.starts_with("app.HEAD is the first of 100 objects of type builtins.dict"));
    check(&dicts(99), &[]);
}

/// In two modules two containers have the same entries.
fn twice(count: usize, size: usize) -> String {
    let (lines, to) = many("e", count, &format!("app.Entry={size}"));
    let zoo = "root z module zoo\nz:builtins.module=1 -> zd.__dict__\nzd:builtins.dict=1 -> k['SAME']\n";
    format!("{}{zoo}l:builtins.list=0 -> {to}\nk:builtins.tuple=0 -> {to}\n{lines}", global("ALL", "l"))
}

#[test]
fn what_two_hold_is_told_of_one() {
    let text = "shared: app.ALL (builtins.list) refers to 100 objects of type app.Entry, which are held by others as well: \
                2.9 MiB (100.0 % of all) are reached through it";
    check(&twice(100, 30000), &[text]);
    assert_eq!(of(&twice(100, 30000))[0].retained_bytes, 0, "alone it keeps nothing else");
    check(&twice(99, 30000), &[]);
    check(&twice(100, 20970), &[]);
}

#[test]
fn sizes_that_are_lies_end() {
    check("", &[]);
    let most = usize::MAX;
    let told = of(&listed(200, most));
    assert!(told.len() <= 5 && told.iter().all(|suspect| suspect.retained_bytes == u64::MAX), "{told:#?}");
    let (entries, to) = many("e", 300, &format!("app.Entry={}", most / 3));
    let (lists, to_lists) = many("l", 50, &format!("builtins.list={most} -> {to}"));
    of(&format!("{}d:builtins.dict={most} -> {to_lists}\n{lists}{entries}", global("D", "d")));
    assert!(growth_of(&listed(1, most), &listed(200, most)).is_some());
    assert!(growth_of(&listed(200, most), &listed(1, most)).is_some());
}

#[test]
fn long_names_and_long_paths_are_cut() {
    let long = "x".repeat(5000);
    let mut heap = global(&long, "n0");
    for i in 0..500 {
        let (one, two) = if i % 2 == 0 { ("One", "left") } else { ("Two", "right") };
        heap += &format!("n{i}:app.{one}=1 -> n{}.{two}\n", i + 1);
    }
    heap += &format!("n500:app.{long}=3000000\n");
    let told = &of(&heap)[0];
    assert!(told.text.chars().count() < 600, "{}", told.text);
    let path = &told.path_to_root;
    assert_eq!((path.len(), path[30].edge.starts_with("… 441 more … .")), (60, true), "{:?}", path[30]);
    assert_eq!(path[59].address, told.address);
}

fn growth_of(old: &str, new: &str) -> Option<Vec<Suspect>> {
    growth(&sample::capture(sample::heap(old)), &sample::capture(sample::heap(new)), None)
}

#[track_caller]
fn check_growth(old: &str, new: &str, expected: &[(&str, Option<i64>)]) {
    let told = growth_of(old, new).expect("one process");
    let told: Vec<(&str, Option<i64>)> = told.iter().map(|suspect| (&*suspect.text, suspect.count_delta)).collect();
    assert_eq!(told, expected);
}

#[test]
fn what_took_the_new_objects() {
    let text = "app.LEAK (builtins.list) took 100 new objects of type app.Entry, at app.LEAK[…]: 292.0 KiB (66.7 % of all) more \
                than in the earlier snapshot";
    check_growth(&listed(50, 2990), &listed(150, 2990), &[(text, Some(100))]);
    check_growth(&listed(51, 2990), &listed(150, 2990), &[]);
    check_growth(&listed(50, 2621), &listed(150, 2621), &[]);
    check_growth(&listed(150, 2990), &listed(50, 2990), &[]);
    assert_eq!(growth_of(&listed(50, 2990), &listed(150, 2990)).unwrap_or_default()[0].retained_bytes, 150 * 2990);
}

#[test]
fn growth_must_be_a_share() {
    let large = |count: usize, blob: usize| {
        let (lines, to) = many("e", count, "app.Entry=3000");
        format!("{MODULE}md:builtins.dict=0 -> l['L'], b['B']\nl:builtins.list=0 -> {to}\nb:app.Blob={blob}\n{lines}")
            .replace(" -> \n", "\n")
    };
    check_growth(&large(0, 14_800_000), &large(100, 14_800_000), &[]);
    assert_eq!(growth_of(&large(0, 14_600_000), &large(100, 14_600_000)).map(|told| told.len()), Some(1));
}

#[test]
fn a_cache_that_gives_what_it_takes_is_none() {
    // Entries, and beside them what lies at their addresses before or after.
    let cache = |first: &str, second: &str| {
        let (a, _) = many("a", 150, first);
        let (b, _) = many("b", 150, second);
        let (kept, other) = if first.starts_with("app.Entry") { ("a", "b") } else { ("b", "a") };
        let (kept, other) = (edges(kept, 150), edges(other, 150));
        format!("{MODULE}md:builtins.dict=0 -> c['CACHE'], {other}\nc:builtins.dict=0 -> {kept}\n{a}{b}")
    };
    check_growth(&cache("app.Entry=3000", "app.Z=0"), &cache("app.Z=0", "app.Entry=3000"), &[]);
}

#[test]
fn addresses_that_were_used_again_mislead_nobody() {
    // The cache gets new entries, and the list those at the addresses of its old ones.
    let heap = |cached: usize, in_list: std::ops::Range<usize>| {
        let (lines, _) = many("e", 400, "app.Entry=3000");
        let of = |range: std::ops::Range<usize>| range.map(|i| format!("e{i}")).collect::<Vec<_>>().join(", ");
        let cached = of(cached..cached + 100);
        format!(
            "{MODULE}md:builtins.dict=0 -> c['CACHE'], l['LEAK']\nc:builtins.list=0 -> {cached}\nl:builtins.list=0 -> {}\n{lines}",
            of(in_list)
        )
    };
    let told = growth_of(&heap(0, 100..200), &heap(200, 0..200)).unwrap_or_default();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].text.starts_with("app.LEAK (builtins.list) took 100 new objects"), "{}", told[0].text);
}

#[test]
fn parts_of_a_container_may_take_them() {
    let parts = |each: usize| {
        let mut heap = global("PARTS", "d") + "d:builtins.dict=0 -> " + &edges("l", 20) + "\n";
        for list in 0..20 {
            let names: Vec<String> = (0..each).map(|i| format!("e{list}_{i}")).collect();
            heap += &format!("l{list}:builtins.list=0 -> {}\n", names.join(", "));
        }
        // Last, so that nothing else has another address.
        for i in 0..each {
            (0..20).for_each(|list| heap += &format!("e{list}_{i}:app.Entry=9000\n"));
        }
        heap.replace(" -> \n", "\n")
    };
    let told = growth_of(&parts(0), &parts(5)).unwrap_or_default();
    let text = "app.PARTS (builtins.dict) took 100 new objects of type app.Entry, at app.PARTS";
    assert!(told.len() == 1 && told[0].text.starts_with(text), "{told:#?}");
    assert_eq!(told[0].count_delta, Some(100));
    assert!(growth_of(&parts(0), &parts(4)).is_some_and(|told| told.is_empty()));
}

#[test]
fn one_object_may_grow() {
    let blob = |size: usize| global("BLOB", "b") + &format!("b:builtins.bytearray={size}\n");
    let text =
        "app.BLOB is a single builtins.bytearray, by 256.0 KiB (72.4 % of all) larger than in the earlier snapshot";
    check_growth(&blob(100_000), &blob(362_144), &[(text, None)]);
    check_growth(&blob(100_000), &blob(362_143), &[]);
}

#[test]
fn modules_that_were_imported_are_none() {
    let (lines, to) = many("f", 200, "builtins.function=3000");
    let later = format!(
        "{MODULE}md:builtins.dict=0\nn:builtins.module=0 -> nd.__dict__\nnd:builtins.dict=0 -> {to}\n{lines}root n module new\n"
    );
    check_growth(&format!("{MODULE}md:builtins.dict=0\n"), &later, &[]);
}

#[test]
fn of_another_process_nothing_is_said() {
    let capture = |pid| {
        let target = TargetFacts { pid, start_time: "noon".into(), ..TargetFacts::default() };
        Capture { target, ..sample::capture(sample::heap(&listed(200, 9000))) }
    };
    assert!(growth(&capture(1), &capture(2), None).is_none());
    assert_eq!(growth(&capture(1), &capture(1), None), Some(Vec::new()));
}

//! The largest object of a type with its surroundings: what it refers to, who refers to it, and why it is alive.

use super::edges::Edges;
use super::paths::Paths;
use super::{References, Step, TypeRow};
use crate::heap::{Heap, ObjectId};
use crate::notice::Notice;
use crate::units::printable;

/// How alike two names are, from 0 to 1, for one to be proposed for the other.
const ALIKE: f64 = 0.8;
/// Longest list of names in a notice, and the longest of these.
const MAX_NAMES: usize = 5;
const MAX_NAME: usize = 120;

/// Which types are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The so many types with the most bytes, …
    pub(crate) largest: usize,
    /// … and these, each by its whole name or, where that is unique, by the end of it (`Entry` for `app.Entry`).
    pub(crate) types: Vec<String>,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.largest == 0 && self.types.is_empty()
    }
}

/// How many neighbours of an object are listed; all are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) referents: usize,
    pub(crate) referrers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { referents: 100, referrers: 100 }
    }
}

/// For each type selected its largest object, in the order of `rows` (of [`super::histogram()`]) for the largest types, then
/// of those named; each once. What was named and is not there, or is not unique, becomes a notice.
pub(crate) fn references(
    edges: &Edges,
    rows: &[TypeRow],
    selection: &Selection,
    limits: Limits,
) -> (Vec<References>, Vec<Notice>) {
    let mut notices = Vec::new();
    let mut chosen: Vec<&TypeRow> = rows.iter().take(selection.largest).collect();
    for name in &selection.types {
        match find(rows, name) {
            Ok(row) if chosen.iter().any(|other| other.kind == row.kind) => {}
            Ok(row) => chosen.push(row),
            Err(notice) => notices.push(notice),
        }
    }
    if chosen.is_empty() {
        return (Vec::new(), notices);
    }
    let heap = edges.heap;
    let paths = Paths::new(edges);
    let of_largest = |row: &TypeRow| {
        let object = heap.at(row.max_address)?;
        let (referents, referent_count) = referents(edges, object, limits.referents);
        let (referrers, referrer_count) = referrers(edges, object, limits.referrers);
        Some(References {
            kind: row.kind.clone(),
            address: row.max_address,
            bytes: row.max_bytes,
            referents,
            referent_count,
            referrers,
            referrer_count,
            path_to_root: paths.to(object),
            files: Vec::new(),
        })
    };
    (chosen.into_iter().filter_map(of_largest).collect(), notices)
}

/// The row of the type that was named, or why there is none.
fn find<'a>(rows: &'a [TypeRow], name: &str) -> Result<&'a TypeRow, Notice> {
    if let Some(row) = rows.iter().find(|row| row.kind == *name) {
        return Ok(row);
    }
    let ends_so = |row: &&TypeRow| row.kind.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let matching: Vec<&TypeRow> = rows.iter().filter(ends_so).collect();
    let shown = printable(name, MAX_NAME);
    match &matching[..] {
        [row] if !name.is_empty() => Ok(row),
        [] | [_] => {
            let notice = Notice::new("no-such-type", format!("the heap has no object of type `{shown}`"));
            let near = near(rows, name);
            Err(match near.is_empty() {
                true => notice,
                false => notice.hint(format!("there is {}", listed(&near))),
            })
        }
        several => {
            let notice = Notice::new("ambiguous-type", format!("`{shown}` names {} types", several.len()));
            Err(notice.hint(format!("give the whole name: {}", listed(several))))
        }
    }
}

/// The types whose names, whole or without their module, are most like `name`; the most alike first.
fn near<'a>(rows: &'a [TypeRow], name: &str) -> Vec<&'a TypeRow> {
    let wanted = name.to_lowercase();
    let alike = |kind: &str| {
        let kind = kind.to_lowercase();
        let last = kind.rsplit('.').next().unwrap_or(&kind);
        strsim::jaro_winkler(&kind, &wanted).max(strsim::jaro_winkler(last, &wanted))
    };
    let mut scored: Vec<(f64, &TypeRow)> = rows.iter().map(|row| (alike(&row.kind), row)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|(a, row), (b, other)| b.total_cmp(a).then_with(|| row.kind.cmp(&other.kind)));
    scored.into_iter().map(|(_, row)| row).collect()
}

fn listed(rows: &[&TypeRow]) -> String {
    let names: Vec<_> =
        rows.iter().take(MAX_NAMES).map(|row| format!("`{}`", printable(&row.kind, MAX_NAME))).collect();
    let more = if rows.len() > MAX_NAMES { ", …" } else { "" };
    names.join(", ") + more
}

/// What the object holds, the first `limit` of it, and how much that is; its attributes in place of their dict.
fn referents(edges: &Edges, object: ObjectId, limit: usize) -> (Vec<Step>, u64) {
    let heap = edges.heap;
    let string = heap.type_named("builtins.str");
    let mut steps = Vec::new();
    let mut count = 0;
    let mut add = |row: u32, written: &dyn Fn() -> String| {
        count += 1;
        if steps.len() < limit {
            steps.push(step(heap, ObjectId(row), written()));
        }
    };
    for (position, &row) in heap.referents(object).iter().enumerate() {
        let dict = ObjectId(row);
        if edges.is_dict(object, position) && heap.edge_name_ids(dict).iter().any(|&name| name != 0) {
            for (position, &value) in heap.referents(dict).iter().enumerate() {
                // The names of the attributes themselves say nothing twice.
                let unnamed = heap.edge_name_ids(dict)[position] == 0;
                let key = unnamed && Some(heap.type_of(ObjectId(value))) == string;
                if !key && !edges.is_key(dict, position) {
                    add(value, &|| edges.written_through(dict, position));
                }
            }
        } else if edges.holds(object, position) {
            add(row, &|| edges.written(object, position));
        }
    }
    (steps, count)
}

/// Who holds the object, by ascending address, the first `limit` of them, and how many they are; the owner of a `__dict__`
/// in its place.
fn referrers(edges: &Edges, object: ObjectId, limit: usize) -> (Vec<Step>, u64) {
    let heap = edges.heap;
    // Who is shown, and who has the edge.
    let mut pairs: Vec<(ObjectId, ObjectId)> = heap
        .referrers(object)
        .iter()
        .map(|&row| ObjectId(row))
        .filter(|&referrer| !edges.is_weak(referrer) || edges.between(referrer, object).is_some())
        .map(|referrer| (edges.owner(referrer).unwrap_or(referrer), referrer))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let count = pairs.len() as u64;
    let written = |(shown, referrer): (ObjectId, ObjectId)| {
        let position = edges.between(referrer, object)?;
        let edge = match shown == referrer {
            true => edges.written(referrer, position),
            false => edges.written_through(referrer, position),
        };
        let edge = edges.written_as_global(shown, &edge).unwrap_or(edge);
        Some(step(heap, shown, edge))
    };
    (pairs.into_iter().take(limit).filter_map(written).collect(), count)
}

fn step(heap: &Heap, object: ObjectId, edge: String) -> Step {
    Step { address: heap.address(object), kind: heap.type_name_of(object).to_owned(), edge }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::histogram;
    use crate::heap::sample;

    fn rows(heap: &Heap) -> Vec<TypeRow> {
        histogram(heap, &vec![0; heap.type_count()]).1
    }

    fn of(heap: &str, selection: Selection, limits: Limits) -> (Vec<References>, Vec<Notice>) {
        let heap = sample::heap(heap);
        references(&Edges::new(&heap), &rows(&heap), &selection, limits)
    }

    fn named(types: &[&str]) -> Selection {
        Selection { largest: 0, types: types.iter().map(|&name| name.to_owned()).collect() }
    }

    fn told(steps: &[Step]) -> Vec<String> {
        steps.iter().map(|step| format!("{} {} {}", step.address, step.kind, step.edge)).collect()
    }

    const HEAP: &str = "
        m:builtins.module -> md.__dict__
        md:builtins.dict=900 -> small['SMALL'], big['BIG'], cache['CACHE']
        cache:builtins.dict=100 -> big['b'], small['s'], big['c']
        small:app.Entry=16
        big:app.Entry=48 -> kind, bd.__dict__
        kind:builtins.type=1000
        bd:builtins.dict=64 -> key, p['payload'], big['self'], p['a b'], small
        key:builtins.str=52
        p:builtins.bytes=500
        w:weakref.ReferenceType -> big.referent
        root m module app";

    #[test]
    fn the_largest_object_is_shown_in_its_surroundings() {
        let (found, notices) = of(HEAP, named(&["app.Entry"]), Limits::default());
        assert_eq!((found.len(), notices.len()), (1, 0));
        assert_eq!((&*found[0].kind, found[0].address.0, found[0].bytes), ("app.Entry", 0x1040, 48));
        assert_eq!(
            told(&found[0].referents),
            [
                "0x1050 builtins.type (referent of app.Entry)",
                "0x1080 builtins.bytes .payload",
                "0x1040 app.Entry .self",
                "0x1080 builtins.bytes .__dict__['a b']",
                "0x1030 app.Entry (referent of builtins.dict)",
            ]
        );
        assert_eq!(
            told(&found[0].referrers),
            ["0x1000 builtins.module BIG in module app", "0x1020 builtins.dict ['b']", "0x1040 app.Entry .self"]
        );
        assert_eq!(told(&found[0].path_to_root), ["0x1040 app.Entry BIG in module app"]);
        assert_eq!((found[0].referent_count, found[0].referrer_count), (5, 3));
    }

    #[test]
    fn lists_end_and_counts_do_not() {
        let (found, _) = of(HEAP, named(&["app.Entry"]), Limits { referents: 2, referrers: 1 });
        assert_eq!((found[0].referents.len(), found[0].referent_count), (2, 5));
        assert_eq!((found[0].referrers.len(), found[0].referrer_count), (1, 3));
        assert_eq!(told(&found[0].referrers), ["0x1000 builtins.module BIG in module app"]);
    }

    #[test]
    fn a_dict_without_named_values_is_shown_itself() {
        for dict in ["d:builtins.dict", "d:builtins.dict -> s\ns:builtins.str"] {
            let heap = format!("a:app.A=48 -> d.__dict__\n{dict}");
            let (found, _) = of(&heap, named(&["app.A", "builtins.dict"]), Limits::default());
            assert_eq!(told(&found[0].referents), ["0x1010 builtins.dict .__dict__"]);
            assert_eq!(told(&found[1].referrers), ["0x1000 app.A .__dict__"]);
            assert_eq!(found[0].path_to_root, []);
        }
    }

    #[test]
    fn types_come_in_order_and_once() {
        let select = Selection { largest: 2, types: vec!["bytes".into(), "type".into(), "app.Entry".into()] };
        let (found, notices) = of(HEAP, select, Limits::default());
        let kinds: Vec<_> = found.iter().map(|found| &*found.kind).collect();
        assert_eq!(kinds, ["builtins.dict", "builtins.type", "builtins.bytes", "app.Entry"]);
        assert_eq!(notices, []);
        assert_eq!(of(HEAP, Selection::default(), Limits::default()), (vec![], vec![]));
    }

    #[test]
    fn a_type_is_found_by_the_end_of_its_name_or_proposed() {
        let check = |name: &str, expected: Result<&str, (&str, Option<&str>)>| {
            let heap = sample::heap("a:app.Entry\nb:app.cache.Item\nc:other.Item\nd:zoo.LongName\ne:builtins.dict");
            let rows = rows(&heap);
            let found = find(&rows, name);
            match (&found, expected) {
                (Ok(row), Ok(kind)) => assert_eq!(row.kind, kind),
                (Err(notice), Err((text, hint))) => {
                    assert_eq!((&*notice.text, notice.hint.as_deref()), (text, hint));
                    let ambiguous = text.contains("names 2 types");
                    assert_eq!(notice.code, if ambiguous { "ambiguous-type" } else { "no-such-type" });
                }
                _ => panic!("{name}: {found:?}"),
            }
        };
        check("app.Entry", Ok("app.Entry"));
        check("Entry", Ok("app.Entry"));
        check("cache.Item", Ok("app.cache.Item"));
        check("Item", Err(("`Item` names 2 types", Some("give the whole name: `app.cache.Item`, `other.Item`"))));
        check("try", Err(("the heap has no object of type `try`", None)));
        check("", Err(("the heap has no object of type ``", None)));
        check("longnam", Err(("the heap has no object of type `longnam`", Some("there is `zoo.LongName`"))));
        check("a\u{1b}", Err(("the heap has no object of type `a\\u{1b}`", None)));
    }
}

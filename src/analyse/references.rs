//! The largest object of a type with its surroundings: what it refers to, who refers to it, and why it is alive.

use super::edges::Edges;
use super::labels::Label;
use super::paths::Paths;
use super::{References, Step, TypeRow, names, neighbours};
use crate::heap::{Heap, ObjectId};
use crate::notice::Notice;

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
    let kinds: Vec<&str> = rows.iter().map(|row| &*row.kind).collect();
    for name in &selection.types {
        match names::find(&kinds, name).map(|index| &rows[index]) {
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
            path_to_root: paths.to(object).map(|path| path.steps(edges)).unwrap_or_default(),
            files: Vec::new(),
        })
    };
    (chosen.into_iter().filter_map(of_largest).collect(), notices)
}

/// What the object holds, the first `limit` of it, and how much that is.
fn referents(edges: &Edges, object: ObjectId, limit: usize) -> (Vec<Step>, u64) {
    let mut steps = Vec::new();
    let mut count = 0;
    neighbours::referents(edges, object, |label, referent| {
        count += 1;
        if steps.len() < limit {
            steps.push(step(edges.heap, referent, label.written(edges.heap)));
        }
    });
    (steps, count)
}

/// Who holds the object, by ascending address, the first `limit` of them, and how many they are.
fn referrers(edges: &Edges, object: ObjectId, limit: usize) -> (Vec<Step>, u64) {
    // Who is shown, who has the edge, and of its edges the one that says most.
    let mut found: Vec<(ObjectId, ObjectId, Label)> = Vec::new();
    neighbours::referrers(edges, &[object], |label, shown, holder, _| match found.last_mut() {
        Some(last) if last.1 == holder => {
            if edges.says_much(label) && !edges.says_much(last.2) {
                *last = (shown, holder, label);
            }
        }
        _ => found.push((shown, holder, label)),
    });
    found.sort_unstable_by_key(|&(shown, holder, _)| (shown, holder));
    let count = found.len() as u64;
    let written = |(shown, _, label): (ObjectId, ObjectId, Label)| {
        let edge = label.written(edges.heap);
        let edge = edges.written_as_global(shown, &edge).unwrap_or(edge);
        step(edges.heap, shown, edge)
    };
    (found.into_iter().take(limit).map(written).collect(), count)
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
        histogram(heap, None).1
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
}

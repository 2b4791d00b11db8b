//! What is garbage and what C code holds: objects that no root reaches, told apart by their reference counts.
//!
//! As CPython's own collector does it: who has more references than the objects of the heap have to it is held by something else.
//! What is reached from there is alive, though no Python can say why. Only what is left then waits for the collector. A count may
//! also be lower than the references that are known (frames of 3.14 borrow some of theirs): that says nothing.

use std::panic::resume_unwind;
use std::thread;

use super::edges::Edges;
use crate::heap::{Flags, Garbage, Heap, Held, ObjectId, Population, Root, Share, TypeId};

/// Types of which the interpreter holds objects in C: in its static data, in structs of types and code, in caches of names.
const OF_THE_INTERPRETER: [&str; 22] = [
    "builtins.str",
    "builtins.bytes",
    "builtins.int",
    "builtins.float",
    "builtins.bool",
    "builtins.NoneType",
    "builtins.ellipsis",
    "builtins.NotImplementedType",
    "builtins.type",
    "builtins.code",
    "builtins.module",
    "builtins.frame",
    "builtins.traceback",
    "builtins.builtin_function_or_method",
    "builtins.wrapper_descriptor",
    "builtins.method_descriptor",
    "builtins.classmethod_descriptor",
    "builtins.getset_descriptor",
    "builtins.member_descriptor",
    "builtins.PyCapsule",
    "abc.ABCMeta",
    "functools._lru_list_elem",
];

/// The collector has not run for a while if so much waits for it.
const MUCH_GARBAGE: u64 = 1 << 20;
/// Less of one type that nothing but C code holds is what libraries do.
const MANY_HELD: u64 = 100;

/// What holds an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Nothing,
    Root,
    /// Something outside, which is no root.
    Outside,
}

/// The garbage of a heap whose objects have these reference counts, in their order.
pub(crate) fn garbage(heap: &Heap, counts: &[u32]) -> Garbage {
    let edges = Edges::new(heap);
    let mut held = vec![By::Nothing; heap.len()];
    // Each looks at all edges.
    let known = thread::scope(|scope| {
        let known = scope.spawn(|| known(&edges));
        reach(&edges, heap.roots().iter().map(|(object, _)| *object), By::Root, &mut held);
        known.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    let surplus = |object: ObjectId| match counts[object.index()] {
        Heap::UNCOUNTED => 0,
        count => count.saturating_sub(known[object.index()]),
    };
    let is_held = |object: &ObjectId| counts[object.index()] == Heap::UNCOUNTED || surplus(*object) > 0;
    let unreached: Vec<ObjectId> = heap.objects().filter(|object| held[object.index()] == By::Nothing).collect();
    reach(&edges, unreached.iter().copied().filter(is_held), By::Outside, &mut held);
    let rest = || unreached.iter().copied().filter(|object| held[object.index()] == By::Nothing);
    Garbage {
        unreachable: population(heap, rest()),
        with_finalizers: population(heap, rest().filter(|&object| heap.flags(object).has(Flags::FINALIZER))),
        uncollectable: population(heap, uncollectable(heap).into_iter()),
        held_outside: held_outside(&edges, &held, surplus),
    }
}

/// Whether so much garbage is worth a line.
pub(crate) fn is_much(garbage: &Population) -> bool {
    garbage.bytes >= MUCH_GARBAGE
}

/// Whether C code may have lost what it holds.
pub(crate) fn is_suspicious(held: &Held) -> bool {
    held.unreachable >= MANY_HELD || held.unreachable > 0 && held.bytes >= MUCH_GARBAGE
}

/// How many references to each object are known: from objects, and from frames.
fn known(edges: &Edges) -> Vec<u32> {
    let heap = edges.heap;
    let mut known = vec![0u32; heap.len()];
    let mut count = |object: ObjectId| known[object.index()] = known[object.index()].saturating_add(1);
    for object in heap.objects() {
        edges.held(object).for_each(&mut count);
    }
    let locals = heap.roots().iter().filter(|(_, root)| matches!(root, Root::Local { .. }));
    locals.for_each(|(object, _)| count(*object));
    known
}

/// Marks what is held from `begin` on and by nobody yet.
fn reach(edges: &Edges, begin: impl Iterator<Item = ObjectId>, by: By, held: &mut [By]) {
    let mut pending = Vec::new();
    for object in begin {
        pending.push(object);
        while let Some(object) = pending.pop() {
            if held[object.index()] == By::Nothing {
                held[object.index()] = by;
                pending.extend(edges.held(object).filter(|referent| held[referent.index()] == By::Nothing));
            }
        }
    }
}

/// What the list `gc.garbage` has.
fn uncollectable(heap: &Heap) -> Vec<ObjectId> {
    let is_gc = |root: &Root| matches!(root, Root::Module { name } if name == "gc");
    let module = heap.roots().iter().find(|(_, root)| is_gc(root)).map(|(object, _)| *object);
    let step = |from: ObjectId, text: &str| {
        let mut edges = heap.edge_name_ids(from).iter().zip(heap.referents(from));
        edges.find(|&(&name, _)| *heap.names()[name as usize] == *text).map(|(_, &row)| ObjectId(row))
    };
    let list = module.and_then(|module| step(step(module, ".__dict__")?, "['garbage']"));
    list.map_or(Vec::new(), |list| heap.referents(list).iter().map(|&row| ObjectId(row)).collect())
}

fn population(heap: &Heap, objects: impl Iterator<Item = ObjectId>) -> Population {
    let mut sums = vec![(0u64, 0u64); heap.type_count()];
    for object in objects {
        let (count, bytes) = &mut sums[heap.type_of(object).index()];
        *count += 1;
        *bytes = bytes.saturating_add(heap.size(object));
    }
    let named = heap.type_names().iter().zip(sums).filter(|(_, (count, _))| *count > 0);
    let mut types: Vec<Share> =
        named.map(|(name, (count, bytes))| Share { kind: name.to_string(), count, bytes }).collect();
    types.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.kind.cmp(&b.kind)));
    let bytes = types.iter().fold(0, |sum: u64, share| sum.saturating_add(share.bytes));
    Population { objects: types.iter().map(|share| share.count).sum(), bytes, types }
}

/// Whether it may be a dict in which a type lists its subclasses (`tp_subclasses`), of which no `tp_traverse` tells: what such
/// a dict has in it are addresses and weak references to classes.
fn may_list_subclasses(edges: &Edges, object: ObjectId, dict: Option<TypeId>, int: Option<TypeId>) -> bool {
    let heap = edges.heap;
    let mut items = heap.referents(object).iter().map(|&row| ObjectId(row));
    dict == Some(heap.type_of(object)) && items.all(|item| edges.is_weak(item) || int == Some(heap.type_of(item)))
}

fn held_outside(edges: &Edges, held: &[By], surplus: impl Fn(ObjectId) -> u32) -> Vec<Held> {
    let heap = edges.heap;
    let left_out: Vec<bool> = heap.type_names().iter().map(|name| OF_THE_INTERPRETER.contains(&&**name)).collect();
    let (dict, int) = (heap.type_named("builtins.dict"), heap.type_named("builtins.int"));
    let lists_subclasses = |object| may_list_subclasses(edges, object, dict, int);
    let mut sums = vec![Held::default(); heap.type_count()];
    for object in heap.objects() {
        let references = surplus(object);
        let kind = heap.type_of(object).index();
        if references == 0 || left_out[kind] || held[object.index()] == By::Outside && lists_subclasses(object) {
            continue;
        }
        let sum = &mut sums[kind];
        sum.count += 1;
        sum.bytes = sum.bytes.saturating_add(heap.size(object));
        sum.references += u64::from(references);
        sum.unreachable += u64::from(held[object.index()] == By::Outside);
    }
    let named = heap.type_names().iter().zip(sums).filter(|(_, sum)| sum.count > 0);
    let mut rows: Vec<Held> = named.map(|(name, sum)| Held { kind: name.to_string(), ..sum }).collect();
    rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.kind.cmp(&b.kind)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;

    /// What of a heap is garbage, with the reference counts that its objects have, in their order.
    fn found(text: &str, counts: &[u32]) -> Garbage {
        garbage(&sample::heap(text), counts)
    }

    fn kinds(population: &Population) -> Vec<(&str, u64)> {
        population.types.iter().map(|share| (&*share.kind, share.count)).collect()
    }

    #[test]
    fn cycles_that_nothing_holds_are_garbage() {
        let text = "m:builtins.module -> a
             a:app.A -> b
             b:app.B
             c:app.C -> d
             d:app.D -> c, e, b
             e:app.E=8
             root m module app";
        let found = found(text, &[5, 1, 2, 1, 1, 1]);
        assert_eq!(kinds(&found.unreachable), [("app.C", 1), ("app.D", 1), ("app.E", 1)]);
        assert_eq!((found.unreachable.objects, found.unreachable.bytes), (3, 40));
        assert_eq!(found.held_outside, []);
    }

    #[test]
    fn what_has_more_references_than_are_known_is_held_from_outside_with_all_it_reaches() {
        let text = "m:builtins.module -> a, s
             a:app.A
             c:app.C -> d
             d:app.D -> c
             i:app.Immortal -> j
             j:app.J
             s:builtins.str
             root m module app
             root a local app.main x";
        // One of C's references is not d's; a has those of the module, of the frame and two more.
        let found = found(text, &[1, 4, 2, 1, Heap::UNCOUNTED, 1, 9]);
        assert_eq!(found.unreachable, Population::default());
        let rows: Vec<_> =
            found.held_outside.iter().map(|h| (&*h.kind, h.count, h.references, h.unreachable)).collect();
        assert_eq!(rows, [("app.A", 1, 2, 0), ("app.C", 1, 1, 1)]);
    }

    #[test]
    fn weak_references_hold_nothing_but_their_callback() {
        let text = "w:weakref.ReferenceType -> x.key, f.__callback__
             x:app.X -> y
             y:app.Y -> x
             f:builtins.function
             root w module app";
        let found = found(text, &[1, 1, 1, 1]);
        assert_eq!(kinds(&found.unreachable), [("app.X", 1), ("app.Y", 1)]);
    }

    #[test]
    fn what_the_collector_gave_up_is_told() {
        let text = "m:builtins.module -> d.__dict__
             d:builtins.dict -> l['garbage'], l['callbacks']
             l:builtins.list -> x
             x:app.X=7
             root m module gc";
        let found = found(text, &[1, 1, 2, 1]);
        assert_eq!(kinds(&found.uncollectable), [("app.X", 1)]);
        assert_eq!((found.uncollectable.bytes, found.unreachable.objects), (7, 0));
    }

    #[test]
    fn what_types_and_the_interpreter_hold_is_not_told() {
        let text = "d:builtins.dict -> i.key, w['1']
             i:builtins.int
             w:builtins.weakref -> x
             e:builtins.dict -> x
             x:app.X";
        let rows = found(text, &[1, 9, 1, 1, 1]).held_outside;
        assert_eq!(rows.iter().map(|held| (&*held.kind, held.count)).collect::<Vec<_>>(), [("builtins.dict", 1)]);
    }

    #[test]
    fn only_what_nothing_else_holds_is_suspicious() {
        let held = |count, unreachable, bytes| Held { count, unreachable, bytes, ..Held::default() };
        let suspicious = [held(9999, 99, 5), held(100, 100, 5), held(1, 1, 1 << 20), held(1, 0, 1 << 30)];
        assert_eq!(suspicious.each_ref().map(is_suspicious), [false, true, true, false]);
    }
}

//! Containers with more room than they use, and containers with nothing in them.
//!
//! What a container would take is what a copy of it takes: `list(x)`, `set(x)`, `dict(x)` in that version. So the room that
//! appending leaves behind counts, and that which a copy would have too does not.

use super::super::edges::Edges;
use super::super::group::Named;
use super::rules::Rules;
use super::{Claims, Holders, types_named};
use crate::heap::{Heap, ObjectId, TypeId};

const LISTS: [&str; 1] = ["builtins.list"];
const SETS: [&str; 2] = ["builtins.set", "builtins.frozenset"];
const DICTS: [&str; 2] = ["builtins.dict", "collections.defaultdict"];
/// Those that can be empty and be more than one; beside these types what is derived from them is not known to be a container.
const CONTAINERS: [&str; 8] = [
    "builtins.list",
    "builtins.set",
    "builtins.frozenset",
    "builtins.dict",
    "collections.deque",
    "collections.defaultdict",
    "collections.OrderedDict",
    "collections.Counter",
];
/// What `collections.defaultdict` has beside a dict.
const DEFAULT_FACTORY: u64 = 8;

/// By what they are called. Those that Python code cannot replace are left out: dicts of classes and modules, and what nobody
/// is known to hold.
pub(super) fn sparse(edges: &Edges, holders: &Holders, rules: &Rules) -> Claims<Named> {
    let heap = edges.heap;
    let [lists, sets, dicts] = [types_named(heap, &LISTS), types_named(heap, &SETS), types_named(heap, &DICTS)];
    let plain_dict = heap.type_named("builtins.dict");
    let mut claims = Claims::new();
    for object in heap.objects() {
        let (kind, size) = (heap.type_of(object), heap.size(object));
        let row = kind.index();
        let copied = if lists[row] {
            of_list(rules, size, heap.referents(object).len() as u64)
        } else if sets[row] {
            of_set(rules, size, heap.referents(object).len() as u64)
        } else if dicts[row] {
            let base = rules.dict_base() + if plain_dict == Some(kind) { 0 } else { DEFAULT_FACTORY };
            of_dict(edges, rules, object, base)
        } else {
            None
        };
        let saved = copied.and_then(|copied| size.checked_sub(copied)).filter(|&saved| saved > 0);
        if let Some(saved) = saved.and_then(|saved| i64::try_from(saved).ok())
            && !holders.is_nobodys(object)
        {
            claims.add(Named::of(edges, object), object, size, saved);
        }
    }
    claims
}

fn of_list(rules: &Rules, size: u64, items: u64) -> Option<u64> {
    let slots = size.checked_sub(rules.list_base())? / 8;
    (items > 0 && items <= slots).then(|| rules.list_base() + rules.list_slots(items) * 8)
}

fn of_set(rules: &Rules, size: u64, items: u64) -> Option<u64> {
    size.checked_sub(rules.set_base())?;
    (items > 0).then(|| rules.set_base() + rules.set_table(items))
}

/// None where its size is not that of a table of its own.
fn of_dict(edges: &Edges, rules: &Rules, dict: ObjectId, base: u64) -> Option<u64> {
    let bytes = edges.heap.size(dict).checked_sub(base)?;
    let table = rules.keys_table(bytes)?;
    if let Some(owner) = edges.owner(dict)
        && (rules.may_be_split(bytes) || is_namespace(edges, owner))
    {
        return None;
    }
    let items = items_of_dict(edges, dict);
    (items > 0).then(|| base + rules.copied_table(table, items))
}

/// Of keys and values as many as there are of either: of some dicts not all keys are objects of the heap.
fn items_of_dict(edges: &Edges, dict: ObjectId) -> u64 {
    let names = edges.heap.edge_name_ids(dict);
    let keys = (0..names.len()).filter(|&position| edges.is_key(dict, position)).count();
    let attributes = names.iter().filter(|&&name| is_attribute(edges.heap, name)).count();
    keys.max(names.len() - keys - attributes) as u64
}

/// Whether an edge of this name is to no item: `.default_factory`.
fn is_attribute(heap: &Heap, name: u32) -> bool {
    heap.names()[name as usize].starts_with('.')
}

/// Whether the object is a class or a module, which make their dicts themselves.
fn is_namespace(edges: &Edges, owner: ObjectId) -> bool {
    let heap = edges.heap;
    let has_mro = || heap.edge_name_ids(owner).iter().any(|&name| *heap.names()[name as usize] == *".__mro__");
    matches!(heap.type_name_of(owner), "builtins.module" | "builtins.type")
        || edges.module(owner).is_some()
        || has_mro()
}

/// By type. Dicts of attributes are not told: instances of that class are, with [`super::slots`].
pub(super) fn empty(edges: &Edges, holders: &Holders) -> Claims<TypeId> {
    let heap = edges.heap;
    let containers = types_named(heap, &CONTAINERS);
    let mut claims = Claims::new();
    for object in heap.objects().filter(|&object| containers[heap.type_of(object).index()]) {
        let is_empty = heap.edge_name_ids(object).iter().all(|&name| is_attribute(heap, name));
        if is_empty && edges.owner(object).is_none() && !holders.is_nobodys(object) {
            let size = heap.size(object);
            claims.add(heap.type_of(object), object, size, i64::try_from(size).unwrap_or(i64::MAX));
        }
    }
    claims
}

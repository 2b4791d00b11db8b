//! What an object holds and who holds it, with its attributes in place of the dict that they are kept in.

use rustc_hash::{FxHashMap, FxHashSet};

use super::edges::Edges;
use super::labels::Label;
use crate::heap::ObjectId;

/// Tells what the object holds, in the order of its edges.
pub(super) fn referents(edges: &Edges, object: ObjectId, mut tell: impl FnMut(Label, ObjectId)) {
    let heap = edges.heap;
    for (position, &row) in heap.referents(object).iter().enumerate() {
        let dict = ObjectId(row);
        if edges.is_dict(object, position) && heap.edge_name_ids(dict).iter().any(|&name| name != 0) {
            for (position, &value) in heap.referents(dict).iter().enumerate() {
                let value = ObjectId(value);
                match edges.through(edges.label(dict, position)) {
                    Some(label) => tell(label, value),
                    // The names of the attributes themselves say nothing twice.
                    None if edges.is_key(dict, position) || edges.is_string(value) => {}
                    None => tell(edges.label(dict, position), value),
                }
            }
        } else if edges.holds(object, position) {
            tell(edges.label(object, position), ObjectId(row));
        }
    }
}

/// The wanted among what the object holds, each once, with the step that says most.
pub(super) fn once(
    edges: &Edges,
    object: ObjectId,
    wanted: impl Fn(ObjectId) -> bool,
) -> impl Iterator<Item = (ObjectId, Label)> {
    let mut places: FxHashMap<ObjectId, usize> = FxHashMap::default();
    let mut found: Vec<(ObjectId, Label)> = Vec::new();
    for (position, &row) in edges.heap.referents(object).iter().enumerate() {
        let referent = ObjectId(row);
        if !wanted(referent) || !edges.holds(object, position) {
            continue;
        }
        let label = edges.label(object, position);
        let place = *places.entry(referent).or_insert(found.len());
        match found.get_mut(place) {
            None => found.push((referent, label)),
            Some((_, known)) if edges.says_much(label) && !edges.says_much(*known) => *known = label,
            Some(_) => {}
        }
    }
    found.into_iter()
}

/// Who holds one of the objects, who has the edge (another where an attribute is in a `__dict__`), and which of them it is. By
/// ascending address of the second, each edge of which is looked at once, however many the objects are.
pub(super) fn referrers(
    edges: &Edges,
    objects: &[ObjectId],
    mut tell: impl FnMut(Label, ObjectId, ObjectId, ObjectId),
) {
    let heap = edges.heap;
    let wanted: FxHashSet<u32> = objects.iter().map(|object| object.0).collect();
    let mut holders: Vec<u32> = objects.iter().flat_map(|&object| heap.referrers(object)).copied().collect();
    holders.sort_unstable();
    holders.dedup();
    for holder in holders.into_iter().map(ObjectId) {
        let owner = edges.owner(holder);
        for (position, &referent) in heap.referents(holder).iter().enumerate() {
            if wanted.contains(&referent) && edges.holds(holder, position) {
                match owner.and_then(|owner| Some((edges.through(edges.label(holder, position))?, owner))) {
                    Some((attribute, owner)) => tell(attribute, owner, holder, ObjectId(referent)),
                    None => tell(edges.label(holder, position), holder, holder, ObjectId(referent)),
                }
            }
        }
    }
}

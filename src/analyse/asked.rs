//! The objects that somebody means who names a type or an address; where there are none, an error that says what there is.

use super::names;
use crate::cli::values::Asked;
use crate::error::{Error, Kind, Result};
use crate::heap::{Heap, ObjectId, TypeId};

/// The object at the address, or all of the type.
pub(super) fn objects(heap: &Heap, asked: &Asked) -> Result<Vec<ObjectId>> {
    match asked {
        Asked::Address(address) => {
            let object = heap.at(*address).ok_or_else(|| {
                Error::new(Kind::Usage, format!("the heap has no object at {address}"))
                    .hint("addresses are those of objects in this snapshot; another analysis of the process has others")
            })?;
            Ok(vec![object])
        }
        Asked::Type(name) => {
            let kind = kind(heap, name)?;
            Ok(heap.objects().filter(|&object| heap.type_of(object) == kind).collect())
        }
    }
}

/// The type, which has objects, by its whole name or a unique end of it.
pub(super) fn kind(heap: &Heap, name: &str) -> Result<TypeId> {
    let mut has_objects = vec![false; heap.type_count()];
    heap.objects().for_each(|object| has_objects[heap.type_of(object).index()] = true);
    let types = (0..heap.type_count() as u32).map(TypeId);
    let types: Vec<TypeId> = types.filter(|id| has_objects[id.index()]).collect();
    let kinds: Vec<&str> = types.iter().map(|&id| heap.type_name(id)).collect();
    match names::find(&kinds, name) {
        Ok(index) => Ok(types[index]),
        Err(notice) => Err(Error { kind: Kind::Usage, text: notice.text, hints: notice.hint.into_iter().collect() }),
    }
}

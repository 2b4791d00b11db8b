//! Texts that are equal: all of them but one, the largest, could be that one.

use super::Claims;
use crate::heap::{Heap, ObjectId, TypeId};

/// By type and content, where there are two at least. `contents` is that of the heap.
pub(super) fn duplicates(heap: &Heap, contents: &[u64]) -> Claims<(TypeId, u64)> {
    let known = heap.objects().zip(contents).filter(|&(_, &content)| content != 0);
    let mut texts: Vec<(TypeId, u64, ObjectId)> =
        known.map(|(object, &content)| (heap.type_of(object), content, object)).collect();
    texts.sort_unstable();
    let mut claims = Claims::new();
    for equal in texts.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|equal| equal.len() > 1) {
        // Equal texts may differ in size: some have a copy in UTF-8 with them.
        let kept = equal.iter().map(|&(_, _, object)| object).max_by_key(|&object| heap.size(object));
        for &(kind, content, object) in equal {
            let bytes = heap.size(object);
            let saved = if Some(object) == kept { 0 } else { i64::try_from(bytes).unwrap_or(i64::MAX) };
            claims.add((kind, content), object, bytes, saved);
        }
    }
    claims
}

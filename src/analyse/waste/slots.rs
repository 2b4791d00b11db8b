//! Instances that keep their attributes in a dict, where `__slots__` would keep them in the instance.
//!
//! Told of classes derived from `object` alone, which is seen by the size of their instances: only there nothing but the class
//! itself asks for the dict. From 3.11 on most instances have no dict until somebody asks for it, but values beside or inside
//! them, of which `sys.getsizeof` tells nothing: nothing is claimed for these.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::edges::{DICT, Edges, identifier, is_identifier};
use super::rules::Rules;
use super::{Claims, Holders};
use crate::heap::{Heap, ObjectId, TypeId};

/// What instances of one class have.
#[derive(Default)]
struct Class {
    /// The names of attributes as steps, from the instance or from its dict.
    names: FxHashSet<u32>,
    /// The most referents without a name that any instance has: they may be further attributes.
    unnamed: usize,
    /// With what of its own it has in a dict, or as values.
    instances: Vec<(ObjectId, Own)>,
}

#[derive(Clone, Copy)]
enum Own {
    Dict(ObjectId),
    Values(usize),
    /// A dict that somebody else has, too.
    Shared,
}

/// By class. All attributes that any instance has need a slot in every one.
pub(super) fn instances(edges: &Edges, holders: &Holders, rules: &Rules) -> Claims<TypeId> {
    let heap = edges.heap;
    let Some(classes) = found(edges, holders, rules) else { return Claims::new() };
    let mut claims = Claims::new();
    for (kind, class) in classes {
        let attributes: Option<FxHashSet<&str>> =
            class.names.iter().map(|&name| attribute(&heap.names()[name as usize])).collect();
        // One that is no identifier cannot be a slot.
        let Some(attributes) = attributes else { continue };
        let slots = (attributes.len() + class.unnamed) as u64 * 8;
        for (object, own) in class.instances {
            let (bytes, freed) = match own {
                Own::Dict(dict) => (heap.size(dict), heap.size(dict).saturating_add(rules.dict_slot())),
                Own::Values(values) => (0, values as u64 * 8),
                Own::Shared => (0, 0),
            };
            let saved = i64::try_from(freed).unwrap_or(i64::MAX).saturating_sub_unsigned(slots);
            claims.add(kind, object, bytes.saturating_add(heap.size(object)), saved);
        }
    }
    claims
}

/// The classes whose instances may have dicts of their own.
fn found(edges: &Edges, holders: &Holders, rules: &Rules) -> Option<FxHashMap<TypeId, Class>> {
    let heap = edges.heap;
    let dict_step = named(heap, DICT)?;
    let class_step = named(heap, ".__class__");
    let dict_type = heap.type_named("builtins.dict")?;
    // Written in C, whatever their size.
    let may_be: Vec<bool> = heap.type_names().iter().map(|name| !name.starts_with("builtins.")).collect();
    let mut classes: FxHashMap<TypeId, Class> = FxHashMap::default();
    for object in heap.objects() {
        let kind = heap.type_of(object);
        if !may_be[kind.index()] || heap.size(object) != rules.instance() {
            continue;
        }
        let class = classes.entry(kind).or_default();
        let mut own = Own::Values(0);
        let mut unnamed = 0;
        for (&name, &row) in heap.edge_name_ids(object).iter().zip(heap.referents(object)) {
            let referent = ObjectId(row);
            if name == dict_step && heap.type_of(referent) == dict_type {
                let names = heap.edge_name_ids(referent).iter().enumerate();
                class.names.extend(names.filter(|&(at, _)| !edges.is_key(referent, at)).map(|(_, &name)| name));
                own = if holders.is_only(object, referent) { Own::Dict(referent) } else { Own::Shared };
            } else if name == 0 {
                unnamed += 1;
            } else if Some(name) != class_step {
                class.names.insert(name);
                own = if let Own::Values(count) = own { Own::Values(count + 1) } else { own };
            }
        }
        class.unnamed = class.unnamed.max(unnamed);
        class.instances.push((object, own));
    }
    classes.retain(|_, class| class.instances.iter().any(|(_, own)| matches!(own, Own::Dict(_))));
    Some(classes)
}

fn named(heap: &Heap, step: &str) -> Option<u32> {
    heap.names().iter().position(|name| **name == *step).map(|id| id as u32)
}

/// The attribute that `.x` or `['x']` is a step to.
fn attribute(step: &str) -> Option<&str> {
    step.strip_prefix('.').filter(|name| is_identifier(name)).or_else(|| identifier(step))
}

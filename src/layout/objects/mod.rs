//! What the objects of plain C types refer to: for each type its struct and the members that its `tp_traverse` visits.
//!
//! A type whose objects are more than a struct with members (dict, set, deque, code, frame …) has a reader of its own. Which
//! members a version has, and where, is layout data like any other; that a type is really made of this struct is checked
//! against its `tp_basicsize` before anything is read by it.
//!
//! What no traverse visits is here too where the object owns it: all of a type that the collector knows nothing of, and what
//! only later versions visit (the bytes of a `BytesIO`). Borrowed references and lists of weak references are not.

mod builtins;
mod iterators;
mod library;

/// A C type whose objects are a struct.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// The types made of it, by the names that Python has for them.
    pub(crate) types: &'static [&'static str],
    /// The struct's tag or the name of its `typedef`: any of these.
    pub(crate) tags: &'static [&'static str],
    /// The members that refer to objects, with the step to them in Python; where Python has none, a dot and what CPython calls
    /// the member. Those that a version lacks, or has something else in, are passed over.
    pub(crate) visits: &'static [(&'static str, &'static str)],
    /// A member of one byte: while it is zero, the members to visit are not there.
    pub(crate) given: Option<&'static str>,
    /// Where `tp_basicsize` ends, if that is not the struct's end: an array of one, for items behind it.
    pub(crate) end: Option<&'static str>,
}

/// Sources: the `*_traverse` functions of `Objects/*.c`, `Python/*.c` and `Modules/*.c`, 3.6 to 3.15.
const LISTS: [&[Object]; 4] = [builtins::OBJECTS, builtins::EXCEPTIONS, iterators::OBJECTS, library::OBJECTS];
const COUNT: usize = LISTS[0].len() + LISTS[1].len() + LISTS[2].len() + LISTS[3].len();

/// All that are known.
pub(crate) static OBJECTS: [Object; COUNT] = {
    let mut all = [LISTS[0][0]; COUNT];
    let (mut list, mut at, mut filled) = (0, 0, 0);
    while filled < COUNT {
        if at == LISTS[list].len() {
            (list, at) = (list + 1, 0);
        }
        all[filled] = LISTS[list][at];
        (at, filled) = (at + 1, filled + 1);
    }
    all
};

/// `"type", … : "tag", … if "given" to "end" { "member", "member" => ".step", … }`, the middle mostly missing.
macro_rules! objects {
    ($($($name:literal),+ : $($tag:literal),+ $(if $given:literal)? $(to $end:literal)? { $($member:literal $(=> $step:literal)?),* $(,)? })*) => {
        &[$(super::Object {
            types: &[$($name),+],
            tags: &[$($tag),+],
            visits: &[$(($member, super::step!($member $($step)?))),*],
            given: super::maybe!($($given)?),
            end: super::maybe!($($end)?),
        }),*]
    };
}

macro_rules! step {
    ($member:literal) => {
        concat!(".", $member)
    };
    ($member:literal $step:literal) => {
        $step
    };
}

macro_rules! maybe {
    () => {
        None
    };
    ($member:literal) => {
        Some($member)
    };
}

use {maybe, objects, step};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_said_once() {
        let mut types = BTreeSet::new();
        for object in &OBJECTS {
            for name in object.types {
                assert!(types.insert(name), "{name} is there twice");
                assert!(name.contains('.'), "{name} has no module");
            }
            let members: BTreeSet<_> = object.visits.iter().map(|(member, _)| member).collect();
            let steps: BTreeSet<_> = object.visits.iter().map(|(_, step)| step).collect();
            assert_eq!((members.len(), steps.len()), (object.visits.len(), object.visits.len()), "{:?}", object.types);
            assert!(!object.tags.is_empty() && steps.iter().all(|step| step.starts_with('.')), "{:?}", object.types);
        }
    }
}

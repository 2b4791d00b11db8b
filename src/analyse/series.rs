//! Captures in a row: what has changed from the first to the last, or, of more than two, what has grown each time.
//!
//! By type, and where that is asked for by type and place, which means something also after a restart. Of captures of the
//! same process objects are told apart by their addresses as well. Only the newest is held whole.

use std::collections::BTreeMap;

use super::census::{self, Census, Key};
use super::diff::deltas;
use super::dominators::Dominators;
use super::edges::Edges;
use super::retained::retained_by_type;
use super::{Diff, Since, newcomers, pairing};
use crate::heap::Capture;

/// What is compared, beside counts and bytes by type.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) retained: bool,
    pub(crate) places: bool,
}

/// The newest capture, and what earlier ones were.
pub(crate) struct Series<'c> {
    newest: &'c Capture,
    extent: Extent,
    since: Vec<Since>,
    types: Vec<Census>,
    places: Vec<Census>,
    /// By row of the newest: does the first capture lack it? None where that was another process.
    new: Option<Vec<bool>>,
}

impl<'c> Series<'c> {
    pub(crate) fn new(newest: &'c Capture, extent: Extent) -> Series<'c> {
        let (since, types, places) = (Vec::new(), Vec::new(), Vec::new());
        Series { newest, extent, since, types, places, new: None }
    }

    /// Adds an earlier capture, read from `path`; the earliest comes first.
    pub(crate) fn add(&mut self, earlier: &Capture, path: &str, paired_by: &str) {
        if self.since.is_empty() && self.extent.places {
            self.new = pairing::is_same_process(&earlier.target, &self.newest.target).then(|| {
                let mut new = vec![false; self.newest.heap.len()];
                let come = newcomers::between(&earlier.heap, &self.newest.heap);
                come.into_iter().for_each(|object| new[object.index()] = true);
                new
            });
        }
        self.since.push(Since {
            snapshot: path.to_owned(),
            started_at: earlier.collection.started_at.clone(),
            pid: earlier.target.pid,
            paired_by: paired_by.to_owned(),
        });
        let (types, places, _) = self.censuses(earlier, None);
        self.types.push(types);
        self.places.extend(places);
    }

    /// What has changed since the first of those added; none if there are none.
    pub(crate) fn diff(mut self) -> Option<Diff> {
        let (types, places, new) = self.censuses(self.newest, self.new.as_deref());
        self.types.push(types);
        self.places.extend(places);
        let mut since = self.since.into_iter();
        let first = since.next()?;
        let places = self.extent.places.then(|| {
            let mut places = deltas(&self.places);
            if self.new.is_some() {
                for row in &mut places {
                    let key = (row.kind.clone(), row.place.clone());
                    row.new = Some(new.get(&key).copied().unwrap_or(0));
                }
            }
            places
        });
        Some(Diff { since: first, by_way_of: since.collect(), types: deltas(&self.types), places })
    }

    /// By type, by place, and how many are new at each. What types retain is computed only if the capture does not have it.
    fn censuses(&self, of: &Capture, new: Option<&[bool]>) -> (Census, Option<Census>, BTreeMap<Key, u64>) {
        let mut come: BTreeMap<Key, u64> = BTreeMap::new();
        let Extent { retained, places } = self.extent;
        let known = of.retained_by_type.as_deref().filter(|_| retained);
        let unknown = retained && known.is_none();
        let edges = (unknown || places).then(|| Edges::new(&of.heap));
        let tree = edges.as_ref().filter(|_| unknown || retained && places).map(Dominators::new);
        let computed = edges.as_ref().zip(tree.as_ref()).filter(|_| unknown);
        let computed = computed.map(|(edges, tree)| retained_by_type(edges, tree));
        let types = census::by_type(&of.heap, known.or(computed.as_deref()));
        let places = edges.as_ref().filter(|_| places).map(|edges| {
            census::by_place(edges, tree.as_ref(), |key, objects| {
                let count = new.map_or(0, |new| objects.iter().filter(|object| new[object.index()]).count());
                if count > 0 {
                    *come.entry(key.clone()).or_default() += count as u64;
                }
            })
        });
        (types, places, come)
    }
}

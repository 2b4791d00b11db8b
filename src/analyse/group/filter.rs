//! Which objects are put into groups: those that all filters leave.

use super::super::edges::Edges;
use super::super::{asked, neighbours, newcomers};
use super::keys::{self, DICT_OF, Named};
use crate::cli::values::Asked;
use crate::error::{Error, Kind, Result};
use crate::heap::{Heap, ObjectId};
use crate::units::printable;

/// Longest name of a module in a message.
const MAX_NAME: usize = 120;

/// Each that is absent leaves all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Of this type, by its whole name or a unique end of it; `dict of app.User` are the dicts of their attributes.
    pub(crate) kind: Option<String>,
    /// Of a type of this module, or of one below.
    pub(crate) module: Option<String>,
    pub(crate) min_size: Option<u64>,
    /// One of these refers to it.
    pub(crate) referred_by: Option<Asked>,
    /// It refers to one of these.
    pub(crate) refers_to: Option<Asked>,
}

impl Filter {
    /// The objects, by ascending address, which `earlier`, a heap of the same process, does not have.
    pub(super) fn objects(&self, edges: &Edges, earlier: Option<&Heap>) -> Result<Vec<ObjectId>> {
        let heap = edges.heap;
        let mut objects: Vec<ObjectId> = match earlier {
            Some(earlier) => newcomers::between(earlier, heap),
            None => heap.objects().collect(),
        };
        if let Some(least) = self.min_size {
            objects.retain(|&object| heap.size(object) >= least);
        }
        if let Some(name) = &self.kind {
            match name.strip_prefix(DICT_OF) {
                Some(owner) => {
                    let dicts = Named::DictOf(asked::kind(heap, owner)?);
                    objects.retain(|&object| Named::of(edges, object) == dicts);
                }
                None => {
                    let kind = asked::kind(heap, name)?;
                    objects.retain(|&object| heap.type_of(object) == kind);
                }
            }
        }
        if let Some(wanted) = &self.module {
            let below = |module: &str| module.strip_prefix(&**wanted).is_some_and(|rest| rest.starts_with('.'));
            let of: Vec<bool> = keys::modules(heap).iter().map(|module| module == wanted || below(module)).collect();
            if !of.contains(&true) {
                let text = format!("the heap has no type of a module `{}`", printable(wanted, MAX_NAME));
                return Err(Error::new(Kind::Usage, text).hint("`--by module` shows those that there are"));
            }
            objects.retain(|&object| of[Named::of(edges, object).kind().index()]);
        }
        if let Some(holders) = &self.referred_by {
            let mut referred = vec![false; heap.len()];
            for holder in asked::objects(heap, holders)? {
                // Attributes, and the dict that they may be in.
                edges.held(holder).for_each(|object| referred[object.index()] = true);
                neighbours::referents(edges, holder, |_, object| referred[object.index()] = true);
            }
            objects.retain(|object| referred[object.index()]);
        }
        if let Some(targets) = &self.refers_to {
            let mut refer = vec![false; heap.len()];
            let targets = asked::objects(heap, targets)?;
            neighbours::referrers(edges, &targets, |_, shown, _, _| refer[shown.index()] = true);
            objects.retain(|object| refer[object.index()]);
        }
        Ok(objects)
    }
}

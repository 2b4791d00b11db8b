//! The shortest paths to all objects of a type, merged where they take the same steps: where in a program these objects are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::dominators::Dominators;
use super::super::edges::Edges;
use super::super::labels::{Label, append};
use super::super::neighbours;
use super::super::paths::{Paths, Start};
use super::collect::Collector;
use super::{Group, Grower, Leads, Level, Place, Shape, WORTH_UNFOLDING, Walk, Way, Weight};
use crate::heap::{ObjectId, Root};

/// The tree of paths to the objects, roots at its top.
pub(super) fn level(edges: &Edges, tree: &Dominators, paths: &Paths, objects: &[ObjectId], shape: Shape) -> Level {
    let mut ways = Ways::new(edges, tree, paths, objects);
    let groups = ways.roots();
    let floor = groups.iter().map(|group| group.more.leads.objects).sum::<u64>() / WORTH_UNFOLDING;
    Grower { heap: edges.heap, tree, shape, floor }.level(&mut ways, groups, 0, None)
}

/// The places of a level and those below it at which there are objects, most first.
pub(super) fn places(level: &Level) -> Vec<Place> {
    let mut places = Vec::new();
    let mut open: Vec<&Level> = vec![level];
    while let Some(level) = open.pop() {
        for branch in &level.branches {
            open.push(&branch.below);
            if let Some(way) = branch.way.as_ref().filter(|way| way.here.objects > 0) {
                let Leads { objects, retained_bytes } = way.here;
                places.push(Place { expression: way.expression.clone(), objects, retained_bytes });
            }
        }
    }
    let weight = |place: &Place| Reverse((place.objects, place.retained_bytes));
    places.sort_by(|a, b| weight(a).cmp(&weight(b)).then_with(|| a.expression.cmp(&b.expression)));
    places
}

struct Ways<'a, 'h> {
    edges: &'a Edges<'h>,
    tree: &'a Dominators,
    paths: &'a Paths<'a, 'h>,
    /// By row: is it asked for, and if so, is it dominated by none of the others?
    asked: Vec<Option<bool>>,
    /// By row: where the paths through it lead.
    leads: Vec<Leads>,
}

struct More<'h> {
    leads: Leads,
    start: Option<Start<'h>>,
    /// Of a module: globals that are held by its running code.
    globals: Vec<(&'h str, ObjectId)>,
    /// Of such a global: its name.
    global: Option<&'h str>,
    repeated: u64,
}

impl<'a, 'h> Ways<'a, 'h> {
    fn new(edges: &'a Edges<'h>, tree: &'a Dominators, paths: &'a Paths<'a, 'h>, objects: &[ObjectId]) -> Ways<'a, 'h> {
        let rows = edges.heap.len();
        let mut ways = Ways { edges, tree, paths, asked: vec![None; rows], leads: vec![Leads::default(); rows] };
        objects.iter().for_each(|object| ways.asked[object.index()] = Some(false));
        tree.topmost(objects).iter().for_each(|object| ways.asked[object.index()] = Some(true));
        for object in paths.order().iter().rev().map(|&row| ObjectId(row)) {
            let here = ways.here(object);
            ways.leads[object.index()] += here;
            if let Some(parent) = paths.parent(object) {
                let leads = ways.leads[object.index()];
                ways.leads[parent.index()] += leads;
            }
        }
        ways
    }

    /// The object itself, as far as it is asked for.
    fn here(&self, object: ObjectId) -> Leads {
        match self.asked[object.index()] {
            None => Leads::default(),
            Some(false) => Leads { objects: 1, retained_bytes: 0 },
            Some(true) => Leads { objects: 1, retained_bytes: self.tree.retained(object).unwrap_or(0) },
        }
    }

    fn leads_somewhere(&self, object: ObjectId) -> bool {
        self.leads[object.index()].objects > 0
    }

    /// What the roots hold; a module together with what is only a global of its running code.
    fn roots(&self) -> Vec<Group<More<'h>>> {
        let heap = self.edges.heap;
        let mut modules: BTreeMap<&str, ObjectId> = BTreeMap::new();
        for (object, root) in heap.roots() {
            if let Root::Module { name } = root {
                modules.entry(name).or_insert(*object);
            }
        }
        let mut starts: BTreeMap<Start<'h>, (Vec<ObjectId>, More<'h>)> = BTreeMap::new();
        let mut objects: Vec<ObjectId> = heap.roots().iter().map(|(object, _)| *object).collect();
        objects.dedup();
        for object in objects.into_iter().filter(|&object| self.leads_somewhere(object)) {
            let (start, global) = match self.paths.start(object) {
                Start::Global { name, module } if modules.contains_key(module) => (Start::Module(module), Some(name)),
                start => (start, None),
            };
            let (objects, more) = starts.entry(start).or_insert_with(|| (Vec::new(), More::new(Some(start))));
            more.leads += self.leads[object.index()];
            match (global, start) {
                (Some(name), _) => more.globals.push((name, object)),
                (None, _) => objects.push(object),
            }
        }
        let mut groups = Vec::new();
        for (start, (mut objects, more)) in starts {
            if let (Start::Module(name), true) = (start, objects.is_empty()) {
                objects.push(modules[name]);
            }
            groups.push(Group { label: None, kind: heap.type_of(objects[0]), objects, more });
        }
        groups
    }

    /// The objects to which paths lead through this one, with the steps to them; attributes as one step.
    fn next(&self, object: ObjectId, mut tell: impl FnMut(Label, ObjectId)) {
        let edges = self.edges;
        let below = |object: ObjectId| {
            let wanted = move |child| self.paths.parent(child) == Some(object) && self.leads_somewhere(child);
            neighbours::once(edges, object, wanted)
        };
        for (child, label) in below(object) {
            let attributes = || {
                let is_dict = edges.is_dict_of(label, child) && self.asked[child.index()].is_none();
                let values = is_dict.then(|| below(child))?;
                values
                    .into_iter()
                    .map(|(value, label)| Some((value, edges.through(label)?)))
                    .collect::<Option<Vec<_>>>()
            };
            match attributes() {
                Some(attributes) => attributes.into_iter().for_each(|(value, label)| tell(label, value)),
                None => tell(label, child),
            }
        }
    }
}

impl<'h> More<'h> {
    fn new(start: Option<Start<'h>>) -> More<'h> {
        More { leads: Leads::default(), start, globals: Vec::new(), global: None, repeated: 1 }
    }
}

impl<'h> Walk for Ways<'_, 'h> {
    type More = More<'h>;

    fn below(&mut self, group: &mut Group<More<'h>>) -> Vec<Group<More<'h>>> {
        let heap = self.edges.heap;
        let mut found = Collector::new(heap);
        let mut open = group.objects.clone();
        // A chain, such as a linked list, takes the same step again and again: it is one branch.
        loop {
            let mut again = Vec::new();
            for object in open {
                self.next(object, |label, next| {
                    let same = group.label == Some(label) && heap.type_of(next) == group.kind;
                    if same && !label.is_subscript(heap) { again.push(next) } else { found.add(label, next, ()) }
                });
            }
            if again.is_empty() {
                break;
            }
            group.objects.extend_from_slice(&again);
            group.more.repeated += 1;
            open = again;
        }
        group.objects.sort_unstable();
        let mut groups = Vec::new();
        let globals = group.more.globals.drain(..).map(|(name, object)| {
            let more = More { global: Some(name), ..More::new(None) };
            Group { label: None, kind: heap.type_of(object), objects: vec![object], more }
        });
        groups.extend(globals);
        groups.extend(found.groups().map(|Group { label, kind, objects, more: () }| Group {
            label,
            kind,
            objects,
            more: More::new(None),
        }));
        for group in &mut groups {
            group.objects.iter().for_each(|object| group.more.leads += self.leads[object.index()]);
        }
        groups
    }

    fn has_below(&self, group: &Group<More<'h>>) -> bool {
        group.more.leads.objects > group.objects.iter().map(|&object| self.here(object).objects).sum()
    }

    fn weight(&self, group: &Group<More<'h>>) -> Weight {
        (group.more.leads.objects, group.more.leads.retained_bytes)
    }

    fn edge(&self, group: &Group<More<'h>>) -> Option<String> {
        let global = group.more.global.map(|name| format!(".{name}"));
        global.or_else(|| group.more.start.map(Start::written))
    }

    fn way(&self, group: &Group<More<'h>>, edge: Option<&str>, above: Option<&Way>) -> Option<Way> {
        let mut expression = match (above, group.more.start) {
            (Some(above), _) => above.expression.clone(),
            (None, start) => start.map(Start::expression).unwrap_or_default(),
        };
        if let (Some(edge), Some(_)) = (edge, above) {
            append(&mut expression, edge);
        }
        if group.more.repeated > 1 {
            expression.push('…');
        }
        let mut here = Leads::default();
        group.objects.iter().for_each(|&object| here += self.here(object));
        Some(Way { expression, repeated: group.more.repeated, leads: group.more.leads, here })
    }
}

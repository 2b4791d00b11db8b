//! The second pass: every object that was marked, in ascending order of address, with its type, size and references. Rows
//! are known beforehand, so the columns of the heap are written as they will be.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::image::{Image, View};
use super::mark::Marked;
use super::names::Names;
use super::types::{Kind, Types};
use super::walk::{Step, Walk};
use crate::heap::{Columns, Flags, TypeId};

/// How often each word may be looked at: once, and the names of attributes again.
const TIMES: u64 = 2;

/// What listing counted beside the columns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) tracked: u64,
    pub(super) frozen: u64,
    pub(super) conservative_edges: u64,
    pub(super) names_left_out: bool,
    /// See [`View::claim`].
    pub(super) refused: bool,
}

/// A part of the columns, made by one thread.
struct Part {
    columns: Columns,
    counted: Counted,
}

/// The columns of the heap, made by `threads` threads.
pub(super) fn list(image: &Image, walk: &Walk, types: &Types, marked: &Marked, threads: usize) -> (Columns, Counted) {
    let (type_names, type_ids) = merged_names(types);
    let shares = marked.objects.shares(threads, marked.count);
    let mut parts: Vec<Part> = std::thread::scope(|scope| {
        let running: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let type_ids = &type_ids;
                let (fields, structs, static_dicts) = (walk.fields, walk.structs, walk.static_dicts);
                scope.spawn(move || {
                    let walk = Walk { view: View::new(image, TIMES), fields, structs, static_dicts };
                    part(image, &walk, types, type_ids, marked, share)
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut all = parts.remove(0);
    for part in parts {
        all.append(part);
    }
    all.columns.starts.push(all.columns.referents.len() as u64);
    all.columns.type_names = type_names;
    (all.columns, all.counted)
}

/// The names of types, equal ones once, and for each type the row of its name.
fn merged_names(types: &Types) -> (Vec<Box<str>>, Vec<TypeId>) {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut rows: FxHashMap<&str, u32> = FxHashMap::default();
    let ids = types.iter().map(|kind| {
        let row = *rows.entry(&kind.name).or_insert_with(|| {
            names.push(kind.name.clone());
            (names.len() - 1) as u32
        });
        TypeId(row)
    });
    let ids = ids.collect();
    (names, ids)
}

fn part(image: &Image, walk: &Walk, types: &Types, type_ids: &[TypeId], marked: &Marked, share: Range<usize>) -> Part {
    let mut names = Names::new();
    let mut counted = Counted::default();
    let mut columns = Columns::default();
    let places = &marked.objects;
    let mut address_of = image.addresses();
    for number in places.iter(share) {
        let object = address_of(number);
        let kind_at = walk.view.pointer(object + walk.fields.object_type);
        columns.starts.push(columns.referents.len() as u64);
        columns.addresses.push(object);
        // Rows are counted already: none may be left out.
        let Some(row) = types.row_of(kind_at) else {
            columns.types.push(TypeId(0));
            columns.sizes.push(0);
            columns.flags.push(Flags::default());
            continue;
        };
        let kind = types.at(row);
        let (referents, edge_names) = (&mut columns.referents, &mut columns.edge_names);
        let guessed = counted.conservative_edges;
        walk.visit(object, kind, &mut |target: u64, step: Step<'_>| {
            let Some(number) = walk.view.number(target).filter(|&number| places.has(number)) else { return };
            referents.push(places.rank(number));
            edge_names.push(names.number(step, walk, types));
            counted.conservative_edges += u64::from(matches!(step, Step::Guess));
        });
        let mut flags = Flags::default();
        if walk.is_collected(object, kind) && walk.is_tracked(object) {
            flags = flags.with(Flags::TRACKED);
            counted.tracked += 1;
        }
        if marked.frozen.has(number) {
            flags = flags.with(Flags::FROZEN);
            counted.frozen += 1;
        }
        if counted.conservative_edges > guessed && kind.kind != Kind::Module {
            flags = flags.with(Flags::CONSERVATIVE);
        }
        columns.types.push(type_ids.get(row as usize).copied().unwrap_or(TypeId(0)));
        columns.sizes.push(walk.size(object, kind));
        columns.flags.push(flags);
    }
    counted.names_left_out = names.full;
    counted.refused = walk.view.refused.get();
    columns.names = names.list;
    Part { columns, counted }
}

impl Part {
    /// Puts what follows in memory behind this; names that both have become one.
    fn append(&mut self, other: Part) {
        let Part { columns, counted } = other;
        let mine = &mut self.columns;
        let edges = mine.referents.len() as u64;
        let mut known: FxHashMap<Box<str>, u32> = FxHashMap::default();
        for (number, name) in mine.names.iter().enumerate() {
            known.insert(name.clone(), number as u32);
        }
        let renumbered: Vec<u32> = columns
            .names
            .into_iter()
            .map(|name| {
                known.get(&name).copied().unwrap_or_else(|| {
                    mine.names.push(name);
                    (mine.names.len() - 1) as u32
                })
            })
            .collect();
        mine.addresses.extend(columns.addresses);
        mine.types.extend(columns.types);
        mine.sizes.extend(columns.sizes);
        mine.flags.extend(columns.flags);
        mine.starts.extend(columns.starts.iter().map(|start| start + edges));
        mine.referents.extend(columns.referents);
        mine.edge_names
            .extend(columns.edge_names.iter().map(|&name| renumbered.get(name as usize).copied().unwrap_or(0)));
        self.counted.tracked += counted.tracked;
        self.counted.frozen += counted.frozen;
        self.counted.conservative_edges += counted.conservative_edges;
        self.counted.names_left_out |= counted.names_left_out;
        self.counted.refused |= counted.refused;
    }
}

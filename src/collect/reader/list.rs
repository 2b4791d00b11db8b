//! The second pass: every object that was marked, in ascending order of address, with its type, size and references. Rows
//! are known beforehand, so the columns of the heap are written as they will be.

use std::ops::Range;
use std::panic::resume_unwind;

use rustc_hash::FxHashMap;

use super::mark::Marked;
use super::names::Names;
use super::places::Places;
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
    /// See [`View::claim`](super::image::View::claim).
    pub(super) refused: bool,
}

/// Rows of the columns, for one thread to fill.
struct Rows<'c> {
    addresses: &'c mut [u64],
    types: &'c mut [TypeId],
    sizes: &'c mut [u64],
    flags: &'c mut [Flags],
    /// Where the edges of each row start among those of the part.
    starts: &'c mut [u64],
}

/// The edges of a part's rows.
#[derive(Default)]
struct Edges {
    referents: Vec<u32>,
    /// Rows of `names`.
    edge_names: Vec<u32>,
    names: Vec<Box<str>>,
}

/// The columns of the heap, made by `threads` threads.
pub(super) fn list(walk: &Walk, types: &Types, marked: &Marked, frozen: &Places, threads: usize) -> (Columns, Counted) {
    let rows = marked.count as usize;
    let (type_names, type_ids) = merged_names(types);
    let mut columns = Columns {
        addresses: vec![0; rows],
        types: vec![TypeId(0); rows],
        sizes: vec![0; rows],
        flags: vec![Flags::default(); rows],
        starts: vec![0; rows + 1],
        type_names,
        ..Columns::default()
    };
    let lister = Lister { types, type_ids: &type_ids, objects: &marked.objects, frozen };
    let shares = marked.objects.shares(threads, marked.count);
    let parts: Vec<(Edges, Counted)> = std::thread::scope(|scope| {
        let mut rest = Rows::of(&mut columns);
        let running: Vec<_> = shares
            .iter()
            .map(|(blocks, size)| {
                let (rows, walk, lister, blocks) = (rest.take(*size), walk.another(TIMES), &lister, blocks.clone());
                scope.spawn(move || lister.part(&walk, blocks, rows))
            })
            .collect();
        running.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut counted = Counted::default();
    let mut row = 0;
    for ((_, size), (edges, of_part)) in shares.iter().zip(parts) {
        let before = columns.referents.len() as u64;
        columns.starts[row..row + size].iter_mut().for_each(|start| *start += before);
        row += size;
        append(&mut columns, edges);
        counted.add(of_part);
    }
    columns.starts[rows] = columns.referents.len() as u64;
    (columns, counted)
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

/// What all threads look things up in.
struct Lister<'l> {
    types: &'l Types,
    /// By the row of a type, that of its name.
    type_ids: &'l [TypeId],
    objects: &'l Places,
    frozen: &'l Places,
}

impl Lister<'_> {
    /// Fills `rows` with the objects in a range of blocks.
    fn part(&self, walk: &Walk, blocks: Range<u64>, rows: Rows) -> (Edges, Counted) {
        let mut names = Names::new();
        let mut counted = Counted::default();
        let mut edges = Edges::default();
        let mut address_of = walk.view.addresses();
        for (at, number) in self.objects.iter(blocks).enumerate() {
            let object = address_of(number);
            rows.addresses[at] = object;
            rows.starts[at] = edges.referents.len() as u64;
            let kind_at = walk.view.pointer(object + walk.fields.object_type);
            // Rows are counted already: none may be left out.
            let Some(row) = self.types.row_of(kind_at) else { continue };
            let kind = self.types.at(row);
            let guessed = counted.conservative_edges;
            walk.visit(object, kind, &mut |target: u64, step: Step<'_>| {
                let Some(row) = walk.view.number(target).and_then(|number| self.objects.rank(number)) else { return };
                edges.referents.push(row);
                edges.edge_names.push(names.number(step, walk, self.types));
                counted.conservative_edges += u64::from(matches!(step, Step::Guess));
            });
            let mut flags = Flags::default();
            if walk.is_collected(object, kind) && walk.is_tracked(object) {
                flags = flags.with(Flags::TRACKED);
                counted.tracked += 1;
            }
            if self.frozen.has(number) {
                flags = flags.with(Flags::FROZEN);
                counted.frozen += 1;
            }
            if counted.conservative_edges > guessed && kind.kind != Kind::Module {
                flags = flags.with(Flags::CONSERVATIVE);
            }
            rows.types[at] = self.type_ids.get(row as usize).copied().unwrap_or(TypeId(0));
            rows.sizes[at] = walk.size(object, kind);
            rows.flags[at] = flags;
        }
        counted.names_left_out = names.full;
        counted.refused = walk.view.refused.get();
        edges.names = names.list;
        (edges, counted)
    }
}

impl<'c> Rows<'c> {
    fn of(columns: &'c mut Columns) -> Rows<'c> {
        Rows {
            addresses: &mut columns.addresses,
            types: &mut columns.types,
            sizes: &mut columns.sizes,
            flags: &mut columns.flags,
            starts: &mut columns.starts,
        }
    }

    /// The first `count` rows, which are no longer among these.
    fn take(&mut self, count: usize) -> Rows<'c> {
        fn front<'c, T>(rest: &mut &'c mut [T], count: usize) -> &'c mut [T] {
            rest.split_off_mut(..count).unwrap_or_default()
        }
        Rows {
            addresses: front(&mut self.addresses, count),
            types: front(&mut self.types, count),
            sizes: front(&mut self.sizes, count),
            flags: front(&mut self.flags, count),
            starts: front(&mut self.starts, count),
        }
    }
}

impl Counted {
    fn add(&mut self, other: Counted) {
        self.tracked += other.tracked;
        self.frozen += other.frozen;
        self.conservative_edges += other.conservative_edges;
        self.names_left_out |= other.names_left_out;
        self.refused |= other.refused;
    }
}

/// Puts the edges of what follows in memory behind those that are there; names that both have become one.
fn append(columns: &mut Columns, edges: Edges) {
    if columns.names.is_empty() {
        (columns.referents, columns.edge_names, columns.names) = (edges.referents, edges.edge_names, edges.names);
        return;
    }
    let mut known: FxHashMap<Box<str>, u32> = (0..).zip(&columns.names).map(|(at, name)| (name.clone(), at)).collect();
    let renumbered: Vec<u32> = edges
        .names
        .into_iter()
        .map(|name| {
            *known.entry(name).or_insert_with_key(|name| {
                columns.names.push(name.clone());
                (columns.names.len() - 1) as u32
            })
        })
        .collect();
    columns.referents.extend(edges.referents);
    let renumbered = |name: &u32| renumbered.get(*name as usize).copied().unwrap_or(0);
    columns.edge_names.extend(edges.edge_names.iter().map(renumbered));
}

//! The second pass: every object that was marked, in ascending order of address, with its type, size and references. Rows
//! are known beforehand, so the columns of the heap are written as they will be.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;

use rustc_hash::FxHashMap;

use super::content::Digests;
use super::image::Image;
use super::mark::Marked;
use super::names::{self, Names};
use super::places::Places;
use super::types::{Kind, Types};
use super::walk::{Guide, Step, Walk};
use crate::heap::{Columns, Flags, TypeId};

/// So many objects are listed before what they were read from is let go.
const SLICE: usize = 1 << 18;
/// Each thread has about so many parts of a slice to do: whoever is done with one takes the next.
const PARTS: usize = 4;
/// The bytes of a row in the columns, of an edge, and of a block.
const ROW: usize = size_of::<u64>() * 3 + size_of::<TypeId>() + size_of::<Flags>() + size_of::<u32>();
const CONTENT: usize = size_of::<u64>();
const EDGE: usize = size_of::<u32>() * 2;
const BLOCK: usize = size_of::<u64>();
/// Image and columns may take so many bytes more than the image did, and this share of it, before any of it is let go:
/// reading it again takes time.
const ALLOWED: usize = 8 << 20;
const SHARE_OF_IMAGE: usize = 12;
/// So many words for each object, and memory is of objects themselves: who has been listed is not looked at again. Where there are
/// fewer, it is what objects elsewhere own, their lists of items and tables of keys.
const SPARSE: u64 = 128;
/// How often each word may be looked at in a slice: once, and the names of attributes and keys again.
const TIMES: u64 = 3;

/// What listing counted beside the columns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) tracked: u64,
    pub(super) frozen: u64,
    pub(super) conservative_edges: u64,
    pub(super) names_left_out: bool,
    /// See [`View::claim`](super::view::View::claim).
    pub(super) refused: bool,
}

/// Rows of the columns, for one thread to fill.
struct Rows<'c> {
    addresses: &'c mut [u64],
    types: &'c mut [TypeId],
    sizes: &'c mut [u64],
    flags: &'c mut [Flags],
    counts: &'c mut [u32],
    /// None where nobody asked for them.
    contents: &'c mut [u64],
    /// Where the edges of each row start among those of the part.
    starts: &'c mut [u64],
}

/// What a part's rows have of any length.
#[derive(Default)]
struct Edges {
    referents: Vec<u32>,
    /// Numbers of the thread's.
    names: Vec<u32>,
    /// See [`Walk::block_of`].
    blocks: Vec<u64>,
}

/// The columns of the heap, made by `threads` threads; and the blocks of objects, ascending. As the columns grow, what has
/// been listed of the image is let go: both together would take twice what the target does.
pub(super) fn list(
    image: &mut Image,
    guide: Guide,
    types: &Types,
    marked: &Marked,
    frozen: &Places,
    digests: Option<&Digests>,
    threads: usize,
) -> (Columns, Counted, Vec<u64>) {
    let rows = marked.count as usize;
    let (type_names, type_ids) = merged_names(types);
    let mut columns = Columns {
        addresses: vec![0; rows],
        types: vec![TypeId(0); rows],
        sizes: vec![0; rows],
        flags: vec![Flags::default(); rows],
        reference_counts: vec![0; rows],
        contents: vec![0; digests.map_or(0, |_| rows)],
        starts: vec![0; rows + 1],
        type_names,
        ..Columns::default()
    };
    // Only so that they need not grow, which takes them twice.
    let _ = columns.referents.try_reserve_exact(marked.references);
    let _ = columns.edge_names.try_reserve_exact(marked.references);
    let lister = Lister { types, type_ids: &type_ids, objects: &marked.objects, frozen, digests };
    // Contents are looked at once more.
    let times = TIMES + u64::from(digests.is_some());
    let row_bytes = ROW + digests.map_or(0, |_| CONTENT);
    let mut names: Vec<Names> = (0..threads).map(|_| Names::new()).collect();
    // Which of the edges have the numbers of which thread.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut counted = Counted::default();
    let (mut row, mut blocks) = (0, Vec::new());
    let limit = image.held() + image.held() / SHARE_OF_IMAGE + ALLOWED;
    let shares = marked.objects.shares(rows.div_ceil(SLICE).max(1) * threads * PARTS, marked.count);
    for slice in shares.chunks(threads * PARTS) {
        let walk = guide.walk(image, times);
        let mut rest = Rows::of(&mut columns, row);
        let parts: Vec<_> = slice.iter().map(|(blocks, size)| (blocks.clone(), rest.take(*size))).collect();
        let parts = Mutex::new(parts.into_iter().enumerate());
        let mut listed: Vec<(usize, usize, Edges, Counted)> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..)
                .zip(&mut names)
                .map(|(thread, names)| {
                    let (walk, parts, lister) = (walk.another(times), &parts, &lister);
                    let next = move || {
                        let (part, (blocks, rows)) = parts.lock().ok()?.next()?;
                        let (edges, counted) = lister.part(&walk, blocks, rows, names);
                        Some((part, thread, edges, counted))
                    };
                    scope.spawn(move || std::iter::from_fn(next).collect::<Vec<_>>())
                })
                .collect();
            let join = |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            running.into_iter().flat_map(join).collect()
        });
        listed.sort_unstable_by_key(|(part, ..)| *part);
        for ((_, size), (_, thread, edges, of_part)) in slice.iter().zip(listed) {
            let before = columns.referents.len() as u64;
            columns.starts[row..row + size].iter_mut().for_each(|start| *start += before);
            row += size;
            columns.referents.extend(edges.referents);
            columns.edge_names.extend(edges.names);
            blocks.extend(edges.blocks);
            ends.push((columns.referents.len(), thread));
            counted.add(of_part);
        }
        let end = slice.last().map_or(0, |(blocks, _)| Places::first_of(blocks.end));
        let taken = image.held() + row * row_bytes + columns.referents.len() * EDGE + blocks.len() * BLOCK;
        let are_objects = |words: Range<u64>| {
            let least = (words.end - words.start) / SPARSE;
            marked.objects.are_many(words, least as usize)
        };
        image.forget(end, taken.saturating_sub(limit), are_objects);
    }
    columns.starts[rows] = columns.referents.len() as u64;
    counted.names_left_out = names.iter().any(|names| names.full);
    let joined = names::join(names, image, guide, types);
    let mut start = 0;
    for (end, thread) in ends {
        let numbers = &joined.numbers[thread];
        columns.edge_names[start..end].iter_mut().for_each(|name| *name = numbers[*name as usize]);
        start = end;
    }
    columns.names = joined.list;
    // Each part's are: merging is what is left to do.
    blocks.sort();
    (columns, counted, blocks)
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
    digests: Option<&'l Digests>,
}

impl Lister<'_> {
    /// Fills `rows` with the objects in a range of blocks.
    fn part(&self, walk: &Walk, blocks: Range<u64>, rows: Rows, names: &mut Names) -> (Edges, Counted) {
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
                edges.names.push(names.number(step, walk, self.types));
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
            let block = walk.block_of(object, kind.kind);
            if block != 0 {
                edges.blocks.push(block);
            }
            rows.types[at] = self.type_ids.get(row as usize).copied().unwrap_or(TypeId(0));
            rows.sizes[at] = walk.size(object, kind);
            if kind.has_finalizer {
                flags = flags.with(Flags::FINALIZER);
            }
            rows.flags[at] = flags;
            rows.counts[at] = walk.reference_count(object);
            if let Some(digests) = self.digests {
                rows.contents[at] = walk.content(object, kind, digests);
            }
        }
        counted.refused = walk.view.refused.get();
        edges.blocks.sort_unstable();
        (edges, counted)
    }
}

impl<'c> Rows<'c> {
    /// Those from `row` on.
    fn of(columns: &'c mut Columns, row: usize) -> Rows<'c> {
        Rows {
            addresses: &mut columns.addresses[row..],
            types: &mut columns.types[row..],
            sizes: &mut columns.sizes[row..],
            flags: &mut columns.flags[row..],
            counts: &mut columns.reference_counts[row..],
            contents: columns.contents.get_mut(row..).unwrap_or_default(),
            starts: &mut columns.starts[row..],
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
            counts: front(&mut self.counts, count),
            contents: front(&mut self.contents, count),
            starts: front(&mut self.starts, count),
        }
    }
}

impl Counted {
    fn add(&mut self, other: Counted) {
        self.tracked += other.tracked;
        self.frozen += other.frozen;
        self.conservative_edges += other.conservative_edges;
        self.refused |= other.refused;
    }
}

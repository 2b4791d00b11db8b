//! Feeds the records of the heap probe to a [`HeapBuilder`]: types, objects, texts of keys, roots.
//!
//! A record is checked as a whole before anything of it is taken in. Says nothing about what is missing: see `super`.

use rustc_hash::FxHashMap;

use super::marshal::{Broken, Reader};
use crate::heap::{Flags, HeapBuilder, Root, TypeId};
use crate::units::Address;

/// More texts of keys than this are not kept; the probe sends fewer.
const MOST_TEXTS: usize = 4_000_000;
/// A longer name is cut: the probe sends shorter ones.
const MOST_NAME_BYTES: usize = 1024;

/// The heap as far as it has been received.
#[derive(Default)]
pub(super) struct HeapStream {
    pub(super) builder: HeapBuilder,
    types: FxHashMap<u64, TypeId>,
    /// How many types have this name.
    namesakes: FxHashMap<TypeId, u32>,
    /// How a key is written as a step in Python: the number of the name.
    texts: FxHashMap<u64, u32>,
    /// The object whose referents may be continued, and whether they are pairs of keys and values.
    last: Option<(u64, bool)>,
    /// The types of objects, or objects, that no record has told of.
    pub(super) unknown: u64,
    pub(super) tracked: u64,
    pub(super) frozen: u64,
    pub(super) edges: u64,
}

impl HeapStream {
    /// `types`: the addresses of types and their names.
    pub(super) fn types(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (addresses, names) = (record.numbers()?, record.texts()?);
        same(addresses.len(), names.len())?;
        for (address, mut name) in addresses.into_iter().zip(names) {
            shorten(&mut name);
            let id = self.builder.type_id(&name);
            if self.types.insert(address, id).is_none() {
                *self.namesakes.entry(id).or_default() += 1;
            }
        }
        Ok(())
    }

    /// `texts`: the addresses of keys and how Python writes them.
    pub(super) fn texts(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (addresses, texts) = (record.numbers()?, record.texts()?);
        same(addresses.len(), texts.len())?;
        for (address, mut text) in addresses.into_iter().zip(texts) {
            if self.texts.len() >= MOST_TEXTS {
                break;
            }
            shorten(&mut text);
            let name = self.builder.name_id(&format!("[{text}]"));
            self.texts.insert(address, name);
        }
        Ok(())
    }

    /// `objects`: flags of all of them; of each its address, type, size, number of referents (or of pairs); all
    /// referents; which of them are pairs of key and value: none, all (`True`), or of each so many at the beginning.
    pub(super) fn objects(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let flags = Flags(u8::try_from(record.number()?).map_err(|_| Broken::Range)?);
        let (addresses, types, sizes) = (record.numbers()?, record.numbers()?, record.numbers()?);
        let (mut degrees, referents) = (record.numbers()?, record.numbers()?);
        let all_pairs = record.passes(b'T');
        let pairs = if all_pairs || record.passes(b'N') { Vec::new() } else { record.numbers()? };
        let count = addresses.len();
        same(count, types.len())?;
        same(count, sizes.len())?;
        same(count, degrees.len())?;
        let mut sum = 0u64;
        for degree in &mut degrees {
            *degree = degree.checked_mul(1 + u64::from(all_pairs)).ok_or(Broken::Range)?;
            sum = sum.checked_add(*degree).ok_or(Broken::Range)?;
        }
        same(sum as usize, referents.len())?;
        if !pairs.is_empty() {
            same(count, pairs.len())?;
            if pairs.iter().zip(&degrees).any(|(pairs, degree)| *pairs > degree / 2) {
                return Err(Broken::Inconsistent);
            }
        }

        let key = self.builder.name_id("key");
        let mut start = 0;
        for (i, &address) in addresses.iter().enumerate() {
            let kind = match self.types.get(&types[i]) {
                Some(&kind) => kind,
                None => {
                    self.unknown += 1;
                    self.builder.type_id("?")
                }
            };
            let own = &referents[start..start + degrees[i] as usize];
            start += own.len();
            let named = if all_pairs { own.len() } else { pairs.get(i).map_or(0, |&pairs| 2 * pairs as usize) };
            let edges = edges(own, named, key, &self.texts);
            self.builder.object(Address(address), kind, sizes[i], flags, edges);
        }
        self.last = addresses.last().map(|&address| (address, all_pairs));
        self.tracked += if flags.has(Flags::TRACKED) { count as u64 } else { 0 };
        self.frozen += if flags.has(Flags::FROZEN) { count as u64 } else { 0 };
        self.edges += referents.len() as u64;
        Ok(())
    }

    /// `more`: further referents of the object sent last, which is named for safety.
    pub(super) fn more(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (address, referents) = (record.number()?, record.numbers()?);
        match self.last {
            Some((last, pairs)) if last == address => {
                let key = self.builder.name_id("key");
                self.edges += referents.len() as u64;
                let named = if pairs { referents.len() } else { 0 };
                self.builder.further(edges(&referents, named, key, &self.texts));
            }
            _ => self.unknown += 1,
        }
        Ok(())
    }

    /// `shapes`: names; the addresses of types; of each how many referents its objects have that are named so; the numbers
    /// of these names, 0 being none.
    pub(super) fn shapes(&mut self, record: &mut Reader) -> Result<(), Broken> {
        for (address, names) in self.named(record)? {
            match self.types.get(&address) {
                // What is true of one of two types of a name may be wrong for the other.
                Some(kind) if self.namesakes[kind] > 1 => {}
                Some(&kind) => self.builder.name_alike(kind, &names),
                None => self.unknown += 1,
            }
        }
        Ok(())
    }

    /// `names`: the same for single objects.
    pub(super) fn names(&mut self, record: &mut Reader) -> Result<(), Broken> {
        for (address, names) in self.named(record)? {
            self.builder.name_edges(Address(address), &names);
        }
        Ok(())
    }

    /// A table of names, addresses, lengths, numbers of names: (address, names) each.
    fn named(&mut self, record: &mut Reader) -> Result<Vec<(u64, Vec<u32>)>, Broken> {
        let table = record.texts()?;
        let (addresses, lengths, numbers) = (record.numbers()?, record.numbers()?, record.numbers()?);
        same(addresses.len(), lengths.len())?;
        let mut ids = Vec::with_capacity(table.len());
        for mut name in table {
            shorten(&mut name);
            ids.push(self.builder.name_id(&name));
        }
        let mut rest = &numbers[..];
        let mut named = Vec::with_capacity(addresses.len());
        for (address, length) in addresses.into_iter().zip(lengths) {
            let length = usize::try_from(length).map_err(|_| Broken::Range)?;
            let (own, further) = rest.split_at_checked(length).ok_or(Broken::Inconsistent)?;
            let id = |&number: &u64| ids.get(number as usize).copied().ok_or(Broken::Range);
            named.push((address, own.iter().map(id).collect::<Result<_, _>>()?));
            rest = further;
        }
        Ok(named)
    }

    /// `modules`: the addresses and names of the modules in `sys.modules`.
    pub(super) fn modules(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (addresses, names) = (record.numbers()?, record.texts()?);
        same(addresses.len(), names.len())?;
        for (address, name) in addresses.into_iter().zip(names) {
            self.builder.root(Address(address), Root::Module { name });
        }
        Ok(())
    }

    /// `locals`: the addresses of values, the functions that run, the names of the variables.
    pub(super) fn locals(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (addresses, functions, variables) = (record.numbers()?, record.texts()?, record.texts()?);
        same(addresses.len(), functions.len())?;
        same(addresses.len(), variables.len())?;
        for ((address, function), variable) in addresses.into_iter().zip(functions).zip(variables) {
            self.builder.root(Address(address), Root::Local { function, variable });
        }
        Ok(())
    }

    /// `interpreter`: the addresses of what the interpreter itself holds, and what it is.
    pub(super) fn interpreter(&mut self, record: &mut Reader) -> Result<(), Broken> {
        let (addresses, names) = (record.numbers()?, record.texts()?);
        same(addresses.len(), names.len())?;
        for (address, name) in addresses.into_iter().zip(names) {
            self.builder.root(Address(address), Root::Interpreter { name });
        }
        Ok(())
    }
}

/// Referents with the numbers of their names; the first `named` are keys and values in turn.
fn edges(referents: &[u64], named: usize, key: u32, texts: &FxHashMap<u64, u32>) -> impl Iterator<Item = (u64, u32)> {
    referents.iter().enumerate().map(move |(position, &referent)| {
        let name = match position {
            _ if position >= named => 0,
            _ if position % 2 == 0 => key,
            _ => texts.get(&referents[position - 1]).copied().unwrap_or(0),
        };
        (referent, name)
    })
}

fn same(one: usize, other: usize) -> Result<(), Broken> {
    if one == other { Ok(()) } else { Err(Broken::Inconsistent) }
}

fn shorten(name: &mut String) {
    if name.len() > MOST_NAME_BYTES {
        let end = (0..=MOST_NAME_BYTES).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
        name.push('…');
    }
}

//! Objects divided by a key: each gets the number of its part, and parts have names.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// A division of a list of objects.
#[derive(Debug)]
pub(in super::super) struct Parts {
    /// Parallel to the objects: the part of each.
    pub(in super::super) of: Vec<u32>,
    /// By part, in the order in which they came up. As the target wrote them: escape before showing.
    pub(in super::super) names: Vec<String>,
}

impl Parts {
    /// Of the keys of all objects, each of which is written once. Those that are written alike are one part.
    pub(super) fn new<K: Clone + Eq + Hash>(keys: impl Iterator<Item = K>, written: impl Fn(&K) -> String) -> Parts {
        let mut known = Numbers::default();
        let mut of: Vec<u32> = keys.map(|key| known.number(key)).collect();
        let mut names = Numbers::default();
        let named: Vec<u32> = known.things.iter().map(|key| names.number(written(key))).collect();
        of.iter_mut().for_each(|part| *part = named[*part as usize]);
        Parts { of, names: names.things }
    }
}

/// Things, numbered as they come up.
#[derive(Debug)]
pub(in super::super) struct Numbers<K> {
    numbers: FxHashMap<K, u32>,
    pub(in super::super) things: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Numbers<K> {
        Numbers { numbers: FxHashMap::default(), things: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash> Numbers<K> {
    pub(in super::super) fn number(&mut self, thing: K) -> u32 {
        if let Some(&number) = self.numbers.get(&thing) {
            return number;
        }
        let number = self.things.len() as u32;
        self.numbers.insert(thing.clone(), number);
        self.things.push(thing);
        number
    }
}

/// Several divisions of the same objects as one.
pub(super) struct Product {
    /// Parallel to the objects: which combination each has.
    pub(super) of: Vec<u32>,
    /// By combination, as they came up: the part in each of the divisions.
    pub(super) keys: Vec<Vec<u32>>,
}

pub(super) fn product(objects: usize, divisions: &[Parts]) -> Product {
    let mut product = Product { of: vec![0; objects], keys: vec![Vec::new()] };
    for parts in divisions {
        let mut pairs: Numbers<(u32, u32)> = Numbers::default();
        product.of.iter_mut().zip(&parts.of).for_each(|(whole, &part)| *whole = pairs.number((*whole, part)));
        let extended = |&(before, part): &(u32, u32)| [&product.keys[before as usize][..], &[part]].concat();
        product.keys = pairs.things.iter().map(extended).collect();
    }
    product
}

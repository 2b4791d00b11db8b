//! The names of references, each written once: numbers are handed out by where the name is in the target.

use rustc_hash::FxHashMap;

use super::types::Types;
use super::walk::{Step, Walk};

/// More names are not kept: the references beyond have none.
const MOST: usize = 2_000_000;
/// Items of containers beyond this position have no name of their own.
const MOST_INDEXED: u64 = 1000;

/// A table of names; the first is empty.
pub(super) struct Names {
    pub(super) list: Vec<Box<str>>,
    /// By the address of the object that has the name, or of the text in the program.
    attributes: FxHashMap<u64, u32>,
    keys: FxHashMap<u64, u32>,
    locals: FxHashMap<(usize, u64), u32>,
    words: FxHashMap<(usize, usize), u32>,
    indexes: Vec<u32>,
    pub(super) full: bool,
}

impl Names {
    pub(super) fn new() -> Names {
        Names {
            list: vec!["".into()],
            attributes: FxHashMap::default(),
            keys: FxHashMap::default(),
            locals: FxHashMap::default(),
            words: FxHashMap::default(),
            indexes: Vec::new(),
            full: false,
        }
    }

    /// The number of a step's name; 0 for one without.
    pub(super) fn number(&mut self, step: Step<'_>, walk: &Walk, types: &Types) -> u32 {
        match step {
            Step::Unnamed | Step::Guess => 0,
            Step::Named(word) => {
                let at = (word.as_ptr() as usize, word.len());
                if let Some(&known) = self.words.get(&at) {
                    return known;
                }
                let number = self.add(word.into());
                self.words.insert(at, number);
                number
            }
            Step::Attribute(name) => {
                if let Some(&known) = self.attributes.get(&name) {
                    return known;
                }
                let number = walk.name(name).map_or(0, |name| self.add(format!(".{name}").into()));
                self.attributes.insert(name, number);
                number
            }
            Step::Key(key) => {
                if let Some(&known) = self.keys.get(&key) {
                    return known;
                }
                if self.list.len() >= MOST {
                    self.full = true;
                    return 0;
                }
                let number = walk.key(key, types).map_or(0, |text| self.add(text.into()));
                self.keys.insert(key, number);
                number
            }
            Step::Index(index) if index < MOST_INDEXED => {
                while self.indexes.len() as u64 <= index {
                    let number = self.add(format!("[{}]", self.indexes.len()).into());
                    self.indexes.push(number);
                }
                self.indexes[index as usize]
            }
            Step::Index(_) | Step::Local(_, 0) => 0,
            Step::Local(frame, name) => {
                let at = (frame.as_ptr() as usize, name);
                if let Some(&known) = self.locals.get(&at) {
                    return known;
                }
                let number = walk.name(name).map_or(0, |name| self.add(format!("{frame}['{name}']").into()));
                self.locals.insert(at, number);
                number
            }
        }
    }

    fn add(&mut self, name: Box<str>) -> u32 {
        self.list.push(name);
        (self.list.len() - 1) as u32
    }
}

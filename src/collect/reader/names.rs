//! The names of references, each written once: numbers are handed out by where the name is in the target.
//!
//! What a key says is read when all objects are listed, by ascending address: keys lie anywhere, and most of the memory that
//! was listed is no longer at hand by then.

use rustc_hash::FxHashMap;

use super::image::Image;
use super::types::Types;
use super::walk::{Guide, Step, Walk};

/// More names are not kept: the references beyond have none.
const MOST: usize = 2_000_000;
/// What keys say is read so many bytes of the target's memory at a time.
const NEAR: u64 = 16 << 20;
/// How often each word of that may be looked at.
const TIMES: u64 = 2;
/// Items of containers beyond this position have no name of their own.
const MOST_INDEXED: u64 = 1000;

/// A table of names, for one thread; the first is empty.
pub(super) struct Names {
    list: Vec<Box<str>>,
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
    pub(super) fn number(&mut self, step: Step<'_>, walk: &Walk) -> u32 {
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
                let number = self.add("".into());
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

/// What the names of several threads are together.
#[derive(Default)]
pub(super) struct Joined {
    /// Each once; the first is empty.
    pub(super) list: Vec<Box<str>>,
    /// For each thread, by the number of a name there, that in `list`.
    pub(super) numbers: Vec<Vec<u32>>,
}

/// Reads what the keys say, and makes equal names one.
pub(super) fn join(mut threads: Vec<Names>, image: &mut Image, guide: Guide, types: &Types) -> Joined {
    let mut keys: Vec<(u64, usize, u32)> = Vec::new();
    for (thread, names) in threads.iter_mut().enumerate() {
        keys.extend(std::mem::take(&mut names.keys).into_iter().map(|(key, number)| (key, thread, number)));
    }
    keys.sort_unstable();
    for near in keys.chunk_by(|a, b| a.0 / NEAR == b.0 / NEAR) {
        let walk = guide.walk(image, TIMES);
        for &(key, thread, number) in near {
            if let Some(text) = walk.key(key, types) {
                threads[thread].list[number as usize] = text.into();
            }
        }
        let end = near.last().and_then(|&(key, ..)| walk.view.number(key)).unwrap_or(0);
        image.forget(end, usize::MAX);
    }
    let mut known: FxHashMap<&str, u32> = FxHashMap::default();
    known.insert("", 0);
    let mut numbers = Vec::new();
    for names in &threads {
        let fresh = |known: &mut FxHashMap<_, _>, name| {
            let next = known.len() as u32;
            *known.entry(name).or_insert(next)
        };
        numbers.push(names.list.iter().map(|name| fresh(&mut known, &**name)).collect::<Vec<u32>>());
    }
    let mut list: Vec<Box<str>> = vec!["".into(); known.len()];
    drop(known);
    for (names, numbers) in threads.into_iter().zip(&numbers) {
        for (name, &number) in names.list.into_iter().zip(numbers) {
            list[number as usize] = name;
        }
    }
    Joined { list, numbers }
}

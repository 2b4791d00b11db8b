//! The names of references, each written once: numbers are handed out by where the name is in the target.
//!
//! What a key says is read at once if it is at hand. Keys lie anywhere, and much of the memory that was listed is not at hand any
//! more: what they say is read when all objects are listed, by ascending address.

use std::panic::resume_unwind;

use rustc_hash::FxHashMap;

use super::image::Image;
use super::types::Types;
use super::walk::{Guide, Step, Walk};

/// More names are not kept: the references beyond have none.
const MOST: usize = 2_000_000;
/// What keys say is read so many bytes of the target's memory at a time by each thread.
const NEAR: u64 = 8 << 20;
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
    /// Those that are still to be read.
    far: Vec<(u64, u32)>,
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
            far: Vec::new(),
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
                let is_at_hand = walk.view.is_at_hand(key);
                let text = if is_at_hand { walk.key(key, types) } else { None };
                let number = self.add(text.unwrap_or_default().into());
                self.keys.insert(key, number);
                if !is_at_hand {
                    self.far.push((key, number));
                }
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

/// Reads what is left of the keys, and makes equal names one.
pub(super) fn join(mut threads: Vec<Names>, image: &mut Image, guide: Guide, types: &Types) -> Joined {
    let mut keys: Vec<(u64, usize, u32)> = Vec::new();
    for (thread, names) in threads.iter_mut().enumerate() {
        names.keys = FxHashMap::default();
        keys.extend(std::mem::take(&mut names.far).into_iter().map(|(key, number)| (key, thread, number)));
    }
    keys.sort_unstable();
    let near: Vec<&[(u64, usize, u32)]> = keys.chunk_by(|a, b| a.0 / NEAR == b.0 / NEAR).collect();
    for near in near.chunks(threads.len()) {
        let walk = guide.walk(image, TIMES);
        let texts: Vec<Vec<Option<Box<str>>>> = std::thread::scope(|scope| {
            let running: Vec<_> = near
                .iter()
                .map(|keys| {
                    let walk = walk.another(TIMES);
                    scope.spawn(move || keys.iter().map(|(key, ..)| Some(walk.key(*key, types)?.into())).collect())
                })
                .collect();
            running.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for (&(_, thread, number), text) in near.iter().copied().flatten().zip(texts.into_iter().flatten()) {
            if let Some(text) = text {
                threads[thread].list[number as usize] = text;
            }
        }
        let last = near.last().and_then(|keys| keys.last());
        let end = last.and_then(|(key, ..)| walk.view.number(*key)).unwrap_or(0);
        image.forget(end, usize::MAX, |_| true);
    }
    let most = threads.iter().map(|names| names.list.len()).max().unwrap_or(0);
    let mut known: FxHashMap<&str, u32> = FxHashMap::with_capacity_and_hasher(most, Default::default());
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

#[cfg(test)]
mod tests {
    use super::super::tests::samples;
    use super::super::types::Structs;
    use super::*;

    #[test]
    fn keys_that_are_not_at_hand_are_read_in_the_end() {
        for sample in samples() {
            let (fields, structs) = (sample.fields(), Structs::new(&sample.layout));
            let guide = Guide { fields: &fields, structs: &structs, static_dicts: &Default::default() };
            let mut image = Image::new(sample, &sample.mappings, None);
            let (key, mut types) = (sample.object_of("builtins.str"), Types::default());
            let walk = guide.walk(&image, TIMES);
            types.row(walk.type_of(key), &walk).expect("it is a type");
            let text = walk.key(key, &types).expect("it has a text");
            let names = |image: &Image| {
                let mut names = Names::new();
                let walk = guide.walk(image, TIMES);
                let again: [u32; 2] = std::array::from_fn(|_| names.number(Step::Key(key), &walk, &types));
                assert_eq!(again, [1, 1]);
                names
            };
            let near = names(&image);
            image.forget(image.words(), usize::MAX, |_| true);
            let far = names(&image);
            assert_eq!((&*near.list[1], near.far.len(), &*far.list[1], far.far.len()), (&*text, 0, "", 1));
            let joined = join(vec![far, near], &mut image, guide, &types);
            assert_eq!((joined.list, joined.numbers), (vec!["".into(), text.into()], vec![vec![0, 1]; 2]));
        }
    }
}

//! Whatever is in memory: reading ends, does not panic, and makes no more of it than there can be.
//!
//! A short run is part of the tests, a long one is `make fuzz`. What once failed is kept in `tests/recordings/fuzz`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence::SourceParallel;

use super::sample::{START, Sample};
use super::tests::{assert_bounded, ends, samples};
use crate::target::memory::Memory;

const PAGE: u64 = 4096;

/// What is written somewhere.
#[derive(Clone, Debug)]
enum Value {
    Any(u64),
    Small(u64),
    Negative(u64),
    Object(Index),
    /// The address of the place itself.
    Itself,
    /// So many words before the end of memory.
    NearEnd(u64),
    Flip(u32),
}

#[derive(Clone, Debug)]
enum Change {
    /// Of a word that is not zero.
    Word(Index, Value),
    AnyWord(Index, Value),
    /// Words from here on: references to objects, and numbers.
    Noise(Index, u64, Vec<(Index, u64)>),
    Copy(Index, Index, u64),
    NoPage(Index),
    Offset(usize, u64),
    Start(Index, u64),
    End(Index, u64),
    TwiceMapped(Index),
    Swapped(Index, Index),
    AnyRuntime(Index),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        // Of each magnitude.
        (any::<u64>(), 0..64_u32).prop_map(|(word, by)| Value::Any(word >> by)),
        (0..64_u64).prop_map(Value::Small),
        (1..64_u64).prop_map(Value::Negative),
        any::<Index>().prop_map(Value::Object),
        Just(Value::Itself),
        (0..16_u64).prop_map(Value::NearEnd),
        (0..64_u32).prop_map(Value::Flip),
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..1024_u64, any::<u64>()]
}

/// To what is in memory.
fn damage() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let noise = vec((index(), 0..8_u64), 1..20);
    prop_oneof![
        12 => (index(), value()).prop_map(|(at, value)| Change::Word(at, value)),
        4 => (index(), value()).prop_map(|(at, value)| Change::AnyWord(at, value)),
        2 => (index(), 1..400_u64, noise).prop_map(|(at, length, noise)| Change::Noise(at, length, noise)),
        2 => (index(), index(), 1..200_u64).prop_map(|(from, to, length)| Change::Copy(from, to, length)),
        1 => index().prop_map(Change::NoPage),
    ]
}

/// To what is known of it.
fn lie() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => (any::<usize>(), offset()).prop_map(|(number, value)| Change::Offset(number, value)),
        1 => (index(), any::<u64>()).prop_map(|(at, value)| Change::Start(at, value)),
        1 => (index(), any::<u64>()).prop_map(|(at, value)| Change::End(at, value)),
        1 => index().prop_map(Change::TwiceMapped),
        1 => (index(), index()).prop_map(|(one, other)| Change::Swapped(one, other)),
        1 => index().prop_map(Change::AnyRuntime),
    ]
}

impl Sample {
    fn end(&self) -> u64 {
        START + self.bytes.len() as u64
    }

    fn words(&self) -> usize {
        self.bytes.len() / 8
    }

    fn place(&self, number: usize) -> u64 {
        START + 8 * number as u64
    }

    fn value(&self, at: u64, value: &Value) -> u64 {
        match value {
            Value::Any(word) | Value::Small(word) => *word,
            Value::Negative(word) => word.wrapping_neg(),
            Value::Object(index) => self.object(index),
            Value::Itself => at,
            Value::NearEnd(words) => self.end() - 8 * words,
            Value::Flip(bit) => self.u64(at).expect("it is there") ^ 1 << bit,
        }
    }

    fn object(&self, index: &Index) -> u64 {
        *self.made.keys().nth(index.index(self.made.len())).expect("one of them")
    }

    fn apply(&mut self, change: &Change) {
        let any = |index: &Index| self.place(index.index(self.words()));
        match change {
            Change::Word(index, value) => {
                let full: Vec<usize> =
                    (0..self.words()).filter(|&word| self.bytes[8 * word..8 * word + 8] != [0; 8]).collect();
                let at = self.place(full.get(index.index(full.len().max(1))).copied().unwrap_or(0));
                self.set(at, self.value(at, value));
            }
            Change::AnyWord(index, value) => {
                let at = any(index);
                self.set(at, self.value(at, value));
            }
            Change::Noise(index, length, noise) => {
                let end = self.end().min(any(index) + 8 * length);
                for (at, (object, number)) in (any(index)..end).step_by(8).zip(noise.iter().cycle()) {
                    let word = if *number == 0 { self.object(object) } else { *number };
                    self.set(at, word);
                }
            }
            Change::Copy(from, to, length) => {
                let [from, to] = [from, to].map(|index| index.index(self.words()));
                let length = self.words().min(*length as usize + from.max(to)) - from.max(to);
                self.bytes.copy_within(8 * from..8 * (from + length), 8 * to);
            }
            Change::NoPage(index) => {
                let page = (any(index) - START) / PAGE * PAGE;
                self.bytes[page as usize..][..PAGE as usize].fill(0);
            }
            Change::Offset(number, value) => self.layout.spoil(*number, *value),
            Change::Start(index, value) => index.get_mut(&mut self.mappings).start = value & !(PAGE - 1),
            Change::End(index, value) => index.get_mut(&mut self.mappings).end = value & !(PAGE - 1),
            Change::TwiceMapped(index) => {
                let mut again = index.get(&self.mappings).clone();
                (again.start, again.end) = (again.start + PAGE, again.end.saturating_add(PAGE));
                self.mappings.push(again);
            }
            Change::Swapped(one, other) => {
                let count = self.mappings.len();
                self.mappings.swap(one.index(count), other.index(count));
            }
            Change::AnyRuntime(index) => self.runtime = any(index),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(SourceParallel("tests/recordings/fuzz"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_heaps(
        sample in 0..samples().len(),
        damage in vec(damage(), 0..20),
        lies in prop_oneof![3 => Just(Vec::new()), 1 => vec(lie(), 1..3)],
        threads in 1..4_usize,
        again in any::<bool>(),
    ) {
        let mut sample = samples()[sample].clone();
        for change in damage.iter().chain(&lies) {
            sample.apply(change);
        }
        let bytes = sample.bytes.len();
        if let Some(received) = ends(sample, threads, again) {
            assert_bounded(&received, bytes);
        }
    }

    #[test]
    fn noise(sample in 0..samples().len(), words in vec(prop_oneof![0..100_u64, any::<u64>()], 1..100)) {
        let mut sample = samples()[sample].clone();
        let noise = words.iter().map(|word| if word % 3 == 0 { START + word % (1 << 18) } else { *word }).cycle();
        sample.bytes = noise.take(1 << 15).flat_map(u64::to_le_bytes).collect();
        let bytes = sample.bytes.len();
        if let Some(received) = ends(sample, 1, false) {
            assert_bounded(&received, bytes);
        }
    }
}

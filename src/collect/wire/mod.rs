//! What the probes send, as values: a stream of framed records in `marshal`'s format becomes a heap and its facts.
//!
//! The stream comes out of a process that is not trusted, and may end anywhere: whatever is damaged, missing or unknown is
//! counted and said, nothing of it ends the collection.

mod frames;
mod heap_stream;
mod marshal;

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Map, Value};

use self::frames::Frames;
use self::heap_stream::HeapStream;
use self::marshal::{Broken, Reader};
use crate::heap::{Accounts, Coverage, Heap, ThreadFacts};
use crate::notice::Notice;

/// The version of the records that is understood; `PROTOCOL` in `gdb-scripts/probes/runner.py`.
const PROTOCOL: u64 = 1;
/// More notices, or kinds of unknown records, are counted only.
const MOST_NOTICES: usize = 100;
/// More results of probes are not kept.
const MOST_PROBES: usize = 200;

/// What a stream brought.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) heap: Heap,
    pub(super) coverage: Coverage,
    /// What each probe emitted, by its name.
    pub(super) probes: Map<String, Value>,
    pub(super) threads: Vec<ThreadFacts>,
    pub(super) notices: Vec<Notice>,
    /// Where objects keep what they own outside of themselves, ascending; only the reader knows.
    pub(super) blocks: Vec<u64>,
    pub(super) accounts: Option<Accounts>,
    /// The stream had its end, and every record that the sender counted was there.
    pub(super) complete: bool,
}

impl Received {
    /// Not one object came.
    pub(super) fn is_empty(&self) -> bool {
        self.heap.len() == 0
    }
}

/// Reads up to the last record, or to the end of the stream; `progress` hears of the objects received and of how many there are about.
pub(super) fn read(stream: impl Read, progress: &mut dyn FnMut(u64, Option<u64>)) -> Received {
    let mut frames = Frames::new(stream);
    let mut state = State::default();
    // A file that is followed has no end of its own.
    while state.sent.is_none()
        && let Some(payload) = frames.next()
    {
        let length = payload.len();
        match state.record(payload) {
            Ok(true) => progress(state.heap.builder.len() as u64, state.estimate),
            Ok(false) => {}
            Err(broken) => {
                state.damaged += 1;
                state.damage.get_or_insert(broken);
                frames.reject(length);
            }
        }
    }
    state.finish(frames.lost)
}

#[derive(Default)]
struct State {
    heap: HeapStream,
    estimate: Option<u64>,
    probes: Map<String, Value>,
    threads: Vec<ThreadFacts>,
    notices: Vec<Notice>,
    notices_left_out: u64,
    greeted: bool,
    /// The probe that runs.
    running: Option<String>,
    /// What the heap probe says that it sent, and whether that is all there is.
    heap_end: Option<(u64, u64, bool)>,
    /// Whether a probe was cut short by the budget.
    cut: bool,
    /// Records received, by kind.
    received: BTreeMap<String, u64>,
    /// Records sent, by kind, as the last record says.
    sent: Option<BTreeMap<String, u64>>,
    unknown: BTreeMap<String, u64>,
    damaged: u64,
    damage: Option<Broken>,
}

impl State {
    /// Takes in one record; says whether there is progress to tell.
    fn record(&mut self, payload: &[u8]) -> Result<bool, Broken> {
        let record = &mut Reader::new(payload);
        record.tuple()?;
        let tag = record.text()?;
        match tag.as_str() {
            "hello" => {
                let protocol = record.number()?;
                self.greeted = true;
                if protocol != PROTOCOL {
                    self.say(Notice::new(
                        "stream-version",
                        format!("the probes speak version {protocol} of the stream"),
                    ));
                }
            }
            "estimate" => self.estimate = Some(record.number()?),
            "ours" => self.heap.builder.leave_out(record.numbers()?),
            "types" => self.heap.types(record)?,
            "texts" => self.heap.texts(record)?,
            "objects" => self.heap.objects(record)?,
            "more" => self.heap.more(record)?,
            "shapes" => self.heap.shapes(record)?,
            "names" => self.heap.names(record)?,
            "modules" => self.heap.modules(record)?,
            "locals" => self.heap.locals(record)?,
            "interpreter" => self.heap.interpreter(record)?,
            "heap-end" => self.heap_end = Some((record.number()?, record.number()?, record.flag()?)),
            "begin" => self.running = Some(record.text()?),
            "done" => self.running = None,
            "probe" => {
                let (name, value) = (record.text()?, record.value()?);
                if self.probes.len() < MOST_PROBES {
                    self.probes.insert(name, value);
                }
            }
            "threads" => {
                let threads = serde_json::from_value(record.value()?).map_err(|_| Broken::Inconsistent)?;
                self.threads = threads;
            }
            "notice" => {
                let (code, text, hint) = (record.text()?, record.text()?, record.optional_text()?);
                self.say(Notice { code, text, hint });
            }
            "truncated" => {
                let what = record.text()?;
                self.cut = true;
                self.say(Notice::new("hold-budget", format!("the time ran out: {what} are not all there")));
            }
            "end" => {
                let sent = record.value()?;
                let counts = sent.as_object().ok_or(Broken::Inconsistent)?;
                let count = |(tag, count): (&String, &Value)| Some((tag.clone(), count.as_u64()?));
                self.sent = Some(counts.iter().filter_map(count).collect());
            }
            _ => {
                if self.unknown.len() < MOST_NOTICES || self.unknown.contains_key(&tag) {
                    *self.unknown.entry(tag.clone()).or_default() += 1;
                }
            }
        }
        let heap = tag == "objects";
        if tag != "end" && (self.received.len() < MOST_NOTICES || self.received.contains_key(&tag)) {
            *self.received.entry(tag).or_default() += 1;
        }
        Ok(heap)
    }

    fn say(&mut self, notice: Notice) {
        if self.notices.len() < MOST_NOTICES {
            self.notices.push(notice);
        } else {
            self.notices_left_out += 1;
        }
    }

    fn finish(mut self, lost_bytes: u64) -> Received {
        let missing: u64 = self.sent.iter().flatten().fold(0, |sum, (tag, sent)| {
            sum.saturating_add(sent.saturating_sub(self.received.get(tag).copied().unwrap_or(0)))
        });
        let unknown: u64 = self.unknown.values().sum();
        if lost_bytes > 0 || missing > 0 || self.damaged > 0 {
            let cause = self.damage.map(|broken| format!("; the first damaged one: {broken}")).unwrap_or_default();
            let text = format!(
                "of what the probes sent, {lost_bytes} bytes in {} records could not be read{cause}",
                missing.max(self.damaged).max(1)
            );
            self.say(Notice::new("stream-damaged", text));
        }
        if unknown > 0 {
            let tags: Vec<String> = self.unknown.keys().take(5).map(|tag| format!("`{tag}`")).collect();
            self.say(Notice::new("stream-unknown", format!("{unknown} records of unknown kinds: {}", tags.join(", "))));
        }
        if self.sent.is_none() {
            let text = match (&self.running, self.greeted) {
                (Some(probe), _) => format!("what the probes sent ended while `{probe}` ran"),
                (None, true) => "what the probes sent ended before the last of them was done".to_owned(),
                (None, false) => "the probes sent nothing".to_owned(),
            };
            self.say(Notice::new("stream-truncated", text));
        }
        if self.notices_left_out > 0 {
            let text = format!("{} further notices were left out", self.notices_left_out);
            self.notices.push(Notice::new("left-out", text));
        }

        let all_sent = matches!(self.heap_end, Some((objects, edges, true))
            if objects <= self.heap.builder.len() as u64 && edges <= self.heap.edges);
        let (tracked, frozen) = (self.heap.tracked, self.heap.frozen);
        let unplaced = self.heap.unknown;
        let (heap, anomalies) = self.heap.builder.finish();
        let coverage = Coverage {
            objects: heap.len() as u64,
            gc_tracked: tracked,
            frozen,
            edges: heap.edge_count() as u64,
            conservative_edges: 0,
            anomalies: anomalies.total() + unplaced + unknown + missing.max(self.damaged),
            truncated: !all_sent || self.cut,
        };
        let complete = self.sent.is_some() && missing == 0 && self.damaged == 0 && lost_bytes == 0;
        Received {
            heap,
            coverage,
            probes: self.probes,
            threads: self.threads,
            notices: self.notices,
            blocks: Vec::new(),
            accounts: None,
            complete,
        }
    }
}

#[cfg(test)]
mod tests;

//! Reads heaps made by hand: whole ones, and some that are damaged so that reading could go on for ever.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::sample::{START, Sample};
use super::*;

/// Far beyond what any reading here takes.
const ENDLESS: Duration = Duration::from_secs(120);
/// References in a heap for each word of its memory: overlapping objects of types with a dozen members may share one.
const MOST_EDGES: u64 = 32;
/// Bytes of names for each byte of memory, and some for good measure.
const MOST_TEXT: usize = 16;

/// One for each table.
pub(super) fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(Sample::all)
}

/// Reads it, if that ends at all.
pub(super) fn ends(sample: Sample, threads: usize, again: bool) -> Option<Received> {
    let (sender, receiver) = channel();
    let reading = std::thread::spawn(move || {
        let _ = sender.send(match sample.read(threads, again) {
            Ok(received) => Some(received),
            // What was read did not hold together.
            Err(Unreadable::Failed(error)) => {
                assert_ne!(error.kind, Kind::Defect, "{error}");
                None
            }
            Err(Unreadable::Collecting | Unreadable::Unfit(_)) => None,
        });
    });
    match receiver.recv_timeout(ENDLESS) {
        Ok(received) => received,
        Err(RecvTimeoutError::Timeout) => panic!("reading does not end"),
        Err(RecvTimeoutError::Disconnected) => match reading.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => None,
        },
    }
}

/// No more of anything than the memory can have.
pub(super) fn assert_bounded(received: &Received, bytes: usize) {
    let heap = &received.heap;
    let words = bytes as u64 / 8;
    assert!(heap.len() as u64 <= words, "{} objects in {words} words", heap.len());
    assert!(heap.edge_count() as u64 <= MOST_EDGES * words, "{} references in {words} words", heap.edge_count());
    let text = |names: &[Box<str>]| names.iter().map(|name| name.len()).sum::<usize>();
    assert!(text(heap.names()) + text(heap.type_names()) <= MOST_TEXT * bytes, "names");
    let frames = received.threads.iter().map(|thread| thread.frames.len()).sum::<usize>();
    assert!(frames + received.threads.len() + heap.roots().len() <= bytes, "{frames} frames");
    for object in heap.objects() {
        assert!((object.index() as u64) < words && heap.type_of(object).index() < heap.type_count());
    }
}

#[test]
fn what_is_whole_is_read_whole() {
    for sample in samples() {
        let name = format!("{} {}", sample.version, sample.layout.origin);
        let received = match sample.read(2, true) {
            Ok(received) => received,
            Err(Unreadable::Failed(error) | Unreadable::Unfit(error)) => panic!("{name}: {error}"),
            Err(Unreadable::Collecting) => panic!("{name}: its lists are in pieces"),
        };
        assert!(received.notices.is_empty(), "{name}: {:?}", received.notices);
        let heap = &received.heap;
        let found: BTreeMap<u64, String> =
            heap.objects().map(|object| (heap.address(object).0, heap.type_name_of(object).to_owned())).collect();
        let differing: Vec<_> = sample.made.iter().filter(|(address, kind)| found.get(address) != Some(kind)).collect();
        assert!(differing.is_empty(), "{name}: {} made, {} found, not {differing:x?}", sample.made.len(), found.len());
        assert_eq!(found.len(), sample.made.len(), "{name}");
        let contents = heap.contents().expect("the samples are read with them");
        for object in heap.objects() {
            let is_text = matches!(heap.type_name_of(object), "builtins.str" | "builtins.bytes");
            assert_eq!(contents[object.index()] != 0, is_text, "{name}: {}", heap.type_name_of(object));
        }
        assert!(!received.coverage.truncated, "{name}");
        let [thread] = &received.threads[..] else { panic!("{name}: {:?}", received.threads) };
        assert_eq!((thread.ident, thread.name.as_str(), thread.frames.len()), (0x1234, "worker", 2), "{name}");
        let frame = &thread.frames[0];
        assert_eq!((frame.function.as_str(), frame.file.as_str()), ("__main__.main", "app.py"), "{name}");
        assert_eq!(frame.locals[0].name, "variable", "{name}");
        assert_bounded(&received, sample.bytes.len());
    }
}

/// Spoils each sample, reads it, and looks at what came out.
fn spoilt(spoil: impl Fn(&mut Sample, &Fields), check: impl Fn(&Sample, Received)) {
    for sample in samples() {
        let mut sample = sample.clone();
        let fields = sample.fields();
        spoil(&mut sample, &fields);
        let name = sample.layout.origin.to_string();
        let received = ends(sample.clone(), 2, false).unwrap_or_else(|| panic!("{name}: it cannot be read"));
        assert_bounded(&received, sample.bytes.len());
        check(&sample, received);
    }
}

/// More words than a reading may claim, if a thousand objects each have all of them.
const WORDS: u64 = 1 << 15;
/// In bytes; each has the address of the next in its last word.
const RECORD: u64 = 256;

/// Adds objects like the first of this type, which `change` makes claim as much as there is; what is in it is told to
/// `change`: the object and where all that was added begins.
fn greedy(sample: &mut Sample, fields: &Fields, name: &str, change: impl Fn(&mut Sample, u64, u64)) {
    let original = sample.slice(sample.object_of(name), RECORD as usize - 8).expect("it is there").to_vec();
    let start = START + sample.bytes.len() as u64;
    for record in (start..start + 8 * WORDS).step_by(RECORD as usize) {
        sample.bytes.extend(&original);
        sample.bytes.extend((record + RECORD).to_le_bytes());
    }
    sample.mappings[0].end = START + sample.bytes.len() as u64;
    for record in (start..start + 8 * WORDS).step_by(RECORD as usize) {
        change(sample, record, start);
    }
    // One that is known has all of them.
    let list = sample.object_of("builtins.list");
    sample.set(list + fields.object_length, WORDS);
    sample.set(list + fields.list_items, start);
}

#[test]
fn what_overlaps_is_not_read_for_ever() {
    type Change = fn(&mut Sample, &Fields, u64, u64);
    let kinds: [(&str, Change); 6] = [
        ("builtins.list", |sample, f, list, start| {
            sample.set(list + f.object_length, WORDS);
            sample.set(list + f.list_items, start);
        }),
        ("builtins.tuple", |sample, f, tuple, _| sample.set(tuple + f.object_length, WORDS / 4)),
        ("builtins.set", |sample, f, set, start| {
            sample.set(set + f.set_used, WORDS);
            sample.set(set + f.set_mask, WORDS / 2 - 1);
            sample.set(set + f.set_table, start);
        }),
        ("builtins.dict", |sample, f, dict, keys| {
            sample.set(dict + f.dict_keys, keys);
            sample.set(keys + f.keys_nentries, 9000);
            // Of 2^14 slots, two bytes each; entries with hashes.
            match f.keys_log2_size {
                Some(offset) => sample.set(keys + offset, 14 | 15 << 8),
                None => sample.set(keys + f.keys_table_size.unwrap_or(0), 1 << 14),
            }
        }),
        ("collections.deque", |sample, f, deque, start| {
            sample.set(deque + f.object_length, WORDS);
            sample.set(deque + f.deque_left_block.unwrap_or(0), start);
            sample.set(start + f.deque_block_right.unwrap_or(0), start);
        }),
        ("builtins.ext", |sample, f, _, _| {
            let class = sample.u64(sample.object_of("builtins.ext") + f.object_type).expect("it is there");
            sample.set(class + f.type_basicsize, 1 << 14);
        }),
    ];
    for (name, change) in kinds {
        spoilt(
            |sample, f| greedy(sample, f, name, |sample, object, start| change(sample, f, object, start)),
            |sample, received| {
                let text = format!("{name}: {} {:?}", sample.layout.origin, received.coverage);
                assert!(received.coverage.truncated && received.coverage.anomalies > 0, "{text}");
                assert!(received.notices.iter().any(|notice| notice.code == "claims-refused"), "{text}");
            },
        );
    }
}

#[test]
fn types_may_be_each_other_s_bases() {
    spoilt(
        |sample, f| {
            let class =
                |sample: &Sample, name: &str| sample.u64(sample.object_of(name) + f.object_type).expect("there");
            let (one, other) = (class(sample, "builtins.ext"), class(sample, "numpy.dtype"));
            sample.set(one + f.type_base, other);
            sample.set(other + f.type_base, one);
            sample.set(other + f.type_basicsize, sample.u64(one + f.type_basicsize).expect("it is there"));
        },
        |sample, received| assert_eq!(received.heap.len(), sample.made.len()),
    );
}

#[test]
fn chains_may_close() {
    spoilt(
        |sample, f| {
            let interpreter = sample.u64(f.runtime_interpreters.map_or(START, |offset| START + offset)).expect("there");
            let thread = sample.u64(interpreter + f.interp_threads).expect("it is there");
            sample.set(interpreter + f.interp_next, interpreter);
            sample.set(thread + f.tstate_next, thread);
            let word = |sample: &Sample, at: u64| sample.u64(at).expect("it is there");
            let innermost = match (f.tstate_frame, f.tstate_current_frame, f.tstate_cframe) {
                (Some(offset), ..) | (None, Some(offset), _) => word(sample, thread + offset),
                (_, _, offset) => {
                    word(sample, word(sample, thread + offset.unwrap_or(0)) + f.cframe_current_frame.unwrap_or(0))
                }
            };
            sample.set(innermost + f.iframe_previous.unwrap_or(f.frame_back), innermost);
        },
        |sample, received| {
            assert!(!received.coverage.truncated);
            let frames: Vec<usize> = received.threads.iter().map(|thread| thread.frames.len()).collect();
            assert_eq!(frames, [1], "{}", sample.layout.origin);
        },
    );
}

#[test]
fn reading_ends_when_its_time_is_over() {
    let Sample { layout, version, runtime, mappings, .. } = &samples()[0];
    let until = Some(Instant::now());
    let (version, runtime, check) = (*version, *runtime, Extent::Nothing);
    let source = Source { memory: &samples()[0], mappings, layout, version, runtime, until, check, contents: true };
    let Err(Unreadable::Failed(error)) = read(&source, 1, false) else { panic!("it had no time") };
    assert_eq!((error.kind, error.text.contains("its time was over")), (Kind::Busy, true), "{error}");
}

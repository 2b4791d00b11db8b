//! The decoder on streams that real interpreters sent (`tests/recordings`), and on damaged ones.

use proptest::prelude::*;

use super::*;
use crate::heap::{ObjectId, Root};

const RECORDINGS: [(&str, &[u8]); 5] = [
    ("3.6", include_bytes!("../../../tests/recordings/cpython-3.6.wire")),
    ("3.8", include_bytes!("../../../tests/recordings/cpython-3.8.wire")),
    ("3.11", include_bytes!("../../../tests/recordings/cpython-3.11.wire")),
    ("3.12", include_bytes!("../../../tests/recordings/cpython-3.12.wire")),
    ("3.13", include_bytes!("../../../tests/recordings/cpython-3.13.wire")),
];

fn received(stream: &[u8]) -> Received {
    read(stream, &mut |_, _| {})
}

fn objects_of(received: &Received, name: &str) -> Vec<ObjectId> {
    received.heap.objects().filter(|&object| received.heap.type_name_of(object) == name).collect()
}

/// The names of an object's edges and the types that they lead to.
fn edges(received: &Received, object: ObjectId) -> String {
    let heap = &received.heap;
    let edge = |(position, &row): (usize, &u32)| {
        let name = heap.edge_name(object, position).unwrap_or_default();
        format!("{name} {}", heap.type_name_of(ObjectId(row)))
    };
    heap.referents(object).iter().enumerate().map(edge).collect::<Vec<_>>().join(", ")
}

fn codes(received: &Received) -> Vec<&str> {
    received.notices.iter().map(|notice| notice.code.as_str()).collect()
}

#[test]
fn recordings_are_whole() {
    for (version, stream) in RECORDINGS {
        let mut told = (0, None);
        let received = read(stream, &mut |objects, of| told = (objects, of));
        assert!(received.complete, "{version}: {:?}", received.notices);
        assert_eq!((received.coverage.truncated, received.coverage.anomalies), (false, 0), "{version}");
        assert_eq!(codes(&received), ["sizeof-in-python"], "{version}");
        assert_eq!(received.coverage.objects, told.0, "{version}");
        assert!(told.1 >= Some(told.0), "{version}: {told:?}");
        assert!(received.coverage.gc_tracked > 3000 && received.coverage.objects > 10_000, "{version}");
        assert_eq!(received.probes["gc"]["enabled"], true, "{version}");
        let frame = &received.threads[0].frames[0];
        assert_eq!((frame.function.as_str(), frame.file.as_str()), ("__main__.work", "<string>"), "{version}");
        assert_eq!(
            (frame.locals[0].name.as_str(), frame.locals[0].kind.as_str()),
            ("held", "builtins.list"),
            "{version}"
        );
    }
}

#[test]
fn recorded_objects_have_sizes_names_and_roots() {
    for (version, stream) in RECORDINGS {
        let received = received(stream);
        let heap = &received.heap;
        let (entries, points) = (objects_of(&received, "__main__.Entry"), objects_of(&received, "__main__.Point"));
        assert_eq!((entries.len(), points.len()), (20, 10), "{version}");
        assert_eq!(edges(&received, points[0]), ".x builtins.float, .y builtins.tuple, .__class__ builtins.type");
        // Attributes live in a dict until 3.10, in the object itself from then on.
        let (entry, size) = match version {
            "3.6" => (".__dict__ builtins.dict, .__class__ builtins.type", 64),
            "3.8" => (".__dict__ builtins.dict, .__class__ builtins.type", 48),
            "3.11" => (".number builtins.int, .text builtins.str, .parts builtins.list, .__class__ builtins.type", 56),
            _ => (".number builtins.int, .text builtins.str, .parts builtins.list, .__class__ builtins.type", 48),
        };
        assert_eq!((edges(&received, entries[0]).as_str(), heap.size(entries[0])), (entry, size), "{version}");

        let local = heap.roots().iter().find_map(|(object, root)| match root {
            Root::Local { function, variable } => {
                Some((heap.type_name_of(*object), function.as_str(), variable.as_str()))
            }
            _ => None,
        });
        assert_eq!(local, Some(("builtins.list", "__main__.work", "held")), "{version}");
        let is_main = |root: &Root| *root == Root::Module { name: "__main__".into() };
        let main = heap.roots().iter().find(|(_, root)| is_main(root)).unwrap().0;
        let globals = ObjectId(heap.referents(main)[0]);
        assert_eq!(heap.edge_name(main, 0).as_deref(), Some(".__dict__"), "{version}");
        let cache = (0..heap.referents(globals).len())
            .find(|&position| heap.edge_name(globals, position).as_deref() == Some("['CACHE']"))
            .unwrap();
        let cache = ObjectId(heap.referents(globals)[cache]);
        assert!(edges(&received, cache).starts_with("key builtins.int, [1000] __main__.Entry, key"), "{version}");
    }
}

#[test]
fn a_stream_that_ends_early_says_so() {
    let (_, stream) = RECORDINGS[2];
    for (length, probe) in
        [(stream.len() / 2, "what the probes sent ended while `heap` ran"), (0, "the probes sent nothing")]
    {
        let received = received(&stream[..length]);
        assert!(!received.complete && received.coverage.truncated);
        assert_eq!(received.is_empty(), length == 0);
        let notice = received.notices.iter().find(|notice| notice.code == "stream-truncated").unwrap();
        assert_eq!(notice.text, probe);
    }
    // Only the last record is missing: all objects are there.
    let received = received(&stream[..stream.len() - 10]);
    assert!(!received.complete && !received.coverage.truncated);
}

#[test]
fn a_lost_record_is_counted() {
    let (_, stream) = RECORDINGS[4];
    let magics: Vec<usize> = (0..stream.len() - 4).filter(|&at| stream[at..].starts_with(b"\xf5MA1")).collect();
    let objects = *magics.iter().find(|&&at| stream[at + 13..].starts_with(b"u\x07\0\0\0objects")).unwrap();
    let mut damaged = stream.to_vec();
    // Where its first address begins.
    damaged[objects + 35] = b'?';
    let received = received(&damaged);
    assert!(!received.complete && received.coverage.truncated);
    assert_eq!(codes(&received), ["sizeof-in-python", "stream-damaged"]);
    assert!(received.notices[1].text.contains("in 1 records could not be read"), "{}", received.notices[1].text);
}

#[test]
fn unknown_records_and_another_version_are_said() {
    let record = |payload: &[u8]| [b"\xf5MA1", &(payload.len() as u32).to_le_bytes()[..], payload].concat();
    let hello = record(b"(\x02\0\0\0u\x05\0\0\0helloi\x63\0\0\0");
    let strange = record(b"(\x01\0\0\0u\x05\0\0\0novel");
    let end = record(b"(\x02\0\0\0u\x03\0\0\0end{0");
    let received = received(&[hello, strange, end].concat());
    assert!(received.complete && received.is_empty());
    assert_eq!(codes(&received), ["stream-version", "stream-unknown"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damage_is_survived(
        recording in 0..RECORDINGS.len(),
        start in 0.0..1.0f64,
        changes in prop::collection::vec((0usize..60_000, any::<u8>()), 1..40),
        cut in prop::option::of(0usize..60_000),
    ) {
        // A slice from a record's start: whole streams would take long.
        let (_, stream) = RECORDINGS[recording];
        let from = (start * (stream.len() - 60_000) as f64) as usize;
        let from = stream[..=from].windows(4).rposition(|bytes| bytes == b"\xf5MA1").unwrap_or(0);
        let mut bytes = stream[from..].to_vec();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| bytes.len().saturating_sub(cut)));
        let received = received(&bytes);
        prop_assert_eq!(received.coverage.objects, received.heap.len() as u64);
    }
}

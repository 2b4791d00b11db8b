//! Heaps written down as text, for tests of whatever works on a heap.
//!
//! One object a line: `name:type[=size] [-> referent[.edge name], …]`, and `root name module NAME` or
//! `root name local FUNCTION VARIABLE`. Addresses are 0x1000, 0x1010, … in order of appearance.

use std::collections::HashMap;

use super::{Capture, CollectionFacts, Coverage, Flags, Heap, HeapBuilder, Root, TargetFacts};
use crate::units::Address;

/// A capture of nothing but a heap.
pub(crate) fn capture(heap: Heap) -> Capture {
    Capture {
        target: TargetFacts { pid: 7, start_time: "noon".into(), ..TargetFacts::default() },
        collection: CollectionFacts::default(),
        coverage: Coverage::default(),
        heap,
        probes: serde_json::Map::new(),
        threads: Vec::new(),
        accounts: None,
        garbage: None,
        retained_by_type: None,
        suspects: None,
    }
}

/// The heap that `text` describes; panics on a text that describes none.
pub(crate) fn heap(text: &str) -> Heap {
    let mut builder = HeapBuilder::default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let (roots, objects): (Vec<&str>, Vec<&str>) = lines.iter().partition(|l| l.starts_with("root "));
    let name_of = |line: &str| line.split(':').next().expect("name").to_owned();
    let addresses: HashMap<String, u64> =
        objects.iter().enumerate().map(|(i, line)| (name_of(line), 0x1000 + 16 * i as u64)).collect();
    for line in &objects {
        let (head, edges) = line.split_once(" -> ").unwrap_or((line, ""));
        let (name, kind) = head.split_once(':').expect("name:type");
        let (kind, size) = kind.split_once('=').unwrap_or((kind, "16"));
        let kind = builder.type_id(kind.trim());
        let mut referents = Vec::new();
        for edge in edges.split(", ").filter(|e| !e.is_empty()) {
            let cut = edge.find(['.', '[']).unwrap_or(edge.len());
            let id = builder.name_id(&edge[cut..]);
            referents.push((addresses[&edge[..cut]], id));
        }
        let size = size.trim().parse().expect("size");
        builder.object(Address(addresses[name]), kind, size, Flags::TRACKED, referents.into_iter());
    }
    for line in roots {
        let words: Vec<&str> = line.split_whitespace().collect();
        let root = match words[2] {
            "module" => Root::Module { name: words[3].into() },
            "local" => Root::Local { function: words[3].into(), variable: words[4].into() },
            _ => Root::Interpreter { name: words[2].into() },
        };
        builder.root(Address(addresses[words[1]]), root);
    }
    let (heap, anomalies) = builder.finish();
    assert_eq!(anomalies.total(), 0, "the sample does not hang together");
    heap
}

impl Heap {
    /// The same with these numbers for contents, by row.
    pub(crate) fn with_contents(self, contents: Vec<u64>) -> Heap {
        Heap { contents, ..self }
    }
}

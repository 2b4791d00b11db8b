//! The parts of a report put together from a capture: which of them were asked for, and what must be said beside them.

use super::edges::Edges;
use super::{Extent, Limits, Selection, Series, TargetReport, accounts, histogram, references};
use crate::heap::Capture;
use crate::notice::Notice;

/// What to compare a capture with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier<'a> {
    pub(crate) capture: &'a Capture,
    /// The snapshot it was read from, as the user named it.
    pub(crate) path: &'a str,
    /// How the two were matched: see [`Since::paired_by`].
    pub(crate) paired_by: &'a str,
}

/// The report of one capture. Notices of the analyses are among the warnings of its collection, and returned to be shown.
/// Paths of files written are left for whoever writes them. What types retain is told where it is asked for and the capture
/// has it; edges are not looked at where nothing asks for them.
pub(crate) fn report(
    capture: &Capture,
    selection: &Selection,
    earlier: Option<Earlier>,
    retained: bool,
) -> (TargetReport, Vec<Notice>) {
    let retained_by_type = capture.retained_by_type.as_deref().filter(|_| retained);
    let (totals, types) = histogram(&capture.heap, retained_by_type);
    let edges = (!selection.is_empty()).then(|| Edges::new(&capture.heap));
    let (references, mut notices) =
        edges.map(|edges| references(&edges, &types, selection, Limits::default())).unwrap_or_default();
    let before = earlier.and_then(|earlier| earlier.capture.accounts.as_ref());
    let accounts = capture.accounts.as_ref().map(|now| accounts(now, before));
    let diff = earlier.and_then(|earlier| {
        notices.extend(limits_of_comparison(earlier.capture, capture));
        let mut series = Series::new(capture, Extent { retained, places: false });
        series.add(earlier.capture, earlier.path, earlier.paired_by);
        series.diff()
    });
    let mut collection = capture.collection.clone();
    collection.warnings.extend(notices.iter().cloned());
    let report = TargetReport {
        target: capture.target.clone(),
        collection: Some(collection),
        coverage: Some(capture.coverage.clone()),
        totals: Some(totals),
        types: Some(types),
        references: (!selection.is_empty()).then_some(references),
        diff,
        accounts,
        garbage: capture.garbage.clone(),
        suspects: capture.suspects.clone(),
        threads: (!capture.threads.is_empty()).then(|| capture.threads.clone()),
        probes: (!capture.probes.is_empty()).then(|| capture.probes.clone()),
        snapshot: None,
        error: None,
    };
    (report, notices)
}

/// Why a comparison says less than it seems to.
pub(crate) fn limits_of_comparison(old: &Capture, new: &Capture) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (capture, which) in [(old, "earlier"), (new, "later")] {
        if capture.coverage.truncated {
            let text = format!("the {which} of the two captures is incomplete: what it lacks appears as a change");
            notices.push(Notice::new("diff-of-incomplete", text));
        }
    }
    if old.target.python != new.target.python {
        let version = |capture: &Capture| {
            let python = &capture.target.python;
            let debug = if python.debug { " (debug build)" } else { "" };
            let threaded = if python.free_threaded { " (free-threaded)" } else { "" };
            format!("{}{debug}{threaded}", python.version)
        };
        let text =
            format!("the captures are of Python {} and {}: sizes differ without growth", version(old), version(new));
        notices.push(Notice::new("diff-of-versions", text));
    }
    if old.collection.collector != new.collection.collector {
        let (old, new) = (&old.collection.collector, &new.collection.collector);
        let text = format!("the captures are by collectors `{old}` and `{new}`, which may not see the same objects");
        notices.push(Notice::new("diff-of-collectors", text));
    }
    notices
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Holdings;
    use super::*;
    use crate::heap::{CollectionFacts, ThreadFacts, sample};

    fn capture(heap: &str) -> Capture {
        let collection = CollectionFacts {
            started_at: "2024-01-01T00:00:00Z".into(),
            warnings: vec![Notice::new("twin-impossible", "no memory")],
            ..CollectionFacts::default()
        };
        Capture { collection, ..sample::capture(sample::heap(heap)) }
    }

    fn parts(report: &TargetReport) -> Vec<String> {
        let Value::Object(parts) = json!(report) else { panic!("a report is an object") };
        parts.keys().cloned().collect()
    }

    #[test]
    fn parts_that_were_not_asked_for_are_absent() {
        let mut capture = capture("a:app.A=8\nroot a module app");
        let (report_, notices) = report(&capture, &Selection::default(), None, false);
        assert_eq!(parts(&report_), ["target", "collection", "coverage", "totals", "types"]);
        assert_eq!(notices, []);
        capture.threads.push(ThreadFacts::default());
        capture.probes.insert("gc".into(), json!(1));
        let selection = Selection { largest: 3, types: vec![] };
        let earlier = Earlier { capture: &capture, path: "old.parquet", paired_by: "given" };
        let (report, _) = report(&capture, &selection, Some(earlier), false);
        assert_eq!(
            parts(&report),
            ["target", "collection", "coverage", "totals", "types", "references", "diff", "threads", "probes"]
        );
        assert_eq!(json!(report.references)[0]["path_to_root"][0]["edge"], "module app");
        assert_eq!(
            json!(report.diff),
            json!({"types": [], "since": {
                "snapshot": "old.parquet", "started_at": "2024-01-01T00:00:00Z", "pid": 7, "paired_by": "given"
            }})
        );
    }

    #[test]
    fn what_types_retain_is_told_where_it_is_asked_for() {
        let mut capture = capture("a:app.A=8 -> b\nb:app.B=5\nroot a module app");
        capture.retained_by_type = Some(Holdings::of(&capture.heap).by_type);
        let retained = |asked| {
            let (report, _) = report(&capture, &Selection { largest: 1, types: vec![] }, None, asked);
            assert_eq!(report.references.map(|shown| shown.len()), Some(1));
            let types = report.types.unwrap_or_default();
            types.iter().map(|row| row.retained_bytes).collect::<Vec<_>>()
        };
        assert_eq!(retained(false), [None, None]);
        assert_eq!(retained(true), [Some(13), Some(5)]);
    }

    #[test]
    fn what_analyses_found_is_among_the_warnings() {
        let mut old = capture("a:app.A=8");
        old.coverage.truncated = true;
        old.target.python.version = "3.11.7".into();
        old.collection.collector = "gdb".into();
        let mut new = capture("a:app.A=8\nb:app.A=8");
        new.target.python.version = "3.12.1".into();
        new.target.python.debug = true;
        new.collection.collector = "reader".into();
        let selection = Selection { largest: 0, types: vec!["nothing.Alike".into()] };
        let earlier = Earlier { capture: &old, path: "old.parquet", paired_by: "cmdline" };
        let (report, notices) = report(&new, &selection, Some(earlier), false);
        let texts: Vec<_> = notices.iter().map(|notice| &*notice.text).collect();
        assert_eq!(
            texts,
            [
                "the heap has no object of type `nothing.Alike`",
                "the earlier of the two captures is incomplete: what it lacks appears as a change",
                "the captures are of Python 3.11.7 and 3.12.1 (debug build): sizes differ without growth",
                "the captures are by collectors `gdb` and `reader`, which may not see the same objects",
            ]
        );
        let warnings = report.collection.map(|collection| collection.warnings).unwrap_or_default();
        assert_eq!(warnings[0].code, "twin-impossible");
        assert_eq!(warnings[1..], notices);
        assert_eq!(report.references, Some(vec![]), "asked for, and none found");
    }
}

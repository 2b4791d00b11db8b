//! What the table of types does not wait for: garbage, who holds what, suspects; and the snapshot, which is written beside.

use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread;

use crate::analyse::{self, Findings, Holdings};
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, Garbage, Suspect};
use crate::store::{self, Matched};

pub(super) struct Finished {
    pub(super) garbage: Option<Garbage>,
    pub(super) suspects: Option<Vec<Suspect>>,
    pub(super) written: Result<()>,
}

/// Looks for one after the other, as each needs memory of its own: garbage, by the reference counts, which are let go; who holds
/// what, unless that is known; suspects. The snapshot at `path` has what was found in the end.
pub(super) fn finish(
    capture: &mut Capture,
    earlier: Option<&Matched>,
    holdings: Option<Holdings>,
    path: &Path,
) -> Finished {
    let counts = capture.heap.take_reference_counts();
    let capture = &*capture;
    let (held, found) = (OnceLock::new(), OnceLock::new());
    let (tell_held, hear_held) = mpsc::channel();
    let (tell_found, hear_found) = mpsc::channel();
    let (written, suspects) = thread::scope(|scope| {
        // Gone when this is left in whatever way: then nobody waits any more.
        let (tell_held, tell_found) = (tell_held, tell_found);
        let writing =
            scope.spawn(move || store::write(path, capture, || hear_held.recv().ok(), || hear_found.recv().ok()));
        let garbage = counts.map(|counts| analyse::garbage(&capture.heap, &counts));
        let held: &Holdings = held.get_or_init(|| holdings.unwrap_or_else(|| Holdings::of(&capture.heap)));
        let _ = tell_held.send(held);
        let standing = Some(analyse::suspects(&capture.heap, held));
        let found: &Findings = found.get_or_init(|| Findings { garbage, suspects: standing });
        let _ = tell_found.send(found);
        let suspects = suspects(capture, found.suspects.as_deref(), earlier, Some(held));
        (joined(writing.join(), "writing the snapshot").and_then(|written| written.map(drop)), suspects)
    });
    Finished { garbage: found.into_inner().and_then(|found| found.garbage), suspects, written }
}

/// The `standing` suspects of a capture, before them what took what is new where it is compared with an earlier one; none where nobody
/// has looked for any.
pub(super) fn suspects(
    capture: &Capture,
    standing: Option<&[Suspect]>,
    earlier: Option<&Matched>,
    holdings: Option<&Holdings>,
) -> Option<Vec<Suspect>> {
    let grown = earlier.and_then(|earlier| analyse::growth(&earlier.capture, capture, holdings));
    let known = grown.is_some() || standing.is_some();
    known.then(|| grown.iter().flatten().chain(standing.into_iter().flatten()).cloned().collect())
}

/// What a thread that did `what` leaves.
pub(super) fn joined<T>(thread: thread::Result<T>, what: &str) -> Result<T> {
    thread.map_err(|_| Error::new(Kind::Defect, format!("{what} panicked")))
}

//! Which of the snapshots that the user named is the one to compare a process with.

use std::path::{Path, PathBuf};

use super::snapshot;
use crate::analyse::{Candidate, pair};
use crate::error::{Error, Kind, Result};
use crate::heap::{Capture, TargetFacts};
use crate::notice::Notice;

/// A folder with more snapshots than this is looked at as far as this, the last in name order first.
const MAX_SNAPSHOTS: usize = 10_000;

/// An earlier snapshot and why it was taken.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) capture: Capture,
    pub(crate) path: String,
    pub(crate) paired_by: &'static str,
}

/// The newest of the snapshots in `named` (files, and folders of them) that is of the same process as `target`, else of the
/// same command line. A single file that fits neither is taken all the same, as the user named it.
///
/// A damaged file in a folder is a notice; one named itself is an error.
pub(crate) fn matching(target: &TargetFacts, named: &[PathBuf]) -> Result<(Option<Matched>, Vec<Notice>)> {
    let mut notices = Vec::new();
    if named.is_empty() {
        return Ok((None, notices));
    }
    let mut found: Vec<(PathBuf, TargetFacts, String)> = Vec::new();
    for path in named {
        if !path.is_dir() {
            let (facts, started_at) = snapshot::origin(path)?;
            found.push((path.clone(), facts, started_at));
            continue;
        }
        for file in snapshots_in(path)? {
            match snapshot::origin(&file) {
                Ok((facts, started_at)) => found.push((file, facts, started_at)),
                Err(error) => notices.push(Notice::new("snapshot-unreadable", error.text)),
            }
        }
    }
    let candidates: Vec<Candidate> =
        found.iter().map(|(_, target, started_at)| Candidate { target, started_at }).collect();
    let given = (named.len() == 1 && named[0].is_file()).then_some((0, "given"));
    let Some((index, paired_by)) = pair(target, &candidates).or(given) else {
        let text = format!("none of the {} snapshots named is of this process or command line", found.len());
        notices.push(
            Notice::new("nothing-to-compare", text).hint("name the snapshot itself to compare with it all the same"),
        );
        return Ok((None, notices));
    };
    let path = &found[index].0;
    let capture = snapshot::read(path)?;
    if paired_by == "given" {
        let text = format!("the snapshot is of another process (pid {}) and command line", capture.target.pid);
        notices.push(Notice::new("diff-of-others", text));
    }
    Ok((Some(Matched { capture, path: path.display().to_string(), paired_by }), notices))
}

fn snapshots_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable =
        |e: std::io::Error| Error::new(Kind::BadFile, format!("cannot read the folder {}: {e}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    files.truncate(MAX_SNAPSHOTS);
    Ok(files)
}

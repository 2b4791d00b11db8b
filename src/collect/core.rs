//! A core file as a target: opened, its mapped files found, its interpreter and layout known, before its heap is walked.
//!
//! Nothing is run and nobody waits: there is no process any more. What the core lacks is told in notices.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::reader::{self, Extent, Unreadable};
use super::{executable, reading};
use crate::cli::plan::CollectPlan;
use crate::error::{Error, Kind, Result};
use crate::freeze::map_file;
use crate::heap::{Capture, CollectionFacts, PythonFacts, TargetFacts};
use crate::layout::{self, Layout};
use crate::notice::{Listener, Notice};
use crate::target::core::{Core, Missing, Search};
use crate::target::elf::{find_debug_file, within};
use crate::target::python::{self, Interpreter, Source};
use crate::units::{Bytes, milliseconds, printable, utc_precise};

const MAX_NAME: usize = 200;
/// How a core has all of the files in it.
const WITH_FILES: &str = "or have the next core written whole: `echo 0x37 > /proc/PID/coredump_filter` before";

/// A process that is no more, ready to be read: its memory, mappings and threads are those of `core`.
#[derive(Debug)]
pub(crate) struct CoreTarget {
    pub(crate) facts: TargetFacts,
    pub(crate) core: Core,
    pub(crate) interpreter: Interpreter,
    pub(crate) layout: Layout,
    /// The core ends before its headers say: counts are lower bounds.
    pub(crate) truncated: bool,
    pub(crate) notices: Vec<Notice>,
}

/// Opens the core at `path` with the files that `plan` names or that are where the process had them.
///
/// Errors: `BadFile` for what is no core of this machine, `NotPython` for one without a Python that can be read.
pub(crate) fn open(path: &Path, plan: &CollectPlan, listener: &dyn Listener) -> Result<CoreTarget> {
    let bad = |why: String| Error::new(Kind::BadFile, format!("cannot read the core {}: {why}", path.display()));
    let given = plan.exec.as_deref().map(executable::open).transpose()?;
    // A pipe in its place is not waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(|error| bad(error.to_string()))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(bad("not a regular file".to_owned()));
    }
    let bytes = map_file(&file).map_err(|error| bad(error.to_string()))?;
    let mut core = Core::new(Box::new(bytes))
        .map_err(|why| bad(why).hint("a core is what the kernel writes of a process that crashed, or `gcore PID`"))?;
    let root = plan.sysroot.clone().unwrap_or_else(|| PathBuf::from("/"));
    let beside = path.parent().map(Path::to_owned);
    core.find_files(&Search { exec: plan.exec.clone(), root: root.clone(), beside });
    listener.step(&format!("core of pid {} opened: {} of memory in it", core.pid(), Bytes(core.present())));

    let mut notices = lacking(core.missing());
    // What it lacks may be why.
    let interpreter =
        python::find(Source::Core(&core), core.mappings(), &core).map_err(|error| with_hints(error, &notices))?;
    interpreter.is_supported()?;
    let image = &interpreter.image;
    let name = printable(&image.path.to_string_lossy(), MAX_NAME);
    listener.step(&format!("CPython {} found in {name}", interpreter.version));
    notices.extend(file_notice(&core, &interpreter, &name));
    let installed = image.build_id.as_deref().map(|id| debug_files(id, &plan.debug_dirs, &root)).unwrap_or_default();
    let mut debug_files = Vec::new();
    if let (Some(elf), Some(path)) = (given, &plan.exec) {
        if elf.build_id().is_some() && elf.build_id() == image.build_id {
            debug_files.push(path.clone());
        } else if !core.uses(path) {
            notices.push(executable::mismatch(path, elf.build_id().as_deref(), &interpreter, &installed));
        }
    }
    debug_files.extend(installed);
    let layout = layout::resolve(&interpreter, &debug_files, &core).map_err(|error| with_hints(error, &notices))?;
    listener.step(&format!("layout from {}", layout.origin));
    let truncated = core.missing().is_truncated();
    Ok(CoreTarget { facts: facts(&core, &interpreter), core, interpreter, layout, truncated, notices })
}

/// The heap in the core of `plan`, read `now`.
pub(crate) fn capture(plan: &CollectPlan, now: SystemTime, listener: &dyn Listener) -> Result<Capture> {
    let begun = Instant::now();
    let path = plan.core.as_deref().ok_or_else(|| Error::new(Kind::Usage, "no core was given"))?;
    let CoreTarget { facts, core, interpreter, layout, truncated, notices } = open(path, plan, listener)?;
    let source = reader::Source {
        memory: &core,
        mappings: core.mappings(),
        layout: &layout,
        version: interpreter.version,
        runtime: interpreter.runtime,
        until: None,
        check: if truncated { Extent::Nothing } else { Extent::whole_if(core.missing().left_out == 0) },
        contents: plan.contents,
    };
    let received = reader::read(&source, reading::threads(), false).map_err(|unreadable| match unreadable {
        Unreadable::Failed(error) | Unreadable::Unfit(error) => with_hints(error, &notices),
        Unreadable::Collecting => Error::new(
            Kind::Busy,
            "the core was written in the middle of a garbage collection: its lists are in pieces",
        )
        .hint("nothing can be done about this one; take another core, if there is a process"),
    })?;
    let mut coverage = received.coverage;
    coverage.truncated |= truncated;
    Ok(Capture {
        target: facts,
        collection: CollectionFacts {
            collector: "reader".to_owned(),
            reason: "a core file runs nothing: its memory is read".to_owned(),
            freeze: "none".to_owned(),
            started_at: utc_precise(now),
            pause_ms: 0.0,
            wall_ms: milliseconds(begun.elapsed()),
            layout_source: super::layout_source(&layout),
            warnings: notices.into_iter().chain(received.notices).collect(),
        },
        coverage,
        heap: received.heap,
        probes: received.probes,
        threads: received.threads,
        accounts: None,
        garbage: None,
        retained_by_type: None,
        suspects: None,
    })
}

/// Where the debug information of a build is installed: in the file system that the process had, or in ours.
fn debug_files(build_id: &str, folders: &[PathBuf], root: &Path) -> Vec<PathBuf> {
    let there = folders.iter().find_map(|folder| find_debug_file(build_id, &within(root, folder)));
    there.or_else(|| folders.iter().find_map(|folder| find_debug_file(build_id, folder))).into_iter().collect()
}

fn facts(core: &Core, interpreter: &Interpreter) -> TargetFacts {
    TargetFacts {
        pid: core.pid(),
        // A core tells neither.
        start_time: String::new(),
        host: String::new(),
        cmdline: core.command_line(),
        executable: core.executable().map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        rss_bytes: core.present(),
        threads: core.threads().len() as u64,
        python: PythonFacts {
            version: interpreter.version.to_string(),
            debug: interpreter.debug,
            free_threaded: interpreter.free_threaded,
        },
    }
}

/// An error with what is known to be missing, which may be why.
fn with_hints(error: Error, notices: &[Notice]) -> Error {
    let hint = |notice: &Notice| match &notice.hint {
        Some(hint) => format!("{}: {hint}", notice.text),
        None => notice.text.clone(),
    };
    notices.iter().map(hint).fold(error, Error::hint)
}

/// What of the memory the core does not have.
fn lacking(missing: Missing) -> Vec<Notice> {
    let mut notices = Vec::new();
    if missing.is_truncated() {
        let what = if missing.headers_cut_off { "even of its headers" } else { "of what its headers tell of" };
        let text = format!("the core is cut off: {} {what} are missing", Bytes(missing.cut_off));
        let hint = "a limit may have been in the way: `ulimit -c`, disk space, ProcessSizeMax of systemd-coredump";
        notices.push(Notice::new("core-truncated", text).hint(hint));
    }
    if missing.left_out > 0 {
        let text = format!("{} of writable memory were left out when the core was written", Bytes(missing.left_out));
        let hint = "what is dumped is set by /proc/PID/coredump_filter (core(5)), and by the process itself";
        notices.push(Notice::new("core-filtered", text).hint(hint));
    }
    notices
}

/// Whether the interpreter's file is here, and the very one.
fn file_notice(core: &Core, interpreter: &Interpreter, name: &str) -> Option<Notice> {
    let hint = "give it with `-e`, put it beside the core, or name the process's file system with `--sysroot`";
    match core.file(&interpreter.image.path) {
        Some((_, true)) => None,
        Some((path, false)) => Some(
            Notice::new(
                "file-unproven",
                format!(
                    "{} is taken for {name}: its segments are where that was mapped, but the core has no page to compare",
                    path.display()
                ),
            )
            .hint("the kernel dumps that page when bit 4 of coredump_filter is set, as it is by default (core(5))"),
        ),
        None => {
            let text = format!("{name} is not here: what it alone has is missing");
            Some(Notice::new("file-missing", text).hint(format!("{hint}; {WITH_FILES}")))
        }
    }
}

#[cfg(test)]
mod tests;

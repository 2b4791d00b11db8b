//! Asks a target for its heap: chooses the collector and what it works on, falls back where a way is closed, and says why.
//!
//! Every collector feeds one [`crate::heap::HeapBuilder`]; out comes a [`Capture`]. Nothing here interprets a heap.

mod accounts;
pub(crate) mod core;
mod executable;
mod follow;
mod gdb;
mod gdb_messages;
mod probe_source;
mod reader;
mod reading;
mod session;
mod wire;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::plan::{CollectPlan, Selection};
use crate::cli::values::{BuiltinProbe, Freeze};
use crate::error::{Error, Kind, Result};
use crate::freeze::{GilSite, How, Keeper, Purpose};
use crate::heap::{Capture, CollectionFacts, PythonFacts, TargetFacts};
use crate::layout::{self, Layout};
use crate::notice::{Listener, Notice};
use crate::target::memory::ProcessMemory;
use crate::target::procfs::Process;
use crate::target::python::Interpreter;
use crate::target::{doctor, maps, procfs};
use crate::units::{milliseconds, utc_precise};
use executable::Executable;
use gdb::{Collected, Twinned};
use probe_source::{Mode, ProbeOrder};

/// Copying page tables takes about this long per resident byte: 5 ms per GiB, measured at 85 MiB to 2 GiB, doubled.
const PAUSE_PER_BYTE: f64 = 10e-3 / (1u64 << 30) as f64;
/// What a freeze takes whatever the size.
const PAUSE_FLOOR: Duration = Duration::from_millis(3);

/// One target with everything known of it before it is touched.
pub(crate) struct Job<'a> {
    pid: i32,
    plan: &'a CollectPlan,
    selection: &'a Selection,
    listener: &'a dyn Listener,
    interpreter: Interpreter,
    executable: Executable,
    layout: Layout,
    site: GilSite,
    /// Where libc keeps its locks.
    libc_data: Vec<(u64, u64)>,
    until: Instant,
}

impl Job<'_> {
    /// What is left of the time for this target.
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn step(&self, text: &str) {
        self.listener.step(text);
    }

    fn gdb(&self) -> Result<&Path> {
        self.plan.gdb.as_deref().ok_or_else(|| {
            Error::new(Kind::Usage, format!("no program `{}` to collect with", self.plan.gdb_name.display()))
                .hint("install it: `apt-get install gdb` (Debian, Ubuntu), `dnf install gdb` (Fedora, RHEL), `apk add gdb` (Alpine)")
        })
    }

    fn image_name(&self) -> String {
        crate::units::printable(&self.interpreter.image.path.to_string_lossy(), 200)
    }

    /// What a twin is made for, in which probes run.
    fn purpose(&self) -> Purpose {
        let libraries = [BuiltinProbe::Objgraph, BuiltinProbe::Pympler];
        let imports = libraries.iter().any(|probe| self.plan.probes.builtin.contains(probe));
        if imports || !self.plan.probes.user.is_empty() { Purpose::Libraries } else { Purpose::Probes }
    }

    /// The source that the interpreter runs.
    fn source(&self, mode: Mode, write_to: u32) -> Result<Vec<u8>> {
        probe_source::compose(&ProbeOrder {
            mode,
            write_to,
            time: self.left(),
            hold: self.plan.max_hold,
            largest: self.selection.largest,
            types: &self.selection.types,
            site_dirs: &self.plan.site_dirs,
            builtin: &self.plan.probes.builtin,
            user: &self.plan.probes.user,
        })
    }

    /// GDB's settings and its executable, for the process it will attach to.
    fn preparation(&self, attached: i32) -> Value {
        json!({
            "do": "prepare",
            "sysroot": format!("/proc/{attached}/root"),
            "executable": self.executable.file,
        })
    }

    /// The name of the shared library that is the interpreter, as a pattern for GDB; none for one linked into its program.
    fn library(&self) -> Option<String> {
        let name = self.interpreter.image.path.file_name()?.to_str()?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
        (plain && name.contains(".so")).then(|| name.replace('.', "\\.").replace('+', "\\+"))
    }
}

/// Collects the heap of `pid`.
pub(crate) fn capture(
    pid: i32,
    plan: &CollectPlan,
    selection: &Selection,
    now: std::time::SystemTime,
    listener: &dyn Listener,
) -> Result<Capture> {
    let begun = Instant::now();
    let (process, interpreter, state) = doctor::preflight(pid)?;
    let started = process.start_ticks;
    // What stands or runs can be read; only who wants to hold it himself needs his hands on it.
    if !plan.needs_no_hold(process.stands()) {
        state?;
    }
    examine(process, interpreter, plan, selection, (begun, now), listener).map_err(|error| match Process::read(pid) {
        // One that is about to end has no memory any more.
        Ok(process) if process.start_ticks == started && process.rss_bytes > 0 => error,
        Err(other) if other.kind != Kind::NoProcess => error,
        // Whatever could not be done: that is why.
        _ => Error::new(Kind::NoProcess, format!("process {pid} ended meanwhile: {}", error.text)),
    })
}

/// The same of a process that can be examined; `times` are the beginning and the date of it.
fn examine(
    process: Process,
    interpreter: Interpreter,
    plan: &CollectPlan,
    selection: &Selection,
    times: (Instant, std::time::SystemTime),
    listener: &dyn Listener,
) -> Result<Capture> {
    let (begun, now) = times;
    let pid = process.pid;
    let mappings = maps::read(pid)
        .map_err(|e| Error::new(Kind::NotPermitted, format!("cannot read the maps of pid {pid}: {e}")))?;
    let memory = ProcessMemory::open(pid).map_err(|e| {
        Error::new(Kind::NotPermitted, format!("cannot read the memory of pid {pid}: {e}"))
            .hint(format!("`memory-analyzer doctor {pid}` says what is missing"))
    })?;
    let target = target_facts(&process);
    let version = interpreter.version;
    listener.step(&format!(
        "CPython {version} found in {}",
        crate::units::printable(&interpreter.image.path.to_string_lossy(), 200)
    ));
    let executable = executable::prove(plan, pid, &interpreter, &mappings)?;
    let mut warnings = executable.notices.clone();
    let layout = layout::resolve(&interpreter, &executable.debug_files, &memory)?;
    listener.step(&format!("layout from {}", layout.origin));
    let site = GilSite::find(&interpreter, &layout, &memory)?;
    let python = PythonFacts {
        version: version.to_string(),
        debug: interpreter.debug,
        free_threaded: interpreter.free_threaded,
    };
    let libc_data = crate::freeze::libc_data(pid);
    let until = begun + plan.timeout;
    let layout_source = layout_source(&layout);
    let job = Job { pid, plan, selection, listener, interpreter, executable, layout, site, libc_data, until };
    let (collected, reason) = if plan.reads() {
        read(&job, &process, &mut warnings)?
    } else {
        run_probes(&job, target.rss_bytes, &mut warnings)?
    };

    let Collected { received, freeze, pause, notices } = collected;
    warnings.extend(notices);
    warnings.extend(received.notices);
    if plan.contents && !plan.reads() {
        let text = "`--contents` was asked for, but gdb does not tell which texts are equal";
        warnings.push(Notice::new("no-contents", text).hint("the reader does: `-c reader --contents`"));
    }
    listener
        .step(&format!("{} objects with {} references collected", received.coverage.objects, received.coverage.edges));
    Ok(Capture {
        target: TargetFacts { python, ..target },
        collection: CollectionFacts {
            collector: if plan.reads() { "reader" } else { "gdb" }.to_owned(),
            reason,
            freeze: freeze.to_owned(),
            started_at: utc_precise(now),
            pause_ms: milliseconds(pause),
            wall_ms: milliseconds(begun.elapsed()),
            layout_source,
            warnings,
        },
        coverage: received.coverage,
        heap: received.heap,
        probes: received.probes,
        threads: received.threads,
        accounts: received.accounts,
        garbage: None,
        retained_by_type: None,
        suspects: None,
    })
}

/// Memory is read: of a twin where possible and wanted, else of the target itself; and the reason for that.
fn read(job: &Job, process: &Process, warnings: &mut Vec<Notice>) -> Result<(Collected, String)> {
    let why = job.plan.why();
    let asked = |way: &str| format!("{why}; on the target itself, as `--freeze {way}` was asked for");
    if process.stands() {
        job.step("somebody has stopped it: it is read as it stands, and left so");
        return Ok((reading::on_target(job, How::Stop)?, format!("{why}; it was stopped already, by somebody else")));
    }
    match job.plan.freeze {
        Freeze::Stop => Ok((reading::on_target(job, How::Stop)?, asked("stop"))),
        Freeze::Live => Ok((reading::on_target(job, How::Live)?, asked("live"))),
        Freeze::Auto | Freeze::Twin => {
            within_budget(job, process.rss_bytes)?;
            let mut keeper = Keeper::start()?;
            match reading::on_twin(job, &mut keeper)? {
                Twinned::Collected(collected) => Ok((*collected, why.to_owned())),
                Twinned::Impossible(impossible) => {
                    let reason = fall_back(job, why, &impossible, warnings)?;
                    Ok((reading::on_target(job, How::Stop)?, reason))
                }
            }
        }
    }
}

/// Probes are run: in a twin where possible and wanted, else in the target itself; and the reason for that.
fn run_probes(job: &Job, rss: u64, warnings: &mut Vec<Notice>) -> Result<(Collected, String)> {
    let why = job.plan.why();
    let mut keeper = Keeper::start()?;
    match job.plan.freeze {
        Freeze::Stop => {
            let reason = format!("{why}; on the target itself, as `--freeze stop` was asked for");
            Ok((gdb::on_target(job, &mut keeper)?, reason))
        }
        Freeze::Live => {
            Err(Error::new(Kind::Usage, "`--freeze live` is for reading memory: the debugger has to stop a process")
                .hint("leave `-e`, `-c gdb` and `--probe` out, or say `-c reader`"))
        }
        Freeze::Auto | Freeze::Twin => {
            within_budget(job, rss)?;
            match gdb::on_twin(job, &mut keeper)? {
                Twinned::Collected(collected) => Ok((*collected, why.to_owned())),
                Twinned::Impossible(impossible) => {
                    let reason = fall_back(job, why, &impossible, warnings)?;
                    Ok((gdb::on_target(job, &mut keeper)?, reason))
                }
            }
        }
    }
}

/// The reason for working on the target itself, when no twin is possible and none was insisted on.
fn fall_back(job: &Job, why: &str, impossible: &str, warnings: &mut Vec<Notice>) -> Result<String> {
    if job.plan.freeze == Freeze::Twin {
        return Err(Error::new(Kind::Busy, format!("no twin of pid {} is possible: {impossible}", job.pid))
            .hint("`--freeze stop` works on the target itself, which is held meanwhile"));
    }
    job.step(&format!("no twin is possible: {impossible}; working on the target itself"));
    let limit = if job.plan.reads() { "max-pause" } else { "max-hold" };
    warnings.push(
        Notice::new("twin-impossible", format!("no twin is possible: {impossible}"))
            .hint(format!("the target itself was held meanwhile; `--{limit}` limits for how long")),
    );
    Ok(format!("{why}; on the target itself, as no twin is possible: {impossible}"))
}

/// Refuses before anything is touched when the pause would be longer than allowed.
fn within_budget(job: &Job, rss: u64) -> Result<()> {
    let estimate = PAUSE_FLOOR + Duration::from_secs_f64(rss as f64 * PAUSE_PER_BYTE);
    if estimate <= job.plan.max_pause {
        return Ok(());
    }
    let text = format!(
        "a twin of pid {} would pause it for about {:.0} ms, more than the {:.0} ms allowed",
        job.pid,
        milliseconds(estimate),
        milliseconds(job.plan.max_pause)
    );
    Err(Error::new(Kind::Busy, text).hint("allow more with `--max-pause SECONDS`"))
}

fn layout_source(layout: &Layout) -> String {
    match &layout.origin {
        layout::Origin::Dwarf(_) => "dwarf",
        layout::Origin::Table(_) => "table",
        layout::Origin::DebugOffsets => "debug-offsets",
    }
    .to_owned()
}

fn target_facts(process: &Process) -> TargetFacts {
    TargetFacts {
        pid: process.pid,
        start_time: process.start_time.clone(),
        host: procfs::host_name(),
        cmdline: process.command_line.clone(),
        executable: process.executable.as_ref().map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        rss_bytes: process.rss_bytes,
        threads: process.threads,
        python: PythonFacts::default(),
    }
}

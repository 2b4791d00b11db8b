//! What will happen, resolved: options over settings over what is built in, paths absolute, files of users read.
//!
//! A [`Plan`] is all that the rest of the program sees; nothing below asks arguments, variables, clock or terminal again.
//! What is wrong with a file named by the user is found here, before any process is touched.

mod choice;
mod group;
mod walk;
mod waste;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap_complete::Shell;

pub(crate) use group::GroupPlan;
pub(crate) use walk::{Walk, WalkPlan};
pub(crate) use waste::WastePlan;

use super::args::{AnalyzeArgs, CollectArgs, Command, CommonArgs, DemoArgs, DoctorArgs, ShowArgs, TableArgs};
use super::config::{self, Settings};
use super::environment::Environment;
use super::probes::{self, ProbePlan};
use super::values::{Collector, Format, Freeze};
use crate::error::{Error, Kind, Result};
use crate::units;

/// One command, ready to run.
#[derive(Debug)]
pub(crate) enum Plan {
    Analyze(Box<AnalyzePlan>),
    Report(ReportPlan),
    Diff(DiffPlan),
    Walk(WalkPlan),
    Group(Box<GroupPlan>),
    Waste(WastePlan),
    Ps(PsPlan),
    Doctor(Box<DoctorPlan>),
    Demo(Box<DemoPlan>),
    Completions(Shell),
    Layout { file: PathBuf, libraries: Vec<PathBuf> },
    Keeper,
}

/// `analyze`.
#[derive(Debug)]
pub(crate) struct AnalyzePlan {
    /// In the order given, each once; none when a core is read.
    pub(crate) targets: Vec<i32>,
    pub(crate) collect: CollectPlan,
    pub(crate) selection: Selection,
    /// Snapshots, or folders of them, to compare with.
    pub(crate) compare_with: Vec<PathBuf>,
    pub(crate) outputs: OutputPlan,
    pub(crate) thresholds: Thresholds,
    pub(crate) screen: Screen,
}

/// `report`.
#[derive(Debug)]
pub(crate) struct ReportPlan {
    pub(crate) snapshot: PathBuf,
    /// Where pictures go: beside the snapshot.
    pub(crate) pictures: PathBuf,
    pub(crate) selection: Selection,
    pub(crate) compare_with: Vec<PathBuf>,
    pub(crate) thresholds: Thresholds,
    pub(crate) screen: Screen,
}

/// `diff`.
#[derive(Debug)]
pub(crate) struct DiffPlan {
    /// The earliest first.
    pub(crate) earlier: Vec<PathBuf>,
    pub(crate) new: PathBuf,
    /// Rows of a table; all of them without.
    pub(crate) top: Option<usize>,
    pub(crate) thresholds: Thresholds,
    pub(crate) screen: Screen,
}

/// `ps`.
#[derive(Debug)]
pub(crate) struct PsPlan {
    pub(crate) screen: Screen,
}

/// `doctor`.
#[derive(Debug)]
pub(crate) struct DoctorPlan {
    /// Without one, only the machine is looked at.
    pub(crate) target: Option<i32>,
    pub(crate) collect: CollectPlan,
    pub(crate) screen: Screen,
}

/// `demo`.
#[derive(Debug)]
pub(crate) struct DemoPlan {
    /// The interpreter that runs the leaking program.
    pub(crate) python: PathBuf,
    pub(crate) collect: CollectPlan,
    pub(crate) selection: Selection,
    /// The folder of both snapshots.
    pub(crate) outputs: OutputPlan,
    pub(crate) screen: Screen,
}

/// How to get at heaps.
#[derive(Clone, Debug)]
pub(crate) struct CollectPlan {
    /// The file given to describe the targets; a regular file, absolute.
    pub(crate) exec: Option<PathBuf>,
    /// The core to read instead of a process; a file, absolute.
    pub(crate) core: Option<PathBuf>,
    /// Where the files are that its process had mapped; a folder, absolute.
    pub(crate) sysroot: Option<PathBuf>,
    pub(crate) collector: Collector,
    /// The GDB asked for, as it was named.
    pub(crate) gdb_name: PathBuf,
    /// Where that is; none when there is no such program.
    pub(crate) gdb: Option<PathBuf>,
    pub(crate) freeze: Freeze,
    /// For all of the work on one target.
    pub(crate) timeout: Duration,
    /// For making a twin.
    pub(crate) max_pause: Duration,
    /// For all of the work on a stopped target.
    pub(crate) max_hold: Duration,
    pub(crate) probes: ProbePlan,
    pub(crate) site_dirs: Vec<PathBuf>,
    pub(crate) debug_dirs: Vec<PathBuf>,
    /// Whether equal texts are to be told.
    pub(crate) contents: bool,
    /// Where private folders are made.
    pub(crate) temp_dir: PathBuf,
    /// Trace every step on stderr.
    pub(crate) trace: bool,
}

/// What of a heap is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Rows of a table; all of them without.
    pub(crate) top: Option<usize>,
    /// Of so many largest types, references are shown.
    pub(crate) largest: usize,
    /// And of these, as typed, each once.
    pub(crate) types: Vec<String>,
}

/// What is written, and where.
#[derive(Clone, Debug)]
pub(crate) struct OutputPlan {
    /// To be created, with its parents, when it is missing. Pictures go beside their snapshot.
    pub(crate) directory: PathBuf,
    /// The file given with `-f`.
    file: Option<PathBuf>,
    /// Whether files need the PID in their names to be told apart.
    several: bool,
    now: SystemTime,
}

impl OutputPlan {
    /// The snapshot of process `pid`: `FILE`, of several `FILE` with `-PID` after its stem, by default
    /// `snapshot-PID-TIME.parquet`.
    pub(crate) fn snapshot(&self, pid: i32) -> PathBuf {
        match &self.file {
            None => self.directory.join(format!("snapshot-{pid}-{}.parquet", units::utc_for_file_name(self.now))),
            Some(file) if !self.several => file.clone(),
            Some(file) => {
                let mut name = file.file_stem().unwrap_or_default().to_owned();
                name.push(format!("-{pid}"));
                if let Some(extension) = file.extension() {
                    name.push(".");
                    name.push(extension);
                }
                file.with_file_name(name)
            }
        }
    }
}

/// From where on a result is a failure (exit code 8), in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Thresholds {
    pub(crate) total: Option<u64>,
    pub(crate) growth: Option<u64>,
}

/// How to show things, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) format: Format,
    /// Sizes as exact numbers of bytes.
    pub(crate) exact: bool,
    /// Of stdout.
    pub(crate) colour: bool,
    /// Columns of stdout, if it is a terminal that tells.
    pub(crate) width: Option<usize>,
    /// Notices and progress are not wanted.
    pub(crate) quiet: bool,
    /// Whether a progress bar would be seen: on a terminal, not quiet, not in between a trace.
    pub(crate) progress: bool,
    pub(crate) now: SystemTime,
}

/// Makes the plan of `command`.
pub(crate) fn resolve(command: Command, here: &Environment) -> Result<Plan> {
    Ok(match command {
        Command::Analyze(args) => Plan::Analyze(Box::new(analyze(args, here)?)),
        Command::Report(args) => {
            let settings = load(&args.common, here)?;
            let snapshot = existing(here, &args.file, "the snapshot")?;
            Plan::Report(ReportPlan {
                pictures: snapshot.parent().unwrap_or(Path::new("/")).to_owned(),
                snapshot,
                selection: selection(&args.show, &settings),
                compare_with: earlier(here, &args.snapshot)?,
                thresholds: Thresholds {
                    total: args.fail_if_over.or(settings.fail_if_over),
                    growth: args.fail_if_growth.or(settings.fail_if_growth),
                },
                screen: screen(&args.show.table, &args.common, &settings, here),
            })
        }
        Command::Diff(args) => {
            let settings = load(&args.common, here)?;
            let table = args.table;
            let mut row = vec![existing(here, &args.old, "the earlier snapshot")?];
            for later in [args.new].iter().chain(&args.later) {
                row.push(existing(here, later, "the later snapshot")?);
            }
            let new = row.pop().expect("there are two at least");
            Plan::Diff(DiffPlan {
                earlier: row,
                new,
                thresholds: Thresholds { total: None, growth: args.fail_if_growth.or(settings.fail_if_growth) },
                screen: screen(&table, &args.common, &settings, here),
                top: top(&table, &settings),
            })
        }
        Command::Dominators(args) => {
            Plan::Walk(walk::walk(Walk::Dominators(args.subject), args.snapshot, args.walk, here)?)
        }
        Command::Paths(args) => Plan::Walk(walk::walk(Walk::Paths(args.subject), args.snapshot, args.walk, here)?),
        Command::Tree(args) => {
            let asked = Walk::Tree { subject: args.subject, up: args.up };
            Plan::Walk(walk::walk(asked, args.snapshot, args.walk, here)?)
        }
        Command::Group(args) => Plan::Group(Box::new(group::group(args, here)?)),
        Command::Waste(args) => Plan::Waste(waste::waste(args, here)?),
        Command::Ps(args) => {
            let settings = load(&args.common, here)?;
            let table = TableArgs { format: args.format, top: None, bytes: args.bytes };
            Plan::Ps(PsPlan { screen: screen(&table, &args.common, &settings, here) })
        }
        Command::Doctor(args) => Plan::Doctor(Box::new(doctor(args, here)?)),
        Command::Demo(args) => Plan::Demo(Box::new(demo(args, here)?)),
        Command::Completions { shell } => Plan::Completions(shell),
        Command::Layout { file, libraries } => Plan::Layout { file: existing(here, &file, "the file")?, libraries },
        Command::Keeper { .. } => Plan::Keeper,
    })
}

fn analyze(args: AnalyzeArgs, here: &Environment) -> Result<AnalyzePlan> {
    let settings = load(&args.common, here)?;
    let targets = each_once(args.pids);
    let mut screen = screen(&args.show.table, &args.common, &settings, here);
    screen.progress &= !args.collect.debug;
    let file = args.output_file.map(|file| output_file(here, &file)).transpose()?;
    if args.core.is_some() && args.collect.collector == Some(Collector::Gdb) {
        return Err(Error::new(Kind::Usage, "cannot use `-c gdb` with `--core`: in a core no interpreter can be run")
            .hint("leave `-c` out: a core is read from outside"));
    }
    if args.core.is_none() && args.sysroot.is_some() {
        return Err(Error::new(Kind::Usage, "cannot use `--sysroot` without `--core`")
            .hint("the files of a running process are found by themselves"));
    }
    let core = args.core.map(|core| existing(here, &core, "the core")).transpose()?;
    let sysroot = args.sysroot.map(|folder| sysroot(here, &folder)).transpose()?;
    let contents = args.contents || settings.contents;
    Ok(AnalyzePlan {
        selection: selection(&args.show, &settings),
        compare_with: earlier(here, &args.snapshot)?,
        outputs: OutputPlan {
            directory: output_directory(here, args.output_dir, &settings)?,
            file,
            several: targets.len() > 1,
            now: here.now,
        },
        thresholds: Thresholds {
            total: args.fail_if_over.or(settings.fail_if_over),
            growth: args.fail_if_growth.or(settings.fail_if_growth),
        },
        collect: CollectPlan { core, sysroot, contents, ..collect(args.collect, settings, here)? },
        targets,
        screen,
    })
}

fn doctor(args: DoctorArgs, here: &Environment) -> Result<DoctorPlan> {
    let settings = load(&args.common, here)?;
    let table = TableArgs { format: Some(Format::Text), top: None, bytes: false };
    let screen = screen(&table, &args.common, &settings, here);
    let typed = CollectArgs { exec: args.exec, collector: args.collector, freeze: args.freeze, ..Default::default() };
    Ok(DoctorPlan { target: args.pid, collect: collect(typed, settings, here)?, screen })
}

fn demo(args: DemoArgs, here: &Environment) -> Result<DemoPlan> {
    let settings = load(&args.common, here)?;
    let table = TableArgs { format: Some(Format::Text), top: None, bytes: false };
    let mut screen = screen(&table, &args.common, &settings, here);
    screen.progress &= !args.collect.debug;
    let name = args.python.unwrap_or_else(|| PathBuf::from("python3"));
    let python = here.find_program(&name).ok_or_else(|| {
        Error::new(Kind::BadFile, format!("cannot start the demo: there is no program `{}`", name.display()))
            .hint("name a Python 3.6 to 3.13 with `--python /path/to/python3`")
    })?;
    Ok(DemoPlan {
        python,
        selection: Selection { top: some_rows(settings.top), largest: 0, types: Vec::new() },
        outputs: OutputPlan {
            directory: output_directory(here, args.output_dir, &settings)?,
            file: None,
            several: false,
            now: here.now,
        },
        collect: CollectPlan { collector: Collector::Gdb, contents: false, ..collect(args.collect, settings, here)? },
        screen,
    })
}

fn load(common: &CommonArgs, here: &Environment) -> Result<Settings> {
    config::load(here, common.config.as_deref())
}

fn collect(args: CollectArgs, settings: Settings, here: &Environment) -> Result<CollectPlan> {
    let exec = args.exec.or(settings.exec).map(|path| executable(here, &path)).transpose()?;
    let mut site_dirs = Vec::new();
    for folder in args.site_dirs {
        let path = here.absolute(&folder);
        if !path.is_dir() {
            return Err(Error::new(
                Kind::BadFile,
                format!("cannot use `--site-dir {}`: no such folder", folder.display()),
            )
            .hint("it takes the folder that has objgraph.py or pympler/ in it"));
        }
        site_dirs.push(path);
    }
    // Those typed are searched first; a configured one may be missing on this machine.
    site_dirs.extend(settings.site_dirs.iter().map(|folder| here.absolute(folder)));
    Ok(CollectPlan {
        exec,
        core: None,
        sysroot: None,
        collector: args.collector.unwrap_or(settings.collector),
        gdb: here.find_program(&settings.gdb),
        gdb_name: settings.gdb,
        freeze: args.freeze.unwrap_or(settings.freeze),
        timeout: args.timeout.unwrap_or(settings.timeout),
        max_pause: args.max_pause.unwrap_or(settings.max_pause),
        max_hold: args.max_hold.unwrap_or(settings.max_hold),
        probes: probes::plan(&args.probes, &settings.probes, here)?,
        site_dirs: each_once(site_dirs),
        debug_dirs: settings.debug_dirs.iter().map(|folder| here.absolute(folder)).collect(),
        contents: settings.contents,
        temp_dir: here
            .variable("TMPDIR")
            .map_or_else(|| PathBuf::from("/tmp"), |folder| here.absolute(folder.as_ref())),
        trace: args.debug,
    })
}

fn selection(args: &ShowArgs, settings: &Settings) -> Selection {
    Selection {
        top: top(&args.table, settings),
        largest: args.show_references.unwrap_or(0),
        types: each_once(args.show_specific_references.clone()),
    }
}

fn top(args: &TableArgs, settings: &Settings) -> Option<usize> {
    some_rows(args.top.unwrap_or(settings.top))
}

/// No limit for 0.
fn some_rows(rows: usize) -> Option<usize> {
    (rows > 0).then_some(rows)
}

fn screen(table: &TableArgs, common: &CommonArgs, settings: &Settings, here: &Environment) -> Screen {
    let quiet = common.quiet || settings.quiet;
    Screen {
        format: table.format.unwrap_or(settings.format),
        exact: table.bytes || settings.bytes,
        colour: here.colour(),
        width: here.width(),
        quiet,
        progress: here.stderr_is_terminal && !quiet,
        now: here.now,
    }
}

/// The items without repetitions, in their order.
fn each_once<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(items.len());
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}

/// `-e`: a path, or the name of a program in `PATH`.
fn executable(here: &Environment, path: &Path) -> Result<PathBuf> {
    let absolute = here.absolute(path);
    let bare = !path.as_os_str().as_encoded_bytes().contains(&b'/');
    let found = Some(absolute).filter(|path| path.is_file()).or_else(|| here.find_program(path).filter(|_| bare));
    found.ok_or_else(|| {
        let hint = "`-e` takes the file whose symbols and debug information describe the target: the python it runs, or \
                    a separate debug file of it";
        Error::new(Kind::BadFile, format!("cannot use `-e {}`: no such file", path.display()))
            .hint(hint)
            .hint("without `-e` the target's own executable and its debug file by build-id are used")
    })
}

/// The folder of `--sysroot`.
fn sysroot(here: &Environment, folder: &Path) -> Result<PathBuf> {
    let absolute = here.absolute(folder);
    if absolute.is_dir() {
        return Ok(absolute);
    }
    Err(Error::new(Kind::BadFile, format!("cannot use `--sysroot {}`: no such folder", folder.display()))
        .hint("it takes the folder that has the process's usr/, lib/ and so on in it"))
}

/// A file that must be there to be read.
fn existing(here: &Environment, path: &Path, what: &str) -> Result<PathBuf> {
    let absolute = here.absolute(path);
    let wrong = |cause: String| Error::new(Kind::BadFile, format!("cannot read {what} {}: {cause}", path.display()));
    match absolute.metadata() {
        Err(error) => Err(wrong(error.to_string())),
        Ok(facts) if facts.is_dir() => Err(wrong("it is a folder".to_owned()).hint("name one of the files in it")),
        Ok(_) => Ok(absolute),
    }
}

/// What to compare with: files or folders that must be there.
fn earlier(here: &Environment, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let absolute = paths.iter().map(|path| {
        let absolute = here.absolute(path);
        absolute.metadata().map(|_| absolute).map_err(|error| {
            Error::new(Kind::BadFile, format!("cannot read the earlier snapshot {}: {error}", path.display()))
                .hint("`--snapshot` takes a snapshot, or a folder of them, from an earlier run")
        })
    });
    Ok(each_once(absolute.collect::<Result<_>>()?))
}

/// The file of `-f`, which can be written as far as one can tell.
fn output_file(here: &Environment, path: &Path) -> Result<PathBuf> {
    let absolute = here.absolute(path);
    let wrong = |cause: &str| Error::new(Kind::BadFile, format!("cannot write `-f {}`: {cause}", path.display()));
    if absolute.is_dir() || path.file_name().is_none() {
        return Err(wrong("it is a folder").hint("`-o DIR` takes a folder"));
    }
    if !absolute.parent().is_some_and(Path::is_dir) {
        return Err(wrong("its folder does not exist"));
    }
    Ok(absolute)
}

/// The folder of `-o`, which may still be missing, but not be anything else.
fn output_directory(here: &Environment, typed: Option<PathBuf>, settings: &Settings) -> Result<PathBuf> {
    let path = typed.unwrap_or_else(|| settings.output_dir.clone());
    let absolute = here.absolute(&path);
    if absolute.exists() && !absolute.is_dir() {
        return Err(Error::new(Kind::BadFile, format!("cannot write into {}: it is not a folder", path.display()))
            .hint("`-f FILE` takes a file"));
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests;

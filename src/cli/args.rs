//! The command line as typed. Doc comments are the help; nothing here looks at files, variables or the terminal.
//!
//! What one may ask for later (other collectors, a viewer) is absent rather than refused.

mod group;
mod walk;
mod waste;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub(crate) use group::GroupArgs;
pub(crate) use walk::{DominatorsArgs, PathsArgs, SnapshotArg, TreeArgs, WalkArgs};
pub(crate) use waste::WasteArgs;

use super::values::{self, Collector, Format, Freeze, ProbeChoice};

/// Tells what fills the memory of a running Python process
#[derive(Debug, Parser)]
#[command(
    name = "memory-analyzer",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = GENERAL_HELP,
    long_about = "Tells what fills the memory of a running Python process, by its PID.\n\n\
                  GDB has the interpreter itself answer, in a copy-on-write twin of the process: the process goes on \
                  after a pause of some milliseconds, whatever happens to the twin."
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Collect, analyse and report the heap of one or many processes
    #[command(visible_alias = "run", after_long_help = ANALYZE_HELP)]
    Analyze(AnalyzeArgs),
    /// Report a snapshot again, without the process
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Show what grew between two snapshots, or each time between several
    #[command(after_long_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// Show what holds the memory of a snapshot: its dominator tree
    #[command(after_long_help = DOMINATORS_HELP)]
    Dominators(DominatorsArgs),
    /// Show how the roots lead to an object, or to all objects of a type
    #[command(after_long_help = PATHS_HELP)]
    Paths(PathsArgs),
    /// Show what objects refer to, or what refers to them, step by step
    #[command(after_long_help = TREE_HELP)]
    Tree(TreeArgs),
    /// Put the objects of a snapshot, or some of them, into groups
    #[command(after_long_help = GROUP_HELP)]
    Group(GroupArgs),
    /// Show what of a snapshot holds nothing, and how many bytes would be saved
    #[command(after_long_help = WASTE_HELP)]
    Waste(WasteArgs),
    /// List the Python processes here
    #[command(
        long_about = "Lists the Python processes here: PID, version, user, resident memory, threads, whether we \
                            can attach, command line"
    )]
    Ps(PsArgs),
    /// Can we attach, and how? If not: the exact remedy
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Start a leaking Python program, analyse it twice, show the growth
    Demo(DemoArgs),
    /// Write a completion script for a shell to stdout
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell to write for
        shell: Shell,
    },
    /// Write the struct offsets that the DWARF of FILE tells, as a table for config/layouts
    #[command(hide = true)]
    Layout {
        /// A CPython executable or library, or its separate debug file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Extension modules, for the types that they define
        #[arg(value_name = "LIBRARY", value_hint = ValueHint::FilePath)]
        libraries: Vec<PathBuf>,
    },
    /// Stand by to let a target go when its analysis dies; started by `analyze` itself
    #[command(hide = true, disable_help_flag = true)]
    Keeper {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What `analyze` takes.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// The processes to analyse
    #[arg(value_name = "PID", required_unless_present = "core", value_parser = values::pid)]
    pub(crate) pids: Vec<i32>,
    /// Analyse this core file of a process instead, from the kernel or from gcore
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["pids", "freeze"])]
    pub(crate) core: Option<PathBuf>,
    /// With --core: the file system that the process had, where its program and libraries are [default: /]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) sysroot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) collect: CollectArgs,
    /// Note which str and bytes are equal, for `waste`: takes longer; the contents themselves are not kept
    #[arg(long)]
    pub(crate) contents: bool,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Compare with this earlier snapshot, or with the one of the same process in this folder
    #[arg(long, value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) snapshot: Vec<PathBuf>,
    /// The snapshot to write; of several processes each gets its PID put into the name
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output_file: Option<PathBuf>,
    /// Where snapshots and pictures go [default: memory_analyzer_out/]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output_dir: Option<PathBuf>,
    /// Exit with 8 if the objects of a process take more than this, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) fail_if_over: Option<u64>,
    /// Exit with 8 if they grew by more than this since the snapshot compared with
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) fail_if_growth: Option<u64>,
    /// Accepted for old scripts; nothing is ever uploaded
    #[arg(long, hide = true)]
    pub(crate) no_upload: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How to get at a heap.
#[derive(Debug, Default, Args)]
pub(crate) struct CollectArgs {
    /// The file whose symbols and debug information describe the target [default: found]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
    pub(crate) exec: Option<PathBuf>,
    /// Who collects [default: auto]
    #[arg(short, long, value_enum, value_name = "COLLECTOR")]
    pub(crate) collector: Option<Collector>,
    /// What the work is done on [default: auto]
    #[arg(long, value_enum, value_name = "WAY")]
    pub(crate) freeze: Option<Freeze>,
    /// Run this probe in the interpreter too: of objgraph and pympler only those named, or a file of your own
    ///
    /// heap, gc and threads always run. By default objgraph and pympler run as well; once any probe is named
    /// (`--probe heap`), of these two only those named. FILE.py reports under the name of its file.
    #[arg(long = "probe", value_name = "NAME|FILE.py", value_parser = values::probe, value_hint = ValueHint::FilePath)]
    pub(crate) probes: Vec<ProbeChoice>,
    /// A folder in which the target finds objgraph and pympler if it has none of its own
    #[arg(long = "site-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) site_dirs: Vec<PathBuf>,
    /// Give up a process after this time [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) timeout: Option<Duration>,
    /// The longest the target may stand still while its twin is made [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) max_pause: Option<Duration>,
    /// With --freeze stop: the longest the target may stand still altogether [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) max_hold: Option<Duration>,
    /// Tell on stderr, step by step with times, what we and GDB are doing
    #[arg(short, long)]
    pub(crate) debug: bool,
}

/// What to show of a heap.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Show the largest object of each of the N largest types: what it refers to, what refers to it, what keeps it
    #[arg(short = 's', long, value_name = "N", value_parser = values::rows)]
    pub(crate) show_references: Option<usize>,
    /// The same for this type, such as app.cache.Entry or builtins.dict (also written -ss)
    #[arg(short = 'S', long, value_name = "TYPE")]
    pub(crate) show_specific_references: Vec<String>,
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

/// How tables are written.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// How to write the report [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// How many types a table shows; 0 for all [default: 20]
    #[arg(long, value_name = "N", value_parser = values::rows)]
    pub(crate) top: Option<usize>,
    /// Exact numbers of bytes in tables
    #[arg(long)]
    pub(crate) bytes: bool,
}

/// What every command takes that reads settings.
#[derive(Debug, Default, Args)]
pub(crate) struct CommonArgs {
    /// Nothing on stderr but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Settings, over those of the machine and the user
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// What `report` takes.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The snapshot to report
    #[arg(value_name = "SNAPSHOT", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Compare with this earlier snapshot, or with the one of the same process in this folder
    #[arg(long, value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) snapshot: Vec<PathBuf>,
    /// Exit with 8 if the objects take more than this, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) fail_if_over: Option<u64>,
    /// Exit with 8 if they grew by more than this since the snapshot compared with
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) fail_if_growth: Option<u64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `diff` takes.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The earlier snapshot
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) old: PathBuf,
    /// The later snapshot
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) new: PathBuf,
    /// Still later ones: what is shown then is only what grew each time
    #[arg(value_name = "LATER", value_hint = ValueHint::FilePath)]
    pub(crate) later: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Exit with 8 if the objects grew by more than this, such as 100MiB; of several snapshots, if what grew each time did
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) fail_if_growth: Option<u64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `ps` takes.
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// How to write the list [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Exact numbers of bytes
    #[arg(long)]
    pub(crate) bytes: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `doctor` takes.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The process to look at; without it, the machine alone
    #[arg(value_name = "PID", value_parser = values::pid)]
    pub(crate) pid: Option<i32>,
    /// The file whose symbols and debug information describe the target [default: found]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
    pub(crate) exec: Option<PathBuf>,
    /// Who would collect [default: auto]
    #[arg(short, long, value_enum, value_name = "COLLECTOR")]
    pub(crate) collector: Option<Collector>,
    /// What the work would be done on [default: auto]
    #[arg(long, value_enum, value_name = "WAY")]
    pub(crate) freeze: Option<Freeze>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The Python to run the leaking program with [default: python3 of PATH]
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::ExecutablePath)]
    pub(crate) python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) collect: CollectArgs,
    /// Where snapshots and pictures go [default: memory_analyzer_out/]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

const GENERAL_HELP: &str = "\
Examples:
  memory-analyzer ps                                     which Python processes there are
  memory-analyzer doctor 4711                            can it be analysed, and how
  memory-analyzer analyze 4711 -e /usr/bin/python3-dbg   what fills it
  memory-analyzer diff old.parquet new.parquet           what grew
  memory-analyzer dominators new.parquet                 what holds the memory
  memory-analyzer paths new.parquet app.cache.Entry      where these objects are
  memory-analyzer group new.parquet --by via             who refers to objects, through what
  memory-analyzer waste new.parquet                      what holds nothing

Results are on stdout, everything else on stderr. NO_COLOR is kept.

Settings, later wins: built in, /etc/memory-analyzer.toml, the user's
$XDG_CONFIG_HOME/memory-analyzer/config.toml, --config, variables MEMORY_ANALYZER_<SETTING>, options.

Exit codes:
  0  done
  1  a defect of ours
  2  wrong usage or configuration
  3  no such process, or it ended meanwhile
  4  not Python, or a version we cannot read
  5  not permitted
  6  the target cannot be examined now
  7  some targets failed, others were reported
  8  a threshold was exceeded
  9  a file given is missing, damaged, or of another kind";

const ANALYZE_HELP: &str = "\
Examples:
  memory-analyzer analyze 4711                           what fills this process
  memory-analyzer analyze 4711 -e /usr/bin/python3-dbg   its debug information is there
  memory-analyzer analyze 4711 -s 3                      what keeps the three largest types, too
  memory-analyzer analyze 4711 -S app.cache.Entry        what keeps this type
  memory-analyzer analyze 4711 --snapshot old.parquet    what grew since then
  memory-analyzer analyze 4711 4712 --format json        two processes, for a program
  memory-analyzer analyze 4711 -q --fail-if-over 2GiB    from cron: exit code 8 when it is too much
  memory-analyzer analyze --core core.4711               what filled a process that is no more

The target feels nothing but the pause for making its twin. Where no twin can be made, the stopped
target itself is examined, for at most --max-hold seconds, and the report says why.

The program and libraries that the process of a core had mapped are looked for under --sysroot, beside
the core and in -e; a file counts when it begins like the memory it was mapped to.";

const REPORT_HELP: &str = "\
Examples:
  memory-analyzer report today.parquet
  memory-analyzer report today.parquet -S app.cache.Entry --snapshot yesterday.parquet";

const DIFF_HELP: &str = "\
Examples:
  memory-analyzer diff yesterday.parquet today.parquet
  memory-analyzer diff yesterday.parquet today.parquet --fail-if-growth 100MiB";

const DOMINATORS_HELP: &str = "\
Examples:
  memory-analyzer dominators today.parquet                    from the top
  memory-analyzer dominators today.parquet app.cache.Cache    what all caches hold
  memory-analyzer dominators today.parquet 0x7f3f010d4050     what this object holds

An object retains what would be free if it went: what is reached through it alone. What two objects
hold together is under the last object through which both are reached. Many objects of a type
are one branch, but those that retain a tenth of what is above them stand alone. What is less than a
hundredth of the whole is not unfolded. Weak references hold nothing.";

const PATHS_HELP: &str = "\
Examples:
  memory-analyzer paths today.parquet app.cache.Entry    where in the program they are
  memory-analyzer paths today.parquet 0x7f3f010d4050     why this object is alive

Of each object the shortest path counts. Paths that take the same steps are merged, many subscripts
of a container into `[…]`, a step taken again and again, as in a linked list, into `.next…`. Weak
references hold nothing.";

const TREE_HELP: &str = "\
Examples:
  memory-analyzer tree today.parquet app.cache.Entry --depth 2    what they refer to
  memory-analyzer tree today.parquet 0x7f3f010d4050 --up          what refers to this object

What was unfolded once is not unfolded again; where that leads back to where one came from, it is
marked as a cycle.";

const GROUP_HELP: &str = "\
Examples:
  memory-analyzer group new.parquet --by module                    which part of the program it is
  memory-analyzer group new.parquet --type Entry --by via          who refers to them, through what
  memory-analyzer group new.parquet --new-since old.parquet        what has come since
  memory-analyzer group new.parquet --refers-to 0x7f3f010d4050     who refers to this object
  memory-analyzer group new.parquet --by owner --by type           what is kept by what alone

Each object is in one group: what several refer to is in that of exactly these. Weak references are none.
An object is new when the earlier snapshot has none of its type at its address.";

const WASTE_HELP: &str = "\
Examples:
  memory-analyzer analyze 4711 -c reader --contents    a snapshot that tells which texts are equal
  memory-analyzer waste today.parquet                  what of it holds nothing

Equal str and bytes, containers that are larger than a copy of them, empty containers, numbers in lists that
an array would hold, dicts of instances that __slots__ would do without. What is told is less than what would
be saved, never more: what others hold, what a snapshot does not tell, and what only the interpreter could
change is left out. The same bytes may be in several kinds.";

const DOCTOR_HELP: &str = "\
Examples:
  memory-analyzer doctor          this machine
  memory-analyzer doctor 4711     this process, as the user we are

The exit code is what `analyze` would end with: 0 when it can work, 5 when it is not permitted, and so on.";

const COMPLETIONS_HELP: &str = "\
Examples:
  memory-analyzer completions bash > ~/.local/share/bash-completion/completions/memory-analyzer
  memory-analyzer completions fish > ~/.config/fish/completions/memory-analyzer.fish";

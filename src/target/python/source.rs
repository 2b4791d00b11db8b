//! Where a target's mapped files can be had: of a process by ways that lead to the very file, of a core wherever they
//! were found; where there is none, what of it is in memory.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};
use crate::target::core::Core;
use crate::target::elf::Elf;
use crate::target::maps::Mapping;
use crate::target::memory::Memory;
use crate::target::read_proc;

/// So many files are named in an error.
const MAX_NAMED: usize = 8;

/// What an interpreter is looked for in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// The process with this PID.
    Process(i32),
    Core(&'a Core),
}

impl Source<'_> {
    pub(super) fn pid(self) -> i32 {
        match self {
            Source::Process(pid) => pid,
            Source::Core(core) => core.pid(),
        }
    }

    /// The file behind `mappings`, or what memory has of it and why it cannot be had.
    pub(super) fn image(self, mappings: &[&Mapping], memory: &dyn Memory) -> (Elf, Option<io::Error>) {
        let opened = match self {
            Source::Process(pid) => open_mapped(pid, mappings, Some(memory)),
            Source::Core(core) => open_stored(core, mappings),
        };
        match opened {
            Ok(elf) => (elf, None),
            Err(error) => (Elf::loaded(mappings, memory).unwrap_or_else(Elf::unknown), Some(error)),
        }
    }

    /// The separate file with the symbols of this build that came with a core.
    pub(super) fn description(&self, elf: &Elf) -> Option<&Elf> {
        match self {
            Source::Process(_) => None,
            Source::Core(core) => core.description(&elf.build_id()?),
        }
    }
}

fn open_stored(core: &Core, mappings: &[&Mapping]) -> io::Result<Elf> {
    let path = mappings.first().and_then(|first| core.file(&first.path)).map(|(path, _)| path);
    Elf::open(path.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its file was not found"))?)
}

/// Opens the file behind `mappings` by a way that leads to the very file, or by one that is proven to.
///
/// A file that is only *called* like the mapped one must begin like the memory it is mapped to; without `memory` that
/// is not compared, which will do for a listing.
pub(super) fn open_mapped(pid: i32, mappings: &[&Mapping], memory: Option<&dyn Memory>) -> io::Result<Elf> {
    let first = mappings[0];
    // Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, and is the file whatever became of its name.
    let mapped = PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", first.start, first.end));
    let refused = match Elf::open(&mapped) {
        Ok(elf) => return Ok(elf),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    };
    let executable = PathBuf::from(format!("/proc/{pid}/exe"));
    // A deleted one is told so in the link as in the mappings.
    let name = if first.deleted { format!("{} (deleted)", first.path.display()).into() } else { first.path.clone() };
    if std::fs::read_link(&executable).is_ok_and(|link| link == name) {
        return Elf::open(&executable);
    }
    // Names are those of the target's mount namespace; under a mere `chroot`, ours.
    let inside = Path::new(&format!("/proc/{pid}/root")).join(first.path.strip_prefix("/").unwrap_or(&first.path));
    let opened = |path: PathBuf| {
        let elf = Elf::open(&path)?;
        memory.map_or(Ok(()), |memory| prove(&elf, mappings, memory))?;
        Ok(elf)
    };
    opened(inside).or_else(|error: io::Error| {
        let other_way = opened(first.path.clone());
        // With the right to open it by its mapping, the name would not have mattered.
        let kind = if refused { io::ErrorKind::PermissionDenied } else { error.kind() };
        other_way.map_err(|_| io::Error::new(kind, error.to_string()))
    })
}

/// Compares the beginning of a file with that of the memory it should be mapped to.
fn prove(elf: &Elf, mappings: &[&Mapping], memory: &dyn Memory) -> io::Result<()> {
    match elf.begins_like(mappings, memory) {
        Some(true) => Ok(()),
        Some(false) => Err(io::Error::other("the file of this name is another one by now")),
        None => Err(io::Error::other("its beginning cannot be compared")),
    }
}

/// Why no interpreter was found: what the error says.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) without: Vec<String>,
    pub(super) rejected: Vec<String>,
    pub(super) refused: Vec<String>,
    /// Their files are not here, and memory does not tell.
    pub(super) absent: Vec<String>,
}

impl Tried {
    pub(super) fn refused(&mut self, name: &str, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::PermissionDenied => self.refused.push(format!("{name}: {error}")),
            io::ErrorKind::NotFound => self.absent.push(name.to_owned()),
            _ => self.rejected.push(format!("{name}: {error}")),
        }
    }

    pub(super) fn error(self, source: Source<'_>) -> Error {
        let pid = source.pid();
        let what = match source {
            Source::Process(_) => format!("pid {pid} is not a Python process that can be read"),
            Source::Core(_) => format!("there is no Python that can be read in the core of pid {pid}"),
        };
        if let Source::Process(pid) = source {
            if !Path::new(&format!("/proc/{pid}")).exists() {
                return Error::new(Kind::NoProcess, format!("process {pid} ended meanwhile"));
            }
            if !self.refused.is_empty() {
                let text = format!("cannot open the mapped files of pid {pid}: {}", list(&self.refused));
                return Error::new(Kind::NotPermitted, text)
                    .hint("run as root: other users' files, and deleted or replaced ones, need it");
            }
        }
        let mut text = what;
        let rejected: Vec<String> = self.rejected.into_iter().chain(self.refused).collect();
        if !rejected.is_empty() {
            text.push_str(&format!(": {}", list(&rejected)));
        }
        if !self.without.is_empty() {
            text.push_str(&format!(": no `_PyRuntime` in {}", list(&self.without)));
        }
        if !self.absent.is_empty() {
            text.push_str(&format!(": there is no file of {}", list(&self.absent)));
        }
        if self.without.is_empty() && rejected.is_empty() && self.absent.is_empty() {
            text.push_str(": no program is mapped (a kernel thread, a zombie, or just starting)");
        }
        let error = Error::new(Kind::NotPython, text);
        match source {
            Source::Process(_) => error.hint("`memory-analyzer ps` lists the Python processes on this machine"),
            Source::Core(_) => error
                .hint("give the interpreter's file with `-e`, or with `--sysroot DIR` the file system that the process had")
                .hint("without any files, a core tells its interpreter from CPython 3.13 on"),
        }
    }
}

fn list(items: &[String]) -> String {
    let named: Vec<&str> = items.iter().take(MAX_NAMED).map(String::as_str).collect();
    let mut text = named.join(", ");
    if items.len() > MAX_NAMED {
        text.push_str(&format!(" and {} more", items.len() - MAX_NAMED));
    }
    text
}

/// The threads of a process as the process itself numbers them (its PID namespace), as `native_thread_id` has them.
pub(super) fn native_thread_ids(pid: i32) -> Vec<u64> {
    const MAX_STATUS: u64 = 1 << 16;
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let ids = tasks.filter_map(|task| {
        let status = read_proc(&task.ok()?.path().join("status").to_string_lossy(), MAX_STATUS).ok()?;
        let status = String::from_utf8_lossy(&status).into_owned();
        // NSpid: its id in each namespace, from ours to its own (proc_pid_status(5)).
        status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()
    });
    ids.collect()
}

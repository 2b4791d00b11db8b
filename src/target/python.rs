//! Which interpreter runs in a process: found among its mapped files by what they contain, never by what they are
//! called.
//!
//! Works when the file is deleted, renamed, embedded in another program or in another mount namespace. Reads only. A
//! mapped file counts when it has `_PyRuntime` (3.7 and later) or 3.6's statics, and its copy in memory is a live one:
//! `ctypes` may map a static binary's text a second time, and a library beside a static interpreter is loaded but never
//! initialised.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::elf::Elf;
use super::maps::{self, Mapping};
use super::memory::Memory;
use super::read_proc;
use super::version::{self, Version};
use crate::error::{Error, Kind, Result};
use crate::units::printable;

/// Programs have some hundred libraries; each one looked at costs a few reads.
const MAX_FILES: usize = 4096;
/// So many of them are named in an error.
const MAX_NAMED: usize = 8;
/// The static data of an interpreter is below 1 MiB.
const MAX_STATIC_DATA: u64 = 64 << 20;
/// What is compared to prove that a file is the mapped one: its headers and, nearly always, its build-id.
const HEAD: usize = 4096;
const MAX_NAME: usize = 200;
/// Exported by builds with `Py_REF_DEBUG` and by no others, 3.6 to 3.15 (`Include/object.h`).
const DEBUG_SYMBOL: &str = "_Py_NegativeRefcount";

/// A file of the target that is mapped and open.
#[derive(Debug)]
pub(crate) struct Image {
    /// As the target names it.
    pub(crate) path: PathBuf,
    /// In hexadecimal.
    pub(crate) build_id: Option<String>,
    /// To be added to its addresses to get those in the process.
    pub(crate) bias: u64,
    pub(crate) elf: Elf,
}

/// A live CPython in a process.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) pid: i32,
    pub(crate) image: Image,
    pub(crate) version: Version,
    /// Built with `--with-pydebug`.
    pub(crate) debug: bool,
    pub(crate) free_threaded: bool,
    /// The address of `_PyRuntime` in the process, 0 for 3.6.
    pub(crate) runtime: u64,
}

impl Interpreter {
    /// The address in the process of a symbol of the mapped file, exported or not.
    pub(crate) fn symbol(&self, name: &str) -> Option<u64> {
        self.image.elf.symbol(name).map(|symbol| symbol.address.wrapping_add(self.image.bias))
    }
}

/// What in a file speaks for Python, in the file's own addresses.
enum Evidence {
    /// `_PyRuntime`.
    Runtime(u64),
    /// `_PyThreadState_Current`, of 3.6 and before.
    Current(u64),
}

impl Evidence {
    /// From the exported symbols and the section table; for `thorough` from the full symbol table too.
    fn of(elf: &Elf, thorough: bool) -> Option<Evidence> {
        let symbol = |name| if thorough { elf.symbol(name) } else { elf.dynamic_symbol(name) };
        if let Some(runtime) = symbol("_PyRuntime") {
            return Some(Evidence::Runtime(runtime.address));
        }
        // Since 3.10 it has a section of its own, which also a binary without symbols keeps.
        if let Some(section) = elf.section(".PyRuntime") {
            return Some(Evidence::Runtime(section.address));
        }
        let current = symbol("_PyThreadState_Current")?;
        symbol("PyInterpreterState_Head").and(symbol("Py_GetVersion"))?;
        Some(Evidence::Current(current.address))
    }
}

/// Why no interpreter was found: what the error says.
#[derive(Default)]
struct Tried {
    without: Vec<String>,
    rejected: Vec<String>,
    refused: Vec<String>,
}

/// Finds the interpreter of process `pid`.
///
/// Errors: `NotPython` naming the files looked at, `NotPermitted` when they could not be opened, `NoProcess` when it is
/// gone.
pub(crate) fn find(pid: i32, maps: &[Mapping], memory: &dyn Memory) -> Result<Interpreter> {
    let mut tried = Tried::default();
    for mappings in files(maps) {
        let name = printable(&mappings[0].path.to_string_lossy(), MAX_NAME);
        let elf = match open_mapped(pid, &mappings, Some(memory)) {
            Ok(opened) => opened,
            Err(error) => {
                tried.refused(&name, &error);
                continue;
            }
        };
        let Some(evidence) = Evidence::of(&elf, true) else {
            tried.without.push(name);
            continue;
        };
        let mut biases: Vec<u64> = mappings.iter().filter_map(|m| elf.bias(m.start, m.offset)).collect();
        biases.dedup();
        let found = biases.iter().map(|&bias| (bias, examine(&elf, &evidence, bias, maps, memory)));
        match found.reduce(|first, other| if first.1.is_ok() { first } else { other }) {
            Some((bias, Ok(facts))) => {
                let path = mappings[0].path.clone();
                let image = Image { path, build_id: elf.build_id(), bias, elf };
                let debug = image.elf.symbol(DEBUG_SYMBOL).is_some();
                let Facts { version, free_threaded, runtime } = facts;
                return Ok(Interpreter { pid, image, version, debug, free_threaded, runtime });
            }
            Some((_, Err(why))) => tried.rejected.push(format!("{name}: {why}")),
            None => tried.rejected.push(format!("{name}: none of its mappings fits its program headers")),
        }
    }
    Err(tried.error(pid))
}

struct Facts {
    version: Version,
    free_threaded: bool,
    runtime: u64,
}

/// Whether a file's copy at `bias` is a live interpreter; else why not.
fn examine(
    elf: &Elf,
    evidence: &Evidence,
    bias: u64,
    maps: &[Mapping],
    memory: &dyn Memory,
) -> std::result::Result<Facts, String> {
    let (Evidence::Runtime(address) | Evidence::Current(address)) = *evidence;
    let address = address.wrapping_add(bias);
    let data = maps.iter().find(|m| m.contains(address)).filter(|m| m.permissions.read && m.permissions.write);
    if data.is_none() {
        return Err(format!("there is no data at {address:#x}, where its state belongs"));
    }
    let unreadable = |error: io::Error| format!("cannot read its state at {address:#x}: {error}");
    let mut head = [0; 48];
    memory.read(address, &mut head).map_err(unreadable)?;
    let word = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));

    let version =
        version_in_memory(elf, bias, memory).or_else(|| version_in_file(elf)).ok_or("its version is unknown")?;
    let mut free_threaded = false;
    match evidence {
        Evidence::Current(_) if version.at_least(3, 7) => return Err(format!("{version} without `_PyRuntime`")),
        Evidence::Current(_) if !version.at_least(3, 6) => return Err(format!("Python {version} is older than 3.6")),
        Evidence::Current(_) => return Ok(Facts { version, free_threaded, runtime: 0 }),
        // `_Py_DebugOffsets` (Include/internal/pycore_debug_offsets.h): cookie, version, free-threaded, then of
        // `_PyRuntimeState` the size and the offsets of `_finalizing` and `interpreters.head`.
        Evidence::Runtime(_) if version.at_least(3, 13) => {
            if &head[..8] != b"xdebugpy" || word(8) != u64::from(version.hex()) {
                return Err("`_PyRuntime` does not begin with this version's debug offsets".to_owned());
            }
            free_threaded = word(16) != 0;
            let (size, interpreters) = (word(24), word(40));
            if interpreters >= size || memory.u64(address.wrapping_add(interpreters)).map_err(unreadable)? == 0 {
                return Err("it is loaded but not initialised".to_owned());
            }
        }
        // 3.7 to 3.12 begin with the flags that initialisation sets.
        Evidence::Runtime(_) if head[..20].iter().all(|&byte| byte == 0) => {
            return Err("it is loaded but not initialised".to_owned());
        }
        Evidence::Runtime(_) => {}
    }
    Ok(Facts { version, free_threaded, runtime: address })
}

fn version_in_memory(elf: &Elf, bias: u64, memory: &dyn Memory) -> Option<Version> {
    // `const unsigned long Py_Version`, since 3.11.
    if let Some(symbol) = elf.symbol("Py_Version") {
        return Version::from_hex(memory.u64(symbol.address.wrapping_add(bias)).ok()?);
    }
    elf.loads().iter().filter(|load| load.writable).find_map(|load| {
        let mut bytes = vec![0; load.memory_size.min(MAX_STATIC_DATA) as usize];
        // Page by page: what follows the relocated part may have other permissions.
        for (index, page) in bytes.chunks_mut(HEAD).enumerate() {
            let at = load.address.wrapping_add(bias).wrapping_add((index * HEAD) as u64);
            memory.read(at, page).ok();
        }
        version::in_memory(&bytes)
    })
}

fn version_in_file(elf: &Elf) -> Option<Version> {
    if let Some(symbol) = elf.dynamic_symbol("Py_Version") {
        let bytes = elf.initial(symbol.address, 8)?;
        return Version::from_hex(u64::from_le_bytes(*bytes.first_chunk()?));
    }
    version::in_literals(&elf.section_data(".rodata")?)
}

/// What a file says of the interpreter in it, without a process.
pub(crate) struct Flavour {
    pub(crate) version: Version,
    pub(crate) debug: bool,
    pub(crate) free_threaded: bool,
}

/// The flavour of the interpreter in `elf`, an executable or a library; `None` when there is none of 3.6 or later.
pub(crate) fn flavour_of_file(elf: &Elf) -> Option<Flavour> {
    let evidence = Evidence::of(elf, true)?;
    let version = version_in_file(elf).filter(|version| version.at_least(3, 6))?;
    let free_threaded = match evidence {
        Evidence::Runtime(runtime) if version.at_least(3, 13) => {
            elf.initial(runtime.wrapping_add(16), 8)?.first() == Some(&1)
        }
        _ => false,
    };
    Some(Flavour { version, debug: elf.symbol(DEBUG_SYMBOL).is_some(), free_threaded })
}

/// The version of the interpreter in `pid` by its files alone, for listing processes: needs no right to attach, and
/// costs a few reads. `3` when it is Python 3 of a version not told cheaply. Looks at the executable, whatever its
/// name, and at libraries that are called Python.
pub(crate) fn looks_like_python(pid: i32) -> Option<String> {
    let version = |elf: &Elf| {
        Evidence::of(elf, false)?;
        Some(version_in_file(elf).map_or_else(|| "3".to_owned(), |version| version.to_string()))
    };
    if let Some(found) = Elf::open(Path::new(&format!("/proc/{pid}/exe"))).ok().as_ref().and_then(version) {
        return Some(found);
    }
    let maps = maps::read(pid).ok()?;
    let libraries = files(&maps).into_iter().take_while(|mappings| called_python(mappings[0]));
    libraries.filter_map(|mappings| open_mapped(pid, &mappings, None).ok()).find_map(|elf| version(&elf))
}

fn called_python(mapping: &Mapping) -> bool {
    mapping.path.file_name().is_some_and(|name| name.to_string_lossy().contains("python"))
}

/// The mappings of each distinct file that has code, those called Python first: a name decides the order, nothing else.
fn files(maps: &[Mapping]) -> Vec<Vec<&Mapping>> {
    let mut files: BTreeMap<_, Vec<&Mapping>> = BTreeMap::new();
    for mapping in maps.iter().filter(|mapping| mapping.is_file()) {
        files.entry((mapping.device, mapping.inode, &mapping.path)).or_default().push(mapping);
    }
    let mut files: Vec<_> =
        files.into_values().filter(|mappings| mappings.iter().any(|m| m.permissions.execute)).collect();
    files.sort_by_key(|mappings| (!called_python(mappings[0]), mappings[0].start));
    files.truncate(MAX_FILES);
    files
}

/// Opens the file behind `mappings` by a way that leads to the very file, or by one that is proven to.
///
/// A file that is only *called* like the mapped one must begin like the memory it is mapped to; without `memory` that
/// is not compared, which will do for a listing.
fn open_mapped(pid: i32, mappings: &[&Mapping], memory: Option<&dyn Memory>) -> io::Result<Elf> {
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
    let begin = mappings.iter().find(|mapping| mapping.offset == 0 && mapping.permissions.read);
    let head = elf.head(HEAD).ok_or_else(|| io::Error::other("it cannot be read"))?;
    let begin = begin.ok_or_else(|| io::Error::other("its beginning is not mapped"))?;
    let mut there = vec![0; head.len()];
    memory.read(begin.start, &mut there)?;
    if head == there { Ok(()) } else { Err(io::Error::other("the file of this name is another one by now")) }
}

impl Tried {
    fn refused(&mut self, name: &str, error: &io::Error) {
        if error.kind() == io::ErrorKind::PermissionDenied {
            self.refused.push(format!("{name}: {error}"));
        } else {
            self.rejected.push(format!("{name}: {error}"));
        }
    }

    fn error(self, pid: i32) -> Error {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Error::new(Kind::NoProcess, format!("process {pid} ended meanwhile"));
        }
        if !self.refused.is_empty() {
            let text = format!("cannot open the mapped files of pid {pid}: {}", list(&self.refused));
            return Error::new(Kind::NotPermitted, text)
                .hint("run as root: other users' files, and deleted or replaced ones, need it");
        }
        let mut text = format!("pid {pid} is not a Python process that can be read");
        if !self.rejected.is_empty() {
            text.push_str(&format!(": {}", list(&self.rejected)));
        }
        if !self.without.is_empty() {
            text.push_str(&format!(": no `_PyRuntime` in {}", list(&self.without)));
        }
        if self.without.is_empty() && self.rejected.is_empty() {
            text.push_str(": no program is mapped (a kernel thread, a zombie, or just starting)");
        }
        Error::new(Kind::NotPython, text).hint("`memory-analyzer ps` lists the Python processes on this machine")
    }
}

fn list(items: &[String]) -> String {
    let mut text = items[..items.len().min(MAX_NAMED)].join(", ");
    if items.len() > MAX_NAMED {
        text.push_str(&format!(" and {} more", items.len() - MAX_NAMED));
    }
    text
}

/// The threads of a process as the process itself numbers them (its PID namespace), as `native_thread_id` has them.
pub(crate) fn native_thread_ids(pid: i32) -> Vec<u64> {
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

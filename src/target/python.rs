//! Which interpreter runs in a process: found among its mapped files by what they contain, never by what they are
//! called.
//!
//! Works when the file is deleted, renamed, embedded in another program or in another mount namespace. Reads only. A
//! mapped file counts when it has `_PyRuntime` (3.7 and later) or 3.6's statics, and its copy in memory is a live one:
//! `ctypes` may map a static binary's text a second time, and a library beside a static interpreter is loaded but never
//! initialised.

mod source;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::core::Thread;
use super::elf::Elf;
use super::maps::{self, Mapping};
use super::memory::Memory;
use super::version::{self, Version};
use crate::error::{Error, Kind, Result};
use crate::units::printable;
pub(crate) use source::Source;
use source::{Tried, native_thread_ids, open_mapped};

/// Programs have some hundred libraries; each one looked at costs a few reads.
const MAX_FILES: usize = 4096;
/// The static data of an interpreter is below 1 MiB.
const MAX_STATIC_DATA: u64 = 64 << 20;
const PAGE: usize = 4096;
/// `_Py_DebugOffsets` begins with it, and `_PyRuntime` with those, since 3.13.
const COOKIE: &[u8] = b"xdebugpy";
const MAX_NAME: usize = 200;
/// Exported by builds with `Py_REF_DEBUG` and by no others, 3.6 to 3.15 (`Include/object.h`).
const DEBUG_SYMBOL: &str = "_Py_NegativeRefcount";

/// A file of the target that is mapped, and open if it can be had.
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

/// A CPython that is (or, in a core, was) alive in a process.
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
    /// The threads of a process that is no more, from its core; those of a live one come and go.
    pub(crate) threads: Option<Vec<Thread>>,
}

impl Interpreter {
    /// Whether it is of a kind that can be examined at all.
    ///
    /// Without a GIL every thread has heaps of its own, and no list has all objects; reference counts are in two parts, in
    /// a larger header (`Include/internal/pycore_mimalloc.h`, `Include/object.h`).
    pub(crate) fn is_supported(&self) -> Result<()> {
        if !self.free_threaded {
            return Ok(());
        }
        let Version { major, minor, .. } = self.version;
        let runs = if self.threads.is_some() { "ran" } else { "runs" };
        let text = format!(
            "pid {} {runs} a free-threaded build of CPython {}, which is not supported: its objects are in heaps of mimalloc that \
             belong to its threads, and in no list of the collector",
            self.pid, self.version
        );
        Err(Error::new(Kind::NotPython, text)
            .hint(format!("the ordinary build can be analysed: `python{major}.{minor}`, not `python{major}.{minor}t`")))
    }

    /// The address in the process of a symbol of the mapped file, exported or not.
    pub(crate) fn symbol(&self, name: &str) -> Option<u64> {
        self.image.elf.symbol(name).map(|symbol| symbol.address.wrapping_add(self.image.bias))
    }

    /// The threads of the process as the process itself numbers them, as `native_thread_id` has them.
    pub(crate) fn native_thread_ids(&self) -> Vec<u64> {
        match &self.threads {
            Some(threads) => threads.iter().map(|thread| thread.native_id).collect(),
            None => native_thread_ids(self.pid),
        }
    }

    /// What `pthread_self()` is in each thread, where a core tells it.
    pub(crate) fn thread_pointers(&self) -> Vec<u64> {
        self.threads.iter().flatten().filter_map(|thread| thread.pointer).collect()
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

/// Finds the interpreter of `source`, whose mappings and memory are given.
///
/// Errors: `NotPython` naming the files looked at, `NotPermitted` when they could not be opened, `NoProcess` when it is
/// gone.
pub(crate) fn find(source: Source<'_>, maps: &[Mapping], memory: &dyn Memory) -> Result<Interpreter> {
    let mut tried = Tried::default();
    let search = Search { source, maps, memory };
    let files = files(maps);
    for mappings in &files {
        let (elf, absent) = source.image(mappings, memory);
        let name = name_of(mappings);
        match (search.evidence(&elf), absent) {
            (Some(evidence), _) => match search.settle(mappings, elf, &evidence) {
                Ok(interpreter) => return Ok(interpreter),
                Err(why) => tried.rejected.push(format!("{name}: {why}")),
            },
            (None, Some(error)) => tried.refused(&name, &error),
            (None, None) => tried.without.push(name),
        }
    }
    // A file that tells nothing, or none at all: `_PyRuntime` itself is in memory.
    let unnamed: Vec<&Mapping> = maps.iter().filter(|mapping| files.is_empty() && mapping.permissions.write).collect();
    for mappings in files.iter().chain((!unnamed.is_empty()).then_some(&unnamed)) {
        let Some(runtime) = cookie(mappings, memory) else { continue };
        let (elf, _) = source.image(mappings, memory);
        let bias = biases(&elf, mappings).first().copied().unwrap_or(0);
        match search.settle(mappings, elf, &Evidence::Runtime(runtime.wrapping_sub(bias))) {
            Ok(interpreter) => return Ok(interpreter),
            Err(why) => tried.rejected.push(format!("{}: {why}", name_of(mappings))),
        }
    }
    Err(tried.error(source))
}

struct Search<'a> {
    source: Source<'a>,
    maps: &'a [Mapping],
    memory: &'a dyn Memory,
}

impl Search<'_> {
    /// In the file itself, or in the one that describes it.
    fn evidence(&self, elf: &Elf) -> Option<Evidence> {
        Evidence::of(elf, true).or_else(|| Evidence::of(self.source.description(elf)?, true))
    }

    /// The interpreter that `evidence` speaks for, if one of the file's copies in memory is alive.
    fn settle(&self, mappings: &[&Mapping], elf: Elf, evidence: &Evidence) -> std::result::Result<Interpreter, String> {
        let biases = biases(&elf, mappings);
        let found = biases.iter().map(|&bias| (bias, examine(&elf, evidence, bias, self.maps, self.memory)));
        match found.reduce(|first, other| if first.1.is_ok() { first } else { other }) {
            Some((bias, Ok(Facts { version, free_threaded, runtime }))) => {
                let path = mappings.first().map(|first| first.path.clone()).unwrap_or_default();
                let debug = self.is_debug(&elf, &path);
                let threads = match self.source {
                    Source::Process(_) => None,
                    Source::Core(core) => Some(core.threads().to_vec()),
                };
                let image = Image { path, build_id: elf.build_id(), bias, elf };
                Ok(Interpreter { pid: self.source.pid(), image, version, debug, free_threaded, runtime, threads })
            }
            Some((_, Err(why))) => Err(why),
            None => Err("none of its mappings fits its program headers".to_owned()),
        }
    }

    /// By what it exports. Where no symbols are to be had, its name is all there is.
    fn is_debug(&self, elf: &Elf, path: &Path) -> bool {
        let exports = |elf: &Elf| elf.symbol(DEBUG_SYMBOL).is_some();
        if elf.symbol("Py_IsInitialized").is_some() || elf.is_file() {
            return exports(elf);
        }
        self.source.description(elf).map_or_else(|| called_debug(path), exports)
    }
}

/// `python3-dbg`, `python3.13d`, `libpython3.13d.so.1.0`.
fn called_debug(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.split(".so").next().unwrap_or_default();
    let abi = name.trim_end_matches("-dbg").rsplit_once("python").map_or("", |(_, abi)| abi);
    name.ends_with("-dbg") || abi.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').contains('d')
}

fn name_of(mappings: &[&Mapping]) -> String {
    printable(&mappings.first().map_or("".into(), |first| first.path.to_string_lossy()), MAX_NAME)
}

/// Where the copies of a file are; one that tells nothing of it is where it is.
fn biases(elf: &Elf, mappings: &[&Mapping]) -> Vec<u64> {
    if elf.loads().is_empty() {
        return vec![0];
    }
    let mut biases: Vec<u64> = mappings.iter().filter_map(|m| elf.bias(m.start, m.offset)).collect();
    biases.dedup();
    biases
}

/// The address of a `_PyRuntime` of 3.13 or later in writable memory: it begins with a cookie and its version.
fn cookie(mappings: &[&Mapping], memory: &dyn Memory) -> Option<u64> {
    let writable = mappings.iter().filter(|m| m.permissions.read && m.permissions.write && !m.permissions.shared);
    let mut chunk = vec![0; PAGE];
    for mapping in writable {
        let end = mapping.end.min(mapping.start.saturating_add(MAX_STATIC_DATA));
        let mut at = mapping.start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(PAGE).min(PAGE);
            let part = &mut chunk[..length];
            if memory.read(at, part).is_ok() {
                let found = part.chunks_exact(8).enumerate().filter(|(_, word)| *word == COOKIE);
                let addresses = found.map(|(index, _)| at + 8 * index as u64);
                let version = |address: &u64| Version::from_hex(memory.u64(address.wrapping_add(8)).ok()?);
                if let Some(found) = addresses.into_iter().find(|at| version(at).is_some_and(|v| v.at_least(3, 13))) {
                    return Some(found);
                }
            }
            at += length as u64;
        }
    }
    None
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

    let told = || Version::from_hex(word(8)).filter(|_| head.starts_with(COOKIE));
    let version = version_in_memory(elf, bias, memory).or_else(|| version_in_file(elf)).or_else(told);
    let version = version.ok_or("its version is unknown")?;
    let mut free_threaded = false;
    match evidence {
        Evidence::Current(_) if version.at_least(3, 7) => return Err(format!("{version} without `_PyRuntime`")),
        Evidence::Current(_) if !version.at_least(3, 6) => return Err(format!("Python {version} is older than 3.6")),
        Evidence::Current(_) => {
            // Null until it begins (Python/pylifecycle.c): extension modules may bring the library along with a program
            // that has the interpreter itself.
            let begun = elf.symbol("Py_FileSystemDefaultEncoding").map(|symbol| symbol.address.wrapping_add(bias));
            if begun.is_some_and(|at| memory.u64(at).is_ok_and(|pointer| pointer == 0)) {
                return Err("it is loaded but not initialised".to_owned());
            }
            return Ok(Facts { version, free_threaded, runtime: 0 });
        }
        // `_Py_DebugOffsets` (Include/internal/pycore_debug_offsets.h): cookie, version, free-threaded, then of
        // `_PyRuntimeState` the size and the offsets of `_finalizing` and `interpreters.head`.
        Evidence::Runtime(_) if version.at_least(3, 13) => {
            if !head.starts_with(COOKIE) || word(8) != u64::from(version.hex()) {
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
        for (index, page) in bytes.chunks_mut(PAGE).enumerate() {
            let at = load.address.wrapping_add(bias).wrapping_add((index * PAGE) as u64);
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
    let free_threaded = is_free_threaded(elf, &evidence, version);
    Some(Flavour { version, debug: elf.symbol(DEBUG_SYMBOL).is_some(), free_threaded })
}

/// By the debug offsets that a file's `_PyRuntime` begins with, since 3.13.
fn is_free_threaded(elf: &Elf, evidence: &Evidence, version: Version) -> bool {
    match evidence {
        Evidence::Runtime(runtime) if version.at_least(3, 13) => {
            elf.initial(runtime.wrapping_add(16), 8).is_some_and(|flag| flag.first() == Some(&1))
        }
        _ => false,
    }
}

/// What the files of a process say of its interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// `3` when it is Python 3 of a version not told cheaply.
    pub(crate) version: String,
    pub(crate) free_threaded: bool,
}

/// The interpreter in `pid` by its files alone, for listing processes: needs no right to attach, and costs a few reads.
/// Looks at the executable, whatever its name, and at libraries that are called Python.
pub(crate) fn looks_like_python(pid: i32) -> Option<Look> {
    let look = |elf: &Elf| {
        let evidence = Evidence::of(elf, false)?;
        let version = version_in_file(elf);
        Some(Look {
            version: version.map_or_else(|| "3".to_owned(), |version| version.to_string()),
            free_threaded: version.is_some_and(|version| is_free_threaded(elf, &evidence, version)),
        })
    };
    if let Some(found) = Elf::open(Path::new(&format!("/proc/{pid}/exe"))).ok().as_ref().and_then(look) {
        return Some(found);
    }
    let maps = maps::read(pid).ok()?;
    let libraries = files(&maps).into_iter().take_while(|mappings| called_python(mappings[0]));
    libraries.filter_map(|mappings| open_mapped(pid, &mappings, None).ok()).find_map(|elf| look(&elf))
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

//! Where the fields of CPython's structs are: named offsets as data, found for one interpreter and checked against it.
//!
//! `_Py_DebugOffsets` (3.13 and later) tells a few; the rest is from the DWARF of the mapped file or of a debug file
//! with its build-id, else from the tables in `config/layouts`. Nothing is used before the self-check, and nothing is
//! guessed: no layout is better than a wrong one, which returns plausible numbers.

mod check;
mod debug_offsets;
mod dwarf;
mod generate;
mod names;
mod objects;
#[cfg(test)]
mod sample;
mod statics;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub(crate) use generate::generate;

use crate::error::{Error, Kind, Result};
use crate::target::elf::Elf;
use crate::target::memory::Memory;
use crate::target::python::Interpreter;
use crate::units::printable;
use statics::Statics;
use table::Table;

/// No struct of CPython is bigger, in bytes.
const MAX_OFFSET: u64 = 16 << 20;
/// A running target changes what is checked while it is checked.
const CHECKS: usize = 5;
const MAX_NAME: usize = 200;

type Offsets = BTreeMap<&'static str, u64>;

/// What a source of layouts tells.
#[derive(Clone, Debug, Default)]
struct Found {
    offsets: Offsets,
    /// The members of plain objects' structs by the first of their types; the empty name is that of the size.
    objects: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

impl Found {
    /// Adds what only extension modules have, whose debug information is not the interpreter's, as `near` has it: the table of a
    /// build like this one. Before it is used, what the type says of its size is compared.
    fn add_library(&mut self, near: &Found) {
        for field in names::library().flat_map(|structure| structure.fields) {
            if let Some(&offset) = near.offsets.get(field.name) {
                self.offsets.entry(field.name).or_insert(offset);
            }
        }
        for (&name, members) in &near.objects {
            self.objects.entry(name).or_insert_with(|| members.clone());
        }
    }
}

/// The struct of a plain C type.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    /// In bytes, as `tp_basicsize` counts.
    pub(crate) size: u64,
    /// The members that refer to objects, with the step to them in Python.
    pub(crate) visits: Vec<(u64, &'static str)>,
    /// While the byte here is zero, there are none of them.
    pub(crate) given: Option<u64>,
}

/// Where a layout is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The debug information in this file.
    Dwarf(PathBuf),
    /// The table of this name in `config/layouts`.
    Table(&'static str),
    /// The interpreter's own table alone.
    DebugOffsets,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Dwarf(path) => {
                write!(f, "debug information of {}", printable(&path.to_string_lossy(), MAX_NAME))
            }
            Origin::Table(name) => write!(f, "table {name}"),
            Origin::DebugOffsets => f.write_str("_Py_DebugOffsets"),
        }
    }
}

/// Named offsets in bytes: `runtime.*` from `_PyRuntime`, `interp.*` in `PyInterpreterState`, `tstate.*` in
/// `PyThreadState`, `gil.*` in `struct _gil_runtime_state`; `*.size` are sizes. 3.6 has statics instead of the first
/// and the last.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) origin: Origin,
    found: Found,
    statics: Statics,
}

impl Layout {
    pub(crate) fn offset(&self, name: &str) -> Option<u64> {
        self.found.offsets.get(name).copied()
    }

    /// Like [`Layout::offset`]; that there is none is an error of kind `NotPython`.
    pub(crate) fn require(&self, name: &str) -> Result<u64> {
        let unknown = || format!("the offset `{name}` is unknown: {} does not tell it", self.origin);
        self.offset(name).ok_or_else(|| with_remedies(Error::new(Kind::NotPython, unknown())))
    }

    /// The same with one offset that is another.
    #[cfg(test)]
    pub(crate) fn with(&self, name: &'static str, offset: u64) -> Layout {
        let mut layout = self.clone();
        layout.found.offsets.insert(name, offset);
        layout
    }

    /// Whether it passes the check of this module, as [`resolve`] demands of what it finds.
    #[cfg(test)]
    pub(crate) fn fits(&self, interpreter: &Interpreter, memory: &dyn Memory) -> std::result::Result<(), String> {
        checked(self, interpreter, memory)
    }

    /// The plain C types that are known, by name.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&'static str, Plain)> + '_ {
        let found =
            objects::OBJECTS.iter().filter_map(|object| Some((object, self.found.objects.get(object.types[0])?)));
        found.flat_map(|(object, members)| {
            let offset = |path: &str| members.get(path).copied();
            // 3.13 has both of a methodcaller, and sets the latter when that is first called, not before.
            let is_set = |path: &str| path != "vectorcall_kwnames" || offset("xargs").is_none();
            let visits = object.visits.iter().filter(|(path, _)| is_set(path));
            let visits = visits.filter_map(|(path, step)| Some((offset(path)?, *step)));
            let plain =
                Plain { size: offset("").unwrap_or(0), visits: visits.collect(), given: object.given.and_then(offset) };
            object.types.iter().map(move |name| (*name, plain.clone()))
        })
    }

    /// The address in the process of one of 3.6's statics (`gil_locked`, `interp_head`, …), unless symbols were
    /// stripped.
    pub(crate) fn symbol_address(&self, name: &str) -> Option<u64> {
        self.statics.get(name).copied()
    }
}

/// What helps where a layout is missing.
fn with_remedies(error: Error) -> Error {
    error
        .hint("install the debug symbols of this very build (Debian, Ubuntu: `apt install python3-dbg`)")
        .hint("or give an unstripped file of this very build with -e")
}

/// The layout of `interpreter`, checked against it. `debug_files` are files proven to be of the same build.
///
/// Errors: `NotPython` with everything that was tried and why it would not do.
pub(crate) fn resolve(interpreter: &Interpreter, debug_files: &[PathBuf], memory: &dyn Memory) -> Result<Layout> {
    let version = interpreter.version;
    let mut tried = Vec::new();
    let mut told = Offsets::new();
    if version.at_least(3, 13) {
        match debug_offsets::read(interpreter.runtime, version, memory) {
            Ok(offsets) => told = offsets,
            Err(why) => tried.push(why),
        }
    }
    let separate = open(interpreter, debug_files, &mut tried);
    let own = (&interpreter.image.path, &interpreter.image.elf);
    let files: Vec<_> = std::iter::once(own).chain(separate.iter().map(|(path, elf)| (path, elf))).collect();
    let (statics, sizes) = if version.at_least(3, 7) { Default::default() } else { statics::find(interpreter, &files) };

    let (same_build, near): (Vec<_>, Vec<_>) =
        table::fitting(interpreter).into_iter().partition(|table| table.is_of(interpreter));
    let from_table = |table: Table| (Origin::Table(table.name), Ok(table.found));
    let from_file = |(path, elf): &(&PathBuf, &Elf)| {
        let found = dwarf::find(elf, version).map(|mut found| {
            near.first().iter().for_each(|table| found.add_library(&table.found));
            found
        });
        (Origin::Dwarf(path.to_path_buf()), found)
    };
    // The table of this very build says the same as its DWARF, and is quicker. Each is only made when those before
    // failed.
    let sources = same_build.into_iter().map(from_table).chain(files.iter().map(from_file));
    let sources = sources.chain(near.iter().map(|table| (Origin::Table(table.name), Ok(table.found.clone()))));
    let sources = sources.chain(
        (!told.is_empty()).then(|| (Origin::DebugOffsets, Ok(Found { offsets: told.clone(), ..Found::default() }))),
    );
    for (origin, found) in sources {
        let outcome = found.and_then(|mut found| {
            contradiction(&found.offsets, &told)?;
            found.offsets.extend(told.iter().chain(&sizes).map(|(&name, &offset)| (name, offset)));
            let layout = Layout { origin: origin.clone(), found, statics: statics.clone() };
            checked(&layout, interpreter, memory).map(|()| layout)
        });
        match outcome {
            Ok(layout) => return Ok(layout),
            Err(why) => tried.push(format!("{origin}: {why}")),
        }
    }
    let text = format!("cannot tell how CPython {version} of pid {} lays out its structs", interpreter.pid);
    let text = if tried.is_empty() { text } else { format!("{text}: {}", tried.join("; ")) };
    Err(with_remedies(Error::new(Kind::NotPython, text)))
}

/// Those of `debug_files` that are of this build.
fn open(interpreter: &Interpreter, debug_files: &[PathBuf], tried: &mut Vec<String>) -> Vec<(PathBuf, Elf)> {
    let mut files = Vec::new();
    for path in debug_files {
        match Elf::open(path) {
            Ok(elf) if elf.build_id() == interpreter.image.build_id => files.push((path.clone(), elf)),
            Ok(_) => tried.push(format!("{} is of another build", path.display())),
            Err(error) => tried.push(format!("{}: {error}", path.display())),
        }
    }
    files
}

/// What the interpreter tells of itself is right for this build; so what says otherwise is of another one.
fn contradiction(offsets: &Offsets, told: &Offsets) -> std::result::Result<(), String> {
    for (name, offset) in offsets {
        if let Some(own) = told.get(name).filter(|&own| own != offset) {
            return Err(format!("{name} is {offset}, but by _Py_DebugOffsets {own}"));
        }
    }
    Ok(())
}

fn checked(layout: &Layout, interpreter: &Interpreter, memory: &dyn Memory) -> std::result::Result<(), String> {
    let mut outcome = Ok(());
    for _ in 0..CHECKS {
        let (ids, pointers) = (interpreter.native_thread_ids(), interpreter.thread_pointers());
        let runtime = interpreter.runtime;
        let target = check::Target { runtime, native_thread_ids: &ids, thread_pointers: &pointers, memory };
        outcome = check::check(layout, &target);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::target::elf::{DEBUG_FOLDER, find_debug_file};
    use crate::target::memory::ProcessMemory;
    use crate::target::python::Source;
    use crate::target::{maps, python};

    /// A Python program that waits, with a second thread; it dies with this value.
    struct Target(Child);

    impl Target {
        /// `None` when there is no such interpreter here.
        fn start(python: &str) -> Option<Target> {
            let program = "import mmap, sys, threading, time\n\
                file = open(sys.executable or '/proc/self/exe', 'rb')\n\
                again = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)\n\
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n\
                sys.stdout.write('!'); sys.stdout.flush(); sys.stdin.read()";
            let child = Command::new(python)
                .args(["-c", program])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut target = Target(child.ok()?);
            let mut byte = [0];
            target.0.stdout.as_mut()?.read_exact(&mut byte).ok()?;
            Some(target)
        }

        fn pid(&self) -> i32 {
            self.0.id() as i32
        }
    }

    impl Drop for Target {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    /// Every interpreter called by a usual name here; those that are not are left out.
    #[test]
    fn real_interpreters_are_found_and_their_layouts_hold() {
        let minors = (6..=15).flat_map(|minor| [format!("python3.{minor}"), format!("python3.{minor}-dbg")]);
        for name in ["python3".to_owned(), "python3-dbg".to_owned()].into_iter().chain(minors) {
            let Some(target) = Target::start(&name) else { continue };
            let pid = target.pid();
            let memory = ProcessMemory::open(pid).expect("our child's memory opens");
            let maps = maps::read(pid).expect("our child's mappings are readable");
            let interpreter =
                python::find(Source::Process(pid), &maps, &memory).unwrap_or_else(|error| panic!("{name}: {error}"));
            let look = python::Look { version: interpreter.version.to_string(), free_threaded: false };
            assert_eq!(python::looks_like_python(pid), Some(look), "{name}");
            assert_eq!(interpreter.debug, name.ends_with("-dbg"), "{name}");
            if let Some(minor) = name.strip_prefix("python3.").map(|rest| rest.trim_end_matches("-dbg")) {
                assert_eq!(interpreter.version.minor.to_string(), minor);
            }
            let debug_file = interpreter
                .image
                .build_id
                .as_ref()
                .and_then(|id| find_debug_file(id, &std::path::Path::new("/").join(DEBUG_FOLDER)));
            let layout =
                resolve(&interpreter, debug_file.as_slice(), &memory).unwrap_or_else(|e| panic!("{name}: {e}"));
            let by_name = interpreter.symbol("_PyRuntime").unwrap_or(0);
            assert!(by_name == 0 || by_name == interpreter.runtime, "{name}: {by_name:#x}");

            // What every source says must hold, not only what the first one did.
            let mapped = PathBuf::from(format!("/proc/{}/root", interpreter.pid))
                .join(interpreter.image.path.strip_prefix("/").expect("absolute"));
            for path in debug_file.iter().chain([&mapped]) {
                let Ok(elf) = Elf::open(path) else { continue }; // renamed and deleted in one of the tests
                let Ok(found) = dwarf::find(&elf, interpreter.version) else { continue };
                for (field, offset) in &found.offsets {
                    assert_eq!(layout.offset(field), Some(*offset), "{name}: {field} by {} and DWARF", layout.origin);
                }
            }
            for table in table::fitting(&interpreter) {
                let layout = Layout { origin: Origin::Table(table.name), found: table.found, ..layout.clone() };
                assert_eq!(layout.fits(&interpreter, &memory), Ok(()), "{name}: {}", layout.origin);
            }
            wrong_layouts_are_refused(&name, &layout, &interpreter, &memory);
        }
    }

    /// A layout with any of the checked fields somewhere else must not pass.
    fn wrong_layouts_are_refused(name: &str, layout: &Layout, interpreter: &Interpreter, memory: &dyn Memory) {
        for field in
            ["interp.threads_head", "tstate.interp", "tstate.thread_id", "runtime.interpreters_head", "interp.gil"]
        {
            let Some(offset) = layout.offset(field) else { continue };
            if field == "tstate.thread_id" && layout.offset("tstate.native_thread_id").is_some() {
                continue;
            }
            // With one interpreter the head of the list is the main one.
            let main = layout.offset("runtime.interpreters_main");
            for wrong in [offset + 8, offset + 16].into_iter().filter(|&wrong| Some(wrong) != main) {
                let outcome = layout.with(field, wrong).fits(interpreter, memory);
                assert!(outcome.is_err(), "{name}: {field} at {wrong} instead of {offset} passed");
            }
        }
    }

    /// The file is called something else, was deleted, and is mapped a second time, without data, as `libffi` does.
    #[test]
    fn a_renamed_and_deleted_interpreter_is_found() {
        let Some(original) = Target::start("python3") else { return };
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let path = directory.path().join("worker (deleted)");
        // Not by us: a child that another test starts meanwhile would have the copy open for writing, and none can run it.
        let exe = format!("/proc/{}/exe", original.pid());
        let copied = std::process::Command::new("cp").arg(exe).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()), "it can be copied");
        let Some(target) = Target::start(&path.to_string_lossy()) else { return };
        drop(directory);
        let memory = ProcessMemory::open(target.pid()).expect("our child's memory opens");
        let maps = maps::read(target.pid()).expect("our child's mappings are readable");
        let interpreter =
            python::find(Source::Process(target.pid()), &maps, &memory).unwrap_or_else(|error| panic!("{error}"));
        resolve(&interpreter, &[], &memory).unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn what_is_no_python_is_told_so() {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut target = Target(child.expect("there is a `cat`"));
        // It answers once it is itself.
        target.0.stdin.as_mut().expect("piped").write_all(b"!").expect("it reads");
        target.0.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("it answers");
        let memory = ProcessMemory::open(target.pid()).expect("our child's memory opens");
        let maps = maps::read(target.pid()).expect("our child's mappings are readable");
        let error = python::find(Source::Process(target.pid()), &maps, &memory).expect_err("it is no Python");
        assert_eq!(error.kind, Kind::NotPython, "{error}");
        assert!(error.text.contains("no `_PyRuntime` in /"), "{error}");
        assert_eq!(python::looks_like_python(target.pid()), None);
    }
}

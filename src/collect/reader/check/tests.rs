//! Layouts that are wrong in one place, and interpreters that are not what they should be, on real processes: refused, or
//! without effect, but never another heap that nobody would doubt.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::fields::Fields;
use super::super::{Extent, Source, Unreadable, read};
use crate::freeze::{self, How};
use crate::layout::{self, Layout};
use crate::target::maps::{self, Mapping};
use crate::target::memory::{Memory, ProcessMemory};
use crate::target::python::{self, Interpreter};

/// Something of everything that a wrong offset could hide; then it says where some objects are, and waits.
const PROGRAM: &str = "
import sys, collections, types
class Plain:
    def __init__(self, number):
        self.number, self.text, self.more = number, 'text %d' % number, [number]
class Slotted:
    __slots__ = 'left', 'right'
def generate(first):
    second = [first]
    yield second
    yield first
KEPT = [Plain(number + 1000) for number in range(50)]
for number in range(50):
    one = Slotted()
    one.left, one.right = bytes(number), str(number) * number
    KEPT.append(one)
KEPT += [generate(object()) for number in range(20)]
for one in KEPT[-20:]:
    next(one)
KEPT += [{number, str(number), (number, 'a')} for number in range(1000, 1020)]
KEPT += [set(range(number, number + 40)) for number in range(20)]
KEPT += [bytearray(number) for number in range(20)]
KEPT += [{object(): number for number in range(count)} for count in range(40)]
KEPT += ['\\xe9' * number for number in range(20)] + ['\\u20ac' * number for number in range(20)]
KEPT += [1 << number for number in range(200)] + [-1 << number for number in range(100)]
KEPT += [types.ModuleType('module')] + [collections.deque(range(number)) for number in range(100)]
def wait(kept, more):
    print(id(None), id(type), id(sys.version), id(int), id(sys.modules))
    sys.stdout.flush(); sys.stdin.read()
wait([object()], 'more')
";

/// Of these a wrong offset may go unnoticed. Of most of them the whole struct's size is checked, which no change of a struct
/// leaves as it is; of the others no object is certain to be anywhere.
const NOT_HELD: &[&str] = &[
    // Structs that only some objects have.
    "array",
    "buffered",
    "bytearray.allocated",
    "bytes_io",
    "combinations",
    "ctypes_dict",
    "ctypes_info",
    "decimal",
    "deque",
    "deque_block",
    "element",
    "element_extra",
    "element_iterator",
    "element_place",
    "format_code",
    "generator",
    "hamt_array",
    "hamt_bitmap",
    "hamt_collision",
    "lru_cache",
    "lru_link",
    "member",
    "memo_entry",
    "memo_table",
    "module.definition",
    "module.state",
    "module_def",
    "ordered_dict",
    "ordered_dict_node",
    "permutations",
    "pickle_stack",
    "pickler",
    "product",
    "set",
    "simple_queue",
    "struct",
    "syntax_node",
    "syntax_tree",
    "tee_data",
    "unpickler",
    "combinations_with_replacement",
    // Parts of structs whose size is checked.
    "code.cell2arg",
    "code.cellvars",
    "code.extra",
    "code.firstlineno",
    "code.freevars",
    "code.nlocals",
    "code.opcache",
    "code.opcache_size",
    "code.stacksize",
    "code_extra",
    "heaptype.cached_keys",
    "heaptype.module",
    "opcache",
    "str.compact_size",
    "str.data",
    "str.utf8",
    "str.utf8_length",
    "str.wstr",
    "str.wstr_length",
    "type.cache",
    "type.size",
    // Frames: as long as what is found is one, or null, it may be another; where addresses are random, so is what is found.
    "cframe",
    "frame",
    "iframe.globals",
    "iframe.locals",
    "iframe.owner",
    "iframe.previous",
    "iframe.stack_top",
    "tstate.current_frame",
    "tstate.frame",
    "tstate.thread_id",
    // That it does not lead back is told, as it may be changing.
    "interp.gc_permanent",
    "runtime.gc_permanent",
];

struct Running {
    child: Child,
    /// What it said.
    told: Vec<u64>,
}

impl Running {
    fn start(python: &Path) -> Running {
        let mut command = Command::new(python);
        command.args(["-I", "-S", "-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        let told = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        Running { child, told }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Memory with some words that are others.
struct Patched<'a> {
    memory: &'a dyn Memory,
    words: Vec<(u64, u64)>,
}

impl Memory for Patched<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.memory.read(address, buffer)?;
        for (at, word) in &self.words {
            let place = at.checked_sub(address).and_then(|start| buffer.get_mut(start as usize..)?.get_mut(..8));
            if let Some(place) = place {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// What a layout makes of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Refused(String),
    Collecting,
    /// With a warning, or with anomalies.
    Doubted,
    /// Count and bytes by type, references, threads.
    Heap(BTreeMap<String, (u64, u64)>, u64, String),
}

/// The memory of a process with its layout.
struct Subject {
    memory: Box<dyn Memory + Sync>,
    mappings: Vec<Mapping>,
    layout: Layout,
    interpreter: Interpreter,
}

impl Subject {
    fn of(running: &Running) -> Subject {
        let pid = running.child.id() as i32;
        let memory = ProcessMemory::open(pid).expect("our child's memory opens");
        let maps = maps::read(pid).expect("our child's mappings are readable");
        let interpreter = python::find(python::Source::Process(pid), &maps, &memory).expect("it is found");
        let layout = layout::resolve(&interpreter, &[], &memory).expect("it is known");
        let copy = freeze::copy(pid, How::Stop, Duration::from_secs(10)).expect("it can be copied");
        Subject { mappings: copy.mappings.clone(), memory: Box::new(copy), layout, interpreter }
    }

    fn read(&self, layout: &Layout, memory: &(dyn Memory + Sync)) -> Outcome {
        if let Err(why) = layout.fits(&self.interpreter, memory) {
            return Outcome::Refused(why);
        }
        let Interpreter { version, runtime, .. } = self.interpreter;
        let (mappings, until, check) = (&self.mappings, None, Extent::Whole);
        let source = Source { memory, mappings, layout, version, runtime, until, check, contents: true };
        match read(&source, 1, false) {
            Err(Unreadable::Collecting) => Outcome::Collecting,
            Err(Unreadable::Failed(error) | Unreadable::Unfit(error)) => {
                assert_eq!(error.kind.exit_code(), 4, "{error}");
                Outcome::Refused(error.to_string())
            }
            Ok(received) if received.coverage.anomalies > 0 || !received.notices.is_empty() => Outcome::Doubted,
            Ok(received) => {
                let heap = &received.heap;
                let mut types = BTreeMap::new();
                for object in heap.objects() {
                    let row = types.entry(heap.type_name_of(object).to_owned()).or_insert((0, 0u64));
                    *row = (row.0 + 1, row.1.saturating_add(heap.size(object)));
                }
                Outcome::Heap(types, received.coverage.edges, format!("{:?}", received.threads))
            }
        }
    }
}

/// Those of pyenv, and the distribution's.
fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let versions = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let is_3 = |name: &Path| name.to_string_lossy().starts_with("3.");
    let mut found: Vec<PathBuf> = versions
        .filter(|version| is_3(version.file_name().as_ref()))
        .map(|version| version.path().join("bin/python3"))
        .collect();
    found.extend(["/usr/bin/python3", "/usr/bin/python3-dbg"].map(PathBuf::from));
    let wanted = std::env::var("IT_PYTHONS").unwrap_or_default();
    found.retain(|path| path.is_file() && path.to_string_lossy().contains(&wanted));
    found.sort();
    assert!(!found.is_empty(), "no CPython here");
    found
}

#[test]
fn what_one_wrong_offset_would_make_another_heap_is_refused() {
    let is_held =
        |name: &&&str| !NOT_HELD.iter().any(|&other| **name == other || name.split('.').next() == Some(other));
    let mut unnoticed = Vec::new();
    for python in pythons() {
        let running = Running::start(&python);
        let subject = Subject::of(&running);
        let right = subject.read(&subject.layout, &*subject.memory);
        assert!(matches!(&right, Outcome::Heap(..)), "{}: {right:?}", python.display());
        let mut refused = 0;
        for name in Fields::NAMES.iter().filter(is_held) {
            let Some(offset) = subject.layout.offset(name) else { continue };
            for wrong in [offset.checked_sub(8), Some(offset + 8)].into_iter().flatten() {
                match subject.read(&subject.layout.with(name, wrong), &*subject.memory) {
                    Outcome::Refused(_) => refused += 1,
                    outcome if outcome == right => {}
                    _ => unnoticed.push(format!("{}: {name} at {wrong} instead of {offset}", python.display())),
                }
            }
        }
        assert!(refused > 80, "{}: only {refused} were refused", python.display());
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

/// What was tried, what was found.
#[test]
fn an_interpreter_that_is_not_as_all_are_is_refused() {
    for python in pythons() {
        let running = Running::start(&python);
        let subject = Subject::of(&running);
        let offset = |name| subject.layout.require(name).expect("it is known");
        let [none, kind, version, int, modules] = running.told[..] else { panic!("{:?}", running.told) };
        let check = |at: u64, word: u64, expected: &str| {
            let memory = Patched { memory: &*subject.memory, words: vec![(at, word)] };
            match subject.read(&subject.layout, &memory) {
                Outcome::Refused(why) => assert!(why.contains(expected), "{}: {why}", python.display()),
                other => panic!("{}: {expected}: {other:?}", python.display()),
            }
        };
        let text = u64::from_le_bytes(*b"2.7.18 (");
        check(version + offset("str.ascii_size"), text, "`sys.version` reads \"2.7.18 (");
        check(version + offset("str.length"), 3, "which is not 3.");
        check(none + offset("object.type"), int, "`builtins.None` is of the type builtins.int");
        check(kind + offset("object.type"), int, "the type of types, at ");
        check(modules + offset("dict.keys"), 0, "there is not one module in `sys.modules`");
        check(int + offset("type.basicsize"), 40, "whose objects have 40 bytes");
    }
}

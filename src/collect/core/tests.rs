//! Cores of real interpreters, from `gcore` and from the kernel, whole, filtered, cut off, and without their files.
//!
//! What is in them is told by the process itself before: addresses, and the words there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::cli::environment::tests::environment;
use crate::cli::plan::{self, Plan};
use crate::target::memory::Memory;

/// For whoever reads what was tested and what not.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

struct Silent;

impl Listener for Silent {
    fn step(&self, _: &str) {}
    fn progress(&self, _: u64, _: Option<u64>) {}
}

/// Says where some objects are and what is there, then waits.
const PROGRAM: &str = "import sys, threading, time\n\
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n\
    kept = b'memory of bytes, kept to be found again'\n\
    version = '%d.%d.%d' % sys.version_info[:3]\n\
    print(version, id(None), id(type(None)), id(kept), len(kept), int(hasattr(sys, 'gettotalrefcount')))\n\
    sys.stdout.flush(); time.sleep(600)";

/// A running interpreter and what it said of itself.
struct Running {
    child: Child,
    version: String,
    /// `None`, its type, a `bytes` object and its length, whether it is a debug build.
    told: [u64; 5],
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let running = Running {
            version: words.first().copied().unwrap_or_default().to_owned(),
            told: std::array::from_fn(|at| words.get(at + 1).and_then(|word| word.parse().ok()).unwrap_or(0)),
            child,
        };
        assert!(read.is_ok() && words.len() == 6, "{command:?} said {line:?}");
        running
    }

    fn python(python: &Path) -> Running {
        Running::start(Command::new(python).args(["-c", PROGRAM]))
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its core from `gcore`, which lets it go on.
    fn gcore(&self, folder: &Path) -> PathBuf {
        let prefix = folder.join("core");
        let output = Command::new("gcore").arg("-o").arg(&prefix).arg(self.pid().to_string()).output().unwrap();
        let path = folder.join(format!("core.{}", self.pid()));
        assert!(path.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// What was found in its core is what it said.
    #[track_caller]
    fn check(&self, opened: &CoreTarget) {
        let [none, kind, kept, length, debug] = self.told;
        assert_eq!(opened.facts.python.version, self.version);
        assert_eq!(opened.facts.python.debug, debug == 1);
        assert_eq!(opened.core.u64(none + 8).unwrap(), kind, "the type of None");
        assert_eq!(opened.core.u64(kept + 16).unwrap(), length, "the length of a bytes object");
        let mut bytes = [0; 16];
        opened.core.read(kept + 32, &mut bytes).unwrap();
        assert_eq!(&bytes, b"memory of bytes,");
        assert_eq!(opened.core.slice(kept + 32, 16), Some(&bytes[..]));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn plan(line: &str) -> CollectPlan {
    let words = format!("memory-analyzer analyze {line}");
    let command = crate::cli::parse(words.split_whitespace().map(Into::into), false).unwrap();
    match plan::resolve(command, &environment(Path::new("/"), &[])).unwrap() {
        Plan::Analyze(plan) => plan.collect,
        other => panic!("{other:?}"),
    }
}

/// Opens the core at `path` with more options.
fn open_with(path: &Path, options: &str) -> Result<CoreTarget> {
    open(path, &plan(&format!("--core {} {options}", path.display())), &Silent)
}

fn codes(opened: &CoreTarget) -> Vec<&str> {
    opened.notices.iter().map(|notice| notice.code.as_str()).collect()
}

/// Every CPython of pyenv and of the distribution.
fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let versions = fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter(|version| version.file_name().to_string_lossy().starts_with("3."))
        .map(|version| version.path().join("bin/python3"))
        .collect();
    found.extend(["/usr/bin/python3", "/usr/bin/python3-dbg"].map(PathBuf::from));
    found.retain(|path| path.is_file());
    found.sort();
    assert!(!found.is_empty(), "no CPython here");
    found
}

fn pyenv(minor: &str) -> Option<PathBuf> {
    let found = pythons().into_iter().find(|path| path.to_string_lossy().contains(&format!("/{minor}.")));
    if found.is_none() {
        say(&format!("not tested: no CPython {minor} in pyenv"));
    }
    found
}

#[test]
fn cores_of_every_interpreter_from_gcore() {
    for python in pythons() {
        say(&python.to_string_lossy());
        let folder = tempfile::tempdir().unwrap();
        let running = Running::python(&python);
        let core = running.gcore(folder.path());
        let opened = open_with(&core, "").unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        running.check(&opened);
        assert_eq!(codes(&opened), [""; 0], "{}: {:?}", python.display(), opened.notices);
        assert_eq!((opened.facts.pid, opened.facts.threads), (running.pid(), 2));
        assert_eq!(opened.facts.cmdline, [&*python.to_string_lossy(), "-c", PROGRAM]);
        let real = fs::read_link(format!("/proc/{}/exe", running.pid())).unwrap();
        assert_eq!(Path::new(&opened.facts.executable), real);
        assert!(!opened.truncated && opened.facts.rss_bytes > 1 << 20);
        // It had nothing of it but the pause.
        let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
        assert!(status.contains("State:\tS") && status.contains("TracerPid:\t0"), "{status}");
    }
}

/// Where the kernel writes cores into the working directory; elsewhere they belong to someone else.
fn kernel_writes_here() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let pattern = pattern.trim();
    !pattern.is_empty() && !pattern.starts_with(['|', '/', '@'])
}

fn kernel_core(folder: &Path, python: &Path, filter: &str) -> Option<(Running, PathBuf)> {
    if !kernel_writes_here() {
        say("not tested: this kernel does not write cores into the working directory");
        return None;
    }
    let script = format!("ulimit -c unlimited && echo {filter} > /proc/self/coredump_filter && exec \"$0\" -c \"$1\"");
    let mut running =
        Running::start(Command::new("sh").args(["-c", &script]).arg(python).arg(PROGRAM).current_dir(folder));
    let pid = running.pid().to_string();
    assert!(Command::new("kill").args(["-ABRT", &pid]).status().unwrap().success());
    let status = running.child.wait().unwrap();
    if !status.core_dumped() {
        say("not tested: this kernel dumped no core");
        return None;
    }
    let core = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("core")));
    Some((running, core.expect("a core in the working directory")))
}

#[test]
fn cores_of_every_interpreter_from_the_kernel() {
    for python in pythons() {
        say(&python.to_string_lossy());
        let folder = tempfile::tempdir().unwrap();
        let Some((running, core)) = kernel_core(folder.path(), &python, "0x33") else { return };
        let opened = open_with(&core, "").unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        running.check(&opened);
        assert_eq!(codes(&opened), [""; 0], "{}: {:?}", python.display(), opened.notices);
        assert_eq!((opened.facts.pid, opened.facts.threads), (running.pid(), 2));
    }
}

/// Without the pages of ELF headers, a file is taken for the mapped one by its segments, which is said.
#[test]
fn the_kernel_may_leave_out_what_would_prove_a_file() {
    let Some(python) = pyenv("3.11") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some((running, core)) = kernel_core(folder.path(), &python, "0x3") else { return };
    let opened = open_with(&core, "").unwrap();
    running.check(&opened);
    assert_eq!(codes(&opened), ["file-unproven"]);
    // Without memory of its own nothing can be had, and that is said.
    let folder = tempfile::tempdir().unwrap();
    let Some((_, core)) = kernel_core(folder.path(), &python, "0x10") else { return };
    assert_eq!(open_with(&core, "").unwrap_err().kind, Kind::NotPython);
}

/// Changes a core's program headers: `change` gets flags, address and the size in the file.
fn rewrite(core: &Path, change: impl Fn(u32, u64, u64) -> u64) -> PathBuf {
    let mut bytes = fs::read(core).unwrap();
    let count = usize::from(u16::from_le_bytes([bytes[56], bytes[57]]));
    for at in (0..count).map(|number| 64 + 56 * number) {
        let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let kind = word(&bytes, at);
        if kind as u32 == 1 {
            let size = change((kind >> 32) as u32, word(&bytes, at + 16), word(&bytes, at + 32));
            bytes[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
        }
    }
    let path = core.with_file_name("rewritten");
    fs::write(&path, bytes).unwrap();
    path
}

/// An interpreter of its own that can be taken away: a copy of `python`, wherever its libraries are.
fn copied(python: &Path, folder: &Path) -> Running {
    let real = fs::canonicalize(python).unwrap();
    let copy = folder.join("worker");
    // Not by us: a child that another test starts meanwhile would have the copy open for writing, and none can run it.
    assert!(Command::new("cp").arg(&real).arg(&copy).status().unwrap().success());
    let prefix = real.parent().and_then(Path::parent).unwrap();
    Running::start(Command::new(&copy).args(["-c", PROGRAM]).env("PYTHONHOME", prefix))
}

#[test]
fn files_beside_it_under_a_root_given_or_gone() {
    let static_one = |python: &PathBuf| {
        // One with a shared library keeps that, whatever becomes of the program.
        let maps = Running::python(python);
        !fs::read_to_string(format!("/proc/{}/maps", maps.pid())).unwrap().contains("libpython")
    };
    for python in pythons().iter().filter(|python| static_one(python)) {
        say(&python.to_string_lossy());
        let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let running = copied(python, files.path());
        let whole = running.gcore(folder.path());
        // As the kernel does it: of what was never written to, only the first page.
        let core = rewrite(&whole, |flags, _, size| if flags & 2 == 0 { size.min(4096) } else { size });
        fs::rename(files.path().join("worker"), files.path().join("kept")).unwrap();
        let place = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(files.path().join("kept"), &path).unwrap();
            path
        };
        let open_here = |options: &str| open_with(&core, options);

        let with_exec = open_here(&format!("-e {}", files.path().join("kept").display())).unwrap();
        running.check(&with_exec);
        assert_eq!(codes(&with_exec), [""; 0]);

        let root = tempfile::tempdir().unwrap();
        place(within(root.path(), &files.path().join("worker")));
        running.check(&open_here(&format!("--sysroot {}", root.path().display())).unwrap());

        let beside = place(folder.path().join("worker"));
        running.check(&open_here("").unwrap());
        fs::remove_file(beside).unwrap();

        // Symbols of its own, but nothing of the program.
        let id = with_exec.interpreter.image.build_id.as_deref();
        if let Some(debug) = id.and_then(|id| find_debug_file(id, Path::new("/usr/lib/debug"))) {
            say(&format!("with {}", debug.display()));
            let opened = open_here(&format!("-e {}", debug.display())).unwrap();
            running.check(&opened);
            assert_eq!(codes(&opened), ["file-missing"]);
        }

        // Nothing but the core: from 3.13 on it tells enough, and so does one of `gcore` before where it has the symbols.
        let minor: u32 = running.version.split('.').nth(1).unwrap().parse().unwrap();
        match open_here("") {
            Ok(opened) => {
                running.check(&opened);
                assert_eq!(codes(&opened), ["file-missing"]);
            }
            Err(error) => {
                assert!(minor < 13, "{error}");
                assert_eq!(error.kind, Kind::NotPython);
                assert!(error.text.contains("there is no file of ") && error.text.contains("/worker"), "{error}");
                assert!(error.hints.iter().any(|hint| hint.contains("--sysroot")), "{:?}", error.hints);
            }
        }
    }
}

#[test]
fn from_3_13_on_memory_alone_will_do() {
    let Some(python) = pyenv("3.13") else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::python(&python);
    let whole = running.gcore(folder.path());
    // Not even the pages with ELF headers.
    let core = rewrite(&whole, |flags, _, size| if flags & 2 == 0 { 0 } else { size });
    let opened = open_with(&core, &format!("--sysroot {}", folder.path().display())).unwrap();
    running.check(&opened);
    assert_eq!(codes(&opened), ["file-missing"]);
    assert_eq!(opened.interpreter.image.build_id, None);
}

#[test]
fn a_core_cut_off_gives_what_it_has() {
    let Some(python) = pyenv("3.11") else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::python(&python);
    let core = running.gcore(folder.path());
    // `gcore` writes notes last: names, threads and the list of files are gone, and a part of the stack.
    let bytes = fs::read(&core).unwrap();
    let notes = u64::from_le_bytes(bytes[64 + 8..64 + 16].try_into().unwrap());
    fs::File::options().write(true).open(&core).unwrap().set_len(notes - 8192).unwrap();
    let mapped = fs::read_to_string(format!("/proc/{}/maps", running.pid())).unwrap();
    let library =
        mapped.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("python3"));
    let library = mapped
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("libpython"))
        .or(library)
        .unwrap();
    let opened = open_with(&core, &format!("-e {library}")).unwrap();
    running.check(&opened);
    assert!(opened.truncated && opened.facts.threads == 0);
    assert_eq!(codes(&opened), ["core-truncated"]);
}

#[test]
fn what_is_no_core_of_python_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sleep = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
    let running = Running { child: sleep, version: String::new(), told: [0; 5] };
    let core = running.gcore(folder.path());
    let error = open_with(&core, "").unwrap_err();
    assert_eq!(error.kind, Kind::NotPython, "{error}");
    assert!(error.text.contains("no `_PyRuntime` in "), "{error}");
    let text = folder.path().join("text");
    fs::write(&text, "text").unwrap();
    let error = open_with(&text, "").unwrap_err();
    assert_eq!((error.kind, error.text.contains("it is not an ELF file")), (Kind::BadFile, true), "{error}");
    let error = open_with(&core, &format!("-e {}", text.display())).unwrap_err();
    assert_eq!((error.kind, error.text.contains("cannot use `-e")), (Kind::BadFile, true), "{error}");
    let error = open_with(Path::new("/dev/null"), "").unwrap_err();
    assert_eq!((error.kind, error.text.contains("not a regular file")), (Kind::BadFile, true), "{error}");
}

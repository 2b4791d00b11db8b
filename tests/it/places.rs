//! Interpreters wherever a process can have one: in a program of its own that embeds it, without symbols, in a file that was
//! deleted or replaced since.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::reader::{assert_read, row};
use crate::support::{Done, Python, Run, Target, each, program, say};

/// An interpreter whose files are its own: copies, which can be changed and taken away.
struct Copied {
    folder: TempDir,
    python: Python,
    /// Where its library is; also of one that is linked into its program.
    home: PathBuf,
}

/// What Python says of itself, a line each.
fn ask(python: &Python, expression: &str) -> Vec<String> {
    let question = format!("import sys, sysconfig\nfor word in {expression}: print(word)");
    let answer = Command::new(&python.path).args(["-I", "-c", &question]).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

impl Copied {
    fn of(python: &Python) -> Copied {
        let folder = tempfile::tempdir().unwrap();
        let mapped = "{line.split()[-1] for line in open('/proc/self/maps') if 'libpython' in line}";
        for library in ask(python, mapped) {
            let name = Path::new(&library).file_name().unwrap().to_owned();
            fs::copy(&library, folder.path().join(name)).unwrap();
        }
        let path = folder.path().join("worker");
        fs::copy(&python.path, &path).unwrap();
        let home = ask(python, "[sys.base_prefix]").remove(0).into();
        Copied { folder, python: Python { path, ..python.clone() }, home }
    }

    /// The file that has the interpreter in it.
    fn file(&self) -> PathBuf {
        let libraries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut libraries = libraries.filter(|path| path.to_string_lossy().contains("libpython"));
        libraries.next().unwrap_or_else(|| self.python.path.clone())
    }

    fn start(&self) -> Target {
        let start = Target::how(&self.python, "live.py", ["idle"]);
        start.env("LD_LIBRARY_PATH", self.folder.path()).env("PYTHONHOME", &self.home).now()
    }
}

/// Whether there is such a program here; says what is not tested otherwise.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        say(&format!("not tested whole: interpreters in places of their own: no `{tool}`"));
    }
    found
}

#[test]
fn without_symbols() {
    if !has("strip") {
        return;
    }
    each(
        |_| true,
        |python| {
            let copied = Copied::of(python);
            strip(&copied.file());
            read_or_refused(&copied);
        },
    );
}

/// As `sstrip` does it: the loader needs none.
#[test]
fn without_a_section_table() {
    each(
        |_| true,
        |python| {
            let copied = Copied::of(python);
            cut_section_table(&copied.file());
            read_or_refused(&copied);
        },
    );
}

fn cut_section_table(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    for field in [40..48, 58..64] {
        bytes[field].fill(0);
    }
    fs::write(file, bytes).unwrap();
}

fn strip(file: &Path) {
    assert!(Command::new("strip").arg("-s").arg(file).status().unwrap().success());
}

/// 3.6 has its state in statics that are not exported: it is not read without symbols.
fn read_or_refused(copied: &Copied) {
    let target = copied.start();
    if copied.python.minor() > 6 {
        return assert_read(&target);
    }
    let done = Run::analyze(&[target.pid]).args(["-c", "reader"]).output().exits(4);
    assert!(done.stderr.contains("the file has no symbols"), "{}", done.stderr);
    target.assert_unharmed();
}

#[test]
fn deleted_since() {
    each(
        |_| true,
        |python| {
            let copied = Copied::of(python);
            let mut target = copied.start();
            fs::remove_file(copied.file()).unwrap();
            target.look_again();
            assert_read(&target);
        },
    );
}

/// By an upgrade: another file has the name.
#[test]
fn replaced_since() {
    each(
        |_| true,
        |python| {
            let copied = Copied::of(python);
            let mut target = copied.start();
            let new = copied.folder.path().join("new");
            fs::copy("/bin/sh", &new).unwrap();
            fs::rename(&new, copied.file()).unwrap();
            target.look_again();
            assert_read(&target);
        },
    );
}

/// A C program with Python in it, whose library is shared or its own. `None`, which is said, where the files for that are not.
fn embedded(python: &Python, shared: bool, more: &[&str]) -> Option<Copied> {
    let names =
        "(sysconfig.get_config_var(name) for name in 'LIBDIR INSTSONAME LIBPL LIBRARY LIBS MODLIBS SYSLIBS'.split())";
    let [folder, soname, own_folder, library, words @ ..]: [String; 7] = ask(python, names).try_into().unwrap();
    let shared_file = Path::new(&folder).join(soname);
    let file = if shared { shared_file } else { Path::new(&own_folder).join(library) };
    if !file.is_file() {
        say(&format!("not tested: {} in a program of its own: no {}", python.name(), file.display()));
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("host");
    let mut command = Command::new("cc");
    command.args(["-pthread", "-no-pie", "-o"]).arg(&path).arg(program("host.c")).arg(&file).args(more);
    command.args(words.iter().flat_map(|words| words.split_whitespace())).args(["-lm", "-ldl", "-lutil"]);
    let done = command.output().unwrap();
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        let missing = why.lines().find(|line| line.contains("cannot find -l"));
        let missing = missing.unwrap_or_else(|| panic!("{command:?}: {why}"));
        say(&format!("not tested: {} in a program of its own: {missing}", python.name()));
        return None;
    }
    let home = ask(python, "[sys.base_prefix]").remove(0).into();
    Some(Copied { folder: place, python: Python { path, ..python.clone() }, home })
}

/// The main thread is not one of Python's.
#[test]
fn embedded_in_another_program() {
    if !has("cc") {
        return;
    }
    each(
        |_| true,
        |python| {
            for (shared, begins) in [(true, "main"), (false, "main"), (false, "thread")] {
                let Some(host) = embedded(python, shared, &["-rdynamic"]) else { continue };
                let start = Target::how(&host.python, "live.py", ["idle"]).env("PYTHONHOME", &host.home);
                let target = start.env("HOST_BEGINS", begins).now();
                assert_read(&target);
            }
        },
    );
}

/// Nothing of it is exported, and there are no symbols: from 3.10 on its state has a section of its own, from 3.13 on it can be
/// told in memory.
#[test]
fn embedded_and_nothing_exported() {
    if !has("cc") || !has("strip") {
        return;
    }
    // What a debug build is called is all that could tell it from others.
    each(
        |python| !python.debug,
        |python| {
            for (has_sections, since) in [(true, 10), (false, 13)] {
                let Some(host) = embedded(python, false, &[]) else { continue };
                strip(&host.python.path);
                if !has_sections {
                    cut_section_table(&host.python.path);
                }
                let target = Target::how(&host.python, "plain.py", [""; 0]).env("PYTHONHOME", &host.home).now();
                let run = Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json"]);
                if python.minor() < since {
                    let done = run.output().exits(4);
                    assert!(done.stderr.contains("no `_PyRuntime` in "), "{}", done.stderr);
                } else {
                    let report = run.output().exits(0).report();
                    let leaks = &target.oracle()["__main__.Leak"];
                    assert_eq!(
                        [row(&report, "__main__.Leak")],
                        [(leaks[0].as_u64().unwrap(), leaks[1].as_u64().unwrap())]
                    );
                }
                target.assert_unharmed();
            }
        },
    );
}

/// As the interpreter says of itself, in its file and in memory: nobody reads it.
#[test]
fn free_threaded() {
    each(
        |python| python.minor() >= 13,
        |python| {
            let copied = Copied::of(python);
            let mut bytes = fs::read(copied.file()).unwrap();
            // `_Py_DebugOffsets`: a cookie, the version, whether it is free-threaded.
            let hex = format!("3{:02x}{:02x}f0", python.minor(), python.version.2);
            let head = [b"xdebugpy".as_slice(), &u64::from_str_radix(&hex, 16).unwrap().to_le_bytes()].concat();
            let at = bytes.windows(16).position(|place| place == head).expect("debug offsets");
            bytes[at + 16] = 1;
            fs::write(copied.file(), bytes).unwrap();
            assert_refused(&copied.start(), &copied.file());
        },
    );
}

/// Nobody reads it, everybody says why, and that is all it notices; `file` is what runs in it. Its core is refused too.
pub(crate) fn assert_refused(target: &Target, file: &Path) {
    let (_, minor, micro) = target.python.version;
    let says = |done: &Done| {
        let reason =
            format!(" a free-threaded build of CPython 3.{minor}.{micro}, which is not supported: its objects");
        let hint = format!("hint: the ordinary build can be analysed: `python3.{minor}`, not `python3.{minor}t`");
        for part in [reason, hint] {
            let said = done.stderr.contains(&part) || done.stdout.contains(&part);
            assert!(said, "no {part:?} in: {}{}", done.stderr, done.stdout);
        }
    };
    let analysed = |words: &[&str]| Run::analyze(&[target.pid]).args(words).output().exits(4);
    for freeze in ["twin", "stop", "live"] {
        says(&analysed(&["-c", "reader", "--freeze", freeze]));
    }
    for words in [&["-c", "gdb"][..], &["-c", "gdb", "-e", &file.to_string_lossy()], &["--freeze", "stop"]] {
        says(&analysed(words));
    }
    says(&Run::new(["doctor", &target.pid.to_string()]).output().exits(4));
    let listed = Run::new(["ps"]).output().exits(0).stdout;
    let row = listed.lines().find(|row| row.split_whitespace().next() == Some(&target.pid.to_string()));
    assert!(row.is_some_and(|row| row.contains("no: free-threaded")), "{listed}");
    target.assert_unharmed();
    target.assert_nothing_mapped();
    if has("gcore") {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("core");
        let made = Command::new("gcore").arg("-o").arg(&prefix).arg(target.pid.to_string()).output().unwrap();
        let core = format!("{}.{}", prefix.display(), target.pid);
        assert!(Path::new(&core).is_file(), "{}", String::from_utf8_lossy(&made.stderr));
        says(&Run::new(["analyze", "--core", &core]).output().exits(4));
        target.assert_unharmed();
    }
}

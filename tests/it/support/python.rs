//! The interpreters of this machine: those of pyenv, those of the distribution, and those below target/matrix, which have
//! a root folder of their own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{root, root_or_say, say};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Python {
    pub(crate) version: (u32, u32, u32),
    pub(crate) debug: bool,
    /// Built without a GIL: only of use to be refused.
    pub(crate) free_threaded: bool,
    pub(crate) path: PathBuf,
    /// The root folder that it runs in, by which `path` is to be read, where that is not ours.
    pub(crate) root: Option<PathBuf>,
}

/// The oldest and the newest minor version which the program has to know.
const OLDEST: u32 = 6;
const NEWEST: u32 = 13;

impl Python {
    pub(crate) fn minor(&self) -> u32 {
        self.version.1
    }

    pub(crate) fn is_distribution(&self) -> bool {
        self.path.starts_with("/usr/bin")
    }

    /// The folder where `make prepare` puts objgraph and pympler for it.
    pub(crate) fn site(&self) -> PathBuf {
        root().join(format!("target/site/3.{}", self.minor()))
    }

    pub(crate) fn name(&self) -> String {
        let (major, minor, micro) = self.version;
        let place = self.root.iter().map(|root| format!("in {}: ", root.display())).collect::<String>();
        format!(
            "CPython {major}.{minor}.{micro}{}{} ({place}{})",
            if self.debug { " debug" } else { "" },
            if self.free_threaded { " free-threaded" } else { "" },
            self.path.display()
        )
    }
}

/// All of them, oldest first. Which ones and which not is said once.
pub(crate) fn pythons() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found: Vec<Python> = here().to_vec();
        found.retain(|python| wanted(python) && !python.free_threaded);
        for python in &found {
            say(&format!("found: {}", python.name()));
        }
        for minor in OLDEST..=NEWEST {
            if !found.iter().any(|python| python.minor() == minor) {
                say(&format!("not found: CPython 3.{minor}"));
            }
        }
        if !found.iter().any(|python| python.debug) {
            say("not found: a debug build of CPython (Debian: python3-dbg)");
        }
        assert!(!found.is_empty(), "no CPython from 3.{OLDEST} on: neither in pyenv nor in /usr/bin");
        found
    })
}

/// Those of the root folders that `make matrix` has made. Which ones, or that there are none, is said once.
pub(crate) fn pythons_in_chroot() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found: Vec<Python> = in_chroot().iter().filter(|python| !python.free_threaded).cloned().collect();
        for python in &found {
            say(&format!("found: {}", python.name()));
        }
        if found.is_empty() {
            say("not found: CPython in a root folder of its own (make matrix)");
        }
        found
    })
}

/// Those without a GIL, here and, for root, in the root folders. Which ones, or that there are none, is said once.
pub(crate) fn free_threaded() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let inside = if root_or_say("free-threaded CPython in a root folder of its own") { in_chroot() } else { &[] };
        let mut found: Vec<Python> =
            here().iter().chain(inside).filter(|python| python.free_threaded).cloned().collect();
        // The same build is installed under two names.
        found.dedup_by_key(|python| (python.version, python.debug, python.path.parent().map(Path::to_owned), python.root.clone()));
        for python in &found {
            say(&format!("found: {}", python.name()));
        }
        if found.is_empty() {
            say("not tested: a free-threaded build of CPython itself: none in pyenv, /usr/bin or target/matrix/*/usr/bin");
        }
        found
    })
}

/// All that share our root folder, oldest first.
fn here() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found: Vec<Python> = candidates().iter().filter_map(|path| examine(path, None)).collect();
        found.sort();
        found
    })
}

/// All that have root folders of their own.
fn in_chroot() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Vec::new();
        for folder in list(&root().join("target/matrix")).collect::<Vec<_>>() {
            for path in interpreters_in(&folder.join("usr/bin")) {
                let inside = Path::new("/usr/bin").join(path.file_name().unwrap_or_default());
                found.extend(examine(&inside, Some(&folder)));
            }
        }
        found.sort();
        found
    })
}

/// `IT_PYTHONS=3.8.18` leaves out those whose name does not contain that.
fn wanted(python: &Python) -> bool {
    std::env::var("IT_PYTHONS").map_or(true, |part| python.name().contains(&part))
}

/// The one for tests that need any: the distribution's, else the newest that every table knows.
pub(crate) fn usual() -> &'static Python {
    let ordinary = || pythons().iter().filter(|python| !python.debug);
    let known = || ordinary().filter(|python| python.minor() <= NEWEST);
    ordinary()
        .find(|python| python.is_distribution())
        .or_else(|| known().next_back())
        .expect("an interpreter without debugging")
}

/// One that has numpy and pandas, in a virtual environment that `make prepare` has made.
pub(crate) fn with_arrays() -> Option<Python> {
    with("arrays", "numpy and pandas")
}

/// The one for which flask and django are there, if any.
pub(crate) fn with_web() -> Option<Python> {
    with("web", "flask and django")
}

fn with(site: &str, what: &str) -> Option<Python> {
    let path = root().join(format!("target/site/{site}/bin/python"));
    let python = Some(&path).filter(|path| path.exists()).and_then(|path| examine(path, None));
    match &python {
        Some(python) => say(&format!("with {what}: {}", python.name())),
        None => say(&format!("not found: {what} (make prepare)")),
    }
    python
}

/// Checks something on each, goes on after a failure, and tells all failures in the end.
pub(crate) fn each(which: impl Fn(&Python) -> bool, check: impl Fn(&Python)) {
    each_of(pythons().iter().filter(|python| which(python)), check);
}

/// The same on these. `IT_PYTHONS=3.8.18` leaves out those whose name does not contain that.
pub(crate) fn each_of<'a>(pythons: impl IntoIterator<Item = &'a Python>, check: impl Fn(&Python)) {
    let wanted = std::env::var("IT_PYTHONS").unwrap_or_default();
    let mut failed = Vec::new();
    for python in pythons.into_iter().filter(|python| python.name().contains(&wanted)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(python))) {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed.push(format!("{}: {}", python.name(), text.unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn candidates() -> BTreeSet<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut folders = vec![PathBuf::from("/usr/bin")];
    folders.extend(list(&pyenv.join("versions")).map(|version| version.join("bin")));
    folders.iter().flat_map(|folder| interpreters_in(folder)).collect()
}

/// Those of a folder, by their names.
fn interpreters_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    list(folder).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let minor = name.strip_prefix("python3.").map(|rest| rest.strip_suffix("-dbg").unwrap_or(rest));
        let minor = minor.map(|rest| rest.strip_suffix('t').unwrap_or(rest));
        minor.is_some_and(|minor| minor.parse::<u32>().is_ok_and(|minor| minor >= OLDEST))
    })
}

fn list(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn examine(path: &Path, root: Option<&Path>) -> Option<Python> {
    const QUESTION: &str = "import sys, sysconfig; print(sys.implementation.name, *sys.version_info[:3], \
                            int(hasattr(sys, 'gettotalrefcount')), sysconfig.get_config_var('Py_GIL_DISABLED') or 0)";
    let mut command = Command::new(if root.is_some() { OsStr::new("chroot") } else { path.as_os_str() });
    command.args(root.iter().flat_map(|root| [*root, path])).args(["-I", "-c", QUESTION]);
    let answer = command.output().ok().filter(|output| output.status.success());
    let Some(answer) = answer else {
        say(&format!("not tested: {} does not run", path.display()));
        return None;
    };
    let answer = String::from_utf8(answer.stdout).ok()?;
    let words: Vec<&str> = answer.split_whitespace().collect();
    let &["cpython", major, minor, micro, debug, free_threaded] = words.as_slice() else {
        say(&format!("not tested: {} is not CPython", path.display()));
        return None;
    };
    let version = (major.parse().ok()?, minor.parse().ok()?, micro.parse().ok()?);
    Some(Python {
        version,
        debug: debug == "1",
        free_threaded: free_threaded != "0",
        path: path.to_owned(),
        root: root.map(Path::to_owned),
    })
}

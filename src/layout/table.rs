//! Offsets from the tables that come with the program: `config/layouts/*.toml`, made by [`super::generate()`].
//!
//! A table fits builds of its minor version and flavour, more or less: which one is right is for [`super::check`] to
//! say.

use std::collections::BTreeMap;

use super::Found;
use super::names::known;
use super::objects::OBJECTS;
use crate::target::python::Interpreter;
use crate::target::version::Version;

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../config/layouts/", $name, ".toml")))),*]
    };
}

/// The key of a struct's size among those of its members.
pub(super) const SIZE: &str = "sizeof";

/// The name and text of each.
const TABLES: &[(&str, &str)] = tables![
    "cpython-3.6.15-release",
    "cpython-3.7.16-release",
    "cpython-3.8.18-release",
    "cpython-3.9.18-release",
    "cpython-3.10.13-release",
    "cpython-3.11.2-debug",
    "cpython-3.11.2-release",
    "cpython-3.11.7-release",
    "cpython-3.12.1-release",
    "cpython-3.13.0-release",
    "cpython-3.13.18-debug",
    "cpython-3.13.18-release",
    "cpython-3.14.10-debug",
    "cpython-3.14.10-release",
    "cpython-3.15.2-debug",
    "cpython-3.15.2-release",
];

/// Which build a table was made of, and what it says.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) version: Version,
    debug: bool,
    free_threaded: bool,
    machine: u16,
    build_id: Option<String>,
    pub(super) found: Found,
}

impl Table {
    /// Whether it was made of this very build.
    pub(super) fn is_of(&self, interpreter: &Interpreter) -> bool {
        self.build_id.is_some() && self.build_id == interpreter.image.build_id
    }
}

/// The tables for an interpreter like this one, the closest first: of the same build, of the same version, of one near
/// it. None before the first release candidate: until then structs change from one build to the next.
pub(super) fn fitting(interpreter: &Interpreter) -> Vec<Table> {
    let version = interpreter.version;
    // Reading all of them would take longer than what is done with them.
    let prefix = format!("cpython-{}.{}.", version.major, version.minor);
    let near = TABLES.iter().filter(|(name, _)| version.is_frozen() && name.starts_with(&prefix));
    let mut tables: Vec<Table> = near.filter_map(|(name, text)| parse(name, text)).collect();
    tables.retain(|table| {
        (table.debug, table.free_threaded) == (interpreter.debug, interpreter.free_threaded)
            && table.machine == interpreter.image.elf.machine().0
    });
    tables.sort_by_key(|table| (!table.is_of(interpreter), table.version.micro.abs_diff(version.micro), table.name));
    tables
}

/// All there are.
#[cfg(test)]
pub(super) fn tables() -> impl Iterator<Item = Table> {
    TABLES.iter().filter_map(|(name, text)| parse(name, text))
}

fn parse(name: &'static str, text: &str) -> Option<Table> {
    let toml: toml::Table = text.parse().ok()?;
    let flag = |key| toml.get(key).and_then(toml::Value::as_bool);
    let mut found = Found::default();
    for (structure, fields) in toml.iter().filter_map(|(key, value)| Some((key, value.as_table()?))) {
        for (field, value) in fields {
            if structure == "objects" {
                let (kind, members) = object(field, value.as_table()?)?;
                found.objects.insert(kind, members);
            } else {
                let name = known(&format!("{structure}.{field}"))?;
                found.offsets.insert(name, value.as_integer()?.try_into().ok()?);
            }
        }
    }
    Some(Table {
        name,
        version: Version::parse(toml.get("version")?.as_str()?)?,
        debug: flag("debug")?,
        free_threaded: flag("free_threaded")?,
        machine: toml.get("machine")?.as_integer()?.try_into().ok()?,
        build_id: toml.get("build_id").and_then(|id| id.as_str()).map(str::to_owned),
        found,
    })
}

/// The members of a plain object's struct; its size has the empty name.
fn object(name: &str, table: &toml::Table) -> Option<(&'static str, BTreeMap<&'static str, u64>)> {
    let object = OBJECTS.iter().find(|object| object.types[0] == name)?;
    let mut members = BTreeMap::new();
    for (path, value) in table {
        let known = object.visits.iter().map(|(known, _)| *known).chain(object.given).find(|known| known == path);
        let known = if path == SIZE { "" } else { known? };
        members.insert(known, value.as_integer()?.try_into().ok()?);
    }
    Some((object.types[0], members))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    #[test]
    fn every_table_is_whole() {
        for (name, text) in TABLES {
            let table = parse(name, text).unwrap_or_else(|| panic!("{name} does not parse"));
            let flavour = if table.debug { "debug" } else { "release" };
            assert_eq!(*name, format!("cpython-{}-{flavour}", table.version));
            for needed in [
                "interp.next",
                "interp.threads_head",
                "tstate.prev",
                "tstate.next",
                "tstate.interp",
                "tstate.thread_id",
            ] {
                assert!(table.found.offsets.contains_key(needed), "{name} has no {needed}");
            }
        }
    }

    proptest! {
        /// A table that somebody has spoilt is none, or one of numbers.
        #[test]
        fn fuzz_tables(
            table in proptest::sample::select(TABLES),
            lines in proptest::collection::vec((any::<Index>(), any::<Index>(), "[ -~]{0,20}"), 1..4),
        ) {
            let mut text: Vec<&str> = table.1.lines().collect();
            for (from, to, new) in &lines {
                let line = *from.get(&text);
                // One more, and another one changed.
                text.insert(to.index(text.len()), new);
                *to.get_mut(&mut text) = line.split_once('=').map_or(line, |(name, _)| name);
            }
            parse(table.0, &text.join("\n"));
            let mut bytes = table.1.as_bytes().to_vec();
            for (from, to, new) in &lines {
                let count = new.len().min(bytes.len() - from.index(bytes.len()));
                bytes.splice(from.index(bytes.len())..from.index(bytes.len()) + count, new.bytes());
                bytes.truncate(to.index(bytes.len()) + bytes.len() / 2);
            }
            parse(table.0, &String::from_utf8_lossy(&bytes));
        }
    }

    /// Measured by hand on stock x86-64 builds when the twin was tried out.
    #[test]
    fn tables_agree_with_what_was_measured() {
        fn check(table: &str, expected: &[(&str, u64)]) {
            let name = format!("cpython-{table}-release");
            let (name, text) = TABLES.iter().find(|(known, _)| *known == name).expect("there is such a table");
            let table = parse(name, text).expect("it parses");
            for (field, offset) in expected {
                assert_eq!(table.found.offsets.get(field), Some(offset), "{name}: {field}");
            }
            if table.version.at_least(3, 7) {
                let gil = [("gil.last_holder", 8), ("gil.locked", 16), ("gil.cond", 0x20), ("gil.mutex", 0x50)];
                let switch = [("gil.switch_cond", 0x78), ("gil.switch_mutex", 0xa8)];
                let sizes = [("gil.cond.size", 48), ("gil.switch_cond.size", 48)];
                let more_sizes = [("gil.mutex.size", 40), ("gil.switch_mutex.size", 40)];
                for (field, offset) in gil.iter().chain(&switch).chain(&sizes).chain(&more_sizes) {
                    assert_eq!(table.found.offsets.get(field), Some(offset), "{name}: {field}");
                }
            }
        }
        check(
            "3.7.16",
            &[
                ("runtime.gil", 0x4f0),
                ("runtime.tstate_current", 0x5c8),
                ("tstate.thread_id", 0xb0),
                ("runtime.gil_drop_request", 0x2cc),
                ("runtime.main_thread", 0x2d0),
                ("runtime.gc_collecting", 632),
            ],
        );
        check(
            "3.8.18",
            &[
                ("runtime.gil", 0x480),
                ("runtime.tstate_current", 0x558),
                ("tstate.thread_id", 0xb0),
                ("runtime.gil_drop_request", 0x254),
                ("runtime.main_thread", 0x48),
                ("runtime.gc_collecting", 344 + 200),
            ],
        );
        for (version, drop_request) in [("3.9.18", 0x4c), ("3.10.13", 0x48)] {
            check(
                version,
                &[
                    ("runtime.gil", 0x160),
                    ("runtime.tstate_current", 0x238),
                    ("tstate.thread_id", 0xb0),
                    ("interp.gil_drop_request", drop_request),
                    ("runtime.main_thread", 0x48),
                    ("interp.gc_collecting", 616 + 200),
                ],
            );
        }
        check(
            "3.11.7",
            &[
                ("runtime.gil", 0x168),
                ("runtime.tstate_current", 0x240),
                ("runtime.interpreters_main", 0x28 + 0x8),
                ("tstate.native_thread_id", 0xa0),
                ("interp.gil_drop_request", 0x68),
                ("runtime.main_thread", 0x50),
                ("interp.gc_collecting", 648 + 200),
            ],
        );
        check(
            "3.12.1",
            &[
                ("interp.gil", 0x180),
                ("tstate.native_thread_id", 0x90),
                ("interp.gil_drop_request", 0x174),
                ("runtime.main_thread", 0x40),
                ("interp.gc_collecting", 112 + 200),
            ],
        );
        check(
            "3.13.0",
            &[
                ("interp.gil", 0x10),
                ("tstate.native_thread_id", 0xa0),
                ("tstate.eval_breaker", 0x18),
                ("runtime.main_thread", 0x290),
                ("interp.gc_collecting", 7400 + 200),
            ],
        );
    }

    #[test]
    fn only_references_are_members() {
        fn members(version: &str, kind: &str) -> BTreeMap<&'static str, u64> {
            let name = format!("cpython-{version}-release");
            let (name, text) = TABLES.iter().find(|(known, _)| *known == name).expect("there is such a table");
            let table = parse(name, text).expect("it parses");
            table.found.objects.get(kind).cloned().unwrap_or_else(|| panic!("{name}: {kind}"))
        }
        // An object until 3.10, then text; and a number from 3.7 on.
        assert!(members("3.10.13", "sqlite3.Connection").contains_key("isolation_level"));
        assert!(!members("3.11.7", "sqlite3.Connection").contains_key("isolation_level"));
        assert!(members("3.6.15", "_json.Scanner").contains_key("strict"));
        assert!(!members("3.7.16", "_json.Scanner").contains_key("strict"));
        // But for the byte that tells whether there is one.
        assert!(members("3.12.1", "datetime.datetime").contains_key("hastzinfo"));
        // Counted to where the items begin.
        assert_eq!(members("3.12.1", "builtins.memoryview")[""], 144);
    }

    /// Executables by usual names in the folders of `PATH`, and pyenv's.
    fn pythons() -> Vec<PathBuf> {
        let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
        let pyenv = pyenv.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
        let versions = pyenv.and_then(|pyenv| std::fs::read_dir(pyenv.join("versions")).ok());
        let mut found: Vec<_> =
            versions.into_iter().flatten().flatten().map(|v| v.path().join("bin/python3")).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        for folder in std::env::split_paths(&path) {
            for minor in 6..=15 {
                found.extend(["", "-dbg"].map(|suffix| folder.join(format!("python3.{minor}{suffix}"))));
            }
        }
        found.retain(|python| python.is_file());
        found
    }

    /// A struct of another module that happens to be called the same would have another size.
    #[test]
    fn structs_are_as_large_as_the_objects_of_their_types() {
        let mut compared = 0;
        for python in pythons() {
            let program = include_str!("../../tests/programs/sizes.py");
            let output = Command::new(&python).args(["-c", program]).stdin(Stdio::null()).output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            let Some((version, types)) = text.split_once('\n') else { continue };
            let name = format!("cpython-{version}");
            let Some((name, toml)) = TABLES.iter().find(|(known, _)| *known == name) else { continue };
            let table = parse(name, toml).expect("it parses");
            let mut count = 0;
            for line in types.lines() {
                let mut fields = line.split('\t');
                let (Some(module), Some(qualname), Some(size)) = (fields.next(), fields.next(), fields.next()) else {
                    panic!("{name}: {line}");
                };
                let kind = format!("{module}.{qualname}");
                let Some(object) = OBJECTS.iter().find(|object| object.types.contains(&kind.as_str())) else {
                    continue;
                };
                let Some(members) = table.found.objects.get(object.types[0]) else { continue };
                assert_eq!(members[""].to_string(), size, "{name} of {}: {kind}", python.display());
                assert!(members.values().all(|&offset| offset <= members[""]), "{name}: {kind}: {members:?}");
                count += 1;
            }
            assert!(count > 150, "{name}: only {count} types of {} are known", python.display());
            compared += 1;
        }
        assert!(compared > 0, "there is no interpreter here of which there is a table");
    }
}

//! Makes a table for `config/layouts` from a file with debug information: the core of the hidden `layout` command.
//!
//! Says which build it is of, and nothing of the machine it was made on: the name of the file, not its path.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Found;
use super::dwarf;
use super::names::fields;
use super::objects::OBJECTS;
use super::table::SIZE;
use crate::error::{Error, Kind, Result};
use crate::target::elf::{DEBUG_FOLDER, Elf, find_debug_file};
use crate::target::python::flavour_of_file;

/// The table of the interpreter in the file `path` (an executable or `libpython`), as TOML. Its debug information may
/// be in a separate file, where distributions put it. `libraries` are extension modules, for the types that they define.
///
/// Errors: `BadFile` when it is no Python, or when there is no debug information of it.
pub(crate) fn generate(path: &Path, libraries: &[PathBuf]) -> Result<String> {
    let given = path;
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let bad = |why: String| Error::new(Kind::BadFile, format!("cannot read a layout from {}: {why}", given.display()));
    let elf = Elf::open(path).map_err(|error| bad(error.to_string()))?;
    let flavour = flavour_of_file(&elf).ok_or_else(|| bad("it is no Python that we know".to_owned()))?;
    let version = flavour.version;
    let separate = separate_file(&elf, path);
    let found = match (dwarf::find(&elf, version), separate) {
        (Err(_), Some(debug_file)) => {
            let debug = Elf::open(&debug_file).map_err(|error| bad(error.to_string()))?;
            dwarf::find(&debug, version)
        }
        (found, _) => found,
    };
    let mut found = found.map_err(|why| bad(why).hint("`apt install python3-dbg` brings it on Debian and Ubuntu"))?;
    for library in libraries {
        add_library(library, &mut found);
    }

    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut toml = format!(
        "# Offsets in the structs of CPython {version}, in bytes; made from its DWARF by `memory-analyzer layout`.\n\
         version = \"{version}\"\ndebug = {}\nfree_threaded = {}\nmachine = {} # e_machine\n\
         file = {name:?}\n",
        flavour.debug,
        flavour.free_threaded,
        elf.machine().0
    );
    if let Some(build_id) = elf.build_id() {
        let _ = writeln!(toml, "build_id = \"{build_id}\"");
    }
    let mut section = "";
    for field in fields() {
        let Some(offset) = found.offsets.get(field.name) else { continue };
        let (structure, key) = field.name.split_once('.').unwrap_or(("", field.name));
        if structure != section {
            let _ = write!(toml, "\n[{structure}]\n");
            section = structure;
        }
        // A dot in a key would be a table.
        let key = if key.contains('.') { format!("{key:?}") } else { key.to_owned() };
        let _ = writeln!(toml, "{key} = {offset:#x}");
    }
    for object in &OBJECTS {
        let Some(members) = found.objects.get(object.types[0]) else { continue };
        let _ = write!(toml, "\n[objects.{:?}]\n", object.types[0]);
        for (path, offset) in members {
            let key = match *path {
                "" => SIZE.to_owned(),
                nested if nested.contains('.') => format!("{nested:?}"),
                plain => plain.to_owned(),
            };
            let _ = writeln!(toml, "{key} = {offset:#x}");
        }
    }
    Ok(toml)
}

/// Adds what a library's own debug information, or a separate file of it, tells; one without tells nothing.
fn add_library(path: &Path, found: &mut Found) {
    let Ok(elf) = Elf::open(path) else { return };
    if dwarf::find_more(&elf, found).is_err()
        && let Some(file) = separate_file(&elf, path)
        && let Ok(debug) = Elf::open(&file)
    {
        let _ = dwarf::find_more(&debug, found);
    }
}

/// Where a distribution put the debug information of the file at `path`, whose root need not be ours.
fn separate_file(elf: &Elf, path: &Path) -> Option<PathBuf> {
    let id = elf.build_id()?;
    path.ancestors().find_map(|root| find_debug_file(&id, &root.join(DEBUG_FOLDER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_refused() {
        fn check(path: &Path, expected: &str) {
            let error = generate(path, &[]).expect_err("there is no layout in it");
            assert_eq!((error.kind, error.text.contains(expected)), (Kind::BadFile, true), "{}", error.text);
        }
        check(Path::new("/dev/null"), "not a regular file");
        check(Path::new("/nonexistent"), "No such file");
        check(Path::new("/proc/self/exe"), "no Python");
        check(Path::new(file!()), "cannot read a layout from");
    }
}

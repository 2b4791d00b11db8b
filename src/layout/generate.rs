//! Makes a table for `config/layouts` from a file with debug information: the core of the hidden `layout` command.
//!
//! Says which build it is of, and nothing of the machine it was made on: the name of the file, not its path.

use std::fmt::Write as _;
use std::path::Path;

use super::dwarf;
use super::names::{FIELDS, Structure};
use crate::error::{Error, Kind, Result};
use crate::target::elf::{DEBUG_FOLDER, Elf, find_debug_file};
use crate::target::python::flavour_of_file;

/// The table of the interpreter in the file `path` (an executable or `libpython`), as TOML. Its debug information may
/// be in a separate file, where distributions put it.
///
/// Errors: `BadFile` when it is no Python, or when there is no debug information of it.
pub(crate) fn generate(path: &Path) -> Result<String> {
    let given = path;
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let bad = |why: String| Error::new(Kind::BadFile, format!("cannot read a layout from {}: {why}", given.display()));
    let elf = Elf::open(path).map_err(|error| bad(error.to_string()))?;
    let flavour = flavour_of_file(&elf).ok_or_else(|| bad("it is no Python that we know".to_owned()))?;
    let version = flavour.version;
    let wanted = if version.at_least(3, 7) { Structure::ALL } else { Structure::OF_3_6 };
    // The root it is installed under need not be ours.
    let separate =
        elf.build_id().and_then(|id| path.ancestors().find_map(|root| find_debug_file(&id, &root.join(DEBUG_FOLDER))));
    let offsets = match (dwarf::offsets(&elf, wanted), separate) {
        (Err(_), Some(debug_file)) => {
            let debug = Elf::open(&debug_file).map_err(|error| bad(error.to_string()))?;
            dwarf::offsets(&debug, wanted)
        }
        (offsets, _) => offsets,
    };
    let offsets = offsets.map_err(|why| bad(why).hint("`apt install python3-dbg` brings it on Debian and Ubuntu"))?;

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
    for field in FIELDS {
        let Some(offset) = offsets.get(field.name) else { continue };
        let (structure, key) = field.name.split_once('.').unwrap_or(("", field.name));
        if structure != section {
            let _ = write!(toml, "\n[{structure}]\n");
            section = structure;
        }
        // A dot in a key would be a table.
        let key = if key.contains('.') { format!("{key:?}") } else { key.to_owned() };
        let _ = writeln!(toml, "{key} = {offset:#x}");
    }
    Ok(toml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_refused() {
        fn check(path: &Path, expected: &str) {
            let error = generate(path).expect_err("there is no layout in it");
            assert_eq!((error.kind, error.text.contains(expected)), (Kind::BadFile, true), "{}", error.text);
        }
        check(Path::new("/dev/null"), "not a regular file");
        check(Path::new("/nonexistent"), "No such file");
        check(Path::new("/proc/self/exe"), "no Python");
        check(Path::new(file!()), "cannot read a layout from");
    }
}

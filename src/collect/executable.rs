//! Is the file given with `-e` the one that runs? Proven by build-id; and which file has the debug information of the one
//! that does.
//!
//! A wrong file is how the predecessor crashed production: it called addresses of another build.

use std::path::{Path, PathBuf};

use crate::cli::plan::CollectPlan;
use crate::error::{Error, Kind, Result};
use crate::notice::Notice;
use crate::target::doctor::debug_file_of;
use crate::target::elf::Elf;
use crate::target::maps::Mapping;
use crate::target::python::Interpreter;
use crate::units::printable;

/// Files proven to describe the target.
#[derive(Debug)]
pub(super) struct Executable {
    /// What GDB is to take as the executable; none leaves the choice to it.
    pub(super) file: Option<PathBuf>,
    /// Debug information of the interpreter's image, by build-id.
    pub(super) debug_files: Vec<PathBuf>,
    pub(super) notices: Vec<Notice>,
}

/// Compares the file of `-e` with what is mapped in `pid`.
///
/// Errors: `BadFile` for a file that is no ELF file.
pub(super) fn prove(
    plan: &CollectPlan,
    pid: i32,
    interpreter: &Interpreter,
    mappings: &[Mapping],
) -> Result<Executable> {
    let image_id = interpreter.image.build_id.as_deref();
    let mut found = Executable { file: None, debug_files: Vec::new(), notices: Vec::new() };
    if let Some(id) = image_id {
        found.debug_files.extend(debug_file_of(pid, id, &plan.debug_dirs));
    }
    let Some(given) = &plan.exec else { return Ok(found) };
    let given_id = open(given)?.build_id();
    if given_id.is_some() && given_id.as_deref() == image_id {
        found.debug_files.insert(0, given.clone());
        // As the executable only if it is one: the image may be a shared library.
        found.file = (!is_library(&interpreter.image.path)).then(|| given.clone());
    } else if given_id.is_some() && given_id == main_program_id(pid, mappings) {
        found.file = Some(given.clone());
    } else {
        found.notices.push(mismatch(given, given_id.as_deref(), interpreter, &found.debug_files));
    }
    Ok(found)
}

/// The file of `-e`.
pub(super) fn open(given: &Path) -> Result<Elf> {
    Elf::open(given).map_err(|error| {
        Error::new(Kind::BadFile, format!("cannot use `-e {}`: {error}", given.display()))
            .hint("`-e` takes the interpreter's ELF file, not a script that starts it")
    })
}

fn is_library(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"))
}

/// Of the program itself, where the interpreter is a library of it.
fn main_program_id(pid: i32, mappings: &[Mapping]) -> Option<String> {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    mappings.first().and_then(|_| Elf::open(&exe).ok()?.build_id())
}

pub(super) fn mismatch(given: &Path, id: Option<&str>, interpreter: &Interpreter, debug_files: &[PathBuf]) -> Notice {
    let image = printable(&interpreter.image.path.to_string_lossy(), 200);
    let text = format!(
        "wrong executable: {} (build-id {}) is not what pid {} runs: {image} (build-id {})",
        given.display(),
        id.unwrap_or("none"),
        interpreter.pid,
        interpreter.image.build_id.as_deref().unwrap_or("none"),
    );
    let notice = Notice::new("wrong-executable", text);
    match debug_files.first() {
        Some(file) => notice.hint(format!("its debug file was found by build-id and used instead: {}", file.display())),
        None => notice.hint(
            "the mapped file's own symbols were used instead; leave `-e` out, or install the debug package of the one that \
             runs (Debian, Ubuntu: python3-dbg; Fedora, RHEL: `dnf debuginfo-install python3`)",
        ),
    }
}

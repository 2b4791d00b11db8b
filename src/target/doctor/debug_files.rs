//! Where the symbols and struct offsets of an interpreter can be had: the file given with `-e`, itself, or its debug file.
//!
//! What counts is the build-id: a file of another build describes another program.

use std::path::{Path, PathBuf};

use object::elf;

use super::Finding;
use crate::cli::plan::CollectPlan;
use crate::error::{Error, Kind};
use crate::target::elf::{Elf, find_debug_file, within};
use crate::target::python::Interpreter;
use crate::target::version::Version;
use crate::units::printable;

/// What will be known of the structs of `interpreter`, and from where.
pub(super) fn finding(interpreter: &Interpreter, collect: &CollectPlan) -> Finding {
    let has_dwarf = |elf: &Elf| elf.section(".debug_info").is_some();
    let mapped = interpreter.image.build_id.as_deref();
    if let Some(path) = &collect.exec {
        let Ok(elf) = Elf::open(path) else {
            let remedies = vec!["`-e` takes the interpreter's ELF file, not a script that starts it".to_owned()];
            return Finding::limited("debug info", format!("{} is not an ELF file", path.display()), remedies);
        };
        return given(path, elf.build_id().as_deref(), mapped, has_dwarf(&elf));
    }
    if has_dwarf(&interpreter.image.elf) {
        return Finding::fine("debug info", "in the interpreter's own file");
    }
    match mapped.and_then(|id| debug_file_of(interpreter.pid, id, &collect.debug_dirs)) {
        Some(path) => Finding::fine("debug info", printable(&path.to_string_lossy(), 200)),
        None => absent(interpreter.version, mapped.unwrap_or("none"), interpreter.image.elf.machine()),
    }
}

/// That nothing on this machine tells of the structs: then the tables do, on the CPU that they were made on.
fn absent(version: Version, id: &str, machine: elf::Machine) -> Finding {
    let remedies = vec![
        format!(
            "Debian, Ubuntu: `apt-get install python{}.{}-dbg`; Fedora, RHEL: `dnf debuginfo-install python3`",
            version.major, version.minor
        ),
        "a Python built by hand: build it with `CFLAGS=-g`, or keep the unstripped one and give it with `-e`"
            .to_owned(),
    ];
    let none = format!("none is installed (build-id {id})");
    if machine == elf::EM_X86_64 {
        let text = format!("{none}; the tables for CPython {version} that come with us must do");
        return Finding::limited("debug info", text, remedies);
    }
    let error = Error::new(Kind::NotPython, format!("{none}, and the tables that come with us are of x86-64"));
    Finding::blocked("debug info", remedies.into_iter().fold(error, Error::hint))
}

/// The debug file of a build: in the target's file system first, where its distribution put what belongs to it, then in ours.
pub(crate) fn debug_file_of(pid: i32, build_id: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let inside = folders.iter().find_map(|folder| find_debug_file(build_id, &within(&root, folder)));
    inside.or_else(|| folders.iter().find_map(|folder| find_debug_file(build_id, folder)))
}

/// What a file given with `-e` is good for.
fn given(path: &Path, id: Option<&str>, mapped: Option<&str>, has_dwarf: bool) -> Finding {
    let path = path.display();
    match (id, mapped) {
        (Some(id), Some(mapped)) if id == mapped => {
            let dwarf = if has_dwarf { "with debug information" } else { "without debug information" };
            Finding::fine("debug info", format!("{path} is of the build that runs ({id}), {dwarf}"))
        }
        (Some(id), Some(mapped)) => Finding::limited(
            "debug info",
            format!("{path} is of another build than the one that runs: build-id {id}, not {mapped}"),
            vec!["leave `-e` out, and the right file is found by build-id".to_owned()],
        ),
        _ => Finding::limited(
            "debug info",
            format!("whether {path} is of the build that runs cannot be told: there is no build-id to compare"),
            Vec::new(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_file_given_is_compared_by_build_id() {
        let check = |id, mapped| {
            let finding = given(Path::new("/x/python3-dbg"), id, mapped, true);
            (finding.verdict, finding.detail)
        };
        assert_eq!(
            check(Some("aa"), Some("aa")),
            (Verdict::Fine, "/x/python3-dbg is of the build that runs (aa), with debug information".to_owned())
        );
        let (verdict, text) = check(Some("aa"), Some("bb"));
        assert_eq!(verdict, Verdict::Limited);
        assert!(text.ends_with("build-id aa, not bb"), "{text}");
        assert_eq!(check(None, Some("bb")).0, Verdict::Limited);
    }
    #[test]
    fn tables_are_of_the_cpu_they_were_made_on() {
        let verdict = |machine| absent(Version::new(3, 14, 2), "aa", machine).verdict;
        assert_eq!(verdict(elf::EM_X86_64), Verdict::Limited);
        assert_eq!(verdict(elf::EM_AARCH64), Verdict::Blocked(Kind::NotPython));
    }
}

//! Which probes run: the built-in ones by name, and the files of the user, read here.
//!
//! A file's text goes into the target's interpreter as it is; it is not looked into, only bounded.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::values::{self, BuiltinProbe, ProbeChoice};
use crate::error::{Error, Kind, Result};

/// The probes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbePlan {
    /// In the order of [`BuiltinProbe::ALL`], each once.
    pub(crate) builtin: Vec<BuiltinProbe>,
    /// In the order named, each name once.
    pub(crate) user: Vec<UserProbe>,
    /// Something was asked for that only the interpreter itself can answer.
    pub(crate) need_interpreter: bool,
}

/// A probe of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserProbe {
    /// Under which it reports: the stem of the file.
    pub(crate) name: String,
    /// Absolute; for messages and tracebacks.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The longest probe that is read.
const MOST_BYTES: u64 = 1024 * 1024;

/// The most files that can be named.
const MOST_FILES: usize = 64;

/// The probes of `typed` options over `configured` ones: names replace names, files come in addition.
pub(crate) fn plan(typed: &[ProbeChoice], configured: &[ProbeChoice], here: &Environment) -> Result<ProbePlan> {
    let any_name_typed = typed.iter().any(|choice| matches!(choice, ProbeChoice::Builtin(_)));
    let names = if any_name_typed { typed } else { configured };
    let named = |probe: BuiltinProbe| probe.always_runs() || names.contains(&ProbeChoice::Builtin(probe));
    let builtin = BuiltinProbe::ALL.into_iter().filter(|probe| named(*probe)).collect();

    let mut user = Vec::<UserProbe>::new();
    for choice in configured.iter().chain(typed) {
        let ProbeChoice::File(path) = choice else { continue };
        let probe = read(path, here)?;
        if let Some(other) = user.iter().find(|other| other.name == probe.name) {
            if other.path == probe.path {
                continue;
            }
            let text = format!("two probes would report as `{}`: {} and {}", probe.name, other.path.display(), {
                probe.path.display()
            });
            return Err(Error::new(Kind::Usage, text).hint("rename one of the files"));
        }
        if user.len() == MOST_FILES {
            return Err(Error::new(Kind::Usage, format!("more than {MOST_FILES} probes of your own")));
        }
        user.push(probe);
    }
    let only_there =
        |choice: &ProbeChoice| !matches!(choice, ProbeChoice::Builtin(BuiltinProbe::Heap | BuiltinProbe::Threads));
    let need_interpreter = !user.is_empty() || typed.iter().any(only_there);
    Ok(ProbePlan { builtin, user, need_interpreter })
}

fn read(path: &Path, here: &Environment) -> Result<UserProbe> {
    let shown = path.display();
    let wrong = |cause: String| Error::new(Kind::BadFile, format!("cannot read the probe {shown}: {cause}"));
    let name = values::probe_name(path).ok_or_else(|| {
        Error::new(Kind::Usage, format!("cannot use the probe {shown}: its report would have no proper name"))
            .hint("the name of the file before .py must be letters, digits, `_` and `-`, at most 64")
    })?;
    if BuiltinProbe::ALL.iter().any(|probe| probe.name() == name) {
        return Err(Error::new(Kind::Usage, format!("cannot use the probe {shown}: `{name}` is a built-in one"))
            .hint("rename the file"));
    }
    let path = here.absolute(path);
    if path.exists() && !path.is_file() {
        return Err(wrong("not a regular file".to_owned()));
    }
    let file = std::fs::File::open(&path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(wrong(format!("longer than {MOST_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("not UTF-8".to_owned()))?;
    if text.contains('\0') {
        return Err(wrong("it contains a null byte, which Python refuses".to_owned()));
    }
    Ok(UserProbe { name: name.to_owned(), path, text })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::environment::tests::environment;
    use super::*;

    fn choices(words: &[&str]) -> Vec<ProbeChoice> {
        words.iter().map(|word| values::probe(word).unwrap()).collect()
    }

    fn planned(typed: &[&str], configured: &[&str]) -> String {
        let plan = plan(&choices(typed), &choices(configured), &environment(Path::new("/"), &[])).unwrap();
        plan.builtin.iter().map(|probe| probe.name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_typed_choose_among_the_libraries() {
        const DEFAULT: [&str; 4] = ["gc", "threads", "objgraph", "pympler"];
        assert_eq!(planned(&[], &DEFAULT), "heap gc threads objgraph pympler");
        assert_eq!(planned(&["heap"], &DEFAULT), "heap gc threads");
        assert_eq!(planned(&["pympler", "pympler"], &DEFAULT), "heap gc threads pympler");
        assert_eq!(planned(&[], &[]), "heap gc threads");
        assert_eq!(planned(&["objgraph"], &[]), "heap gc threads objgraph");
    }

    #[test]
    fn files_are_read_and_leave_the_names_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.py"), "emit(1)\n").unwrap();
        let here = environment(folder.path(), &[]);
        let plan = plan(&choices(&["mine.py", "./mine.py"]), &choices(&["pympler"]), &here).unwrap();
        assert_eq!(plan.builtin.last(), Some(&BuiltinProbe::Pympler));
        assert_eq!(plan.user.len(), 1);
        assert_eq!((plan.user[0].name.as_str(), plan.user[0].text.as_str()), ("mine", "emit(1)\n"));
    }

    #[test]
    fn files_that_cannot_be_probes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let long = vec![b'#'; MOST_BYTES as usize + 1];
        for (name, bytes) in [("heap.py", &b""[..]), ("long.py", &long), ("latin.py", b"\xe9"), ("nul.py", b"\0")] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        fs::create_dir(folder.path().join("folder.py")).unwrap();
        let here = environment(folder.path(), &[]);
        for (name, kind, text) in [
            ("none.py", Kind::BadFile, "cannot read the probe none.py: No such file or directory (os error 2)"),
            ("heap.py", Kind::Usage, "cannot use the probe heap.py: `heap` is a built-in one"),
            ("1.py", Kind::Usage, "cannot use the probe 1.py: its report would have no proper name"),
            ("long.py", Kind::BadFile, "cannot read the probe long.py: longer than 1048576 bytes"),
            ("latin.py", Kind::BadFile, "cannot read the probe latin.py: not UTF-8"),
            ("nul.py", Kind::BadFile, "cannot read the probe nul.py: it contains a null byte, which Python refuses"),
            ("folder.py", Kind::BadFile, "cannot read the probe folder.py: not a regular file"),
        ] {
            let error = plan(&choices(&[name]), &[], &here).unwrap_err();
            assert_eq!((error.kind, error.text.as_str()), (kind, text));
        }
    }
}

//! What surrounds the program, read once: variables, terminal, clock, working directory, user.
//!
//! The only place that asks for any of it. Tests build one by hand.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The surroundings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// Absolute.
    pub(crate) working_directory: PathBuf,
    pub(crate) stdout_is_terminal: bool,
    /// Columns of the terminal, if there is one that tells.
    pub(crate) terminal_width: Option<usize>,
    pub(crate) stderr_is_terminal: bool,
    pub(crate) now: SystemTime,
    pub(crate) effective_uid: u32,
    /// Where the configuration of the machine is.
    pub(crate) system_config: PathBuf,
}

impl Environment {
    /// The surroundings of this process.
    pub(crate) fn read() -> Environment {
        Environment {
            variables: std::env::vars_os().collect(),
            // Gone, it makes relative names fail where they are used, with their own message.
            working_directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            terminal_width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            now: SystemTime::now(),
            effective_uid: effective_uid(),
            system_config: PathBuf::from("/etc/memory-analyzer.toml"),
        }
    }

    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The configuration of the user: `$XDG_CONFIG_HOME` must be absolute to count (XDG Base Directory Specification).
    pub(crate) fn user_config(&self) -> Option<PathBuf> {
        let absolute = |name| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("memory-analyzer/config.toml"))
    }

    /// `path` from the root of the file system on.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.working_directory.join(path)
    }

    /// The program that a shell would start for `name`; a name with a `/` is a path.
    ///
    /// Relative entries of `PATH` don't count: what a working directory holds must not become our debugger.
    pub(crate) fn find_program(&self, name: &Path) -> Option<PathBuf> {
        let runnable =
            |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if name.as_os_str().as_encoded_bytes().contains(&b'/') {
            return Some(self.absolute(name)).filter(runnable);
        }
        let folders = std::env::split_paths(self.variable("PATH")?).collect::<Vec<_>>();
        folders.into_iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(runnable)
    }

    /// Whether what goes to stdout may be coloured (no-color.org).
    pub(crate) fn colour(&self) -> bool {
        self.stdout_is_terminal && self.may_colour()
    }

    /// The same for stderr.
    pub(crate) fn colour_on_stderr(&self) -> bool {
        self.stderr_is_terminal && self.may_colour()
    }

    fn may_colour(&self) -> bool {
        self.variable("NO_COLOR").is_none() && self.variable("TERM") != Some(OsStr::new("dumb"))
    }

    /// Columns of the terminal that stdout is; none when it is not one, or does not say.
    pub(crate) fn width(&self) -> Option<usize> {
        /// Narrower, no table can be read.
        const NARROWEST: usize = 40;
        let told = self.variable("COLUMNS").and_then(|columns| columns.to_str()?.parse::<usize>().ok());
        let columns = told.or(self.terminal_width)?;
        self.stdout_is_terminal.then_some(columns.max(NARROWEST))
    }
}

/// Who we are to the kernel: the second number of `Uid:` in `/proc/self/status` (proc(5)).
///
/// The owner of `/proc/self` would not do: a program with file capabilities belongs to root there.
fn effective_uid() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    // Unknown, we are as careful as root has to be.
    uids.and_then(|uids| uids.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Surroundings with nothing in them but the variables given, in `folder`, without a terminal.
    pub(crate) fn environment(folder: &Path, variables: &[(&str, &str)]) -> Environment {
        Environment {
            variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            working_directory: folder.to_owned(),
            stdout_is_terminal: false,
            terminal_width: None,
            stderr_is_terminal: false,
            now: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_732_161_662_045),
            effective_uid: effective_uid(),
            system_config: folder.join("system.toml"),
        }
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let check = |terminal: bool, variables: &[(&str, &str)]| {
            let mut here = environment(Path::new("/"), variables);
            here.stdout_is_terminal = terminal;
            here.colour()
        };
        assert!(check(true, &[]));
        assert!(check(true, &[("NO_COLOR", "")]));
        assert!(!check(true, &[("NO_COLOR", "1")]));
        assert!(!check(true, &[("TERM", "dumb")]));
        assert!(!check(false, &[]));
    }

    #[test]
    fn programs_are_looked_for_where_a_shell_would_but_not_in_the_working_directory() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tool");
        std::fs::write(&program, "").unwrap();
        let path = format!("relative:{}", folder.path().display());
        let here = environment(folder.path(), &[("PATH", &path)]);
        assert_eq!(here.find_program(Path::new("tool")), None, "not executable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(here.find_program(Path::new("tool")), Some(program.clone()));
        assert_eq!(here.find_program(Path::new("./tool")), Some(folder.path().join("./tool")));
        let nowhere = environment(folder.path(), &[("PATH", ".:")]);
        assert_eq!(nowhere.find_program(Path::new("tool")), None);
    }

    #[test]
    fn configuration_of_the_user_is_where_xdg_says() {
        let check = |variables: &[(&str, &str)]| environment(Path::new("/"), variables).user_config();
        assert_eq!(check(&[("HOME", "/h")]), Some("/h/.config/memory-analyzer/config.toml".into()));
        assert_eq!(check(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Some("/x/memory-analyzer/config.toml".into()));
        assert_eq!(
            check(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]),
            Some("/h/.config/memory-analyzer/config.toml".into())
        );
        assert_eq!(check(&[]), None);
    }

    #[test]
    fn we_know_who_we_are() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::tempfile().unwrap();
        assert_eq!(effective_uid(), file.metadata().unwrap().uid());
    }
}

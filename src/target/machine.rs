//! What this machine, and our own process on it, mean for examining another: rights, limits, the debugger.
//!
//! Facts only, from `/proc` and `/sys`; what follows from them is said by [`super::doctor`].

use std::path::Path;
use std::time::Duration;

use super::procfs::{self, Process};
use super::read_proc;
use crate::error::{Error, Kind, Result};
use crate::units::printable;

/// The most of a small file of `/proc` or `/sys` that is read.
const MAX_FILE: u64 = 1 << 20;
/// `CAP_SYS_PTRACE` (capabilities(7)).
const PTRACE_CAPABILITY: u64 = 1 << 19;
/// Whoever has one of these, or is user 0, is not bound by `RLIMIT_NPROC`: `CAP_SYS_ADMIN`, `CAP_SYS_RESOURCE`
/// (`kernel/fork.c`).
const UNLIMITED_CAPABILITIES: u64 = 1 << 21 | 1 << 24;
/// Deeper, control groups are not nested in earnest.
const MAX_GROUPS: usize = 32;
/// GDB starts in a tenth of this, even on a busy machine.
const GDB_DEADLINE: Duration = Duration::from_secs(20);

/// The surroundings of an attempt to attach.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// As Rust calls it: `x86_64`.
    pub(crate) architecture: &'static str,
    pub(crate) ourselves: Process,
    /// `kernel.yama.ptrace_scope`; none where Yama is not.
    pub(crate) ptrace_scope: Option<u8>,
    /// The SELinux boolean `deny_ptrace`.
    pub(crate) selinux_denies: bool,
    /// The container we are in, as far as it shows.
    pub(crate) container: Option<Container>,
    /// Of memory still to be promised, in bytes; none where the kernel promises more than it has.
    pub(crate) committable: Option<u64>,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Docker,
    Podman,
    Kubernetes,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn read() -> Result<Machine> {
        // A process id fits: the kernel's largest is 2^22.
        let ourselves = Process::read(std::process::id() as i32)?;
        let text = |path| String::from_utf8_lossy(&read_proc(path, MAX_FILE).unwrap_or_default()).into_owned();
        Ok(Machine {
            architecture: std::env::consts::ARCH,
            ourselves,
            ptrace_scope: text("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok(),
            selinux_denies: text("/sys/fs/selinux/booleans/deny_ptrace").starts_with('1'),
            container: container(),
            committable: match text("/proc/sys/vm/overcommit_memory").trim() {
                "2" => committable(&text("/proc/meminfo")),
                _ => None,
            },
        })
    }

    /// Whether we have the capability to attach to processes of others in our user namespace.
    pub(crate) fn may_trace_others(&self) -> bool {
        self.ourselves.effective_capabilities & PTRACE_CAPABILITY != 0
    }
}

fn container() -> Option<Container> {
    let exists = |path| Path::new(path).exists();
    if exists("/var/run/secrets/kubernetes.io") {
        Some(Container::Kubernetes)
    } else if exists("/.dockerenv") {
        Some(Container::Docker)
    } else if exists("/run/.containerenv") {
        Some(Container::Podman)
    } else {
        None
    }
}

/// `CommitLimit` less `Committed_AS` of `/proc/meminfo`, in bytes (proc(5)).
fn committable(meminfo: &str) -> Option<u64> {
    Some(of_meminfo(meminfo, "CommitLimit")?.saturating_sub(of_meminfo(meminfo, "Committed_AS")?))
}

/// Memory that can be had without anybody being swapped out, in bytes, as the kernel guesses.
pub(crate) fn available_memory() -> Option<u64> {
    let text = read_proc("/proc/meminfo", MAX_FILE).unwrap_or_default();
    of_meminfo(&String::from_utf8_lossy(&text), "MemAvailable")
}

/// The line `name` of `/proc/meminfo`, in bytes.
fn of_meminfo(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Why the target could not have one more process now, although it may otherwise: a limit that is reached.
pub(crate) fn full(process: &Process) -> Option<String> {
    let limits = read_proc(&format!("/proc/{}/limits", process.pid), MAX_FILE).unwrap_or_default();
    let unlimited = process.uids.real == 0 || process.effective_capabilities & UNLIMITED_CAPABILITIES != 0;
    if let Some(limit) = process_limit(&String::from_utf8_lossy(&limits)).filter(|_| !unlimited) {
        let used = procfs::threads_of_user(process.uids.real);
        if used >= limit {
            return Some(format!("its user has {used} threads, and may have {limit} (`ulimit -u`, RLIMIT_NPROC)"));
        }
    }
    let groups = read_proc(&format!("/proc/{}/cgroup", process.pid), MAX_FILE).unwrap_or_default();
    pids_groups(&String::from_utf8_lossy(&groups)).into_iter().find_map(|folder| {
        let number = |file| {
            let text = read_proc(&format!("{folder}/{file}"), 64).ok()?;
            String::from_utf8_lossy(&text).trim().parse::<u64>().ok()
        };
        // `max`, for no limit, is no number.
        let (used, limit) = (number("pids.current")?, number("pids.max")?);
        let folder = printable(&folder, 200);
        (used >= limit).then(|| format!("its control group has {used} tasks, and may have {limit} ({folder}/pids.max)"))
    })
}

/// The soft limit `Max processes` of a `limits` file; none for `unlimited`.
fn process_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max processes"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The folders of the control groups that may bound the tasks of a process, the innermost first, from its `cgroup` file
/// (cgroups(7)): of version 2, and of version 1 the hierarchy `pids`.
fn pids_groups(cgroup: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let root = if hierarchy == "0" {
            "/sys/fs/cgroup"
        } else if controllers.split(',').any(|name| name == "pids") {
            "/sys/fs/cgroup/pids"
        } else {
            continue;
        };
        // Outside of our control group namespace the path begins with `..`, and leads nowhere from here.
        if path.split('/').any(|part| part == "..") {
            continue;
        }
        for ancestor in Path::new(path).ancestors().take(MAX_GROUPS) {
            folders.push(format!("{root}{}", ancestor.display()).trim_end_matches('/').to_owned());
        }
    }
    folders
}

/// A debugger that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gdb {
    /// `13.1`, or as much of its own words as can be understood.
    pub(crate) version: String,
    /// Whether it can run Python scripts: some are built without.
    pub(crate) python: bool,
}

/// Starts the GDB at `path` to see what it can do.
///
/// Errors: `Usage`, when it does not start or does not end.
pub(crate) fn gdb(path: &Path) -> Result<Gdb> {
    let wrong = |cause: String| Error::new(Kind::Usage, format!("cannot use `{}`: {cause}", path.display()));
    let arguments = ["-nx", "-q", "-batch", "-ex", "show version", "-ex", "python print('python works')"];
    // Without the setting it would ask the network for debug information.
    let command = duct::cmd(path, arguments).env("DEBUGINFOD_URLS", "").stdin_null().stdout_capture().stderr_capture();
    let handle = command.unchecked().start().map_err(|error| wrong(error.to_string()))?;
    match handle.wait_timeout(GDB_DEADLINE) {
        Ok(Some(output)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            parse_gdb(&text).ok_or_else(|| wrong("what it says is not what GDB says".to_owned()))
        }
        Ok(None) => {
            // A failure to kill it means that it ended by itself.
            handle.kill().ok();
            Err(wrong(format!("it did not end within {} s", GDB_DEADLINE.as_secs())))
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// `GNU gdb (Debian 13.1-3) 13.1` and what follows.
fn parse_gdb(text: &str) -> Option<Gdb> {
    let first = text.lines().find(|line| line.starts_with("GNU gdb"))?;
    let version = printable(first.split_ascii_whitespace().next_back()?, 40);
    Some(Gdb { version, python: text.lines().any(|line| line == "python works") })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::procfs::tests::ordinary;
    use super::*;

    /// A machine with nothing unusual about it, on which we are user 1000.
    pub(in crate::target) fn ordinary_machine() -> Machine {
        Machine {
            architecture: "x86_64",
            ourselves: ordinary(99),
            ptrace_scope: Some(0),
            selinux_denies: false,
            container: None,
            committable: None,
        }
    }

    #[test]
    fn limits_are_found() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             96365                96366                processes \n";
        assert_eq!(process_limit(limits), Some(96365));
        assert_eq!(
            process_limit("Max processes             unlimited            unlimited            processes"),
            None
        );
        assert_eq!(process_limit(""), None);
    }

    #[test]
    fn control_groups_bound_from_the_inside_out() {
        assert_eq!(
            pids_groups("0::/system.slice/app.service\n"),
            ["/sys/fs/cgroup/system.slice/app.service", "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"]
        );
        assert_eq!(
            pids_groups("9:name=systemd:/x\n8:cpu,pids:/a:b\n"),
            ["/sys/fs/cgroup/pids/a:b", "/sys/fs/cgroup/pids"]
        );
        assert!(pids_groups("0::/../other\nnonsense\n").is_empty());
        assert_eq!(pids_groups(&format!("0::{}", "/a".repeat(5000))).len(), MAX_GROUPS);
    }

    #[test]
    fn what_may_still_be_promised() {
        let meminfo = "MemTotal: 9 kB\nCommitLimit:    12342040 kB\nCommitted_AS:      62416 kB\n";
        assert_eq!(committable(meminfo), Some((12_342_040 - 62_416) * 1024));
        assert_eq!(committable("CommitLimit: 5 kB\nCommitted_AS: 6 kB\n"), Some(0));
        assert_eq!(committable("CommitLimit: 5 kB\n"), None);
    }

    #[test]
    fn gdb_says_who_it_is() {
        let check = |text: &str| parse_gdb(text).map(|gdb| (gdb.version, gdb.python));
        assert_eq!(
            check("GNU gdb (Debian 13.1-3) 13.1\nCopyright (C) 2023\npython works\n"),
            Some(("13.1".into(), true))
        );
        assert_eq!(check("GNU gdb (GDB) 15.0.50.20240101-git\n"), Some(("15.0.50.20240101-git".into(), false)));
        assert_eq!(check("bash: gdb: not found\n"), None);
    }

    #[test]
    fn a_program_that_is_no_gdb_is_refused() {
        let error = gdb(Path::new("/bin/true")).unwrap_err();
        assert_eq!(error.text, "cannot use `/bin/true`: what it says is not what GDB says");
        assert_eq!(gdb(Path::new("/nowhere/gdb")).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn we_see_our_machine() {
        let machine = Machine::read().unwrap();
        assert_eq!(machine.ourselves.pid, std::process::id() as i32);
        assert_eq!(full(&machine.ourselves), None);
    }
}

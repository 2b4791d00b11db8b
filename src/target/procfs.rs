//! Facts of a process, as `/proc` tells them (proc(5)): bounded reads, and texts that may be hostile.
//!
//! Needs no right to attach; what only those may see who have it is an `Option`. Says nothing about what follows from the
//! facts: that is for [`super::doctor`].

use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::read_proc;
use crate::error::{Error, Kind, Result};
use crate::units;

/// The most of a `stat` or `status` file that is read; real ones have some kilobytes (`Groups:` may be long).
const MAX_FILE: u64 = 1 << 20;
/// The most of a command line that is read, and the most arguments that are kept.
const MAX_COMMAND_LINE: u64 = 64 << 10;
const MAX_ARGUMENTS: usize = 1024;
/// The most of `/proc/stat` that is read: its line `intr` grows with the machine, and `btime` comes after it.
const MAX_MACHINE_FILE: u64 = 4 << 20;
/// Deeper, PID namespaces do not nest (pid_namespaces(7)).
const MAX_NAMESPACES: usize = 33;
/// `USER_HZ`: the unit of times in `/proc`, fixed in the ABI of every CPU we run on (time(7)).
const TICKS_PER_SECOND: u64 = 100;
/// The flag of a kernel's own thread (`PF_KTHREAD`, `include/linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// A process as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// RFC 3339 in UTC, to the second. From the machine's own idea of when it booted, which may move by a second when its
    /// clock is set; `start_ticks` does not.
    pub(crate) start_time: String,
    /// Hundredths of a second from boot to start: with the PID, the identity of the process until the next boot.
    pub(crate) start_ticks: u64,
    /// At most 15 bytes, chosen by the process.
    pub(crate) name: String,
    /// Empty when the process has none, or hides it.
    pub(crate) command_line: Vec<String>,
    /// Without the right to attach, or of a kernel thread, there is none.
    pub(crate) executable: Option<PathBuf>,
    /// The file was deleted or replaced since the start.
    pub(crate) executable_deleted: bool,
    pub(crate) kernel_thread: bool,
    /// Of the main thread: `R`, `S`, `D`, `T` (stopped), `t` (traced), `Z`, …
    pub(crate) state: char,
    /// 0 for nobody.
    pub(crate) tracer: i32,
    pub(crate) uids: Ids,
    pub(crate) gids: Ids,
    /// `CapPrm` and `CapEff` (capabilities(7)).
    pub(crate) permitted_capabilities: u64,
    pub(crate) effective_capabilities: u64,
    pub(crate) threads: u64,
    pub(crate) rss_bytes: u64,
    /// Private writable memory, resident or not: what strict overcommit counts once more for a copy.
    pub(crate) private_bytes: u64,
    pub(crate) no_new_privileges: bool,
    /// 0 none, 1 strict, 2 filter (seccomp(2)).
    pub(crate) seccomp: u8,
    pub(crate) namespaces: Namespaces,
    /// The PID in each PID namespace, from ours to the innermost.
    pub(crate) nested_pids: Vec<i32>,
}

/// Real, effective, saved and file-system ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Ids {
    pub(crate) real: u32,
    pub(crate) effective: u32,
    pub(crate) saved: u32,
    pub(crate) file_system: u32,
}

/// Inode numbers of namespaces (namespaces(7)); unknown without the right to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Namespaces {
    pub(crate) mount: Option<u64>,
    pub(crate) pid: Option<u64>,
    pub(crate) user: Option<u64>,
}

impl Process {
    /// Looks at process `pid`.
    ///
    /// Errors: `NoProcess` when there is none, when it is a thread of another, or when it ended meanwhile.
    pub(crate) fn read(pid: i32) -> Result<Process> {
        let stat = read_stat(pid).map_err(|error| absent(pid, &error))?;
        let status = read_proc(&format!("/proc/{pid}/status"), MAX_FILE).map_err(|error| absent(pid, &error))?;
        let status = Status::parse(&String::from_utf8_lossy(&status)).ok_or_else(|| unreadable(pid, "status"))?;
        if status.thread_group != pid {
            let process = status.thread_group;
            let text = format!("{pid} is not a process but a thread of process {process}");
            return Err(Error::new(Kind::NoProcess, text).hint(format!("name the process: {process}")));
        }
        let command_line = read_proc(&format!("/proc/{pid}/cmdline"), MAX_COMMAND_LINE).unwrap_or_default();
        let executable = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let namespace = |name| {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
            namespace_id(link.to_str()?)
        };
        let namespaces = Namespaces { mount: namespace("mnt"), pid: namespace("pid"), user: namespace("user") };
        // Between two of these reads the number may have gone to another process.
        let again = read_stat(pid).map_err(|error| absent(pid, &error))?;
        if again.start_ticks != stat.start_ticks {
            return Err(Error::new(Kind::NoProcess, format!("process {pid} ended while it was looked at")));
        }
        let deleted = executable.as_ref().and_then(|path| path.to_str()?.strip_suffix(" (deleted)").map(PathBuf::from));
        Ok(Process {
            pid,
            parent: stat.parent,
            start_time: start_time(stat.start_ticks),
            start_ticks: stat.start_ticks,
            name: stat.name,
            command_line: arguments(&command_line),
            executable_deleted: deleted.is_some(),
            executable: deleted.or(executable),
            kernel_thread: stat.flags & KERNEL_THREAD != 0,
            state: stat.state,
            tracer: status.tracer,
            uids: status.uids,
            gids: status.gids,
            permitted_capabilities: status.permitted_capabilities,
            effective_capabilities: status.effective_capabilities,
            threads: status.threads,
            rss_bytes: status.rss_bytes,
            private_bytes: status.private_bytes,
            no_new_privileges: status.no_new_privileges,
            seccomp: status.seccomp,
            namespaces,
            nested_pids: status.nested_pids,
        })
    }

    /// Whether it is over: nothing is left but its exit code. A main thread that ended before the others looks alike.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x') && self.threads <= 1
    }

    /// What it is called, for people: its program, not its arguments, which may hold secrets.
    pub(crate) fn called(&self) -> String {
        units::printable(&self.name, 64)
    }
}

/// The processes here, by number.
pub(crate) fn pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect::<Vec<i32>>();
    pids.sort_unstable();
    pids
}

/// The children of each process in `parents`, by number, with their parents.
pub(crate) fn children(parents: &[i32]) -> Vec<i32> {
    // `/proc/PID/task/TID/children` is not in every kernel; this is.
    let has_parent = |pid: &i32| read_stat(*pid).is_ok_and(|stat| parents.contains(&stat.parent));
    pids().into_iter().filter(has_parent).collect()
}

/// The name of the program that process `pid` runs, printable; empty when it is gone.
pub(crate) fn name(pid: i32) -> String {
    read_stat(pid).map(|stat| units::printable(&stat.name, 64)).unwrap_or_default()
}

impl Process {
    /// Somebody has stopped it, by a signal or as its tracer.
    pub(crate) fn stands(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

/// The state of the main thread of `pid`.
pub(crate) fn state(pid: i32) -> Option<char> {
    read_stat(pid).ok().map(|stat| stat.state)
}

/// How many threads, of all processes, the real user `uid` has: what `RLIMIT_NPROC` bounds (setrlimit(2)).
pub(crate) fn threads_of_user(uid: u32) -> u64 {
    let status = |pid| {
        let text = read_proc(&format!("/proc/{pid}/status"), MAX_FILE).ok()?;
        Status::parse(&String::from_utf8_lossy(&text))
    };
    pids().into_iter().filter_map(status).filter(|status| status.uids.real == uid).map(|status| status.threads).sum()
}

/// The name of this machine, as its processes see it.
pub(crate) fn host_name() -> String {
    let name = read_proc("/proc/sys/kernel/hostname", 256).unwrap_or_default();
    units::printable(String::from_utf8_lossy(&name).trim(), 256)
}

/// The name of user `uid`; the number when `/etc/passwd` does not know it (passwd(5)).
pub(crate) fn user_name(uid: u32, passwd: &str) -> String {
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| units::printable(name, 32))
    });
    entry.filter(|name| !name.is_empty()).unwrap_or_else(|| uid.to_string())
}

/// `/etc/passwd`, for [`user_name`].
pub(crate) fn passwd() -> String {
    String::from_utf8_lossy(&read_proc("/etc/passwd", MAX_FILE).unwrap_or_default()).into_owned()
}

/// Why nothing is told of `pid`.
fn absent(pid: i32, error: &io::Error) -> Error {
    if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) {
        return Error::new(Kind::NotPermitted, format!("cannot read /proc/{pid}: {error}")).hint("run as root: sudo");
    }
    let error = Error::new(Kind::NoProcess, format!("there is no process {pid}"))
        .hint("`memory-analyzer ps` lists the Python processes here");
    let mounts = read_proc("/proc/self/mounts", MAX_FILE).unwrap_or_default();
    if hides_processes(&String::from_utf8_lossy(&mounts)) {
        return error.hint("/proc is mounted with `hidepid`: processes of other users are seen by root only (sudo)");
    }
    error
}

fn unreadable(pid: i32, file: &str) -> Error {
    Error::new(Kind::Defect, format!("cannot make sense of /proc/{pid}/{file}"))
}

/// Whether `/proc` hides the processes of others (proc(5), `hidepid`).
fn hides_processes(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let fields = line.split(' ').collect::<Vec<_>>();
        fields.get(1) == Some(&"/proc")
            && fields.get(3).is_some_and(|options| {
                options
                    .split(',')
                    .any(|option| option.strip_prefix("hidepid=").is_some_and(|value| value != "0" && value != "off"))
            })
    })
}

/// What we take from `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    state: char,
    parent: i32,
    flags: u64,
    start_ticks: u64,
}

fn read_stat(pid: i32) -> io::Result<Stat> {
    let text = read_proc(&format!("/proc/{pid}/stat"), MAX_FILE)?;
    // A process that is just being reaped leaves nothing to read.
    Stat::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

impl Stat {
    /// The name is in parentheses and may hold parentheses, blanks and line feeds itself.
    fn parse(text: &str) -> Option<Stat> {
        let (start, rest) = text.split_once('(')?;
        start.trim_end().parse::<i32>().ok()?;
        let (name, rest) = rest.rsplit_once(')')?;
        let fields = rest.split_ascii_whitespace().collect::<Vec<_>>();
        // proc(5) counts from 1 for the PID; here 0 is its field 3.
        Some(Stat {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            flags: fields.get(6)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// What we take from `/proc/PID/status`.
#[derive(Debug, PartialEq, Eq, Default)]
struct Status {
    thread_group: i32,
    tracer: i32,
    uids: Ids,
    gids: Ids,
    permitted_capabilities: u64,
    effective_capabilities: u64,
    threads: u64,
    rss_bytes: u64,
    private_bytes: u64,
    no_new_privileges: bool,
    seccomp: u8,
    nested_pids: Vec<i32>,
}

impl Status {
    /// Lines a kernel does not have (seccomp before 3.8, namespaces before 4.1) count as none of it; memory is missing where
    /// there is none, in kernel threads and zombies.
    fn parse(text: &str) -> Option<Status> {
        let mut status = Status::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let number = || value.split_ascii_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            let kibibytes = || number().unwrap_or(0).saturating_mul(1024);
            match key {
                "Tgid" => status.thread_group = value.parse().ok()?,
                "TracerPid" => status.tracer = value.parse().ok()?,
                "Uid" => status.uids = Ids::parse(value)?,
                "Gid" => status.gids = Ids::parse(value)?,
                "CapPrm" => status.permitted_capabilities = u64::from_str_radix(value, 16).ok()?,
                "CapEff" => status.effective_capabilities = u64::from_str_radix(value, 16).ok()?,
                "Threads" => status.threads = number()?,
                "VmRSS" => status.rss_bytes = kibibytes(),
                "VmData" | "VmStk" => status.private_bytes = status.private_bytes.saturating_add(kibibytes()),
                "NoNewPrivs" => status.no_new_privileges = value == "1",
                "Seccomp" => status.seccomp = value.parse().ok()?,
                "NSpid" => {
                    let pids = value.split_ascii_whitespace().take(MAX_NAMESPACES).map(str::parse);
                    status.nested_pids = pids.collect::<std::result::Result<_, _>>().ok()?;
                }
                _ => {}
            }
        }
        (status.thread_group > 0).then_some(status)
    }
}

impl Ids {
    fn parse(text: &str) -> Option<Ids> {
        let mut ids = text.split_ascii_whitespace().map(|word| word.parse().ok());
        let mut next = || ids.next().flatten();
        Some(Ids { real: next()?, effective: next()?, saved: next()?, file_system: next()? })
    }
}

/// The number in `mnt:[4026531832]`.
fn namespace_id(link: &str) -> Option<u64> {
    link.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

/// The arguments in a `cmdline` file, each ended by a null byte. A process may write there what it wants, or nothing.
fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let arguments = bytes.split(|byte| *byte == 0).take(MAX_ARGUMENTS);
    arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// When a process started, by the clock of the machine.
fn start_time(start_ticks: u64) -> String {
    let stat = read_proc("/proc/stat", MAX_MACHINE_FILE).unwrap_or_default();
    let boot = boot_seconds(&String::from_utf8_lossy(&stat)).unwrap_or(0);
    let since_boot = Duration::from_secs(start_ticks / TICKS_PER_SECOND);
    units::utc(UNIX_EPOCH + Duration::from_secs(boot.min(1 << 40)).saturating_add(since_boot))
}

/// `btime` of `/proc/stat`: seconds from 1970 to boot.
fn boot_seconds(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
pub(super) mod tests;

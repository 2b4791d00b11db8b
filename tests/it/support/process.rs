//! Processes seen from outside, by /proc: whether one is as it was, and whose children are left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// No children.
pub(crate) const NONE: [i32; 0] = [];

/// A line of /proc/PID/status.
pub(crate) fn status_field(pid: impl std::fmt::Display, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// Sends a signal by its name (`KILL`) to a process, or to a group by its negative number.
pub(crate) fn signal(name: &str, pid: i64) {
    // The shell's own: procps need not be there. It may have ended meanwhile.
    let script = "kill -s \"$1\" -- \"$2\" 2>/dev/null";
    let _ = Command::new("sh").args(["-c", script, "sh", name, &pid.to_string()]).status();
}

pub(crate) fn threads(pid: i32) -> Vec<i32> {
    numbers(&format!("/proc/{pid}/task"))
}

fn numbers(folder: &str) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The children of all its threads; those that ended and were not waited for too.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let of = |tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).unwrap_or_default();
    let all: Vec<String> = threads(pid).into_iter().map(of).collect();
    all.iter().flat_map(|text| text.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// Processes whose environment holds `NAME=value`; of a run of ours: itself and all that it started, but no twin, whose
/// environment is the target's.
pub(crate) fn with_variable(variable: &str) -> Vec<i32> {
    let has = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    numbers("/proc").into_iter().filter(has).collect()
}

/// The name of its program.
pub(crate) fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether glibc opens and maps a file by itself, when the first thread ends: the library that unwinds its stack, and where
/// libraries are.
pub(crate) fn is_loading(path: &str) -> bool {
    path.contains("/libgcc_s.so") || path == "/etc/ld.so.cache"
}

/// Open files by number: what they are.
pub(crate) fn descriptors(pid: i32) -> BTreeMap<i32, OsString> {
    let folder = format!("/proc/{pid}/fd");
    let link = |fd: i32| Some((fd, fs::read_link(format!("{folder}/{fd}")).ok()?.into_os_string()));
    // What it opens for a moment by itself: the loader, and `os.fork` its own state from 3.12 on.
    let own = format!("/proc/{pid}/");
    let passing = |path: &OsString| {
        let path = path.to_string_lossy();
        is_loading(&path) || path.starts_with(&own)
    };
    numbers(&folder).into_iter().filter_map(link).filter(|(_, path)| !passing(path)).collect()
}

/// Mappings without their sizes: what there is of each file, and of memory that can be executed.
pub(crate) fn mappings(pid: i32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().map(str::to_owned).collect()
}

/// Resident bytes.
pub(crate) fn resident(pid: i32) -> u64 {
    let kib = status_field(pid, "VmRSS:").unwrap();
    kib.trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Whether a process lives, runs or sleeps of its own will, and nobody traces it; else what is the matter.
pub(crate) fn free(pid: i32) -> Result<(), String> {
    let tids = threads(pid);
    if tids.is_empty() {
        return Err(format!("pid {pid} is gone"));
    }
    for tid in tids {
        // A thread may end meanwhile; the process is looked at by its first one.
        let Some(state) = status_field(tid, "State:") else { continue };
        if !["R", "S", "D"].iter().any(|good| state.starts_with(good)) {
            return Err(format!("thread {tid} of pid {pid} is in state {state}"));
        }
        let tracer = status_field(tid, "TracerPid:").unwrap_or_else(|| "0".to_owned());
        if tracer != "0" {
            return Err(format!("thread {tid} of pid {pid} is traced by {tracer}"));
        }
    }
    Ok(())
}

/// The same, and nobody is left of those that were made of it.
pub(crate) fn unharmed(pid: i32) -> Result<(), String> {
    free(pid)?;
    match children(pid).as_slice() {
        [] => Ok(()),
        left => Err(format!("pid {pid} has children that it did not make: {left:?}")),
    }
}

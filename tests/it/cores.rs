//! The reader on core files: what a core of an idle process has is what its twin has, with and without its files.
//!
//! Cores are `gcore`'s, which leaves the process as it was, and the kernel's of a process of ours that aborts.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::live::{assert_user_classes, warnings};
use crate::support::snapshot;
use crate::support::{Done, Python, Run, Target, each, say, signal, usual};

/// Pages of files too: nothing else is needed then (core(5)).
const WITH_FILES: &str = "0x37";
/// What the kernel dumps by default.
const USUAL: &str = "0x33";

/// live.py, with this filter for what is dumped of it.
fn start(python: &Python, mode: &str, filter: &str) -> Target {
    let script = format!("echo {filter} > /proc/self/coredump_filter && exec \"$0\" \"$@\"");
    Target::how(python, "live.py", [mode]).by(["sh", "-c", &script]).now()
}

/// Its core, by GDB.
#[track_caller]
fn gcore(target: &Target, folder: &Path) -> PathBuf {
    let prefix = folder.join("core");
    let output = Command::new("gcore").arg("-o").arg(&prefix).arg(target.pid.to_string()).output().expect("gcore");
    let path = folder.join(format!("core.{}", target.pid));
    assert!(path.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

fn analyze(core: &Path, words: &[&str]) -> Run {
    Run::new(["analyze", "--format", "json", "-f", "snapshot", "--core"]).arg(core).args(words)
}

/// The same heap, object for object, and the same stacks; what is written of both is compared.
#[track_caller]
fn assert_same(core: &Done, twin: &Done) {
    let (read, told) = (core.report(), twin.report());
    assert_eq!(read["collection"]["freeze"], "none", "{}", read["collection"]);
    let rows = |report: &Value| report["types"].as_array().expect("types").clone();
    let differing: Vec<(Value, Value)> =
        rows(&read).into_iter().zip(rows(&told)).filter(|(one, other)| one != other).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert_eq!(read["totals"], told["totals"]);
    assert_eq!((&read["coverage"], &read["threads"]), (&told["coverage"], &told["threads"]));
    for part in ["cmdline", "executable", "python", "pid", "threads"] {
        assert_eq!(read["target"][part], told["target"][part], "{part}");
    }
    let [read, told] = [core, twin].map(|done| snapshot::open(&done.dir().join("snapshot")));
    assert_eq!(read.len(), told.len());
    for (address, object) in &told {
        let same = &read[address];
        let [one, other] = [same, object].map(|object| (&object.kind, object.size, &object.referents));
        assert_eq!(one, other, "{address:#x}");
    }
}

fn twin(target: &Target) -> Done {
    let done = Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json", "-q", "-f", "snapshot"]).output();
    let done = done.exits(0);
    assert_user_classes(&done.report(), target.oracle());
    target.assert_unharmed();
    done
}

#[test]
fn of_an_idle_process() {
    each(
        |_| true,
        |python| {
            let folder = tempfile::tempdir().unwrap();
            let target = start(python, "idle", USUAL);
            let told = twin(&target);
            let core = gcore(&target, folder.path());
            target.assert_unharmed();
            let read = analyze(&core, &[]).output().exits(0);
            assert_same(&read, &told);
            assert_eq!(warnings(&read.report()), warnings(&told.report()));
        },
    );
}

/// With all that was mapped in the core, nothing else is asked; without it, that is no reason for a wrong answer.
#[test]
fn without_any_file() {
    each(
        |python| python.minor() >= 13,
        |python| {
            let folder = tempfile::tempdir().unwrap();
            let nowhere = format!("--sysroot={}", folder.path().display());
            let target = start(python, "idle", WITH_FILES);
            let told = twin(&target);
            let core = gcore(&target, folder.path());
            let read = analyze(&core, &[&nowhere]).output().exits(0);
            assert_same(&read, &told);
            assert!(warnings(&read.report()).contains(&"file-missing"));

            let target = start(python, "idle", USUAL);
            let core = gcore(&target, folder.path());
            let refused = analyze(&core, &[&nowhere]).output().exits(4);
            for said in ["names of its types are not in its memory", "--sysroot", "coredump_filter"] {
                assert!(refused.stderr.contains(said), "{}", refused.stderr);
            }
            target.assert_unharmed();
        },
    );
}

/// Where each of its threads hangs.
#[test]
fn of_a_process_that_hangs() {
    each(
        |_| true,
        |python| {
            let folder = tempfile::tempdir().unwrap();
            let target = start(python, "deadlock", USUAL);
            let told = twin(&target);
            let read = analyze(&gcore(&target, folder.path()), &[]).output().exits(0);
            assert_same(&read, &told);
            let report = read.report();
            let threads = report["threads"].as_array().expect("threads");
            let innermost: Vec<&str> = threads.iter().filter_map(|t| t["frames"][0]["function"].as_str()).collect();
            assert_eq!(threads.len(), 2, "{threads:?}");
            for function in ["__main__.deadlock", "__main__.wait_forever"] {
                assert!(innermost.contains(&function), "{innermost:?}");
            }
            target.assert_unharmed();
        },
    );
}

/// A part of a core gives a part of the heap, which is said, or an orderly error; never a panic.
#[test]
fn that_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let target = start(usual(), "idle", USUAL);
    let core = gcore(&target, folder.path());
    target.assert_unharmed();
    let whole = std::fs::read(&core).unwrap();
    let mut read = 0;
    for twentieths in 0..20 {
        std::fs::write(&core, &whole[..whole.len() / 20 * twentieths]).unwrap();
        let done = analyze(&core, &["-e", &usual().path.to_string_lossy()]).output();
        assert_no_lie(&done, "core-truncated", &format!("{twentieths} twentieths"));
        read += usize::from(done.code == Some(0));
    }
    assert!(read > 0, "no part of the core could be read");
}

/// Either truncated, with this warning, or an error of the file or of what is in it.
#[track_caller]
fn assert_no_lie(done: &Done, warning: &str, what: &str) {
    assert!(!done.stderr.contains("panicked"), "{what}: {}", done.stderr);
    if done.code == Some(0) {
        let report = done.report();
        let is_whole = row(&report, "__main__.Leak") == 200;
        assert!(is_whole || warnings(&report).contains(&warning), "{what}: {:?}", warnings(&report));
        assert!(warning != "core-truncated" || report["coverage"]["truncated"] == true, "{what}");
    } else {
        assert!(
            matches!(done.code, Some(4 | 6 | 9)) && done.stderr.contains("error"),
            "{what}: {:?} {}",
            done.code,
            done.stderr
        );
    }
}

/// The core that the kernel writes when the target aborts.
fn of_the_kernel(python: &Python, folder: &Path, filter: &str) -> Option<PathBuf> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['|', '/', '@', '\n']) {
        say("not tested: this kernel does not write cores into the working directory");
        return None;
    }
    let script = format!(
        "ulimit -c unlimited && cd \"$1\" && shift && echo {filter} > /proc/self/coredump_filter && exec \"$@\""
    );
    let words = ["sh", "-c", &script, "sh", &folder.to_string_lossy()].map(str::to_owned);
    let target = Target::how(python, "live.py", ["idle"]).by(words).now();
    signal("ABRT", target.pid.into());
    let status = target.ends();
    if !status.core_dumped() {
        say("not tested: this kernel dumped no core");
        return None;
    }
    let files = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    Some(files.max().expect("a core"))
}

#[test]
fn of_the_kernel_s_making() {
    each(
        |_| true,
        |python| {
            let folder = tempfile::tempdir().unwrap();
            let Some(core) = of_the_kernel(python, folder.path(), USUAL) else { return };
            let report = analyze(&core, &[]).output().exits(0).report();
            assert_eq!(
                (&report["coverage"]["truncated"], &report["coverage"]["anomalies"]),
                (&false.into(), &0.into())
            );
            assert_eq!(row(&report, "__main__.Leak"), 200);
        },
    );
}

fn row(report: &Value, name: &str) -> u64 {
    let types = report["types"].as_array().expect("types");
    types.iter().find(|row| row["type"] == name).and_then(|row| row["count"].as_u64()).unwrap_or(0)
}

#[test]
fn that_are_filtered() {
    for filter in ["0x0", "0x1", "0x2", "0x10", "0x12", "0x22", "0x32"] {
        let folder = tempfile::tempdir().unwrap();
        let Some(core) = of_the_kernel(usual(), folder.path(), filter) else { return };
        assert_no_lie(&analyze(&core, &[]).output(), "core-filtered", filter);
    }
}

//! Root and others, and targets in places of their own: other mount and PID namespaces, another root folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::live::{assert_census, assert_user_classes};
use crate::reader::assert_read;
use crate::support::{Python, Run, Target, process, pythons, redacted, root_or_say, say, usual};

const NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// An interpreter that others than its owner can reach.
fn public(test: &str) -> Option<&'static Python> {
    let found = pythons().iter().find(|python| python.is_distribution() && !python.debug);
    if found.is_none() {
        say(&format!("not tested: {test}: no interpreter in /usr/bin"));
    }
    found
}

/// A folder that everyone can read.
fn public_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// live.py with what it imports.
fn copied(python: &Python, folder: &Path) -> crate::support::target::Start {
    std::fs::copy(crate::support::program("oracle.py"), folder.join("oracle.py")).unwrap();
    Target::how(python, "live.py", ["idle"]).copied_to(folder.join("live.py"))
}

/// The program where everyone can run it.
fn copied_program(folder: &Path) -> PathBuf {
    let copy = folder.join("memory-analyzer");
    // Not by us: a child that another test starts meanwhile would have the copy open for writing, and none can run it.
    let copied = std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_memory-analyzer")).arg(&copy).status();
    assert!(copied.unwrap().success());
    copy
}

fn report(target: &Target, run: Run) -> Value {
    let report = run.args(["--format", "json", "--probe", "heap", "-S", "__main__.Leak"]).output().exits(0).report();
    assert_user_classes(&report, target.oracle());
    assert_census(&report, target);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    report
}

#[test]
fn root_analyses_the_process_of_another_user() {
    const TEST: &str = "root against another user's process";
    let (true, Some(python)) = (root_or_say(TEST), public(TEST)) else { return };
    let folder = public_folder();
    let target = copied(python, folder.path()).by(NOBODY).now();
    assert!(process::status_field(target.pid, "Uid:").unwrap().starts_with("65534"));
    for freeze in ["twin", "stop"] {
        let found = report(&target, Run::analyze(&[target.pid]).args(["--freeze", freeze, "--max-hold", "20"]));
        assert_eq!(found["collection"]["freeze"], freeze);
    }
}

/// Where the kernel lets a user trace his own processes; with Yama it asks for more, and the hint says what.
#[test]
fn a_user_analyses_his_own_process() {
    const TEST: &str = "an unprivileged user against his own process";
    let (true, Some(python)) = (root_or_say(TEST), public(TEST)) else { return };
    let folder = public_folder();
    let program = copied_program(folder.path());
    let target = copied(python, folder.path()).by(NOBODY).now();
    let run = || Run::analyze(&[target.pid]).program(&program).by(NOBODY);
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if matches!(scope.trim(), "" | "0") {
        for freeze in ["twin", "stop"] {
            let found = report(&target, run().args(["--freeze", freeze, "--max-hold", "20"]));
            assert_eq!(found["collection"]["freeze"], freeze);
        }
    } else {
        say("not tested whole: a user against his own process: Yama forbids it here");
        let done = run().output().exits(5);
        assert!(done.stderr.contains("ptrace_scope"), "{}", done.stderr);
    }
}

#[test]
fn a_user_may_not_analyse_the_process_of_another() {
    const TEST: &str = "an unprivileged user against root's process";
    if !root_or_say(TEST) {
        return;
    }
    let folder = public_folder();
    let program = copied_program(folder.path());
    let target = Target::start(usual(), "live.py", ["idle"]);
    let done = Run::analyze(&[target.pid]).program(&program).by(NOBODY).output().exits(5);
    // What else helps depends on where the tests run.
    let said = redacted(&done.stderr, &done, &[&target]);
    let said: String =
        said.lines().filter(|line| !line.contains("container")).map(|line| format!("{line}\n")).collect();
    crate::assert_file_snapshot!("it_users_not_permitted", said);
    assert_eq!(done.stdout, "");
    target.assert_unharmed();
}

/// As in a container: its own processes, its own /tmp.
#[test]
fn a_target_in_namespaces_of_its_own() {
    if !root_or_say("a target in another mount and PID namespace") {
        return;
    }
    let script = "mount -t tmpfs none /srv && exec \"$@\"";
    let target = Target::how(usual(), "live.py", ["idle"])
        .inside(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"])
        .now();
    assert!(process::status_field(target.pid, "NSpid:").unwrap().ends_with("\t1"));
    for freeze in ["twin", "stop"] {
        let found = report(&target, Run::analyze(&[target.pid]).args(["--freeze", freeze, "--max-hold", "20"]));
        assert_eq!(found["collection"]["freeze"], freeze);
        assert_eq!(found["target"]["pid"], target.pid);
    }
    assert_read(&target);
}

/// Its paths are not ours.
#[test]
fn a_target_with_another_root_folder() {
    if !root_or_say("a target in a chroot") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount --rbind / \"$0\" && exec chroot \"$0\" \"$@\"";
    let target = Target::how(usual(), "live.py", ["idle"])
        .by([
            "unshare".as_ref(),
            "-m".as_ref(),
            "sh".as_ref(),
            "-c".as_ref(),
            script.as_ref(),
            folder.path().as_os_str(),
        ])
        .now();
    for freeze in ["twin", "stop"] {
        let found = report(&target, Run::analyze(&[target.pid]).args(["--freeze", freeze, "--max-hold", "20"]));
        assert_eq!(found["collection"]["freeze"], freeze);
    }
    assert_read(&target);
}

/// The target reaches neither what we write nor what we read: no folder or file of ours has a name it could guess.
#[test]
fn results_are_private() {
    let target = Target::start(usual(), "live.py", ["idle"]);
    let done = Run::analyze(&[target.pid]).args(["-S", "__main__.Leak", "--probe", "heap"]).output().exits(0);
    for extension in ["parquet", "svg", "png", "dot"] {
        let files = done.files(extension);
        assert!(!files.is_empty(), "no .{extension}");
        for file in files {
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }
}

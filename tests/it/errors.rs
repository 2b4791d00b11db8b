//! Each exit code of the contract, with what is said on stderr: what was tried, what was found, what to do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::assert_file_snapshot;
use crate::support::{Done, Run, Target, number, process, redacted, root_or_say, signal, soon, usual};

/// Some process of ours that is no target; ended when dropped.
struct Other(Child);

impl Other {
    fn start(words: &[&str]) -> Other {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Other(command.spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    fn wait_for(&mut self, text: &str) {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains(text)), "it never said {text}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn idle() -> Target {
    Target::start(usual(), "live.py", ["idle"])
}

/// Fails with this exit code and, on stderr, with the snapshot of this name; nothing on stdout.
#[track_caller]
fn check(name: &str, code: i32, run: Run, targets: &[&Target]) -> Done {
    let done = run.output().exits(code);
    assert_eq!(done.stdout, "");
    assert_file_snapshot!(format!("it_errors_{code}_{name}"), redacted(&done.stderr, &done, targets));
    done
}

#[test]
fn code_0_is_for_what_was_done() {
    for words in
        [&["--help"][..], &["--version"], &["analyze", "--help"], &["completions", "bash"], &["ps"], &["doctor"]]
    {
        let done = Run::new(words).output();
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert!(!done.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn code_2_for_wrong_usage() {
    check("no_command", 2, Run::new([""; 0]), &[]);
    check("only_a_pid", 2, Run::new(["4711"]), &[]);
    check("no_pid", 2, Run::new(["analyze"]), &[]);
    check("pid_zero", 2, Run::new(["analyze", "0"]), &[]);
    check("mistyped_option", 2, Run::new(["analyze", "1", "--show-refs", "3"]), &[]);
    check("mistyped_probe", 2, Run::new(["analyze", "1", "--probe", "objgrap"]), &[]);
    check("no_such_way", 2, Run::new(["analyze", "1", "--freeze", "cold"]), &[]);
    check("core_and_pid", 2, Run::new(["analyze", "1", "--core", "core"]), &[]);
    check("no_address", 2, Run::new(["paths", "x.parquet", "0xapp.Entry"]), &[]);
    check("no_levels", 2, Run::new(["tree", "x.parquet", "Entry", "--depth", "0"]), &[]);
    let recording = crate::support::root().join("tests/recordings/grown.parquet");
    check("no_such_type", 2, Run::new(["tree".as_ref(), recording.as_os_str(), "Entri".as_ref()]), &[]);
    check("too_short_a_time", 2, Run::new(["analyze", "1", "--max-pause", "0.000001"]), &[]);
}

#[test]
fn code_2_for_wrong_settings() {
    let run = |text: &str| Run::new(["ps", "--config", "mine.toml"]).file("mine.toml", text);
    check("unknown_key", 2, run("# mine\ntimeuot = 3\n"), &[]);
    check("wrong_type", 2, run("timeout = \"soon\"\n"), &[]);
    check("not_toml", 2, run("timeout =\n"), &[]);
    check("unknown_variable", 2, Run::new(["ps"]).env("MEMORY_ANALYZER_TIMEUOT", "3"), &[]);
    check("wrong_variable", 2, Run::new(["ps"]).env("MEMORY_ANALYZER_TIMEOUT", "soon"), &[]);
}

#[test]
fn code_2_without_gdb() {
    let target = idle();
    check("no_gdb", 2, Run::analyze(&[target.pid]).env("MEMORY_ANALYZER_GDB", "no-such-gdb"), &[&target]);
    target.assert_unharmed();
}

#[test]
fn code_3_when_there_is_no_such_process() {
    // Greater than any PID the kernel hands out (proc(5), pid_max).
    check("no_such_process", 3, Run::analyze(&[4194304]), &[]);
    let mut ended = Other::start(&["true"]);
    let pid = ended.pid();
    soon("it has ended", || match process::status_field(pid, "State:") {
        Some(state) if state.starts_with('Z') => Ok(()),
        state => Err(format!("{state:?}")),
    });
    check("a_zombie", 3, Run::analyze(&[pid]), &[]);
    ended.0.wait().unwrap();
}

#[test]
fn code_4_for_what_is_not_python() {
    let sleep = Other::start(&["sleep", "1000"]);
    check("not_python", 4, Run::analyze(&[sleep.pid()]), &[]);
    assert_eq!(process::unharmed(sleep.pid()), Ok(()));

    // A shell whose child is the Python that was meant.
    let python = usual().path.display().to_string();
    let script = format!("\"{python}\" -c 'import time; print(\"ready\", flush=True); time.sleep(1000)'; true");
    let mut shell = Other::start(&["sh", "-c", &script]);
    shell.wait_for("ready");
    let inner = process::children(shell.pid());
    let done = Run::analyze(&[shell.pid()]).output().exits(4);
    assert!(done.stderr.contains(&format!("memory-analyzer analyze {}", inner[0])), "{}", done.stderr);
    let text = redacted(&done.stderr, &done, &[]).replace(&inner[0].to_string(), "[CHILD]");
    assert_file_snapshot!("it_errors_4_a_shell_around_python", text);
    signal("KILL", inner[0].into());
}

#[test]
fn code_6_when_it_is_stopped() {
    let target = idle();
    signal("STOP", target.pid.into());
    soon("it is stopped", || match process::status_field(target.pid, "State:") {
        Some(state) if state.starts_with('T') => Ok(()),
        state => Err(format!("{state:?}")),
    });
    for freeze in ["auto", "twin", "stop"] {
        check("stopped", 6, Run::analyze(&[target.pid]).args(["--freeze", freeze]), &[&target]);
        // Whoever stopped it wants it so.
        assert!(process::status_field(target.pid, "State:").unwrap().starts_with('T'));
        assert_eq!(process::children(target.pid), process::NONE);
    }
    signal("CONT", target.pid.into());
    soon("it goes on", || process::free(target.pid));
    target.assert_unharmed();
}

#[test]
fn code_6_when_another_traces_it() {
    let target = idle();
    let pid = target.pid.to_string();
    let hold = "python print('hold'); import sys; sys.stdout.flush(); sys.stdin.readline()";
    let mut gdb =
        Other::start(&["gdb", "-nx", "-q", "-batch", "--readnever", "-p", &pid, "-ex", "echo holding\\n", "-ex", hold]);
    gdb.wait_for("hold");
    for freeze in ["auto", "stop"] {
        let done = Run::analyze(&[target.pid]).args(["--freeze", freeze]).output().exits(6);
        let text = redacted(&done.stderr, &done, &[&target]).replace(&gdb.pid().to_string(), "[GDB]");
        assert_file_snapshot!("it_errors_6_traced", text);
        assert_eq!(process::status_field(target.pid, "TracerPid:"), Some(gdb.pid().to_string()));
    }
    drop(gdb);
    soon("it goes on", || process::free(target.pid));
    target.assert_unharmed();
}

#[test]
fn code_6_when_the_pause_would_be_too_long() {
    let target = idle();
    let run = Run::analyze(&[target.pid]).args(["--max-pause", "0.001"]);
    check("pause_budget", 6, run, &[&target]);
    target.assert_unharmed();
}

#[test]
fn code_6_when_the_time_is_over() {
    let target = Target::start(usual(), "live.py", ["gilpause"]);
    let run = Run::analyze(&[target.pid]).args(["--timeout", "1", "--probe", "heap"]);
    let done = run.output().exits(6);
    assert!(done.stderr.contains("hint: "), "{}", done.stderr);
    target.assert_unharmed();
}

/// Under a seccomp filter no twin is made; what the filter provably allows may be done in the target itself.
#[test]
fn code_6_when_no_twin_can_be_made() {
    if !root_or_say("a target under a seccomp filter") {
        return;
    }
    let target = Target::start(usual(), "filtered.py", [""; 0]);
    check("seccomp", 6, Run::analyze(&[target.pid]).args(["--freeze", "twin"]), &[&target]);
    target.assert_unharmed();

    let done =
        Run::analyze(&[target.pid]).args(["--format", "json", "--probe", "heap", "--max-hold", "20"]).output().exits(0);
    let report = done.report();
    assert_eq!(report["collection"]["freeze"], "stop");
    assert!(report["collection"]["reason"].as_str().unwrap().contains("seccomp"), "{}", report["collection"]);
    assert_eq!(report["collection"]["warnings"][0]["code"], "twin-impossible");
    assert!(done.stderr.contains("seccomp"), "{}", done.stderr);
    target.assert_unharmed();
    target.assert_nothing_mapped();
}

#[test]
fn code_7_when_some_failed_and_others_did_not() {
    let target = idle();
    let sleep = Other::start(&["sleep", "1000"]);
    let run = || Run::analyze(&[sleep.pid(), target.pid]).args(["--format", "json", "--probe", "heap"]);
    let done = run().output().exits(7);
    assert_file_snapshot!("it_errors_7_partial", redacted(&done.stderr, &done, &[&target]));
    let json = done.json();
    let [failed, reported] = json["targets"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(failed["target"]["pid"], sleep.pid());
    assert_eq!(failed["error"]["exit_code"], 4);
    assert_eq!(failed["error"]["kind"], "not-python");
    assert_eq!(failed["types"], Value::Null);
    assert_eq!(reported["target"]["pid"], target.pid);
    assert_eq!(reported["error"], Value::Null);
    target.assert_unharmed();

    // All failing is the failure itself.
    let again = Other::start(&["sleep", "1000"]);
    Run::analyze(&[sleep.pid(), again.pid()]).output().exits(4);
}

#[test]
fn code_8_when_it_is_too_much() {
    let target = idle();
    let run = || Run::analyze(&[target.pid]).args(["--format", "json", "--probe", "heap"]);
    run().args(["--fail-if-over", "10GiB"]).output().exits(0);
    let done = run().args(["--fail-if-over", "10KiB"]).output().exits(8);
    assert_file_snapshot!("it_errors_8_over", redacted(&done.stderr, &done, &[&target]));
    assert!(done.report()["totals"]["bytes"].as_u64() > Some(10240), "the report is there all the same");
}

#[test]
fn code_9_for_files_that_are_not_what_they_should_be() {
    let file = |name: &str, bytes: &[u8]| Run::new(["report", name]).file(name, bytes);
    check("missing", 9, Run::new(["report", "none.parquet"]), &[]);
    check("a_folder", 9, Run::new(["report", "."]), &[]);
    check("empty", 9, file("empty.parquet", b""), &[]);
    check("text", 9, file("text.parquet", b"address,type\n1,dict\n"), &[]);
    check("walk_missing", 9, Run::new(["dominators", "none.parquet"]), &[]);
    check("diff_missing", 9, Run::new(["diff", "old.parquet", "new.parquet"]), &[]);
    let core = |bytes: &[u8]| Run::new(["analyze", "--core", "core"]).file("core", bytes);
    check("core_missing", 9, Run::new(["analyze", "--core", "core"]), &[]);
    check("core_empty", 9, core(b""), &[]);
    check("core_packed", 9, core(b"\x28\xb5\x2f\xfd0123"), &[]);
    check("core_a_program", 9, core(&std::fs::read("/proc/self/exe").unwrap()), &[]);
    check("sysroot_missing", 9, core(b"").args(["--sysroot", "none"]), &[]);

    let target = idle();
    let run = || Run::analyze(&[target.pid]);
    check("exec_missing", 9, run().args(["-e", "none/python3"]), &[&target]);
    check("exec_script", 9, run().args(["-e", "./python3"]).file("python3", "#!/bin/sh\nexec python3\n"), &[&target]);
    check("earlier_missing", 9, run().args(["--snapshot", "none.parquet"]), &[&target]);
    check("output_folder_missing", 9, run().args(["-f", "none/out.parquet"]), &[&target]);
    check("site_dir_missing", 9, run().args(["--site-dir", "none"]), &[&target]);
    check("probe_missing", 9, run().args(["--probe", "none.py"]), &[&target]);
    target.assert_unharmed();
}

/// A damaged snapshot is refused, whichever byte it is; none makes it panic or report something else quietly.
#[test]
fn code_9_for_damaged_snapshots() {
    let target = Target::start(usual(), "grow.py", [""; 0]);
    let done = Run::analyze(&[target.pid]).args(["--probe", "heap", "-q"]).output().exits(0);
    let whole = std::fs::read(&done.files("parquet")[0]).unwrap();
    let report = |bytes: &[u8]| Run::new(["report", "x.parquet", "--format", "json"]).file("x.parquet", bytes).output();
    let sound = report(&whole).exits(0).report();

    check("truncated", 9, Run::new(["report", "x.parquet"]).file("x.parquet", &whole[..whole.len() / 2]), &[]);
    let step = whole.len() / number("IT_DAMAGES", 40) as usize;
    for at in (0..whole.len()).step_by(step.max(1)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let done = report(&bytes);
        assert!(!done.stderr.contains("panicked"), "at byte {at}: {}", done.stderr);
        match done.code {
            Some(9) => {}
            Some(0) => {
                assert!(done.report()["types"] == sound["types"], "byte {at} of {} makes another report", whole.len())
            }
            code => panic!("exit code {code:?} with byte {at} changed: {}", done.stderr),
        }
        let cut = report(&whole[..at]);
        assert_eq!(cut.code, Some(9), "cut at byte {at}: {}", cut.stderr);
    }
}

//! Reports without the process: of recordings, which are the same everywhere, and of what a live run has written.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::assert_file_snapshot;
use crate::support::{Done, Run, Target, root, usual};

/// A snapshot made once of grow.py, and one of the same process when it had grown; see tests/recordings/README.md.
fn recording(name: &str) -> PathBuf {
    root().join("tests/recordings").join(format!("{name}.parquet"))
}

/// `report` of a copy of the recording, in the folder of the run: pictures go beside it.
fn report(name: &str, words: &[&str]) -> Done {
    let bytes = std::fs::read(recording(name)).unwrap();
    Run::new(["report", "today.parquet"]).args(words).file("today.parquet", bytes).output().exits(0)
}

fn shown(done: &Done) -> String {
    done.stdout.replace(&done.dir().display().to_string(), "[DIR]")
}

#[test]
fn of_a_recording() {
    let done = report("grown", &["--top", "10"]);
    assert_eq!(done.stderr, "");
    assert_file_snapshot!("it_report_text", shown(&done));
    assert_file_snapshot!("it_report_exact", shown(&report("grown", &["--top", "3", "--bytes"])));
}

#[test]
fn of_a_recording_with_references() {
    let done = report("grown", &["--top", "3", "-ss", "__main__.Entry", "-s", "1"]);
    assert_file_snapshot!("it_report_references", shown(&done));
    for name in ["ref_4711___main__.Entry", "backref_4711___main__.Entry"] {
        for extension in ["svg", "png", "dot"] {
            let file = done.dir().join(format!("{name}.{extension}"));
            assert!(file.metadata().is_ok_and(|facts| facts.len() > 100), "{}", file.display());
        }
    }
    let png = std::fs::read(done.dir().join("backref_4711___main__.Entry.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_file_snapshot!(
        "it_report_backref_dot",
        std::fs::read_to_string(done.dir().join("backref_4711___main__.Entry.dot")).unwrap()
    );
}

#[test]
fn of_a_recording_as_json() {
    let done = report("grown", &["--format", "json", "-S", "__main__.Entry"]);
    let json = done.json();
    assert_eq!((json["schema"].as_str(), json["schema_version"].as_u64()), (Some("memory-analyzer/report"), Some(1)));
    assert_eq!(json["tool"]["name"], "memory-analyzer");
    let target = &json["targets"][0];
    let parts: Vec<&String> = target.as_object().unwrap().keys().collect();
    assert_eq!(
        parts,
        ["target", "collection", "coverage", "totals", "types", "references", "threads", "probes", "snapshot"],
        "in the order of the contract; what was not asked for is absent"
    );
    let types = target["types"].as_array().unwrap();
    let order: Vec<_> =
        types.iter().map(|row| (-row["bytes"].as_i64().unwrap(), row["type"].as_str().unwrap())).collect();
    assert!(order.is_sorted(), "by bytes descending, then type ascending");
    let entries = types.iter().find(|row| row["type"] == "__main__.Entry").unwrap();
    assert_eq!(entries["count"], 300);
    assert!(entries["max_address"].as_str().unwrap().starts_with("0x"));
    // All of it, but for the thousand types.
    let mut short = target.clone();
    let few: Vec<Value> = types.iter().take(3).cloned().collect();
    short["types"] = few.into();
    let text = serde_json::to_string_pretty(&short).unwrap();
    assert_file_snapshot!("it_report_json", text.replace(&done.dir().display().to_string(), "[DIR]"));
}

#[test]
fn of_what_grew() {
    let run = Run::new(["diff".into(), recording("before"), recording("grown")]).args(["--top", "5"]);
    let done = run.output().exits(0);
    let shown = done.stdout.replace(&root().display().to_string(), "[ROOT]");
    assert_file_snapshot!("it_diff_text", shown);

    let run = Run::new(["diff".into(), recording("before"), recording("grown")]).args(["--format", "json"]);
    let json = run.output().exits(0).report();
    let diff = &json["diff"];
    assert_eq!(diff["since"]["paired_by"], "given");
    let entry = diff["types"].as_array().unwrap().iter().find(|row| row["type"] == "__main__.Entry").unwrap();
    assert_eq!((entry["count"].as_i64(), entry["count_delta"].as_i64()), (Some(300), Some(200)));
    let deltas: Vec<i64> =
        diff["types"].as_array().unwrap().iter().map(|row| row["bytes_delta"].as_i64().unwrap()).collect();
    assert!(deltas.is_sorted_by(|a, b| a >= b), "{deltas:?}");

    let run = |limit: &str| {
        Run::new(["diff".into(), recording("before"), recording("grown")]).args(["--fail-if-growth", limit])
    };
    run("1GiB").output().exits(0);
    run("1KiB").output().exits(8);
}

#[test]
fn says_how_it_paired() {
    let bytes = |name| std::fs::read(recording(name)).unwrap();
    let run = Run::new(["report", "grown.parquet", "--top", "2", "--snapshot", "."]);
    let run = run.file("grown.parquet", bytes("grown")).file("before.parquet", bytes("before"));
    let done = run.args(["--format", "json"]).output().exits(0);
    assert_eq!(done.report()["diff"]["since"]["paired_by"], "pid-and-start-time");
}

/// From the first snapshot to what grew since, by way of the live process.
#[test]
fn of_a_live_process_that_grows() {
    let mut target = Target::start(usual(), "grow.py", [""; 0]);
    let first = Run::analyze(&[target.pid]).args(["--probe", "heap", "-f", "old.parquet"]).output().exits(0);
    let old = first.dir().join("old.parquet");
    target.tell("");
    assert_eq!(target.line(), "ready");

    let run = Run::analyze(&[target.pid]).args(["--probe", "heap", "--format", "json", "--snapshot"]).arg(&old);
    let second = run.output().exits(0);
    let report = second.report();
    assert_eq!(report["diff"]["since"]["paired_by"], "pid-and-start-time");
    assert_eq!(report["diff"]["since"]["pid"], target.pid);
    let grown = |report: &Value| {
        let rows = report["diff"]["types"].as_array().unwrap().clone();
        let entry = rows.iter().find(|row| row["type"] == "__main__.Entry").unwrap();
        (entry["count"].as_i64(), entry["count_delta"].as_i64())
    };
    assert_eq!(grown(&report), (Some(200), Some(100)));

    // Another process of the same command line.
    let other = Target::start(usual(), "grow.py", [""; 0]);
    let run = Run::analyze(&[other.pid]).args(["--probe", "heap", "--format", "json", "--snapshot"]).arg(&old);
    assert_eq!(run.output().exits(0).report()["diff"]["since"]["paired_by"], "cmdline");

    // One that has nothing to do with it: compared if the very file was named, and that is said; not with what a folder has.
    let stranger = Target::how(usual(), "grow.py", ["another"]).now();
    let run = || Run::analyze(&[stranger.pid]).args(["--probe", "heap", "--format", "json", "--snapshot"]);
    assert_eq!(run().arg(&old).output().exits(0).report()["diff"]["since"]["paired_by"], "given");
    let done = run().arg(first.dir()).output().exits(0);
    let report = done.report();
    assert_eq!(report["diff"], Value::Null);
    assert_eq!(report["collection"]["warnings"].as_array().map(Vec::len), Some(1), "{}", report["collection"]);

    // Without the process: the same table again.
    drop((target, other, stranger));
    let file = second.files("parquet")[0].clone();
    let again =
        Run::new(["report"]).arg(&file).args(["--format", "json", "--snapshot"]).arg(&old).output().exits(0).report();
    let live = second.report();
    for part in ["target", "coverage", "totals", "types", "diff", "collection"] {
        assert_eq!(again[part], live[part], "{part}");
    }
}

#[test]
fn of_several_processes_have_a_file_each() {
    let targets = [(); 2].map(|()| Target::start(usual(), "grow.py", [""; 0]));
    let run = Run::analyze(&targets.each_ref().map(|target| target.pid)).args(["--probe", "heap", "-f", "out.parquet"]);
    let done = run.output().exits(0);
    for target in &targets {
        assert!(done.dir().join(format!("out-{}.parquet", target.pid)).is_file());
        assert!(done.stdout.contains(&format!("PID {}", target.pid)));
    }
}

#[test]
fn of_a_probe_of_the_users_own() {
    let target = Target::start(usual(), "grow.py", [""; 0]);
    let probe = std::fs::read(crate::support::program("mine.py")).unwrap();
    for freeze in ["twin", "stop"] {
        let run = Run::analyze(&[target.pid])
            .args(["--format", "json", "--freeze", freeze, "--probe", "heap", "--probe", "mine.py"]);
        let report = run.file("mine.py", &probe).output().exits(0).report();
        assert_eq!(report["probes"]["mine"]["entries"], 100, "{}", report["probes"]);
        assert_eq!(report["probes"]["mine"]["text"], "häßlich");
        target.assert_unharmed();
    }
    // One that fails is said to have failed; the rest is there.
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "--probe", "heap", "--probe", "bad.py"]);
    let done = run.file("bad.py", "emit(1)\n1 / 0\n").output().exits(0);
    let report = done.report();
    assert_eq!(report["collection"]["warnings"][0]["code"], "probe-failed");
    assert!(
        report["collection"]["warnings"][0]["text"].as_str().unwrap().contains("ZeroDivisionError"),
        "{}",
        report["collection"]
    );
    assert!(report["totals"]["objects"].as_u64() > Some(1000));
    target.assert_unharmed();
}

/// Without the libraries: a warning each with the remedy, and everything else.
#[test]
fn without_the_libraries() {
    let target = Target::how(usual(), "grow.py", [""; 0]).env("PYTHONNOUSERSITE", "1").now();
    let done = Run::analyze(&[target.pid]).args(["--format", "json"]).output().exits(0);
    let report = done.report();
    let warnings = report["collection"]["warnings"].as_array().unwrap();
    for library in ["objgraph", "pympler"] {
        let has = |path: &Path| path.join(library).exists() || path.join(format!("{library}.py")).exists();
        if ["/usr/lib/python3/dist-packages", "/usr/local/lib/python3/dist-packages"]
            .iter()
            .any(|path| has(Path::new(path)))
        {
            continue;
        }
        let warning = warnings.iter().find(|warning| warning["text"].as_str().unwrap().contains(library));
        let warning = warning.unwrap_or_else(|| panic!("no warning of {library}: {warnings:?}"));
        assert_eq!(warning["code"], "module-missing");
        assert!(warning["hint"].as_str().unwrap().contains("--site-dir"), "{warning}");
        assert_eq!(report["probes"][library], Value::Null);
        assert!(done.stderr.contains(library), "{}", done.stderr);
    }
    assert!(report["totals"]["objects"].as_u64() > Some(1000));
    target.assert_unharmed();
}

/// What the text says of a live process, but for the numbers.
#[test]
fn of_a_live_process_in_text() {
    let target = Target::start(usual(), "grow.py", [""; 0]);
    let done =
        Run::analyze(&[target.pid]).args(["--probe", "heap", "--top", "2", "-S", "__main__.Entry"]).output().exits(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("PID {}", target.pid)), "{}", done.stdout);
    let heading = regex::Regex::new(r"(?m)^Index +Count +% +Size +% +Cum +Max +Kind$").unwrap();
    assert!(heading.is_match(&done.stdout), "{}", done.stdout);
    for text in ["Largest __main__.Entry", "path to root", "CACHE in module __main__", "referred to by 1", "pictures"] {
        assert!(done.stdout.contains(text), "no `{text}`: {}", done.stdout);
    }
    assert!(!done.stdout.contains('\x1b'), "colours are for terminals");
    assert_eq!(done.stderr, "", "nothing to warn of");
}

#[test]
fn by_the_other_name() {
    let target = Target::start(usual(), "grow.py", [""; 0]);
    let run = Run::new([target.pid.to_string()]).program(env!("CARGO_BIN_EXE_analyze"));
    let report = run.args(["--format", "json", "--probe", "heap", "-ss", "__main__.Entry"]).output().exits(0).report();
    assert_eq!(report["references"][0]["type"], "__main__.Entry");
    target.assert_unharmed();
}

/// On a terminal there are colours, unless they are not wanted. `script` (util-linux) is a terminal.
#[test]
fn colours_are_kept_away_by_no_color() {
    let on_a_terminal = |no_color: &str| {
        let command =
            format!("'{}' report '{}' --top 2", env!("CARGO_BIN_EXE_memory-analyzer"), recording("before").display());
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(recording("before"), dir.path().join("before.parquet")).unwrap();
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &command, "/dev/null"]).env("NO_COLOR", no_color).env("TERM", "xterm-256color");
        let output = script.stdin(Stdio::null()).current_dir(dir.path()).output().expect("`script`, of util-linux");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(on_a_terminal("").contains("\x1b["));
    assert!(!on_a_terminal("1").contains("\x1b["));
}

/// `… | head -0`
#[test]
fn a_closed_pipe_is_a_quiet_success() {
    for words in [&["report"][..], &["report", "--format", "json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memory-analyzer"));
        let mut child = command
            .arg(words[0])
            .arg(recording("before"))
            .args(&words[1..])
            .args(["--top", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    }
}

/// The demonstration finds its own leak.
#[test]
fn of_the_demo() {
    let run = Run::new(["demo", "--probe", "heap", "--python"]).arg(&usual().path);
    let done = run.output().exits(0);
    for text in ["__main__.Session", "+4000", "path to root", "SERVER in module __main__"] {
        assert!(done.stdout.contains(text), "no `{text}`: {}", done.stdout);
    }
    assert_eq!(done.files("parquet").len(), 2);
}

#[test]
fn of_the_machine() {
    let target = Target::start(usual(), "grow.py", [""; 0]);
    let done = Run::new(["ps"]).output().exits(0);
    let line = done.stdout.lines().find(|line| line.contains(&target.pid.to_string()));
    let (major, minor, micro) = target.python.version;
    let line = line.unwrap_or_else(|| panic!("{}", done.stdout));
    assert!(line.contains(&format!("{major}.{minor}.{micro}")) && line.contains("grow.py"), "{line}");

    let done = Run::new(["doctor"]).arg(target.pid.to_string()).output().exits(0);
    assert!(done.stdout.contains("twin"), "{}", done.stdout);
    target.assert_unharmed();
}

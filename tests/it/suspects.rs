//! Leaks of the usual kinds, each of which is named with its path, and programs without any, of which nothing is said.

use serde_json::Value;

use crate::matrix::each_everywhere;
use crate::support::{Done, Python, Run, Target, python, usual};

/// Of each kind of leak in tests/programs/suspects.py the rule, and what its sentence begins with and says beside.
const LEAKS: [(&str, &str, &str, &[&str]); 12] = [
    ("listed", "accumulation", "__main__.LEAK (builtins.list)", &["4000 objects of type __main__.Entry"]),
    ("listeners", "accumulation", "__main__.BUS.listeners (builtins.list)", &["builtins.method", "__main__.Listener"]),
    ("cached", "accumulation", "__main__.Report.total", &["hold __main__.Report"]),
    ("closure", "accumulation", "__main__.HANDLER.__closure__[0].cell_contents (builtins.list)", &["__main__.Entry"]),
    ("traceback", "accumulation", "__main__.ERRORS (builtins.list)", &["400 objects", "ValueError", "traceback"]),
    ("local", "accumulation", "__main__.CONTEXT.", &["['history'] (builtins.list)", "__main__.Entry"]),
    ("tasks", "accumulation", "__main__.TASKS (builtins.set)", &["4000 objects of type _asyncio.Task"]),
    ("awaited", "accumulation", "__main__.WAITING (builtins.list)", &["4000 objects of type _asyncio.Future"]),
    ("twice", "shared", "__main__.BY_NUMBER (builtins.dict)", &["4000 objects of type __main__.Entry"]),
    ("chained", "chain", "__main__.HEAD ", &["the first of 4000 objects of type __main__.Entry"]),
    ("parts", "accumulation", "__main__.PARTS (builtins.dict)", &["4000 objects of type __main__.Entry"]),
    ("single", "large-object", "__main__.BLOB ", &["a single builtins.bytearray of 7.6 MiB"]),
];

fn read(target: &Target, words: &[&str]) -> Done {
    let run = Run::analyze(&[target.pid]).args(["-c", "reader", "-f", "snapshot.parquet"]).args(words);
    let done = run.output().exits(0);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    done
}

fn suspects(report: &Value) -> Vec<Value> {
    report["suspects"].as_array().unwrap().clone()
}

fn text(suspect: &Value) -> &str {
    suspect["text"].as_str().unwrap()
}

/// The suspects of the program as it is, and of the comparison when it has done the same again.
fn twice(python: &Python, mode: &str) -> (Vec<Value>, Vec<Value>) {
    let mut target = Target::start(python, "suspects.py", [mode]);
    let first = read(&target, &["--format", "json"]);
    target.tell("more");
    assert_eq!(target.line(), "done");
    let earlier = first.dir().join("snapshot.parquet");
    let earlier = earlier.to_str().unwrap();
    let second = read(&target, &["--format", "json", "--snapshot", earlier]);
    let (held, both) = (suspects(&first.report()), suspects(&second.report()));

    let (grown, held_then): (Vec<Value>, Vec<Value>) =
        both.iter().cloned().partition(|suspect| suspect["rule"] == "growth");
    // From the snapshots the same, on any Python.
    if python == usual() {
        let later = second.dir().join("snapshot.parquet");
        let later = later.to_str().unwrap();
        let report = |words: &[&str]| suspects(&Run::new(words).args(["--format", "json"]).output().exits(0).report());
        assert_eq!(report(&["report", earlier]), held);
        assert_eq!(report(&["report", later]), held_then);
        assert_eq!(report(&["report", later, "--snapshot", earlier]), both);
        assert_eq!(report(&["diff", earlier, later]), grown);
    }
    assert_eq!(held_then.len(), held.len(), "{held_then:#?}");
    (held, grown)
}

fn check_leaks(python: &Python) {
    for (mode, rule, place, parts) in LEAKS {
        let (held, grown) = twice(python, mode);
        let all = format!("{mode}: {held:#?} {grown:#?}");
        assert_eq!(held.len(), 1, "{all}");
        let (suspect, said) = (&held[0], text(&held[0]));
        assert_eq!(suspect["rule"], rule, "{all}");
        assert!(said.starts_with(place) && parts.iter().all(|part| said.contains(part)), "{all}");
        let path = suspect["path_to_root"].as_array().unwrap();
        let (first, last) = (&path[0], &path[path.len() - 1]);
        assert_eq!((&last["address"], &last["type"]), (&suspect["address"], &suspect["type"]), "{all}");
        assert!(first["edge"].as_str().unwrap().ends_with(" in module __main__"), "{all}");
        let share = suspect["share"].as_f64().unwrap();
        assert!((0.2..0.9).contains(&share), "{all}");

        // What it takes is told of the same object; of a chain the newcomers are before it.
        match (rule, &grown[..]) {
            ("chain", []) => {}
            (_, [taken]) => {
                assert_eq!(taken["address"], suspect["address"], "{all}");
                let more = match mode {
                    "traceback" => Some(400),
                    "single" => None,
                    _ => Some(4000),
                };
                assert_eq!(taken["count_delta"].as_i64(), more, "{all}");
                if mode == "listed" {
                    assert!(text(taken).contains("of type __main__.Entry, at __main__.LEAK[…]: "), "{all}");
                }
            }
            _ => panic!("{all}"),
        }
    }
}

#[test]
fn of_leaks_are_named_with_their_paths() {
    each_everywhere(check_leaks);
}

fn check_clean(python: &Python, modes: &[&str]) {
    for mode in modes {
        assert_eq!(twice(python, mode), (vec![], vec![]), "{mode} on {}", python.name());
    }
}

#[test]
fn of_programs_without_a_leak_there_are_none() {
    each_everywhere(|python| check_clean(python, &["idle", "bounded", "imports", "server"]));
    if let Some(python) = python::with_web() {
        check_clean(&python, &["flask", "django"]);
    }
    if let Some(python) = python::with_arrays() {
        check_clean(&python, &["arrays"]);
    }
}

/// The sentence, and the path below it; nothing where there is nothing to say.
#[test]
fn are_in_the_text() {
    let shown = |mode: &str| read(&Target::start(usual(), "suspects.py", [mode]), &["--top", "1"]);
    let leaking = shown("listeners");
    let lines: Vec<&str> = leaking.stdout.lines().skip_while(|line| *line != "Leak suspects").collect();
    assert!(lines[1].starts_with("__main__.BUS.listeners (builtins.list) retains "), "{}", leaking.stdout);
    assert_eq!(lines[2], "path to root");
    assert!(lines[3].starts_with("  BUS in module __main__  __main__.Bus "), "{}", leaking.stdout);
    assert!(lines[4].starts_with("  → .listeners "), "{}", leaking.stdout);
    let again = Run::new(["report", "--top", "1"]).arg(leaking.dir().join("snapshot.parquet")).output().exits(0);
    assert!(again.stdout.contains(&lines[..5].join("\n")), "{}", again.stdout);
    assert!(!shown("idle").stdout.contains("Leak suspects"));
}

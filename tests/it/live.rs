//! Every interpreter in every state: the twin's report against the target's own census of its heap.

use serde_json::{Map, Value};

use crate::support::{Done, Python, Run, Target, each, process, pythons, say, usual};

/// What live.py makes by hand: instances of its classes.
const MADE: [(&str, u64); 13] = [
    ("Leak", 200),
    ("Slotted", 300),
    ("Table", 20),
    ("Row", 30),
    ("Word", 40),
    ("Number", 50),
    ("Trouble", 6),
    ("Größe", 7),
    ("Outer.Inner", 9),
    ("Sized", 3),
    ("Made", 11),
    ("Pair", 60),
    ("Meta", 1),
];

/// The rows of a report's table by type.
fn rows(report: &Value) -> Map<String, Value> {
    let rows = report["types"].as_array().expect("types");
    rows.iter().map(|row| (row["type"].as_str().unwrap().to_owned(), row.clone())).collect()
}

fn numbers(of: &Value) -> (u64, u64) {
    match of {
        Value::Array(pair) => (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap()),
        Value::Object(row) => (row["count"].as_u64().unwrap(), row["bytes"].as_u64().unwrap()),
        _ => (0, 0),
    }
}

/// The classes of the program, exactly.
#[track_caller]
pub(crate) fn assert_user_classes(report: &Value, oracle: &Value) {
    let rows = rows(report);
    for (class, count) in MADE {
        let name = format!("__main__.{class}");
        let mut expected = numbers(&oracle[&name]);
        assert_eq!(expected.0, count, "the census of {name}");
        if class == "Sized" {
            // Its `__sizeof__` is code of the target's, which is never run; Made is built alike without one.
            expected.1 = numbers(&oracle["__main__.Made"]).1 / 11 * 3;
        }
        assert_eq!(numbers(&rows[&name]), expected, "count and bytes of {name}");
    }
}

/// Everything else, exactly but for what is named here.
#[track_caller]
pub(crate) fn assert_census(report: &Value, target: &Target) {
    let wrong = differences(report, target, &[]);
    assert!(wrong.is_empty(), "count and bytes differ:\n{}", wrong.join("\n"));
    let rows = rows(report);
    let totals = &report["totals"];
    let sums = rows.values().map(numbers).fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    assert_eq!((totals["objects"].as_u64(), totals["bytes"].as_u64()), (Some(sums.0), Some(sums.1)), "totals");
    assert_eq!(totals["types"].as_u64(), Some(rows.len() as u64), "totals");
}

/// Where report and census differ by more than can be helped; of the types in `more` there may be more.
pub(crate) fn differences(report: &Value, target: &Target, more: &[&str]) -> Vec<String> {
    let oracle = target.oracle().as_object().unwrap();
    let rows = rows(report);
    let mut wrong = Vec::new();
    for name in rows.keys().chain(oracle.keys().filter(|name| !rows.contains_key(*name))) {
        let found = numbers(rows.get(name).unwrap_or(&Value::Null));
        let expected = numbers(oracle.get(name).unwrap_or(&Value::Null));
        let may = more.contains(&name.as_str()) && found.0 >= expected.0 && found.1 >= expected.1;
        if found != expected && !may && !excused(target.python.minor(), name, found, expected) {
            wrong.push(format!("{name}: reported {found:?}, census {expected:?}"));
        }
    }
    wrong
}

/// Where the target's own running makes a difference after its census.
fn excused(minor: u32, name: &str, found: (u64, u64), expected: (u64, u64)) -> bool {
    match name {
        // Those which run now are others than those which took the census.
        "builtins.frame" => found.0.abs_diff(expected.0) <= 8,
        // Before 3.8 the collector does not list its generations: of what is ours, a tuple that was made between two of the
        // target's cannot be told from them.
        "builtins.tuple" => minor < 8 && found.0.abs_diff(expected.0) <= 1,
        // From 3.14 on the collector knows the dict of interned texts, and in it those that only the cache of attributes
        // kept: any lookup may push one out.
        "builtins.str" => minor >= 14 && found.0 <= expected.0 && expected.0 - found.0 <= 16,
        // Tested with the classes of the program.
        "__main__.Sized" => true,
        _ => false,
    }
}

/// What a report of live.py warns of: the `__sizeof__` of Sized.
pub(crate) const EXPECTED: [&str; 1] = ["sizeof-in-python"];

/// The codes of a report's warnings.
pub(crate) fn warnings(report: &Value) -> Vec<&str> {
    let warnings = report["collection"]["warnings"].as_array().expect("warnings");
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

fn analyze(target: &Target) -> Run {
    Run::analyze(&[target.pid]).args(["--format", "json", "--probe", "heap"])
}

/// An orderly report from a twin, after which the target is as it was.
#[track_caller]
fn report(target: &Target, run: Run) -> (Done, Value) {
    let done = run.output().exits(0);
    let report = done.report();
    assert_eq!(report["collection"]["freeze"], "twin", "{}", report["collection"]);
    assert_eq!(report["collection"]["collector"], "gdb");
    assert_eq!(report["coverage"]["truncated"], false);
    assert_eq!(report["coverage"]["anomalies"], 0);
    let (major, minor, micro) = target.python.version;
    assert_eq!(report["target"]["python"]["version"], format!("{major}.{minor}.{micro}"));
    assert_eq!(report["target"]["python"]["debug"], target.python.debug);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    (done, report)
}

/// One mode on one interpreter. `still`: the heap does not change while it is looked at.
fn live(python: &Python, mode: &str, still: bool) {
    let target = Target::start(python, "live.py", [mode]);
    let (_, report) = report(&target, analyze(&target));
    assert_user_classes(&report, target.oracle());
    if still {
        assert_census(&report, &target);
    }
    if mode == "frozen" {
        assert!(report["coverage"]["frozen"].as_u64() > Some(1000), "{}", report["coverage"]);
    }
}

/// What the target says of itself is the same before and after; and it answers.
fn live_and_asked(python: &Python, mode: &str, still: bool) {
    let mut target = Target::start(python, "live.py", [mode]);
    let (_, before) = (target.ask("state"), target.ask("state"));
    let (_, report) = report(&target, analyze(&target));
    assert_user_classes(&report, target.oracle());
    let after = target.ask("state");
    // Some versions freeze what they start with.
    assert_eq!(report["coverage"]["frozen"], before["frozen"]);
    for part in ["modules", "path", "main", "enabled", "frozen", "trace"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    if still {
        for part in ["objects", "collections", "ticks"] {
            assert_eq!(after[part], before[part], "{part}");
        }
    } else {
        target.assert_goes_on(&after);
    }
}

#[test]
fn idle() {
    each(|_| true, |python| live(python, "idle", true));
    each(|_| true, |python| live_and_asked(python, "idle", true));
}

#[test]
fn in_select() {
    each(|_| true, |python| live(python, "select", true));
}

#[test]
fn busy() {
    each(|_| true, |python| live_and_asked(python, "busy", false));
}

#[test]
fn four_busy_threads() {
    each(|_| true, |python| live_and_asked(python, "threads", false));
}

#[test]
fn an_asyncio_loop() {
    each(|_| true, |python| live_and_asked(python, "asyncio", false));
}

#[test]
fn a_c_call_that_keeps_the_gil() {
    each(|_| true, |python| live(python, "gilhold", true));
}

/// It never comes to a safe point: in a twin, and only there, the call is made where the thread stands.
#[test]
fn a_c_call_that_keeps_the_gil_for_ever() {
    each(|_| true, |python| live(python, "gilpause", true));
}

#[test]
fn a_deadlock() {
    each(|_| true, |python| live(python, "deadlock", true));
}

/// `gc.freeze` is there from 3.7 on.
#[test]
fn a_frozen_heap() {
    each(|python| python.minor() >= 7, |python| live(python, "frozen", true));
}

/// The way from a root to the leak, what it refers to and what refers to it: of the object, not of a name.
#[test]
fn what_keeps_the_leak() {
    each(
        |_| true,
        |python| {
            let target = Target::start(python, "live.py", ["idle"]);
            let (_, report) = report(&target, analyze(&target).args(["-S", "__main__.Leak"]));
            let shown = &report["references"][0];
            assert_eq!(shown["type"], "__main__.Leak");
            let edges: Vec<&str> = steps(&shown["path_to_root"]).map(|step| step["edge"].as_str().unwrap()).collect();
            let kinds: Vec<&str> = steps(&shown["path_to_root"]).map(|step| step["type"].as_str().unwrap()).collect();
            let path = edges.join(" ");
            assert!(path.starts_with("CACHE in module __main__"), "{path}");
            assert!(path.contains("['key-"), "{path}");
            assert_eq!(kinds.last(), Some(&"__main__.Leak"), "{path}");
            assert_eq!(steps(&shown["path_to_root"]).last().unwrap()["address"], shown["address"]);

            let referents: Vec<&str> = steps(&shown["referents"]).map(|step| step["type"].as_str().unwrap()).collect();
            assert!(
                !referents.contains(&"builtins.dict"),
                "the dict of an instance is no step of its own: {referents:?}"
            );
            for (kind, edge) in
                [("builtins.bytearray", ".payload"), ("builtins.str", ".label"), ("builtins.type", ".__class__")]
            {
                let found = steps(&shown["referents"]).find(|step| step["edge"] == edge);
                assert_eq!(found.map(|step| &step["type"]), Some(&kind.into()), "{edge}");
            }
            let referrers: Vec<&Value> = steps(&shown["referrers"]).collect();
            assert_eq!(referrers.len(), 1, "{referrers:?}");
            assert_eq!(referrers[0]["type"], "builtins.dict");
            assert!(referrers[0]["edge"].as_str().unwrap().starts_with("['key-"), "{referrers:?}");
        },
    );
}

fn steps(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().expect("steps").iter()
}

/// objgraph and pympler, as installed for each interpreter by `make prepare`.
#[test]
fn libraries_of_the_site_dir() {
    each(
        |python| {
            let there = python.site().join("objgraph.py").exists() && python.site().join("pympler").exists();
            if !there {
                say(&format!(
                    "not tested: objgraph and pympler with {}: not in {}",
                    python.name(),
                    python.site().display()
                ));
            }
            there
        },
        |python| {
            let target = Target::start(python, "live.py", ["idle"]);
            let run = Run::analyze(&[target.pid]).args(["--format", "json", "-S", "__main__.Leak", "--site-dir"]);
            let (_, report) = report(&target, run.arg(python.site()));
            assert_user_classes(&report, target.oracle());
            assert_eq!(warnings(&report), EXPECTED);
            let probes = &report["probes"];
            let typestats = &probes["objgraph"]["typestats"];
            assert!(typestats.to_string().contains("Leak"), "{typestats}");
            assert!(probes["objgraph"]["chains"].to_string().contains("module"), "{probes}");
            assert!(probes["pympler"]["summary"].to_string().contains("dict"), "{probes}");
            assert!(probes["pympler"]["asizeof"].to_string().contains("Leak"), "{probes}");
            assert!(probes["gc"]["thresholds"].is_array(), "{probes}");
        },
    );
}

/// The debug build's file describes the ordinary one only by what Debian ships with it: debug files by build-id.
#[test]
fn the_debug_build_as_exec() {
    let Some(debug) = pythons().iter().find(|python| python.debug && python.is_distribution()) else { return };
    // As the target itself.
    let target = Target::start(debug, "live.py", ["idle"]);
    let (_, right) = report(&target, analyze(&target).arg("-e").arg(&debug.path));
    assert_user_classes(&right, target.oracle());
    assert_eq!(warnings(&right), EXPECTED);

    // For the ordinary one, as the issue's engineer types it.
    let Some(ordinary) =
        pythons().iter().find(|python| python.is_distribution() && python.version == debug.version && !python.debug)
    else {
        return;
    };
    let target = Target::start(ordinary, "live.py", ["idle"]);
    let (done, wrong) = report(&target, analyze(&target).arg("-e").arg(&debug.path));
    assert_user_classes(&wrong, target.oracle());
    let warning = &wrong["collection"]["warnings"][0];
    assert_eq!(warning["code"], "wrong-executable");
    let text = warning["text"].as_str().unwrap();
    let ids = regex::Regex::new("[0-9a-f]{40}").unwrap().find_iter(text).map(|id| id.as_str()).collect::<Vec<_>>();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{text}");
    assert!(text.contains(&debug.path.display().to_string()), "{text}");
    let hint = warning["hint"].as_str().unwrap();
    assert!(hint.contains("/usr/lib/debug/.build-id/"), "{hint}");
    assert!(done.stderr.contains("wrong executable"), "{}", done.stderr);
}

/// Several at once: each its own report.
#[test]
fn several_side_by_side() {
    // Two of them busy: forty busy threads would leave the twins, which have the lowest priority, no processor.
    let modes = ["threads", "busy"].into_iter().chain(std::iter::repeat("select"));
    let targets: Vec<Target> =
        pythons().iter().zip(modes).map(|(python, mode)| Target::start(python, "live.py", [mode])).collect();
    let pids: Vec<i32> = targets.iter().map(|target| target.pid).collect();
    let done = Run::analyze(&pids).args(["--format", "json", "--probe", "heap"]).output().exits(0);
    let json = done.json();
    for (target, report) in targets.iter().zip(json["targets"].as_array().unwrap()) {
        assert_eq!(report["target"]["pid"], target.pid);
        assert_user_classes(report, target.oracle());
        target.assert_unharmed();
    }
}

/// Every step with its time, in an order that a reader can follow.
#[test]
fn debug_tells_every_step() {
    let target = Target::start(usual(), "live.py", ["threads"]);
    let done = analyze(&target).arg("-d").output().exits(0);
    let step = regex::Regex::new(&format!(r"^\[ *(\d+\.\d{{3}}) s\] {}: (.+)$", target.pid)).unwrap();
    let mut last = 0.0;
    let mut texts = Vec::new();
    for line in done.stderr.lines().take_while(|line| !line.starts_with("warning: ")) {
        let captures = step.captures(line).unwrap_or_else(|| panic!("no step: {line}"));
        let time: f64 = captures[1].parse().unwrap();
        assert!(time >= last, "{line}");
        last = time;
        texts.push(captures[2].to_owned());
    }
    let mut rest = texts.iter();
    for expected in [
        "CPython",
        "layout from",
        "gdb",
        "5 threads stopped, twin",
        "attached",
        "symbols of",
        "probes running",
        "twin gone",
    ] {
        assert!(rest.any(|text| text.contains(expected)), "no `{expected}` in its place: {texts:#?}");
    }
    target.assert_unharmed();
    assert_eq!(process::children(target.pid), process::NONE);
}

//! `dominators`, `paths` and `tree` of snapshots of live programs, the structures of which the programs know themselves.

use serde_json::Value;

use crate::assert_file_snapshot;
use crate::matrix::each_everywhere;
use crate::support::{Done, Python, Run, Target, root, usual};

/// A snapshot of tests/programs/held.py, in the folder of the run.
fn snapshot(python: &Python, words: &[&str]) -> (Target, Done) {
    let target = Target::start(python, "held.py", [""; 0]);
    let run = Run::analyze(&[target.pid]).args(["--format", "json", "-f", "held.parquet"]).args(words);
    let done = run.output().exits(0);
    target.assert_unharmed();
    (target, done)
}

fn walk(snapshot: &Done, words: &[&str]) -> Done {
    let run = Run::new(&words[..1]).arg(snapshot.dir().join("held.parquet"));
    let done = run.args(&words[1..]).output().exits(0);
    assert_eq!(done.stderr, "");
    done
}

/// The outline as JSON.
fn outline(snapshot: &Done, words: &[&str]) -> Value {
    let json = walk(snapshot, &[words, &["--format", "json"]].concat()).json();
    assert_eq!(json["schema"], format!("memory-analyzer/{}", words[0]));
    assert_eq!(json["schema_version"], 1);
    json
}

fn places(of: &Value) -> Vec<(&str, u64, u64)> {
    let places = of["places"].as_array().unwrap().iter();
    let number = |of: &Value| of.as_u64().unwrap();
    let told = |place: &'_ Value| (number(&place["objects"]), number(&place["retained_bytes"]));
    places.map(|place| (place["expression"].as_str().unwrap(), told(place).0, told(place).1)).collect()
}

fn check(python: &Python, words: &[&str]) {
    let (target, done) = snapshot(python, words);
    let oracle = target.oracle();
    let expected = |name: &str| oracle[name].as_u64().unwrap();
    let single = |name: &str| (oracle[name][0].as_str().unwrap(), oracle[name][1].as_u64().unwrap());

    // By type, as sets: what two hold together goes with both.
    let report = done.report();
    let types = report["types"].as_array().unwrap();
    for (kind, bytes) in [("Entry", "entries"), ("Twin", "twins"), ("Node", "chain")] {
        let row = types.iter().find(|row| row["type"] == format!("__main__.{kind}")).unwrap();
        assert_eq!(row["retained_bytes"], expected(bytes), "{row}");
    }

    // By object.
    for (name, expression, held) in [
        ("entry", "__main__.REGISTRY['users'][17]", &[".note", ".payload"][..]),
        ("twin", "__main__.ONE", &[".own"]),
        ("kept", "(local kept of __main__.main)", &[".data"]),
    ] {
        let (address, bytes) = single(name);
        let top = &outline(&done, &["dominators", address])["branches"][0];
        assert_eq!((&top["address"], &top["retained_bytes"]), (&address.into(), &bytes.into()), "{top}");
        assert_eq!(top["edge"], expression, "{top}");
        let mut edges: Vec<&str> =
            top["branches"].as_array().unwrap().iter().map(|branch| branch["edge"].as_str().unwrap()).collect();
        edges.sort();
        assert_eq!(edges, held, "{top}");
    }
    let top = outline(&done, &["dominators", oracle["users at"].as_str().unwrap()]);
    assert_eq!(top["subject"]["retained_bytes"], expected("users"));
    let entries = &top["branches"][0]["branches"][0];
    assert_eq!((&entries["edge"], &entries["count"]), (&"[…]".into(), &50.into()), "{entries}");

    // Paths: of one, of all of a type, of a list that recursion would not survive.
    let one = outline(&done, &["paths", oracle["payload"].as_str().unwrap()]);
    assert_eq!(places(&one)[0].0, "__main__.REGISTRY['users'][17].payload");
    let edges: Vec<&str> =
        one["path_to_root"].as_array().unwrap().iter().map(|step| step["edge"].as_str().unwrap()).collect();
    assert_eq!(edges, ["REGISTRY in module __main__", "['users']", "[17]", ".payload"]);
    let all = outline(&done, &["paths", "Entry"]);
    let found: Vec<(&str, u64)> = places(&all).iter().map(|(expression, count, _)| (*expression, *count)).collect();
    let rare = "__main__.REGISTRY['others']['a b'][0]";
    assert_eq!(found, [("__main__.REGISTRY['users'][…]", 50), (rare, 1)]);
    let chain = outline(&done, &["paths", "__main__.Node"]);
    let head = expected("chain");
    assert_eq!(places(&chain), [("__main__.HEAD.next…", 2999, 0), ("__main__.HEAD", 1, head)]);

    // Around: both ways, and through the cycle of the twins.
    let tree = outline(&done, &["tree", single("twin").0, "--depth", "3"]);
    let text = serde_json::to_string(&tree).unwrap();
    assert!(text.contains("\"again\":\"cycle\""), "{tree:#}");
    let up = outline(&done, &["tree", "Entry", "--up", "--depth", "2"]);
    let holders = up["branches"][0]["branches"].as_array().unwrap();
    assert!(holders.iter().any(|holder| holder["type"] == "builtins.list" && holder["count"] == 2), "{up:#}");
}

#[test]
fn of_known_structures_by_the_reader() {
    each_everywhere(|python| check(python, &["-c", "reader"]));
}

#[test]
fn of_known_structures_by_gdb() {
    check(usual(), &["-c", "gdb", "--probe", "heap"]);
}

/// The same everywhere: of a recording.
#[test]
fn of_a_recording_in_text() {
    let recording = root().join("tests/recordings/grown.parquet");
    let text = |words: &[&str]| {
        let done = Run::new(&words[..1]).arg(&recording).args(&words[1..]).output().exits(0);
        assert_eq!(done.stderr, "");
        done.stdout.replace(&root().display().to_string(), "[ROOT]")
    };
    assert_file_snapshot!("it_walks_dominators", text(&["dominators", "--top", "3", "--depth", "4"]));
    assert_file_snapshot!("it_walks_dominators_type", text(&["dominators", "Entry"]));
    assert_file_snapshot!("it_walks_paths_type", text(&["paths", "bytearray"]));
    assert_file_snapshot!("it_walks_tree", text(&["tree", "Entry", "--depth", "2", "--bytes"]));
    assert_file_snapshot!("it_walks_tree_up", text(&["tree", "Entry", "--up", "--depth", "4", "--top", "2"]));
}

#[test]
fn steps_are_traced_when_asked_for() {
    let recording = root().join("tests/recordings/grown.parquet");
    let done = Run::new(["dominators", "-d"]).arg(&recording).output().exits(0);
    for step in ["read", "dominator tree", "shortest paths", "outline"] {
        assert!(done.stderr.contains(step), "no `{step}`: {}", done.stderr);
    }
}

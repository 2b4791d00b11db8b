//! An object of every type in every form, compared one by one: what a snapshot says of each, and what the process says.
//!
//! On one interpreter alone: `IT_PYTHONS=3.11.2 cargo test --test it zoo::through_the_reader`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use serde::Deserialize;

use crate::matrix::each_everywhere;
use crate::support::snapshot::{self, Objects};
use crate::support::{Python, Run, Target};

/// What zoo.py says of one of its objects.
#[derive(Deserialize, Debug)]
struct Truth {
    name: String,
    address: u64,
    #[serde(rename = "type")]
    type_name: String,
    kind: u64,
    size: Option<u64>,
    referents: Vec<u64>,
    hidden: Vec<u64>,
}

/// Where a collector may know less than `gc.get_referents`: the type that visits, the type that is visited, and why.
const LESS: [(&str, &str, &str); 1] =
    [("builtins.module", "builtins.type", "exceptions that a module's state in C keeps in arrays behind it")];

/// Where a collector may know more, since it reads what `tp_traverse` does not visit: the type, the types of what it
/// keeps, and why it does not visit them. A `*` stands for anything. The type of an object, what dicts hold
/// and what code objects keep is known otherwise.
const MORE: [(&str, &[&str], &str); 54] = [
    (
        "builtins.type",
        &["*"],
        "static types are not of the collector; heap types do not visit their names, slots, subclasses",
    ),
    ("*Meta", &["*"], "likewise"),
    ("_ctypes.PyC*", &["*"], "likewise"),
    ("_ctypes.UnionType", &["*"], "likewise"),
    ("builtins.module", &["builtins.str"], "its name"),
    ("builtins.*_descriptor", &["builtins.str"], "name and qualified name"),
    ("builtins.code", &["builtins.bytes", "builtins.tuple"], "caches"),
    ("builtins.generator", &["builtins.str", "builtins.code"], "names; the code, in some versions"),
    ("builtins.coroutine", &["builtins.str", "builtins.code", "builtins.tuple"], "likewise, and where it is from"),
    ("builtins.async_generator", &["builtins.str", "builtins.code"], "likewise"),
    ("builtins.range", &["builtins.int"], "not of the collector"),
    ("builtins.longrange_iterator", &["builtins.int"], "not of the collector"),
    ("builtins.slice", &["*"], "not of the collector, in old versions"),
    ("re.*", &["builtins.*", "re.Pattern"], "not of the collector, in old versions"),
    ("_sre.*", &["builtins.*", "re.Pattern", "_sre.SRE_Pattern"], "not of the collector, in old versions"),
    ("datetime.*", &["datetime.timezone", "datetime.timedelta", "builtins.str"], "not of the collector"),
    ("*.Moment", &["datetime.timezone"], "visited by nobody"),
    ("decimal.*", &["abc.SignalDict", "decimal.SignalDict"], "not of the collector, in old versions"),
    ("_struct.Struct", &["builtins.bytes"], "its format"),
    ("_io.*", &["builtins.*", "_io.*"], "buffers and names of codecs"),
    ("_csv.Dialect", &["builtins.str"], "not of the collector, in old versions"),
    ("_pickle.*", &["builtins.*", "_pickle.Pdata"], "buffers"),
    ("zlib.*", &["builtins.bytes", "_thread.lock"], "not of the collector"),
    ("sqlite3.*", &["builtins.*", "sqlite3.*"], "visited in new versions only"),
    ("_thread._local", &["builtins.str"], "its key"),
    ("_io.IncrementalNewlineDecoder", &["encodings.*"], "the decoder below"),
    ("_thread._local", &["builtins.*"], "its key and what clears it"),
    ("*.Local", &["builtins.*"], "likewise"),
    ("*.Bytes", &["builtins.bytes"], "the buffer"),
    ("builtins.CArgObject", &["*"], "not of the collector, in old versions"),
    ("builtins.StgDict", &["*"], "what the type of ctypes keeps"),
    ("functools.KeyWrapper", &["*"], "not of the collector, in old versions"),
    ("functools._lru_list_elem", &["*"], "visited by the cache"),
    ("functools._lru_cache_wrapper", &["*"], "what it remembers, which old versions visit otherwise"),
    ("builtins.Struct", &["builtins.bytes"], "its format"),
    ("builtins._abc_data", &["builtins.set"], "not of the collector, in old versions"),
    ("operator.methodcaller", &["builtins.str"], "the name"),
    ("typing.*", &["builtins.str"], "names"),
    ("posix.ScandirIterator", &["builtins.*"], "the path"),
    ("select.poll", &["builtins.dict"], "not of the collector"),
    ("_json.Scanner", &["builtins.dict"], "its memo"),
    ("_hashlib.HASH", &["builtins.str"], "its name"),
    ("pyexpat.*", &["*"], "handlers and names"),
    ("os.stat_result", &["builtins.*"], "fields beyond its length"),
    ("time.struct_time", &["builtins.*"], "fields beyond its length"),
    ("builtins.module", &["*"], "state in C that no traverse visits"),
    ("typing.*", &["builtins.*", "typing.*"], "attributes, also of the dict: 3.13.0 visits them, 3.13.18 the dict"),
    ("*.Plain", &["builtins.dict", "builtins.int", "builtins.list"], "likewise"),
    ("*.Cached", &["builtins.dict", "builtins.list"], "likewise"),
    ("xml.etree.ElementTree.XMLParser", &["builtins.module"], "its module"),
    ("ctypes.CField", &["*"], "not of the collector, in old versions"),
    ("builtins.frozendict", &["*"], "keys"),
    ("numpy.*", &["*"], "not of the collector"),
    ("zoo_extended.Extended*", &["builtins.list"], "behind the base's struct: by nobody"),
];

fn fits(name: &str, pattern: &str) -> bool {
    pattern
        .split_once('*')
        .map_or(name == pattern, |(start, end)| name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)))
}

/// What differs, by type: in how many cases, and the first few of them.
#[derive(Default)]
struct Differences(BTreeMap<(String, &'static str, String), (usize, Vec<String>)>);

impl Differences {
    fn add(&mut self, type_name: &str, what: &'static str, detail: String, example: &str) {
        let (count, examples) = self.0.entry((type_name.to_owned(), what, detail)).or_default();
        *count += 1;
        if examples.len() < 3 {
            examples.push(example.to_owned());
        }
    }

    /// `builtins.foo: 12 missing referents (builtins.str), e.g. texts.empty, dicts.large/3`
    fn table(&self) -> String {
        let mut table = String::new();
        for ((type_name, what, detail), (count, examples)) in &self.0 {
            writeln!(table, "  {type_name}: {count} {what} ({detail}), e.g. {}", examples.join(", ")).unwrap();
        }
        table
    }
}

fn compare(truths: &[Truth], objects: &Objects) -> Differences {
    let known: HashMap<u64, &Truth> = truths.iter().map(|truth| (truth.address, truth)).collect();
    let type_of = |address: u64| match (known.get(&address), objects.get(&address)) {
        (Some(truth), _) => truth.type_name.clone(),
        (None, Some(object)) => object.kind.clone(),
        (None, None) => "of a type unknown".to_owned(),
    };
    let mut differences = Differences::default();
    for truth in truths {
        let (name, type_name) = (truth.name.as_str(), truth.type_name.as_str());
        let Some(object) = objects.get(&truth.address) else {
            differences.add(type_name, "absent", format!("size {:?}", truth.size), name);
            continue;
        };
        if object.kind != truth.type_name {
            differences.add(type_name, "of another type", format!("got {}", object.kind), name);
        }
        if let Some(size) = truth.size.filter(|size| object.size != *size) {
            differences.add(type_name, "wrong sizes", format!("expected {size}, got {}", object.size), name);
        }
        let found: HashSet<u64> = object.referents.iter().copied().collect();
        let expected: BTreeSet<u64> = truth.referents.iter().chain(&truth.hidden).copied().collect();
        for missing in expected.iter().filter(|address| !found.contains(address)) {
            let of = type_of(*missing);
            if !LESS.iter().any(|(from, to, _)| fits(type_name, from) && fits(&of, to)) {
                let place = truth.referents.iter().position(|address| address == missing);
                let example = place.map_or_else(|| format!("{name}/hidden"), |place| format!("{name}/{place}"));
                differences.add(type_name, "missing referents", of, &example);
            }
        }
        for more in found.iter().filter(|address| !expected.contains(address) && **address != truth.kind) {
            let of = type_of(*more);
            let may =
                |&(from, to, _): &(&str, &[&str], &str)| fits(type_name, from) && to.iter().any(|to| fits(&of, to));
            if !MORE.iter().any(may) {
                differences.add(type_name, "referents beyond", of, name);
            }
        }
    }
    differences
}

/// What types in C add to the structs of their bases: nothing but their words tells it.
fn assert_behind(truths: &[Truth], objects: &Objects) {
    let address = |name: &str| truths.iter().find(|truth| truth.name == name).map(|truth| truth.address);
    let behind = truths.iter().filter_map(|truth| Some((truth.name.strip_suffix("/behind")?, truth.address)));
    let missed: Vec<&str> = behind
        .filter(|(name, kept)| !objects[&address(name).unwrap()].referents.contains(kept))
        .map(|(name, _)| name)
        .collect();
    assert!(truths.iter().filter(|truth| truth.name.ends_with("/behind")).count() > 5);
    assert!(missed.is_empty(), "nothing behind {missed:?}");
}

/// One interpreter through one collector.
fn zoo(python: &Python, collector: &str) {
    let target = Target::start(python, "zoo.py", [""; 0]);
    let run = Run::analyze(&[target.pid]).args(["-c", collector, "--format", "json", "-q", "-f", "snapshot"]);
    let done = run.output().exits(0);
    let report = done.report();
    assert_eq!(report["collection"]["collector"], collector);
    assert_eq!(report["coverage"]["truncated"], false);
    target.assert_unharmed();
    target.assert_nothing_mapped();

    let truths = Vec::<Truth>::deserialize(target.oracle()).unwrap();
    assert!(truths.len() > 4000, "a small zoo: {}", truths.len());
    let objects = snapshot::open(&done.dir().join("snapshot"));
    if collector == "reader" {
        assert_behind(&truths, &objects);
    }
    let differences = compare(&truths, &objects);
    let table = differences.table();
    assert!(table.is_empty(), "{collector} differs from {} objects:\n{table}", truths.len());
    assert_eq!(report["coverage"]["anomalies"], 0, "{}", report["coverage"]);
}

#[test]
fn through_gdb() {
    each_everywhere(|python| zoo(python, "gdb"));
}

#[test]
fn through_the_reader() {
    each_everywhere(|python| zoo(python, "reader"));
}

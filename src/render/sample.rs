//! Reports written by hand, for tests of renderers: every part, and what a hostile target would put into it.

use serde_json::json;

use crate::analyse::{
    self, Diff, ErrorReport, References, Report, Since, Step, TargetReport, Totals, TypeDelta, TypeRow,
};
use crate::error::{Error, Kind};
use crate::heap::{
    Accounts, CollectionFacts, Coverage, Frame, Garbage, Held, LocalVariable, Part, PartName, Population, PythonFacts,
    Share, Suspect, TargetFacts, ThreadFacts,
};
use crate::notice::Notice;
use crate::units::Address;

/// Ends colours, clears the screen, starts a line, turns the direction of reading round.
pub(super) const HOSTILE: &str = "app.\x1b[2J\x1b[31mevil\n PID 1\r\u{202e}tcid\u{9b}5n<b>&\"'\\N\u{feff}";

pub(super) fn report(targets: Vec<TargetReport>) -> Report {
    let mut report = Report::new(targets);
    report.tool.version = "0.0.0";
    report
}

pub(super) fn facts(pid: i32, command: &[&str]) -> TargetFacts {
    TargetFacts {
        pid,
        start_time: "2026-01-02T03:04:05Z".into(),
        host: "web-1".into(),
        cmdline: command.iter().map(|&word| word.to_owned()).collect(),
        executable: "/usr/bin/python3.11".into(),
        rss_bytes: 89_128_960,
        threads: 5,
        python: PythonFacts { version: "3.11.7".into(), debug: false, free_threaded: false },
    }
}

pub(super) fn row(kind: &str, count: u64, bytes: u64, max_bytes: u64) -> TypeRow {
    TypeRow {
        kind: kind.into(),
        count,
        bytes,
        max_bytes,
        max_address: Address(0x7f00_1234_5678),
        retained_bytes: Some(bytes.saturating_mul(3)),
    }
}

fn step(address: u64, kind: &str, edge: &str) -> Step {
    Step { address: Address(address), kind: kind.into(), edge: edge.into() }
}

pub(super) fn collection() -> CollectionFacts {
    CollectionFacts {
        collector: "gdb".into(),
        reason: "an executable was given".into(),
        freeze: "twin".into(),
        started_at: "2026-01-02T04:00:00Z".into(),
        pause_ms: 1.42,
        wall_ms: 2310.0,
        layout_source: "table".into(),
        warnings: Vec::new(),
    }
}

/// One process with its types, nothing else.
pub(super) fn usual() -> TargetReport {
    let types = vec![
        row("builtins.dict", 12_000, 4_194_304, 1_310_816),
        row("app.cache.Entry", 20_000, 960_000, 48),
        row("builtins.str", 30_000, 900_000, 512),
        row("builtins.list", 900, 90_000, 8_056),
        row("some.very.long.package.path.with.many.parts.and.a.ClassName", 1, 56, 56),
    ];
    let totals = Totals { objects: 62_901, bytes: 6_144_360, types: 5 };
    let coverage = Coverage { objects: 62_901, gc_tracked: 33_000, edges: 120_000, ..Coverage::default() };
    TargetReport {
        target: facts(4711, &["python3", "-m", "app", "--name", "two words"]),
        collection: Some(collection()),
        coverage: Some(coverage),
        totals: Some(totals),
        types: Some(types),
        ..TargetReport::default()
    }
}

/// Every part there is.
pub(super) fn full() -> TargetReport {
    let mut out = usual();
    let hint = "install it in the target's environment, or give its folder: --site-dir DIR";
    let warning = Notice::new("module-missing", "the target cannot import objgraph").hint(hint);
    out.collection = Some(CollectionFacts { warnings: vec![warning], ..collection() });
    let coverage = out.coverage.expect("usual has it");
    out.coverage = Some(Coverage { frozen: 7, anomalies: 1, conservative_edges: 3, truncated: true, ..coverage });
    out.references = Some(vec![references(), References { path_to_root: Vec::new(), ..lonely() }]);
    out.accounts = Some(analyse::accounts(&resident(48), Some(&resident(20))));
    out.garbage = Some(garbage());
    out.diff = Some(diff());
    out.suspects = Some(suspects());
    out.threads = Some((0..10).map(thread).collect());
    let probes = json!({
        "gc": {"enabled": true, "counts": [701, 3, 11], "thresholds": [700, 10, 10], "garbage": 0, "frozen": 7},
        "objgraph": {
            "typestats": {"dict": 12000, "Entry": 20000, "function": 3100},
            "growth": [["Entry", 20000, 1500], ["dict", 12000, 12]],
            "chains": [{"type": "builtins.dict", "address": "0x7f00", "chain": ["module", "dict", "app.cache.Cache"]}],
        },
        "pympler": {
            "summary": [["dict", 12000, 4194304], ["str", 30000, 900000]],
            "asizeof": [{"type": "builtins.dict", "address": "0x7f00", "bytes": 52428800}],
        },
        "mine": {"queue": {"length": 3, "oldest": "2026-01-01"}},
    });
    out.probes = probes.as_object().cloned();
    out.snapshot = Some("memory_analyzer_out/4711.parquet".into());
    out
}

/// A process whose allocators keep so many MiB.
fn resident(free: u64) -> Accounts {
    let part = |name, mib: u64, detail: &str| Part { name, resident_bytes: mib << 20, detail: detail.into() };
    Accounts {
        rss_bytes: (37 + free) << 20,
        parts: vec![
            part(PartName::PythonObjects, 21, "20971520 bytes in blocks of pymalloc, the rest in malloc's"),
            part(PartName::PymallocFree, free, "90 arenas of 94371840 bytes"),
            part(PartName::GlibcInUse, 3, "of C code; 2871 chunks in 2 heaps"),
            part(PartName::SharedMemory, 0, ""),
            part(PartName::LibrariesAndFiles, 13, ""),
        ],
    }
}

/// Of each kind some, and things that libraries do.
fn garbage() -> Garbage {
    let share = |kind: &str, count, bytes| Share { kind: kind.into(), count, bytes };
    let population = |types: Vec<Share>| Population {
        objects: types.iter().map(|share| share.count).sum(),
        bytes: types.iter().map(|share| share.bytes).sum(),
        types,
    };
    let held = |kind: &str, count, unreachable| Held {
        kind: kind.into(),
        count,
        bytes: count * 48,
        references: count + 1,
        unreachable,
    };
    Garbage {
        unreachable: population(vec![share("app.Node", 20_000, 1_120_000), share("builtins.list", 9, 504)]),
        with_finalizers: population(vec![share("app.Node", 20_000, 1_120_000)]),
        uncollectable: population(vec![share("app.Old", 1, 48)]),
        held_outside: vec![held("app.native.Handle", 5000, 4000), held("builtins.function", 3, 1)],
    }
}

fn suspects() -> Vec<Suspect> {
    let accumulation = Suspect {
        rule: "accumulation".into(),
        text: "app.CACHE.entries (builtins.dict) retains 4.9 MiB (81.2 % of all): it keeps 20000 objects of type \
               app.cache.Entry, which mostly hold builtins.str"
            .into(),
        kind: "builtins.dict".into(),
        address: Address(0x7f00_1234_5678),
        retained_bytes: 5_138_022,
        share: 0.812,
        count_delta: None,
        path_to_root: vec![
            step(0x7f20, "app.cache.Cache", "CACHE in module app"),
            step(0x7f00_1234_5678, "builtins.dict", ".entries"),
        ],
    };
    let text = "app.CACHE.entries (builtins.dict) took 1500 new objects of type app.cache.Entry, at app.CACHE.entries[…]: \
                376.4 KiB (6.1 % of all) more than in the earlier snapshot";
    let (rule, count_delta) = ("growth".into(), Some(1500));
    vec![Suspect { rule, text: text.into(), share: 0.061, count_delta, ..accumulation.clone() }, accumulation]
}

fn references() -> References {
    References {
        kind: "builtins.dict".into(),
        address: Address(0x7f00_1234_5678),
        bytes: 1_310_816,
        referents: (0..12).map(|i| step(0x7f10 + i * 64, "app.cache.Entry", &format!("['user:{i}']"))).collect(),
        referent_count: 20_000,
        referrers: vec![step(0x7f20, "app.cache.Cache", ".entries")],
        referrer_count: 1,
        path_to_root: vec![
            step(0x7f30, "builtins.module", "module `app`"),
            step(0x7f20, "app.cache.Cache", ".CACHE"),
            step(0x7f00_1234_5678, "builtins.dict", ".entries"),
        ],
        files: vec!["memory_analyzer_out/ref_4711_builtins.dict.svg".into()],
    }
}

fn lonely() -> References {
    References {
        kind: "app.cache.Entry".into(),
        address: Address(0x7f40),
        bytes: 48,
        referents: Vec::new(),
        referent_count: 0,
        referrers: Vec::new(),
        referrer_count: 0,
        path_to_root: Vec::new(),
        files: Vec::new(),
    }
}

/// An object at the end of a path of `length` steps.
pub(super) fn deep(length: u64) -> References {
    References { path_to_root: (0..length).map(|i| step(i, "app.Node", ".next")).collect(), ..lonely() }
}

pub(super) fn diff() -> Diff {
    let delta = |kind: &str, count, count_delta, bytes, bytes_delta| TypeDelta {
        kind: kind.into(),
        count,
        count_delta,
        bytes,
        bytes_delta,
        ..TypeDelta::default()
    };
    Diff {
        since: Since {
            snapshot: "yesterday.parquet".into(),
            started_at: "2026-01-01T04:00:00Z".into(),
            pid: 4711,
            paired_by: "pid-and-start-time".into(),
        },
        types: vec![
            delta("app.cache.Entry", 20_000, 1_500, 960_000, 72_000),
            delta("builtins.dict", 12_000, 12, 4_194_304, 2_784),
            delta("builtins.list", 900, 0, 90_000, -8_000),
            delta("app.Gone", 0, -400, 0, -19_200),
        ],
        by_way_of: Vec::new(),
        places: None,
    }
}

fn thread(index: u64) -> ThreadFacts {
    let local = |name: &str, kind: &str| LocalVariable { name: name.into(), kind: kind.into() };
    let frame = |line| Frame {
        function: "app.worker.run".into(),
        file: "/srv/app/worker.py".into(),
        line,
        locals: vec![local("self", "app.worker.Worker"), local("jobs", "builtins.list"), local("", "builtins.int")],
    };
    let depth = if index == 0 { 13 } else { 1 };
    let name = if index == 3 { String::new() } else { format!("worker-{index}") };
    ThreadFacts { ident: 0x7f00_0000 + index, name, frames: (1..=depth).map(frame).collect() }
}

/// Hostile text wherever the target has a say.
pub(super) fn hostile() -> TargetReport {
    let text = || HOSTILE.to_owned();
    let mut out = full();
    out.target.cmdline = vec![text(), "\n".into(), String::new()];
    out.target.executable = text();
    out.target.host = text();
    out.types = Some(vec![row(HOSTILE, u64::MAX, u64::MAX, u64::MAX), row("", 0, 0, 0)]);
    out.totals = Some(Totals { objects: u64::MAX, bytes: u64::MAX, types: 2 });
    let mut of = references();
    of.kind = text();
    of.path_to_root = vec![step(u64::MAX, HOSTILE, HOSTILE)];
    of.referents = vec![step(1, HOSTILE, HOSTILE)];
    of.referrers = vec![step(1, HOSTILE, HOSTILE)];
    of.files = vec![text()];
    let path_to_root = of.path_to_root.clone();
    out.suspects = Some(vec![Suspect { text: text(), kind: text(), path_to_root, ..Suspect::default() }]);
    out.references = Some(vec![of]);
    let since = Since { snapshot: text(), started_at: text(), pid: -1, paired_by: text() };
    let change = TypeDelta {
        kind: text(),
        count: 1,
        count_delta: i64::MIN,
        bytes: 1,
        bytes_delta: i64::MIN,
        ..TypeDelta::default()
    };
    let place = TypeDelta { place: Some(text()), new: Some(u64::MAX), bytes_delta: i64::MAX, ..change.clone() };
    out.diff = Some(Diff {
        since,
        by_way_of: Vec::new(),
        types: vec![change.clone(), change.clone()],
        places: Some(vec![place]),
    });
    let local = LocalVariable { name: text(), kind: text() };
    let frame = Frame { function: text(), file: text(), line: u64::MAX, locals: vec![local; 9] };
    out.threads = Some(vec![ThreadFacts { ident: u64::MAX, name: text(), frames: vec![frame] }]);
    let probes = json!({
        HOSTILE: {HOSTILE: [HOSTILE, null, 1.5]},
        "objgraph": {"typestats": {HOSTILE: 1}, HOSTILE: [[HOSTILE, 1], [2]], "chains": [{"chain": [HOSTILE, {}]}]},
        "gc": [HOSTILE],
        "pympler": {"summary": [], "asizeof": "no", "other": {"a": {"b": []}}},
    });
    out.probes = probes.as_object().cloned();
    out.snapshot = Some(text());
    out.collection = Some(CollectionFacts {
        reason: text(),
        freeze: text(),
        warnings: vec![Notice::new("c", HOSTILE).hint(HOSTILE)],
        pause_ms: f64::NAN,
        ..collection()
    });
    out.error = Some(ErrorReport::from(&Error::new(Kind::Defect, HOSTILE).hint(HOSTILE)));
    out
}

pub(super) fn failed() -> TargetReport {
    let error = Error::new(Kind::NotPermitted, "cannot attach to pid 815: operation not permitted")
        .hint("run as root or as the user of the process")
        .hint("or allow it: sysctl kernel.yama.ptrace_scope=0");
    TargetReport {
        target: TargetFacts { pid: 815, cmdline: vec!["gunicorn".into()], ..TargetFacts::default() },
        error: Some(ErrorReport::from(&error)),
        ..TargetReport::default()
    }
}

/// What `diff OLD NEW` makes: a comparison without a table of types.
pub(super) fn only_diff() -> TargetReport {
    TargetReport { target: facts(4711, &["python3", "app.py"]), diff: Some(diff()), ..TargetReport::default() }
}

/// What `diff A B C` makes: what grew each time, and where.
pub(super) fn series() -> TargetReport {
    let row = |kind: &str, place: Option<&str>, new, steps: [i64; 2]| TypeDelta {
        kind: kind.into(),
        place: place.map(str::to_owned),
        count: 300,
        count_delta: 200,
        new,
        bytes: 30_000,
        bytes_delta: steps[0] + steps[1],
        steps: steps.to_vec(),
        retained_bytes: Some(60_000),
        retained_delta: Some(40_000),
    };
    let mut diff = diff();
    diff.by_way_of = vec![Since { snapshot: "noon.parquet".into(), ..diff.since.clone() }];
    diff.types = vec![row("app.Entry", None, None, [15_000, 5_000])];
    let place = "app.cache.REGISTRY[…]";
    diff.places = Some(vec![row("app.Entry", Some(place), Some(190), [15_000, 5_000])]);
    TargetReport { target: facts(4711, &["python3", "app.py"]), diff: Some(diff), ..TargetReport::default() }
}

//! Where the resident size went, against what the program knows of its own memory: what it allocated, what malloc and pymalloc say.

use serde_json::Value;

use crate::matrix::each_everywhere;
use crate::support::{Python, Run, Target, usual};

const MIB: u64 = 1 << 20;
/// What a process may change between its census and ours, and what is in pages of another part.
const SLACK: u64 = MIB / 2;

/// The accounts of a target, exact in themselves and against the kernel.
#[track_caller]
fn accounts(target: &Target, words: &[&str]) -> Value {
    let run =
        Run::analyze(&[target.pid]).args(["-c", "reader", "--format", "json", "-q", "-f", "snapshot"]).args(words);
    let done = run.output().exits(0);
    target.assert_unharmed();
    target.assert_nothing_mapped();
    let accounts = done.report()["accounts"].clone();
    let parts = accounts["parts"].as_array().expect("parts");
    let sum: u64 = parts.iter().map(|part| part["resident_bytes"].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), accounts["rss_bytes"].as_u64());
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", target.pid)).unwrap();
    let rss = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    let rss = rss.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    assert!(sum.abs_diff(rss) <= SLACK, "{sum} of {rss}");
    let again = Run::new(["report", "snapshot", "--format", "json"])
        .file("snapshot", std::fs::read(done.dir().join("snapshot")).unwrap());
    assert_eq!(again.output().exits(0).report()["accounts"], accounts, "from the snapshot");
    accounts
}

fn part<'a>(accounts: &'a Value, name: &str) -> &'a Value {
    accounts["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).expect("every part is there")
}

fn bytes(accounts: &Value, name: &str) -> u64 {
    part(accounts, name)["resident_bytes"].as_u64().unwrap()
}

/// The numbers in a part's detail.
fn numbers(accounts: &Value, name: &str) -> Vec<u64> {
    let detail = part(accounts, name)["detail"].as_str().unwrap();
    detail.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[track_caller]
fn assert_close(what: &str, found: u64, expected: u64, slack: u64) {
    assert!(found.abs_diff(expected) <= slack, "{what}: {found}, not about {expected}");
}

/// One mode of accounts.py: what its parts are, and what most of it is said to be.
fn check(python: &Python, mode: &str, said: &str, parts: impl Fn(&Value, &Value)) {
    let target = Target::start(python, "accounts.py", [mode]);
    let found = accounts(&target, &[]);
    let oracle = target.oracle();
    assert!(found["summary"].as_str().unwrap().contains(said), "{found:#}");
    // pymalloc, block by block.
    let own = |name: &str| oracle["pymalloc"][name].as_u64().unwrap();
    let [arenas, _, free] = numbers(&found, "pymalloc-free")[..] else { panic!("{found:#}") };
    assert_close("arenas", arenas, own("arenas"), 1);
    assert_close("pymalloc in use", numbers(&found, "python-objects")[0], own("in_use"), 64 << 10);
    assert_close("pymalloc free", free, own("free"), 64 << 10);
    // malloc: what it has from the system is in its heaps, but for pages that nobody has touched.
    let malloc = |name: &str| oracle["malloc"][name].as_u64().unwrap();
    let free = bytes(&found, "glibc-free");
    assert!(
        free <= malloc("fordblks") + SLACK && free + malloc("keepcost") + 4 * SLACK >= malloc("fordblks"),
        "{found:#}"
    );
    assert!(bytes(&found, "glibc-in-use") <= malloc("uordblks") + SLACK, "{found:#}");
    parts(&found, &oracle["made"]);
}

fn made(oracle: &Value, name: &str) -> u64 {
    oracle[name].as_u64().expect("what it has made")
}

#[test]
fn of_a_plain_program() {
    each_everywhere(|python| {
        check(python, "plain", "libraries and files", |found, _| {
            for name in ["glibc-in-use", "mmapped-blocks", "shared-memory", "rest"] {
                assert!(bytes(found, name) < 2 * MIB, "{found:#}");
            }
        });
    });
}

#[test]
fn of_leaks_in_c_code() {
    for (mode, name) in [("leak", "glibc-in-use"), ("leak-in-thread", "glibc-in-use"), ("large", "mmapped-blocks")] {
        each_everywhere(|python| {
            check(python, mode, "memory of C code", |found, oracle| {
                // Each block has a header and is rounded up to 16 bytes.
                let expected = made(oracle, "allocated");
                assert_close(mode, bytes(found, name), expected + expected / 100, expected / 100 + 2 * MIB);
            });
        });
    }
}

#[test]
fn of_a_fragmented_heap() {
    for mode in ["fragmented", "fragmented-fast"] {
        each_everywhere(|python| {
            check(python, mode, "free memory that allocators keep", |found, oracle| {
                let freed = made(oracle, "freed");
                assert_close(mode, bytes(found, "glibc-free"), freed, freed / 10 + MIB);
            });
        });
    }
}

#[test]
fn of_python_objects() {
    for mode in ["objects", "bytearrays"] {
        each_everywhere(|python| {
            check(python, mode, "Python objects", |found, oracle| {
                let found = bytes(found, "python-objects");
                // A debug build has three words and more around each block.
                assert!(found > made(oracle, "allocated") && found < made(oracle, "allocated") * 3, "{found}");
            });
        });
    }
}

#[test]
fn of_what_pymalloc_keeps() {
    each_everywhere(|python| {
        check(python, "retained", "free memory that allocators keep", |found, oracle| {
            assert!(bytes(found, "pymalloc-free") > made(oracle, "freed"), "{found:#}");
        });
    });
}

#[test]
fn of_shared_memory_and_stacks() {
    each_everywhere(|python| {
        check(python, "shared", "shared memory", |found, oracle| {
            assert_eq!(bytes(found, "shared-memory"), made(oracle, "allocated") + bytes(found, "shared-memory") % MIB);
        });
        for mode in ["stacks", "stacks-of-c"] {
            check(python, mode, "", |found, _| assert_eq!(numbers(found, "thread-stacks"), [8], "{mode}"));
        }
    });
}

/// Without pymalloc, or with hooks in front of each block, objects are where malloc put them.
#[test]
fn of_objects_in_other_allocators() {
    for allocator in ["malloc", "debug", "malloc_debug"] {
        let target = Target::how(usual(), "accounts.py", ["objects"]).env("PYTHONMALLOC", allocator).now();
        for freeze in ["twin", "stop", "live"] {
            let found = accounts(&target, &["--freeze", freeze]);
            assert!(found["summary"].as_str().unwrap().contains("Python objects"), "{allocator}, {freeze}: {found:#}");
            assert!(bytes(&found, "python-objects") > made(&target.oracle()["made"], "allocated"), "{found:#}");
            assert!(bytes(&found, "rest") + bytes(&found, "glibc-in-use") < 4 * MIB, "{allocator}: {found:#}");
        }
    }
}

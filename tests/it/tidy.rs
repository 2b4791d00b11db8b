//! What the house promises of itself, read from its sources: who may use whom, how long a file is, what help and README say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::support::{Run, root, say};

/// What each part may use, besides `units`, `error` and `notice`, which all may. From the command line down to the file.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("cli", &[]),
    ("target", &["cli"]),
    ("layout", &["target"]),
    ("freeze", &["target", "layout"]),
    // It asks by the plan and feeds the builder of the heap.
    ("collect", &["cli", "target", "layout", "freeze", "heap"]),
    ("heap", &[]),
    // What to show is part of the plan.
    ("analyse", &["cli", "heap"]),
    ("render", &["heap", "analyse"]),
    ("store", &["heap", "analyse"]),
];
/// For all, and using nobody but each other.
const FOR_ALL: [&str; 3] = ["units", "error", "notice"];
/// The sequence of the rooms itself.
const MAY_USE_ALL: [&str; 3] = ["app", "lib", "main"];
const LONGEST_FILE: usize = 500;
/// Longer ones, with the reason.
const LONGER: [(&str, &str); 0] = [];

/// The files that are committed, or would be.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let output =
        Command::new("git").args(["ls-files", "-co", "--exclude-standard", "--", folder]).current_dir(root()).output();
    let text = String::from_utf8(output.expect("git").stdout).unwrap();
    let paths = text.lines().map(PathBuf::from).filter(|path| root().join(path).is_file());
    paths.filter(|path| extension.is_empty() || path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(root().join(path)).unwrap()).into_owned()
}

#[test]
fn files_say_what_they_are_for_and_are_short() {
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let text = read(&path);
        if !text.starts_with("//!") && !text.starts_with("#![doc = ") {
            wrong.push(format!("{} does not open with `//!`", path.display()));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            match LONGER.iter().find(|(name, _)| path == Path::new(name)) {
                Some((name, reason)) => say(&format!("{name}: {lines} lines: {reason}")),
                None => wrong.push(format!("{} has {lines} lines", path.display())),
            }
        }
    }
    for path in files("gdb-scripts", "py").into_iter().chain(files("tests", "py")) {
        if !["\"\"\"", "# "].iter().any(|opening| read(&path).starts_with(opening)) {
            wrong.push(format!("{} does not open with what it is for", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The part of the house that a file of src belongs to.
fn part(path: &Path) -> String {
    let name = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    if name == "bin" { "main".to_owned() } else { name.trim_end_matches(".rs").to_owned() }
}

#[test]
fn parts_use_only_what_they_may() {
    let used = Regex::new(r"\bcrate::(\{[^}]*\}|\w+)").unwrap();
    let word = Regex::new(r"\b[a-z_]+\b").unwrap();
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let part = part(&path);
        if MAY_USE_ALL.contains(&part.as_str()) {
            continue;
        }
        let allowed: &[&str] = match MAY_USE.iter().find(|(name, _)| *name == part) {
            Some((_, allowed)) => allowed,
            None if FOR_ALL.contains(&part.as_str()) => &[],
            None => panic!("`{part}` has no place in the house: {}", path.display()),
        };
        for (number, line) in read(&path).lines().enumerate() {
            // A name in a comment uses nothing.
            let code = line.split("//").next().unwrap_or_default();
            for found in used.captures_iter(code) {
                let names: BTreeSet<&str> = if found[1].starts_with('{') {
                    word.find_iter(found.get(1).unwrap().as_str()).map(|name| name.as_str()).collect()
                } else {
                    [found.get(1).unwrap().as_str()].into()
                };
                for name in names {
                    let known = MAY_USE.iter().any(|(other, _)| *other == name) || MAY_USE_ALL.contains(&name);
                    if known && name != part && !allowed.contains(&name) {
                        wrong.push(format!("{}:{}: `{part}` uses `{name}`", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_freeze_alone() {
    let unsafe_code = Regex::new(r"\bunsafe\b\s*(\{|fn|impl|extern)|allow\(unsafe_code|expect\(unsafe_code").unwrap();
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let text = read(&path);
        let allowed = path.starts_with("src/freeze") || path.ends_with("tidy.rs");
        assert!(allowed || !unsafe_code.is_match(&text), "{}", path.display());
    }
}

/// Only what has found its place says something or looks at the world.
#[test]
fn only_the_upper_rooms_look_outside() {
    let outside =
        Regex::new(r"\b(std::)?(env::(var|vars|args|current_dir)|io::(stdout|stderr|stdin)\(\)|SystemTime::now)")
            .unwrap();
    for path in files("src", "rs") {
        let part = part(&path);
        if ["cli", "app", "lib", "main"].contains(&part.as_str()) {
            continue;
        }
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        if let Some(found) = outside.find(code).filter(|_| !path.ends_with("tests.rs")) {
            panic!("{}: {}", path.display(), found.as_str());
        }
    }
}

#[test]
fn readme_mentions_every_option() {
    let help = Run::new(["analyze", "--help"]).output().exits(0).stdout;
    let readme = read(Path::new("README.md"));
    let option = Regex::new(r"(?m)^\s+(?:-\w, )?(--[a-z-]+)").unwrap();
    let options: BTreeSet<&str> = option.captures_iter(&help).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(options.len() > 15, "{options:?}");
    let whole = |option: &str| Regex::new(&format!(r"{option}\b[^-]")).unwrap().is_match(&readme);
    let missing: Vec<&&str> =
        options.iter().filter(|option| !["--help", "--version"].contains(option) && !whole(option)).collect();
    assert!(missing.is_empty(), "README.md does not mention {missing:?}");

    // Its table says nothing else than the help.
    let table = readme.split("<!-- options -->").nth(1).expect("a table between markers `<!-- options -->`");
    let named = Regex::new(r"(?m)^\|[^|]*?(--[a-z][a-z-]+)").unwrap();
    for found in named.captures_iter(table) {
        assert!(options.contains(&found[1]), "README.md has an option {} which there is not", &found[1]);
    }
}

#[test]
fn layouts_say_where_they_come_from() {
    let tables = files("config/layouts", "toml");
    assert!(!tables.is_empty());
    for path in tables {
        let text = read(&path);
        let made =
            text.lines().next().is_some_and(|line| line.starts_with("# ") && line.contains("made from its DWARF"));
        let known = ["file", "build_id", "version"]
            .iter()
            .all(|key| Regex::new(&format!("(?m)^{key} = \"[^\"]+\"")).unwrap().is_match(&text));
        assert!(made && known, "{} does not say what it was made from", path.display());
    }
}

/// What is committed works elsewhere.
#[test]
fn nothing_names_this_machine() {
    // Put together, so as not to be found itself.
    let names = [["/root/", ".pyenv"], ["/wor", "k/"], ["far", "m-"]].map(|parts| parts.concat());
    for path in files(".", "") {
        let text = read(&path);
        for name in &names {
            if let Some((number, line)) = text.lines().enumerate().find(|(_, line)| line.contains(name.as_str())) {
                // A word that happens to end like that is none.
                let start = Regex::new(&format!(r"(^|[^\w.-]){}", regex::escape(name))).unwrap();
                assert!(!start.is_match(line), "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
}

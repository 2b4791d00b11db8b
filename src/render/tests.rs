//! Reports as text and as JSON, held by snapshots; and what must be so of every text, whatever the report.

use super::sample::{HOSTILE, failed, full, hostile, only_diff, report, row, series, usual};
use super::*;
use crate::analyse::{TargetReport, Totals};
use crate::units::is_hidden;

const PLAIN: TextOptions = TextOptions { top: 20, color: false, width: None, exact_bytes: false };

fn hold(name: &str, output: &str) {
    insta::with_settings!({
        snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true
    }, {
        insta::assert_snapshot!(name, output);
    });
}

#[test]
fn text_is_as_in_the_snapshots() {
    let check = |name: &str, targets: Vec<TargetReport>, options: TextOptions| {
        hold(&format!("render_text_{name}"), &text(&report(targets), &options));
    };
    check("usual", vec![usual()], PLAIN);
    check("full", vec![full()], PLAIN);
    check("top", vec![full()], TextOptions { top: 2, ..PLAIN });
    check("exact_bytes", vec![usual(), only_diff()], TextOptions { exact_bytes: true, ..PLAIN });
    check("narrow", vec![full()], TextOptions { width: Some(72), ..PLAIN });
    check("color", vec![usual(), only_diff()], TextOptions { color: true, ..PLAIN });
    check("several", vec![usual(), failed(), only_diff()], PLAIN);
    check("only_diff", vec![only_diff()], PLAIN);
    check("series", vec![series()], PLAIN);
    check("hostile", vec![hostile()], PLAIN);
}

#[test]
fn json_is_as_in_the_snapshots() {
    for (name, targets) in [("full", vec![full()]), ("several", vec![usual(), failed()]), ("hostile", vec![hostile()])]
    {
        hold(&format!("render_json_{name}"), &json(&report(targets)));
    }
}

#[test]
fn json_says_what_the_report_says() {
    let out = json(&report(vec![hostile()]));
    let value: serde_json::Value = serde_json::from_str(&out).expect("valid JSON");
    assert_eq!(value["targets"][0]["types"][0]["type"], HOSTILE);
    assert_eq!(value["targets"][0]["types"][0]["bytes"], u64::MAX);
    assert!(out.ends_with("}\n") && !out.chars().any(|c| is_hidden(c) && c != '\n'));
}

/// Every report in every style.
fn texts() -> Vec<(TextOptions, String)> {
    let mut out = Vec::new();
    for color in [false, true] {
        for width in [None, Some(0), Some(1), Some(40), Some(80), Some(120)] {
            for top in [0, 1, 20] {
                let options = TextOptions { top, color, width, exact_bytes: top == 1 };
                let targets = vec![usual(), full(), hostile(), failed(), only_diff(), TargetReport::default()];
                out.push((options, text(&report(targets), &options)));
            }
        }
    }
    out
}

/// `text` without the escapes that choose colours.
fn without_colors(text: &str) -> String {
    regex::Regex::new("\x1b\\[[0-9;]*m").expect("a pattern").replace_all(text, "").into_owned()
}

#[test]
fn no_text_commands_the_terminal() {
    for (options, text) in texts() {
        let text = if options.color { without_colors(&text) } else { text };
        let hidden: Vec<char> = text.chars().filter(|c| is_hidden(*c) && *c != '\n').collect();
        assert_eq!(hidden, [], "{options:?}");
        assert!(text.lines().all(|line| line == line.trim_end()), "blanks at the end of a line: {options:?}");
        assert!(!text.contains("\n\n\n"), "{options:?}");
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    for (options, colored) in texts().into_iter().filter(|(options, _)| options.color) {
        let targets = vec![usual(), full(), hostile(), failed(), only_diff(), TargetReport::default()];
        let plain = text(&report(targets), &TextOptions { color: false, ..options });
        assert_ne!(plain, colored);
        assert_eq!(plain, without_colors(&colored), "{options:?}");
    }
}

#[test]
fn names_are_shortened_only_where_the_width_is_limited() {
    let long = format!("package.{}.End", "x".repeat(300));
    let target = || {
        let totals = Totals { objects: 1, bytes: 16, types: 1 };
        let types = Some(vec![row(&long, 1, 16, 16)]);
        TargetReport { types, totals: Some(totals), ..TargetReport::default() }
    };
    let wide = text(&report(vec![target()]), &PLAIN);
    assert!(wide.contains(&long), "{wide}");
    for width in [80, 100, 200] {
        let narrow = text(&report(vec![target()]), &TextOptions { width: Some(width), ..PLAIN });
        let line = narrow.lines().find(|line| line.contains('…')).expect("a shortened name");
        assert_eq!(line.chars().count(), width);
        assert!(line.ends_with("xxx.End"), "{line}");
    }
}

#[test]
fn a_heap_without_objects_divides_by_nothing() {
    let empty = TargetReport { types: Some(Vec::new()), totals: Some(Totals::default()), ..TargetReport::default() };
    insta::assert_snapshot!(text(&report(vec![empty]), &PLAIN), @r"
    Process

    Types, by size
    no objects
    ");
    let weightless = TargetReport { types: Some(vec![row("a.B", 0, 0, 0)]), ..TargetReport::default() };
    insta::assert_snapshot!(text(&report(vec![weightless]), &PLAIN), @r"
    Process

    Types, by size
    Index  Count    %  Size    %  Cum  Max  Kind
        0      0  0.0   0 B  0.0  0.0  0 B  a.B
               0  0.0   0 B  0.0  0.0       total, 1 type
    ");
}

#[test]
fn a_long_path_keeps_its_ends() {
    let target = TargetReport { references: Some(vec![sample::deep(1000)]), ..TargetReport::default() };
    let out = text(&report(vec![target]), &PLAIN);
    assert_eq!(out.lines().filter(|line| line.contains(".next")).count(), 24);
    assert!(out.contains("… 976 more …") && out.contains("0x3e7"), "{out}");
}

#[test]
fn everything_shown_of_many_is_limited_and_said() {
    let out = text(&report(vec![full()]), &TextOptions { top: 2, ..PLAIN });
    for said in ["… and 3 more types", "… and 2 more types", "… and 19990 more", "… and 2 more", "… and 3 more"]
    {
        assert!(out.contains(said), "{said} is missing in\n{out}");
    }
}

//! Plans, from words and surroundings.

use std::ffi::OsString;
use std::fs;

use clap::CommandFactory;

use super::super::environment::tests::environment;
use super::super::{args, parse};
use super::*;

fn plan(here: &Environment, line: &str) -> Result<Plan> {
    let words = format!("memory-analyzer {line}");
    resolve(parse(words.split_whitespace().map(OsString::from), false).unwrap(), here)
}

fn analyze_plan(here: &Environment, line: &str) -> AnalyzePlan {
    match plan(here, &format!("analyze {line}")).unwrap() {
        Plan::Analyze(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

fn error(here: &Environment, line: &str) -> String {
    let error = plan(here, line).unwrap_err();
    let hints = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
    format!("{} {}{hints}", error.kind.exit_code(), error.text)
}

#[test]
fn options_win_over_variables_and_these_over_what_is_built_in() {
    let here = environment(Path::new("/nowhere"), &[("MEMORY_ANALYZER_TOP", "5"), ("MEMORY_ANALYZER_FORMAT", "json")]);
    let plan = analyze_plan(&here, "7 --format text --timeout 9 --max-pause 0.25");
    assert_eq!(plan.selection, Selection { top: Some(5), largest: 0, types: vec![] });
    assert_eq!(plan.screen.format, Format::Text);
    assert_eq!(plan.collect.timeout, Duration::from_secs(9));
    assert_eq!(plan.collect.max_pause, Duration::from_millis(250));
    assert_eq!(plan.collect.max_hold, Duration::from_secs(2));
    assert_eq!(plan.collect.freeze, Freeze::Auto);
    assert_eq!(plan.collect.temp_dir, Path::new("/tmp"));
    assert_eq!(plan.collect.gdb, None, "there is no PATH");
}

#[test]
fn the_help_tells_the_defaults_that_are_built_in() {
    let help = args::CommandLine::command().find_subcommand_mut("analyze").unwrap().render_long_help().to_string();
    let settings = config::load(&environment(Path::new("/nowhere"), &[]), None).unwrap();
    let of = |option: &str| {
        let about = help.split(option).nth(1).unwrap();
        about.split("[default: ").nth(1).unwrap().split(']').next().unwrap().to_owned()
    };
    assert_eq!(of("--timeout <"), settings.timeout.as_secs_f64().to_string());
    assert_eq!(of("--max-pause <"), settings.max_pause.as_secs_f64().to_string());
    assert_eq!(of("--max-hold <"), settings.max_hold.as_secs_f64().to_string());
    assert_eq!(of("--top <"), settings.top.to_string());
    assert_eq!(of("--output-dir <"), format!("{}/", settings.output_dir.display()));
}

#[test]
fn repetitions_are_merged() {
    let here = environment(Path::new("/nowhere"), &[]);
    let plan = analyze_plan(&here, "9 7 9 8 7 -S b -S a -S b --top 0");
    assert_eq!(plan.targets, [9, 7, 8]);
    assert_eq!(plan.selection, Selection { top: None, largest: 0, types: vec!["b".into(), "a".into()] });
}

#[test]
fn each_process_has_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let here = environment(folder.path(), &[]);
    let check = |line: &str, expected: &str| {
        let plan = analyze_plan(&here, line);
        assert_eq!(plan.outputs.snapshot(7), folder.path().join(expected), "{line}");
    };
    check("7", "memory_analyzer_out/snapshot-7-20241121T040102.045Z.parquet");
    check("7 8 -o out/x", "out/x/snapshot-7-20241121T040102.045Z.parquet");
    check("7 -f a.parquet", "a.parquet");
    check("7 7 -f a.parquet -o out", "a.parquet");
    check("7 8 -f a.b.parquet", "a.b-7.parquet");
    check("7 8 -f a", "a-7");
}

#[test]
fn files_named_must_be_there_before_anything_happens() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let here = environment(folder.path(), &[("PATH", "/usr/bin:/bin")]);
    insta::assert_snapshot!(error(&here, "analyze 1 -e none"), @"
    9 cannot use `-e none`: no such file
    hint: `-e` takes the file whose symbols and debug information describe the target: the python it runs, or a separate debug file of it
    hint: without `-e` the target's own executable and its debug file by build-id are used
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 --snapshot none"), @"
    9 cannot read the earlier snapshot none: No such file or directory (os error 2)
    hint: `--snapshot` takes a snapshot, or a folder of them, from an earlier run
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 -f none/x"), @"9 cannot write `-f none/x`: its folder does not exist");
    insta::assert_snapshot!(error(&here, "analyze 1 -f ."), @"
    9 cannot write `-f .`: it is a folder
    hint: `-o DIR` takes a folder
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 -o file"), @"
    9 cannot write into file: it is not a folder
    hint: `-f FILE` takes a file
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 --site-dir file"), @"
    9 cannot use `--site-dir file`: no such folder
    hint: it takes the folder that has objgraph.py or pympler/ in it
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 --probe none.py"), @"9 cannot read the probe none.py: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(&here, "analyze 1 --config none.toml"), @"
    9 cannot read the configuration none.toml: No such file or directory (os error 2)
    hint: `--config` takes a TOML file; config/default.toml in the sources has every setting with its meaning
    ");
    insta::assert_snapshot!(error(&here, "report none"), @"9 cannot read the snapshot none: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(&here, "report ."), @"
    9 cannot read the snapshot .: it is a folder
    hint: name one of the files in it
    ");
    insta::assert_snapshot!(error(&here, "diff file none"), @"9 cannot read the later snapshot none: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(&here, "demo --python ./none"), @"
    9 cannot start the demo: there is no program `./none`
    hint: name a Python 3.6 to 3.13 with `--python /path/to/python3`
    ");
    assert_eq!(analyze_plan(&here, "1 -e file").collect.exec, Some(folder.path().join("file")));
    assert_eq!(analyze_plan(&here, "1 -e sh").collect.exec, Some("/usr/bin/sh".into()));
}

#[test]
fn a_core_is_a_file_and_its_file_system_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("core"), "").unwrap();
    let here = environment(folder.path(), &[]);
    let plan = analyze_plan(&here, "--core core --sysroot .");
    assert_eq!(plan.collect.core, Some(folder.path().join("core")));
    assert_eq!(plan.collect.sysroot, Some(folder.path().join(".")));
    assert!(plan.targets.is_empty());
    insta::assert_snapshot!(error(&here, "analyze --core none"), @"9 cannot read the core none: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(&here, "analyze --core ."), @"
    9 cannot read the core .: it is a folder
    hint: name one of the files in it
    ");
    insta::assert_snapshot!(error(&here, "analyze --core core --sysroot core"), @"
    9 cannot use `--sysroot core`: no such folder
    hint: it takes the folder that has the process's usr/, lib/ and so on in it
    ");
    insta::assert_snapshot!(error(&here, "analyze --core core -c gdb"), @"
    2 cannot use `-c gdb` with `--core`: in a core no interpreter can be run
    hint: leave `-c` out: a core is read from outside
    ");
    insta::assert_snapshot!(error(&here, "analyze 1 --sysroot ."), @"
    2 cannot use `--sysroot` without `--core`
    hint: the files of a running process are found by themselves
    ");
}

#[test]
fn pictures_of_a_report_go_beside_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/a.parquet"), "").unwrap();
    let Plan::Report(plan) = plan(&environment(folder.path(), &[]), "report out/a.parquet -s 2 --bytes").unwrap()
    else {
        panic!("not a report")
    };
    assert_eq!(plan.pictures, folder.path().join("out"));
    assert_eq!(plan.selection.largest, 2);
    assert!(plan.screen.exact);
}

#[test]
fn thresholds_come_from_options_or_settings() {
    let here = environment(Path::new("/nowhere"), &[("MEMORY_ANALYZER_FAIL_IF_OVER", "1GiB")]);
    let plan = analyze_plan(&here, "1 --fail-if-growth 10MiB");
    assert_eq!(plan.thresholds, Thresholds { total: Some(1 << 30), growth: Some(10 << 20) });
}

#[test]
fn progress_is_for_terminals_that_show_nothing_else() {
    let mut here = environment(Path::new("/nowhere"), &[]);
    here.stderr_is_terminal = true;
    assert!(analyze_plan(&here, "1").screen.progress);
    assert!(!analyze_plan(&here, "1 -q").screen.progress);
    assert!(!analyze_plan(&here, "1 -d").screen.progress);
    here.stderr_is_terminal = false;
    assert!(!analyze_plan(&here, "1").screen.progress);
}

#[test]
fn site_dirs_typed_are_searched_before_those_configured() {
    let folder = tempfile::tempdir().unwrap();
    let here = environment(folder.path(), &[("MEMORY_ANALYZER_SITE_DIRS", "/configured:/not-there")]);
    let plan = analyze_plan(&here, "1 --site-dir .");
    assert_eq!(plan.collect.site_dirs, [folder.path().join("."), "/configured".into(), "/not-there".into()]);
}

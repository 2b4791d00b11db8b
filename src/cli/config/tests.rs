//! Settings from texts, files and variables.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::environment::tests::environment;
use super::*;

/// What a file with `text` makes of the settings, or the error and its hints.
fn file(text: &str) -> std::result::Result<Settings, String> {
    let mut settings = Settings::built_in();
    settings.apply_file(&"x.toml", text).map_err(told).map(|()| settings)
}

fn told(error: Error) -> String {
    let hints = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
    format!("{} {}{hints}", error.kind.exit_code(), error.text)
}

#[test]
fn built_in_settings_are_all_there_and_none_else() {
    let table = DeTable::parse(BUILT_IN).unwrap();
    let mut names = table.get_ref().keys().map(|name| name.get_ref().to_string()).collect::<Vec<_>>();
    let mut known = NAMES.map(str::to_owned).to_vec();
    names.sort();
    known.sort();
    assert_eq!(names, known);
    let settings = Settings::built_in();
    assert_eq!(settings.max_hold, Duration::from_secs(2));
    assert_eq!(settings.output_dir, Path::new("memory_analyzer_out"));
    assert_eq!(settings.exec, None);
}

#[test]
fn every_setting_is_explained() {
    let lines = BUILT_IN.lines().collect::<Vec<_>>();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
        if !line.starts_with('#') {
            assert!(lines[at - 1].starts_with("# "), "{line}");
        }
    }
}

#[test]
fn settings_are_read() {
    let settings = file(
        "exec = \"/x/python-dbg\"\ntimeout = 1.5\ntop = 7\nbytes = true\nfreeze = \"stop\"\n\
         probes = [\"heap\", \"/etc/mine.py\"]\nfail_if_over = 4096\nfail_if_growth = \"2MiB\"\nsite_dirs = [\"a\"]",
    )
    .unwrap();
    assert_eq!(settings.exec, Some("/x/python-dbg".into()));
    assert_eq!(settings.timeout, Duration::from_millis(1500));
    assert_eq!((settings.top, settings.bytes, settings.freeze), (7, true, Freeze::Stop));
    assert_eq!(settings.probes.len(), 2);
    assert_eq!((settings.fail_if_over, settings.fail_if_growth), (Some(4096), Some(2 << 20)));
    assert_eq!(settings.site_dirs, [PathBuf::from("a")]);
}

#[test]
fn mistakes_name_the_line_and_what_is_expected() {
    let check = |text: &str| file(text).unwrap_err();
    insta::assert_snapshot!(check("top = 3\n\ntimout = 3"), @"
    2 cannot use x.toml: line 3: unknown setting `timout`
    hint: the nearest is `timeout`
    ");
    insta::assert_snapshot!(check("zzz = 3"), @"
    2 cannot use x.toml: line 1: unknown setting `zzz`
    hint: the settings are exec, collector, gdb, freeze, timeout, max_pause, max_hold, probes, site_dirs, debug_dirs, contents, format, top, bytes, output_dir, fail_if_over, fail_if_growth, quiet
    ");
    insta::assert_snapshot!(check("# x\ntop = \"many\""), @r#"2 cannot use x.toml: line 2: `top` must be a whole number from 0 to 1000000; found "many""#);
    insta::assert_snapshot!(check("[gdb]\npath = 1"), @"2 cannot use x.toml: line 1: `gdb` must be a path, in quotes; found a value of type table");
    insta::assert_snapshot!(check("timeout = -1"), @"2 cannot use x.toml: line 1: `timeout` must be a number of seconds above 0, at most 604800; found -1");
    insta::assert_snapshot!(check("freeze = \"cold\""), @r#"2 cannot use x.toml: line 1: `freeze` must be "auto" or "twin" or "stop" or "live"; found "cold""#);
    insta::assert_snapshot!(check("bytes = 1"), @"2 cannot use x.toml: line 1: `bytes` must be true or false; found 1");
    insta::assert_snapshot!(check("probes = [\"pimpler\"]"), @"2 cannot use x.toml: line 1: `probes` must be a list, each entry one of heap, gc, threads, objgraph, pympler, or the path of a FILE.py (the nearest is `pympler`); found a value of type array");
    insta::assert_snapshot!(check("site_dirs = [1]"), @"2 cannot use x.toml: line 1: `site_dirs` must be a list of paths, at most 256; found a value of type array");
    insta::assert_snapshot!(check("top = 1\ntop = 2"), @"2 cannot use x.toml: line 2: duplicate key");
    insta::assert_snapshot!(check("top = = 1"), @"2 cannot use x.toml: line 1: extra `=`, expected nothing");
}

#[test]
fn later_wins() {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("memory-analyzer/config.toml");
    fs::create_dir(user.parent().unwrap()).unwrap();
    fs::write(folder.path().join("system.toml"), "top = 1\ntimeout = 1\nmax_hold = 1\nmax_pause = 1").unwrap();
    fs::write(user, "top = 2\ntimeout = 2\nmax_hold = 2").unwrap();
    fs::write(folder.path().join("given.toml"), "top = 3\ntimeout = 3").unwrap();
    let path = folder.path().to_str().unwrap();
    let here = environment(
        folder.path(),
        &[("XDG_CONFIG_HOME", path), ("MEMORY_ANALYZER_TOP", "4"), ("MEMORY_ANALYZER_SITE_DIRS", "/a:/b")],
    );
    let settings = load(&here, Some(Path::new("given.toml"))).unwrap();
    assert_eq!(settings.top, 4);
    assert_eq!(settings.timeout, Duration::from_secs(3));
    assert_eq!(settings.max_hold, Duration::from_secs(2));
    assert_eq!(settings.max_pause, Duration::from_secs(1));
    assert_eq!(settings.site_dirs, [PathBuf::from("/a"), "/b".into()]);
}

#[test]
fn variables_are_checked_like_files() {
    let check = |name: &str, value: &str| {
        let here = environment(Path::new("/nowhere"), &[(name, value)]);
        load(&here, None).map_err(told).unwrap_err()
    };
    insta::assert_snapshot!(check("MEMORY_ANALYZER_TPO", "3"), @"
    2 cannot use the variable MEMORY_ANALYZER_TPO: unknown setting `tpo`
    hint: the nearest is `MEMORY_ANALYZER_TOP`
    ");
    insta::assert_snapshot!(check("MEMORY_ANALYZER_QUIET", "perhaps"), @"2 cannot use the variable MEMORY_ANALYZER_QUIET: must be true or false; found `perhaps`");
}

#[test]
fn root_does_not_obey_what_others_can_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    fs::write(&path, "top = 1").unwrap();
    let mut here = environment(folder.path(), &[]);
    let we_are_root = here.effective_uid == 0;
    here.effective_uid = 0;
    fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
    let hide = |error: Error| told(error).replace(folder.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(load(&here, Some(&path)).map_err(hide).unwrap_err(), @"
    2 cannot use DIR/x.toml: everybody can write it, and we are root
    hint: chmod o-w DIR/x.toml
    ");
    here.system_config = path.clone();
    if we_are_root {
        insta::assert_snapshot!(load(&here, None).map_err(hide).unwrap_err(), @"
        2 cannot use DIR/x.toml: as root only files that none but root can write; its owner is 0, its mode 646
        hint: chown root DIR/x.toml && chmod go-w DIR/x.toml
        hint: or name a file of yours with `--config`
        ");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(load(&here, None).unwrap().top, 1);
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    }
    assert!(load(&here, None).is_err(), "it is not root's");
    here.effective_uid = 65534;
    assert_eq!(load(&here, None).unwrap().top, 1);
}

#[test]
fn a_given_file_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let here = environment(folder.path(), &[]);
    insta::assert_snapshot!(load(&here, Some(Path::new("none.toml"))).map_err(told).unwrap_err(), @"
    9 cannot read the configuration none.toml: No such file or directory (os error 2)
    hint: `--config` takes a TOML file; config/default.toml in the sources has every setting with its meaning
    ");
    insta::assert_snapshot!(load(&here, Some(Path::new("."))).map_err(told).unwrap_err(), @"
    9 cannot read the configuration .: not a regular file
    hint: `--config` takes a TOML file; config/default.toml in the sources has every setting with its meaning
    ");
}

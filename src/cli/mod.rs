//! From what was typed to a [`plan::Plan`]: everything resolved, so that nothing below asks arguments, variables, clock or
//! terminal again.
//!
//! Two steps: [`parse`] knows the words alone, [`plan::resolve`] also the [`environment::Environment`] and the
//! configuration. Neither touches a process.

pub(crate) mod args;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod environment;
pub(crate) mod plan;
pub(crate) mod probes;
pub(crate) mod values;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{Error, Kind};

/// What came of a command line that is no command.
#[derive(Debug)]
pub(crate) enum ParseOutcome {
    /// The help or the version, asked for: text for stdout, with escape sequences for colours; exit code 0.
    Shown(String),
    /// Wrong usage; exit code 2.
    Failed(Error),
}

/// Reads a command line, the name of the program first. With `analyze_alias` it is one of `analyze`, which is exactly
/// `memory-analyzer analyze`.
pub(crate) fn parse(
    argv: impl IntoIterator<Item = OsString>,
    analyze_alias: bool,
) -> Result<args::Command, ParseOutcome> {
    let mut argv = argv.into_iter();
    let mut words = vec![argv.next().unwrap_or_else(|| OsString::from("memory-analyzer"))];
    if analyze_alias {
        words.push(OsString::from("analyze"));
    }
    words.extend(argv);
    rewrite_old_spelling(&mut words);
    args::CommandLine::try_parse_from(words).map(|line| line.command).map_err(|error| outcome(&error))
}

/// Turns the predecessor's `-ss TYPE`, `-ss=TYPE` and `-ssTYPE` into `-S`; clap would read `-s` with the number `s`.
fn rewrite_old_spelling(words: &mut [OsString]) {
    // Behind `--` everything is a value, and a keeper's words are not for us.
    let options = words.iter_mut().skip(1).take_while(|word| *word != "--" && *word != "keeper");
    for word in options {
        if let Some(rest) = word.as_bytes().strip_prefix(b"-ss") {
            *word = OsString::from_vec([b"-S", rest].concat());
        }
    }
}

/// What clap's error is to us.
fn outcome(error: &clap::Error) -> ParseOutcome {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return ParseOutcome::Shown(error.render().ansi().to_string());
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let error = Error::new(Kind::Usage, "no command given");
            return ParseOutcome::Failed(
                error
                    .hint("usage: memory-analyzer analyze PID…")
                    .hint("`memory-analyzer --help` tells the commands, with examples"),
            );
        }
        _ => {}
    }
    // clap's rendering: a paragraph with what is wrong, paragraphs with tips, the usage, where to find help.
    let rendered = error.render().to_string();
    let mut told = Error::new(Kind::Usage, "");
    for (at, paragraph) in rendered.split("\n\n").enumerate() {
        let lines = paragraph.lines().map(str::trim).filter(|line| !line.is_empty());
        if at == 0 {
            let text = lines.collect::<Vec<_>>().join(" ");
            told.text = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
            continue;
        }
        for line in lines {
            if let Some(tip) = line.strip_prefix("tip: ") {
                told = told.hint(tip);
            } else if let Some(usage) = line.strip_prefix("Usage: ") {
                told = told.hint(format!("usage: {usage}"));
            } else if line.starts_with("For more information") {
                told = told.hint("`--help` tells the options, with examples");
            }
        }
    }
    // The readers of `values` say what is expected, in words that end a sentence.
    if let (Some(ContextValue::String(value)), Some(ContextValue::String(option)), Some(expected)) =
        (error.get(ContextKind::InvalidValue), error.get(ContextKind::InvalidArg), std::error::Error::source(error))
    {
        told.text = format!("invalid value '{value}' for '{option}': must be {expected}");
    }
    // `memory-analyzer 4711`: what else could it mean?
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
        && values::pid(word).is_ok()
    {
        told = Error::new(Kind::Usage, format!("no command given for process {word}"))
            .hint(format!("memory-analyzer analyze {word}"));
    }
    ParseOutcome::Failed(told)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::args::Command;
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn analyze(line: &str) -> args::AnalyzeArgs {
        match parse(words(line), line.starts_with("analyze")).unwrap() {
            Command::Analyze(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn failure(line: &str) -> String {
        match parse(words(line), false) {
            Err(ParseOutcome::Failed(error)) => {
                let hints = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
                format!("{} {}{hints}", error.kind.exit_code(), error.text)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_fault_with_the_definition() {
        args::CommandLine::command().debug_assert();
    }

    #[test]
    fn the_old_spelling_of_types_is_read() {
        for line in [
            "memory-analyzer analyze 1 -ss a.B -S c",
            "memory-analyzer run 1 -ssa.B -ss=c",
            "analyze 1 -S a.B --show-specific-references c",
        ] {
            assert_eq!(analyze(line).show.show_specific_references, ["a.B", "c"], "{line}");
        }
        assert_eq!(analyze("analyze -s 3 1").show.show_references, Some(3));
    }

    #[test]
    fn analyze_is_memory_analyzer_analyze() {
        let args = analyze("analyze 4711 12 -e /usr/bin/python3-dbg -c gdb --no-upload -q -d --max-hold 0.5");
        assert_eq!(args.pids, [4711, 12]);
        assert_eq!(args.collect.collector, Some(values::Collector::Gdb));
        assert!(args.no_upload && args.common.quiet && args.collect.debug);
    }

    #[test]
    fn a_keeper_takes_what_it_is_given() {
        let Ok(Command::Keeper { arguments }) = parse(words("memory-analyzer keeper 5 -ss --help"), false) else {
            panic!("not a keeper")
        };
        assert_eq!(arguments, ["5", "-ss", "--help"]);
    }

    #[test]
    fn wrong_usage_says_what_and_what_to_do() {
        insta::assert_snapshot!(failure("memory-analyzer"), @"
        2 no command given
        hint: usage: memory-analyzer analyze PID…
        hint: `memory-analyzer --help` tells the commands, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer analyze"), @"
        2 the following required arguments were not provided: <PID>...
        hint: usage: memory-analyzer analyze <PID>...
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer analyze 0"), @"
        2 invalid value '0' for '[PID]...': must be a process id from 1 to 4194304
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer analyze 1 --shw-references 3"), @"
        2 unexpected argument '--shw-references' found
        hint: a similar argument exists: '--show-references'
        hint: usage: memory-analyzer analyze --show-references <N> <PID>...
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer analyze 1 -c lldb"), @"
        2 invalid value 'lldb' for '--collector <COLLECTOR>' [possible values: auto, gdb, reader]
        hint: a similar value exists: 'gdb'
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer analyze 1 --probe objgrap"), @"
        2 invalid value 'objgrap' for '--probe <NAME|FILE.py>': must be one of heap, gc, threads, objgraph, pympler, or the path of a FILE.py (the nearest is `objgraph`)
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer 4711"), @"
        2 no command given for process 4711
        hint: memory-analyzer analyze 4711
        ");
        insta::assert_snapshot!(failure("memory-analyzer veiw x"), @"
        2 unrecognized subcommand 'veiw'
        hint: usage: memory-analyzer <COMMAND>
        hint: `--help` tells the options, with examples
        ");
        insta::assert_snapshot!(failure("memory-analyzer diff only-one"), @"
        2 the following required arguments were not provided: <NEW>
        hint: usage: memory-analyzer diff <OLD> <NEW> [LATER]...
        hint: `--help` tells the options, with examples
        ");
    }

    #[test]
    fn what_is_not_there_yet_is_not_in_the_command_line() {
        for line in ["view x", "analyze 1 -i", "analyze 1 --format html", "analyze 1 -c lldb"] {
            assert!(failure(&format!("memory-analyzer {line}")).starts_with("2 "), "{line}");
        }
    }

    #[test]
    fn a_core_stands_for_a_process_that_is_no_more() {
        assert_eq!(analyze("analyze --core x --sysroot y -e z").core, Some("x".into()));
        for line in ["analyze --core x 1", "analyze --core x --freeze stop"] {
            assert!(failure(&format!("memory-analyzer {line}")).starts_with("2 "), "{line}");
        }
    }

    #[test]
    fn help_and_version_are_results() {
        for (line, alias, found) in [
            ("memory-analyzer --version", false, concat!("memory-analyzer ", env!("CARGO_PKG_VERSION"))),
            ("memory-analyzer help diff", false, "diff"),
            ("analyze --help", true, "--max-pause"),
            ("analyze -V", true, env!("CARGO_PKG_VERSION")),
        ] {
            let Err(ParseOutcome::Shown(text)) = parse(words(line), alias) else { panic!("{line}") };
            assert!(text.contains(found), "{line}: {text}");
        }
    }

    #[test]
    fn help_is_as_in_the_snapshots() {
        let command = || args::CommandLine::command().term_width(100);
        let help = |name: &str| {
            let mut command = command();
            command.build();
            let command = command.find_subcommand_mut(name).expect("a command of that name");
            command.render_long_help().to_string()
        };
        insta::with_settings!({snapshot_path => "../../snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("cli_help", command().render_long_help().to_string());
            insta::assert_snapshot!("cli_help_short", command().render_help().to_string());
            for name in ["analyze", "report", "diff", "dominators", "paths", "tree", "group", "waste", "ps", "doctor", "demo", "completions"] {
                insta::assert_snapshot!(format!("cli_help_{name}"), help(name));
            }
        });
    }
}

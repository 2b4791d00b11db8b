//! Completion scripts for shells, of the commands that people use.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::CommandLine;

/// The script that completes `memory-analyzer` in `shell`.
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    // clap_complete offers what is hidden, too; so the commands are put together again without that.
    let shown = CommandLine::command();
    let shown = shown.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| {
        clap::Command::new(command.get_name().to_owned())
            .about(command.get_about().cloned().unwrap_or_default())
            .visible_aliases(command.get_visible_aliases().map(str::to_owned).collect::<Vec<_>>())
            .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
    });
    let mut command = clap::Command::new("memory-analyzer")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "memory-analyzer", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_complete_what_is_shown_in_the_help() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let script = String::from_utf8(script(shell)).unwrap();
            for word in ["analyze", "show-references", "doctor", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            for word in ["keeper", "layout", "no-upload"] {
                assert!(!script.contains(word), "{shell}: {word}");
            }
        }
    }
}

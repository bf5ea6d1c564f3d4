//! `millstream completions`: what a shell completes after `millstream`, made from the definition of the command line.

use super::CommandResult;
use super::kafka_tool::print;
use crate::cli::{Cli, CompletionShell, CompletionsArgs};
use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

const PROGRAM: &str = "millstream";

pub(super) fn run(args: &CompletionsArgs) -> CommandResult {
    Ok(print(script(args.shell))?)
}

fn script(shell: CompletionShell) -> Vec<u8> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    match shell {
        CompletionShell::Bash => generate(Bash, &mut command, PROGRAM, &mut script),
        CompletionShell::Fish => generate(Fish, &mut command, PROGRAM, &mut script),
        CompletionShell::Zsh => generate(Zsh, &mut command, PROGRAM, &mut script),
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_flag_is_completed() {
        for (shell, mark) in [
            (CompletionShell::Bash, "--"),
            (CompletionShell::Fish, "-l "),
            (CompletionShell::Zsh, "--"),
        ] {
            let script = String::from_utf8(script(shell)).expect("text");
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{shell:?} lacks {name}");
                let flags = command.get_arguments().filter_map(|arg| arg.get_long());
                for flag in flags {
                    let flag = format!("{mark}{flag}");
                    assert!(script.contains(&flag), "{shell:?} lacks {flag} of {name}");
                }
            }
        }
    }
}

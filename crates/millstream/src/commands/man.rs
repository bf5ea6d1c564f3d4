//! `millstream man`: manual pages, made from the definition of the command line: one for the program, one for each command.

use super::kafka_tool::{print, print_line};
use super::{CommandResult, Exit};
use crate::cli::{Cli, ManArgs};
use clap::CommandFactory;
use std::fs;

pub(super) fn run(args: &ManArgs) -> CommandResult {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return Ok(print(page)?);
    };
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written
        .map_err(|error| Exit::usage(format!("cannot write into {}: {error}", folder.display())))?;
    Ok(print_line(format!(
        "the pages are in {0}: man -l {0}/millstream.1",
        folder.display()
    ))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_every_flag() {
        let folder = tempfile::tempdir().expect("a folder");
        let args = ManArgs {
            folder: Some(folder.path().join("man1")),
        };
        run(&args).expect("pages");
        let page = |name: &str| {
            let path = folder.path().join("man1").join(name);
            // A page writes a hyphen so that it stays one.
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {name}"));
            text.replace("\\-", "-")
        };
        let overview = page("millstream.1");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(
                overview.contains(&format!("millstream-{name}(1)")),
                "{name}"
            );
            let own = page(&format!("millstream-{name}.1"));
            let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
            for flag in shown.filter_map(|arg| arg.get_long()) {
                assert!(own.contains(&format!("--{flag}")), "{name} lacks {flag}");
            }
        }
    }
}

//! The binary: reads the command line, makes the two runtimes, runs one command and turns its end into an exit code.

mod cli;
mod clock;
mod commands;
mod dead_letters;
mod demo;
mod kafka_admin;
mod launch;
mod logging;
mod memory;
mod plugins;
mod preset;
mod progress;
mod prometheus;
mod shutdown;
mod starter;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let levels = logging::start();
    let outcome = commands::run(cli.command, levels);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

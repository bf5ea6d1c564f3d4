//! The binary: reads the command line, makes the two runtimes, runs one command and turns its end into an exit code.

mod aws;
mod bootstrap;
mod cause;
mod cli;
mod client_warnings;
mod clock;
mod commands;
mod dead_letters;
mod demo;
mod descriptors;
mod discovery;
mod emf;
mod environment;
mod json_lines;
mod kafka_admin;
mod launch;
mod log_context;
mod logging;
mod plugins;
mod preflight;
mod preset;
mod progress;
mod prometheus;
mod shutdown;
mod starter;
mod text_lines;

use demo::screen::Screen;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// What is logged where nobody says: a demo has its own lines for what goes well.
fn default_level(command: &cli::Command) -> &'static str {
    match command {
        cli::Command::Advise(_)
        | cli::Command::Audit(_)
        | cli::Command::Consume(_)
        | cli::Command::Demo(_)
        | cli::Command::Groups(_)
        | cli::Command::Produce(_)
        | cli::Command::Restore(_)
        | cli::Command::Topics(_) => "warn",
        // What is to be known stands in its answer.
        cli::Command::Env(_) | cli::Command::Completions(_) | cli::Command::Man(_) => "error",
        cli::Command::Standalone(_)
        | cli::Command::Stream(_)
        | cli::Command::Worker(_)
        | cli::Command::Healthcheck(_) => "info",
    }
}

/// Gives memory back some seconds after it was used last. With glibc's, 16 connectors that had worked kept 230 MiB while
/// idle, and still 224 when they were deleted; with this one 49 and 42, at the same cost of CPU.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::read();
    let screen = match &cli.command {
        cli::Command::Demo(args) if !args.json => Screen::of_terminal(),
        _ => None,
    };
    let log = match &screen {
        Some(screen) => BoxMakeWriter::new(screen.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let of_image = environment::log_of(&cli.command);
    let levels = logging::start(&cli.log, &of_image, default_level(&cli.command), log);
    let outcome = commands::run(cli.command, levels, screen);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            let own = error.downcast_ref::<commands::Exit>();
            own.map_or(ExitCode::FAILURE, |exit| exit.code.into())
        }
    }
}

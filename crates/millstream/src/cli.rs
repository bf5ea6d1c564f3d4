//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Kafka Connect sinks in one small program.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a worker on one node, with the files that connect-standalone takes.
    Standalone(StandaloneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StandaloneArgs {
    /// The worker's settings, a Java properties file.
    pub(crate) worker: PathBuf,
    /// Connectors to start with: .json or .properties files.
    pub(crate) connectors: Vec<PathBuf>,
}

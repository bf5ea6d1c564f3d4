//! One file per command; each is `run(args)` on the runtimes made here.

mod demo;
mod standalone;
mod stream;

use crate::cli::Command;
use crate::logging::LogLevels;
use std::error::Error;
use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) type CommandResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Runs a command on a control runtime of its own, with a data runtime beside it.
pub(crate) fn run(command: Command, levels: LogLevels) -> CommandResult {
    let control = Builder::new_current_thread().enable_all().build()?;
    let data = data_runtime()?;
    let outcome = control.block_on(dispatch(command, levels, data.handle().clone()));
    data.shutdown_background();
    outcome
}

async fn dispatch(command: Command, levels: LogLevels, data: Handle) -> CommandResult {
    match command {
        Command::Standalone(args) => standalone::run(args, levels, data).await,
        Command::Demo(args) => demo::run(args, levels, data).await,
        Command::Stream(args) => stream::run(args, levels, data).await,
    }
}

fn data_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("data")
        .enable_all()
        .build()
}

//! One file per command; each is `run(args)` on the runtimes made here.

mod advise;
mod archive_input;
mod audit;
mod completions;
mod consume;
mod demo;
mod env;
mod groups;
mod healthcheck;
mod kafka_tool;
mod man;
mod produce;
mod restore;
mod standalone;
mod stream;
mod topics;
mod worker;

use crate::cli::Command;
use crate::demo::screen::Screen;
use crate::descriptors;
use crate::logging::LogLevels;
use std::error::Error;
use std::fmt;
use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) type CommandResult = Result<(), Box<dyn Error + Send + Sync>>;

/// A command's end with an exit code of its own, as Java's worker has them.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    why: String,
}

impl Exit {
    /// What is required is not there, as the images for Java's worker end.
    pub(crate) fn not_given(why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code: 1, why }
    }

    /// The environment is not fit for a start; the number is that of `sysexits.h` for configurations.
    pub(crate) fn misconfigured(why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code: 78, why }
    }

    /// AWS does not tell what has to be known for a start. The code says who has to act.
    pub(crate) fn undiscovered(code: u8, why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code, why }
    }

    /// Something is wrong with what was looked at.
    fn found(why: impl ToString) -> Self {
        Exit::not_given(why)
    }

    /// S3, Kafka or a database cannot be asked; the number is that of `sysexits.h` for services.
    fn unavailable(why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code: 69, why }
    }

    /// Settings that cannot be used, or a port that is taken.
    fn not_started(why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code: 2, why }
    }

    /// Flags that are wrong, as clap's own errors end.
    fn usage(why: impl ToString) -> Self {
        Exit::not_started(why)
    }

    /// What the cluster shares cannot be used.
    fn no_cluster(why: impl ToString) -> Self {
        let why = why.to_string();
        Exit { code: 3, why }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Exit {}

/// Runs a command on a control runtime of its own, with a data runtime beside it.
///
/// `screen` is where the log and the demo's view share a terminal.
pub(crate) fn run(command: Command, levels: LogLevels, screen: Option<Screen>) -> CommandResult {
    if let Command::Healthcheck(args) = command {
        return healthcheck::run(args);
    }
    descriptors::raise_limit();
    let control = Builder::new_current_thread().enable_all().build()?;
    let data = data_runtime()?;
    let outcome = control.block_on(dispatch(command, levels, data.handle().clone(), screen));
    data.shutdown_background();
    outcome
}

async fn dispatch(
    command: Command,
    levels: LogLevels,
    data: Handle,
    screen: Option<Screen>,
) -> CommandResult {
    match command {
        Command::Standalone(args) => standalone::run(args, levels, data).await,
        Command::Demo(args) => demo::run(args, levels, data, screen).await,
        Command::Env(args) => Box::pin(env::run(&args)).await,
        Command::Stream(args) => Box::pin(stream::run(args, levels, data)).await,
        Command::Advise(args) => kafka_tool::as_far_as_read(Box::pin(advise::run(args)).await),
        Command::Audit(args) => kafka_tool::as_far_as_read(Box::pin(audit::run(args, data)).await),
        Command::Completions(args) => kafka_tool::as_far_as_read(completions::run(&args)),
        Command::Consume(args) => kafka_tool::as_far_as_read(consume::run(args).await),
        Command::Groups(args) => kafka_tool::as_far_as_read(groups::run(args).await),
        Command::Man(args) => kafka_tool::as_far_as_read(man::run(&args)),
        Command::Produce(args) => kafka_tool::as_far_as_read(produce::run(args, data).await),
        Command::Restore(args) => {
            kafka_tool::as_far_as_read(Box::pin(restore::run(args, data)).await)
        }
        Command::Topics(args) => kafka_tool::as_far_as_read(topics::run(args).await),
        Command::Worker(args) => Box::pin(worker::run(args, levels, data)).await,
        // It has no data and runs before anything is made for that.
        Command::Healthcheck(args) => healthcheck::run(args),
    }
}

fn data_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("data")
        .enable_all()
        .build()
}

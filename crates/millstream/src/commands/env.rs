//! `millstream env`: what the variables come to, told without starting anything or asking anybody.

mod bootstrap;
mod report;
mod stream;
mod worker;

use super::{CommandResult, Exit};
use crate::cli::{EnvArgs, EnvFor};
use crate::environment;
use millstream_environment::ConnectEnvironment;
use std::io::Write;

pub(crate) async fn run(args: &EnvArgs) -> CommandResult {
    let variables = environment::variables();
    let command = args
        .command
        .unwrap_or_else(|| match ConnectEnvironment::is_given(&variables) {
            true => EnvFor::Worker,
            false => EnvFor::Stream,
        });
    let report = match command {
        EnvFor::Worker => {
            let (mut report, settings) = worker::report(&variables);
            bootstrap::tell(&variables, settings.as_ref(), &mut report).await;
            report
        }
        EnvFor::Stream => stream::report(&variables).await,
    };
    let text = match args.json {
        true => report.json().to_string() + "\n",
        false => report.text(),
    };
    // Whoever reads may have gone away: the exit code tells the rest.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match report.problems() {
        0 => Ok(()),
        count => Err(Exit::misconfigured(format!("the environment has {count} problem(s)")).into()),
    }
}

//! What `topics`, `groups`, `consume` and `produce` share: the client's settings, questions before something is
//! destroyed, and standard output.

mod addresses;

use super::{CommandResult, Exit};
use millstream_core::Properties;
use millstream_kafka::{Admin, ClientSettings, Role, warnings};
use millstream_tools::connection::ConnectionArgs;
use millstream_worker::config::parse_properties;
use millstream_worker::spelling::closest;
use std::fs;
use std::io::{self, IsTerminal, Write};

pub(super) type ToolError = Box<dyn std::error::Error + Send + Sync>;

const SERVERS: &str = "bootstrap.servers";

/// The client's settings: those of the file, then those given one by one, then the brokers, wherever they are told.
pub(super) async fn properties(args: &ConnectionArgs) -> Result<Properties, ToolError> {
    let mut properties = Properties::new();
    if let Some(path) = &args.command_config {
        let text = fs::read(path)
            .map_err(|error| Exit::usage(format!("cannot read {}: {error}", path.display())))?;
        let file = parse_properties(&text)
            .map_err(|error| Exit::usage(format!("{}: {error}", path.display())))?;
        for (key, value) in file.iter() {
            properties.insert(key, value);
        }
    }
    for (key, value) in args.properties().map_err(Exit::usage)? {
        properties.insert(key, value);
    }
    if let Some(servers) = &args.bootstrap_server {
        properties.insert(SERVERS, servers.trim());
    }
    let has_file = args.command_config.is_some();
    Box::pin(addresses::complete(&mut properties, has_file)).await?;
    Ok(properties)
}

/// Tells of settings that do nothing.
pub(super) fn warn(properties: &Properties, role: Role) {
    for warning in warnings(properties, role) {
        tracing::warn!("the client's setting {warning}");
    }
}

pub(super) async fn admin(args: &ConnectionArgs) -> Result<Admin, ToolError> {
    let properties = properties(args).await?;
    warn(&properties, Role::Admin);
    asking(&properties)
}

/// Who asks the brokers, and tells somebody at the terminal why they do not answer.
pub(super) fn asking(properties: &Properties) -> Result<Admin, ToolError> {
    let settings = ClientSettings::from_properties(properties).map_err(Exit::usage)?;
    Ok(Admin::new(settings).telling(|error, left| {
        tracing::warn!("{error}; tried again for {} s", left.as_secs());
    }))
}

/// What to say behind the name of a topic that is not there: one that is there and almost of this name.
pub(super) async fn meant_topic(admin: &Admin, name: &str) -> Result<String, ToolError> {
    let topics = admin.list_topics().await?;
    let meant = closest(name, topics.keys().map(String::as_str));
    Ok(meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?")))
}

/// Whether to go on: `--yes` was given, or somebody at a terminal says so.
///
/// # Errors
/// If there is nobody to ask.
pub(super) fn confirm(question: &str, yes: bool) -> Result<bool, ToolError> {
    if yes {
        return Ok(true);
    }
    let input = io::stdin();
    if !input.is_terminal() {
        let why = format!("{question} Nobody can be asked here: add --yes to do it");
        return Err(Exit::usage(why).into());
    }
    let mut screen = io::stderr();
    write!(screen, "{question} [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

/// Writes to standard output, whole.
pub(super) fn print(text: impl AsRef<[u8]>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_ref())?;
    output.flush()
}

pub(super) fn print_line(text: impl std::fmt::Display) -> io::Result<()> {
    print(format!("{text}\n"))
}

/// Whoever has read enough (`… | head`) ends the command, and that is no failure.
pub(super) fn as_far_as_read(outcome: CommandResult) -> CommandResult {
    outcome.or_else(|error| match error.downcast_ref::<io::Error>() {
        Some(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Some(_) | None => Err(error),
    })
}

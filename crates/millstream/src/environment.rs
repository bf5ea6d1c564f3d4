//! The variables of this process, and what is said about them.

use crate::cli::{Command, variables_of};
use crate::logging;
use millstream_environment::names::{PREFIX, key_of, variable_of};
use millstream_environment::{ConnectEnvironment, discovery};
use millstream_environment::{LogEnvironment, Note, Severity, Variables, connect, helpers};
use millstream_worker::spelling::closest;
use millstream_worker::worker::worker_keys;

/// The variables of this process. What is no text is none of ours.
pub(crate) fn variables() -> Variables {
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What the environment says about the log, where a command takes its settings from there.
pub(crate) fn log_of(command: &Command) -> LogEnvironment {
    match command {
        Command::Worker(args) if args.worker.is_none() => {
            // What is wrong with it is told with everything else.
            LogEnvironment::read(&variables(), &mut Vec::new())
        }
        _ => LogEnvironment::default(),
    }
}

/// All that there is to say about variables that set up a worker.
pub(crate) fn notes(variables: &Variables, environment: &ConnectEnvironment) -> Vec<Note> {
    let mut notes = environment.notes.clone();
    notes.extend(logging::notes(&environment.log));
    notes.extend(misspelt(variables));
    notes
}

/// Writes a note to the log.
pub(crate) fn log(note: &Note) {
    let Note { about, text, .. } = note;
    let remedy = note.remedy.as_deref();
    let remedy = remedy.map_or_else(String::new, |remedy| format!("; {remedy}"));
    match note.severity {
        Severity::Info => tracing::info!("{about} {text}{remedy}"),
        Severity::Warning => tracing::warn!("{about} {text}{remedy}"),
        Severity::Problem => tracing::error!("{about} {text}{remedy}"),
    }
}

/// Variables that look like one that a worker reads, with a slip of the pen.
fn misspelt(variables: &Variables) -> Vec<Note> {
    let keys = worker_keys();
    let known: Vec<String> = keys
        .iter()
        .filter_map(|key| variable_of(key))
        .chain(connect::REQUIRED.map(str::to_owned))
        .chain(helpers::names().map(str::to_owned))
        .chain(discovery::NAMES.map(str::to_owned))
        .chain(variables_of("worker"))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut notes = Vec::new();
    for (name, _) in variables.iter().filter(|(name, _)| !known.contains(name)) {
        let is_setting = name.starts_with(PREFIX);
        // A setting may have a family's name, of which the worker's start knows more.
        if is_setting && key_of(name).is_some_and(|key| keys.contains(&key)) {
            continue;
        }
        let alike = known
            .iter()
            .copied()
            .filter(|known| known.starts_with(PREFIX) == is_setting);
        if let Some(meant) = closest(name, alike) {
            let note = Note::warning(name, "is not read");
            notes.push(note.with_remedy(format!("did you mean {meant}?")));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told_with_what_may_be_meant() {
        let pairs = [
            ("CONNECT_BOOTSTRAP_SERVER", "b:1"),
            ("CONNECT_GROUPID", "g"),
            ("CONNECT_GROUP_ID", "g"),
            ("CONNECT_CONSUMER_MAX_POLL_RECORDS", "1"),
            ("CONNECT_SOMETHING_OF_MINE", "1"),
            ("MSK_SERVCE", "s"),
            ("NAMESPACE", "n"),
            ("PATH", "/bin"),
            ("HOME", "/"),
            ("HOSTNAME", "h"),
            ("LOG_LEVEL", "info"),
        ];
        let notes = misspelt(&pairs.into_iter().collect());
        let told: Vec<(&str, &str)> = notes
            .iter()
            .map(|note| {
                (
                    note.about.as_str(),
                    note.remedy.as_deref().unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    "CONNECT_BOOTSTRAP_SERVER",
                    "did you mean CONNECT_BOOTSTRAP_SERVERS?"
                ),
                ("CONNECT_GROUPID", "did you mean CONNECT_GROUP_ID?"),
                ("MSK_SERVCE", "did you mean MSK_SERVICE?"),
            ]
        );
    }
}

//! Which command is meant where a container gives none, or the one that it gave to an image of Kafka Connect.

use crate::environment;
use clap::Error;
use clap::error::ErrorKind;
use millstream_environment::{ConnectEnvironment, Variables};
use std::ffi::OsString;

/// The script that starts a worker in the images of Kafka Connect: a task definition or a manifest may name it, either as what
/// the entry point is given or, through a link in our image, as the entry point itself.
const IMAGE_SCRIPT: &str = "/etc/confluent/docker/run";

/// Variables without which nobody means the stream processor.
const STORE: [&str; 2] = ["DDB_SERVICE", "MONGODB_URI"];

/// Shells by which scripts around such an image install plugins before they start it.
const SHELLS: [&str; 6] = ["sh", "/bin/sh", "bash", "/bin/bash", "ash", "/bin/ash"];

/// The words that this process was started with.
pub(super) fn words() -> Result<Vec<OsString>, Error> {
    meant(std::env::args_os().collect(), environment::variables)
}

/// The words with a command among them, if one was meant without being said.
fn meant(
    mut words: Vec<OsString>,
    variables: impl FnOnce() -> Variables,
) -> Result<Vec<OsString>, Error> {
    match words.as_slice() {
        [program] if program == IMAGE_SCRIPT => words.push("worker".into()),
        [_] => words.extend(by_variables(&variables()).map(OsString::from)),
        [_, script, ..] if script == IMAGE_SCRIPT => words[1] = "worker".into(),
        [_, shell, ..] if SHELLS.iter().any(|known| shell == known) => {
            let why = "there is no shell here: leave the command out, and the variables say what is started; \
                       connectors and converters are compiled in and need not be installed\n";
            return Err(Error::raw(ErrorKind::InvalidSubcommand, why));
        }
        _ => {}
    }
    Ok(words)
}

fn by_variables(variables: &Variables) -> Option<&'static str> {
    if ConnectEnvironment::is_given(variables) {
        return Some("worker");
    }
    variables.first(&STORE).map(|_| "stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], variables: &[&str], expected: &[&str]) {
        let words = words.iter().map(OsString::from).collect();
        let variables = || variables.iter().map(|name| (*name, "x")).collect();
        let meant = meant(words, variables).expect("a command");
        assert_eq!(meant, expected);
    }

    #[test]
    fn without_a_command_the_variables_say_which() {
        let kafka = "MSK_SERVICE";
        check(&["m"], &["CONNECT_GROUP_ID", kafka], &["m", "worker"]);
        check(&["m"], &["DDB_SERVICE", kafka], &["m", "stream"]);
        check(&["m"], &["MONGODB_URI"], &["m", "stream"]);
        // A worker may write into a document store, too.
        check(
            &["m"],
            &["CONNECT_GROUP_ID", "MONGODB_URI"],
            &["m", "worker"],
        );
        // Then the help is shown.
        check(&["m"], &["PATH", kafka], &["m"]);
        check(&["m", "topics"], &["CONNECT_GROUP_ID"], &["m", "topics"]);
        check(&["m", "--help"], &["CONNECT_GROUP_ID"], &["m", "--help"]);
    }

    #[test]
    fn the_script_of_kafka_connects_images_is_a_worker() {
        check(&["m", IMAGE_SCRIPT], &[], &["m", "worker"]);
        check(&[IMAGE_SCRIPT], &[], &[IMAGE_SCRIPT, "worker"]);
        // The link is not the script only: a command may stand behind it.
        check(&[IMAGE_SCRIPT, "env"], &[], &[IMAGE_SCRIPT, "env"]);
    }

    #[test]
    fn a_shell_is_told_that_there_is_none() {
        for shell in SHELLS {
            let words = ["m", shell, "-c", IMAGE_SCRIPT].map(OsString::from).into();
            let error = meant(words, Variables::default).expect_err("no shell");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("there is no shell"), "{error}");
        }
    }
}

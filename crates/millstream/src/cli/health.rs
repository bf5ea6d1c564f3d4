//! Flags and variables about health: those of kafka-connect-healthcheck, and the same variables for the port that a worker
//! has of its own.

use crate::logging::parse_level;
use clap::{ArgAction, Args};
use millstream_core::config::Password;
use millstream_health::{Credentials, Matching, Policy};
use millstream_worker::WorkerSettings;
use std::convert::Infallible;
use std::path::PathBuf;

/// The port that a worker opens itself. Each goes before the key of the worker's file.
#[derive(Debug, Default, Args)]
pub(crate) struct HealthArgs {
    /// Where the health port listens: a port, http://host:port, https://host:port, or off; 18083 unless set.
    #[arg(long, env = "HEALTHCHECK_PORT")]
    health_port: Option<String>,
    /// Whether failed connectors and tasks make the worker unhealthy, as with kafka-connect-healthcheck.
    #[arg(long, env = "HEALTHCHECK_FAIL_ON_TASKS")]
    health_fail_on_tasks: Option<String>,
    /// Percentage of connectors and tasks that may have failed, where failed ones count.
    #[arg(long, env = "HEALTHCHECK_FAILURE_THRESHOLD_PERCENTAGE", hide = true)]
    health_failure_threshold_percentage: Option<String>,
    /// States that count as failed.
    #[arg(long, env = "HEALTHCHECK_UNHEALTHY_STATES", hide = true)]
    health_unhealthy_states: Option<String>,
    /// CONNECTOR, TASK or both.
    #[arg(long, env = "HEALTHCHECK_CONSIDERED_CONTAINERS", hide = true)]
    health_considered_containers: Option<String>,
    /// Whose connectors and tasks are looked at; * is every worker, this one unless set.
    #[arg(long, env = "HEALTHCHECK_CONNECT_WORKER_ID", hide = true)]
    health_worker_id: Option<String>,
}

impl HealthArgs {
    /// Puts what was given over what the worker's file says.
    pub(crate) fn apply(self, mut settings: WorkerSettings) -> WorkerSettings {
        let given = [
            ("listener", self.health_port),
            ("fail.on.tasks", self.health_fail_on_tasks),
            (
                "failure.threshold.percentage",
                self.health_failure_threshold_percentage,
            ),
            ("unhealthy.states", self.health_unhealthy_states),
            ("considered.containers", self.health_considered_containers),
            ("worker.id", self.health_worker_id),
        ];
        for (key, value) in given {
            if let Some(value) = value {
                settings
                    .properties
                    .insert(format!("millstream.health.{key}"), value);
            }
        }
        settings
    }
}

/// Tell load balancers and containers how a worker is, Java's too.
///
/// Flags and variables are those of kafka-connect-healthcheck. A flag goes before its variable; a flag without a value, or an
/// empty variable, stands for the default.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// The port to listen at; with --once the one to ask.
    #[arg(long, env = "HEALTHCHECK_PORT", num_args = 0..=1, default_value = "18083", default_missing_value = "18083", value_parser = parse_place)]
    pub(crate) port: Place,
    /// The worker's REST API.
    #[arg(long, env = "HEALTHCHECK_CONNECT_URL", num_args = 0..=1, default_missing_value = "", hide_env_values = true, value_parser = parse_secret)]
    connect_url: Option<Password>,
    /// Whose connectors and tasks are looked at, as host:port or host; those of all workers unless set.
    #[arg(long, env = "HEALTHCHECK_CONNECT_WORKER_ID", num_args = 0..=1, default_missing_value = "")]
    connect_worker_id: Option<String>,
    /// States of connectors and tasks that are unhealthy, separated by commas.
    #[arg(long, env = "HEALTHCHECK_UNHEALTHY_STATES", num_args = 0..=1, default_value = "FAILED", default_missing_value = "FAILED")]
    unhealthy_states: String,
    /// What is looked at: CONNECTOR, TASK or both.
    #[arg(long, env = "HEALTHCHECK_CONSIDERED_CONTAINERS", num_args = 0..=1, default_value = "CONNECTOR,TASK", default_missing_value = "CONNECTOR,TASK")]
    considered_containers: String,
    /// The percentage of connectors and tasks that may be unhealthy.
    #[arg(long, env = "HEALTHCHECK_FAILURE_THRESHOLD_PERCENTAGE", num_args = 0..=1, default_value = "0", default_missing_value = "0", allow_negative_numbers = true)]
    failure_threshold_percentage: i64,
    /// Who asks the worker, as user:password. Whoever may list processes sees a flag: use the variable.
    #[arg(long, env = "HEALTHCHECK_BASIC_AUTH", num_args = 0..=1, default_missing_value = "", hide_env_values = true, value_parser = parse_secret)]
    basic_auth: Option<Password>,
    /// A PEM file with the authorities of an https worker, in the place of the system's.
    #[arg(long, env = "HEALTHCHECK_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Do as kafka-connect-healthcheck 0.3.0 does where it is known to be wrong: a worker id without a port matches nobody,
    /// and a password with a colon fails each check.
    #[arg(long, env = "HEALTHCHECK_EXACT", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true")]
    exact: bool,
    /// Ask once and end with 0 or 1: the health port of this machine for a path, or the worker, where --connect-url is set.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "/live", value_name = "PATH")]
    pub(crate) once: Option<String>,
    #[arg(id = "healthcheck_log_level", long = "healthcheck-log-level", env = "HEALTHCHECK_LOG_LEVEL", hide = true, value_parser = parse_level)]
    pub(crate) level: Option<String>,
}

/// Where a health port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Empty: every interface.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl HealthcheckArgs {
    /// The worker, if one was named.
    pub(crate) fn upstream(&self) -> Option<&str> {
        let url = self.connect_url.as_ref().map(Password::reveal);
        url.filter(|url| !url.is_empty())
    }

    fn matching(&self) -> Matching {
        if self.exact {
            Matching::Exact
        } else {
            Matching::HostToo
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        let worker_id = self.connect_worker_id.clone();
        Policy {
            unhealthy_states: Policy::states(&self.unhealthy_states),
            considered: Policy::containers(&self.considered_containers),
            threshold: Policy::share(self.failure_threshold_percentage),
            worker_id: worker_id.filter(|id| !id.is_empty()),
            matching: self.matching(),
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let text = self.basic_auth.as_ref().map_or("", Password::reveal);
        Credentials::read(text, self.matching())
    }
}

/// A URL may hold a password, too.
fn parse_secret(text: &str) -> Result<Password, Infallible> {
    Ok(Password::new(text))
}

/// A port, as the original has it; a worker's own port may be set as a URL, which its container check then finds as well.
fn parse_place(text: &str) -> Result<Place, String> {
    let (host, port) = match text.trim().strip_prefix("http://") {
        Some(address) => address.rsplit_once(':').unwrap_or((address, "")),
        None => ("", text.trim()),
    };
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    match port.parse() {
        Ok(port) => Ok(Place { host, port }),
        Err(_) => Err("a port is expected, such as 18083".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn read(flags: &[&str]) -> HealthcheckArgs {
        let flags: Vec<&str> = ["healthcheck"].iter().chain(flags).copied().collect();
        match Cli::of(&flags, &[]).expect("the flags are right").command {
            Command::Healthcheck(args) => args,
            other => panic!("{other:?} is not healthcheck"),
        }
    }

    #[test]
    fn a_flag_without_a_value_stands_for_the_default() {
        let given = read(&[
            "--port",
            "--connect-url",
            "--connect-worker-id",
            "--unhealthy-states",
            "--considered-containers",
            "--failure-threshold-percentage",
            "--basic-auth",
        ]);
        assert_eq!(given.policy(), Policy::default());
        assert_eq!(given.port.port, 18083);
        assert_eq!(given.upstream(), None);
        assert_eq!(given.credentials(), Credentials::Nobody);
        assert_eq!(given.once, None);
        assert_eq!(read(&["--once"]).once.as_deref(), Some("/live"));
        assert_eq!(read(&["--once=/ready"]).once.as_deref(), Some("/ready"));
    }

    #[test]
    fn a_wrong_number_is_a_matter_of_usage() {
        for flags in [
            &["healthcheck", "--port", "eighty"][..],
            &["healthcheck", "--failure-threshold-percentage", "x"],
        ] {
            let error = Cli::of(flags, &[]).expect_err("no number");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_place_is_a_port_or_a_url() {
        let place = |host: &str, port| {
            Ok(Place {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(parse_place("18083"), place("", 18083));
        assert_eq!(parse_place("http://[::1]:1"), place("::1", 1));
        assert_eq!(parse_place("http://:7"), place("", 7));
        for wrong in ["off", "https://:1", "", "http://h", "70000"] {
            assert!(parse_place(wrong).is_err(), "{wrong}");
        }
    }
}

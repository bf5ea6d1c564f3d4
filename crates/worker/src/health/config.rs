//! The settings of the health port that is built into a worker.

use crate::config::Listener;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::{Properties, config_def};
use millstream_health::{AlarmThresholds, Matching, Policy};
use std::time::Duration;

/// Words for a port that is not opened.
const OFF: [&str; 3] = ["", "0", "off"];

config_def! {
    /// By keys of the worker's file; a variable HEALTHCHECK_… of the environment goes before its key.
    pub struct HealthConfig {
        pub listener: String = Key::new("millstream.health.listener", Kind::String, "18083").importance(Importance::Medium)
            .doc("Where the health port listens (HEALTHCHECK_PORT): a port, or http://host:port, or https://host:port, which greets as the https listeners of REST do. 0, off or an empty text: nowhere. A port that is taken is no error: it is tried again, and the worker runs."),
        pub authenticate: bool = Key::new("millstream.health.authenticate", Kind::Boolean, "false").importance(Importance::Medium)
            .doc("Whether / of the health port, too, wants a user or token, where the REST API does; /metrics and /status always do then, /ping, /live and /ready never."),
        pub start_grace_ms: i64 = Key::new("millstream.health.start.grace.ms", Kind::Long, "60000").importance(Importance::Low)
            .validator(Validator::AtLeast(0))
            .doc("How long after its start a worker whose REST API listens counts as ready (/ready) that has not joined its group."),
        pub stalled_ms: i64 = Key::new("millstream.health.stalled.ms", Kind::Long, "300000").importance(Importance::Low)
            .validator(Validator::AtLeast(0))
            .doc("How long a task that has records to read may get nothing done before it is called stalled; 0: it never is."),
        pub growing_ms: i64 = Key::new("millstream.health.lag.growing.ms", Kind::Long, "600000").importance(Importance::Low)
            .validator(Validator::AtLeast(0))
            .doc("How long a task's lag must have grown, at each of six looks, before that is told; 0: it never is."),
        pub fail_on_tasks: bool = Key::new("millstream.health.fail.on.tasks", Kind::Boolean, "false").importance(Importance::Medium)
            .doc("Whether failed connectors and tasks make / answer 503 (HEALTHCHECK_FAIL_ON_TASKS), as with kafka-connect-healthcheck. Without it they are listed, and the threshold is 100 percent: a worker that is replaced for a failed task moves it to the next."),
        pub threshold: i32 = Key::new("millstream.health.failure.threshold.percentage", Kind::Int, "0").importance(Importance::Low)
            .doc("Percentage of connectors and tasks that may have failed (HEALTHCHECK_FAILURE_THRESHOLD_PERCENTAGE), where failed ones count at all."),
        pub unhealthy_states: String = Key::new("millstream.health.unhealthy.states", Kind::String, "FAILED").importance(Importance::Low)
            .doc("States that count as failed (HEALTHCHECK_UNHEALTHY_STATES), separated by commas."),
        pub considered: String = Key::new("millstream.health.considered.containers", Kind::String, "CONNECTOR,TASK").importance(Importance::Low)
            .doc("What is looked at (HEALTHCHECK_CONSIDERED_CONTAINERS): CONNECTOR, TASK or both."),
        pub worker_id: Option<String> = Key::null("millstream.health.worker.id", Kind::String).importance(Importance::Low)
            .doc("Whose connectors and tasks are looked at (HEALTHCHECK_CONNECT_WORKER_ID), as host:port or host; * is every worker. Without it those of this worker."),
    }
}

/// The same, checked.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// None: no port is opened.
    pub(crate) listener: Option<Listener>,
    pub(crate) authenticate: bool,
    pub(crate) start_grace: Duration,
    pub(crate) thresholds: AlarmThresholds,
    /// Without a worker id: that of this worker.
    pub(crate) policy: Policy,
    /// No other worker's connectors are left out.
    pub(crate) is_of_all: bool,
    /// What has no effect, and why.
    pub(crate) warning: Option<&'static str>,
}

impl HealthSettings {
    /// Reads them from a worker's properties.
    ///
    /// # Errors
    /// Every error of every key.
    pub fn read(properties: &Properties) -> Result<Self, Vec<String>> {
        let (config, values) = HealthConfig::parse(properties);
        let config = config.ok_or_else(|| {
            let errors = values.into_iter().flat_map(|value| value.errors);
            errors.collect::<Vec<_>>()
        })?;
        let listener = listener(&config.listener).map_err(|why| vec![why])?;
        let threshold = match config.fail_on_tasks {
            true => i64::from(config.threshold),
            false => 100,
        };
        let is_set = config.threshold != 0 && !config.fail_on_tasks;
        let is_of_all = config.worker_id.as_deref() == Some("*");
        Ok(HealthSettings {
            listener,
            authenticate: config.authenticate,
            start_grace: millis(config.start_grace_ms),
            thresholds: AlarmThresholds {
                stalled: millis(config.stalled_ms),
                growing: millis(config.growing_ms),
            },
            policy: Policy {
                unhealthy_states: Policy::states(&config.unhealthy_states),
                considered: Policy::containers(&config.considered),
                threshold: Policy::share(threshold),
                worker_id: config.worker_id.filter(|_| !is_of_all),
                matching: Matching::HostToo,
            },
            is_of_all,
            warning: is_set.then_some("the failure threshold has no effect: failed tasks leave the worker healthy unless HEALTHCHECK_FAIL_ON_TASKS=true (millstream.health.fail.on.tasks)"),
        })
    }
}

fn listener(text: &str) -> Result<Option<Listener>, String> {
    let text = text.trim();
    if OFF.contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let url = match text.parse::<u16>() {
        Ok(port) => format!("http://:{port}"),
        Err(_) => text.to_owned(),
    };
    let refused = |why| {
        format!(
            "Invalid value {text} for configuration millstream.health.listener (HEALTHCHECK_PORT): {why} A port such as 18083, http://host:port, https://host:port, or off is expected."
        )
    };
    url.parse().map(Some).map_err(refused)
}

/// The settings allow no negative time.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<HealthSettings, Vec<String>> {
        HealthSettings::read(&Properties::from_iter(settings.iter().copied()))
    }

    #[test]
    fn a_listener_is_a_port_a_url_or_nothing() {
        for (text, expected) in [
            ("18083", Some((false, "", 18083))),
            (" 8080 ", Some((false, "", 8080))),
            ("http://127.0.0.1:0", Some((false, "127.0.0.1", 0))),
            ("https://:8443", Some((true, "", 8443))),
            ("0", None),
            ("OFF", None),
            ("", None),
        ] {
            let read = read(&[("millstream.health.listener", text)]).unwrap();
            let found = read.listener.as_ref();
            let found = found.map(|one| (one.is_secure, &*one.host, one.port));
            assert_eq!(found, expected, "{text}");
        }
        for wrong in ["65536", "-1", "eighty", "ftp://h:1", "h:1"] {
            let error = read(&[("millstream.health.listener", wrong)]).unwrap_err();
            assert!(error[0].contains(wrong) && error[0].contains("HEALTHCHECK_PORT"));
        }
        assert!(read(&[("millstream.health.stalled.ms", "-1")]).is_err());
    }

    #[test]
    fn failed_tasks_count_where_that_is_asked_for() {
        let threshold = |settings: &[(&str, &str)]| {
            let read = read(settings).unwrap();
            (read.policy.threshold, read.warning.is_some())
        };
        let percentage = "millstream.health.failure.threshold.percentage";
        assert_eq!(threshold(&[]), (1.0, false));
        assert_eq!(threshold(&[(percentage, "35")]), (1.0, true));
        let on = ("millstream.health.fail.on.tasks", "true");
        assert_eq!(threshold(&[on]), (0.0, false));
        assert_eq!(
            threshold(&[on, (percentage, "35")]),
            (0.350_000_000_000_000_03, false)
        );
    }
}

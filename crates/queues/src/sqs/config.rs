//! The settings of SQS, under the names that other sources for it have.

use super::input::{ReadSettings, SqsConnector};
use super::queue_url::QueueUrl;
use crate::engine::HoldRules;
use crate::input::QueueConnector;
use crate::settings::{GROUP, InputKind, Traits};
use millstream_aws::credentials::Keys;
use millstream_aws::{Client, CredentialsChain, CredentialsSettings, Endpoints, Environment, Http};
use millstream_core::config::{ConfigValue, Importance, Key, Kind, Parsed, Validator, Width};
use millstream_core::{Password, Properties, config_def};
use std::sync::Arc;
use std::time::Duration;

/// Where nobody sets a bound: a sixth of what SQS lets be in flight.
const MAX_HELD: usize = 20_000;

const IDLE: Duration = Duration::from_secs(5);

/// A FIFO queue gives nothing more of a group until some are deleted: waiting long costs throughput.
const FIFO_IDLE: Duration = Duration::from_millis(200);

/// How long SQS lets a message be invisible, counted from its receipt.
const LONGEST_HOLD: Duration = Duration::from_secs(12 * 60 * 60);

/// A visibility timeout lasts for twice the longest hold, so that a healthy object needs no extension, within these.
const VISIBILITY: (u64, u64) = (60, 43_200);

/// Where a queue is whose URL and environment name no region: a stand-in for AWS does not look at it.
const NO_REGION: &str = "us-east-1";

const URL: &str = "sqs.queue.url";
const URL_TOO: &str = "sqs.url";
const MESSAGES: &str = "sqs.messages.max";
const MESSAGES_TOO: &str = "sqs.max.messages";
const WAIT: &str = "sqs.waittime.seconds";
const WAIT_TOO: &str = "sqs.wait.time.seconds";
const REGION: &str = "sqs.region";
const ENDPOINT: &str = "sqs.endpoint.url";
const KEY_ID: &str = "aws.access.key.id";
const SECRET: &str = "aws.secret.access.key";

config_def! {
    pub(super) struct SqsConfig {
        queue_url: Option<String> = Key::null(URL, Kind::String)
            .importance(Importance::High)
            .group(GROUP, 10, Width::Long, "Queue URL")
            .doc("The URL of the queue. ``sqs.url`` means the same."),
        url: Option<String> = Key::null(URL_TOO, Kind::String)
            .importance(Importance::High)
            .group(GROUP, 11, Width::Long, "Queue URL")
            .doc("The same as ``sqs.queue.url``."),
        region: Option<String> = Key::null(REGION, Kind::String)
            .importance(Importance::Medium)
            .group(GROUP, 12, Width::Medium, "Region")
            .validator(Validator::NonEmpty)
            .doc("The region of the queue. By default the one that the URL names, else that of the environment."),
        endpoint: Option<String> = Key::null(ENDPOINT, Kind::String)
            .importance(Importance::Medium)
            .group(GROUP, 13, Width::Long, "Endpoint")
            .validator(Validator::Check(check_endpoint))
            .doc("Where SQS is asked, for example at an endpoint of one's own network. By default ``AWS_ENDPOINT_URL_SQS`` or ``AWS_ENDPOINT_URL``, else the host of the queue's URL."),
        messages: Option<i32> = Key::null(MESSAGES, Kind::Int)
            .importance(Importance::Low)
            .group(GROUP, 14, Width::Short, "Messages of a receive")
            .validator(Validator::Check(check_messages))
            .doc("Messages of one receive, from 1 to 10, by default 10. ``sqs.max.messages`` means the same."),
        max_messages: Option<i32> = Key::null(MESSAGES_TOO, Kind::Int)
            .importance(Importance::Low)
            .group(GROUP, 15, Width::Short, "Messages of a receive")
            .validator(Validator::Check(check_messages))
            .doc("The same as ``sqs.messages.max``."),
        wait: Option<i32> = Key::null(WAIT, Kind::Int)
            .importance(Importance::Low)
            .group(GROUP, 16, Width::Short, "Wait time")
            .validator(Validator::Check(check_wait))
            .doc("Seconds for which a receive waits for messages, from 1 to 20, by default 20. ``sqs.wait.time.seconds`` means the same."),
        wait_time: Option<i32> = Key::null(WAIT_TOO, Kind::Int)
            .importance(Importance::Low)
            .group(GROUP, 17, Width::Short, "Wait time")
            .validator(Validator::Check(check_wait))
            .doc("The same as ``sqs.waittime.seconds``."),
        receivers: i32 = Key::new("sqs.receivers", Kind::Int, "4")
            .importance(Importance::Low)
            .group(GROUP, 18, Width::Short, "Receivers")
            .validator(Validator::Between(1, 100))
            .doc("Receives that a task makes side by side while there are messages. A FIFO queue has one, for the order."),
        key_id: Option<String> = Key::null(KEY_ID, Kind::String)
            .importance(Importance::Medium)
            .group(GROUP, 19, Width::Long, "AWS access key ID")
            .doc("The access key, together with ``aws.secret.access.key``. By default credentials come from the environment, profiles, web identity, the container or the instance."),
        secret: Option<Password> = Key::null(SECRET, Kind::Password)
            .importance(Importance::Medium)
            .group(GROUP, 20, Width::Long, "AWS secret access key")
            .doc("The secret of ``aws.access.key.id``."),
    }
}

fn check_messages(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    check_if_any(key, value, Validator::Between(1, 10))
}

/// Without a wait an empty queue would be asked as fast as it answers, and each receive is paid for.
fn check_wait(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    check_if_any(key, value, Validator::Between(1, 20))
}

fn check_if_any(key: &str, value: Option<&Parsed>, validator: Validator) -> Result<(), String> {
    value.map_or(Ok(()), |_| validator.check(key, value))
}

fn check_endpoint(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(url))
            if !url.starts_with("http://") && !url.starts_with("https://") =>
        {
            Err(format!("{key}: {url} is no URL; write http:// or https://"))
        }
        _ => Ok(()),
    }
}

/// SQS as an input.
pub(crate) struct Sqs;

impl SqsConfig {
    fn url(&self) -> Option<&str> {
        let urls = [&self.queue_url, &self.url].into_iter().flatten();
        urls.map(|url| url.trim()).find(|url| !url.is_empty())
    }

    fn queue(&self) -> Option<QueueUrl> {
        QueueUrl::parse(self.url()?).ok()
    }

    fn keys_given(&self) -> Option<Keys> {
        let id = self.key_id.as_deref().map(str::trim);
        let id = id.filter(|id| !id.is_empty())?;
        let secret = self.secret.as_ref()?.reveal();
        (!secret.is_empty()).then(|| Keys {
            id: id.to_owned(),
            secret: secret.to_owned(),
            session_token: None,
        })
    }
}

impl InputKind for Sqs {
    const NAME: &'static str = "sqs";

    const DOUBLES: &'static str = "a message of SQS comes again after a crash between its write and its deletion, when its visibility lapses, and, from a standard queue, now and then by itself";

    const MAKES_IDS: bool = true;

    fn keys() -> Vec<Key> {
        SqsConfig::keys()
    }

    fn check(properties: &Properties, values: &mut [ConfigValue]) {
        let mut add = |key: &str, why: String| {
            if let Some(value) = values.iter_mut().find(|value| value.name == key) {
                value.errors.push(why);
            }
        };
        let text = |key| {
            properties
                .get(key)
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        match (text(URL), text(URL_TOO)) {
            (None, None) => add(
                URL,
                format!(
                    "{URL}: the queue is not named; write its URL, for example https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
                ),
            ),
            (Some(one), Some(other)) if one != other => {
                add(
                    URL_TOO,
                    format!("{URL_TOO}: {URL} names another queue; remove one of them"),
                );
            }
            (Some(url), _) => {
                if let Err(why) = QueueUrl::parse(url) {
                    add(URL, format!("{URL}: {url} {why}"));
                }
            }
            (None, Some(url)) => {
                if let Err(why) = QueueUrl::parse(url) {
                    add(URL_TOO, format!("{URL_TOO}: {url} {why}"));
                }
            }
        }
        for (key, same) in [(MESSAGES, MESSAGES_TOO), (WAIT, WAIT_TOO)] {
            if let (Some(one), Some(other)) = (text(key), text(same))
                && one != other
            {
                add(
                    same,
                    format!("{same}: {key} means the same and says {one}; remove one of them"),
                );
            }
        }
        if text(KEY_ID).is_some() != text(SECRET).is_some() {
            let (given, missing) = match text(KEY_ID) {
                Some(_) => (KEY_ID, SECRET),
                None => (SECRET, KEY_ID),
            };
            add(given, format!("{given}: {missing} is missing beside it"));
        }
        if let Some(region) = text(REGION)
            && let Err(why) = Endpoints::new(region, Environment::default())
        {
            add(
                REGION,
                format!("{REGION}: {}", why.trim_start_matches("REGION: ")),
            );
        }
    }

    fn traits(properties: &Properties) -> Option<Traits> {
        // By the URL alone, so that what is wrong with other keys hides nothing of what this makes of the shared ones.
        let urls = [URL, URL_TOO]
            .into_iter()
            .filter_map(|key| properties.get(key));
        let url = urls.map(str::trim).find(|url| !url.is_empty())?;
        let queue = QueueUrl::parse(url).ok()?;
        let is_ordered = queue.is_fifo();
        Some(Traits {
            max_held: MAX_HELD,
            idle: if is_ordered { FIFO_IDLE } else { IDLE },
            longest_hold: Some(LONGEST_HOLD),
            is_ordered,
            queue: queue.name,
        })
    }

    fn connector(
        properties: &Properties,
        rules: &HoldRules,
        _: bool,
    ) -> Result<Arc<dyn QueueConnector>, String> {
        let config = SqsConfig::parse(properties).0;
        let config = config.ok_or("the settings of SQS are wrong")?;
        let queue = config
            .queue()
            .ok_or_else(|| format!("{URL}: the queue is not named"))?;
        let environment = Environment::of_process();
        let of_environment = millstream_aws::client::endpoint::region(&environment, None);
        let region = config.region.clone().or_else(|| queue.region.clone());
        let region = region.or_else(|| of_environment.map(|(region, _)| region));
        let region = region.unwrap_or_else(|| NO_REGION.to_owned());
        let settings = CredentialsSettings {
            keys: config.keys_given(),
            ..CredentialsSettings::default()
        };
        let http = Http::new(&environment)?;
        let credentials = CredentialsChain::shared(&settings, &environment, &region, Some(&http))?;
        let environment = asked_at(environment, config.endpoint.as_deref(), &queue);
        let endpoints = Endpoints::new(&region, environment)?;
        Ok(Arc::new(SqsConnector {
            client: Arc::new(Client::new(endpoints, credentials, http)),
            queue,
            settings: ReadSettings {
                messages: count(config.messages.or(config.max_messages), 10),
                wait: Duration::from_secs(count(config.wait.or(config.wait_time), 20) as u64),
                visibility: visibility(rules.hold),
                receivers: count(Some(config.receivers), 1),
            },
        }))
    }
}

fn count(given: Option<i32>, default: usize) -> usize {
    given
        .and_then(|given| usize::try_from(given).ok())
        .unwrap_or(default)
}

fn visibility(hold: Duration) -> Duration {
    let (least, most) = VISIBILITY;
    Duration::from_secs((2 * hold).as_secs().clamp(least, most))
}

/// The environment of a client: it asks where the settings say, else where the environment says, else at the queue's host.
fn asked_at(environment: Environment, endpoint: Option<&str>, queue: &QueueUrl) -> Environment {
    const OWN: &str = "AWS_ENDPOINT_URL_SQS";
    let is_named = [OWN, "AWS_ENDPOINT_URL"]
        .iter()
        .any(|name| environment.get(name).is_some());
    let host = queue.endpoint.as_deref().filter(|_| !is_named);
    match endpoint.or(host) {
        Some(url) => environment.with([(OWN, url)]),
        None => environment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{QueueSettings, plugin, reader};

    const ORDERS: (&str, &str) = (
        URL,
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    );
    const FIFO: (&str, &str) = (
        URL,
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
    );

    /// The errors of these settings, each behind its key.
    fn errors(settings: &[(&str, &str)]) -> Vec<String> {
        let properties = Properties::from_iter(settings.iter().copied());
        let values = (plugin::<Sqs>().validate)(&properties).into_iter();
        values
            .flat_map(|value| {
                value
                    .errors
                    .into_iter()
                    .map(move |error| format!("{} ← {error}", value.name))
            })
            .collect()
    }

    fn read(settings: &[(&str, &str)]) -> QueueSettings {
        let properties = Properties::from_iter(settings.iter().copied());
        reader::<Sqs>()(&properties, false).unwrap()
    }

    fn check(settings: &[(&str, &str)], expected: &[&str]) {
        let errors = errors(settings);
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn takes_the_names_that_people_have() {
        check(&[ORDERS, ("flush.size", "20000")], &[]);
        check(
            &[
                ("sqs.url", ORDERS.1),
                ("sqs.messages.max", "5"),
                ("sqs.waittime.seconds", "20"),
            ],
            &[],
        );
        check(
            &[
                ORDERS,
                ("sqs.max.messages", "5"),
                ("sqs.wait.time.seconds", "20"),
                ("sqs.region", "eu-west-1"),
            ],
            &[],
        );
        check(
            &[
                ORDERS,
                (KEY_ID, "id"),
                (SECRET, "secret"),
                (ENDPOINT, "http://localhost:9324"),
            ],
            &[],
        );
    }

    #[test]
    fn tells_all_errors_at_once_with_keys_and_remedies() {
        check(
            &[
                ("sqs.messages.max", "11"),
                ("sqs.waittime.seconds", "0"),
                (KEY_ID, "id"),
                (ENDPOINT, "x"),
                (REGION, "EU!"),
            ],
            &[
                "sqs.queue.url ← sqs.queue.url: the queue is not named; write its URL",
                "sqs.region ← sqs.region: \"EU!\" is no region of AWS; write for example",
                "sqs.endpoint.url ← sqs.endpoint.url: x is no URL; write http://",
                "sqs.messages.max ← Invalid value 11",
                "sqs.waittime.seconds ← Invalid value 0",
                "aws.access.key.id ← aws.access.key.id: aws.secret.access.key is missing",
            ],
        );
        check(
            &[(URL, "orders")],
            &["sqs.queue.url ← sqs.queue.url: orders is no URL of a queue; write for example"],
        );
        check(
            &[ORDERS, (URL_TOO, "https://h/2")],
            &["sqs.url ← sqs.url: sqs.queue.url names another queue; remove one"],
        );
        check(
            &[ORDERS, (MESSAGES, "5"), (MESSAGES_TOO, "6")],
            &["sqs.max.messages ← sqs.max.messages: sqs.messages.max means the same"],
        );
    }

    #[test]
    fn what_could_never_be_full_or_held_is_refused() {
        check(
            &[
                ORDERS,
                ("flush.size", "20001"),
                ("input.max.hold.ms", "34560001"),
            ],
            &[
                "input.max.hold.ms ← input.max.hold.ms: 34560001 is more than 80 % of the time for which queue orders lets a message be held; write 34560000 or less",
                "flush.size ← flush.size: 20001 is above input.max.held.messages, which is 20000: no object would ever be full; lower flush.size or raise input.max.held.messages",
            ],
        );
        check(
            &[
                ORDERS,
                ("flush.size", "30000"),
                ("input.max.held.messages", "30000"),
            ],
            &[],
        );
        check(
            &[FIFO, ("flush.size", "11"), ("input.idle.flush.ms", "0")],
            &["input.idle.flush.ms ← input.idle.flush.ms: 0 turns the idle flush off"],
        );
        check(
            &[FIFO, ("flush.size", "10"), ("input.idle.flush.ms", "0")],
            &[],
        );
        check(
            &[
                ORDERS,
                ("input.max.held.messages", "0"),
                ("input.idle.flush.ms", "-1"),
                ("input.topic", ""),
            ],
            &[
                "input.topic",
                "input.max.held.messages",
                "input.idle.flush.ms",
            ],
        );
    }

    #[test]
    fn a_queue_names_the_topic_and_its_kind_the_rules() {
        let settings = read(&[ORDERS]);
        assert_eq!(
            (&*settings.topic, settings.connector.queue()),
            ("orders", "orders")
        );
        assert_eq!(settings.rules.messages, 20_000);
        assert_eq!(
            (settings.rules.hold.as_secs(), settings.rules.idle),
            (300, Some(IDLE))
        );
        let settings = read(&[
            FIFO,
            ("input.topic", "sales"),
            ("input.max.hold.ms", "1000"),
        ]);
        assert_eq!(
            (&*settings.topic, settings.rules.idle),
            ("sales", Some(FIFO_IDLE))
        );
        let topic = |settings: &[(&str, &str)]| {
            let properties = Properties::from_iter(settings.iter().copied());
            (plugin::<Sqs>().topic)(&properties)
        };
        assert_eq!(topic(&[ORDERS]).as_deref(), Some("orders"));
        assert_eq!(
            topic(&[ORDERS, ("input.topic", "sales")]).as_deref(),
            Some("sales")
        );
        assert_eq!(topic(&[]), None);
    }

    #[test]
    fn says_what_comes_twice_and_what_is_small() {
        let remarks = |settings: &[(&str, &str)]| {
            let properties = Properties::from_iter(settings.iter().copied());
            let remarks = (plugin::<Sqs>().remarks)(&properties).into_iter();
            remarks.map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(
            remarks(&[ORDERS, ("flush.size", "1000"), ("tasks.max", "2")]),
            ["input.type"]
        );
        assert_eq!(
            remarks(&[FIFO, ("flush.size", "1000"), ("tasks.max", "2")]),
            ["input.type", "flush.size", "tasks.max"]
        );
    }

    #[test]
    fn a_visibility_timeout_outlasts_what_it_is_for() {
        assert_eq!(visibility(Duration::from_secs(1)).as_secs(), 60);
        assert_eq!(visibility(Duration::from_secs(300)).as_secs(), 600);
        assert_eq!(visibility(Duration::from_secs(34_560)).as_secs(), 43_200);
    }

    #[test]
    fn a_queue_is_asked_where_somebody_says() {
        let of = |url: &str, endpoint: Option<&str>, variable: &[(&str, &str)]| {
            let environment = Environment::default().with(variable.iter().copied());
            let queue = QueueUrl::parse(url).unwrap();
            let region = queue.region.clone().unwrap_or(NO_REGION.to_owned());
            let endpoints =
                Endpoints::new(&region, asked_at(environment, endpoint, &queue)).unwrap();
            endpoints.url(millstream_aws::Service::Sqs, None).unwrap()
        };
        let local = "http://localhost:9324/queue/orders";
        assert_eq!(of(local, None, &[]), "http://localhost:9324");
        assert_eq!(
            of(local, None, &[("AWS_ENDPOINT_URL", "http://other:1")]),
            "http://other:1"
        );
        assert_eq!(
            of(
                local,
                Some("http://own:2"),
                &[("AWS_ENDPOINT_URL_SQS", "http://other:1")]
            ),
            "http://own:2"
        );
        assert_eq!(
            of("https://eu-west-1.queue.amazonaws.com/1/q", None, &[]),
            "https://sqs.eu-west-1.amazonaws.com"
        );
    }
}

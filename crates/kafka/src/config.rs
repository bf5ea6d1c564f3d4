//! Settings under Kafka's own property names, parsed with all errors at once. What a value asks for and the client
//! does not do is refused by name where it would change the meaning; tuning knobs without a counterpart are accepted.

mod bootstrap;
mod servers;
mod warnings;

pub use bootstrap::{Bootstrap, Lost};
pub use warnings::{ConfigWarning, Role, warnings};

use crate::address::Address;
use crate::group::assignor::Assignor;
use crate::security::{OAuthConfig, Security, SecurityConfig, TokenSource};
use millstream_core::config::{ConfigValue, Importance, Key, Kind, Validator};
use millstream_core::{ClientMeters, Properties, config_def};
use std::sync::Arc;
use std::time::Duration;

/// Every error that the settings have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct InvalidConfig(pub Vec<String>);

config_def! {
    /// What every client needs: where the cluster is, how to speak to it, how patient to be.
    pub struct ClientConfig {
        pub bootstrap_servers: Vec<String> = Key::required("bootstrap.servers", Kind::List)
            .importance(Importance::High)
            .doc("Brokers to ask for the cluster, as `host:port` pairs; the others are found through them."),
        pub client_id: String = Key::new("client.id", Kind::String, "millstream")
            .doc("The name that brokers log and quotas count."),
        pub request_timeout_ms: i32 = millis("request.timeout.ms", "30000")
            .doc("Longest wait for a broker's answer."),
        pub default_api_timeout_ms: i32 = millis("default.api.timeout.ms", "60000")
            .doc("Longest time for an operation with its retries."),
        pub reconnect_backoff_ms: i64 = long_millis("reconnect.backoff.ms", "50")
            .doc("First pause before connecting to a broker again."),
        pub reconnect_backoff_max_ms: i64 = long_millis("reconnect.backoff.max.ms", "1000")
            .doc("Longest pause before connecting to a broker again."),
        pub retry_backoff_ms: i64 = long_millis("retry.backoff.ms", "100")
            .doc("First pause before a failed request is sent again."),
        pub retry_backoff_max_ms: i64 = long_millis("retry.backoff.max.ms", "1000")
            .doc("Longest pause before a failed request is sent again."),
        pub metadata_max_age_ms: i64 = long_millis("metadata.max.age.ms", "300000")
            .doc("Age at which topics and leaders are asked for again, so that new ones are found."),
        pub connection_setup_timeout_ms: i64 = long_millis("socket.connection.setup.timeout.ms", "10000")
            .doc("Longest wait for a connection."),
    }
}

config_def! {
    /// What whoever reads records needs besides: how much to ask for, and what to take.
    pub struct FetchConfig {
        pub fetch_min_bytes: i32 = Key::new("fetch.min.bytes", Kind::Int, "1")
            .validator(Validator::AtLeast(0))
            .doc("Bytes that a broker collects before it answers."),
        pub fetch_max_bytes: i32 = Key::new("fetch.max.bytes", Kind::Int, "52428800")
            .validator(Validator::AtLeast(0))
            .doc("Bytes of one answer, unless a single batch is larger."),
        pub max_partition_fetch_bytes: i32 = Key::new("max.partition.fetch.bytes", Kind::Int, "1048576")
            .validator(Validator::AtLeast(0))
            .doc("Bytes of one partition in an answer, unless a single batch is larger."),
        pub fetch_max_wait_ms: i32 = millis("fetch.max.wait.ms", "500")
            .doc("Longest time that a broker holds a fetch back."),
        pub isolation_level: String = Key::new("isolation.level", Kind::String, "read_uncommitted")
            .validator(Validator::OneOf(&["read_committed", "read_uncommitted"]))
            .doc("Whether records of open and aborted transactions are read."),
        pub check_crcs: bool = Key::new("check.crcs", Kind::Boolean, "true")
            .importance(Importance::Low)
            .doc("Whether record batches are checked against their checksums."),
        pub client_rack: String = Key::new("client.rack", Kind::String, "")
            .doc("The rack of this client, for brokers that serve reads from the nearest replica."),
        pub allow_auto_create_topics: bool = Key::new("allow.auto.create.topics", Kind::Boolean, "true")
            .doc("Whether asking for a topic may create it, where the broker allows it."),
    }
}

config_def! {
    /// What a member of a consumer group needs besides.
    pub struct ConsumerConfig {
        pub group_id: String = Key::required("group.id", Kind::String)
            .importance(Importance::High)
            .validator(Validator::NonEmpty)
            .doc("The group whose members share the partitions."),
        pub group_instance_id: Option<String> = Key::null("group.instance.id", Kind::String)
            .validator(Validator::NonEmpty)
            .doc("Makes the member static: it keeps its partitions over a restart."),
        pub auto_offset_reset: String = Key::new("auto.offset.reset", Kind::String, "latest")
            .validator(Validator::Check(check_reset))
            .doc("Where to begin without a committed offset: `earliest`, `latest`, or fail (`none`)."),
        pub reads_new_partitions_whole: bool = Key::new("millstream.new.partitions.from.start", Kind::Boolean, "true")
            .importance(Importance::Low)
            .doc("With `auto.offset.reset=latest`: read from their first record the partitions of topics that are made, made again or enlarged while this consumer runs; otherwise what comes before they are found is not read, as in Java."),
        pub session_timeout_ms: i32 = millis("session.timeout.ms", "45000")
            .doc("Time without a heartbeat after which the coordinator removes the member."),
        pub heartbeat_interval_ms: i32 = millis("heartbeat.interval.ms", "3000")
            .doc("Time between heartbeats."),
        pub max_poll_interval_ms: i32 = Key::new("max.poll.interval.ms", Kind::Int, "300000")
            .validator(Validator::AtLeast(1))
            .doc("Longest time without progress, and for a rebalance."),
        pub max_poll_records: i32 = Key::new("max.poll.records", Kind::Int, "500")
            .validator(Validator::AtLeast(1))
            .doc("Batches are as large as they were fetched; where tolerated errors depend on it, MongoDB's sink writes no more records at a time."),
        pub partition_assignment_strategy: Vec<String> = Key::new(
            "partition.assignment.strategy",
            Kind::List,
            "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        )
        .validator(Validator::Check(check_assignors))
        .doc("How the group's leader shares out partitions, the preferred way first."),
        pub enable_auto_commit: bool = Key::new("enable.auto.commit", Kind::Boolean, "false")
            .validator(Validator::Check(check_auto_commit))
            .doc("Refused when true: offsets are committed when records are durable."),
        pub group_protocol: String = Key::new("group.protocol", Kind::String, "classic")
            .validator(Validator::Check(check_group_protocol))
            .doc("Only `classic`."),
    }
}

fn millis(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Int, default).validator(Validator::AtLeast(0))
}

fn long_millis(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Long, default).validator(Validator::AtLeast(0))
}

use millstream_core::config::Parsed;

fn check_reset(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    const KNOWN: [&str; 3] = ["earliest", "latest", "none"];
    let Some(Parsed::String(text)) = value else {
        return Ok(());
    };
    let hint = match text.as_str() {
        known if KNOWN.contains(&known) => return Ok(()),
        "smallest" | "beginning" => "; librdkafka's name for earliest",
        "largest" | "end" => "; librdkafka's name for latest",
        text if text.starts_with("by_duration:") => "; by_duration is not supported",
        _ => "",
    };
    let why = format!("String must be one of: {}{hint}", KNOWN.join(", "));
    Err(millstream_core::config::validator::invalid(
        name, value, &why,
    ))
}

fn check_assignors(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let Some(Parsed::List(names)) = value else {
        return Ok(());
    };
    match names.iter().find(|name| Assignor::named(name).is_none()) {
        Some(unknown) => Err(millstream_core::config::validator::invalid(
            name,
            value,
            &format!(
                "the assignor {unknown} is not supported; there are {}",
                Assignor::ALL.map(Assignor::class_name).join(", ")
            ),
        )),
        None if names.is_empty() => Err(millstream_core::config::validator::invalid(
            name,
            value,
            "at least one assignor is needed",
        )),
        None => Ok(()),
    }
}

fn check_auto_commit(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::Boolean(true)) => Err(millstream_core::config::validator::invalid(
            name,
            value,
            "offsets are committed when records are durable, never by a timer",
        )),
        _ => Ok(()),
    }
}

fn check_group_protocol(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(protocol)) if protocol.eq_ignore_ascii_case("classic") => Ok(()),
        _ => Err(millstream_core::config::validator::invalid(
            name,
            value,
            "only the classic group protocol is supported",
        )),
    }
}

/// Settings of every client, with stores read and credentials parsed.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub config: ClientConfig,
    security_config: SecurityConfig,
    pub(crate) security: Security,
    /// Where the brokers are looked up again, if somebody does that.
    pub(crate) bootstrap: Option<Bootstrap>,
    /// What the client counts; clones of the settings share it.
    pub meters: Arc<ClientMeters>,
}

impl ClientSettings {
    /// The settings, or everything that is wrong with them.
    pub fn from_properties(properties: &Properties) -> Result<Self, InvalidConfig> {
        ClientSettings::with_token_source(properties, None)
    }

    /// As `from_properties`, with tokens for `sasl.mechanism` OAUTHBEARER from the program.
    pub fn with_token_source(
        properties: &Properties,
        source: Option<Arc<dyn TokenSource>>,
    ) -> Result<Self, InvalidConfig> {
        let mut errors = Vec::new();
        let settings = ClientSettings::read(properties, source, &mut errors);
        finish(settings, errors)
    }

    pub(crate) fn read(
        properties: &Properties,
        source: Option<Arc<dyn TokenSource>>,
        errors: &mut Vec<String>,
    ) -> Option<Self> {
        let config = collect(ClientConfig::parse(properties), errors);
        if let Some(config) = &config {
            config.check(errors);
        }
        let security_config = collect(SecurityConfig::parse(properties), errors);
        let oauth = collect(OAuthConfig::parse(properties), errors);
        let security = security_config
            .as_ref()
            .zip(oauth.as_ref())
            .map(|(security, oauth)| {
                let is_local = config.as_ref().is_some_and(ClientConfig::is_local);
                Security::new(security, oauth, source, is_local, errors)
            });
        Some(ClientSettings {
            config: config?,
            security_config: security_config?,
            security: security?,
            bootstrap: None,
            meters: Arc::default(),
        })
    }

    /// Goes along with brokers that may become others, if it is those that the settings name; nothing happens if they have
    /// brokers of their own.
    pub fn follow(&mut self, bootstrap: Option<&Bootstrap>) {
        let brokers = self.config.bootstrap();
        self.bootstrap = bootstrap
            .filter(|bootstrap| bootstrap.is_of(&brokers))
            .cloned();
    }

    /// The same, as a step.
    #[must_use]
    pub fn following(mut self, bootstrap: Option<&Bootstrap>) -> Self {
        self.follow(bootstrap);
        self
    }

    /// The brokers to begin with, as they are known now.
    pub(crate) fn entrances(&self) -> Arc<[Address]> {
        match &self.bootstrap {
            Some(bootstrap) => bootstrap.servers(),
            None => self.config.bootstrap().into(),
        }
    }

    pub(crate) fn security_protocol(&self) -> &str {
        &self.security_config.security_protocol
    }
}

impl std::ops::Deref for ClientSettings {
    type Target = ClientConfig;

    fn deref(&self) -> &ClientConfig {
        &self.config
    }
}

impl ClientConfig {
    fn check(&self, errors: &mut Vec<String>) {
        errors.extend(servers::errors(&self.bootstrap_servers));
    }

    pub(crate) fn bootstrap(&self) -> Vec<Address> {
        servers::addresses(&self.bootstrap_servers)
    }

    /// Whether all brokers are on this host.
    fn is_local(&self) -> bool {
        let is_local = |address: &Address| {
            let ip = address.host.parse::<std::net::IpAddr>();
            ip.map_or(address.host == "localhost", |ip| ip.is_loopback())
        };
        self.bootstrap().iter().all(is_local)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        duration(self.request_timeout_ms.into())
    }

    pub(crate) fn setup_timeout(&self) -> Duration {
        duration(self.connection_setup_timeout_ms)
    }

    pub(crate) fn api_timeout(&self) -> Duration {
        duration(self.default_api_timeout_ms.into())
    }

    pub(crate) fn metadata_max_age(&self) -> Duration {
        duration(self.metadata_max_age_ms)
    }

    pub(crate) fn retry_backoff(&self) -> (Duration, Duration) {
        (
            duration(self.retry_backoff_ms),
            duration(self.retry_backoff_max_ms),
        )
    }

    pub(crate) fn reconnect_backoff(&self) -> (Duration, Duration) {
        (
            duration(self.reconnect_backoff_ms),
            duration(self.reconnect_backoff_max_ms),
        )
    }
}

/// Settings of a reader that is no member of a group.
#[derive(Clone, Debug)]
pub struct ReaderSettings {
    pub client: ClientSettings,
    pub fetch: FetchConfig,
}

impl ReaderSettings {
    /// The settings, or everything that is wrong with them. Keys of a consumer's group are left alone.
    pub fn from_properties(properties: &Properties) -> Result<Self, InvalidConfig> {
        let mut errors = Vec::new();
        let client = ClientSettings::read(properties, None, &mut errors);
        let fetch = collect(FetchConfig::parse(properties), &mut errors);
        let settings = client
            .zip(fetch)
            .map(|(client, fetch)| ReaderSettings { client, fetch });
        finish(settings, errors)
    }
}

/// Settings of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    pub client: ClientSettings,
    pub fetch: FetchConfig,
    pub config: ConsumerConfig,
}

impl ConsumerSettings {
    /// The settings, or everything that is wrong with them. Keys that no Kafka client knows are the caller's to warn about.
    pub fn from_properties(properties: &Properties) -> Result<Self, InvalidConfig> {
        let mut errors = Vec::new();
        let client = ClientSettings::read(properties, None, &mut errors);
        let fetch = collect(FetchConfig::parse(properties), &mut errors);
        let config = collect(ConsumerConfig::parse(properties), &mut errors);
        if let Some(config) = &config {
            config.check(&mut errors);
        }
        let settings = client
            .zip(fetch)
            .zip(config)
            .map(|((client, fetch), config)| ConsumerSettings {
                client,
                fetch,
                config,
            });
        finish(settings, errors)
    }
}

impl ConsumerConfig {
    fn check(&self, errors: &mut Vec<String>) {
        if self.heartbeat_interval_ms >= self.session_timeout_ms {
            errors.push(format!(
                "Invalid value {} for configuration heartbeat.interval.ms: it must be below session.timeout.ms ({})",
                self.heartbeat_interval_ms, self.session_timeout_ms
            ));
        }
    }

    pub(crate) fn assignors(&self) -> Vec<Assignor> {
        self.partition_assignment_strategy
            .iter()
            .filter_map(|name| Assignor::named(name))
            .collect()
    }
}

impl FetchConfig {
    pub(crate) fn fetch_max_wait(&self) -> Duration {
        duration(self.fetch_max_wait_ms.into())
    }

    pub(crate) fn reads_committed(&self) -> bool {
        self.isolation_level == "read_committed"
    }
}

pub(crate) fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.max(0) as u64)
}

pub(crate) fn collect<T>(
    (settings, values): (Option<T>, Vec<ConfigValue>),
    errors: &mut Vec<String>,
) -> Option<T> {
    errors.extend(values.into_iter().flat_map(|value| value.errors));
    settings
}

pub(crate) fn finish<T>(settings: Option<T>, errors: Vec<String>) -> Result<T, InvalidConfig> {
    match settings {
        Some(settings) if errors.is_empty() => Ok(settings),
        _ => Err(InvalidConfig(errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
        let base = [("bootstrap.servers", "a:9092"), ("group.id", "g")];
        let properties = Properties::from_iter(base.iter().chain(pairs).copied());
        ConsumerSettings::from_properties(&properties).map_or_else(|e| e.0, |_| Vec::new())
    }

    #[test]
    fn reports_every_error_at_once() {
        assert_eq!(errors(&[]), [""; 0]);
        let found = errors(&[
            ("bootstrap.servers", "a"),
            ("auto.offset.reset", "sometime"),
            ("enable.auto.commit", "true"),
            ("fetch.max.bytes", "x"),
            ("partition.assignment.strategy", "range,my.Assignor"),
        ]);
        assert_eq!(found.len(), 6, "{found:#?}");
        assert!(found[0].contains("Invalid url in bootstrap.servers: a"));
    }
}

//! Settings of a producer, under Kafka's own names.

use crate::codec::Codec;
use crate::config::{ClientSettings, InvalidConfig, collect, duration, finish};
use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind, Parsed, Validator};
use millstream_core::{Properties, config_def};
use std::time::Duration;

config_def! {
    /// What a producer needs besides the client's settings.
    pub struct ProducerConfig {
        pub acks: String = Key::new("acks", Kind::String, "all")
            .validator(Validator::OneOf(&["all", "-1", "0", "1"]))
            .doc("Who must have a record before it counts as written: all in-sync replicas, the leader, or nobody."),
        pub enable_idempotence: bool = Key::new("enable.idempotence", Kind::Boolean, "true")
            .doc("Whether a repeated attempt is told from a new record, so that none is written twice."),
        pub compression_type: String = Key::new("compression.type", Kind::String, "none")
            .validator(Validator::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]))
            .doc("The codec of the batches."),
        pub batch_size: i32 = Key::new("batch.size", Kind::Int, "16384")
            .validator(Validator::AtLeast(0))
            .doc("Bytes at which a batch is sent without waiting longer."),
        pub linger_ms: i64 = Key::new("linger.ms", Kind::Long, "5")
            .validator(Validator::AtLeast(0))
            .doc("How long a batch waits for more records."),
        pub buffer_memory: i64 = Key::new("buffer.memory", Kind::Long, "33554432")
            .validator(Validator::AtLeast(0))
            .doc("Bytes of records that wait to be written; beyond them `send` waits."),
        pub max_block_ms: i64 = Key::new("max.block.ms", Kind::Long, "60000")
            .validator(Validator::AtLeast(0))
            .doc("Longest wait for room in the buffer, and for an unknown topic."),
        pub max_request_size: i32 = Key::new("max.request.size", Kind::Int, "1048576")
            .validator(Validator::AtLeast(0))
            .doc("Bytes of the largest batch."),
        pub delivery_timeout_ms: i32 = Key::new("delivery.timeout.ms", Kind::Int, "120000")
            .validator(Validator::AtLeast(0))
            .doc("Time after which a record that is not written is given up."),
        pub max_in_flight: i32 = Key::new("max.in.flight.requests.per.connection", Kind::Int, "5")
            .validator(Validator::AtLeast(1))
            .doc("Requests under way to one broker; a partition has one at a time, which keeps the order."),
        pub transaction_timeout_ms: i32 = Key::new("transaction.timeout.ms", Kind::Int, "60000")
            .doc("Time after which the brokers abort a transaction that is open: one of a worker that leads. Their `transaction.max.timeout.ms` is the most they take."),
        pub transactional_id: Option<String> = Key::null("transactional.id", Kind::String)
            .validator(Validator::Check(refuse_transactions))
            .doc("Refused: transactions are not supported."),
    }
}

fn refuse_transactions(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(_) => Err(invalid(name, value, "transactions are not supported")),
        None => Ok(()),
    }
}

#[derive(Clone, Debug)]
pub struct ProducerSettings {
    pub client: ClientSettings,
    pub config: ProducerConfig,
    is_idempotent: bool,
}

impl ProducerSettings {
    /// The settings, or everything that is wrong with them.
    pub fn from_properties(properties: &Properties) -> Result<Self, InvalidConfig> {
        let mut errors = Vec::new();
        let client = ClientSettings::read(properties, None, &mut errors);
        let config = collect(ProducerConfig::parse(properties), &mut errors);
        let Some((client, config)) = client.zip(config) else {
            return finish(None, errors);
        };
        let waits_for_all = matches!(config.acks.as_str(), "all" | "-1");
        if config.enable_idempotence && properties.contains("enable.idempotence") && !waits_for_all
        {
            errors.push("Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.".to_owned());
        }
        let least = config
            .linger_ms
            .saturating_add(i64::from(client.request_timeout_ms));
        if i64::from(config.delivery_timeout_ms) < least
            && properties.contains("delivery.timeout.ms")
        {
            errors.push(
                "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms"
                    .to_owned(),
            );
        }
        let settings = ProducerSettings {
            is_idempotent: config.enable_idempotence && waits_for_all,
            client,
            config,
        };
        finish(Some(settings), errors)
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    pub(super) fn acks(&self) -> i16 {
        match self.config.acks.as_str() {
            "0" => 0,
            "1" => 1,
            _ => -1,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        Codec::named(&self.config.compression_type).unwrap_or(Codec::None)
    }

    pub(crate) fn batch_size(&self) -> usize {
        usize::try_from(self.config.batch_size).unwrap_or(0)
    }

    pub(super) fn max_request_size(&self) -> usize {
        usize::try_from(self.config.max_request_size).unwrap_or(0)
    }

    pub(super) fn buffer_memory(&self) -> usize {
        usize::try_from(self.config.buffer_memory).unwrap_or(usize::MAX)
    }

    pub(super) fn linger(&self) -> Duration {
        duration(self.config.linger_ms)
    }

    pub(super) fn max_block(&self) -> Duration {
        duration(self.config.max_block_ms)
    }

    pub(crate) fn delivery_timeout(&self) -> Duration {
        duration(self.config.delivery_timeout_ms.into())
    }

    pub(super) fn max_in_flight(&self) -> usize {
        usize::try_from(self.config.max_in_flight).unwrap_or(1)
    }
}

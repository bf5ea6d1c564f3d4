//! Settings that the original does not have. It ignores them, so a configuration stays portable.

use crate::aggregate::settings::{AggregateConfig, AggregateSettings};
use crate::topics;
use millstream_core::config::{ConfigValue, Importance, Key, Kind, Validator};
use millstream_core::rejected::show_content_key;
use millstream_core::{ConfigDef, Properties, config_def};
use std::sync::LazyLock;
use std::time::Duration;

pub(crate) const DUPLICATE_POLICY: &str = "millstream.mongo.duplicate.policy";
const RETRY_TIMEOUT: &str = "millstream.mongo.retry.timeout.ms";

config_def! {
    struct ExtensionsConfig {
        retry_timeout_ms: i64 = Key::new(RETRY_TIMEOUT, Kind::Long, "120000").importance(Importance::Low)
            .doc("How long a write is tried again while the database is away, before the task fails. The original gives up at once, which is 0, and the default where the worker has millstream.self.healing=false."),
        max_in_flight: i32 = Key::new("millstream.mongo.max.in.flight", Kind::Int, "4").importance(Importance::Low)
            .validator(Validator::Between(1, 64))
            .doc("Write commands on their way at a time, of one task: enough to hide a round trip, few enough for small instances."),
        validate_connect: bool = Key::new("millstream.mongo.validate.connect", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether validation connects to the database, as the original does. Without it a connector may be made before its database is there."),
        duplicate_policy: String = Key::new(DUPLICATE_POLICY, Kind::String, "auto").importance(Importance::Low)
            .validator(Validator::OneOf(&["auto", "replace", "error", "ignore"]))
            .doc("What a duplicate key is. auto: done, where a replay or a retry explains it and the very same document is in the collection already; another document under an id made of topic, partition and offset is an error (a topic that was made anew, another hash). replace: as auto, but such a document gives way to the record. ignore: every duplicate of _id is done. error: none is, as in the original."),
        _shows_content: bool = show_content_key(),
    }
}

pub(crate) fn definition() -> &'static ConfigDef {
    static DEFINITION: LazyLock<ConfigDef> = LazyLock::new(|| {
        let mut keys = ExtensionsConfig::keys();
        keys.extend(AggregateConfig::keys());
        ConfigDef::new(keys)
    });
    &DEFINITION
}

/// Those that are set, with what is wrong with them.
pub(crate) fn validate(properties: &Properties) -> Vec<ConfigValue> {
    let mut values = definition().validate(properties);
    if values.iter().all(|value| value.errors.is_empty()) {
        for (key, problem) in AggregateSettings::parse(properties)
            .err()
            .into_iter()
            .flatten()
        {
            topics::add_error(&mut values, key, problem);
        }
    }
    values.retain(|value| properties.get(&value.name).is_some() || !value.errors.is_empty());
    values
}

/// Whether validation is to connect; so it does unless a setting clearly says no.
pub(crate) fn validates_connect(properties: &Properties) -> bool {
    ExtensionsConfig::parse(properties)
        .0
        .is_none_or(|settings| settings.validate_connect)
}

/// How long to go on, and what duplicates mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WritePolicy {
    /// Zero: no retries, as the original.
    pub(crate) retry_for: Duration,
    pub(crate) duplicates: DuplicatePolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuplicatePolicy {
    /// One that a replay or a retry explains is a success, if what stands there is this record.
    Auto,
    /// As `Auto`; but another document under an id made of a record's place gives way to the record.
    Replace,
    /// All are errors, as in the original.
    Error,
    /// Every one of `_id` is a success.
    Ignore,
}

/// What a task needs of them.
pub(crate) struct Extensions {
    pub(crate) policy: WritePolicy,
    pub(crate) in_flight: usize,
    /// Where totals are written in place of records.
    pub(crate) totals: Option<AggregateSettings>,
}

impl Extensions {
    /// # Errors
    /// The first error of a setting.
    pub(crate) fn parse(properties: &Properties, retries_outages: bool) -> Result<Self, String> {
        let (settings, values) = ExtensionsConfig::parse(properties);
        let Some(settings) = settings else {
            return Err(topics::first_error(&values));
        };
        let is_set = properties.get(RETRY_TIMEOUT).is_some();
        let millis = if is_set || retries_outages {
            settings.retry_timeout_ms
        } else {
            0
        };
        let totals = AggregateSettings::parse(properties).map_err(|problems| {
            let first = problems.into_iter().next();
            first.map_or_else(String::new, |(_, problem)| problem)
        })?;
        Ok(Extensions {
            totals,
            policy: WritePolicy {
                retry_for: Duration::from_millis(u64::try_from(millis).unwrap_or(0)),
                duplicates: match &*settings.duplicate_policy {
                    "replace" => DuplicatePolicy::Replace,
                    "error" => DuplicatePolicy::Error,
                    "ignore" => DuplicatePolicy::Ignore,
                    _ => DuplicatePolicy::Auto,
                },
            },
            in_flight: usize::try_from(settings.max_in_flight).unwrap_or(1),
        })
    }
}

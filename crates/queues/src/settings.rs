//! Settings that all queues share, and what of a queue's own settings concerns them: parsed, checked against each other, and
//! made into what the engine works with.

use crate::doubles::{self, LEDGER};
use crate::engine::{HoldRules, IdRules, IdSource, MissingId};
use crate::input::QueueConnector;
use crate::log::LogSource;
use millstream_core::config::{
    ConfigDef, ConfigValue, Importance, Key, Kind, Parsed, Validator, Width,
};
use millstream_core::message::{INPUT_ID, INPUT_TYPE, NO_ID};
use millstream_core::plugin::InputPlugin;
use millstream_core::{Properties, config_def};
use std::sync::Arc;
use std::time::Duration;

/// The group of these keys.
pub(crate) const GROUP: &str = "Queue";

/// Of the time for which a queue lets a message be held so much may be used.
const HOLD_PERCENT: u64 = 80;

/// Messages of a group that an ordered queue gives out before some are settled.
const ORDERED_MESSAGES: i64 = 10;

pub(crate) const HELD: &str = "input.max.held.messages";
pub(crate) const HOLD: &str = "input.max.hold.ms";
pub(crate) const IDLE: &str = "input.idle.flush.ms";
const MISSING_ID: &str = "input.id.missing";
const TOPIC: &str = "input.topic";
const FLUSH_SIZE: &str = "flush.size";

config_def! {
    /// What every queue has.
    pub(crate) struct InputConfig {
        pub(crate) topic: Option<String> = Key::null(TOPIC, Kind::String)
            .importance(Importance::Medium)
            .group(GROUP, 2, Width::Long, "Topic of records")
            .validator(Validator::NonEmpty)
            .doc("The topic that records have: in names of objects and collections, in transforms and dead letters. By default the name of the queue."),
        pub(crate) max_held: Option<i32> = Key::null(HELD, Kind::Int)
            .importance(Importance::Medium)
            .group(GROUP, 3, Width::Short, "Messages held")
            .validator(Validator::Check(positive))
            .doc("The most messages that a task holds without having settled them. At this bound it asks for no more. By default 20000 for SQS, 5000 for RabbitMQ, 2000 for ActiveMQ and 200 for it over STOMP."),
        pub(crate) max_hold: i64 = Key::new(HOLD, Kind::Long, "300000")
            .importance(Importance::Medium)
            .group(GROUP, 4, Width::Short, "Longest hold")
            .validator(Validator::AtLeast(1))
            .doc("How long a message is held before what is open is closed: an object is stored after this time at the latest, however few records it has."),
        pub(crate) idle_flush: Option<i64> = Key::null(IDLE, Kind::Long)
            .importance(Importance::Medium)
            .group(GROUP, 5, Width::Short, "Idle flush")
            .validator(Validator::Check(not_negative))
            .doc("What is open is closed when no message has come for so long: a queue may give no more before some are settled. 0 turns that off. By default 5000, and 200 for a FIFO queue of SQS. A queue with few messages makes small objects by this rule; raise it for larger ones."),
        pub(crate) id: String = Key::new(INPUT_ID, Kind::String, "queue")
            .importance(Importance::Medium)
            .group(GROUP, 6, Width::Medium, "Id of messages")
            .validator(Validator::Check(id_source))
            .doc("What tells a message when it comes again, in ids of documents, in the ledger of S3, and in the header queue.message.id. queue: the id that the queue gives it, or its sender as far as the protocol has a place for that. property:NAME: the header NAME of its record. body-hash: 128 bits of BLAKE3 of body and routing key; equal messages become one. none: nothing, so that what comes twice is stored twice."),
        pub(crate) id_missing: String = Key::new(MISSING_ID, Kind::String, NO_ID)
            .importance(Importance::Low)
            .group(GROUP, 7, Width::Short, "Messages without id")
            .validator(Validator::OneOf(&["none", "body-hash", "fail"]))
            .recommended(&["none", "body-hash", "fail"])
            .doc("What a message is in which ``input.id`` finds nothing. none: one without an id, which is counted. body-hash: one that is told by body and routing key. fail: the end of the task."),
        pub(crate) ledger: bool = Key::new(LEDGER, Kind::Boolean, "true")
            .importance(Importance::Medium)
            .group(GROUP, 8, Width::Short, "Ledger of S3")
            .doc("Whether the S3 sink notes in its bucket which messages an object is about to hold, until they are settled, so that those that come again after a crash are not stored twice. It costs two requests for each object, and takes s3:ListBucket, s3:GetObject and s3:DeleteObject beside what the sink needs. Other sinks have none."),
    }
}

/// `property:NAME`.
const PROPERTY: &str = "property:";

fn source_of(text: &str) -> Option<IdSource> {
    match text {
        "queue" => Some(IdSource::Queue),
        "body-hash" => Some(IdSource::BodyHash),
        NO_ID => Some(IdSource::None),
        other => {
            let name = other.strip_prefix(PROPERTY)?.trim();
            (!name.is_empty()).then(|| IdSource::Property(name.to_owned()))
        }
    }
}

fn id_source(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    let text = match value {
        Some(Parsed::String(text)) => text.as_str(),
        _ => return Ok(()),
    };
    match source_of(text) {
        Some(_) => Ok(()),
        None => Err(format!(
            "Invalid value {text} for configuration {key}: write queue, property:NAME, body-hash or none"
        )),
    }
}

fn id_rules(config: &InputConfig) -> IdRules {
    IdRules {
        source: source_of(&config.id).unwrap_or(IdSource::Queue),
        missing: match config.id_missing.as_str() {
            "body-hash" => MissingId::BodyHash,
            "fail" => MissingId::Fail,
            _ => MissingId::None,
        },
    }
}

fn number(value: Option<&Parsed>) -> Option<i64> {
    match value {
        Some(Parsed::Int(number)) => Some(*number),
        _ => None,
    }
}

fn positive(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    number(value).map_or(Ok(()), |_| Validator::AtLeast(1).check(key, value))
}

fn not_negative(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    number(value).map_or(Ok(()), |_| Validator::AtLeast(0).check(key, value))
}

/// What a queue's own settings say that concerns the shared ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    /// The name of the queue.
    pub(crate) queue: String,
    /// `input.max.held.messages` and `input.idle.flush.ms` where nobody sets them.
    pub(crate) max_held: usize,
    pub(crate) idle: Duration,
    /// The longest time for which the queue lets a message be held.
    pub(crate) longest_hold: Option<Duration>,
    /// Messages of a group come in order, so that few come before some are settled.
    pub(crate) is_ordered: bool,
}

/// A kind of queue: its name, its settings, and its transport.
pub(crate) trait InputKind {
    /// The value of `input.type`.
    const NAME: &'static str;

    /// What the queue makes come twice: a sentence that goes on with what keeps that out.
    const DOUBLES: &'static str;

    /// Whether its messages have ids that the queue itself makes.
    const MAKES_IDS: bool = false;

    fn keys() -> Vec<Key>;

    /// Looks at several of its keys together; what is wrong is added to their values.
    fn check(properties: &Properties, values: &mut [ConfigValue]);

    /// `None` if its settings are wrong.
    fn traits(properties: &Properties) -> Option<Traits>;

    /// Whether these settings are of a log, which is read by offsets.
    fn is_log(_: &Properties) -> bool {
        false
    }

    /// What reads the log, if it is one.
    ///
    /// # Errors
    /// In a sentence, why there is no transport by these settings.
    fn log(_: &Properties, _keeps_types: bool) -> Result<Option<LogSource>, String> {
        Ok(None)
    }

    /// What of its own keys is taken otherwise than it says, or is better known.
    fn remarks(_: &Properties) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What reads the queue. `keeps_types`: whether its messages are to bring what they say of themselves in types, where the
    /// protocol has any.
    ///
    /// # Errors
    /// In a sentence, why there is no transport by these settings.
    fn connector(
        properties: &Properties,
        rules: &HoldRules,
        keeps_types: bool,
    ) -> Result<Arc<dyn QueueConnector>, String>;
}

/// How the worker sees a kind of queue.
pub(crate) fn plugin<K: InputKind>() -> InputPlugin {
    InputPlugin {
        name: K::NAME,
        config_def: definition::<K>,
        validate: validate::<K>,
        topic: topic::<K>,
        is_log: K::is_log,
        remarks: remarks::<K>,
    }
}

fn definition<K: InputKind>() -> ConfigDef {
    let mut keys = InputConfig::keys();
    keys.extend(K::keys());
    ConfigDef::new(keys)
}

fn topic<K: InputKind>(properties: &Properties) -> Option<String> {
    let named = properties.get(TOPIC).filter(|topic| !topic.is_empty());
    let queue = || K::traits(properties).map(|traits| traits.queue);
    named.map(str::to_owned).or_else(queue)
}

/// Every error of every key, and those that the queue's settings make of keys of others.
fn validate<K: InputKind>(properties: &Properties) -> Vec<ConfigValue> {
    let mut values = definition::<K>().validate(properties);
    K::check(properties, &mut values);
    // What is wrong already hides nothing of what the other keys make of each other.
    let mut sound = properties.clone();
    for value in values.iter().filter(|value| !value.errors.is_empty()) {
        sound.remove(&value.name);
    }
    let config = InputConfig::parse(&sound).0;
    // Nothing of a log is held.
    if K::is_log(properties) {
        return values;
    }
    if let (Some(config), Some(traits)) = (config, K::traits(&sound)) {
        check_together(&config, &traits, properties, &mut values);
    }
    values
}

fn check_together(
    config: &InputConfig,
    traits: &Traits,
    properties: &Properties,
    values: &mut Vec<ConfigValue>,
) {
    let rules = rules(config, traits);
    let hold = config.max_hold.unsigned_abs();
    let longest = traits
        .longest_hold
        .map(|longest| longest.as_millis() as u64 / 100 * HOLD_PERCENT);
    if let Some(longest) = longest.filter(|longest| hold > *longest) {
        let why = format!(
            "{HOLD}: {hold} is more than {HOLD_PERCENT} % of the time for which queue {} lets a message be held; write {longest} or less",
            traits.queue
        );
        add_error(values, HOLD, why);
    }
    let flush_size = properties
        .get(FLUSH_SIZE)
        .and_then(|text| text.trim().parse::<i64>().ok());
    let Some(flush_size) = flush_size else {
        return;
    };
    let held = rules.messages;
    if flush_size > held as i64 {
        let why = format!(
            "{FLUSH_SIZE}: {flush_size} is above {HELD}, which is {held}: no object would ever be full; lower {FLUSH_SIZE} or raise {HELD}"
        );
        add_error(values, FLUSH_SIZE, why);
    }
    if traits.is_ordered && flush_size > ORDERED_MESSAGES && rules.idle.is_none() {
        let why = format!(
            "{IDLE}: 0 turns the idle flush off, and queue {} gives no more than {ORDERED_MESSAGES} messages of a group before they are settled, while {FLUSH_SIZE} is {flush_size}; remove {IDLE}, or write {ORDERED_MESSAGES} or less for {FLUSH_SIZE}",
            traits.queue
        );
        add_error(values, IDLE, why);
    }
}

/// Adds an error to a key's value; a key of others gets a value for that.
pub(crate) fn add_error(values: &mut Vec<ConfigValue>, key: &str, why: String) {
    match values.iter_mut().find(|value| value.name == key) {
        Some(value) => value.errors.push(why),
        None => values.push(ConfigValue {
            name: key.to_owned(),
            value: None,
            recommended: Vec::new(),
            errors: vec![why],
            visible: true,
        }),
    }
}

/// Adds errors to the values of their keys.
pub(crate) fn add_all(values: &mut [ConfigValue], errors: Vec<(&'static str, String)>) {
    for (key, why) in errors {
        if let Some(value) = values.iter_mut().find(|value| value.name == key) {
            value.errors.push(format!("{key}: {why}"));
        }
    }
}

/// The first of these errors, in one text.
pub(crate) fn first(errors: Vec<(&'static str, String)>) -> String {
    let first = errors.into_iter().next();
    first.map_or_else(String::new, |(key, why)| format!("{key}: {why}"))
}

/// What a connection is called, for who looks at the broker.
pub(crate) fn connection_name(properties: &Properties) -> String {
    match properties.get("name") {
        Some(name) if !name.is_empty() => format!("millstream-{name}"),
        _ => "millstream".to_owned(),
    }
}

/// What whoever configures it should know, by the keys that it is about.
fn remarks<K: InputKind>(properties: &Properties) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    let has_more_tasks = || {
        let tasks = properties.get("tasks.max");
        tasks.is_some_and(|tasks| tasks.trim() != "1")
    };
    if K::is_log(properties) {
        if has_more_tasks() {
            let what = "a stream is read by one task; the others have nothing to do";
            remarks.push(("tasks.max", what.to_owned()));
        }
        remarks.extend(K::remarks(properties));
        return remarks;
    }
    if let Some(config) = InputConfig::parse(properties).0 {
        let ids = id_rules(&config);
        let twice = doubles::sentence(K::DOUBLES, K::MAKES_IDS, &ids, config.ledger, properties);
        remarks.push((INPUT_TYPE, twice));
    }
    remarks.extend(K::remarks(properties));
    let is_ordered = K::traits(properties).is_some_and(|traits| traits.is_ordered);
    if is_ordered && properties.get(FLUSH_SIZE).is_some() {
        let what = format!(
            "the queue gives {ORDERED_MESSAGES} messages of a group before they are settled, so that objects are as small as {ORDERED_MESSAGES} records for each group"
        );
        remarks.push((FLUSH_SIZE, what));
    }
    if is_ordered && has_more_tasks() {
        let what = "several tasks share the queue: order is kept within a group, and not among objects of different tasks";
        remarks.push(("tasks.max", what.to_owned()));
    }
    remarks
}

fn rules(config: &InputConfig, traits: &Traits) -> HoldRules {
    let idle = config
        .idle_flush
        .map(|millis| Duration::from_millis(millis.unsigned_abs()));
    let held = config.max_held.and_then(|held| usize::try_from(held).ok());
    HoldRules {
        messages: held.unwrap_or(traits.max_held),
        hold: Duration::from_millis(config.max_hold.unsigned_abs()),
        idle: Some(idle.unwrap_or(traits.idle)).filter(|idle| !idle.is_zero()),
    }
}

/// A queue as a task reads it.
pub struct QueueSettings {
    pub connector: Arc<dyn QueueConnector>,
    /// What it is read by instead where it is a log.
    pub log: Option<LogSource>,
    /// The topic of the records.
    pub topic: String,
    pub rules: HoldRules,
    pub ids: IdRules,
    /// Whether a sink that stores what comes twice is to keep a ledger.
    pub has_ledger: bool,
}

impl QueueSettings {
    fn of<K: InputKind>(properties: &Properties, keeps_types: bool) -> Result<Self, String> {
        let mut values = definition::<K>().validate(properties);
        K::check(properties, &mut values);
        let first = values
            .into_iter()
            .find_map(|value| value.errors.into_iter().next());
        if let Some(error) = first {
            return Err(error);
        }
        let incomplete = || format!("input.type: the settings of {} are incomplete", K::NAME);
        let config = InputConfig::parse(properties).0.ok_or_else(incomplete)?;
        let traits = K::traits(properties).ok_or_else(incomplete)?;
        let rules = rules(&config, &traits);
        Ok(QueueSettings {
            connector: K::connector(properties, &rules, keeps_types)?,
            log: K::log(properties, keeps_types)?,
            ids: id_rules(&config),
            has_ledger: config.ledger,
            topic: config.topic.unwrap_or(traits.queue),
            rules,
        })
    }
}

/// Reads the settings of a queue of this kind, and says whether its messages keep their types.
pub(crate) type Read = fn(&Properties, bool) -> Result<QueueSettings, String>;

pub(crate) fn reader<K: InputKind>() -> Read {
    QueueSettings::of::<K>
}

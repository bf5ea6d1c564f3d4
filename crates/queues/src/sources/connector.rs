//! A class as the worker sees it: its keys, its validation, its tasks.

use super::class::{Class, REFUSED, Refused, given};
use super::log_task::LogSourceTask;
use super::shape::Shape;
use super::task::QueueSourceTask;
use crate::consumer::{ConsumerParts, QueueConsumer};
use crate::log::{KeptOffset, LogConsumer, LogParts, LogSource};
use crate::settings::add_error;
use async_trait::async_trait;
use millstream_core::config::{ConfigDef, ConfigValue, Importance, Key, Kind, Validator, Width};
use millstream_core::{
    Connector, Properties, Role, SourceConnector, SourceContext, SourceError, SourceTask,
    TopicPartition,
};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The topic of the records, among the settings of a queue.
const TOPIC: &str = "input.topic";

/// Closes the open object of a sink; a source has none.
const IDLE: &str = "input.idle.flush.ms";

/// A connector of one class.
pub(super) struct QueueSource {
    class: &'static Class,
    definition: ConfigDef,
    extensions: ConfigDef,
}

impl QueueSource {
    pub(super) fn new(class: &'static Class) -> Self {
        let of_queue = ((class.input)().config_def)();
        let topic = Key::required(class.topic, Kind::String)
            .importance(Importance::High)
            .group("Records", 1, Width::Long, "Topic")
            .validator(Validator::NonEmpty)
            .doc("The topic that records are written to.");
        let mut keys = vec![topic];
        let same = class.same.iter();
        keys.extend(same.filter_map(|name| of_queue.key(name).cloned()));
        for (theirs, ours) in class.renamed {
            keys.extend(of_queue.key(ours).cloned().map(|key| Key {
                name: (*theirs).into(),
                doc: in_words_of(class, without_synonym(&key.doc)).into(),
                ..key
            }));
        }
        keys.extend((class.own)());
        let is_extension =
            |key: &&Key| !class.same.contains(&&*key.name) && !matches!(&*key.name, TOPIC | IDLE);
        let extensions = of_queue.keys().iter().filter(is_extension).cloned();
        QueueSource {
            class,
            extensions: ConfigDef::new(extensions.collect()),
            definition: ConfigDef::new(keys),
        }
    }

    /// The settings under the names that the queue's have, and what is missing there.
    fn as_input(&self, properties: &Properties) -> (Properties, Option<(&'static str, String)>) {
        let mut input = properties.clone();
        // What a sink has is nothing to a source.
        input.remove("flush.size");
        input.remove(IDLE);
        for (theirs, ours) in self.class.renamed {
            if let Some(value) = input.remove(theirs) {
                input.insert(*ours, value);
            }
        }
        if let Some(topic) = given(properties, self.class.topic) {
            input.insert(TOPIC, topic);
        }
        let missing = (self.class.derive)(properties, &mut input);
        (input, missing)
    }

    /// The same key or message under the names of the class.
    fn in_its_words(&self, text: &str) -> String {
        in_words_of(self.class, text)
    }

    fn add_errors_of_queue(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        let (input, missing) = self.as_input(properties);
        let found = ((self.class.input)().validate)(&input);
        for value in found {
            let name = self.in_its_words(&value.name);
            let is_extension = name == value.name && self.extensions.key(&name).is_some();
            if is_extension && properties.contains(&name) {
                values.push(value);
                continue;
            }
            // The URL is not there because what it is made of is wrong.
            if missing.is_some() && value.name == "sqs.queue.url" {
                continue;
            }
            for error in value.errors {
                let error = self.in_its_words(&error);
                let known = values.iter().find(|own| own.name == name);
                if known.is_none_or(|own| !own.errors.contains(&error)) {
                    add_error(values, &name, error);
                }
            }
        }
        if let Some((key, why)) = missing {
            add_error(values, key, why);
        }
    }
}

/// A text about keys of a queue, under the names of the class.
fn in_words_of(class: &Class, text: &str) -> String {
    let renamed = class.renamed.iter();
    renamed.fold(text.to_owned(), |text, (theirs, ours)| {
        text.replace(ours, theirs)
    })
}

/// A description without its last sentence, if that names another key for the same.
fn without_synonym(doc: &str) -> &str {
    let others = doc.strip_suffix("`` means the same.");
    let at = others.and_then(|text| text.rfind(" ``"));
    at.map_or(doc, |at| &doc[..at])
}

fn is_refused(refused: &Refused, properties: &Properties) -> bool {
    given(properties, refused.key).is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        !refused.allowed.contains(&value.as_str())
    })
}

#[async_trait]
impl Connector for QueueSource {
    fn class_name(&self) -> &'static str {
        self.class.name
    }

    fn role(&self) -> Role<'_> {
        Role::Source(self)
    }

    fn version(&self) -> &'static str {
        self.class.version
    }

    fn config_def(&self) -> &ConfigDef {
        &self.definition
    }

    fn extensions(&self) -> &ConfigDef {
        &self.extensions
    }

    fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        let mut values = self.definition.validate(properties);
        self.add_errors_of_queue(properties, &mut values);
        let topic = self.class.topic;
        if given(properties, topic).is_some_and(|topics| topics.contains(',')) {
            let why = format!("{topic}: a queue is written to one topic; name one");
            add_error(&mut values, topic, why);
        }
        for refused in REFUSED
            .iter()
            .chain(self.class.refused.iter().copied().flatten())
        {
            if is_refused(refused, properties) {
                let why = format!("{}: {}", refused.key, refused.why);
                add_error(&mut values, refused.key, why);
            }
        }
        values
    }
}

#[async_trait]
impl SourceConnector for QueueSource {
    /// The queue is connected to by the task: while it is out of reach the task says so, and goes on trying.
    async fn start_source(
        &self,
        properties: &Properties,
        context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError> {
        let (input, _) = self.as_input(properties);
        let queue =
            (self.class.read)()(&input, self.class.keeps_types).map_err(|message| SourceError {
                class: "org.apache.kafka.common.config.ConfigException",
                ..SourceError::fatal(self.in_its_words(&message))
            })?;
        // Which partition a record goes to is left to the producer.
        let origin = TopicPartition::new(queue.topic, -1);
        let shape = (self.class.shape)(properties);
        if let Some(log) = queue.log {
            return Ok(Box::new(log_task(log, origin, shape, context)));
        }
        let consumer = QueueConsumer::start(ConsumerParts {
            connector: queue.connector,
            origin: origin.clone(),
            rules: queue.rules,
            ids: queue.ids,
            settled: Arc::default(),
            budget: context.memory,
            meters: context.queue,
            clock: wall_clock,
        });
        Ok(Box::new(QueueSourceTask::new(consumer, origin, shape)))
    }
}

/// A log is read by the first task.
fn log_task(
    log: LogSource,
    origin: TopicPartition,
    shape: Shape,
    context: SourceContext,
) -> LogSourceTask {
    let queue = log.connector.queue().to_owned();
    let is_first = context.task == 0;
    let consumer = is_first.then(|| {
        LogConsumer::start(LogParts {
            log,
            origin: origin.clone(),
            kept: KeptOffset::new(context.offsets, context.connector, &queue),
            ids_are_offsets: false,
            budget: context.memory,
            meters: context.queue,
            clock: wall_clock,
        })
    });
    LogSourceTask::new(consumer, &queue, origin, shape)
}

/// Epoch milliseconds.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

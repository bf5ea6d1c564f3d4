//! TimestampRouter: a topic made from the record's topic and timestamp.

use crate::settings::checked;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Transform, TransformPlugin,
    config_def,
};
use millstream_java::date::SimpleDateFormat;
use std::sync::Arc;

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.TimestampRouter",
    config_def: TimestampRouterConfig::definition,
    make: |properties| Ok(Box::new(TimestampRouter::new(properties)?)),
};

config_def! {
    struct TimestampRouterConfig {
        topic_format: String = Key::new("topic.format", Kind::String, "${topic}-${timestamp}")
            .importance(Importance::High)
            .doc(
                "Format string which can contain <code>${topic}</code> and <code>${timestamp}</code> as placeholders \
                 for the topic and timestamp, respectively.",
            ),
        timestamp_format: String = Key::new("timestamp.format", Kind::String, "yyyyMMdd")
            .importance(Importance::High)
            .doc("Format string for the timestamp that is compatible with <code>java.text.SimpleDateFormat</code>."),
    }
}

struct TimestampRouter {
    topic_format: String,
    /// A bad pattern fails record by record, as in Java.
    timestamp_format: Result<SimpleDateFormat, String>,
}

impl TimestampRouter {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(TimestampRouterConfig::parse(properties))?;
        Ok(TimestampRouter {
            topic_format: config.topic_format,
            timestamp_format: SimpleDateFormat::compile(&config.timestamp_format),
        })
    }

    fn route(&self, topic: &str, timestamp: i64, offset: i64) -> Result<Arc<str>, RecordError> {
        if timestamp == NO_TIMESTAMP {
            // Java goes on with the whole record, which may be secret.
            return Err(RecordError::data(format!(
                "Timestamp missing on record: SinkRecord{{kafkaOffset={offset}}}"
            )));
        }
        let format = self
            .timestamp_format
            .as_ref()
            .map_err(|why| RecordError::new("java.lang.IllegalArgumentException", why.clone()))?;
        let with_topic = self.topic_format.replace("${topic}", topic);
        Ok(with_topic
            .replace("${timestamp}", &format.format(timestamp))
            .into())
    }
}

impl Transform for TimestampRouter {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn renames_topics(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        super::route(batch, mask, errors, |batch, row, topic| {
            self.route(topic, batch.timestamps[row], batch.offsets[row])
        });
    }
}

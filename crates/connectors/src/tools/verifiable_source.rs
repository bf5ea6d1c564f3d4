//! VerifiableSource: brings numbers, at a rate, and prints each when it is made and when Kafka has it.

use super::printer::Printer;
use super::throttle::Throttle;
use super::{no_keys, number, numbered};
use crate::output::Output;
use async_trait::async_trait;
use millstream_core::batch::{Decoded, FetchedColumns};
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::{
    ByteColumn, ConfigDef, Connector, Destination, Field, Headers, Payload, Plain, Properties,
    RecordBatch, Role, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceBatch, SourceConnector,
    SourceContext, SourceError, SourceMap, SourcePlace, SourceTask, Struct, TimestampType,
    TopicPartition, Value,
};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

const TASK: &str = "VerifiableSourceTask";

/// Numbers of one batch, where more are due.
const BATCH: usize = 500;

/// `org.apache.kafka.connect.tools.VerifiableSourceConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifiableSourceConnector;

impl Connector for VerifiableSourceConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.tools.VerifiableSourceConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Source(self)
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        no_keys()
    }

    fn task_configs(&self, properties: &Properties, max_tasks: usize) -> Vec<Properties> {
        numbered(properties, max_tasks)
    }
}

#[async_trait]
impl SourceConnector for VerifiableSourceConnector {
    async fn start_source(
        &self,
        properties: &Properties,
        context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError> {
        let id: i32 = number(properties, "id", TASK)?;
        let throughput: i64 = number(properties, "throughput", TASK)?;
        let partition = SourceMap::from_iter([("id", i64::from(id))]);
        let first = first_number(&context, &partition).await?;
        let output = Output::open(None).await;
        let output = output.map_err(|error| SourceError::fatal(error.to_string()))?;
        let complete = properties.get("complete.record.data");
        let complete = complete.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Ok(Box::new(VerifiableSourceTask {
            name: properties.get("name").unwrap_or_default().to_owned(),
            id,
            topic: properties.get("topic").unwrap_or_default().into(),
            key_schema: Arc::new(Schema::of(SchemaType::Int32)),
            value_schema: Arc::new(if complete {
                complete_schema()
            } else {
                Schema::of(SchemaType::Int64)
            }),
            place: SourcePlace {
                partition: Arc::new(partition),
                offset_name: "seqno",
            },
            first,
            next: first,
            throttle: Throttle::new(throughput, Instant::now()),
            printer: Printer::new(output),
        }))
    }
}

/// The number after the last that was stored.
pub(super) async fn first_number(
    context: &SourceContext,
    partition: &SourceMap,
) -> Result<i64, SourceError> {
    let stored = context.offset(partition).await?;
    match stored.as_ref().and_then(|offset| offset.get("seqno")) {
        None => Ok(0),
        Some(Plain::Integer(last)) => Ok(last.saturating_add(1)),
        Some(_) => Err(SourceError::fatal("the stored seqno is no number")),
    }
}

fn complete_schema() -> Schema {
    let field = |name: &str, kind| Field {
        name: name.to_owned(),
        schema: Arc::new(Schema::of(kind)),
    };
    Schema {
        fields: vec![
            field("name", SchemaType::String),
            field("task", SchemaType::Int32),
            field("topic", SchemaType::String),
            field("time_ms", SchemaType::Int64),
            field("seqno", SchemaType::Int64),
        ],
        ..Schema::of(SchemaType::Struct)
    }
}

struct VerifiableSourceTask {
    name: String,
    id: i32,
    topic: Arc<str>,
    key_schema: SchemaRef,
    value_schema: SchemaRef,
    place: SourcePlace,
    first: i64,
    next: i64,
    throttle: Throttle,
    printer: Printer,
}

impl VerifiableSourceTask {
    fn sent(&self) -> u64 {
        self.next.saturating_sub(self.first).max(0) as u64
    }

    fn line(&self, seqno: Value, now: i64) -> [(&'static str, Value); 5] {
        [
            ("name", Value::from(self.name.as_str())),
            ("task", Value::Int32(self.id)),
            ("topic", Value::from(&*self.topic)),
            ("time_ms", Value::Int64(now)),
            ("seqno", seqno),
        ]
    }

    /// A number as the record's value.
    fn value(&self, seqno: i64, now: i64) -> Value {
        if self.value_schema.kind == SchemaType::Int64 {
            return Value::Int64(seqno);
        }
        let mut record = Struct::new(Arc::clone(&self.value_schema));
        let line = self.line(Value::Int64(seqno), now);
        record.values = line.into_iter().map(|(_, value)| value).collect();
        Value::Struct(Box::new(record))
    }
}

#[async_trait]
impl SourceTask for VerifiableSourceTask {
    async fn poll(&mut self, clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        self.printer.room().await?;
        sleep_until(self.throttle.due(self.sent())).await;
        let (now, instant) = (clock(), Instant::now());
        let mut keys = Decoded::with_capacity(ByteColumn::new());
        let mut values = Decoded::with_capacity(ByteColumn::new());
        let mut offsets = Vec::new();
        while offsets.len() < BATCH && self.throttle.due(self.sent()) <= instant {
            let line = self.line(Value::Int64(self.next), now);
            self.printer.print(line);
            let value = self.value(self.next, now);
            keys.push(row(&self.key_schema, Value::Int32(self.id)));
            values.push(row(&self.value_schema, value));
            offsets.push(self.next);
            self.next += 1;
        }
        Ok(batch(&self.topic, None, offsets, keys, values, &self.place))
    }

    fn acknowledged(&mut self, rows: &[i64], now: i64) {
        for seqno in rows {
            // The original prints the record's value.
            let value = self.value(*seqno, now);
            let line = self.line(value, now);
            let line = line
                .into_iter()
                .chain([("committed", Value::Boolean(true))]);
            self.printer.print(line);
        }
    }

    async fn stop(&mut self) {
        // Whoever reads the output may be gone.
        let _ = self.printer.flush().await;
    }
}

pub(super) fn row(schema: &SchemaRef, value: Value) -> SchemaAndValue {
    SchemaAndValue {
        schema: Some(Arc::clone(schema)),
        value,
    }
}

/// A batch of values for one topic.
pub(super) fn batch(
    topic: &Arc<str>,
    partition: Option<i32>,
    offsets: Vec<i64>,
    mut keys: Decoded,
    mut values: Decoded,
    place: &SourcePlace,
) -> SourceBatch {
    let rows = offsets.len();
    keys.raw = ByteColumn::nulls(rows);
    values.raw = ByteColumn::nulls(rows);
    SourceBatch {
        records: RecordBatch {
            origin: TopicPartition::new(Arc::clone(topic), partition.unwrap_or(-1)),
            destination: Destination::Uniform(Arc::clone(topic)),
            first_offset: offsets.first().copied().unwrap_or_default(),
            next_offset: offsets.last().map_or(0, |last| last + 1),
            offsets,
            timestamps: vec![millstream_core::batch::NO_TIMESTAMP; rows],
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::Decoded(keys),
            values: Payload::Decoded(values),
            headers: Headers::None,
            fetched: FetchedColumns::default(),
            permit: None,
        },
        key_schema: None,
        value_schema: None,
        place: Some(place.clone()),
    }
}

//! SchemaSource: brings structs of one or of two schemas in turn, at a rate, up to a number.

use super::printer::Printer;
use super::throttle::Throttle;
use super::verifiable_source::{batch, first_number, row};
use super::{no_keys, number, numbered};
use crate::output::Output;
use async_trait::async_trait;
use millstream_core::batch::Decoded;
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::{
    ByteColumn, ConfigDef, Connector, Field, Properties, Role, Schema, SchemaRef, SchemaType,
    SourceBatch, SourceConnector, SourceContext, SourceError, SourceMap, SourcePlace, SourceTask,
    Struct, Value,
};
use std::future::pending;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

const TASK: &str = "SchemaSourceTask";

/// `org.apache.kafka.connect.tools.SchemaSourceConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchemaSourceConnector;

impl Connector for SchemaSourceConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.tools.SchemaSourceConnector"
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
impl SourceConnector for SchemaSourceConnector {
    async fn start_source(
        &self,
        properties: &Properties,
        context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError> {
        let id: i32 = number(properties, "id", TASK)?;
        let most: i64 = number(properties, "num.messages", TASK)?;
        let partitions: i32 = match properties.get("partition.count") {
            Some(_) => number(properties, "partition.count", TASK)?,
            None => 1,
        };
        let throughput: i64 = number(properties, "throughput", TASK)?;
        let partition = SourceMap::from_iter([("id", i64::from(id))]);
        let first = first_number(&context, &partition).await?;
        let output = Output::open(None).await;
        let output = output.map_err(|error| SourceError::fatal(error.to_string()))?;
        let multiple = properties.get("multiple.schema");
        Ok(Box::new(SchemaSourceTask {
            id,
            topic: properties.get("topic").unwrap_or_default().into(),
            partitions: i64::from(partitions.max(1)),
            key_schema: Arc::new(Schema::of(SchemaType::String)),
            schemas: [Arc::new(schema(1)), Arc::new(schema(2))],
            has_two: multiple.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            place: SourcePlace {
                partition: Arc::new(partition),
                offset_name: "seqno",
            },
            first,
            next: first,
            end: first.saturating_add(most.max(0)),
            throttle: Throttle::new(throughput, Instant::now()),
            printer: Printer::new(output),
        }))
    }
}

fn schema(version: i32) -> Schema {
    let field = |name: &str, schema| Field {
        name: name.to_owned(),
        schema: Arc::new(schema),
    };
    let plain = |name: &str, kind| field(name, Schema::of(kind));
    let mut fields = vec![
        plain("boolean", SchemaType::Boolean),
        plain("int", SchemaType::Int32),
        plain("long", SchemaType::Int64),
        plain("float", SchemaType::Float32),
        plain("double", SchemaType::Float64),
        plain("partitioning", SchemaType::Int32),
    ];
    if version == 2 {
        let text = Schema {
            default: Some(Value::from("abc")),
            ..Schema::of(SchemaType::String)
        };
        fields.push(field("string", text));
    }
    fields.push(plain("id", SchemaType::Int32));
    fields.push(plain("seqno", SchemaType::Int64));
    Schema {
        name: Some("record".to_owned()),
        version: Some(version),
        fields,
        ..Schema::of(SchemaType::Struct)
    }
}

struct SchemaSourceTask {
    id: i32,
    topic: Arc<str>,
    partitions: i64,
    key_schema: SchemaRef,
    schemas: [SchemaRef; 2],
    has_two: bool,
    place: SourcePlace,
    first: i64,
    next: i64,
    end: i64,
    throttle: Throttle,
    printer: Printer,
}

impl SchemaSourceTask {
    fn record(&self) -> (SchemaRef, Value) {
        let sent = self.next - self.first;
        let schema = &self.schemas[usize::from(self.has_two && sent % 2 == 1)];
        let mut record = Struct::new(Arc::clone(schema));
        let fields = schema.fields.iter();
        let values = fields.map(|field| match &*field.name {
            "boolean" => Value::Boolean(true),
            "int" => Value::Int32(12),
            "long" => Value::Int64(12),
            "float" => Value::Float32(12.2),
            "double" => Value::Float64(12.2),
            "partitioning" => Value::Int32((self.next % self.partitions) as i32),
            "string" => Value::from("def"),
            "id" => Value::Int32(self.id),
            _ => Value::Int64(self.next),
        });
        record.values = values.collect();
        (Arc::clone(schema), Value::Struct(Box::new(record)))
    }
}

#[async_trait]
impl SourceTask for SchemaSourceTask {
    async fn poll(&mut self, _clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        if self.next >= self.end {
            return pending().await;
        }
        self.printer.room().await?;
        let sent = (self.next - self.first) as u64;
        sleep_until(self.throttle.due(sent)).await;
        let (schema, value) = self.record();
        self.printer.print([
            ("task", Value::Int32(self.id)),
            ("seqno", Value::Int64(self.next)),
        ]);
        let mut keys = Decoded::with_capacity(ByteColumn::new());
        let mut values = Decoded::with_capacity(ByteColumn::new());
        keys.push(row(&self.key_schema, Value::from("key")));
        values.push(row(&schema, value));
        let offsets = vec![self.next];
        self.next += 1;
        let partition = Some(self.id);
        Ok(batch(
            &self.topic,
            partition,
            offsets,
            keys,
            values,
            &self.place,
        ))
    }

    async fn stop(&mut self) {
        // Whoever reads the output may be gone.
        let _ = self.printer.flush().await;
    }
}

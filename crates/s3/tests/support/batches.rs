//! Recorded records as batches, one for each topic partition of a put.

use bytes::Bytes;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{
    ByteColumn, ColumnNeed, Converter, ConverterUse, Decoded, Destination, Header, Headers,
    Payload, Properties, RecordBatch, RecordError, SchemaAndValue, SchemaRef, SinkNeeds,
    TimestampType, TopicPartition,
};
use millstream_plugins::CONVERTERS;
use serde_json::Value as Json;

/// The converters of a case, if its records are raw.
pub(crate) struct Converters {
    key: Option<Box<dyn Converter>>,
    value: Option<Box<dyn Converter>>,
}

impl Converters {
    pub(crate) fn new(properties: &Properties) -> Self {
        let make = |prefix: &str, usage| {
            let class = properties.get(prefix)?;
            let plugin = CONVERTERS.iter().find(|plugin| plugin.class == class);
            let plugin = plugin.unwrap_or_else(|| panic!("no converter {class}"));
            let own = properties.with_prefix(&format!("{prefix}."));
            Some((plugin.make)(&own, usage).expect("the converter takes its settings"))
        };
        Converters {
            key: make("key.converter", ConverterUse::Key),
            value: make("value.converter", ConverterUse::Value),
        }
    }
}

/// Keeps one object for equal schemas, as a converter's cache does.
#[derive(Default)]
pub(crate) struct Schemas(Vec<SchemaRef>);

impl Schemas {
    fn share(&mut self, schema: Option<SchemaRef>) -> Option<SchemaRef> {
        let schema = schema?;
        match self.0.iter().find(|known| **known == schema) {
            Some(known) => Some(known.clone()),
            None => {
                self.0.push(schema.clone());
                Some(schema)
            }
        }
    }
}

/// The records of a put by partition, in the order in which partitions appear.
pub(crate) fn batches(
    records: &[Json],
    needs: SinkNeeds,
    converters: &mut Converters,
) -> Result<Vec<RecordBatch>, RecordError> {
    let mut groups: Vec<(TopicPartition, Vec<&Json>)> = Vec::new();
    for record in records {
        let topic = record["topic"].as_str().expect("a topic");
        let partition = record["partition"].as_i64().expect("a partition") as i32;
        let origin = TopicPartition::new(topic, partition);
        match groups.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, records)) => records.push(record),
            None => groups.push((origin, vec![record])),
        }
    }
    let mut schemas = Schemas::default();
    groups
        .into_iter()
        .map(|(origin, records)| batch(origin, &records, needs, converters, &mut schemas))
        .collect()
}

fn batch(
    origin: TopicPartition,
    records: &[&Json],
    needs: SinkNeeds,
    converters: &mut Converters,
    schemas: &mut Schemas,
) -> Result<RecordBatch, RecordError> {
    let offsets: Vec<i64> = records
        .iter()
        .map(|record| record["offset"].as_i64().expect("an offset"))
        .collect();
    let keys = column(
        records,
        "key",
        needs.key,
        converters.key.as_deref_mut(),
        &origin,
        schemas,
    )?;
    let values = column(
        records,
        "value",
        needs.value,
        converters.value.as_deref_mut(),
        &origin,
        schemas,
    )?;
    Ok(RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset: offsets[0],
        next_offset: offsets[offsets.len() - 1] + 1,
        timestamps: records
            .iter()
            .map(|record| record["timestamp"].as_i64().unwrap_or(NO_TIMESTAMP))
            .collect(),
        timestamp_type: TimestampType::CreateTime,
        headers: headers(records),
        fetched: Default::default(),
        permit: None,
        origin,
        offsets,
        keys,
        values,
    })
}

fn column(
    records: &[&Json],
    what: &str,
    need: ColumnNeed,
    converter: Option<&mut (dyn Converter + 'static)>,
    origin: &TopicPartition,
    schemas: &mut Schemas,
) -> Result<Payload, RecordError> {
    let is_raw = |record: &Json| {
        record.get(format!("raw_{what}")).is_some()
            || record.get(format!("raw_{what}_b64")).is_some()
    };
    if !records.iter().any(|record| is_raw(record)) {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(records.len()));
        for record in records {
            let schema = millstream_golden::schema(&record[format!("{what}_schema")]);
            let value = millstream_golden::value(&record[what], schema.as_ref());
            let is_fresh = record["fresh_schema"] == true;
            let schema = if is_fresh {
                schema
            } else {
                schemas.share(schema)
            };
            decoded.push(SchemaAndValue { schema, value });
        }
        return Ok(Payload::Decoded(decoded));
    }
    let mut raw = ByteColumn::new();
    for record in records {
        let base64 = &record[format!("raw_{what}_b64")];
        raw.push(match &record[format!("raw_{what}")] {
            Json::String(text) => Some(Bytes::from(text.clone())),
            _ if base64.is_string() => Some(millstream_golden::bytes_of(base64)),
            _ => None,
        });
    }
    let converter = converter.expect("a raw record has converters");
    let mut errors = Vec::new();
    let offered = converter.raw_kinds();
    let kind = match need {
        ColumnNeed::RawOr(kinds) | ColumnNeed::EncodedOr(kinds) => {
            kinds.iter().copied().find(|kind| offered.contains(kind))
        }
        ColumnNeed::Nothing | ColumnNeed::Decoded => None,
    };
    let payload = match kind {
        Some(kind) => Payload::Raw {
            column: converter.to_raw(&origin.topic, &raw, kind, &mut errors),
            kind,
        },
        None => Payload::Decoded(converter.decode_column(&origin.topic, &raw, None, &mut errors)),
    };
    match errors.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(payload),
    }
}

fn headers(records: &[&Json]) -> Headers {
    let rows: Vec<Vec<Header>> = records
        .iter()
        .map(|record| {
            let headers = record["headers"].as_array().map_or(&[][..], Vec::as_slice);
            headers
                .iter()
                .map(|header| {
                    let schema = millstream_golden::schema(&header["schema"]);
                    Header {
                        key: header["key"].as_str().expect("a header's key").to_owned(),
                        value: millstream_golden::value(&header["value"], schema.as_ref()),
                        schema,
                    }
                })
                .collect()
        })
        .collect();
    if rows.iter().all(Vec::is_empty) {
        return Headers::None;
    }
    Headers::Decoded { rows, raw: None }
}

/// The records that a `generate` step stands for.
pub(crate) fn generate(step: &Json) -> Vec<Json> {
    let text = step["text"].as_str().expect("a text");
    let text = text.repeat(step["repeat"].as_u64().unwrap_or(1) as usize);
    let first = step["first_offset"].as_i64().unwrap_or(0);
    let alternate = step["alternate"].as_i64();
    let schema = |kind: &str| serde_json::json!({"type": kind});
    (0..step["count"].as_i64().expect("a count"))
        .map(|row| {
            let (value_schema, value) = match alternate {
                Some(kinds) => (
                    serde_json::json!({"type": "struct", "name": "g", "fields": [
                        {"field": "f", "schema": schema("string")},
                        {"field": "v", "schema": schema("string")},
                    ]}),
                    serde_json::json!({"struct": {
                        "f": {"string": format!("f{}", row % kinds)}, "v": {"string": text},
                    }}),
                ),
                None if step["bytes"] == true => (
                    schema("bytes"),
                    serde_json::json!({"bytes": base64(text.as_bytes())}),
                ),
                None => (schema("string"), serde_json::json!({"string": text})),
            };
            serde_json::json!({
                "topic": step["topic"], "partition": step["partition"], "offset": first + row,
                "timestamp": 0, "key": null, "value_schema": value_schema, "value": value,
            })
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

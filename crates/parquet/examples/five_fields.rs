//! CPU of the encoder alone: a million records of five fields, about 96 bytes each, whose values are decoded already.
//! `five_fields none` (or another codec) prints CPU seconds per million, best of three, and the bytes that come of them.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use millstream_avro::AvroDataSettings;
use millstream_core::schema::TIMESTAMP;
use millstream_core::{Field, Schema, SchemaRef, SchemaType, Struct, Value};
use millstream_parquet::{Codec, Layout, LayoutOptions, Row, Writer};
use std::sync::Arc;

const RECORDS: usize = 1_000_000;

/// Records that are there at a time, used again and again.
const BATCH: usize = 10_000;

fn schema() -> SchemaRef {
    let timestamp = Schema {
        name: Some(TIMESTAMP.to_owned()),
        ..Schema::of(SchemaType::Int64)
    };
    let fields = [
        ("id", Schema::of(SchemaType::Int64)),
        ("customer", Schema::of(SchemaType::String)),
        ("note", Schema::optional(SchemaType::String)),
        ("amount", Schema::of(SchemaType::Float64)),
        ("at", timestamp),
    ];
    let fields = fields.map(|(name, schema)| Field {
        name: name.to_owned(),
        schema: Arc::new(schema),
    });
    Arc::new(Schema {
        name: Some("Order".to_owned()),
        fields: fields.into(),
        ..Schema::of(SchemaType::Struct)
    })
}

fn record(schema: &SchemaRef, index: usize) -> Value {
    let mixed = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let values = vec![
        Value::Int64(index as i64),
        Value::from(format!("customer-{:05}", mixed % 50_000)),
        Value::from(format!(
            "a note of some words with {mixed:016x} and {index:06}"
        )),
        Value::Float64((mixed % 1_000_000) as f64 / 100.0),
        Value::Date(1_700_000_000_000 + index as i64),
    ];
    Value::Struct(Box::new(Struct {
        schema: Arc::clone(schema),
        values,
    }))
}

/// Nanoseconds that this thread has been on a processor.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn main() {
    let codec = std::env::args().nth(1).unwrap_or("snappy".to_owned());
    let codec = Codec::parse(&codec).unwrap();
    let schema = schema();
    let options = LayoutOptions::new(AvroDataSettings::default());
    let layout = Arc::new(Layout::new(&schema, &options).unwrap());
    let records: Vec<Value> = (0..BATCH).map(|index| record(&schema, index)).collect();
    let (mut best, mut size) = (f64::MAX, 0);
    for _ in 0..3 {
        let started = cpu();
        let mut writer = Writer::new(&layout, codec).unwrap();
        let mut out = Vec::new();
        size = 0;
        for record in records.iter().cycle().take(RECORDS) {
            writer.push(Row::Whole(record)).unwrap();
            writer.advance(&mut out).unwrap();
            if !out.is_empty() {
                size += out.len();
                out.clear();
            }
        }
        writer.finish(&mut out).unwrap();
        size += out.len();
        best = best.min((cpu() - started) / 1e9);
    }
    println!("{codec:?}: {best:.3} CPU-s per million, {size} bytes");
}

//! Avro: schema texts, data and container files, and the mapping between Connect's schemas and Avro's that Confluent calls AvroData.
//!
//! Everything a record costs is decided beforehand: a `Writer` and a `Reader` are compiled from a schema once and then walk
//! values and bytes without looking at schemas again.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod container;
mod data;
pub mod error;
pub mod json;
mod model;
mod names;
mod parse;
mod print;
mod reader;
mod same;
mod schema;
mod wire;
mod writer;

pub use data::{
    AvroDataSettings, avro_schema, connect_schema, connect_schema_of_version, is_union,
};
pub use model::{AvroField, AvroType, Enum, Fixed, Kind, Order, Properties, Record, TypeId};
pub use names::Name;
pub use reader::Reader;
pub use schema::AvroSchema;
pub use wire::{
    put_bytes, put_long, take, take_array, take_bytes, take_int, take_items, take_long,
};
pub use writer::Writer;

//! Schema registries: their client, and the converters whose schemas they keep.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod avro;
mod bounded;
mod client;
mod config;
mod converter;
mod format;
mod json_schema;
mod plugin;
mod protobuf;
mod registry;
#[cfg(test)]
mod short;
mod subject;
mod wire;

use millstream_core::ConverterPlugin;

/// Every converter whose schemas a registry keeps.
pub const CONVERTERS: &[ConverterPlugin] = &[avro::PLUGIN, json_schema::PLUGIN, protobuf::PLUGIN];

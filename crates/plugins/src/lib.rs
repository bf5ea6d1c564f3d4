//! Kafka Connect's transforms, predicates and converters: batch in, batch out, no I/O.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod converters;
mod predicates;
mod settings;
mod transforms;

use converters::{boolean, byte_array, json, numbers, simple_header, string};
use predicates::{has_header_key, record_is_tombstone, topic_name_matches};
use transforms::{
    cast, drop_headers, extract_field, filter, flatten, hash, header_from, hoist_field,
    insert_field, insert_header, mask_field, regex_router, replace_field, set_schema_metadata,
    timestamp_converter, timestamp_router, value_to_key,
};

use millstream_core::{ConverterPlugin, HeaderConverterPlugin, PredicatePlugin, TransformPlugin};

/// Every converter of keys and values.
pub const CONVERTERS: &[ConverterPlugin] = &[
    boolean::PLUGIN,
    byte_array::PLUGIN,
    numbers::DOUBLE_PLUGIN,
    numbers::FLOAT_PLUGIN,
    numbers::INTEGER_PLUGIN,
    numbers::LONG_PLUGIN,
    numbers::SHORT_PLUGIN,
    json::PLUGIN,
    string::PLUGIN,
];

/// Every converter of headers.
pub const HEADER_CONVERTERS: &[HeaderConverterPlugin] = &[
    boolean::HEADER_PLUGIN,
    byte_array::HEADER_PLUGIN,
    numbers::DOUBLE_HEADER,
    numbers::FLOAT_HEADER,
    numbers::INTEGER_HEADER,
    numbers::LONG_HEADER,
    numbers::SHORT_HEADER,
    json::HEADER_PLUGIN,
    simple_header::HEADER_PLUGIN,
    string::HEADER_PLUGIN,
];

/// Every transform.
pub const TRANSFORMS: &[TransformPlugin] = &[
    cast::KEY,
    cast::VALUE,
    drop_headers::PLUGIN,
    extract_field::KEY,
    extract_field::VALUE,
    filter::PLUGIN,
    flatten::KEY,
    flatten::VALUE,
    hash::KEY,
    hash::VALUE,
    header_from::KEY,
    header_from::VALUE,
    hoist_field::KEY,
    hoist_field::VALUE,
    insert_field::KEY,
    insert_field::VALUE,
    insert_header::PLUGIN,
    mask_field::KEY,
    mask_field::VALUE,
    regex_router::PLUGIN,
    replace_field::KEY,
    replace_field::VALUE,
    set_schema_metadata::KEY,
    set_schema_metadata::VALUE,
    timestamp_converter::KEY,
    timestamp_converter::VALUE,
    timestamp_router::PLUGIN,
    value_to_key::PLUGIN,
];

/// Every predicate.
pub const PREDICATES: &[PredicatePlugin] = &[
    has_header_key::PLUGIN,
    record_is_tombstone::PLUGIN,
    topic_name_matches::PLUGIN,
];

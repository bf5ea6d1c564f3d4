//! Kafka Connect's transforms, predicates and converters: batch in, batch out, no I/O.

mod converters;
mod java_date;
mod java_string;
mod settings;

use converters::{boolean, byte_array, json, numbers, simple_header, string};
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

pub const TRANSFORMS: &[TransformPlugin] = &[];

pub const PREDICATES: &[PredicatePlugin] = &[];

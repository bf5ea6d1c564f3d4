//! JSON text as Jackson writes it for Connect: strings, numbers, and the two ways from a value to text.
//! `write_value` is the plain object mapper, `write_connect` JsonConverter with its schemas left out.

mod connect;
mod plain;
mod string;

pub use connect::{ConnectJson, DecimalFormat, write_connect};
pub use plain::write_value;
pub use string::{push_run, write_str, write_string, write_text};

use crate::number;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    number::push_i64(out, value);
}

/// A number, or its name in quotes where JSON has no number for it.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    quoted_unless(value.is_finite(), out, |out| number::push_f64(out, value));
}

/// As `write_f64`, with the digits that tell a float from its neighbours.
pub fn write_f32(out: &mut Vec<u8>, value: f32) {
    quoted_unless(value.is_finite(), out, |out| number::push_f32(out, value));
}

/// Bytes as a base64 string.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Four characters for every three bytes; beyond usize no slice exists.
    let len = bytes.len().div_ceil(3) * 4;
    out.reserve(len + string::AROUND);
    out.push(b'"');
    let start = out.len();
    out.resize(start + len, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written, Ok(len));
    out.push(b'"');
}

fn quoted_unless(bare: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if bare {
        write(out);
    } else {
        out.push(b'"');
        write(out);
        out.push(b'"');
    }
}

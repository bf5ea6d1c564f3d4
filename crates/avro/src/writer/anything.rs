//! Schemaless values: the record that has a field for each kind of value.

use super::deeper;
use crate::wire::{put_bytes, put_long};
use millstream_core::{RecordError, Value};

/// Fields of the record: boolean, bytes, double, float, int, long, string, array, map.
const FIELDS: usize = 9;

/// Appends the record; of a null no field is set.
pub(super) fn write(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), RecordError> {
    let field = match value {
        Value::Null => {
            out.extend_from_slice(&[0; FIELDS]);
            return Ok(());
        }
        Value::Boolean(_) => 0,
        Value::Float64(_) => 2,
        Value::Float32(_) => 3,
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) => 4,
        Value::Int64(_) => 5,
        Value::String(_) => 6,
        Value::Array(_) => 7,
        Value::Map(_) => 8,
        other => {
            return Err(RecordError::data(format!(
                "Unknown Java type for schemaless data: class {}",
                other.java_class()
            )));
        }
    };
    out.extend_from_slice(&[0; FIELDS][..field]);
    put_long(out, 1);
    match value {
        Value::Boolean(v) => out.push((*v).into()),
        Value::Float64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Float32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Int8(v) => put_long(out, (*v).into()),
        Value::Int16(v) => put_long(out, (*v).into()),
        Value::Int32(v) => put_long(out, (*v).into()),
        Value::Int64(v) => put_long(out, *v),
        Value::String(text) => put_bytes(out, text.to_java_utf8().as_bytes()),
        Value::Array(items) => write_items(items.len(), out, |out| {
            let depth = deeper(depth)?;
            items.iter().try_for_each(|item| write(item, out, depth))
        })?,
        Value::Map(map) => write_items(map.len(), out, |out| {
            let depth = deeper(depth)?;
            map.iter().try_for_each(|(key, value)| {
                write(key, out, depth)?;
                write(value, out, depth)
            })
        })?,
        // They have been refused.
        _ => {}
    }
    out.extend_from_slice(&[0; FIELDS][field + 1..]);
    Ok(())
}

fn write_items(
    count: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    if count > 0 {
        put_long(out, count as i64);
        write(out)?;
    }
    out.push(0);
    Ok(())
}

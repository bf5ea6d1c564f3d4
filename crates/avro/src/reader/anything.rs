//! Schemaless values out of the record that has a field for each kind of value: the first field that is set is the value.

use super::{deeper, take_branch, take_text};
use crate::wire::{take_array, take_bytes, take_int, take_items, take_long};
use bytes::Bytes;
use millstream_core::{Map, RecordError, Value};

pub(super) fn read(bytes: &mut &[u8], depth: usize) -> Result<Value, RecordError> {
    let depth = deeper(depth)?;
    let mut found = Value::Null;
    for field in 0..9 {
        if take_branch(bytes, 2)? == 0 {
            continue;
        }
        let value = match field {
            0 => Value::Boolean(take_array::<1>(bytes)? == [1]),
            1 => Value::Bytes(Bytes::copy_from_slice(take_bytes(bytes)?)),
            2 => Value::Float64(f64::from_le_bytes(take_array(bytes)?)),
            3 => Value::Float32(f32::from_le_bytes(take_array(bytes)?)),
            4 => Value::Int32(take_int(bytes)?),
            5 => Value::Int64(take_long(bytes)?),
            6 => Value::String(take_text(bytes)?),
            7 => {
                let mut items = Vec::new();
                take_items(bytes, |bytes| {
                    items.push(read(bytes, depth)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            _ => {
                let mut pairs = Vec::new();
                take_items(bytes, |bytes| {
                    let key = read(bytes, depth)?;
                    pairs.push((key, read(bytes, depth)?));
                    Ok(())
                })?;
                Value::Map(Map::hashed_with_capacity(pairs.len(), pairs))
            }
        };
        if found.is_null() {
            found = value;
        }
    }
    Ok(found)
}

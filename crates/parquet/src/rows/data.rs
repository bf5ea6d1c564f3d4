//! Data on their way into columns: of the layout's Avro schema, which the plan follows, so that no value is made of them.

use super::{push, push_i32};
use crate::column::{Column, Values};
use crate::plan::{Kind, Node};
use millstream_avro::{take, take_array, take_bytes, take_count, take_int, take_long};
use millstream_core::logical::decimal_scale;
use millstream_core::{Decimal, RecordError, Value};

/// The fields of a record. All these return how many bytes were pushed, which are those of its value.
pub(super) fn push_fields(
    columns: &mut [Column],
    fields: &[Node],
    datum: &mut &[u8],
) -> Result<usize, RecordError> {
    let mut bytes = 0;
    for (column, field) in columns.iter_mut().zip(fields) {
        bytes += push_datum(column, field, datum)?;
    }
    Ok(bytes)
}

fn push_datum(column: &mut Column, node: &Node, datum: &mut &[u8]) -> Result<usize, RecordError> {
    if let Some(null) = node.null_branch
        && take_int(datum)? == null
    {
        column.push_absent()?;
        return Ok(1);
    }
    let bytes = match (&node.kind, &mut column.values) {
        (Kind::Boolean, Values::Boolean(to)) => {
            to.append(take_array::<1>(datum)? == [1]);
            1
        }
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Date | Kind::Time, Values::Int32(to)) => {
            push_i32(to, take_int(datum)?)
        }
        (Kind::Int64 | Kind::Timestamp, Values::Int64(to)) => {
            to.push(take_long(datum)?);
            8
        }
        (Kind::Float32, Values::Float32(to)) => {
            to.push(f32::from_le_bytes(take_array(datum)?));
            4
        }
        (Kind::Float64, Values::Float64(to)) => {
            to.push(f64::from_le_bytes(take_array(datum)?));
            8
        }
        (Kind::Text | Kind::Bytes, Values::Bytes(to)) => {
            let bytes = take_bytes(datum)?;
            to.push(bytes)?;
            bytes.len() + 4
        }
        (Kind::Enum(symbols), Values::Bytes(to)) => {
            let at = usize::try_from(take_int(datum)?).ok();
            let symbol = at.and_then(|at| symbols.get(at)).ok_or_else(other_schema)?;
            to.push(symbol.as_bytes())?;
            symbol.len() + 4
        }
        (Kind::Fixed(width), Values::Fixed { bytes: to, .. }) => {
            to.extend_from_slice(take(datum, *width)?);
            *width
        }
        (Kind::Decimal(of), _) => {
            let unscaled = match of.width {
                Some(width) => take(datum, width)?,
                None => take_bytes(datum)?,
            };
            // It is looked at as a value is.
            let scale = decimal_scale(&node.schema)?;
            let value = Value::Decimal(Decimal::from_unscaled_bytes(unscaled, scale));
            return push(column, node, &value);
        }
        (
            Kind::Struct(fields),
            Values::Struct {
                len,
                fields: columns,
            },
        ) => {
            let bytes = push_fields(columns, fields, datum)?;
            *len += 1;
            bytes
        }
        (Kind::List(element), Values::Repeated { inner, .. }) => {
            let [to] = &mut inner[..] else {
                return Err(other_schema());
            };
            let mut bytes = 4;
            loop {
                let count = take_count(datum)?;
                if count == 0 {
                    break;
                }
                for _ in 0..count {
                    bytes += push_datum(to, element, datum)?;
                }
            }
            column.end_entry()?;
            bytes
        }
        // Of these no data are taken as they are.
        _ => return Err(other_schema()),
    };
    column.is_there();
    Ok(bytes)
}

fn other_schema() -> RecordError {
    RecordError::data("a datum is not of the schema of its Parquet file")
}

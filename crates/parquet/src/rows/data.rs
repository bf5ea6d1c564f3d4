//! Data on their way into columns: of the layout's Avro schema, which the plan follows, so that no value is made of them.

use super::{push, push_i32};
use crate::column::{Column, Values};
use crate::plan::{Kind, Node};
use millstream_avro::{take, take_array, take_bytes, take_int, take_items, take_long};
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
            take_items(datum, |datum| {
                bytes += push_datum(to, element, datum)?;
                Ok(())
            })?;
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

#[cfg(test)]
mod tests {
    use crate::writer::tests::{
        array_of, decimal, decimal_schema, named, optional, struct_of, value,
    };
    use crate::{Codec, Layout, LayoutOptions, Row, Writer};
    use bytes::Bytes;
    use millstream_avro::AvroDataSettings;
    use millstream_core::schema::{DATE, TIME, TIMESTAMP};
    use millstream_core::{Schema, SchemaType, Value};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn inner() -> Schema {
        let fields = [
            ("flag", Schema::of(SchemaType::Boolean)),
            ("at", optional(named(SchemaType::Int64, TIMESTAMP))),
            ("text", optional(Schema::of(SchemaType::String))),
        ];
        struct_of("Inner", &fields)
    }

    fn all_kinds() -> Schema {
        let mut symbol = Schema::of(SchemaType::String);
        let parameters = [
            ("io.confluent.connect.avro.Enum", "E"),
            ("io.confluent.connect.avro.Enum.A", "A"),
            ("io.confluent.connect.avro.Enum.B", "B"),
        ];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        symbol.parameters = Some(parameters.into_iter().collect());
        let mut fixed = Schema::of(SchemaType::Bytes);
        let size = ("connect.fixed.size".to_owned(), "3".to_owned());
        fixed.parameters = Some([size].into_iter().collect());
        fixed.name = Some("F".to_owned());
        let fields = [
            ("byte", Schema::of(SchemaType::Int8)),
            ("short", optional(Schema::of(SchemaType::Int16))),
            ("long", Schema::of(SchemaType::Int64)),
            ("float", Schema::of(SchemaType::Float32)),
            ("double", optional(Schema::of(SchemaType::Float64))),
            ("day", named(SchemaType::Int32, DATE)),
            ("time", optional(named(SchemaType::Int32, TIME))),
            ("price", optional(decimal_schema("2"))),
            ("bytes", Schema::of(SchemaType::Bytes)),
            ("fixed", fixed),
            ("symbol", symbol),
            ("inner", optional(inner())),
            ("many", array_of(inner())),
            ("texts", optional(array_of(Schema::of(SchemaType::String)))),
        ];
        struct_of("All", &fields)
    }

    fn row(schema: &Schema, n: i64, nulls: u32) -> Value {
        let null = |bit: u32, value: Value| match nulls & 1 << bit {
            0 => value,
            _ => Value::Null,
        };
        let text = |n: i64| Value::from("w".repeat((n % 50).unsigned_abs() as usize));
        let inner = |schema: &Schema, n: i64| {
            let at = null(0, Value::Date(n));
            value(
                schema,
                vec![Value::Boolean(n % 2 == 0), at, null(1, text(n))],
            )
        };
        let many = |n: i64| (0..n.unsigned_abs() % 4).map(move |at| n.wrapping_add(at as i64));
        value(
            schema,
            vec![
                Value::Int8(n as i8),
                null(2, Value::Int16(n as i16)),
                Value::Int64(n),
                Value::Float32(n as f32),
                null(3, Value::Float64(n as f64)),
                Value::Date(n % 100_000 * 86_400_000),
                null(4, Value::Date(n.unsigned_abs() as i64 % 86_400_000)),
                null(5, decimal(n)),
                Value::Bytes(Bytes::copy_from_slice(&n.to_le_bytes())),
                Value::Bytes(Bytes::copy_from_slice(&n.to_le_bytes()[..3])),
                Value::from(if n % 2 == 0 { "A" } else { "B" }),
                null(6, inner(&optional(self::inner()), n)),
                Value::Array(many(n).map(|n| inner(&self::inner(), n)).collect()),
                null(7, Value::Array(many(n).map(text).collect())),
            ],
        )
    }

    fn options() -> LayoutOptions {
        LayoutOptions::new(AvroDataSettings {
            enhanced_schema_support: true,
            ..AvroDataSettings::default()
        })
    }

    proptest! {
        #[test]
        fn a_datum_goes_where_its_value_goes(
            rows in prop::collection::vec((any::<i32>(), any::<u32>()), 0..40),
            three_level_lists in any::<bool>(),
        ) {
            let schema = all_kinds();
            let options = LayoutOptions { three_level_lists, ..options() };
            let layout = Arc::new(Layout::new(&Arc::new(schema.clone()), &options).unwrap());
            let mut by_value = Writer::new(&layout, Codec::Snappy).unwrap();
            let mut by_datum = Writer::new(&layout, Codec::Snappy).unwrap();
            for (n, nulls) in rows {
                let row = row(&schema, n.into(), nulls);
                let mut datum = Vec::new();
                layout.writer().unwrap().encode(&row, &mut datum).unwrap();
                by_value.push(Row::Whole(&row)).unwrap();
                by_datum.push(Row::Datum(&datum)).unwrap();
                // Of what is cut short nothing is left.
                prop_assert!(by_datum.push(Row::Datum(&datum[..datum.len() - 1])).is_err());
            }
            prop_assert_eq!(by_value.record_bytes(), by_datum.record_bytes());
            let finished = [by_value, by_datum].map(|writer| {
                let mut out = Vec::new();
                writer.finish(&mut out).unwrap();
                out
            });
            prop_assert_eq!(&finished[0], &finished[1]);
        }
    }
}

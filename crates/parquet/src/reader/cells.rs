//! Cells: a column's rows as Connect's values, guided by the schema of Connect.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::{DataType, TimeUnit};
use millstream_core::decimal::Decimal;
use millstream_core::logical::{self, DAY_MILLIS};
use millstream_core::schema;
use millstream_core::{Map, Schema, SchemaRef, SchemaType, Struct, Text, Value};
use std::sync::Arc;

/// The column that is not what the schema says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongColumn(pub(super) String);

type Cells = Result<Vec<Value>, WrongColumn>;

/// All rows of a column.
pub(super) fn cells(array: &dyn Array, schema: &SchemaRef) -> Cells {
    let mut cells = present(array, schema)?;
    for (row, cell) in cells.iter_mut().enumerate() {
        if array.is_null(row) {
            *cell = Value::Null;
        }
    }
    Ok(cells)
}

/// What stands in a row that is null is not looked at afterwards.
fn present(array: &dyn Array, schema: &SchemaRef) -> Cells {
    let wrong = || WrongColumn(format!("of type {}", array.data_type()));
    match schema.kind {
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
            let numbers = numbers(array).ok_or_else(wrong)?;
            let whole = |number: &i64| whole_number(schema, *number).ok_or_else(wrong);
            numbers.iter().map(whole).collect()
        }
        SchemaType::Float32 => {
            let column = array.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
            Ok(column.values().iter().map(|&v| Value::Float32(v)).collect())
        }
        SchemaType::Float64 => {
            let column = array.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
            Ok(column.values().iter().map(|&v| Value::Float64(v)).collect())
        }
        SchemaType::Boolean => {
            let column: &BooleanArray = array.as_boolean_opt().ok_or_else(wrong)?;
            Ok(column.values().iter().map(Value::Boolean).collect())
        }
        SchemaType::String => texts(array).ok_or_else(wrong),
        SchemaType::Bytes => bytes(array, schema).ok_or_else(wrong),
        SchemaType::Array => {
            let of = schema.value_schema.as_ref().ok_or_else(wrong)?;
            let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
            let elements = cells(list.values().as_ref(), of)?;
            let ends = list.value_offsets().windows(2);
            let rows = ends.map(|ends| elements[ends[0] as usize..ends[1] as usize].to_vec());
            Ok(rows.map(Value::Array).collect())
        }
        SchemaType::Map => map(array, schema).ok_or_else(wrong)?,
        SchemaType::Struct => {
            let column = array.as_struct_opt().ok_or_else(wrong)?;
            if column.num_columns() != schema.fields.len() {
                return Err(wrong());
            }
            let fields = schema.fields.iter().zip(column.columns());
            let columns: Vec<Vec<Value>> = fields
                .map(|(field, column)| {
                    let cells = cells(column.as_ref(), &field.schema);
                    cells.map_err(|wrong| WrongColumn(within(&field.name, &wrong.0)))
                })
                .collect::<Result<_, _>>()?;
            Ok(rows_of(columns, column.len(), schema))
        }
    }
}

/// `a of type Int32`, `a.b of type Int32`.
fn within(field: &str, place: &str) -> String {
    match place.starts_with("of type ") {
        true => format!("{field} {place}"),
        false => format!("{field}.{place}"),
    }
}

fn rows_of(columns: Vec<Vec<Value>>, rows: usize, schema: &SchemaRef) -> Vec<Value> {
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let row = |_| {
        let values = columns.iter_mut().map(|column| column.next());
        Value::Struct(Box::new(Struct {
            schema: Arc::clone(schema),
            values: values.map(|value| value.unwrap_or(Value::Null)).collect(),
        }))
    };
    (0..rows).map(row).collect()
}

/// Numbers of any width, and dates and times as the numbers that they are stored as.
fn numbers(array: &dyn Array) -> Option<Vec<i64>> {
    macro_rules! wide {
        ($kind:ty) => {
            array
                .as_primitive_opt::<$kind>()?
                .values()
                .iter()
                .map(|&number| i64::from(number))
                .collect()
        };
    }
    Some(match array.data_type() {
        DataType::Int8 => wide!(Int8Type),
        DataType::Int16 => wide!(Int16Type),
        DataType::Int32 => wide!(Int32Type),
        DataType::Int64 => wide!(Int64Type),
        DataType::Date32 => wide!(Date32Type),
        DataType::Time32(TimeUnit::Millisecond) => wide!(Time32MillisecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => wide!(TimestampMillisecondType),
        _ => return None,
    })
}

fn whole_number(of: &Schema, number: i64) -> Option<Value> {
    if of.is_logical(schema::DATE) {
        return Some(Value::Date(number.checked_mul(DAY_MILLIS)?));
    }
    if of.is_logical(schema::TIME) || of.is_logical(schema::TIMESTAMP) {
        return Some(Value::Date(number));
    }
    Some(match of.kind {
        SchemaType::Int8 => Value::Int8(i8::try_from(number).ok()?),
        SchemaType::Int16 => Value::Int16(i16::try_from(number).ok()?),
        SchemaType::Int32 => Value::Int32(i32::try_from(number).ok()?),
        _ => Value::Int64(number),
    })
}

fn texts(array: &dyn Array) -> Option<Vec<Value>> {
    let column = array.as_string_opt::<i32>()?;
    let texts = (0..column.len()).map(|row| match column.is_null(row) {
        true => Value::Null,
        false => Value::String(Text::from(column.value(row))),
    });
    Some(texts.collect())
}

fn bytes(array: &dyn Array, of: &Schema) -> Option<Vec<Value>> {
    let made = |bytes: &[u8]| -> Option<Value> {
        if !of.is_logical(schema::DECIMAL) {
            return Some(Value::Bytes(bytes.to_vec().into()));
        }
        let scale = logical::decimal_scale(of).ok()?;
        Some(Value::Decimal(Decimal::from_unscaled_bytes(bytes, scale)))
    };
    let row = |row: usize| -> Option<Value> {
        if array.is_null(row) {
            return Some(Value::Null);
        }
        match array.data_type() {
            DataType::Binary => made(array.as_binary_opt::<i32>()?.value(row)),
            DataType::FixedSizeBinary(_) => made(array.as_fixed_size_binary_opt()?.value(row)),
            DataType::Decimal128(..) => {
                let column = array.as_primitive_opt::<Decimal128Type>()?;
                made(&column.value(row).to_be_bytes())
            }
            DataType::Decimal256(..) => {
                let column = array.as_primitive_opt::<arrow_array::types::Decimal256Type>()?;
                made(&column.value(row).to_be_bytes())
            }
            _ => None,
        }
    };
    (0..array.len()).map(row).collect()
}

/// Maps whose keys are texts are maps, all others lists of entries.
fn map(array: &dyn Array, schema: &SchemaRef) -> Option<Cells> {
    let (of_key, of_value) = schema
        .key_schema
        .as_ref()
        .zip(schema.value_schema.as_ref())?;
    let (offsets, entries): (&[i32], &dyn Array) = match array.data_type() {
        DataType::Map(..) => {
            let column = array.as_map_opt()?;
            (column.value_offsets(), column.entries())
        }
        _ => {
            let column = array.as_list_opt::<i32>()?;
            (column.value_offsets(), column.values().as_ref())
        }
    };
    let entries = entries.as_struct_opt()?;
    let [keys, values]: &[ArrayRef; 2] = entries.columns().try_into().ok()?;
    let read = |column: &ArrayRef, schema| cells(column.as_ref(), schema);
    let (keys, values) = match (read(keys, of_key), read(values, of_value)) {
        (Ok(keys), Ok(values)) => (keys, values),
        (Err(wrong), _) | (_, Err(wrong)) => return Some(Err(wrong)),
    };
    let rows = offsets.windows(2).map(|ends| {
        let entries = ends[0] as usize..ends[1] as usize;
        let pairs = entries.map(|at| (keys[at].clone(), values[at].clone()));
        Value::Map(Map::hashed(pairs.collect::<Vec<_>>()))
    });
    Some(Ok(rows.collect()))
}

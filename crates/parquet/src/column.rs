//! Columns: values of one field of many rows, as Arrow holds them, until there are enough of them to be encoded.

use crate::plan::{Kind, Node};
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, ListArray, MapArray, PrimitiveArray,
    StructArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use millstream_core::{RecordError, SchemaRef};
use std::sync::Arc;

/// One entry for each place the field has, null or not.
pub(crate) struct Column {
    pub(crate) values: Values,
    /// Of an optional field.
    nulls: Option<NullBufferBuilder>,
    /// A struct's schema that was found to be the plan's.
    pub(crate) known: Option<SchemaRef>,
}

pub(crate) enum Values {
    Boolean(BooleanBufferBuilder),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Bytes(Bytes),
    Fixed {
        width: usize,
        bytes: Vec<u8>,
    },
    Struct {
        len: usize,
        fields: Vec<Column>,
    },
    /// A column each for what an entry is made of: one for lists, key and value for maps and lists of entries.
    Repeated {
        ends: Ends,
        inner: Vec<Column>,
    },
}

/// Byte strings one after the other.
pub(crate) struct Bytes {
    ends: Ends,
    bytes: Vec<u8>,
}

/// Where entries end, from 0 on: one more than there are entries.
pub(crate) struct Ends(Vec<i32>);

impl Ends {
    fn new() -> Self {
        Ends(vec![0])
    }

    fn len(&self) -> usize {
        self.0.len() - 1
    }

    fn last(&self) -> usize {
        self.at(self.len())
    }

    fn at(&self, index: usize) -> usize {
        self.0
            .get(index)
            .map_or(0, |end| end.unsigned_abs() as usize)
    }

    fn push(&mut self, end: usize) -> Result<(), RecordError> {
        let end = i32::try_from(end).map_err(|_| {
            RecordError::data("a record holds more than 2 GiB of one field, which a Parquet file has no place for")
        })?;
        self.0.push(end);
        Ok(())
    }

    fn take(&mut self) -> OffsetBuffer<i32> {
        let ends = std::mem::replace(self, Ends::new());
        OffsetBuffer::new(ScalarBuffer::from(ends.0))
    }
}

impl Bytes {
    fn new() -> Self {
        Bytes {
            ends: Ends::new(),
            bytes: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        self.ends.push(self.bytes.len() + bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = self.ends.0.iter().zip(self.ends.0.iter().skip(1));
        starts.map(|(start, end)| {
            &self.bytes[start.unsigned_abs() as usize..end.unsigned_abs() as usize]
        })
    }
}

impl Column {
    pub(crate) fn new(node: &Node) -> Self {
        let columns = |nodes: &[Node]| nodes.iter().map(Column::new).collect();
        let repeated = |inner: &[&Node]| Values::Repeated {
            ends: Ends::new(),
            inner: inner.iter().map(|node| Column::new(node)).collect(),
        };
        let values = match &node.kind {
            Kind::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Date | Kind::Time => {
                Values::Int32(Vec::new())
            }
            Kind::Int64 | Kind::Timestamp => Values::Int64(Vec::new()),
            Kind::Float32 => Values::Float32(Vec::new()),
            Kind::Float64 => Values::Float64(Vec::new()),
            Kind::Fixed(width) => fixed(*width),
            Kind::Decimal(decimal) => match decimal.width {
                Some(width) => fixed(width),
                None => Values::Bytes(Bytes::new()),
            },
            Kind::Text | Kind::Enum(_) | Kind::Bytes => Values::Bytes(Bytes::new()),
            Kind::Struct(fields) | Kind::Union(fields) => Values::Struct {
                len: 0,
                fields: columns(fields),
            },
            Kind::Single(inner) => return Column::new(inner),
            Kind::List(element) => repeated(&[element]),
            Kind::Map(key, value) | Kind::Entries(key, value) => repeated(&[key, value]),
        };
        let nulls = node.field.is_nullable().then(|| NullBufferBuilder::new(0));
        Column {
            values,
            nulls,
            known: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(values) => values.len(),
            Values::Int32(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Float32(values) => values.len(),
            Values::Float64(values) => values.len(),
            Values::Bytes(values) => values.ends.len(),
            Values::Fixed { width, bytes } => bytes.len().checked_div(*width).unwrap_or(0),
            Values::Struct { len, .. } => *len,
            Values::Repeated { ends, .. } => ends.len(),
        }
    }

    /// Notes that the entry which was pushed is a value.
    pub(crate) fn is_there(&mut self) {
        if let Some(nulls) = &mut self.nulls {
            nulls.append_non_null();
        }
    }

    /// Pushes a null, or something in the place of a value that has none because what it is within is null.
    pub(crate) fn push_absent(&mut self) -> Result<(), RecordError> {
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Int32(values) => values.push(0),
            Values::Int64(values) => values.push(0),
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Bytes(values) => values.push(&[])?,
            Values::Fixed { width, bytes } => bytes.resize(bytes.len() + *width, 0),
            Values::Struct { len, fields } => {
                *len += 1;
                for field in fields {
                    field.push_absent()?;
                }
            }
            Values::Repeated { ends, .. } => ends.push(ends.last())?,
        }
        if let Some(nulls) = &mut self.nulls {
            nulls.append_null();
        }
        Ok(())
    }

    /// Ends an entry of a list or a map: all that was pushed into what it is made of since the one before.
    pub(crate) fn end_entry(&mut self) -> Result<(), RecordError> {
        if let Values::Repeated { ends, inner } = &mut self.values {
            ends.push(inner.first().map_or(0, Column::len))?;
        }
        Ok(())
    }

    /// Takes back all but the first so many entries, of which there may be fewer.
    pub(crate) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(len),
            Values::Int32(values) => values.truncate(len),
            Values::Int64(values) => values.truncate(len),
            Values::Float32(values) => values.truncate(len),
            Values::Float64(values) => values.truncate(len),
            Values::Bytes(values) => {
                values.ends.0.truncate(len + 1);
                values.bytes.truncate(values.ends.last());
            }
            Values::Fixed { width, bytes } => bytes.truncate(len * *width),
            Values::Struct { len: own, fields } => {
                *own = len.min(*own);
                for field in fields {
                    field.truncate(len);
                }
            }
            Values::Repeated { ends, inner } => {
                ends.0.truncate(len + 1);
                for column in inner {
                    column.truncate(ends.last());
                }
            }
        }
        if let Some(nulls) = self.nulls.as_mut().filter(|nulls| nulls.len() > len) {
            nulls.truncate(len);
        }
    }

    /// Memory that the column holds, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let values = match &self.values {
            Values::Boolean(values) => values.capacity() / 8,
            Values::Int32(values) => 4 * values.capacity(),
            Values::Int64(values) => 8 * values.capacity(),
            Values::Float32(values) => 4 * values.capacity(),
            Values::Float64(values) => 8 * values.capacity(),
            Values::Bytes(values) => values.bytes.capacity() + 4 * values.ends.0.capacity(),
            Values::Fixed { bytes, .. } => bytes.capacity(),
            Values::Struct { fields, .. } => fields.iter().map(Column::memory).sum(),
            Values::Repeated { ends, inner } => {
                4 * ends.0.capacity() + inner.iter().map(Column::memory).sum::<usize>()
            }
        };
        let nulls = self
            .nulls
            .as_ref()
            .map_or(0, NullBufferBuilder::allocated_size);
        size_of::<Column>() + values + nulls
    }

    /// The columns that have values of their own, in the file's order.
    pub(crate) fn leaves<'a>(&'a self, leaves: &mut Vec<&'a Column>) {
        match &self.values {
            Values::Struct { fields: inner, .. } | Values::Repeated { inner, .. } => {
                for column in inner {
                    column.leaves(leaves);
                }
            }
            _ => leaves.push(self),
        }
    }

    /// Takes all entries out, as an array of the field's type.
    pub(crate) fn take(&mut self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let len = self.len();
        let nulls = self.nulls.as_mut().and_then(NullBufferBuilder::finish);
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int32(values) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(PrimitiveArray::<Int32Type>::try_new(values, nulls)?)
            }
            Values::Int64(values) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(PrimitiveArray::<Int64Type>::try_new(values, nulls)?)
            }
            Values::Float32(values) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(PrimitiveArray::<Float32Type>::try_new(values, nulls)?)
            }
            Values::Float64(values) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(PrimitiveArray::<Float64Type>::try_new(values, nulls)?)
            }
            Values::Bytes(values) => {
                let bytes = Buffer::from_vec(std::mem::take(&mut values.bytes));
                Arc::new(BinaryArray::try_new(values.ends.take(), bytes, nulls)?)
            }
            Values::Fixed { width, bytes } => {
                let width = i32::try_from(*width).unwrap_or(i32::MAX);
                let bytes = Buffer::from_vec(std::mem::take(bytes));
                Arc::new(FixedSizeBinaryArray::try_new(width, bytes, nulls)?)
            }
            Values::Struct { len: own, fields } => {
                *own = 0;
                let types = fields_of(data_type)?;
                let arrays = take_each(fields, types)?;
                Arc::new(StructArray::try_new_with_length(
                    types.clone(),
                    arrays,
                    nulls,
                    len,
                )?)
            }
            Values::Repeated { ends, inner } => {
                let entries = inner.first().map_or(0, Column::len);
                let entry = entry_of(data_type)?;
                let values: ArrayRef = match &mut inner[..] {
                    [element] => element.take(entry.data_type())?,
                    both => {
                        let types = fields_of(entry.data_type())?;
                        let arrays = take_each(both, types)?;
                        let types = types.clone();
                        let entries =
                            StructArray::try_new_with_length(types, arrays, None, entries)?;
                        if let DataType::Map(..) = data_type {
                            let entry = Arc::clone(entry);
                            let map = MapArray::try_new(entry, ends.take(), entries, nulls, false)?;
                            return Ok(Arc::new(map));
                        }
                        Arc::new(entries)
                    }
                };
                Arc::new(ListArray::try_new(
                    Arc::clone(entry),
                    ends.take(),
                    values,
                    nulls,
                )?)
            }
        })
    }
}

fn fixed(width: usize) -> Values {
    Values::Fixed {
        width,
        bytes: Vec::new(),
    }
}

fn take_each(columns: &mut [Column], types: &Fields) -> Result<Vec<ArrayRef>, ArrowError> {
    let columns = columns.iter_mut().zip(types);
    let arrays = columns.map(|(column, field): (_, &Arc<Field>)| column.take(field.data_type()));
    arrays.collect()
}

fn fields_of(data_type: &DataType) -> Result<&Fields, ArrowError> {
    match data_type {
        DataType::Struct(fields) => Ok(fields),
        other => Err(no_such_type(other)),
    }
}

fn entry_of(data_type: &DataType) -> Result<&FieldRef, ArrowError> {
    match data_type {
        DataType::List(entry) | DataType::Map(entry, _) => Ok(entry),
        other => Err(no_such_type(other)),
    }
}

fn no_such_type(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("a column is not of type {data_type}"))
}

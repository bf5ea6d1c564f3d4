//! Least and greatest values of decimals in byte arrays. The crate's writer of byte arrays compares them as bytes, whatever
//! their type says, so a negative decimal would be the greatest, and readers would skip rows that they were asked for.

use crate::column::{Column, Values};
use crate::rows::Rows;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::{LogicalType, Type as Physical};
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;
use std::cmp::Ordering;

/// Of the columns of a row group that is being filled.
pub(crate) struct Bounds(Vec<Bound>);

enum Bound {
    /// The crate's are right.
    Known,
    Decimal {
        /// `None` before the first value.
        ends: Option<(Vec<u8>, Vec<u8>)>,
    },
}

impl Bounds {
    pub(crate) fn new(message: &SchemaDescriptor) -> Self {
        let columns = message.columns().iter();
        let bounds = columns.map(|column| match column.logical_type_ref() {
            Some(LogicalType::Decimal(_)) if column.physical_type() == Physical::BYTE_ARRAY => {
                Bound::Decimal { ends: None }
            }
            _ => Bound::Known,
        });
        Bounds(bounds.collect())
    }

    /// Looks at rows before they are encoded.
    pub(crate) fn look_at(&mut self, rows: &Rows) {
        if self.0.iter().all(|bound| matches!(bound, Bound::Known)) {
            return;
        }
        let mut leaves = Vec::new();
        for column in &rows.columns {
            column.leaves(&mut leaves);
        }
        for (bound, leaf) in self.0.iter_mut().zip(leaves) {
            if let Bound::Decimal { ends } = bound {
                look_at(ends, leaf);
            }
        }
    }

    /// Corrects what a column's chunk says. Pages are not told apart: nothing is said of them.
    pub(crate) fn correct(&mut self, column: usize, chunk: &mut ArrowColumnChunk) -> Result<()> {
        let Some(Bound::Decimal { ends }) = self.0.get_mut(column) else {
            return Ok(());
        };
        let close = chunk.close_mut();
        let own = close.metadata.statistics();
        let nulls = own.and_then(Statistics::null_count_opt);
        let (least, most) = ends.take().unzip();
        let [least, most] = [least, most].map(|end| end.map(ByteArray::from));
        let corrected = Statistics::byte_array(least, most, None, nulls, false);
        let metadata = close.metadata.clone().into_builder();
        close.metadata = metadata.set_statistics(corrected).build()?;
        close.column_index = None;
        Ok(())
    }
}

fn look_at(ends: &mut Option<(Vec<u8>, Vec<u8>)>, column: &Column) {
    let Values::Bytes(values) = &column.values else {
        return;
    };
    // What is absent has no byte, which a number always has.
    for value in values.iter().filter(|value| !value.is_empty()) {
        let (least, most) = ends.get_or_insert_with(|| (value.to_vec(), value.to_vec()));
        if compare(value, least) == Ordering::Less {
            *least = value.to_vec();
        }
        if compare(value, most) == Ordering::Greater {
            *most = value.to_vec();
        }
    }
}

/// Compares numbers in two's complement, big-endian and no longer than they need to be.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let is_negative = |number: &[u8]| number.first().is_some_and(|first| first & 0x80 != 0);
    match (is_negative(a), is_negative(b)) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, true) => b.len().cmp(&a.len()).then_with(|| a.cmp(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_compare_as_numbers(a in any::<i64>(), b in any::<i64>(), shift in 0..60u32) {
            let (a, b) = (a >> shift, b >> (shift / 2));
            let bytes = |number: i64| BigInt::from(number).to_signed_bytes_be();
            prop_assert_eq!(compare(&bytes(a), &bytes(b)), a.cmp(&b));
        }
    }
}

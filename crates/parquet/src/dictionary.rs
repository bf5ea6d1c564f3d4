//! Which columns get a dictionary: those whose first page is smaller with one, as parquet-mr decides.

use crate::column::{Column, Values};
use crate::rows::Rows;
use std::collections::HashSet;
use std::hash::Hash;

/// A page is closed once its values are this large, as the original's. The first one of each column is looked at.
pub(crate) const PAGE_BYTES: usize = 64 * 1024;

/// For each column of the file whether a dictionary would make it smaller.
pub(crate) fn decide(rows: &Rows) -> Vec<bool> {
    let mut leaves = Vec::new();
    for column in &rows.columns {
        column.leaves(&mut leaves);
    }
    leaves.into_iter().map(pays).collect()
}

fn pays(column: &Column) -> bool {
    match &column.values {
        Values::Int32(values) => pays_for(values.iter(), |_| 4),
        Values::Int64(values) => pays_for(values.iter(), |_| 8),
        Values::Float32(values) => pays_for(values.iter().map(|v| v.to_bits()), |_| 4),
        Values::Float64(values) => pays_for(values.iter().map(|v| v.to_bits()), |_| 8),
        Values::Bytes(values) => pays_for(values.iter(), |bytes| bytes.len() + 4),
        Values::Fixed { width, bytes } => {
            pays_for(bytes.chunks_exact((*width).max(1)), |bytes| bytes.len())
        }
        // There is none for booleans; the others have no values of their own.
        Values::Boolean(_) | Values::Struct { .. } | Values::Repeated { .. } => false,
    }
}

/// Plain values against each different one once and an index for each, packed as bits.
fn pays_for<V: Hash + Eq>(values: impl Iterator<Item = V>, size: impl Fn(&V) -> usize) -> bool {
    let (mut plain, mut distinct, mut count) = (0, 0, 0);
    let mut seen = HashSet::new();
    for value in values {
        let size = size(&value);
        plain += size;
        count += 1;
        if seen.insert(value) {
            distinct += size;
        }
        if plain >= PAGE_BYTES {
            break;
        }
    }
    let width = usize::BITS - seen.len().saturating_sub(1).leading_zeros();
    let indexes = 2 + count * width as usize / 8;
    distinct + indexes < plain
}

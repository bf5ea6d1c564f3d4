//! Scanning: a datum is looked at as it is read, with the same errors, and no value is made of it.

use super::plan::{Node, NodeId, Plan};
use super::{Reader, deeper, take_branch, time};
use crate::data::DEEPEST;
use crate::error::{index, runtime};
use crate::wire::{long_len, take, take_array, take_bytes, take_int, take_items, take_long};
use millstream_core::encoded::Encoding;
use millstream_core::text::is_utf8;
use millstream_core::{RecordError, SchemaRef, Value};

impl Reader {
    /// Whether data can be scanned: they are records, and hold no maps and no unions but of null and one type.
    pub fn scans(&self) -> bool {
        let is_plain = |node: &Node| {
            !matches!(
                node,
                Node::Singleton(_)
                    | Node::Union { .. }
                    | Node::Map(_)
                    | Node::Entries { .. }
                    | Node::Anything
            )
        };
        matches!(self.plan.nodes[self.plan.root], Node::Struct { .. })
            && self.plan.nodes.iter().all(is_plain)
    }

    /// Takes one datum off the front. Returns whether it is canonical: whether its value has no other bytes that a writer would
    /// write. To be called only if data can be scanned.
    ///
    /// # Errors
    /// As `take`.
    pub fn scan(&self, bytes: &mut &[u8]) -> Result<bool, RecordError> {
        let mut is_canonical = true;
        self.plan
            .scan(self.plan.root, bytes, DEEPEST, &mut is_canonical)?;
        Ok(is_canonical)
    }
}

impl Encoding for Reader {
    fn schema(&self) -> Option<&SchemaRef> {
        self.connect_schema()
    }

    fn read(&self, mut datum: &[u8]) -> Result<Value, RecordError> {
        self.take(&mut datum)
    }
}

impl Plan {
    fn scan(
        &self,
        node: NodeId,
        bytes: &mut &[u8],
        depth: usize,
        is_canonical: &mut bool,
    ) -> Result<(), RecordError> {
        match &self.nodes[node] {
            Node::Null => {}
            Node::Boolean => *is_canonical &= take_array::<1>(bytes)?[0] <= 1,
            Node::Int8 => *is_canonical &= i8::try_from(int(bytes, is_canonical)?).is_ok(),
            Node::Int16 => *is_canonical &= i16::try_from(int(bytes, is_canonical)?).is_ok(),
            Node::Int32 | Node::Date => {
                int(bytes, is_canonical)?;
            }
            Node::Time => {
                time(int(bytes, is_canonical)?)?;
            }
            Node::Int64 | Node::Timestamp => {
                long(bytes, is_canonical)?;
            }
            Node::Float32 => drop(take_array::<4>(bytes)?),
            Node::Float64 => drop(take_array::<8>(bytes)?),
            Node::String => {
                let text = sized(bytes, is_canonical)?;
                *is_canonical &= is_utf8(text);
            }
            Node::Bytes => drop(sized(bytes, is_canonical)?),
            Node::Fixed(size) => drop(take(bytes, *size)?),
            Node::Enum(symbols) => {
                let at = int(bytes, is_canonical)?;
                if !usize::try_from(at).is_ok_and(|at| at < symbols.len()) {
                    return Err(index(at.into(), symbols.len()));
                }
            }
            // A number of no bytes is read as zero, which has one.
            Node::Decimal {
                size: Some(size), ..
            } => *is_canonical &= !take(bytes, *size)?.is_empty(),
            Node::Decimal { size: None, .. } => {
                let unscaled = sized(bytes, is_canonical)?;
                *is_canonical &= is_shortest_number(unscaled);
            }
            Node::Struct { fields, .. } => {
                let depth = deeper(depth)?;
                for field in fields {
                    self.scan(*field, bytes, depth, is_canonical)?;
                }
            }
            Node::Optional { null, other } => {
                let before = bytes.len();
                let branch = take_branch(bytes, 2)?;
                *is_canonical &= before - bytes.len() == 1;
                if branch != *null {
                    self.scan(*other, bytes, depth, is_canonical)?;
                }
            }
            Node::Array(element) => {
                self.scan_array(*element, bytes, deeper(depth)?, is_canonical)?;
            }
            Node::Singleton(_)
            | Node::Union { .. }
            | Node::Map(_)
            | Node::Entries { .. }
            | Node::Anything => {
                return Err(runtime("data of this schema cannot be scanned".to_owned()));
            }
        }
        Ok(())
    }

    fn scan_array(
        &self,
        element: NodeId,
        bytes: &mut &[u8],
        depth: usize,
        is_canonical: &mut bool,
    ) -> Result<(), RecordError> {
        let before = *bytes;
        let (mut items, mut within) = (0i64, 0);
        take_items(bytes, |bytes| {
            let start = bytes.len();
            self.scan(element, bytes, depth, is_canonical)?;
            items += 1;
            within += start - bytes.len();
            Ok(())
        })?;
        // A writer makes one block of all items: its count, the items, and the end.
        let end = usize::from(items > 0);
        let is_one = take_long(&mut &*before)? == items;
        *is_canonical &= is_one && before.len() - bytes.len() == long_len(items) + within + end;
        Ok(())
    }
}

fn int(bytes: &mut &[u8], is_canonical: &mut bool) -> Result<i32, RecordError> {
    let before = *bytes;
    let value = take_int(bytes)?;
    let taken = &before[..before.len() - bytes.len()];
    *is_canonical &= is_shortest(taken, value.into(), 5, 0x0f);
    Ok(value)
}

fn long(bytes: &mut &[u8], is_canonical: &mut bool) -> Result<i64, RecordError> {
    let before = *bytes;
    let value = take_long(bytes)?;
    let taken = &before[..before.len() - bytes.len()];
    *is_canonical &= is_shortest(taken, value, 10, 0x01);
    Ok(value)
}

/// Whether these are a number's only bytes. Of the longest ones the last byte has more bits than are read: no more than `most`.
#[inline]
fn is_shortest(taken: &[u8], value: i64, longest: usize, most: u8) -> bool {
    taken.len() == long_len(value) && (taken.len() < longest || taken[longest - 1] <= most)
}

/// What has its length before it.
fn sized<'a>(bytes: &mut &'a [u8], is_canonical: &mut bool) -> Result<&'a [u8], RecordError> {
    let before = bytes.len();
    let sized = take_bytes(bytes)?;
    let taken = before - bytes.len();
    *is_canonical &= taken == long_len(sized.len() as i64) + sized.len();
    Ok(sized)
}

/// Whether no number in two's complement has fewer bytes.
fn is_shortest_number(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [_] => true,
        [first, second, ..] => match first {
            0 => *second >= 0x80,
            0xff => *second < 0x80,
            _ => true,
        },
    }
}

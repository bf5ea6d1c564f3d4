//! Shapes: the names of an object's members, and the order in which Java's map yields them.

use super::FieldSpan;
use millstream_core::{Map, Value};

const LANES: usize = 16;

/// The names of a record's members and the order in which Java's map yields them.
pub(super) struct Shape {
    names: Vec<Name>,
    pub(super) order: Vec<u8>,
}

impl Shape {
    /// Whether the fields have these names in this order.
    #[inline]
    pub(super) fn matches(&self, record: &[u8], fields: &[FieldSpan]) -> bool {
        self.names.len() == fields.len()
            && self
                .names
                .iter()
                .zip(fields)
                .all(|(name, field)| name.stands_at(record, field.name_start, field.name_end))
    }

    /// `None` if a name stands twice.
    pub(super) fn new(record: &[u8], fields: &[FieldSpan]) -> Option<Self> {
        let mut names = Vec::with_capacity(fields.len());
        let mut pairs = Vec::with_capacity(fields.len());
        for (place, field) in fields.iter().enumerate() {
            let quoted = &record[field.name_start as usize..field.name_end as usize];
            let name = std::str::from_utf8(&quoted[1..quoted.len() - 1]).ok()?;
            names.push(Name::new(quoted));
            pairs.push((Value::from(name), Value::Int64(place as i64)));
        }
        let map = Map::hashed(pairs);
        if map.len() < fields.len() {
            return None;
        }
        let order = map.iter().map(|(_, place)| match place {
            Value::Int64(place) => *place as u8,
            _ => 0,
        });
        Some(Shape {
            order: order.collect(),
            names,
        })
    }
}

/// A name with its quotes, laid out for a quick comparison.
struct Name {
    quoted: Box<[u8]>,
    /// Its first sixteen bytes, zeros behind.
    head: u128,
    /// Ones where `head` has bytes of the name.
    mask: u128,
}

impl Name {
    fn new(quoted: &[u8]) -> Self {
        let mut head = [0; LANES];
        let len = quoted.len().min(LANES);
        head[..len].copy_from_slice(&quoted[..len]);
        Name {
            quoted: quoted.into(),
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (8 * (LANES - len)),
        }
    }

    #[inline]
    fn stands_at(&self, record: &[u8], start: u32, end: u32) -> bool {
        let (start, end) = (start as usize, end as usize);
        if end - start != self.quoted.len() {
            return false;
        }
        match record[start..].first_chunk::<LANES>() {
            Some(head) if self.quoted.len() <= LANES => {
                u128::from_le_bytes(*head) & self.mask == self.head
            }
            _ => record[start..end] == *self.quoted,
        }
    }
}

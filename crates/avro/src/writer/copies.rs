//! Copying: whether what a reader reads is, byte for byte, what a writer writes of it.

use super::Writer;
use super::plan::{Node, NodeId, OnNull, Plan, Slot};
use crate::reader::Reader;
use crate::reader::plan::{Node as Read, Plan as ReadPlan};
use crate::wire::put_long;
use std::collections::HashSet;
use std::sync::Arc;

impl Writer {
    /// Whether a canonical datum of the reader's (`Reader::scan`) is what this writes of its value. Both plans are walked: to be
    /// asked once for two.
    pub fn copies(&self, reader: &Reader) -> bool {
        let mut both = Both {
            written: &self.plan,
            read: reader.plan(),
            met: HashSet::new(),
        };
        reader.scans() && both.slot(&self.plan.root, both.read.root)
    }
}

struct Both<'a> {
    written: &'a Plan,
    read: &'a ReadPlan,
    /// Pairs that are compared already, or are being compared.
    met: HashSet<(NodeId, usize)>,
}

impl Both<'_> {
    fn slot(&mut self, slot: &Slot, read: usize) -> bool {
        let Read::Optional { null, other } = &self.read.nodes[read] else {
            return slot.branch.is_none() && self.node(slot.node, read);
        };
        // Where a null is written as a default, it is not copied.
        let mut branch = Vec::new();
        put_long(&mut branch, *null as i64);
        let is_null = matches!(&slot.on_null, OnNull::Written(bytes) if *bytes == branch);
        is_null && slot.branch == Some(1 - *null as i64) && self.node(slot.node, *other)
    }

    fn node(&mut self, written: NodeId, read: usize) -> bool {
        if !self.met.insert((written, read)) {
            return true;
        }
        let (writes, reads) = (self.written, self.read);
        match (&writes.nodes[written], &reads.nodes[read]) {
            (Node::Boolean, Read::Boolean)
            | (Node::Int8, Read::Int8)
            | (Node::Int16, Read::Int16)
            | (Node::Int32, Read::Int32)
            | (Node::Int64, Read::Int64)
            | (Node::Float32, Read::Float32)
            | (Node::Float64, Read::Float64)
            | (Node::String, Read::String)
            | (Node::Bytes, Read::Bytes)
            | (Node::Date, Read::Date)
            | (Node::Time, Read::Time)
            | (Node::Timestamp, Read::Timestamp) => true,
            (Node::Fixed(size), Read::Fixed(other)) => size == other,
            (
                Node::Decimal { scale, size },
                Read::Decimal {
                    scale: other_scale,
                    size: other_size,
                },
            ) => (scale, size) == (other_scale, other_size),
            (Node::Enum(symbols), Read::Enum(values)) => {
                let text = |value: &millstream_core::Value| match value {
                    millstream_core::Value::String(text) => text.as_str().map(str::to_owned),
                    _ => None,
                };
                let own = symbols.iter().map(|symbol| Some(symbol.clone()));
                own.eq(values.iter().map(text))
            }
            (Node::Array(element), Read::Array(other)) => self.slot(element, *other),
            (Node::Struct(of), Read::Struct { schema, fields }) => {
                let is_same = Arc::ptr_eq(schema, &of.schema) || *schema == of.schema;
                is_same
                    && of.fields.len() == fields.len()
                    && of
                        .fields
                        .iter()
                        .zip(fields)
                        .enumerate()
                        .all(|(at, ((index, slot), other))| *index == at && self.slot(slot, *other))
            }
            _ => false,
        }
    }
}

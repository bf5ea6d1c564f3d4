//! Defaults of fields, written beforehand: a null is written as its field's default.

use super::plan::{Node, OnNull, Plan, Slot};
use crate::data::{AvroDataSettings, DEEPEST};
use millstream_core::{SchemaRef, Struct, Value};

impl Plan {
    /// Writes the defaults of fields beforehand: a null is written as its field's default.
    pub(super) fn write_defaults(&mut self, settings: &AvroDataSettings) {
        if settings.ignore_default_for_nullables {
            return;
        }
        // What is inside comes later in the list, and its own defaults come first.
        for node in (0..self.nodes.len()).rev() {
            let Node::Struct(of) = &self.nodes[node] else {
                continue;
            };
            let defaults = of
                .fields
                .iter()
                .enumerate()
                .filter_map(|(at, (index, slot))| {
                    let default = of.schema.fields[*index].schema.default.as_ref()?;
                    let mut bytes = Vec::new();
                    let default = of_place(default, self, slot);
                    let written = match self.write(slot, &default, &mut bytes, DEEPEST) {
                        Ok(()) => OnNull::Written(bytes),
                        Err(error) => OnNull::Fails(Box::new(error)),
                    };
                    Some((at, written))
                });
            let defaults: Vec<_> = defaults.collect();
            if let Node::Struct(of) = &mut self.nodes[node] {
                for (at, written) in defaults {
                    of.fields[at].1.on_null = written;
                }
            }
        }
    }
}

/// A struct that is its own schema's default was made before that had it.
fn of_place(default: &Value, plan: &Plan, slot: &Slot) -> Value {
    let schema = match &plan.nodes[slot.node] {
        Node::Struct(of) => &of.schema,
        Node::Union(of) => &of.schema,
        _ => return default.clone(),
    };
    match default {
        Value::Struct(record) if record.values.len() == schema.fields.len() => {
            Value::Struct(Box::new(Struct {
                schema: SchemaRef::clone(schema),
                values: record.values.clone(),
            }))
        }
        other => other.clone(),
    }
}

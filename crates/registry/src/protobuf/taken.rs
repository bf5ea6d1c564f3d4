//! What is taken within a message: names of messages and enums, and numbers of fields.

use super::names::{TAG, is_union, parameter};
use millstream_core::{RecordError, Schema};
use std::collections::HashSet;

/// The messages and enums within a message so far.
#[derive(Default)]
pub(super) struct Written {
    pub(super) names: HashSet<String>,
    messages: Vec<(String, Schema)>,
}

impl Written {
    /// Whether the message is new. One of the same name has to be the same, whether it is optional or not.
    pub(super) fn insert(&mut self, name: &str, schema: &Schema) -> Result<bool, RecordError> {
        let known = self.messages.iter().find(|(known, _)| known == name);
        match known {
            Some((_, known)) if known.fields == schema.fields => Ok(false),
            Some(_) => Err(RecordError::data(format!(
                "two different structs have the name {name} in one message"
            ))),
            None => {
                self.names.insert(name.to_owned());
                self.messages.push((name.to_owned(), schema.clone()));
                Ok(true)
            }
        }
    }
}

/// The numbers of a message's fields: those that schemas tell, and the next one that is free for all others.
pub(super) struct Tags {
    told: HashSet<u32>,
    last: u32,
}

fn told_tag(schema: &Schema) -> Option<u32> {
    parameter(schema, TAG)?.parse().ok().filter(|tag| *tag > 0)
}

impl Tags {
    pub(super) fn of(message: &Schema) -> Self {
        let fields = message
            .fields
            .iter()
            .flat_map(|field| match is_union(&field.schema) {
                true => field.schema.fields.iter().collect::<Vec<_>>(),
                false => vec![field],
            });
        Tags {
            told: fields.filter_map(|field| told_tag(&field.schema)).collect(),
            last: 0,
        }
    }

    pub(super) fn next(&mut self, schema: &Schema) -> u32 {
        if let Some(tag) = told_tag(schema) {
            return tag;
        }
        loop {
            self.last += 1;
            if !self.told.contains(&self.last) {
                return self.last;
            }
        }
    }
}

//! What a registry keeps: schemas by id, and the versions of each subject.

use md5::{Digest, Md5};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A schema as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// `AVRO`, `JSON` or `PROTOBUF`.
    pub kind: String,
    pub text: String,
    /// As they came: name, subject and version.
    pub references: Vec<Json>,
}

impl Registered {
    pub fn new(kind: &str, text: &str) -> Self {
        Registered {
            kind: kind.to_owned(),
            text: text.to_owned(),
            references: Vec::new(),
        }
    }

    /// Blanks and the order of members are no difference.
    fn is_same(&self, other: &Registered) -> bool {
        let parsed = |of: &Registered| serde_json::from_str::<Json>(&of.text).ok();
        let is_same_text = self.text == other.text
            || parsed(self).is_some_and(|own| parsed(other).is_some_and(|other| own == other));
        self.kind == other.kind && self.references == other.references && is_same_text
    }

    /// A UUID made of the schema, the same in every registry.
    pub(super) fn guid(&self) -> String {
        let digest = Md5::digest(format!("{} {} {:?}", self.kind, self.text, self.references));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }
}

/// A schema's place in a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: i32,
    pub(super) version: i32,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    /// The schema of id 1 is the first.
    schemas: Vec<Registered>,
    subjects: BTreeMap<String, Vec<i32>>,
}

impl Store {
    pub(super) fn by_id(&self, id: i32) -> Option<&Registered> {
        self.schemas.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    pub(super) fn by_guid(&self, guid: &str) -> Option<&Registered> {
        self.schemas.iter().find(|schema| schema.guid() == guid)
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = &String> {
        self.subjects.keys()
    }

    pub(super) fn has(&self, subject: &str) -> bool {
        self.subjects.contains_key(subject)
    }

    pub(super) fn versions(&self, subject: &str) -> Vec<Registered> {
        let ids = self.subjects.get(subject).into_iter().flatten();
        ids.filter_map(|id| self.by_id(*id).cloned()).collect()
    }

    /// The schema of a version; the newest without one.
    pub(super) fn version(
        &self,
        subject: &str,
        version: Option<i32>,
    ) -> Option<(Place, &Registered)> {
        let ids = self.subjects.get(subject)?;
        let version = version.unwrap_or(ids.len() as i32);
        let id = *ids.get(usize::try_from(version.checked_sub(1)?).ok()?)?;
        Some((Place { id, version }, self.by_id(id)?))
    }

    /// Where a subject has a schema.
    pub(super) fn find(&self, subject: &str, schema: &Registered) -> Option<Place> {
        let ids = self.subjects.get(subject)?.iter().enumerate();
        let mut found =
            ids.filter(|(_, id)| self.by_id(**id).is_some_and(|own| own.is_same(schema)));
        found.next().map(|(index, id)| Place {
            id: *id,
            version: index as i32 + 1,
        })
    }

    /// The schema's place, which it gets if it has none.
    pub(super) fn register(&mut self, subject: &str, schema: Registered) -> Place {
        if let Some(place) = self.find(subject, &schema) {
            return place;
        }
        let known = self.schemas.iter().position(|own| own.is_same(&schema));
        let id = match known {
            Some(index) => index as i32 + 1,
            None => {
                self.schemas.push(schema);
                self.schemas.len() as i32
            }
        };
        let ids = self.subjects.entry(subject.to_owned()).or_default();
        ids.push(id);
        Place {
            id,
            version: ids.len() as i32,
        }
    }
}

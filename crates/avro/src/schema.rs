//! AvroSchema: a schema's types with its text.

use crate::model::{AvroType, TypeId};
use crate::{print, same};
use millstream_core::RecordError;
use std::ops::Index;
use std::sync::Arc;

/// A schema with its text, as Java's `Schema.toString` prints it.
#[derive(Debug)]
pub struct AvroSchema {
    types: Vec<AvroType>,
    root: TypeId,
    text: String,
    notes: Vec<String>,
}

impl AvroSchema {
    /// Prints the types, which fails where two different ones have one name.
    pub(crate) fn new(types: Vec<AvroType>, root: TypeId) -> Result<Arc<Self>, RecordError> {
        let printed = print::print(&types, root)?;
        Ok(Arc::new(AvroSchema {
            types,
            root,
            text: printed.text,
            notes: printed.notes,
        }))
    }

    /// The schema's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn root(&self) -> TypeId {
        self.root
    }

    /// What some readers of files will make of this schema, a sentence each: to be logged once.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Index<TypeId> for AvroSchema {
    type Output = AvroType;

    fn index(&self, id: TypeId) -> &AvroType {
        &self.types[id.0]
    }
}

/// Equal as Java's `Schema.equals` says: names, fields, defaults and properties, but neither texts for people nor aliases.
impl PartialEq for AvroSchema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || same::same((&self.types, self.root), (&other.types, other.root))
    }
}

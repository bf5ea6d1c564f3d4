//! Fields that are null, taken out of a document.

use crate::projection::RetainNames;
use bson::{Bson, Document};

/// In documents and in documents inside arrays, not in arrays inside arrays.
pub(crate) fn remove_nulls(document: &mut Document) {
    let nulls: Vec<String> = document
        .iter()
        .filter(|(_, value)| **value == Bson::Null)
        .map(|(name, _)| name.clone())
        .collect();
    if !nulls.is_empty() {
        document.retain_names(|name| !nulls.iter().any(|null| null == name));
    }
    for (_, value) in document.iter_mut() {
        match value {
            Bson::Document(inner) => remove_nulls(inner),
            Bson::Array(items) => items
                .iter_mut()
                .filter_map(Bson::as_document_mut)
                .for_each(remove_nulls),
            _ => {}
        }
    }
}

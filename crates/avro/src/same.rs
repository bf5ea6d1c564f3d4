//! Whether two types are the same, as Java's `Schema.equals` says.

use crate::model::{AvroField, AvroType, Kind, TypeId};
use std::collections::HashSet;

/// A type among others.
pub(crate) type At<'a> = (&'a [AvroType], TypeId);

/// Names, fields with their defaults, and properties have to agree; aliases and texts for people do not.
pub(crate) fn same(a: At<'_>, b: At<'_>) -> bool {
    // Recursive records meet themselves again, and are then taken to be the same.
    let mut assumed = HashSet::new();
    same_types(a, b, &mut assumed)
}

fn same_types(a: At<'_>, b: At<'_>, assumed: &mut HashSet<(TypeId, TypeId)>) -> bool {
    let ((all_a, at_a), (all_b, at_b)) = (a, b);
    if (std::ptr::eq(all_a, all_b) && at_a == at_b) || !assumed.insert((at_a, at_b)) {
        return true;
    }
    let (a, b) = (&all_a[at_a.0], &all_b[at_b.0]);
    if a.properties != b.properties {
        return false;
    }
    let mut inner = |a, b| same_types((all_a, a), (all_b, b), assumed);
    match (&a.kind, &b.kind) {
        (Kind::Array(a), Kind::Array(b)) | (Kind::Map(a), Kind::Map(b)) => inner(*a, *b),
        (Kind::Union(a), Kind::Union(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| inner(*a, *b))
        }
        (Kind::Record(a), Kind::Record(b)) => {
            let fields = || a.fields.iter().zip(&b.fields);
            a.name == b.name
                && a.fields.len() == b.fields.len()
                && fields().all(|(a, b)| same_fields(a, b))
                && fields().all(|(a, b)| inner(a.schema, b.schema))
        }
        (Kind::Enum(a), Kind::Enum(b)) => a.name == b.name && a.symbols == b.symbols,
        (Kind::Fixed(a), Kind::Fixed(b)) => a.name == b.name && a.size == b.size,
        _ => std::mem::discriminant(&a.kind) == std::mem::discriminant(&b.kind),
    }
}

/// Their types apart.
fn same_fields(a: &AvroField, b: &AvroField) -> bool {
    a.name == b.name && a.default == b.default && a.order == b.order && a.properties == b.properties
}

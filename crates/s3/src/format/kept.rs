//! Kept: what was made of a schema, for the next objects of that schema. A folder's objects have one schema after the other, and
//! several folders the same few.

use crate::schemas::{same_object, same_schema};
use millstream_core::{RecordError, SchemaRef};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct Kept<T> {
    most: usize,
    /// By schema, the last used one at the end.
    made: Mutex<Vec<(Option<SchemaRef>, Arc<T>)>>,
}

impl<T> Kept<T> {
    /// Keeps so many; those that were not used for longest go first.
    pub(super) fn new(most: usize) -> Self {
        Kept {
            most,
            made: Mutex::default(),
        }
    }

    /// What was made of the schema, or what is made of it now.
    pub(super) fn of(
        &self,
        schema: Option<&SchemaRef>,
        make: impl FnOnce() -> Result<T, RecordError>,
    ) -> Result<Arc<T>, RecordError> {
        // A list is whole whatever a panicking holder did.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_object = |(known, _): &(Option<SchemaRef>, _)| same_object(known.as_ref(), schema);
        let is_equal = |(known, _): &(Option<SchemaRef>, _)| {
            let both = known.as_ref().zip(schema);
            both.is_some_and(|(known, schema)| same_schema(known, schema))
        };
        let found = made.iter().rposition(is_object);
        let entry = match found.or_else(|| made.iter().rposition(is_equal)) {
            Some(at) => made.remove(at),
            None => {
                let new = Arc::new(make()?);
                if made.len() == self.most {
                    made.remove(0);
                }
                (schema.cloned(), new)
            }
        };
        let of = Arc::clone(&entry.1);
        made.push(entry);
        Ok(of)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_core::{Schema, SchemaType};

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let schemas = [SchemaType::Int8, SchemaType::Int16, SchemaType::Int32];
        let [a, b, c] = schemas.map(|kind| Arc::new(Schema::of(kind)));
        let kept = Kept::new(2);
        let of = |schema: Option<&SchemaRef>, number: i32| *kept.of(schema, || Ok(number)).unwrap();
        assert_eq!((of(Some(&a), 1), of(None, 2)), (1, 2));
        // An equal schema is the same one.
        assert_eq!(of(Some(&Arc::new(Schema::clone(&a))), 3), 1);
        assert_eq!((of(Some(&b), 4), of(Some(&a), 5), of(None, 6)), (4, 1, 6));
        // What cannot be made drives nothing out.
        let failed = kept.of(Some(&c), || Err(RecordError::data("no")));
        assert!(failed.is_err());
        assert_eq!((of(Some(&a), 7), of(None, 8)), (1, 6));
    }
}

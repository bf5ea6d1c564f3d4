//! Existing: what is in the collection already under the ids of refused inserts. An id that was made of topic, partition
//! and offset is no proof that the record behind it is there: a topic that was made anew counts from zero again, and
//! another hash gives the same record another content. So what stands there is compared, for all ids at once.

use crate::namespace::Namespace;
use crate::operation::StatementRef;
use crate::store::{Failure, Store};
use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document};
use std::collections::HashMap;

/// What the store holds under the id of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Nothing,
    /// This very document.
    Same,
    Other,
}

/// Looks all statements up in one round trip (several where the documents are too large for one answer). The outcomes
/// are in the order of `statements`.
pub(crate) async fn look_up(
    store: &Store,
    namespace: &Namespace,
    statements: &[StatementRef<'_>],
) -> Result<Vec<Existing>, Failure> {
    let mut existing = vec![Existing::Nothing; statements.len()];
    let mut places: HashMap<Vec<u8>, usize> = HashMap::with_capacity(statements.len());
    let mut ids = Vec::with_capacity(statements.len());
    for (place, statement) in statements.iter().enumerate() {
        let document = RawDocument::from_bytes(statement.bytes).ok();
        let id = document.and_then(|document| document.get("_id").ok().flatten());
        // An insert that we made begins with its id.
        let Some(id) = id else { continue };
        if let Ok(value) = Bson::try_from(id) {
            places.insert(key(id), place);
            ids.push(value);
        }
    }
    store
        .find(namespace, ids, |found| {
            let id = found.get("_id").ok().flatten();
            if let Some(&place) = id.and_then(|id| places.get(&key(id))) {
                let is_same = is_same(found, statements[place].bytes);
                existing[place] = if is_same {
                    Existing::Same
                } else {
                    Existing::Other
                };
            }
        })
        .await?;
    Ok(existing)
}

/// An id as a key of a map: its type and its bytes.
fn key(id: RawBsonRef<'_>) -> Vec<u8> {
    let mut document = bson::RawDocumentBuf::new();
    document.append(bson::raw::cstr!("_id"), id);
    document.into_bytes()
}

/// Whether a document that was found is the one that we want to insert: byte for byte, except for what servers fill in.
fn is_same(found: &RawDocument, ours: &[u8]) -> bool {
    if found.as_bytes() == ours {
        return true;
    }
    let found = Document::try_from(found);
    let ours = Document::from_reader(ours);
    match (found, ours) {
        (Ok(found), Ok(ours)) => is_same_document(&found, &ours),
        _ => false,
    }
}

fn is_same_document(found: &Document, ours: &Document) -> bool {
    found.len() == ours.len()
        && found
            .iter()
            .zip(ours)
            .all(|((name, found), (our_name, ours))| name == our_name && is_same_value(found, ours))
}

fn is_same_value(found: &Bson, ours: &Bson) -> bool {
    match (found, ours) {
        (Bson::Document(found), Bson::Document(ours)) => is_same_document(found, ours),
        (Bson::Array(found), Bson::Array(ours)) => {
            found.len() == ours.len() && found.iter().zip(ours).all(|(a, b)| is_same_value(a, b))
        }
        (Bson::Double(found), Bson::Double(ours)) => {
            found == ours || (found.is_nan() && ours.is_nan())
        }
        // The server puts the time of the insert where a timestamp is all zeros.
        (Bson::Timestamp(_), Bson::Timestamp(ours)) if ours.time == 0 && ours.increment == 0 => {
            true
        }
        _ => found == ours,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::{RawDocumentBuf, Timestamp, doc};

    fn check(found: Document, ours: Document, expected: bool) {
        let found_raw = RawDocumentBuf::try_from(&found).unwrap();
        let ours_raw = ours.to_vec().unwrap();
        assert_eq!(is_same(&found_raw, &ours_raw), expected, "{found} {ours}");
    }

    #[test]
    fn report_b1_only_the_same_content_is_the_same_record() {
        check(doc! {"_id": 1, "a": 2}, doc! {"_id": 1, "a": 2}, true);
        check(doc! {"_id": 1, "a": 3}, doc! {"_id": 1, "a": 2}, false);
        check(doc! {"_id": 1}, doc! {"_id": 1, "a": 2}, false);
        check(doc! {"_id": 1, "b": 2}, doc! {"_id": 1, "a": 2}, false);
        check(doc! {"_id": 1, "a": 2i64}, doc! {"_id": 1, "a": 2}, false);
        let nan = doc! {"_id": 1, "a": [{"b": f64::NAN}]};
        check(nan.clone(), nan, true);
        let stamp = |time| doc! {"_id": 1, "t": Timestamp { time, increment: time }};
        check(stamp(7), stamp(0), true);
        check(stamp(7), stamp(8), false);
    }
}

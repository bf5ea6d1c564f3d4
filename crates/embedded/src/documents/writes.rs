//! The commands insert, update, delete and findAndModify. A failing item becomes a `writeErrors` entry;
//! the command itself succeeds.

use super::command::{Command, CommandError, decode};
use super::filter::{Filter, truth};
use super::reads;
use super::store::{Collection, Refused, Store};
use super::update;
use bson::{Bson, Document, RawDocument, doc};

/// MongoDB's bound on the statements of a command.
const MAX_STATEMENTS: usize = 100_000;

/// MongoDB's bound on a document.
pub(super) const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

pub(super) fn insert(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    let namespace = command.namespace()?;
    run(
        store,
        command,
        "documents",
        |store, collection, raw, outcome| {
            if raw.as_bytes().len() > MAX_DOCUMENT {
                return Err(too_large());
            }
            store
                .insert(&namespace, collection, raw)
                .map(|()| outcome.n += 1)
                .map_err(CommandError::from)
        },
    )
}

pub(super) fn update(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    let namespace = command.namespace()?;
    run(
        store,
        command,
        "updates",
        |store, collection, raw, outcome| {
            let statement = decode(raw)?;
            let update = match statement.get("u") {
                Some(Bson::Document(update)) => update,
                _ => {
                    return Err(CommandError::failed_to_parse(
                        "an update is a document here, not a pipeline",
                    ));
                }
            };
            let filter = Filter::parse(statement.get_document("q").unwrap_or(&Document::new()))?;
            let multi = statement.get("multi").is_some_and(truth);
            let found = reads::find_with_ids(
                store,
                collection,
                &filter,
                if multi { usize::MAX } else { 1 },
            )?;
            for (id, old) in &found {
                let new = update::apply(update, old, false)?;
                outcome.n += 1;
                if new != *old {
                    write_over(store, &namespace, collection, (id, old), &new)?;
                    outcome.modified += 1;
                }
            }
            if found.is_empty() && statement.get("upsert").is_some_and(truth) {
                let new = upsert(store, &namespace, collection, &filter, update)?;
                outcome.n += 1;
                outcome
                    .upserted
                    .push(doc! {"index": outcome.index as i32, "_id": new.get("_id")});
            }
            Ok(())
        },
    )
}

pub(super) fn delete(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    run(
        store,
        command,
        "deletes",
        |store, collection, raw, outcome| {
            let statement = decode(raw)?;
            let filter = Filter::parse(statement.get_document("q").unwrap_or(&Document::new()))?;
            let one = statement.get("limit").is_some_and(truth);
            let found =
                reads::find_with_ids(store, collection, &filter, if one { 1 } else { usize::MAX })?;
            for (id, old) in &found {
                store.delete(collection, id, old)?;
            }
            outcome.n += found.len() as i32;
            Ok(())
        },
    )
}

pub(super) fn find_and_modify(
    store: &mut Store,
    command: &Command,
) -> Result<Document, CommandError> {
    let namespace = command.namespace()?;
    let body = command.document()?;
    let filter = Filter::parse(body.get_document("query").unwrap_or(&Document::new()))?;
    let name = command.collection()?;
    store.transaction(|store| {
        let collection = store.ensure(&command.db, name)?;
        let mut found = reads::find_with_ids(store, &collection, &filter, usize::MAX)?;
        if let Ok(sort) = body.get_document("sort") {
            found.sort_by(|(_, a), (_, b)| reads::compare_by(sort, a, b));
        }
        let wants_new = command.flag("new", false);
        let (value, existing, upserted) = match (found.first(), body.get_document("update")) {
            (Some((id, old)), _) if command.flag("remove", false) => {
                store.delete(&collection, id, old)?;
                (Some(old.clone()), true, None)
            }
            (Some((id, old)), Ok(change)) => {
                let new = update::apply(change, old, false)?;
                write_over(store, &namespace, &collection, (id, old), &new)?;
                (Some(if wants_new { new } else { old.clone() }), true, None)
            }
            (None, Ok(change)) if command.flag("upsert", false) => {
                let new = upsert(store, &namespace, &collection, &filter, change)?;
                let id = new.get("_id").cloned();
                (wants_new.then_some(new), false, id)
            }
            _ => (None, false, None),
        };
        let n = i32::from(existing || upserted.is_some());
        let mut last = doc! {"n": n, "updatedExisting": existing};
        if let Some(id) = upserted {
            last.insert("upserted", id);
        }
        Ok(doc! {"lastErrorObject": last, "value": value, "ok": 1.0})
    })
}

#[derive(Default)]
struct Outcome {
    index: usize,
    n: i32,
    modified: i32,
    upserted: Vec<Document>,
}

/// Runs the statements of a command in one transaction and gathers what came of them.
fn run(
    store: &mut Store,
    command: &Command,
    field: &str,
    mut statement: impl FnMut(
        &mut Store,
        &Collection,
        &RawDocument,
        &mut Outcome,
    ) -> Result<(), CommandError>,
) -> Result<Document, CommandError> {
    let name = command.collection()?;
    let statements = command.statements(field)?;
    if statements.is_empty() || statements.len() > MAX_STATEMENTS {
        return Err(CommandError::new(
            16,
            "InvalidLength",
            format!(
                "Write batch sizes must be between 1 and {MAX_STATEMENTS}. Got {} operations.",
                statements.len()
            ),
        ));
    }
    let ordered = command.flag("ordered", true);
    // Outside the transaction: a collection that was made stays, whatever comes of its documents.
    let collection = store.ensure(&command.db, name)?;
    store.transaction(|store| {
        let mut outcome = Outcome::default();
        let mut errors = Vec::new();
        for (index, raw) in statements.into_iter().enumerate() {
            outcome.index = index;
            if let Err(error) = statement(store, &collection, raw, &mut outcome) {
                errors.push(error.item(index));
                if ordered {
                    break;
                }
            }
        }
        let mut answer = doc! {"n": outcome.n};
        if field == "updates" {
            answer.insert("nModified", outcome.modified);
            if !outcome.upserted.is_empty() {
                answer.insert("upserted", outcome.upserted);
            }
        }
        if !errors.is_empty() {
            answer.insert("writeErrors", errors);
        }
        answer.insert("ok", 1.0);
        Ok(answer)
    })
}

fn write_over(
    store: &Store,
    namespace: &str,
    collection: &Collection,
    (id, old): (&[u8], &Document),
    new: &Document,
) -> Result<(), CommandError> {
    let new = update::with_id(new.clone());
    store
        .replace(namespace, collection, id, old, &new)
        .map_err(Refused::into)
}

fn upsert(
    store: &Store,
    namespace: &str,
    collection: &Collection,
    filter: &Filter,
    change: &Document,
) -> Result<Document, CommandError> {
    let mut seed = update::seed(filter)?;
    let is_replacement = !change
        .keys()
        .next()
        .is_some_and(|name| name.starts_with('$'));
    if is_replacement {
        // A replacement takes nothing but `_id` from its filter.
        seed = seed
            .get("_id")
            .map_or_else(Document::new, |id| doc! {"_id": id.clone()});
    }
    let new = update::with_id(update::apply(change, &seed, true)?);
    let raw = bson::RawDocumentBuf::try_from(&new)
        .map_err(|error| CommandError::bad_value(error.to_string()))?;
    if raw.as_bytes().len() > MAX_DOCUMENT {
        return Err(too_large());
    }
    store.insert(namespace, collection, &raw)?;
    Ok(new)
}

fn too_large() -> CommandError {
    CommandError::new(
        10334,
        "BSONObjectTooLarge",
        format!("object to insert too large; the limit is {MAX_DOCUMENT} bytes"),
    )
}

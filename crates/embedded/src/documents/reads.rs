//! The commands find, getMore, killCursors, count and distinct.

use super::command::{Command, CommandError, decode};
use super::cursors::{Cursor, Rest, Scan};
use super::filter::{Filter, integer, truth};
use super::key;
use super::path;
use super::store::{Collection, Store};
use bson::raw::cstr;
use bson::{Bson, Document, RawArrayBuf, RawDocument, RawDocumentBuf, doc, rawdoc};
use std::cmp::Ordering;

/// What a first batch holds when the client does not say.
pub(super) const FIRST_BATCH: usize = 101;

/// Bytes of documents in one answer; the whole must stay below a message's bound.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that a sort or a group may hold; MongoDB's bound is the same.
pub(super) const MAX_HELD: usize = 100 * 1024 * 1024;

pub(super) fn find(store: &mut Store, command: &Command) -> Result<RawDocumentBuf, CommandError> {
    let body = command.document()?;
    let part = |name| body.get_document(name).cloned().unwrap_or_default();
    let filter = Filter::parse(&part("filter"))?;
    let sort = part("sort");
    let projection = Some(part("projection")).filter(|projection| !projection.is_empty());
    let skip = amount(&body, "skip").unwrap_or(0);
    let limit = amount(&body, "limit").filter(|&limit| limit > 0);
    let batch = amount(&body, "batchSize").unwrap_or(FIRST_BATCH);
    let single = command.flag("singleBatch", false)
        || body.get("limit").and_then(integer).is_some_and(|l| l < 0);
    let direction = scan_direction(&sort);
    let rest = match direction {
        Some(backwards) if skip == 0 => Rest::Scan(Box::new(Scan {
            filter,
            projection,
            last: Vec::new(),
            backwards,
            left: limit.unwrap_or(usize::MAX),
        })),
        _ => {
            let found = sorted(store, command, &filter, &sort)?;
            let shown = found
                .into_iter()
                .skip(skip)
                .take(limit.unwrap_or(usize::MAX));
            Rest::Ready(
                shown
                    .map(|document| raw(&project(document, projection.as_ref())))
                    .collect::<Result<_, _>>()?,
            )
        }
    };
    first_batch(store, command, command.collection()?, rest, batch, single)
}

pub(super) fn get_more(
    store: &mut Store,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let body = command.document()?;
    let id = body.get_i64("getMore").unwrap_or(0);
    let batch = amount(&body, "batchSize")
        .filter(|&size| size > 0)
        .unwrap_or(usize::MAX);
    let mut cursor = store.cursors.take(id).ok_or_else(|| {
        CommandError::new(43, "CursorNotFound", format!("cursor id {id} not found"))
    })?;
    let (documents, done) = next_batch(store, &mut cursor, batch)?;
    let namespace = format!("{}.{}", cursor.db, cursor.collection);
    if !done {
        store.cursors.put_back(id, cursor);
    }
    Ok(cursor_answer(
        cstr!("nextBatch"),
        documents,
        if done { 0 } else { id },
        &namespace,
    ))
}

pub(super) fn kill_cursors(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    let body = command.document()?;
    let ids = body.get_array("cursors").cloned().unwrap_or_default();
    let (killed, unknown): (Vec<Bson>, Vec<Bson>) = ids
        .into_iter()
        .partition(|id| integer(id).is_some_and(|id| store.cursors.take(id).is_some()));
    Ok(
        doc! {"cursorsKilled": killed, "cursorsNotFound": unknown, "cursorsAlive": [], "cursorsUnknown": [], "ok": 1.0},
    )
}

pub(super) fn count(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let body = command.document()?;
    let filter = Filter::parse(body.get_document("query").unwrap_or(&Document::new()))?;
    let all = match store.collection(&command.db, command.collection()?) {
        Some(collection) => count_matching(store, collection, &filter)?,
        None => 0,
    };
    let after_skip = all
        .saturating_sub(amount(&body, "skip").unwrap_or(0) as i64)
        .max(0);
    let limit = amount(&body, "limit").filter(|&limit| limit > 0);
    let n = limit.map_or(after_skip, |limit| after_skip.min(limit as i64));
    Ok(doc! {"n": number(n), "ok": 1.0})
}

pub(super) fn distinct(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let body = command.document()?;
    let field = body
        .get_str("key")
        .map_err(|_| CommandError::failed_to_parse("distinct needs a key"))?;
    let filter = Filter::parse(body.get_document("query").unwrap_or(&Document::new()))?;
    let mut values = std::collections::BTreeMap::new();
    if let Some(collection) = store.collection(&command.db, command.collection()?) {
        for (_, document) in find_with_ids(store, collection, &filter, usize::MAX)? {
            for value in path::values(&document, field) {
                let items = value
                    .as_array()
                    .map_or(std::slice::from_ref(value), Vec::as_slice);
                for item in items {
                    values.insert(key::key(item), item.clone());
                }
            }
        }
    }
    Ok(doc! {"values": values.into_values().collect::<Vec<_>>(), "ok": 1.0})
}

/// A count as MongoDB answers it: int32 while it fits.
pub(super) fn number(n: i64) -> Bson {
    i32::try_from(n).map_or(Bson::Int64(n), Bson::Int32)
}

pub(super) fn count_matching(
    store: &Store,
    collection: &Collection,
    filter: &Filter,
) -> Result<i64, CommandError> {
    if filter.is_empty() {
        return store.count(collection);
    }
    let mut n = 0;
    visit(store, collection, filter, |_, _| {
        n += 1;
        Ok(true)
    })?;
    Ok(n)
}

/// The first documents that match, with the keys of their `_id`s.
pub(super) fn find_with_ids(
    store: &Store,
    collection: &Collection,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Document)>, CommandError> {
    let mut found = Vec::new();
    visit(store, collection, filter, |id, document| {
        found.push((id.to_vec(), document));
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// Visits what matches: by `_id` where the filter names it, else through the whole collection.
pub(super) fn visit(
    store: &Store,
    collection: &Collection,
    filter: &Filter,
    mut each: impl FnMut(&[u8], Document) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    if let Some(ids) = filter.ids() {
        let mut keys: Vec<Vec<u8>> = ids.iter().map(key::key).collect();
        keys.sort();
        keys.dedup();
        for id in keys {
            if let Some(raw) = store.get(collection, &id)? {
                let document = decode(&raw)?;
                if filter.matches(&document) && !each(&id, document)? {
                    return Ok(());
                }
            }
        }
        return Ok(());
    }
    store.scan(collection, None, |id, raw| {
        let document = decode(raw)?;
        if filter.matches(&document) {
            each(id, document)
        } else {
            Ok(true)
        }
    })
}

pub(super) fn compare_by(sort: &Document, a: &Document, b: &Document) -> Ordering {
    for (field, direction) in sort {
        let order = key::compare(&path::first(a, field), &path::first(b, field));
        let order = if integer(direction) == Some(-1) {
            order.reverse()
        } else {
            order
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Keeps count of what is held in memory; beyond the bound a command fails as MongoDB's would.
pub(super) fn hold(held: &mut usize, raw_size: usize) -> Result<(), CommandError> {
    *held += raw_size;
    if *held > MAX_HELD {
        return Err(CommandError::new(
            292,
            "QueryExceededMemoryLimitNoDiskUseAllowed",
            format!("sort or group exceeded memory limit of {MAX_HELD} bytes"),
        ));
    }
    Ok(())
}

/// The document with only what the projection asks for.
pub(super) fn project(document: Document, projection: Option<&Document>) -> Document {
    let Some(projection) = projection else {
        return document;
    };
    let includes = projection
        .iter()
        .any(|(field, value)| field != "_id" && truth(value));
    let wants_id = projection.get("_id").is_none_or(truth);
    let only_id = projection.keys().all(|field| field == "_id");
    if includes || (only_id && wants_id) {
        let mut shown = Document::new();
        if let (true, Some(id)) = (wants_id, document.get("_id")) {
            shown.insert("_id", id.clone());
        }
        for (field, _) in projection
            .iter()
            .filter(|(field, value)| *field != "_id" && truth(value))
        {
            if let Some(value) = path::values(&document, field).first() {
                // Only a path through an array cannot be set; such a field is left out.
                let _ = path::set(&mut shown, field, (*value).clone());
            }
        }
        return shown;
    }
    let mut shown = document;
    for (field, value) in projection {
        if !truth(value) {
            path::unset(&mut shown, field);
        }
    }
    shown
}

/// Whether the order of the keys is the order asked for: `Some(backwards)`.
pub(super) fn scan_direction(sort: &Document) -> Option<bool> {
    let mut fields = sort.iter();
    match (fields.next(), fields.next()) {
        (None, _) => Some(false),
        (Some((field, direction)), None) if field == "_id" || field == "$natural" => {
            Some(integer(direction) == Some(-1))
        }
        _ => None,
    }
}

fn sorted(
    store: &Store,
    command: &Command,
    filter: &Filter,
    sort: &Document,
) -> Result<Vec<Document>, CommandError> {
    let mut found = Vec::new();
    let mut held = 0;
    if let Some(collection) = store.collection(&command.db, command.collection()?) {
        visit(store, collection, filter, |_, document| {
            hold(&mut held, super::store::bytes_of(&document)?.len())?;
            found.push(document);
            Ok(true)
        })?;
    }
    found.sort_by(|a, b| compare_by(sort, a, b));
    Ok(found)
}

pub(super) fn first_batch(
    store: &mut Store,
    command: &Command,
    collection: &str,
    rest: Rest,
    batch: usize,
    single: bool,
) -> Result<RawDocumentBuf, CommandError> {
    let mut cursor = Cursor {
        db: command.db.clone(),
        collection: collection.to_owned(),
        rest,
    };
    let (documents, done) = next_batch(store, &mut cursor, batch)?;
    let namespace = format!("{}.{collection}", command.db);
    let id = if done || single {
        0
    } else {
        store.cursors.add(cursor)
    };
    Ok(cursor_answer(
        cstr!("firstBatch"),
        documents,
        id,
        &namespace,
    ))
}

/// The next documents of a cursor, and whether they were its last.
fn next_batch(
    store: &Store,
    cursor: &mut Cursor,
    batch: usize,
) -> Result<(Vec<RawDocumentBuf>, bool), CommandError> {
    let mut shown: Vec<RawDocumentBuf> = Vec::new();
    let mut bytes = 0;
    let mut done = true;
    match &mut cursor.rest {
        Rest::Ready(ready) => {
            while shown.len() < batch
                && let Some(next) = ready.front()
                && (shown.is_empty() || bytes + next.as_bytes().len() <= BATCH_BYTES)
            {
                bytes += next.as_bytes().len();
                shown.extend(ready.pop_front());
            }
            done = ready.is_empty();
        }
        Rest::Scan(scan) => {
            let Scan {
                filter,
                projection,
                last,
                backwards,
                left,
            } = &mut **scan;
            let Some(collection) = store.collection(&cursor.db, &cursor.collection) else {
                return Ok((shown, true));
            };
            let from = (!last.is_empty()).then(|| last.clone());
            let mut visit = |id: &[u8], document: &RawDocument| {
                let (matches, show) = show(filter, projection.as_ref(), document)?;
                if !matches {
                    return Ok(true);
                }
                let size = show.as_bytes().len();
                if *left == 0 {
                    return Ok(false);
                }
                if shown.len() >= batch || (!shown.is_empty() && bytes + size > BATCH_BYTES) {
                    done = false;
                    return Ok(false);
                }
                bytes += size;
                *left -= 1;
                shown.push(show);
                last.clear();
                last.extend_from_slice(id);
                Ok(true)
            };
            if let (Some(ids), None) = (filter.ids(), from.as_deref()) {
                let mut keys: Vec<Vec<u8>> = ids.iter().map(key::key).collect();
                keys.sort();
                keys.dedup();
                for id in keys {
                    if let Some(raw) = store.get(collection, &id)?
                        && !visit(&id, &raw)?
                    {
                        break;
                    }
                }
            } else if *backwards {
                store.scan_back(collection, from.as_deref(), visit)?;
            } else {
                store.scan(collection, from.as_deref(), visit)?;
            }
        }
    }
    Ok((shown, done))
}

fn show(
    filter: &Filter,
    projection: Option<&Document>,
    document: &RawDocument,
) -> Result<(bool, RawDocumentBuf), CommandError> {
    if filter.is_empty() && projection.is_none() {
        return Ok((true, document.to_owned()));
    }
    let decoded = decode(document)?;
    let matches = filter.matches(&decoded);
    Ok(match projection {
        Some(_) if matches => (true, raw(&project(decoded, projection))?),
        _ => (matches, document.to_owned()),
    })
}

fn cursor_answer(
    batch: &bson::raw::CStr,
    documents: Vec<RawDocumentBuf>,
    id: i64,
    namespace: &str,
) -> RawDocumentBuf {
    let items: RawArrayBuf = documents.into_iter().collect();
    let mut cursor = RawDocumentBuf::new();
    cursor.append(batch, items);
    cursor.append(cstr!("id"), id);
    cursor.append(cstr!("ns"), namespace);
    let mut answer = rawdoc! {"cursor": cursor};
    answer.append(cstr!("ok"), 1.0);
    answer
}

pub(super) fn raw(document: &Document) -> Result<RawDocumentBuf, CommandError> {
    RawDocumentBuf::try_from(document).map_err(|error| CommandError::bad_value(error.to_string()))
}

/// A count that a client gave; a negative one counts as its size.
pub(super) fn amount(body: &Document, name: &str) -> Option<usize> {
    body.get(name)
        .and_then(integer)
        .map(|n| n.unsigned_abs() as usize)
}

//! A subset of the aggregation pipeline: what drivers' counts, shells and document browsers send.

use super::catalog;
use super::command::{Command, CommandError};
use super::cursors::Rest;
use super::expression::evaluate;
use super::filter::{Filter, integer};
use super::key;
use super::path;
use super::reads;
use super::store::{Store, bytes_of};
use super::update;
use bson::{Bson, Document, RawDocumentBuf, doc};
use std::collections::{BTreeMap, VecDeque};

/// The command `aggregate`.
pub(super) fn command(
    store: &mut Store,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let body = command.document()?;
    let pipeline = pipeline(&body)?;
    let batch = body
        .get_document("cursor")
        .ok()
        .and_then(|cursor| reads::amount(cursor, "batchSize"))
        .unwrap_or(reads::FIRST_BATCH);
    let name = command.collection().unwrap_or("$cmd.aggregate");
    let documents = run(store, &command.db, name, &pipeline)?;
    let ready = documents
        .iter()
        .map(reads::raw)
        .collect::<Result<VecDeque<_>, _>>()?;
    reads::first_batch(store, command, name, Rest::Ready(ready), batch, false)
}

/// The stages of the command `aggregate`.
pub(super) fn pipeline(command: &Document) -> Result<Vec<Document>, CommandError> {
    let stages = command
        .get_array("pipeline")
        .map_err(|_| CommandError::failed_to_parse("aggregate needs a pipeline"))?;
    Ok(stages
        .iter()
        .filter_map(|stage| stage.as_document().cloned())
        .collect())
}

/// Stages that make their documents instead of reading a collection's.
pub(super) fn is_source(stage: &str) -> bool {
    matches!(stage, "$collStats" | "$indexStats" | "$currentOp")
}

pub(super) fn run(
    store: &Store,
    db: &str,
    name: &str,
    pipeline: &[Document],
) -> Result<Vec<Document>, CommandError> {
    if let Some(counted) = plain_count(store, db, name, pipeline)? {
        return Ok(counted);
    }
    let mut stages = pipeline
        .iter()
        .map(stage)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    // A first $match narrows the scan; a source replaces it.
    let mut first = stages.next();
    let mut documents = Vec::new();
    match first {
        Some((source, _)) if is_source(source) => {
            documents = catalog::statistics(store, db, name, source)?;
            first = None;
        }
        _ => {
            let filter = match first {
                Some(("$match", Bson::Document(filter))) => {
                    first = None;
                    Filter::parse(filter)?
                }
                _ => Filter::parse(&Document::new())?,
            };
            if let Some(collection) = store.collection(db, name) {
                let mut held = 0;
                reads::visit(store, collection, &filter, |_, document| {
                    reads::hold(&mut held, bytes_of(&document)?.len())?;
                    documents.push(document);
                    Ok(true)
                })?;
            }
        }
    }
    for (name, operand) in first.into_iter().chain(stages) {
        documents = apply(documents, name, operand)?;
    }
    Ok(documents)
}

/// `countDocuments`: [$match, $group with a constant id and a sum of ones] counts without holding anything.
fn plain_count(
    store: &Store,
    db: &str,
    name: &str,
    pipeline: &[Document],
) -> Result<Option<Vec<Document>>, CommandError> {
    let (filter, group) = match pipeline {
        [group] => (Document::new(), group),
        [first, group] => match first.get_document("$match") {
            Ok(filter) => (filter.clone(), group),
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let Ok(group) = group.get_document("$group") else {
        return Ok(None);
    };
    let mut fields = group.iter().filter(|(name, _)| *name != "_id");
    let (Some((field, Bson::Document(sum))), None) = (fields.next(), fields.next()) else {
        return Ok(None);
    };
    let id = group.get("_id").cloned().unwrap_or(Bson::Null);
    let constant = !matches!(&id, Bson::String(_) | Bson::Document(_));
    if !constant || sum.get("$sum").and_then(integer) != Some(1) {
        return Ok(None);
    }
    let n = match store.collection(db, name) {
        Some(collection) => reads::count_matching(store, collection, &Filter::parse(&filter)?)?,
        None => 0,
    };
    Ok(Some(if n == 0 {
        Vec::new()
    } else {
        vec![doc! {"_id": id, field: reads::number(n)}]
    }))
}

fn stage(stage: &Document) -> Result<(&str, &Bson), CommandError> {
    let mut fields = stage.iter();
    match (fields.next(), fields.next()) {
        (Some((name, operand)), None) => Ok((name.as_str(), operand)),
        _ => Err(CommandError::new(
            40323,
            "Location40323",
            "A pipeline stage specification object must contain exactly one field.",
        )),
    }
}

fn apply(
    mut documents: Vec<Document>,
    name: &str,
    operand: &Bson,
) -> Result<Vec<Document>, CommandError> {
    let amount = || {
        integer(operand)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0)
    };
    let fields = || {
        operand
            .as_document()
            .ok_or_else(|| CommandError::failed_to_parse(format!("{name} needs an object")))
    };
    match name {
        "$match" => {
            let filter = Filter::parse(fields()?)?;
            documents.retain(|document| filter.matches(document));
        }
        "$sort" => {
            let sort = fields()?;
            documents.sort_by(|a, b| reads::compare_by(sort, a, b));
        }
        "$limit" => documents.truncate(amount()),
        "$skip" => {
            documents.drain(..amount().min(documents.len()));
        }
        // The first ones are sample enough for a document browser.
        "$sample" => {
            documents.truncate(fields()?.get("size").and_then(integer).unwrap_or(0).max(0) as usize)
        }
        "$count" => {
            let field = operand.as_str().unwrap_or("count");
            let n = documents.len() as i64;
            documents = if n == 0 {
                Vec::new()
            } else {
                vec![doc! {field: reads::number(n)}]
            };
        }
        "$project" => return projected(documents, fields()?),
        "$unset" => {
            let fields: Vec<&str> = match operand {
                Bson::Array(fields) => fields.iter().filter_map(Bson::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            for document in &mut documents {
                for field in &fields {
                    path::unset(document, field);
                }
            }
        }
        "$addFields" | "$set" => {
            for document in &mut documents {
                for (field, expression) in fields()? {
                    match evaluate(expression, document)? {
                        Some(value) => path::set(document, field, value)
                            .map_err(|why| CommandError::new(28, "PathNotViable", why))?,
                        None => {
                            path::unset(document, field);
                        }
                    }
                }
            }
        }
        "$unwind" => return unwound(documents, operand),
        "$group" => return grouped(&documents, fields()?),
        _ => {
            return Err(CommandError::new(
                40324,
                "Location40324",
                format!("Unrecognized pipeline stage name: '{name}'"),
            ));
        }
    }
    Ok(documents)
}

fn projected(documents: Vec<Document>, fields: &Document) -> Result<Vec<Document>, CommandError> {
    let plain = |value: &Bson| {
        matches!(
            value,
            Bson::Boolean(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_)
        )
    };
    documents
        .into_iter()
        .map(|document| {
            let mut computed = Vec::new();
            for (field, expression) in fields.iter().filter(|(_, value)| !plain(value)) {
                computed.extend(evaluate(expression, &document)?.map(|value| (field, value)));
            }
            let simple: Document = fields
                .iter()
                .filter(|(_, value)| plain(value))
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect();
            let mut shown = if !simple.is_empty() {
                reads::project(document, Some(&simple))
            } else {
                document
                    .get("_id")
                    .map_or_else(Document::new, |id| doc! {"_id": id.clone()})
            };
            for (field, value) in computed {
                shown.insert(field, value);
            }
            Ok(shown)
        })
        .collect()
}

fn unwound(documents: Vec<Document>, operand: &Bson) -> Result<Vec<Document>, CommandError> {
    let path = match operand {
        Bson::String(path) => path.as_str(),
        Bson::Document(options) => options.get_str("path").unwrap_or_default(),
        _ => "",
    };
    let path = path.strip_prefix('$').ok_or_else(|| {
        CommandError::failed_to_parse("path option to $unwind stage should be prefixed with a '$'")
    })?;
    let mut unwound = Vec::new();
    let mut held = 0;
    for document in documents {
        for item in path::values(&document, path) {
            let items = item
                .as_array()
                .map_or(std::slice::from_ref(item), Vec::as_slice);
            for item in items {
                let mut one = document.clone();
                path::set(&mut one, path, item.clone())
                    .map_err(|why| CommandError::new(28, "PathNotViable", why))?;
                reads::hold(&mut held, bytes_of(&one)?.len())?;
                unwound.push(one);
            }
        }
    }
    Ok(unwound)
}

fn grouped(documents: &[Document], spec: &Document) -> Result<Vec<Document>, CommandError> {
    let mut groups: BTreeMap<Vec<u8>, (Bson, Vec<&Document>)> = BTreeMap::new();
    for document in documents {
        let id = evaluate(spec.get("_id").unwrap_or(&Bson::Null), document)?.unwrap_or(Bson::Null);
        groups
            .entry(key::key(&id))
            .or_insert_with(|| (id, Vec::new()))
            .1
            .push(document);
    }
    groups
        .into_values()
        .map(|(id, members)| {
            let mut group = doc! {"_id": id};
            for (field, accumulator) in spec.iter().filter(|(field, _)| *field != "_id") {
                group.insert(field, accumulate(accumulator, &members)?);
            }
            Ok(group)
        })
        .collect()
}

fn accumulate(accumulator: &Bson, members: &[&Document]) -> Result<Bson, CommandError> {
    let unknown = || {
        CommandError::new(
            15952,
            "Location15952",
            format!("unknown group operator {accumulator}"),
        )
    };
    let (name, expression) = accumulator
        .as_document()
        .and_then(|fields| fields.iter().next())
        .ok_or_else(unknown)?;
    let mut values = Vec::with_capacity(members.len());
    for member in members {
        let value = evaluate(expression, member)?;
        // The first or the last member counts even where it has no such field.
        let stand_in = matches!(name.as_str(), "$first" | "$last").then_some(Bson::Null);
        values.extend(value.or(stand_in));
    }
    let numbers = || {
        values
            .iter()
            .filter(|value| update::number(value).is_some())
    };
    Ok(match name.as_str() {
        "$sum" => {
            let mut sum = Bson::Int32(0);
            for value in numbers() {
                sum = update::add(&sum, value)?;
            }
            sum
        }
        "$avg" => {
            let count = numbers().count();
            let sum: f64 = numbers().filter_map(update::number).sum();
            if count == 0 {
                Bson::Null
            } else {
                Bson::Double(sum / count as f64)
            }
        }
        "$min" => values
            .into_iter()
            .filter(|v| *v != Bson::Null)
            .min_by(key::compare)
            .unwrap_or(Bson::Null),
        "$max" => values
            .into_iter()
            .filter(|v| *v != Bson::Null)
            .max_by(key::compare)
            .unwrap_or(Bson::Null),
        "$first" => values.into_iter().next().unwrap_or(Bson::Null),
        "$last" => values.into_iter().next_back().unwrap_or(Bson::Null),
        "$push" => Bson::Array(values),
        "$addToSet" => {
            let set: BTreeMap<_, _> = values
                .into_iter()
                .map(|value| (key::key(&value), value))
                .collect();
            Bson::Array(set.into_values().collect())
        }
        "$count" => reads::number(members.len() as i64),
        _ => return Err(unknown()),
    })
}

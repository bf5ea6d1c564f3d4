//! The statements of a batch and the records that are reported, without a store behind.

use super::same_error;
use super::support::compare::{Comparison, canonical_document};
use super::support::rig::{Fed, Rig, batches, feed};
use bson::doc;
use millstream_core::RecordError;
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction, RecordedCommand};
use millstream_golden::Outcome;
use serde_json::{Value as Json, json};
use std::error::Error;

/// Enough of them that no case reaches the store behind.
pub(super) const DISCARDED: usize = 64;

pub(super) fn discard_all() -> Vec<DocumentFault> {
    ["insert", "update", "delete"]
        .into_iter()
        .flat_map(|command| {
            (1..=DISCARDED).map(move |nth| DocumentFault {
                command: command.to_owned(),
                nth,
                action: DocumentFaultAction::ReplaceReply(doc! {"ok": 1.0, "n": 1}),
            })
        })
        .collect()
}

pub(super) async fn judge_models(case: &Json) -> Outcome {
    let rig = Rig::new(&case["config"], discard_all()).await;
    let expected = &case["expected"];
    let mut task = match rig.start(true).await {
        Ok(task) => task,
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let wanted = expected["error"]["message"].as_str().unwrap_or("no error");
            return Outcome::equal(
                &(cause.as_str(), "start"),
                &(wanted, expected["stage"].as_str().unwrap_or("")),
            );
        }
    };
    let records = case["records"].as_array().unwrap();
    let fed = feed(task.as_mut(), batches(records)).await;
    // The original finds these while its driver encodes; we find them before.
    let encode_error = expected["batches"].as_array().and_then(|batches| {
        batches
            .iter()
            .flat_map(|batch| batch["models"].as_array().unwrap())
            .find(|m| m.get("encode_error").is_some())
    });
    if let Some(model) = encode_error {
        let wanted = &model["encode_error"];
        let message = wanted["message"].as_str().unwrap();
        let mut found: Vec<String> = fed
            .rejected
            .iter()
            .map(|row| row.error.clone().shown(true).to_string())
            .collect();
        let mut next: Option<&dyn Error> = fed.error.as_ref().map(|error| error as &dyn Error);
        while let Some(error) = next {
            found.push(error.to_string());
            next = error.source();
        }
        return if found.iter().any(|text| text.contains(message)) {
            Outcome::Passed
        } else {
            Outcome::Failed(format!("{found:?} instead of {message}"))
        };
    }
    if let Some(error) = expected.get("error") {
        return match fed.error {
            Some(actual) => {
                let actual = RecordError::new(actual.class, actual.message);
                if same_error(&actual, error) {
                    Outcome::Passed
                } else {
                    Outcome::Failed(format!("{actual:?} instead of {error}"))
                }
            }
            None => Outcome::Failed(format!("no error instead of {error}")),
        };
    }
    if let Some(error) = fed.error {
        return Outcome::Failed(format!(
            "unexpected error {error}: {:?}",
            error.source().map(ToString::to_string)
        ));
    }
    if let Err(why) = same_reports(&fed, records, &expected["reported"], |index| index) {
        return Outcome::Failed(why);
    }
    let actual: Vec<Json> = rig
        .proxy
        .recorded()
        .iter()
        .filter(|command| is_write(command))
        .flat_map(statements)
        .collect();
    let wanted: Vec<Json> = expected["batches"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(wanted_statements)
        .collect();
    let mut comparison = Comparison::default();
    if actual.len() == wanted.len()
        && actual
            .iter()
            .zip(&wanted)
            .all(|(a, b)| comparison.same(a, b))
    {
        Outcome::Passed
    } else {
        Outcome::Failed(format!(
            "\n   actual {}\n expected {}",
            json!(actual),
            json!(wanted)
        ))
    }
}

pub(super) fn is_write(command: &RecordedCommand) -> bool {
    matches!(command.name.as_str(), "insert" | "update" | "delete")
}

/// One entry for each statement: namespace, order, and the statement.
pub(super) fn statements(command: &RecordedCommand) -> Vec<Json> {
    let field = match command.name.as_str() {
        "insert" => "documents",
        "update" => "updates",
        _ => "deletes",
    };
    let namespace = format!(
        "{}.{}",
        command.body.get_str("$db").unwrap(),
        command.body.get_str(&command.name).unwrap()
    );
    let ordered = command.body.get_bool("ordered").unwrap();
    let documents = command.body.get_array(field).unwrap();
    documents
        .iter()
        .map(|item| {
            let statement = canonical_document(item.as_document().unwrap());
            json!({"namespace": namespace, "ordered": ordered, field: statement})
        })
        .collect()
}

/// The same for the recorded models, in their wire form.
pub(super) fn wanted_statements(batch: &Json) -> Vec<Json> {
    let models = batch["models"].as_array().unwrap();
    let wire = models.iter().map(|model| {
        let (field, statement) = if let Some(insert) = model.get("insertOne") {
            ("documents", id_first(&insert["document"]))
        } else if let Some(replace) = model.get("replaceOne") {
            ("updates", json!({"q": replace["filter"], "u": replace["replacement"], "upsert": replace["upsert"]}))
        } else if let Some(update) = model.get("updateOne") {
            ("updates", json!({"q": update["filter"], "u": update["update"], "upsert": update["upsert"]}))
        } else {
            ("deletes", json!({"q": model["deleteOne"]["filter"], "limit": {"$numberInt": "1"}}))
        };
        json!({"namespace": batch["namespace"], "ordered": batch["ordered"], field: statement})
    });
    wire.collect()
}

pub(super) fn id_first(document: &Json) -> Json {
    let mut fields = document.as_object().unwrap().clone();
    let id = fields
        .shift_remove("_id")
        .unwrap_or_else(|| json!({"$generated": "objectId#driver"}));
    let mut whole = serde_json::Map::new();
    whole.insert("_id".to_owned(), id);
    whole.extend(fields);
    Json::Object(whole)
}

/// Compares the reported records; `place` turns a recorded place into an index of `records`.
pub(super) fn same_reports<'a>(
    fed: &Fed,
    records: &[Json],
    expected: &'a Json,
    place: impl Fn(&'a Json) -> &'a Json,
) -> Result<(), String> {
    let expected = expected.as_array().unwrap();
    let show = || {
        let actual: Vec<String> = fed
            .rejected
            .iter()
            .map(|row| format!("{} {} {:?}", row.origin, row.offset, row.error))
            .collect();
        format!("\n reported {actual:?}\n expected {}", json!(expected))
    };
    if fed.rejected.len() != expected.len() {
        return Err(show());
    }
    for wanted in expected {
        let record = &records[place(&wanted["record"]).as_u64().unwrap() as usize];
        let found = fed.rejected.iter().any(|row| {
            row.offset == record["offset"].as_i64().unwrap()
                && &*row.origin.topic == record["topic"].as_str().unwrap()
                && same_error(&row.error, &wanted["error"])
        });
        if !found {
            return Err(show());
        }
    }
    Ok(())
}

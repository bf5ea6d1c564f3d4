//! `transforms/*.jsonl`: chains from their settings, records through them.

use millstream_core::batch::{FetchedColumns, NO_TIMESTAMP};
use millstream_core::chain::{self, ChainStage};
use millstream_core::config::Parsed;
use millstream_core::{
    ByteColumn, Decoded, Destination, Header, Headers, Payload, Properties, RecordBatch, Rejected,
    RowMask, SchemaAndValue, TimestampType, TopicPartition,
};
use millstream_golden::{Outcome, run, schema, value};
use millstream_plugins::{CONVERTERS, PREDICATES, TRANSFORMS};
use serde_json::Value as Json;
use std::sync::Arc;

#[test]
fn golden_transforms() {
    run("transforms", |_, case| judge(case));
}

fn judge(case: &Json) -> Outcome {
    if let Some(zone) = case["timezone"].as_str() {
        return Outcome::NotDue(format!("the time zone {zone}: ours is UTC"));
    }
    let config = case["config"].as_object().unwrap();
    let properties: Properties = config
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect();
    for (key, class) in properties.iter() {
        let known = TRANSFORMS
            .iter()
            .map(|p| p.class)
            .chain(PREDICATES.iter().map(|p| p.class))
            .chain(CONVERTERS.iter().map(|p| p.class));
        let outer = |known: &str| {
            known
                .split_once('$')
                .is_some_and(|(outer, _)| outer == class)
        };
        if key.ends_with(".type")
            && class.starts_with("org.apache.kafka.")
            && !class.ends_with(".Value")
            && !known.clone().any(|known| known == class || outer(known))
        {
            return Outcome::NotDue(class.to_owned());
        }
    }
    let expected = outputs(case);
    let refusal = expected.iter().find(|output| !output["phase"].is_null());
    let phase = refusal.map(|output| output["phase"].as_str().unwrap());
    if let Some(failed) = check_validation(case, &properties, phase, &expected) {
        return failed;
    }
    if phase == Some("validate") {
        return Outcome::Passed;
    }
    match (chain::build(&properties, TRANSFORMS, PREDICATES), phase) {
        (Err(error), Some("start")) => {
            let message = refusal.unwrap()["error"]["message"].as_str().unwrap();
            check_message(&error.cause.message, message)
        }
        (Err(error), _) => Outcome::Failed(format!("not built: {error}")),
        (Ok(_), Some("start")) => Outcome::Failed("built although it must not be".to_owned()),
        (Ok(mut chain), _) => match run_records(case, &mut chain, &expected) {
            Outcome::Passed => run_together(case, &mut chain, &expected),
            other => other,
        },
    }
}

fn outputs(case: &Json) -> Vec<Json> {
    match case["outputs"].as_array() {
        Some(outputs) => outputs.clone(),
        None => vec![case["output"].clone()],
    }
}

fn inputs(case: &Json) -> Vec<Json> {
    match (case["inputs"].as_array(), &case["input"]) {
        (Some(inputs), _) => inputs.clone(),
        (None, Json::Null) => Vec::new(),
        (None, input) => vec![input.clone()],
    }
}

/// What the REST API shows; and that a refusal of Java's connector configuration is one of ours.
fn check_validation(
    case: &Json,
    properties: &Properties,
    phase: Option<&str>,
    expected: &[Json],
) -> Option<Outcome> {
    let mut actual: Vec<(String, Vec<String>)> =
        chain::validate(properties, TRANSFORMS, PREDICATES, &|_| None)
            .into_iter()
            .map(|(_, value)| (value.name, value.errors))
            .collect();
    for list in ["transforms", "predicates"] {
        let items = properties.get(list).unwrap_or_default().split(',');
        let items = items.map(|item| item.trim().to_owned()).collect();
        if let Err(error) = chain::unique_aliases(list, Some(&Parsed::List(items))) {
            actual.push((list.to_owned(), vec![error]));
        }
    }
    actual.retain(|(_, errors)| !errors.is_empty());
    if let Some(recorded) = case["validation"].as_array() {
        let mut recorded: Vec<(String, Vec<String>)> = recorded
            .iter()
            .map(|entry| {
                let errors = entry["errors"].as_array().unwrap().iter();
                (
                    entry["name"].as_str().unwrap().to_owned(),
                    errors.map(|e| e.as_str().unwrap().to_owned()).collect(),
                )
            })
            .collect();
        recorded.sort();
        actual.sort();
        if actual != recorded {
            return Some(Outcome::equal(&actual, &recorded));
        }
    }
    if phase == Some("validate") {
        let message = expected[0]["error"]["message"].as_str().unwrap();
        let Err(refusal) = chain::build(properties, TRANSFORMS, PREDICATES) else {
            return Some(Outcome::Failed("built although refused".to_owned()));
        };
        // Java's connector configuration says of some classes what its REST API says otherwise, or not at all.
        let shown = actual.iter().flat_map(|(_, errors)| errors);
        if refusal.cause.message != message && !shown.clone().any(|error| error == message) {
            let found = format!("{refusal}, {actual:?}");
            return Some(Outcome::equal(&found.as_str(), &message));
        }
    } else if !actual.is_empty() {
        return Some(Outcome::Failed(format!("refused: {actual:?}")));
    }
    None
}

/// A message that ends in `…` goes on with a random part; one with a whole record in it is cut by ours.
fn check_message(actual: &str, expected: &str) -> Outcome {
    let actual = actual.replace("java.util.LinkedHashMap", "java.util.HashMap");
    let missing = "Timestamp missing on record: ";
    let same = match expected.strip_suffix('…') {
        Some(start) => actual.starts_with(start),
        None => actual == expected,
    };
    if same || (expected.starts_with(missing) && actual.starts_with(missing)) {
        Outcome::Passed
    } else {
        Outcome::equal(&actual.as_str(), &expected)
    }
}

fn run_records(case: &Json, chain: &mut [ChainStage], expected: &[Json]) -> Outcome {
    for (input, output) in inputs(case).iter().zip(expected) {
        if input["topic"].is_null() || (input["offset"].is_null() && uses_offsets(case)) {
            return Outcome::NotDue("source records".to_owned());
        }
        let mut batch = batch(input);
        let mut rejected = Rejected::default();
        chain::apply(chain, &mut batch, &mut rejected);
        let outcome = compare(&batch, &rejected, output);
        if !matches!(outcome, Outcome::Passed) {
            return outcome;
        }
    }
    Outcome::Passed
}

/// Source records have neither an offset nor, at times, a partition; ours have both.
fn uses_offsets(case: &Json) -> bool {
    let config = case["config"].as_object().unwrap();
    config
        .keys()
        .any(|key| key.ends_with(".offset.field") || key.ends_with(".partition.field"))
}

fn compare(batch: &RecordBatch, rejected: &Rejected, expected: &Json) -> Outcome {
    if let Some(message) = expected["error"]["message"].as_str() {
        return match rejected.rows.first() {
            Some(_) if expected["error"]["class"] == "java.lang.NullPointerException" => {
                Outcome::Passed
            }
            Some(row) => check_message(row.error.java_message(), message),
            None => Outcome::Failed(format!("did not fail with: {message}")),
        };
    }
    if let Some(row) = rejected.rows.first() {
        return Outcome::Failed(format!("failed: {}", row.error));
    }
    if expected.is_null() {
        return Outcome::equal(&batch.len(), &0);
    }
    if batch.len() != 1 {
        return Outcome::Failed("the record was dropped".to_owned());
    }
    let actual = (
        batch.destination.topic(0).to_string(),
        batch.timestamps[0],
        row_of(&batch.keys),
        row_of(&batch.values),
        match &batch.headers {
            Headers::Decoded { rows, .. } => rows[0].clone(),
            Headers::None | Headers::Raw(_) => Vec::new(),
        },
    );
    let expected = (
        expected["topic"].as_str().unwrap().to_owned(),
        expected["timestamp"].as_i64().unwrap_or(NO_TIMESTAMP),
        part(expected, "key"),
        part(expected, "value"),
        headers(expected),
    );
    Outcome::equal(&actual, &expected)
}

fn row_of(payload: &Payload) -> SchemaAndValue {
    let decoded = payload.decoded().unwrap();
    SchemaAndValue {
        schema: decoded.schemas[0].clone(),
        value: decoded.values[0].clone(),
    }
}

fn part(record: &Json, name: &str) -> SchemaAndValue {
    let schema = schema(&record[format!("{name}_schema")]);
    let value = value(&record[name], schema.as_ref());
    SchemaAndValue { schema, value }
}

fn headers(record: &Json) -> Vec<Header> {
    let entries = record["headers"].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let schema = schema(&entry["schema"]);
            Header {
                key: entry["key"].as_str().unwrap().to_owned(),
                value: value(&entry["value"], schema.as_ref()),
                schema,
            }
        })
        .collect()
}

fn payload(row: SchemaAndValue) -> Payload {
    let mut decoded = Decoded::with_capacity(ByteColumn::nulls(1));
    decoded.push(row);
    Payload::Decoded(decoded)
}

/// A batch of the one record.
fn batch(record: &Json) -> RecordBatch {
    let topic: Arc<str> = Arc::from(record["topic"].as_str().unwrap());
    let offset = record["offset"].as_i64().unwrap_or(0);
    RecordBatch {
        origin: TopicPartition {
            topic: topic.clone(),
            partition: record["partition"].as_i64().unwrap_or(0) as i32,
        },
        destination: Destination::Uniform(topic),
        first_offset: offset,
        next_offset: offset + 1,
        offsets: vec![offset],
        timestamps: vec![record["timestamp"].as_i64().unwrap_or(NO_TIMESTAMP)],
        timestamp_type: TimestampType::CreateTime,
        keys: payload(part(record, "key")),
        values: payload(part(record, "value")),
        headers: Headers::Decoded {
            rows: vec![headers(record)],
            raw: None,
        },
        fetched: FetchedColumns::default(),
        permit: None,
    }
}

/// The inputs of a case that pass, as one batch: what comes out must be what comes out one by one.
fn run_together(case: &Json, chain: &mut [ChainStage], expected: &[Json]) -> Outcome {
    let inputs = inputs(case);
    let passing: Vec<(&Json, &Json)> = inputs
        .iter()
        .zip(expected)
        .filter(|(_, output)| output["error"].is_null())
        .collect();
    let Some((first, _)) = passing.first() else {
        return Outcome::Passed;
    };
    let mut together = batch(first);
    let mut outputs = Vec::new();
    for (index, (input, output)) in passing.iter().enumerate() {
        if input["topic"] != first["topic"] || input["partition"] != first["partition"] {
            continue;
        }
        if index > 0 {
            append(&mut together, batch(input));
        }
        if !output.is_null() {
            outputs.push(*output);
        }
    }
    let mut rejected = Rejected::default();
    chain::apply(chain, &mut together, &mut rejected);
    if !rejected.is_empty() || together.len() != outputs.len() {
        return Outcome::Failed("together the rows fare otherwise".to_owned());
    }
    for (row, output) in outputs.iter().enumerate() {
        let one_row = RowMask::from_fn(together.len(), |other| other == row);
        let mut single = RecordBatch {
            permit: None,
            origin: together.origin.clone(),
            destination: together.destination.clone(),
            offsets: together.offsets.clone(),
            timestamps: together.timestamps.clone(),
            keys: together.keys.clone(),
            values: together.values.clone(),
            headers: together.headers.clone(),
            fetched: together.fetched.clone(),
            ..together
        };
        single.retain(&one_row);
        let outcome = compare(&single, &rejected, output);
        if !matches!(outcome, Outcome::Passed) {
            return outcome;
        }
    }
    Outcome::Passed
}

/// Adds the rows of another batch of the same partition.
fn append(batch: &mut RecordBatch, mut more: RecordBatch) {
    batch.offsets.append(&mut more.offsets);
    batch.timestamps.append(&mut more.timestamps);
    for (to, from) in [
        (&mut batch.keys, &mut more.keys),
        (&mut batch.values, &mut more.values),
    ] {
        let (to, from) = (to.decoded_mut().unwrap(), from.decoded_mut().unwrap());
        to.schemas.append(&mut from.schemas);
        to.values.append(&mut from.values);
        to.raw = ByteColumn::nulls(to.values.len());
    }
    if let (Headers::Decoded { rows, .. }, Headers::Decoded { rows: others, .. }) =
        (&mut batch.headers, &mut more.headers)
    {
        rows.append(others);
    }
}

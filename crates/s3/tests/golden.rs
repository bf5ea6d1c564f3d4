//! The sink against the recordings of Confluent's own: the same requests, the same objects, the same answers.
#![allow(clippy::unwrap_used)]

mod support {
    pub(crate) mod batches;
    pub(crate) mod compare;
    pub(crate) mod defects;
    pub(crate) mod parquet_files;
    pub(crate) mod run;
    pub(crate) mod server;
}

use millstream_core::config::{Default, Key};
use millstream_core::{Connector, Properties};
use millstream_golden::Outcome;
use millstream_s3::S3SinkConnector;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use support::defects;
use support::run::Run;
use support::server::Server;

#[test]
fn golden_s3_cases() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    millstream_golden::run("s3", |_, case| runtime.block_on(judge(case)));
}

#[test]
fn golden_s3_validation() {
    millstream_golden::run("s3 validation", |_, case| judge_validation(case));
}

#[test]
fn golden_s3_settings() {
    millstream_golden::run("s3 settings", |_, case| judge_settings(case));
}

fn properties(case: &Json, endpoint: &str) -> Properties {
    let config = case["config"].as_object().expect("a configuration");
    config
        .iter()
        .map(|(key, value)| {
            let value = value.as_str().expect("a text");
            (key.clone(), value.replace("$ENDPOINT", endpoint))
        })
        .collect()
}

/// What a case uses that the sink does not do yet, or does otherwise by design.
fn not_due(case: &Json, properties: &Properties) -> Option<String> {
    let values = S3SinkConnector.validate(properties);
    let refused = values
        .iter()
        .flat_map(|value| &value.errors)
        .find(|error| error.contains("not supported by this version"));
    if let Some(error) = refused {
        return Some(error.clone());
    }
    if case.get("tick").is_some() {
        return Some("it counts how often the clock is read".to_owned());
    }
    None
}

fn judge_validation(case: &Json) -> Outcome {
    let properties = properties(case, "$ENDPOINT");
    if let Some(why) = not_due(case, &properties) {
        return Outcome::NotDue(why);
    }
    let expected = &case["expected"];
    if expected.get("thrown").is_some() {
        return judge_plain_error(case, &properties);
    }
    let values = S3SinkConnector.validate(&properties);
    let errors: BTreeMap<&str, &Vec<String>> = values
        .iter()
        .filter(|value| !value.errors.is_empty())
        .map(|value| (value.name.as_str(), &value.errors))
        .collect();
    let hidden: Vec<&str> = values
        .iter()
        .filter(|value| !value.visible)
        .map(|value| value.name.as_str())
        .collect();
    let mut actual = json!({"errors": errors, "not_visible": hidden});
    if case["values"] == true {
        let texts: serde_json::Map<String, Json> = values
            .iter()
            .map(|value| {
                (
                    value.name.clone(),
                    value.value.as_ref().map(|v| v.to_text()).into(),
                )
            })
            .collect();
        actual["values"] = texts.into();
    }
    if let Err(error) = S3SinkConnector.check_start(&properties) {
        actual["start_error"] = json!({"class": error.class, "message": error.message});
    }
    Outcome::equal(&actual, expected)
}

/// Where the original's validation breaks down, the key has a plain error of its own.
fn judge_plain_error(case: &Json, properties: &Properties) -> Outcome {
    let values = S3SinkConnector.validate(properties);
    let said: Vec<&String> = values.iter().flat_map(|value| &value.errors).collect();
    let expected = case["expected"]["start_error"]["message"].as_str();
    if said.iter().any(|error| Some(error.as_str()) == expected) {
        Outcome::Passed
    } else {
        Outcome::Failed(format!("said {said:?}"))
    }
}

/// Every setting as the original has it.
fn judge_settings(case: &Json) -> Outcome {
    let keys = S3SinkConnector.config_def();
    let recorded = case["keys"].as_array().into_iter().flatten();
    let recorded: Vec<Json> = recorded.map(comparable).collect();
    let mut differences = String::new();
    for (key, recorded) in keys.keys().iter().zip(&recorded) {
        let mut ours = described(key);
        // The beginning was recorded; ours may say more.
        let doc = recorded["doc"].as_str().unwrap_or_default();
        if key.doc.starts_with(doc) {
            ours["doc"] = Json::from(doc);
        }
        if ours != *recorded {
            differences.push_str(&format!("\n   actual {ours}\n expected {recorded}"));
        }
    }
    if !differences.is_empty() {
        return Outcome::Failed(differences);
    }
    Outcome::equal(&keys.keys().len(), &recorded.len())
}

fn described(key: &Key) -> Json {
    json!({
        "name": key.name, "type": key.kind.name(), "required": key.default == Default::Required,
        "default": key.default_text(), "importance": key.importance.name(),
        "group": key.group.clone().unwrap_or_default(), "order": key.order, "width": key.width.name(),
        "display_name": key.display_name, "dependents": key.dependents,
        "doc": key.doc,
    })
}

/// Without what depends on a configuration, which the recordings of validation show.
fn comparable(recorded: &Json) -> Json {
    let mut key = recorded.clone();
    if let Some(key) = key.as_object_mut() {
        for part in [
            "validator",
            "internal",
            "visible",
            "value",
            "recommended_values",
        ] {
            key.remove(part);
        }
    }
    key
}

async fn judge(case: &Json) -> Outcome {
    let case = &defects::mended(case);
    let server = Server::start(case["no_bucket"] != true).await;
    let properties = properties(case, &server.endpoint);
    if let Some(why) = not_due(case, &properties) {
        return Outcome::NotDue(why);
    }
    let name = case["name"].as_str().unwrap_or("");
    if name == "conditional-field" {
        return Outcome::NotDue("the files of a rotation are stored side by side".to_owned());
    }
    let steps = case["expected"]["steps"].as_array();
    let rewinds = steps.is_some_and(|steps| steps.iter().any(|step| step.get("rewinds").is_some()));
    // After a clash of names the sink rewinds as well; after a fault it tries again.
    let retries = rewinds && !name.starts_with("conditional-");
    if let Some(faults) = case["faults"].as_array() {
        server.state().faults = faults.clone();
    }
    let mut run = Run::new(case, server, properties, retries);
    match run.judge(case).await {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

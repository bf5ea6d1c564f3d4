//! What validation answers, with a connection and without.

use super::support::rig::{Rig, start_task};
use super::support::tls;
use millstream_core::{Connector, Properties};
use millstream_embedded::documents::DocumentServer;
use millstream_golden::Outcome;
use millstream_mongodb::MongoSinkConnector;
use serde_json::{Value as Json, json};
use std::error::Error;

pub(super) async fn judge_config(case: &Json) -> Outcome {
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
pub(super) async fn judge_config_live(case: &Json) -> Outcome {
    let rig = Rig::new(&case["config"], Vec::new()).await;
    same_probe(&rig.properties, case).await
}

/// The same with a store that speaks TLS alone and has a user.
pub(super) async fn judge_config_secure(case: &Json) -> Outcome {
    let any = ([127, 0, 0, 1], 0).into();
    let server = DocumentServer::start_with_user(any, "millstream", "s3cret/pass").await;
    let server = server.unwrap();
    let front = tls::front(server.addr()).await;
    let folder = tempfile::tempdir().unwrap();
    tls::write_trust_store(&folder.path().join("truststore.jks"), "changeit");
    let (store, folder) = (front.addr().to_string(), folder.path().to_str().unwrap());
    let config = case["config"].as_object().unwrap().iter();
    let properties = config.map(|(key, value)| {
        let text = value.as_str().unwrap().replace("STOREDIR", folder);
        (key.as_str(), text.replace("DOCSTORE", &store))
    });
    let properties: Properties = properties.collect();
    match (
        same_probe(&properties, case).await,
        start_task(&properties, true).await,
    ) {
        (outcome, Ok(_)) => outcome,
        (_, Err(error)) => Outcome::Failed(format!("{error}: {:?}", error.source())),
    }
}

async fn same_probe(properties: &Properties, case: &Json) -> Outcome {
    let mut values = MongoSinkConnector.validate(properties);
    MongoSinkConnector.probe(properties, &mut values).await;
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

pub(super) fn same_validation(
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
pub(super) fn without_java_words(text: &str) -> String {
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

pub(super) fn judge_config_def(case: &Json) -> Outcome {
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

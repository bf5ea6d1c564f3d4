//! Compares a reply with a recorded one, as the recordings' README says.

use crate::http::Reply;
use regex::Regex;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Texts that stand for what differs from run to run.
#[derive(Default)]
pub(crate) struct Placeholders(Vec<(String, String)>);

impl Placeholders {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.push((format!("{{{{{name}}}}}"), value.to_owned()));
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.0 {
            text = text.replace(name, value);
        }
        text
    }

    /// Whether a text is what was recorded; placeholders that are not set stand for patterns.
    fn matches(&self, expected: &str, actual: &str) -> bool {
        let expected = self.fill(expected);
        if !expected.contains("{{") {
            return expected == actual;
        }
        let mut pattern = regex::escape(&expected);
        for (name, part) in [
            ("COMMIT", "[0-9a-f]{16}"),
            ("MILLIS", "[0-9]+"),
            ("FRAMES", "(?:\t[^\n]*\n)*"),
            ("HTML", "(?s:.*)"),
            ("UUID", "[0-9a-f-]+"),
            ("HASH", "[0-9a-f]+"),
        ] {
            pattern = pattern.replace(&regex::escape(&format!("{{{{{name}}}}}")), part);
        }
        Regex::new(&format!("^{pattern}$"))
            .unwrap()
            .is_match(actual)
    }
}

const HEADERS: [&str; 10] = [
    "Content-Type",
    "Location",
    "Allow",
    "Vary",
    "WWW-Authenticate",
    "Cache-Control",
    "X-Test",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Headers",
    "Access-Control-Max-Age",
];

/// What differs, one line each; nothing if the reply is as recorded.
pub(crate) fn differences(case: &Json, reply: &Reply, placeholders: &Placeholders) -> String {
    let expected = &case["response"];
    let matching = case["match"].as_str().unwrap_or("exact");
    let mut found = Vec::new();
    if expected["status"] != reply.status {
        found.push(format!(
            "status {} not {}",
            reply.status, expected["status"]
        ));
    }
    if matching == "status" {
        return found.join("\n");
    }
    for name in HEADERS.iter().chain(&["Access-Control-Allow-Methods"]) {
        let recorded = expected["headers"][*name]
            .as_str()
            .map(|text| placeholders.fill(text));
        let actual = reply.header(name).map(str::to_owned);
        let is_set = matches!(*name, "Allow" | "Access-Control-Allow-Methods");
        let same = if is_set {
            recorded.as_deref().map(as_set) == actual.as_deref().map(as_set)
        } else {
            recorded == actual
        };
        if !same {
            found.push(format!("header {name} {actual:?} not {recorded:?}"));
        }
    }
    if let Some(text) = expected["text"].as_str() {
        if !placeholders.matches(text, &reply.body) && as_set(text) != as_set(&reply.body) {
            found.push(format!("body {} not {text}", reply.body));
        }
    } else if expected.get("body").is_none() {
        if !reply.body.is_empty() {
            found.push(format!("body {} not empty", reply.body));
        }
    } else {
        match serde_json::from_str(&reply.body) {
            Ok(body) => compare_body(case, matching, body, placeholders, &mut found),
            Err(_) => found.push(format!("body {} is not JSON", reply.body)),
        }
    }
    found.join("\n")
}

fn as_set(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).collect()
}

fn compare_body(
    case: &Json,
    matching: &str,
    mut actual: Json,
    placeholders: &Placeholders,
    found: &mut Vec<String>,
) {
    let mut expected = case["response"]["body"].clone();
    if let Some(keep) = case["keep"].as_array()
        && let Json::Object(fields) = &mut actual
    {
        fields.retain(|name, _| keep.iter().any(|key| key == name));
    }
    match matching {
        "error" => {
            let is_whole =
                actual["message"].is_string() && actual.as_object().is_some_and(|o| o.len() == 2);
            if !is_whole || actual["error_code"] != expected["error_code"] {
                found.push(format!("error {actual}"));
            }
            return;
        }
        "set" => sort(&mut [&mut expected, &mut actual]),
        "set-tasks" => sort(&mut [&mut expected["tasks"], &mut actual["tasks"]]),
        "set-offsets" => sort(&mut [&mut expected["offsets"], &mut actual["offsets"]]),
        "configs" => {
            sort(&mut [&mut expected["configs"], &mut actual["configs"]]);
            for body in [&mut expected, &mut actual] {
                for config in body["configs"].as_array_mut().unwrap() {
                    config["definition"]["documentation"] = Json::Null;
                    // The recorded worker had a schema registry's converter, too.
                    if let Some(values) = config["value"]["recommended_values"].as_array_mut() {
                        values.retain(|value| value != "io.confluent.connect.avro.AvroConverter");
                    }
                }
            }
        }
        _ => {}
    }
    walk("", &expected, &actual, placeholders, found);
}

fn sort(lists: &mut [&mut Json]) {
    for list in lists {
        let by_name = |item: &Json| {
            item["value"]["name"]
                .as_str()
                .map_or_else(|| item.to_string(), str::to_owned)
        };
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(by_name);
        }
    }
}

fn walk(
    at: &str,
    expected: &Json,
    actual: &Json,
    placeholders: &Placeholders,
    found: &mut Vec<String>,
) {
    match (expected, actual) {
        (Json::Object(a), Json::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Json>| map.get(key).cloned();
                match (of(a), of(b)) {
                    (Some(a), Some(b)) => walk(&format!("{at}.{key}"), &a, &b, placeholders, found),
                    (a, b) => found.push(format!("{at}.{key} is {b:?} not {a:?}")),
                }
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                let name = a["value"]["name"].as_str();
                let name = name.map_or_else(|| index.to_string(), str::to_owned);
                walk(&format!("{at}[{name}]"), a, b, placeholders, found);
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            let name = |item: &Json| {
                item["value"]["name"]
                    .as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            };
            let missing: Vec<String> = a
                .iter()
                .filter(|item| !b.iter().any(|other| name(other) == name(item)))
                .map(name)
                .collect();
            let more: Vec<String> = b
                .iter()
                .filter(|item| !a.iter().any(|other| name(other) == name(item)))
                .map(name)
                .collect();
            found.push(format!("{at} lacks {missing:?} and has {more:?}"));
        }
        (Json::String(text), Json::Number(number)) if text == "{{MILLIS}}" && number.is_i64() => {}
        (Json::String(a), Json::String(b)) => {
            if !placeholders.matches(a, b) {
                found.push(format!("{at} is {b:?} not {a:?}"));
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{at} is {b} not {a}")),
    }
}

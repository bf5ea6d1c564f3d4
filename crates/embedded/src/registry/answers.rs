//! Confluent's answers, by path.

use super::store::{Place, Registered, Store};
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

pub(super) struct Question<'a> {
    pub(super) method: &'a Method,
    /// Escaped.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
}

type Answer = (u16, String);

pub(super) fn unauthorized() -> Answer {
    error(401, 401, "Unauthorized")
}

pub(super) fn answer(store: &mut Store, question: &Question<'_>) -> Answer {
    let parts = question.path.split('/').filter(|part| !part.is_empty());
    let parts: Vec<String> = parts
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let found = match (question.method, &parts[..]) {
        (&Method::GET, []) => Ok(json!({})),
        (&Method::GET, ["subjects"]) => Ok(store.subjects().map(String::as_str).collect()),
        (&Method::GET, ["schemas", "types"]) => Ok(json!(["JSON", "PROTOBUF", "AVRO"])),
        (&Method::GET, ["schemas", "ids", id]) => by_id(store, id),
        (&Method::GET, ["schemas", "guids", guid]) => match store.by_guid(guid) {
            Some(schema) => Ok(described(schema)),
            None => Err(error(404, 40403, &format!("Schema {guid} not found"))),
        },
        (&Method::GET, ["subjects", subject, "versions"]) => match store.has(subject) {
            true => Ok((1..=store.versions(subject).len()).collect()),
            false => Err(no_subject(subject)),
        },
        (&Method::GET, ["subjects", subject, "versions", version]) => {
            by_version(store, subject, version)
        }
        (&Method::POST, ["subjects", subject]) => sent(question.body).and_then(|schema| {
            if !store.has(subject) {
                return Err(no_subject(subject));
            }
            match store.find(subject, &schema) {
                Some(place) => Ok(placed(subject, place, &schema)),
                None => Err(error(404, 40403, "Schema not found")),
            }
        }),
        (&Method::POST, ["subjects", subject, "versions"]) => {
            sent(question.body).map(|schema| json!({"id": store.register(subject, schema).id}))
        }
        _ => Err(error(404, 404, "HTTP 404 Not Found")),
    };
    match found {
        Ok(document) => (200, document.to_string()),
        Err(answer) => answer,
    }
}

fn by_id(store: &Store, id: &str) -> Result<Json, Answer> {
    let schema = id.parse().ok().and_then(|id| store.by_id(id));
    let schema = schema.ok_or_else(|| error(404, 40403, &format!("Schema {id} not found")))?;
    Ok(described(schema))
}

fn by_version(store: &Store, subject: &str, version: &str) -> Result<Json, Answer> {
    if !store.has(subject) {
        return Err(no_subject(subject));
    }
    let number = match version {
        "latest" | "-1" => None,
        number => Some(number.parse().map_err(|_| {
            error(422, 42202, "The specified version is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"")
        })?),
    };
    let (place, schema) = store
        .version(subject, number)
        .ok_or_else(|| error(404, 40402, &format!("Version {version} not found.")))?;
    Ok(placed(subject, place, schema))
}

/// The schema of a body.
fn sent(body: &[u8]) -> Result<Registered, Answer> {
    let invalid = |why: &str| error(422, 42201, why);
    let document: Json =
        serde_json::from_slice(body).map_err(|_| error(400, 400, "the body is no JSON"))?;
    let text = document["schema"]
        .as_str()
        .filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| invalid("Empty schema"))?;
    let kind = document["schemaType"].as_str().unwrap_or("AVRO");
    match kind {
        "AVRO" | "JSON" if serde_json::from_str::<Json>(text).is_err() => {
            Err(invalid(&format!("Invalid schema of type {kind}")))
        }
        "AVRO" | "JSON" | "PROTOBUF" => Ok(Registered {
            kind: kind.to_owned(),
            text: text.to_owned(),
            references: document["references"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        }),
        other => Err(invalid(&format!("Invalid schema type {other}"))),
    }
}

/// `schemaType` is left out for Avro, `references` where there are none.
fn described(schema: &Registered) -> Json {
    let mut document = json!({"schema": schema.text});
    if schema.kind != "AVRO" {
        document["schemaType"] = schema.kind.as_str().into();
    }
    if !schema.references.is_empty() {
        document["references"] = schema.references.clone().into();
    }
    document
}

fn placed(subject: &str, place: Place, schema: &Registered) -> Json {
    let mut document = json!({"subject": subject, "version": place.version, "id": place.id, "guid": schema.guid()});
    if let (Json::Object(document), Json::Object(more)) = (&mut document, described(schema)) {
        document.extend(more);
    }
    document
}

fn no_subject(subject: &str) -> Answer {
    error(404, 40401, &format!("Subject '{subject}' not found."))
}

fn error(status: u16, code: i64, message: &str) -> Answer {
    (
        status,
        json!({"error_code": code, "message": message}).to_string(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The status and the answer to a request on the same store.
    fn check(store: &mut Store, request: &str, body: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let question = Question {
            method: &method.parse().unwrap(),
            path,
            body: body.as_bytes(),
        };
        let (status, document) = answer(store, &question);
        assert!(
            format!("{status} {document}").starts_with(expected),
            "{request}: {status} {document}"
        );
    }

    #[test]
    fn answers_as_confluent_s() {
        let mut store = Store::default();
        let store = &mut store;
        let text = r#"{"schema":"\"int\""}"#;
        check(store, "GET /subjects", "", "200 []");
        check(
            store,
            "POST /subjects/a%2Fb",
            text,
            "404 {\"error_code\":40401,",
        );
        check(
            store,
            "POST /subjects/a%2Fb/versions",
            text,
            "200 {\"id\":1}",
        );
        check(
            store,
            "POST /subjects/a%2Fb/versions",
            r#"{"schema":" \"int\""}"#,
            "200 {\"id\":1}",
        );
        check(store, "POST /subjects/c/versions", text, "200 {\"id\":1}");
        check(
            store,
            "POST /subjects/c/versions",
            r#"{"schema":"{}","schemaType":"JSON"}"#,
            "200 {\"id\":2}",
        );
        check(store, "GET /subjects", "", "200 [\"a/b\",\"c\"]");
        check(
            store,
            "GET /schemas/ids/1",
            "",
            "200 {\"schema\":\"\\\"int\\\"\"}",
        );
        check(
            store,
            "GET /schemas/ids/2",
            "",
            "200 {\"schema\":\"{}\",\"schemaType\":\"JSON\"}",
        );
        check(
            store,
            "GET /schemas/ids/3",
            "",
            "404 {\"error_code\":40403,",
        );
        check(
            store,
            "GET /subjects/c/versions/latest",
            "",
            "200 {\"subject\":\"c\",\"version\":2,\"id\":2,",
        );
        check(
            store,
            "GET /subjects/c/versions/9",
            "",
            "404 {\"error_code\":40402,",
        );
        check(
            store,
            "POST /subjects/c",
            text,
            "200 {\"subject\":\"c\",\"version\":1,\"id\":1,",
        );
        check(
            store,
            "POST /subjects/c",
            r#"{"schema":"\"long\""}"#,
            "404 {\"error_code\":40403,",
        );
        check(
            store,
            "POST /subjects/c/versions",
            r#"{"schema":""}"#,
            "422 {\"error_code\":42201,",
        );
        check(
            store,
            "POST /subjects/c/versions",
            r#"{"schema":"{"}"#,
            "422 {\"error_code\":42201,",
        );
        check(store, "GET /nowhere", "", "404 {\"error_code\":404,");
    }
}

//! Client: Confluent Schema Registry's REST API, as far as converters need it. It asks each address once; whoever wants more
//! asks again.

mod error;
mod http;

pub(crate) use error::{CallError, Refusal};

use self::http::{Answer, Question};
use crate::config::{ClientSettings, RegistryUrl, auth_headers};
use crate::wire::SchemaKey;
use ::http::{HeaderMap, Method};
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a schema of a registry is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SchemaType {
    Avro,
    Json,
    Protobuf,
}

impl SchemaType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }
}

/// Where another schema is that a schema refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    /// As the referring text calls it.
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) version: i32,
}

/// A schema as it is sent and served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SchemaText {
    /// The registry's name of its type.
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) references: Vec<Reference>,
}

/// A schema with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) id: i32,
    pub(crate) version: Option<i32>,
    pub(crate) schema: Option<SchemaText>,
}

/// How something may be left out of an answer that ought to be in it.
const NOT_UNDERSTOOD: &str =
    "its answer is not that of a schema registry; check schema.registry.url";

pub(crate) struct Client {
    settings: ClientSettings,
    /// The address that answered last.
    first: AtomicUsize,
}

impl Client {
    pub(crate) fn new(settings: ClientSettings) -> Self {
        Client {
            settings,
            first: AtomicUsize::new(0),
        }
    }

    pub(crate) fn max_schemas(&self) -> usize {
        self.settings.max_schemas
    }

    /// The schema of an id or a GUID. The subject tells the registry in which context to look.
    pub(crate) async fn schema(
        &self,
        key: SchemaKey,
        subject: Option<&str>,
    ) -> Result<SchemaText, CallError> {
        let path = match key {
            SchemaKey::Id(id) => {
                let subject =
                    subject.map_or_else(String::new, |s| format!("&subject={}", escape(s)));
                format!("/schemas/ids/{id}?fetchMaxId=false{subject}")
            }
            SchemaKey::Guid(guid) => format!("/schemas/guids/{guid}"),
        };
        let document = self.call(Method::GET, path, None).await;
        schema_text(&document.map_err(|error| without_guids(error, key))?)
            .ok_or_else(not_understood)
    }

    /// The schema of a version, for references.
    pub(crate) async fn version(
        &self,
        subject: &str,
        version: i32,
    ) -> Result<SchemaText, CallError> {
        let path = format!(
            "/subjects/{}/versions/{version}?deleted=true",
            escape(subject)
        );
        let document = self.call(Method::GET, path, None).await?;
        schema_text(&document).ok_or_else(not_understood)
    }

    /// The newest version of a subject; with metadata, the newest that has it.
    pub(crate) async fn latest(
        &self,
        subject: &str,
        metadata: &[(String, String)],
    ) -> Result<Placed, CallError> {
        let path = match metadata {
            [] => format!("/subjects/{}/versions/latest", escape(subject)),
            pairs => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| format!("key={}&value={}", escape(key), escape(value)));
                let pairs: Vec<String> = pairs.collect();
                format!(
                    "/subjects/{}/metadata?{}&deleted=true",
                    escape(subject),
                    pairs.join("&")
                )
            }
        };
        let document = self.call(Method::GET, path, None).await?;
        placed(&document).ok_or_else(not_understood)
    }

    /// Registers a schema, unless it is there.
    pub(crate) async fn register(
        &self,
        subject: &str,
        schema: &SchemaText,
        normalize: bool,
    ) -> Result<Placed, CallError> {
        let path = format!(
            "/subjects/{}/versions?normalize={normalize}",
            escape(subject)
        );
        let document = self.call(Method::POST, path, Some(body(schema))).await?;
        placed(&document).ok_or_else(not_understood)
    }

    /// Where a subject has this schema.
    pub(crate) async fn look_up(
        &self,
        subject: &str,
        schema: &SchemaText,
        normalize: bool,
        with_deleted: bool,
    ) -> Result<Placed, CallError> {
        let subject = escape(subject);
        let path = format!("/subjects/{subject}?normalize={normalize}&deleted={with_deleted}");
        let document = self.call(Method::POST, path, Some(body(schema))).await?;
        placed(&document).ok_or_else(not_understood)
    }

    /// Asks one address after the other, beginning with the one that answered last.
    async fn call(
        &self,
        method: Method,
        path: String,
        body: Option<Bytes>,
    ) -> Result<Map<String, Json>, CallError> {
        let question = Question { method, path, body };
        let urls = &self.settings.urls;
        let first = self.first.load(Ordering::Relaxed);
        let (mut reasons, mut is_path_missing) = (Vec::new(), false);
        for turn in 0..urls.len() {
            let index = (first + turn) % urls.len();
            match self.ask(&urls[index], &question).await {
                Ok(document) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(document);
                }
                Err(CallError::Refused(refusal)) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Err(CallError::Refused(refusal));
                }
                Err(CallError::Unavailable(why)) => reasons.push(format!("{}: {why}", urls[index])),
                Err(CallError::NoSuchPath(why)) => {
                    is_path_missing = true;
                    reasons.push(format!("{}: {why}", urls[index]));
                }
            }
        }
        let reasons = format!(
            "the schema registry cannot be asked: {}",
            reasons.join("; ")
        );
        Err(match is_path_missing {
            true => CallError::NoSuchPath(reasons),
            false => CallError::Unavailable(reasons),
        })
    }

    async fn ask(
        &self,
        url: &RegistryUrl,
        question: &Question,
    ) -> Result<Map<String, Json>, CallError> {
        let mut headers: HeaderMap = self.settings.headers.clone();
        auth_headers(&self.settings.authorization, url, &mut headers)
            .await
            .map_err(CallError::Unavailable)?;
        let answer = http::ask(&self.settings, url, &headers, question).await;
        let answer = answer.map_err(CallError::Unavailable)?;
        read(&answer)
    }
}

fn read(answer: &Answer) -> Result<Map<String, Json>, CallError> {
    if !answer.status.is_success() {
        return Err(error::judge(answer));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Json::Object(members)) => Ok(members),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> CallError {
    CallError::Unavailable(NOT_UNDERSTOOD.to_owned())
}

/// Registries that know no GUIDs answer as to any path that is not there. That passes no more than an unknown id does.
fn without_guids(error: CallError, key: SchemaKey) -> CallError {
    match (error, key) {
        (CallError::NoSuchPath(why), SchemaKey::Guid(guid)) => CallError::Refused(Refusal {
            code: 404,
            message: format!(
                "this registry does not serve GUIDs, such as {guid} in the record's header ({why})"
            ),
        }),
        (error, _) => error,
    }
}

fn schema_text(document: &Map<String, Json>) -> Option<SchemaText> {
    let text = |name: &str| document.get(name).and_then(Json::as_str);
    let references = match document.get("references") {
        Some(Json::Array(items)) => items.iter().map(reference).collect::<Option<_>>()?,
        None | Some(_) => Vec::new(),
    };
    Some(SchemaText {
        kind: text("schemaType")
            .unwrap_or(SchemaType::Avro.name())
            .to_owned(),
        text: text("schema")?.to_owned(),
        references,
    })
}

fn reference(item: &Json) -> Option<Reference> {
    let text = |name: &str| item.get(name)?.as_str().map(str::to_owned);
    Some(Reference {
        name: text("name")?,
        subject: text("subject")?,
        version: number(item.get("version"))?,
    })
}

fn placed(document: &Map<String, Json>) -> Option<Placed> {
    Some(Placed {
        id: number(document.get("id"))?,
        version: number(document.get("version")),
        schema: schema_text(document),
    })
}

fn number(value: Option<&Json>) -> Option<i32> {
    i32::try_from(value?.as_i64()?).ok()
}

fn body(schema: &SchemaText) -> Bytes {
    let mut document = json!({"schema": schema.text});
    if schema.kind != SchemaType::Avro.name() {
        document["schemaType"] = schema.kind.as_str().into();
    }
    if !schema.references.is_empty() {
        let references = schema.references.iter();
        let references =
            references.map(|r| json!({"name": r.name, "subject": r.subject, "version": r.version}));
        document["references"] = references.collect();
    }
    Bytes::from(document.to_string())
}

/// A part of a path or a query (RFC 3986: all but what is unreserved is escaped).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

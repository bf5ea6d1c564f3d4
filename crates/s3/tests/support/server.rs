//! An S3 server of one bucket, as small as the sink's requests allow: it records them, and fails those it is told to.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Headers that a recording does not hold.
const UNRECORDED: [&str; 7] = [
    "x-amz-checksum",
    "x-amz-sdk",
    "x-amz-user-agent",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-trailer",
    "x-amz-decoded",
];

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    pub(crate) content_type: Option<String>,
    pub(crate) tags: Option<Json>,
}

#[derive(Debug, Default)]
struct Pending {
    key: String,
    content_type: Option<String>,
    parts: BTreeMap<u32, Bytes>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) has_bucket: bool,
    pub(crate) objects: BTreeMap<String, Object>,
    /// Everything that was asked, as the recordings write it.
    pub(crate) requests: Vec<Json>,
    pub(crate) faults: Vec<Json>,
    /// Requests that are still carried out, and whether the last one is answered; those that only look do not count.
    pub(crate) left: Option<(usize, bool)>,
    /// Requests that have changed something.
    pub(crate) changes: usize,
    uploads: BTreeMap<String, Pending>,
    next_upload: u32,
}

impl State {
    pub(crate) fn unfinished_uploads(&self) -> usize {
        self.uploads.len()
    }

    pub(crate) fn put_object(&mut self, key: &str, body: Bytes) {
        let object = Object {
            etag: format!("\"{}\"", hex(&Md5::digest(&body))),
            body,
            content_type: None,
            tags: None,
        };
        self.objects.insert(key.to_owned(), object);
    }
}

/// A running server; it ends with this value.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(has_bucket: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            has_bucket,
            ..State::default()
        }));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&shared), request));
                    // A connection that breaks is the client's affair, and often the test's aim.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Server {
            endpoint: format!("http://{address}"),
            state,
            _tasks: tasks,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock")
    }
}

#[derive(Debug)]
struct Asked {
    op: &'static str,
    key: String,
    part: Option<u32>,
    upload: Option<String>,
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let asked = what_is_asked(&head);
    let mut state = state.lock().expect("no test panics with the lock");
    let changes = !asked.op.starts_with("Head");
    let mut is_answered = true;
    match &mut state.left {
        Some((0, _)) => return Err(std::io::Error::other("dead")),
        Some((left, answers_last)) if changes => {
            *left -= 1;
            is_answered = *left > 0 || *answers_last;
        }
        _ => {}
    }
    state.changes += usize::from(changes);
    let mut record = json!({"op": asked.op});
    if !asked.key.is_empty() {
        record["key"] = asked.key.clone().into();
    }
    if asked.op == "UploadPart" {
        record["part"] = asked.part.into();
        record["size"] = body.len().into();
    }
    if asked.op == "CompleteMultipartUpload" {
        let text = String::from_utf8_lossy(&body);
        record["parts"] = text.matches("<Part>").count().into();
    }
    if asked.op == "PutObjectTagging" {
        record["tags"] = tags_of(&String::from_utf8_lossy(&body));
    }
    let headers = recorded_headers(&head, asked.op);
    if !headers.is_empty() {
        record["headers"] = headers.into();
    }
    let fault = take_fault(&mut state.faults, &asked);
    let outcome = match &fault {
        Some(fault) if fault["forward"] != true => None,
        _ => Some(perform(&mut state, &asked, &head, &body)),
    };
    let (status, text) = match fault {
        Some(fault) if fault["reset"] == true => (0, String::new()),
        Some(fault) => {
            let status = fault["status"].as_u64().unwrap_or(500) as u16;
            let code = fault["code"].as_str().unwrap_or("InternalError");
            (status, error_body(code, "injected"))
        }
        None => outcome
            .clone()
            .map_or((500, String::new()), |o| (o.status, o.body)),
    };
    record["status"] = status.into();
    state.requests.push(record);
    if status == 0 || !is_answered {
        return Err(std::io::Error::other("reset"));
    }
    let mut response = Response::builder().status(status);
    if let Some(etag) = outcome.and_then(|outcome| outcome.etag) {
        response = response.header("etag", etag);
    }
    let text = if head.method == "HEAD" {
        String::new()
    } else {
        text
    };
    response
        .body(Full::new(Bytes::from(text)))
        .map_err(std::io::Error::other)
}

fn what_is_asked(head: &hyper::http::request::Parts) -> Asked {
    let path = decode(head.uri.path());
    let key = path
        .trim_start_matches('/')
        .split_once('/')
        .map(|(_, key)| key.to_owned())
        .unwrap_or_default();
    let query: BTreeMap<String, String> = head
        .uri
        .query()
        .unwrap_or("")
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), decode(value))
        })
        .collect();
    let has = |name: &str| query.contains_key(name);
    let op = match head.method.as_str() {
        "HEAD" if key.is_empty() => "HeadBucket",
        "HEAD" => "HeadObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" => "CompleteMultipartUpload",
        "PUT" if has("tagging") => "PutObjectTagging",
        "PUT" if has("partNumber") => "UploadPart",
        "DELETE" => "AbortMultipartUpload",
        other => panic!("the sink never sends {other} {}", head.uri),
    };
    Asked {
        op,
        key,
        part: query.get("partNumber").and_then(|n| n.parse().ok()),
        upload: query.get("uploadId").cloned(),
    }
}

fn recorded_headers(head: &hyper::http::request::Parts, op: &str) -> serde_json::Map<String, Json> {
    let mut headers = serde_json::Map::new();
    for (name, value) in &head.headers {
        let name = name.as_str();
        let is_recorded = name.starts_with("x-amz-")
            && !UNRECORDED.iter().any(|prefix| name.starts_with(prefix))
            || matches!(name, "content-md5" | "if-none-match")
            || name == "content-type" && op == "CreateMultipartUpload";
        if is_recorded {
            let value = value.to_str().expect("a header of text");
            headers.insert(name.to_owned(), value.into());
        }
    }
    headers
}

/// The fault that this request meets, if any; each counts the requests that it is meant for.
fn take_fault(faults: &mut [Json], asked: &Asked) -> Option<Json> {
    for fault in faults {
        let meant = fault["op"] == asked.op
            && fault["key_contains"]
                .as_str()
                .is_none_or(|part| asked.key.contains(part));
        if !meant {
            continue;
        }
        let seen = fault["seen"].as_u64().unwrap_or(0);
        fault["seen"] = (seen + 1).into();
        let skip = fault["skip"].as_u64().unwrap_or(0);
        let times = fault["times"].as_u64().unwrap_or(1);
        if (skip..skip + times).contains(&seen) {
            return Some(fault.clone());
        }
    }
    None
}

#[derive(Clone, Debug)]
struct Done {
    status: u16,
    body: String,
    etag: Option<String>,
}

impl Done {
    fn plain(status: u16, body: impl Into<String>) -> Self {
        Done {
            status,
            body: body.into(),
            etag: None,
        }
    }

    fn error(status: u16, code: &str) -> Self {
        Done::plain(status, error_body(code, code))
    }
}

fn perform(
    state: &mut State,
    asked: &Asked,
    head: &hyper::http::request::Parts,
    body: &Bytes,
) -> Done {
    if !state.has_bucket {
        return Done::error(404, "NoSuchBucket");
    }
    let upload = asked.upload.clone().unwrap_or_default();
    match asked.op {
        "HeadBucket" => Done::plain(200, ""),
        "HeadObject" => match state.objects.get(&asked.key) {
            Some(object) => Done {
                etag: Some(object.etag.clone()),
                ..Done::plain(200, "")
            },
            None => Done::plain(404, ""),
        },
        "CreateMultipartUpload" => {
            state.next_upload += 1;
            let id = format!("upload-{}", state.next_upload);
            let content_type = head.headers.get("content-type");
            let pending = Pending {
                key: asked.key.clone(),
                content_type: content_type.map(|v| v.to_str().expect("text").to_owned()),
                parts: BTreeMap::new(),
            };
            state.uploads.insert(id.clone(), pending);
            Done::plain(
                200,
                format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ),
            )
        }
        "UploadPart" => match state.uploads.get_mut(&upload) {
            Some(pending) => {
                pending
                    .parts
                    .insert(asked.part.expect("a part number"), body.clone());
                Done {
                    etag: Some(format!("\"{}\"", hex(&Md5::digest(body)))),
                    ..Done::plain(200, "")
                }
            }
            None => Done::error(404, "NoSuchUpload"),
        },
        "CompleteMultipartUpload" => complete(state, asked, &upload, head),
        "AbortMultipartUpload" => match state.uploads.remove(&upload) {
            Some(_) => Done::plain(204, ""),
            None => Done::error(404, "NoSuchUpload"),
        },
        _ => match state.objects.get_mut(&asked.key) {
            Some(object) => {
                object.tags = Some(tags_of(&String::from_utf8_lossy(body)));
                Done::plain(200, "")
            }
            None => Done::error(404, "NoSuchKey"),
        },
    }
}

fn complete(
    state: &mut State,
    asked: &Asked,
    upload: &str,
    head: &hyper::http::request::Parts,
) -> Done {
    if head.headers.contains_key("if-none-match") && state.objects.contains_key(&asked.key) {
        return Done::error(412, "PreconditionFailed");
    }
    let Some(pending) = state.uploads.remove(upload) else {
        return Done::error(404, "NoSuchUpload");
    };
    assert_eq!(pending.key, asked.key);
    let digests: Vec<u8> = pending
        .parts
        .values()
        .flat_map(|part| Md5::digest(part).to_vec())
        .collect();
    let etag = format!(
        "\"{}-{}\"",
        hex(&Md5::digest(&digests)),
        pending.parts.len()
    );
    let object = Object {
        body: pending
            .parts
            .into_values()
            .collect::<Vec<_>>()
            .concat()
            .into(),
        etag: etag.clone(),
        content_type: pending.content_type,
        tags: None,
    };
    state.objects.insert(asked.key.clone(), object);
    Done::plain(
        200,
        format!(
            "<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
        ),
    )
}

/// The tags of a tagging document, by key.
fn tags_of(document: &str) -> Json {
    let between = |text: &str, name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let start = text.find(&open).expect("an element") + open.len();
        let end = text.find(&close).expect("its end");
        text[start..end].to_owned()
    };
    let tags = document.split("<Tag>").skip(1);
    tags.map(|tag| (between(tag, "Key"), Json::from(between(tag, "Value"))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn error_body(code: &str, message: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).expect("a key of text")
}

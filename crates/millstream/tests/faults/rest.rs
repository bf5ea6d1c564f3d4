//! A client of the worker's REST API, with the part of a status that the tests look at.

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Sends a request; `None` while nobody answers. What is not JSON comes as a string.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Option<(StatusCode, Value)> {
    let socket = TokioIo::new(TcpStream::connect(address).await.ok()?);
    let (mut sender, connection) = http1::handshake(socket).await.ok()?;
    let connection = tokio::spawn(connection);
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.ok()?.to_bytes();
    drop(sender);
    let _ = connection.await;
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    Some((
        status,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
    ))
}

/// The first task of a connector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    pub(crate) state: String,
    pub(crate) trace: String,
    /// The reason shown while it is degraded.
    pub(crate) degraded: Option<String>,
    pub(crate) restarts_itself: bool,
}

impl Task {
    pub(crate) fn of(status: &Value) -> Task {
        let task = &status["tasks"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Task {
            state: text(&task["state"]),
            trace: text(&task["trace"]),
            degraded: task["degraded"]["reason"].as_str().map(str::to_owned),
            restarts_itself: task["self_healing"]["next_try"].is_i64(),
        }
    }

    /// The outage is known at once, the state when the worker has read it back from its topic.
    pub(crate) fn is_degraded(&self) -> bool {
        self.state == "RUNNING" && self.degraded.is_some()
    }

    pub(crate) fn is_well(&self) -> bool {
        self.state == "RUNNING" && self.degraded.is_none()
    }
}

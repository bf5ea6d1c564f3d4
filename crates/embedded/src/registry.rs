//! A schema registry for demo and tests: the calls of Confluent's that converters make, with its answers. Texts are given back
//! as they came. It knows no language of schemas: what is JSON has to be JSON, and nothing is checked for compatibility.

mod answers;
mod store;

pub use store::Registered;

use crate::listener::Listener;
use answers::{Question, answer};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// As Confluent's registry, which takes requests of a megabyte.
const LONGEST_BODY: usize = 1024 * 1024;

/// What happens to one request instead of its answer.
#[derive(Clone, Debug)]
pub enum RegistryFault {
    /// This answer.
    Answer { status: u16, body: String },
    /// Nothing, until the server stops.
    Silence,
}

#[derive(Default)]
struct State {
    store: Store,
    /// What the header `Authorization` has to be.
    authorization: Option<String>,
    /// What happens to the next requests whose path holds this text.
    faults: VecDeque<(String, RegistryFault)>,
    calls: Vec<String>,
}

/// A running registry. Dropping it stops it.
pub struct RegistryServer {
    listener: Listener,
    state: Arc<Mutex<State>>,
    count: watch::Sender<usize>,
}

impl RegistryServer {
    /// Listens on a port of this machine; must be called inside a Tokio runtime.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let state: Arc<Mutex<State>> = Arc::default();
        let count = watch::Sender::new(0);
        let shared = (Arc::clone(&state), count.clone());
        let listener = Listener::start(listener, move |stream| {
            let (state, count) = shared.clone();
            async move {
                let service = service_fn(move |request| {
                    let (state, count) = (Arc::clone(&state), count.clone());
                    async move { Ok::<_, Infallible>(respond(request, &state, &count).await) }
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A client that breaks off is no concern of the server's.
                let _ = served.await;
            }
        })?;
        Ok(RegistryServer {
            listener,
            state,
            count,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Registers a schema (`AVRO`, `JSON`, `PROTOBUF`) and gives its id.
    pub fn register(&self, subject: &str, kind: &str, text: &str) -> i32 {
        let schema = Registered::new(kind, text);
        lock(&self.state).store.register(subject, schema).id
    }

    /// The same for one that refers to others, by name, subject and version.
    pub fn register_with(
        &self,
        subject: &str,
        kind: &str,
        text: &str,
        references: Vec<Json>,
    ) -> i32 {
        let schema = Registered {
            references,
            ..Registered::new(kind, text)
        };
        lock(&self.state).store.register(subject, schema).id
    }

    /// The GUID of a schema, as it stands in headers.
    pub fn guid(&self, id: i32) -> Option<String> {
        lock(&self.state)
            .store
            .by_id(id)
            .map(|schema| schema.guid())
    }

    /// The versions of a subject, the oldest first.
    pub fn versions(&self, subject: &str) -> Vec<Registered> {
        lock(&self.state).store.versions(subject)
    }

    /// Wants this of everybody: `Basic …` or `Bearer …`.
    pub fn want(&self, authorization: &str) {
        lock(&self.state).authorization = Some(authorization.to_owned());
    }

    /// Does this to the next request whose path holds the text.
    pub fn fail_next(&self, path: &str, fault: RegistryFault) {
        lock(&self.state).faults.push_back((path.to_owned(), fault));
    }

    /// Method and path of every request so far.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }

    /// How many they are.
    pub fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Stops, and returns once the connections are closed.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

async fn respond(
    request: Request<Incoming>,
    state: &Mutex<State>,
    count: &watch::Sender<usize>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let body = Limited::new(body, LONGEST_BODY).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let (fault, is_known) = {
        let mut state = lock(state);
        state.calls.push(format!("{} {target}", parts.method));
        let fault = state
            .faults
            .iter()
            .position(|(path, _)| target.contains(path.as_str()));
        let fault = fault.and_then(|index| state.faults.remove(index));
        let given = parts
            .headers
            .get(AUTHORIZATION)
            .map(|value| value.as_bytes());
        let wanted = state.authorization.as_ref();
        (
            fault,
            wanted.is_none_or(|wanted| given == Some(wanted.as_bytes())),
        )
    };
    count.send_modify(|count| *count += 1);
    let (status, body) = match fault {
        Some((_, RegistryFault::Answer { status, body })) => (status, body),
        Some((_, RegistryFault::Silence)) => std::future::pending().await,
        None if !is_known => answers::unauthorized(),
        None => {
            let question = Question {
                method: &parts.method,
                path: parts.uri.path(),
                body: &body,
            };
            answer(&mut lock(state).store, &question)
        }
    };
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")
        .body(Full::new(Bytes::from(body)));
    // Status and header are in order.
    response.unwrap_or_default()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

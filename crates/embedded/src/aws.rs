//! ControlPlane: what AWS tells a process of itself, on one port: Cloud Map, MSK's GetBootstrapBrokers, Secrets Manager, SSM,
//! queues of SQS, objects of S3 to be read, the metadata of an ECS task and the credentials of its container. It checks every signature by
//! itself, plays what a script says, and counts.

mod answers;
mod queues;
mod signature;

pub use queues::{QueueNow, QueueSettings};
pub use signature::Refusal;

use crate::listener::Listener;
use answers::{Body, Question};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// No call of ours is longer.
const LONGEST_BODY: usize = 1024 * 1024;

/// What happens to one call instead of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// This answer. Its headers are names and values.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The usual answer, later.
    Late(Duration),
    /// Nothing, until the server stops.
    Silence,
    /// The usual answer; written down so that later steps can wait their turn.
    Usual,
}

impl Step {
    /// An error as the JSON services tell it.
    pub fn error(status: u16, name: &str, message: &str) -> Self {
        Step::Answer {
            status,
            headers: vec![("x-amzn-errortype", name.to_owned())],
            body: json!({"__type": name, "message": message}).to_string(),
        }
    }
}

/// A key that may sign.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
    /// Whether its time is over: calls are refused with ExpiredTokenException.
    pub is_expired: bool,
}

#[derive(Default)]
struct State {
    /// By namespace and service: id and attributes.
    instances: BTreeMap<(String, String), Vec<(String, BTreeMap<String, String>)>>,
    revision: i64,
    brokers: HashMap<String, Json>,
    secrets: HashMap<String, String>,
    parameters: HashMap<String, String>,
    /// By path: the bucket and the key, escaped.
    objects: HashMap<String, String>,
    /// Documents by path, for the metadata of ECS and the credentials of the container.
    documents: HashMap<String, (Json, Option<String>)>,
    queues: BTreeMap<String, queues::Queue>,
    keys: Vec<Key>,
    /// By which its clock is ahead.
    clock: i64,
    scripts: HashMap<String, VecDeque<Step>>,
    calls: Vec<String>,
    refusals: Vec<Refusal>,
}

/// A running server; dropping it stops accepting and closes the connections.
pub struct ControlPlane {
    listener: Listener,
    state: Arc<Mutex<State>>,
    /// Something has come into a queue.
    sent: Arc<Notify>,
    started: Instant,
}

impl ControlPlane {
    /// Listens on a port of this machine, and lets this key sign.
    pub async fn start(addr: SocketAddr, id: &str, secret: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let state = Arc::new(Mutex::new(State {
            keys: vec![Key {
                id: id.to_owned(),
                secret: secret.to_owned(),
                session_token: None,
                is_expired: false,
            }],
            ..State::default()
        }));
        let (sent, started) = (Arc::new(Notify::new()), Instant::now());
        let service = Service {
            state: state.clone(),
            sent: sent.clone(),
            started,
        };
        let listener = Listener::start(listener, move |socket| {
            let service = service.clone();
            async move {
                let serve =
                    hyper::service::service_fn(move |request| service.clone().answer(request));
                let server = Builder::new(TokioExecutor::new());
                // A client that breaks off is no concern of the server's.
                let _ = server.serve_connection(TokioIo::new(socket), serve).await;
            }
        })?;
        Ok(ControlPlane {
            listener,
            state,
            sent,
            started,
        })
    }

    /// The endpoint for all services, without a slash at its end.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.addr())
    }

    /// Registers instances under a service in place of those that were there.
    pub fn register(&self, namespace: &str, service: &str, instances: &[(&str, &[(&str, &str)])]) {
        let instances = instances.iter().map(|(id, attributes)| {
            let attributes = attributes.iter();
            let attributes = attributes
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            ((*id).to_owned(), attributes)
        });
        let mut state = self.state();
        let place = (namespace.to_owned(), service.to_owned());
        state.instances.insert(place, instances.collect());
        state.revision += 1;
    }

    /// Answers `GetBootstrapBrokers` for a cluster.
    pub fn set_brokers(&self, arn: &str, answer: Json) {
        self.state().brokers.insert(arn.to_owned(), answer);
    }

    pub fn set_secret(&self, id: &str, text: &str) {
        self.state().secrets.insert(id.to_owned(), text.to_owned());
    }

    pub fn set_parameter(&self, name: &str, value: &str) {
        let mut state = self.state();
        state.parameters.insert(name.to_owned(), value.to_owned());
    }

    /// An object of S3, by its path: bucket and key, escaped.
    pub fn set_object(&self, path: &str, text: &str) {
        let mut state = self.state();
        state.objects.insert(path.to_owned(), text.to_owned());
    }

    /// Makes a queue; one whose name ends with `.fifo` keeps the order of groups. Returns its URL.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> String {
        let queue = queues::Queue::new(name.ends_with(".fifo"), settings);
        self.state().queues.insert(name.to_owned(), queue);
        format!("{}/123456789012/{name}", self.endpoint())
    }

    /// Changes how a queue behaves.
    pub fn set_queue(&self, name: &str, settings: QueueSettings) {
        if let Some(queue) = self.state().queues.get_mut(name) {
            queue.settings = settings;
        }
    }

    /// Puts messages into a queue: their bodies and groups.
    pub fn send<'a>(
        &self,
        name: &str,
        messages: impl IntoIterator<Item = (String, Option<&'a str>)>,
    ) {
        if let Some(queue) = self.state().queues.get_mut(name) {
            for (body, group) in messages {
                queue.send(&body, group, &[("colour", "red")]);
            }
        }
        self.sent.notify_waiters();
    }

    /// Lets the visibility timeouts of all messages in flight pass; returns their bodies.
    pub fn return_messages(&self, name: &str) -> Vec<String> {
        let now = self.started.elapsed();
        let mut state = self.state();
        let queue = state.queues.get_mut(name);
        queue.map(|queue| queue.return_all(now)).unwrap_or_default()
    }

    /// What a queue is like now.
    pub fn queue(&self, name: &str) -> QueueNow {
        let now = self.started.elapsed();
        let state = self.state();
        state
            .queues
            .get(name)
            .map(|queue| queue.now(now))
            .unwrap_or_default()
    }

    /// Serves a document at a path, to whoever brings the token, if one is asked for.
    pub fn set_document(&self, path: &str, document: Json, token: Option<&str>) {
        let entry = (document, token.map(str::to_owned));
        self.state().documents.insert(path.to_owned(), entry);
    }

    /// Which keys may sign, in place of those that were there.
    pub fn set_keys(&self, keys: Vec<Key>) {
        self.state().keys = keys;
    }

    /// By how many seconds this server's clock is ahead.
    pub fn set_clock(&self, ahead: i64) {
        self.state().clock = ahead;
    }

    /// What happens to the next calls of an operation, one step each. Documents go by their path.
    pub fn script(&self, operation: &str, steps: impl IntoIterator<Item = Step>) {
        let mut state = self.state();
        let script = state.scripts.entry(operation.to_owned()).or_default();
        script.extend(steps);
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> usize {
        let state = self.state();
        let calls = state.calls.iter().filter(|call| *call == operation);
        calls.count()
    }

    /// Everything that was called, in order.
    pub fn all_calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Signatures that were refused, and why.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.state().refusals.clone()
    }

    /// Stops, and returns once the connections are closed.
    pub async fn stop(self) {
        self.listener.stop().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Each change is one step, so a panicking holder leaves it whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request with its body.
struct Received {
    method: String,
    /// As it came: path and query.
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What a connection needs.
#[derive(Clone)]
struct Service {
    state: Arc<Mutex<State>>,
    sent: Arc<Notify>,
    started: Instant,
}

/// How often a receive that waits looks for messages that have come back.
const LOOK: Duration = Duration::from_millis(50);

impl Service {
    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let state = &self.state;
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, LONGEST_BODY).collect().await;
        let received = Received {
            method: parts.method.to_string(),
            target: parts
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
            headers: parts.headers,
            body: body
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default(),
        };
        let question = Question::read(&received);
        let operation = question.operation();
        let step = {
            let mut state = lock(state);
            state.calls.push(operation.to_owned());
            let script = state.scripts.get_mut(operation);
            script.and_then(VecDeque::pop_front)
        };
        match step {
            None | Some(Step::Usual) => {}
            Some(Step::Late(pause)) => tokio::time::sleep(pause).await,
            Some(Step::Silence) => std::future::pending().await,
            Some(Step::Answer {
                status,
                headers,
                body,
            }) => return Ok(response(status, &headers, body, lock(state).clock)),
        }
        let (clock, (status, headers, body)) = self.usual(&question, &received).await;
        let body = match body {
            Body::Document(document) => document.to_string(),
            Body::Text(text) => text,
        };
        Ok(response(status, &headers, body, clock))
    }

    /// The usual answer; one to a receive waits for messages.
    async fn usual(&self, question: &Question, received: &Received) -> (i64, answers::Answer) {
        let wait = question.receive_wait();
        let until = Instant::now() + wait.as_ref().map_or(Duration::ZERO, |(_, wait)| *wait);
        let _waiting = wait.map(|(queue, _)| Receiving::new(&self.state, queue));
        loop {
            let sent = self.sent.notified();
            let answer = {
                let mut state = lock(&self.state);
                let now = self.started.elapsed();
                let answer = answers::answer(&mut state, question, received, now);
                (state.clock, answer)
            };
            let is_empty =
                matches!(&answer.1, (200, _, Body::Document(document)) if *document == json!({}));
            if !is_empty || Instant::now() >= until {
                return answer;
            }
            // What has come back nobody tells of.
            let _ = timeout_at(until.min(Instant::now() + LOOK), sent).await;
        }
    }
}

/// A receive that waits, counted until it is answered or its client has gone.
struct Receiving<'a> {
    state: &'a Mutex<State>,
    queue: String,
}

impl<'a> Receiving<'a> {
    fn new(state: &'a Mutex<State>, queue: String) -> Self {
        if let Some(queue) = lock(state).queues.get_mut(&queue) {
            queue.receiving += 1;
        }
        Receiving { state, queue }
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        if let Some(queue) = lock(self.state).queues.get_mut(&self.queue) {
            queue.receiving -= 1;
        }
    }
}

fn response(
    status: u16,
    headers: &[(&'static str, String)],
    body: String,
    clock: i64,
) -> Response<Full<Bytes>> {
    let mut builder = Response::builder()
        .status(status)
        .header("date", http_date(now(clock)));
    if !headers.iter().any(|(name, _)| *name == "content-type") && body.starts_with('{') {
        builder = builder.header("content-type", "application/x-amz-json-1.1");
    }
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    let body = Full::new(Bytes::from(body));
    builder
        .body(body)
        .unwrap_or_else(|_| Response::new(Full::default()))
}

/// Seconds since 1970 by a clock that is ahead by so many.
fn now(ahead: i64) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(0) + ahead
}

/// The year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // The years are counted from March of year 0, so that the day of a leap year is its last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// As headers write it.
fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        names.get(at).copied().unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month - 1),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The seconds since 1970 of a time as signatures write it: `20260102T030405Z`.
fn seconds_of(text: &str) -> Option<i64> {
    let is_form = text.len() == 16 && text.is_ascii() && &text[8..9] == "T" && text.ends_with('Z');
    if !is_form {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_times() {
        assert_eq!(http_date(1_767_323_045), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(seconds_of("20260102T030405Z"), Some(1_767_323_045));
        assert_eq!(seconds_of("20000229T000000Z"), Some(951_782_400));
        assert_eq!(seconds_of("2026-01-02T03:04Z"), None);
    }
}

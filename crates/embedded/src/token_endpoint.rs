//! An OAuth token endpoint for tests: it gives tokens of a known secret to a known client, or whatever it is told to answer.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::broker::make_jwt;
use crate::listener::Listener;

/// Largest request that is read.
const MOST: usize = 64 * 1024;

/// Who gets a token, and what is in it.
#[derive(Clone)]
pub struct TokenRule {
    pub client_id: String,
    /// The client's secret; without one any assertion will do.
    pub client_secret: Option<String>,
    /// The scopes that may be asked for.
    pub scopes: Vec<String>,
    /// What tokens are signed with; without it they are unsecured.
    pub signed_with: Option<Vec<u8>>,
    pub lifetime: Duration,
}

/// Another answer than the rule's.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub authorization: Option<String>,
    /// The fields of the form in their order.
    pub form: Vec<(String, String)>,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.form.iter();
        fields.find_map(|(key, value)| (key == name).then_some(&**value))
    }
}

struct State {
    rule: TokenRule,
    reply: Option<Reply>,
    asked: Vec<Asked>,
}

/// A running endpoint. Dropping it stops it.
pub struct TokenEndpoint {
    listener: Listener,
    state: Arc<Mutex<State>>,
    count: watch::Sender<usize>,
}

impl TokenEndpoint {
    /// Starts it on a free loopback port; must be called inside a Tokio runtime.
    pub async fn start(rule: TokenRule) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = Arc::new(Mutex::new(State {
            rule,
            reply: None,
            asked: Vec::new(),
        }));
        let count = watch::Sender::new(0);
        let shared = (Arc::clone(&state), count.clone());
        let listener = Listener::start(listener, move |stream| {
            let (state, count) = shared.clone();
            serve(stream, state, count)
        })?;
        Ok(TokenEndpoint {
            listener,
            state,
            count,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/oauth2/token", self.listener.addr())
    }

    /// Answers so from now on; `None`: by the rule again.
    pub fn reply(&self, reply: Option<Reply>) {
        lock(&self.state).reply = reply;
    }

    pub fn change(&self, change: impl FnOnce(&mut TokenRule)) {
        change(&mut lock(&self.state).rule);
    }

    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }

    /// How often it was asked.
    pub fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, count: watch::Sender<usize>) {
    let service = service_fn(move |request| {
        let (state, count) = (Arc::clone(&state), count.clone());
        async move { Ok::<_, Infallible>(respond(request, &state, &count).await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the token endpoint ended");
    }
}

async fn respond(
    request: Request<Incoming>,
    state: &Mutex<State>,
    count: &watch::Sender<usize>,
) -> Response<Full<Bytes>> {
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let authorization = authorization.map(str::to_owned);
    let body = Limited::new(request.into_body(), MOST).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked {
        authorization,
        form: form_urlencoded::parse(&body).into_owned().collect(),
    };
    let reply = {
        let mut state = lock(state);
        let reply = state.reply.clone();
        let reply = reply.unwrap_or_else(|| by_rule(&state.rule, &asked));
        state.asked.push(asked);
        reply
    };
    count.send_modify(|count| *count += 1);
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    if let Ok(status) = reply.status.try_into() {
        *response.status_mut() = status;
    }
    if let Ok(kind) = reply.content_type.parse() {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

fn by_rule(rule: &TokenRule, asked: &Asked) -> Reply {
    let json = |status, body: serde_json::Value| Reply {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_string(),
    };
    let is_client = match &rule.client_secret {
        Some(secret) => {
            let both = STANDARD.encode(format!("{}:{secret}", rule.client_id));
            asked.authorization == Some(format!("Basic {both}"))
        }
        None => asked
            .field("assertion")
            .or(asked.field("client_assertion"))
            .is_some(),
    };
    if !is_client {
        let why = "the client is unknown, or its secret is another";
        return json(
            401,
            json!({"error": "invalid_client", "error_description": why}),
        );
    }
    let scope = asked.field("scope").unwrap_or_default();
    let is_allowed = |scope: &str| rule.scopes.iter().any(|allowed| allowed == scope);
    if !scope.split_whitespace().all(is_allowed) {
        let why = format!("there is no scope {scope}");
        return json(
            400,
            json!({"error": "invalid_scope", "error_description": why}),
        );
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs_f64();
    let exp = now + rule.lifetime.as_secs_f64();
    let claims =
        json!({"sub": rule.client_id, "scope": scope, "aud": "kafka", "iat": now, "exp": exp});
    let token = make_jwt(rule.signed_with.as_deref(), &claims);
    json(
        200,
        json!({"access_token": token, "token_type": "Bearer", "expires_in": rule.lifetime.as_secs()}),
    )
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // It is changed in one step each.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

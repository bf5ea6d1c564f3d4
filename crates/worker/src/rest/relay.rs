//! Relay: asks the herder, and passes on to another worker what that one has to do.

use super::Api;
use super::error::RestError;
use super::query::query_values;
use crate::forward::{AGENT, Ask};
use crate::herder::request::{Answer, HerderError, Request};
use crate::inter_worker::Signature;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::convert::Infallible;

/// What is needed of a request to pass it on.
#[derive(Clone)]
pub(super) struct Relay {
    method: Method,
    /// As it came, escapes included.
    path: String,
    query: Option<String>,
    /// Those alone that go along.
    headers: HeaderMap,
    is_secure: bool,
    is_from_ours: bool,
}

/// The request came over TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure;

/// How often a request may still be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hops {
    /// A client's: to the leader, and from there to whoever runs the connector.
    Two,
    One,
    None,
}

/// Where a request was answered.
pub(super) enum Relayed {
    Here(Answer),
    There(Response),
}

impl<S: Send + Sync> FromRequestParts<S> for Relay {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let mut headers = HeaderMap::new();
        let [signature, algorithm] = Signature::names();
        for name in [header::AUTHORIZATION, signature, algorithm] {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        Ok(Relay {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers,
            is_secure: parts.extensions.get::<Secure>().is_some(),
            is_from_ours: parts.headers.get(header::USER_AGENT) == Some(&AGENT),
        })
    }
}

impl Relay {
    /// Of the address by which the client came.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// Another worker, one of Java's, has passed it on and reads the answer itself.
    pub(super) fn is_from_java(&self) -> bool {
        !self.is_from_ours && hops(self.query.as_deref()) != Hops::Two
    }

    /// What goes along with every request that is made for this one.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Has the herder do it; if that is another worker's to do, that one with the body that came.
    pub(super) async fn change(
        &self,
        api: &Api,
        request: Request,
        body: Bytes,
    ) -> Result<Relayed, RestError> {
        match api.herder.change(request).await {
            Ok(answer) => Ok(Relayed::Here(answer)),
            Err(HerderError::NotHere { why, url }) => {
                let hops = hops(self.query.as_deref());
                if hops == Hops::None {
                    return Err(RestError::Conflict(
                        "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
                    ));
                }
                let url = url.ok_or(HerderError::NotHere { why, url: None })?;
                self.pass_on(api, &url, hops, body)
                    .await
                    .map(Relayed::There)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn pass_on(
        &self,
        api: &Api,
        url: &str,
        hops: Hops,
        body: Bytes,
    ) -> Result<Response, RestError> {
        let ask = Ask {
            method: self.method.clone(),
            url: self.url(url, hops),
            headers: self.headers.clone(),
            body,
        };
        tracing::debug!(method = %ask.method, url = ask.url, "passing a request on");
        let answer = api.forwarder.send(ask).await?;
        let status = answer.status();
        if status.is_redirection() || status.is_informational() {
            return Err(RestError::Failed(format!(
                "Unexpected status code when handling forwarded request: {}",
                status.as_u16()
            )));
        }
        if !status.is_success() {
            tracing::warn!(url, %status, path = self.path, "another worker has refused what was passed on to it");
        }
        Ok(passed_back(answer))
    }

    /// The same at another worker.
    fn url(&self, base: &str, hops: Hops) -> String {
        let query = self.query.as_deref().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("forward", if hops == Hops::Two { "true" } else { "false" });
        query.extend_pairs(pairs.filter(|(name, _)| name != "forward"));
        let base = base.trim_end_matches('/');
        format!("{base}{}?{}", self.path, query.finish())
    }
}

impl Relayed {
    /// The answer from there, or what is made of the one from here.
    pub(super) fn or<R: IntoResponse>(self, here: impl FnOnce(Answer) -> R) -> Response {
        match self {
            Relayed::Here(answer) => here(answer).into_response(),
            Relayed::There(response) => response,
        }
    }
}

fn hops(query: Option<&str>) -> Hops {
    match query_values(query, "forward").first() {
        None => Hops::Two,
        Some(value) if value.eq_ignore_ascii_case("true") => Hops::One,
        Some(_) => Hops::None,
    }
}

/// Status, body and what the body is: the rest is between the two workers.
fn passed_back(answer: Response<Body>) -> Response {
    let (head, body) = answer.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    for name in [header::CONTENT_TYPE, header::WWW_AUTHENTICATE] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request as HttpRequest};

    #[test]
    fn a_request_is_passed_on_twice_at_most() {
        for (query, expected) in [
            (None, Hops::Two),
            (Some("includeTasks=true"), Hops::Two),
            (Some("forward=TRUE"), Hops::One),
            (Some("forward=false"), Hops::None),
            (Some("forward=x"), Hops::None),
            (Some("forward"), Hops::None),
        ] {
            assert_eq!(hops(query), expected, "{query:?}");
        }
    }

    #[tokio::test]
    async fn a_worker_of_java_s_is_known_by_what_it_passes_on() {
        let java = HeaderValue::from_static("kafka-connect");
        for (path, agent, expected) in [
            ("/connectors/c/restart", java.clone(), false),
            ("/connectors/c/restart?forward=true", java.clone(), true),
            (
                "/connectors/c/restart?includeTasks=true&forward=false",
                java,
                true,
            ),
            ("/connectors/c/restart?forward=true", AGENT, false),
        ] {
            let request = HttpRequest::builder()
                .uri(path)
                .header(header::USER_AGENT, &agent);
            let (mut parts, ()) = request.body(()).expect("a request").into_parts();
            let Ok(relay) = Relay::from_request_parts(&mut parts, &()).await;
            assert_eq!(relay.is_from_java(), expected, "{path} {agent:?}");
        }
    }

    /// Java's workers accept leaders whose URLs have a path, or no slash at the end.
    #[test]
    fn additions_18_the_url_of_a_leader_may_have_a_path() {
        let relay = Relay {
            method: Method::POST,
            path: "/connectors/a%20b/restart".to_owned(),
            query: Some("forward=true&onlyFailed=true".to_owned()),
            headers: HeaderMap::new(),
            is_secure: false,
            is_from_ours: false,
        };
        for (base, hops, expected) in [
            (
                "http://h:1/",
                Hops::One,
                "http://h:1/connectors/a%20b/restart?forward=false&onlyFailed=true",
            ),
            (
                "http://h:1/pre/fix",
                Hops::Two,
                "http://h:1/pre/fix/connectors/a%20b/restart?forward=true&onlyFailed=true",
            ),
        ] {
            assert_eq!(relay.url(base, hops), expected);
        }
    }
}

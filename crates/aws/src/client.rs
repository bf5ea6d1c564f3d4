//! One thin client for all services: it signs, sends, and tries again as far as the class of an error allows.

pub mod endpoint;
pub mod error;
mod signing;

pub use endpoint::{Endpoints, Service};
pub use error::{CallError, Class};
pub use signing::signed_headers;

use crate::credentials::{Credentials, CredentialsChain, CredentialsError};
use crate::http::{Answer, Http, Request, Way};
use bytes::Bytes;
use error::Failure;
use serde_json::Value as Json;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// For one attempt, connection and answer together, unless the call says otherwise.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of one call. Whoever has more time than these take calls again.
const ATTEMPTS: u32 = 5;

/// First and longest pause after a service said that there are too many calls.
const THROTTLED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// First and longest pause after what may be over in a moment.
const TRANSIENT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A clock that is less wrong than this is not what a service complains about.
const SKEW: i64 = 60;

/// One operation with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub service: Service,
    pub operation: &'static str,
    /// Where the service is asked; nothing for where everything else is.
    pub region: Option<String>,
    pub asks: Asks,
}

/// How an operation is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// With a target and a JSON document, by POST to the root.
    Document { target: String, body: String },
    /// With a target and a document of JSON 1.0, by POST to the root; the answer may take so long.
    Message {
        target: String,
        body: Bytes,
        patience: Duration,
    },
    /// With a path, escaped, by GET.
    Path(String),
    /// For the bytes that stand at a path, escaped, by GET.
    Bytes(String),
}

/// A client for a process. Clones would not share what is known of the clock: it is meant to be shared as it is.
pub struct Client {
    endpoints: Endpoints,
    credentials: Arc<CredentialsChain>,
    http: Http,
    /// Seconds by which AWS's clock is ahead of ours, once a service has complained.
    ahead: AtomicI64,
    /// Why the last attempt failed, while there is to be another.
    failure: Mutex<Option<CallError>>,
}

impl Client {
    pub fn new(endpoints: Endpoints, credentials: Arc<CredentialsChain>, http: Http) -> Self {
        Client {
            endpoints,
            credentials,
            http,
            ahead: AtomicI64::new(0),
            failure: Mutex::default(),
        }
    }

    /// Why the last attempt at a call failed, if it has not been made again yet: for whoever has no time to wait for the end.
    pub fn last_failure(&self) -> Option<CallError> {
        self.failure().clone()
    }

    fn failure(&self) -> MutexGuard<'_, Option<CallError>> {
        // It is replaced whole or not at all.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document that the service answers with.
    pub async fn call(&self, call: &Call) -> Result<Json, CallError> {
        self.answer(call, error::judge).await
    }

    /// The document that the service answers with, unread: an answer with many messages is read by whoever knows its form.
    pub async fn document(&self, call: &Call) -> Result<Bytes, CallError> {
        self.answer(call, error::judge_document).await
    }

    /// The bytes that the service answers with.
    pub async fn bytes(&self, call: &Call) -> Result<Bytes, CallError> {
        self.answer(call, error::judge_bytes).await
    }

    async fn answer<T>(
        &self,
        call: &Call,
        judge: impl Fn(&Answer) -> Result<T, Failure>,
    ) -> Result<T, CallError> {
        let mut attempts = Attempts::default();
        loop {
            let outcome = self.attempt(call, &judge).await;
            let failure = match outcome {
                Ok(answer) => {
                    *self.failure() = None;
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let dice = rand::random_range(0.0..1.0);
            let pause = attempts.pause_after(failure.class, failure.retry_after, dice);
            let error = failure.of(call.service, call.operation);
            let Some(pause) = pause else {
                *self.failure() = None;
                return Err(error);
            };
            *self.failure() = Some(error);
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<T>(
        &self,
        call: &Call,
        judge: impl Fn(&Answer) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let credentials = self.credentials.get().await.map_err(no_credentials)?;
        let now = shifted(SystemTime::now(), self.ahead.load(Ordering::Relaxed));
        let request = self.request(call, &credentials, now)?;
        let patience = match &call.asks {
            Asks::Message { patience, .. } => *patience,
            Asks::Document { .. } | Asks::Path(_) | Asks::Bytes(_) => PATIENCE,
        };
        let answer = self.http.send(Way::Service, request, patience).await;
        let answer = answer.map_err(|why| {
            let place = self.endpoints.url(call.service, call.region.as_deref());
            Failure::unreachable(&place.unwrap_or_default(), &why)
        })?;
        judge(&answer).map_err(|mut failure| {
            match failure.class {
                Class::Expired => self.credentials.forget(&credentials),
                Class::Skewed if !self.set_clock(&answer) => failure.class = Class::Denied,
                _ => {}
            }
            failure
        })
    }

    fn request(
        &self,
        call: &Call,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Request, Failure> {
        let region = call.region.as_deref();
        let endpoint = self.endpoints.url(call.service, region);
        let endpoint = endpoint.map_err(Failure::impossible)?;
        let (method, path, headers, body) = match &call.asks {
            Asks::Document { target, body } => (
                "POST",
                "/",
                vec![
                    ("content-type", "application/x-amz-json-1.1".to_owned()),
                    ("x-amz-target", target.clone()),
                ],
                Bytes::copy_from_slice(body.as_bytes()),
            ),
            Asks::Message { target, body, .. } => (
                "POST",
                "/",
                vec![
                    ("content-type", "application/x-amz-json-1.0".to_owned()),
                    ("x-amz-target", target.clone()),
                ],
                body.clone(),
            ),
            Asks::Path(path) | Asks::Bytes(path) => ("GET", &**path, Vec::new(), Bytes::new()),
        };
        let mut request = Request {
            method,
            url: format!("{endpoint}{path}"),
            headers,
            body,
        };
        let region = region.unwrap_or(self.endpoints.region());
        let name = call.service.signing_name();
        let signed = signed_headers(&request, credentials, region, name, now);
        request.headers.extend(signed.map_err(Failure::impossible)?);
        Ok(request)
    }

    /// Takes the service's time for ours. Says whether that changes anything.
    fn set_clock(&self, answer: &Answer) -> bool {
        let now = SystemTime::now();
        let Some(ahead) = error::seconds_ahead(answer, now) else {
            return false;
        };
        let known = self.ahead.swap(ahead, Ordering::Relaxed);
        let is_news = (ahead - known).abs() >= SKEW;
        if is_news {
            tracing::warn!(
                seconds = ahead,
                "this machine's clock differs from AWS's; requests are signed with AWS's time"
            );
        }
        is_news
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

fn no_credentials(error: CredentialsError) -> Failure {
    let class = match &error {
        CredentialsError::Refused {
            is_transient: true, ..
        } => Class::Transient,
        CredentialsError::Refused { .. } | CredentialsError::NoneFound(_) => Class::NoCredentials,
    };
    Failure::new(class, error.to_string())
}

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 {
        time.checked_sub(by)
    } else {
        time.checked_add(by)
    };
    shifted.unwrap_or(time)
}

/// The attempts at one call so far.
#[derive(Debug, Default)]
struct Attempts {
    made: u32,
    has_renewed: bool,
    has_set_clock: bool,
}

impl Attempts {
    /// The pause until the next attempt after one that failed; nothing if there is to be none. `dice` is from 0 to 1.
    fn pause_after(
        &mut self,
        class: Class,
        retry_after: Option<Duration>,
        dice: f64,
    ) -> Option<Duration> {
        let doubled = |(first, longest): (Duration, Duration), made: u32| {
            first.saturating_mul(1 << made.min(16)).min(longest)
        };
        let made = self.made;
        self.made += 1;
        if self.made >= ATTEMPTS {
            return None;
        }
        match class {
            Class::Throttled => {
                let pause = doubled(THROTTLED, made).mul_f64(dice);
                let asked = retry_after.unwrap_or_default().min(THROTTLED.1);
                Some(pause.max(asked))
            }
            Class::Expired if !self.has_renewed => {
                self.has_renewed = true;
                Some(Duration::ZERO)
            }
            Class::Transient | Class::Expired => {
                let pause = doubled(TRANSIENT, made);
                Some(pause.mul_f64(0.5 + dice / 2.0))
            }
            Class::Skewed if !self.has_set_clock => {
                self.has_set_clock = true;
                Some(Duration::ZERO)
            }
            Class::Skewed
            | Class::NotReady
            | Class::NoCredentials
            | Class::Denied
            | Class::Permanent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_again_as_the_class_allows() {
        let pauses = |class, retry_after| {
            let mut attempts = Attempts::default();
            let pauses = std::iter::from_fn(|| attempts.pause_after(class, retry_after, 1.0));
            pauses.map(|pause| pause.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(Class::Throttled, None), [1000, 2000, 4000, 8000]);
        let asked = Some(Duration::from_secs(3));
        assert_eq!(pauses(Class::Throttled, asked), [3000, 3000, 4000, 8000]);
        let much = Some(Duration::from_secs(3600));
        assert_eq!(pauses(Class::Throttled, much)[0], 20_000);
        assert_eq!(pauses(Class::Transient, None), [100, 200, 400, 800]);
        // Credentials are renewed once; a service that calls the new ones expired may come to its senses.
        assert_eq!(pauses(Class::Expired, None), [0, 200, 400, 800]);
        assert_eq!(pauses(Class::Skewed, None), [0]);
        for class in [
            Class::NotReady,
            Class::NoCredentials,
            Class::Denied,
            Class::Permanent,
        ] {
            assert!(pauses(class, None).is_empty(), "{class:?}");
        }
    }

    #[test]
    fn shifts_times_both_ways() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(shifted(now, 50), now + Duration::from_secs(50));
        assert_eq!(shifted(now, -50), now - Duration::from_secs(50));
    }
}

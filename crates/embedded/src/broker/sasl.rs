//! Sign-in (SASL) at the broker's listener, as Kafka does it: the handshake names a mechanism, the messages of that go to and
//! fro, and the session that comes of it ends unless it is renewed on the same connection (KIP-368).

mod iam;
mod jwt;

pub use iam::IamRule;
pub use jwt::JwtRule;
pub(crate) use jwt::make as make_jwt;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::scram::{self, Challenged, User};

/// A connection is renewed once in this time at most.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// Who may sign in, and for how long.
#[derive(Clone, Default)]
pub struct SaslSettings {
    /// Names and passwords, for PLAIN and SCRAM-SHA-256.
    pub users: Vec<(String, String)>,
    /// OAUTHBEARER with tokens of an issuer.
    pub jwt: Option<JwtRule>,
    /// AWS_MSK_IAM, and OAUTHBEARER with its tokens.
    pub iam: Option<IamRule>,
    /// `connections.max.reauth.ms`; without it sessions last as long as connections.
    pub session: Option<Duration>,
}

impl std::fmt::Debug for SaslSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaslSettings([hidden])")
    }
}

/// What became of the sign-ins so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignIns {
    /// New connections that were let in.
    pub new: u32,
    /// Sessions that were renewed.
    pub renewed: u32,
    /// Sign-ins and renewals that were refused.
    pub refused: u32,
    /// Connections that were closed because their session had ended.
    pub expired: u32,
}

/// The listener's own state.
#[derive(Debug)]
pub(crate) struct Sasl {
    settings: std::sync::Mutex<SaslSettings>,
    sign_ins: watch::Sender<SignIns>,
}

/// Whether a request may be served.
pub(crate) enum Admission {
    Served,
    Refused,
}

/// How far a connection has come.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    step: Step,
    /// Who has signed in, how, and until when.
    session: Option<Session>,
    renewed: Option<Instant>,
}

#[derive(Debug)]
struct Session {
    mechanism: &'static str,
    user: String,
    ends: Option<Instant>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// The handshake has named the mechanism.
    Begun(&'static str),
    Challenged(&'static str, Challenged),
    /// The client has been told why, and says that it has heard.
    Rejected,
}

/// What a message comes to.
enum Outcome {
    /// Who it is, what to answer, and until when the credentials are good.
    In {
        user: String,
        answer: Vec<u8>,
        expires_ms: Option<i64>,
    },
    Next(Step, Vec<u8>),
    Refused(String),
}

impl Sasl {
    pub(crate) fn new(settings: SaslSettings) -> Self {
        Sasl {
            settings: std::sync::Mutex::new(settings),
            sign_ins: watch::Sender::default(),
        }
    }

    pub(crate) fn sign_ins(&self) -> watch::Receiver<SignIns> {
        self.sign_ins.subscribe()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SaslSettings)) {
        change(&mut super::lock(&self.settings));
    }

    fn count(&self, count: impl FnOnce(&mut SignIns)) {
        self.sign_ins.send_modify(count);
    }

    /// Whether this connection may ask that, beside what belongs to the sign-in itself.
    pub(crate) fn admit(&self, sign_in: &SignIn, api: ApiKey) -> Admission {
        let is_of_sign_in = matches!(api, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        match (&sign_in.session, &sign_in.step) {
            _ if is_of_sign_in => Admission::Served,
            (None, Step::Idle) if api == ApiKey::ApiVersions => Admission::Served,
            (Some(session), Step::Idle) => {
                if session.ends.is_some_and(|ends| ends <= Instant::now()) {
                    self.count(|count| count.expired += 1);
                    return Admission::Refused;
                }
                Admission::Served
            }
            _ => Admission::Refused,
        }
    }

    pub(crate) fn handshake(
        &self,
        sign_in: &mut SignIn,
        request: &SaslHandshakeRequest,
    ) -> SaslHandshakeResponse {
        let offered = mechanisms(&super::lock(&self.settings));
        let answer = SaslHandshakeResponse::default().with_mechanisms(
            offered
                .iter()
                .map(|name| StrBytes::from_static_str(name))
                .collect(),
        );
        let wanted = offered
            .into_iter()
            .find(|name| *name == &*request.mechanism);
        let Some(mechanism) = wanted else {
            self.count(|count| count.refused += 1);
            return answer.with_error_code(ResponseError::UnsupportedSaslMechanism.code());
        };
        let now = Instant::now();
        if let Some(session) = &sign_in.session {
            let is_soon = sign_in
                .renewed
                .is_some_and(|at| now < at + RENEWAL_INTERVAL);
            if session.ends.is_none() || is_soon || session.mechanism != mechanism {
                self.count(|count| count.refused += 1);
                return answer.with_error_code(ResponseError::IllegalSaslState.code());
            }
            sign_in.renewed = Some(now);
        }
        sign_in.step = Step::Begun(mechanism);
        answer
    }

    /// The answer, and whether the connection ends with it.
    pub(crate) fn authenticate(
        &self,
        sign_in: &mut SignIn,
        request: &SaslAuthenticateRequest,
    ) -> (SaslAuthenticateResponse, bool) {
        let settings = super::lock(&self.settings).clone();
        let step = std::mem::take(&mut sign_in.step);
        let mechanism = match &step {
            Step::Begun(mechanism) | Step::Challenged(mechanism, _) => mechanism,
            Step::Idle | Step::Rejected => mechanism::NONE,
        };
        let outcome = continue_sign_in(&settings, step, &request.auth_bytes, wall_clock());
        let answer = SaslAuthenticateResponse::default();
        let refuse = |why: String| {
            self.count(|count| count.refused += 1);
            let refused = answer
                .clone()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(StrBytes::from_string(why)));
            (refused, true)
        };
        match outcome {
            Outcome::Refused(why) => refuse(why),
            Outcome::Next(step, bytes) => {
                sign_in.step = step;
                (answer.with_auth_bytes(Bytes::from(bytes)), false)
            }
            Outcome::In {
                user,
                answer: bytes,
                expires_ms,
            } => {
                let before = sign_in.session.as_ref();
                if before.is_some_and(|session| session.user != user) {
                    return refuse("Cannot change principals during re-authentication".to_owned());
                }
                self.count(|count| match before {
                    Some(_) => count.renewed += 1,
                    None => count.new += 1,
                });
                let lifetime = lifetime(settings.session, expires_ms, wall_clock());
                sign_in.session = Some(Session {
                    mechanism,
                    user,
                    ends: lifetime.map(|lifetime| Instant::now() + lifetime),
                });
                let millis = lifetime.map_or(0, |lifetime| lifetime.as_millis() as i64);
                let answer = answer
                    .with_auth_bytes(Bytes::from(bytes))
                    .with_session_lifetime_ms(millis);
                (answer, false)
            }
        }
    }
}

mod mechanism {
    pub(super) const NONE: &str = "";
    pub(super) const PLAIN: &str = "PLAIN";
    pub(super) const SCRAM: &str = "SCRAM-SHA-256";
    pub(super) const OAUTHBEARER: &str = "OAUTHBEARER";
    pub(super) const IAM: &str = "AWS_MSK_IAM";
}

fn mechanisms(settings: &SaslSettings) -> Vec<&'static str> {
    let (users, jwt, iam) = (
        !settings.users.is_empty(),
        settings.jwt.is_some(),
        settings.iam.is_some(),
    );
    [
        (mechanism::PLAIN, users),
        (mechanism::SCRAM, users),
        (mechanism::OAUTHBEARER, jwt || iam),
        (mechanism::IAM, iam),
    ]
    .into_iter()
    .filter_map(|(name, is_offered)| is_offered.then_some(name))
    .collect()
}

/// No longer than the settings say, nor than the credentials are good.
fn lifetime(session: Option<Duration>, expires_ms: Option<i64>, now_ms: i64) -> Option<Duration> {
    let session = session?;
    let left = expires_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(0) as u64));
    // None at all would mean that it never ends.
    let lifetime = left.map_or(session, |left| left.min(session));
    Some(lifetime.max(Duration::from_millis(1)))
}

fn continue_sign_in(settings: &SaslSettings, step: Step, message: &[u8], now_ms: i64) -> Outcome {
    let invalid = || Outcome::Refused("Authentication failed: Invalid username or password".into());
    let text = String::from_utf8_lossy(message);
    match step {
        Step::Begun(mechanism::PLAIN) => {
            let parts: Vec<&str> = text.split('\0').collect();
            let [_, name, password] = parts[..] else {
                return invalid();
            };
            let mut users = settings.users.iter();
            if users.any(|(known, secret)| known == name && secret == password) {
                Outcome::In {
                    user: name.to_owned(),
                    answer: Vec::new(),
                    expires_ms: None,
                }
            } else {
                invalid()
            }
        }
        Step::Begun(mechanism::SCRAM) => {
            let known = |name: &str| {
                let (name, password) = settings.users.iter().find(|(known, _)| known == name)?;
                Some(User {
                    name: name.clone(),
                    password: password.clone(),
                })
            };
            match scram::challenge(&text, known) {
                Ok((challenged, answer)) => Outcome::Next(
                    Step::Challenged(mechanism::SCRAM, challenged),
                    answer.into_bytes(),
                ),
                Err(_) => scram_refused(),
            }
        }
        Step::Challenged(_, challenged) => match challenged.proven(&text) {
            Ok((user, proof)) => Outcome::In {
                user,
                answer: proof.into_bytes(),
                expires_ms: None,
            },
            Err(_) => scram_refused(),
        },
        Step::Begun(mechanism::OAUTHBEARER) => match bearer(settings, &text, now_ms) {
            Ok((user, expires_ms)) => Outcome::In {
                user,
                answer: Vec::new(),
                expires_ms: Some(expires_ms),
            },
            // The reason comes first; the client answers with one byte, and is refused then.
            Err(status) => Outcome::Next(
                Step::Rejected,
                serde_json::json!({ "status": status })
                    .to_string()
                    .into_bytes(),
            ),
        },
        Step::Begun(mechanism::IAM) => {
            let checked = settings
                .iam
                .as_ref()
                .map(|rule| rule.check_payload(message, now_ms));
            match checked.unwrap_or_else(|| Err("no IAM here".to_owned())) {
                Ok((user, expires_ms)) => Outcome::In {
                    user,
                    answer: br#"{"version":"2020_10_22","request-id":"0"}"#.to_vec(),
                    expires_ms: Some(expires_ms),
                },
                Err(why) => {
                    tracing::debug!(why, "an IAM sign-in is refused");
                    Outcome::Refused("Access denied".to_owned())
                }
            }
        }
        Step::Rejected => Outcome::Refused("Authentication failed due to an invalid token".into()),
        Step::Idle | Step::Begun(_) => {
            Outcome::Refused("SaslAuthenticate without a handshake before it".into())
        }
    }
}

fn scram_refused() -> Outcome {
    Outcome::Refused(
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256".to_owned(),
    )
}

/// Who a bearer token is of and until when; or OAuth's word for what is wrong with it.
fn bearer(settings: &SaslSettings, message: &str, now_ms: i64) -> Result<(String, i64), String> {
    let invalid = || "invalid_request".to_owned();
    let pairs = message.strip_prefix("n,,\x01").ok_or_else(invalid)?;
    let pairs = pairs.strip_suffix("\x01\x01").ok_or_else(invalid)?;
    let mut pairs = pairs.split('\x01');
    let token = pairs.find_map(|pair| pair.strip_prefix("auth=Bearer "));
    let token = token.ok_or_else(invalid)?;
    let iam = settings
        .iam
        .as_ref()
        .map(|rule| rule.check_token(token, now_ms));
    match iam {
        Some(Ok(found)) => return Ok(found),
        Some(Err(why)) => tracing::debug!(why, "an IAM token is refused"),
        None => {}
    }
    match &settings.jwt {
        Some(rule) => rule.check(token, now_ms),
        None => Err("invalid_token".to_owned()),
    }
}

fn wall_clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

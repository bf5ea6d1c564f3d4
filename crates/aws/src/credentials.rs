//! Credentials: from the first source that has any, kept until shortly before they expire, and in words why there are none.
//!
//! Sources are asked in the order of the SDK, which the S3 sink asks: a process has one identity for all its calls.

mod container;
mod shared;
mod sources;

pub use aws_credential_types::Credentials;
pub use container::parse_document;

use crate::environment::Environment;
use crate::http::Http;
use sources::Sources;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Long before they expire: whoever provides credentials may be away for some minutes, and nobody notices.
const RENEWED_BEFORE: Duration = Duration::from_secs(10 * 60);

/// Tasks that were started together do not all ask at once.
const JITTER: Duration = Duration::from_secs(60);

/// Until old credentials are tried to be renewed again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// Whose credentials are wanted, beside those that the environment offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialsSettings {
    /// A profile of the shared configuration files, and no other source.
    pub profile: Option<String>,
    /// Keys that are given, and no other source.
    pub keys: Option<Keys>,
    /// A role that is taken on with what the source gives.
    pub role: Option<Role>,
}

/// Keys that somebody has set.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([hidden])")
    }
}

/// A role to be taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    pub session_name: String,
    pub external_id: Option<String>,
    /// Where the token service is asked; by default where the cluster is.
    pub sts_region: Option<String>,
}

/// A source, and why it gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub source: &'static str,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No source is there: time does not help.
    #[error("no AWS credentials: {}", list(.0))]
    NoneFound(Vec<Tried>),
    /// A source is there and gave none.
    #[error("no AWS credentials from {source_name}: {why}")]
    Refused {
        source_name: &'static str,
        why: String,
        /// Whether it may give some later.
        is_transient: bool,
    },
}

fn list(tried: &[Tried]) -> String {
    let sources = tried.iter();
    let sources: Vec<String> = sources
        .map(|Tried { source, why }| format!("{source} ({why})"))
        .collect();
    format!("tried {}", sources.join(", "))
}

/// Gives credentials that have not expired, to whoever asks. What has to be renewed is renewed by whoever asks first.
pub struct CredentialsChain {
    sources: Sources,
    kept: Mutex<Option<Kept>>,
    /// Held by who fetches.
    fetching: tokio::sync::Mutex<()>,
}

/// Credentials with what was decided when they came.
#[derive(Clone)]
struct Kept {
    credentials: Credentials,
    renew_at: Option<SystemTime>,
}

/// What to do for somebody who asks.
enum Advice {
    Serve(Credentials),
    /// Still good, but renewed if nobody does so already.
    Renew(Credentials),
    Fetch,
}

impl Kept {
    /// Credentials that came at `now`. Those that live less than twice the usual time before are renewed at half of it.
    fn new(credentials: Credentials, now: SystemTime, jitter: Duration) -> Self {
        let renew_at = credentials.expiry().map(|expiry| {
            let left = expiry.duration_since(now).unwrap_or_default();
            now + left.saturating_sub(RENEWED_BEFORE + jitter).max(left / 2)
        });
        Kept {
            credentials,
            renew_at,
        }
    }

    fn advise(kept: Option<&Kept>, now: SystemTime) -> Advice {
        let Some(kept) = kept else {
            return Advice::Fetch;
        };
        let credentials = kept.credentials.clone();
        match (credentials.expiry(), kept.renew_at) {
            (Some(expiry), _) if expiry <= now => Advice::Fetch,
            (_, Some(renew_at)) if renew_at <= now => Advice::Renew(credentials),
            _ => Advice::Serve(credentials),
        }
    }
}

impl CredentialsChain {
    /// The chain for a process. It asks nobody until somebody wants credentials. `region` is where a role is taken on.
    pub fn new(
        settings: CredentialsSettings,
        environment: Environment,
        region: &str,
        http: Http,
    ) -> Self {
        CredentialsChain {
            sources: Sources {
                settings,
                environment,
                region: region.to_owned(),
                http,
            },
            kept: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Credentials that count now.
    pub async fn get(&self) -> Result<Credentials, CredentialsError> {
        match self.advice() {
            Advice::Serve(credentials) => Ok(credentials),
            Advice::Renew(old) => Ok(match self.fetching.try_lock() {
                Ok(_turn) => self.renew(old).await,
                Err(_) => old,
            }),
            Advice::Fetch => {
                let _turn = self.fetching.lock().await;
                // Who waited for its turn finds what the one before has fetched.
                match self.advice() {
                    Advice::Serve(credentials) | Advice::Renew(credentials) => Ok(credentials),
                    Advice::Fetch => self.fetch().await,
                }
            }
        }
    }

    /// Forgets credentials that a service has refused, so that the next who asks gets others.
    pub fn forget(&self, refused: &Credentials) {
        let mut kept = self.kept();
        let is_that = kept.as_ref().is_some_and(|kept| {
            let kept = &kept.credentials;
            kept.access_key_id() == refused.access_key_id()
                && kept.session_token() == refused.session_token()
        });
        if is_that {
            *kept = None;
        }
    }

    fn advice(&self) -> Advice {
        Kept::advise(self.kept().as_ref(), SystemTime::now())
    }

    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let credentials = without_empty_token(self.sources.load().await?);
        let jitter = JITTER.mul_f64(rand::random_range(0.0..1.0));
        let fetched = Kept::new(credentials.clone(), SystemTime::now(), jitter);
        *self.kept() = Some(fetched);
        Ok(credentials)
    }

    /// New credentials, or the old ones once more.
    async fn renew(&self, old: Credentials) -> Credentials {
        match self.fetch().await {
            Ok(credentials) => credentials,
            Err(why) => {
                tracing::warn!(error = %why, "cannot renew AWS credentials yet; the old ones still count");
                if let Some(kept) = &mut *self.kept() {
                    kept.renew_at = Some(SystemTime::now() + RENEWAL_PAUSE);
                }
                old
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        // Each change is one step, so a panicking holder leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CredentialsChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsChain")
    }
}

/// An empty session token means none, as for most SDKs: a signature with an empty one would be another.
fn without_empty_token(credentials: Credentials) -> Credentials {
    if credentials.session_token() != Some("") {
        return credentials;
    }
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        None,
        credentials.expiry(),
        "millstream",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn key(expiry: Option<SystemTime>) -> Credentials {
        Credentials::new("id", "secret", None, expiry, "test")
    }

    fn advice(kept: &Kept, now: SystemTime) -> &'static str {
        match Kept::advise(Some(kept), now) {
            Advice::Serve(_) => "serve",
            Advice::Renew(_) => "renew",
            Advice::Fetch => "fetch",
        }
    }

    #[test]
    fn renews_ten_minutes_before_the_end() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let after = |minutes: u64| now + Duration::from_secs(minutes * 60);
        let kept = Kept::new(key(Some(after(60))), now, Duration::ZERO);
        for (minute, expected) in [(0, "serve"), (49, "serve"), (50, "renew"), (60, "fetch")] {
            assert_eq!(advice(&kept, after(minute)), expected, "{minute}");
        }
        let kept = Kept::new(key(None), now, Duration::ZERO);
        assert_eq!(advice(&kept, after(100_000)), "serve");
        assert!(matches!(Kept::advise(None, now), Advice::Fetch));
    }

    #[test]
    fn renews_at_half_time_what_lives_shortly() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        let kept = Kept::new(key(Some(after(60))), now, Duration::ZERO);
        assert_eq!(advice(&kept, after(29)), "serve");
        assert_eq!(advice(&kept, after(30)), "renew");
        // What came expired is not served.
        let kept = Kept::new(key(Some(now)), now, Duration::ZERO);
        assert_eq!(advice(&kept, now), "fetch");
    }

    #[test]
    fn says_what_was_tried() {
        let tried = |source, why: &str| Tried {
            source,
            why: why.to_owned(),
        };
        let error = CredentialsError::NoneFound(vec![
            tried("environment", "AWS_ACCESS_KEY_ID is not set"),
            tried("profile", "no file"),
        ]);
        assert_eq!(
            error.to_string(),
            "no AWS credentials: tried environment (AWS_ACCESS_KEY_ID is not set), profile (no file)"
        );
        let keys = Keys {
            id: "id".to_owned(),
            secret: "hush".to_owned(),
            session_token: None,
        };
        assert!(!format!("{keys:?}").contains("hush"));
    }
}

//! Sign-in tokens of MSK's IAM authentication: a presigned URL, which the broker takes as an OAUTHBEARER token, or its parameters
//! as a JSON document, which is what the mechanism `AWS_MSK_IAM` sends.
//!
//! For one time and one key all official signers make the same signature, but write the URL differently. Ours is written
//! as aws-msk-iam-sasl-signer-js (1.0.3) and -go write it: parameters sorted by name, `User-Agent` among them, although it
//! is not signed.

use crate::credentials::{Credentials, CredentialsChain};
use crate::services::ESCAPED;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::utf8_percent_encode;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a token counts; MSK takes no other value.
const VALID_FOR: Duration = Duration::from_secs(900);

const SERVICE: &str = "kafka-cluster";
const ACTION: (&str, &str) = ("Action", "kafka-cluster:Connect");

/// The only version of the document.
const PAYLOAD_VERSION: &str = "2020_10_22";

/// What the brokers may log of us. They do not look at it.
const USER_AGENT: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));

/// Makes tokens for the clusters of a region.
#[derive(Debug)]
pub struct MskIam {
    region: String,
    credentials: Arc<CredentialsChain>,
}

/// A token, which is a secret until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct MskIamToken {
    pub value: String,
    /// When the token, or the key that it is signed with, expires; whichever is first.
    pub expires_at: SystemTime,
}

impl fmt::Debug for MskIamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MskIamToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl MskIam {
    pub fn new(region: impl Into<String>, credentials: Arc<CredentialsChain>) -> Self {
        MskIam {
            region: region.into(),
            credentials,
        }
    }

    /// A fresh token.
    pub async fn token(&self) -> Result<MskIamToken, String> {
        let credentials = self.credentials.get().await;
        let credentials = credentials.map_err(|why| why.to_string())?;
        make_token(&credentials, &self.region, USER_AGENT, SystemTime::now())
    }
}

/// The host that tokens are signed for. It is this one in every region, in China, too, where the control plane's is not.
pub fn host(region: &str) -> String {
    format!("kafka.{region}.amazonaws.com")
}

/// The region of a broker of MSK, whose name tells it: `b-1.name.id.c2.kafka.eu-west-1.amazonaws.com`, or `kafka-serverless`.
pub fn region_of_broker(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut labels = host.split('.');
    labels.find(|label| matches!(*label, "kafka" | "kafka-serverless"))?;
    let region = labels.next()?;
    let mut rest = labels;
    let is_aws = rest
        .next()
        .is_some_and(|label| label.starts_with("amazonaws"));
    is_aws.then_some(region)
}

/// The token that `credentials` sign at `now`.
pub fn make_token(
    credentials: &Credentials,
    region: &str,
    user_agent: &str,
    now: SystemTime,
) -> Result<MskIamToken, String> {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let host = host(region);
    let mut query = presigned(credentials, region, &host, now)?;
    query.push(("User-Agent".to_owned(), user_agent.to_owned()));
    query.sort_unstable();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={}", escaped(&value)))
        .collect();
    let url = format!("https://{host}/?{}", query.join("&"));
    Ok(MskIamToken {
        value: URL_SAFE_NO_PAD.encode(url),
        expires_at: expires_at(credentials, now)?,
    })
}

/// The document that mechanism `AWS_MSK_IAM` sends to the broker of this name, as aws-msk-iam-auth writes it: names in lower case,
/// values not escaped. It is signed for the broker, not for the region's host.
pub fn make_payload(
    credentials: &Credentials,
    region: &str,
    broker: &str,
    user_agent: &str,
    now: SystemTime,
) -> Result<MskIamToken, String> {
    let query = presigned(credentials, region, broker, now)?;
    let mut document: serde_json::Map<_, _> = query
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .collect();
    for (name, value) in [
        ("version", PAYLOAD_VERSION),
        ("host", broker),
        ("user-agent", user_agent),
    ] {
        document.insert(name.to_owned(), value.into());
    }
    Ok(MskIamToken {
        value: serde_json::Value::Object(document).to_string(),
        expires_at: expires_at(credentials, now)?,
    })
}

/// The parameters of a presigned request to `host`, the signature among them.
fn presigned(
    credentials: &Credentials,
    region: &str,
    host: &str,
    now: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let escaped = utf8_percent_encode(ACTION.1, ESCAPED);
    let signed = format!("https://{host}/?{}={escaped}", ACTION.0);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID_FOR);
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(settings)
        .build();
    let parameters = parameters.map_err(|error| wrong(&error))?.into();
    let body = SignableBody::Bytes(&[]);
    let request = SignableRequest::new("GET", signed, std::iter::empty(), body);
    let request = request.map_err(|error| wrong(&error))?;
    let output = sign(request, &parameters).map_err(|error| wrong(&error))?;
    let (instructions, _signature) = output.into_parts();
    let made = instructions.params().iter();
    let made = made.map(|(name, value)| ((*name).to_owned(), value.to_string()));
    Ok(made
        .chain([(ACTION.0.to_owned(), ACTION.1.to_owned())])
        .collect())
}

fn wrong(error: &dyn fmt::Display) -> String {
    format!("cannot sign a token for MSK: {error}")
}

fn expires_at(credentials: &Credentials, now: SystemTime) -> Result<SystemTime, String> {
    // The URL tells whole seconds.
    let since = now.duration_since(UNIX_EPOCH);
    let since = since.map_err(|error| wrong(&error))?;
    let expires_at = UNIX_EPOCH + Duration::from_secs(since.as_secs()) + VALID_FOR;
    Ok(match credentials.expiry() {
        Some(expiry) => expires_at.min(expiry),
        None => expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_region_from_the_name_of_a_broker() {
        for (host, region) in [
            (
                "b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com",
                Some("eu-west-1"),
            ),
            (
                "boot-xyz.c1.kafka-serverless.us-east-1.amazonaws.com.",
                Some("us-east-1"),
            ),
            (
                "b-2.d.e.c3.kafka.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("kafka.example.org", None),
            ("kafka", None),
            ("localhost", None),
        ] {
            assert_eq!(region_of_broker(host), region, "{host}");
        }
    }

    #[test]
    fn a_token_expires_with_the_key_that_signed_it() {
        let now = UNIX_EPOCH + Duration::from_millis(1_767_323_045_900);
        let soon = now + Duration::from_secs(60);
        let key = |expiry| Credentials::new("id", "secret", None, expiry, "test");
        let token = |expiry| make_token(&key(expiry), "eu-west-1", "a/1", now).unwrap();
        assert_eq!(token(Some(soon)).expires_at, soon);
        let whole = UNIX_EPOCH + Duration::from_secs(1_767_323_945);
        assert_eq!(token(None).expires_at, whole);
        let late = Some(now + Duration::from_secs(3600));
        assert_eq!(token(late).expires_at, whole);
        assert!(!format!("{:?}", token(None)).contains(&token(None).value));
    }

    /// A signature for one host is none for another, so that the broker's name is in it.
    #[test]
    fn a_document_has_the_parameters_in_lower_case() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let key = Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            Some("tok/en".to_owned()),
            None,
            "test",
        );
        let payload = |broker| make_payload(&key, "eu-west-1", broker, "a/1", now).unwrap();
        let read =
            |broker| -> serde_json::Value { serde_json::from_str(&payload(broker).value).unwrap() };
        let mut document = read("b-1.example");
        let signature = document["x-amz-signature"].take();
        assert_eq!(
            document,
            serde_json::json!({
                "version": "2020_10_22",
                "host": "b-1.example",
                "user-agent": "a/1",
                "action": "kafka-cluster:Connect",
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": "AKIDEXAMPLE/20260102/eu-west-1/kafka-cluster/aws4_request",
                "x-amz-date": "20260102T030405Z",
                "x-amz-expires": "900",
                "x-amz-security-token": "tok/en",
                "x-amz-signature": null,
                "x-amz-signedheaders": "host",
            })
        );
        assert_ne!(signature, read("b-2.example")["x-amz-signature"]);
        assert_eq!(signature.as_str().map(str::len), Some(64));
    }

    proptest! {
        #[test]
        fn takes_any_name_of_a_broker(
            name in "\\PC{0,30}",
            before in "[a-z0-9.-]{0,12}",
            region in "[a-z]{2}-[a-z]{4,9}-[1-9]",
        ) {
            let _ = region_of_broker(&name);
            let broker = format!("b-1.{before}.c2.kafka.{region}.amazonaws.com");
            // The cluster's own name may be that of the service.
            if !before.split('.').any(|label| label.starts_with("kafka")) {
                prop_assert_eq!(region_of_broker(&broker), Some(&*region));
            }
        }
    }
}

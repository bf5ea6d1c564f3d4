//! Credentials of the container: what ECS and EKS offer at an address beside the process.

use super::Credentials;
use crate::environment::Environment;
use crate::http::{Http, Request, Way, is_beside};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use serde_json::Value as Json;
use std::time::{Duration, SystemTime};

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where the agent of ECS answers.
const AGENT: &str = "http://169.254.170.2";

/// It stands beside the process, but may be busy when many tasks start at once.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why there are none, and whether there may be some later.
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) is_transient: bool,
}

/// Where to ask; nothing where the environment names no place.
pub(super) fn place(environment: &Environment) -> Option<Result<String, String>> {
    if let Some(path) = environment.get(RELATIVE_URI) {
        let slash = if path.starts_with('/') { "" } else { "/" };
        return Some(Ok(format!("{AGENT}{slash}{path}")));
    }
    let url = environment.get(FULL_URI)?;
    Some(match is_allowed(url) {
        true => Ok(url.to_owned()),
        false => Err(format!(
            "{FULL_URI} names {url}, and plain HTTP is for loopback and link-local addresses alone; use https://"
        )),
    })
}

/// What is not set, when the environment names no place.
pub(super) fn missing() -> String {
    format!("neither {RELATIVE_URI} nor {FULL_URI} is set")
}

/// A token that goes over plain HTTP must not leave the machine.
fn is_allowed(url: &str) -> bool {
    url.starts_with("https://") || is_beside(url)
}

/// Asks some times, if the agent does not answer well.
pub(super) async fn load(
    url: &str,
    environment: &Environment,
    http: &Http,
) -> Result<Credentials, Refusal> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let refusal = match ask(url, environment, http).await {
            Ok(credentials) => return Ok(credentials),
            Err(refusal) => refusal,
        };
        if !refusal.is_transient || attempt == ATTEMPTS {
            return Err(refusal);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        attempt += 1;
    }
}

async fn ask(url: &str, environment: &Environment, http: &Http) -> Result<Credentials, Refusal> {
    let wrong = |why: String| Refusal {
        why,
        is_transient: false,
    };
    let way = match url.starts_with("https://") {
        true => Way::Service,
        false => Way::Neighbour,
    };
    let mut headers = vec![("accept", "application/json".to_owned())];
    if let Some(token) = token(environment).map_err(wrong)? {
        headers.push(("authorization", token));
    }
    let request = Request {
        method: "GET",
        url: url.to_owned(),
        headers,
        body: Bytes::new(),
    };
    let answer = http.send(way, request, PATIENCE).await;
    let answer = answer.map_err(|why| Refusal {
        why: format!("{url}: {why}"),
        is_transient: true,
    })?;
    if !answer.is_success() {
        return Err(Refusal {
            why: format!("{url} answered with status {}", answer.status),
            is_transient: answer.status >= 500 || matches!(answer.status, 408 | 429),
        });
    }
    parse_document(&answer.body, SystemTime::now()).map_err(|why| Refusal {
        why: format!("{url}: {why}"),
        is_transient: true,
    })
}

/// The token for the agent. A file is read each time: its token is replaced while the process runs.
fn token(environment: &Environment) -> Result<Option<String>, String> {
    let token = match environment.get(TOKEN_FILE) {
        Some(path) => {
            let token = std::fs::read_to_string(path);
            token.map_err(|why| format!("{TOKEN_FILE}: cannot read {path}: {why}"))?
        }
        None => environment.get(TOKEN).unwrap_or_default().to_owned(),
    };
    let token = token.trim();
    if token.chars().any(|c| c.is_control()) {
        return Err("the authorization token has more than one line".to_owned());
    }
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// Credentials from the agent's document.
///
/// # Errors
/// In words what is missing, or what the agent says instead; never what the document holds.
pub fn parse_document(body: &[u8], now: SystemTime) -> Result<Credentials, String> {
    let document: Json =
        serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
    let text = |name: &str| document.get(name).and_then(Json::as_str);
    if let (Some(code), None) = (text("code").or(text("Code")), text("AccessKeyId")) {
        let message = text("message").or(text("Message")).unwrap_or_default();
        return Err(format!("{code}: {message}"));
    }
    let required = |name: &str| {
        let value = text(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("the answer lacks {name}"))
    };
    let expiry = match text("Expiration") {
        Some(time) => {
            let time = DateTime::from_str(time, Format::DateTime).ok();
            let time = time.and_then(|time| SystemTime::try_from(time).ok());
            Some(time.ok_or("Expiration is no time")?)
        }
        None => None,
    };
    if expiry.is_some_and(|expiry| expiry <= now) {
        return Err("the credentials in the answer have expired".to_owned());
    }
    Ok(Credentials::new(
        required("AccessKeyId")?,
        required("SecretAccessKey")?,
        text("Token").map(str::to_owned),
        expiry,
        "container",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter();
        variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn asks_where_the_environment_says() {
        let at = |variables: &[(&str, &str)]| place(&environment(variables));
        assert_eq!(
            at(&[(RELATIVE_URI, "/v2/credentials/1"), (FULL_URI, "https://x")]),
            Some(Ok("http://169.254.170.2/v2/credentials/1".to_owned()))
        );
        assert_eq!(
            at(&[(FULL_URI, "https://a/b")]),
            Some(Ok("https://a/b".to_owned()))
        );
        assert!(
            matches!(at(&[(FULL_URI, "http://example.org/b")]), Some(Err(why)) if why.contains("https://"))
        );
        assert_eq!(at(&[(RELATIVE_URI, "")]), None);
    }

    #[test]
    fn sends_tokens_over_plain_http_to_neighbours_alone() {
        for url in [
            "http://127.0.0.1:80/",
            "http://localhost/x",
            "http://[::1]:9/",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::23]/v1",
            "https://anything.example",
        ] {
            assert!(is_allowed(url), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://localhost.example.org/",
            "http://127.0.0.1@example.org/",
            "http://127.0.0.1:80@example.org/",
            "ftp://127.0.0.1/",
            "http://[2001:db8::1]/",
            "",
        ] {
            assert!(!is_allowed(url), "{url}");
        }
    }

    #[test]
    fn reads_the_document() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let document = br#"{"RoleArn":"arn:aws:iam::1:role/r","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-02T04:04:05Z"}"#;
        let credentials = parse_document(document, now).unwrap();
        assert_eq!(credentials.access_key_id(), "A");
        assert_eq!(credentials.session_token(), Some("T"));
        let expiry = credentials.expiry().unwrap();
        assert_eq!(expiry.duration_since(now).unwrap().as_secs(), 3600);
        let wrong = |text: &str| parse_document(text.as_bytes(), now).unwrap_err();
        assert_eq!(wrong("<html>"), "the answer is not JSON");
        assert_eq!(wrong("{}"), "the answer lacks AccessKeyId");
        assert_eq!(
            wrong(r#"{"AccessKeyId":"A"}"#),
            "the answer lacks SecretAccessKey"
        );
        assert_eq!(
            wrong(r#"{"code":"NoIdInRequest","message":"who?"}"#),
            "NoIdInRequest: who?"
        );
        assert_eq!(
            wrong(
                r#"{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"2020-01-01T00:00:00Z"}"#
            ),
            "the credentials in the answer have expired"
        );
    }

    #[test]
    fn reads_the_token_of_a_file_each_time() {
        let folder = std::env::temp_dir().join(format!("millstream-token-{}", std::process::id()));
        std::fs::write(&folder, "one\n").unwrap();
        let environment = environment(&[(TOKEN_FILE, folder.to_str().unwrap()), (TOKEN, "other")]);
        assert_eq!(token(&environment), Ok(Some("one".to_owned())));
        std::fs::write(&folder, "two").unwrap();
        assert_eq!(token(&environment), Ok(Some("two".to_owned())));
        std::fs::write(&folder, "two\nx: y").unwrap();
        assert!(token(&environment).is_err());
        std::fs::remove_file(&folder).unwrap();
        assert!(token(&environment).is_err_and(|why| why.starts_with(TOKEN_FILE)));
    }

    proptest! {
        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, url in ".{0,60}") {
            let _ = parse_document(&bytes, UNIX_EPOCH);
            let _ = is_allowed(&url);
        }

        #[test]
        fn takes_any_members(id in ".*", secret in ".*", time in ".*") {
            let text = serde_json::json!({"AccessKeyId": id, "SecretAccessKey": secret, "Expiration": time});
            let _ = parse_document(text.to_string().as_bytes(), UNIX_EPOCH);
        }
    }
}

//! Checks Signature Version 4 of a request, by its own reading of the rules.

use super::{Key, Received, State, now, seconds_of};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How far the time of a signature may be off, in seconds.
const SKEW: i64 = 300;

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub name: &'static str,
    pub message: String,
}

/// What is in the header that signs.
struct Claim<'a> {
    key: &'a str,
    /// Day, region, service.
    scope: (&'a str, &'a str, &'a str),
    signed_headers: &'a str,
    signature: &'a str,
}

/// Checks that a request is signed for `service` by one of the keys.
pub(super) fn check(state: &State, received: &Received, service: &str) -> Result<(), Refusal> {
    let refuse = |status, name, message: &str| {
        Err(Refusal {
            status,
            name,
            message: message.to_owned(),
        })
    };
    let header = |name: &str| received.headers.get(name)?.to_str().ok();
    let claim = header("authorization").and_then(read);
    let Some(claim) = claim else {
        return refuse(403, "MissingAuthenticationTokenException", "no signature");
    };
    let Some(time) = header("x-amz-date") else {
        return refuse(403, "IncompleteSignature", "no x-amz-date");
    };
    let key = state.keys.iter().find(|key| key.id == claim.key);
    let Some(key) = key else {
        let message = "The security token included in the request is invalid.";
        return refuse(403, "UnrecognizedClientException", message);
    };
    if header("x-amz-security-token") != key.session_token.as_deref() {
        let message = "The security token included in the request is invalid.";
        return refuse(403, "InvalidClientTokenId", message);
    }
    if key.is_expired {
        let message = "The security token included in the request is expired";
        return refuse(403, "ExpiredTokenException", message);
    }
    let off = seconds_of(time).map(|signed| (now(state.clock) - signed).abs());
    if off.is_none_or(|off| off > SKEW) {
        let message = format!("Signature expired: {time} is not near the time of this server");
        return refuse(403, "InvalidSignatureException", &message);
    }
    if claim.scope.2 != service || !time.starts_with(claim.scope.0) {
        let message = "Credential should be scoped to correct service.";
        return refuse(403, "InvalidSignatureException", message);
    }
    let mut needed = vec!["host", "x-amz-date"];
    if key.session_token.is_some() {
        needed.push("x-amz-security-token");
    }
    if received.method == "POST" {
        needed.extend(["content-type", "x-amz-target"]);
    }
    if service == "s3" {
        needed.push("x-amz-content-sha256");
    }
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    if !signed.is_sorted() || !needed.iter().all(|needed| signed.contains(needed)) {
        return refuse(
            403,
            "InvalidSignatureException",
            "not all headers are signed",
        );
    }
    if signature(received, &claim, key, time) != claim.signature {
        let message =
            "The request signature we calculated does not match the signature you provided.";
        return refuse(403, "InvalidSignatureException", message);
    }
    Ok(())
}

fn read(text: &str) -> Option<Claim<'_>> {
    let rest = text.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let part = |name: &str| {
        let mut parts = rest.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let mut credential = part("Credential")?.split('/');
    let mut next = || credential.next();
    let key = next()?;
    let scope = (next()?, next()?, next()?);
    (next()? == "aws4_request").then_some(())?;
    Some(Claim {
        key,
        scope,
        signed_headers: part("SignedHeaders")?,
        signature: part("Signature")?,
    })
}

fn signature(received: &Received, claim: &Claim<'_>, key: &Key, time: &str) -> String {
    let (path, query) = match received.target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (&*received.target, ""),
    };
    let mut parameters: Vec<&str> = query.split('&').filter(|text| !text.is_empty()).collect();
    parameters.sort_unstable();
    let headers: String = claim
        .signed_headers
        .split(';')
        .map(|name| {
            let value = received
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            format!("{name}:{}\n", value.unwrap_or_default().trim())
        })
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        received.method,
        // The path came escaped, and all services but S3 escape it once more.
        if claim.scope.2 == "s3" {
            path.to_owned()
        } else {
            escaped(path)
        },
        parameters.join("&"),
        claim.signed_headers,
        hex(&Sha256::digest(&received.body))
    );
    let (day, region, service) = claim.scope;
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{day}/{region}/{service}/aws4_request\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let first = format!("AWS4{}", key.secret);
    let mut derived = mac(first.as_bytes(), day);
    for part in [region, service, "aws4_request"] {
        derived = mac(&derived, part);
    }
    hex(&mac(&derived, &text))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // Any length of a key will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    /// The signature that two other implementations make of this request.
    #[test]
    fn signs_as_others_do() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "data-servicediscovery.eu-west-1.amazonaws.com"),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-date", "20260102T030405Z"),
            (
                "x-amz-target",
                "Route53AutoNaming_v20170314.DiscoverInstances",
            ),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let received = Received {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers,
            body: Bytes::from_static(
                br#"{"NamespaceName":"FargateWorkshopNamespace","ServiceName":"KafkaSvc"}"#,
            ),
        };
        let claim = Claim {
            key: "AKIDEXAMPLE",
            scope: ("20260102", "eu-west-1", "servicediscovery"),
            signed_headers: "content-type;host;x-amz-date;x-amz-target",
            signature: "",
        };
        let key = Key {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            is_expired: false,
        };
        assert_eq!(
            signature(&received, &claim, &key, "20260102T030405Z"),
            "e18e280ca64a506b634556649d65ed0d6b398238b08f7a1e055e7725029f1a93"
        );
    }
}

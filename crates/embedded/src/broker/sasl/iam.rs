//! MSK's IAM: a request signed by SigV4, as a URL in a bearer token or as a JSON document. The parameters count as a set, since
//! the official signers order them differently; `User-Agent` is not signed and not looked at.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::scram::mac;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kafka-cluster";
const ACTION: &str = "kafka-cluster:Connect";
const VERSION: &str = "2020_10_22";
/// How long a signature may be good, seconds.
const LONGEST: i64 = 900;
/// How far a clock may be ahead.
const AHEAD_MS: i64 = 5 * 60 * 1_000;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is signed, in lower case and as the canonical request has it.
const PARAMETERS: [(&str, &str); 7] = [
    ("action", "Action"),
    ("x-amz-algorithm", "X-Amz-Algorithm"),
    ("x-amz-credential", "X-Amz-Credential"),
    ("x-amz-date", "X-Amz-Date"),
    ("x-amz-expires", "X-Amz-Expires"),
    ("x-amz-security-token", "X-Amz-Security-Token"),
    ("x-amz-signedheaders", "X-Amz-SignedHeaders"),
];

/// Whose signatures are taken, and where.
#[derive(Clone)]
pub struct IamRule {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    pub region: String,
}

type Parameters = BTreeMap<String, String>;

impl IamRule {
    /// Who the token is of and when it ends, epoch milliseconds; or what is wrong with it.
    pub(super) fn check_token(&self, token: &str, now_ms: i64) -> Result<(String, i64), String> {
        let url = URL_SAFE_NO_PAD.decode(token).map_err(|_| "not base64")?;
        let url = String::from_utf8(url).map_err(|_| "not text")?;
        let host = format!("kafka.{}.amazonaws.com", self.region);
        let rest = url.strip_prefix("https://").ok_or("not https")?;
        let rest = rest.strip_prefix(&host).ok_or("another host")?;
        // Java writes no slash; the signature is over one.
        let query = rest.strip_prefix('/').unwrap_or(rest);
        let query = query.strip_prefix('?').ok_or("no query")?;
        let mut parameters = Parameters::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or("a parameter without a value")?;
            let decoded = |text| percent_decode_str(text).decode_utf8().map(String::from);
            let (Ok(name), Ok(value)) = (decoded(name), decoded(value)) else {
                return Err("a parameter is not text".to_owned());
            };
            if parameters.insert(name.to_lowercase(), value).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        self.check(&parameters, &host, now_ms)
    }

    /// The same of a document as `AWS_MSK_IAM` has it.
    pub(super) fn check_payload(
        &self,
        payload: &[u8],
        now_ms: i64,
    ) -> Result<(String, i64), String> {
        let mut parameters: Parameters =
            serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        if parameters.remove("version").as_deref() != Some(VERSION) {
            return Err("another version".to_owned());
        }
        let host = parameters.remove("host").ok_or("no host")?;
        self.check(&parameters, &host, now_ms)
    }

    fn check(
        &self,
        parameters: &Parameters,
        host: &str,
        now_ms: i64,
    ) -> Result<(String, i64), String> {
        let known = |name: &str| {
            PARAMETERS.iter().any(|(lower, _)| *lower == name)
                || matches!(name, "x-amz-signature" | "user-agent")
        };
        if let Some(name) = parameters.keys().find(|name| !known(name)) {
            return Err(format!("unknown parameter {name}"));
        }
        let get = |name: &str| {
            let value = parameters.get(name).map(String::as_str);
            value.ok_or_else(|| format!("no {name}"))
        };
        let date = get("x-amz-date")?;
        let day = date.get(..8).ok_or("a date that is none")?;
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        for (name, wanted) in [
            ("action", ACTION),
            ("x-amz-algorithm", ALGORITHM),
            ("x-amz-signedheaders", "host"),
            (
                "x-amz-credential",
                &format!("{}/{scope}", self.access_key_id),
            ),
        ] {
            if get(name)? != wanted {
                return Err(format!("{name} is not {wanted}"));
            }
        }
        if parameters.get("x-amz-security-token") != self.session_token.as_ref() {
            return Err("another x-amz-security-token".to_owned());
        }
        let signed_ms = epoch_ms(date).ok_or("a date that is none")?;
        let expires: i64 = get("x-amz-expires")?.parse().map_err(|_| "no number")?;
        if !(1..=LONGEST).contains(&expires) {
            return Err(format!("x-amz-expires is {expires}"));
        }
        let ends_ms = signed_ms + expires * 1_000;
        if now_ms >= ends_ms || signed_ms > now_ms + AHEAD_MS {
            return Err("expired, or not yet valid".to_owned());
        }
        if get("x-amz-signature")? != self.signature(parameters, host, date, &scope) {
            return Err("another signature".to_owned());
        }
        Ok((self.access_key_id.clone(), ends_ms))
    }

    fn signature(&self, parameters: &Parameters, host: &str, date: &str, scope: &str) -> String {
        let query: Vec<String> = PARAMETERS
            .iter()
            .filter_map(|(lower, name)| {
                let value = parameters.get(*lower)?;
                Some(format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
            })
            .collect();
        let request = format!(
            "GET\n/\n{}\nhost:{host}\n\nhost\n{}",
            query.join("&"),
            hex(&Sha256::digest(b""))
        );
        let hashed = hex(&Sha256::digest(request.as_bytes()));
        let text = format!("{ALGORITHM}\n{date}\n{scope}\n{hashed}");
        let key = format!("AWS4{}", self.secret_access_key);
        let key = scope
            .split('/')
            .fold(key.into_bytes(), |key, part| mac(&key, part.as_bytes()));
        hex(&mac(&key, text.as_bytes()))
    }
}

fn epoch_ms(date: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(time.as_millisecond())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_767_323_045_000;

    fn rule(session_token: Option<&str>) -> IamRule {
        IamRule {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: session_token.map(str::to_owned),
            region: "eu-west-1".to_owned(),
        }
    }

    fn url(signature: &str, session: &str) -> String {
        format!(
            "https://kafka.eu-west-1.amazonaws.com/?User-Agent=a%2F1&X-Amz-Signature={signature}&Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host{session}"
        )
    }

    /// The signatures of the official signers, with the parameters in none of their orders.
    #[test]
    fn takes_the_signature_of_any_signer() {
        let plain = "7cc178453342e479def8e0e69cbff443ca929b5b0426af0f4b64554172c7195d";
        let token = |url: String| URL_SAFE_NO_PAD.encode(url);
        let good = token(url(plain, ""));
        let ends = NOW + 900_000;
        let ok = Ok(("AKIDEXAMPLE".to_owned(), ends));
        assert_eq!(rule(None).check_token(&good, NOW), ok);
        let java = token(url(plain, "").replace(".com/?", ".com?"));
        assert_eq!(rule(None).check_token(&java, NOW), ok);
        let session = "22bc5c8a8747d47f4003d34a6249cfef440c328054a497b23b370a1b249b6afa";
        let with = token(url(session, "&X-Amz-Security-Token=tok%2Fen%2B1%3D%3D"));
        assert_eq!(rule(Some("tok/en+1==")).check_token(&with, NOW), ok);
        for (bad, now) in [
            (good.clone(), ends),
            (good.clone(), NOW - AHEAD_MS - 1),
            (with, NOW),
            (token(url(&plain.replace('7', "8"), "")), NOW),
            (token(url(plain, "&Action=x")), NOW),
            (token(url(plain, "&X-Amz-Other=x")), NOW),
            (token(url(plain, "").replace("900", "901")), NOW),
            (token(url(plain, "").replace("Connect", "Other")), NOW),
            (token(url(plain, "").replace("eu-west-1", "us-east-1")), NOW),
        ] {
            assert!(rule(None).check_token(&bad, now).is_err());
        }
    }

    #[test]
    fn takes_a_document() {
        let mut parameters = Parameters::from_iter(
            [
                ("action", ACTION),
                ("x-amz-algorithm", ALGORITHM),
                (
                    "x-amz-credential",
                    "AKIDEXAMPLE/20260102/eu-west-1/kafka-cluster/aws4_request",
                ),
                ("x-amz-date", "20260102T030405Z"),
                ("x-amz-expires", "900"),
                ("x-amz-signedheaders", "host"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let rule = rule(None);
        let scope = "20260102/eu-west-1/kafka-cluster/aws4_request";
        let signature = rule.signature(&parameters, "b-1.example", "20260102T030405Z", scope);
        for (name, value) in [
            ("x-amz-signature", signature.as_str()),
            ("version", VERSION),
            ("host", "b-1.example"),
            ("user-agent", "x"),
        ] {
            parameters.insert(name.to_owned(), value.to_owned());
        }
        let check = |parameters: &Parameters| {
            let payload = serde_json::to_vec(parameters).unwrap_or_default();
            rule.check_payload(&payload, NOW)
        };
        assert!(check(&parameters).is_ok());
        for (name, value) in [("version", "1"), ("host", "b-2.example"), ("more", "x")] {
            let mut other = parameters.clone();
            other.insert(name.to_owned(), value.to_owned());
            assert!(check(&other).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..100), query in "[\\PC&=%]{0,60}") {
            let rule = rule(None);
            let _ = rule.check_payload(&bytes, NOW);
            let _ = rule.check_token(&URL_SAFE_NO_PAD.encode(&bytes), NOW);
            let url = format!("https://kafka.eu-west-1.amazonaws.com/?{query}");
            let _ = rule.check_token(&URL_SAFE_NO_PAD.encode(url), NOW);
            let date = url_date(&query);
            let _ = rule.check_token(&URL_SAFE_NO_PAD.encode(date), NOW);
        }
    }

    fn url_date(date: &str) -> String {
        url("00", "").replace("20260102T030405Z", date)
    }
}

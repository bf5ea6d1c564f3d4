//! Assertion: a signed statement of who we are (RFC 7523), from a file or made here.

use super::super::config::{Algorithm, OAuthConfig};
use super::super::token::TokenError;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

const FILE: &str = "sasl.oauthbearer.assertion.file";
const KEY_FILE: &str = "sasl.oauthbearer.assertion.private.key.file";
const PASSPHRASE: &str = "sasl.oauthbearer.assertion.private.key.passphrase";
const TEMPLATE: &str = "sasl.oauthbearer.assertion.template.file";
const ALGORITHM: &str = "sasl.oauthbearer.assertion.algorithm";

pub(super) enum Assertion {
    /// Somebody else keeps it valid, so that it is read each time.
    File(PathBuf),
    Made(Box<Maker>),
}

pub(super) struct Maker {
    key: Arc<dyn SigningKey>,
    algorithm: Algorithm,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    exp_seconds: i64,
    nbf_seconds: i64,
    has_jti: bool,
}

impl Assertion {
    pub(super) fn new(oauth: &OAuthConfig) -> Result<Self, Vec<String>> {
        if let Some(path) = &oauth.assertion_file {
            return Ok(Assertion::File(path.into()));
        }
        let algorithm = Algorithm::named(&oauth.assertion_algorithm);
        let mut errors = Vec::new();
        if algorithm.is_none() {
            errors.push(format!("{ALGORITHM}: there are RS256 and ES256"));
        }
        let key = key(oauth).map_err(|error| errors.push(error));
        let template = template(oauth).map_err(|error| errors.push(error));
        let (Some(algorithm), Ok(key), Ok((header, payload))) = (algorithm, key, template) else {
            return Err(errors);
        };
        let mut maker = Maker {
            key,
            algorithm,
            header,
            payload,
            exp_seconds: oauth.assertion_exp_seconds.into(),
            nbf_seconds: oauth.assertion_nbf_seconds.into(),
            has_jti: oauth.assertion_has_jti,
        };
        for (claim, value) in [
            ("aud", &oauth.assertion_aud),
            ("iss", &oauth.assertion_iss),
            ("sub", &oauth.assertion_sub),
        ] {
            if let Some(value) = value {
                let value = Value::from(value.as_str());
                maker.payload.insert(claim.to_owned(), value);
            }
        }
        // What cannot sign now will never be able to.
        maker.sign("").map_err(|error| vec![error])?;
        Ok(Assertion::Made(Box::new(maker)))
    }

    pub(super) async fn text(&self, now_ms: i64) -> Result<String, TokenError> {
        match self {
            Assertion::File(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                    TokenError::fatal(format!("{FILE}: cannot read {}: {error}", path.display()))
                })?;
                Ok(text.trim().to_owned())
            }
            Assertion::Made(maker) => maker.make(now_ms).map_err(TokenError::fatal),
        }
    }
}

impl Maker {
    fn make(&self, now_ms: i64) -> Result<String, String> {
        let now = now_ms / 1_000;
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), self.algorithm.name().into());
        header.insert("typ".to_owned(), "JWT".into());
        let mut payload = self.payload.clone();
        payload.insert("iat".to_owned(), now.into());
        payload.insert("exp".to_owned(), (now + self.exp_seconds).into());
        payload.insert("nbf".to_owned(), (now - self.nbf_seconds).into());
        if self.has_jti {
            let name = uuid::Uuid::new_v4().to_string();
            payload.insert("jti".to_owned(), name.into());
        }
        let part = |map| URL_SAFE_NO_PAD.encode(Value::Object(map).to_string());
        let content = format!("{}.{}", part(header), part(payload));
        let signature = self.sign(&content)?;
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, content: &str) -> Result<Vec<u8>, String> {
        let (scheme, kind) = match self.algorithm {
            Algorithm::Rs256 => (SignatureScheme::RSA_PKCS1_SHA256, "an RSA key"),
            Algorithm::Es256 => (SignatureScheme::ECDSA_NISTP256_SHA256, "a P-256 key"),
        };
        let signer = self.key.choose_scheme(&[scheme]).ok_or_else(|| {
            format!(
                "{ALGORITHM} {} needs {kind}, and {KEY_FILE} has another",
                self.algorithm.name()
            )
        })?;
        let signature = signer
            .sign(content.as_bytes())
            .map_err(|error| format!("{KEY_FILE}: the key cannot sign: {error}"))?;
        match self.algorithm {
            Algorithm::Rs256 => Ok(signature),
            Algorithm::Es256 => {
                let raw = raw_signature(&signature);
                raw.ok_or_else(|| format!("{KEY_FILE}: the signature is malformed"))
            }
        }
    }
}

/// The two numbers of an ECDSA signature side by side, as a JWS has them (RFC 7518, 3.4); TLS has them in DER.
fn raw_signature(der: &[u8]) -> Option<Vec<u8>> {
    fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
        let (&[tag, length], rest) = der.split_first_chunk::<2>()?;
        let (number, rest) = rest.split_at_checked(length.into())?;
        (tag == 2).then_some((number, rest))
    }
    let (&[0x30, length], content) = der.split_first_chunk::<2>()? else {
        return None;
    };
    let content = content.get(..length.into())?;
    let (r, rest) = integer(content)?;
    let (s, _) = integer(rest)?;
    let mut raw = Vec::with_capacity(64);
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        raw.resize(raw.len() + 32_usize.checked_sub(number.len())?, 0);
        raw.extend_from_slice(number);
    }
    Some(raw)
}

fn key(oauth: &OAuthConfig) -> Result<Arc<dyn SigningKey>, String> {
    let Some(path) = &oauth.assertion_key_file else {
        return Err(format!(
            "{KEY_FILE} is needed to sign assertions; or set {FILE} to one that somebody else makes"
        ));
    };
    let text =
        std::fs::read(path).map_err(|error| format!("{KEY_FILE}: cannot read {path}: {error}"))?;
    let encrypted = b"ENCRYPTED";
    let is_encrypted = text.windows(encrypted.len()).any(|w| w == encrypted);
    if is_encrypted || oauth.assertion_key_passphrase.is_some() {
        return Err(format!(
            "{KEY_FILE}: encrypted keys are not supported; decrypt it with: openssl pkey -in {path} -out decrypted.pem, and leave out {PASSPHRASE}"
        ));
    }
    let der = PrivateKeyDer::from_pem_slice(&text).ok().or_else(|| {
        // Kafka's own form: PKCS#8 in base64, without the lines around it.
        let text: Vec<u8> = text
            .into_iter()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        let der = STANDARD.decode(text).ok()?;
        Some(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)))
    });
    let der = der.ok_or_else(|| {
        format!("{KEY_FILE}: there is no private key in {path}; it is to be a PEM file")
    })?;
    rustls::crypto::aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(der)
        .map_err(|error| format!("{KEY_FILE}: the key in {path} cannot be used: {error}"))
}

type Maps = (Map<String, Value>, Map<String, Value>);

/// Header and payload that an assertion begins with.
fn template(oauth: &OAuthConfig) -> Result<Maps, String> {
    let Some(path) = &oauth.assertion_template else {
        return Ok(Maps::default());
    };
    let text =
        std::fs::read(path).map_err(|error| format!("{TEMPLATE}: cannot read {path}: {error}"))?;
    let wrong = || {
        format!("{TEMPLATE}: {path} is to hold a JSON object with the objects header and payload")
    };
    let Ok(Value::Object(mut whole)) = serde_json::from_slice(&text) else {
        return Err(wrong());
    };
    let mut part = |name: &str| match whole.remove(name) {
        Some(Value::Object(map)) => Ok(map),
        None => Ok(Map::new()),
        Some(_) => Err(wrong()),
    };
    Ok((part("header")?, part("payload")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_a_signature_stand_side_by_side() {
        let der = [0x30, 7, 2, 1, 5, 2, 2, 0, 0x80];
        let raw = raw_signature(&der).expect("well formed");
        assert_eq!((raw.len(), raw[31], raw[63]), (64, 5, 0x80));
        assert!(raw[..31].iter().chain(&raw[32..63]).all(|b| *b == 0));
    }

    proptest! {
        #[test]
        fn any_signature_is_read(der in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = raw_signature(&der);
        }
    }
}

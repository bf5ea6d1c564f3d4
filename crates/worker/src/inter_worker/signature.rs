//! Signature: two headers that show that a request comes from a worker which knows the cluster's session key.

use super::MacAlgorithm;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine};

const SIGNATURE: HeaderName = HeaderName::from_static("x-connect-authorization");
const ALGORITHM: HeaderName = HeaderName::from_static("x-connect-request-signature-algorithm");

/// As lenient as Java's decoder.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a request says about who has sent it.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// As the request spells it.
    pub(crate) algorithm_name: String,
    algorithm: MacAlgorithm,
    signature: Vec<u8>,
}

/// Why the headers cannot be read. The texts are Java's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("Algorithm {0} not available")]
    UnknownAlgorithm(String),
    #[error("Illegal base64 character {0:x}")]
    IllegalCharacter(u8),
    #[error("Input byte array has incorrect ending byte at {0}")]
    IncorrectEnd(usize),
}

impl Signature {
    /// What the headers say; `None` unless there are both.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, SignatureError> {
        let text = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let (Some(signature), Some(name)) = (text(&SIGNATURE), text(&ALGORITHM)) else {
            return Ok(None);
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let Some(algorithm) = MacAlgorithm::find(&name) else {
            return Err(SignatureError::UnknownAlgorithm(name));
        };
        let signature = BASE64.decode(signature).map_err(|error| match error {
            DecodeError::InvalidByte(_, byte) => SignatureError::IllegalCharacter(byte),
            DecodeError::InvalidLength(at) | DecodeError::InvalidLastSymbol(at, _) => {
                SignatureError::IncorrectEnd(at)
            }
            DecodeError::InvalidPadding => SignatureError::IncorrectEnd(signature.len()),
        })?;
        Ok(Some(Signature {
            algorithm_name: name,
            algorithm,
            signature,
        }))
    }

    /// Whether it is that of the body under the key.
    pub(crate) fn is_valid(&self, key: &[u8], body: &[u8]) -> bool {
        self.algorithm.verify(key, body, &self.signature)
    }

    /// The headers for a body that this worker signs; none for an algorithm that there is not.
    pub(crate) fn headers(algorithm_name: &str, key: &[u8], body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(algorithm) = MacAlgorithm::find(algorithm_name) else {
            return headers;
        };
        let signature = BASE64.encode(algorithm.sign(key, body));
        for (name, value) in [(SIGNATURE, signature.as_str()), (ALGORITHM, algorithm_name)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// The headers that are a signature, to be passed on with the body that they sign.
    pub(crate) fn names() -> [HeaderName; 2] {
        [SIGNATURE, ALGORITHM]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(signature: &str, algorithm: &str) -> HeaderMap {
        let values = [(SIGNATURE, signature), (ALGORITHM, algorithm)];
        let values = values.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap()));
        values.into_iter().collect()
    }

    /// The example was made by Java's worker.
    #[test]
    fn signs_what_java_signs() {
        const KEY: [u8; 4] = [0, 1, 2, 0xff];
        let signed = Signature::headers("HmacSHA256", &KEY, b"[]");
        let expected = "tr0VBOfps2Gryt30Pr5WsaqFVkJafx/+l22TstdcMpE=";
        assert_eq!(signed[SIGNATURE], expected);
        assert_eq!(signed[ALGORITHM], "HmacSHA256");
        let read = Signature::of(&signed).unwrap().unwrap();
        assert!(read.is_valid(&KEY, b"[]"));
        assert!(!read.is_valid(&KEY, b"[{}]"));
        assert!(!read.is_valid(&KEY[1..], b"[]"));
        let unpadded = headers(&expected[..43], "hmacsha256");
        assert!(
            Signature::of(&unpadded)
                .unwrap()
                .unwrap()
                .is_valid(&KEY, b"[]")
        );
        let short = headers("AAAA", "HmacSHA256");
        assert!(
            !Signature::of(&short)
                .unwrap()
                .unwrap()
                .is_valid(&KEY, b"[]")
        );
        for name in MacAlgorithm::names() {
            let signed = Signature::headers(name, &KEY, b"x");
            assert!(
                Signature::of(&signed)
                    .unwrap()
                    .unwrap()
                    .is_valid(&KEY, b"x")
            );
        }
    }

    #[test]
    fn headers_that_cannot_be_read_say_why() {
        let error = |signature, algorithm| {
            let error = Signature::of(&headers(signature, algorithm)).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            error("AAAA", "HmacMD99"),
            "Algorithm HmacMD99 not available"
        );
        assert_eq!(error("!!!", "HmacSHA256"), "Illegal base64 character 21");
        let mut one = headers("AAAA", "HmacSHA256");
        one.remove(ALGORITHM);
        assert!(Signature::of(&one).unwrap().is_none());
    }
}

//! How S3 is to encrypt what the sink stores, in every request that has to say so.

use super::StoreError;
use super::integrity::md5_base64;
use crate::config::S3Config;
use aws_sdk_s3::types::ServerSideEncryption;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How S3 is to encrypt the objects.
pub(super) enum Encryption {
    None,
    ByS3(ServerSideEncryption, Option<String>),
    /// With a key that the customer holds, in base64, and its MD5.
    ByCustomer {
        key: String,
        digest: String,
    },
    /// As configured it cannot be done, which the original says with the first object.
    Impossible(&'static str),
}

impl Encryption {
    pub(super) fn of(config: &S3Config) -> Self {
        let customer_key = config.sse_customer_key.as_ref().map(|key| key.reveal());
        match (config.sse_name.as_str(), customer_key) {
            ("", _) => Encryption::None,
            ("AES256", Some(key)) if !key.trim().is_empty() => customer_key_encryption(key),
            ("AES256", _) => Encryption::ByS3(ServerSideEncryption::Aes256, None),
            (name, _) => {
                let key_id = &config.sse_kms_key_id;
                let key_id = (!key_id.is_empty()).then(|| key_id.clone());
                Encryption::ByS3(ServerSideEncryption::from(name), key_id)
            }
        }
    }

    /// The way in which objects are made, or the original's sentence where there is none.
    pub(super) fn possible(&self) -> Result<&Self, StoreError> {
        match self {
            Encryption::Impossible(why) => Err(StoreError::permanent(*why)),
            possible => Ok(possible),
        }
    }
}

/// Adds the customer's key, if there is one, to a request about an object that is there. Requests have no trait in common.
macro_rules! with_customer_key {
    ($request:expr, $encryption:expr) => {
        match $encryption {
            $crate::store::encryption::Encryption::ByCustomer { key, digest } => $request
                .sse_customer_algorithm("AES256")
                .sse_customer_key(key)
                .sse_customer_key_md5(digest),
            _ => $request,
        }
    };
}

/// Has an object that is made by this request encrypted.
macro_rules! encrypted {
    ($request:expr, $encryption:expr) => {
        match $encryption {
            $crate::store::encryption::Encryption::ByS3(kind, key_id) => $request
                .server_side_encryption(kind.clone())
                .set_ssekms_key_id(key_id.clone()),
            other => with_customer_key!($request, other),
        }
    };
}

fn customer_key_encryption(key: &str) -> Encryption {
    match STANDARD.decode(key) {
        Ok(bytes) if bytes.len() == 32 => Encryption::ByCustomer {
            digest: md5_base64(&bytes),
            key: key.to_owned(),
        },
        _ => Encryption::Impossible("sseCustomerKey must be a valid base64-encoded 32-byte key"),
    }
}

//! Integrity: how it is shown that parts arrive as they were sent.
//!
//! A CRC-32 in a header costs next to nothing, and a store that knows it refuses what does not fit. Stores that do not know
//! the header either pass it over or refuse it; those are asked again without, as the original asks, and from then on they
//! are sent what it sends: over http a signature of the content, over https the connection's own protection.

use crate::config;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::warn;

/// What the setting chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksums {
    /// As long as the store takes them.
    Auto,
    Always,
    Never,
}

impl Checksums {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "crc32" => Checksums::Always,
            "none" => Checksums::Never,
            _ => Checksums::Auto,
        }
    }
}

/// How a part is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) checksum: bool,
    /// By a SHA-256 of the content, three quarters of an upload's cost.
    pub(super) signature: bool,
    /// Whether the store may turn out not to know the checksum.
    pub(super) is_trial: bool,
}

/// What is known of the store.
pub(super) struct Integrity {
    checksums: Checksums,
    state: AtomicU8,
}

const UNKNOWN: u8 = 0;
const TAKES_CHECKSUMS: u8 = 1;
const TAKES_NONE: u8 = 2;

impl Integrity {
    /// `is_switched_off`: by the environment or the profile, for everything that speaks to S3.
    pub(super) fn new(checksums: Checksums, is_switched_off: bool) -> Self {
        let is_off = checksums == Checksums::Auto && is_switched_off;
        if is_off {
            warn!(
                "AWS_REQUEST_CHECKSUM_CALCULATION switches checksums off: over http parts are signed by their content \
                 instead; {} chooses for one connector",
                config::CHECKSUM
            );
        }
        Integrity {
            checksums: if is_off { Checksums::Never } else { checksums },
            state: AtomicU8::new(UNKNOWN),
        }
    }

    /// How the next part is to be protected. `signs`: the setting asks for signatures anyway.
    pub(super) fn protection(&self, is_encrypted: bool, signs: bool) -> Protection {
        let state = self.state.load(Ordering::Relaxed);
        let checksum = match self.checksums {
            Checksums::Always => true,
            Checksums::Never => false,
            Checksums::Auto => state != TAKES_NONE,
        };
        Protection {
            checksum,
            signature: signs || !checksum && !is_encrypted,
            is_trial: self.checksums == Checksums::Auto && state == UNKNOWN,
        }
    }

    /// The same without a checksum.
    pub(super) fn without_checksum(&self, is_encrypted: bool, signs: bool) -> Protection {
        Protection {
            checksum: false,
            signature: signs || !is_encrypted,
            is_trial: false,
        }
    }

    /// A part has been taken with its checksum: from now on a refusal means what it says. A store that `compares` gives the
    /// checksum back; tells whether it is to be said that this one does not, and that nothing else protects the part.
    pub(super) fn taken(&self, compares: bool, is_protected: bool) -> bool {
        // The first word counts: parts that were under way together have the same answer anyway.
        let is_first = self
            .state
            .compare_exchange(
                UNKNOWN,
                TAKES_CHECKSUMS,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok();
        is_first && !compares && !is_protected
    }

    /// A part has been taken without a checksum, and was not with one.
    pub(super) fn refused(&self, store: &str, is_encrypted: bool, said: &str) {
        if self.state.swap(TAKES_NONE, Ordering::Relaxed) == TAKES_NONE {
            return;
        }
        let instead = if is_encrypted {
            "the connection alone protects parts, as with Java's sink"
        } else {
            "parts are signed by their content instead, as Java's sink does"
        };
        warn!(
            said,
            "{store} does not support checksums; {instead} ({}=none saves the attempt)",
            config::CHECKSUM
        );
    }
}

/// Sends an MD5 with a request whose body S3 wants a digest of: every store knows it, and the original sends it, while the
/// SDK would send a checksum.
#[derive(Debug)]
pub(super) struct ContentMd5;

impl Intercept for ContentMd5 {
    fn name(&self) -> &'static str {
        "ContentMd5"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let digest = request.body().bytes().map(md5_base64);
        let headers = request.headers_mut();
        let checksums: Vec<String> = headers
            .iter()
            .map(|(name, _)| name)
            .filter(|name| {
                name.starts_with("x-amz-checksum-") || *name == "x-amz-sdk-checksum-algorithm"
            })
            .map(str::to_owned)
            .collect();
        if let Some(digest) = digest {
            for name in checksums {
                headers.remove(name);
            }
            headers.insert("content-md5", digest);
        }
        Ok(())
    }
}

pub(super) fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: bool = false;
    const HTTPS: bool = true;

    #[test]
    fn report_a20_without_checksums_http_is_signed_by_content() {
        let check = |checksums, is_switched_off, is_encrypted, checksum, signature| {
            let protection =
                Integrity::new(checksums, is_switched_off).protection(is_encrypted, false);
            assert_eq!(
                (protection.checksum, protection.signature),
                (checksum, signature)
            );
        };
        check(Checksums::Auto, false, HTTP, true, false);
        check(Checksums::Auto, false, HTTPS, true, false);
        // By the environment, for the whole process.
        check(Checksums::Auto, true, HTTP, false, true);
        check(Checksums::Auto, true, HTTPS, false, false);
        // The connector's own word counts more.
        check(Checksums::Always, true, HTTP, true, false);
        check(Checksums::Never, false, HTTP, false, true);
        check(Checksums::Never, false, HTTPS, false, false);
    }

    #[test]
    fn report_a4_a_store_is_tried_until_its_first_word() {
        let integrity = Integrity::new(Checksums::Auto, false);
        assert!(integrity.protection(HTTP, false).is_trial);
        assert!(!integrity.taken(true, HTTP));
        assert!(!integrity.protection(HTTP, false).is_trial);

        let integrity = Integrity::new(Checksums::Auto, false);
        integrity.refused("S3", HTTP, "Unsupported header");
        let protection = integrity.protection(HTTP, false);
        assert_eq!(protection, integrity.without_checksum(HTTP, false));
        assert!(protection.signature && !protection.checksum);
        // An answer to a part that was under way meanwhile.
        assert!(!integrity.taken(false, HTTP));
        assert!(!integrity.protection(HTTP, false).checksum);

        assert!(
            !Integrity::new(Checksums::Always, false)
                .protection(HTTP, false)
                .is_trial
        );
    }

    #[test]
    fn report_a20_a_store_that_passes_checksums_over_is_told_of_once() {
        let integrity = Integrity::new(Checksums::Auto, false);
        assert!(integrity.taken(false, HTTP));
        assert!(!integrity.taken(false, HTTP));
        let encrypted = Integrity::new(Checksums::Auto, false);
        assert!(!encrypted.taken(false, HTTPS));
    }
}

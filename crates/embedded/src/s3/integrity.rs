//! Integrity: what a client says of its bytes is compared with them before anything is stored. s3s-fs compares a whole
//! object's after it has stored it, and a part's not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{Body, S3Error, S3Result, TrailingHeaders, s3_error};

/// Bodies that are compared are held in memory, so they are not larger than this; parts are 25 MiB unless somebody asks for
/// more.
const MAX_COMPARED: usize = 128 * 1024 * 1024;

const NAMES: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// What a client says of a body.
pub(super) struct Claims {
    /// Base64, as in the header.
    pub(super) md5: Option<String>,
    pub(super) checksum: Checksum,
    /// More of them, once the body has been read.
    pub(super) trailers: Option<TrailingHeaders>,
}

impl Claims {
    fn is_empty(&self) -> bool {
        self.md5.is_none() && self.checksum == Checksum::default() && self.trailers.is_none()
    }
}

/// The body, if it is what its sender says, and its checksums, which an answer repeats.
pub(super) async fn check(
    body: StreamingBlob,
    claims: Claims,
) -> S3Result<(StreamingBlob, Checksum)> {
    if claims.is_empty() {
        return Ok((body, Checksum::default()));
    }
    let mut body = Body::from(body);
    let bytes = body.store_all_limited(MAX_COMPARED).await;
    let bytes = bytes.map_err(|error| {
        // One that broke off on its way has its own error inside.
        match error.downcast::<S3Error>() {
            Ok(error) => *error,
            Err(error) => s3_error!(IncompleteBody, "{error}"),
        }
    })?;
    let mut claimed = claims.checksum;
    if let Some(trailers) = claims.trailers {
        trailers.read(|trailers| {
            let text = |name| Some(trailers.get(name)?.to_str().ok()?.to_owned());
            let [crc32, crc32c, crc64nvme, sha1, sha256] = NAMES.map(text);
            claimed.checksum_crc32 = crc32.or(claimed.checksum_crc32.take());
            claimed.checksum_crc32c = crc32c.or(claimed.checksum_crc32c.take());
            claimed.checksum_crc64nvme = crc64nvme.or(claimed.checksum_crc64nvme.take());
            claimed.checksum_sha1 = sha1.or(claimed.checksum_sha1.take());
            claimed.checksum_sha256 = sha256.or(claimed.checksum_sha256.take());
        });
    }
    if claims
        .md5
        .is_some_and(|said| said != base64(Md5::checksum(&bytes)))
    {
        return Err(s3_error!(
            BadDigest,
            "The Content-MD5 you specified did not match what we received."
        ));
    }
    let fits = |said: &Option<String>, found: &dyn Fn() -> String| {
        said.as_ref().is_none_or(|said| *said == found())
    };
    let fit = fits(&claimed.checksum_crc32, &|| base64(Crc32::checksum(&bytes)))
        && fits(&claimed.checksum_crc32c, &|| {
            base64(Crc32c::checksum(&bytes))
        })
        && fits(&claimed.checksum_crc64nvme, &|| {
            base64(Crc64Nvme::checksum(&bytes))
        })
        && fits(&claimed.checksum_sha1, &|| base64(Sha1::checksum(&bytes)))
        && fits(&claimed.checksum_sha256, &|| {
            base64(Sha256::checksum(&bytes))
        });
    if !fit {
        return Err(s3_error!(
            BadDigest,
            "The checksum you specified did not match the calculated checksum."
        ));
    }
    Ok((StreamingBlob::from(Body::from(bytes)), claimed))
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn claims() -> Claims {
        Claims {
            md5: None,
            checksum: Checksum::default(),
            trailers: None,
        }
    }

    async fn verdict(claims: Claims) -> Result<Vec<u8>, String> {
        let body = StreamingBlob::from(Body::from("content".to_owned()));
        match check(body, claims).await {
            Ok((body, _)) => Ok(Body::from(body)
                .store_all_limited(99)
                .await
                .unwrap()
                .to_vec()),
            Err(error) => Err(error.code().as_str().to_owned()),
        }
    }

    #[tokio::test]
    async fn report_a22_what_does_not_fit_is_refused() {
        let content = Ok(b"content".to_vec());
        let refused = Err("BadDigest".to_owned());
        assert_eq!(verdict(claims()).await, content);
        for (crc32, expected) in [("/sUwqQ==", &content), ("9iu/rw==", &refused)] {
            let mut claims = claims();
            claims.checksum.checksum_crc32 = Some(crc32.to_owned());
            assert_eq!(&verdict(claims).await, expected);
        }
        for (md5, expected) in [("mgNkuembtIDdJeHwKEyFVQ==", &content), ("AAAA", &refused)] {
            let mut claims = claims();
            claims.md5 = Some(md5.to_owned());
            assert_eq!(&verdict(claims).await, expected);
        }
        let mut wrong = claims();
        wrong.checksum.checksum_sha256 = Some("AAAA".to_owned());
        assert_eq!(verdict(wrong).await, refused);
    }
}

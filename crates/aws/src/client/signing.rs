//! Signature Version 4 in headers.

use crate::credentials::Credentials;
use crate::http::Request;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use std::fmt;
use std::time::SystemTime;

/// The headers that sign a request, besides those that it has. Its path is escaped already; it is escaped once more for the
/// signature, as all services but S3 want it. S3 wants the digest of the body among the headers, and the path as it is.
pub fn signed_headers(
    request: &Request,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<Vec<(&'static str, String)>, String> {
    let wrong = |error: &dyn fmt::Display| format!("cannot sign the request: {error}");
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(settings(service))
        .build();
    let parameters = parameters.map_err(|error| wrong(&error))?.into();
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (*name, value.as_str()));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(request.method, &*request.url, headers, body);
    let signable = signable.map_err(|error| wrong(&error))?;
    let output = sign(signable, &parameters).map_err(|error| wrong(&error))?;
    let (instructions, _) = output.into_parts();
    let (headers, _) = instructions.into_parts();
    let headers = headers.into_iter();
    Ok(headers
        .map(|header| (header.name(), header.value().to_owned()))
        .collect())
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

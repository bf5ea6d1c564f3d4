//! An error's chain of causes, links of the operating system's errors included, and what of it says something.

use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use std::error::Error;
use std::io;

/// An error and what caused it, the last cause last.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The text of the last cause, which is the one that says something: the links before it are the SDK's own.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = causes(error).last();
    last.map_or_else(|| "unknown cause".to_owned(), ToString::to_string)
}

/// What the service that should have provided credentials said.
pub fn refusal(error: &CredentialsError) -> String {
    const METADATA: &str = "EC2 metadata";
    for cause in causes(error) {
        if let Some(said) = cause.downcast_ref::<ErrorMetadata>() {
            let code = said.code().unwrap_or_default();
            let message = said.message().unwrap_or_default();
            return format!("{code}: {message}");
        }
        if let Some(ImdsError::ErrorResponse(answer)) = cause.downcast_ref() {
            let status = answer.response().status().as_u16();
            return format!("{METADATA} denied credentials (Status Code: {status})");
        }
        if let Some(token) = cause.downcast_ref::<SdkError<TokenError, HttpResponse>>() {
            return match token.raw_response() {
                Some(raw) => {
                    let status = raw.status().as_u16();
                    format!("{METADATA} denied credentials (Status Code: {status})")
                }
                None => format!("connection to {METADATA} failed: {}", innermost(token)),
            };
        }
    }
    innermost(error)
}

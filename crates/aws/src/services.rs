//! The operations that are asked for: how each call is written, and what its answer says. Answers are other people's bytes.

pub mod cloud_map;
pub mod msk;
pub mod s3;
pub mod secrets;
pub mod sqs;
pub mod ssm;

use crate::client::{Asks, Call, CallError, Client, Service};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::Value as Json;

/// What is escaped anywhere in a URL: all but the unreserved characters (RFC 3986, 2.3).
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A call with a JSON document.
fn document(
    service: Service,
    targets: &str,
    operation: &'static str,
    members: &[(&str, &str)],
) -> Call {
    let members = members.iter();
    let members: serde_json::Map<String, Json> = members
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    Call {
        service,
        operation,
        region: None,
        asks: Asks::Document {
            target: format!("{targets}.{operation}"),
            body: Json::Object(members).to_string(),
        },
    }
}

/// Makes the call and reads its answer.
pub async fn ask<T>(
    client: &Client,
    call: Call,
    parse: impl Fn(&Json) -> Result<T, String>,
) -> Result<T, CallError> {
    let answer = client.call(&call).await?;
    parse(&answer).map_err(|what| CallError::malformed(call.service, call.operation, &what))
}

/// Any JSON, with the names that a parser looks for at all depths.
#[cfg(test)]
pub(crate) fn any_json(
    names: &'static [&'static str],
) -> impl proptest::strategy::Strategy<Value = Json> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let name = prop_oneof![proptest::sample::select(names), Just("x")];
        let name = name.prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::hash_map(name, inner, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

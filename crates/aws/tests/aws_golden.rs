//! Against recordings of the official signers and of boto3.
#![allow(clippy::unwrap_used)]

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millstream_aws::Credentials;
use millstream_aws::msk_iam::make_token;
use millstream_golden::Outcome;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

fn time(case: &Json) -> SystemTime {
    let time = DateTime::from_str(case["time"].as_str().unwrap(), Format::DateTime);
    time.unwrap().try_into().unwrap()
}

fn key(case: &Json) -> Credentials {
    let text = |name: &str| case[name].as_str();
    // An empty token means none: the chain drops it.
    let token = text("session_token").filter(|token| !token.is_empty());
    Credentials::new(
        text("access_key_id").unwrap(),
        text("secret_access_key").unwrap(),
        token.map(str::to_owned),
        None,
        "test",
    )
}

#[test]
fn golden_msk_iam() {
    millstream_golden::run("msk iam", |_, case| judge_token(case));
}

fn url(token: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap()
}

/// The parameters of a token's URL, whatever their order.
fn parameters(token: &str) -> BTreeSet<String> {
    let url = url(token);
    let (_, query) = url.split_once('?').unwrap();
    query.split('&').map(str::to_owned).collect()
}

fn judge_token(case: &Json) -> Outcome {
    let region = case["region"].as_str().unwrap();
    let made = |agent: &str| make_token(&key(case), region, agent, time(case)).unwrap();
    // With its name as the user agent, the text is the one that the JavaScript signer makes.
    let official = case["tokens"]["aws-msk-iam-sasl-signer-js 1.0.3"].as_str();
    let ours = made("aws-msk-iam-sasl-signer-js/1.0.3");
    if Some(&*ours.value) != official {
        return Outcome::equal(&url(&ours.value), &url(official.unwrap()));
    }
    let signature = format!("X-Amz-Signature={}", case["signature"].as_str().unwrap());
    if !parameters(&ours.value).contains(&signature) {
        return Outcome::Failed(format!("{signature} is not in {}", url(&ours.value)));
    }
    let expiry = ours.expires_at.duration_since(UNIX_EPOCH).unwrap();
    if Some(expiry.as_millis()) != case["expiry_ms"].as_u64().map(u128::from) {
        return Outcome::Failed(format!("expires at {expiry:?}"));
    }
    // Whoever checks takes the parameters as a set. The Python signer alone signs an empty session token.
    let ours = made("example/1.0");
    let python = case["token_with_user_agent_example_1_0_last"].as_str();
    if case["session_token"].as_str() == Some("") {
        return Outcome::Passed;
    }
    Outcome::equal(&parameters(&ours.value), &parameters(python.unwrap()))
}

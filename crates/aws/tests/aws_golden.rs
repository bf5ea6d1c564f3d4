//! Against recordings of the official signers and of boto3.
#![allow(clippy::unwrap_used)]

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use millstream_aws::client::endpoint::region_of_arn;
use millstream_aws::client::error::{classify, error_of, is_answer};
use millstream_aws::client::{Asks, signed_headers};
use millstream_aws::ecs::{Address, address, task};
use millstream_aws::http::{Answer, Request};
use millstream_aws::msk_iam::make_token;
use millstream_aws::services::cloud_map::{discover, discover_revision};
use millstream_aws::services::msk::get_bootstrap_brokers;
use millstream_aws::services::secrets::get_secret_value;
use millstream_aws::services::ssm::get_parameter;
use millstream_aws::{Class, Credentials};
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

#[test]
fn golden_aws_requests() {
    let all = millstream_golden::cases("aws/aws-requests.jsonl");
    millstream_golden::run("aws requests", |_, case| {
        match case["name"].as_str().unwrap().strip_prefix("error/") {
            Some(form) => judge_error(&all, form, case),
            None => judge_request(case),
        }
    });
}

const LEFT_TO_THE_SIGNER: [&str; 5] = [
    "host",
    "x-amz-date",
    "x-amz-security-token",
    "authorization",
    "content-length",
];

/// The request that boto3 sent, signed by us: for the host of the recording, and for the service's own.
fn judge_request(case: &Json) -> Outcome {
    let recorded = &case["request"];
    let text = |name: &str| recorded[name].as_str().unwrap_or_default();
    let headers = recorded["headers"].as_object().unwrap();
    let signed: Vec<&str> = array(&recorded["signed_headers"]);
    let headers: Vec<(&'static str, String)> = headers
        .iter()
        .filter(|(name, _)| signed.contains(&name.as_str()))
        .filter(|(name, _)| !LEFT_TO_THE_SIGNER.contains(&name.as_str()))
        .map(|(name, value)| {
            let name: &'static str = name.clone().leak();
            (name, value.as_str().unwrap().to_owned())
        })
        .collect();
    let mut scope = text("credential_scope").split('/').skip(1);
    let (region, service) = (scope.next().unwrap(), scope.next().unwrap());
    let token = case["session_token"].as_str().map(str::to_owned);
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let key = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
    let now = DateTime::from_str("2026-01-02T03:04:05Z", Format::DateTime).unwrap();
    let signature = |host: &str| {
        let request = Request {
            method: if text("method") == "GET" {
                "GET"
            } else {
                "POST"
            },
            url: format!("http://{host}{}", text("target")),
            headers: headers.clone(),
            body: Bytes::copy_from_slice(text("body").as_bytes()),
        };
        let headers = signed_headers(&request, &key, region, service, now.try_into().unwrap());
        let headers = headers.unwrap();
        let find = |name: &str| headers.iter().find(|(other, _)| *other == name);
        let (_, authorization) = find("authorization").unwrap();
        let expected = format!("SignedHeaders={}, ", signed.join(";"));
        assert!(authorization.contains(&expected), "{authorization}");
        let (_, signature) = authorization.rsplit_once("Signature=").unwrap();
        signature.to_owned()
    };
    let ours = [
        signature(recorded["headers"]["host"].as_str().unwrap()),
        signature(case["on_real_host"]["host"].as_str().unwrap()),
    ];
    let recorded = [
        text("signature").to_owned(),
        case["on_real_host"]["signature"]
            .as_str()
            .unwrap()
            .to_owned(),
    ];
    if ours != recorded {
        return Outcome::equal(&ours, &recorded);
    }
    judge_call(case)
}

fn array(json: &Json) -> Vec<&str> {
    let texts = json.as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap()).collect()
}

/// What we ask for, where it is an operation of ours: with boto3's arguments and a default of ours the document, the target
/// and the path are as recorded, white space aside.
fn judge_call(case: &Json) -> Outcome {
    let argument = |name: &str| case["parameters"][name].as_str().unwrap_or_default();
    let call = match case["name"].as_str().unwrap() {
        "discover" | "discover-token" | "discover-all" => {
            discover(argument("NamespaceName"), argument("ServiceName"))
        }
        "revision" => discover_revision(argument("NamespaceName"), argument("ServiceName")),
        "brokers" | "brokers-token" => get_bootstrap_brokers(argument("ClusterArn")),
        "secret" | "secret-arn-stage" => get_secret_value(argument("SecretId")),
        "parameter" => get_parameter(argument("Name")),
        _ => return Outcome::Passed,
    };
    let recorded = &case["request"];
    match call.asks {
        Asks::Path(path) | Asks::Bytes(path) => {
            Outcome::equal(&Some(&*path), &recorded["target"].as_str())
        }
        Asks::Message { .. } => Outcome::Failed("no operation of these asks like that".to_owned()),
        Asks::Document { target, body } => {
            if Some(&*target) != recorded["headers"]["x-amz-target"].as_str() {
                return Outcome::Failed(target);
            }
            let mut ours: Json = serde_json::from_str(&body).unwrap();
            let mut theirs: Json =
                serde_json::from_str(recorded["body"].as_str().unwrap()).unwrap();
            for ours_alone in ["HealthStatus", "VersionStage", "MaxResults"] {
                for document in [&mut ours, &mut theirs] {
                    document.as_object_mut().unwrap().remove(ours_alone);
                }
            }
            Outcome::equal(&ours, &theirs)
        }
    }
}

/// Our rule for names is boto3's for MSK, whatever the service.
fn judge_error(all: &[Json], form: &str, case: &Json) -> Outcome {
    let (_, kind) = form.split_once('/').unwrap();
    let like_msk = format!("error/kafka/{kind}");
    let of_msk = all.iter().find(|case| case["name"] == *like_msk);
    let expected = of_msk.unwrap_or(case)["parsed_error"]["code"].as_str();
    let response = &case["response"];
    let headers = response["headers"].as_object().unwrap().iter();
    let answer = Answer {
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
            .collect(),
        body: Bytes::copy_from_slice(response["body_text"].as_str().unwrap().as_bytes()),
    };
    let (name, message) = error_of(&answer);
    let class = classify(answer.status, &name);
    match kind {
        // boto3 takes a web page for an empty success; to us it is no answer.
        "html-200" => return Outcome::equal(&is_answer(&answer), &false),
        // The old name of SQS, which a header tells, beside the new one.
        "query-error-header" => return Outcome::equal(&&*name, &"QueueDoesNotExist"),
        _ => {}
    }
    if Some(&*name) != expected {
        return Outcome::equal(&Some(&*name), &expected);
    }
    let is_again = matches!(class, Class::Throttled | Class::Transient);
    let attempts = case["attempts_of_3"].as_u64();
    if is_again != (attempts == Some(3)) {
        return Outcome::Failed(format!("{class:?}, and boto3 made {attempts:?} attempts"));
    }
    // Without a document boto3 takes the words of the status.
    let words = case["parsed_error"]["message"].as_str().unwrap();
    let words = if words == "Service Unavailable" {
        ""
    } else {
        words
    };
    Outcome::equal(&&*message, &words)
}

#[test]
fn golden_ecs_metadata() {
    millstream_golden::run("ecs metadata", |_, case| judge_metadata(case));
}

fn judge_metadata(case: &Json) -> Outcome {
    let documents = case["documents"].as_array().unwrap();
    // The last answer of each place counts: the first may be too early.
    let at = |is_task: bool| {
        let mut of_kind = documents
            .iter()
            .rev()
            .filter(|document| document["path"].as_str().unwrap().ends_with("/task") == is_task);
        of_kind.find_map(|document| (document["status"] == 200).then(|| &document["body"]))
    };
    let (own, all) = (at(false), at(true));
    let told = address(own, all);
    let host = match &told {
        Address::Here(address) => Some(address.to_string()),
        Address::OfHost | Address::Bridge | Address::NotYet => None,
    };
    let expect = &case["expect"];
    if host.as_deref() != expect["host"].as_str() {
        return Outcome::Failed(format!("{told:?}"));
    }
    if expect.get("warning").is_some() != (told == Address::Bridge)
        || expect.get("fallback").is_some() != (told == Address::OfHost)
    {
        return Outcome::Failed(format!("{told:?}"));
    }
    let arn = all.and_then(|all| task(all).arn);
    match expect["region"].as_str() {
        Some(expected) => Outcome::equal(
            &region_of_arn(arn.as_deref().unwrap_or_default()),
            &Some(expected),
        ),
        None => Outcome::Passed,
    }
}

//! The recordings of kafka-connect-healthcheck 0.3.0, replayed against the command in front of a scripted worker.

use crate::process::{Answer, Process, ask};
use crate::upstream::Upstream;
use millstream_golden::Outcome;
use serde_json::Value as Json;
use std::net::TcpListener;

/// What the original does and we only do when asked to: a worker id without a port matches nobody, a password with a colon
/// fails each check.
const EXACT: [&str; 2] = ["T24", "T34"];

/// Its error is the sentence of a library of Python's, which changes with that; it holds the address and the path.
const BY_STABLE_PART: &str = "T4";

#[test]
fn golden_healthcheck() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    millstream_golden::run("healthcheck", |_, case| {
        let log = folder.path().join("log");
        match runtime.block_on(play(case, log)) {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        }
    });
}

async fn play(case: &Json, log: std::path::PathBuf) -> Result<(), String> {
    let name = case["name"].as_str().unwrap();
    let script = case["upstream"].as_array().cloned();
    let upstream = Upstream::start(script.unwrap_or_default()).await;
    // Nobody listens at the port of a listener that is gone.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closed.local_addr().unwrap().port().to_string();
    let port = upstream.port.to_string();
    let filled = |text: &Json| {
        let text = text.as_str().unwrap().replace("UPSTREAM_PORT", &port);
        text.replace("CLOSED_PORT", &closed).replace("PORT", "0")
    };
    let env = case["env"].as_object().unwrap().iter();
    let mut env: Vec<(String, String)> = env
        .map(|(name, value)| (name.clone(), filled(value)))
        .collect();
    if EXACT.contains(&name) {
        env.push(("HEALTHCHECK_EXACT".to_owned(), "true".to_owned()));
    }
    let env: Vec<(&str, &str)> = env.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let args: Vec<String> = case["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(filled)
        .collect();
    let mut arguments = vec!["healthcheck"];
    arguments.extend(args.iter().map(String::as_str));
    let mut process = Process::start(&arguments, &env, log);
    let address = process.address("healthcheck server is ready").await;
    let requests = case["requests"].as_array().unwrap().iter();
    for (request, expected) in requests.zip(case["expect"].as_array().unwrap()) {
        let part = |key: &str| request[key].as_str().unwrap();
        let answer = ask(address, part("method"), part("path")).await;
        let answer = answer.ok_or("no answer")?;
        compare(name, &answer, expected, &closed).map_err(|why| format!("{request}: {why}"))?;
    }
    equal(
        "calls",
        &Json::from(upstream.calls()),
        &case["upstream_calls"],
    )?;
    process.signal("-TERM");
    equal(
        "exit code",
        &Json::from(process.ended().await),
        &case["exit_on_sigterm"],
    )
}

fn compare(name: &str, answer: &Answer, expected: &Json, closed: &str) -> Result<(), String> {
    equal("status", &Json::from(answer.status), &expected["status"])?;
    for (header, value) in expected["headers"].as_object().unwrap() {
        equal(header, &Json::from(answer.header(header)), value)?;
    }
    if name == BY_STABLE_PART {
        let found: Json = serde_json::from_str(&answer.body).unwrap();
        let error = found["error"].as_str().unwrap();
        if !error.contains(closed) || !error.contains("/connectors") {
            return Err(format!("{error} names no address"));
        }
        let mut found = found.clone();
        found["error"] = expected["body"]["error"].clone();
        return equal("body", &found, &expected["body"]);
    }
    equal(
        "body",
        &Json::from(answer.body.as_str()),
        &expected["body_text"],
    )
}

fn equal(what: &str, found: &Json, expected: &Json) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is\n  {found}, expected is\n  {expected}"))
}

/// The original waits for the worker meanwhile, and for good.
#[tokio::test]
async fn a_worker_that_hangs_holds_nobody_else_up() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = serde_json::json!({"path": "/connectors", "hangs": true});
    let upstream = Upstream::start(vec![hangs]).await;
    let url = format!("http://127.0.0.1:{}", upstream.port);
    let arguments = ["healthcheck", "--port", "0", "--connect-url", &url];
    let mut process = Process::start(&arguments, &[], folder.path().join("log"));
    let address = process.address("healthcheck server is ready").await;
    let checks = [(); 3].map(|()| tokio::spawn(async move { ask(address, "GET", "/").await }));
    crate::process::until("a question", || async { upstream.calls().first().cloned() }).await;
    let ping = ask(address, "GET", "/ping").await.unwrap();
    assert_eq!((ping.status, &*ping.body), (200, "{\"status\": \"UP\"}"));
    for check in checks {
        let answer = check.await.unwrap().unwrap();
        assert_eq!(answer.status, 503);
        assert!(
            answer.body.contains("no answer within 10 s"),
            "{}",
            answer.body
        );
    }
    // Who came meanwhile took the same answer.
    assert_eq!(upstream.calls().len(), 1);
}

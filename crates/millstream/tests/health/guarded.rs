//! Who may see what at the health port, and TLS on it.

use crate::builtin::standalone;
use crate::process::{Process, ask, ask_as, once};
use std::path::Path;

const ANY: (&str, &str) = ("HEALTHCHECK_PORT", "http://127.0.0.1:0");

#[tokio::test]
async fn strangers_see_whether_a_worker_is_well_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "prometheus=t0ken\n").unwrap();
    let tokens = tokens.display().to_string();
    for authenticates in ["false", "true"] {
        let settings = [
            ("millstream.rest.bearer.tokens.file", tokens.as_str()),
            ("millstream.health.authenticate", authenticates),
        ];
        let worker = standalone(folder.path(), "127.0.0.1:1", &settings);
        let mut process =
            Process::start(&["standalone", &worker], &[ANY], folder.path().join("log"));
        let health = process.health().await;
        let rest = process.address("REST API is ready").await;
        let of_verdict = if authenticates == "true" { 401 } else { 200 };
        for (address, path, status) in [
            (health, "/ping", 200),
            (health, "/live", 200),
            (health, "/ready", 200),
            (health, "/", of_verdict),
            (health, "/status", 401),
            (health, "/metrics", 401),
            (rest, "/metrics", 401),
            (rest, "/connectors", 401),
        ] {
            let stranger = ask(address, "GET", path).await.unwrap();
            assert_eq!(stranger.status, status, "{path}");
            let wrong = "Authorization: Bearer t0kem\r\n";
            let wrong = ask_as(address, "GET", path, wrong).await.unwrap();
            assert_eq!(wrong.status, status, "{path}");
            let known = "Authorization: Bearer t0ken\r\n";
            let known = ask_as(address, "GET", path, known).await.unwrap();
            assert_eq!(known.status, 200, "{path}");
            if status == 401 {
                assert!(stranger.header("www-authenticate").is_some(), "{path}");
            }
        }
        assert!(!process.log().contains("t0ken"), "{}", process.log());
    }
}

#[tokio::test]
async fn the_port_greets_as_the_https_listeners_do() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker/tests/tls");
    let file = |name: &str| tls.join(name).display().to_string();
    let store = file("here.pem");
    let settings = [("listeners.https.ssl.keystore.location", store.as_str())];
    let worker = standalone(folder.path(), "127.0.0.1:1", &settings);
    let env = [("HEALTHCHECK_PORT", "https://127.0.0.1:0")];
    let mut process = Process::start(&["standalone", &worker], &env, folder.path().join("log"));
    let health = process.health().await;
    // Its 404 has no list of connectors, and came through the greeting.
    let url = format!("https://localhost:{}", health.port());
    let ca = file("ca.pem");
    let (_, log) = once(
        &["--once", "--connect-url", &url, "--ca-file", &ca],
        folder.path(),
    )
    .await;
    assert!(log.contains("Expecting value"), "{log}");
    let (_, log) = once(&["--once", "--connect-url", &url], folder.path()).await;
    assert!(log.contains("not trusted"), "{log}");
}

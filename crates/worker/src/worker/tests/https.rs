//! Listeners that speak TLS, by what their stores say.

use super::*;
use crate::forward::{Ask, ForwardError, Forwarder};
use crate::tls::ClientTls;
use axum::http::{HeaderMap, Method};
use std::fs;

fn path(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a client with these settings is answered at `https://localhost`.
async fn get(
    port: u16,
    path: &str,
    settings: &[(&str, &str)],
) -> Result<(u16, String), ForwardError> {
    let properties = Properties::from_iter(settings.iter().copied());
    let client = Forwarder::new(ClientTls::new(&properties), TaskTracker::new());
    let answer = client.send(Ask {
        method: Method::GET,
        url: format!("https://localhost:{port}{path}"),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
    });
    let (head, body) = answer.await?.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Ok((
        head.status.as_u16(),
        String::from_utf8_lossy(&body).into_owned(),
    ))
}

async fn worker(settings: &[(&str, &str)]) -> Result<(Worker, CancellationToken), StartError> {
    let shutdown = CancellationToken::new();
    let mut start = start(shutdown.clone());
    let mut properties = start.settings.properties.clone();
    for (key, value) in settings {
        properties.insert(*key, *value);
    }
    start.settings = WorkerSettings::new(properties).unwrap();
    Ok((Worker::start_cluster_of_one(start).await?, shutdown))
}

#[tokio::test]
async fn https_listeners_speak_what_the_stores_say() {
    let (here, p12) = (path("here.pem"), path("here.p12"));
    let (authority, authority_p12) = (path("ca.pem"), path("ca.p12"));
    let trust = [("ssl.truststore.location", &*authority)];
    let trust_p12 = [
        ("ssl.truststore.location", &*authority_p12),
        ("ssl.truststore.password", "changeit"),
    ];
    let known = [trust[0], ("ssl.keystore.location", &here)];
    let https = ("listeners", "https://127.0.0.1:0");
    let listener = "listeners.https.";
    let prefixed = |key: &str| format!("{listener}{key}");
    let (store, password) = (
        prefixed("ssl.keystore.location"),
        prefixed("ssl.keystore.password"),
    );
    let (truststore, asks) = (
        prefixed("ssl.truststore.location"),
        prefixed("ssl.client.auth"),
    );
    let pem = (&*store, &*here);
    let strict = [
        https,
        pem,
        (&*truststore, &*authority),
        (&*asks, "required"),
    ];
    let lenient = [strict[0], strict[1], strict[2], (&*asks, "requested")];
    let pkcs12 = [https, (&*store, &*p12), (&*password, "changeit")];
    let plain = [https, ("ssl.keystore.location", &*here)];
    for (settings, client, is_let_in) in [
        (&[https, pem][..], &trust[..], true),
        (&[https, pem], &trust_p12, true),
        (&[https, pem], &[], false),
        (&pkcs12, &trust, true),
        (&plain, &trust, true),
        (&strict, &trust, false),
        (&strict, &known, true),
        (&lenient, &trust, true),
        (&lenient, &known, true),
    ] {
        let (worker, shutdown) = worker(settings).await.unwrap();
        let port = worker.addresses()[0].port();
        let answer = get(port, "/connectors", client).await;
        match answer {
            Ok(answer) => assert_eq!((is_let_in, answer), (true, (200, "[]".to_owned()))),
            Err(error) => assert!(!is_let_in, "{settings:?} {client:?}: {error}"),
        }
        shutdown.cancel();
        worker.ended().await;
    }
}

#[tokio::test]
async fn stores_that_cannot_be_used_end_the_start() {
    let (authority, p12) = (path("ca.pem"), path("here.p12"));
    let jks = tempfile::NamedTempFile::new().unwrap();
    fs::write(jks.path(), [0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2]).unwrap();
    let jks = jks.path().display().to_string();
    let https = ("listeners", "https://127.0.0.1:0");
    for (settings, expected) in [
        (&[https][..], "set ssl.keystore.location"),
        (&[https, ("ssl.keystore.location", "/nowhere")], "/nowhere"),
        (
            &[https, ("ssl.keystore.location", &*authority)],
            "there is no private key in it",
        ),
        (
            &[
                https,
                ("ssl.keystore.location", &*p12),
                ("ssl.keystore.password", "wrong"),
            ],
            "is neither PEM nor a PKCS#12 file that ssl.keystore.password opens",
        ),
        (
            &[https, ("ssl.keystore.location", &*jks)],
            "keytool -importkeystore",
        ),
        (&[https, ("ssl.client.auth", "perhaps")], "ssl.client.auth"),
        (
            &[
                https,
                ("ssl.enabled.protocols", "SSLv3"),
                ("ssl.keystore.location", &*path("here.pem")),
            ],
            "ssl.enabled.protocols",
        ),
        // All or nothing: what has a prefix is not looked for without.
        (
            &[
                https,
                ("ssl.keystore.location", &*path("here.pem")),
                ("listeners.https.ssl.client.auth", "none"),
            ],
            "set ssl.keystore.location",
        ),
    ] {
        let error = worker(settings).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{settings:?}: {error}");
        assert!(!error.contains("wrong\""), "{error}");
    }
}

#[tokio::test]
async fn an_admin_listener_may_speak_tls_by_itself() {
    let (here, authority) = (path("here.pem"), path("ca.pem"));
    let (worker, shutdown) = worker(&[
        ("admin.listeners", "https://127.0.0.1:0,http://127.0.0.1:0"),
        ("admin.listeners.https.ssl.keystore.location", &here),
    ])
    .await
    .unwrap();
    let trust = [("ssl.truststore.location", &*authority)];
    let admin = worker.admin_addresses();
    let loggers = get(admin[0].port(), "/admin/loggers/root", &trust).await;
    assert_eq!(loggers.unwrap().0, 200);
    let main = get(admin[0].port(), "/connectors", &trust).await;
    assert_eq!(main.unwrap().0, 404);
    let plain = ask(admin[1], "GET", "/admin/loggers/root", "").await;
    assert!(plain.starts_with("HTTP/1.1 200"), "{plain}");
    let main = ask(worker.addresses()[0], "GET", "/admin/loggers/root", "").await;
    assert!(main.starts_with("HTTP/1.1 404"), "{main}");
    shutdown.cancel();
    worker.ended().await;
}

/// A10: what is advertised need not be there, and is warned of; the first listener of the scheme gives the port.
#[tokio::test]
async fn additions_10_the_advertised_url() {
    let here = path("here.pem");
    let both = "http://127.0.0.1:0,https://127.0.0.1:0";
    for (listeners, advertised, expected) in [
        (both, None, ("http", 0)),
        (both, Some("HTTPS"), ("https", 1)),
        ("https://127.0.0.1:0", None, ("https", 0)),
        ("http://127.0.0.1:0", Some("https"), ("https", 0)),
    ] {
        let shutdown = CancellationToken::new();
        let mut start = start(shutdown.clone());
        let mut properties = start.settings.properties.clone();
        properties.insert("listeners", listeners);
        properties.insert("ssl.keystore.location", &*here);
        if let Some(advertised) = advertised {
            properties.insert("rest.advertised.listener", advertised);
        }
        start.settings = WorkerSettings::new(properties).unwrap();
        let mut url = None;
        let started = Worker::start_in_cluster(start, |found| {
            url = Some(found.url);
            Cluster::of_one(GroupProtocol::Sessioned)
        });
        let worker = started.await.unwrap();
        let (scheme, listener) = expected;
        let port = worker.addresses()[listener].port();
        assert_eq!(
            url.as_deref(),
            Some(&*format!("{scheme}://127.0.0.1:{port}/"))
        );
        shutdown.cancel();
        worker.ended().await;
    }
}

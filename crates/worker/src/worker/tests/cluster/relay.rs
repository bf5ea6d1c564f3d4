//! What a worker passes on to another, how it signs that, and what it refuses.

use super::super::peers::{Asked, Peer, answer, json, leading};
use super::super::*;
use super::member::{CREATE, Member, connector, message};
use crate::cluster::{Leader, Owners, SessionKey};
use crate::tls::ServerTls;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_follower_passes_changes_on_as_java_s_worker_does() {
    let peer = Peer::new(|asked| match asked.line.split(['?', ' ']).next() {
        Some("POST") => json("201 Created", r#"{"name":"c"}"#),
        Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        _ => json("400 Bad Request", r#"{"error_code":422,"message":"no"}"#),
    });
    let peer = peer.await;
    let follower = Member::new(Leader::At(peer.url().into())).await;
    let created = follower.call("POST", "/connectors", CREATE).await;
    assert_eq!((created.status, &*created.body), (201, r#"{"name":"c"}"#));
    // The client is told of the worker that it knows.
    let location = Some("http://here:8083/connectors/c".to_owned());
    assert_eq!(created.location, location);
    let deleted = follower.call("DELETE", "/connectors/a%20b", "").await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    let refused = follower.call("PATCH", "/connectors/c/config", "{}").await;
    // The code inside is the other worker's.
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body, r#"{"error_code":422,"message":"no"}"#);
    let path = "/connectors/c/config?forward=true";
    follower.call("PATCH", path, r#"{"a":null}"#).await;

    let asked = peer.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| &*asked.line).collect();
    assert_eq!(
        lines,
        [
            "POST /connectors?forward=true",
            "DELETE /connectors/a%20b?forward=true",
            "PATCH /connectors/c/config?forward=true",
            "PATCH /connectors/c/config?forward=false",
        ]
    );
    assert_eq!(
        (&*asked[0].body, &*asked[3].body),
        (CREATE, r#"{"a":null}"#)
    );
    for (name, value) in [
        ("host", peer.address.to_string().as_str()),
        ("accept", "application/json"),
        ("user-agent", "kafka-connect (millstream)"),
        ("content-type", "application/json"),
        ("authorization", "Basic abc"),
    ] {
        assert_eq!(asked[0].header(name), Some(value), "{name}");
    }
    // What it does itself, and what may go no further.
    for (method, path, status, expected) in [
        ("GET", "/connectors", 200, "[]"),
        (
            "DELETE",
            "/connectors/c?forward=false",
            409,
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        ),
    ] {
        let reply = follower.call(method, path, "").await;
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.body.contains(expected), "{}", reply.body);
    }
    assert_eq!(peer.asked().len(), 4);
    follower.end().await;
}

#[tokio::test]
async fn a_leader_passes_restarts_on_to_whoever_runs_it() {
    let peer = Peer::new(|_| "HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    let url: Arc<str> = peer.url().into();
    let owners = Owners {
        connectors: [("c".into(), url.clone())].into(),
        tasks: [(crate::task::TaskId::new("c", 0), url.clone())].into(),
        others: [url].into(),
    };
    let tasks = ConfigRecord::Tasks {
        name: "c".into(),
        configs: vec![Properties::new()],
    };
    let records = vec![connector("c", "Sink"), tasks];
    let (leader, protocol) = (Leader::Here(owners), GroupProtocol::Sessioned);
    let leader = Member::with(leader, &[], protocol, records).await;
    for path in ["/connectors/c/restart", "/connectors/c/tasks/0/restart"] {
        let restarted = leader
            .call("POST", &format!("{path}?forward=true"), "")
            .await;
        assert_eq!(restarted.status, 204);
        let refused = leader
            .call("POST", &format!("{path}?forward=false"), "")
            .await;
        assert_eq!(refused.status, 409);
    }
    let lines: Vec<String> = peer.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(
        lines,
        [
            "POST /connectors/c/restart?forward=false",
            "POST /connectors/c/tasks/0/restart?forward=false",
        ]
    );
    leader.end().await;
}

#[tokio::test]
async fn additions_28_what_a_leader_must_answer_to_have_taken_tasks() {
    // Each is asked for by the name of the connector.
    let peer = Peer::new(|asked| {
        let name = asked.line.split('/').nth(2).unwrap();
        match name {
            "none" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            "json" => json("200 OK", "{}"),
            "empty" => json("200 OK", ""),
            "moved" => "HTTP/1.1 307 Temporary Redirect\r\nLocation: /connectors/none/tasks\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "rotated" => json("403 Forbidden", r#"{"error_code":403,"message":"Internal request contained invalid signature."}"#),
            "gone" => json("404 Not Found", "{}"),
            _ => String::new(),
        }
    });
    let peer = peer.await;
    let key = SessionKey {
        key: vec![0, 1, 2, 0xff].into(),
        algorithm: "HmacSHA256".into(),
        created: 0,
    };
    let (leader, protocol) = (Leader::At(peer.url().into()), GroupProtocol::Sessioned);
    let records = vec![ConfigRecord::SessionKey(key)];
    let follower = Member::with(leader, &[], protocol, records).await;
    let submit = async |name: &str, configs: &[Properties]| {
        let submitter = &follower.submitter;
        submitter.submit(&peer.url(), name, configs).await
    };
    for name in ["none", "json"] {
        assert_eq!(submit(name, &[]).await, Ok(()), "{name}");
    }
    for name in ["empty", "moved", "rotated", "gone", "broken%"] {
        assert!(submit(name, &[]).await.is_err(), "{name}");
    }
    let configs = [Properties::from_iter([("task.class", "T"), ("n", "0")])];
    submit("none", &configs).await.unwrap();
    let asked = peer.asked();
    assert_eq!(asked.len(), 8, "nothing is sent twice or somewhere else");
    assert_eq!(asked[0].line, "POST /connectors/none/tasks");
    let signature = |n: usize| asked[n].header("x-connect-authorization");
    let expected = "tr0VBOfps2Gryt30Pr5WsaqFVkJafx/+l22TstdcMpE=";
    assert_eq!((&*asked[0].body, signature(0)), ("[]", Some(expected)));
    let algorithm = asked[0].header("x-connect-request-signature-algorithm");
    assert_eq!(algorithm, Some("HmacSHA256"));
    assert_eq!(asked[6].line, "POST /connectors/broken%25/tasks");
    assert_eq!(asked[7].body, r#"[{"task.class":"T","n":"0"}]"#);
    assert!(submit("none", &[]).await.is_ok());
    assert!(follower.submitter.submit("", "none", &[]).await.is_err());
    assert!(
        follower
            .submitter
            .submit("no url", "none", &[])
            .await
            .is_err()
    );
    follower.end().await;
}

#[tokio::test]
async fn additions_28_nothing_is_signed_that_nobody_verifies() {
    let peer = Peer::new(|_| "HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    let (leader, protocol) = (Leader::At(peer.url().into()), GroupProtocol::Compatible);
    let follower = Member::with(leader, &[], protocol, Vec::new()).await;
    let url = peer.url();
    let submitted = follower.submitter.submit(&url, "c", &[]);
    submitted.await.unwrap();
    assert_eq!(peer.asked()[0].header("x-connect-authorization"), None);
    follower.end().await;
}

fn path(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn peer_tls(keystore: &str) -> ServerTls {
    let properties = Properties::from_iter([("ssl.keystore.location", path(keystore))]);
    ServerTls::new(&properties, crate::tls::LISTENERS).unwrap()
}

#[tokio::test]
async fn additions_33_the_name_of_a_leader_must_be_in_its_certificate() {
    let sni = "<html><body><h2>HTTP ERROR 400 Invalid SNI</h2></body></html>";
    let page = move |_: &Asked| answer("400 Bad Request", "text/html;charset=iso-8859-1", sni);
    let authority = path("ca.pem");
    let trust = [("listeners.https.ssl.truststore.location", &*authority)];
    for (keystore, status, expected) in [
        // What the other worker says is passed on, whatever it is.
        ("here.pem", 400, "Invalid SNI"),
        (
            "elsewhere.pem",
            500,
            "its certificate is for another host name",
        ),
    ] {
        let peer = Peer::over(Some(peer_tls(keystore)), page).await;
        let url = format!("https://localhost:{}/", peer.address.port());
        let (leader, protocol) = (Leader::At(url.into()), GroupProtocol::Sessioned);
        let follower = Member::with(leader, &trust, protocol, Vec::new()).await;
        let reply = follower.call("DELETE", "/connectors/c", "").await;
        assert_eq!(reply.status, status);
        assert!(reply.body.contains(expected), "{}", reply.body);
        let is_html = reply.kind.as_deref() == Some("text/html;charset=iso-8859-1");
        assert_eq!(is_html, status == 400);
        follower.end().await;
    }
}

#[tokio::test]
async fn additions_41_a_leader_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gone = "java.net.ConnectException: Connection refused";
    let nowhere = "java.net.UnknownHostException: nowhere.invalid";
    for (url, expected) in [
        (
            format!("http://{address}/"),
            format!("IO Error trying to forward REST request: {gone}"),
        ),
        (
            "http://nowhere.invalid:8083/".to_owned(),
            format!("IO Error trying to forward REST request: {nowhere}"),
        ),
        (
            "no url".to_owned(),
            "Error trying to forward REST request: Invalid URI host: null (authority: null)"
                .to_owned(),
        ),
        (
            String::new(),
            "Error trying to forward REST request: Invalid URI host: null (authority: null)"
                .to_owned(),
        ),
    ] {
        let follower = Member::new(Leader::At(url.into())).await;
        let reply = follower.call("POST", "/connectors", CREATE).await;
        assert_eq!((reply.status, message(&reply)), (500, expected));
        for path in ["/connectors", "/health"] {
            assert_eq!(follower.call("GET", path, "").await.status, 200, "{path}");
        }
        follower.end().await;
    }
    let alone = Member::new(Leader::Unknown).await;
    let reply = alone.call("POST", "/connectors", CREATE).await;
    let expected = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.";
    assert_eq!((reply.status, &*message(&reply)), (409, expected));
    alone.end().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let peer = Peer::new(|_| elsewhere.to_owned()).await;
    let follower = Member::new(Leader::At(peer.url().into())).await;
    let reply = follower.call("DELETE", "/connectors/c", "").await;
    let expected = "Unexpected status code when handling forwarded request: 302";
    assert_eq!((reply.status, &*message(&reply)), (500, expected));
    assert_eq!(peer.asked().len(), 1);
    follower.end().await;
}

#[tokio::test]
async fn what_is_between_workers_is_passed_on_signed() {
    let peer = Peer::new(|_| "HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    let key = SessionKey {
        key: vec![0, 1, 2, 0xff].into(),
        algorithm: "HmacSHA256".into(),
        created: 0,
    };
    let (leader, protocol) = (Leader::At(peer.url().into()), GroupProtocol::Sessioned);
    let records = vec![ConfigRecord::SessionKey(key.clone())];
    let follower = Member::with(leader, &[], protocol, records).await;
    let signature = "tr0VBOfps2Gryt30Pr5WsaqFVkJafx/+l22TstdcMpE=";
    for (signature, status) in [(signature, 204), (&signature[1..], 403), ("", 403)] {
        let path = "/connectors/c/tasks";
        let headers = [
            ("x-connect-authorization", signature),
            ("x-connect-request-signature-algorithm", "HmacSHA256"),
        ];
        let reply = follower.call_with("POST", path, "[]", &headers).await;
        assert_eq!(reply.status, status, "{signature}: {}", reply.body);
    }
    let asked = peer.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /connectors/c/tasks?forward=true");
    assert_eq!(asked[0].header("x-connect-authorization"), Some(signature));
    follower.end().await;
    // Before there is a key.
    let starting = Member::new(Leader::At(peer.url().into())).await;
    let headers = [
        ("x-connect-authorization", signature),
        ("x-connect-request-signature-algorithm", "HmacSHA256"),
    ];
    let reply = starting
        .call_with("PUT", "/connectors/c/fence", "", &headers)
        .await;
    let expected = "This worker is still starting up and has not been able to read a session key from the config topic yet";
    assert_eq!((reply.status, &*message(&reply)), (503, expected));
    starting.end().await;
}

/// As Java's extension answers.
#[tokio::test]
async fn whoever_is_not_known_sees_nothing_but_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let users = file("users", "alice=abc\n");
    let jaas = file(
        "jaas",
        &format!(
            "KafkaConnect {{ org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required file=\"{users}\"; }};"
        ),
    );
    let settings = [
        (
            "rest.extension.classes",
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
        ),
        ("millstream.rest.login.config", &*jaas),
    ];
    let protocol = GroupProtocol::Sessioned;
    let member = Member::with(leading(&[]), &settings, protocol, Vec::new()).await;
    let unknown = [("authorization", "Basic YWxpY2U6YWJk")];
    for (method, path, status) in [
        ("GET", "/", 401),
        ("GET", "/health", 401),
        ("GET", "/connectors", 401),
        ("POST", "/connectors", 401),
        ("OPTIONS", "/connectors", 401),
        ("GET", "/admin/loggers", 401),
        ("GET", "/nope", 404),
        ("PUT", "/connectors", 405),
        // Workers are asked for their signatures.
        ("POST", "/connectors/c/tasks", 400),
        ("PUT", "/connectors/c/fence", 400),
    ] {
        let body = if path.ends_with("tasks") { "[]" } else { "" };
        let reply = member.call_with(method, path, body, &unknown).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        if status == 401 {
            assert_eq!(reply.body, "User cannot access the resource.");
            let kind = if method == "OPTIONS" {
                "text/plain"
            } else {
                "application/json"
            };
            assert_eq!(reply.kind.as_deref(), Some(kind), "{method} {path}");
        }
    }
    let known = [("authorization", "Basic YWxpY2U6YWJj")];
    for path in ["/", "/connectors", "/health"] {
        let reply = member.call_with("GET", path, "", &known).await;
        assert_eq!(reply.status, 200, "{path}");
    }
    member.end().await;
}

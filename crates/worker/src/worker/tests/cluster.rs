//! A worker among others: what it passes on, signs, waits for and refuses.

use super::peers::{Asked, Peer, Puppet, answer, json, leading};
use super::*;
use crate::cluster::{
    Assignment, GroupEvent, GroupHealth, Leader, Owners, SessionKey, TaskSubmitter, Work,
};
use crate::tls::ServerTls;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// A worker that serves no port, unless the settings say so; its API is called as it is.
struct Member {
    api: Api,
    worker: Worker,
    shutdown: CancellationToken,
    say: mpsc::Sender<GroupEvent>,
    group_health: watch::Sender<GroupHealth>,
    submitter: Arc<dyn TaskSubmitter>,
}

struct Reply {
    status: u16,
    location: Option<String>,
    kind: Option<String>,
    body: String,
}

impl Member {
    async fn new(leader: Leader) -> Self {
        Member::with(leader, &[], GroupProtocol::Sessioned, Vec::new()).await
    }

    async fn with(
        leader: Leader,
        settings: &[(&str, &str)],
        protocol: GroupProtocol,
        records: Vec<ConfigRecord>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let mut start = start(shutdown.clone());
        let mut properties = start.settings.properties.clone();
        properties.insert("listeners", "");
        for (key, value) in settings {
            properties.insert(*key, *value);
        }
        start.settings = WorkerSettings::quiet(properties).unwrap();
        let (puppet, say) = Puppet::new(leader);
        let group_health = puppet.group_health.clone();
        let cluster = puppet.speaking(protocol).cluster(records);
        let mut submitter = None;
        let launched = Worker::launch(start, WorkerMode::Distributed, |here| {
            submitter = Some(here.submitter);
            cluster
        });
        let (worker, api) = launched.await.unwrap();
        let member = Member {
            api,
            worker,
            shutdown,
            say,
            group_health,
            submitter: submitter.unwrap(),
        };
        while !member.api.herder.view().has_started() {
            tokio::task::yield_now().await;
        }
        member
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = [("authorization", "Basic abc")];
        self.call_with(method, path, body, &headers).await
    }

    async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = HttpRequest::builder().method(method).uri(path);
        let own = [("host", "here:8083"), ("content-type", "application/json")];
        for (name, value) in own.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()));
        let router = rest::main_router(&self.api, ResponseHeaders::default());
        let response = TowerToHyperService::new(router).call(request.unwrap());
        let (head, body) = response.await.unwrap().into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Reply {
            status: head.status.as_u16(),
            location: header("location"),
            kind: header("content-type"),
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.worker.ended().await;
    }
}

fn message(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

const CREATE: &str =
    r#"{"name":"c","config":{"connector.class":"Sink","topics":"t"},"initial_state":"STOPPED"}"#;

fn connector(name: &str, class: &str) -> ConfigRecord {
    ConfigRecord::Connector {
        name: name.into(),
        config: Some(Properties::from_iter([
            ("connector.class", class),
            ("topics", "t"),
            ("name", name),
        ])),
    }
}

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

#[tokio::test]
async fn additions_29_a_leader_records_whom_it_has_shut_out() {
    let settings = [("connect.protocol", "compatible")];
    let (leader, protocol) = (leading(&[]), GroupProtocol::Compatible);
    let tasks = |name: &str, count: usize| ConfigRecord::Tasks {
        name: name.into(),
        configs: vec![Properties::new(); count],
    };
    let fenced = ConfigRecord::Fenced {
        name: "former".into(),
        tasks: 2,
    };
    let records = vec![
        // A class that only others have may be a source.
        connector("new", "Source"),
        tasks("new", 2),
        connector("former", "Source"),
        tasks("former", 2),
        fenced,
        tasks("former", 3),
        connector("sink", "Sink"),
    ];
    let leader = Member::with(leader, &settings, protocol, records).await;
    let put = async |name: &str| {
        let path = format!("/connectors/{name}/fence");
        leader.call("PUT", &path, "").await
    };
    assert_eq!(put("new").await.status, 204);
    assert_eq!(put("new").await.status, 204);
    let sink = put("sink").await;
    assert_eq!(
        (sink.status, &*message(&sink)),
        (400, "Connector sink is not a source connector")
    );
    assert_eq!(put("nope").await.status, 404);
    // There are producers to shut out, and no broker to ask.
    let former = put("former").await;
    assert_eq!(former.status, 500);
    let expected = "Failed to fence out previous tasks of connector former";
    assert!(message(&former).starts_with(expected), "{}", former.body);
    leader.end().await;
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

#[tokio::test(start_paused = true)]
async fn additions_24_a_group_that_cannot_work_is_told_of() {
    let member = Member::new(leading(&[])).await;
    member.say.send(GroupEvent::Rebalancing).await.unwrap();
    let why = "check that all workers of the group have the same config.storage.topic";
    member
        .group_health
        .send_modify(|group_health| group_health.error = Some(why.to_owned()));
    let health = member.call("GET", "/health", "").await;
    assert_eq!(health.status, 500);
    let (text, expected) = (message(&health), format!("The group cannot work: {why}."));
    assert!(text.ends_with(&expected), "{text}");
    member.end().await;
}

#[tokio::test]
async fn additions_34_a_group_that_signs_nothing_is_told_of() {
    let sentence = "Requests between workers are not signed";
    for (protocol, is_said) in [
        (GroupProtocol::Sessioned, false),
        (GroupProtocol::Compatible, true),
        (GroupProtocol::Eager, true),
    ] {
        let member = Member::with(leading(&[]), &[], protocol, Vec::new()).await;
        let health = member.call("GET", "/health", "").await;
        assert_eq!(health.status, 200);
        assert_eq!(
            message(&health).contains(sentence),
            is_said,
            "{}",
            health.body
        );
        member.end().await;
    }
}

#[tokio::test]
async fn additions_35_a_class_that_only_others_have_is_theirs_to_judge() {
    let create = CREATE.replace("Sink", "org.acme.OnlyInJava");
    // As receiver it refuses nothing.
    let peer = Peer::new(|_| json("201 Created", "{}")).await;
    let follower = Member::new(Leader::At(peer.url().into())).await;
    assert_eq!(
        follower.call("POST", "/connectors", &create).await.status,
        201
    );
    assert_eq!(peer.asked().len(), 1);
    follower.end().await;

    // As leader it asks the others.
    let knows = |errors: &'static str| {
        move |_: &Asked| {
            let body = format!(
                r#"{{"name":"x","error_count":1,"groups":[],"configs":[{{"definition":{{}},"value":{{"name":"a","errors":{errors}}}}}]}}"#
            );
            json("200 OK", &body)
        }
    };
    let unknown = |_: &Asked| {
        let text = "org.apache.kafka.connect.errors.ConnectException: Failed to find any class that implements Connector";
        json(
            "500 Internal Server Error",
            &format!(r#"{{"error_code":500,"message":"{text}"}}"#),
        )
    };
    let lacks = Peer::new(unknown).await;
    let takes = Peer::new(knows("[]")).await;
    let refuses = Peer::new(knows(r#"["a is wrong"]"#)).await;
    let nobody = "http://127.0.0.1:1/".to_owned();
    for (others, status, expected) in [
        (
            vec![],
            400,
            "Failed to find any class that implements Connector",
        ),
        (
            vec![lacks.url()],
            400,
            "Failed to find any class that implements Connector",
        ),
        (vec![lacks.url(), takes.url()], 201, r#""type":"unknown""#),
        (
            vec![refuses.url()],
            400,
            "the following 1 error(s):\\na is wrong",
        ),
        (vec![lacks.url(), nobody], 201, r#""name":"c""#),
    ] {
        let urls: Vec<&str> = others.iter().map(String::as_str).collect();
        let leader = Member::new(leading(&urls)).await;
        let config = r#"{"connector.class":"org.acme.OnlyInJava","topics":"t"}"#;
        let put = leader.call("PUT", "/connectors/d/config", config).await;
        let created = leader.call("POST", "/connectors", &create).await;
        for reply in [&put, &created] {
            assert_eq!(reply.status, status, "{urls:?}: {}", reply.body);
        }
        assert!(
            created.body.contains(expected),
            "{urls:?}: {}",
            created.body
        );
        if status == 201 {
            let change = r#"{"a":"b"}"#;
            let patched = leader.call("PATCH", "/connectors/c/config", change).await;
            assert_eq!(patched.status, 200, "{urls:?}: {}", patched.body);
        }
        leader.end().await;
    }
    let line = &takes.asked()[0].line;
    assert_eq!(
        line,
        "PUT /connector-plugins/org.acme.OnlyInJava/config/validate"
    );
}

#[tokio::test]
async fn additions_37_a_connector_without_its_class_is_failed_and_says_why() {
    let (leader, records) = (leading(&[]), vec![connector("c", "org.acme.OnlyInJava")]);
    let member = Member::with(leader, &[], GroupProtocol::Sessioned, records).await;
    let work = Work {
        connectors: ["c".into()].into(),
        ..Work::default()
    };
    let assigned = GroupEvent::Assigned(Assignment {
        generation: 2,
        leader: leading(&[]),
        work: Some(work),
        ..Assignment::default()
    });
    member.say.send(assigned).await.unwrap();
    let status = loop {
        let status = member.call("GET", "/connectors/c/status", "").await;
        if status.status == 200 {
            break status.body;
        }
        tokio::task::yield_now().await;
    };
    assert!(status.contains(r#""state":"FAILED""#), "{status}");
    assert!(
        status.contains("ConnectException: Failed to find any class that implements Connector and which name matches org.acme.OnlyInJava"),
        "{status}"
    );
    let shown = member.call("GET", "/connectors/c", "").await;
    assert!(shown.body.contains(r#""type":"unknown""#), "{}", shown.body);
    member.end().await;
}

#[tokio::test(start_paused = true)]
async fn additions_39_while_the_group_rebalances() {
    let records = vec![connector("c", "Sink")];
    let (leader, protocol) = (leading(&[]), GroupProtocol::Sessioned);
    let member = Member::with(leader, &[], protocol, records).await;
    member.say.send(GroupEvent::Rebalancing).await.unwrap();
    while member
        .api
        .herder
        .view()
        .stage()
        .is_none_or(|stage| &*stage.text != "ensuring membership in the cluster")
    {
        tokio::task::yield_now().await;
    }
    let begin = tokio::time::Instant::now();
    for (method, path, status) in [
        ("GET", "/connectors", 200),
        ("GET", "/connectors?expand=status&expand=info", 200),
        ("GET", "/connectors/c", 200),
        ("GET", "/connectors/c/config", 200),
        ("GET", "/connectors/c/tasks", 200),
        ("GET", "/connector-plugins", 200),
        ("PUT", "/connectors/c/pause", 202),
        ("POST", "/connectors/c/restart", 409),
        ("POST", "/connectors/c/restart?includeTasks=true", 409),
        ("DELETE", "/connectors/c/offsets", 409),
    ] {
        let reply = member.call(method, path, "").await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
    }
    assert_eq!(begin.elapsed().as_secs(), 0);

    let health = member.call("GET", "/health", "").await;
    assert_eq!((health.status, begin.elapsed().as_secs()), (500, 10));
    let text = message(&health);
    let expected = "Worker was unable to handle this request and may be unable to handle other requests. The worker is currently ensuring membership in the cluster, which began at ";
    assert!(text.starts_with(expected) && text.ends_with("Z."), "{text}");

    // Changes wait as long as their clients do, and are made all the same.
    let late = CREATE.replace("\"c\"", "\"late\"");
    let late = member.call("POST", "/connectors", &late).await;
    assert_eq!((late.status, begin.elapsed().as_secs()), (500, 100));
    let text = message(&late);
    let expected = "Request timed out. The worker is currently ensuring membership in the cluster, which began at ";
    assert!(text.starts_with(expected), "{text}");
    let other = CREATE.replace("\"c\"", "\"other\"");
    let create = member.call("POST", "/connectors", &other);
    let end = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let assigned = GroupEvent::Assigned(Assignment {
            generation: 2,
            leader: leading(&[]),
            work: Some(Work::default()),
            ..Assignment::default()
        });
        member.say.send(assigned).await.unwrap();
    };
    let (created, ()) = tokio::join!(create, end);
    assert_eq!(created.status, 201, "{}", created.body);
    let names = member.call("GET", "/connectors", "").await.body;
    assert!(names.contains("late") && names.contains("other"), "{names}");
    member.end().await;
}

#[tokio::test(start_paused = true)]
async fn additions_39_before_the_group_is_joined_the_worker_is_starting() {
    let shutdown = CancellationToken::new();
    let mut start = start(shutdown.clone());
    start.settings.config.listeners.clear();
    let (puppet, _say) = Puppet::new(Leader::Unknown);
    let mut cluster = puppet.cluster(Vec::new());
    cluster.membership = Box::new(crate::cluster::AloneInCluster::default());
    cluster.statuses = Box::new(Silent);
    let launched = Worker::launch(start, WorkerMode::Distributed, |_| cluster);
    let (worker, api) = launched.await.unwrap();
    let router = rest::main_router(&api, ResponseHeaders::default());
    let request = HttpRequest::builder()
        .uri("/health")
        .header("Host", "a")
        .body(Body::empty());
    let response = TowerToHyperService::new(router).call(request.unwrap());
    let (head, body) = response.await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(head.status.as_u16(), 503);
    let expected = r#"{"status":"starting","message":"Worker is still starting up. The worker is currently initializing and reading to the end of internal topics, which began at "#;
    assert!(text.starts_with(expected), "{text}");
    shutdown.cancel();
    worker.ended().await;
}

/// A store whose topic cannot be read.
struct Silent;

#[async_trait]
impl crate::cluster::StatusStore for Silent {
    fn write(&mut self, _record: crate::cluster::StatusRecord) {}

    fn flush(&mut self, _number: u64) {}

    async fn next(&mut self) -> crate::cluster::StatusEvent {
        std::future::pending().await
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

//! A worker among others: what it waits for, tells of its group, and leaves to others.

mod member;
mod relay;

use super::peers::{Asked, Peer, Puppet, json, leading};
use super::*;
use crate::cluster::{Assignment, GroupEvent, Leader, Work};
use axum::body::Body;
use axum::http::Request as HttpRequest;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use member::{CREATE, Member, connector, message};

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

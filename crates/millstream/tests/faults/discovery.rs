//! Workers and `stream` that are told names alone: Cloud Map, MSK and Secrets Manager, played by the stand-in that checks
//! signatures, tell the rest.

use crate::stage::{Stage, TOPIC, value};
use crate::worker::{Worker, until};
use millstream_embedded::aws::{ControlPlane, Step};
use millstream_embedded::documents::DocumentServer;
use millstream_embedded::faults::FaultProxy;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::json;
use std::net::SocketAddr;

pub(crate) const ARN: &str = "arn:aws:kafka:eu-west-1:111122223333:cluster/m/0a1b-7";
pub(crate) const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";

pub(crate) fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// AWS with the cluster of the stage.
pub(crate) async fn plane(stage: &Stage) -> ControlPlane {
    let plane = ControlPlane::start(any(), "AKID", "SECRET").await.unwrap();
    let instance: (&str, &[(&str, &str)]) = ("KafkaBrokerArn1", &[("broker_arn", ARN)]);
    plane.register("ns", "KafkaSvc", &[instance]);
    let brokers = stage.broker_wire.address().to_string();
    plane.set_brokers(ARN, json!({"bootstrapBrokerString": brokers}));
    plane
}

/// What a task is given to ask AWS, and where ours is.
pub(crate) fn names(plane: &ControlPlane) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("AWS_ENDPOINT_URL_SERVICEDISCOVERY", plane.endpoint()),
        ("AWS_ENDPOINT_URL_KAFKA", plane.endpoint()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", plane.endpoint()),
        ("AWS_ENDPOINT_URL_SSM", plane.endpoint()),
        ("AWS_ACCESS_KEY_ID", text("AKID")),
        ("AWS_SECRET_ACCESS_KEY", text("SECRET")),
        ("REGION", text("eu-west-1")),
        ("NAMESPACE", text("ns")),
        ("MSK_SERVICE", text("KafkaSvc")),
        ("ALLOW_PLAINTEXT", text("true")),
        ("DISCOVERY_TIMEOUT", text("20")),
    ]
}

pub(crate) fn worker_env(plane: &ControlPlane) -> Vec<(&'static str, String)> {
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let mut env = names(plane);
    let more = [
        ("CONNECT_GROUP_ID", "KcS3SinkGroup"),
        ("CONNECT_CONFIG_STORAGE_TOPIC", "kc_config"),
        ("CONNECT_OFFSET_STORAGE_TOPIC", "kc_offset"),
        ("CONNECT_STATUS_STORAGE_TOPIC", "kc_status"),
        ("CONNECT_CONFIG_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_OFFSET_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_STATUS_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_KEY_CONVERTER", string),
        ("CONNECT_VALUE_CONVERTER", string),
        ("CONNECT_LISTENERS", "http://127.0.0.1:0"),
        ("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "500"),
        ("CONNECT_CONFIG_PROVIDERS", "ssm"),
        (
            "CONNECT_CONFIG_PROVIDERS_SSM_CLASS",
            "SsmParamStoreConfigProvider",
        ),
    ];
    env.extend(more.map(|(name, value)| (name, value.to_owned())));
    env
}

pub(crate) fn borrowed<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    env.iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_finds_its_brokers_and_its_own_address() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    plane.set_parameter("/archive/flush", "3");
    let networks = json!([{"NetworkMode": "awsvpc", "IPv4Addresses": ["127.0.0.1"]}]);
    plane.set_document("/v4/abc", json!({"Networks": networks}), None);
    let mut env = worker_env(&plane);
    let metadata = format!("{}/v4/abc", plane.endpoint());
    env.push(("ECS_CONTAINER_METADATA_URI_V4", metadata));
    let worker = Worker::start(&["worker"], &borrowed(&env), stage.path("worker.log")).await;
    stage.produce(3);
    stage
        .post_archive(&worker, &[("flush.size", "${ssm:/archive/flush}")])
        .await;
    stage.archived().await;
    assert_eq!(plane.refusals(), []);
    assert_eq!(plane.calls("GetBootstrapBrokers"), 1);
    // For whoever of the process asks AWS for something.
    assert_eq!(plane.calls("/v4/abc"), 1);
    let log = worker.log();
    assert!(
        log.contains("KafkaBrokerArn1 of namespace ns, service KafkaSvc"),
        "{log}"
    );
    let (_, status) = worker
        .request("GET", "/connectors/s3-sink/status", None)
        .await;
    let id = status["connector"]["worker_id"].as_str().unwrap();
    assert!(id.starts_with("127.0.0.1:"), "{id}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_finds_nothing_says_whose_matter_it_is() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    let mut env = worker_env(&plane);
    env.push(("CONNECT_REST_ADVERTISED_HOST_NAME", "localhost".to_owned()));
    env.retain(|(name, _)| *name != "DISCOVERY_TIMEOUT");
    env.push(("DISCOVERY_TIMEOUT", "1".to_owned()));
    let run = async |name: &str, env: &[(&'static str, String)]| {
        Worker::run(&["worker"], &borrowed(env), stage.path(name)).await
    };
    plane.script(
        "GetBootstrapBrokers",
        [Step::error(403, "AccessDeniedException", "no")],
    );
    let (code, log) = run("denied.log", &env).await;
    assert_eq!(code, 77, "{log}");
    assert!(
        log.contains("needs kafka:GetBootstrapBrokers on the cluster"),
        "{log}"
    );
    plane.register("ns", "KafkaSvc", &[]);
    let (code, log) = run("empty.log", &env).await;
    assert_eq!(code, 78, "{log}");
    assert!(
        log.contains("namespace ns, service KafkaSvc: nothing is registered"),
        "{log}"
    );
    plane.stop().await;
    let (code, log) = run("away.log", &env).await;
    assert_eq!(code, 69, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_finds_both_and_survives_a_new_password() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    let store = DocumentServer::start_with_user(any(), "hasher", "n3w/p@ss")
        .await
        .unwrap();
    let endpoint = store.addr().to_string();
    let reader = [("endpoint", "nowhere.invalid:1")];
    let writer = [("endpoint", &*endpoint), ("secret_arn", SECRET)];
    plane.register(
        "ns",
        "DbSvc",
        &[("dbReadEndpoint1", &reader), ("dbEndpoint1", &writer)],
    );
    let secret = |password: &str| json!({"username": "hasher", "password": password}).to_string();
    plane.set_secret(SECRET, &secret("n3w/p@ss"));
    // At the start the secret is the one of yesterday.
    let old = json!({"SecretString": secret("old")}).to_string();
    let first = Step::Answer {
        status: 200,
        headers: Vec::new(),
        body: old,
    };
    plane.script("GetSecretValue", [first]);
    let mut env = names(&plane);
    for (name, value) in [
        ("DDB_SERVICE", "DbSvc"),
        (
            "DOCDB_OPTIONS",
            "retryWrites=false&authMechanism=SCRAM-SHA-256",
        ),
        ("TOPIC_NAME", TOPIC),
        ("LISTENERS", "http://127.0.0.1:0"),
    ] {
        env.push((name, value.to_owned()));
    }
    stage.produce(2);
    let worker = Worker::start(&["stream"], &borrowed(&env), stage.path("stream.log")).await;
    let uri = format!("mongodb://hasher:n3w%2Fp%40ss@{endpoint}/?authMechanism=SCRAM-SHA-256");
    let client = Client::with_uri_str(uri).await.unwrap();
    let hashed = client.database("kafka").collection::<Document>("hashed");
    let stored = until("all records in the store", || async {
        let count = hashed.count_documents(doc! {}).await.ok()?;
        (count == 6).then_some(count)
    });
    stored.await;
    assert_eq!(plane.calls("GetSecretValue"), 2);
    let log = worker.log();
    assert!(log.contains("login has changed"), "{log}");
    assert!(!log.contains("n3w") && !log.contains(&value(0, 0)), "{log}");
    let (_, config) = worker
        .request("GET", "/connectors/stream/config", None)
        .await;
    assert!(!config.to_string().contains("n3w"), "{config}");
}

/// AWS names the new brokers, and the old ones are gone.
async fn brokers_move(stage: &Stage, plane: &ControlPlane) -> FaultProxy {
    let new = FaultProxy::start(stage.broker.addresses()[0])
        .await
        .unwrap();
    let brokers = new.address().to_string();
    plane.set_brokers(ARN, json!({"bootstrapBrokerString": brokers}));
    stage.broker_wire.go_away();
    stage.broker.advertise(1, new.address());
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_move_are_found_again_by_a_worker_that_runs() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    let env = worker_env(&plane);
    let worker = Worker::start(&["worker"], &borrowed(&env), stage.path("worker.log")).await;
    stage.produce(3);
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    let _new = brokers_move(&stage, &plane).await;
    stage.produce(3);
    stage.archived().await;
    let log = worker.log();
    let told = log.matches("AWS names other brokers").count();
    assert_eq!(told, 1, "{log}");
    // What the worker asks for itself goes there, too: what its cluster shares, and the group of a connector.
    let path = "/connectors/s3-sink/pause";
    let (status, answer) = worker.request("PUT", path, None).await;
    assert!(status.is_success(), "{answer}");
    until("the commits", || async {
        let path = "/connectors/s3-sink/offsets";
        let (status, offsets) = worker.request("GET", path, None).await;
        assert!(status.is_success(), "{offsets}");
        let committed = offsets.to_string().matches("\"kafka_offset\":6").count();
        (committed == 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_finds_brokers_and_database_that_move() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    let store = DocumentServer::start_with_user(any(), "hasher", "pass")
        .await
        .unwrap();
    let old = FaultProxy::start(store.addr()).await.unwrap();
    let register = |wire: &FaultProxy| {
        let endpoint = wire.address().to_string();
        let writer = [("endpoint", &*endpoint), ("secret_arn", SECRET)];
        plane.register("ns", "DbSvc", &[("dbEndpoint1", &writer)]);
    };
    register(&old);
    let secret = json!({"username": "hasher", "password": "pass"}).to_string();
    plane.set_secret(SECRET, &secret);
    let mut env = names(&plane);
    for (name, value) in [
        ("DDB_SERVICE", "DbSvc"),
        (
            "DOCDB_OPTIONS",
            "retryWrites=false&authMechanism=SCRAM-SHA-256&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&heartbeatFrequencyMS=500",
        ),
        ("TOPIC_NAME", TOPIC),
        ("LISTENERS", "http://127.0.0.1:0"),
    ] {
        env.push((name, value.to_owned()));
    }
    stage.produce(2);
    let worker = Worker::start(&["stream"], &borrowed(&env), stage.path("stream.log")).await;
    let uri = format!(
        "mongodb://hasher:pass@{}/?authMechanism=SCRAM-SHA-256",
        store.addr()
    );
    let client = Client::with_uri_str(uri).await.unwrap();
    let hashed = client.database("kafka").collection::<Document>("hashed");
    let stored = async |count: u64| {
        until("all records in the store, once each", || async {
            let found = hashed.count_documents(doc! {}).await.ok()?;
            assert!(found <= count, "{found}");
            (found == count).then_some(())
        })
        .await;
    };
    stored(6).await;
    let _brokers = brokers_move(&stage, &plane).await;
    stage.produce(2);
    stored(12).await;
    let new = FaultProxy::start(store.addr()).await.unwrap();
    register(&new);
    old.go_away();
    stage.produce(2);
    stored(18).await;
    let log = worker.log();
    for told in ["AWS names other brokers", "place or login has changed"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
}

/// Whoever uses references in a connector needs no restart by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_follows_a_secret_that_names_another_store() {
    let stage = Stage::new().await;
    let plane = plane(&stage).await;
    let secret = |uri: &str| json!({"uri": uri}).to_string();
    plane.set_secret("store", &secret(&stage.document_uri()));
    let mut env = worker_env(&plane);
    env.retain(|(name, _)| *name != "CONNECT_CONFIG_PROVIDERS");
    for (name, value) in [
        ("CONNECT_CONFIG_PROVIDERS", "secrets"),
        (
            "CONNECT_CONFIG_PROVIDERS_SECRETS_CLASS",
            "SecretsManagerConfigProvider",
        ),
    ] {
        env.push((name, value.to_owned()));
    }
    let worker = Worker::start(&["worker"], &borrowed(&env), stage.path("worker.log")).await;
    stage.produce(2);
    let config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "connection.uri": "${secrets:store:uri}",
        "database": "kafka",
        "collection": "moved",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
        "writemodel.strategy": "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy",
        "transforms": "h",
        "transforms.h.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.h.field": "value",
    });
    worker.create("documents", &config).await;
    let uri = format!("mongodb://{}", stage.document_proxy.addr());
    let client = Client::with_uri_str(uri).await.unwrap();
    let documents = client.database("kafka").collection::<Document>("moved");
    let stored = async |count: u64| {
        until("all records in the store, once each", || async {
            let found = documents.count_documents(doc! {}).await.ok()?;
            assert!(found <= count, "{found}");
            (found == count).then_some(())
        })
        .await;
    };
    stored(6).await;
    let asked = plane.calls("GetSecretValue");
    let new = FaultProxy::start(stage.document_proxy.addr())
        .await
        .unwrap();
    let uri = stage.document_uri().replace(
        &stage.document_wire.address().to_string(),
        &new.address().to_string(),
    );
    plane.set_secret("store", &secret(&uri));
    stage.document_wire.go_away();
    stage.produce(2);
    stored(12).await;
    let task = worker
        .task_until("documents", "well", |task| task.is_well())
        .await;
    assert!(task.trace.is_empty(), "{task:?}");
    let log = worker.log();
    assert!(log.contains("references stand for has changed"), "{log}");
    assert!(!log.contains(&uri), "{log}");
    let again = plane.calls("GetSecretValue") - asked;
    assert!((1..=4).contains(&again), "{again}");
}

//! The client and discovery against the stand-in for AWS, which checks every signature by its own reading of the rules.
#![allow(clippy::unwrap_used)]

use millstream_aws::client::endpoint::region;
use millstream_aws::credentials::{CredentialsChain, CredentialsSettings};
use millstream_aws::discovery::{
    ClusterSettings, Database, DatabaseResolver, DatabaseSettings, DiscoveryError, Ending, Kafka,
    KafkaResolver, Watched,
};
use millstream_aws::ecs::{Address, Metadata};
use millstream_aws::services::{ask, cloud_map, s3, secrets, ssm};
use millstream_aws::{CallError, Class, Client, Endpoints, Environment, Http};
use millstream_embedded::aws::{ControlPlane, Key, Step};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ARN: &str = "arn:aws:kafka:eu-west-1:111122223333:cluster/m/0a1b-7";
const OTHER: &str = "arn:aws:kafka:eu-west-1:111122223333:cluster/n/0a1b-8";
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI";

async fn plane() -> ControlPlane {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let plane = ControlPlane::start(any, ID, SECRET).await.unwrap();
    plane.register(
        "ns",
        "KafkaSvc",
        &[("KafkaBrokerArn1", &[("broker_arn", ARN)])],
    );
    plane.register(
        "ns",
        "DbSvc",
        &[
            ("dbReadEndpoint1", &[("endpoint", "reader")]),
            (
                "dbEndpoint1",
                &[("endpoint", "writer"), ("secret_arn", "db")],
            ),
        ],
    );
    plane.set_secret("db", r#"{"username":"u","password":"p@:/%"}"#);
    let brokers = json!({
        "bootstrapBrokerStringTls": "b-1:9094",
        "bootstrapBrokerStringSaslIam": "b-1:9098",
    });
    plane.set_brokers(ARN, brokers.clone());
    plane.set_brokers(OTHER, brokers);
    plane
}

/// The environment of a task, with keys in it, and more or other variables.
fn environment(plane: &ControlPlane, more: &[(&str, &str)]) -> Environment {
    let endpoint = plane.endpoint();
    let keys = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let base = [
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("REGION", "eu-west-1"),
        ("NAMESPACE", "ns"),
        ("MSK_SERVICE", "KafkaSvc"),
        ("DDB_SERVICE", "DbSvc"),
        ("DISCOVERY_TIMEOUT", "20"),
    ];
    let all = base.iter().chain(&keys).chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn chain(environment: &Environment) -> Arc<CredentialsChain> {
    let http = Http::new(environment).unwrap();
    Arc::new(CredentialsChain::new(
        CredentialsSettings::default(),
        environment.clone(),
        "eu-west-1",
        http,
    ))
}

fn client(environment: &Environment) -> Arc<Client> {
    let endpoints = Endpoints::new("eu-west-1", environment.clone()).unwrap();
    let http = Http::new(environment).unwrap();
    Arc::new(Client::new(endpoints, chain(environment), http))
}

async fn find_brokers(environment: &Environment) -> Result<Watched<KafkaResolver>, DiscoveryError> {
    let settings = ClusterSettings::read(environment, None, None);
    let settings = settings.unwrap().unwrap();
    let timeout = settings.timeout;
    Watched::start(KafkaResolver::new(client(environment), settings), timeout).await
}

async fn find_database(
    environment: &Environment,
) -> Result<Watched<DatabaseResolver>, DiscoveryError> {
    let settings = DatabaseSettings::read(environment).unwrap().unwrap();
    let timeout = settings.timeout;
    Watched::start(
        DatabaseResolver::new(client(environment), settings),
        timeout,
    )
    .await
}

async fn instances(client: &Client) -> Result<usize, CallError> {
    let call = cloud_map::discover("ns", "KafkaSvc");
    let read = ask(client, call, cloud_map::parse_instances).await;
    read.map(|read| read.instances.len())
}

#[tokio::test]
async fn every_service_takes_our_signature() {
    let plane = plane().await;
    plane.set_parameter("/a/b", "value");
    let environment = environment(&plane, &[]);
    let client = client(&environment);
    assert_eq!(instances(&client).await, Ok(1));
    let secret = ask(
        &client,
        secrets::get_secret_value("db"),
        secrets::parse_secret,
    )
    .await;
    assert!(secret.unwrap().reveal().contains("p@:/%"));
    let parameter = ask(&client, ssm::get_parameter("/a/b"), ssm::parse_parameter).await;
    assert_eq!(parameter.unwrap().reveal(), "value");
    let kafka = find_brokers(&environment).await.unwrap();
    assert_eq!(kafka.current().brokers, "b-1:9098");
    assert_eq!(plane.refusals(), []);
    plane.stop().await;
}

#[tokio::test]
async fn finds_brokers_and_database() {
    let plane = plane().await;
    let environment = environment(&plane, &[]);
    let kafka: Arc<Kafka> = find_brokers(&environment).await.unwrap().current();
    assert_eq!(kafka.region.as_deref(), Some("eu-west-1"));
    let database: Arc<Database> = find_database(&environment).await.unwrap().current();
    assert_eq!((&*database.host, database.port), ("writer", 27017));
    assert_eq!(database.login.password.reveal(), "p@:/%");
    assert!(!format!("{database:?}").contains("p@"));
    plane.stop().await;
}

/// What a call comes to when the service plays a script, and how often it was made.
async fn played(steps: Vec<Step>) -> (Result<usize, CallError>, usize) {
    let plane = plane().await;
    plane.script("DiscoverInstances", steps);
    let outcome = instances(&client(&environment(&plane, &[]))).await;
    let calls = plane.calls("DiscoverInstances");
    plane.stop().await;
    (outcome, calls)
}

fn page() -> Step {
    Step::Answer {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>sign in</html>".to_owned(),
    }
}

/// Each row of the table of errors, over the wire.
#[tokio::test]
async fn tries_again_what_may_pass() {
    let server = || Step::error(503, "ServiceUnavailable", "");
    let (outcome, calls) = played(vec![server(), page()]).await;
    assert_eq!((outcome, calls), (Ok(1), 3));
    let (outcome, calls) = played(vec![page(); 9]).await;
    assert_eq!((outcome.unwrap_err().class, calls), (Class::Transient, 5));
    let throttle = Step::Answer {
        status: 429,
        headers: vec![("retry-after", "1".to_owned())],
        body: r#"{"__type":"RequestLimitExceeded"}"#.to_owned(),
    };
    let began = Instant::now();
    let (outcome, calls) = played(vec![throttle]).await;
    assert_eq!((outcome, calls), (Ok(1), 2));
    assert!(began.elapsed() >= Duration::from_secs(1));
    for (status, name, class) in [
        (409, "ConflictException", Class::NotReady),
        (403, "AccessDeniedException", Class::Denied),
        (401, "UnauthorizedException", Class::Denied),
        (400, "NamespaceNotFound", Class::Permanent),
        (404, "NotFoundException", Class::Permanent),
    ] {
        let (outcome, calls) = played(vec![Step::error(status, name, "why")]).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.class, calls), (class, 1), "{error}");
        assert!(
            error.to_string().ends_with(&format!("{name}: why")),
            "{error}"
        );
    }
}

/// S3 has its own signature, and its errors are XML.
#[tokio::test]
async fn reads_an_object() {
    let plane = plane().await;
    plane.set_object("/b/a%20b/%C3%A4.json", "{}");
    plane.script("GetObject", [Step::error(503, "SlowDown", "")]);
    let client = client(&environment(&plane, &[]));
    let found = client.bytes(&s3::get_object("b", "a b/\u{e4}.json")).await;
    assert_eq!(found.as_deref(), Ok(&b"{}"[..]));
    assert_eq!(plane.refusals(), []);
    assert_eq!(plane.calls("GetObject"), 2);
    let error = client.bytes(&s3::get_object("b", "c")).await.unwrap_err();
    assert_eq!(error.class, Class::Permanent);
    assert_eq!(error.name.as_deref(), Some("NoSuchKey"));
}

#[tokio::test]
async fn waits_three_seconds_and_asks_again() {
    let (outcome, calls) = played(vec![Step::Silence]).await;
    assert_eq!((outcome, calls), (Ok(1), 2));
}

#[tokio::test]
async fn a_server_that_is_away_is_named() {
    let plane = plane().await;
    let environment = environment(&plane, &[]);
    let endpoint = plane.endpoint();
    plane.stop().await;
    let error = instances(&client(&environment)).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    let text = error.to_string();
    assert!(
        text.contains(&endpoint) && text.contains("Connection refused"),
        "{text}"
    );
}

#[tokio::test]
async fn signs_with_the_services_clock() {
    for ahead in [3600, -3600] {
        let plane = plane().await;
        plane.set_clock(ahead);
        let client = client(&environment(&plane, &[]));
        assert_eq!(instances(&client).await, Ok(1));
        assert_eq!(plane.calls("DiscoverInstances"), 2);
        // From then on at once.
        assert_eq!(instances(&client).await, Ok(1));
        assert_eq!(plane.calls("DiscoverInstances"), 3);
        plane.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_secret_key_is_denied() {
    let plane = plane().await;
    let wrong = [("AWS_SECRET_ACCESS_KEY", "another")];
    let error = instances(&client(&environment(&plane, &wrong))).await;
    let error = error.unwrap_err();
    assert_eq!(error.class, Class::Denied, "{error}");
    assert_eq!(plane.calls("DiscoverInstances"), 1);
    plane.stop().await;
}

fn key(name: &str, is_expired: bool) -> Key {
    Key {
        id: name.to_owned(),
        secret: format!("secret of {name}"),
        session_token: Some(format!("token of {name}")),
        is_expired,
    }
}

/// The container's document for a key, good for an hour.
fn document(key: &Key) -> serde_json::Value {
    json!({
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "Token": key.session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn credentials_that_expire_on_the_way_are_fetched_anew() {
    let plane = plane().await;
    let (old, new) = (key("OLD", false), key("NEW", false));
    plane.set_keys(vec![old.clone(), new.clone()]);
    plane.set_document("/credentials", document(&old), Some("let me in"));
    let url = format!("{}/credentials", plane.endpoint());
    let in_container = environment(
        &plane,
        &[
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in"),
        ],
    );
    let client = client(&in_container);
    for _ in 0..3 {
        assert_eq!(instances(&client).await, Ok(1));
    }
    assert_eq!(plane.calls("/credentials"), 1, "they are kept");
    // The role's session ends, and the agent has another.
    plane.set_keys(vec![key("OLD", true), new.clone()]);
    plane.set_document("/credentials", document(&new), Some("let me in"));
    assert_eq!(instances(&client).await, Ok(1));
    assert_eq!(plane.calls("/credentials"), 2);
    assert_eq!(plane.refusals().len(), 1);
    plane.stop().await;
}

#[tokio::test]
async fn nobody_who_gives_credentials_is_told_with_why() {
    let plane = plane().await;
    let none = environment(&plane, &[("AWS_ACCESS_KEY_ID", "")]);
    let error = find_brokers(&none).await.err().unwrap();
    assert_eq!(error.ending, Ending::Permission);
    for part in [
        "environment (AWS_ACCESS_KEY_ID is not set)",
        "profile (HOME is not set)",
        "web identity (AWS_WEB_IDENTITY_TOKEN_FILE is not set)",
        "container (neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set)",
        "instance (AWS_EC2_METADATA_DISABLED is true)",
    ] {
        assert!(error.message.contains(part), "{part} is not in {error}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_container_that_refuses_is_told_with_its_address() {
    let plane = plane().await;
    plane.set_document("/credentials", document(&key("A", false)), Some("right"));
    let url = format!("{}/credentials", plane.endpoint());
    let wrong = environment(
        &plane,
        &[
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong"),
        ],
    );
    let error = find_brokers(&wrong).await.err().unwrap();
    assert_eq!(error.ending.exit_code(), 77);
    assert!(
        error
            .message
            .contains(&format!("{url} answered with status 401")),
        "{error}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn reads_a_profile() {
    let plane = plane().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let text = format!("[other]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n");
    std::fs::write(&file, text).unwrap();
    let profile = environment(
        &plane,
        &[
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
            ("AWS_PROFILE", "other"),
        ],
    );
    assert_eq!(instances(&client(&profile)).await, Ok(1));
    plane.stop().await;
}

/// Services that come up in any order: no namespace yet, no instance, no listener, then everything.
#[tokio::test]
async fn a_start_waits_for_what_is_being_made() {
    let plane = plane().await;
    plane.script(
        "DiscoverInstances",
        [Step::error(400, "NamespaceNotFound", "")],
    );
    plane.script(
        "GetBootstrapBrokers",
        [Step::error(409, "ConflictException", "")],
    );
    let kafka = find_brokers(&environment(&plane, &[])).await.unwrap();
    assert_eq!(kafka.current().brokers, "b-1:9098");
    assert_eq!(plane.calls("DiscoverInstances"), 3);
    plane.stop().await;
}

#[tokio::test]
async fn a_start_that_finds_nothing_says_what_is_missing() {
    let plane = plane().await;
    plane.register("ns", "KafkaSvc", &[]);
    let short = [("DISCOVERY_TIMEOUT", "1")];
    let error = find_brokers(&environment(&plane, &short)).await;
    let error = error.err().unwrap();
    assert_eq!(error.ending.exit_code(), 78);
    assert_eq!(
        error.message,
        "namespace ns, service KafkaSvc: nothing is registered"
    );
    plane.register("ns", "KafkaSvc", &[("a", &[("arn", ARN)])]);
    let error = find_brokers(&environment(&plane, &short)).await;
    assert!(
        error
            .err()
            .unwrap()
            .message
            .contains("broker_arn; there are arn")
    );
    plane.register("ns", "KafkaSvc", &[("a", &[("broker_arn", ARN)])]);
    plane.script(
        "GetBootstrapBrokers",
        [Step::error(403, "AccessDeniedException", "no")],
    );
    let error = find_brokers(&environment(&plane, &short)).await;
    let error = error.err().unwrap();
    assert_eq!(error.ending.exit_code(), 77);
    assert!(
        error
            .message
            .ends_with("needs kafka:GetBootstrapBrokers on the cluster"),
        "{error}"
    );
    plane.set_brokers(ARN, json!({}));
    let error = find_brokers(&environment(&plane, &short)).await;
    assert_eq!(error.err().unwrap().ending.exit_code(), 69);
    plane.stop().await;
}

#[tokio::test]
async fn discovery_that_is_down_at_the_start_comes_up() {
    let plane = plane().await;
    // More than the attempts of one call.
    plane.script(
        "DiscoverInstances",
        vec![Step::error(500, "InternalFailure", ""); 6],
    );
    let kafka = find_brokers(&environment(&plane, &[])).await.unwrap();
    assert_eq!(kafka.current().brokers, "b-1:9098");
    plane.stop().await;
}

#[tokio::test]
async fn fifty_failures_at_once_are_one_lookup() {
    let plane = plane().await;
    let kafka = find_brokers(&environment(&plane, &[])).await.unwrap();
    plane.register(
        "ns",
        "KafkaSvc",
        &[("KafkaBrokerArn2", &[("broker_arn", OTHER)])],
    );
    plane.set_brokers(OTHER, json!({"bootstrapBrokerStringSaslIam": "b-2:9098"}));
    let before = plane.all_calls().len();
    let looks = (0..50).map(|_| kafka.refresh("no broker answers"));
    for place in futures::future::join_all(looks).await {
        assert_eq!(place.brokers, "b-2:9098");
    }
    assert_eq!(plane.all_calls().len() - before, 2);
    plane.stop().await;
}

#[tokio::test]
async fn what_is_known_counts_while_discovery_is_down() {
    let plane = plane().await;
    let kafka = find_brokers(&environment(&plane, &[])).await.unwrap();
    plane.stop().await;
    assert_eq!(kafka.refresh("no broker answers").await.brokers, "b-1:9098");
}

#[tokio::test]
async fn a_password_that_was_rotated_is_read_again() {
    let plane = plane().await;
    let database = find_database(&environment(&plane, &[])).await.unwrap();
    plane.set_secret("db", r#"{"username":"u","password":"new"}"#);
    let found = database.refresh("authentication failed").await;
    assert_eq!(found.login.password.reveal(), "new");
    plane.stop().await;
}

#[tokio::test]
async fn fetches_the_metadata_of_a_task() {
    let plane = plane().await;
    let networks = json!([{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.1.23"]}]);
    plane.set_document("/v4/abc", json!({"Networks": networks}), None);
    let arn = "arn:aws:ecs:eu-central-1:1:task/c/1";
    plane.set_document("/v4/abc/task", json!({"TaskARN": arn}), None);
    // It is late by two answers.
    let early = || Step::error(404, "x", "");
    plane.script("/v4/abc", [early(), early()]);
    let url = format!("{}/v4/abc", plane.endpoint());
    let in_task = environment(&plane, &[("ECS_CONTAINER_METADATA_URI_V4", &url)]);
    assert!(Metadata::is_there(&in_task));
    let http = Http::new(&in_task).unwrap();
    let metadata = Metadata::fetch(&in_task, &http).await;
    let address = "10.0.1.23".parse().unwrap();
    assert_eq!(metadata.address, Some(Address::Here(address)));
    assert_eq!(plane.calls("/v4/abc"), 3);
    let found = region(&Environment::default(), metadata.task.arn.as_deref());
    assert_eq!(found, Some(("eu-central-1".to_owned(), "TaskARN")));
    plane.stop().await;
    // Nobody answers: the reason is told, and others know the address.
    let metadata = Metadata::fetch(&in_task, &http).await;
    let warning = metadata.advertised().warning.unwrap();
    assert!(
        warning.starts_with("ECS_CONTAINER_METADATA_URI_V4: "),
        "{warning}"
    );
}

//! Tests of what is said about first connectors before and after an attempt.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::validation::InvalidConfig;
use millstream_s3::S3SinkConnector;

fn connector(pairs: &[(&str, &str)]) -> ConnectorFile {
    let mut config: Properties = pairs.iter().copied().collect();
    config.insert("name", "a");
    ConnectorFile {
        name: "a".to_owned(),
        config,
        initial_state: None,
    }
}

#[test]
fn pauses_grow_to_a_minute() {
    let pauses = [0, 1, 5, 6, 60].map(|failures| pause_after(failures, 1.0).as_millis());
    assert_eq!(pauses, [1000, 2000, 32_000, 60_000, 60_000]);
    assert_eq!(pause_after(0, 0.0), Duration::from_millis(500));
}

#[test]
fn what_is_there_is_no_refusal_whoever_made_it() {
    let herder = |error| created(Err(CreateError::Herder(error)));
    assert_eq!(created(Ok(())), Ok(()));
    assert_eq!(herder(HerderError::AlreadyExists("a".into())), Ok(()));
    let passing = herder(HerderError::Rebalancing).unwrap_err();
    assert!(matches!(passing, Refusal::NotNow(_)), "{passing:?}");
    let invalid = InvalidConfig::new(&["x".to_owned(), "y".to_owned()]);
    let told = created(Err(CreateError::Invalid(invalid)));
    assert_eq!(told, Err(Refusal::Told("x\ny".to_owned())));
    assert_eq!(answered(StatusCode::CREATED, ""), Ok(()));
    let exists = "Connector a already exists";
    assert_eq!(answered(StatusCode::CONFLICT, exists), Ok(()));
    for (status, message, part) in [
        (StatusCode::CONFLICT, "rebalance", "answers 409: rebalance"),
        (StatusCode::BAD_REQUEST, "x", "answers 400: x"),
        (StatusCode::UNAUTHORIZED, "", "asks who it is (401); give"),
    ] {
        let why = answered(status, message).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn the_leader_is_asked_as_by_a_client() {
    let mut connector = connector(&[("tasks.max", "1")]);
    connector.config.insert_null("b");
    connector.initial_state = Some(TargetState::Stopped);
    let ask = request_of("http://h:1/", &connector);
    assert_eq!(ask.url, "http://h:1/connectors?forward=false");
    let body: Json = serde_json::from_slice(&ask.body).unwrap();
    let expected = serde_json::json!({
        "name": "a",
        "config": {"tasks.max": "1", "b": null, "name": "a"},
        "initial_state": "STOPPED",
    });
    assert_eq!(body, expected);
}

#[test]
fn settings_that_differ_are_counted() {
    let there: Properties = [("a", "1"), ("b", "2")].into_iter().collect();
    let wanted: Properties = [("b", "3"), ("c", "4")].into_iter().collect();
    assert_eq!(differing(&there, &wanted), 3);
    assert_eq!(differing(&there, &there), 0);
}

#[tokio::test]
async fn what_is_wrong_with_settings_is_known_before_anything_starts() {
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let settings: Properties = [
        ("bootstrap.servers", "127.0.0.1:9092"),
        ("key.converter", string),
        ("value.converter", string),
        ("config.providers", "aws"),
        (
            "config.providers.aws.class",
            "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
        ),
    ]
    .into_iter()
    .collect();
    let settings = WorkerSettings::new(settings).unwrap();
    let registry = PluginRegistry {
        connectors: vec![Arc::new(S3SinkConnector)],
        converters: millstream_plugins::CONVERTERS.to_vec(),
        header_converters: millstream_plugins::HEADER_CONVERTERS.to_vec(),
        ..PluginRegistry::default()
    };
    let problems = async |pairs: &[(&str, &str)]| {
        let connectors = [connector(pairs)];
        examine(&settings, registry.clone(), Some("g"), &connectors).await
    };
    let s3 = [
        ("connector.class", "io.confluent.connect.s3.S3SinkConnector"),
        ("topics", "t"),
        // A bucket that nobody is asked about.
        ("s3.bucket.name", "bucket"),
        ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
        (
            "format.class",
            "io.confluent.connect.s3.format.json.JsonFormat",
        ),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&s3[..], more].concat();
    let fine = problems(&with(&[("flush.size", "3")])).await;
    assert_eq!(fine, Vec::<String>::new());
    // Nobody can be asked for it yet; what stands beside it is judged.
    let later = problems(&with(&[("flush.size", "${aws:x}"), ("tasks.max", "x")])).await;
    let is_of_it = |told: &String| told.starts_with("connector a: tasks.max: ");
    assert!(!later.is_empty() && later.iter().all(is_of_it), "{later:?}");
    let wrong = problems(&with(&[("s3.part.size", "few"), ("tasks.max", "x")])).await;
    for (key, remedy) in [
        ("flush.size", "; set flush.size"),
        ("s3.part.size", "; correct s3.part.size"),
        ("tasks.max", "; correct tasks.max"),
    ] {
        let begins = format!("connector a: {key}: ");
        let told = wrong.iter().find(|it| it.starts_with(&begins));
        assert!(told.is_some_and(|it| it.ends_with(remedy)), "{wrong:?}");
    }
    let classless = problems(&[("s3.bucket.name", "hush")]).await;
    assert_eq!(classless.len(), 1);
    assert!(classless[0].starts_with("connector a: connector.class is missing; set"));
    assert!(!classless[0].contains("hush"));
    let unknown = problems(&[("connector.class", "a.B")]).await;
    assert!(unknown[0].contains("a.B") && unknown[0].contains("; set connector.class"));
}

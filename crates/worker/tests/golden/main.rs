//! The REST recordings of Java's worker, replayed against this one with tasks and brokers that are doubles.
#![allow(clippy::unwrap_used)]

mod compare;
mod doubles;
mod http;
mod scenario;

use millstream_core::{Connector, ConnectorKind, TopicPartition};
use millstream_golden::Outcome;
use millstream_s3::S3SinkConnector;
use millstream_worker::validation::Validator;
use scenario::Scenario;
use serde_json::{Value as Json, json};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Lines that ask nothing of the worker are no cases, unless what they set up does not come about.
fn set_up(outcome: Outcome) -> Outcome {
    match outcome {
        failed @ Outcome::Failed(_) => failed,
        Outcome::Passed | Outcome::Setup | Outcome::NotDue(_) => Outcome::Setup,
    }
}

#[test]
fn golden_connect() {
    let runtime = runtime();
    let mut scenario: Option<Scenario> = None;
    let mut last = String::new();
    // Why the scenario is not played.
    let mut without = String::new();
    millstream_golden::run("connect", |file, case| {
        let setup = case.get("scenario");
        if setup.is_some() || last != file {
            file.clone_into(&mut last);
            without.clear();
            if let Some(last) = scenario.take() {
                runtime.block_on(last.end());
            }
        }
        if let Some(setup) = setup {
            if let Some(why) = scenario::not_due(setup) {
                without = why;
                return Outcome::Setup;
            }
            return match runtime.block_on(Scenario::start(setup)) {
                Ok(started) => {
                    scenario = Some(started);
                    Outcome::Setup
                }
                Err(why) => Outcome::Failed(why),
            };
        }
        let is_setup = case.get("series").is_some()
            || (case.get("do").is_some() && case.get("records").is_none());
        let outcome = match &mut scenario {
            Some(scenario) => runtime.block_on(scenario.step(case)),
            // JMX, whose place `/metrics` takes.
            None if without.is_empty() => Outcome::NotDue("JMX".to_owned()),
            None => Outcome::NotDue(without.clone()),
        };
        if is_setup { set_up(outcome) } else { outcome }
    });
}

/// The lab's configuration, which the S3 answers were recorded with.
fn lab() -> Json {
    json!({
        "name": "s3-sink",
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "tasks.max": "1",
        "topics": "MyTopic",
        "s3.region": "us-west-2",
        "s3.bucket.name": "golden",
        "s3.part.size": "5242880",
        "flush.size": "3",
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
        "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
        "schema.compatibility": "NONE",
        "store.url": "$ENDPOINT",
        "aws.access.key.id": "golden",
        "aws.secret.access.key": "golden"
    })
}

#[test]
fn golden_s3_rest() {
    const VALIDATE: &str =
        "/connector-plugins/io.confluent.connect.s3.S3SinkConnector/config/validate";
    let runtime = runtime();
    millstream_golden::run("s3 over REST", |file, recorded| {
        let mut config = lab();
        let (request, status, matching) = match file {
            "s3/rest/validate.json" => (("PUT", VALIDATE, config), 200, "configs"),
            "s3/rest/validate-blank-region.json" => {
                config["s3.region"] = json!("");
                (("PUT", VALIDATE, config), 500, "exact")
            }
            "s3/rest/create-refused.json" => {
                config["flush.size"] = json!("x");
                config["s3.part.size"] = json!("5");
                let body = json!({"name": "s3-sink", "config": config});
                (("POST", "/connectors", body), 400, "exact")
            }
            "s3/rest/offsets.json" => (
                ("GET", "/connectors/s3-sink/offsets", Json::Null),
                200,
                "exact",
            ),
            _ => return Outcome::NotDue("the file does not tell what was asked".to_owned()),
        };
        let (method, path, body) = request;
        let step = json!({
            "name": file,
            "request": {"method": method, "path": path, "headers": {"Content-Type": "application/json"}, "body": body},
            "match": matching,
            "response": {"status": status, "headers": {"Content-Type": "application/json"}, "body": recorded},
        });
        runtime.block_on(async {
            let string = "org.apache.kafka.connect.storage.StringConverter";
            let worker = json!({"key.converter": string, "value.converter": string});
            let setup = json!({"name": file, "worker_config": worker});
            let mut scenario = Scenario::start(&setup).await.unwrap();
            if method == "GET" {
                let body = json!({"name": "s3-sink", "config": lab()});
                let create = json!({
                    "request": {"method": "POST", "path": "/connectors", "headers": {"Content-Type": "application/json"}, "body": body},
                    "match": "status",
                    "response": {"status": 201},
                });
                let created = scenario.step(&create).await;
                assert!(matches!(created, Outcome::Passed), "{created:?}");
                let partition = TopicPartition::new("MyTopic", 0);
                scenario.doubles.commit("connect-s3-sink", partition, 6);
            }
            let outcome = scenario.step(&step).await;
            scenario.end().await;
            outcome
        })
    });
}

/// What Java's worker was seen to answer to each.
#[test]
fn report_f9_offsets_that_a_broker_would_refuse_change_nothing() {
    let runtime = runtime();
    runtime.block_on(async {
        let setup = json!({"name": "offsets", "worker_config": {}});
        let mut scenario = Scenario::start(&setup).await.unwrap();
        let config = json!({"connector.class": "FileStreamSink", "topics": "t", "file": "{{DIR}}/x"});
        let create = json!({"name": "s", "config": config});
        let mut ask = async |method: &str, path: &str, body: Json, status: u16, answer: Json| {
            let step = json!({
                "request": {"method": method, "path": path, "headers": {"Content-Type": "application/json"}, "body": body},
                "match": if answer.is_null() { "status" } else { "exact" },
                "repeat": method == "GET",
                "response": {"status": status, "headers": {"Content-Type": "application/json"}, "body": answer},
            });
            let outcome = scenario.step(&step).await;
            assert!(matches!(outcome, Outcome::Passed), "{body}: {outcome:?}");
        };
        ask("POST", "/connectors", create, 201, Json::Null).await;
        let running = json!({"id": 0, "state": "RUNNING", "worker_id": "{{WORKER_ID}}", "version": "{{VERSION}}"});
        let task = "/connectors/s/tasks/0/status";
        ask("GET", task, Json::Null, 200, running).await;
        ask("PUT", "/connectors/s/stop", Json::Null, 204, Json::Null).await;
        let path = "/connectors/s/offsets";
        let entry = |topic: Json, partition: i32, offset: Json| {
            json!({"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": offset})
        };
        let at = |offset: i64| json!({"kafka_offset": offset});
        let refused = |message: &str| json!({"error_code": 500, "message": message});
        let alter = "Failed to alter consumer group offsets for connector s";
        let modify = "Failed to modify offsets for sink connector s";
        for (entries, message) in [
            (vec![entry(json!(5), 0, at(0))], alter),
            (vec![entry(json!("t"), 0, at(-3))], modify),
            (vec![entry(json!("t"), 7, at(0))], alter),
            (vec![entry(json!("t"), 7, Json::Null)], alter),
            (vec![entry(json!("t"), 0, at(5)), entry(json!("t"), 9, at(4))], alter),
        ] {
            let body = json!({"offsets": entries});
            ask("PATCH", path, body, 500, refused(message)).await;
            ask("GET", path, Json::Null, 200, json!({"offsets": []})).await;
        }
        let null = "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets.offsets()\" because \"offsets\" is null";
        ask("PATCH", path, Json::Null, 500, refused(null)).await;
        let nowhere = "/connectors/s/tasks/-3/status";
        let missing = json!({"error_code": 404, "message": "No status found for task s--3"});
        ask("GET", nowhere, Json::Null, 404, missing).await;
        scenario.end().await;
    });
}

/// Whatever a reference stands for, and whichever key it is the value of: no answer tells.
#[test]
fn report_c8_no_key_shows_what_its_reference_stands_for() {
    let runtime = runtime();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets");
        std::fs::write(
            &secrets,
            "text=hunter2(\nnumber=-31337\nlist=hunter3,hunter3\n",
        )
        .unwrap();
        let setup = json!({"name": "references", "worker_config": {
            "config.providers": "file",
            "config.providers.file.class": "File",
        }});
        let scenario = Scenario::start(&setup).await.unwrap();
        let own = S3SinkConnector
            .config_def()
            .keys()
            .iter()
            .map(|key| key.name.to_string());
        let framework = Validator::framework_keys(ConnectorKind::Sink)
            .into_iter()
            .map(|key| key.name.to_string());
        let more = [
            "transforms.a.type",
            "transforms.a.spec",
            "transforms.a.predicate",
            "value.converter.schemas.enable",
            "consumer.override.max.poll.records",
            "consumer.override.group.id",
            "consumer.override.foo",
            "unknown.key",
        ];
        // Aliases are parts of the names of keys, and names are shown.
        let is_value = |key: &String| !["transforms", "predicates"].contains(&key.as_str());
        let keys = own.chain(framework).chain(more.map(str::to_owned));
        for key in keys.filter(is_value) {
            for name in ["text", "number", "list"] {
                let mut config = lab();
                config["store.url"] = json!("http://127.0.0.1:1");
                config["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
                config["transforms"] = json!("a");
                config["transforms.a.type"] =
                    json!("org.apache.kafka.connect.transforms.Cast$Value");
                config["transforms.a.spec"] = json!("a:int32");
                config[&key] = json!(format!("${{file:{}:{name}}}", secrets.display()));
                let class = "io.confluent.connect.s3.S3SinkConnector";
                for (method, path, body) in [
                    (
                        "PUT",
                        format!("/connector-plugins/{class}/config/validate"),
                        config.clone(),
                    ),
                    (
                        "PUT",
                        "/connectors/s3-sink/config".to_owned(),
                        config.clone(),
                    ),
                ] {
                    let answer = scenario.ask(method, &path, &body).await;
                    for secret in ["hunter", "31337"] {
                        assert!(!answer.contains(secret), "{key} as {name}: {answer}");
                    }
                }
            }
        }
        let answer = scenario
            .ask("GET", "/connectors?expand=status&expand=info", &Json::Null)
            .await;
        assert!(
            !answer.contains("hunter") && !answer.contains("31337"),
            "{answer}"
        );
        scenario.end().await;
    });
}

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What validation finds wrong with a connector of which `changes` are set, a key a line.
async fn errors_of(scenario: &Scenario, changes: &[(&str, &str)]) -> Vec<String> {
    let mut config = json!({
        "name": "x", "connector.class": "FileStreamSink", "topics": "t", "file": "/out"
    });
    for (key, value) in changes {
        match *value {
            "(unset)" => config[*key].take(),
            value => std::mem::replace(&mut config[*key], json!(value)),
        };
    }
    if let Some(fields) = config.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let path = "/connector-plugins/FileStreamSink/config/validate";
    let answer: Json = serde_json::from_str(&scenario.ask("PUT", path, &config).await).unwrap();
    let Some(found) = answer["configs"].as_array() else {
        return vec![answer["message"].to_string()];
    };
    let values = found.iter().map(|one| &one["value"]);
    let errors = values.flat_map(|value| {
        let texts = value["errors"].as_array().into_iter().flatten();
        texts.map(|text| {
            format!(
                "{}: {}",
                value["name"].as_str().unwrap(),
                text.as_str().unwrap()
            )
        })
    });
    errors.collect()
}

fn check_errors(rows: &[(&[(&str, &str)], &[&str])]) {
    runtime().block_on(async {
        let setup = json!({"name": "errors", "worker_config": {}});
        let scenario = Scenario::start(&setup).await.unwrap();
        for (changes, expected) in rows {
            assert_eq!(
                errors_of(&scenario, changes).await,
                *expected,
                "{changes:?}"
            );
        }
        scenario.end().await;
    });
}

/// The answers of Java's worker 4.3.1 to the same requests.
#[test]
fn report_a5_blanks_around_a_class_are_no_part_of_its_name() {
    let with_blank = format!("{JSON_CONVERTER} ");
    let load = format!("Failed to load class {with_blank}: {with_blank}");
    for role in ["key.converter", "value.converter", "header.converter"] {
        let expected = [&*format!("{role}: {load}")];
        check_errors(&[(&[(role, &with_blank)], &expected)]);
        let missing = format!(
            "{role}: Invalid value Nope  for configuration {role}: Class Nope  could not be found."
        );
        check_errors(&[(&[(role, "Nope ")], &[&missing])]);
    }
    check_errors(&[
        (
            &[("tasks.max", " x ")],
            &[
                "tasks.max: Invalid value  x  for configuration tasks.max: Not a number of type INT",
                "tasks.max: Invalid value null for configuration tasks.max: Value must be non-null",
            ],
        ),
        (&[("tasks.max", " 2 "), ("errors.tolerance", " all ")], &[]),
    ]);
}

#[test]
fn report_a6_a_list_of_topics_has_no_gaps_and_no_repeats() {
    let empty: &[&str] = &["topics: Configuration 'topics' values must not be empty."];
    let twice: &[&str] = &["topics: Configuration 'topics' values must not be duplicated."];
    check_errors(&[
        (&[("topics", "t,")], empty),
        (&[("topics", "t,,u")], empty),
        (&[("topics", ",t")], empty),
        (&[("topics", "t,t")], twice),
        (&[("topics", ",")], twice),
        (&[("topics", " t , u ")], &[]),
    ]);
}

#[test]
fn report_b6_a_sink_never_reads_its_own_dead_letters() {
    let dead = "errors.deadletterqueue.topic.name";
    check_errors(&[
        (
            &[("topics", "dlq, u"), (dead, " dlq ")],
            &[
                "topics: The DLQ topic 'dlq' may not be included in the list of topics ('topics=[dlq, u]') consumed by the connector",
            ],
        ),
        (
            &[
                ("topics", "(unset)"),
                ("topics.regex", "dl.*"),
                (dead, "dlq"),
            ],
            &[
                "topics.regex: The DLQ topic 'dlq' may not be matched by the regex for the topics ('topics.regex=dl.*') consumed by the connector",
            ],
        ),
    ]);
}

#[test]
fn report_f7_a_sink_does_not_join_the_group_of_the_workers() {
    let group = "consumer.override.group.id";
    check_errors(&[
        (
            &[(group, "kc")],
            &[
                "consumer.override.group.id: Consumer group kc conflicts with Connect worker group kc",
            ],
        ),
        (&[(group, " kc ")], &[]),
        (&[(group, "kd")], &[]),
    ]);
    runtime().block_on(async {
        let setup = json!({"name": "group", "worker_config": {}});
        let scenario = Scenario::start(&setup).await.unwrap();
        let config = json!({"connector.class": "FileStreamSink", "topics": "t", group: "kc"});
        let create = json!({"name": "s", "config": config.clone()});
        for (method, path, body) in [
            ("PUT", "/connectors/s/config", &config),
            ("POST", "/connectors", &create),
        ] {
            let answer = scenario.ask(method, path, body).await;
            assert!(
                answer.contains("conflicts with Connect worker group kc"),
                "{answer}"
            );
        }
        assert_eq!(scenario.ask("GET", "/connectors", &Json::Null).await, "[]");
        let patch = scenario
            .ask("PATCH", "/connectors/nope/config", &config)
            .await;
        assert!(patch.contains("Connector nope not found"), "{patch}");
        scenario.end().await;
    });
}

//! Brokers that nobody names: the variables of a worker lead to them, or Cloud Map and MSK, played by the stand-in that checks
//! signatures.

use crate::stage::{CERTIFICATES, Ended, Stage, run_with, tls_front};
use millstream_embedded::aws::{ControlPlane, Step};
use millstream_embedded::broker::{BrokerSettings, IamRule, SaslSettings};
use serde_json::json;

const ARN: &str = "arn:aws:kafka:eu-west-1:111122223333:cluster/m/0a1b-7";

async fn plane(brokers: serde_json::Value) -> ControlPlane {
    let any = "127.0.0.1:0".parse().unwrap();
    let plane = ControlPlane::start(any, "AKID", "SECRET").await.unwrap();
    let instance: (&str, &[(&str, &str)]) = ("KafkaBrokerArn1", &[("broker_arn", ARN)]);
    plane.register("FargateWorkshopNamespace", "KafkaSvc", &[instance]);
    plane.set_brokers(ARN, brokers);
    plane
}

/// What a task of the workshop is given, with a key, and where AWS is.
fn names(plane: &ControlPlane) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("AWS_ENDPOINT_URL", plane.endpoint()),
        ("AWS_ACCESS_KEY_ID", text("AKID")),
        ("AWS_SECRET_ACCESS_KEY", text("SECRET")),
        ("REGION", text("eu-west-1")),
        ("MSK_SERVICE", text("KafkaSvc")),
        ("DISCOVERY_TIMEOUT", text("20")),
    ]
}

async fn run(stage: &Stage, variables: &[(&str, String)], line: &str) -> Ended {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
    run_with(stage.folder.path(), &variables, line, &[], "a line\n").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tool_finds_brokers_by_the_names_of_the_workshop() {
    let stage = Stage::new().await;
    let plane = plane(json!({"bootstrapBrokerString": stage.servers})).await;
    let mut variables = names(&plane);
    variables.push(("ALLOW_PLAINTEXT", "true".to_owned()));
    for (line, expected) in [
        ("topics --connect-internal", "kc_config: created, "),
        ("topics --list", "kc_config\nkc_offset\nkc_status\n"),
        ("produce --topic kc_status", ""),
        (
            "consume --topic kc_status --from-beginning --to-end",
            "a line\n",
        ),
        ("groups --list", ""),
    ] {
        let before = plane.calls("GetBootstrapBrokers");
        let ended = run(&stage, &variables, line).await;
        assert_eq!(ended.code, 0, "{line}: {ended:?}");
        assert!(ended.out.starts_with(expected), "{line}: {ended:?}");
        assert!(ended.err.contains("FargateWorkshopNamespace"), "{ended:?}");
        assert_eq!(plane.calls("GetBootstrapBrokers"), before + 1, "{line}");
    }
    assert_eq!(plane.refusals(), []);

    // What is said goes before what could be asked.
    let asked = plane.all_calls().len();
    let flag = format!("topics --list --bootstrap-server {}", stage.servers);
    assert_eq!(run(&stage, &variables, &flag).await.code, 0);
    let file = format!("bootstrap.servers={}\n", stage.servers);
    std::fs::write(stage.folder.path().join("with.properties"), file).unwrap();
    let line = "topics --list --command-config with.properties";
    assert_eq!(run(&stage, &variables, line).await.code, 0);
    variables.push(("CONNECT_BOOTSTRAP_SERVERS", stage.servers.clone()));
    assert_eq!(run(&stage, &variables, "topics --list").await.code, 0);
    assert_eq!(plane.all_calls().len(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_found_says_how_to_sign_in() {
    let rule = IamRule {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "SECRET".to_owned(),
        session_token: None,
        region: "eu-west-1".to_owned(),
    };
    let settings = BrokerSettings {
        sasl: Some(SaslSettings {
            iam: Some(rule),
            ..SaslSettings::default()
        }),
        ..BrokerSettings::default()
    };
    let stage = Stage::of(settings).await;
    let front = tls_front(stage.broker.addresses()[0]).await;
    stage.broker.advertise(1, front.addr());
    stage.broker.create_topic("t", 1).unwrap();
    let found = front.addr().to_string();
    let plane = plane(json!({"bootstrapBrokerStringSaslIam": found})).await;
    let mut variables = names(&plane);
    // Amazon's certificates are signed by an authority that every machine knows; that of the test is not.
    let trust = format!("{CERTIFICATES}/ca.pem");
    variables.push(("CONNECT_SSL_TRUSTSTORE_LOCATION", trust.clone()));
    variables.push(("CONNECT_SSL_TRUSTSTORE_TYPE", "PEM".to_owned()));
    // What it asks in is another region than the cluster's, which the names of these brokers do not tell.
    variables.retain(|(name, _)| *name != "REGION");
    variables.push(("REGION", "us-east-1".to_owned()));
    let ended = run(&stage, &variables, "topics --list").await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "t\n"), "{ended:?}");
    // With a file nothing is taken from a worker's variables, and the listener still says the mechanism.
    let file = format!("ssl.truststore.location={trust}\nssl.truststore.type=PEM\n");
    std::fs::write(stage.folder.path().join("trust.properties"), file).unwrap();
    variables.retain(|(name, _)| !name.starts_with("CONNECT_"));
    let line = "topics --list --command-config trust.properties";
    let ended = run(&stage, &variables, line).await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "t\n"), "{ended:?}");
    assert_eq!(plane.refusals(), []);
    assert_eq!(stage.broker.sign_ins().unwrap().borrow().refused, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_nothing_learns_whose_matter_it_is() {
    let stage = Stage::new().await;
    let plane = plane(json!({"bootstrapBrokerStringTls": "b:9094"})).await;
    let mut variables = names(&plane);
    variables.retain(|(name, _)| *name != "DISCOVERY_TIMEOUT");
    variables.push(("DISCOVERY_TIMEOUT", "1".to_owned()));
    let denied = Step::error(403, "AccessDeniedException", "no");
    plane.script("GetBootstrapBrokers", [denied]);
    let ended = run(&stage, &variables, "topics --list").await;
    assert_eq!(ended.code, 77, "{ended:?}");
    let needed = "needs kafka:GetBootstrapBrokers on the cluster";
    assert!(ended.err.contains(needed), "{ended:?}");
    variables.retain(|(name, _)| *name != "REGION");
    let ended = run(&stage, &variables, "topics --list").await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("REGION is not set"), "{ended:?}");
    let slip = [("MSK_SERVCE", "KafkaSvc".to_owned())];
    let ended = run(&stage, &slip, "groups --list").await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("did you mean MSK_SERVICE?"), "{ended:?}");
}

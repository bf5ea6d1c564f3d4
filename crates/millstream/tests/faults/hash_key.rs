//! `stream` with the key of its hash in Secrets Manager: the digests are those of the key, nobody is shown it, and what is
//! wrong with the secret is told by the variable's name.

use crate::discovery::{any, borrowed};
use crate::stage::{STREAM, Stage, value};
use crate::worker::{Worker, until};
use millstream_core::digest::{Digester, HashFunction, HashSettings};
use millstream_embedded::aws::{ControlPlane, Step};
use serde_json::json;
use std::collections::BTreeMap;

const KEY: &str = "h4sh1ng-k3y";

async fn plane() -> ControlPlane {
    let plane = ControlPlane::start(any(), "AKID", "SECRET").await.unwrap();
    plane.set_secret("hashing", &json!({"key": KEY}).to_string());
    plane
}

fn env(plane: &ControlPlane, secret: &'static str) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", plane.endpoint()),
        ("AWS_ACCESS_KEY_ID", text("AKID")),
        ("AWS_SECRET_ACCESS_KEY", text("SECRET")),
        ("AWS_EC2_METADATA_DISABLED", text("true")),
        ("REGION", text("eu-west-1")),
        ("HASH_ALGORITHM", text("hmac_sha256")),
        ("HASH_KEY_SECRET", text(secret)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_hash_is_read_from_its_secret_and_shown_to_nobody() {
    let (stage, plane) = (Stage::new().await, plane().await);
    stage.produce(2);
    let worker = stage
        .stream_with("worker", &borrowed(&env(&plane, "hashing:key")))
        .await;
    until("a document for each", || async {
        (stage.document_count().await? == 6).then_some(())
    })
    .await;
    let digester = Digester::new(&HashSettings {
        key: KEY.into(),
        ..HashSettings::plain(HashFunction::by_name("hmac_sha256").unwrap())
    });
    let digester = digester.unwrap();
    let digest = |text: String| {
        let (mut digest, mut hex) = (Vec::new(), Vec::new());
        digester.digest(text.as_bytes(), &mut digest);
        digester.encode(&digest, &mut hex);
        (String::from_utf8(hex).unwrap(), 1)
    };
    let values = (0..3).flat_map(|partition| (0..2).map(move |offset| value(partition, offset)));
    let wanted: BTreeMap<String, usize> = values.map(digest).collect();
    let documents = stage.documents().await;
    let mut found = BTreeMap::new();
    for document in &documents {
        let text = document.get_str("value").unwrap().to_owned();
        *found.entry(text).or_default() += 1;
    }
    assert_eq!(found, wanted);
    for path in ["", "/config", "/tasks", "/tasks-config"] {
        let path = format!("/connectors/{STREAM}{path}");
        let (_, answer) = worker.request("GET", &path, None).await;
        assert!(!answer.to_string().contains(KEY), "{path}: {answer}");
    }
    assert!(!worker.log().contains(KEY), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_wrong_is_told_by_the_name_of_its_variable() {
    let (stage, plane) = (Stage::new().await, plane().await);
    let denied = vec![Step::error(
        403,
        "AccessDeniedException",
        "is not authorized",
    )];
    // As often as one call is tried.
    let away = vec![Step::error(500, "InternalServiceError", ""); 5];
    for (secret, steps, parts) in [
        (
            "elsewhere",
            vec![],
            ["no secret elsewhere", "correct the variable"],
        ),
        (
            "hashing:other",
            vec![],
            ["hashing:other", "correct the variable"],
        ),
        (
            "hashing:key",
            denied,
            ["secret hashing:", "secretsmanager:GetSecretValue"],
        ),
        (
            "hashing:key",
            away,
            ["secret hashing:", "InternalServiceError"],
        ),
    ] {
        plane.script("GetSecretValue", steps);
        let mut all = stage.stream_env();
        all.extend(env(&plane, secret));
        let log = stage.path(&format!("{}.log", secret.replace(':', "-")));
        let (code, log) = Worker::run(&["stream"], &borrowed(&all), log).await;
        assert_eq!(code, 1, "{log}");
        let last = log.lines().last().unwrap_or_default();
        for part in ["HASH_KEY_SECRET (--hash-key-secret): ", parts[0], parts[1]] {
            assert!(last.contains(part), "{part} is not in {last}");
        }
        assert!(!log.contains(KEY), "{log}");
    }
}

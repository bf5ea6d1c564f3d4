//! `--command-config` with TLS and every way to sign in, before a broker that checks who does.

use crate::stage::{CERTIFICATES, Ended, Stage, run_with, tls_front};
use millstream_embedded::broker::{BrokerSettings, IamRule, JwtRule, SaslSettings};
use millstream_embedded::tls::TlsFront;
use millstream_embedded::token_endpoint::{TokenEndpoint, TokenRule};
use std::time::Duration;

const PASSWORD: &str = "al1ce-secret";
const CLIENT_SECRET: &str = "cl1ent-secret";

/// A broker behind TLS that takes users, tokens of an issuer, and keys of AWS.
struct Guarded {
    stage: Stage,
    front: TlsFront,
    tokens: TokenEndpoint,
}

impl Guarded {
    async fn new() -> Self {
        let issuer = b"issuer".to_vec();
        let sasl = SaslSettings {
            users: vec![("alice".to_owned(), PASSWORD.to_owned())],
            jwt: Some(JwtRule {
                secret: Some(issuer.clone()),
                audience: Some("kafka".to_owned()),
                scope: Some("kafka".to_owned()),
            }),
            iam: Some(IamRule {
                access_key_id: "AKID".to_owned(),
                secret_access_key: "SECRET".to_owned(),
                session_token: None,
                region: "eu-west-1".to_owned(),
            }),
            session: None,
        };
        let settings = BrokerSettings {
            sasl: Some(sasl),
            ..BrokerSettings::default()
        };
        let stage = Stage::of(settings).await;
        let front = tls_front(stage.broker.addresses()[0]).await;
        stage.broker.advertise(1, front.addr());
        let tokens = TokenRule {
            client_id: "me".to_owned(),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            scopes: vec!["kafka".to_owned()],
            signed_with: Some(issuer),
            lifetime: Duration::from_secs(600),
        };
        let tokens = TokenEndpoint::start(tokens).await.unwrap();
        Guarded {
            stage,
            front,
            tokens,
        }
    }

    /// Runs a line with a file of these settings, on top of TLS.
    async fn run(&self, settings: &[&str], line: &str, input: &str) -> Ended {
        let trust = format!("ssl.truststore.location={CERTIFICATES}/ca.pem");
        let mut file = vec![
            "security.protocol=SASL_SSL",
            "ssl.truststore.type=PEM",
            &trust,
        ];
        file.extend(settings);
        let path = self.stage.folder.path();
        std::fs::write(path.join("secure.properties"), file.join("\n")).unwrap();
        let flags = format!("--bootstrap-server {} --command-config", self.front.addr());
        let line = format!("{line} {flags} secure.properties");
        let aws = [
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "SECRET"),
            ("AWS_REGION", "eu-west-1"),
        ];
        let ended = run_with(path, &aws, &line, &[], input).await;
        for secret in [PASSWORD, CLIENT_SECRET] {
            assert!(!ended.err.contains(secret), "{line} tells {secret}");
        }
        ended
    }
}

fn jaas(of: &str) -> String {
    format!("sasl.jaas.config=org.apache.kafka.common.security.{of}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tool_signs_in_by_every_mechanism() {
    let guarded = Guarded::new().await;
    let user = format!("required \\\n  username=\"alice\" password=\"{PASSWORD}\";");
    let plain = jaas(&format!("plain.PlainLoginModule {user}"));
    let scram = jaas(&format!("scram.ScramLoginModule {user}"));
    let token = jaas(&format!(
        "oauthbearer.OAuthBearerLoginModule required clientId=me clientSecret={CLIENT_SECRET} scope=kafka;"
    ));
    let url = format!(
        "sasl.oauthbearer.token.endpoint.url={}",
        guarded.tokens.url()
    );
    let iam = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
    let iam = format!("sasl.client.callback.handler.class={iam}");
    let iam_jaas = "sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;";
    let ways: [&[&str]; 4] = [
        &["sasl.mechanism=PLAIN", &plain],
        &["sasl.mechanism=SCRAM-SHA-256", &scram],
        &["sasl.mechanism=OAUTHBEARER", &token, &url],
        &["sasl.mechanism=AWS_MSK_IAM", iam_jaas, &iam],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let topic = format!("t{number}");
        for (line, expected) in [
            (
                format!("topics --create --topic {topic}"),
                format!("Created topic {topic}.\n"),
            ),
            (format!("produce --topic {topic}"), String::new()),
            (
                format!(
                    "consume --topic {topic} --group g{number} --from-beginning --max-messages 1"
                ),
                "a line\n".to_owned(),
            ),
            (
                format!("groups --reset-offsets --group g{number} --topic {topic} --to-earliest"),
                format!("g{number}"),
            ),
        ] {
            let ended = guarded.run(way, &line, "a line\n").await;
            assert_eq!(ended.code, 0, "{way:?} {line}: {ended:?}");
            assert!(ended.out.contains(&expected), "{way:?} {line}: {ended:?}");
        }
    }
    assert_eq!(guarded.stage.broker.sign_ins().unwrap().borrow().refused, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_about_signing_in_is_told() {
    let guarded = Guarded::new().await;
    let user = |name: &str, password: &str| {
        jaas(&format!(
            "scram.ScramLoginModule required username=\"{name}\" password=\"{password}\";"
        ))
    };
    let (right, wrong) = (user("alice", PASSWORD), user("alice", "n0-password"));
    let scram = "sasl.mechanism=SCRAM-SHA-256";
    for (settings, code, told) in [
        (vec![scram, &wrong], 1, "authentication failed at 127.0.0.1"),
        (vec![&*right, "sasl.mechanism=SCRAM"], 2, "sasl.mechanism"),
        (vec![scram], 2, "sasl.jaas.config"),
        (
            vec![scram, &right, "ssl.truststore.location=/nowhere/ca.pem"],
            2,
            "/nowhere/ca.pem",
        ),
        (
            vec![scram, &right, "security.protocol=SASL_PLAINTEXT"],
            1,
            "127.0.0.1",
        ),
        (
            vec![scram, &right, "sasl.mechansim=PLAIN"],
            0,
            "sasl.mechansim",
        ),
    ] {
        let ended = guarded.run(&settings, "topics --list", "").await;
        assert_eq!(ended.code, code, "{settings:?}: {ended:?}");
        assert!(ended.err.contains(told), "{settings:?}: {ended:?}");
        assert!(!ended.err.contains("n0-password"), "{ended:?}");
    }
    let flags = format!("topics --list --bootstrap-server {}", guarded.front.addr());
    for (line, told) in [
        (
            format!("{flags} --command-config nowhere.properties"),
            "nowhere.properties",
        ),
        (
            format!("{flags} --command-property security.protocol"),
            "key=value",
        ),
    ] {
        let ended = run_with(guarded.stage.folder.path(), &[], &line, &[], "").await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains(told), "{ended:?}");
    }
}

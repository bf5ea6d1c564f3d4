//! What the settings mean, and whom a broker lets in that checks signatures.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::security::Credentials as SignIn;
use crate::{Admin, ClientSettings};
use millstream_core::Properties;
use millstream_embedded::aws::ControlPlane;
use millstream_embedded::broker::{Broker, BrokerSettings, IamRule, SaslSettings};
use std::time::Duration;

fn jaas(text: &str) -> Jaas {
    Jaas::parse(text).unwrap()
}

fn errors(text: &str, is_private: bool, form: Form) -> String {
    let environment = Environment::default();
    let found = source(Some(&jaas(text)), is_private, form, environment);
    found.err().unwrap_or_default().join("\n")
}

#[test]
fn options_mean_what_they_mean_to_javas_library() {
    let text = format!(
        r#"{MODULE} required awsProfileName="p" awsRoleArn="arn:aws:iam::1:role/r" awsRoleSessionName="s" awsStsRegion="eu-west-1" awsRoleExternalId="x" awsDebugCreds=true awsMaxRetries="3";"#
    );
    let mut wrong = Vec::new();
    let read = settings(Some(&jaas(&text)), &mut wrong);
    assert_eq!(wrong, [""; 0]);
    assert_eq!(read.profile.as_deref(), Some("p"));
    let role = read.role.unwrap();
    assert_eq!(role.session_name, "s");
    assert_eq!(role.external_id.as_deref(), Some("x"));
    assert_eq!(role.sts_region.as_deref(), Some("eu-west-1"));
    let text = format!("{MODULE} required awsRoleArn=r;");
    let role = settings(Some(&jaas(&text)), &mut wrong).role.unwrap();
    assert_eq!(role.session_name, "aws-msk-iam-auth");
    assert_eq!(settings(None, &mut wrong), CredentialsSettings::default());
}

#[test]
fn every_mistake_is_named_at_once() {
    let good = format!("{MODULE} required;");
    assert_eq!(errors(&good, true, Form::Document), "");
    let clear = errors(&good, false, Form::Document);
    assert!(clear.contains("security.protocol=SASL_SSL"), "{clear}");
    let other = errors(
        "x.PlainLoginModule required username=a;",
        true,
        Form::Document,
    );
    for word in [MODULE, "x.PlainLoginModule", "unknown option username"] {
        assert!(other.contains(word), "{other}");
    }
    let bearer = errors(&good, true, Form::Token);
    assert!(bearer.contains(BEARER_MODULE), "{bearer}");
    for (options, words) in [
        ("awsProfile=p", "unknown option awsProfile"),
        ("awsDebugCreds=yes", "true or false"),
        ("awsMaxRetries=x", "whole number"),
        ("awsRoleArn=r awsRoleAccessKeyId=a", "need each other"),
        (
            "awsRoleAccessKeyId=a awsRoleSecretAccessKey=hidden-one",
            "awsRoleArn",
        ),
    ] {
        let found = errors(
            &format!("{MODULE} required {options};"),
            true,
            Form::Document,
        );
        assert!(found.contains(words), "{found}");
        assert!(!found.contains("hidden-one"), "{found}");
    }
}

struct Bench(Broker);

impl Bench {
    async fn new() -> Self {
        let rule = IamRule {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: Some(long_token()),
            region: "eu-west-1".to_owned(),
        };
        let sasl = SaslSettings {
            iam: Some(rule),
            session: Some(Duration::from_secs(600)),
            ..SaslSettings::default()
        };
        let settings = BrokerSettings {
            sasl: Some(sasl),
            ..BrokerSettings::default()
        };
        Bench(Broker::start(settings).await.unwrap())
    }

    /// What becomes of listing topics with this form and these variables.
    async fn outcome(&self, form: Form, environment: &[(&str, &str)]) -> Result<(), String> {
        let (mechanism, handler, module) = match form {
            Form::Document => ("AWS_MSK_IAM", "sasl.client.callback.handler.class", MODULE),
            Form::Token => (
                "OAUTHBEARER",
                "sasl.login.callback.handler.class",
                BEARER_MODULE,
            ),
        };
        let class = if form == Form::Document {
            CLIENT_HANDLER
        } else {
            LOGIN_HANDLER
        };
        let line = format!("{module} required awsDebugCreds=true;");
        let properties = Properties::from_iter([
            ("bootstrap.servers", self.0.bootstrap().as_str()),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", &line),
            (handler, class),
        ]);
        let mut settings =
            ClientSettings::from_properties(&properties).map_err(|e| e.to_string())?;
        let variables = environment.iter();
        let variables = variables.map(|(k, v)| ((*k).to_owned(), v.replace(LONG, &long_token())));
        let source = source(Some(&jaas(&line)), true, form, variables.collect()).unwrap();
        // As the settings have it, but with the test's environment.
        settings.security.sasl = settings.security.sasl.map(|made| match made {
            SignIn::Iam(_) => SignIn::Iam(source),
            SignIn::Token(_) => SignIn::Token(source),
            SignIn::Plain(_) | SignIn::Scram(..) => unreachable!("not asked for"),
        });
        let listed = Admin::new(settings).list_topics().await;
        listed.map(|_| ()).map_err(|error| error.to_string())
    }
}

const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_SESSION_TOKEN", LONG),
    ("AWS_REGION", "eu-west-1"),
];

/// Stands for a token as long as those of roles: what it makes has several thousand characters.
const LONG: &str = "LONG";

fn long_token() -> String {
    "tok/en+1==".repeat(300)
}

#[tokio::test]
async fn a_broker_lets_in_whom_it_knows() {
    let bench = Bench::new().await;
    for form in [Form::Token, Form::Document] {
        assert_eq!(bench.outcome(form, &KEYS).await, Ok(()), "{form:?}");
        for (place, value) in [(0, "AKIDOTHER"), (1, "other"), (2, ""), (3, "us-east-1")] {
            let mut keys = KEYS;
            keys[place].1 = value;
            let error = bench.outcome(form, &keys).await.unwrap_err();
            assert!(error.contains("the broker rejected the token"), "{error}");
            assert!(error.contains("kafka-cluster:Connect"), "{error}");
        }
        let error = bench.outcome(form, &KEYS[..3]).await.unwrap_err();
        assert!(error.contains("set AWS_REGION"), "{error}");
    }
    let signed_in = bench.0.sign_ins().unwrap().borrow().new;
    assert_eq!(signed_in, 2);
}

/// As many tasks as a large worker has, each with a client of its own, started together.
#[tokio::test]
async fn two_hundred_clients_ask_for_credentials_once() {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let plane = ControlPlane::start(any, "", "").await.unwrap();
    let document = serde_json::json!({
        "AccessKeyId": "AKIDEXAMPLE",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2999-01-01T00:00:00Z",
    });
    plane.set_document("/credentials", document, None);
    let url = format!("{}/credentials", plane.endpoint());
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
        ("AWS_REGION", "eu-west-1"),
    ];
    let of_client = |n: usize| {
        let line = jaas(&format!("{MODULE} required;"));
        let form = [Form::Document, Form::Token][n % 2];
        let variables = environment.iter();
        let variables = variables.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let line = (form == Form::Document).then_some(&line);
        source(line, true, form, variables.collect()).unwrap()
    };
    let clients: Vec<_> = (0..200).map(of_client).collect();
    let asked = clients.iter().map(|client| client.token("10.0.0.1"));
    for token in futures::future::join_all(asked).await {
        token.unwrap();
    }
    assert_eq!(plane.calls("/credentials"), 1);
}

#[tokio::test]
async fn the_region_comes_from_the_brokers_name_first() {
    let environment: Environment = KEYS
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into_iter()
        .collect();
    let line = jaas(&format!("{BEARER_MODULE} required;"));
    let source = source(Some(&line), true, Form::Token, environment.clone()).unwrap();
    let region_of = |token: Token| {
        use base64::Engine;
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(token.value)
            .unwrap();
        let url = String::from_utf8(url).unwrap();
        url.split('.').nth(1).unwrap().to_owned()
    };
    let name = "b-1.demo.abc123.c2.kafka.ap-south-1.amazonaws.com";
    let elsewhere = "10.0.0.1";
    let token = source.token(name).await.unwrap();
    assert!(token.expires_at.unwrap() > crate::clock::now_ms() + 800_000);
    assert_eq!(region_of(token), "ap-south-1");
    assert_eq!(
        region_of(source.token(elsewhere).await.unwrap()),
        "eu-west-1"
    );
    // What is set for the cluster goes before what is set for the process.
    let line = jaas(&format!("{BEARER_MODULE} required awsRegion=sa-east-1;"));
    let source = super::source(Some(&line), true, Form::Token, environment).unwrap();
    for (broker, region) in [(name, "ap-south-1"), (elsewhere, "sa-east-1")] {
        assert_eq!(region_of(source.token(broker).await.unwrap()), region);
    }
}

//! AWS that fails while a process looks for its brokers or its database, at the start and later. What a person sees is the last
//! line of the log, or the warning of a process that goes on.

use crate::case::{Case, Shows, heal, play_all, see_one};
use crate::discovery::{ARN, SECRET, any, borrowed, names, worker_env};
use crate::stage::{ARCHIVE, Stage, TOPIC};
use crate::worker::{Worker, until};
use Shows::{AsksAndEnds, Degraded, Ends, Failed, Nothing, StartsLate};
use futures::future::BoxFuture;
use millstream_embedded::aws::{ControlPlane, Key, Step};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// More than a process asks while a test runs.
const ALWAYS: usize = 1_000;

const FIND: &str = "DiscoverInstances";
const BROKERS: &str = "GetBootstrapBrokers";
const LOGIN: &str = "GetSecretValue";

/// A process that is told names alone, and AWS as it fails.
struct Start {
    plane: ControlPlane,
    env: Vec<(&'static str, String)>,
    command: &'static str,
    folder: TempDir,
}

impl Start {
    async fn new(command: &'static str) -> Start {
        let plane = ControlPlane::start(any(), "AKID", "SECRET").await.unwrap();
        let cluster: (&str, &[(&str, &str)]) = ("KafkaBrokerArn1", &[("broker_arn", ARN)]);
        plane.register("ns", "KafkaSvc", &[cluster]);
        let nobody = json!({"bootstrapBrokerString": "127.0.0.1:1"});
        plane.set_brokers(ARN, nobody);
        let store = [("endpoint", "127.0.0.1:1"), ("secret_arn", SECRET)];
        plane.register("ns", "DbSvc", &[("dbEndpoint1", &store)]);
        let secret = json!({"username": "hasher", "password": "hush"}).to_string();
        plane.set_secret(SECRET, &secret);
        let mut env = match command {
            "worker" => worker_env(&plane),
            _ => names(&plane),
        };
        let more = [
            ("CONNECT_REST_ADVERTISED_HOST_NAME", "localhost"),
            ("LISTENERS", "http://127.0.0.1:0"),
            ("TOPIC_NAME", TOPIC),
            ("DDB_SERVICE", "DbSvc"),
            ("LOG_FORMAT", "json"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        env.extend(more.map(|(name, value)| (name, value.to_owned())));
        let mut start = Start {
            plane,
            env,
            command,
            folder: tempfile::tempdir().unwrap(),
        };
        let home = start.folder.path().display().to_string();
        start.set("HOME", &home);
        // Long enough for a second question.
        start.set("DISCOVERY_TIMEOUT", "4");
        start
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_owned()));
    }

    fn fails(&self, operation: &str, step: Step) {
        self.plane.script(operation, vec![step; ALWAYS]);
    }

    /// What the process ends with, and its last words.
    async fn ends(&self, shows: Shows) -> String {
        let (AsksAndEnds(wanted) | Ends(wanted)) = shows else {
            panic!("{shows:?} is no end");
        };
        let file = self.folder.path().join("log");
        let (code, log) = Worker::run(&[self.command], &borrowed(&self.env), file).await;
        assert_eq!(code, wanted, "{log}");
        assert!(!log.contains("hush") && !log.contains("SECRET"), "{log}");
        let calls = self.plane.all_calls();
        let last = calls.last().cloned().unwrap_or_default();
        // The stream looks for brokers and for its database.
        let once = 1 + usize::from(self.command == "stream" && last == FIND);
        let is_again = self.plane.calls(&last) > once;
        // Nobody hears of questions that come to no service.
        if !last.is_empty() {
            assert_eq!(is_again, matches!(shows, AsksAndEnds(_)), "{calls:?}");
        }
        let last = lines(&log, "ERROR").pop();
        self.plain(last.as_ref().and_then(|line| line["message"].as_str()))
    }

    /// What it warns of before it has found everything.
    async fn finds(&self) -> String {
        let file = self.folder.path().join("log");
        // It goes on to brokers that nobody is behind, where it may stay.
        let worker = Worker::launched(&[self.command], &borrowed(&self.env), file);
        let log = until("the brokers", || {
            let log = worker.log();
            let is_found = log.contains("brokers: 127.0.0.1:1");
            async move { is_found.then_some(log) }
        })
        .await;
        let warnings = lines(&log, "WARN").into_iter();
        let mut of_aws = warnings.filter_map(|line| {
            let message = line["message"].as_str().unwrap_or_default().to_owned();
            let error = line["error"].as_str().unwrap_or_default().to_owned();
            let is_early = message == "discovery has no answer yet";
            let is_clock = message.contains("clock");
            (is_early || is_clock).then_some(if is_early { error } else { message })
        });
        self.plain(of_aws.next().as_deref())
    }

    fn plain(&self, text: Option<&str>) -> String {
        let home = self.folder.path().display().to_string();
        let text = text.unwrap_or_default().lines().next().unwrap_or_default();
        text.replace(&self.plane.endpoint(), "https://AWS")
            .replace(&home, "~")
            .replace(ARN, "ARN")
            .replace(SECRET, "SECRET_ARN")
    }
}

/// The lines of a log with this level.
fn lines(log: &str, level: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["level"] == level)
        .collect()
}

fn page(status: u16) -> Step {
    Step::Answer {
        status,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>Welcome</html>".to_owned(),
    }
}

fn throttled() -> Step {
    Step::error(429, "RequestLimitExceeded", "Rate exceeded")
}

fn broken() -> Step {
    Step::error(500, "InternalFailure", "")
}

fn denied() -> Step {
    let who = "User: arn:aws:sts::111122223333:assumed-role/r/t is not authorized";
    Step::error(403, "AccessDeniedException", who)
}

/// A worker that does not come to start.
fn ends(
    place: &str,
    fault: &str,
    shows: Shows,
    change: impl FnOnce(&mut Start) + Send + 'static,
) -> Case {
    of_command("worker", place, fault, shows, change)
}

fn of_command(
    command: &'static str,
    place: &str,
    fault: &str,
    shows: Shows,
    change: impl FnOnce(&mut Start) + Send + 'static,
) -> Case {
    let play: BoxFuture<'static, String> = Box::pin(async move {
        let mut start = Start::new(command).await;
        change(&mut start);
        match shows {
            StartsLate => start.finds().await,
            _ => start.ends(shows).await,
        }
    });
    Case {
        place: place.to_owned(),
        fault: fault.to_owned(),
        shows,
        play,
    }
}

/// A worker that runs, and asks now and then. Nothing happens to its work.
async fn while_it_runs(step: Step) -> String {
    let stage = Stage::new().await;
    let mut start = Start::new("worker").await;
    let brokers = stage.broker_wire.address().to_string();
    let answer = json!({"bootstrapBrokerString": brokers});
    start.plane.set_brokers(ARN, answer);
    start.set("DISCOVERY_INTERVAL", "1");
    let file = start.folder.path().join("log");
    let worker = Worker::start(&["worker"], &borrowed(&start.env), file).await;
    stage.post_archive(&worker, &[]).await;
    start.fails("DiscoverInstancesRevision", step.clone());
    start.fails(FIND, step);
    let told = until("a warning", || {
        let warnings = lines(&worker.log(), "WARN").into_iter();
        let mut told = warnings.filter(|line| {
            let message = line["message"].as_str();
            message.is_some_and(|message| message.contains("what was known goes on to count"))
        });
        let told = told.next();
        async move { told }
    })
    .await;
    stage.produce(3);
    stage.archived().await;
    start.plain(told["error"].as_str())
}

fn runs(fault: &str, step: Step) -> Case {
    Case {
        place: "DiscoverInstancesRevision".to_owned(),
        fault: format!("{fault}, while a process runs"),
        shows: Nothing,
        play: Box::pin(while_it_runs(step)),
    }
}

/// A worker whose connectors have references, and a connector with two to one secret and two to parameters.
async fn with_references(stage: &Stage, start: &mut Start) -> Worker {
    let brokers = stage.broker_wire.address().to_string();
    let answer = json!({"bootstrapBrokerString": brokers});
    start.plane.set_brokers(ARN, answer);
    let keys = json!({"id": "key", "secret": "secret"}).to_string();
    start.plane.set_secret("archive/keys", &keys);
    start.plane.set_parameter("/archive/retries", "1");
    start.plane.set_parameter("/archive/pause", "200");
    start.set("CONNECT_CONFIG_PROVIDERS", "ssm,aws-secrets");
    start.set(
        "CONNECT_CONFIG_PROVIDERS_AWS___SECRETS_CLASS",
        "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
    );
    let file = start.folder.path().join("log");
    let worker = Worker::start(&["worker"], &borrowed(&start.env), file).await;
    let references = [
        ("aws.access.key.id", "${aws-secrets:archive/keys:id}"),
        (
            "aws.secret.access.key",
            "${aws-secrets:archive/keys:secret}",
        ),
        ("s3.part.retries", "${ssm:/archive/retries}"),
        ("retry.backoff.ms", "${ssm:/archive/pause}"),
    ];
    stage.post_archive(&worker, &references).await;
    worker
}

/// What a task shows whose start meets this fault, so many times in a row.
fn starts_a_task(fault: &str, shows: Shows, step: Step, times: usize) -> Case {
    let play: BoxFuture<'static, String> = Box::pin(async move {
        let stage = Stage::new().await;
        let mut start = Start::new("worker").await;
        // Of the validation and the connector's own start.
        start.plane.script(LOGIN, [Step::Usual, Step::Usual]);
        start.plane.script(LOGIN, vec![step; times]);
        let worker = with_references(&stage, &mut start).await;
        // A lookup that takes long on a busy machine is told as such first.
        let fits = |reason: &str| reason.contains(LOGIN);
        let seen = see_one(&stage, &worker, ARCHIVE, shows, fits).await;
        heal(&worker, ARCHIVE, shows).await;
        stage.produce(3);
        stage.archived().await;
        assert_eq!(start.plane.refusals(), []);
        start.plain(Some(&seen))
    });
    Case {
        place: LOGIN.to_owned(),
        fault: format!("{fault}, while a task starts"),
        shows,
        play,
    }
}

/// Whatever several references mean is asked for once at each of three places: validation, the connector's start, the task's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_asks_once_at_a_time_for_what_its_references_share() {
    let stage = Stage::new().await;
    let mut start = Start::new("worker").await;
    let _worker = with_references(&stage, &mut start).await;
    stage.produce(3);
    stage.archived().await;
    assert_eq!(start.plane.calls(LOGIN), 3);
    assert_eq!(start.plane.calls("GetParameter"), 2 * 3);
}

/// An identity that the container hands out.
fn handed_out(start: &mut Start, id: &str) -> Value {
    start
        .env
        .retain(|(name, _)| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"));
    let url = format!("{}/credentials", start.plane.endpoint());
    start.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
    json!({
        "AccessKeyId": id,
        "SecretAccessKey": "key",
        "Token": "token",
        "Expiration": "2999-01-01T00:00:00Z",
    })
}

fn key(id: &str, is_expired: bool) -> Key {
    Key {
        id: id.to_owned(),
        secret: "key".to_owned(),
        session_token: Some("token".to_owned()),
        is_expired,
    }
}

fn answers_that_fail() -> Vec<Case> {
    vec![
        ends(FIND, "429 RequestLimitExceeded", AsksAndEnds(69), |start| {
            start.fails(FIND, throttled());
        }),
        ends(FIND, "429 for a while", StartsLate, |start| {
            start.set("DISCOVERY_TIMEOUT", "120");
            start.plane.script(FIND, [throttled(), throttled()]);
        }),
        ends(FIND, "500 InternalFailure", AsksAndEnds(69), |start| {
            start.fails(FIND, broken());
        }),
        ends(
            FIND,
            "500 for longer than one call tries",
            StartsLate,
            |start| {
                start.set("DISCOVERY_TIMEOUT", "120");
                start.plane.script(FIND, vec![broken(); 6]);
            },
        ),
        ends(FIND, "503 with a web page", AsksAndEnds(69), |start| {
            start.fails(FIND, page(503));
        }),
        ends(FIND, "200 with a web page", AsksAndEnds(69), |start| {
            start.fails(FIND, page(200));
        }),
        ends(FIND, "no answer", AsksAndEnds(69), |start| {
            start.set("DISCOVERY_TIMEOUT", "5");
            start.fails(FIND, Step::Silence);
        }),
        ends(FIND, "answers after 4 s", StartsLate, |start| {
            start.set("DISCOVERY_TIMEOUT", "120");
            start
                .plane
                .script(FIND, [Step::Late(Duration::from_secs(4))]);
        }),
        ends(FIND, "nobody is at the address", AsksAndEnds(69), |start| {
            start.set("AWS_ENDPOINT_URL_SERVICEDISCOVERY", "http://127.0.0.1:1");
        }),
        ends(
            FIND,
            "NamespaceNotFound, as in a wrong region",
            AsksAndEnds(78),
            |start| {
                start.set("NAMESPACE", "other");
            },
        ),
        ends(FIND, "ServiceNotFound", AsksAndEnds(78), |start| {
            start.set("MSK_SERVICE", "OtherSvc");
        }),
        ends(
            FIND,
            "403 AccessDeniedException",
            AsksAndEnds(77),
            |start| {
                start.fails(FIND, denied());
            },
        ),
        ends(
            BROKERS,
            "403 AccessDeniedException",
            AsksAndEnds(77),
            |start| {
                start.fails(BROKERS, denied());
            },
        ),
        ends(BROKERS, "409 ConflictException", AsksAndEnds(69), |start| {
            let why = "The cluster is being updated.";
            start.fails(BROKERS, Step::error(409, "ConflictException", why));
        }),
        ends(BROKERS, "404 NotFoundException", AsksAndEnds(78), |start| {
            let why = "The requested resource doesn't exist.";
            start.fails(BROKERS, Step::error(404, "NotFoundException", why));
        }),
        of_command(
            "stream",
            LOGIN,
            "400 AccessDeniedException",
            AsksAndEnds(77),
            |start| {
                let why = "not authorized to perform: secretsmanager:GetSecretValue";
                start.fails(LOGIN, Step::error(400, "AccessDeniedException", why));
            },
        ),
        of_command(
            "stream",
            LOGIN,
            "400 ResourceNotFoundException",
            AsksAndEnds(78),
            |start| {
                let why = "Secrets Manager can't find the specified secret.";
                start.fails(LOGIN, Step::error(400, "ResourceNotFoundException", why));
            },
        ),
        of_command(
            "stream",
            LOGIN,
            "a secret without a user",
            Ends(78),
            |start| {
                start.plane.set_secret(SECRET, r#"{"password":"hush"}"#);
            },
        ),
    ]
}

fn answers_that_do_not_fit() -> Vec<Case> {
    vec![
        ends(FIND, "nothing is registered", AsksAndEnds(78), |start| {
            start.plane.register("ns", "KafkaSvc", &[]);
        }),
        ends(FIND, "no instance has the attribute", Ends(78), |start| {
            let other: (&str, &[(&str, &str)]) = ("a", &[("arn", ARN), ("password", "hush")]);
            start.plane.register("ns", "KafkaSvc", &[other]);
        }),
        of_command(
            "stream",
            FIND,
            "there are read endpoints alone",
            Ends(78),
            |start| {
                let reader: (&str, &[(&str, &str)]) = ("dbReadEndpoint1", &[("endpoint", "a:1")]);
                start.plane.register("ns", "DbSvc", &[reader]);
            },
        ),
        ends(BROKERS, "no listener yet", AsksAndEnds(69), |start| {
            start.plane.set_brokers(ARN, json!({}));
        }),
        ends(
            BROKERS,
            "the cluster lacks the listener",
            Ends(78),
            |start| {
                start.set("CONNECT_SECURITY_PROTOCOL", "SSL");
            },
        ),
    ]
}

fn identities() -> Vec<Case> {
    vec![
        ends("credentials", "there are none", Ends(77), |start| {
            start
                .env
                .retain(|(name, _)| !name.starts_with("AWS_ACCESS"));
        }),
        ends(
            "credentials",
            "the container's service answers 500",
            AsksAndEnds(69),
            |start| {
                handed_out(start, "A");
                start.fails("/credentials", Step::error(500, "InternalServerError", ""));
            },
        ),
        ends("credentials", "have expired", AsksAndEnds(77), |start| {
            let document = handed_out(start, "A");
            start.plane.set_document("/credentials", document, None);
            start.plane.set_keys(vec![key("A", true)]);
        }),
        ends(
            "credentials",
            "have expired, and there are newer ones",
            StartsLate,
            |start| {
                let body = handed_out(start, "A").to_string();
                let newer = handed_out(start, "B");
                start.plane.set_document("/credentials", newer, None);
                let headers = Vec::new();
                let old = Step::Answer {
                    status: 200,
                    headers,
                    body,
                };
                start.plane.script("/credentials", [old]);
                start.plane.set_keys(vec![key("A", true), key("B", false)]);
            },
        ),
        ends(
            "the clock",
            "is an hour behind AWS's",
            StartsLate,
            |start| {
                start.plane.set_clock(3_600);
            },
        ),
        ends("the secret key", "is another", AsksAndEnds(77), |start| {
            start.set("AWS_SECRET_ACCESS_KEY", "another");
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_faults() {
    let mut cases = answers_that_fail();
    cases.extend(answers_that_do_not_fit());
    cases.extend(identities());
    cases.push(runs("403 AccessDeniedException", denied()));
    cases.push(runs("500 InternalFailure", broken()));
    // Each lookup is five attempts.
    cases.push(starts_a_task("500 InternalFailure", Degraded, broken(), 20));
    cases.push(starts_a_task(
        "403 AccessDeniedException",
        Failed,
        denied(),
        1,
    ));
    let rows = play_all(cases, 8).await;
    crate::table::check("Finding brokers and database in AWS", &rows);
}

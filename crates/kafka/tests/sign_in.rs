//! Sessions that end (KIP-368), over a broker that checks who signs in: whoever reads, writes, asks or belongs to a group goes on
//! over many renewals on the same connections, and nothing is lost, doubled or out of order.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use millstream_core::{ByteBudget, Consumer, Fetched, Payload, Properties, TopicPartition};
use millstream_embedded::broker::{Broker, BrokerSettings, JwtRule, SaslSettings, SignIns};
use millstream_embedded::token_endpoint::{TokenEndpoint, TokenRule};
use millstream_kafka::group::{Group, GroupEvent, GroupSettings};
use millstream_kafka::{
    Admin, ClientSettings, ConsumerSettings, KafkaConsumer, KafkaError, KafkaProducer,
    ProducerRecord, ProducerSettings, Subscription,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);
/// Short, and yet long enough that a busy machine renews it before its end.
const SESSION: Duration = Duration::from_secs(3);
const SECRET: &str = "client-secret";

struct Bench {
    broker: Broker,
    settings: Vec<(String, String)>,
}

impl Bench {
    async fn new(sasl: SaslSettings, settings: &[(&str, &str)]) -> Self {
        let broker = BrokerSettings {
            sasl: Some(sasl),
            ..BrokerSettings::default()
        };
        let broker = Broker::start(broker).await.unwrap();
        broker.create_topic("t", 1).unwrap();
        let settings = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Bench {
            settings: settings.collect(),
            broker,
        }
    }

    /// Users with passwords; alice signs in by this mechanism.
    async fn of_users(mechanism: &str) -> Self {
        let sasl = SaslSettings {
            users: vec![("alice".to_owned(), "secret".to_owned())],
            session: Some(SESSION),
            ..SaslSettings::default()
        };
        let jaas = "x.LoginModule required username=alice password=secret;";
        let settings = [("sasl.mechanism", mechanism), ("sasl.jaas.config", jaas)];
        Bench::new(sasl, &settings).await
    }

    /// Tokens of an endpoint that live so long.
    async fn of_tokens(lifetime: Duration, session: Duration) -> (Self, TokenEndpoint) {
        let rule = TokenRule {
            client_id: "me".to_owned(),
            client_secret: Some(SECRET.to_owned()),
            scopes: vec!["kafka".to_owned()],
            signed_with: Some(b"issuer".to_vec()),
            lifetime,
        };
        let endpoint = TokenEndpoint::start(rule).await.unwrap();
        let sasl = SaslSettings {
            jwt: Some(JwtRule {
                secret: Some(b"issuer".to_vec()),
                audience: Some("kafka".to_owned()),
                scope: Some("kafka".to_owned()),
            }),
            session: Some(session),
            ..SaslSettings::default()
        };
        let jaas = format!(
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=me clientSecret={SECRET} scope=kafka;"
        );
        let settings = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", jaas.as_str()),
            ("sasl.oauthbearer.token.endpoint.url", &endpoint.url()),
            ("sasl.login.retry.backoff.max.ms", "50"),
        ];
        (Bench::new(sasl, &settings).await, endpoint)
    }

    fn properties(&self) -> Properties {
        let bootstrap = self.broker.bootstrap();
        let base = [
            ("bootstrap.servers", bootstrap.as_str()),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("group.id", "g"),
            ("auto.offset.reset", "earliest"),
            ("heartbeat.interval.ms", "100"),
            ("metadata.max.age.ms", "200"),
            ("retry.backoff.ms", "20"),
            ("fetch.max.wait.ms", "50"),
            ("linger.ms", "0"),
            ("default.api.timeout.ms", "5000"),
        ];
        let own = self.settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        Properties::from_iter(base.into_iter().chain(own))
    }

    fn admin(&self) -> Admin {
        Admin::new(ClientSettings::from_properties(&self.properties()).unwrap())
    }

    fn producer(&self) -> KafkaProducer {
        KafkaProducer::start(ProducerSettings::from_properties(&self.properties()).unwrap())
    }

    fn consumer(&self) -> KafkaConsumer {
        let settings = ConsumerSettings::from_properties(&self.properties()).unwrap();
        let topics = Subscription::Topics(vec!["t".to_owned()]);
        KafkaConsumer::start(settings, topics, ByteBudget::new(64 << 20)).unwrap()
    }

    fn sign_ins(&self) -> watch::Receiver<SignIns> {
        self.broker.sign_ins().unwrap()
    }

    async fn refusal(&self) -> KafkaError {
        self.admin().list_topics().await.unwrap_err()
    }
}

async fn write(producer: &KafkaProducer, number: u32) {
    let record = ProducerRecord {
        topic: Arc::from("t"),
        partition: Some(0),
        value: Some(Bytes::from(number.to_string())),
        ..ProducerRecord::default()
    };
    producer.send(vec![record]).await.unwrap().await.unwrap();
}

/// Reads numbers from 0 on until this one; each has to come once and in order, and nothing of the group may be lost.
async fn read_to(consumer: &mut KafkaConsumer, next: &mut u32, last: u32) {
    while *next <= last {
        match tokio::time::timeout(PATIENCE, consumer.next())
            .await
            .unwrap()
        {
            Fetched::Batch(batch) => {
                let Payload::Raw { column, .. } = &batch.values else {
                    unreachable!("a consumer decodes nothing");
                };
                for value in column.iter() {
                    let text = std::str::from_utf8(value.unwrap()).unwrap();
                    assert_eq!(text, next.to_string());
                    *next += 1;
                }
                let at = (TopicPartition::new("t", 0), i64::from(*next), String::new());
                consumer.commit(&[at]).await.unwrap();
            }
            Fetched::Failed(error) => panic!("the consumer failed: {error}"),
            Fetched::Lost(partitions) => panic!("lost {partitions:?}"),
            Fetched::Degraded(degraded) => panic!("an outage: {}", degraded.reason),
            _ => {}
        }
    }
}

/// Writes, reads, commits and asks until there have been so many renewals; then what happened.
async fn go_on(bench: &Bench, renewals: u32) -> SignIns {
    let mut sign_ins = bench.sign_ins();
    let (producer, mut consumer, admin) = (bench.producer(), bench.consumer(), bench.admin());
    let (mut number, mut next) = (0, 0);
    while sign_ins.borrow_and_update().renewed < renewals {
        write(&producer, number).await;
        read_to(&mut consumer, &mut next, number).await;
        admin.list_topics().await.unwrap();
        number += 1;
    }
    assert_eq!(
        bench.broker.offsets("t", 0).unwrap().1,
        i64::from(number),
        "each record is written once"
    );
    producer.close(PATIENCE).await;
    Box::new(consumer).close(PATIENCE).await;
    let committed = bench.broker.committed("g", "t", 0).unwrap();
    assert_eq!(committed.0, i64::from(number));
    *sign_ins.borrow()
}

#[tokio::test]
async fn sessions_are_renewed_whatever_the_mechanism() {
    let (plain, scram) = (
        Bench::of_users("PLAIN").await,
        Bench::of_users("SCRAM-SHA-256").await,
    );
    let (token, endpoint) = Bench::of_tokens(Duration::from_secs(3_600), SESSION).await;
    let all = tokio::join!(go_on(&plain, 12), go_on(&scram, 12), go_on(&token, 12));
    for seen in [all.0, all.1, all.2] {
        assert_eq!((seen.expired, seen.refused), (0, 0), "{seen:?}");
        // Bootstrap, control, fetch, group and produce of three clients at most.
        assert!(seen.new <= 12, "{seen:?}");
    }
    // A client each, and no token anew for a renewal.
    assert_eq!(*endpoint.count().borrow(), 3);
}

/// The session ends with the token: each renewal needs a new one.
#[tokio::test]
async fn tokens_are_renewed_before_they_end() {
    let (bench, endpoint) = Bench::of_tokens(SESSION, PATIENCE).await;
    let seen = go_on(&bench, 12).await;
    assert_eq!((seen.expired, seen.refused), (0, 0), "{seen:?}");
    assert!(seen.new <= 12, "{seen:?}");
    assert!(*endpoint.count().borrow() >= 6);
}

#[tokio::test]
async fn a_worker_stays_in_its_group() {
    let bench = Bench::of_users("SCRAM-SHA-256").await;
    let settings = GroupSettings {
        group_id: "workers".to_owned(),
        instance_id: None,
        protocol_type: "connect",
        session_timeout: Duration::from_secs(6),
        rebalance_timeout: Duration::from_secs(10),
        heartbeat_interval: Duration::from_millis(50),
    };
    let client = ClientSettings::from_properties(&bench.properties()).unwrap();
    let (group, mut events) = Group::join(client, settings);
    let mut sign_ins = bench.sign_ins();
    let mut generations = 0;
    loop {
        let event = tokio::select! {
            event = events.recv() => event.unwrap(),
            seen = sign_ins.wait_for(|seen| seen.renewed >= 3) => {
                seen.unwrap();
                break;
            }
        };
        match event {
            GroupEvent::Joining { reply } => {
                let _ = reply.send(vec![("p".to_owned(), Bytes::from_static(b"me"))]);
            }
            GroupEvent::Assign { members, reply, .. } => {
                let all = members.into_iter().map(|member| (member.id, Bytes::new()));
                let _ = reply.send(all.collect());
            }
            GroupEvent::Joined { .. } => generations += 1,
            GroupEvent::Failed(error) => panic!("the member failed: {error}"),
            GroupEvent::Lost => panic!("the membership was lost"),
            GroupEvent::Degraded(degraded) => panic!("an outage: {}", degraded.reason),
            _ => {}
        }
    }
    assert_eq!(generations, 1);
    let seen = *bench.sign_ins().borrow();
    assert_eq!((seen.expired, seen.refused), (0, 0), "{seen:?}");
    group.leave(PATIENCE).await;
}

/// A user whose password is changed is told so with the next renewal, and only then.
#[tokio::test]
async fn a_renewal_that_is_refused_ends_the_connection() {
    let bench = Bench::of_users("PLAIN").await;
    let admin = bench.admin();
    admin.list_topics().await.unwrap();
    bench
        .broker
        .change_sasl(|sasl| sasl.users[0].1 = "another".to_owned());
    let error = loop {
        match admin.list_topics().await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        error.to_string().contains("the broker rejected user alice"),
        "{error}"
    );
    let seen = *bench.sign_ins().borrow();
    assert_eq!(seen.expired, 0, "{seen:?}");
    assert!(seen.refused >= 2, "{seen:?}");
}

/// Too short for a renewal, for which a broker wants a second between: each is followed by a new connection.
#[tokio::test]
async fn sessions_too_short_are_followed_by_connections() {
    let bench = Bench::of_users("PLAIN").await;
    bench
        .broker
        .change_sasl(|sasl| sasl.session = Some(Duration::from_millis(500)));
    let mut sign_ins = bench.sign_ins();
    let producer = bench.producer();
    let mut number = 0;
    while sign_ins.borrow_and_update().new < 8 {
        write(&producer, number).await;
        number += 1;
    }
    assert_eq!(bench.broker.offsets("t", 0).unwrap().1, i64::from(number));
    let seen = *bench.sign_ins().borrow();
    assert_eq!((seen.renewed, seen.refused), (0, 0), "{seen:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told() {
    let (bench, endpoint) = Bench::of_tokens(Duration::from_secs(3_600), PATIENCE).await;
    endpoint.change(|rule| rule.signed_with = Some(b"another".to_vec()));
    let error = bench.refusal().await;
    assert!(!error.is_transient());
    let error = error.to_string();
    for word in [
        "authentication failed at 127.0.0.1",
        "the broker rejected the token",
        "invalid_token",
    ] {
        assert!(error.contains(word), "{error}");
    }
    endpoint.change(|rule| {
        rule.signed_with = Some(b"issuer".to_vec());
        rule.scopes.clear();
    });
    let error = bench.refusal().await.to_string();
    assert!(error.contains("400 invalid_scope"), "{error}");
    drop(endpoint);
    let error = bench.refusal().await;
    assert!(error.is_transient());
    let error = error.to_string();
    assert!(error.contains("cannot sign in to 127.0.0.1"), "{error}");
    assert!(!error.contains(SECRET), "{error}");
}

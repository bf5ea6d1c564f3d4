//! A broker of a few frames at the other end of a socket: what the owner of a consumer hears of an ERROR.

use super::*;
use crate::consumer::tests::memory_queue::clock;
use crate::consumer::{ConsumerParts, QueueConsumer};
use crate::engine::{HoldRules, IdRules};
use millstream_core::{ByteBudget, Consumer, Fetched, TopicPartition};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What Artemis says where it cannot write a message as a frame.
const ERROR: &str = "ERROR\nmessage:AMQ339001: Error handling message\n\n\0";

fn consumer(port: u16) -> QueueConsumer {
    let connector = StompConnector::new(StompSettings {
        endpoints: vec![Endpoint {
            host: "127.0.0.1".to_owned(),
            port,
            is_tls: false,
        }],
        tls: TlsFiles::default(),
        username: String::new(),
        password: Password::new(""),
        queue: "orders".to_owned(),
        selector: None,
        empty_body: EmptyBody::Fail,
        connect_timeout: Duration::from_secs(20),
        heartbeat: Duration::from_secs(30),
        keeps_types: false,
    });
    QueueConsumer::start(ConsumerParts {
        connector: Arc::new(connector.unwrap()),
        origin: TopicPartition::new("orders", 0),
        rules: HoldRules {
            messages: 20,
            hold: Duration::from_secs(300),
            idle: None,
        },
        ids: IdRules::default(),
        settled: Arc::default(),
        budget: ByteBudget::new(1 << 20),
        meters: Arc::default(),
        clock,
    })
}

/// Takes the next connection up to its subscription.
async fn subscribed(broker: &TcpListener) -> TcpStream {
    let (mut stream, _) = broker.accept().await.unwrap();
    let mut came = Vec::new();
    let connected = b"CONNECTED\nversion:1.2\nserver:ActiveMQ-Artemis/2.44.0\n\n\0";
    for (frame, answer) in [("CONNECT\n", &connected[..]), ("SUBSCRIBE\n", b"")] {
        came.clear();
        while !came.ends_with(b"\0") {
            stream.read_buf(&mut came).await.unwrap();
        }
        assert!(came.starts_with(frame.as_bytes()));
        stream.write_all(answer).await.unwrap();
    }
    stream
}

async fn heard(consumer: &mut QueueConsumer) -> Fetched {
    let within = Duration::from_secs(20);
    timeout(within, consumer.next()).await.unwrap()
}

/// A message that a broker cannot write as a frame: it answers with an ERROR for it, on each connection.
#[tokio::test]
async fn an_error_of_the_broker_is_told_in_its_words_and_the_queue_is_read_again() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut consumer = consumer(broker.local_addr().unwrap().port());
    assert!(matches!(heard(&mut consumer).await, Fetched::Assigned(_)));
    for attempt in 0..2 {
        let mut stream = subscribed(&broker).await;
        stream.write_all(ERROR.as_bytes()).await.unwrap();
        if attempt > 0 {
            assert!(matches!(heard(&mut consumer).await, Fetched::Recovered));
        }
        let told = heard(&mut consumer).await;
        let Fetched::Degraded(degraded) = told else {
            panic!("{told:?}");
        };
        let said =
            "the queue orders: the broker ends the connection: AMQ339001: Error handling message";
        assert_eq!(degraded.reason, said);
        assert!(degraded.next_try >= Duration::from_millis(200));
    }
    let mut stream = subscribed(&broker).await;
    let message = b"MESSAGE\nack:a\nmessage-id:m\n\ntext\0";
    stream.write_all(message).await.unwrap();
    assert!(matches!(heard(&mut consumer).await, Fetched::Recovered));
    let told = heard(&mut consumer).await;
    let Fetched::Batch(batch) = told else {
        panic!("{told:?}");
    };
    assert_eq!(batch.len(), 1);
    // An ERROR while nothing is read does not keep the end up either.
    stream.write_all(ERROR.as_bytes()).await.unwrap();
    let closing = Box::new(consumer).close(Duration::from_millis(500));
    timeout(Duration::from_secs(20), closing).await.unwrap();
}

//! Whole ways, from a broker that speaks just enough of the protocol.

use super::*;
use crate::input::{Message, QueueInput};
use fe2o3_amqp::types::definitions::Role;
use fe2o3_amqp::types::messaging::DeliveryState;
use fe2o3_amqp::types::performatives::{Attach, Disposition, Flow};
use futures::FutureExt;
use serde_amqp::{from_slice, to_vec};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const VALUE: [u8; 3] = [0x00, 0x53, 0x77];

/// What a performative of this code says besides, as a list of so many fields.
fn performative(code: u8, count: u8, fields: &[u8]) -> Vec<u8> {
    let size = u8::try_from(fields.len() + 1).unwrap();
    [&[0x00, 0x53, code, 0xC0, size, count], fields].concat()
}

pub(super) fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &[2, kind, 0, 0], content].concat()
}

/// One transfer of a delivery.
fn transfer(number: u8, has_more: bool, carried: &[u8]) -> Vec<u8> {
    let more = if has_more { 0x41 } else { 0x42 };
    let fields = [0x43, 0x52, number, 0xA0, 1, number, 0x43, 0x42, more];
    frame(0, &[&performative(0x14, 6, &fields), carried].concat())
}

/// So many deliveries of a text.
fn texts(count: u8) -> Vec<u8> {
    let text = [&VALUE[..], &[0xA1, 2, b'h', b'i']].concat();
    let deliveries = (0..count).map(|number| transfer(number, false, &text));
    deliveries.collect::<Vec<_>>().concat()
}

/// What a broker was told.
#[derive(Default)]
struct Told {
    dispositions: Vec<Disposition>,
    credit: Vec<Option<u32>>,
}

/// Serves one client to its end. What it delivers is sent with the first credit.
async fn serve(mut client: DuplexStream, delivered: Vec<u8>) -> Told {
    let mut delivered = Some(delivered);
    let mut told = Told::default();
    loop {
        let mut start = [0; 8];
        client.read_exact(&mut start).await.unwrap();
        if start.starts_with(b"AMQP") {
            client.write_all(&start).await.unwrap();
            if start[4] == 3 {
                let names = [&[0xA3, 9][..], b"ANONYMOUS"].concat();
                let mechanisms = frame(1, &performative(0x40, 1, &names));
                client.write_all(&mechanisms).await.unwrap();
            }
            continue;
        }
        let size = u32::from_be_bytes([start[0], start[1], start[2], start[3]]);
        let mut content = vec![0; usize::try_from(size).unwrap() - start.len()];
        client.read_exact(&mut content).await.unwrap();
        let answer = match content.get(2) {
            Some(0x41) => frame(1, &performative(0x44, 1, &[0x50, 0])),
            Some(0x10) => {
                // Without capabilities, which it says by two empty arrays.
                let none = [0xE0, 2, 0, 0xA3].repeat(2);
                let fields = [&[0xA1, 1, b'b'][..], &[0x40; 6], &none].concat();
                frame(0, &performative(0x10, 9, &fields))
            }
            Some(0x11) => {
                let fields = [0x60, 0, 0, 0x43, 0x52, 100, 0x52, 100];
                frame(0, &performative(0x11, 4, &fields))
            }
            Some(0x12) => {
                let mut attach: Attach = from_slice(&content).unwrap();
                attach.role = Role::Sender;
                attach.initial_delivery_count = Some(0);
                frame(0, &to_vec(&attach).unwrap())
            }
            Some(0x13) => {
                told.credit
                    .push(from_slice::<Flow>(&content).unwrap().link_credit);
                delivered.take().unwrap_or_default()
            }
            Some(0x15) => {
                told.dispositions.push(from_slice(&content).unwrap());
                Vec::new()
            }
            Some(0x16) => frame(0, &performative(0x16, 2, &[0x43, 0x41])),
            Some(0x17) => frame(0, &[0x00, 0x53, 0x17, 0x45]),
            Some(0x18) => {
                let close = frame(0, &[0x00, 0x53, 0x18, 0x45]);
                client.write_all(&close).await.unwrap();
                return told;
            }
            _ => Vec::new(),
        };
        client.write_all(&answer).await.unwrap();
    }
}

fn connector() -> AmqpConnector {
    AmqpConnector {
        settings: AmqpSettings {
            broker: AmqpBroker::ActiveMq,
            endpoints: Vec::new(),
            tls: TlsFiles::default(),
            username: String::new(),
            password: Password::new(String::new()),
            virtual_host: None,
            queue: "orders".to_owned(),
            selector: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            longest_hold: None,
            delivery_limit: None,
            reconnect_pause: None,
            keeps_types: false,
            connection_name: "test".to_owned(),
        },
        tls: Tls::new(&TlsFiles::default(), &[]).unwrap(),
    }
}

async fn open(client: DuplexStream) -> Box<AmqpInput> {
    let endpoint = Endpoint {
        host: "broker".to_owned(),
        port: 5672,
        is_tls: false,
    };
    let opened = connector().open_over(Box::new(client), &endpoint).await;
    Box::new(opened.unwrap())
}

#[tokio::test]
async fn messages_with_empty_arrays_are_read_as_they_were_sent() {
    // An annotation that is an empty array before one of seven, and a body.
    let annotated = [
        &[0x00, 0x53, 0x72, 0xC1, 13, 4][..],
        &[0xA3, 1, b'x', 0xE0, 2, 0, 0x54, 0xA3, 1, b'y', 0x54, 7],
        &VALUE,
        &[0xA1, 2, b'h', b'i'],
    ]
    .concat();
    // A list of an empty array of ubytes and seven, which comes in two transfers.
    let list = [&VALUE[..], &[0xC0, 7, 2, 0xE0, 2, 0, 0x50, 0x50, 7]].concat();
    let delivered = [
        transfer(0, false, &annotated),
        transfer(1, true, &list[..7]),
        transfer(1, false, &list[7..]),
        transfer(2, false, &[&VALUE[..], &[0xE0, 2, 0, 0x54]].concat()),
        transfer(3, false, &[]),
    ];
    let (ours, theirs) = duplex(1 << 10);
    let broker = serve(theirs, delivered.concat());
    let reader = async {
        let mut input = open(ours).await;
        let mut messages: Vec<Message> = Vec::new();
        while messages.len() < 4 {
            messages.extend(input.receive(10).await.unwrap());
        }
        let tokens: Vec<_> = messages
            .iter()
            .map(|message| message.token.clone())
            .collect();
        assert_eq!(input.settle(&tokens).await.unwrap(), []);
        input.close(&[]).await.unwrap();
        messages
    };
    let (messages, told) = tokio::join!(reader, broker);
    let shown = messages.iter().map(|message| {
        let kind = message.headers.get(BODY_TYPE);
        (message.body.as_deref(), kind)
    });
    let expected: [(Option<&[u8]>, Option<&[u8]>); 4] = [
        (Some(b"hi"), None),
        (Some(b"[[],7]"), Some(b"list")),
        (Some(b"[]"), Some(b"array")),
        (None, None),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    let annotation = |name| messages[0].headers.get(name).map(|value| value.to_vec());
    assert_eq!(annotation("x"), Some(b"[]".to_vec()));
    assert_eq!(annotation("y"), Some(b"7".to_vec()));
    assert_eq!(told.dispositions.len(), 1);
}

#[tokio::test]
async fn what_is_no_message_fails_the_task_and_is_left_to_the_broker() {
    let (ours, theirs) = duplex(1 << 10);
    let broken = [&VALUE[..], &[0xC0, 9, 2, 0x41]].concat();
    let broker = serve(theirs, transfer(0, false, &broken));
    let reader = async {
        let mut input = open(ours).await;
        let error = input.receive(10).await.unwrap_err();
        input.close(&[]).await.unwrap();
        error
    };
    let (error, told) = tokio::join!(reader, broker);
    assert_eq!(error.kind, InputErrorKind::Fatal);
    assert_eq!(
        error.message,
        "the queue orders has a message that is no AMQP 1.0 message: the sizes and counts of its encoding do not fit together; take it off the queue"
    );
    assert_eq!(told.dispositions, []);
}

#[tokio::test]
async fn what_has_come_and_was_not_read_is_given_back_at_the_end() {
    let (ours, theirs) = duplex(1 << 10);
    let broker = serve(theirs, texts(4));
    let reader = async {
        let mut input = open(ours).await;
        // Asks for ten, and does not wait for them; until the library has what came.
        assert!(input.receive(10).now_or_never().is_none());
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(input.receive(1).await.unwrap().len(), 1);
        input.close(&[]).await.unwrap();
    };
    let ((), told) = tokio::join!(reader, broker);
    let released = told.dispositions.iter().flat_map(|disposition| {
        assert!(matches!(
            disposition.state,
            Some(DeliveryState::Released(_))
        ));
        disposition.first..=disposition.last.unwrap_or(disposition.first)
    });
    assert_eq!(released.collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn credit_is_granted_before_more_is_asked_for() {
    let (ours, theirs) = duplex(1 << 10);
    let broker = serve(theirs, texts(60));
    let reader = async {
        let mut input = open(ours).await;
        let mut count = 0;
        while count < 60 {
            count += input.receive(200).await.unwrap().len();
        }
        input.close(&[]).await.unwrap();
    };
    let ((), told) = tokio::join!(reader, broker);
    assert_eq!(told.credit, [Some(100), Some(100), Some(0)]);
}

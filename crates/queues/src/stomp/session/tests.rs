//! A subscription whose broker is the other end of a pipe.

use super::*;
use crate::headers::MessageHeaders;
use tokio::io::duplex;

/// A subscription whose broker is the other end of the pipe.
fn input(empty_body: EmptyBody) -> (StompInput, tokio::io::DuplexStream) {
    let (ours, theirs) = duplex(1 << 16);
    let talk = Talk::new(Box::new(ours));
    (
        StompInput::new("orders", empty_body, false, talk, 100),
        theirs,
    )
}

fn sent(ids: std::ops::RangeInclusive<u32>) -> Vec<u8> {
    let frames =
        ids.map(|id| format!("MESSAGE\nack:a{id}\nmessage-id:m{id}\nk:v\n\ntext {id}\0\n"));
    frames.collect::<String>().into_bytes()
}

async fn said(broker: &mut tokio::io::DuplexStream) -> String {
    let mut bytes = [0; 1000];
    let read = broker.read(&mut bytes).await.unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

#[tokio::test]
async fn acknowledges_no_further_than_the_first_that_is_held() {
    let (mut input, mut broker) = input(EmptyBody::Fail);
    broker.write_all(&sent(1..=4)).await.unwrap();
    let messages = input.receive(3).await.unwrap();
    let tokens: Vec<Token> = messages
        .iter()
        .map(|message| message.token.clone())
        .collect();
    assert_eq!(tokens.len(), 3);
    assert_eq!(messages[0].id.as_deref(), Some("m1"));
    assert_eq!(messages[0].headers, MessageHeaders::from_iter([("k", "v")]));
    assert!(input.settle(&tokens[1..2]).await.unwrap().is_empty());
    assert!(input.settle(&tokens[..1]).await.unwrap().is_empty());
    // Nothing was sent for the second alone.
    assert_eq!(said(&mut broker).await, "ACK\nid:a2\n\n\0");
    let lapsed = input.settle(&tokens[..1]).await.unwrap();
    assert_eq!(lapsed.len(), 1);
    assert_eq!(input.receive(10).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_fast_is_left_to_gather() {
    let (mut input, mut broker) = input(EmptyBody::Fail);
    let began = Instant::now();
    for many in [GATHERED.start - 1, GATHERED.end, GATHERED.start] {
        assert_eq!(began.elapsed(), Duration::ZERO);
        broker.write_all(&sent(1..=many as u32)).await.unwrap();
        assert_eq!(input.receive(1000).await.unwrap().len(), many);
    }
    broker.write_all(&sent(1..=1)).await.unwrap();
    // Whoever stops waiting does not begin anew.
    let waited = timeout(GATHERING / 2, input.receive(1000)).await;
    assert!(waited.is_err());
    assert_eq!(input.receive(1000).await.unwrap().len(), 1);
    assert_eq!(began.elapsed(), GATHERING);
    assert_eq!(input.gathers_until, None);
}

#[tokio::test]
async fn a_body_that_stomp_may_have_emptied_is_told() {
    let bare = b"MESSAGE\nack:1\nmessage-id:m1\n\n\0";
    let (mut strict, mut broker) = input(EmptyBody::Fail);
    broker.write_all(bare).await.unwrap();
    let error = strict.receive(9).await.unwrap_err();
    assert_eq!(error.kind, InputErrorKind::Fatal);
    assert!(error.message.contains("m1") && error.message.contains("input.stomp.empty.body"));
    let (mut lax, mut broker) = input(EmptyBody::Null);
    broker.write_all(bare).await.unwrap();
    assert_eq!(lax.receive(9).await.unwrap()[0].body, None);
    // With a length it is an empty one for certain.
    let (mut strict, mut broker) = input(EmptyBody::Fail);
    let empty = b"MESSAGE\nack:1\nmessage-id:m1\ncontent-length:0\n\n\0";
    broker.write_all(empty).await.unwrap();
    let messages = strict.receive(9).await.unwrap();
    assert_eq!(messages[0].body.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn a_body_that_stomp_may_have_emptied_goes_to_the_dead_letters_of_the_broker() {
    let (mut input, mut broker) = input(EmptyBody::DeadLetter);
    let mut frames = sent(1..=1);
    frames.extend_from_slice(b"MESSAGE\nack:e\nmessage-id:m\n\n\0");
    frames.extend(sent(2..=2));
    broker.write_all(&frames).await.unwrap();
    let messages = input.receive(9).await.unwrap();
    let tokens: Vec<Token> = messages.into_iter().map(|message| message.token).collect();
    assert_eq!(tokens.len(), 2);
    // The refusal goes before what acknowledges all that came before it.
    assert!(input.settle(&tokens).await.unwrap().is_empty());
    assert_eq!(said(&mut broker).await, "NACK\nid:e\n\n\0ACK\nid:a2\n\n\0");
    // Alone it does not wait for another message.
    broker
        .write_all(b"MESSAGE\nack:f\nmessage-id:m\n\n\0")
        .await
        .unwrap();
    tokio::select! {
        received = input.receive(9) => panic!("{received:?}"),
        refusal = said(&mut broker) => assert_eq!(refusal, "NACK\nid:f\n\n\0"),
    }
}

#[tokio::test(start_paused = true)]
async fn beats_while_idle_and_believes_a_silent_broker_gone() {
    let (mut input, mut broker) = input(EmptyBody::Fail);
    input
        .talk
        .agree(Duration::from_secs(10), Some("20000,5000"));
    let began = Instant::now();
    let error = input.receive(1).await.unwrap_err();
    assert_eq!(error.kind, InputErrorKind::Lost);
    assert_eq!(began.elapsed(), Duration::from_secs(60));
    // Every five seconds, which is half of what was agreed on.
    assert_eq!(said(&mut broker).await, "\n".repeat(11));
}

#[tokio::test]
async fn ends_behind_the_answer_of_the_broker() {
    let (mut input, mut broker) = input(EmptyBody::Fail);
    broker.write_all(&sent(1..=2)).await.unwrap();
    let messages = input.receive(9).await.unwrap();
    input.settle(&[messages[0].token.clone()]).await.unwrap();
    broker
        .write_all(b"RECEIPT\nreceipt-id:last\n\n\0")
        .await
        .unwrap();
    Box::new(input)
        .close(&[messages[1].token.clone()])
        .await
        .unwrap();
    let frames = "ACK\nid:a1\n\n\0UNSUBSCRIBE\nid:0\n\n\0DISCONNECT\nreceipt:last\n\n\0";
    assert_eq!(said(&mut broker).await, frames);
}

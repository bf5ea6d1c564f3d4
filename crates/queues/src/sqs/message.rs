//! Messages as SQS delivers them.

use crate::headers::MessageHeaders;
use crate::hex::hex;
use crate::input::{Message, Token};
use bytes::Bytes;
use md5::{Digest, Md5};
use millstream_aws::services::sqs::Received;
use tokio::time::Instant;

/// Stands before what the service says of a message, among its headers.
const SYSTEM: &str = "sqs.";

/// A message of which the service says this; `None` if its body is not the one that the service has.
pub(super) fn message(received: Received, expires: Instant) -> Option<Message> {
    if !received.body_md5.is_empty() && hex(&Md5::digest(&received.body)) != received.body_md5 {
        return None;
    }
    let system = |name: &str| received.system.get(name);
    let number = |name: &str| system(name)?.parse::<i64>().ok();
    let deliveries = number("ApproximateReceiveCount");
    let deliveries = deliveries.and_then(|count| u32::try_from(count).ok());
    let (timestamp, group) = (number("SentTimestamp"), system("MessageGroupId").cloned());
    let mut headers = MessageHeaders::from_iter(received.attributes);
    // The count and the sender's time have places of their own.
    let of_sender = received
        .system
        .iter()
        .filter(|(name, _)| *name != "ApproximateReceiveCount");
    let of_sender = of_sender.filter(|(name, _)| *name != "SentTimestamp");
    for (name, value) in of_sender {
        headers.push_under(SYSTEM, name, value.as_bytes());
    }
    Some(Message {
        token: Token::Handle(received.handle.into()),
        id: Some(received.id.into()),
        group,
        body: Some(Bytes::from(received.body)),
        timestamp,
        headers,
        redelivered: deliveries.is_some_and(|count| count > 1),
        deliveries,
        expires: Some(expires),
        details: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received() -> Received {
        let system = [
            ("ApproximateReceiveCount", "2"),
            ("ApproximateFirstReceiveTimestamp", "1700000000500"),
            ("SentTimestamp", "1700000000000"),
            ("MessageGroupId", "g"),
            ("SequenceNumber", "18849496460467696128"),
        ];
        let system = system.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Received {
            id: "m".to_owned(),
            handle: "h".to_owned(),
            body: "body".to_owned(),
            body_md5: "841a2d689ad86bd1611447453c22c6fc".to_owned(),
            system: system.into(),
            attributes: vec![("colour".to_owned(), Bytes::from_static(b"red"))],
        }
    }

    #[test]
    fn says_what_the_service_says() {
        let expires = Instant::now();
        let message = message(received(), expires).unwrap();
        assert_eq!(message.token, Token::Handle("h".into()));
        assert_eq!(
            (message.id.as_deref(), message.group.as_deref()),
            (Some("m"), Some("g"))
        );
        assert_eq!(
            (message.timestamp, message.deliveries),
            (Some(1_700_000_000_000), Some(2))
        );
        assert!(message.redelivered && message.expires == Some(expires));
        let headers: Vec<(&str, &[u8])> = message.headers.iter().collect();
        assert_eq!(
            headers,
            [
                ("colour", &b"red"[..]),
                ("sqs.ApproximateFirstReceiveTimestamp", b"1700000000500"),
                ("sqs.MessageGroupId", b"g"),
                ("sqs.SequenceNumber", b"18849496460467696128"),
            ]
        );
    }

    #[test]
    fn refuses_a_body_that_has_changed_on_its_way() {
        let changed = Received {
            body: "Body".to_owned(),
            ..received()
        };
        assert!(message(changed, Instant::now()).is_none());
        let unsaid = Received {
            body_md5: String::new(),
            ..received()
        };
        assert!(message(unsaid, Instant::now()).is_some());
    }
}

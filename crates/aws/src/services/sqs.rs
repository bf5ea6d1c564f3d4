//! SQS: receiving messages, taking them off, and how long they are kept from others; by JSON 1.0.

use crate::client::{Asks, Call, CallError, Client, Service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries of one call, and messages of one answer.
pub const MOST_ENTRIES: usize = 10;

/// For calls that do not wait for messages. Deleting ten takes milliseconds; a service that is short of breath takes a while.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much longer than it was asked to wait for messages a service may take: ten messages are up to ten mebibytes.
pub const RECEIVE_PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for with one receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive<'a> {
    pub queue_url: &'a str,
    /// At most `MOST_ENTRIES`.
    pub messages: usize,
    /// For how long the service waits for the first message, whole seconds.
    pub wait: Duration,
    /// For how long others do not get them, whole seconds.
    pub visibility: Duration,
    /// The same for all attempts at one receive, so that a FIFO queue gives the same messages again if an answer is lost.
    pub attempt: Option<&'a str>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub id: String,
    pub handle: String,
    pub body: String,
    /// As the service has it, in hexadecimal.
    pub body_md5: String,
    /// What the service says of it, by its names.
    pub system: BTreeMap<String, String>,
    /// What its sender says of it; numbers are text.
    pub attributes: Vec<(String, Bytes)>,
}

/// An entry of a batch that failed, by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub at: usize,
    pub code: String,
    /// Whether the same again fails again.
    pub is_senders_fault: bool,
}

/// What a queue says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    pub visibility: Option<Duration>,
    pub is_fifo: bool,
    /// After how many receives a message goes to the dead-letter queue.
    pub most_receives: Option<u32>,
    /// Messages that wait, roughly.
    pub waiting: Option<u64>,
}

fn call(operation: &'static str, members: &Json, patience: Duration) -> Call {
    Call {
        service: Service::Sqs,
        operation,
        region: None,
        asks: Asks::Message {
            target: format!("AmazonSQS.{operation}"),
            body: Bytes::from(members.to_string()),
            patience,
        },
    }
}

/// A call for messages, with all their attributes. Services that are older than the names of today take the old ones.
pub fn receive_message(receive: &Receive<'_>) -> Call {
    let mut members = json!({
        "QueueUrl": receive.queue_url,
        "MaxNumberOfMessages": receive.messages,
        "WaitTimeSeconds": receive.wait.as_secs(),
        "VisibilityTimeout": receive.visibility.as_secs(),
        "MessageSystemAttributeNames": ["All"],
        "AttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    });
    if let Some(attempt) = receive.attempt {
        members["ReceiveRequestAttemptId"] = attempt.into();
    }
    call("ReceiveMessage", &members, receive.wait + RECEIVE_PATIENCE)
}

/// A call that takes messages off, `MOST_ENTRIES` at most. Entries are named by their places: the same message may be among
/// them twice, by two handles.
pub fn delete_message_batch(queue_url: &str, handles: &[&str]) -> Call {
    let entries = handles.iter().enumerate();
    let entries: Vec<Json> = entries
        .map(|(at, handle)| json!({"Id": at.to_string(), "ReceiptHandle": handle}))
        .collect();
    let members = json!({"QueueUrl": queue_url, "Entries": entries});
    call("DeleteMessageBatch", &members, PATIENCE)
}

/// A call that sets for how long from now others do not get these messages.
pub fn change_message_visibility_batch(
    queue_url: &str,
    handles: &[&str],
    visibility: Duration,
) -> Call {
    let seconds = visibility.as_secs();
    let entries = handles.iter().enumerate();
    let entries: Vec<Json> = entries
        .map(|(at, handle)| json!({"Id": at.to_string(), "ReceiptHandle": handle, "VisibilityTimeout": seconds}))
        .collect();
    let members = json!({"QueueUrl": queue_url, "Entries": entries});
    call("ChangeMessageVisibilityBatch", &members, PATIENCE)
}

pub fn get_queue_attributes(queue_url: &str) -> Call {
    let members = json!({"QueueUrl": queue_url, "AttributeNames": ["All"]});
    call("GetQueueAttributes", &members, PATIENCE)
}

/// Makes a call and reads its answer.
pub async fn ask<T>(
    client: &Client,
    call: Call,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, CallError> {
    let answer = client.document(&call).await?;
    parse(&answer).map_err(|what| CallError::malformed(call.service, call.operation, &what))
}

#[derive(Deserialize)]
struct ReceiveAnswer<'a> {
    #[serde(rename = "Messages", borrow, default)]
    messages: Option<Vec<MessageAnswer<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageAnswer<'a> {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(rename = "MD5OfBody", default, borrow)]
    body_md5: Cow<'a, str>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
    #[serde(default, borrow)]
    message_attributes: Option<BTreeMap<String, AttributeAnswer<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeAnswer<'a> {
    #[serde(default)]
    string_value: Option<String>,
    #[serde(default, borrow)]
    binary_value: Option<Cow<'a, str>>,
}

/// The messages, none of them left out.
pub fn parse_messages(answer: &[u8]) -> Result<Vec<Received>, String> {
    let answer: ReceiveAnswer<'_> =
        serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let messages = answer.messages.unwrap_or_default().into_iter();
    messages
        .map(|message| {
            let attributes = message.message_attributes.unwrap_or_default().into_iter();
            let attributes = attributes.map(|(name, attribute)| {
                let value = match (attribute.string_value, attribute.binary_value) {
                    (Some(text), _) => Bytes::from(text),
                    (None, Some(binary)) => STANDARD
                        .decode(binary.as_bytes())
                        .map(Bytes::from)
                        .map_err(|error| format!("the attribute {name} is no base64: {error}"))?,
                    (None, None) => Bytes::new(),
                };
                Ok((name, value))
            });
            Ok(Received {
                id: message.message_id,
                handle: message.receipt_handle,
                body: message.body,
                body_md5: message.body_md5.into_owned(),
                system: message.attributes.unwrap_or_default(),
                attributes: attributes.collect::<Result<_, String>>()?,
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(rename = "Failed", default)]
    failed: Option<Vec<FailedAnswer>>,
    #[serde(rename = "Successful", default)]
    successful: Option<Vec<EntryAnswer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryAnswer {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FailedAnswer {
    id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    sender_fault: bool,
}

/// The entries of a batch of so many that failed: those that the answer says so of, and those that it says nothing of.
pub fn parse_batch(answer: &[u8], entries: usize) -> Result<Vec<Failed>, String> {
    let answer: BatchAnswer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let place = |id: &str| {
        let place = id.parse().ok().filter(|place| *place < entries);
        place.ok_or_else(|| format!("the answer names entry {id:?}, which there is not"))
    };
    let mut known = vec![false; entries];
    for entry in answer.successful.into_iter().flatten() {
        known[place(&entry.id)?] = true;
    }
    let mut failed = Vec::new();
    for entry in answer.failed.into_iter().flatten() {
        let at = place(&entry.id)?;
        known[at] = true;
        failed.push(Failed {
            at,
            code: entry.code,
            is_senders_fault: entry.sender_fault,
        });
    }
    let unknown = known.iter().enumerate().filter(|(_, known)| !**known);
    failed.extend(unknown.map(|(at, _)| Failed {
        at,
        code: "NoAnswer".to_owned(),
        is_senders_fault: false,
    }));
    Ok(failed)
}

#[derive(Deserialize)]
struct AttributesAnswer {
    #[serde(rename = "Attributes", default)]
    attributes: Option<BTreeMap<String, String>>,
}

pub fn parse_attributes(answer: &[u8]) -> Result<QueueAttributes, String> {
    let answer: AttributesAnswer =
        serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let attributes = answer.attributes.unwrap_or_default();
    let number = |name: &str| attributes.get(name)?.parse::<u64>().ok();
    // A document within the document; the count is a number in it, or the text of one.
    let most_receives = attributes.get("RedrivePolicy").and_then(|policy| {
        let policy: Json = serde_json::from_str(policy).ok()?;
        let count = policy.get("maxReceiveCount")?;
        let text = count.as_str().and_then(|text| text.parse().ok());
        u32::try_from(count.as_u64().or(text)?).ok()
    });
    Ok(QueueAttributes {
        visibility: number("VisibilityTimeout").map(Duration::from_secs),
        is_fifo: attributes.get("FifoQueue").is_some_and(|is| is == "true"),
        most_receives,
        waiting: number("ApproximateNumberOfMessages"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(call: &Call) -> Json {
        let Asks::Message { body, .. } = &call.asks else {
            panic!("no message");
        };
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn asks_for_messages_with_all_that_is_known_of_them() {
        let receive = Receive {
            queue_url: "https://sqs.eu-west-1.amazonaws.com/1/q",
            messages: 10,
            wait: Duration::from_secs(20),
            visibility: Duration::from_secs(600),
            attempt: Some("a"),
        };
        let call = receive_message(&receive);
        let body = body(&call);
        assert_eq!(body["MaxNumberOfMessages"], 10);
        assert_eq!(
            (&body["WaitTimeSeconds"], &body["VisibilityTimeout"]),
            (&20.into(), &600.into())
        );
        assert_eq!(body["MessageAttributeNames"], json!(["All"]));
        assert_eq!(body["ReceiveRequestAttemptId"], "a");
        let Asks::Message { patience, .. } = call.asks else {
            panic!("no message");
        };
        assert_eq!(patience, Duration::from_secs(30));
    }

    #[test]
    fn entries_are_named_by_their_places() {
        let call = delete_message_batch("q", &["h", "h"]);
        let entry = |id: &str| json!({"Id": id, "ReceiptHandle": "h"});
        assert_eq!(
            body(&call),
            json!({"QueueUrl": "q", "Entries": [entry("0"), entry("1")]})
        );
        let call = change_message_visibility_batch("q", &["h"], Duration::ZERO);
        assert_eq!(body(&call)["Entries"][0]["VisibilityTimeout"], 0);
    }

    #[test]
    fn reads_messages() {
        let answer = json!({"Messages": [
            {
                "MessageId": "m", "ReceiptHandle": "h", "Body": "a\nb", "MD5OfBody": "x",
                "Attributes": {"ApproximateReceiveCount": "2", "MessageGroupId": "g"},
                "MessageAttributes": {
                    "colour": {"DataType": "String", "StringValue": "red"},
                    "raw": {"DataType": "Binary.png", "BinaryValue": "AP8="},
                    "size": {"DataType": "Number", "StringValue": "1.50"},
                },
            },
            {"MessageId": "n", "ReceiptHandle": "i", "Body": ""},
        ]});
        let messages = parse_messages(answer.to_string().as_bytes()).unwrap();
        assert_eq!((&*messages[0].body, &*messages[0].body_md5), ("a\nb", "x"));
        assert_eq!(messages[0].system["MessageGroupId"], "g");
        let attributes: Vec<(&str, &[u8])> = messages[0]
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), &value[..]))
            .collect();
        assert_eq!(
            attributes,
            [
                ("colour", &b"red"[..]),
                ("raw", &[0, 255]),
                ("size", b"1.50")
            ]
        );
        assert!(messages[1].body.is_empty() && messages[1].system.is_empty());
        for empty in [
            json!({}),
            json!({"Messages": []}),
            json!({"Messages": null}),
        ] {
            assert_eq!(parse_messages(empty.to_string().as_bytes()), Ok(Vec::new()));
        }
        let raw = json!({"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "",
            "MessageAttributes": {"raw": {"BinaryValue": "?"}}}]});
        assert!(parse_messages(raw.to_string().as_bytes()).is_err());
    }

    #[test]
    fn an_entry_that_the_answer_does_not_name_has_failed() {
        let answer = json!({
            "Successful": [{"Id": "1"}],
            "Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": true}],
        });
        let failed = |at, code: &str, is_senders_fault| Failed {
            at,
            code: code.to_owned(),
            is_senders_fault,
        };
        let expected = vec![
            failed(0, "ReceiptHandleIsInvalid", true),
            failed(2, "NoAnswer", false),
        ];
        assert_eq!(parse_batch(answer.to_string().as_bytes(), 3), Ok(expected));
        assert!(parse_batch(answer.to_string().as_bytes(), 1).is_err());
    }

    #[test]
    fn reads_what_a_queue_says_of_itself() {
        let policy = r#"{"deadLetterTargetArn":"arn:x","maxReceiveCount":"3"}"#;
        let answer = json!({"Attributes": {
            "VisibilityTimeout": "30", "FifoQueue": "true", "RedrivePolicy": policy, "ApproximateNumberOfMessages": "17",
        }});
        let expected = QueueAttributes {
            visibility: Some(Duration::from_secs(30)),
            is_fifo: true,
            most_receives: Some(3),
            waiting: Some(17),
        };
        assert_eq!(
            parse_attributes(answer.to_string().as_bytes()),
            Ok(expected)
        );
        assert_eq!(parse_attributes(b"{}"), Ok(QueueAttributes::default()));
    }

    proptest! {
        #[test]
        fn takes_any_answer(
            answer in crate::services::any_json(&[
                "Messages", "MessageId", "ReceiptHandle", "Body", "Attributes", "MessageAttributes", "BinaryValue",
                "Failed", "Successful", "Id", "RedrivePolicy", "maxReceiveCount",
            ]),
            entries in 0..20usize,
        ) {
            let answer = answer.to_string();
            let _ = parse_messages(answer.as_bytes());
            let _ = parse_batch(answer.as_bytes(), entries);
            let _ = parse_attributes(answer.as_bytes());
        }
    }
}

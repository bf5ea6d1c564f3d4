//! The operations of SQS over the queues of a server: JSON in, JSON out.

use super::{EntryError, Given, Queue};
use crate::aws::answers::{Answer, document, error};
use md5::{Digest, Md5};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Entries of a batch, and messages of an answer.
const MOST: usize = 10;

/// Whether it is one of these.
pub(in crate::aws) fn is_operation(operation: &str) -> bool {
    matches!(
        operation,
        "ReceiveMessage"
            | "DeleteMessageBatch"
            | "ChangeMessageVisibilityBatch"
            | "GetQueueAttributes"
    )
}

/// How long an answer waits for messages, and in which queue.
pub(in crate::aws) fn receive_wait(operation: &str, members: &Json) -> Option<(String, Duration)> {
    if operation != "ReceiveMessage" {
        return None;
    }
    let seconds = members["WaitTimeSeconds"].as_u64()?;
    Some((name_of(members)?, Duration::from_secs(seconds)))
}

fn name_of(members: &Json) -> Option<String> {
    let url = members["QueueUrl"].as_str()?;
    url.rsplit('/').next().map(str::to_owned)
}

pub(in crate::aws) fn answer(
    queues: &mut BTreeMap<String, Queue>,
    operation: &str,
    members: &Json,
    now: Duration,
) -> Answer {
    let queue = name_of(members).and_then(|name| queues.get_mut(&name));
    let Some(queue) = queue else {
        let message = "The specified queue does not exist.";
        return error(400, "com.amazonaws.sqs#QueueDoesNotExist", message);
    };
    match operation {
        "ReceiveMessage" => receive(queue, members, now),
        "DeleteMessageBatch" => batch(queue, members, |queue, entry| {
            queue.delete(entry["ReceiptHandle"].as_str().unwrap_or_default(), now)
        }),
        "ChangeMessageVisibilityBatch" => batch(queue, members, |queue, entry| {
            let seconds = entry["VisibilityTimeout"].as_u64().unwrap_or_default();
            let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
            queue.change(handle, Duration::from_secs(seconds), now)
        }),
        _ => attributes(queue, now),
    }
}

fn receive(queue: &mut Queue, members: &Json, now: Duration) -> Answer {
    let number = |name: &str| members[name].as_u64();
    let most = number("MaxNumberOfMessages").unwrap_or(1) as usize;
    let visibility = number("VisibilityTimeout");
    let wait = number("WaitTimeSeconds").unwrap_or(0);
    if !(1..=MOST).contains(&most) || wait > 20 || visibility.is_some_and(|it| it > 43_200) {
        let message = "Value for a parameter is invalid.";
        return error(400, "com.amazonaws.sqs#InvalidParameterValue", message);
    }
    if visibility.is_none() {
        queue.violate("a receive leaves the visibility timeout to the queue".to_owned());
    }
    if queue.is_fifo && members["ReceiveRequestAttemptId"].as_str().is_none() {
        queue.violate("a receive of a FIFO queue names no attempt".to_owned());
    }
    let visibility = Duration::from_secs(visibility.unwrap_or(30));
    let given = queue.receive(most, visibility, now);
    let messages: Vec<Json> = given
        .iter()
        .map(|one| message(one, queue.is_fifo))
        .collect();
    match messages.is_empty() {
        true => document(200, json!({})),
        false => document(200, json!({"Messages": messages})),
    }
}

fn message(given: &Given, is_fifo: bool) -> Json {
    let body = if given.is_corrupt {
        "something else"
    } else {
        &given.body
    };
    let md5: String = Md5::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut system = json!({
        "ApproximateReceiveCount": given.receives.to_string(),
        "SentTimestamp": (1_700_000_000_000 + given.number).to_string(),
    });
    if let Some(group) = &given.group {
        system["MessageGroupId"] = group.as_str().into();
    }
    if is_fifo {
        system["SequenceNumber"] = format!("{:020}", given.number).into();
    }
    let attributes = given.attributes.iter();
    let attributes: Map<String, Json> = attributes
        .map(|(name, value)| {
            (
                name.clone(),
                json!({"DataType": "String", "StringValue": value}),
            )
        })
        .collect();
    json!({
        "MessageId": given.id,
        "ReceiptHandle": given.handle,
        "Body": given.body,
        "MD5OfBody": md5,
        "Attributes": system,
        "MessageAttributes": attributes,
    })
}

fn batch(
    queue: &mut Queue,
    members: &Json,
    mut one: impl FnMut(&mut Queue, &Json) -> Result<(), EntryError>,
) -> Answer {
    let entries = members["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    let ids: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| entry["Id"].as_str())
        .collect();
    let refused = match entries.len() {
        0 => Some("EmptyBatchRequest"),
        count if count > MOST => Some("TooManyEntriesInBatchRequest"),
        count if ids.len() < count => Some("BatchEntryIdsNotDistinct"),
        _ => None,
    };
    if let Some(refused) = refused {
        return error(
            400,
            &format!("com.amazonaws.sqs#{refused}"),
            "the batch is refused",
        );
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = &entry["Id"];
        match one(queue, entry) {
            Ok(()) => successful.push(json!({"Id": id})),
            Err(error) => failed.push(json!({
                "Id": id, "Code": error.code, "SenderFault": error.is_senders_fault, "Message": "",
            })),
        }
    }
    document(200, json!({"Successful": successful, "Failed": failed}))
}

fn attributes(queue: &Queue, now: Duration) -> Answer {
    let state = queue.now(now);
    let mut attributes = json!({
        "VisibilityTimeout": "30",
        "ApproximateNumberOfMessages": state.waiting.to_string(),
        "ApproximateNumberOfMessagesNotVisible": state.in_flight.to_string(),
    });
    if queue.is_fifo {
        attributes["FifoQueue"] = "true".into();
    }
    if let Some(most) = queue.settings.most_receives {
        let policy =
            json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": most});
        attributes["RedrivePolicy"] = policy.to_string().into();
    }
    document(200, json!({"Attributes": attributes}))
}

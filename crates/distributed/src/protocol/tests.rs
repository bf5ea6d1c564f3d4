//! The bytes against those of Java's workers, and against anything.
#![allow(clippy::unwrap_used)]

use super::*;
use millstream_golden::{Outcome, bytes_of};
use proptest::prelude::*;
use serde_json::Value as Json;

#[test]
fn golden_connect_protocol() {
    millstream_golden::run("connect protocol", |_, case| match case["kind"].as_str() {
        Some("joingroup") => judge_offers(case),
        Some(kind) => judge(kind, case, &case["base64"], &case["decoded"]),
        None => judge_live(case),
    });
}

fn judge_offers(case: &Json) -> Outcome {
    let expected: Vec<(String, Bytes)> = case["protocols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|offer| {
            let name = offer["name"].as_str().unwrap().to_owned();
            (name, bytes_of(&offer["metadata_base64"]))
        })
        .collect();
    let most = protocol(case["protocol"].as_str().unwrap());
    Outcome::equal(&offers(most, &metadata(&case["worker"])), &expected)
}

/// Reads the bytes and, unless they are only to be read, writes what they say.
fn judge(kind: &str, case: &Json, base64: &Json, decoded: &Json) -> Outcome {
    let bytes = bytes_of(base64);
    let protocol = protocol(case["protocol"].as_str().unwrap());
    let is_read_only = case["decode_only"] == true;
    let fails = decoded.get("exception").is_some();
    let (read, written) = match kind {
        "metadata" => {
            let read = Metadata::decode(&bytes);
            let written = read.as_ref().map(|read| read.encode(protocol)).ok();
            (read.map(|read| read == metadata(decoded)).ok(), written)
        }
        _ => {
            let read = Assignment::decode(&bytes);
            let written = read.as_ref().map(|read| read.encode(protocol)).ok();
            (read.map(|read| read == assignment(decoded)).ok(), written)
        }
    };
    if fails || is_read_only {
        return Outcome::equal(&read, &(!fails).then_some(true));
    }
    Outcome::equal(&(read, written), &(Some(true), Some(bytes)))
}

/// What members of running groups had said and were told. The order of connectors is that of a hash map there.
fn judge_live(case: &Json) -> Outcome {
    let protocol = protocol(case["group_protocol"].as_str().unwrap());
    for member in case["members"].as_array().unwrap() {
        let said = bytes_of(&member["metadata_base64"]);
        let read = Metadata::decode(&said).unwrap();
        let told = bytes_of(&member["assignment_base64"]);
        let assigned = Assignment::decode(&told).unwrap();
        let sorted = |assignment: Assignment| Assignment {
            assigned: assignment.assigned.work().into(),
            revoked: assignment.revoked.work().into(),
            ..assignment
        };
        let said_as = |metadata: Metadata| Metadata {
            allocation: metadata.allocation.map(sorted),
            ..metadata
        };
        let again = Metadata::decode(&read.encode(protocol)).unwrap();
        let told_again = assigned.encode(protocol);
        let checks = [
            said_as(read.clone()) == said_as(metadata(&member["metadata"])),
            said_as(again) == said_as(read.clone()),
            read.encode(protocol).len() == said.len(),
            sorted(assigned.clone()) == sorted(assignment(&member["assignment"])),
            Assignment::decode(&told_again).map(sorted) == Ok(sorted(assigned)),
            told_again.len() == told.len(),
        ];
        if checks != [true; 6] {
            return Outcome::Failed(format!("{checks:?} of {member}"));
        }
    }
    Outcome::Passed
}

fn protocol(name: &str) -> GroupProtocol {
    GroupProtocol::named(name).unwrap()
}

fn metadata(json: &Json) -> Metadata {
    let allocation = json.get("allocation");
    Metadata {
        url: json["url"].as_str().unwrap().to_owned(),
        offset: json["offset"].as_i64().unwrap(),
        // Java shows an empty assignment where there was none.
        allocation: allocation
            .filter(|allocation| !allocation["leader"].is_null())
            .map(assignment),
    }
}

fn assignment(json: &Json) -> Assignment {
    let names = |key: &str| -> Vec<Arc<str>> {
        let names = json[key].as_array().into_iter().flatten();
        names.map(|name| name.as_str().unwrap().into()).collect()
    };
    let tasks = |key: &str| -> Vec<TaskId> {
        let tasks = json[key].as_array().into_iter().flatten();
        tasks
            .map(|task| {
                let number = task[1].as_u64().unwrap() as u32;
                TaskId::new(task[0].as_str().unwrap(), number)
            })
            .collect()
    };
    Assignment {
        version: json["version"].as_i64().unwrap_or(0) as i16,
        error: json["error"].as_i64().unwrap() as i16,
        leader: json["leader"].as_str().unwrap().to_owned(),
        leader_url: json["leader_url"].as_str().unwrap().to_owned(),
        offset: json["offset"].as_i64().unwrap(),
        assigned: Items {
            connectors: names("connectors"),
            tasks: tasks("tasks"),
        },
        revoked: Items {
            connectors: names("revoked_connectors"),
            tasks: tasks("revoked_tasks"),
        },
        delay: json["delay"].as_i64().unwrap_or(0) as i32,
    }
}

#[test]
fn a_claimed_count_is_not_believed() {
    let mut bytes = BytesMut::new();
    bytes.put_i16(2);
    bytes.put_i16(0);
    put_text(&mut bytes, "l");
    put_text(&mut bytes, "http://l/");
    bytes.put_i64(1);
    bytes.put_i32(i32::MAX);
    assert_eq!(Assignment::decode(&bytes), Err(Malformed::TooShort));
    bytes.truncate(bytes.len() - 4);
    bytes.put_i32(1);
    put_text(&mut bytes, "c");
    bytes.put_i32(i32::MAX);
    assert_eq!(Assignment::decode(&bytes), Err(Malformed::TooShort));
}

#[test]
fn a_name_without_room_is_told_to_nobody() {
    let long: Arc<str> = "x".repeat(40_000).into();
    let sent = Assignment {
        version: 2,
        leader_url: "é".repeat(20_000),
        assigned: Items {
            connectors: vec![long.clone(), "c".into()],
            tasks: vec![TaskId::new(long, 1), TaskId::new("c", 0)],
        },
        ..Assignment::default()
    };
    let read = Assignment::decode(&sent.encode(GroupProtocol::Sessioned)).unwrap();
    assert_eq!(read.assigned.connectors, ["c".into()]);
    assert_eq!(read.assigned.tasks, [TaskId::new("c", 0)]);
    assert_eq!(read.leader_url.len(), 32_766);
}

fn items() -> impl Strategy<Value = Items> {
    let name = prop_oneof!["[a-z]{0,3}", "\\PC{0,6}"];
    prop::collection::vec((name, prop::option::of(0..5u32)), 0..8).prop_map(|all| {
        let mut items = Items::default();
        for (name, task) in all {
            match task {
                None => items.connectors.push(name.into()),
                Some(task) => items.tasks.push(TaskId::new(name, task)),
            }
        }
        items
    })
}

fn assignments() -> impl Strategy<Value = Assignment> {
    let numbers = (any::<i16>(), any::<i64>(), any::<i32>());
    (numbers, "\\PC{0,9}", "\\PC{0,9}", items(), items()).prop_map(
        |((error, offset, delay), leader, leader_url, assigned, revoked)| Assignment {
            version: 2,
            error,
            leader,
            leader_url,
            offset,
            assigned,
            revoked,
            delay,
        },
    )
}

/// Sorted, as the bytes keep the order of tasks within a connector alone.
fn in_order(mut items: Items) -> Items {
    items.connectors.sort();
    items.tasks.sort();
    items
}

proptest! {
    #[test]
    fn what_is_written_is_read(assignment in assignments(), url in "\\PC{0,9}", offset: i64, has_none: bool) {
        let sent = Metadata { url, offset, allocation: (!has_none).then_some(assignment) };
        let read = Metadata::decode(&sent.encode(GroupProtocol::Sessioned)).unwrap();
        let sorted = |metadata: Metadata| Metadata {
            allocation: metadata.allocation.map(|allocation| Assignment {
                assigned: in_order(allocation.assigned),
                revoked: in_order(allocation.revoked),
                ..allocation
            }),
            ..metadata
        };
        prop_assert_eq!(sorted(read), sorted(sent));
    }

    #[test]
    fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Metadata::decode(&bytes);
        let _ = Assignment::decode(&bytes);
    }

    /// Each message with one byte changed, and each cut off somewhere.
    #[test]
    fn damaged_messages_may_come(assignment in assignments(), at: prop::sample::Index, to: u8) {
        let sent = Metadata { url: "http://w/".to_owned(), offset: 1, allocation: Some(assignment) };
        let mut bytes = sent.encode(GroupProtocol::Sessioned).to_vec();
        let at = at.index(bytes.len());
        let _ = Metadata::decode(&bytes[..at]);
        bytes[at] = to;
        if let Ok(read) = Metadata::decode(&bytes) {
            let held = read.allocation.map_or(0, |held| held.assigned.tasks.len() + held.assigned.connectors.len());
            prop_assert!(held * 4 <= bytes.len());
        }
    }
}

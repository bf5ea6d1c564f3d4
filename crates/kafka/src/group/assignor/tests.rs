//! The assignors against recorded assignments and by their properties.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::group::protocol::Assignment;
use bytes::{Buf, Bytes};
use millstream_golden::{Outcome, bytes_of};
use serde_json::Value as Json;
use std::collections::BTreeSet;

fn text(json: &Json) -> Option<String> {
    json.as_str().map(str::to_owned)
}

fn partition(json: &Json) -> TopicPartition {
    let (topic, number) = json.as_str().unwrap().rsplit_once('/').unwrap();
    TopicPartition::new(topic, number.parse().unwrap())
}

fn partitions(json: &Json) -> Vec<TopicPartition> {
    json.as_array()
        .into_iter()
        .flatten()
        .map(partition)
        .collect()
}

#[test]
fn golden_assignors() {
    millstream_golden::run("assignors", |_, case| {
        let cluster = case["cluster"].as_object().unwrap();
        if cluster.values().any(Json::is_array) && case["assignor"] == "roundrobin" {
            return Outcome::NotDue("racks, which round robin does not look at".to_owned());
        }
        let assignor = Assignor::named(case["assignor"].as_str().unwrap()).unwrap();
        let (topics, racks) = cluster_of(case);
        let members: Vec<Member> = case["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| Member {
                id: text(&m["id"]).unwrap(),
                instance: text(&m["instance"]),
                subscription: with_listed_order(
                    Subscription::decode(&bytes_of(&m["subscription"])).unwrap(),
                    partitions(&m["owned"]),
                ),
            })
            .collect();
        let name = case["name"].as_str().unwrap();
        if name.ends_with("sticky-no-subscription-beside-one") {
            return Outcome::NotDue("a quirk not to be imitated".to_owned());
        }
        let is_reordered = |m: &Json| {
            let in_bytes = UserData::decode(&bytes_of(&m["user_data"])).owned;
            in_bytes != partitions(&m["user_data_owned"])
        };
        let members_json = case["members"].as_array().unwrap();
        if case["assignor"] == "sticky"
            && members_json
                .iter()
                .any(|m| m["user_data"].is_string() && is_reordered(m))
        {
            return Outcome::NotDue(
                "an order of partitions that the bytes do not carry".to_owned(),
            );
        }
        let as_sets = |shares: Vec<(String, Vec<TopicPartition>)>| -> BTreeMap<String, BTreeSet<TopicPartition>> {
            shares.into_iter().map(|(m, p)| (m, p.into_iter().collect())).collect()
        };
        let actual = as_sets(
            assignor
                .assign(&topics, &racks, &members)
                .into_iter()
                .collect(),
        );
        if case["determined"] == false {
            return check_invariants(case, &actual);
        }
        let expected = as_sets(
            case["assignment"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(member, list)| (member.clone(), partitions(list)))
                .collect(),
        );
        Outcome::equal(&actual, &expected)
    });
}

/// The topics of a case: how many partitions each has, or the racks of their replicas.
fn cluster_of(case: &Json) -> (TopicSizes, PartitionRacks) {
    let (mut sizes, mut racks) = (TopicSizes::new(), PartitionRacks::new());
    for (topic, partitions) in case["cluster"].as_object().unwrap() {
        let name: Arc<str> = Arc::from(topic.as_str());
        let count = match partitions.as_array() {
            Some(list) => {
                let of_partition =
                    |r: &Json| r.as_array().unwrap().iter().filter_map(text).collect();
                racks.insert(name.clone(), list.iter().map(of_partition).collect());
                list.len() as i32
            }
            None => partitions.as_i64().unwrap() as i32,
        };
        sizes.insert(name, count);
    }
    (sizes, racks)
}

/// What the comparison with Java's assignors found (`compat/run assignors`), with Java's answers.
#[test]
fn report_f2_cases_that_were_found_are_shared_out_as_by_java() {
    for line in include_str!("tests/found.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let (topics, racks) = cluster_of(&case);
        let members: Vec<Member> = case["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| Member {
                id: text(&m["id"]).unwrap(),
                instance: text(&m["instance"]),
                subscription: Subscription::decode(&bytes_of(&m["subscription"])).unwrap(),
            })
            .collect();
        let assignor = Assignor::named(case["assignor"].as_str().unwrap()).unwrap();
        for (member, share) in assignor.assign(&topics, &racks, &members) {
            let share: BTreeSet<TopicPartition> = share.into_iter().collect();
            let wanted = partitions(&case["assignment"][&member])
                .into_iter()
                .collect();
            assert_eq!(share, wanted, "{}: {member}", case["name"]);
        }
    }
}

/// The recorded assignors saw owned partitions in the order listed; bytes have them sorted, and those of version 0
/// have none.
fn with_listed_order(read: Subscription, listed: Vec<TopicPartition>) -> Subscription {
    let in_order = |list: &[TopicPartition]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    if in_order(&read.owned) == in_order(&listed) {
        Subscription {
            owned: listed,
            ..read
        }
    } else {
        read
    }
}

/// What must hold where the answer depends on hash order: nothing is given twice, or to one who did not ask.
fn check_invariants(case: &Json, actual: &BTreeMap<String, BTreeSet<TopicPartition>>) -> Outcome {
    let all: Vec<&TopicPartition> = actual.values().flatten().collect();
    let distinct: BTreeSet<&&TopicPartition> = all.iter().collect();
    let members = case["members"].as_array().unwrap();
    let share = |m: &Json| &actual[m["id"].as_str().unwrap()];
    let asked = members.iter().all(|m| {
        let topics: Vec<String> = m["topics"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(text)
            .collect();
        share(m)
            .iter()
            .all(|p| topics.iter().any(|t| **t == *p.topic))
    });
    let owned = if case["assignor"] == "sticky" {
        "user_data_owned"
    } else {
        "owned"
    };
    let kept = members.iter().map(|m| {
        let owned = partitions(&m[owned]);
        owned.iter().filter(|p| share(m).contains(p)).count()
    });
    let sizes: Vec<usize> = actual.values().map(BTreeSet::len).collect();
    Outcome::equal(
        &(
            distinct.len() == all.len(),
            asked,
            kept.sum::<usize>() as u64,
            sizes.iter().min().map(|s| *s as u64),
            sizes.iter().max().map(|s| *s as u64),
        ),
        &(
            true,
            true,
            case["kept"].as_u64().unwrap(),
            case["smallest"].as_u64(),
            case["largest"].as_u64(),
        ),
    )
}

fn subscription(json: &Json) -> Subscription {
    Subscription {
        topics: json["topics"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(text)
            .collect(),
        user_data: user_data(json),
        owned: partitions(&json["owned"]),
        generation: json["generation"].as_i64().map(|g| g as i32),
        rack: text(&json["rack"]),
    }
}

fn user_data(json: &Json) -> Option<Bytes> {
    json["user_data"]
        .as_str()
        .map(|_| bytes_of(&json["user_data"]))
}

/// Compares bytes written and values read with the case; `encode` and `decode` are those of one message.
fn judge<T: PartialEq + std::fmt::Debug>(
    case: &Json,
    build: impl Fn(&Json) -> T,
    encode: impl Fn(&T, i16) -> Bytes,
    decode: impl Fn(&Bytes) -> Option<T>,
) -> Outcome {
    let bytes = bytes_of(&case["base64"]);
    let decoded = decode(&bytes);
    let expected = case["error"].is_null().then(|| build(&case["decoded"]));
    if decoded != expected {
        return Outcome::equal(&decoded, &expected);
    }
    if case["written_from"].is_null() {
        return Outcome::Passed;
    }
    let version = case["version"].as_i64().unwrap() as i16;
    Outcome::equal(&encode(&build(&case["written_from"]), version), &bytes)
}

fn judge_user_data(case: &Json) -> Outcome {
    let bytes = bytes_of(&case["base64"]);
    let expected = UserData {
        owned: partitions(&case["decoded"]["owned"]),
        generation: case["decoded"]["generation"].as_i64().map(|g| g as i32),
    };
    let decoded = UserData::decode(&bytes);
    if decoded != expected || case["written_from"].is_null() {
        return Outcome::equal(&decoded, &expected);
    }
    Outcome::equal(&expected.encode(), &bytes)
}

#[test]
fn golden_consumer_protocol() {
    millstream_golden::run("consumer protocol", |_, case| {
        match case["kind"].as_str().unwrap() {
            "subscription" => judge(case, subscription, Subscription::encode_as, |bytes| {
                Subscription::decode(bytes).ok()
            }),
            "assignment" => judge(
                case,
                |json| Assignment {
                    partitions: partitions(&json["partitions"]),
                    user_data: user_data(json),
                },
                Assignment::encode_as,
                |bytes| Assignment::decode(bytes).ok(),
            ),
            "assignor" => {
                let name = case["protocol_name"].as_str().unwrap();
                match Assignor::named(name) {
                    Some(assignor) => Outcome::equal(&assignor.protocol_name(), &name),
                    None => Outcome::NotDue(name.to_owned()),
                }
            }
            "sticky-user-data" => judge_user_data(case),
            "cooperative-sticky-user-data" => {
                let generation = bytes_of(&case["base64"]).try_get_i32().ok();
                let expected = case["decoded"]["generation"].as_i64();
                Outcome::equal(&generation.map(i64::from), &expected)
            }
            kind => Outcome::Failed(format!("{kind} is unknown")),
        }
    });
}

/// What a member owns stands in no field of version 0, whatever its user data says of a generation.
#[test]
fn report_f3_what_cannot_be_read_is_not_owned() {
    let member = |id: &str, owned: [i32; 3]| {
        let said = Subscription {
            topics: vec!["t".to_owned()],
            user_data: Some(Bytes::from_static(&[0, 0, 0, 5])),
            owned: owned.map(|p| TopicPartition::new("t", p)).to_vec(),
            ..Subscription::default()
        };
        Member {
            id: id.to_owned(),
            instance: None,
            subscription: Subscription::decode(&said.encode_as(0)).unwrap(),
        }
    };
    let members = [member("a", [0, 1, 2]), member("b", [1, 2, 3])];
    let topics = TopicSizes::from([(Arc::from("t"), 4)]);
    let shares = Assignor::CooperativeSticky.assign(&topics, &PartitionRacks::new(), &members);
    let sizes: Vec<usize> = shares.values().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2], "{shares:?}");
}

/// The member that claims a partition from an older generation does not read its topic any more. Java gives it back.
#[test]
fn report_f2_nobody_is_given_what_it_does_not_read() {
    let member = |id: &str, topics: &[&str], owned: &[(&str, i32)], generation| Member {
        id: id.to_owned(),
        instance: None,
        subscription: Subscription {
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
            owned: owned
                .iter()
                .map(|(t, p)| TopicPartition::new(*t, *p))
                .collect(),
            generation: Some(generation),
            ..Subscription::default()
        },
    };
    let all = [("t", 0), ("t", 1), ("t", 2), ("t", 3)];
    let members = [
        member("a", &["t"], &all, 5),
        member("b", &["t"], &[], 5),
        member("c", &["u"], &all, 4),
    ];
    let topics = TopicSizes::from([(Arc::from("t"), 4), (Arc::from("u"), 1)]);
    let shares = Assignor::CooperativeSticky.assign(&topics, &PartitionRacks::new(), &members);
    for member in &members {
        let reads = |p: &TopicPartition| member.subscription.topics.contains(&p.topic.to_string());
        assert!(shares[&member.id].iter().all(reads), "{shares:?}");
    }
}

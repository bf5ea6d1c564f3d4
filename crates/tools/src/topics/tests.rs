//! Flags, names and texts of `topics`.
#![allow(clippy::unwrap_used)]

use super::internal::{Found, Step, plan};
use super::*;
use clap::Parser;
use millstream_kafka::admin::{PartitionDetail, TopicDetail};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    topics: TopicsArgs,
}

fn action(line: &str) -> Result<TopicsAction, String> {
    let words = std::iter::once("topics").chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    line.topics.action().map_err(|error| error.to_string())
}

#[test]
fn the_workshops_lines_are_understood() {
    for name in ["kc_config", "kc_status", "kc_offset"] {
        let line = format!(
            "--create --bootstrap-server b-1:9094,b-2:9094 --replication-factor 3 --partitions 1 --topic {name} --command-config client.properties"
        );
        let Ok(TopicsAction::Create { topic, may_exist }) = action(&line) else {
            panic!("{line}");
        };
        assert_eq!(
            (topic.name.as_str(), topic.partitions, topic.replication),
            (name, 1, 3)
        );
        assert!(!may_exist && topic.configs.is_empty());
    }
}

#[test]
fn flags_that_do_not_go_together_are_told() {
    for (line, told) in [
        ("", "required"),
        ("--list --create --topic a", "cannot be used"),
        ("--create", "--topic"),
        ("--alter --topic a", "--partitions"),
        ("--list --config a=b", "--config"),
        ("--create --topic a --partitions 0", "--partitions"),
        ("--create --topic a --config retention", "key=value"),
        ("--describe --topic (", "regular expression"),
        (
            "--connect-internal --config-storage-topic x --offset-storage-topic x",
            "name x",
        ),
    ] {
        let error = action(line).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn names_are_whole_and_a_comma_means_or() {
    let all = ["MyTopic", "MyTopic2", "__consumer_offsets", "kc_config"];
    let meant = |line: &str| match action(line).unwrap() {
        TopicsAction::List(names) => names.among(all.map(str::to_owned).to_vec()),
        other => panic!("{other:?}"),
    };
    assert_eq!(meant("--list"), all);
    assert_eq!(meant("--list --topic MyTopic"), ["MyTopic"]);
    assert_eq!(
        meant("--list --topic MyTopic,kc_.*"),
        ["MyTopic", "kc_config"]
    );
    assert_eq!(
        meant("--list --exclude-internal"),
        ["MyTopic", "MyTopic2", "kc_config"]
    );
    let TopicsAction::Delete(names) = action("--delete --topic nothing").unwrap() else {
        panic!("no delete");
    };
    let error = names
        .required_among(all.map(str::to_owned).to_vec())
        .unwrap_err();
    assert_eq!(error, "Topic 'nothing' does not exist as expected");
}

#[test]
fn a_topic_reads_as_kafka_prints_it() {
    let partition = |index, leader, in_sync: &[i32]| PartitionDetail {
        index,
        leader,
        replicas: vec![1, 2],
        in_sync: in_sync.to_vec(),
        ..PartitionDetail::default()
    };
    let topic = TopicDetail {
        name: "a".to_owned(),
        id: Some("id".to_owned()),
        is_internal: false,
        partitions: vec![partition(0, Some(1), &[1, 2]), partition(1, None, &[2])],
    };
    let text = |filter| describe(&topic, &[], filter, &[1]);
    let second = "\tTopic: a\tPartition: 1\tLeader: none\tReplicas: 1,2\tIsr: 2\tElr: N/A\tLastKnownElr: N/A\n";
    assert_eq!(
        text(Filter::default()),
        format!(
            "Topic: a\tTopicId: id\tPartitionCount: 2\tReplicationFactor: 2\tConfigs: \n\tTopic: a\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: N/A\tLastKnownElr: N/A\n{second}"
        )
    );
    let under = Filter {
        under_replicated: true,
        ..Filter::default()
    };
    assert_eq!(text(under), second);
    let unavailable = Filter {
        unavailable: true,
        ..Filter::default()
    };
    assert_eq!(text(unavailable), second);
    let overrides = Filter {
        with_overrides: true,
        ..Filter::default()
    };
    assert_eq!(text(overrides), "");
}

#[test]
fn what_is_missing_is_made_and_what_is_wrong_is_told() {
    let TopicsAction::ConnectInternal(wanted) = action("--connect-internal").unwrap() else {
        panic!("not internal");
    };
    let (steps, warning) = plan(&wanted, &BTreeMap::new(), 3);
    let made: Vec<(String, i32, i16)> = steps
        .iter()
        .map(|step| match step {
            Step::Create(topic) => (topic.name.clone(), topic.partitions, topic.replication),
            other => panic!("{other:?}"),
        })
        .collect();
    let row = |name: &str, partitions| (name.to_owned(), partitions, 3);
    assert_eq!(
        made,
        [
            row("kc_config", 1),
            row("kc_offset", 25),
            row("kc_status", 5)
        ]
    );
    assert_eq!(warning, None);
    let (steps, warning) = plan(&wanted, &BTreeMap::new(), 1);
    assert!(
        matches!(&steps[0], Step::Create(topic) if topic.replication == 1 && topic.configs.len() == 1)
    );
    assert!(warning.unwrap().contains("factor of 1"));

    // What the workshop makes: one partition each, deleted in time.
    let found = |partitions, policy: &str| Found {
        partitions,
        policy: Some(policy.to_owned()),
    };
    let there = BTreeMap::from([
        ("kc_config".to_owned(), found(2, "compact")),
        ("kc_offset".to_owned(), found(1, "delete")),
        ("kc_status".to_owned(), found(1, "compact")),
    ]);
    let (steps, _) = plan(&wanted, &there, 3);
    assert!(matches!(&steps[0], Step::Unfit(why) if why.contains("--config-storage-topic")));
    assert!(matches!(&steps[1], Step::Compact { name, .. } if name == "kc_offset"));
    assert!(matches!(&steps[2], Step::Fine { partitions: 1, .. }));
}

proptest! {
    #[test]
    fn any_name_is_a_pattern_or_refused(text in ".*", topic in "[a-z._-]{1,9}") {
        if let Ok(names) = Names::new(Some(&text), true, false) {
            let _ = names.required_among(vec![topic.clone()]);
        }
        // A plain name stands for itself.
        let names = Names::new(Some(&topic), false, false).unwrap();
        prop_assert_eq!(names.among(vec![topic.clone()]), vec![topic]);
    }
}

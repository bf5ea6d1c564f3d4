//! The command line for Kafka as a process: what people type, what they read, and the exit codes, over the embedded broker.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod advise;
mod audit;
mod audit_more;
mod bucket;
mod found;
mod pages;
mod restore;
mod secure;
mod stage;

use serde_json::Value;
use stage::{Ended, Stage, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workshops_topics_are_made_told_of_and_repaired() {
    let stage = Stage::new().await;
    for name in ["kc_config", "kc_status", "kc_offset"] {
        let line = format!(
            "topics --create --replication-factor 3 --partitions 1 --topic {name} --command-config client.properties"
        );
        let out = stage.out(&line).await;
        let lines: Vec<&str> = out.lines().collect();
        assert!(
            lines[0].starts_with("WARNING: Due to limitations in metric names"),
            "{out}"
        );
        assert_eq!(lines[1..], [format!("Created topic {name}.")]);
        let again = stage.run(&line).await;
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.err.contains("already exists"), "{again:?}");
        stage.out(&format!("{line} --if-not-exists")).await;
    }
    assert_eq!(
        stage.out("topics --list").await,
        "kc_config\nkc_offset\nkc_status\n"
    );

    let told = stage.run("topics --connect-internal").await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.err.contains("cleanup.policy=delete") && told.err.contains("--yes"),
        "{told:?}"
    );
    let out = stage.out("topics --connect-internal --yes").await;
    assert_eq!(out.matches("repaired").count(), 3, "{out}");
    let out = stage.out("topics --connect-internal").await;
    assert_eq!(out.matches("right already").count(), 3, "{out}");
    let out = stage.out("topics --describe --topic kc_config").await;
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("Topic: kc_config\tTopicId: "), "{out}");
    assert!(
        lines[0].ends_with(
            "\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: cleanup.policy=compact"
        ),
        "{out}"
    );
    assert!(
        lines[1].starts_with("\tTopic: kc_config\tPartition: 0\tLeader: "),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topics_of_a_connect_cluster_come_in_one_go() {
    let stage = Stage::new().await;
    let out = stage.out("topics --connect-internal").await;
    assert_eq!(
        out,
        "kc_config: created, partitions 1, replication factor 3, compacted\nkc_offset: created, partitions 25, replication factor 3, compacted\nkc_status: created, partitions 5, replication factor 3, compacted\n"
    );
    let shown: Value = serde_json::from_str(&stage.out("topics --describe --json").await).unwrap();
    let partitions = |i: usize| shown[i]["partitions"].as_array().unwrap().len();
    assert_eq!([partitions(0), partitions(1), partitions(2)], [1, 25, 5]);
    assert_eq!(shown[0]["configs"]["cleanup.policy"], "compact");
    assert_eq!(shown[0]["configs"]["min.insync.replicas"], "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_changed_and_deleted_with_a_yes() {
    let stage = Stage::new().await;
    stage
        .out("topics --create --topic a --partitions 2 --config retention.ms=1000")
        .await;
    stage.out("topics --alter --topic a --partitions 3 --config segment.ms=5 --delete-config retention.ms").await;
    let shown: Value =
        serde_json::from_str(&stage.out("topics --describe --topic a --json").await).unwrap();
    assert_eq!(shown[0]["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(shown[0]["configs"], serde_json::json!({"segment.ms": "5"}));
    let refused = stage.run("topics --delete --topic a").await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(stage.broker.topics(), ["a"]);
    stage.out("topics --delete --topic a --yes").await;
    assert!(stage.broker.topics().is_empty());
    let missing = stage.run("topics --delete --topic a --yes").await;
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing.err.contains("Topic 'a' does not exist as expected"),
        "{missing:?}"
    );
    stage
        .out("topics --delete --topic a --yes --if-exists")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_in_and_records_come_out() {
    let stage = Stage::new().await;
    stage.out("topics --create --topic a --partitions 1").await;
    let more = [
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
        "--property",
        "null.marker=NULL",
    ];
    let wrong = stage
        .with("produce --topic a", &more, "k1:v1\nk2:NULL\nno key\n")
        .await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.err.contains("line number 3") && !wrong.err.contains("no key\n"),
        "{wrong:?}"
    );
    let more = [
        "--property",
        "print.key=true",
        "--property",
        "print.offset=true",
        "--property",
        "key.separator= ",
    ];
    let read = stage
        .with("consume --topic a --from-beginning --to-end", &more, "")
        .await;
    assert_eq!(
        (read.code, read.out.as_str()),
        (0, "Offset:0 k1 v1\nOffset:1 k2 null\n"),
        "{read:?}"
    );
    assert!(
        read.err.contains("Processed a total of 2 messages"),
        "{read:?}"
    );

    let sent = stage
        .out("produce --topic a --every 10ms --records 2")
        .await;
    assert_eq!(
        sent,
        "written to a-0 at offset 2\nwritten to a-0 at offset 3\n"
    );
    let json = stage
        .out("consume --topic a --partition 0 --offset 2 --max-messages 1 --json")
        .await;
    let line: Value = serde_json::from_str(&json).unwrap();
    assert!(
        line["value"]
            .as_str()
            .unwrap()
            .starts_with("Kafka message sent at "),
        "{json}"
    );
    assert_eq!(
        (&line["offset"], &line["key"]),
        (&Value::from(2), &Value::Null)
    );

    let report = stage
        .out("produce --topic a --records 500 --size 20 --keys 7 --compression zstd")
        .await;
    assert!(
        report.starts_with("500 records sent, ") && report.ends_with("99.9th.\n"),
        "{report}"
    );
    let out = stage
        .out("consume --topic a --from-beginning --to-end")
        .await;
    assert_eq!(out.lines().count(), 504);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_listed_described_moved_and_deleted() {
    let stage = Stage::new().await;
    stage.out("topics --create --topic a --partitions 1").await;
    stage.with("produce --topic a", &[], "1\n2\n3\n").await;
    let line = "consume --topic a --group g --from-beginning --max-messages 2";
    assert_eq!(stage.out(line).await, "1\n2\n");
    assert_eq!(stage.out("groups --list").await, "g\n");
    let typed = stage.out("groups --list --type --state").await;
    let row: Vec<&str> = typed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["g", "Classic", "Empty"]);
    let described = stage.run("groups --describe --group g").await;
    let row: Vec<&str> = described
        .out
        .lines()
        .nth(2)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(row, ["g", "a", "0", "2", "3", "1", "-", "-", "-"]);
    assert!(
        described
            .err
            .contains("Consumer group 'g' has no active members."),
        "{described:?}"
    );

    let state = stage.out("groups --describe --group g --state").await;
    let row: Vec<&str> = state.lines().nth(2).unwrap().split_whitespace().collect();
    let addresses = stage.broker.addresses();
    let number = 1 + addresses
        .iter()
        .position(|address| address.to_string() == row[1])
        .unwrap();
    let number = format!("({number})");
    assert_eq!(row[2..], [number.as_str(), "-", "Empty", "0"], "{state}");

    let dry = stage
        .out("groups --reset-offsets --group g --topic a --to-earliest")
        .await;
    let row: Vec<&str> = dry.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(row, ["g", "a", "0", "0"]);
    let committed = || {
        stage
            .broker
            .committed("g", "a", 0)
            .map(|(offset, _)| offset)
    };
    assert_eq!(committed(), Some(2));
    stage
        .out("groups --reset-offsets --group g --all-topics --shift-by -1 --execute")
        .await;
    assert_eq!(committed(), Some(1));
    let refused = stage.run("groups --delete --group g").await;
    assert_eq!(refused.code, 2, "{refused:?}");
    let out = stage.out("groups --delete --group g --yes").await;
    assert_eq!(
        out,
        "Deletion of requested consumer groups ('g') was successful.\n"
    );
    let gone = stage.run("groups --describe --group g").await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(
        gone.err.contains("Consumer group 'g' does not exist."),
        "{gone:?}"
    );
}

#[tokio::test]
async fn without_brokers_the_flag_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "topics --list",
        "groups --list",
        "consume --topic a",
        "produce --topic a",
    ] {
        let ended = run(folder.path(), line, &[], "").await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains("--bootstrap-server"), "{ended:?}");
    }
    let ended = run(folder.path(), "topics --list --create", &[], "").await;
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_brokers_learns_why() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = "--bootstrap-server 127.0.0.1:1 --command-property default.api.timeout.ms=4000";
    let commands = ["topics --list", "consume --topic a", "produce --topic a"];
    let lines = commands.map(|command| format!("{command} {nobody}"));
    let all = lines
        .iter()
        .map(|line| run(folder.path(), line, &[], "a\n"));
    for ended in futures::future::join_all(all).await {
        assert_eq!(ended.code, 1, "{ended:?}");
        for level in ["WARN", "ERROR"] {
            let mut of_level = ended.err.lines().filter(|line| line.contains(level));
            let why = "cannot connect to 127.0.0.1:1";
            assert!(
                of_level.any(|line| line.contains(why)),
                "{level}: {ended:?}"
            );
        }
    }
    let stage = Stage::new().await;
    stage.out("topics --create --topic somewhere").await;
    for line in [
        "topics --describe --topic somwhere",
        "consume --topic somwhere --to-end",
        "groups --reset-offsets --group g --topic somwhere --to-latest",
    ] {
        let missing = stage.run(line).await;
        assert_eq!((missing.code, missing.out.as_str()), (1, ""), "{missing:?}");
        assert!(
            missing.err.contains("did you mean somewhere?"),
            "{missing:?}"
        );
        assert!(!missing.err.contains("Processed"), "{missing:?}");
    }
    let made = stage.with("produce --topic nowhere", &[], "a\n").await;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.err.contains("auto.create.topics.enable"), "{made:?}");
}

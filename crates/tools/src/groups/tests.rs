//! Flags, plans and texts of `groups`.
#![allow(clippy::unwrap_used)]

use super::*;
use clap::Parser;
use millstream_core::TopicPartition;
use millstream_kafka::admin::{
    GroupDescription, GroupEpochs, GroupKind, GroupListing, GroupMember, GroupOffset, Node,
    ShareGroupOffset,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    groups: GroupsArgs,
}

fn action(line: &str) -> Result<GroupsAction, String> {
    let words = std::iter::once("groups").chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    line.groups
        .action(10_000_000)
        .map_err(|error| error.to_string())
}

#[test]
fn a_reset_has_topics_and_a_target() {
    let line = "--reset-offsets --group g --topic MyTopic:0,2 --topic other";
    let reset = |rest: &str| match action(&format!("{line} {rest}")).unwrap() {
        GroupsAction::Reset { target, topics, .. } => {
            let ResetTopics::Named(topics) = topics else {
                panic!("topics were named");
            };
            assert_eq!(topics[0].partitions, Some(vec![0, 2]));
            assert_eq!(topics[1].partitions, None);
            target
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(reset("--to-earliest"), ResetTarget::Earliest);
    assert_eq!(reset("--to-latest --execute"), ResetTarget::Latest);
    assert_eq!(reset("--to-offset 7 --dry-run"), ResetTarget::Offset(7));
    assert_eq!(reset("--shift-by -10"), ResetTarget::ShiftBy(-10));
    assert_eq!(
        reset("--to-datetime 1970-01-01T00:00:05.000"),
        ResetTarget::Time(5000)
    );
    assert_eq!(reset("--by-duration PT1H"), ResetTarget::Time(6_400_000));
}

#[test]
fn flags_that_do_not_go_together_are_told() {
    for (line, told) in [
        ("", "required"),
        ("--describe", "--group"),
        ("--describe --group g --all-groups", "cannot be used"),
        ("--reset-offsets --group g --topic t", "--to-earliest"),
        ("--reset-offsets --group g --to-latest", "--all-topics"),
        (
            "--reset-offsets --group g --to-latest --topic t:x",
            "MyTopic:0,1",
        ),
        (
            "--reset-offsets --group g --to-latest --to-earliest --topic t",
            "cannot be used",
        ),
        ("--list --type odd", "classic, consumer"),
        ("--list --state stabel", "Reconciling, Stable"),
    ] {
        let error = action(line).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn kinds_of_groups_are_told_apart() {
    let group = |id: &str, protocol: &str, kind: &str| GroupListing {
        id: id.to_owned(),
        protocol_type: protocol.to_owned(),
        state: Some("Stable".to_owned()),
        kind: Some(kind.to_owned()),
    };
    let groups = [
        group("a", "consumer", "Classic"),
        group("b", "consumer", "Consumer"),
        group("c", "share", "Share"),
        group("d", "connect", "Classic"),
    ];
    let listed = |line: &str| match action(line).unwrap() {
        GroupsAction::List(columns) => list_text(&groups, &columns),
        other => panic!("{other:?}"),
    };
    assert_eq!(listed("--list"), "a\nb\n");
    let row = |id: &str, kind: &str| format!("{id:<25} {kind:<20}\n");
    let typed = row("GROUP", "TYPE") + &row("a", "Classic") + &row("b", "Consumer");
    assert_eq!(listed("--list --type"), typed);
    assert_eq!(
        listed("--list --type share"),
        row("GROUP", "TYPE") + &row("c", "Share")
    );
    assert_eq!(listed("--list --type all").lines().count(), 5);
    assert_eq!(listed("--list --state empty").lines().count(), 1);
    assert_eq!(
        list_json(&groups, &ListColumns::default())
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

fn described() -> GroupDescription {
    let member = |id: &str, partitions: &[i32]| GroupMember {
        id: id.to_owned(),
        instance_id: None,
        client_id: "c".to_owned(),
        host: "/127.0.0.1".to_owned(),
        partitions: partitions
            .iter()
            .map(|p| TopicPartition::new("t", *p))
            .collect(),
        epoch: None,
        target: Vec::new(),
    };
    GroupDescription {
        id: "g".to_owned(),
        kind: GroupKind::Classic,
        protocol_type: "consumer".to_owned(),
        state: "Stable".to_owned(),
        assignor: "range".to_owned(),
        coordinator: Node {
            id: 1,
            host: "h".to_owned(),
            port: 9092,
        },
        epochs: None,
        members: vec![member("m1", &[0]), member("m2", &[2, 1])],
    }
}

#[test]
fn offsets_are_shown_with_their_members_first() {
    let group = described();
    let place = |p| TopicPartition::new("t", p);
    let commit = |p, offset| GroupOffset {
        place: place(p),
        offset,
        leader_epoch: None,
    };
    let committed = [commit(0, 5), commit(3, 1)];
    let ends = BTreeMap::from([(place(0), 9), (place(1), 4), (place(2), 4), (place(3), 1)]);
    let text = offsets_text(&group, &OffsetRow::of(&group, &committed, &ends), false);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], Vec::<&str>::new());
    assert_eq!(
        lines[1][..4],
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET"]
    );
    assert_eq!(
        lines[2],
        ["g", "t", "1", "-", "4", "-", "m2", "/127.0.0.1", "c"]
    );
    assert_eq!(
        lines[4],
        ["g", "t", "0", "5", "9", "4", "m1", "/127.0.0.1", "c"]
    );
    assert_eq!(lines[5], ["g", "t", "3", "1", "1", "0", "-", "-", "-"]);
    assert!(members_text(&group, true).contains("t:1,2"));
    assert!(state_text(&group, false).contains("h:9092  (1)"));
    assert_eq!(GroupState::of(&group), GroupState::Plain);
    let empty = GroupDescription {
        state: "Empty".to_owned(),
        ..group
    };
    assert!(
        matches!(GroupState::of(&empty), GroupState::Note(note) if note.contains("no active members"))
    );
}

/// What kafka-consumer-groups and kafka-share-groups of 4.3.1 print of such groups, to the byte.
#[test]
fn tables_are_those_of_kafkas_scripts() {
    let epochs = Some(GroupEpochs {
        group: 4,
        assignment: 3,
    });
    let mut group = GroupDescription {
        kind: GroupKind::Consumer,
        epochs,
        ..described()
    };
    group.members.truncate(1);
    group.members[0].epoch = Some(3);
    group.members[0].target = group.members[0].partitions.clone();
    assert_eq!(
        members_text(&group, true),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT   \n\
         g               m1              /127.0.0.1      c               1               3               t:0                  3               t:0                 \n"
    );
    assert_eq!(
        state_text(&group, true),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH   #MEMBERS\n\
         g               h:9092  (1)               range                Stable               4               3                         1\n"
    );
    group.members.clear();
    assert_eq!(
        members_text(&group, false),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \n"
    );
    let share = GroupDescription {
        kind: GroupKind::Share,
        ..group
    };
    assert_eq!(members_text(&share, true), "");
    assert_eq!(
        state_text(&share, true),
        "\nGROUP           COORDINATOR (ID)          STATE           GROUP-EPOCH  ASSIGNMENT-EPOCH  #MEMBERS\n\
         g               h:9092  (1)               Stable          4            3                 0\n"
    );
    let begun = |p, start, leader_epoch| ShareGroupOffset {
        place: TopicPartition::new("t", p),
        start,
        leader_epoch,
    };
    let begun = [begun(0, Some(2), Some(3)), begun(1, None, None)];
    let ends = BTreeMap::from([(begun[0].place.clone(), 9), (begun[1].place.clone(), 4)]);
    let rows = OffsetRow::of_share(&begun, &ends);
    assert_eq!(
        offsets_text(&share, &rows, false),
        "\nGROUP           TOPIC           PARTITION  START-OFFSET  LAG\n\
         g               t               0          2             -\n\
         g               t               1          -             -\n"
    );
    assert_eq!(
        offsets_text(&share, &rows, true),
        "\nGROUP           TOPIC           PARTITION  LEADER-EPOCH  START-OFFSET  LAG\n\
         g               t               0          3             2             -\n\
         g               t               1          -             -             -\n"
    );
}

#[test]
fn an_offset_outside_of_the_log_is_brought_inside() {
    let facts = Facts {
        start: 10,
        end: 20,
        committed: Some(15),
        at_time: None,
    };
    let to = |target| {
        new_offset(target, "t-0", facts).map(|reset| (reset.offset, reset.warning.is_some()))
    };
    assert_eq!(to(ResetTarget::Earliest), Ok((10, false)));
    assert_eq!(to(ResetTarget::Latest), Ok((20, false)));
    assert_eq!(to(ResetTarget::Current), Ok((15, false)));
    assert_eq!(to(ResetTarget::Offset(30)), Ok((20, true)));
    assert_eq!(to(ResetTarget::Offset(0)), Ok((10, true)));
    assert_eq!(to(ResetTarget::ShiftBy(-3)), Ok((12, false)));
    assert_eq!(to(ResetTarget::ShiftBy(i64::MIN)), Ok((10, true)));
    assert_eq!(to(ResetTarget::Time(5)), Ok((20, true)));
    let none = Facts {
        committed: None,
        ..facts
    };
    assert!(new_offset(ResetTarget::ShiftBy(1), "t-0", none).is_err());
}

proptest! {
    #[test]
    fn a_new_offset_is_always_in_the_log(
        start in 0i64..100, length in 0i64..100, committed in proptest::option::of(0i64..200),
        offset in any::<i64>(), by in any::<bool>(),
    ) {
        let facts = Facts { start, end: start + length, committed, at_time: None };
        let target = if by { ResetTarget::ShiftBy(offset) } else { ResetTarget::Offset(offset) };
        if let Ok(reset) = new_offset(target, "t-0", facts) {
            prop_assert!((start..=start + length).contains(&reset.offset));
        }
    }

    #[test]
    fn any_topic_is_read_or_refused(text in "[a-zA-Z0-9:, .-]{0,20}") {
        let _ = topic_partitions(&text);
    }
}

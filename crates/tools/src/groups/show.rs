//! Groups as text, in the words of kafka-consumer-groups 4.3, and as JSON.

use crate::table::{line, list, width};
use millstream_core::TopicPartition;
use millstream_kafka::admin::{GroupDescription, GroupKind, GroupListing, GroupMember};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MISSING: &str = "-";
/// The least width of most columns, and of those for numbers.
const LEAST: usize = 15;
const PARTITION: usize = 10;

/// Which groups are listed, and with which columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListColumns {
    /// A column of kinds; only these if any are named.
    pub kinds: Option<Vec<String>>,
    /// A column of states; likewise.
    pub states: Option<Vec<String>>,
}

impl ListColumns {
    /// Groups of consumers, unless others were asked for: Connect's workers, share and streams groups are not among them.
    fn takes(&self, group: &GroupListing) -> bool {
        let kind = group.kind.as_deref().unwrap_or("Classic").to_lowercase();
        let state = group.state.as_deref().unwrap_or_default().to_lowercase();
        let kinds = self.kinds.as_deref().unwrap_or_default();
        let states = self.states.as_deref().unwrap_or_default();
        let is_of_consumers = matches!(group.protocol_type.as_str(), "" | "consumer")
            && matches!(kind.as_str(), "classic" | "consumer");
        let is_kind = match kinds {
            [] => is_of_consumers,
            kinds => kinds
                .iter()
                .any(|wanted| wanted == "all" || *wanted == kind),
        };
        is_kind && (states.is_empty() || states.contains(&state))
    }
}

pub fn list_text(groups: &[GroupListing], columns: &ListColumns) -> String {
    let groups: Vec<&GroupListing> = groups.iter().filter(|group| columns.takes(group)).collect();
    if columns.kinds.is_none() && columns.states.is_none() {
        return groups
            .iter()
            .map(|group| format!("{}\n", group.id))
            .collect();
    }
    let id = width(LEAST, groups.iter().map(|group| group.id.as_str())) + 10;
    let mut text = String::new();
    let mut row = |id_cell: &str, kind: &str, state: &str| {
        let mut cells = vec![id_cell];
        if columns.kinds.is_some() {
            cells.push(kind);
        }
        if columns.states.is_some() {
            cells.push(state);
        }
        text.push_str(&line(&[id, 20, 20], &cells));
        text.push('\n');
    };
    row("GROUP", "TYPE", "STATE");
    for group in groups {
        let kind = group.kind.as_deref().unwrap_or("Unknown");
        row(&group.id, kind, group.state.as_deref().unwrap_or("Unknown"));
    }
    text
}

/// All kinds, unless some were asked for: whoever reads it sees the kind.
pub fn list_json(groups: &[GroupListing], columns: &ListColumns) -> Value {
    let all = ListColumns {
        kinds: Some(vec!["all".to_owned()]),
        states: columns.states.clone(),
    };
    let columns = if columns.kinds.is_some() {
        columns
    } else {
        &all
    };
    let groups = groups.iter().filter(|group| columns.takes(group));
    let group = |group: &GroupListing| {
        json!({
            "group": group.id,
            "type": group.kind,
            "protocol": group.protocol_type,
            "state": group.state,
        })
    };
    Value::Array(groups.map(group).collect())
}

/// What a group's state has to be told: before the table, or instead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// The table alone.
    Plain,
    /// A line for standard error, and the table.
    Note(String),
}

impl GroupState {
    pub fn of(group: &GroupDescription) -> Self {
        let what = match group.kind {
            GroupKind::Share => "Share",
            GroupKind::Classic | GroupKind::Consumer => "Consumer",
        };
        match group.state.as_str() {
            "Empty" => GroupState::Note(format!(
                "\n{what} group '{}' has no active members.",
                group.id
            )),
            "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
                GroupState::Note(format!(
                    "\nWarning: {what} group '{}' is rebalancing.",
                    group.id
                ))
            }
            _ => GroupState::Plain,
        }
    }
}

/// A partition of a group: how far it has been read, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetRow {
    pub place: Option<TopicPartition>,
    /// Of a share group: where it begins to read.
    pub offset: Option<i64>,
    pub end: Option<i64>,
    pub member: Option<GroupMember>,
}

impl OffsetRow {
    /// Partitions with a member, members with most partitions first; then those that nobody reads.
    pub fn of(
        group: &GroupDescription,
        committed: &BTreeMap<TopicPartition, i64>,
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Vec<OffsetRow> {
        let row = |place: &TopicPartition, member: Option<&GroupMember>| OffsetRow {
            offset: committed.get(place).copied(),
            end: ends.get(place).copied(),
            member: member.cloned(),
            place: Some(place.clone()),
        };
        let mut members: Vec<&GroupMember> = group.members.iter().collect();
        members.sort_by_key(|member| std::cmp::Reverse(member.partitions.len()));
        let mut rows = Vec::new();
        for member in &members {
            let mut places = member.partitions.clone();
            places.sort();
            rows.extend(places.iter().map(|place| row(place, Some(member))));
        }
        let is_read = |place: &TopicPartition| members.iter().any(|m| m.partitions.contains(place));
        let left = committed.keys().filter(|place| !is_read(place));
        rows.extend(left.map(|place| row(place, None)));
        rows
    }

    fn lag(&self) -> Option<i64> {
        Some(self.end? - self.offset?)
    }
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| MISSING.to_owned(), |number| number.to_string())
}

/// The table of offsets; of a share group without what it has none of.
pub fn offsets_text(group: &GroupDescription, rows: &[OffsetRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let is_share = group.kind == GroupKind::Share;
    let topic = |row: &OffsetRow| {
        row.place
            .as_ref()
            .map_or_else(|| MISSING.to_owned(), |place| place.topic.to_string())
    };
    let topics: Vec<String> = rows.iter().map(topic).collect();
    let member = |row: &OffsetRow, what: fn(&GroupMember) -> &str| {
        row.member.as_ref().map_or(MISSING, what).to_owned()
    };
    let ids: Vec<String> = rows.iter().map(|row| member(row, |m| &m.id)).collect();
    let hosts: Vec<String> = rows.iter().map(|row| member(row, |m| &m.host)).collect();
    let first = [
        width(LEAST, std::iter::once(group.id.as_str())),
        width(LEAST, topics.iter().map(String::as_str)),
        PARTITION,
        LEAST,
    ];
    let mut text = String::new();
    if is_share {
        text.push('\n');
        let heading = ["GROUP", "TOPIC", "PARTITION", "START-OFFSET"];
        text.push_str(&line(&first, &heading));
    } else {
        let more = [
            LEAST,
            LEAST,
            width(LEAST, ids.iter().map(String::as_str)),
            width(LEAST, hosts.iter().map(String::as_str)),
        ];
        let widths = [&first[..], &more].concat();
        let heading = [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID",
        ];
        text.push('\n');
        text.push_str(&line(&widths, &heading));
        for (i, row) in rows.iter().enumerate() {
            let partition = row.place.as_ref().map(|place| place.partition.into());
            let client = member(row, |m| &m.client_id);
            let cells = [
                &group.id,
                &topics[i],
                &number(partition),
                &number(row.offset),
                &number(row.end),
                &number(row.lag()),
                &ids[i],
                &hosts[i],
                &client,
            ];
            text.push('\n');
            text.push_str(&line(&widths, &cells.map(String::as_str)));
        }
        text.push('\n');
        return text;
    }
    for (i, row) in rows.iter().enumerate() {
        let partition = row.place.as_ref().map(|place| place.partition.into());
        let cells = [
            &group.id,
            &topics[i],
            &number(partition),
            &number(row.offset),
        ];
        text.push('\n');
        text.push_str(&line(&first, &cells.map(String::as_str)));
    }
    text.push('\n');
    text
}

/// A member's partitions as `topic:0,1;other:2`.
fn assignment(member: &GroupMember) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in &member.partitions {
        topics
            .entry(&place.topic)
            .or_default()
            .push(place.partition);
    }
    let topic = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        format!("{topic}:{}", list(&partitions))
    };
    let topics: Vec<String> = topics.into_iter().map(topic).collect();
    match topics.is_empty() {
        true => MISSING.to_owned(),
        false => topics.join(";"),
    }
}

pub fn members_text(group: &GroupDescription, verbose: bool) -> String {
    if group.members.is_empty() {
        return String::new();
    }
    let members = &group.members;
    let has_static = members.iter().any(|member| member.instance_id.is_some());
    let assigned: Vec<String> = members.iter().map(assignment).collect();
    let instance = |member: &GroupMember| member.instance_id.clone().unwrap_or_default();
    let instances: Vec<String> = members.iter().map(instance).collect();
    let mut widths = vec![
        width(LEAST, std::iter::once(group.id.as_str())),
        width(LEAST, members.iter().map(|member| member.id.as_str())),
    ];
    if has_static {
        widths.push(width(17, instances.iter().map(String::as_str)));
    }
    widths.push(width(
        LEAST,
        members.iter().map(|member| member.host.as_str()),
    ));
    widths.push(width(
        LEAST,
        members.iter().map(|member| member.client_id.as_str()),
    ));
    widths.push(LEAST);
    let mut text = String::new();
    let mut row = |group: &str,
                   id: &str,
                   instance: &str,
                   host: &str,
                   client: &str,
                   count: &str,
                   assigned: &str| {
        let mut cells = vec![group, id];
        if has_static {
            cells.push(instance);
        }
        cells.extend([host, client, count]);
        text.push_str(&line(&widths, &cells));
        text.push(' ');
        if verbose {
            text.push_str(assigned);
        }
        text.push('\n');
    };
    row(
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-ASSIGNMENT",
    );
    for (i, member) in members.iter().enumerate() {
        let count = member.partitions.len().to_string();
        row(
            &group.id,
            &member.id,
            &instances[i],
            &member.host,
            &member.client_id,
            &count,
            &assigned[i],
        );
    }
    format!("\n{text}")
}

pub fn state_text(group: &GroupDescription) -> String {
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    let widths = [
        width(LEAST, std::iter::once(group.id.as_str())),
        width(25, std::iter::once(coordinator.as_str())),
        20,
        20,
    ];
    let assignor = if group.assignor.is_empty() {
        MISSING
    } else {
        &group.assignor
    };
    let members = group.members.len().to_string();
    let heading = [
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "#MEMBERS",
    ];
    let row = [
        group.id.as_str(),
        &coordinator,
        assignor,
        &group.state,
        &members,
    ];
    format!("\n{}\n{}\n", line(&widths, &heading), line(&widths, &row))
}

pub fn group_json(group: &GroupDescription, rows: &[OffsetRow]) -> Value {
    let offset = |row: &OffsetRow| {
        json!({
            "topic": row.place.as_ref().map(|place| place.topic.to_string()),
            "partition": row.place.as_ref().map(|place| place.partition),
            "offset": row.offset,
            "logEndOffset": row.end,
            "lag": row.lag(),
            "member": row.member.as_ref().map(|member| member.id.as_str()),
        })
    };
    let member = |member: &GroupMember| {
        let place =
            |place: &TopicPartition| json!({"topic": &*place.topic, "partition": place.partition});
        json!({
            "id": member.id,
            "instanceId": member.instance_id,
            "clientId": member.client_id,
            "host": member.host,
            "partitions": member.partitions.iter().map(place).collect::<Vec<_>>(),
        })
    };
    json!({
        "group": group.id,
        "type": group.kind.name(),
        "protocol": group.protocol_type,
        "state": group.state,
        "assignor": group.assignor,
        "coordinator": {"id": group.coordinator.id, "host": group.coordinator.host, "port": group.coordinator.port},
        "members": group.members.iter().map(member).collect::<Vec<_>>(),
        "offsets": rows.iter().map(offset).collect::<Vec<_>>(),
    })
}

/// The new offsets of groups, by group and place.
pub fn reset_text(resets: &[(String, TopicPartition, i64)]) -> String {
    let topics: Vec<&str> = resets.iter().map(|(_, place, _)| &*place.topic).collect();
    let widths = [
        width(LEAST, resets.iter().map(|(group, ..)| group.as_str())),
        width(LEAST, topics.iter().copied()),
        PARTITION,
    ];
    let heading = ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"];
    let mut text = format!("\n{}", line(&widths, &heading));
    for (group, place, offset) in resets {
        let (partition, offset) = (place.partition.to_string(), offset.to_string());
        let cells = [group.as_str(), &place.topic, &partition, &offset];
        text.push('\n');
        text.push_str(&line(&widths, &cells));
    }
    text.push('\n');
    text
}

pub fn reset_json(resets: &[(String, TopicPartition, i64)], is_done: bool) -> Value {
    let one = |(group, place, offset): &(String, TopicPartition, i64)| {
        json!({
            "group": group,
            "topic": &*place.topic,
            "partition": place.partition,
            "newOffset": offset,
        })
    };
    json!({"executed": is_done, "offsets": resets.iter().map(one).collect::<Vec<_>>()})
}

/// What Java's tool prints when all are deleted.
pub fn deleted_text(groups: &[String]) -> String {
    let quoted: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
    format!(
        "Deletion of requested consumer groups ({}) was successful.\n",
        quoted.join(", ")
    )
}

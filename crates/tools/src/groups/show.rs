//! Groups as text, in the words of kafka-consumer-groups 4.3, and as JSON.

mod members;
mod offsets;

pub use members::{members_text, state_text};
pub use offsets::{OffsetRow, offsets_text};

use crate::table::{line, table, width};
use millstream_core::TopicPartition;
use millstream_kafka::admin::{GroupDescription, GroupKind, GroupListing, GroupMember};
use serde_json::{Value, json};

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

pub fn group_json(group: &GroupDescription, rows: &[OffsetRow]) -> Value {
    let offset = |row: &OffsetRow| {
        json!({
            "topic": &*row.place.topic,
            "partition": row.place.partition,
            "offset": row.offset,
            "leaderEpoch": row.leader_epoch,
            "logEndOffset": row.end,
            "lag": row.lag,
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
            "epoch": member.epoch,
        })
    };
    json!({
        "group": group.id,
        "type": group.kind.name(),
        "protocol": group.protocol_type,
        "state": group.state,
        "assignor": group.assignor,
        "coordinator": {"id": group.coordinator.id, "host": group.coordinator.host, "port": group.coordinator.port},
        "epoch": group.epochs.map(|epochs| epochs.group),
        "assignmentEpoch": group.epochs.map(|epochs| epochs.assignment),
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
    let cells = |(group, place, offset): &(String, TopicPartition, i64)| {
        vec![
            group.clone(),
            place.topic.to_string(),
            place.partition.to_string(),
            offset.to_string(),
        ]
    };
    table(&widths, &heading, resets.iter().map(cells))
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

//! Who is in a group, and what state it is in.

use super::{LEAST, MISSING};
use crate::table::{list, table, width};
use millstream_core::TopicPartition;
use millstream_kafka::admin::{GroupDescription, GroupKind, GroupMember};
use std::collections::BTreeMap;

/// The least width of an assignment.
const ASSIGNMENT: usize = 20;

/// Partitions as `topic:0,1;other:2`.
fn assignment(places: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in places {
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

/// The table of members, of a share group only if it has some.
pub fn members_text(group: &GroupDescription, verbose: bool) -> String {
    let members = &group.members;
    let widest = |what: fn(&GroupMember) -> &str| width(LEAST, members.iter().map(what));
    let group_width = width(LEAST, std::iter::once(group.id.as_str()));
    let first = [
        group_width,
        widest(|m| &m.id),
        widest(|m| &m.host),
        widest(|m| &m.client_id),
    ];
    match group.kind {
        GroupKind::Share if members.is_empty() => String::new(),
        GroupKind::Share => of_share_group(group, &first, verbose),
        GroupKind::Classic | GroupKind::Consumer => of_consumers(group, &first, verbose),
    }
}

fn of_share_group(group: &GroupDescription, first: &[usize], verbose: bool) -> String {
    let mut heading = vec!["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
    let mut widths = [first, &[12]].concat();
    if verbose {
        heading.push("MEMBER-EPOCH");
        widths.push(13);
    }
    heading.push("ASSIGNMENT");
    let cells = |member: &GroupMember| {
        let mut cells = who(group, member);
        cells.push(member.partitions.len().to_string());
        if verbose {
            cells.push(epoch(member.epoch));
        }
        cells.push(assignment(&member.partitions));
        cells
    };
    table(&widths, &heading, group.members.iter().map(cells))
}

fn of_consumers(group: &GroupDescription, first: &[usize], verbose: bool) -> String {
    let members = &group.members;
    let instance = |member: &GroupMember| member.instance_id.clone().unwrap_or_default();
    let has_static = members.iter().any(|member| member.instance_id.is_some());
    let target_epoch = group.epochs.map(|epochs| epochs.assignment);
    let mut heading = vec!["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
    let mut widths = [first, &[LEAST]].concat();
    if has_static {
        heading.insert(2, "GROUP-INSTANCE-ID");
        let instances: Vec<String> = members.iter().map(instance).collect();
        widths.insert(2, width(17, instances.iter().map(String::as_str)));
    }
    if verbose {
        let longest = |what: fn(&GroupMember) -> &[TopicPartition]| {
            let texts: Vec<String> = members.iter().map(|m| assignment(what(m))).collect();
            width(ASSIGNMENT, texts.iter().map(String::as_str))
        };
        heading.extend([
            "CURRENT-EPOCH",
            "CURRENT-ASSIGNMENT",
            "TARGET-EPOCH",
            "TARGET-ASSIGNMENT",
        ]);
        let (current, target) = (longest(|m| &m.partitions), longest(|m| &m.target));
        widths.extend([LEAST, current, LEAST, target]);
    } else {
        // Java's line ends with a blank.
        heading.push("");
    }
    let cells = |member: &GroupMember| {
        let mut cells = who(group, member);
        if has_static {
            cells.insert(2, instance(member));
        }
        cells.push(member.partitions.len().to_string());
        if verbose {
            cells.extend([
                epoch(member.epoch),
                assignment(&member.partitions),
                epoch(target_epoch),
                assignment(&member.target),
            ]);
        } else {
            cells.push(String::new());
        }
        cells
    };
    table(&widths, &heading, members.iter().map(cells))
}

fn who(group: &GroupDescription, member: &GroupMember) -> Vec<String> {
    vec![
        group.id.clone(),
        member.id.clone(),
        member.host.clone(),
        member.client_id.clone(),
    ]
}

fn epoch(epoch: Option<i32>) -> String {
    epoch.map_or_else(|| MISSING.to_owned(), |epoch| epoch.to_string())
}

/// The group as a whole; the coordinator of a share group has no strategies.
pub fn state_text(group: &GroupDescription, verbose: bool) -> String {
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    let is_share = group.kind == GroupKind::Share;
    let mut heading = vec!["GROUP", "COORDINATOR (ID)"];
    let mut widths = vec![
        width(LEAST, std::iter::once(group.id.as_str())),
        width(25, std::iter::once(coordinator.as_str())),
    ];
    let mut cells = vec![group.id.clone(), coordinator];
    if is_share {
        heading.push("STATE");
        widths.push(LEAST);
    } else {
        heading.extend(["ASSIGNMENT-STRATEGY", "STATE"]);
        widths.extend([20, 20]);
        cells.push(match group.assignor.is_empty() {
            true => MISSING.to_owned(),
            false => group.assignor.clone(),
        });
    }
    cells.push(group.state.clone());
    if verbose {
        let (name, group_width, assignment_width) = match is_share {
            true => ("ASSIGNMENT-EPOCH", 12, 17),
            false => ("TARGET-ASSIGNMENT-EPOCH", 15, 25),
        };
        heading.extend(["GROUP-EPOCH", name]);
        widths.extend([group_width, assignment_width]);
        cells.push(epoch(group.epochs.map(|epochs| epochs.group)));
        cells.push(epoch(group.epochs.map(|epochs| epochs.assignment)));
    }
    heading.push("#MEMBERS");
    cells.push(group.members.len().to_string());
    table(&widths, &heading, std::iter::once(cells))
}

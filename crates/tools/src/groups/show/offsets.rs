//! How far a group has read, partition by partition.

use super::{LEAST, MISSING, PARTITION};
use crate::table::{table, width};
use millstream_core::TopicPartition;
use millstream_kafka::admin::{
    GroupDescription, GroupKind, GroupMember, GroupOffset, ShareGroupOffset,
};
use std::collections::BTreeMap;

/// A partition of a group: how far it has been read, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRow {
    pub place: TopicPartition,
    /// Of a share group: where it begins to read.
    pub offset: Option<i64>,
    pub leader_epoch: Option<i32>,
    pub end: Option<i64>,
    /// How many records are still to be read. Of a share group unknown: members read out of order, and what is done ahead of
    /// the group's beginning is told by the brokers in a version of the answer that the protocol's library does not have.
    pub lag: Option<i64>,
    /// None of a share group, whose members read the same partitions.
    pub member: Option<GroupMember>,
}

impl OffsetRow {
    /// Partitions with a member, members with most partitions first; then those that nobody reads.
    pub fn of(
        group: &GroupDescription,
        committed: &[GroupOffset],
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Vec<OffsetRow> {
        let known: BTreeMap<&TopicPartition, &GroupOffset> =
            committed.iter().map(|one| (&one.place, one)).collect();
        let row = |place: &TopicPartition, member: Option<&GroupMember>| {
            let known = known.get(place);
            let offset = known.map(|known| known.offset);
            let end = ends.get(place).copied();
            OffsetRow {
                offset,
                leader_epoch: known.and_then(|known| known.leader_epoch),
                end,
                lag: end.zip(offset).map(|(end, offset)| end - offset),
                member: member.cloned(),
                place: place.clone(),
            }
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
        let left = known.keys().filter(|place| !is_read(place));
        rows.extend(left.map(|place| row(place, None)));
        rows
    }

    /// Of a share group, by place.
    pub fn of_share(
        begun: &[ShareGroupOffset],
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Vec<OffsetRow> {
        let row = |one: &ShareGroupOffset| OffsetRow {
            place: one.place.clone(),
            offset: one.start,
            leader_epoch: one.leader_epoch,
            end: ends.get(&one.place).copied(),
            lag: None,
            member: None,
        };
        begun.iter().map(row).collect()
    }
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(|| MISSING.to_owned(), |number| number.to_string())
}

/// The table of offsets. A share group has no members there, and the lag behind its beginning.
pub fn offsets_text(group: &GroupDescription, rows: &[OffsetRow], verbose: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let first = [
        width(LEAST, std::iter::once(group.id.as_str())),
        width(LEAST, rows.iter().map(|row| &*row.place.topic)),
        PARTITION,
    ];
    match group.kind {
        GroupKind::Share => of_share_group(group, rows, &first, verbose),
        GroupKind::Classic | GroupKind::Consumer => of_consumers(group, rows, &first, verbose),
    }
}

fn of_share_group(
    group: &GroupDescription,
    rows: &[OffsetRow],
    first: &[usize],
    verbose: bool,
) -> String {
    let mut heading = vec!["GROUP", "TOPIC", "PARTITION", "START-OFFSET", "LAG"];
    let mut widths = [first, &[13]].concat();
    if verbose {
        heading.insert(3, "LEADER-EPOCH");
        widths.push(13);
    }
    let cells = |row: &OffsetRow| {
        let mut cells = place(group, row);
        if verbose {
            cells.push(number(row.leader_epoch));
        }
        cells.extend([number(row.offset), number(row.lag)]);
        cells
    };
    table(&widths, &heading, rows.iter().map(cells))
}

fn of_consumers(
    group: &GroupDescription,
    rows: &[OffsetRow],
    first: &[usize],
    verbose: bool,
) -> String {
    let member = |row: &OffsetRow, what: fn(&GroupMember) -> &str| {
        row.member.as_ref().map_or(MISSING, what).to_owned()
    };
    let ids: Vec<String> = rows.iter().map(|row| member(row, |m| &m.id)).collect();
    let hosts: Vec<String> = rows.iter().map(|row| member(row, |m| &m.host)).collect();
    let mut heading = vec![
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
    let mut widths = [first, &[LEAST, LEAST, LEAST]].concat();
    if verbose {
        heading.insert(3, "LEADER-EPOCH");
        widths.push(LEAST);
    }
    widths.push(width(LEAST, ids.iter().map(String::as_str)));
    widths.push(width(LEAST, hosts.iter().map(String::as_str)));
    let cells = |row: &OffsetRow| {
        let mut cells = place(group, row);
        if verbose {
            cells.push(number(row.leader_epoch));
        }
        cells.extend([
            number(row.offset),
            number(row.end),
            number(row.lag),
            member(row, |m| &m.id),
            member(row, |m| &m.host),
            member(row, |m| &m.client_id),
        ]);
        cells
    };
    table(&widths, &heading, rows.iter().map(cells))
}

fn place(group: &GroupDescription, row: &OffsetRow) -> Vec<String> {
    let place = &row.place;
    vec![
        group.id.clone(),
        place.topic.to_string(),
        place.partition.to_string(),
    ]
}

//! The bytes that workers of a group tell each other: what a member says when it joins, and what the leader answers. The
//! formats are those of Java's `ConnectProtocol` (version 0) and `IncrementalCooperativeConnectProtocol` (1 and 2):
//! big-endian; a string has a 16-bit length, a list a 32-bit count, −1 for none. No I/O.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use millstream_worker::TaskId;
use millstream_worker::cluster::{GroupProtocol, Work};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How Kafka's coordinator knows groups of workers.
pub(crate) const PROTOCOL_TYPE: &str = "connect";

/// The leader has given nothing out, as it had not read what others had.
pub(crate) const CONFIG_MISMATCH: i16 = 1;

/// Stands for the connector itself in a list of its tasks.
const CONNECTOR_ITSELF: i32 = -1;

/// Bytes that are no message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the message ends too early")]
    TooShort,
    #[error("a length or number is negative")]
    Negative,
    #[error("a text is not UTF-8")]
    NotText,
}

/// Connectors and tasks in the order in which they were told: balancing takes from the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Items {
    pub(crate) connectors: Vec<Arc<str>>,
    pub(crate) tasks: Vec<TaskId>,
}

impl Items {
    pub(crate) fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// Each once, where it stands first.
    pub(crate) fn distinct(mut self) -> Self {
        let (mut connectors, mut tasks) = (HashSet::new(), HashSet::new());
        self.connectors
            .retain(|name| connectors.insert(name.clone()));
        self.tasks.retain(|id| tasks.insert(id.clone()));
        self
    }

    pub(crate) fn remove(&mut self, work: &Work) {
        self.connectors
            .retain(|name| !work.connectors.contains(name));
        self.tasks.retain(|id| !work.tasks.contains(id));
    }

    pub(crate) fn work(&self) -> Work {
        Work {
            connectors: self.connectors.iter().cloned().collect(),
            tasks: self.tasks.iter().cloned().collect(),
        }
    }
}

impl From<Work> for Items {
    fn from(work: Work) -> Self {
        Items {
            connectors: work.connectors.into_iter().collect(),
            tasks: work.tasks.into_iter().collect(),
        }
    }
}

/// What a member says when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Of its REST API, as it advertises it.
    pub(crate) url: String,
    /// How far it has read the configuration: the offset after that of the last record, −1 before the first.
    pub(crate) offset: i64,
    /// What it holds: its last assignment with everything that it kept from before. Not told in version 0.
    pub(crate) allocation: Option<Assignment>,
}

/// What the leader answers a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The version that the bytes bore, which may be newer than ours. Written is that of the protocol.
    pub(crate) version: i16,
    pub(crate) error: i16,
    /// The member id of the leader.
    pub(crate) leader: String,
    pub(crate) leader_url: String,
    /// How far the configuration has to be read for this assignment.
    pub(crate) offset: i64,
    /// In version 0 everything that the member is to run, else what it is to run beside what it has.
    pub(crate) assigned: Items,
    /// To be stopped. Not told in version 0, like the delay.
    pub(crate) revoked: Items,
    /// In how many milliseconds the member is to join again; 0 for not by itself.
    pub(crate) delay: i32,
}

/// In the header of every message.
pub(crate) fn version(protocol: GroupProtocol) -> i16 {
    match protocol {
        GroupProtocol::Eager => 0,
        GroupProtocol::Compatible => 1,
        GroupProtocol::Sessioned => 2,
    }
}

/// What a worker offers that is allowed this protocol, the preferred first.
pub(crate) fn offers(most: GroupProtocol, metadata: &Metadata) -> Vec<(String, Bytes)> {
    let allowed = GroupProtocol::ALL.into_iter().rev();
    allowed
        .filter(|protocol| *protocol <= most)
        .map(|protocol| (protocol.name().to_owned(), metadata.encode(protocol)))
        .collect()
}

impl Metadata {
    pub(crate) fn encode(&self, protocol: GroupProtocol) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(version(protocol));
        put_text(&mut out, &self.url);
        out.put_i64(self.offset);
        if protocol > GroupProtocol::Eager {
            match &self.allocation {
                Some(allocation) => {
                    let bytes = allocation.encode(protocol);
                    out.put_i32(bytes.len() as i32);
                    out.put_slice(&bytes);
                }
                None => out.put_i32(-1),
            }
        }
        out.freeze()
    }

    /// Reads any version: a newer one begins with the fields of those that are known.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut body = bytes;
        take_version(&mut body)?;
        let (url, offset) = (take_text(&mut body)?.to_owned(), take_i64(&mut body)?);
        let allocation = match take_count(&mut body)? {
            Some(length) => {
                let bytes = body.get(..length).ok_or(Malformed::TooShort)?;
                Some(Assignment::decode(bytes)?)
            }
            None => None,
        };
        Ok(Metadata {
            url,
            offset,
            allocation,
        })
    }
}

impl Assignment {
    pub(crate) fn encode(&self, protocol: GroupProtocol) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(version(protocol));
        out.put_i16(self.error);
        put_text(&mut out, &self.leader);
        put_text(&mut out, &self.leader_url);
        out.put_i64(self.offset);
        put_items(&mut out, &self.assigned);
        if protocol > GroupProtocol::Eager {
            put_items(&mut out, &self.revoked);
            out.put_i32(self.delay);
        }
        out.freeze()
    }

    /// Reads any version, as `Metadata::decode`. What is missing at the end is empty.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut body = bytes;
        Ok(Assignment {
            version: take_version(&mut body)?,
            error: body.try_get_i16().map_err(|_| Malformed::TooShort)?,
            leader: take_text(&mut body)?.to_owned(),
            leader_url: take_text(&mut body)?.to_owned(),
            offset: take_i64(&mut body)?,
            assigned: take_items(&mut body)?,
            revoked: take_items(&mut body)?,
            delay: if body.is_empty() {
                0
            } else {
                body.try_get_i32().map_err(|_| Malformed::TooShort)?
            },
        })
    }
}

/// Whether the format has room for the name. One that is longer can be told to nobody, and so is run by nobody.
pub(crate) fn can_be_told(name: &str) -> bool {
    name.len() <= i16::MAX as usize
}

/// Only a text that an item's name is not can be too long here, and then it names nothing: it is cut off.
fn put_text(out: &mut BytesMut, text: &str) {
    let end = text.floor_char_boundary(i16::MAX as usize);
    out.put_i16(end as i16);
    out.put_slice(&text.as_bytes()[..end]);
}

/// By connector, in the order in which each is first named.
fn put_items(out: &mut BytesMut, items: &Items) {
    let connectors = items.connectors.iter().map(|name| (name, CONNECTOR_ITSELF));
    let tasks = items.tasks.iter().map(|id| (&id.connector, id.task as i32));
    let mut lists: Vec<(&str, Vec<i32>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (name, number) in connectors.chain(tasks) {
        if !can_be_told(name) {
            continue;
        }
        let place = *places.entry(name).or_insert(lists.len());
        if place == lists.len() {
            lists.push((name, Vec::new()));
        }
        lists[place].1.push(number);
    }
    out.put_i32(lists.len() as i32);
    for (name, numbers) in lists {
        put_text(out, name);
        out.put_i32(numbers.len() as i32);
        for number in numbers {
            out.put_i32(number);
        }
    }
}

/// No claimed count is believed: what is not there ends the reading, and every item takes bytes.
fn take_items(body: &mut &[u8]) -> Result<Items, Malformed> {
    let mut items = Items::default();
    for _ in 0..take_count(body)?.unwrap_or(0) {
        let name: Arc<str> = take_text(body)?.into();
        for _ in 0..take_count(body)?.unwrap_or(0) {
            match body.try_get_i32().map_err(|_| Malformed::TooShort)? {
                CONNECTOR_ITSELF => items.connectors.push(name.clone()),
                number => {
                    let number = u32::try_from(number).map_err(|_| Malformed::Negative)?;
                    items.tasks.push(TaskId::new(name.clone(), number));
                }
            }
        }
    }
    Ok(items)
}

fn take_version(body: &mut &[u8]) -> Result<i16, Malformed> {
    let version = body.try_get_i16().map_err(|_| Malformed::TooShort)?;
    if version < 0 {
        return Err(Malformed::Negative);
    }
    Ok(version)
}

fn take_i64(body: &mut &[u8]) -> Result<i64, Malformed> {
    body.try_get_i64().map_err(|_| Malformed::TooShort)
}

/// The count of a list or the length of bytes; `None` for −1 and at the end.
fn take_count(body: &mut &[u8]) -> Result<Option<usize>, Malformed> {
    if body.is_empty() {
        return Ok(None);
    }
    match body.try_get_i32().map_err(|_| Malformed::TooShort)? {
        -1 => Ok(None),
        count => usize::try_from(count)
            .map(Some)
            .map_err(|_| Malformed::Negative),
    }
}

fn take_text<'a>(body: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let length = body.try_get_i16().map_err(|_| Malformed::TooShort)?;
    let length = usize::try_from(length).map_err(|_| Malformed::Negative)?;
    let bytes = body.get(..length).ok_or(Malformed::TooShort)?;
    body.advance(length);
    std::str::from_utf8(bytes).map_err(|_| Malformed::NotText)
}

#[cfg(test)]
mod tests;

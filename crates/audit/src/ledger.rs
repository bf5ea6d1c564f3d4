//! Ledger: what a listing has told so far. An object costs [`ENTRY`] bytes and no text: what is needed of its name is in the
//! entry, and its key is made again from that where a finding names it.

use crate::finding::{Finding, Findings, Kind};
use crate::names::{NameSettings, Named, ObjectName, Part, Place, ulid_text};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Bytes of an object in the ledger. A table that grows has up to twice of that, and thrice while it is copied: a million
/// objects stay below 64 MB, besides the names of their folders.
pub const ENTRY: usize = 24;
/// Objects at most: half a gigabyte of entries.
pub const MOST_OBJECTS: u64 = 20_000_000;
/// Folders whose names are kept for findings; those of others are left out of keys that are told.
const KEPT_FOLDERS: usize = 100_000;
/// Endings of names that are told apart.
const KEPT_EXTENSIONS: usize = 200;

/// An object as a listing has it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    pub key: &'a str,
    pub size: u64,
    /// Its storage class keeps it from being read before it is restored.
    pub is_archived: bool,
}

/// An object of Kafka's records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: i64,
    /// Hash of its folder's name.
    pub(crate) folder: u64,
    records: u32,
    pub(crate) part: Part,
    pub(crate) extension: u8,
}

/// Stand for the number of records that is not known, and of those that cannot be read.
const UNKNOWN: u32 = u32::MAX;
const UNREADABLE: u32 = u32::MAX - 1;

/// What is known of an object's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    Unknown,
    Unreadable,
    Counted(i64),
}

impl Entry {
    pub(crate) fn records(&self) -> Records {
        match self.records {
            UNKNOWN => Records::Unknown,
            UNREADABLE => Records::Unreadable,
            count => Records::Counted(i64::from(count)),
        }
    }
}

/// An object of a queue's messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) id: u128,
    pub(crate) folder: u64,
    pub(crate) named: Option<u64>,
    pub(crate) counted: Records,
    pub(crate) part: Part,
    extension: u8,
}

/// The objects of a partition, or of a queue's task.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartitionLedger {
    pub(crate) entries: Vec<Entry>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) bytes: u64,
}

/// Which object of the ledger it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectId {
    pub topic: String,
    pub partition: i32,
    at: usize,
    is_batch: bool,
    pub part: Part,
}

/// What became of a listed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is the sink's; its contents may be counted.
    Object(ObjectId),
    /// There is nothing to be counted in it.
    Aside,
}

/// More objects than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_OBJECTS} objects: audit topic by topic (--topic)")]
pub struct TooManyObjects;

#[derive(Debug, Default)]
pub struct Ledger {
    pub(crate) names: NameSettings,
    pub(crate) topics: BTreeMap<String, BTreeMap<i32, PartitionLedger>>,
    folders: HashMap<u64, Box<str>>,
    extensions: Vec<Box<str>>,
    pub(crate) findings: Findings,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

impl Ledger {
    pub fn new(names: NameSettings) -> Self {
        Ledger {
            names,
            ..Ledger::default()
        }
    }

    pub fn objects(&self) -> u64 {
        self.objects
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a listed object in.
    ///
    /// # Errors
    /// If there are more than are kept.
    pub fn list(&mut self, listed: Listed<'_>) -> Result<Noted, TooManyObjects> {
        if self.objects >= MOST_OBJECTS {
            return Err(TooManyObjects);
        }
        self.objects += 1;
        self.bytes += listed.size;
        let names = std::mem::take(&mut self.names);
        let noted = match names.read(listed.key) {
            Named::Object(name) => self.object(&names, &name, listed),
            Named::Ledger => {
                let told = "an entry of the ledger of a sink over a queue";
                let finding = Finding::new(Kind::LedgerEntry, "", told).object(listed.key);
                self.findings.push(finding);
                Noted::Aside
            }
            Named::Foreign(why) => {
                let told = format!("no name that the sink makes: {why}");
                let finding = Finding::new(Kind::Foreign, "", told).object(listed.key);
                self.findings.push(finding);
                Noted::Aside
            }
        };
        self.names = names;
        Ok(noted)
    }

    fn object(&mut self, names: &NameSettings, name: &ObjectName<'_>, listed: Listed<'_>) -> Noted {
        self.check_name(names, name, listed);
        let folder = hash(name.folder);
        if !self.folders.contains_key(&folder) && self.folders.len() < KEPT_FOLDERS {
            self.folders.insert(folder, name.folder.into());
        }
        let extension = self.extension(name.extension);
        let is_readable = listed.size > 0;
        if !self.topics.contains_key(name.topic) {
            self.topics.insert(name.topic.to_owned(), BTreeMap::new());
        }
        let Some(topic) = self.topics.get_mut(name.topic) else {
            return Noted::Aside;
        };
        let partition = topic.entry(name.partition).or_default();
        partition.bytes += listed.size;
        let (at, is_batch) = match name.place {
            Place::Offset { start, .. } => {
                partition.entries.push(Entry {
                    start,
                    folder,
                    records: if is_readable { UNKNOWN } else { UNREADABLE },
                    part: name.part,
                    extension,
                });
                (partition.entries.len() - 1, false)
            }
            Place::Batch { id, records } => {
                partition.batches.push(Batch {
                    id,
                    folder,
                    named: records,
                    counted: if is_readable {
                        Records::Unknown
                    } else {
                        Records::Unreadable
                    },
                    part: name.part,
                    extension,
                });
                (partition.batches.len() - 1, true)
            }
        };
        if !is_readable || listed.is_archived {
            return Noted::Aside;
        }
        Noted::Object(ObjectId {
            topic: name.topic.to_owned(),
            partition: name.partition,
            at,
            is_batch,
            part: name.part,
        })
    }

    /// What is wrong with the name or the size of an object of the sink.
    fn check_name(&mut self, names: &NameSettings, name: &ObjectName<'_>, listed: Listed<'_>) {
        let mut tell = |kind: Kind, told: String| {
            let finding = Finding::new(kind, name.topic, told)
                .of(name.partition)
                .object(listed.key);
            let finding = match name.place {
                Place::Offset { start, .. } => finding.at(start, None),
                Place::Batch { .. } => finding,
            };
            self.findings.push(finding);
        };
        if listed.size == 0 {
            tell(Kind::Empty, "the object has no bytes".to_owned());
        } else if listed.is_archived {
            tell(Kind::Archived, "its storage class is an archive".to_owned());
        }
        if let Some(other) = other_partition(name) {
            tell(
                Kind::WrongFolder,
                format!(
                    "the folder is partition {other}'s, the name partition {}'s",
                    name.partition
                ),
            );
        }
        if !name.is_as_set {
            tell(
                Kind::OtherExtension,
                format!(
                    "it ends in {}, and the connector's objects do not",
                    name.extension
                ),
            );
        }
        if let (Place::Offset { start, digits }, Some(width)) = (name.place, names.offset_width) {
            let due = width.max(start.to_string().len());
            if digits != due {
                tell(
                    Kind::OffsetWidth,
                    format!("its offset has {digits} digits, where the connector writes {due}"),
                );
            }
        }
    }

    fn extension(&mut self, extension: &str) -> u8 {
        let known = self
            .extensions
            .iter()
            .position(|known| **known == *extension);
        let at = known.unwrap_or_else(|| {
            if self.extensions.len() < KEPT_EXTENSIONS {
                self.extensions.push(extension.into());
            }
            self.extensions.len() - 1
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    /// What an object's name ends in, without its part.
    pub fn extension_of(&self, id: &ObjectId) -> &str {
        let partition = self
            .topics
            .get(&id.topic)
            .and_then(|topic| topic.get(&id.partition));
        let at = partition.and_then(|partition| match id.is_batch {
            true => partition.batches.get(id.at).map(|batch| batch.extension),
            false => partition.entries.get(id.at).map(|entry| entry.extension),
        });
        let extension = at.and_then(|at| self.extensions.get(usize::from(at)));
        extension.map_or("", |extension| extension)
    }

    /// Notes how many records an object has.
    pub fn counted(&mut self, id: &ObjectId, records: u64) {
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        self.note(id, Records::Counted(records));
    }

    /// Notes that an object cannot be read, and why.
    pub fn unreadable(&mut self, id: &ObjectId, kind: Kind, why: impl Into<String>) {
        if kind == Kind::Unreadable {
            self.note(id, Records::Unreadable);
        }
        let finding = Finding::new(kind, id.topic.as_str(), why).of(id.partition);
        let finding = match self.place(id) {
            Some((key, start)) => {
                let finding = finding.object(key);
                match start {
                    Some(start) => finding.at(start, None),
                    None => finding,
                }
            }
            None => finding,
        };
        self.findings.push(finding);
    }

    fn note(&mut self, id: &ObjectId, records: Records) {
        let topic = self.topics.get_mut(&id.topic);
        let Some(partition) = topic.and_then(|topic| topic.get_mut(&id.partition)) else {
            return;
        };
        if id.is_batch {
            if let Some(batch) = partition.batches.get_mut(id.at) {
                batch.counted = records;
            }
        } else if let Some(entry) = partition.entries.get_mut(id.at) {
            entry.records = match records {
                Records::Unknown => UNKNOWN,
                Records::Unreadable => UNREADABLE,
                // More lines than that have no place in an object of S3.
                Records::Counted(count) => u32::try_from(count)
                    .unwrap_or(UNREADABLE - 1)
                    .min(UNREADABLE - 1),
            };
        }
    }

    fn place(&self, id: &ObjectId) -> Option<(String, Option<i64>)> {
        let partition = self.topics.get(&id.topic)?.get(&id.partition)?;
        if id.is_batch {
            let batch = partition.batches.get(id.at)?;
            return Some((self.batch_key(&id.topic, id.partition, batch), None));
        }
        let entry = partition.entries.get(id.at)?;
        Some((self.key(&id.topic, id.partition, entry), Some(entry.start)))
    }

    /// Takes a finding in that the listing of uploads, or whoever reads the topic, has made.
    pub fn tell(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The key of an entry, as the settings make it.
    pub(crate) fn key(&self, topic: &str, partition: i32, entry: &Entry) -> String {
        let extension = self.extensions.get(usize::from(entry.extension));
        let extension = extension.map_or("", |it| it);
        let folder = self.folder(entry.folder);
        self.names
            .key(topic, folder, partition, entry.start, entry.part, extension)
    }

    pub(crate) fn batch_key(&self, topic: &str, partition: i32, batch: &Batch) -> String {
        let (dir, file) = (&self.names.directory_delim, &self.names.file_delim);
        let folder = self.folder(batch.folder);
        let prefix = self.names.prefix(Some(topic));
        let id = ulid_text(batch.id);
        let records = batch
            .named
            .map_or_else(String::new, |named| format!("{file}{named}"));
        let part = batch.part.suffix();
        let extension = self.extensions.get(usize::from(batch.extension));
        let extension = extension.map_or("", |it| it);
        format!("{prefix}{folder}{dir}{topic}{file}{partition}{file}{id}{records}{part}{extension}")
    }

    pub(crate) fn folder(&self, hash: u64) -> &str {
        self.folders.get(&hash).map_or("…", |folder| folder)
    }

    /// Whether there is an object of a topic.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The partitions that have objects, each with the first offset of those.
    pub fn firsts(&self) -> BTreeMap<(String, i32), i64> {
        let mut firsts = BTreeMap::new();
        for (topic, partitions) in &self.topics {
            for (partition, found) in partitions {
                if let Some(first) = found.entries.iter().map(|entry| entry.start).min() {
                    firsts.insert((topic.clone(), *partition), first);
                }
            }
        }
        firsts
    }
}

/// The partition that a folder of the default partitioner names, if it is another than the name's.
fn other_partition(name: &ObjectName<'_>) -> Option<i32> {
    let named = name.folder.strip_prefix("partition=")?.parse().ok()?;
    (named != name.partition).then_some(named)
}

/// Folders are told apart by 64 bits: of a million, two are alike once in 37 million buckets.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;

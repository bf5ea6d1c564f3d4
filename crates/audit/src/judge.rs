//! What the ledger proves.
//!
//! An object holds no offset below its start, so that the records below the start of the next one all stand in those before it:
//! their number has to be that of the offsets. Where a partition is spread over folders, several objects are open at a time, and
//! their starts lie within each other; they count together until their sum meets the start of the next. What this cannot see is
//! a missing offset and a double one within the same such group.

mod account;
mod companions;
mod queue;

use crate::existing::Existing;
use crate::finding::{Finding, Findings, Kind, Severity};
use crate::ledger::{Ledger, PartitionLedger};
use serde::Serialize;
use std::collections::BTreeMap;

/// Partitions without objects that are told of where nobody says how many there are.
const MOST_HOLES: usize = 1000;

/// Who says where a partition's range ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndBy {
    /// A flag.
    Flag,
    /// The connector's group, which has committed what lies below.
    Group,
    /// The topic: what lies below may be open still.
    Topic,
}

/// What is known of a partition besides the bucket.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The first offset that has to be there.
    pub from: Option<i64>,
    /// The offset behind the last, and who says so.
    pub to: Option<(i64, EndBy)>,
    /// Where the topic ends.
    pub topic_end: Option<i64>,
    pub existing: Existing,
}

/// What is known of the connector.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Records of a partition between two rotations, at most.
    pub flush_size: Option<i64>,
    /// Whether a folder may have several objects open at a time, which are closed together.
    pub interleaves: bool,
    /// Whether keys and headers are stored; `None` goes by what is there.
    pub has_keys: Option<bool>,
    pub has_headers: Option<bool>,
    /// Why offsets may be missing, in a sentence; then gaps are notes.
    pub gaps_explained: Option<String>,
    /// Whether contents were looked at.
    pub is_deep: bool,
}

/// What is known of a topic besides its partitions' offsets.
#[derive(Clone, Debug, Default)]
pub struct TopicExpected {
    /// How many partitions the topic has.
    pub partitions: Option<i32>,
    pub each: BTreeMap<i32, Expected>,
}

/// How much is proven of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The numbers of records and of offsets are equal, from the first object to the end.
    Counted,
    /// Nothing in the names speaks against it; what is inside was not counted, or the last objects' end is not known.
    Names,
    /// Something is wrong.
    Faulty,
}

/// What is proven of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionVerdict {
    pub topic: String,
    pub partition: i32,
    /// Objects with values (or with keys alone, of records without a value).
    pub objects: u64,
    pub bytes: u64,
    /// Records in them, if all were counted.
    pub records: Option<u64>,
    pub first: Option<i64>,
    /// The offset behind the last; `None` if the last object was not counted.
    pub end: Option<i64>,
    /// The offset up to which all is proven by count.
    pub proven_to: Option<i64>,
    /// Offsets that are missing.
    pub missing: i64,
    /// Offsets of the range that hold no record in the topic.
    pub without_record: i64,
    pub proof: Proof,
}

/// What is proven of a bucket.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub partitions: Vec<PartitionVerdict>,
    pub findings: Findings,
    pub objects: u64,
    pub bytes: u64,
}

/// Judges what was listed and counted.
pub fn judge(
    mut ledger: Ledger,
    rules: &Rules,
    expected: &BTreeMap<String, TopicExpected>,
) -> Verdict {
    let mut findings = std::mem::take(&mut ledger.findings);
    let mut partitions = Vec::new();
    let mut topics = std::mem::take(&mut ledger.topics);
    for topic in expected.keys() {
        topics.entry(topic.clone()).or_default();
    }
    let nothing = TopicExpected::default();
    for (topic, mut found) in topics {
        let due = expected.get(&topic).unwrap_or(&nothing);
        missing_partitions(&topic, &found, due, &mut findings);
        let rules = rules.of_topic(&found);
        for (partition, objects) in &mut found {
            let scene = Scene {
                ledger: &ledger,
                topic: &topic,
                partition: *partition,
                rules: &rules,
            };
            let unknown = Expected::default();
            let due = due.each.get(partition).unwrap_or(&unknown);
            let mut told = Findings::default();
            let mut verdict = scene.judge(objects, due, &mut told);
            let is_faulty = told
                .iter()
                .any(|finding| finding.severity != Severity::Note);
            if is_faulty {
                verdict.proof = Proof::Faulty;
            }
            partitions.push(verdict);
            findings.extend(told);
        }
    }
    for verdict in &mut partitions {
        let is_its = |finding: &&Finding| {
            finding.topic == verdict.topic
                && finding.partition == Some(verdict.partition)
                && finding.severity != Severity::Note
        };
        if findings.iter().any(|finding| is_its(&finding)) {
            verdict.proof = Proof::Faulty;
        }
    }
    Verdict {
        partitions,
        findings,
        objects: ledger.objects,
        bytes: ledger.bytes,
    }
}

impl Rules {
    /// Where the settings are not known, parts are expected if one of them is there.
    fn of_topic(&self, found: &BTreeMap<i32, PartitionLedger>) -> Rules {
        let has = |part| {
            found.values().any(|partition| {
                partition.entries.iter().any(|entry| entry.part == part)
                    || partition.batches.iter().any(|batch| batch.part == part)
            })
        };
        Rules {
            has_keys: Some(
                self.has_keys
                    .unwrap_or_else(|| has(crate::names::Part::Keys)),
            ),
            has_headers: Some(
                self.has_headers
                    .unwrap_or_else(|| has(crate::names::Part::Headers)),
            ),
            ..self.clone()
        }
    }
}

/// One partition before the judge.
struct Scene<'a> {
    ledger: &'a Ledger,
    topic: &'a str,
    partition: i32,
    rules: &'a Rules,
}

impl Scene<'_> {
    fn judge(
        &self,
        objects: &mut PartitionLedger,
        due: &Expected,
        findings: &mut Findings,
    ) -> PartitionVerdict {
        let bytes = objects.bytes;
        let mut verdict = if objects.entries.is_empty() && !objects.batches.is_empty() {
            self.queue(&mut objects.batches, findings)
        } else {
            self.companions(&mut objects.entries, findings);
            self.account(&objects.entries, due, findings)
        };
        verdict.bytes = bytes;
        verdict
    }

    fn finding(&self, kind: Kind, detail: impl Into<String>) -> Finding {
        Finding::new(kind, self.topic, detail).of(self.partition)
    }

    fn verdict(&self) -> PartitionVerdict {
        PartitionVerdict {
            topic: self.topic.to_owned(),
            partition: self.partition,
            objects: 0,
            bytes: 0,
            records: None,
            first: None,
            end: None,
            proven_to: None,
            missing: 0,
            without_record: 0,
            proof: Proof::Names,
        }
    }
}

/// Partitions that have no objects, and objects of partitions that are none.
fn missing_partitions(
    topic: &str,
    found: &BTreeMap<i32, PartitionLedger>,
    due: &TopicExpected,
    findings: &mut Findings,
) {
    let Some(count) = due.partitions else {
        holes(topic, found, findings);
        return;
    };
    for partition in found.keys().filter(|partition| **partition >= count) {
        let told = format!("the topic has {count} partitions");
        findings.push(Finding::new(Kind::UnknownPartition, topic, told).of(*partition));
    }
    for (partition, due) in &due.each {
        let Some((to, by)) = due.to else { continue };
        let records = due.existing.between(due.from.unwrap_or(0), to);
        if found.contains_key(partition) || records <= 0 {
            continue;
        }
        let told = format!("no object has its records, and {records} are there");
        let mut finding = Finding::new(Kind::MissingPartition, topic, told)
            .of(*partition)
            .at(due.from.unwrap_or(0), Some(to));
        if by == EndBy::Topic {
            finding.severity = Severity::Warning;
        }
        findings.push(finding);
    }
}

/// Partitions without objects among those that have some, where nobody says how many there are.
fn holes(topic: &str, found: &BTreeMap<i32, PartitionLedger>, findings: &mut Findings) {
    let last = found.keys().next_back().copied().unwrap_or(-1);
    let missing = (0..last).filter(|partition| !found.contains_key(partition));
    // A number out of nowhere must not make a finding of each below it.
    let missing: Vec<i32> = missing.take(MOST_HOLES).collect();
    for partition in &missing {
        let told = format!("no object has its records, and partition {last} has some");
        let mut finding = Finding::new(Kind::MissingPartition, topic, told).of(*partition);
        // Where most have none, one task's share was stored, or there is nothing in them.
        finding.severity = match missing.len() <= found.len() {
            true => Severity::Warning,
            false => Severity::Note,
        };
        findings.push(finding);
    }
}

#[cfg(test)]
mod tests;

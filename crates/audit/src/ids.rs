//! Documents whose `_id` is `topic#partition#offset`, against offsets.
//!
//! Ids come in the order of their bytes, in which 10 stands before 9. Offsets of one number of digits come in their own order,
//! so that a place for each number of digits is all that has to be kept of a partition.

use crate::existing::Existing;
use crate::finding::{Finding, Findings, Kind, Severity};
use crate::judge::{EndBy, Expected, PartitionVerdict, Proof, TopicExpected, Verdict};
use std::collections::BTreeMap;

/// Digits of the largest offset.
const DIGITS: usize = 19;
/// Gaps that are kept of a partition, and partitions that ids may name.
const MOST_GAPS: usize = 100_000;
const MOST_PARTITIONS: usize = 100_000;
/// Foreign ids that are told one by one. An id may be anything, so it is not shown.
const MOST_FOREIGN: u64 = 1;

/// What the ids of a partition were so far.
#[derive(Clone, Debug)]
struct Run {
    documents: u64,
    /// By number of digits: the offset that comes next.
    next: [i64; DIGITS],
    gaps: Vec<(i64, i64)>,
    is_cut: bool,
}

impl Run {
    fn new() -> Self {
        let mut next = [0; DIGITS];
        for (at, next) in next.iter_mut().enumerate() {
            *next = first_of(at);
        }
        Run {
            documents: 0,
            next,
            gaps: Vec::new(),
            is_cut: false,
        }
    }

    fn take(&mut self, offset: i64, digits: usize) {
        self.documents += 1;
        let next = &mut self.next[digits - 1];
        if offset > *next {
            let gap = (*next, offset);
            *next = offset.saturating_add(1);
            self.gap(gap);
        } else if offset == *next {
            *next = offset.saturating_add(1);
        }
    }

    fn gap(&mut self, gap: (i64, i64)) {
        match self.gaps.len() < MOST_GAPS {
            true => self.gaps.push(gap),
            false => self.is_cut = true,
        }
    }

    /// The offset behind the last.
    fn end(&self) -> i64 {
        let seen = (0..DIGITS).rev().find(|at| self.next[*at] > first_of(*at));
        seen.map_or(0, |at| self.next[at])
    }

    /// What is missing below `end`, in ascending order.
    fn missing(mut self, end: i64) -> Vec<(i64, i64)> {
        for at in 0..DIGITS {
            let class_end = if at + 1 < DIGITS {
                first_of(at + 1)
            } else {
                i64::MAX
            };
            let class_end = class_end.min(end);
            let next = self.next[at];
            if next < class_end {
                self.gaps.push((next, class_end));
            }
        }
        self.gaps.retain(|gap| gap.0 < end);
        self.gaps.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (from, to) in self.gaps {
            match merged.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(to.min(end)),
                _ => merged.push((from, to.min(end))),
            }
        }
        merged
    }
}

/// The first offset of `at + 1` digits; 0 has one.
fn first_of(at: usize) -> i64 {
    match at {
        0 => 0,
        _ => 10i64.pow(u32::try_from(at).unwrap_or(u32::MAX).min(18)),
    }
}

/// What the ids were so far.
#[derive(Clone, Debug, Default)]
pub struct IdLedger {
    runs: BTreeMap<(String, i32), Run>,
    documents: u64,
    foreign: u64,
}

impl IdLedger {
    /// Takes the next id; they come in the order of their bytes.
    pub fn take(&mut self, id: Option<&str>) {
        self.documents += 1;
        let Some((topic, partition, offset, digits)) = id.and_then(parse) else {
            self.foreign += 1;
            return;
        };
        let is_full = self.runs.len() >= MOST_PARTITIONS;
        let place = (topic.to_owned(), partition);
        if is_full && !self.runs.contains_key(&place) {
            self.foreign += 1;
            return;
        }
        self.runs
            .entry(place)
            .or_insert_with(Run::new)
            .take(offset, digits);
    }

    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// The topics and partitions that ids name.
    pub fn partitions(&self) -> Vec<(String, i32)> {
        self.runs.keys().cloned().collect()
    }

    /// Whether there is a document of a topic.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.runs.keys().any(|(of, _)| of == topic)
    }

    /// Judges what was seen. `explained` says why offsets may be missing.
    pub fn judge(
        self,
        expected: &BTreeMap<String, TopicExpected>,
        explained: Option<&str>,
    ) -> Verdict {
        let mut findings = Findings::default();
        let mut partitions = Vec::new();
        if self.foreign > 0 {
            let told = format!(
                "{} documents have an _id that no topic, partition and offset make",
                self.foreign
            );
            for _ in 0..MOST_FOREIGN {
                findings.push(Finding::new(Kind::ForeignDocument, "", told.clone()));
            }
        }
        let mut runs = self.runs;
        for (topic, due) in expected {
            for partition in due.each.keys() {
                runs.entry((topic.clone(), *partition))
                    .or_insert_with(Run::new);
            }
        }
        let nothing = Expected::default();
        for ((topic, partition), run) in runs {
            let due = expected
                .get(&topic)
                .and_then(|topic| topic.each.get(&partition))
                .unwrap_or(&nothing);
            partitions.push(judged(
                &topic,
                partition,
                run,
                due,
                explained,
                &mut findings,
            ));
        }
        Verdict {
            partitions,
            findings,
            objects: self.documents,
            bytes: 0,
        }
    }
}

fn judged(
    topic: &str,
    partition: i32,
    run: Run,
    due: &Expected,
    explained: Option<&str>,
    findings: &mut Findings,
) -> PartitionVerdict {
    let (documents, seen, is_cut) = (run.documents, run.end(), run.is_cut);
    let (end, by) = due.to.unwrap_or((seen, EndBy::Flag));
    let from = due.from.unwrap_or(0);
    let existing: &Existing = &due.existing;
    let (mut missing, mut is_faulty) = (0, false);
    for (first, last) in run.missing(end) {
        let first = first.max(from);
        let lost = existing.between(first, last.max(first));
        if lost <= 0 {
            continue;
        }
        let is_open = by == EndBy::Topic && last == end;
        let told = format!("no document for {lost} offsets");
        let mut finding = Finding::new(Kind::MissingDocument, topic, told)
            .of(partition)
            .at(first, Some(last));
        if is_open {
            finding = finding.as_note(", which may still be to be read");
        } else if let Some(why) = explained {
            finding = finding.as_note(&format!(" ({why})"));
        }
        if finding.severity != Severity::Note {
            missing += lost;
            is_faulty = true;
        }
        findings.push(finding);
    }
    if due.topic_end.is_some_and(|topic_end| seen > topic_end) {
        let told = format!(
            "documents reach to offset {}, and the topic ends at {}",
            seen - 1,
            due.topic_end.unwrap_or_default()
        );
        findings.push(Finding::new(Kind::BeyondEnd, topic, told).of(partition));
        is_faulty = true;
    }
    PartitionVerdict {
        topic: topic.to_owned(),
        partition,
        objects: documents,
        bytes: 0,
        records: Some(documents),
        first: (documents > 0).then_some(from),
        end: Some(seen),
        proven_to: (!is_faulty).then_some(seen.min(end)),
        missing,
        without_record: (end - from).max(0) - existing.between(from, end),
        proof: match (is_faulty, is_cut) {
            (true, _) => Proof::Faulty,
            (false, true) => Proof::Names,
            (false, false) => Proof::Counted,
        },
    }
}

/// Topic, partition, offset, and how many digits the offset has.
fn parse(id: &str) -> Option<(&str, i32, i64, usize)> {
    let mut parts = id.split('#');
    let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
    let is_plain = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number && (text.len() == 1 || !text.starts_with('0'))
    };
    if parts.next().is_some() || topic.is_empty() || !is_plain(partition) || !is_plain(offset) {
        return None;
    }
    Some((
        topic,
        partition.parse().ok()?,
        offset.parse().ok()?,
        offset.len(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn due(from: Option<i64>, to: Option<(i64, EndBy)>) -> BTreeMap<String, TopicExpected> {
        let each = BTreeMap::from([(
            0,
            Expected {
                from,
                to,
                ..Expected::default()
            },
        )]);
        BTreeMap::from([(
            "t".to_owned(),
            TopicExpected {
                partitions: Some(1),
                each,
            },
        )])
    }

    fn gaps(
        offsets: &BTreeSet<i64>,
        expected: &BTreeMap<String, TopicExpected>,
    ) -> Vec<(i64, i64)> {
        let ids: BTreeSet<String> = offsets
            .iter()
            .map(|offset| format!("t#0#{offset}"))
            .collect();
        let mut ledger = IdLedger::default();
        for id in &ids {
            ledger.take(Some(id));
        }
        let verdict = ledger.judge(expected, None);
        let (findings, _) = verdict.findings.sorted();
        findings
            .iter()
            .map(|finding| (finding.from.unwrap(), finding.to.unwrap()))
            .collect()
    }

    #[test]
    fn ids_are_read_or_foreign() {
        assert_eq!(parse("a.b-c#12#340"), Some(("a.b-c", 12, 340, 3)));
        for wrong in [
            "",
            "t",
            "t#0",
            "t#0#",
            "t#0#01",
            "t#x#1",
            "t#0#1#2",
            "#0#1",
            "t#0#-1",
            "t#0#99999999999999999999",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let mut ledger = IdLedger::default();
        for id in [None, Some("x"), Some("t#0#0")] {
            ledger.take(id);
        }
        let verdict = ledger.judge(&BTreeMap::new(), None);
        assert_eq!((verdict.partitions.len(), verdict.objects), (1, 3));
        assert!(
            verdict
                .findings
                .iter()
                .all(|finding| finding.kind == Kind::ForeignDocument)
        );
    }

    #[test]
    fn ends_of_the_topic_may_be_open() {
        let ids: BTreeSet<i64> = (0..25).collect();
        let verdict = |by| {
            let mut ledger = IdLedger::default();
            for id in ids
                .iter()
                .map(|offset| format!("t#0#{offset}"))
                .collect::<BTreeSet<_>>()
            {
                ledger.take(Some(&id));
            }
            ledger.judge(&due(Some(0), Some((30, by))), None)
        };
        assert_eq!(verdict(EndBy::Group).partitions[0].missing, 5);
        let topic = verdict(EndBy::Topic);
        assert_eq!(
            (topic.partitions[0].missing, topic.partitions[0].proof),
            (0, Proof::Counted)
        );
    }

    proptest! {
        #[test]
        fn gaps_are_those_of_a_set(gone in proptest::collection::btree_set(0i64..1300, 0..40), from in 0i64..200, end in 200i64..1300) {
            let offsets: BTreeSet<i64> = (0..end).filter(|offset| !gone.contains(offset)).collect();
            let mut expected: Vec<(i64, i64)> = Vec::new();
            for offset in (from..end).filter(|offset| gone.contains(offset)) {
                match expected.last_mut() {
                    Some(last) if last.1 == offset => last.1 += 1,
                    _ => expected.push((offset, offset + 1)),
                }
            }
            prop_assert_eq!(gaps(&offsets, &due(Some(from), Some((end, EndBy::Flag)))), expected);
        }
    }
}

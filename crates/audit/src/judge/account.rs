//! The account of a partition: records against offsets, from one object to the next.

use super::{EndBy, Expected, PartitionVerdict, Proof, Scene};
use crate::existing::Existing;
use crate::finding::{Finding, Findings, Kind, Severity};
use crate::ledger::{Entry, Records};
use std::collections::HashMap;

/// How far the account has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The offset that the next object has to begin with, and the records since the account was last equal.
    Next { offset: i64, records: i64 },
    /// An object was not counted: nothing is told up to this offset, or of objects that begin below it.
    Unknown { until: i64 },
}

struct Account<'a> {
    scene: &'a Scene<'a>,
    due: &'a Expected,
    at: At,
    /// Of each folder: where its last object ends at the earliest.
    ends: HashMap<u64, i64>,
    is_spread: bool,
    missing: i64,
    proven_to: Option<i64>,
    is_whole: bool,
}

impl Scene<'_> {
    /// Goes through the objects, which are in order of their starts.
    pub(super) fn account(
        &self,
        objects: &[Entry],
        due: &Expected,
        findings: &mut Findings,
    ) -> PartitionVerdict {
        let mut verdict = self.verdict();
        verdict.objects = objects.len() as u64;
        let (Some(first), Some(last)) = (objects.first(), objects.last()) else {
            return verdict;
        };
        let mut account = Account {
            scene: self,
            due,
            at: At::Next {
                offset: due.existing.at(first.start),
                records: 0,
            },
            ends: HashMap::new(),
            is_spread: self.rules.interleaves
                || objects.iter().any(|object| object.folder != first.folder),
            missing: 0,
            proven_to: None,
            is_whole: true,
        };
        account.begin(first.start, findings);
        let mut sum = Some(0u64);
        for (at, object) in objects.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &objects[at]);
            if let Some(before) = before.filter(|before| before.start == object.start) {
                self.double(before, object, findings);
                continue;
            }
            sum = match (sum, object.records()) {
                (Some(sum), Records::Counted(records)) => Some(sum + records.unsigned_abs()),
                _ => None,
            };
            account.meet(before, object, findings);
            account.take(object);
        }
        account.end(last, findings);
        verdict.records = sum;
        verdict.first = Some(first.start);
        verdict.end = match account.at {
            At::Next { offset, .. } => Some(offset),
            At::Unknown { .. } => None,
        };
        verdict.missing = account.missing;
        verdict.proven_to = account.proven_to;
        if let Some(end) = verdict.end {
            verdict.without_record = end - first.start - due.existing.between(first.start, end);
        }
        if account.is_whole && verdict.end.is_some() && verdict.end == verdict.proven_to {
            verdict.proof = Proof::Counted;
        }
        verdict
    }
}

impl Account<'_> {
    fn existing(&self) -> &Existing {
        &self.due.existing
    }

    fn begin(&mut self, first: i64, findings: &mut Findings) {
        let Some(from) = self.due.from else { return };
        let missing = self.existing().between(from, first);
        if missing > 0 {
            let told = format!(
                "the first object begins with offset {first}: {} before it",
                offsets(missing)
            );
            self.gap(Kind::GapAtStart, from, first, missing, told, findings);
        }
    }

    /// Compares where an object begins with where it has to begin.
    fn meet(&mut self, before: Option<&Entry>, object: &Entry, findings: &mut Findings) {
        let start = self.existing().at(object.start);
        self.uncounted_step(before, start, findings);
        let (offset, records) = match self.at {
            At::Unknown { until } if start < until => return,
            At::Unknown { .. } => {
                self.at = At::Next {
                    offset: start,
                    records: 0,
                };
                return;
            }
            At::Next { offset, records } => (offset, records),
        };
        if start == offset {
            if self.is_whole && before.is_some() {
                self.proven_to = Some(offset);
            }
            self.at = At::Next { offset, records: 0 };
        } else if start > offset {
            let missing = self.existing().between(offset, start);
            let told = match self.is_spread {
                false => format!(
                    "{} between the end of an object and the start of the next",
                    offsets(missing)
                ),
                true => format!(
                    "{} in front of this start; in which folder cannot be told",
                    offsets(missing)
                ),
            };
            self.gap(Kind::Gap, offset, start, missing, told, findings);
            self.at = At::Next {
                offset: start,
                records: 0,
            };
        } else {
            self.within(object, start, offset, records, findings);
        }
    }

    /// An object begins before those in front of it have ended.
    fn within(
        &mut self,
        object: &Entry,
        start: i64,
        offset: i64,
        records: i64,
        findings: &mut Findings,
    ) {
        let end = self.ends.get(&object.folder).copied();
        let of_folder = end.filter(|end| *end > start && !self.scene.rules.interleaves);
        let double = match of_folder {
            // One object of a folder is open at a time otherwise.
            Some(end) => self.existing().between(start, end),
            None => {
                let most = self.scene.rules.flush_size.unwrap_or(i64::MAX);
                (records - most).max(0)
            }
        };
        if double > 0 {
            let told = format!(
                "{} of it {} in objects before it, too",
                offsets(double),
                if double == 1 { "stands" } else { "stand" }
            );
            let to = self.existing().after(start, double);
            let finding = self
                .scene
                .object(Kind::Overlap, object, told)
                .at(start, Some(to));
            self.is_whole &= !self.tell(finding, start, to, findings);
            // What is there twice counts once.
            let offset = start.max(offset.saturating_sub(double));
            self.at = At::Next { offset, records: 0 };
        } else {
            self.at = At::Next { offset, records };
        }
    }

    /// What a step between two starts tells of an object that was not counted.
    fn uncounted_step(&mut self, before: Option<&Entry>, start: i64, findings: &mut Findings) {
        let (Some(before), Some(most)) = (before, self.scene.rules.flush_size) else {
            return;
        };
        if matches!(before.records(), Records::Counted(_)) {
            return;
        }
        let step = self.existing().between(before.start, start);
        if step > most {
            let missing = step - most;
            let told = format!(
                "{step} offsets lie between two starts, and flush.size lets {most} records be stored there: {} at least",
                offsets(missing)
            );
            self.gap(Kind::Gap, before.start, start, missing, told, findings);
        }
    }

    /// Adds an object's records.
    fn take(&mut self, object: &Entry) {
        let Records::Counted(count) = object.records() else {
            self.is_whole = false;
            let next = object.start.saturating_add(1);
            // Which others are open beside it is not known; a rotation closes them all.
            let until = match (self.is_spread, self.scene.rules.flush_size) {
                (false, _) => next,
                (true, Some(most)) => self.existing().after(object.start, most),
                (true, None) => i64::MAX,
            };
            let until = match self.at {
                At::Unknown { until: known } => until.max(known),
                At::Next { .. } => until,
            };
            self.at = At::Unknown { until };
            return;
        };
        self.ends
            .insert(object.folder, self.existing().after(object.start, count));
        if let At::Next { offset, records } = self.at {
            let offset = self.existing().after(offset, count);
            self.at = At::Next {
                offset,
                records: records + count,
            };
        }
    }

    fn end(&mut self, last: &Entry, findings: &mut Findings) {
        if let Some(end) = self.due.topic_end {
            let reached = match self.at {
                At::Next { offset, .. } => offset,
                At::Unknown { .. } => last.start + 1,
            };
            if reached > end && self.existing().at(last.start) >= end {
                let told = format!("the topic ends at offset {end}");
                let finding = self.scene.object(Kind::BeyondEnd, last, told);
                findings.push(finding);
                return;
            }
            if reached > end {
                let told = format!(
                    "objects hold {} more than the topic has below its end, {end}",
                    offsets(reached - end)
                );
                let finding = self
                    .scene
                    .object(Kind::Overlap, last, told)
                    .at(last.start, Some(end));
                findings.push(finding);
                return;
            }
        }
        let At::Next { offset, records } = self.at else {
            return;
        };
        let Some((to, by)) = self.due.to else {
            // The last object holds what it holds; that nothing follows is nobody's claim. Of several that were open beside each
            // other, only the start of the next would tell.
            if self.is_whole && last.records() == Records::Counted(records) {
                self.proven_to = Some(offset);
            }
            return;
        };
        let to = self.existing().at(to);
        if offset < to {
            let missing = self.existing().between(offset, to);
            let who = match by {
                EndBy::Flag => "the range",
                EndBy::Group => "what the group has committed",
                EndBy::Topic => "the topic",
            };
            let told = format!(
                "{} at the end: objects end at {offset}, {who} at {to}",
                offsets(missing)
            );
            if by == EndBy::Topic {
                findings.push(
                    self.scene
                        .finding(Kind::GapAtEnd, told)
                        .at(offset, Some(to))
                        .as_note(", and may be open or still to be read"),
                );
            } else {
                self.gap(Kind::GapAtEnd, offset, to, missing, told, findings);
            }
            if self.is_whole {
                self.proven_to = Some(offset);
            }
        } else if self.is_whole {
            self.proven_to = Some(offset);
        }
    }

    fn gap(
        &mut self,
        kind: Kind,
        from: i64,
        to: i64,
        missing: i64,
        told: String,
        findings: &mut Findings,
    ) {
        let finding = self.scene.finding(kind, told).at(from, Some(to));
        let finding = match &self.scene.rules.gaps_explained {
            Some(why) => finding.as_note(&format!(" ({why})")),
            None => finding,
        };
        let is_note = finding.severity == Severity::Note;
        if self.tell(finding, from, to, findings) {
            self.missing += missing;
            self.is_whole &= is_note;
        }
    }

    /// Tells of what concerns the range; says whether it did.
    fn tell(&self, finding: Finding, from: i64, to: i64, findings: &mut Findings) -> bool {
        let is_before = self.due.from.is_some_and(|first| to <= first);
        let is_behind = self
            .due
            .to
            .is_some_and(|(end, by)| by == EndBy::Flag && from >= end);
        if !is_before && !is_behind {
            findings.push(finding);
        }
        !is_before && !is_behind
    }
}

fn offsets(count: i64) -> String {
    match count {
        1 => "1 offset".to_owned(),
        _ => format!("{count} offsets"),
    }
}

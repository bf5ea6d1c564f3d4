//! Objects of a queue's messages: no offsets, but ids and numbers.

use super::{PartitionVerdict, Proof, Scene};
use crate::finding::{Finding, Findings, Kind};
use crate::ledger::{Batch, Records};
use crate::names::Part;

impl Scene<'_> {
    pub(super) fn queue(&self, batches: &mut [Batch], findings: &mut Findings) -> PartitionVerdict {
        batches.sort_unstable_by_key(|batch| (batch.id, batch.folder, batch.part));
        let mut verdict = self.verdict();
        let mut sum = Some(0u64);
        let mut before: Option<&Batch> = None;
        for group in batches.chunk_by(|a, b| (a.id, a.folder) == (b.id, b.folder)) {
            let lead = &group[0];
            if let Some(other) = before.filter(|other| other.id == lead.id) {
                let other = self.ledger.batch_key(self.topic, self.partition, other);
                findings.push(self.batch(
                    Kind::DuplicateBatch,
                    lead,
                    format!("the id names another object, too: {other}"),
                ));
            }
            before = Some(lead);
            verdict.objects += 1;
            for batch in group {
                self.count(batch, lead, findings);
            }
            self.parts(group, findings);
            let records = match (lead.counted, lead.named) {
                (Records::Counted(records), _) => Some(records.unsigned_abs()),
                (Records::Unknown, named) => named,
                (Records::Unreadable, _) => None,
            };
            sum = sum.zip(records).map(|(sum, records)| sum + records);
        }
        verdict.records = sum;
        if self.rules.is_deep && sum.is_some() {
            verdict.proof = Proof::Counted;
        }
        verdict
    }

    fn count(&self, batch: &Batch, lead: &Batch, findings: &mut Findings) {
        let Records::Counted(counted) = batch.counted else {
            return;
        };
        let due = match (batch.named, lead.counted) {
            (Some(named), _) => i64::try_from(named).unwrap_or(i64::MAX),
            (None, Records::Counted(beside)) => beside,
            (None, _) => return,
        };
        if counted != due {
            let told =
                format!("{counted} records, where the name or the object beside it says {due}");
            findings.push(self.batch(Kind::WrongCount, batch, told));
        }
    }

    fn parts(&self, group: &[Batch], findings: &mut Findings) {
        let has = |part: Part| group.iter().any(|batch| batch.part == part);
        let lead = &group[0];
        if !has(Part::Values) {
            if !self.is_tombstones(lead.folder) {
                let told = format!("its {} are there, and not its values", lead.part.name());
                findings.push(self.batch(Kind::MissingValues, lead, told));
            }
            return;
        }
        let due = [
            (Kind::MissingKeys, Part::Keys, self.rules.has_keys),
            (Kind::MissingHeaders, Part::Headers, self.rules.has_headers),
        ];
        for (kind, part, is_due) in due {
            if is_due == Some(true) && !has(part) {
                findings.push(self.batch(kind, lead, "the object beside the values is not there"));
            }
        }
    }

    fn batch(&self, kind: Kind, batch: &Batch, told: impl Into<String>) -> Finding {
        let key = self.ledger.batch_key(self.topic, self.partition, batch);
        self.finding(kind, told).object(key)
    }
}

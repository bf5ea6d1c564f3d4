//! Values, keys and headers that belong together: objects of one start and one folder.

use super::Scene;
use crate::finding::{Finding, Findings, Kind};
use crate::ledger::{Entry, Records};
use crate::names::Part;

impl Scene<'_> {
    /// Leaves one entry for each start and folder, in order of starts: in place, for there may be many.
    pub(super) fn companions(&self, entries: &mut Vec<Entry>, findings: &mut Findings) {
        entries
            .sort_unstable_by_key(|entry| (entry.start, entry.folder, entry.part, entry.extension));
        let (mut kept, mut begin) = (0, 0);
        while begin < entries.len() {
            let place = |entry: &Entry| (entry.start, entry.folder);
            let first = place(&entries[begin]);
            let rest = entries[begin..].iter();
            let end = begin + rest.take_while(|entry| place(entry) == first).count();
            let lead = self.lead(&entries[begin..end], findings);
            entries[kept] = lead;
            kept += 1;
            begin = end;
        }
        entries.truncate(kept);
    }

    /// The entry that stands for those beside it, too: that of the values, where they are.
    fn lead(&self, group: &[Entry], findings: &mut Findings) -> Entry {
        let of = |part: Part| group.iter().find(|entry| entry.part == part);
        for pair in group.windows(2) {
            if pair[0].part == pair[1].part {
                self.double(&pair[0], &pair[1], findings);
            }
        }
        let (values, keys, headers) = (of(Part::Values), of(Part::Keys), of(Part::Headers));
        let lead = values.or(keys).or(headers).unwrap_or(&group[0]);
        if values.is_none() && !self.is_tombstones(lead.folder) {
            let told = format!("its {} are there, and not its values", lead.part.name());
            findings.push(self.object(Kind::MissingValues, lead, told));
        }
        let rules = self.rules;
        let expected = [
            (Kind::MissingKeys, keys, rules.has_keys == Some(true)),
            (
                Kind::MissingHeaders,
                headers,
                rules.has_headers == Some(true),
            ),
        ];
        for (kind, companion, is_due) in expected {
            match companion {
                None if is_due && values.is_some() => {
                    let told = "the object beside the values is not there";
                    findings.push(self.object(kind, lead, told));
                }
                Some(companion) => self.compare(lead, companion, findings),
                None => {}
            }
        }
        *lead
    }

    /// Whether a folder holds records without a value, of which keys and headers alone are stored.
    pub(super) fn is_tombstones(&self, folder: u64) -> bool {
        let tombstones = self.ledger.names.tombstones.as_str();
        self.ledger.folder(folder).ends_with(tombstones)
    }

    fn compare(&self, lead: &Entry, companion: &Entry, findings: &mut Findings) {
        if let (Records::Counted(records), Records::Counted(beside)) =
            (lead.records(), companion.records())
            && records != beside
        {
            let (what, of) = (companion.part.name(), lead.part.name());
            let told = format!("{beside} {what}, and {records} {of}");
            findings.push(self.object(Kind::WrongCount, companion, told));
        }
    }

    pub(super) fn double(&self, first: &Entry, second: &Entry, findings: &mut Findings) {
        let other = self.ledger.key(self.topic, self.partition, first);
        let told = format!("the offset begins another object, too: {other}");
        findings.push(self.object(Kind::DuplicateStart, second, told));
    }

    pub(super) fn object(&self, kind: Kind, entry: &Entry, told: impl Into<String>) -> Finding {
        let key = self.ledger.key(self.topic, self.partition, entry);
        self.finding(kind, told).at(entry.start, None).object(key)
    }
}

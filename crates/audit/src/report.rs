//! The report: as text, as JSON, and as one page of HTML that needs nothing else.

mod html;
mod text;

pub use html::html;
pub use text::text;

use crate::finding::{Finding, Kind, Severity};
use crate::judge::{PartitionVerdict, Proof, Verdict};
use serde::Serialize;

/// What was looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Looked {
    /// `s3://bucket/topics/` or `database.collection`.
    pub place: String,
    /// Documents were looked at, and not objects.
    pub is_documents: bool,
    /// Whether contents were counted, or names alone were read.
    pub is_deep: bool,
    /// Who said where ranges begin and end.
    pub range: String,
    /// Unfinished uploads could not be listed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploads_unknown: Option<String>,
    /// Objects whose contents were read, and their bytes.
    pub read_objects: u64,
    pub read_bytes: u64,
    /// Objects whose counts an earlier run had noted.
    pub resumed_objects: u64,
    /// What cannot be known in this way.
    pub limits: Vec<String>,
}

impl Looked {
    fn what(&self) -> &'static str {
        match self.is_documents {
            true => "documents",
            false => "objects",
        }
    }
}

/// Findings of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindCount {
    pub severity: Severity,
    pub kind: Kind,
    pub count: u64,
    pub remedy: &'static str,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every offset of every partition stands once, by count.
    Proven,
    /// Nothing was found; some of it is not proven.
    NothingFound,
    Findings,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub outcome: Outcome,
    pub looked: Looked,
    pub objects: u64,
    pub bytes: u64,
    pub partitions: Vec<PartitionVerdict>,
    pub counts: Vec<KindCount>,
    pub findings: Vec<Finding>,
    /// Findings that are counted and not shown.
    pub left_out: u64,
}

impl Report {
    pub fn new(verdict: Verdict, looked: Looked) -> Self {
        let Verdict {
            partitions,
            findings,
            objects,
            bytes,
        } = verdict;
        let (findings, counts) = findings.sorted();
        let counts: Vec<KindCount> = counts
            .into_iter()
            .map(|((severity, kind), count)| KindCount {
                severity,
                kind,
                count,
                remedy: kind.remedy(),
            })
            .collect();
        let is_found = counts.iter().any(|count| count.severity != Severity::Note);
        let is_proven =
            !partitions.is_empty() && partitions.iter().all(|it| it.proof == Proof::Counted);
        let all: u64 = counts.iter().map(|count| count.count).sum();
        Report {
            outcome: match (is_found, is_proven) {
                (true, _) => Outcome::Findings,
                (false, true) => Outcome::Proven,
                (false, false) => Outcome::NothingFound,
            },
            looked,
            objects,
            bytes,
            partitions,
            counts,
            left_out: all - findings.len() as u64,
            findings,
        }
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The first sentence.
    pub fn sentence(&self) -> String {
        match self.outcome {
            Outcome::Proven if self.looked.is_documents => "Proven: every offset has one document.".to_owned(),
            Outcome::Proven => "Proven: every offset stands in one object, and the objects hold as many records as there are offsets.".to_owned(),
            Outcome::NothingFound if self.partitions.is_empty() => format!("Nothing was found: there are no {}.", self.looked.what()),
            Outcome::NothingFound if self.looked.is_deep => "No fault was found. Not all of it is proven: see the partitions.".to_owned(),
            Outcome::NothingFound => {
                "No fault shows in names and sizes. They do not prove what is inside: --deep counts the records.".to_owned()
            }
            Outcome::Findings => {
                let of = |severity| {
                    let counts = self.counts.iter().filter(|count| count.severity == severity);
                    counts.map(|count| count.count).sum::<u64>()
                };
                format!("Faults were found: {} errors, {} warnings.", of(Severity::Error), of(Severity::Warning))
            }
        }
    }
}

/// A place as readers know it: `orders-3`.
fn place(finding: &Finding) -> String {
    match finding.partition {
        Some(partition) => format!("{}-{partition}", finding.topic),
        None => finding.topic.clone(),
    }
}

fn range(finding: &Finding) -> String {
    match (finding.from, finding.to) {
        (Some(from), Some(to)) if to == from + 1 => format!("{from}"),
        (Some(from), Some(to)) => format!("{from} to {}", to - 1),
        (Some(from), None) => format!("from {from}"),
        (None, _) => String::new(),
    }
}

fn proof(verdict: &PartitionVerdict) -> &'static str {
    match verdict.proof {
        Proof::Counted => "proven by count",
        Proof::Names => "not proven",
        Proof::Faulty => "faulty",
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;

//! Findings: what is wrong, how bad it is, where, and what to do about it.

use serde::Serialize;
use std::collections::BTreeMap;

/// Findings that are kept one by one; of more, the number alone is told. A bucket with more than that has one cause.
pub const MOST_FINDINGS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Records are missing, there twice, or cannot be read.
    Error,
    /// Something is not as the sink leaves it; records may be concerned.
    Warning,
    /// It is explained, or costs nothing but money.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Gap,
    GapAtStart,
    GapAtEnd,
    Overlap,
    DuplicateStart,
    DuplicateBatch,
    WrongCount,
    Unreadable,
    Empty,
    Archived,
    Changed,
    Foreign,
    WrongFolder,
    OffsetWidth,
    OtherExtension,
    MissingKeys,
    MissingHeaders,
    MissingValues,
    MissingPartition,
    UnknownPartition,
    BeyondEnd,
    OrphanedUpload,
    OpenUpload,
    LedgerEntry,
    MissingDocument,
    ForeignDocument,
}

impl Kind {
    /// How bad it is, where nothing explains it.
    pub fn severity(self) -> Severity {
        match self {
            Kind::Gap
            | Kind::GapAtStart
            | Kind::GapAtEnd
            | Kind::Overlap
            | Kind::DuplicateStart
            | Kind::DuplicateBatch
            | Kind::WrongCount
            | Kind::Unreadable
            | Kind::Empty
            | Kind::MissingKeys
            | Kind::MissingHeaders
            | Kind::MissingValues
            | Kind::MissingPartition
            | Kind::UnknownPartition
            | Kind::MissingDocument
            | Kind::BeyondEnd => Severity::Error,
            Kind::Archived
            | Kind::Changed
            | Kind::Foreign
            | Kind::ForeignDocument
            | Kind::WrongFolder
            | Kind::OffsetWidth
            | Kind::OtherExtension
            | Kind::OrphanedUpload => Severity::Warning,
            Kind::OpenUpload | Kind::LedgerEntry => Severity::Note,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Gap => "gap",
            Kind::GapAtStart => "gap-at-start",
            Kind::GapAtEnd => "gap-at-end",
            Kind::Overlap => "overlap",
            Kind::DuplicateStart => "duplicate-start",
            Kind::DuplicateBatch => "duplicate-batch",
            Kind::WrongCount => "wrong-count",
            Kind::Unreadable => "unreadable",
            Kind::Empty => "empty",
            Kind::Archived => "archived",
            Kind::Changed => "changed",
            Kind::Foreign => "foreign",
            Kind::WrongFolder => "wrong-folder",
            Kind::OffsetWidth => "offset-width",
            Kind::OtherExtension => "other-extension",
            Kind::MissingKeys => "missing-keys",
            Kind::MissingHeaders => "missing-headers",
            Kind::MissingValues => "missing-values",
            Kind::MissingPartition => "missing-partition",
            Kind::UnknownPartition => "unknown-partition",
            Kind::BeyondEnd => "beyond-end",
            Kind::OrphanedUpload => "orphaned-upload",
            Kind::OpenUpload => "open-upload",
            Kind::LedgerEntry => "ledger-entry",
            Kind::MissingDocument => "missing-document",
            Kind::ForeignDocument => "foreign-document",
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Kind::Gap => {
                "Look whether the topic still has these offsets (millstream consume --partition P --offset N). If so, reset the \
                 connector's group to the first of them (millstream groups --reset-offsets): what is stored is replaced under the \
                 same names, as long as the settings are the same. Compaction, markers of transactions, filters and records that \
                 were rejected leave gaps, too: with --read-topic the first two are known, with --allow-gaps all are notes."
            }
            Kind::GapAtStart => {
                "The connector began later than the range: with consumer.override.auto.offset.reset=latest, or after retention had \
                 removed records. Give --from if that is meant; else reset its group to the first offset."
            }
            Kind::GapAtEnd => {
                "What is open is not stored yet. If the group has committed these offsets, records were filtered or rejected, or \
                 objects were deleted: look into the dead letter topic, and reset the group to the first of them if they are gone."
            }
            Kind::Overlap => {
                "Offsets stand in more than one object: another flush.size, format or partitioner was used when records were read \
                 again. Keep one set of the objects (by their dates), and remove the other."
            }
            Kind::DuplicateStart => {
                "One offset begins two objects. Compare their dates and contents, keep the one that its neighbours fit, and remove \
                 the other."
            }
            Kind::DuplicateBatch => {
                "The batch is stored under two names: one of them is a copy, which may be removed."
            }
            Kind::WrongCount => {
                "The object does not hold what its name or its neighbour says. Take it from a version of the bucket, or have its \
                 offsets read again."
            }
            Kind::Unreadable => {
                "Somebody else has written it, or a copy broke off. Take it from a version of the bucket, or have its offsets read \
                 again."
            }
            Kind::Empty => {
                "The sink stores no empty objects: it was cut. Have its offsets read again."
            }
            Kind::Archived => {
                "Its storage class has to be restored before it can be read; its name alone was looked at."
            }
            Kind::Changed => "It was replaced while it was looked at: audit again.",
            Kind::Foreign => {
                "The sink does not make such names. Readers of the folder will meet it: move it elsewhere."
            }
            Kind::WrongFolder => {
                "The folder says another partition than the name: it was moved or copied. Look which of both is right."
            }
            Kind::OffsetWidth => {
                "filename.offset.zero.pad.width was another when it was written: names no longer sort by offset, and records that \
                 are read again do not replace it."
            }
            Kind::OtherExtension => {
                "Another format or compression was set when it was written: records that are read again do not replace it."
            }
            Kind::MissingKeys | Kind::MissingHeaders => {
                "The object beside the values is gone, or store.kafka.keys and store.kafka.headers were switched on later. Have its \
                 offsets read again."
            }
            Kind::MissingValues => {
                "Keys or headers stand alone: the values are gone. Have the offsets read again."
            }
            Kind::MissingPartition => {
                "No object has records of the partition: no task has read it, or its folder is gone. Look at the connector's tasks \
                 and its group."
            }
            Kind::UnknownPartition => {
                "The topic has no such partition: it was made anew with fewer, or the objects are another topic's."
            }
            Kind::BeyondEnd => {
                "The topic has no such offset yet: it was made anew, and what follows will be stored over these names. Move the old \
                 objects away first."
            }
            Kind::OrphanedUpload => {
                "Nobody completes it any more, and its parts cost storage: aws s3api abort-multipart-upload, or a lifecycle rule \
                 AbortIncompleteMultipartUpload."
            }
            Kind::OpenUpload => "A task may be writing it.",
            Kind::LedgerEntry => {
                "A crash left it, or its messages are on their way; it goes by itself, after 14 days at the latest."
            }
            Kind::MissingDocument => {
                "Reset the group of the job to the first of these offsets (millstream groups --reset-offsets): documents that are \
                 there keep their ids. Records without a value, filtered and rejected ones leave no document."
            }
            Kind::ForeignDocument => {
                "Its _id is none that topic, partition and offset make: something else writes the collection."
            }
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub kind: Kind,
    pub topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// First offset concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The offset behind the last one concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A sentence.
    pub detail: String,
}

impl Finding {
    pub fn new(kind: Kind, topic: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding {
            severity: kind.severity(),
            kind,
            topic: topic.into(),
            partition: None,
            from: None,
            to: None,
            key: None,
            detail: detail.into(),
        }
    }

    #[must_use]
    pub fn of(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    #[must_use]
    pub fn at(mut self, from: i64, to: Option<i64>) -> Self {
        self.from = Some(from);
        self.to = to;
        self
    }

    #[must_use]
    pub fn object(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub fn as_note(mut self, why: &str) -> Self {
        self.severity = Severity::Note;
        self.detail.push_str(why);
        self
    }
}

/// All findings, with a bound.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<(Severity, Kind), u64>,
}

impl Findings {
    pub fn push(&mut self, finding: Finding) {
        *self
            .counts
            .entry((finding.severity, finding.kind))
            .or_default() += 1;
        if self.kept.len() < MOST_FINDINGS {
            self.kept.push(finding);
        }
    }

    pub fn extend(&mut self, other: Findings) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        let room = MOST_FINDINGS.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.into_iter().take(room));
    }

    /// Those that are kept, the worst first, in order of their places.
    pub fn sorted(mut self) -> (Vec<Finding>, BTreeMap<(Severity, Kind), u64>) {
        self.kept.sort_by(|a, b| {
            let order = |it: &Finding| {
                (
                    it.severity,
                    it.topic.clone(),
                    it.partition,
                    it.from,
                    it.key.clone(),
                    it.kind,
                )
            };
            order(a).cmp(&order(b))
        });
        (self.kept, self.counts)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

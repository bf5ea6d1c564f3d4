//! What is asked: a load, what is done with its records, and how late they may be.

use crate::queue::Queue;

/// Records that come in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub messages_per_day: f64,
    /// Bytes of a record, key and value.
    pub size: f64,
    /// How much faster than on average records come at the busiest time; at least 1.
    pub burst: f64,
    /// Records that wait already.
    pub backlog: f64,
}

pub const SECONDS_PER_DAY: f64 = 86_400.0;

impl Load {
    /// Records a second, on average.
    pub fn rate(&self) -> f64 {
        self.messages_per_day / SECONDS_PER_DAY
    }

    /// Records a second at the busiest time.
    pub fn peak(&self) -> f64 {
        self.rate() * self.burst
    }

    /// Bytes a second, on average.
    pub fn bytes(&self) -> f64 {
        self.rate() * self.size
    }
}

/// What is done with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Lines of text in S3.
    Archive,
    /// JSON objects in S3, re-keyed as Java writes them.
    ArchiveJson,
    /// Their hash in MongoDB or DocumentDB.
    Hash,
    /// JSON objects as documents.
    Documents,
}

impl Job {
    pub const ALL: [Job; 4] = [Job::Archive, Job::ArchiveJson, Job::Hash, Job::Documents];

    /// As `--job` has it.
    pub fn name(self) -> &'static str {
        match self {
            Job::Archive => "archive",
            Job::ArchiveJson => "archive-json",
            Job::Hash => "hash",
            Job::Documents => "documents",
        }
    }

    /// Whether it writes objects, which are paid for by request.
    pub fn writes_objects(self) -> bool {
        matches!(self, Job::Archive | Job::ArchiveJson)
    }
}

/// When the archive closes an object, as the connector's settings say it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Files {
    /// `flush.size`: records of an object.
    pub flush_size: f64,
    /// `rotate.interval.ms` in seconds: record time of an object, which the next record behind it closes.
    pub rotate_interval: Option<f64>,
    /// `rotate.schedule.interval.ms` in seconds: objects are closed by the clock.
    pub rotate_schedule: Option<f64>,
    /// `s3.part.size` in bytes.
    pub part_size: f64,
    /// Objects that are open at a time for one partition of the topic: the values of a field partitioner, or the hours that
    /// records come late by.
    pub buckets: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Arm64,
    X86,
}

impl Architecture {
    /// As `--architecture` has it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Arm64 => "arm64",
            Architecture::X86 => "x86",
        }
    }
}

/// An always-on task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    pub vcpu: f64,
    /// In GB as Fargate counts them: 1,024 MiB.
    pub memory_gb: f64,
    /// The part of its capacity that the mean load may take.
    pub utilisation: f64,
    /// So many run even if fewer would do.
    pub least: f64,
}

/// A Lambda function in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    pub memory_mb: f64,
    /// Seconds of an invocation beside the work for each record: the write and its way.
    pub invocation: f64,
    /// Records that an invocation is given at most (`BatchSize`).
    pub batch: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub load: Load,
    pub job: Job,
    /// Seconds until a record has to be where it belongs.
    pub delay: f64,
    /// Seconds in which a backlog is to be gone.
    pub drain: f64,
    /// Of the topic; without bound where there is none.
    pub partitions: f64,
    /// Where the records come from, if it is no topic.
    pub queue: Option<Queue>,
    pub files: Files,
    pub architecture: Architecture,
    pub task: Task,
    pub function: Function,
    /// Where the numbers come from that nobody has typed, in sentences.
    pub measured: Vec<String>,
}

impl Question {
    /// The same with another number of messages.
    #[must_use]
    pub fn with_messages(&self, messages_per_day: f64) -> Self {
        let mut other = self.clone();
        other.load.messages_per_day = messages_per_day;
        other
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs(),
            "{found}, not {expected}"
        );
    }

    /// The workshop: a message of 40 bytes every five minutes.
    pub(crate) fn workshop() -> Question {
        Question {
            load: Load {
                messages_per_day: 288.0,
                size: 40.0,
                burst: 1.0,
                backlog: 0.0,
            },
            job: Job::Archive,
            delay: 300.0,
            drain: 3600.0,
            partitions: 12.0,
            queue: None,
            files: Files {
                flush_size: 100_000.0,
                rotate_interval: None,
                rotate_schedule: Some(300.0),
                part_size: 5_242_880.0,
                buckets: 1.0,
            },
            architecture: Architecture::Arm64,
            task: Task {
                vcpu: 0.25,
                memory_gb: 0.5,
                utilisation: 0.6,
                least: 1.0,
            },
            function: Function {
                memory_mb: 512.0,
                invocation: 0.05,
                batch: 10_000.0,
            },
            measured: Vec::new(),
        }
    }

    #[test]
    fn rates_are_of_a_second() {
        let mut load = workshop().load;
        assert!((load.rate() - 1.0 / 300.0).abs() < 1e-12);
        load.burst = 6.0;
        assert!((load.peak() - 0.02).abs() < 1e-12);
        assert!((load.bytes() - 40.0 / 300.0).abs() < 1e-12);
    }
}

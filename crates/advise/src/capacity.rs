//! What a task can take and how many are needed, from the figures that `docs/performance.md` has of this program.

use crate::question::{Job, Load, Question, Task};
use crate::queue::Queue;

/// CPU seconds for a million records of `MEASURED_SIZE` bytes.
const ARCHIVE: f64 = 0.088;
const ARCHIVE_JSON: f64 = 0.210;
const HASH: f64 = 0.211;
const DOCUMENTS: f64 = 0.790;
/// What TLS to the brokers adds: `fetch_tls` without `fetch`. MSK's own ports are TLS.
const TLS: f64 = 0.130 - 0.035;
/// Bytes of the records that were measured. More bytes cost at most in proportion.
pub const MEASURED_SIZE: f64 = 100.0;

/// Bytes a second that a partition is laid out for: a rule of thumb for brokers.
pub const PARTITION_BYTES: f64 = 5e6;

/// Of the memory for records, what open objects may take (`runtime::budgets`).
const OPEN_SHARE: f64 = 0.4;
/// Kept back for the program itself, and the most that is taken without a setting.
const KEPT_BACK: f64 = 32.0 * 1_048_576.0;
const MOST_GIVEN: f64 = 256.0 * 1_048_576.0;

/// CPU seconds of one record of so many bytes, TLS to the brokers included.
pub fn cpu_seconds(job: Job, size: f64) -> f64 {
    let measured = match job {
        Job::Archive => ARCHIVE,
        Job::ArchiveJson => ARCHIVE_JSON,
        Job::Hash => HASH,
        Job::Documents => DOCUMENTS,
    };
    (measured + TLS) / 1e6 * (size / MEASURED_SIZE).max(1.0)
}

/// CPU seconds of one record of so many bytes that comes from a queue: what receiving and settling it takes beside the job.
pub fn cpu_seconds_of_queue(job: Job, queue: &Queue, size: f64) -> f64 {
    let client = queue.kind.cpu_seconds_per_million() / 1e6 * (size / MEASURED_SIZE).max(1.0);
    client + (cpu_seconds(job, size) - cpu_seconds_of_tls(size))
}

fn cpu_seconds_of_tls(size: f64) -> f64 {
    TLS / 1e6 * (size / MEASURED_SIZE).max(1.0)
}

/// Records a second that one task has CPU for: the smaller of its r and b / size.
pub fn records_per_second(job: Job, task: &Task, size: f64) -> f64 {
    task.vcpu / cpu_seconds(job, size)
}

/// The same of a queue, whose answers it may have to wait for.
fn capacity(question: &Question) -> f64 {
    let Question {
        load, task, job, ..
    } = question;
    match &question.queue {
        None => records_per_second(*job, task, load.size),
        Some(queue) => {
            let by_cpu = task.vcpu / cpu_seconds_of_queue(*job, queue, load.size);
            by_cpu.min(queue.kind.task_rate())
        }
    }
}

/// How many tasks, and what asks for so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tasks {
    /// r: records a second of one.
    pub capacity: f64,
    /// ⌈R / (u·r)⌉, of records and of bytes.
    pub for_rate: f64,
    /// ⌈peak / r⌉.
    pub for_peak: f64,
    /// ⌈(L/D + R) / r⌉.
    pub for_backlog: f64,
    /// The largest of them.
    pub needed: f64,
    /// That, as far as the topic has partitions.
    pub running: f64,
    /// Partitions to make the topic with: twice the tasks, and one for each 5 MB/s.
    pub partitions: f64,
}

pub fn tasks(question: &Question) -> Tasks {
    let Question { load, task, .. } = question;
    let capacity = capacity(question);
    let for_rate = (load.rate() / (task.utilisation * capacity)).ceil();
    let for_peak = (load.peak() / capacity).ceil();
    let for_backlog = ((load.backlog / question.drain + load.rate()) / capacity).ceil();
    let needed = for_rate.max(for_peak).max(for_backlog).max(task.least);
    let for_bytes = (load.peak() * load.size / PARTITION_BYTES).ceil();
    Tasks {
        capacity,
        for_rate,
        for_peak,
        for_backlog,
        needed,
        running: needed.min(question.partitions),
        partitions: (2.0 * needed).max(for_bytes),
    }
}

/// Seconds until a backlog is gone: L / (n·r − R); none if it never is.
pub fn drain_time(load: &Load, tasks: &Tasks) -> Option<f64> {
    let spare = tasks.running * tasks.capacity - load.rate();
    (spare > 0.0).then_some(load.backlog / spare)
}

/// Bytes that a task has for open objects before they go to its temporary file.
pub fn memory_for_open_objects(memory_gb: f64) -> f64 {
    let given = (memory_gb * 1_073_741_824.0 / 2.0).min(MOST_GIVEN);
    (given - KEPT_BACK) / 2.0 * OPEN_SHARE
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::question::tests::{near, workshop};
    use crate::queue::Kind;

    /// The figures here and those of the page are the same.
    #[test]
    fn the_figures_are_those_that_were_measured() {
        let page = include_str!("../../../docs/performance.md");
        let figure = |row: &str| -> f64 {
            let line = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{row}`")));
            let cell = line.unwrap().split('|').nth(2).unwrap();
            cell.trim().parse().unwrap()
        };
        for (constant, row) in [
            (ARCHIVE, "s3_string"),
            (ARCHIVE_JSON, "s3_json"),
            (HASH, "docs_hash"),
            (DOCUMENTS, "docs_json"),
        ] {
            near(constant, figure(row));
        }
        near(TLS, figure("fetch_tls") - figure("fetch"));
    }

    #[test]
    fn a_task_takes_what_its_cpu_allows() {
        // 0.088 + 0.095 = 0.183 microseconds a record.
        near(cpu_seconds(Job::Archive, 40.0), 0.183e-6);
        near(cpu_seconds(Job::Archive, 100.0), 0.183e-6);
        // Ten times the bytes.
        near(cpu_seconds(Job::Archive, 1000.0), 1.83e-6);
        let task = workshop().task;
        // 0.25 / 0.306e-6
        near(records_per_second(Job::Hash, &task, 100.0), 0.25 / 0.306e-6);
    }

    #[test]
    fn a_queue_takes_cpu_of_its_own_and_answers_in_its_own_time() {
        let mut question = workshop();
        question.partitions = f64::INFINITY;
        question.queue = Some(Queue::usual(Kind::RabbitMq));
        // 7.1 + 0.088 microseconds a record.
        near(tasks(&question).capacity, 0.25 / 7.188e-6);
        question.queue = Some(Queue::usual(Kind::Sqs));
        near(tasks(&question).capacity, 3000.0);
        question.load.size = 1000.0;
        // 130.88 microseconds.
        near(tasks(&question).capacity, 0.25 / 130.88e-6);
        question.load.messages_per_day = 1e9;
        let found = tasks(&question);
        assert_eq!(found.running, found.needed);
    }

    #[test]
    fn tasks_are_counted_by_rate_peak_and_backlog() {
        let mut question = workshop();
        question.job = Job::Documents;
        question.load.size = 1000.0;
        // r = 0.25 / 8.85e-6 = 28,248.6 a second.
        question.load.messages_per_day = 20_000.0 * 86_400.0;
        let found = tasks(&question);
        // 20,000 / (0.6 · 28,248.6) = 1.18
        assert_eq!(
            (found.for_rate, found.for_peak, found.needed),
            (2.0, 1.0, 2.0)
        );
        question.load.burst = 4.0;
        // 80,000 / 28,248.6 = 2.83
        assert_eq!(tasks(&question).for_peak, 3.0);
        // (360,000,000 / 3,600 + 20,000) / 28,248.6 = 4.25
        question.load.backlog = 360e6;
        let found = tasks(&question);
        assert_eq!((found.for_backlog, found.needed), (5.0, 5.0));
        // Twice five; bytes: 80 MB/s / 5 = 16.
        assert_eq!(found.partitions, 16.0);
        question.partitions = 4.0;
        let found = tasks(&question);
        assert_eq!((found.needed, found.running), (5.0, 4.0));
        // 360,000,000 / (4 · 28,248.587 − 20,000)
        let time = drain_time(&question.load, &found).unwrap();
        assert!((time - 3871.0).abs() < 1.0, "{time}");
        question.partitions = 0.5;
        assert_eq!(drain_time(&question.load, &tasks(&question)), None);
    }

    #[test]
    fn one_task_is_the_least() {
        let found = tasks(&workshop());
        assert_eq!(
            (found.for_rate, found.needed, found.running),
            (1.0, 1.0, 1.0)
        );
    }

    #[test]
    fn open_objects_have_their_share() {
        // Half of 512 MiB is 256; without 20 it is 236, half of which is 118 MiB for records, two fifths of that 47.2.
        near(memory_for_open_objects(0.5), 44.8 * 1_048_576.0);
        near(memory_for_open_objects(8.0), 44.8 * 1_048_576.0);
        near(memory_for_open_objects(0.25), 19.2 * 1_048_576.0);
    }
}

//! Every bound of the program that is not a setting, each with its reason.

use std::time::Duration;

/// Batches that wait between the fetcher and the pipeline. Their bytes are bounded by the budget;
/// the count only keeps tiny batches from piling up.
pub const QUEUED_BATCHES: usize = 64;

/// Memory of the process when nothing says otherwise: more would not make it faster.
pub const PROCESS_MEMORY: usize = 256 * 1024 * 1024;

/// S3 takes at most this many parts for one object.
pub const S3_MAX_PARTS: usize = 10_000;

/// How long a sink's `put` may wait for room. Membership of the group must outlast it, so that a task whose consumer has a
/// small `max.poll.interval.ms` waits for a part of that only (`TaskContext::longest_put`).
pub const LONGEST_PUT: Duration = Duration::from_secs(10);

/// How long a task whose server is away keeps an oversized record that others wait for. A store that is merely slow is done
/// within that, and what is read again once a minute costs little.
pub const OVERSIZED_PATIENCE: Duration = Duration::from_secs(60);

/// Longest pause between attempts to reach a server that went away.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Batches of a source that Kafka has not acknowledged: enough to hide a round trip. Their bytes are bounded by the budget
/// and by the producer's `buffer.memory`.
pub const UNACKNOWLEDGED_BATCHES: usize = 64;

/// The longest line that is read from a file. Kafka takes records of 1 MiB unless it is told otherwise; a file without line
/// breaks must not fill the memory.
pub const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Partitions of a task whose lag is shown one by one; what is behind them is shown as a sum. A dashboard does not read more,
/// and each costs a monitoring system a dozen series.
pub const SHOWN_PARTITIONS: usize = 100;

//! A Lambda function in the place of tasks: how often it is invoked, and what a queue before it is asked.
//!
//! The limits are those of AWS's documentation of event source mappings (Developer Guide, "All Amazon MSK event source
//! configuration parameters", "Configuring scaling behavior for SQS event source mappings", "Configure Lambda function
//! memory") and of Amazon SQS.

use crate::capacity::cpu_seconds;
use crate::question::Question;

/// Bytes of an invocation's event.
const PAYLOAD: f64 = 6e6;
/// Kafka's values stand in the event as Base64: four characters for three bytes.
const BASE64: f64 = 4.0 / 3.0;
/// Seconds that a batch is waited for at most (`MaximumBatchingWindowInSeconds`).
const LONGEST_WINDOW: f64 = 300.0;
/// What it is for Kafka where it is not set.
const SHORTEST_WINDOW: f64 = 0.5;
/// Bytes a second of a poller of a Kafka topic.
const POLLER_BYTES: f64 = 5e6;
/// Pollers of a queue, each with a request that waits for so many seconds where nothing comes.
const QUEUE_POLLERS: f64 = 5.0;
const LONG_POLL: f64 = 20.0;
/// Messages and bytes that go to a queue or come from it in one request, and the bytes that are paid for as one.
const QUEUE_BATCH: f64 = 10.0;
const QUEUE_BATCH_BYTES: f64 = 262_144.0;
const QUEUE_CHUNK: f64 = 65_536.0;
/// Megabytes of a function that has one vCPU; others have their part of it.
const MB_OF_A_VCPU: f64 = 1769.0;
/// Invocations at a time that an account has without asking for more.
pub const MOST_AT_A_TIME: f64 = 1000.0;

/// What a load comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Invocations {
    pub per_second: f64,
    /// Seconds that a record waits for its batch.
    pub window: f64,
    pub gb_seconds_per_second: f64,
    /// At the busiest time.
    pub at_a_time: f64,
}

/// Where the function's records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Kafka,
    Queue,
}

/// How often the function runs. A batch begins with its first record and ends when it is full or its window is over: each of
/// n pollers sees R/n records a second, and ends (R/n) / (1 + (R/n)·w) batches a second by its window.
pub fn invocations(question: &Question, source: Source) -> Invocations {
    let (load, function) = (&question.load, &question.function);
    let window = question.delay.clamp(SHORTEST_WINDOW, LONGEST_WINDOW);
    let (pollers, encoded) = match source {
        Source::Kafka => (pollers(question).min(question.partitions), BASE64),
        Source::Queue => (QUEUE_POLLERS, 1.0),
    };
    let of = |rate: f64| {
        let by_window = rate / (1.0 + rate / pollers * window);
        let by_count = rate / function.batch;
        let by_bytes = rate * load.size * encoded / PAYLOAD;
        by_window.max(by_count).max(by_bytes)
    };
    let memory_gb = function.memory_mb / 1024.0;
    let vcpu = function.memory_mb / MB_OF_A_VCPU;
    let busy = |rate: f64| {
        of(rate) * function.invocation + rate * cpu_seconds(question.job, load.size) / vcpu
    };
    Invocations {
        per_second: of(load.rate()),
        window,
        gb_seconds_per_second: busy(load.rate()) * memory_gb,
        at_a_time: busy(load.peak()),
    }
}

/// Pollers that the busiest time asks for; a topic has one for each partition at most.
fn pollers(question: &Question) -> f64 {
    let load = &question.load;
    (load.peak() * load.size / POLLER_BYTES).ceil().max(1.0)
}

/// Requests a second to a queue that are paid for: records sent (unless they are in a queue already), received and deleted,
/// ten at a time, and the requests of the pollers that wait in vain.
pub fn queue_requests(question: &Question) -> f64 {
    let load = &question.load;
    let batch = (QUEUE_BATCH_BYTES / load.size)
        .floor()
        .clamp(1.0, QUEUE_BATCH);
    let chunks = (batch * load.size / QUEUE_CHUNK).ceil().max(1.0);
    let batches = load.rate() / batch;
    // Who sends pays in either case where the records come from a queue anyway.
    let ways = if question.queue.is_some() { 1.0 } else { 2.0 };
    batches * (ways * chunks + 1.0) + QUEUE_POLLERS / LONG_POLL
}

/// Why the function cannot do it, if it cannot.
pub fn obstacle(question: &Question, source: Source, found: &Invocations) -> Option<String> {
    let (size, encoded) = match source {
        Source::Kafka => (question.load.size, BASE64),
        Source::Queue => (question.load.size, 1.0),
    };
    if size * encoded > PAYLOAD {
        return Some("a record is larger than an event of Lambda may be (6 MB)".to_owned());
    }
    if source == Source::Queue && size > QUEUE_BATCH_BYTES {
        return Some("a record is larger than the 256 KiB of a message of SQS".to_owned());
    }
    if source == Source::Kafka && pollers(question) > question.partitions {
        return Some(format!(
            "the busiest time asks for {:.0} pollers of 5 MB/s, and the topic's partitions allow {:.0}",
            pollers(question),
            question.partitions
        ));
    }
    (found.at_a_time > MOST_AT_A_TIME).then(|| {
        format!(
            "at the busiest time {:.0} invocations would run at once, and an account has 1,000 unless it asks for more",
            found.at_a_time
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::question::tests::{near, workshop};
    use proptest::prelude::*;

    #[test]
    fn few_records_come_in_windows() {
        let found = invocations(&workshop(), Source::Kafka);
        // (1/300) / (1 + 300/300)
        near(found.per_second, 1.0 / 600.0);
        assert_eq!(found.window, 300.0);
        // 512 MB are half a GB: 0.05 s each, and 0.183 µs at 512/1769 of a vCPU for a record.
        let work = 0.05 / 600.0 + 0.183e-6 / (512.0 / 1769.0) / 300.0;
        near(found.gb_seconds_per_second, 0.5 * work);
        // Five pollers share them: (1/300) / (1 + 1/5).
        near(
            invocations(&workshop(), Source::Queue).per_second,
            1.0 / 360.0,
        );
    }

    #[test]
    fn many_records_come_in_full_batches() {
        let mut question = workshop();
        question.load.messages_per_day = 86_400e6;
        question.load.size = 100.0;
        let found = invocations(&question, Source::Kafka);
        // A million a second: 100 batches by count; by bytes 133.3 MB / 6 MB are 22.2; by window 12 / 300.
        near(found.per_second, 100.0);
        question.load.size = 1000.0;
        near(
            invocations(&question, Source::Kafka).per_second,
            1e9 * 4.0 / 3.0 / 6e6,
        );
        near(invocations(&question, Source::Queue).per_second, 1e9 / 6e6);
        question.load.burst = 10.0;
        let found = invocations(&question, Source::Kafka);
        assert!(found.at_a_time > 100.0, "{found:?}");
    }

    #[test]
    fn the_window_is_the_delay_as_far_as_lambda_has_it() {
        let mut question = workshop();
        for (delay, window) in [(0.1, 0.5), (10.0, 10.0), (3600.0, 300.0)] {
            question.delay = delay;
            assert_eq!(invocations(&question, Source::Kafka).window, window);
        }
    }

    #[test]
    fn a_queue_is_asked_even_when_it_is_empty() {
        let mut question = workshop();
        question.load.messages_per_day = 0.0;
        // Five pollers, three requests a minute each.
        near(queue_requests(&question), 0.25);
        question.load.messages_per_day = 86_400.0;
        // One a second: a tenth of a batch to send, to receive, to delete.
        near(queue_requests(&question), 0.25 + 0.3);
        // Ten of 10 kB are 100 kB, two chunks: 0.1 · (2·2 + 1).
        question.load.size = 10_000.0;
        near(queue_requests(&question), 0.25 + 0.5);
        // Two of 100 kB fit; 200,000 bytes are four chunks: 0.5 · 9.
        question.load.size = 100_000.0;
        near(queue_requests(&question), 0.25 + 4.5);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let mut question = workshop();
        let told = |question: &Question, source| {
            obstacle(question, source, &invocations(question, source))
        };
        assert_eq!(told(&question, Source::Kafka), None);
        question.load.size = 300_000.0;
        assert_eq!(told(&question, Source::Kafka), None);
        assert!(told(&question, Source::Queue).unwrap().contains("256 KiB"));
        question.load.size = 5e6;
        assert!(told(&question, Source::Kafka).unwrap().contains("6 MB"));
        question.load.size = 100.0;
        question.load.messages_per_day = 1e15;
        assert!(
            told(&question, Source::Kafka)
                .unwrap()
                .contains("pollers of 5 MB/s")
        );
        question.partitions = 1e9;
        assert!(
            told(&question, Source::Kafka)
                .unwrap()
                .contains("1,000 unless")
        );
    }

    proptest! {
        /// More records never cost less.
        #[test]
        fn work_grows_with_the_load(
            messages in 0.0f64..1e12, more in 1.0f64..10.0, size in 1.0f64..1e6, delay in 0.01f64..1000.0,
            burst in 1.0f64..100.0, batch in 1.0f64..10_000.0, memory in 128.0f64..10_240.0,
        ) {
            let mut few = workshop();
            few.load.messages_per_day = messages;
            few.load.size = size;
            few.load.burst = burst;
            few.delay = delay;
            few.function.batch = batch;
            few.function.memory_mb = memory;
            let many = few.with_messages(messages * more);
            for source in [Source::Kafka, Source::Queue] {
                let (few, many) = (invocations(&few, source), invocations(&many, source));
                prop_assert!(many.per_second >= few.per_second * (1.0 - 1e-9));
                prop_assert!(many.gb_seconds_per_second >= few.gb_seconds_per_second * (1.0 - 1e-9));
            }
            prop_assert!(queue_requests(&many) >= queue_requests(&few));
        }
    }
}

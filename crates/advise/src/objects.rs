//! Objects in S3: how many, how large, how many requests, and how long a record waits for its object to be closed.

use crate::question::{Files, Load, SECONDS_PER_DAY};

/// S3 is asked to begin an upload and to end it, for each object (`s3/src/upload/job.rs`).
const REQUESTS_BESIDE_PARTS: f64 = 2.0;

/// What S3 sees of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objects {
    pub per_second: f64,
    /// Records of one, on average.
    pub records: f64,
    /// Bytes of one, on average, before compression.
    pub bytes: f64,
    /// Requests that are paid for as PUT, for one.
    pub requests: f64,
    /// Seconds that a record waits for its object at most; none where nothing but a later record closes it.
    pub delay: Option<f64>,
}

impl Objects {
    pub fn per_day(&self) -> f64 {
        self.per_second * SECONDS_PER_DAY
    }

    pub fn requests_per_second(&self) -> f64 {
        self.per_second * self.requests
    }

    /// Objects that a partition has open at the same time, together, in bytes: what is of a part stays in memory.
    pub fn open_bytes(&self, files: &Files, partitions: f64) -> f64 {
        partitions * files.buckets * self.bytes.min(files.part_size)
    }
}

/// Those of the archive sink. Each partition, and each bucket within it, has a stream of objects of its own, of which a
/// stream closes by the setting that closes most:
///
/// - `flush.size` records: λ / flush.size a second, where λ is the stream's rate;
/// - the clock: one in each interval T in which a record came, (1 − e^(−λT)) / T if they come independently of each other;
/// - record time: the first record opens it and the first one after T closes it, λ / (1 + λT).
pub fn of_archive(load: &Load, files: &Files, partitions: f64) -> Objects {
    let streams = partitions * files.buckets;
    let rate = load.rate() / streams;
    let by_size = rate / files.flush_size;
    let by_clock = files
        .rotate_schedule
        .map(|every| -(-rate * every).exp_m1() / every);
    let by_record_time = files.rotate_interval.map(|long| rate / (1.0 + rate * long));
    let per_stream = by_size
        .max(by_clock.unwrap_or(0.0))
        .max(by_record_time.unwrap_or(0.0));
    let full_after = files.flush_size / rate;
    let delay = match (files.rotate_schedule, rate > 0.0) {
        (Some(every), true) => Some(every.min(full_after)),
        (Some(every), false) => Some(every),
        (None, _) => None,
    };
    objects(load, per_stream * streams, files.part_size, delay)
}

/// Those of a function, which keeps nothing open: one for each invocation, in one request.
pub fn of_function(load: &Load, invocations: f64, delay: f64) -> Objects {
    Objects {
        requests: 1.0,
        ..objects(load, invocations, f64::INFINITY, Some(delay))
    }
}

pub(crate) fn objects(load: &Load, per_second: f64, part_size: f64, delay: Option<f64>) -> Objects {
    let records = match per_second > 0.0 {
        true => load.rate() / per_second,
        false => 0.0,
    };
    let bytes = records * load.size;
    let parts = (bytes / part_size).ceil().max(1.0);
    Objects {
        per_second,
        records,
        bytes,
        requests: REQUESTS_BESIDE_PARTS + parts,
        delay,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::question::tests::{near, workshop};
    use proptest::prelude::*;

    fn a_thousand_a_second() -> (Load, Files) {
        let question = workshop();
        let load = Load {
            messages_per_day: 86_400_000.0,
            size: 100.0,
            ..question.load
        };
        (load, question.files)
    }

    #[test]
    fn the_workshops_objects_of_three_records_cost_requests() {
        let (load, mut files) = a_thousand_a_second();
        files.flush_size = 3.0;
        files.rotate_schedule = None;
        let found = of_archive(&load, &files, 1.0);
        near(found.per_second, 1000.0 / 3.0);
        near(found.records, 3.0);
        near(found.bytes, 300.0);
        assert_eq!(found.requests, 3.0);
        // 333.3 objects of three requests, 2,628,000 seconds, five dollars a million: 13,140. One request each would be 4,380.
        near(found.requests_per_second() * 2_628_000.0 * 5e-6, 13_140.0);
        assert_eq!(found.delay, None);
    }

    #[test]
    fn the_clock_closes_what_is_not_full() {
        let (load, files) = a_thousand_a_second();
        // 83.3 a second in each of 12 partitions: 25,000 in 300 s, far from full, and none of the intervals is empty.
        let found = of_archive(&load, &files, 12.0);
        near(found.per_second, 12.0 / 300.0);
        near(found.records, 25_000.0);
        near(found.bytes, 2.5e6);
        assert_eq!((found.requests, found.delay), (3.0, Some(300.0)));
        near(found.open_bytes(&files, 6.0), 15e6);
        // At a hundred times that they are full after 12 s: 10,000,000 bytes, two parts.
        let load = Load {
            messages_per_day: load.messages_per_day * 100.0,
            ..load
        };
        let found = of_archive(&load, &files, 12.0);
        near(found.per_second, 1.0);
        near(found.delay.unwrap(), 12.0);
        assert_eq!(found.requests, 4.0);
        near(found.open_bytes(&files, 6.0), 6.0 * 5_242_880.0);
    }

    #[test]
    fn an_interval_without_records_has_no_object() {
        let question = workshop();
        let found = of_archive(&question.load, &question.files, 1.0);
        // λT = 1: 1 − 1/e of the intervals have a record.
        near(found.per_second, 0.632_120_558_8 / 300.0);
        near(found.per_day(), 182.050_720_9);
    }

    #[test]
    fn record_time_closes_with_the_next_record() {
        let question = workshop();
        let files = Files {
            rotate_schedule: None,
            rotate_interval: Some(600.0),
            ..question.files
        };
        let found = of_archive(&question.load, &files, 1.0);
        // (1/300) / (1 + 2): every third record opens one.
        near(found.records, 3.0);
        assert_eq!(found.delay, None);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let mut question = workshop();
        question.load.messages_per_day = 0.0;
        let found = of_archive(&question.load, &question.files, 12.0);
        assert_eq!(
            (found.per_second, found.bytes, found.delay),
            (0.0, 0.0, Some(300.0))
        );
    }

    #[test]
    fn a_function_writes_one_for_each_invocation() {
        let (load, _) = a_thousand_a_second();
        let found = of_function(&load, 0.1, 10.0);
        assert_eq!((found.records, found.requests), (10_000.0, 1.0));
    }

    proptest! {
        /// More records are never fewer requests.
        #[test]
        fn requests_grow_with_the_load(
            messages in 0.0f64..1e10, more in 1.0f64..10.0, size in 1.0f64..1e6, flush in 1.0f64..1e6,
            schedule in proptest::option::of(0.1f64..1e5), interval in proptest::option::of(0.1f64..1e5),
            partitions in 1.0f64..1000.0, buckets in 1.0f64..100.0, part in 5e6f64..1e8,
        ) {
            let files = Files {
                flush_size: flush, rotate_interval: interval, rotate_schedule: schedule, part_size: part, buckets,
            };
            let load = Load { messages_per_day: messages, size, burst: 1.0, backlog: 0.0 };
            let few = of_archive(&load, &files, partitions).requests_per_second();
            let load = Load { messages_per_day: messages * more, ..load };
            let many = of_archive(&load, &files, partitions).requests_per_second();
            prop_assert!(many >= few * (1.0 - 1e-9), "{few} and {many}");
        }
    }
}

//! A load: how many records are due, what is in them, and the report in the words of kafka-producer-perf-test.

use super::latency::Latencies;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub records: u64,
    /// A second; as fast as may be without one.
    pub rate: Option<f64>,
    pub size: usize,
    pub keys: Option<u64>,
}

impl Load {
    /// How many records are to be sent now.
    pub fn due(&self, elapsed: Duration, sent: u64) -> u64 {
        let left = self.records.saturating_sub(sent);
        match self.rate {
            None => left,
            Some(rate) => {
                // The first is due at once.
                let due = (elapsed.as_secs_f64() * rate) as u64 + 1;
                due.saturating_sub(sent).min(left)
            }
        }
    }

    /// The value of a record: capital letters that codecs cannot make much of.
    pub fn value(&self, number: u64) -> Vec<u8> {
        let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut letter = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'A' + (state >> 32).wrapping_rem(26) as u8
        };
        (0..self.size).map(|_| letter()).collect()
    }

    pub fn key(&self, number: u64) -> Option<String> {
        self.keys
            .map(|keys| format!("key-{}", number % keys.max(1)))
    }
}

/// A span of a load, or all of it.
#[derive(Debug)]
pub struct Span<'a> {
    pub took: Duration,
    pub bytes: u64,
    pub latencies: &'a Latencies,
}

impl Span<'_> {
    fn rates(&self) -> (f64, f64) {
        let seconds = self.took.as_secs_f64().max(0.001);
        let records = self.latencies.count() as f64 / seconds;
        (records, self.bytes as f64 / seconds / (1024.0 * 1024.0))
    }

    pub fn progress(&self) -> String {
        let (records, megabytes) = self.rates();
        format!(
            "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.\n",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.longest_ms()
        )
    }

    pub fn report(&self) -> String {
        let (records, megabytes) = self.rates();
        let at = |share| self.latencies.percentile_ms(share).round();
        format!(
            "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.\n",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.longest_ms(),
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.999)
        )
    }

    pub fn json(&self) -> Value {
        let (records, megabytes) = self.rates();
        let at = |share| self.latencies.percentile_ms(share);
        json!({
            "records": self.latencies.count(),
            "bytes": self.bytes,
            "seconds": self.took.as_secs_f64(),
            "recordsPerSecond": records,
            "mebibytesPerSecond": megabytes,
            "latencyMs": {
                "mean": self.latencies.mean_ms(), "max": self.latencies.longest_ms(),
                "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "p999": at(0.999),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_from_the_first_record_on() {
        let load = Load {
            records: 100,
            rate: Some(10.0),
            size: 5,
            keys: Some(2),
        };
        assert_eq!(load.due(Duration::ZERO, 0), 1);
        assert_eq!(load.due(Duration::from_millis(950), 1), 9);
        assert_eq!(load.due(Duration::from_secs(60), 40), 60);
        assert_eq!(Load { rate: None, ..load }.due(Duration::ZERO, 40), 60);
        assert_eq!(load.key(3).as_deref(), Some("key-1"));
        let value = load.value(7);
        assert!(value.len() == 5 && value.iter().all(u8::is_ascii_uppercase));
        assert_ne!(value, load.value(8));
    }

    #[test]
    fn a_report_reads_as_kafkas() {
        let mut latencies = Latencies::default();
        latencies.note(Duration::from_millis(2), 1000);
        let span = Span {
            took: Duration::from_secs(2),
            bytes: 2 * 1024 * 1024,
            latencies: &latencies,
        };
        assert_eq!(
            span.report(),
            "1000 records sent, 500.0 records/sec (1.00 MB/sec), 2.00 ms avg latency, 2.00 ms max latency, 2 ms 50th, 2 ms 95th, 2 ms 99th, 2 ms 99.9th.\n"
        );
        assert!(
            span.progress()
                .starts_with("1000 records sent, 500.0 records/sec")
        );
        assert_eq!(span.json()["records"], 1000);
    }
}

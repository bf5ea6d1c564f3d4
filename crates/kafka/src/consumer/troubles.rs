//! Troubles: what is out of reach at the moment, so that its beginning and its end are each reported once.

use millstream_core::{Fetched, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Group,
    Metadata,
    Offsets,
    /// Partitions without one.
    Leader,
    Broker(i32),
    /// Its broker answers, and with an error for it.
    Partition(TopicPartition),
}

/// A leader that moved or a coordinator that is loading is over with one of the next tries.
const WORTH_REPORTING: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Troubles {
    failures: BTreeMap<Source, u32>,
    is_reported: bool,
}

impl Troubles {
    /// Notes a failure; the first one worth a word is returned as a report.
    pub(super) fn add(
        &mut self,
        source: Source,
        reason: String,
        next_try: Duration,
    ) -> Option<Fetched> {
        let failures = self.failures.entry(source).or_default();
        *failures += 1;
        if *failures < WORTH_REPORTING || self.is_reported {
            return None;
        }
        self.is_reported = true;
        Some(Fetched::Degraded { reason, next_try })
    }

    /// Notes that a source is well; the report is that all are.
    pub(super) fn clear(&mut self, source: Source) -> Option<Fetched> {
        self.failures.remove(&source);
        self.recovered()
    }

    /// Forgets brokers that nothing is read from any more.
    pub(super) fn keep_brokers(&mut self, is_used: impl Fn(i32) -> bool) -> Option<Fetched> {
        self.failures.retain(|source, _| match source {
            Source::Broker(id) => is_used(*id),
            _ => true,
        });
        self.recovered()
    }

    /// Forgets partitions that are well again or not read any more.
    pub(super) fn keep_partitions(
        &mut self,
        is_ill: impl Fn(&TopicPartition) -> bool,
    ) -> Option<Fetched> {
        self.failures.retain(|source, _| match source {
            Source::Partition(partition) => is_ill(partition),
            _ => true,
        });
        self.recovered()
    }

    fn recovered(&mut self) -> Option<Fetched> {
        let is_over = self.is_reported && self.failures.is_empty();
        if is_over {
            self.is_reported = false;
        }
        is_over.then_some(Fetched::Recovered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_beginning_and_end_once() {
        let mut troubles = Troubles::default();
        let second = Duration::from_secs(1);
        let reports: Vec<bool> = (0..4)
            .map(|_| {
                troubles
                    .add(Source::Broker(1), "a".into(), second)
                    .is_some()
            })
            .collect();
        assert_eq!(reports, [false, false, true, false]);
        assert!(troubles.add(Source::Group, "b".into(), second).is_none());
        assert!(troubles.clear(Source::Broker(1)).is_none());
        assert!(troubles.clear(Source::Group).is_some());
        assert!(troubles.clear(Source::Group).is_none());
    }
}

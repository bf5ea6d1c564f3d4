//! Outages: what is out of reach at the moment, so that its beginning and its end are each reported once.

use crate::clock::now_ms;
use millstream_core::{Degraded, Fetched, TopicPartition};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// The first of several is the one to tell of: partitions of a topic that is gone fail as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Topics that the cluster does not have.
    Topics,
    Group,
    Metadata,
    Offsets,
    /// Partitions without one.
    Leader,
    Broker(i32),
    /// Its broker answers, and with an error for it.
    Partition(TopicPartition),
}

impl Source {
    /// From how many failures on it is worth a word. A leader that moved or a coordinator that is loading is over
    /// with one of the next tries, a topic that is being made with the next.
    fn worth_reporting(&self) -> u32 {
        match self {
            Source::Topics => 2,
            _ => 3,
        }
    }
}

#[derive(Debug)]
struct Outage {
    failures: u32,
    /// Since its first failure, and as the last one left it.
    degraded: Degraded,
}

#[derive(Debug, Default)]
pub(crate) struct Outages {
    all: BTreeMap<Source, Outage>,
    /// What was told last.
    reported: Option<(Source, String)>,
}

impl Outages {
    /// Notes a failure; the first one worth a word is returned as a report, and what says more than that later.
    pub(crate) fn add(
        &mut self,
        source: Source,
        reason: String,
        next_try: Duration,
    ) -> Option<Fetched> {
        let since = now_ms();
        let degraded = Degraded {
            reason,
            since,
            next_try,
        };
        self.note(source, degraded)
    }

    /// The same for an outage that somebody else keeps track of.
    pub(crate) fn note(&mut self, source: Source, degraded: Degraded) -> Option<Fetched> {
        let next_try = degraded.next_try;
        match self.all.entry(source) {
            Entry::Occupied(known) => {
                let outage = known.into_mut();
                outage.failures += 1;
                outage.degraded.reason = degraded.reason;
            }
            Entry::Vacant(place) => {
                place.insert(Outage {
                    failures: 1,
                    degraded,
                });
            }
        }
        self.report(next_try)
    }

    fn report(&mut self, next_try: Duration) -> Option<Fetched> {
        let worth =
            |(source, outage): &(&Source, &Outage)| outage.failures >= source.worth_reporting();
        let (source, outage) = self.all.iter().find(worth)?;
        let is_news = match &self.reported {
            None => true,
            // Which topics are missing may change, and they explain whatever else fails.
            Some((_, told)) => *source == Source::Topics && *told != outage.degraded.reason,
        };
        if !is_news {
            return None;
        }
        let degraded = Degraded {
            next_try,
            ..outage.degraded.clone()
        };
        self.reported = Some((source.clone(), degraded.reason.clone()));
        Some(Fetched::Degraded(degraded))
    }

    /// Notes that a source is well; the report is that all are, or what is left.
    pub(crate) fn clear(&mut self, source: Source) -> Option<Fetched> {
        self.all.remove(&source);
        self.after_clearing()
    }

    /// Forgets brokers that nothing is read from any more.
    pub(crate) fn keep_brokers(&mut self, is_used: impl Fn(i32) -> bool) -> Option<Fetched> {
        self.all.retain(|source, _| match source {
            Source::Broker(id) => is_used(*id),
            _ => true,
        });
        self.after_clearing()
    }

    /// Forgets partitions that are well again or not read any more.
    pub(crate) fn keep_partitions(
        &mut self,
        is_failing: impl Fn(&TopicPartition) -> bool,
    ) -> Option<Fetched> {
        self.all.retain(|source, _| match source {
            Source::Partition(partition) => is_failing(partition),
            _ => true,
        });
        self.after_clearing()
    }

    fn after_clearing(&mut self) -> Option<Fetched> {
        let (source, _) = self.reported.as_ref()?;
        if self.all.is_empty() {
            self.reported = None;
            return Some(Fetched::Recovered);
        }
        // What was told of is over, and something else is not.
        if *source == Source::Topics && !self.all.contains_key(source) {
            self.reported = None;
            if let Some(report) = self.report(Duration::ZERO) {
                return Some(report);
            }
            return Some(Fetched::Recovered);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn reason(report: Option<Fetched>) -> Option<String> {
        match report {
            Some(Fetched::Degraded(degraded)) => Some(degraded.reason),
            _ => None,
        }
    }

    #[test]
    fn reports_beginning_and_end_once() {
        let mut outages = Outages::default();
        let reports: Vec<bool> = (0..4)
            .map(|_| outages.add(Source::Broker(1), "a".into(), SECOND).is_some())
            .collect();
        assert_eq!(reports, [false, false, true, false]);
        assert!(outages.add(Source::Group, "b".into(), SECOND).is_none());
        assert!(outages.clear(Source::Broker(1)).is_none());
        assert!(outages.clear(Source::Group).is_some());
        assert!(outages.clear(Source::Group).is_none());
    }

    #[test]
    fn report_b13_a_missing_topic_is_the_reason_to_tell() {
        let mut outages = Outages::default();
        for _ in 0..3 {
            outages.add(Source::Leader, "no leader".into(), SECOND);
        }
        let mut missing = |text: &str| reason(outages.add(Source::Topics, text.into(), SECOND));
        assert_eq!(missing("waits for t"), None);
        assert_eq!(missing("waits for t").as_deref(), Some("waits for t"));
        assert_eq!(missing("waits for t"), None);
        assert_eq!(missing("waits for t, u").as_deref(), Some("waits for t, u"));
        let left = reason(outages.clear(Source::Topics));
        assert_eq!(left.as_deref(), Some("no leader"));
        assert!(matches!(
            outages.clear(Source::Leader),
            Some(Fetched::Recovered)
        ));
    }
}

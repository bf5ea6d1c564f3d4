//! A log in memory for the tests of the stores, which answers, fails or keeps silent, and what they write to it.

use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::compacted_log::{
    CompactedLog, LogEntry, LogError, LogEvent, LogPlace, LogRecord,
};
use millstream_core::{Plain, SourceMap};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    #[default]
    Done,
    FailsForNow,
    Refuses,
    Never,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) answers: Answers,
    /// `end` for a reading, `claim`, else the keys of a write, those of a transaction after `together`.
    pub(crate) calls: Vec<String>,
    end: i64,
    events: VecDeque<LogEvent>,
}

/// Both the log and the test's hand on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeLog(Arc<Mutex<Inner>>);

impl FakeLog {
    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What others have written.
    pub(crate) fn append(&self, key: &str, value: Option<&str>) {
        self.inner().append(&LogEntry {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        });
    }

    pub(crate) fn start_over(&self) {
        let mut inner = self.inner();
        inner.end = 0;
        inner
            .events
            .push_back(LogEvent::StartedOver { partition: 0 });
    }

    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().calls)
    }
}

impl Inner {
    fn append(&mut self, entry: &LogEntry) {
        let at = LogPlace {
            partition: 0,
            offset: self.end,
        };
        self.end += 1;
        self.events.push_back(LogEvent::Record(LogRecord {
            at,
            timestamp: 0,
            key: entry.key.clone(),
            value: entry.value.clone(),
        }));
    }

    fn write(&mut self, how: &str, number: u64, entries: &[LogEntry]) {
        let keys = entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.key));
        let keys = keys.collect::<Vec<_>>().join(" ");
        self.calls.push(format!("{how}{keys}"));
        if self.answers == Answers::Done {
            entries.iter().for_each(|entry| self.append(entry));
        }
        if let Some(outcome) = self.outcome() {
            self.events.push_back(LogEvent::Written { number, outcome });
        }
    }

    fn outcome(&self) -> Option<Result<Vec<LogPlace>, LogError>> {
        let error = |is_transient| {
            let message = "away".to_owned();
            Some(Err(LogError {
                message,
                is_transient,
            }))
        };
        match self.answers {
            Answers::Done => Some(Ok(Vec::new())),
            Answers::FailsForNow => error(true),
            Answers::Refuses => error(false),
            Answers::Never => None,
        }
    }
}

#[async_trait]
impl CompactedLog for FakeLog {
    fn write(&mut self, number: u64, entries: Vec<LogEntry>) {
        self.inner().write("", number, &entries);
    }

    fn write_in_transaction(&mut self, number: u64, entries: Vec<LogEntry>) {
        self.inner().write("together ", number, &entries);
    }

    fn claim(&mut self) {
        self.inner().calls.push("claim".to_owned());
    }

    fn read_to_end(&mut self, number: u64) {
        let mut inner = self.inner();
        inner.calls.push("end".to_owned());
        if let Some(outcome) = inner.outcome() {
            inner.events.push_back(LogEvent::End { number, outcome });
        }
    }

    async fn next(&mut self) -> LogEvent {
        let event = self.inner().events.pop_front();
        match event {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

/// A partition or an offset of a source, with one value.
pub(crate) fn source_map(name: &str, value: impl Into<Plain>) -> SourceMap {
    SourceMap::from_iter([(name, value)])
}

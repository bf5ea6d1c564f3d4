//! KafkaStatusStore: the statuses in their topic. What is known is what was read, never what was written.

mod pending;

use crate::outage::Outage;
use crate::records::status;
use async_trait::async_trait;
use millstream_core::compacted_log::{CompactedLog, LogError, LogEvent, LogRecord};
use millstream_worker::cluster::{
    Status, StatusEvent, StatusKey, StatusRecord, StatusStore, StatusValue,
};
use pending::PendingStatuses;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long a flush waits at most: the group waits with it, for half of `rebalance.timeout.ms` by default.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// The log's call that reads what is there at the start; the others are those of pending statuses, from 1.
const FIRST_READING: u64 = 0;

/// What was read of a key last.
struct Known {
    partition: i32,
    /// Without its trace, which decides nothing.
    status: Option<Status>,
}

pub struct KafkaStatusStore {
    log: Box<dyn CompactedLog>,
    known: HashMap<StatusKey, Known>,
    pending: PendingStatuses,
    events: VecDeque<StatusEvent>,
    outage: Outage,
}

impl KafkaStatusStore {
    /// Over a topic that was opened. Where it cannot be read any more, `failed` is told why.
    pub fn new(mut log: Box<dyn CompactedLog>, failed: mpsc::Sender<String>) -> Self {
        log.read_to_end(FIRST_READING);
        KafkaStatusStore {
            log,
            known: HashMap::new(),
            pending: PendingStatuses::default(),
            events: VecDeque::new(),
            outage: Outage::new("the topic of statuses", failed),
        }
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        let known = &self.known;
        let may_write = |key: &StatusKey, value: &Option<StatusValue>| match value {
            Some(StatusValue::Status(status)) => {
                let known = known.get(key).and_then(|known| known.status.as_ref());
                status.may_follow(known)
            }
            Some(StatusValue::Topic { .. }) | None => true,
        };
        while let Some((attempt, record)) = self.pending.take_due(now, may_write) {
            self.log.write(attempt, vec![status::write(&record)]);
        }
        while let Some((number, is_done)) = self.pending.take_flushed(now) {
            if !is_done {
                tracing::warn!("statuses could not be written in time and are written later");
            }
            self.events.push_back(StatusEvent::Flushed { number });
        }
    }

    fn on_log(&mut self, event: LogEvent) {
        match event {
            LogEvent::Record(record) => self.on_record(&record),
            LogEvent::Bad { reason, .. } => tracing::warn!(reason, "invalid record skipped"),
            LogEvent::Written { number, outcome } => self.on_written(number, outcome.map(|_| ())),
            LogEvent::End { outcome: Ok(_), .. } => self.events.push_back(StatusEvent::End),
            // Each attempt takes as long as the log bears with it.
            LogEvent::End { number, outcome } => {
                if outcome.is_err_and(|error| error.is_transient) {
                    self.log.read_to_end(number);
                }
            }
            LogEvent::StartedOver { partition } => self.start_over(partition),
            LogEvent::Degraded(degraded) => self.outage.on_degraded(&degraded),
            LogEvent::Recovered => self.outage.on_recovered(),
            LogEvent::Failed(error) => self.outage.on_failed(&error),
        }
    }

    fn on_record(&mut self, record: &LogRecord) {
        let read = match status::read(&record.key, record.value.as_deref()) {
            Ok(read) => read,
            Err(reason) => {
                let key = String::from_utf8_lossy(&record.key);
                let (partition, offset) = (record.at.partition, record.at.offset);
                tracing::error!(%key, partition, offset, %reason, "invalid record in the status topic skipped");
                return;
            }
        };
        let status = match &read.value {
            None => {
                self.known.remove(&read.key);
                None
            }
            Some(StatusValue::Topic { .. }) => Some(None),
            Some(StatusValue::Status(status)) => {
                let known = self.known.get(&read.key);
                let known = known.and_then(|known| known.status.as_ref());
                let is_task = matches!(read.key, StatusKey::Task(_));
                (!is_task || status.is_news(known)).then(|| {
                    Some(Status {
                        trace: None,
                        version: None,
                        ..status.clone()
                    })
                })
            }
        };
        if let Some(status) = status {
            let partition = record.at.partition;
            self.known
                .insert(read.key.clone(), Known { partition, status });
        }
        self.events.push_back(StatusEvent::Record(read));
    }

    fn on_written(&mut self, attempt: u64, outcome: Result<(), LogError>) {
        let is_over = match &outcome {
            Ok(()) => true,
            Err(error) => !error.is_transient,
        };
        let key = self.pending.on_end(attempt, is_over, Instant::now());
        if let (Some(key), Err(error)) = (key, outcome) {
            let reason = error.message;
            if is_over {
                tracing::error!(?key, reason, "a status was not written");
            } else {
                tracing::debug!(?key, reason, "a status is written again later");
            }
        }
    }

    /// What the partition said counts for nothing; what is still true follows.
    fn start_over(&mut self, partition: i32) {
        let of_it = self
            .known
            .extract_if(|_, known| known.partition == partition);
        let gone = of_it.map(|(key, _)| StatusEvent::Record(StatusRecord { key, value: None }));
        self.events.extend(gone);
    }
}

#[async_trait]
impl StatusStore for KafkaStatusStore {
    fn write(&mut self, record: StatusRecord) {
        self.pending.put(record);
        self.send_due();
    }

    fn flush(&mut self, number: u64) {
        self.pending.flush(number, Instant::now() + FLUSH_TIMEOUT);
        self.send_due();
    }

    async fn next(&mut self) -> StatusEvent {
        loop {
            self.send_due();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let due = self.pending.next_due();
            tokio::select! {
                event = self.log.next() => self.on_log(event),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;

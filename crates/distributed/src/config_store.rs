//! KafkaConfigStore: the shared configuration in its topic of one partition.

mod fold;
mod sequence;

use crate::outage::Outage;
use crate::records::config::ConfigEntry;
use async_trait::async_trait;
use fold::Fold;
use millstream_core::compacted_log::{CompactedLog, LogError, LogEvent, LogRecord};
use millstream_worker::cluster::{ConfigEvent, ConfigRecord, ConfigStore, Position, StoreError};
use sequence::{Planned, Step};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long all steps of a write may take together, as in Java.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is said if a transaction fails; the text is Java's.
const TRANSACTION: &str = "Failed to write to config topic; this may be due to a transient error and the request can be safely retried";

/// What a call of the log is for.
enum Call {
    /// A step of the write in front.
    Step,
    ReadToEnd {
        number: u64,
        /// The first one takes as long as it takes.
        deadline: Option<Instant>,
    },
    /// What was there before the topic started over is compared with what is there now.
    StartedOver,
}

struct Write {
    number: u64,
    deadline: Instant,
    steps: VecDeque<Planned>,
    /// The step under way is a transaction.
    is_in_transaction: bool,
}

/// One write is under way at a time, so that none comes between the steps of another.
pub struct KafkaConfigStore {
    log: Box<dyn CompactedLog>,
    fold: Fold,
    /// Whether a leader writes in transactions (`exactly.once.source.support`).
    is_transactional: bool,
    /// How long reading to the end may take (`worker.sync.timeout.ms`).
    sync_timeout: Duration,
    has_read: bool,
    /// Its bound is that of the herder's requests.
    writes: VecDeque<Write>,
    /// The log's call for the write in front.
    step: Option<u64>,
    calls: BTreeMap<u64, Call>,
    last_call: u64,
    events: VecDeque<ConfigEvent>,
    outage: Outage,
}

impl KafkaConfigStore {
    /// Over a topic that was opened. Where it cannot be read any more, `failed` is told why.
    pub fn new(
        log: Box<dyn CompactedLog>,
        sync_timeout: Duration,
        failed: mpsc::Sender<String>,
    ) -> Self {
        KafkaConfigStore {
            log,
            fold: Fold::default(),
            is_transactional: false,
            sync_timeout,
            has_read: false,
            writes: VecDeque::new(),
            step: None,
            calls: BTreeMap::new(),
            last_call: 0,
            events: VecDeque::new(),
            outage: Outage::new("the topic of configurations", failed),
        }
    }

    /// Over a log that writes in transactions what only a leader writes.
    #[must_use]
    pub fn in_transactions(mut self) -> Self {
        self.is_transactional = true;
        self
    }

    fn call(&mut self, call: Call) -> u64 {
        self.last_call += 1;
        self.calls.insert(self.last_call, call);
        self.last_call
    }

    fn begin_to_read(&mut self, call: Call) {
        let number = self.call(call);
        self.log.read_to_end(number);
    }

    /// Begins the next step, if none is under way.
    fn begin_next_step(&mut self) {
        while self.step.is_none()
            && let Some(write) = self.writes.front_mut()
        {
            match write.steps.front_mut() {
                None => self.end_write(Ok(())),
                Some((step, _)) => {
                    let step = std::mem::replace(step, Step::ReadToEnd);
                    write.is_in_transaction =
                        self.is_transactional && matches!(step, Step::WriteAsLeader(_));
                    let is_in_transaction = write.is_in_transaction;
                    let number = self.call(Call::Step);
                    self.step = Some(number);
                    match step {
                        Step::ReadToEnd => self.log.read_to_end(number),
                        Step::WriteAsLeader(entries) if is_in_transaction => {
                            self.log.write_in_transaction(number, entries);
                        }
                        Step::Write(entries) | Step::WriteAsLeader(entries) => {
                            self.log.write(number, entries);
                        }
                    }
                }
            }
        }
    }

    fn end_write(&mut self, outcome: Result<(), StoreError>) {
        if let Some(call) = self.step.take() {
            self.calls.remove(&call);
        }
        if let Some(Write { number, .. }) = self.writes.pop_front() {
            self.events
                .push_back(ConfigEvent::Written { number, outcome });
        }
    }

    /// The step's text is Java's; the reason is for the log alone, as in Java.
    fn fail_write(&mut self, reason: &str) {
        let step = self.writes.front().and_then(|write| write.steps.front());
        let said = step.map(|(_, said)| said.to_string()).unwrap_or_default();
        tracing::error!(reason, "{said}");
        let is_in_transaction = self.writes.front().is_some_and(|w| w.is_in_transaction);
        let said = if is_in_transaction {
            TRANSACTION.to_owned()
        } else {
            said
        };
        self.end_write(Err(StoreError(said)));
    }

    fn on_log(&mut self, event: LogEvent) {
        match event {
            LogEvent::Record(record) => self.on_record(&record),
            LogEvent::Bad { reason, .. } => tracing::warn!(reason, "invalid record skipped"),
            LogEvent::Written { number, outcome } => self.on_called(number, outcome.map(|_| ())),
            LogEvent::End { number, outcome } => self.on_called(number, outcome.map(|_| ())),
            LogEvent::StartedOver { .. } => {
                tracing::warn!(
                    "the topic of configurations is another one than it was, and is read from its beginning"
                );
                let event = self.fold.start_over();
                self.events.push_back(event);
                self.calls
                    .retain(|_, call| !matches!(call, Call::StartedOver));
                self.begin_to_read(Call::StartedOver);
            }
            LogEvent::Degraded(degraded) => self.outage.on_degraded(&degraded),
            LogEvent::Recovered => self.outage.on_recovered(),
            LogEvent::Failed(error) => self.outage.on_failed(&error),
        }
    }

    fn on_record(&mut self, record: &LogRecord) {
        let entry = ConfigEntry::read(&record.key, record.value.as_deref());
        if let Err(reason) = &entry {
            let key = String::from_utf8_lossy(&record.key);
            let offset = record.at.offset;
            tracing::error!(%key, offset, %reason, "invalid record in the config topic skipped");
        }
        self.events.extend(self.fold.apply(record.at.offset, entry));
    }

    fn on_called(&mut self, call: u64, outcome: Result<(), LogError>) {
        match (self.calls.remove(&call), outcome) {
            // It was given up meanwhile.
            (None, _) => {}
            (Some(Call::Step), Ok(())) => {
                self.step = None;
                if let Some(write) = self.writes.front_mut() {
                    write.steps.pop_front();
                }
            }
            (Some(Call::Step), Err(error)) => self.fail_write(&error.message),
            (Some(Call::ReadToEnd { number, .. }), outcome) => {
                self.has_read |= outcome.is_ok();
                self.end_reading(number, outcome.map_err(|error| error.message));
            }
            (Some(Call::StartedOver), Ok(())) => {
                let gone = self.fold.end_over();
                self.events.extend(gone);
            }
            // Each attempt takes as long as the log bears with it.
            (Some(Call::StartedOver), Err(error)) if error.is_transient => {
                self.begin_to_read(Call::StartedOver);
            }
            (Some(Call::StartedOver), Err(_)) => {}
        }
        self.begin_next_step();
    }

    fn end_reading(&mut self, number: u64, outcome: Result<(), String>) {
        if let Err(reason) = &outcome {
            tracing::error!(reason, "the configuration was not read to its end");
        }
        let position = self.fold.position();
        let outcome: Result<Position, _> = outcome.map(|()| position).map_err(StoreError);
        self.events.push_back(ConfigEvent::End { number, outcome });
    }

    fn first_deadline(&self) -> Option<Instant> {
        let reads = self.calls.values().filter_map(|call| match call {
            Call::ReadToEnd { deadline, .. } => *deadline,
            Call::Step | Call::StartedOver => None,
        });
        let writes = self.writes.iter().map(|write| write.deadline);
        reads.chain(writes).min()
    }

    fn expire(&mut self, now: Instant) {
        let is_due = |call: &Call| matches!(call, Call::ReadToEnd { deadline: Some(deadline), .. } if *deadline <= now);
        let due: Vec<Call> = self
            .calls
            .extract_if(.., |_, call| is_due(call))
            .map(|(_, call)| call)
            .collect();
        for call in due {
            if let Call::ReadToEnd { number, .. } = call {
                let after = self.sync_timeout.as_millis();
                let reason =
                    format!("the end was not reached within {after} ms (worker.sync.timeout.ms)");
                self.end_reading(number, Err(reason));
            }
        }
        while self
            .writes
            .front()
            .is_some_and(|write| write.deadline <= now)
        {
            self.fail_write("it took too long");
        }
        self.begin_next_step();
    }
}

#[async_trait]
impl ConfigStore for KafkaConfigStore {
    fn write(&mut self, number: u64, records: Vec<ConfigRecord>) {
        self.writes.push_back(Write {
            number,
            deadline: Instant::now() + WRITE_TIMEOUT,
            steps: sequence::steps(records),
            is_in_transaction: false,
        });
        self.begin_next_step();
    }

    fn lead(&mut self) {
        if self.is_transactional {
            self.log.claim();
        }
    }

    fn read_to_end(&mut self, number: u64) {
        let deadline = self.has_read.then(|| Instant::now() + self.sync_timeout);
        self.begin_to_read(Call::ReadToEnd { number, deadline });
    }

    async fn next(&mut self) -> ConfigEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let due = self.first_deadline();
            tokio::select! {
                event = self.log.next() => self.on_log(event),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.expire(Instant::now());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

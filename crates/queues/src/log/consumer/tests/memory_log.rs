//! A log in memory: it begins where it is told to, breaks and refuses as it is told to, and keeps offsets.

use crate::input::{InputError, InputErrorKind, Message, Token};
use crate::log::{
    KeptOffset, LogConnector, LogConsumer, LogParts, LogReader, LogSource, OFFSET, Reset,
};
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::{ByteBudget, OffsetError, OffsetStore, SourceMap, TopicPartition};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Epoch milliseconds.
pub(crate) const fn clock() -> i64 {
    1_700_000_000_000
}

/// A log whose messages are their offsets.
#[derive(Clone, Default)]
pub(crate) struct MemoryLog {
    pub(crate) state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The first offset that it has, and the next that it will give.
    pub(crate) first: i64,
    pub(crate) end: i64,
    /// The offsets at which it was opened.
    pub(crate) opened: Vec<i64>,
    /// So many messages of each connection come before it is lost.
    pub(crate) breaks_after: Option<usize>,
    /// What the next opening comes to.
    pub(crate) refuses: Option<InputErrorKind>,
    /// A broker begins so much before the offset.
    pub(crate) chunk: i64,
    /// Messages that were returned and for which no more were allowed.
    out: usize,
    pub(crate) most_out: usize,
    pub(crate) kept: Vec<(SourceMap, SourceMap)>,
}

struct Reader {
    log: MemoryLog,
    next: i64,
    left: Option<usize>,
}

#[async_trait]
impl LogConnector for MemoryLog {
    fn queue(&self) -> &str {
        "events"
    }

    async fn open(&self, from: i64) -> Result<Box<dyn LogReader>, InputError> {
        let mut state = self.state.lock().unwrap();
        if let Some(kind) = state.refuses.take() {
            return Err(InputError::new(kind, "the log is refused"));
        }
        state.opened.push(from);
        state.out = 0;
        Ok(Box::new(Reader {
            log: self.clone(),
            next: (from - state.chunk).max(state.first),
            left: state.breaks_after,
        }))
    }
}

#[async_trait]
impl LogReader for Reader {
    async fn receive(&mut self, most: usize) -> Result<Vec<(i64, Message)>, InputError> {
        if self.left == Some(0) {
            return Err(InputError::new(InputErrorKind::Lost, "the log is lost"));
        }
        loop {
            let changed = self.log.changed.notified();
            {
                let mut state = self.log.state.lock().unwrap();
                // Beyond the end it waits.
                let rest = usize::try_from(state.end - self.next).unwrap_or(0);
                let count = rest.min(most).min(10).min(self.left.unwrap_or(rest));
                if count > 0 {
                    self.left = self.left.map(|left| left - count);
                    state.out += count;
                    state.most_out = state.most_out.max(state.out);
                    let first = self.next;
                    self.next += count as i64;
                    let messages = (first..self.next).map(|offset| {
                        let body = Some(Bytes::from(offset.to_string()));
                        let message = Message {
                            body,
                            ..Message::bare(Token::Tag(offset as u64 + 1))
                        };
                        (offset, message)
                    });
                    return Ok(messages.collect());
                }
            }
            changed.await;
        }
    }

    async fn allow_more(&mut self) -> Result<(), InputError> {
        self.log.state.lock().unwrap().out = 0;
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}

#[async_trait]
impl OffsetStore for MemoryLog {
    async fn read(&self, connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        assert_eq!(connector, "archive");
        Ok(self.state.lock().unwrap().kept.clone())
    }

    async fn write(
        &self,
        _: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        let kept = offsets.iter();
        let kept =
            kept.filter_map(|(partition, offset)| Some((partition.clone(), offset.clone()?)));
        self.state.lock().unwrap().kept = kept.collect();
        Ok(())
    }
}

impl MemoryLog {
    /// What is there from now on.
    pub(crate) fn becomes(&self, messages: Range<i64>) {
        let mut state = self.state.lock().unwrap();
        (state.first, state.end) = (messages.start, messages.end);
        self.changed.notify_waiters();
    }

    /// Has this offset kept.
    pub(crate) fn keep(&self, next: i64) {
        let partition = KeptOffset::partition("events");
        let offset = SourceMap::from_iter([(OFFSET, next)]);
        self.state.lock().unwrap().kept = vec![(partition, offset)];
    }

    pub(crate) fn of(messages: i64) -> Self {
        let log = MemoryLog::default();
        log.state.lock().unwrap().end = messages;
        log
    }

    /// A consumer with so much memory that begins there if nothing is kept.
    pub(crate) fn consumer(&self, start: i64, memory: usize) -> LogConsumer {
        self.consumer_that(start, memory, Reset::Earliest)
    }

    pub(crate) fn consumer_that(&self, start: i64, memory: usize, reset: Reset) -> LogConsumer {
        let store: Arc<dyn OffsetStore> = Arc::new(self.clone());
        LogConsumer::start(LogParts {
            log: LogSource {
                connector: Arc::new(self.clone()),
                start,
                reset,
            },
            origin: TopicPartition::new("events", 0),
            kept: KeptOffset::new(store, "archive".into(), "events"),
            ids_are_offsets: true,
            budget: ByteBudget::new(memory),
            meters: Arc::default(),
            clock,
        })
    }
}

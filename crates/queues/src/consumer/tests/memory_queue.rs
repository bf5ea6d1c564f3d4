//! A queue in memory: it hands messages out, keeps what is out, and fails as it is told to.

use crate::consumer::{ConsumerParts, QueueConsumer};
use crate::engine::{HoldRules, IdRules};
use crate::input::{
    Connected, InputError, InputErrorKind, Message, QueueConnector, QueueFacts, QueueInput, Token,
    Unsettled,
};
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::{ByteBudget, TopicPartition};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Epoch milliseconds.
pub(crate) const fn clock() -> i64 {
    1_700_000_000_000
}

#[derive(Clone)]
pub(crate) struct MemoryQueue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    facts: QueueFacts,
    /// At a time.
    hands_out: usize,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        MemoryQueue::new(QueueFacts::default())
    }
}

#[derive(Default)]
pub(crate) struct State {
    /// Numbers of messages.
    pub(crate) waiting: VecDeque<u64>,
    /// By tag; tags are never used again.
    pub(crate) out: BTreeMap<u64, u64>,
    last_tag: u64,
    pub(crate) settled: Vec<u64>,
    pub(crate) given_back: Vec<u64>,
    /// Messages out at once, at most.
    pub(crate) most_out: usize,
    pub(crate) connections: Vec<Instant>,
    pub(crate) closed: usize,
    /// What the next calls come to.
    pub(crate) fails: VecDeque<(Call, InputErrorKind)>,
    /// Tokens that were used though they were not out.
    pub(crate) misused: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Connect,
    Receive,
    Settle,
}

impl MemoryQueue {
    pub(crate) fn new(facts: QueueFacts) -> Self {
        MemoryQueue {
            state: Arc::default(),
            changed: Arc::default(),
            facts,
            hands_out: 10,
        }
    }

    pub(crate) fn that_hands_out(self, hands_out: usize) -> Self {
        MemoryQueue { hands_out, ..self }
    }

    /// Reads it, from the time of the clock on.
    pub(crate) fn consumer(&self, origin: TopicPartition) -> QueueConsumer {
        self.consumer_of(origin, 20)
    }

    /// One that holds so many messages at the most.
    pub(crate) fn consumer_of(&self, origin: TopicPartition, messages: usize) -> QueueConsumer {
        QueueConsumer::start(ConsumerParts {
            connector: Arc::new(self.clone()),
            origin,
            rules: HoldRules {
                messages,
                hold: Duration::from_secs(300),
                idle: Some(Duration::from_secs(5)),
            },
            ids: IdRules::default(),
            settled: Arc::default(),
            budget: ByteBudget::new(1 << 20),
            meters: Arc::default(),
            clock,
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn send(&self, messages: std::ops::Range<u64>) {
        self.state().waiting.extend(messages);
        self.changed.notify_waiters();
    }

    pub(crate) fn fail(&self, call: Call, kind: InputErrorKind) {
        self.state().fails.push_back((call, kind));
        self.changed.notify_waiters();
    }

    fn failure(&self, call: Call) -> Result<(), InputError> {
        let mut state = self.state();
        let Some((_, kind)) = state.fails.pop_front_if(|(of, _)| *of == call) else {
            return Ok(());
        };
        if kind != InputErrorKind::Transient {
            // All that was out comes again.
            let out = std::mem::take(&mut state.out);
            for number in out.into_values().rev() {
                state.waiting.push_front(number);
            }
        }
        Err(InputError::new(kind, format!("the queue fails: {call:?}")))
    }
}

#[async_trait]
impl QueueConnector for MemoryQueue {
    fn queue(&self) -> &str {
        "memory"
    }

    async fn connect(&self, _room: usize) -> Result<Connected, InputError> {
        self.failure(Call::Connect)?;
        self.state().connections.push(Instant::now());
        Ok(Connected {
            input: Box::new(Connection(self.clone())),
            facts: self.facts.clone(),
        })
    }
}

struct Connection(MemoryQueue);

#[async_trait]
impl QueueInput for Connection {
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError> {
        loop {
            let changed = self.0.changed.notified();
            self.0.failure(Call::Receive)?;
            let messages = {
                let mut state = self.0.state();
                let count = room.min(self.0.hands_out).min(state.waiting.len());
                let numbers: Vec<u64> = state.waiting.drain(..count).collect();
                let messages = numbers.into_iter().map(|number| {
                    state.last_tag += 1;
                    let tag = state.last_tag;
                    state.out.insert(tag, number);
                    message(tag, number)
                });
                let messages: Vec<Message> = messages.collect();
                state.most_out = state.most_out.max(state.out.len());
                messages
            };
            if !messages.is_empty() {
                return Ok(messages);
            }
            changed.await;
        }
    }

    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError> {
        self.0.failure(Call::Settle)?;
        let mut state = self.0.state();
        for tag in tags(tokens) {
            match state.out.remove(&tag) {
                Some(number) => state.settled.push(number),
                None => state.misused += 1,
            }
        }
        Ok(Vec::new())
    }

    async fn extend(&mut self, _tokens: &[Token]) -> Result<Vec<usize>, InputError> {
        Ok(Vec::new())
    }

    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError> {
        let mut state = self.0.state();
        for tag in tags(tokens).rev() {
            match state.out.remove(&tag) {
                Some(number) => {
                    state.given_back.push(number);
                    state.waiting.push_front(number);
                }
                None => state.misused += 1,
            }
        }
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    async fn backlog(&mut self) -> Result<Option<u64>, InputError> {
        Ok(Some(self.0.state().waiting.len() as u64))
    }

    async fn close(mut self: Box<Self>, held: &[Token]) -> Result<(), InputError> {
        self.give_back(held).await?;
        self.0.state().closed += 1;
        Ok(())
    }
}

fn tags(tokens: &[Token]) -> impl DoubleEndedIterator<Item = u64> + '_ {
    tokens.iter().map(|token| match token {
        Token::Tag(tag) => *tag,
        Token::Handle(_) | Token::Delivery { .. } => panic!("no tag"),
    })
}

fn message(tag: u64, number: u64) -> Message {
    Message {
        id: Some(number.to_string().into()),
        body: Some(Bytes::from(number.to_string())),
        ..Message::bare(Token::Tag(tag))
    }
}

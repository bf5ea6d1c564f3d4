//! The transport: receivers beside each other, tokens in batches of ten.

use super::message::message;
use super::queue_url::QueueUrl;
use crate::input::{
    Connected, InputError, InputErrorKind, Message, QueueConnector, QueueFacts, QueueInput, Token,
    Unsettled, UnsettledReason,
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use millstream_aws::services::sqs::{
    self, Failed, MOST_ENTRIES, QueueAttributes, RECEIVE_PATIENCE, Receive,
};
use millstream_aws::{CallError, Class, Client};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// Calls about tokens at a time.
const CALLS_AT_A_TIME: usize = 8;

/// How long after the end of receiving an answer may come in that was on its way: under load they take some ten
/// milliseconds, and a long poll that still waits has nothing.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// The longest time for which a message can be held, from its receipt.
const LONGEST_HOLD: Duration = Duration::from_secs(12 * 60 * 60);

/// How a queue is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadSettings {
    /// Messages of one answer.
    pub(super) messages: usize,
    /// How long the service waits for the first message.
    pub(super) wait: Duration,
    /// For how long others do not get a message.
    pub(super) visibility: Duration,
    /// Receives at a time, at most; one in a FIFO queue, for the order.
    pub(super) receivers: usize,
}

pub(super) struct SqsConnector {
    pub(super) client: Arc<Client>,
    pub(super) queue: QueueUrl,
    pub(super) settings: ReadSettings,
}

#[async_trait]
impl QueueConnector for SqsConnector {
    fn queue(&self) -> &str {
        &self.queue.name
    }

    async fn connect(&self, _room: usize) -> Result<Connected, InputError> {
        let call = sqs::get_queue_attributes(&self.queue.url);
        let attributes = match sqs::ask(&self.client, call, sqs::parse_attributes).await {
            Ok(attributes) => attributes,
            // Whoever may read a queue need not be allowed to ask about it.
            Err(error) if error.class == Class::Denied => {
                tracing::warn!(
                    queue = self.queue.name,
                    %error,
                    "the queue's attributes are unknown: grant sqs:GetQueueAttributes, so that its redrive policy and backlog are"
                );
                QueueAttributes::default()
            }
            Err(error) => return Err(self.error(error)),
        };
        let facts = QueueFacts {
            lease: Some(self.settings.visibility),
            longest_hold: Some(LONGEST_HOLD),
            delivery_limit: attributes.most_receives,
            makes_ids: true,
            is_ordered: self.queue.is_fifo() || attributes.is_fifo,
            ..QueueFacts::default()
        };
        let mut settings = self.settings.clone();
        if facts.is_ordered {
            settings.receivers = 1;
        }
        let input = SqsInput {
            link: Arc::new(Link {
                client: Arc::clone(&self.client),
                queue: self.queue.clone(),
                settings,
                is_ordered: facts.is_ordered,
            }),
            receiving: JoinSet::new(),
            asked: 0,
            wanted: 1,
            has_failed: false,
        };
        Ok(Connected {
            input: Box::new(input),
            facts,
        })
    }
}

impl SqsConnector {
    fn error(&self, error: CallError) -> InputError {
        call_error(&self.queue.name, error)
    }
}

fn call_error(queue: &str, error: CallError) -> InputError {
    let kind = match error.class {
        Class::Throttled | Class::Transient | Class::NotReady | Class::Expired | Class::Skewed => {
            InputErrorKind::Transient
        }
        Class::NoCredentials | Class::Denied | Class::Permanent => InputErrorKind::Fatal,
    };
    // A queue that holds as many messages as it can give out says so, and gives more when some are taken off.
    let is_full = error
        .name
        .as_deref()
        .is_some_and(|name| name.ends_with("OverLimit"));
    let kind = if is_full {
        InputErrorKind::Transient
    } else {
        kind
    };
    let remedy = match error.class {
        Class::Denied if !is_full => {
            "; grant sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility"
        }
        _ => "",
    };
    InputError::new(kind, format!("queue {queue}: {error}{remedy}"))
}

/// What calls need.
struct Link {
    client: Arc<Client>,
    queue: QueueUrl,
    settings: ReadSettings,
    is_ordered: bool,
}

impl Link {
    fn error(&self, error: CallError) -> InputError {
        call_error(&self.queue.name, error)
    }

    async fn receive(&self, messages: usize) -> Result<Vec<Message>, CallError> {
        let attempt = self.is_ordered.then(|| Uuid::new_v4().to_string());
        let call = sqs::receive_message(&Receive {
            queue_url: &self.queue.url,
            messages,
            wait: self.settings.wait,
            visibility: self.settings.visibility,
            attempt: attempt.as_deref(),
        });
        let (begun, patience) = (Instant::now(), self.settings.wait + RECEIVE_PATIENCE);
        let received = sqs::ask(&self.client, call, sqs::parse_messages).await?;
        // When the service gave them out is not known: not before the attempt that it answered was made.
        let attempt = Instant::now().checked_sub(patience).unwrap_or(begun);
        let expires = attempt.max(begun) + self.settings.visibility;
        let count = received.len();
        let received = received.into_iter();
        let messages: Vec<Message> = received.filter_map(|one| message(one, expires)).collect();
        if messages.len() < count {
            tracing::warn!(
                queue = self.queue.name,
                messages = count - messages.len(),
                "bodies do not match their MD5; these messages come again when their visibility timeout has passed"
            );
        }
        Ok(messages)
    }

    /// Makes one call for each ten handles, some at a time, and tells which entries failed, by their places among all.
    async fn in_batches(
        &self,
        handles: &[&str],
        call: impl Fn(&[&str]) -> millstream_aws::Call,
        at_a_time: usize,
    ) -> Result<Vec<Failed>, InputError> {
        let batches = handles.chunks(MOST_ENTRIES).enumerate();
        let calls: Vec<_> = batches
            .map(|(number, batch)| {
                let (call, entries) = (call(batch), batch.len());
                async move {
                    let parse = |answer: &[u8]| sqs::parse_batch(answer, entries);
                    (number, entries, sqs::ask(&self.client, call, parse).await)
                }
            })
            .collect();
        let count = calls.len();
        let mut outcomes = stream::iter(calls).buffer_unordered(at_a_time);
        let (mut failed, mut errors) = (Vec::new(), Vec::new());
        while let Some((number, entries, outcome)) = outcomes.next().await {
            let first = number * MOST_ENTRIES;
            match outcome {
                Ok(entries) => failed.extend(entries.into_iter().map(|one| Failed {
                    at: first + one.at,
                    ..one
                })),
                Err(error) => {
                    failed.extend((first..first + entries).map(|at| Failed {
                        at,
                        code: error.name.clone().unwrap_or_default(),
                        is_senders_fault: false,
                    }));
                    errors.push(error);
                }
            }
        }
        let is_outage = errors.len() == count;
        let is_fatal = |error: &CallError| self.error(error.clone()).kind == InputErrorKind::Fatal;
        match errors.iter().position(|error| is_outage || is_fatal(error)) {
            Some(at) => Err(self.error(errors.swap_remove(at))),
            None => Ok(failed),
        }
    }
}

/// A receive that has ended: how many messages it had asked for, and what came of it.
type Answer = (usize, Result<Vec<Message>, CallError>);

struct SqsInput {
    link: Arc<Link>,
    receiving: JoinSet<Answer>,
    /// Messages that have been asked for and are not here.
    asked: usize,
    /// Receives that are worth making at a time: one while the queue is empty, since each is paid for.
    wanted: usize,
    /// An error was told, and no success since.
    has_failed: bool,
}

impl SqsInput {
    fn ask(&mut self, room: usize) {
        while self.receiving.len() < self.wanted && self.asked < room {
            let messages = self.link.settings.messages.min(room - self.asked);
            self.asked += messages;
            let link = Arc::clone(&self.link);
            self.receiving
                .spawn(async move { (messages, link.receive(messages).await) });
        }
    }

    /// Takes an answer in, and learns from it how many receives are worth making.
    fn take(&mut self, (asked, outcome): Answer) -> Result<Vec<Message>, InputError> {
        self.asked -= asked;
        let messages = outcome.map_err(|error| self.link.error(error))?;
        let most = self.link.settings.receivers;
        self.wanted = match messages.len() {
            0 => 1,
            full if full == asked => (self.wanted * 2).min(most),
            _ => self.wanted,
        };
        Ok(messages)
    }

    fn handles(tokens: &[Token]) -> Vec<&str> {
        let handles = tokens.iter().filter_map(|token| match token {
            Token::Handle(handle) => Some(&**handle),
            Token::Tag(_) | Token::Delivery { .. } => None,
        });
        handles.collect()
    }
}

#[async_trait]
impl QueueInput for SqsInput {
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError> {
        loop {
            self.ask(room);
            let Some(ended) = self.receiving.join_next().await else {
                return std::future::pending().await;
            };
            let answer = ended.map_err(|error| {
                let what = "a receive ended without an outcome";
                InputError::new(InputErrorKind::Fatal, what).with_source(error)
            })?;
            let messages = match self.take(answer) {
                Ok(messages) => messages,
                Err(error) => {
                    self.has_failed = true;
                    return Err(error);
                }
            };
            if std::mem::take(&mut self.has_failed) || !messages.is_empty() {
                return Ok(messages);
            }
        }
    }

    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError> {
        let handles = SqsInput::handles(tokens);
        let url = &self.link.queue.url;
        let call = |batch: &[&str]| sqs::delete_message_batch(url, batch);
        // In a FIFO queue the next of a group comes when the one before is gone, so there the order is kept.
        let at_a_time = if self.link.is_ordered {
            1
        } else {
            CALLS_AT_A_TIME
        };
        let failed = self.link.in_batches(&handles, call, at_a_time).await?;
        let unsettled = failed.into_iter().map(|one| Unsettled {
            at: one.at,
            reason: match one.is_senders_fault {
                true => UnsettledReason::Lapsed,
                false => UnsettledReason::TryAgain,
            },
        });
        Ok(unsettled.collect())
    }

    async fn extend(&mut self, tokens: &[Token]) -> Result<Vec<usize>, InputError> {
        let handles = SqsInput::handles(tokens);
        let (url, visibility) = (&self.link.queue.url, self.link.settings.visibility);
        let call = |batch: &[&str]| sqs::change_message_visibility_batch(url, batch, visibility);
        let failed = self
            .link
            .in_batches(&handles, call, CALLS_AT_A_TIME)
            .await?;
        if let Some(one) = failed.iter().find(|one| !one.is_senders_fault) {
            let what = format!(
                "queue {}: visibility was not extended: {}",
                self.link.queue.name, one.code
            );
            return Err(InputError::new(InputErrorKind::Transient, what));
        }
        Ok(failed.into_iter().map(|one| one.at).collect())
    }

    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError> {
        let mut handles = SqsInput::handles(tokens);
        let url = &self.link.queue.url;
        let call =
            |batch: &[&str]| sqs::change_message_visibility_batch(url, batch, Duration::ZERO);
        // A group is locked while one of it is held: with the first given back last, no later one comes before it.
        let at_a_time = if self.link.is_ordered {
            handles.reverse();
            1
        } else {
            CALLS_AT_A_TIME
        };
        let failed = self.link.in_batches(&handles, call, at_a_time).await?;
        if !failed.is_empty() {
            tracing::debug!(
                queue = self.link.queue.name,
                messages = failed.len(),
                "messages were not given back; they come again when their visibility timeout has passed"
            );
        }
        Ok(())
    }

    async fn backlog(&mut self) -> Result<Option<u64>, InputError> {
        let call = sqs::get_queue_attributes(&self.link.queue.url);
        let attributes = sqs::ask(&self.link.client, call, sqs::parse_attributes).await;
        attributes
            .map(|attributes| attributes.waiting)
            .map_err(|error| self.link.error(error))
    }

    async fn close(mut self: Box<Self>, held: &[Token]) -> Result<(), InputError> {
        let mut tokens = held.to_vec();
        let deadline = Instant::now() + LAST_ANSWERS;
        while let Ok(Some(Ok((_, outcome)))) =
            timeout_at(deadline, self.receiving.join_next()).await
        {
            tokens.extend(outcome.into_iter().flatten().map(|message| message.token));
        }
        self.receiving.abort_all();
        match tokens.is_empty() {
            true => Ok(()),
            false => self.give_back(&tokens).await,
        }
    }
}

//! Incremental fetch sessions: the client says once what it reads, then only what changed, and hears only of partitions with
//! news.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use uuid::Uuid;

use super::super::lock;
use super::Found;

/// Kafka's default of `max.incremental.fetch.session.cache.slots`; the one unused the longest makes room.
const MAX_SESSIONS: usize = 1_000;
/// Epoch of a request that wants no session.
const NONE: i32 = -1;
/// Epoch of a request that begins a session.
const FIRST: i32 = 0;

/// A partition as requests name it: topic by name or by id, and index.
type Key = (String, Uuid, i32);

/// One partition that a client reads.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) topic: String,
    pub(super) id: Uuid,
    pub(super) part: FetchPartition,
}

/// What a request comes down to once its session is known; id 0 is none.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) id: i32,
    is_incremental: bool,
    pub(super) asked: Vec<Asked>,
}

#[derive(Debug)]
struct Kept {
    part: FetchPartition,
    /// End and start of the log as the client last heard of them.
    told: Option<(i64, i64)>,
}

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    used: u64,
    parts: IndexMap<Key, Kept>,
}

impl Session {
    fn change(&mut self, request: &FetchRequest) {
        for topic in &request.forgotten_topics_data {
            for index in &topic.partitions {
                self.parts
                    .shift_remove(&(topic.topic.to_string(), topic.topic_id, *index));
            }
        }
        for asked in flatten(request) {
            let key = (asked.topic, asked.id, asked.part.partition);
            match self.parts.get_mut(&key) {
                Some(kept) => kept.part = asked.part,
                None => drop(self.parts.insert(
                    key,
                    Kept {
                        part: asked.part,
                        told: None,
                    },
                )),
            }
        }
    }

    fn asked(&self) -> Vec<Asked> {
        let asked = |((topic, id, _), kept): (&Key, &Kept)| Asked {
            topic: topic.clone(),
            id: *id,
            part: kept.part.clone(),
        };
        self.parts.iter().map(asked).collect()
    }
}

/// The sessions of all connections.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: Mutex<HashMap<i32, Session>>,
    clock: AtomicU64,
}

impl Sessions {
    /// The topics that a session reads, for faults that are limited to one.
    pub(crate) fn topics(&self, id: i32) -> Vec<(String, Uuid)> {
        let sessions = lock(&self.by_id);
        let keys = sessions
            .get(&id)
            .into_iter()
            .flat_map(|session| session.parts.keys());
        keys.map(|(topic, id, _)| (topic.clone(), *id)).collect()
    }

    pub(super) fn open(&self, request: &FetchRequest) -> Result<Opened, ResponseError> {
        let mut sessions = lock(&self.by_id);
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        if request.session_epoch == NONE || request.session_epoch == FIRST {
            sessions.remove(&request.session_id);
            let asked = flatten(request);
            if request.session_epoch == NONE || asked.is_empty() {
                return Ok(Opened {
                    id: 0,
                    is_incremental: false,
                    asked,
                });
            }
            if sessions.len() >= MAX_SESSIONS
                && let Some(oldest) = sessions
                    .iter()
                    .min_by_key(|(_, session)| session.used)
                    .map(|(id, _)| *id)
            {
                sessions.remove(&oldest);
            }
            let id = free_id(&sessions);
            let mut session = Session {
                next_epoch: 1,
                used,
                parts: IndexMap::new(),
            };
            session.change(request);
            sessions.insert(id, session);
            return Ok(Opened {
                id,
                is_incremental: false,
                asked,
            });
        }
        let session = sessions
            .get_mut(&request.session_id)
            .ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.next_epoch != request.session_epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        session.next_epoch = session.next_epoch.checked_add(1).unwrap_or(1);
        session.used = used;
        session.change(request);
        Ok(Opened {
            id: request.session_id,
            is_incremental: true,
            asked: session.asked(),
        })
    }

    /// Which partitions the answer has to show. Those that got records go to the end of the line, so that a small answer
    /// serves everyone in turn.
    pub(super) fn settle(&self, opened: &Opened, found: &[Found]) -> Vec<bool> {
        let mut sessions = lock(&self.by_id);
        let mut session = sessions.get_mut(&opened.id);
        let mut shown = Vec::with_capacity(found.len());
        for (asked, found) in opened.asked.iter().zip(found) {
            let key = (asked.topic.clone(), asked.id, asked.part.partition);
            let now = (found.end, found.start);
            let mut is_news = found.error != 0 || found.slice.bytes > 0 || !opened.is_incremental;
            if let Some(kept) = session
                .as_mut()
                .and_then(|session| session.parts.get_mut(&key))
            {
                is_news |= kept.told != Some(now);
                // After an error the client hears of the partition again once it is well.
                kept.told = (found.error == 0).then_some(now);
            }
            if found.slice.bytes > 0
                && let Some(session) = session.as_mut()
                && let Some(kept) = session.parts.shift_remove(&key)
            {
                session.parts.insert(key, kept);
            }
            shown.push(is_news);
        }
        shown
    }
}

fn flatten(request: &FetchRequest) -> Vec<Asked> {
    let topics = request.topics.iter();
    let asked = topics.flat_map(|topic| {
        let one = |part: &FetchPartition| Asked {
            topic: topic.topic.to_string(),
            id: topic.topic_id,
            part: part.clone(),
        };
        topic.partitions.iter().map(one)
    });
    asked.collect()
}

fn free_id(sessions: &HashMap<i32, Session>) -> i32 {
    loop {
        let id = Uuid::new_v4().as_u128() as i32 & i32::MAX;
        if id != 0 && !sessions.contains_key(&id) {
            return id;
        }
    }
}

//! Uploads: objects on their way to S3, beside the task that fills them.
//!
//! The task queues parts without waiting; as many as may be in flight go on to the jobs, one for each
//! object: create, parts in any order, complete. A job retries only the request that failed, as long as that may pass;
//! a failure that may not ends the sink task. Bytes in flight are bounded; a full queue makes the task refuse batches.

mod buffers;
mod job;
mod outage;
mod parts;
mod settings;
mod shared;

pub(crate) use buffers::PartBuffers;
pub(crate) use parts::{Body, Closing, End, Ended, JobId, Names, Object};
pub(crate) use settings::UploadSettings;

use crate::clock::Clock;
use crate::store::Store;
use job::Job;
use millstream_core::{ByteBudget, BytePermit, Degraded, TaskContext};
use parts::Piece;
use shared::{Shared, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument;

/// Requests at a time of one task: enough to hide S3's latency of some 30 ms at 100 MB/s and more.
const REQUESTS_AT_A_TIME: usize = 32;

/// What an object costs beside its bytes: request, response and connection buffers.
const OBJECT_OVERHEAD: usize = 32 * 1024;

/// Parts of one object that wait for its job; their bytes are bounded already.
const WAITING_PARTS: usize = 1024;

/// How long spare buffers outlive the last upload.
const IDLE_MILLIS: i64 = 1000;

/// How often a waiting task looks for pauses that began meanwhile.
const TICK: Duration = Duration::from_millis(200);

/// The task's end of a job. Dropping it before the last part drops the object.
pub(crate) struct Upload {
    pub(crate) job: JobId,
    pieces: mpsc::Sender<Piece>,
}

/// A part that waits for its turn.
struct Outgoing {
    pieces: mpsc::Sender<Piece>,
    /// The job to start, with an object's first part.
    begin: Option<(JobId, Job, mpsc::Receiver<Piece>)>,
    body: Body,
    closing: Option<Closing>,
    object: Object,
}

pub(crate) struct Uploads {
    shared: Arc<Shared>,
    jobs: JoinSet<Ended>,
    /// Jobs that ended while the task waited for news.
    heard: VecDeque<Ended>,
    queue: VecDeque<Outgoing>,
    in_flight: ByteBudget,
    /// Taken in advance for all parts that a large record becomes; held until the last of them is stored.
    reserved: Option<Arc<BytePermit>>,
    buffers: PartBuffers,
    /// Epoch milliseconds since which nothing is on its way.
    idle_since: Option<i64>,
    next_job: u64,
}

impl Uploads {
    /// Parts in flight share the task's budget for them with other tasks.
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<Clock>,
        settings: Arc<UploadSettings>,
        context: &TaskContext,
    ) -> Self {
        let in_flight = context.in_flight.for_holder();
        let buffers = PartBuffers::new(context.open.clone(), settings.part_size);
        Uploads {
            shared: Arc::new(Shared {
                connector: Arc::clone(&context.connector),
                task: context.task,
                store,
                clock,
                settings,
                requests: Semaphore::new(REQUESTS_AT_A_TIME),
                outage: Mutex::default(),
                meters: Arc::clone(&context.meters),
            }),
            jobs: JoinSet::new(),
            heard: VecDeque::new(),
            queue: VecDeque::new(),
            in_flight,
            reserved: None,
            buffers,
            idle_since: None,
            next_job: 0,
        }
    }

    /// Puts a part into the queue. `upload` is begun with the first part and ends with the one that has a `closing`.
    pub(crate) fn send(
        &mut self,
        upload: &mut Option<Upload>,
        object: &Object,
        body: impl Into<Body>,
        closing: Option<Closing>,
    ) {
        let mut begin = None;
        let upload = upload.get_or_insert_with(|| {
            let job = JobId(self.next_job);
            self.next_job += 1;
            let (sender, pieces) = mpsc::channel(WAITING_PARTS);
            let work = Job::new(Arc::clone(&self.shared), object.clone());
            begin = Some((job, work, pieces));
            Upload {
                job,
                pieces: sender,
            }
        });
        self.queue.push_back(Outgoing {
            pieces: upload.pieces.clone(),
            begin,
            body: body.into(),
            closing,
            object: object.clone(),
        });
        self.send_queued();
    }

    /// Hands parts to their jobs while there is room.
    pub(crate) fn send_queued(&mut self) {
        while let Some(next) = self.queue.front() {
            let bytes = next.body.len() + OBJECT_OVERHEAD;
            let reserved = self.reserved.clone();
            let permit = reserved.or_else(|| self.in_flight.try_acquire(bytes).map(Arc::new));
            match permit {
                Some(permit) => self.hand_over(permit),
                None => return,
            }
        }
    }

    fn hand_over(&mut self, permit: impl Into<Arc<BytePermit>>) {
        let Some(next) = self.queue.pop_front() else {
            return;
        };
        if next.object.is_cancelled() {
            return;
        }
        if let Some((id, job, pieces)) = next.begin {
            let upload = async move {
                let result = job.run(pieces).await;
                let Object { key, owner, .. } = job.object;
                Ended {
                    job: id,
                    owner,
                    key,
                    result,
                }
            };
            self.jobs.spawn(upload.in_current_span());
        }
        let piece = Piece {
            body: next.body,
            closing: next.closing,
            permit: permit.into(),
        };
        // A job that is gone has failed, and its end tells why. One that still waits for the beginning of its upload has
        // room for more parts than may be in flight.
        let _ = next.pieces.try_send(piece);
    }

    /// Whether all parts so far have been handed to their jobs.
    pub(crate) fn is_clear(&self) -> bool {
        self.queue.is_empty()
    }

    /// Waits until the queue is empty; false if it is not by the deadline, or S3 is degraded.
    pub(crate) async fn has_room(&mut self, deadline: Instant, degraded_deadline: Instant) -> bool {
        self.send_queued();
        while let Some(next) = self.queue.front() {
            let until = if self.degraded().is_some() {
                degraded_deadline
            } else {
                deadline
            };
            if Instant::now() >= until {
                return false;
            }
            let bytes = next.body.len() + OBJECT_OVERHEAD;
            let acquire = tokio::time::timeout(TICK, self.in_flight.acquire(bytes));
            if let Ok(permit) = ticking(&self.shared.clock, acquire).await {
                self.hand_over(permit);
            }
        }
        true
    }

    /// Whether so many bytes are too many to be made into parts beside others' that are in flight.
    pub(crate) fn is_oversized(&self, bytes: usize) -> bool {
        bytes > self.in_flight.total() / 2
    }

    /// Waits until little else is in flight, and takes the memory for all parts that are sent until `end_reserve`; false
    /// once the deadline has passed. `record` is what they are made of, and what that is counted as.
    pub(crate) async fn reserve(&mut self, record: &BytePermit, deadline: Instant) -> bool {
        let acquire = self.in_flight.acquire_beside(record.bytes(), Some(record));
        let acquire = tokio::time::timeout_at(deadline, acquire);
        let permit = ticking(&self.shared.clock, acquire).await.ok();
        self.reserved = permit.map(Arc::new);
        self.reserved.is_some()
    }

    /// Further parts are counted one by one.
    pub(crate) fn end_reserve(&mut self) {
        self.reserved = None;
    }

    /// Gives memory back once nothing has been on its way for a while.
    pub(crate) fn rest(&mut self, now: i64) {
        if self.jobs.is_empty() && self.queue.is_empty() {
            // A clock that went ahead once prolongs nothing.
            let since = self.idle_since.map_or(now, |since| since.min(now));
            self.idle_since = Some(since);
            if now.saturating_sub(since) >= IDLE_MILLIS {
                self.buffers.clear();
            }
        } else {
            self.idle_since = None;
        }
    }

    /// A job that has ended since the last call.
    pub(crate) fn try_ended(&mut self) -> Option<Ended> {
        let heard = self.heard.pop_front();
        heard.or_else(|| self.jobs.try_join_next().and_then(end_of))
    }

    /// Returns once a job has ended, or a queued part has found room and is on its way. Cancel safe.
    pub(crate) async fn progressed(&mut self) {
        if !self.heard.is_empty() {
            return;
        }
        let next = self.queue.front().map(|next| next.body.len());
        let permit = tokio::select! {
            biased;
            Some(ended) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                self.heard.extend(end_of(ended));
                return;
            }
            permit = self.in_flight.acquire(next.unwrap_or(0) + OBJECT_OVERHEAD), if next.is_some() => permit,
            else => std::future::pending().await,
        };
        self.hand_over(permit);
    }

    /// The next job to end, or nothing once the deadline has passed.
    pub(crate) async fn ended(&mut self, deadline: Instant) -> Option<Ended> {
        let clock = Arc::clone(&self.shared.clock);
        loop {
            self.send_queued();
            if let Some(ended) = self.try_ended() {
                return Some(ended);
            }
            if self.jobs.is_empty() && self.queue.is_empty() || Instant::now() >= deadline {
                return None;
            }
            let news = tokio::time::timeout_at(deadline, self.progressed());
            // What it tells, or that the deadline has passed, is looked at above.
            let _ = ticking(&clock, news).await;
        }
    }

    /// Forgets parts that nobody wants any more; returns the jobs that will never have begun.
    pub(crate) fn discard_cancelled(&mut self) -> Vec<JobId> {
        let mut unborn = Vec::new();
        self.queue.retain(|next| {
            let is_cancelled = next.object.is_cancelled();
            if let (true, Some((job, ..))) = (is_cancelled, &next.begin) {
                unborn.push(*job);
            }
            !is_cancelled
        });
        unborn
    }

    pub(crate) fn buffers(&self) -> &PartBuffers {
        &self.buffers
    }

    /// What keeps uploads from succeeding now; those that nobody waits for any more trouble nobody.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        if self.jobs.is_empty() {
            return None;
        }
        lock(&self.shared.outage).degraded(self.shared.clock.now())
    }
}

/// How a job ended. A panic is a bug and goes on to whoever runs the task.
fn end_of(joined: Result<Ended, JoinError>) -> Option<Ended> {
    match joined {
        Ok(ended) => Some(ended),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Waits for a future while nobody tells the task the time: pauses go on all the same.
async fn ticking<F: Future>(clock: &Clock, future: F) -> F::Output {
    tokio::pin!(future);
    loop {
        let now = clock.now();
        let asked = Instant::now();
        let until_due = clock.next_due().map_or(TICK, |due| {
            Duration::from_millis(due.saturating_sub(now).max(1) as u64).min(TICK)
        });
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = tokio::time::sleep(until_due) => {
                clock.set(now + asked.elapsed().as_millis() as i64);
            }
        }
    }
}

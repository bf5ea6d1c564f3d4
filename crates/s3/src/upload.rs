//! Uploads: objects on their way to S3, beside the task that fills them.
//!
//! Each object that has begun to go out is a job of its own: create, parts in any order, complete. A job retries
//! only the request that failed, as long as that may pass; a failure that may not ends the sink task.
//! Two bounds hold the task back: bytes in flight, and requests at a time.

mod job;

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use bytes::Bytes;
use job::Job;
use millstream_core::{ByteBudget, BytePermit};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests at a time of one task: enough to hide S3's latency of some 30 ms at 100 MB/s and more.
const REQUESTS_AT_A_TIME: usize = 32;

/// Parts that may be in flight, each with its buffer.
const PARTS_IN_FLIGHT: usize = 4;

/// What may be in flight at least, however small the parts: many small objects need many requests at a time.
const MIN_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;

/// What an object costs beside its bytes: request, response and connection buffers.
const OBJECT_OVERHEAD: usize = 32 * 1024;

/// Parts that wait for their job to look: it looks at once unless it waits for the upload's beginning.
const WAITING_PARTS: usize = 2;

/// Buffers kept for the next parts; a fresh one costs the kernel's zeroing of its pages.
const SPARE_BUFFERS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobId(u64);

/// How a job ended.
pub(crate) struct Ended {
    pub(crate) job: JobId,
    pub(crate) key: Arc<str>,
    pub(crate) result: Result<End, StoreError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stored,
    /// The task dropped the object before it was complete.
    Dropped,
}

/// A part of an object, the last one or not.
pub(crate) struct Piece {
    body: Bytes,
    is_last: bool,
    /// Held while the bytes are in memory.
    permit: BytePermit,
}

/// The task's end of a job. Dropping it before the last part drops the object.
pub(crate) struct Upload {
    pub(crate) job: JobId,
    pieces: mpsc::Sender<Piece>,
}

/// What jobs share.
struct Shared {
    store: Arc<Store>,
    clock: Arc<Clock>,
    requests: Semaphore,
    spare: Mutex<Vec<Vec<u8>>>,
    /// The size from which a buffer is worth keeping.
    part_size: usize,
    /// Pause after an attempt that failed for a reason that may pass.
    retry_backoff: i64,
    only_if_absent: bool,
}

pub(crate) struct Uploads {
    shared: Arc<Shared>,
    jobs: JoinSet<Ended>,
    in_flight: ByteBudget,
    next_job: u64,
}

pub(crate) struct UploadSettings {
    pub(crate) part_size: usize,
    pub(crate) retry_backoff: i64,
    pub(crate) only_if_absent: bool,
}

impl Uploads {
    pub(crate) fn new(store: Arc<Store>, clock: Arc<Clock>, settings: UploadSettings) -> Self {
        let bytes = settings.part_size.saturating_mul(PARTS_IN_FLIGHT);
        Uploads {
            shared: Arc::new(Shared {
                store,
                clock,
                requests: Semaphore::new(REQUESTS_AT_A_TIME),
                spare: Mutex::new(Vec::new()),
                part_size: settings.part_size,
                retry_backoff: settings.retry_backoff,
                only_if_absent: settings.only_if_absent,
            }),
            jobs: JoinSet::new(),
            in_flight: ByteBudget::new(bytes.max(MIN_BYTES_IN_FLIGHT)),
            next_job: 0,
        }
    }

    /// Hands a part over. Waits while too much is in flight. `upload` is begun with the first part.
    pub(crate) async fn send(
        &mut self,
        upload: &mut Option<Upload>,
        key: &Arc<str>,
        body: Bytes,
        is_last: bool,
        cancelled: &watch::Receiver<bool>,
    ) {
        let bytes = body.len() + OBJECT_OVERHEAD;
        let permit = ticking(&self.shared.clock, self.in_flight.acquire(bytes)).await;
        let piece = Piece {
            body,
            is_last,
            permit,
        };
        let upload = match upload {
            Some(upload) => upload,
            None => upload.insert(self.begin(key, cancelled)),
        };
        // A job that is gone has failed, and its end tells why.
        let _ = ticking(&self.shared.clock, upload.pieces.send(piece)).await;
    }

    fn begin(&mut self, key: &Arc<str>, cancelled: &watch::Receiver<bool>) -> Upload {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let (sender, pieces) = mpsc::channel(WAITING_PARTS);
        let job = Job::new(Arc::clone(&self.shared), Arc::clone(key), cancelled.clone());
        let key = Arc::clone(key);
        self.jobs.spawn(async move {
            Ended {
                job: id,
                result: job.run(pieces).await,
                key,
            }
        });
        Upload {
            job: id,
            pieces: sender,
        }
    }

    /// A job that has ended since the last call.
    pub(crate) fn try_ended(&mut self) -> Option<Ended> {
        // A job does not panic; if one does, its object is never reported as stored.
        self.jobs.try_join_next().and_then(Result::ok)
    }

    /// The next job to end, or nothing once the deadline has passed.
    pub(crate) async fn ended(&mut self, deadline: Instant) -> Option<Ended> {
        let clock = Arc::clone(&self.shared.clock);
        let next = tokio::time::timeout_at(deadline, self.jobs.join_next());
        ticking(&clock, next).await.ok()??.ok()
    }

    /// A buffer that a part has left behind, or none.
    pub(crate) fn spare_buffer(&self) -> Option<Vec<u8>> {
        self.shared.spare().pop()
    }
}

impl Shared {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // The buffers are empty whatever a panicking holder did.
        self.spare
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes back the memory of a part that is stored, if nobody else holds it.
    fn recycle(&self, body: Bytes) {
        if body.len() < self.part_size || !body.is_unique() {
            return;
        }
        let mut buffer = Vec::from(body);
        buffer.clear();
        let mut spare = self.spare();
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }
}

/// Waits for a future while the task tells nobody the time: pauses go on all the same.
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

/// How often a waiting task looks for pauses that began meanwhile.
const TICK: Duration = Duration::from_millis(200);

//! One object's upload: create, parts, complete, each tried until it is done or cannot be.

use super::OBJECT_OVERHEAD;
use super::parts::{Closing, End, Object, Piece};
use super::shared::Shared;
use crate::store::{Completed, StoreError, StoredPart, Tags};
use bytes::Bytes;
use millstream_core::BytePermit;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument, warn};

/// How long a request takes that nothing is wrong with: a part of 25 MiB has it on a line of 20 Mbit/s.
const SLOW: Duration = Duration::from_secs(10);

pub(super) struct Job {
    shared: Arc<Shared>,
    pub(super) object: Object,
}

/// Why a request was given up.
enum GivenUp {
    Failed(StoreError),
    Cancelled,
}

/// What became of an object's parts.
enum Outcome {
    Stored(Closing),
    Exists(Closing),
    /// The task dropped the object before its last part.
    Dropped,
}

type Attempted<T> = Result<T, GivenUp>;

impl Job {
    pub(super) fn new(shared: Arc<Shared>, object: Object) -> Self {
        Job { shared, object }
    }

    pub(super) async fn run(&self, mut pieces: mpsc::Receiver<Piece>) -> Result<End, StoreError> {
        let (store, key) = (&self.shared.store, &self.object.key);
        let begun = Instant::now();
        let id: Arc<str> = match self
            .attempt("CreateMultipartUpload", || store.create(key))
            .await
        {
            Ok(id) => id.into(),
            Err(GivenUp::Cancelled) => return Ok(End::Dropped),
            Err(GivenUp::Failed(error)) => return Err(error),
        };
        let outcome = match self.store(&id, &mut pieces, begun).await {
            Ok(Outcome::Stored(closing)) => {
                return self.tag(closing.tags).await.map(|()| End::Stored);
            }
            Ok(Outcome::Exists(closing)) => self.first_free(&closing).await,
            Ok(Outcome::Dropped) | Err(GivenUp::Cancelled) => Ok(End::Dropped),
            Err(GivenUp::Failed(_)) if self.object.is_cancelled() => Ok(End::Dropped),
            Err(GivenUp::Failed(error)) => Err(error),
        };
        // Without this the parts would be kept, and paid for, for ever.
        if let Err(error) = store.abort(key, &id).await {
            warn!(
                connector = &*self.shared.connector,
                task = self.shared.task,
                key = &**key,
                upload = &*id,
                %error,
                "AbortMultipartUpload failed, you may need to purge its parts"
            );
        }
        outcome
    }

    /// Stores the parts and puts the object together. Its time is counted from its last part on, and from the first request
    /// if that is the only one: before, it waits for records.
    async fn store(
        &self,
        id: &Arc<str>,
        pieces: &mut mpsc::Receiver<Piece>,
        mut begun: Instant,
    ) -> Attempted<Outcome> {
        let mut bytes = 0;
        let mut uploading = JoinSet::new();
        let mut parts: Vec<StoredPart> = Vec::new();
        let mut number = 0;
        let closing = loop {
            let Some(mut piece) = pieces.recv().await else {
                uploading.shutdown().await;
                return Ok(Outcome::Dropped);
            };
            number += 1;
            let may_be_less = piece.body.may_be_less();
            let body = piece.body.ready().await.map_err(GivenUp::Failed)?;
            bytes += body.len() as u64;
            if may_be_less && let Some(permit) = Arc::get_mut(&mut piece.permit) {
                permit.resize(body.len() + OBJECT_OVERHEAD);
            }
            if number > 1 {
                begun = Instant::now();
            }
            let closing = piece.closing.take();
            let (job, id) = (self.share(), Arc::clone(id));
            let permit = piece.permit;
            let part = async move { job.store_part(&id, number, body, permit).await };
            uploading.spawn(part.in_current_span());
            while let Some(Ok(done)) = uploading.try_join_next() {
                parts.push(done?);
            }
            if let Some(closing) = closing {
                break closing;
            }
        };
        while let Some(Ok(done)) = uploading.join_next().await {
            parts.push(done?);
        }
        parts.sort_by_key(|part| part.number);
        let (store, key) = (&self.shared.store, &self.object.key);
        if let Some(intent) = &closing.intent {
            self.attempt("PutObject", || intent.write(store)).await?;
        }
        let existing = self.shared.settings.existing;
        let completed = self
            .attempt("CompleteMultipartUpload", || {
                store.complete(key, id, &parts, existing)
            })
            .await?;
        Ok(match completed {
            Completed::Stored => {
                self.shared.meters.uploaded(bytes, begun.elapsed());
                Outcome::Stored(closing)
            }
            Completed::Exists => Outcome::Exists(closing),
        })
    }

    /// The first offset after the object's start whose name nobody has taken, as far as that can be seen.
    async fn first_free(&self, closing: &Closing) -> Result<End, StoreError> {
        let store = &self.shared.store;
        let mut free = closing.start + 1;
        while let Some(name) = closing.names.get(&free) {
            match self.attempt("HeadObject", || store.exists(name)).await {
                Ok(true) => free += 1,
                Ok(false) => break,
                Err(GivenUp::Cancelled) => return Ok(End::Dropped),
                Err(GivenUp::Failed(error)) => return Err(error),
            }
        }
        warn!(
            connector = &*self.shared.connector,
            task = self.shared.task,
            key = &*self.object.key,
            next_offset = free,
            "the object exists already, going on at the next free name"
        );
        Ok(End::Clash { free })
    }

    async fn store_part(
        &self,
        id: &str,
        number: i32,
        body: Bytes,
        permit: Arc<BytePermit>,
    ) -> Attempted<StoredPart> {
        let (store, key) = (&self.shared.store, &self.object.key);
        let part = self
            .attempt("UploadPart", || {
                store.upload_part(key, id, number, body.clone())
            })
            .await
            .map_err(|given_up| match given_up {
                GivenUp::Failed(error) => GivenUp::Failed(error.within("Part upload failed: ")),
                cancelled => cancelled,
            })?;
        self.shared.meters.sent(body.len());
        // First the bytes, then what they are counted as.
        drop(body);
        drop(permit);
        Ok(part)
    }

    /// Sends a request until it succeeds, fails for good, or nobody wants the object any more.
    async fn attempt<T, F>(&self, operation: &str, mut send: impl FnMut() -> F) -> Attempted<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut failures = 0;
        loop {
            if self.object.is_cancelled() {
                return Err(GivenUp::Cancelled);
            }
            let sent = {
                // The semaphore is never closed; without a permit the request merely goes uncounted.
                let _slot = self.shared.requests.acquire().await;
                self.warn_if_slow(operation, send()).await
            };
            match sent {
                Ok(output) => {
                    self.shared.note_success();
                    return Ok(output);
                }
                Err(error) if error.is_transient() => {
                    failures += 1;
                    let pause = self.pause_after(failures);
                    let shared = &self.shared;
                    shared.note_failure(operation, &self.object.key, &error, pause);
                    self.pause(pause).await;
                }
                Err(error) => return Err(GivenUp::Failed(error)),
            }
        }
    }

    /// Waits for a request, and warns where it takes long: a server that hangs is told of before it is given up.
    async fn warn_if_slow<F: Future>(&self, operation: &str, request: F) -> F::Output {
        tokio::pin!(request);
        if let Ok(output) = tokio::time::timeout(SLOW, &mut request).await {
            return output;
        }
        self.shared.note_slow(operation, &self.object.key, SLOW);
        request.await
    }

    /// The pause before the next attempt: at most as long as configured and at least half as long, so that requests
    /// that failed together do not come again together.
    fn pause_after(&self, failures: u32) -> i64 {
        let longest = self.shared.settings.retry_backoff;
        let mut hasher = DefaultHasher::new();
        (&*self.object.key, failures).hash(&mut hasher);
        let spread = u64::try_from(longest / 2).unwrap_or(0) + 1;
        longest - (hasher.finish() % spread) as i64
    }

    async fn tag(&self, tags: Option<Tags>) -> Result<(), StoreError> {
        let (Some(tags), Some(tagging)) = (tags, &self.shared.settings.tagging) else {
            return Ok(());
        };
        let mut failures = 0;
        loop {
            let Err(error) = self.shared.store.tag(&self.object.key, &tags).await else {
                return Ok(());
            };
            failures += 1;
            if !tagging.must_succeed {
                warn!(
                    connector = &*self.shared.connector,
                    task = self.shared.task,
                    key = &*self.object.key,
                    %error,
                    "PutObjectTagging failed"
                );
                return Ok(());
            }
            if failures >= tagging.attempts || self.object.is_cancelled() {
                let key = &self.object.key;
                return Err(error.behind(format!("Unable to tag S3 object {key}")));
            }
            // Attempts are few, but a setting may ask for more than there are bits.
            let pause = tagging.backoff.saturating_mul(1 << (failures - 1).min(16));
            self.pause(pause).await;
        }
    }

    async fn pause(&self, millis: i64) {
        let mut cancelled = self.object.cancelled.clone();
        tokio::select! {
            () = self.shared.clock.pause(millis) => {}
            // Either way the caller looks.
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
    }

    fn share(&self) -> Job {
        Job::new(Arc::clone(&self.shared), self.object.clone())
    }
}

//! One object's upload: create, parts, complete, each tried until it is done or cannot be.

use super::{End, Piece, Shared};
use crate::store::{StoreError, StoredPart};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::warn;

pub(super) struct Job {
    shared: Arc<Shared>,
    key: Arc<str>,
    /// Becomes true when the partition is no longer this task's.
    cancelled: watch::Receiver<bool>,
}

/// Why a request was given up.
enum GivenUp {
    Failed(StoreError),
    Cancelled,
}

type Attempted<T> = Result<T, GivenUp>;

impl Job {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: Arc<str>,
        cancelled: watch::Receiver<bool>,
    ) -> Self {
        Job {
            shared,
            key,
            cancelled,
        }
    }

    pub(super) async fn run(&self, mut pieces: mpsc::Receiver<Piece>) -> Result<End, StoreError> {
        let (store, key) = (&self.shared.store, &self.key);
        let id: Arc<str> = match self.attempt("begin", || store.create(key)).await {
            Ok(id) => id.into(),
            Err(GivenUp::Cancelled) => return Ok(End::Dropped),
            Err(GivenUp::Failed(error)) => return Err(error),
        };
        let outcome = self.store(&id, &mut pieces).await;
        match outcome {
            Ok(End::Stored) => Ok(End::Stored),
            Ok(End::Dropped) | Err(GivenUp::Cancelled) => {
                self.abort(&id).await;
                Ok(End::Dropped)
            }
            Err(GivenUp::Failed(error)) => {
                self.abort(&id).await;
                Err(error)
            }
        }
    }

    async fn store(&self, id: &Arc<str>, pieces: &mut mpsc::Receiver<Piece>) -> Attempted<End> {
        let mut uploading = JoinSet::new();
        let mut parts: Vec<StoredPart> = Vec::new();
        let mut number = 0;
        loop {
            let Some(piece) = pieces.recv().await else {
                uploading.shutdown().await;
                return Ok(End::Dropped);
            };
            number += 1;
            let is_last = piece.is_last;
            let (job, id) = (self.share(), Arc::clone(id));
            uploading.spawn(async move { job.store_part(&id, number, piece).await });
            while let Some(Ok(done)) = uploading.try_join_next() {
                parts.push(done?);
            }
            if is_last {
                break;
            }
        }
        while let Some(Ok(done)) = uploading.join_next().await {
            parts.push(done?);
        }
        parts.sort_by_key(|part| part.number);
        let (store, key) = (&self.shared.store, &self.key);
        let only_if_absent = self.shared.only_if_absent;
        self.attempt("complete", || {
            store.complete(key, id, &parts, only_if_absent)
        })
        .await?;
        Ok(End::Stored)
    }

    async fn store_part(&self, id: &str, number: i32, piece: Piece) -> Attempted<StoredPart> {
        let (store, key) = (&self.shared.store, &self.key);
        let part = self
            .attempt("write a part of", || {
                store.upload_part(key, id, number, piece.body.clone())
            })
            .await?;
        self.shared.recycle(piece.body);
        drop(piece.permit);
        Ok(part)
    }

    /// Sends a request until it succeeds, fails for good, or nobody wants the object any more.
    async fn attempt<T, F>(&self, what: &str, mut send: impl FnMut() -> F) -> Attempted<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            if *self.cancelled.borrow() {
                return Err(GivenUp::Cancelled);
            }
            let sent = {
                let _slot = self.shared.requests.acquire().await;
                send().await
            };
            match sent {
                Ok(output) => return Ok(output),
                Err(error) if error.is_transient() => {
                    let pause = self.shared.retry_backoff;
                    warn!(key = %self.key, %error, pause_ms = pause, "cannot {what} the object, trying again");
                    self.pause(pause).await;
                }
                Err(error) => return Err(GivenUp::Failed(error)),
            }
        }
    }

    async fn pause(&self, millis: i64) {
        let mut cancelled = self.cancelled.clone();
        tokio::select! {
            () = self.shared.clock.pause(millis) => {}
            // Either way the caller looks.
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
    }

    async fn abort(&self, id: &str) {
        if let Err(error) = self.shared.store.abort(&self.key, id).await {
            warn!(key = %self.key, upload = id, %error, "cannot abort the upload, you may need to purge its parts");
        }
    }

    fn share(&self) -> Job {
        Job {
            shared: Arc::clone(&self.shared),
            key: Arc::clone(&self.key),
            cancelled: self.cancelled.clone(),
        }
    }
}

//! Uploads that were begun, for the listing that s3s-fs does not have. Kept in memory, as long as the server.

use s3s::dto::{MultipartUpload, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Uploads remembered at most, as many as a page may have; the first in order of id goes when one more comes.
const MOST: usize = 1000;

#[derive(Debug)]
struct Begun {
    bucket: String,
    key: String,
    at: SystemTime,
}

/// By id.
#[derive(Debug, Default)]
pub(super) struct OpenUploads(Mutex<BTreeMap<String, Begun>>);

impl OpenUploads {
    pub(super) fn begun(&self, bucket: String, key: String, id: String) {
        let mut all = self.lock();
        if all.len() >= MOST {
            all.pop_first();
        }
        let at = SystemTime::now();
        all.insert(id, Begun { bucket, key, at });
    }

    pub(super) fn ended(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Those of a bucket whose keys begin with a text, in the order of their keys.
    pub(super) fn of(&self, bucket: &str, prefix: &str) -> Vec<MultipartUpload> {
        let all = self.lock();
        let mut found: Vec<MultipartUpload> = all
            .iter()
            .filter(|(_, begun)| begun.bucket == bucket && begun.key.starts_with(prefix))
            .map(|(id, begun)| MultipartUpload {
                initiated: Some(Timestamp::from(begun.at)),
                key: Some(begun.key.clone()),
                upload_id: Some(id.clone()),
                ..MultipartUpload::default()
            })
            .collect();
        found.sort_by(|a, b| (&a.key, &a.upload_id).cmp(&(&b.key, &b.upload_id)));
        found
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Begun>> {
        // Each change is one step, so a panicking holder leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Small objects beside those of the sink: put, got, listed and deleted in one request each.

use super::{Store, StoreError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

/// Pages of a list that are read: a thousand keys each.
const MOST_PAGES: usize = 10;

impl Store {
    pub(crate) async fn put_note(&self, key: &str, body: Bytes) -> Result<(), StoreError> {
        let encryption = self.encryption.possible()?;
        self.ask(|client| {
            let request = client
                .put_object()
                .bucket(&self.endpoint.bucket)
                .key(key)
                .content_type("application/json")
                .set_acl(self.acl.clone())
                .body(ByteStream::from(body.clone()));
            async move {
                let output = encrypted!(request, encryption)
                    .send()
                    .await
                    .map_err(|error| self.endpoint.error(error))?;
                // As with parts: who answers without one has stored nothing.
                let etag = output.e_tag.ok_or_else(|| self.endpoint.not_s3(200));
                etag.map(|_| ())
            }
        })
        .await
    }

    /// `None` if it is not there.
    pub(crate) async fn note(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let got = self.ask(|client| {
            let request = client.get_object().bucket(&self.endpoint.bucket).key(key);
            async move {
                let output = with_customer_key!(request, &self.encryption)
                    .send()
                    .await
                    .map_err(|error| self.endpoint.error(error))?;
                let body = output.body.collect().await;
                let body = body.map_err(|error| StoreError::transient(error.to_string()))?;
                Ok(body.into_bytes())
            }
        });
        match got.await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keys that begin with a text, in order: the first ten thousand.
    pub(crate) async fn keys_under(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let page = self.ask(|client| {
                let request = client
                    .list_objects_v2()
                    .bucket(&self.endpoint.bucket)
                    .prefix(prefix)
                    .set_continuation_token(next.clone());
                async move {
                    let sent = request.send().await;
                    sent.map_err(|error| self.endpoint.error(error))
                }
            });
            let page = page.await?;
            let found = page.contents.unwrap_or_default().into_iter();
            keys.extend(found.filter_map(|object| object.key));
            next = page.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.ask(|client| async move {
            let request = client
                .delete_object()
                .bucket(&self.endpoint.bucket)
                .key(key);
            let sent = request.send().await;
            sent.map(|_| ()).map_err(|error| self.endpoint.error(error))
        })
        .await
    }
}

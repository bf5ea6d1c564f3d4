//! Requests that only read: pages of listings and of unfinished uploads, and the contents of objects.

use super::{Store, StoreError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectStorageClass, StorageClass};

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    /// Empty where a store tells none.
    pub etag: String,
    /// Milliseconds since 1970; 0 where a store does not tell it.
    pub modified: i64,
    /// It has to be restored before it can be read.
    pub is_archived: bool,
}

/// A page of a listing, in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPage {
    pub objects: Vec<ListedObject>,
    /// What keys begin with up to the next delimiter, if one was asked for.
    pub folders: Vec<String>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    pub key: String,
    pub id: String,
    /// Milliseconds since 1970.
    pub initiated: Option<i64>,
}

impl Store {
    pub(crate) async fn list_page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        next: Option<&str>,
    ) -> Result<ListedPage, StoreError> {
        let page = self.ask(|client| {
            let request = client
                .list_objects_v2()
                .bucket(&self.endpoint.bucket)
                .prefix(prefix)
                .set_delimiter(delimiter.map(str::to_owned))
                .set_continuation_token(next.map(str::to_owned));
            async move {
                let sent = request.send().await;
                sent.map_err(|error| self.endpoint.error(error))
            }
        });
        let page = page.await?;
        let objects = page.contents.unwrap_or_default().into_iter();
        let folders = page.common_prefixes.unwrap_or_default().into_iter();
        Ok(ListedPage {
            objects: objects
                .filter_map(|object| {
                    let class = object.storage_class.as_ref();
                    Some(ListedObject {
                        size: object
                            .size
                            .and_then(|size| u64::try_from(size).ok())
                            .unwrap_or(0),
                        modified: object
                            .last_modified
                            .and_then(|at| at.to_millis().ok())
                            .unwrap_or(0),
                        etag: object.e_tag.unwrap_or_default(),
                        is_archived: matches!(
                            class,
                            Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive)
                        ),
                        key: object.key?,
                    })
                })
                .collect(),
            folders: folders.filter_map(|folder| folder.prefix).collect(),
            next: page.next_continuation_token,
        })
    }

    /// A page of unfinished uploads, and the marker of the next: a key and an id.
    pub(crate) async fn upload_page(
        &self,
        prefix: &str,
        next: Option<&(String, String)>,
    ) -> Result<(Vec<UnfinishedUpload>, Option<(String, String)>), StoreError> {
        let page = self.ask(|client| {
            let request = client
                .list_multipart_uploads()
                .bucket(&self.endpoint.bucket)
                .prefix(prefix)
                .set_key_marker(next.map(|next| next.0.clone()))
                .set_upload_id_marker(next.map(|next| next.1.clone()));
            async move {
                let sent = request.send().await;
                sent.map_err(|error| self.endpoint.error(error))
            }
        });
        let page = page.await?;
        let uploads = page.uploads.unwrap_or_default().into_iter();
        let uploads = uploads.filter_map(|upload| {
            Some(UnfinishedUpload {
                key: upload.key?,
                id: upload.upload_id?,
                initiated: upload.initiated.and_then(|at| at.to_millis().ok()),
            })
        });
        let is_more = page.is_truncated == Some(true);
        let next = page.next_key_marker.zip(page.next_upload_id_marker);
        Ok((uploads.collect(), next.filter(|_| is_more)))
    }

    /// The contents of an object, or its last `end` bytes. With an ETag the answer is 412 if it was replaced.
    pub(crate) async fn contents(
        &self,
        key: &str,
        etag: Option<&str>,
        end: Option<u64>,
    ) -> Result<ByteStream, StoreError> {
        let got = self.ask(|client| {
            let request = client
                .get_object()
                .bucket(&self.endpoint.bucket)
                .key(key)
                .set_if_match(etag.filter(|etag| !etag.is_empty()).map(str::to_owned))
                .set_range(end.map(|end| format!("bytes=-{end}")));
            async move {
                let sent = with_customer_key!(request, &self.encryption).send().await;
                sent.map_err(|error| self.endpoint.error(error))
            }
        });
        let output = got.await?;
        // Intelligent tiering tells of its archive here alone.
        match output.storage_class {
            Some(StorageClass::Glacier | StorageClass::DeepArchive) if output.restore.is_none() => {
                Err(StoreError::permanent("its storage class is an archive"))
            }
            _ => Ok(output.body),
        }
    }
}

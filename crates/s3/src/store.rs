//! The S3 client: the few requests that the sink makes, and which of their failures may pass.

mod client;
mod connections;
mod credentials;
#[macro_use]
mod encryption;
mod error;
mod integrity;
mod notes;
mod reading;

pub(crate) use error::{Cause, StoreError};
pub(crate) use integrity::Checksums;
pub use reading::{ListedObject, ListedPage, UnfinishedUpload};

use crate::config::{self, S3Config};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, Tag, Tagging};
use bytes::Bytes;
use client::Connected;
use connections::Connections;
use encryption::Encryption;
use error::Endpoint;
use integrity::{ContentMd5, Integrity, Protection, md5_base64};
use md5::{Digest, Md5};
use millstream_core::Properties;
use tracing::info;

/// Tags of an object, by key.
pub(crate) type Tags = Vec<(String, String)>;

/// One bucket, with what the settings say about every object.
pub(crate) struct Store {
    client: Client,
    endpoint: Endpoint,
    integrity: Integrity,
    acl: Option<ObjectCannedAcl>,
    encryption: Encryption,
    /// Whether parts are signed by their content in any case.
    signs_payload: bool,
    sends_digest: bool,
}

/// A part that S3 has.
#[derive(Clone, Debug)]
pub(crate) struct StoredPart {
    pub(crate) number: i32,
    pub(crate) etag: String,
}

/// What became of a request to put an object together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    Stored,
    /// Somebody else's object has the name, and must not be replaced.
    Exists,
}

/// What an object is put together for if another has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and the new one needs another name.
    Keep,
    /// It is this one, stored by an attempt whose answer was lost: nobody else makes this name.
    Own,
}

impl Store {
    /// The store that the settings name. The error is what Java would say is wrong with them.
    pub(crate) async fn new(
        config: &S3Config,
        properties: &Properties,
        signs_payload: bool,
        checksums: Checksums,
    ) -> Result<Self, String> {
        let connections = Connections::of_process()?;
        Store::over(&connections, config, properties, signs_payload, checksums).await
    }

    async fn over(
        connections: &Connections,
        config: &S3Config,
        properties: &Properties,
        signs_payload: bool,
        checksums: Checksums,
    ) -> Result<Self, String> {
        let Connected {
            client,
            endpoint,
            integrity,
        } = client::connect(connections, config, properties, checksums).await?;
        Ok(Store {
            client,
            endpoint,
            integrity,
            acl: config.acl_canned.as_deref().map(ObjectCannedAcl::from),
            encryption: Encryption::of(config),
            signs_payload,
            sends_digest: config.send_digest,
        })
    }

    /// The store as messages name it.
    pub(crate) fn name(&self) -> String {
        self.endpoint.name()
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.endpoint.bucket
    }

    /// Sends a request, to where S3 wants it: for a while it may send those for a new bucket elsewhere.
    async fn ask<T, F>(&self, send: impl Fn(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        // The SDK's futures are large, and these are held by others.
        let client = &self.client;
        let outcome = Box::pin(send(client.clone())).await;
        match outcome.as_ref().err().and_then(StoreError::redirect_to) {
            Some(redirect_to) => Box::pin(send(client::redirect(client, redirect_to))).await,
            None => outcome,
        }
    }

    /// Whether the bucket is there; one that may not be looked at counts as there.
    pub(crate) async fn bucket_exists(&self) -> Result<bool, StoreError> {
        let endpoint = &self.endpoint;
        let looked = self.ask(|client| async move {
            let request = client.head_bucket().bucket(&endpoint.bucket).customize();
            let sent = request
                .config_override(client::first_request())
                .send()
                .await;
            sent.map(|_| ()).map_err(|error| {
                let raw = error.raw_response();
                let region = raw.and_then(|raw| raw.headers().get("x-amz-bucket-region"));
                let region = region.map(str::to_owned);
                let error = endpoint.error(error);
                match error.status() {
                    Some(400) => endpoint.bad_request(error, region.as_deref()),
                    _ => error,
                }
            })
        });
        match looked.await {
            Ok(()) => Ok(true),
            Err(error) => match error.status() {
                Some(301 | 403) => Ok(true),
                Some(404) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Begins a multipart upload; returns its id.
    pub(crate) async fn create(&self, key: &str) -> Result<String, StoreError> {
        let encryption = self.encryption.possible()?;
        self.ask(|client| async move {
            let request = client
                .create_multipart_upload()
                .bucket(&self.endpoint.bucket)
                .key(key)
                // Java's SDK says so, ours would say nothing; it is what S3 shows for the object.
                .content_type("binary/octet-stream")
                .set_acl(self.acl.clone());
            let output = encrypted!(request, encryption)
                .send()
                .await
                .map_err(|error| self.endpoint.error(error))?;
            output.upload_id.ok_or_else(|| self.endpoint.not_s3(200))
        })
        .await
    }

    pub(crate) async fn upload_part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        body: Bytes,
    ) -> Result<StoredPart, StoreError> {
        let is_encrypted = self.is_encrypted();
        let protection = self.integrity.protection(is_encrypted, self.signs_payload);
        let send = |protection| self.send_part(key, upload, number, &body, protection);
        let refusal = match send(protection).await {
            Err(error) if protection.is_trial && error.may_be_about_headers() => error,
            Err(error) => return Err(error),
            Ok((part, compares)) => {
                let is_protected = is_encrypted || protection.signature || self.sends_digest;
                if protection.is_trial && self.integrity.taken(compares, is_protected) {
                    info!(
                        "{} returns no checksum, so it may not compare them, and over http nothing else protects parts; \
                         {}=none signs them by their content instead",
                        self.endpoint.name(),
                        config::CHECKSUM
                    );
                }
                return Ok(part);
            }
        };
        // The store's own answer tells whether it was the checksum.
        let without = self
            .integrity
            .without_checksum(is_encrypted, self.signs_payload);
        let Ok((part, _)) = send(without).await else {
            return Err(refusal);
        };
        let (store, said) = (self.endpoint.name(), refusal.to_string());
        self.integrity.refused(&store, is_encrypted, &said);
        Ok(part)
    }

    /// Whether the connection protects what goes over it. The start has asked for the bucket, so the address is known.
    fn is_encrypted(&self) -> bool {
        let address = self.endpoint.address.get();
        address.is_none_or(|address| address.starts_with("https://"))
    }

    /// Sends a part once; tells whether the store has compared its checksum.
    async fn send_part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        body: &Bytes,
        protection: Protection,
    ) -> Result<(StoredPart, bool), StoreError> {
        let digest = self.sends_digest.then(|| md5_base64(body));
        self.ask(|client| {
            let (body, digest) = (body.clone(), digest.clone());
            async move {
                let request = client
                    .upload_part()
                    .bucket(&self.endpoint.bucket)
                    .key(key)
                    .upload_id(upload)
                    .part_number(number)
                    .content_length(body.len() as i64)
                    .set_content_md5(digest)
                    .body(ByteStream::from(body));
                let mut request = with_customer_key!(request, &self.encryption).customize();
                if !protection.signature {
                    request = request.disable_payload_signing();
                }
                if protection.checksum {
                    request = request.config_override(client::with_checksum());
                }
                let output = request
                    .send()
                    .await
                    .map_err(|error| self.endpoint.error(error))?;
                // Who answers without one has not stored the part: a proxy's page is no receipt.
                let etag = output.e_tag.ok_or_else(|| self.endpoint.not_s3(200))?;
                Ok((StoredPart { number, etag }, output.checksum_crc32.is_some()))
            }
        })
        .await
    }

    /// Puts the object together; the parts are in ascending order.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[StoredPart],
        existing: Existing,
    ) -> Result<Completed, StoreError> {
        let listed = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .build()
        });
        let listed = CompletedMultipartUpload::builder()
            .set_parts(Some(listed.collect()))
            .build();
        let completed = self.ask(|client| {
            let request = client
                .complete_multipart_upload()
                .bucket(&self.endpoint.bucket)
                .key(key)
                .upload_id(upload)
                .multipart_upload(listed.clone())
                .set_if_none_match((existing != Existing::Replace).then(|| "*".to_owned()));
            async move {
                let sent = request.send().await;
                sent.map_err(|error| self.endpoint.error(error))
            }
        });
        let Err(error) = completed.await else {
            return Ok(Completed::Stored);
        };
        let is_clash = error.status() == Some(412) || error.code() == Some("PreconditionFailed");
        let is_gone = error.code() == Some("NoSuchUpload");
        if !is_clash && !is_gone {
            return Err(error);
        }
        // An earlier attempt may have succeeded although its answer was lost.
        match self.head(key).await? {
            Some(_) if existing == Existing::Own => Ok(Completed::Stored),
            Some(found) if found.is_some() && found == whole_etag(parts) => Ok(Completed::Stored),
            Some(_) if is_clash => Ok(Completed::Exists),
            None if is_clash => Err(StoreError::permanent(
                "Unexpected state - Contradicting response from conditional upload and file exists call in S3",
            )),
            _ => Err(error),
        }
    }

    /// The ETag of an object, if it is there and has one; one that may not be looked at counts as there.
    async fn head(&self, key: &str) -> Result<Option<Option<String>>, StoreError> {
        let looked = self.ask(|client| async move {
            let request = client.head_object().bucket(&self.endpoint.bucket).key(key);
            with_customer_key!(request, &self.encryption)
                .send()
                .await
                .map_err(|error| self.endpoint.error(error))
        });
        match looked.await {
            Ok(found) => Ok(Some(found.e_tag)),
            Err(error) => match error.status() {
                Some(403) => Ok(Some(None)),
                Some(404) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Whether an object is seen to be there; one that may not be looked at is not.
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.head(key).await?.is_some_and(|etag| etag.is_some()))
    }

    /// Puts tags on an object.
    pub(crate) async fn tag(&self, key: &str, tags: &Tags) -> Result<(), StoreError> {
        let mut tagging = Tagging::builder();
        for (name, value) in tags {
            let tag = Tag::builder().key(name).value(value).build();
            let tag = tag.map_err(|error| StoreError::permanent(error.to_string()))?;
            tagging = tagging.tag_set(tag);
        }
        let tagging = tagging.build();
        let tagging = tagging.map_err(|error| StoreError::permanent(error.to_string()))?;
        self.ask(|client| {
            let request = client
                .put_object_tagging()
                .bucket(&self.endpoint.bucket)
                .key(key)
                .tagging(tagging.clone())
                .customize()
                .interceptor(ContentMd5);
            async move {
                let sent = request.send().await;
                sent.map(|_| ()).map_err(|error| self.endpoint.error(error))
            }
        })
        .await
    }

    /// Throws away the parts of an upload.
    pub(crate) async fn abort(&self, key: &str, upload: &str) -> Result<(), StoreError> {
        self.ask(|client| async move {
            let request = client
                .abort_multipart_upload()
                .bucket(&self.endpoint.bucket)
                .key(key)
                .upload_id(upload);
            let sent = request.send().await;
            sent.map(|_| ()).map_err(|error| self.endpoint.error(error))
        })
        .await
    }
}

/// The ETag of an object of these parts, if theirs are digests of their bytes; encrypted ones are not.
fn whole_etag(parts: &[StoredPart]) -> Option<String> {
    let mut digests = Vec::with_capacity(16 * parts.len());
    for part in parts {
        let hex = part.etag.trim_matches('"').as_bytes();
        if hex.len() != 32 {
            return None;
        }
        for pair in hex.chunks(2) {
            let pair = std::str::from_utf8(pair).ok()?;
            digests.push(u8::from_str_radix(pair, 16).ok()?);
        }
    }
    let digest = Md5::digest(&digests);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("\"{hex}-{}\"", parts.len()))
}

#[cfg(test)]
mod tests;

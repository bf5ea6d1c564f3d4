//! The wrapper around s3s-fs: every operation goes through to it; those about encryption, ACL and tags are
//! kept on the way in and answered from the metadata.

use super::integrity::{self, Claims};
use super::metadata::{MetadataStore, ObjectMetadata, Place, owner, parse_tags};
use super::uploads::OpenUploads;
use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use uuid::Uuid;

pub(super) struct FileService {
    files: FileSystem,
    metadata: MetadataStore,
    uploads: OpenUploads,
}

impl FileService {
    pub(super) fn new(files: FileSystem) -> Self {
        FileService {
            files,
            metadata: MetadataStore::default(),
            uploads: OpenUploads::default(),
        }
    }

    /// S3 refuses what goes into a bucket that is not there; s3s-fs would make the folder.
    async fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        let head = HeadBucketInput {
            bucket: bucket.to_owned(),
            ..HeadBucketInput::default()
        };
        let request = S3Request {
            input: head,
            method: http::Method::HEAD,
            uri: http::Uri::default(),
            headers: http::HeaderMap::default(),
            extensions: http::Extensions::default(),
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        };
        self.files.head_bucket(request).await?;
        Ok(())
    }

    /// The metadata of an object that is there; the error is S3's for one that is not.
    async fn metadata_of<T>(
        &self,
        req: S3Request<T>,
        bucket: &str,
        key: &str,
    ) -> S3Result<ObjectMetadata> {
        let head = HeadObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            ..HeadObjectInput::default()
        };
        self.files.head_object(req.map_input(|_| head)).await?;
        Ok(self.metadata.get(bucket, key).unwrap_or_default())
    }
}

/// s3s-fs takes an upload that is not there any more for somebody else's; with one key pair there is nobody else.
fn no_such_upload(error: S3Error) -> S3Error {
    match error.code() {
        S3ErrorCode::AccessDenied => s3_error!(NoSuchUpload),
        _ => error,
    }
}

/// An id of another form than s3s-fs gives is one of no upload.
fn check_upload(id: &str) -> S3Result<()> {
    match Uuid::parse_str(id) {
        Ok(_) => Ok(()),
        Err(_) => Err(s3_error!(NoSuchUpload)),
    }
}

/// What a request with a body says of it.
macro_rules! claims_from {
    ($req:expr) => {{
        let input = &$req.input;
        Claims {
            md5: input.content_md5.clone(),
            checksum: Checksum {
                checksum_crc32: input.checksum_crc32.clone(),
                checksum_crc32c: input.checksum_crc32c.clone(),
                checksum_crc64nvme: input.checksum_crc64nvme.clone(),
                checksum_sha1: input.checksum_sha1.clone(),
                checksum_sha256: input.checksum_sha256.clone(),
                ..Checksum::default()
            },
            trailers: $req.trailing_headers.clone(),
        }
    }};
}

/// Both ways of starting an object carry the same fields.
macro_rules! metadata_from {
    ($input:expr) => {{
        let input = &$input;
        ObjectMetadata {
            server_side_encryption: input
                .server_side_encryption
                .as_ref()
                .map(|v| v.as_str().to_owned()),
            kms_key_id: input.ssekms_key_id.clone(),
            customer_algorithm: input.sse_customer_algorithm.clone(),
            customer_key_md5: input.sse_customer_key_md5.clone(),
            canned_acl: input.acl.as_ref().map(|v| v.as_str().to_owned()),
            tags: input.tagging.as_deref().map(parse_tags).unwrap_or_default(),
        }
    }};
}

/// All answers about an object repeat its encryption in the same fields.
macro_rules! answer_encryption {
    ($output:expr, $metadata:expr) => {{
        let (output, metadata) = (&mut $output, &$metadata);
        output.server_side_encryption = metadata.encryption();
        output.ssekms_key_id = metadata.kms_key();
        (output.sse_customer_algorithm, output.sse_customer_key_md5) = metadata.customer();
    }};
}

#[async_trait]
impl S3 for FileService {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.files.delete_bucket(req).await
    }

    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let place = Place::object(&req.input.bucket, &req.input.key);
        self.check_bucket(&req.input.bucket).await?;
        if let Some(body) = req.input.body.take() {
            let (body, _) = integrity::check(body, claims_from!(req)).await?;
            req.input.body = Some(body);
        }
        let metadata = metadata_from!(req.input);
        let mut response = self.files.put_object(req).await?;
        answer_encryption!(response.output, metadata);
        self.metadata.set(place, metadata);
        Ok(response)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.check_bucket(&req.input.bucket).await?;
        let metadata = metadata_from!(req.input);
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let mut response = self.files.create_multipart_upload(req).await?;
        answer_encryption!(response.output, metadata);
        if let Some(id) = &response.output.upload_id {
            self.uploads.begun(bucket, key, id.clone());
            self.metadata.set(Place::Upload(id.clone()), metadata);
        }
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let place = Place::object(&req.input.bucket, &req.input.key);
        check_upload(&req.input.upload_id)?;
        let upload = Place::Upload(req.input.upload_id.clone());
        let id = req.input.upload_id.clone();
        let mut response = self
            .files
            .complete_multipart_upload(req)
            .await
            .map_err(no_such_upload)?;
        self.uploads.ended(&id);
        let metadata = self.metadata.take(&upload).unwrap_or_default();
        response.output.server_side_encryption = metadata.encryption();
        response.output.ssekms_key_id = metadata.kms_key();
        self.metadata.set(place, metadata);
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        check_upload(&req.input.upload_id)?;
        self.metadata
            .take(&Place::Upload(req.input.upload_id.clone()));
        let id = req.input.upload_id.clone();
        let aborted = self.files.abort_multipart_upload(req).await;
        let aborted = aborted.map_err(no_such_upload)?;
        self.uploads.ended(&id);
        Ok(aborted)
    }

    /// s3s-fs has no such listing. It comes on one page.
    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket).await?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let uploads = self.uploads.of(&input.bucket, prefix);
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads),
            is_truncated: Some(false),
            bucket: Some(input.bucket),
            prefix: input.prefix,
            ..ListMultipartUploadsOutput::default()
        }))
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let metadata = self
            .metadata
            .get(&req.input.bucket, &req.input.key)
            .unwrap_or_default();
        let mut response = self.files.get_object(req).await?;
        answer_encryption!(response.output, metadata);
        let tags = i32::try_from(metadata.tags.len()).unwrap_or(i32::MAX);
        response.output.tag_count = (tags > 0).then_some(tags);
        Ok(response)
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let metadata = self
            .metadata
            .get(&req.input.bucket, &req.input.key)
            .unwrap_or_default();
        let mut response = self.files.head_object(req).await?;
        answer_encryption!(response.output, metadata);
        Ok(response)
    }

    async fn get_object_attributes(
        &self,
        req: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let asked = req.input.object_attributes.clone();
        let wants = |name: &str| asked.iter().any(|asked| asked.as_str() == name);
        let head = HeadObjectInput {
            bucket: req.input.bucket.clone(),
            key: req.input.key.clone(),
            checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
            ..HeadObjectInput::default()
        };
        let head = self
            .files
            .head_object(req.map_input(|_| head))
            .await?
            .output;
        let checksum = Checksum {
            checksum_crc32: head.checksum_crc32,
            checksum_crc32c: head.checksum_crc32c,
            checksum_crc64nvme: head.checksum_crc64nvme,
            checksum_sha1: head.checksum_sha1,
            checksum_sha256: head.checksum_sha256,
            checksum_type: head.checksum_type,
        };
        let has_checksum = checksum != Checksum::default();
        let standard = || StorageClass::from_static(StorageClass::STANDARD);
        Ok(S3Response::new(GetObjectAttributesOutput {
            checksum: (wants(ObjectAttributes::CHECKSUM) && has_checksum).then_some(checksum),
            e_tag: head.e_tag.filter(|_| wants(ObjectAttributes::ETAG)),
            last_modified: head.last_modified,
            object_size: head
                .content_length
                .filter(|_| wants(ObjectAttributes::OBJECT_SIZE)),
            storage_class: wants(ObjectAttributes::STORAGE_CLASS).then(standard),
            ..GetObjectAttributesOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let place = Place::object(&req.input.bucket, &req.input.key);
        let response = self.files.delete_object(req).await?;
        self.metadata.take(&place);
        Ok(response)
    }

    async fn get_object_acl(
        &self,
        req: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let metadata = self.metadata_of(req, &bucket, &key).await?;
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(metadata.grants()),
            owner: Some(owner()),
            ..GetObjectAclOutput::default()
        }))
    }

    async fn put_object_acl(
        &self,
        req: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let acl = req.input.acl.as_ref().map(|acl| acl.as_str().to_owned());
        self.metadata_of(req, &bucket, &key).await?;
        self.metadata
            .change(&bucket, &key, |metadata| metadata.canned_acl = acl);
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let metadata = self.metadata_of(req, &bucket, &key).await?;
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set: metadata.tag_set(),
            version_id: None,
        }))
    }

    async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let tags = req
            .input
            .tagging
            .tag_set
            .iter()
            .map(|tag| {
                (
                    tag.key.clone().unwrap_or_default(),
                    tag.value.clone().unwrap_or_default(),
                )
            })
            .collect();
        self.metadata_of(req, &bucket, &key).await?;
        self.metadata
            .change(&bucket, &key, |metadata| metadata.tags = tags);
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.metadata_of(req, &bucket, &key).await?;
        self.metadata
            .change(&bucket, &key, |metadata| metadata.tags.clear());
        Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.files.copy_object(req).await
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.files.delete_objects(req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(req).await
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn list_objects(
        &self,
        mut req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        // s3s-fs would claim an encoding of names that it does not do, and clients would read `+` as a blank.
        req.input.encoding_type = None;
        self.files.list_objects(req).await
    }

    async fn list_objects_v2(
        &self,
        mut req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        // s3s-fs would claim an encoding of names that it does not do, and clients would read `+` as a blank.
        req.input.encoding_type = None;
        self.files.list_objects_v2(req).await
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        check_upload(&req.input.upload_id)?;
        self.files.list_parts(req).await.map_err(no_such_upload)
    }

    async fn upload_part(
        &self,
        mut req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        check_upload(&req.input.upload_id)?;
        let mut checksum = Checksum::default();
        if let Some(body) = req.input.body.take() {
            let (body, claimed) = integrity::check(body, claims_from!(req)).await?;
            req.input.body = Some(body);
            checksum = claimed;
        }
        let mut response = self.files.upload_part(req).await.map_err(no_such_upload)?;
        let output = &mut response.output;
        output.checksum_crc32 = checksum.checksum_crc32;
        output.checksum_crc32c = checksum.checksum_crc32c;
        output.checksum_crc64nvme = checksum.checksum_crc64nvme;
        output.checksum_sha1 = checksum.checksum_sha1;
        output.checksum_sha256 = checksum.checksum_sha256;
        Ok(response)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        check_upload(&req.input.upload_id)?;
        let copied = self.files.upload_part_copy(req).await;
        copied.map_err(no_such_upload)
    }
}

#[cfg(test)]
mod tests;

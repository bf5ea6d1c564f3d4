//! What the service refuses before anything is stored.
#![allow(clippy::unwrap_used)]

use super::*;
use s3s::Body;

fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: http::Method::PUT,
        uri: http::Uri::default(),
        headers: http::HeaderMap::default(),
        extensions: http::Extensions::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

fn body(text: &str) -> Option<StreamingBlob> {
    Some(StreamingBlob::from(Body::from(text.to_owned())))
}

fn code<T>(outcome: S3Result<T>) -> String {
    match outcome {
        Ok(_) => "done".to_owned(),
        Err(error) => error.code().as_str().to_owned(),
    }
}

fn service(folder: &tempfile::TempDir) -> FileService {
    std::fs::create_dir_all(folder.path().join("b")).unwrap();
    FileService::new(FileSystem::new(folder.path()).unwrap())
}

fn part(id: &str, text: &str, crc32: &str) -> S3Request<UploadPartInput> {
    request(UploadPartInput {
        bucket: "b".to_owned(),
        key: "k".to_owned(),
        upload_id: id.to_owned(),
        part_number: 1,
        body: body(text),
        checksum_crc32: Some(crc32.to_owned()),
        ..UploadPartInput::default()
    })
}

#[tokio::test]
async fn report_a22_parts_and_objects_are_compared_before_they_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder);
    let put = |text: &str, crc32: &str| {
        service.put_object(request(PutObjectInput {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            body: body(text),
            checksum_crc32: Some(crc32.to_owned()),
            ..PutObjectInput::default()
        }))
    };
    assert_eq!(code(put("content", "/sUwqQ==").await), "done");
    assert_eq!(code(put("damaged", "/sUwqQ==").await), "BadDigest");
    let stored = std::fs::read_to_string(folder.path().join("b/k")).unwrap();
    assert_eq!(stored, "content");

    let create = CreateMultipartUploadInput {
        bucket: "b".to_owned(),
        key: "k".to_owned(),
        ..CreateMultipartUploadInput::default()
    };
    let begun = service
        .create_multipart_upload(request(create))
        .await
        .unwrap();
    let id = begun.output.upload_id.unwrap();
    let damaged = service.upload_part(part(&id, "damaged", "/sUwqQ=="));
    assert_eq!(code(damaged.await), "BadDigest");
    let whole = service.upload_part(part(&id, "content", "/sUwqQ=="));
    let checksum = whole.await.unwrap().output.checksum_crc32;
    assert_eq!(checksum.as_deref(), Some("/sUwqQ=="));
}

#[tokio::test]
async fn report_a22_an_unknown_upload_is_no_such_upload() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder);
    for id in ["nonsense", "00000000-0000-4000-8000-000000000000", ""] {
        let sent = service.upload_part(part(id, "content", "/sUwqQ=="));
        assert_eq!(code(sent.await), "NoSuchUpload", "{id}");
        let complete = CompleteMultipartUploadInput {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            upload_id: id.to_owned(),
            multipart_upload: Some(CompletedMultipartUpload {
                parts: Some(vec![CompletedPart::default()]),
            }),
            ..CompleteMultipartUploadInput::default()
        };
        let completed = service.complete_multipart_upload(request(complete));
        assert_eq!(code(completed.await), "NoSuchUpload", "{id}");
        let abort = AbortMultipartUploadInput {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            upload_id: id.to_owned(),
            ..AbortMultipartUploadInput::default()
        };
        let aborted = service.abort_multipart_upload(request(abort));
        assert_eq!(code(aborted.await), "NoSuchUpload", "{id}");
    }
}

#[tokio::test]
async fn report_a22_attributes_of_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder);
    let put = PutObjectInput {
        bucket: "b".to_owned(),
        key: "k".to_owned(),
        body: body("content"),
        checksum_crc32: Some("/sUwqQ==".to_owned()),
        ..PutObjectInput::default()
    };
    service.put_object(request(put)).await.unwrap();
    let ask = |key: &str| {
        let names = [ObjectAttributes::CHECKSUM, ObjectAttributes::OBJECT_SIZE];
        let names = names.map(ObjectAttributes::from_static);
        service.get_object_attributes(request(GetObjectAttributesInput {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            expected_bucket_owner: None,
            max_parts: None,
            object_attributes: names.to_vec(),
            part_number_marker: None,
            request_payer: None,
            sse_customer_algorithm: None,
            sse_customer_key: None,
            sse_customer_key_md5: None,
            version_id: None,
        }))
    };
    let found = ask("k").await.unwrap().output;
    assert_eq!(found.object_size, Some(7));
    assert_eq!(found.e_tag, None);
    let checksum = found.checksum.unwrap().checksum_crc32;
    assert_eq!(checksum.as_deref(), Some("/sUwqQ=="));
    assert_eq!(code(ask("other").await), "NoSuchKey");
}

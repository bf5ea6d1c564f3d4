//! Messages and classes of what S3, and those who stand in its endpoint, answer.

use super::hints::{EMFILE, open_files_limit};
use super::*;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use rustls::CertificateError;
use std::io;

fn endpoint(address: &str, by: EndpointBy) -> Endpoint {
    let known = OnceLock::new();
    known.get_or_init(|| address.to_owned());
    Endpoint {
        bucket: "archive".to_owned(),
        region: "us-west-2".to_owned(),
        by,
        credentials: CredentialsSource::Chain,
        address: Arc::new(known),
    }
}

/// What is made of an answer to CreateMultipartUpload.
fn answered(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> StoreError {
    let status = StatusCode::try_from(status).expect("a status");
    let mut raw = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in headers {
        raw.headers_mut().insert(*name, *value);
    }
    let mut said = ErrorMetadata::builder();
    for (name, text) in [
        ("Code", element(body.as_bytes(), "Code")),
        ("Message", element(body.as_bytes(), "Message")),
    ] {
        if let Some(text) = text {
            said = if name == "Code" {
                said.code(text)
            } else {
                said.message(text)
            };
        }
    }
    let error = CreateMultipartUploadError::generic(said.build());
    endpoint("http://s3:9000", EndpointBy::Setting).error(SdkError::service_error(error, raw))
}

fn coded(status: u16, code: &str) -> StoreError {
    let body = format!("<Error><Code>{code}</Code><Message>said</Message></Error>");
    answered(status, &[], &body)
}

#[test]
fn report_c10_s3_is_believed_by_its_code() {
    let check = |status, code: &str, passes| {
        assert_eq!(
            coded(status, code).is_transient(),
            passes,
            "{status} {code}"
        );
    };
    for status in [500, 502, 503, 504, 520] {
        check(status, "Whatever", true);
    }
    check(200, "InternalError", true);
    check(200, "SlowDown", true);
    check(200, "AccessDenied", false);
    check(400, "RequestTimeout", true);
    check(400, "ExpiredToken", true);
    check(400, "InvalidArgument", false);
    check(403, "AccessDenied", false);
    check(403, "RequestTimeTooSkewed", true);
    check(404, "NoSuchUpload", false);
    check(409, "OperationAborted", false);
    check(412, "PreconditionFailed", false);
    check(501, "NotImplemented", false);
    let text = coded(403, "AccessDenied").to_string();
    assert_eq!(text, "said (Service: S3, Status Code: 403)");
}

#[test]
fn report_message_4_names_an_answer_that_is_not_s3s() {
    let page =
        "<html>\n <body>Welcome to the hotel, please sign in to use the network</body></html>";
    for status in [200, 403, 404] {
        let error = answered(status, &[("content-type", "text/html")], page);
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            format!(
                "invalid response from S3 at http://s3:9000 (store.url) (Status Code: {status}, \"<html> <body>Welcome to the hotel, \
                 please sign in to use the\" …): it is not S3's; is a proxy in between, is store.url right?"
            )
        );
    }
    // What is no page may be what was sent to a server that answers with it.
    let echo = answered(200, &[], "{\"card\":\"4111\"}").to_string();
    assert!(!echo.contains("4111"), "{echo}");
    // An answer to HEAD has no body, and one without a body may well be the store's.
    assert!(!answered(403, &[], "").is_transient());
}

#[test]
fn report_message_5_names_the_region() {
    let expected = "bucket archive is in eu-west-1; set s3.region=eu-west-1";
    let moved = "<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed \
                 using the specified endpoint.</Message></Error>";
    let by_header = answered(301, &[("x-amz-bucket-region", "eu-west-1")], moved);
    assert_eq!(by_header.to_string(), expected);
    assert!(!by_header.is_transient());
    let without_body = answered(301, &[("x-amz-bucket-region", "eu-west-1")], "");
    assert_eq!(without_body.to_string(), expected);
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-1</Region></Error>";
    assert_eq!(answered(400, &[], body).to_string(), expected);
}

#[test]
fn report_c10_tells_where_a_temporary_redirect_leads() {
    let plain = endpoint("http://s3:9000", EndpointBy::Setting);
    let secure = endpoint("https://archive.s3.amazonaws.com", EndpointBy::Sdk);
    for (endpoint, location, leads, is_followed) in [
        (
            &plain,
            "http://10.0.0.2:9000/archive/k?uploads",
            "http://10.0.0.2:9000",
            true,
        ),
        (
            &secure,
            "https://archive.s3.eu-west-1.amazonaws.com/k?uploads",
            "https://s3.eu-west-1.amazonaws.com",
            true,
        ),
        // What the element `Endpoint` holds.
        (
            &secure,
            "archive.s3.eu-west-1.amazonaws.com",
            "https://s3.eu-west-1.amazonaws.com",
            true,
        ),
        (
            &secure,
            "http://archive.s3.eu-west-1.amazonaws.com/k",
            "http://s3.eu-west-1.amazonaws.com",
            false,
        ),
        (&secure, "/k", "https://s3.amazonaws.com", true),
        (&plain, "ftp://host/k", "ftp://host", false),
    ] {
        assert_eq!(
            endpoint.redirected(location),
            (leads.to_owned(), is_followed),
            "{location}"
        );
    }
}

#[test]
fn report_a12_tells_both_causes_of_a_refusal_without_words() {
    let told = |bucket: &str, region: Option<&str>| {
        let mut endpoint = endpoint("https://s3.us-west-2.amazonaws.com", EndpointBy::Sdk);
        bucket.clone_into(&mut endpoint.bucket);
        let error = StoreError::permanent("Bad Request");
        let error = endpoint.bad_request(error, region);
        (error.to_string(), error.is_transient())
    };
    let (text, passes) = told("archive", Some("eu-west-1"));
    assert_eq!(
        text,
        "bucket archive is in eu-west-1; set s3.region=eu-west-1"
    );
    assert!(!passes);
    let (text, passes) = told("archive", None);
    assert!(
        text.contains("s3.region") && text.contains("credentials have expired"),
        "{text}"
    );
    assert!(passes);
    let (text, passes) = told("archive", Some("us-west-2"));
    assert!(text.contains("credentials may have expired"), "{text}");
    assert!(passes);
}

#[test]
fn report_message_7_refuses_a_bucket_name_that_s3_cannot_have() {
    let mut endpoint = endpoint("https://s3.us-west-2.amazonaws.com", EndpointBy::Sdk);
    "My_Bucket!".clone_into(&mut endpoint.bucket);
    let error = endpoint.bad_request(StoreError::permanent("Bad Request"), None);
    assert_eq!(
        error.to_string(),
        "invalid bucket name: S3 rejects My_Bucket! (Status Code: 400)"
    );
    assert!(!error.is_transient());
}

/// What is made of a connection that fails so.
fn connection_failed(address: &str, by: EndpointBy, cause: io::Error) -> String {
    let cause = ConnectorError::io(Box::new(cause));
    let error: SdkError<CreateMultipartUploadError, HttpResponse> =
        SdkError::dispatch_failure(cause);
    let error = endpoint(address, by).error(error);
    assert!(error.is_transient());
    error.to_string()
}

#[test]
fn report_message_3_names_the_address_and_the_setting() {
    let refused = io::Error::from_raw_os_error(111);
    assert_eq!(
        connection_failed("http://127.0.0.1:22299", EndpointBy::Setting, refused),
        "connection to S3 at http://127.0.0.1:22299 (store.url) failed: connection refused"
    );
    let refused = io::Error::from_raw_os_error(111);
    assert_eq!(
        connection_failed("https://s3.amazonaws.com", EndpointBy::Sdk, refused),
        "connection to S3 at https://s3.amazonaws.com failed: connection refused"
    );
    let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    assert_eq!(
        connection_failed("https://s3:9000", EndpointBy::Setting, eof),
        "connection to S3 at https://s3:9000 (store.url) failed: tls handshake eof; it may not speak TLS; store.url begins with https"
    );
}

#[test]
fn report_a11_a_store_url_without_a_scheme_was_taken_for_https() {
    let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    let plain = io::Error::new(io::ErrorKind::InvalidData, plain);
    assert_eq!(
        connection_failed(
            "https://minio:9000",
            EndpointBy::SettingWithoutScheme,
            plain
        ),
        "connection to S3 at https://minio:9000 (store.url) failed: received corrupt message of type InvalidContentType; store.url \
         has no scheme, so https was assumed; write http://minio:9000 if it does not speak TLS"
    );
}

#[test]
fn report_a10_an_unknown_authority_names_what_to_set() {
    let told = |why: CertificateError| {
        let error = rustls::Error::InvalidCertificate(why);
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        connection_failed("https://s3.example", EndpointBy::Setting, error)
    };
    let text = told(CertificateError::UnknownIssuer);
    assert!(text.contains("TLS handshake failed: "), "{text}");
    assert!(text.contains("AWS_CA_BUNDLE or SSL_CERT_FILE"), "{text}");
    let text = told(CertificateError::Expired);
    assert!(text.contains("has expired"), "{text}");
    let text = told(CertificateError::NotValidYet);
    assert!(text.contains("clocks"), "{text}");
}

#[test]
fn report_message_24_file_descriptors_have_run_out() {
    let limit = open_files_limit().expect("the kernel tells");
    let none_left = io::Error::from_raw_os_error(EMFILE);
    assert_eq!(
        connection_failed("http://s3:9000", EndpointBy::Sdk, none_left),
        format!(
            "connection to S3 at http://s3:9000 failed: out of file descriptors (limit {limit}): raise it with ulimit -n or LimitNOFILE"
        )
    );
}

#[test]
fn report_message_1_says_which_credentials_to_set() {
    let none = CredentialsError::not_loaded("no credentials found in chain. Attempted: x, y, z");
    let cause = ConnectorError::other(Box::new(none), None);
    let error: SdkError<CreateMultipartUploadError, HttpResponse> =
        SdkError::dispatch_failure(cause);
    let error = endpoint("http://s3:9000", EndpointBy::Sdk).error(error);
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.starts_with("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws.access.key.id"), "{text}");
    assert!(!text.contains("Attempted"), "{text}");
    assert!(error.source().is_none());
}

#[test]
fn report_a4_tells_a_refusal_of_checksums_from_others() {
    let check = |status, code: &str, is_about| {
        assert_eq!(
            coded(status, code).may_be_about_headers(),
            is_about,
            "{status} {code}"
        );
    };
    check(400, "InvalidArgument", true);
    check(400, "InvalidRequest", true);
    check(501, "NotImplemented", true);
    check(403, "SignatureDoesNotMatch", true);
    check(400, "BadDigest", false);
    check(400, "KMS.DisabledException", false);
    check(400, "EntityTooLarge", false);
    check(403, "AccessDenied", false);
    check(404, "NoSuchUpload", false);
    check(503, "SlowDown", false);
    let worded = "<Error><Code>Odd</Code><Message>Unsupported header 'x-amz-checksum-crc32'</Message></Error>";
    assert!(answered(400, &[], worded).may_be_about_headers());
    assert!(answered(400, &[], "").may_be_about_headers());
}

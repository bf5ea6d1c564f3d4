//! The store against servers that answer as real ones do on bad days, over real connections.
#![allow(clippy::unwrap_used)]

mod server;

use super::*;
use aws_smithy_http_client::tls::TrustStore;
use server::{Answer, Asked, Server, TLS_AUTHORITY, answer, error, knows_no_checksums, part, well};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

#[tokio::test]
async fn report_a4_a_store_that_refuses_checksums_works() {
    let server = Server::start(knows_no_checksums).await;
    let store = server.store(&[("s3.object.tagging", "true")]).await;
    assert_eq!(store.create("k").await.unwrap(), "u");
    let first = part(&store, 1).await.unwrap();
    part(&store, 2).await.unwrap();
    assert_eq!(
        store
            .complete("k", "u", &[first], Existing::Replace)
            .await
            .unwrap(),
        Completed::Stored
    );
    store
        .tag("k", &vec![("a".to_owned(), "b".to_owned())])
        .await
        .unwrap();
    let parts = server.asked("part");
    // One try with a checksum; the answer is remembered.
    let tries: Vec<bool> = parts.iter().map(Asked::has_checksum).collect();
    assert_eq!(tries, [true, false, false]);
    // Over http the content is signed instead.
    let digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    for sent in &parts[1..] {
        assert_eq!(sent.header("x-amz-content-sha256"), Some(digest));
        assert_eq!(sent.body, "content");
    }
    let tags = &server.asked("tag")[0];
    assert_eq!(
        tags.header("content-md5"),
        Some(md5_base64(&tags.body).as_str())
    );
}

#[tokio::test]
async fn report_a4_a_store_that_takes_checksums_gets_them() {
    let server = Server::start(well).await;
    let store = server.store(&[]).await;
    store.create("k").await.unwrap();
    for number in 1..4 {
        part(&store, number).await.unwrap();
    }
    for sent in server.asked("part") {
        assert_eq!(sent.header("x-amz-checksum-crc32"), Some("/sUwqQ=="));
        assert_eq!(
            sent.header("x-amz-content-sha256"),
            Some("UNSIGNED-PAYLOAD")
        );
    }
}

#[tokio::test]
async fn report_a4_the_setting_chooses_checksums() {
    let server = Server::start(knows_no_checksums).await;
    let none = server.store(&[(config::CHECKSUM, "none")]).await;
    none.create("k").await.unwrap();
    part(&none, 1).await.unwrap();
    let sent = server.asked("part");
    assert!(!sent[0].has_checksum());
    assert_ne!(
        sent[0].header("x-amz-content-sha256"),
        Some("UNSIGNED-PAYLOAD")
    );
    let insists = server.store(&[(config::CHECKSUM, "crc32")]).await;
    insists.create("k").await.unwrap();
    let refused = part(&insists, 1).await.unwrap_err();
    assert!(!refused.is_transient());
    assert!(
        refused.to_string().starts_with("Unsupported header"),
        "{refused}"
    );
    assert_eq!(server.asked("part").len(), 2);
}

#[tokio::test]
async fn report_a4_another_refusal_is_not_taken_for_one_of_checksums() {
    let server = Server::start(|asked| match asked.what {
        "part" => error(400, "InvalidArgument", "no such part number"),
        _ => well(asked),
    })
    .await;
    let store = server.store(&[]).await;
    store.create("k").await.unwrap();
    // It is refused without, too, so the first answer is what is told.
    for _ in 0..2 {
        let refused = part(&store, 1).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "no such part number (Service: S3, Status Code: 400)"
        );
    }
    let tries: Vec<bool> = server
        .asked("part")
        .iter()
        .map(Asked::has_checksum)
        .collect();
    assert_eq!(tries, [true, false, true, false]);
}

/// The failures of the three requests that make an object.
async fn failures_of_an_object(store: &Store) -> [StoreError; 3] {
    let one = StoredPart {
        number: 1,
        etag: "\"x\"".to_owned(),
    };
    [
        store.create("k").await.unwrap_err(),
        part(store, 1).await.unwrap_err(),
        store
            .complete("k", "u", &[one], Existing::Replace)
            .await
            .unwrap_err(),
    ]
}

#[tokio::test]
async fn report_c10_errors_that_come_as_200() {
    let server = Server::start(|asked| match asked.what {
        "create" | "complete" | "part" => {
            error(200, "InternalError", "We encountered an internal error.")
        }
        _ => well(asked),
    })
    .await;
    let store = server.store(&[]).await;
    for failure in failures_of_an_object(&store).await {
        assert!(failure.is_transient(), "{failure}");
        assert_eq!(failure.code(), Some("InternalError"));
    }
}

#[tokio::test]
async fn report_c10_a_page_is_no_receipt() {
    let server = Server::start(|_| answer(200, "<html><body>Please sign in</body></html>")).await;
    let store = server.store(&[]).await;
    for failure in failures_of_an_object(&store).await {
        assert!(failure.is_transient(), "{failure}");
        let text = failure.to_string();
        let start = format!(
            "invalid response from S3 at {} (store.url) (Status Code: 200",
            server.endpoint
        );
        assert!(text.starts_with(&start), "{text}");
    }
}

const RESEND: &str = "Please re-send this request to the specified temporary endpoint.";

/// S3's answer for a bucket that is a minute old.
fn redirect(location: &str) -> Answer {
    let mut answer = error(307, "TemporaryRedirect", RESEND);
    answer
        .headers_mut()
        .insert("location", location.parse().unwrap());
    answer
}

/// The same as other stores and S3's own documentation have it: the host in an element of the answer.
fn redirect_by_element(host: &str) -> Answer {
    answer(
        307,
        &format!(
            "<Error><Code>TemporaryRedirect</Code><Message>{RESEND}</Message><Endpoint>{host}</Endpoint></Error>"
        ),
    )
}

#[tokio::test]
async fn report_c10_a_temporary_redirect_is_followed() {
    for has_location in [true, false] {
        let other = Server::start(well).await;
        let to = other.endpoint.clone();
        let server = Server::start(move |asked| match asked.what {
            "head" => redirect(&format!("{to}/archive")),
            _ if has_location => redirect(&format!("{to}/archive/k?x")),
            _ => redirect_by_element(to.trim_start_matches("http://")),
        })
        .await;
        let store = server.store(&[]).await;
        assert!(store.bucket_exists().await.unwrap());
        assert_eq!(store.create("k").await.unwrap(), "u");
        let first = part(&store, 1).await.unwrap();
        assert_eq!(
            store
                .complete("k", "u", &[first], Existing::Replace)
                .await
                .unwrap(),
            Completed::Stored
        );
        for what in ["head", "create", "part", "complete"] {
            assert_eq!(other.asked(what).len(), 1, "{what}");
        }
    }
}

/// Redirects that lead nowhere: in a circle, back to the same place, out of encryption, and without a place. They pass.
#[tokio::test]
async fn report_c10_a_redirect_that_cannot_be_followed_passes() {
    for (kind, said) in [
        ("circle", "redirects the request to http://"),
        ("path", "redirects the request to http://"),
        (
            "file",
            "redirects the request to ftp://host, which is not followed",
        ),
        ("no place", RESEND),
        ("nothing", "no message (Service: S3, Status Code: 307)"),
    ] {
        let place: Arc<Mutex<String>> = Arc::default();
        let own = Arc::clone(&place);
        let server = Server::start(move |_| match kind {
            "circle" => redirect(&format!("{}/archive/k?x", own.lock().unwrap())),
            "path" => redirect("/archive/k?x"),
            "file" => redirect("ftp://host/archive/k"),
            "no place" => error(307, "TemporaryRedirect", RESEND),
            _ => answer(307, ""),
        })
        .await;
        *place.lock().unwrap() = server.endpoint.clone();
        let store = server.store(&[]).await;
        let looked = store.bucket_exists().await.unwrap_err();
        let failures = failures_of_an_object(&store).await;
        for failure in failures.iter().chain([&looked]) {
            assert!(failure.is_transient(), "{kind}: {failure}");
        }
        for failure in &failures {
            assert!(failure.to_string().contains(said), "{kind}: {failure}");
        }
    }
}

#[tokio::test]
async fn report_message_5_a_bucket_elsewhere_names_its_region() {
    let server = Server::start(|asked| {
        let body = if asked.what == "head" {
            ""
        } else {
            "<Error><Code>PermanentRedirect</Code></Error>"
        };
        let mut answer = answer(301, body);
        answer
            .headers_mut()
            .insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        answer
    })
    .await;
    let store = server.store(&[]).await;
    assert!(store.bucket_exists().await.unwrap());
    let failure = store.create("k").await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "bucket archive is in eu-west-1; set s3.region=eu-west-1"
    );
}

#[tokio::test]
async fn report_a12_a_refusal_without_words_names_region_and_credentials() {
    let server = Server::start(|_| {
        let mut answer = answer(400, "");
        answer
            .headers_mut()
            .insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        answer
    })
    .await;
    let failure = server.store(&[]).await.bucket_exists().await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "bucket archive is in eu-west-1; set s3.region=eu-west-1"
    );
    let server = Server::start(|_| answer(400, "")).await;
    let failure = server.store(&[]).await.bucket_exists().await.unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains(&server.endpoint) && text.contains("credentials"),
        "{text}"
    );
}

#[tokio::test]
async fn report_f19_a_refused_tag_names_the_object_and_no_more() {
    let server = Server::start(|asked| match asked.what {
        "tag" => error(403, "AccessDenied", "Access Denied"),
        _ => well(asked),
    })
    .await;
    let store = server.store(&[]).await;
    let tags = vec![("a".to_owned(), "b".to_owned())];
    let failure = store.tag("k", &tags).await.unwrap_err();
    let failure = failure.behind("Unable to tag S3 object k".to_owned());
    assert_eq!(failure.to_string(), "Unable to tag S3 object k");
    let cause = failure.into_cause().unwrap().to_string();
    assert_eq!(cause, "Access Denied (Service: S3, Status Code: 403)");
}

#[tokio::test]
async fn report_a8_requests_go_out_unsigned_where_the_provider_is_anonymous() {
    let server = Server::start(well).await;
    let settings = [
        (
            "s3.credentials.provider.class",
            "software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider",
        ),
        ("aws.access.key.id", ""),
    ];
    let store = server.store(&settings).await;
    assert!(store.bucket_exists().await.unwrap());
    store.create("k").await.unwrap();
    part(&store, 1).await.unwrap();
    for asked in server.asked.lock().unwrap().iter() {
        assert_eq!(asked.header("authorization"), None, "{asked:?}");
    }
}

/// However many connectors there are, they share what may be open to their endpoint, and close it when there is nothing
/// to do.
async fn connections_of(stores: usize) -> usize {
    let server = Server::start(well).await;
    let mut open = server.open.clone();
    let mut uploads = JoinSet::new();
    for _ in 0..stores {
        let store = Arc::new(server.store(&[]).await);
        for number in 0..2000 / stores as i32 {
            let store = Arc::clone(&store);
            uploads.spawn(async move { part(&store, number + 1).await.map(|_| ()) });
        }
    }
    let mut most = 0;
    loop {
        tokio::select! {
            changed = open.changed() => {
                changed.unwrap();
                most = most.max(*open.borrow_and_update());
            }
            done = uploads.join_next() => match done {
                Some(done) => done.unwrap().unwrap(),
                None => break,
            },
        }
    }
    // After some seconds, and without a request.
    open.wait_for(|open| *open == 0).await.unwrap();
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c1_connections_are_shared_bounded_and_closed() {
    for stores in [16, 200] {
        let most = connections_of(stores).await;
        // One that was begun while another became free is kept, too, so that there may be some more for a moment; each
        // store with a pool of its own had 32 and more.
        assert!(
            (1..=128).contains(&most),
            "{stores} connectors had {most} connections open"
        );
    }
}

/// What clients trust where `AWS_CA_BUNDLE` names the file.
fn trust_of(bundle: &str) -> TrustStore {
    millstream_aws::trust::trust_store(Some(bundle.into()), None).unwrap()
}

#[tokio::test]
async fn report_a10_a_server_of_the_named_authority_is_spoken_to() {
    let server = Server::start_with_tls(trust_of(TLS_AUTHORITY), well).await;
    let store = server.store(&[]).await;
    assert!(store.bucket_exists().await.unwrap());
    assert_eq!(store.create("k").await.unwrap(), "u");
    let first = part(&store, 1).await.unwrap();
    assert_eq!(
        store
            .complete("k", "u", &[first], Existing::Replace)
            .await
            .unwrap(),
        Completed::Stored
    );
    // What goes over TLS needs no signature of its content.
    let parts = server.asked("part");
    assert_eq!(
        parts[0].header("x-amz-content-sha256"),
        Some("UNSIGNED-PAYLOAD")
    );
}

#[tokio::test]
async fn report_a10_another_authority_is_refused_with_the_key_to_set() {
    let other = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../aws/src/trust/authority.pem"
    );
    for trust in [TrustStore::default(), trust_of(other)] {
        let server = Server::start_with_tls(trust, well).await;
        let failure = server.store(&[]).await.bucket_exists().await.unwrap_err();
        assert!(failure.is_transient(), "{failure}");
        let start = format!(
            "connection to S3 at {} (store.url) failed: TLS handshake failed: ",
            server.endpoint
        );
        let text = failure.to_string();
        assert!(text.starts_with(&start), "{text}");
        assert!(
            text.contains("set AWS_CA_BUNDLE or SSL_CERT_FILE"),
            "{text}"
        );
        assert!(server.asked("head").is_empty());
    }
}

/// The server is spoken to by another name than its certificate's, and by another protocol than it speaks.
#[tokio::test]
async fn report_a10_a_wrong_name_and_a_wrong_scheme_are_told() {
    let secure = Server::start_with_tls(trust_of(TLS_AUTHORITY), well).await;
    let plain = Server::start(well).await;
    let by_number = secure.endpoint.replace("localhost", "127.0.0.1");
    let over_http = secure.endpoint.replace("https", "http");
    let over_tls = plain.endpoint.replace("http", "https");
    for (server, url, said) in [
        (
            &secure,
            by_number,
            "hostname mismatch, the certificate is for another host name",
        ),
        (&secure, over_http, "connection to S3 at http://localhost:"),
        (
            &plain,
            over_tls,
            "it may not speak TLS; store.url begins with https",
        ),
    ] {
        let store = server.store(&[("store.url", url.as_str())]).await;
        let failure = store.bucket_exists().await.unwrap_err();
        assert!(failure.to_string().contains(said), "{failure}");
        assert!(failure.is_transient(), "{failure}");
    }
}

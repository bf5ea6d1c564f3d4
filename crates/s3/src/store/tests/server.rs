//! A server that answers each request as a test says, with TLS or without, and keeps what it was asked.

use super::super::*;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::TrustStore;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The certificate of `localhost` with its key, and that of the authority it is signed by.
pub(super) const TLS_SERVER: &[u8] = include_bytes!("server.pem");
pub(super) const TLS_AUTHORITY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/tests/authority.pem");

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) what: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn has_checksum(&self) -> bool {
        let names = self.headers.keys().map(|name| name.as_str());
        names
            .into_iter()
            .any(|name| name.starts_with("x-amz-checksum") || name.starts_with("x-amz-sdk-checks"))
    }
}

pub(super) type Answer = Response<Full<Bytes>>;

/// A server that answers as it is told; it ends with this value.
pub(super) struct Server {
    pub(super) endpoint: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    /// Of this test alone: those of the process end with the first test's runtime.
    pub(super) connections: Connections,
    /// Connections that are open.
    pub(super) open: watch::Receiver<usize>,
    pub(super) _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
        Server::listen(None, TrustStore::default(), answer).await
    }

    /// One that speaks TLS as `localhost`, and clients that trust these authorities.
    pub(super) async fn start_with_tls(
        trust: TrustStore,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let chain = CertificateDer::pem_slice_iter(TLS_SERVER)
            .map(|certificate| certificate.unwrap())
            .collect();
        let key = PrivateKeyDer::from_pem_slice(TLS_SERVER).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Server::listen(Some(Arc::new(config).into()), trust, answer).await
    }

    pub(super) async fn listen(
        tls: Option<TlsAcceptor>,
        trust: TrustStore,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (count, open) = watch::channel(0);
        let (answer, count) = (Arc::new(answer), Arc::new(count));
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&asked);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, count) =
                    (Arc::clone(&answer), Arc::clone(&seen), Arc::clone(&count));
                let tls = tls.clone();
                count.send_modify(|open| *open += 1);
                connections.spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                        async move {
                            let (head, body) = request.into_parts();
                            let query = head.uri.query().unwrap_or_default();
                            let asked = Asked {
                                what: what(head.method.as_str(), query),
                                headers: head.headers,
                                body: body.collect().await.unwrap().to_bytes(),
                            };
                            let answer = answer(&asked);
                            seen.lock().unwrap().push(asked);
                            Ok::<_, std::convert::Infallible>(answer)
                        }
                    });
                    // A connection that breaks is the client's affair.
                    match tls {
                        None => {
                            let io = TokioIo::new(stream);
                            let _ = http1::Builder::new().serve_connection(io, service).await;
                        }
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let io = TokioIo::new(stream);
                                let _ = http1::Builder::new().serve_connection(io, service).await;
                            }
                        }
                    }
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Server {
            endpoint,
            asked,
            connections: Connections::new(trust, ProxyConfig::from_env()).unwrap(),
            open,
            _tasks: tasks,
        }
    }

    pub(super) fn asked(&self, what: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|one| one.what == what)
            .cloned()
            .collect()
    }

    pub(super) async fn store(&self, settings: &[(&str, &str)]) -> Store {
        let mut properties = Properties::from_iter([
            ("s3.bucket.name", "archive"),
            ("flush.size", "3"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            (
                "format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            ("aws.access.key.id", "key"),
            ("aws.secret.access.key", "secret"),
            ("s3.part.retries", "1"),
            ("store.url", self.endpoint.as_str()),
        ]);
        for (key, value) in settings {
            properties.insert(*key, *value);
        }
        let values = config::definition().validate(&properties);
        let config = S3Config::from_values(&values).unwrap();
        let checksums = properties
            .get(config::CHECKSUM)
            .map_or(Checksums::Auto, Checksums::parse);
        Store::over(&self.connections, &config, &properties, false, checksums)
            .await
            .unwrap()
    }
}

pub(super) fn what(method: &str, query: &str) -> &'static str {
    match method {
        "HEAD" => "head",
        "DELETE" => "abort",
        "POST" if query.contains("uploads") => "create",
        "POST" => "complete",
        _ if query.contains("tagging") => "tag",
        _ => "part",
    }
}

pub(super) fn answer(status: u16, body: &str) -> Answer {
    let response = Response::builder().status(status);
    response
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
    answer(
        status,
        &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
    )
}

/// What a store in good health answers.
pub(super) fn well(asked: &Asked) -> Answer {
    match asked.what {
        "create" => answer(
            200,
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        "complete" => answer(
            200,
            "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>",
        ),
        "part" => {
            let mut answer = answer(200, "");
            answer
                .headers_mut()
                .insert("etag", "\"x\"".parse().unwrap());
            answer
        }
        _ => answer(200, ""),
    }
}

pub(super) async fn part(store: &Store, number: i32) -> Result<StoredPart, StoreError> {
    store
        .upload_part("k", "u", number, Bytes::from_static(b"content"))
        .await
}

/// Older Ceph and ECS, Backblaze, OVH and the like.
pub(super) fn knows_no_checksums(asked: &Asked) -> Answer {
    if asked.has_checksum() {
        let said = "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.";
        return error(400, "InvalidArgument", said);
    }
    well(asked)
}

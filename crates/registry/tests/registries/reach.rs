//! What stands between a client and its registry: TLS by an authority of one's own, with and without certificates of
//! clients, and proxies.

use super::converters::{converter, message, nowhere, read, registry};
use millstream_core::Value;
use millstream_embedded::registry::{RegistryFault, RegistryServer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// An authority, and what it has signed: `here` for localhost, `elsewhere` for another name; both with their keys.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/tls");
/// Signed by another authority.
const STRANGER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../s3/src/store/tests/server.pem"
);

const TRUSTS: &str = "schema.registry.ssl.truststore.location";
const IS: &str = "schema.registry.ssl.keystore.location";

fn certificate(name: &str) -> String {
    format!("{CERTIFICATES}/{name}.pem")
}

/// A port in front of others; its connections end with it.
struct Front {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Front {
    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Front
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Front {
            address,
            _tasks: tasks,
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// A registry with TLS in front of it.
async fn with_tls(
    registry: &RegistryServer,
    certificate: &str,
    wants_clients: bool,
    version: &'static SupportedProtocolVersion,
) -> Front {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(self::certificate("ca")).unwrap();
    roots.add(authority).unwrap();
    let builder = match wants_clients {
        true => {
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(clients.build().unwrap())
        }
        false => builder.with_no_client_auth(),
    };
    let path = self::certificate(certificate);
    let chain = CertificateDer::pem_file_iter(&path).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&path).unwrap();
    let config = builder.with_single_cert(chain, key).unwrap();
    let (acceptor, upstream) = (TlsAcceptor::from(Arc::new(config)), registry.addr());
    Front::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A client that does not like the server, or the other way round.
            let Ok(mut client) = acceptor.accept(stream).await else {
                return;
            };
            let mut server = TcpStream::connect(upstream).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
    .await
}

/// An HTTP proxy, and the first line of each request that it was sent.
async fn proxy() -> (Front, Arc<Mutex<Vec<String>>>) {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lines);
    let front = Front::start(move |mut client| {
        let seen = Arc::clone(&seen);
        async move {
            let head = head(&mut client).await;
            let line = head.lines().next().unwrap_or_default().to_owned();
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let is_tunnel = line.starts_with("CONNECT ");
            seen.lock().unwrap().push(head);
            let authority = target.trim_start_matches("http://").split('/').next();
            let mut server = TcpStream::connect(authority.unwrap()).await.unwrap();
            match is_tunnel {
                true => client.write_all(b"HTTP/1.1 200 Established\r\n\r\n").await,
                false => {
                    let head = seen.lock().unwrap().last().unwrap().clone();
                    server.write_all(head.as_bytes()).await
                }
            }
            .unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
    .await;
    (front, lines)
}

/// All of a request up to its body.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads one record, and tells why that has to wait.
async fn ask(url: &str, settings: &[(&str, &str)]) -> Result<(), String> {
    let record = message(1, &[2]);
    let mut converter = converter(url, settings);
    match read(converter.as_mut(), &[Some(&record)], None).await {
        Ok(came) => {
            assert_eq!(came.values, [Value::Int32(1)], "{:?}", came.errors);
            Ok(())
        }
        Err(unavailable) => Err(unavailable.reason),
    }
}

async fn registry_with_int() -> RegistryServer {
    let registry = registry().await;
    registry.register("t-value", "AVRO", r#""int""#);
    registry
}

#[tokio::test]
async fn trusts_whom_it_is_told_to() {
    let registry = registry_with_int().await;
    let here = with_tls(&registry, "here", false, &rustls::version::TLS13).await;
    let elsewhere = with_tls(&registry, "elsewhere", false, &rustls::version::TLS13).await;
    let authority = certificate("ca");
    let text = std::fs::read_to_string(&authority).unwrap();
    let as_text = ("schema.registry.ssl.truststore.certificates", &*text);
    let trusts = (TRUSTS, &*authority);
    let any_name = ("schema.registry.ssl.endpoint.identification.algorithm", "");
    for (front, settings) in [
        (&here, &[trusts][..]),
        (&here, &[as_text]),
        (&elsewhere, &[trusts, any_name]),
    ] {
        assert_eq!(ask(&front.url(), settings).await, Ok(()), "{settings:?}");
    }
    for (url, settings, words) in [
        (here.url(), &[][..], "ssl.truststore.location to a PEM file"),
        (elsewhere.url(), &[trusts], "hostname mismatch"),
        // The wrong scheme, either way.
        (
            registry.url().replace("http:", "https:"),
            &[trusts],
            "does not speak TLS; check schema.registry.url",
        ),
        (
            here.url().replace("https:", "http:"),
            &[trusts],
            "does it want https:",
        ),
    ] {
        let why = ask(&url, settings).await.unwrap_err();
        assert!(why.contains(words), "{words} is not in: {why}");
    }
}

/// Under TLS 1.3 a server says that it wants a certificate only after the handshake.
#[tokio::test]
async fn shows_its_own_certificate() {
    let registry = registry_with_int().await;
    let (authority, own) = (certificate("ca"), certificate("here"));
    let pem = std::fs::read_to_string(&own).unwrap();
    let as_text = [
        ("schema.registry.ssl.keystore.key", &*pem),
        ("schema.registry.ssl.keystore.certificate.chain", &*pem),
    ];
    let trusts = (TRUSTS, &*authority);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let front = with_tls(&registry, "here", true, version).await;
        for own in [&[(IS, &*own)][..], &as_text] {
            let settings = [&[trusts], own].concat();
            assert_eq!(ask(&front.url(), &settings).await, Ok(()), "{version:?}");
        }
        for settings in [&[trusts][..], &[trusts, (IS, STRANGER)]] {
            let why = ask(&front.url(), settings).await.unwrap_err();
            let words = "the server rejects the client certificate or requires one";
            assert!(why.contains(words), "{version:?}: {why}");
            assert!(
                why.contains("ssl.keystore.location (with schema.registry."),
                "{why}"
            );
        }
    }
}

#[tokio::test]
async fn goes_through_a_proxy() {
    let registry = registry_with_int().await;
    registry.want("Basic dXNlcjpzM2NyZXQ="); // user:s3cret
    let secured = with_tls(&registry, "here", false, &rustls::version::TLS13).await;
    let (proxy, heads) = proxy().await;
    let (port, authority) = (proxy.address.port().to_string(), certificate("ca"));
    let settings = [
        ("proxy.host", "127.0.0.1"),
        ("proxy.port", &*port),
        ("basic.auth.credentials.source", "USER_INFO"),
        ("basic.auth.user.info", "user:s3cret"),
        (TRUSTS, &*authority),
    ];
    for url in [registry.url(), secured.url()] {
        assert_eq!(ask(&url, &settings).await, Ok(()), "{url}");
    }
    let heads = heads.lock().unwrap().clone();
    let first = |at: usize| heads[at].lines().next().unwrap();
    assert_eq!(
        first(0),
        format!(
            "GET {}/schemas/ids/1?fetchMaxId=false&subject=t-value HTTP/1.1",
            registry.url()
        )
    );
    // One tunnel for each request, and nothing of the request in it.
    let authority = secured.url().replace("https://", "");
    assert_eq!(heads.len(), 4, "{heads:?}");
    assert_eq!(first(2), format!("CONNECT {authority} HTTP/1.1"));
    assert!(!heads[2].contains("Basic"), "{}", heads[2]);
}

#[tokio::test]
async fn says_what_is_wrong_with_a_proxy() {
    let registry = registry_with_int().await;
    let refusing = Front::start(|mut client| async move {
        head(&mut client).await;
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        let _ = client.write_all(answer.as_bytes()).await;
    })
    .await;
    let silent = Front::start(|mut client| async move {
        head(&mut client).await;
        std::future::pending().await
    })
    .await;
    let closed = nowhere().rsplit(':').next().unwrap().to_owned();
    let secured = registry.url().replace("http:", "https:");
    for (url, port, words) in [
        (&registry.url(), closed, "(proxy.host) cannot be reached"),
        (
            &registry.url(),
            refusing.address.port().to_string(),
            "check proxy.host",
        ),
        (
            &secured,
            refusing.address.port().to_string(),
            "it answers 407 to CONNECT",
        ),
        (
            &registry.url(),
            silent.address.port().to_string(),
            "no answer within 200 ms",
        ),
        (
            &secured,
            silent.address.port().to_string(),
            "no connection within 200 ms",
        ),
    ] {
        let settings = [
            ("proxy.host", "127.0.0.1"),
            ("proxy.port", &*port),
            ("http.connect.timeout.ms", "200"),
            ("http.read.timeout.ms", "200"),
        ];
        let why = ask(url, &settings).await.unwrap_err();
        assert!(why.contains(words), "{words} is not in: {why}");
    }
}

/// Headers of one's own, and those that Confluent Cloud wants; a redirect is not followed, because they may be secrets.
#[tokio::test]
async fn sends_headers_to_the_registry_alone() {
    let registry = registry_with_int().await;
    let (proxy, heads) = proxy().await;
    let port = proxy.address.port().to_string();
    let settings = [
        ("proxy.host", "127.0.0.1"),
        ("proxy.port", &*port),
        ("request.header.X-Team", "mill"),
        ("bearer.auth.credentials.source", "STATIC_TOKEN"),
        ("bearer.auth.token", "t0ken"),
        ("bearer.auth.logical.cluster", "lsrc-1"),
        ("bearer.auth.identity.pool.id", "pool-1"),
    ];
    assert_eq!(ask(&registry.url(), &settings).await, Ok(()));
    let head = heads.lock().unwrap()[0].to_lowercase();
    for line in [
        "x-team: mill",
        "authorization: bearer t0ken",
        "target-sr-cluster: lsrc-1",
        "confluent-identity-pool-id: pool-1",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    let elsewhere = RegistryFault::Answer {
        status: 302,
        body: String::new(),
    };
    registry.fail_next("/schemas/ids/", elsewhere);
    let why = ask(&registry.url(), &settings).await.unwrap_err();
    assert!(why.contains("redirects are not followed"), "{why}");
}

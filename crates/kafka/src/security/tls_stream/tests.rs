//! Both ends of a connection in one test; the other end is `tokio_rustls`.

#![allow(clippy::unwrap_used)]

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as ServerStream;

/// The certificate of `localhost` with its key, and that of the authority it is signed by.
const SERVER: &[u8] = include_bytes!("tests/server.pem");
const AUTHORITY: &[u8] = include_bytes!("tests/authority.pem");

/// A socket that counts how often something is read from it, and may spoil what is.
struct Socket {
    stream: DuplexStream,
    reads: Arc<AtomicUsize>,
    spoils: bool,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.spoils
            && let Some(last) = into.filled_mut()[had..].last_mut()
        {
            *last ^= 1;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn client_config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(AUTHORITY).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn acceptor(tickets: usize) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(SERVER).unwrap())
        .unwrap();
    config.send_tls13_tickets = tickets;
    TlsAcceptor::from(Arc::new(config))
}

type Pair = (TlsStream<Socket>, ServerStream<DuplexStream>);

/// Both ends of a connection that takes this many bytes at a time.
async fn pair(version: &'static SupportedProtocolVersion, capacity: usize) -> Pair {
    let (ours, theirs) = duplex(capacity);
    let socket = Socket {
        stream: ours,
        reads: Arc::default(),
        spoils: false,
    };
    // They are sent before anybody reads, so they have to fit.
    let tickets = if capacity < 5_000 { 0 } else { 2 };
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) = tokio::join!(
        TlsStream::connect(client_config(version), name, socket),
        acceptor(tickets).accept(theirs)
    );
    (client.unwrap(), server.unwrap())
}

/// Bytes in which each place has its own neighbours.
fn text(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

#[tokio::test]
async fn what_is_sent_arrives_however_it_is_cut() {
    for version in [&version::TLS12, &version::TLS13] {
        for (capacity, piece) in [
            (1, 7),
            (100, 16),
            (5_000, 256),
            (20_000, 65_000),
            (1 << 20, 1 << 20),
        ] {
            let sent = text(if capacity == 1 { 1_000 } else { 300_000 });
            let (mut client, server) = pair(version, capacity).await;
            let (mut from_client, mut to_client) = tokio::io::split(server);
            let echo = async {
                tokio::io::copy(&mut from_client, &mut to_client)
                    .await
                    .unwrap();
                to_client.shutdown().await.unwrap();
            };
            let talk = async {
                let mut came = Vec::new();
                for part in sent.chunks(100_000) {
                    // An echo would have nowhere to go while much is written, so what comes is read meanwhile.
                    let (mut reader, mut writer) = tokio::io::split(&mut client);
                    let goal = came.len() + part.len();
                    let write = async {
                        writer.write_all(part).await.unwrap();
                        writer.flush().await.unwrap();
                    };
                    let read = async {
                        while came.len() < goal {
                            let mut room = vec![0; piece];
                            let count = reader.read(&mut room).await.unwrap();
                            assert!(count > 0);
                            came.extend_from_slice(&room[..count]);
                        }
                    };
                    tokio::join!(write, read);
                }
                client.shutdown().await.unwrap();
                assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0, "its goodbye");
                came
            };
            let (came, ()) = tokio::join!(talk, echo);
            assert!(came == sent, "{version:?} {capacity} {piece}");
        }
    }
}

#[tokio::test]
async fn much_is_read_at_once_and_who_waits_for_little_holds_little() {
    let (mut client, mut server) = pair(&version::TLS13, 1 << 20).await;
    let sent = text(640_000);
    server.write_all(&sent).await.unwrap();
    server.flush().await.unwrap();
    let before = client.socket.reads.load(Ordering::Relaxed);
    let mut came = vec![0; sent.len()];
    client.read_exact(&mut came).await.unwrap();
    assert!(came == sent);
    let reads = client.socket.reads.load(Ordering::Relaxed) - before;
    assert!(
        reads <= 14,
        "{reads} reads of 64 kB each, and those that ask for less at the end"
    );
    let mut little = [0; 100];
    assert!(futures::poll!(std::pin::pin!(client.read(&mut little))).is_pending());
    assert!(client.incoming.size() <= 4096, "{}", client.incoming.size());
    assert!(
        client.plain.capacity() <= 4096,
        "{}",
        client.plain.capacity()
    );
}

#[tokio::test]
async fn an_end_without_goodbye_is_an_error() {
    let (mut client, mut server) = pair(&version::TLS13, 1 << 20).await;
    server.write_all(b"half an answer").await.unwrap();
    server.flush().await.unwrap();
    drop(server);
    let mut came = [0; 14];
    client.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"half an answer");
    let error = client.read(&mut came).await.expect_err("no goodbye");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn keys_are_renewed_by_either_end() {
    let (mut client, mut server) = pair(&version::TLS13, 1 << 20).await;
    for _ in 0..3 {
        server.get_mut().1.refresh_traffic_keys().unwrap();
        server.write_all(b"question").await.unwrap();
        server.flush().await.unwrap();
        let mut came = [0; 8];
        client.read_exact(&mut came).await.unwrap();
        client.write_all(&came).await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"question");
    }
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_refused_and_the_server_told() {
    for version in [&version::TLS12, &version::TLS13] {
        let (mut client, mut server) = pair(version, 1 << 20).await;
        client.socket.spoils = true;
        server.write_all(&text(1_000)).await.unwrap();
        server.flush().await.unwrap();
        let error = client.read(&mut [0; 2_000]).await.expect_err("a change");
        let inner = error.get_ref().and_then(|error| error.downcast_ref());
        assert_eq!(inner, Some(&rustls::Error::DecryptError));
        let told = server.read(&mut [0; 9]).await.expect_err("an alert");
        assert!(told.to_string().contains("BadRecordMac"), "{told}");
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_closes_is_found_out() {
    for (said, kind) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            io::ErrorKind::InvalidData,
        ),
        (b"", io::ErrorKind::UnexpectedEof),
    ] {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(said).await.unwrap();
        theirs.shutdown().await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let made = TlsStream::connect(client_config(&version::TLS13), name, ours).await;
        assert_eq!(made.err().map(|error| error.kind()), Some(kind));
    }
}

//! TLS in front of a document server, and a trust store that knows its authority.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha1::{Digest, Sha1};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The folder with a certificate for `localhost` and 127.0.0.1, and with that of the authority behind it.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/tls");

/// Takes TLS off what comes for a server; it ends with this value.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl TlsFront {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let pem = std::fs::read(Path::new(CERTIFICATES).join("here.pem")).unwrap();
        let chain = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(tls.clone(), client, server));
            }
        });
        TlsFront {
            address,
            _tasks: tasks,
        }
    }
}

/// A client that speaks no TLS, or trusts somebody else, is its own affair.
async fn pass_on(tls: TlsAcceptor, client: TcpStream, server: SocketAddr) {
    if let Ok(mut client) = tls.accept(client).await
        && let Ok(mut server) = TcpStream::connect(server).await
    {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// Writes a JKS store with the authority's certificate.
pub(crate) fn write_trust_store(path: &Path, password: &str) {
    let authority = CertificateDer::from_pem_file(Path::new(CERTIFICATES).join("ca.pem")).unwrap();
    // Version 2 and one entry: a certificate under the alias "ca", of the time 0.
    let mut store = vec![0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    store.extend(b"\0\x02ca\0\0\0\0\0\0\0\0\0\x05X.509");
    store.extend((authority.len() as u32).to_be_bytes());
    store.extend(authority.as_ref());
    let digest = Sha1::new();
    let digest = digest.chain_update(
        password
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<u8>>(),
    );
    let digest = digest.chain_update("Mighty Aphrodite").chain_update(&store);
    store.extend(digest.finalize());
    std::fs::write(path, store).unwrap();
}

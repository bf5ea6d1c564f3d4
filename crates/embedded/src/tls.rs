//! TLS front: takes TLS off what comes for a stand-in that speaks none.

use crate::listener::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Dropping it stops accepting and closes the connections.
pub struct TlsFront {
    listener: Listener,
}

impl TlsFront {
    /// Listens there and passes connections on to a server. `pem` holds the certificate, those of its chain, and its key.
    ///
    /// # Errors
    /// The port is taken, or the text holds no certificate with its key.
    pub async fn start(addr: SocketAddr, server: SocketAddr, pem: &[u8]) -> io::Result<Self> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(io::Error::other)?, key)
            .map_err(io::Error::other)?;
        let tls = TlsAcceptor::from(Arc::new(config));
        let serve = move |client| pass_on(tls.clone(), client, server);
        let listener = Listener::start(TcpListener::bind(addr).await?, serve)?;
        Ok(TlsFront { listener })
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }
}

/// A client that speaks no TLS, does not trust the certificate, or breaks off, is its own affair.
async fn pass_on(tls: TlsAcceptor, client: TcpStream, server: SocketAddr) {
    if let Ok(mut client) = tls.accept(client).await
        && let Ok(mut server) = TcpStream::connect(server).await
    {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

//! ServerTls: how https listeners greet their clients.

use super::stores::{files, identity, roots};
use super::{ListenerTlsConfig, settings};
use crate::reloading::Reloading;
use millstream_core::Properties;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct ServerTls(Arc<Reloading<TlsAcceptor>>);

impl ServerTls {
    /// From the settings of a prefix, or those without one.
    ///
    /// # Errors
    /// If they are wrong, or there is no key.
    pub(crate) fn new(properties: &Properties, prefix: &str) -> Result<Self, Vec<String>> {
        let config = settings(properties, prefix)?;
        let reloading = Reloading::new(files(&config), move || acceptor(&config));
        Ok(ServerTls(Arc::new(reloading.map_err(|why| vec![why])?)))
    }

    /// Greets a client. How long that may take is the caller's to say.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.current().accept(stream).await
    }
}

fn acceptor(config: &ListenerTlsConfig) -> Result<TlsAcceptor, String> {
    let identity = identity(config)?.ok_or(
        "an https listener needs a private key and its certificates: set ssl.keystore.location to a PEM or PKCS#12 file",
    )?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&super::client::versions(config)?)
        .map_err(|error| error.to_string())?;
    let builder = match &*config.client_auth {
        "none" => builder.with_no_client_auth(),
        asks => {
            let roots = Arc::new(roots(config)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match asks {
                "required" => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| format!("ssl.truststore cannot be used: {error}"))?,
            )
        }
    };
    let server = builder.with_single_cert(identity.chain, identity.key);
    let mut server =
        server.map_err(|error| format!("ssl.keystore: the key cannot be used: {error}"))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

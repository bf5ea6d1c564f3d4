//! The way to a broker: TCP and, where it is asked for, TLS over it, the same for every protocol.

use crate::input::InputError;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub is_tls: bool,
}

/// Whom TLS connections trust and who we are to them, as settings say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// A PEM file with the certificates to trust; the system's without one.
    pub authorities: Option<PathBuf>,
    /// A PEM file with our certificate chain and its key, for brokers that ask who comes.
    pub identity: Option<PathBuf>,
}

/// Opens TLS connections; made once from the settings, and empty where there are none to open.
pub(crate) struct Tls(Option<TlsConnector>);

impl Tls {
    pub(crate) fn new(files: &TlsFiles, endpoints: &[Endpoint]) -> Result<Self, String> {
        if endpoints.iter().all(|endpoint| !endpoint.is_tls) {
            return Ok(Tls(None));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        match &files.authorities {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| {
                        let path = path.display();
                        format!("{path}: a certificate cannot be used: {error}")
                    })?;
                }
            }
            None => {
                for certificate in rustls_native_certs::load_native_certs().certs {
                    // What the system keeps and we cannot read is no reason to distrust the rest.
                    let _ = roots.add(certificate);
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| format!("there is no authority to trust: {error}"))?;
        let builder = builder.with_webpki_verifier(verifier);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let shown = path.display();
                let key = PrivateKeyDer::from_pem_file(path)
                    .map_err(|error| format!("{shown}: no private key can be read: {error}"))?;
                builder
                    .with_client_auth_cert(certificates(path)?, key)
                    .map_err(|error| format!("{shown}: the key cannot be used: {error}"))?
            }
        };
        Ok(Tls(Some(TlsConnector::from(Arc::new(config)))))
    }
}

/// The certificates of a PEM file, one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{shown}: a certificate cannot be read: {error}"))?;
    if found.is_empty() {
        return Err(format!(
            "{shown} holds no certificate in PEM; convert a PKCS#12 store with: openssl pkcs12 -in {shown} -nodes -out store.pem"
        ));
    }
    Ok(found)
}

/// What bytes come and go on.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Wire for T {}

pub(crate) type Stream = Box<dyn Wire>;

/// Opens a connection, within the time.
pub(crate) async fn open(endpoint: &Endpoint, tls: &Tls, within: Duration) -> io::Result<Stream> {
    let opened = timeout(within, async {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        stream.set_nodelay(true)?;
        let Some(connector) = tls.0.as_ref().filter(|_| endpoint.is_tls) else {
            return Ok(Box::new(stream) as Stream);
        };
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = connector.connect(name, stream).await?;
        Ok(Box::new(stream) as Stream)
    });
    opened
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

/// What the first endpoint that takes us makes of it; else the last one's error, or `none` where no endpoint is named.
pub(crate) async fn first_of<'a, T, F>(
    endpoints: &'a [Endpoint],
    none: InputError,
    open: impl Fn(&'a Endpoint) -> F,
) -> Result<T, InputError>
where
    F: Future<Output = Result<T, InputError>>,
{
    let mut failure = none;
    for endpoint in endpoints {
        match open(endpoint).await {
            Ok(opened) => return Ok(opened),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(is_tls: bool) -> Endpoint {
        let host = "localhost".to_owned();
        Endpoint {
            host,
            port: 1,
            is_tls,
        }
    }

    #[test]
    fn files_are_read_where_there_is_tls_and_said_to_be_wrong() {
        let missing = TlsFiles {
            authorities: Some("/no/such/file.pem".into()),
            identity: None,
        };
        assert!(Tls::new(&missing, &[endpoint(false)]).is_ok());
        let said = |files| Tls::new(&files, &[endpoint(true)]).err().unwrap();
        let error = said(missing);
        assert!(
            error.starts_with("cannot read /no/such/file.pem: "),
            "{error}"
        );
        let file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into());
        let error = said(TlsFiles {
            authorities: file,
            identity: None,
        });
        assert!(error.contains("holds no certificate in PEM"), "{error}");
    }
}

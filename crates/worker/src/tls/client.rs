//! ClientTls: how requests to other workers' https listeners are made, and what it means when they cannot be.

use super::stores::{files, identity, roots};
use super::{LISTENERS, ListenerTlsConfig, settings};
use crate::reloading::Reloading;
use millstream_core::Properties;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, SupportedProtocolVersion};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct ClientTls(Arc<Shared>);

struct Shared {
    properties: Properties,
    /// Of the first request over TLS: the same settings may be those of Kafka clients, of which more is known elsewhere.
    connector: OnceLock<Result<Reloading<TlsConnector>, String>>,
}

impl ClientTls {
    /// From the settings of the normal listeners. The certificate of whom we call must be for its host name.
    pub(crate) fn new(properties: &Properties) -> Self {
        ClientTls(Arc::new(Shared {
            properties: properties.clone(),
            connector: OnceLock::new(),
        }))
    }

    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let made = self.0.connector.get_or_init(|| make(&self.0.properties));
        let made = made.as_ref().map_err(|why| io::Error::other(why.clone()));
        let connector = made?.current();
        connector.connect(name, stream).await
    }
}

fn make(properties: &Properties) -> Result<Reloading<TlsConnector>, String> {
    let config = settings(properties, LISTENERS).map_err(|errors| errors.join("; "))?;
    Reloading::new(files(&config), move || connector(&config))
}

fn connector(config: &ListenerTlsConfig) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(config)?)
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(config)?);
    let client = match identity(config)? {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| format!("ssl.keystore: the key cannot be used: {error}"))?,
        None => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

/// The versions of TLS that the settings allow and that we speak.
pub(super) fn versions(
    config: &ListenerTlsConfig,
) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let known = [
        ("TLSv1.2", &rustls::version::TLS12),
        ("TLSv1.3", &rustls::version::TLS13),
    ];
    let enabled = |name: &str| config.enabled_protocols.iter().any(|one| one == name);
    let versions = known.into_iter().filter(|(name, _)| enabled(name));
    let versions: Vec<_> = versions.map(|(_, version)| version).collect();
    if versions.is_empty() {
        let given = config.enabled_protocols.join(",");
        return Err(format!(
            "Invalid value {given} for configuration ssl.enabled.protocols: there are TLSv1.2 and TLSv1.3"
        ));
    }
    Ok(versions)
}

/// What a TLS failure means and what to do about it; `None` if it is of another kind.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match tls {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by an authority that is not trusted; check ssl.truststore.location".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has expired".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another host name; advertise a name of the certificate with rest.advertised.host.name there".to_owned(),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there".to_owned(),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::HandshakeFailure,
        ) => format!("it does not accept our certificate, or wants one ({tls}); check ssl.keystore.location"),
        other => format!("TLS failed: {other}"),
    })
}

//! TLS: whom to trust, who we are, and what a failed handshake means for the person who has to mend it.

use super::SecurityConfig;
use super::tls_stream::TlsStream;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

/// How to speak to a server with TLS.
pub struct Tls {
    client: Arc<ClientConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    pub(super) fn new(config: &SecurityConfig) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = roots(config)?;
        let checks_name = match config.endpoint_identification.as_str() {
            "" => false,
            name if name.eq_ignore_ascii_case("https") => true,
            other => {
                return Err(format!(
                    "Invalid value {other} for configuration ssl.endpoint.identification.algorithm: it is https or empty"
                ));
            }
        };
        let verifier = Verifier::new(roots, &provider, checks_name)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let client = match identity(config)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
                format!("ssl.keystore: the client's key cannot be used: {error}")
            })?,
            None => builder.with_no_client_auth(),
        };
        Ok(Tls {
            client: Arc::new(client),
        })
    }

    /// The handshake over a connection. What its failure means is said by `explain_tls`.
    ///
    /// # Errors
    /// The handshake's; the host name is none.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsStream::connect(Arc::clone(&self.client), name, stream).await
    }
}

fn roots(config: &SecurityConfig) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let text = match (&config.truststore_certificates, &config.truststore_location) {
        (Some(text), _) => text.reveal().as_bytes().to_vec(),
        (None, Some(path)) => read_pem(
            path,
            "ssl.truststore",
            config.truststore_type.as_deref(),
            "-nokeys",
        )?,
        (None, None) => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // What the system keeps and we cannot read is no reason to distrust the rest.
                let _ = roots.add(certificate);
            }
            return Ok(roots);
        }
    };
    for certificate in certificates(&text, "ssl.truststore")? {
        roots
            .add(certificate)
            .map_err(|error| format!("ssl.truststore: a certificate cannot be used: {error}"))?;
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(config: &SecurityConfig) -> Result<Option<Identity>, String> {
    let text = match (
        &config.keystore_key,
        &config.keystore_certificate_chain,
        &config.keystore_location,
    ) {
        (Some(key), Some(chain), _) => format!("{}\n{}", key.reveal(), chain.reveal()).into_bytes(),
        (Some(_), None, _) | (None, Some(_), _) => {
            return Err(
                "ssl.keystore.key and ssl.keystore.certificate.chain need each other".to_owned(),
            );
        }
        (None, None, Some(path)) => read_pem(
            path,
            "ssl.keystore",
            config.keystore_type.as_deref(),
            "-nodes",
        )?,
        (None, None, None) => return Ok(None),
    };
    if text
        .windows(b"ENCRYPTED".len())
        .any(|window| window == b"ENCRYPTED")
    {
        let path = config.keystore_location.as_deref().unwrap_or("key.pem");
        return Err(format!(
            "ssl.keystore: the private key is encrypted, which is not supported; decrypt it with: openssl pkey -in {path} -out decrypted.pem"
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| format!("ssl.keystore: no private key can be read: {error}"))?;
    Ok(Some((certificates(&text, "ssl.keystore")?, key)))
}

fn certificates(text: &[u8], key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{key}: a certificate cannot be read: {error}"))?;
    if found.is_empty() {
        return Err(format!("{key}: there is no certificate in it"));
    }
    Ok(found)
}

/// A PEM file, whatever its type is said to be; other stores are refused with the command that converts them.
fn read_pem(path: &str, key: &str, kind: Option<&str>, what: &str) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("{key}.location: cannot read {path}: {error}"))?;
    let begin = b"-----BEGIN ";
    if bytes.windows(begin.len()).any(|window| window == begin) {
        return Ok(bytes);
    }
    // Java's own stores begin with this mark; PKCS#12 files are ASN.1.
    let is_jks = bytes.starts_with(&[0xFE, 0xED, 0xFE, 0xED])
        || kind.is_some_and(|kind| kind.eq_ignore_ascii_case("JKS")) && !bytes.starts_with(&[0x30]);
    Err(if is_jks {
        format!(
            "{key}.location: {path} is a Java keystore, which is not supported; convert it with: keytool -importkeystore -srckeystore {path} -destkeystore store.p12 -deststoretype PKCS12 && openssl pkcs12 -in store.p12 {what} -out store.pem, then set {key}.location=store.pem and {key}.type=PEM"
        )
    } else {
        format!(
            "{key}.location: {path} is no PEM file; convert a PKCS#12 store with: openssl pkcs12 -in {path} {what} -out store.pem, then set {key}.location=store.pem and {key}.type=PEM"
        )
    })
}

/// The usual checks, with or without the host name.
#[derive(Debug)]
struct Verifier {
    /// `None`: there is no authority to trust.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    checks_name: bool,
}

impl Verifier {
    fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
        checks_name: bool,
    ) -> Result<Self, String> {
        let inner = if roots.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            Some(
                builder
                    .build()
                    .map_err(|error| format!("ssl.truststore cannot be used: {error}"))?,
            )
        };
        Ok(Verifier {
            inner,
            provider: Arc::clone(provider),
            checks_name,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let result =
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match result {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a TLS failure means and what to do about it; `None` if it is of another kind. `settings` are those that say where TLS is
/// spoken.
pub fn explain(error: &io::Error, settings: &str) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match tls {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "certificate verify failed: unknown certificate authority; set ssl.truststore.location to a PEM file with that authority's certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "certificate verify failed: certificate has expired; the server needs a new one".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "certificate verify failed: hostname mismatch; connect under a name of the certificate, or set ssl.endpoint.identification.algorithm to nothing to skip this check".to_owned(),
        rustls::Error::InvalidMessage(_) => {
            format!("the listener does not speak TLS; check {settings}")
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::HandshakeFailure,
        ) => format!("the server rejects the client certificate or requires one ({tls}); check ssl.keystore.location"),
        other => other.to_string(),
    })
}

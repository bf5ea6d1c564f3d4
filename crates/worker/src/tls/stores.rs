//! Stores: private keys and certificates from files or texts.

use super::ListenerTlsConfig;
use millstream_core::config::Password;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;

pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What a store holds.
#[derive(Default)]
struct Store {
    certificates: Vec<CertificateDer<'static>>,
    key: Option<PrivateKeyDer<'static>>,
}

/// The files that the settings name.
pub(super) fn files(config: &ListenerTlsConfig) -> Vec<String> {
    let files = [&config.keystore_location, &config.truststore_location];
    files.into_iter().flatten().cloned().collect()
}

/// Who we are; `None` if the settings do not say.
pub(super) fn identity(config: &ListenerTlsConfig) -> Result<Option<Identity>, String> {
    const NAME: &str = "ssl.keystore";
    let texts = (&config.keystore_key, &config.keystore_certificate_chain);
    let store = match (texts, &config.keystore_location) {
        ((Some(key), Some(chain)), _) => {
            let text = format!("{}\n{}", key.reveal(), chain.reveal());
            pem(NAME, text.as_bytes())?
        }
        ((Some(_), None) | (None, Some(_)), _) => {
            return Err(
                "ssl.keystore.key and ssl.keystore.certificate.chain need each other".to_owned(),
            );
        }
        ((None, None), Some(path)) => {
            let password = config.keystore_password.as_ref();
            read(NAME, path, password)?
        }
        ((None, None), None) => return Ok(None),
    };
    let key = store
        .key
        .ok_or_else(|| format!("{NAME}: there is no private key in it"))?;
    Ok(Some(Identity {
        chain: not_empty(NAME, store.certificates)?,
        key,
    }))
}

/// Whom we trust; without settings, whom the system trusts.
pub(super) fn roots(config: &ListenerTlsConfig) -> Result<RootCertStore, String> {
    const NAME: &str = "ssl.truststore";
    let mut roots = RootCertStore::empty();
    let store = match (&config.truststore_certificates, &config.truststore_location) {
        (Some(text), _) => pem(NAME, text.reveal().as_bytes())?,
        (None, Some(path)) => {
            let password = config.truststore_password.as_ref();
            read(NAME, path, password)?
        }
        (None, None) => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // What the system keeps and we cannot read is no reason to distrust the rest.
                let _ = roots.add(certificate);
            }
            return Ok(roots);
        }
    };
    for certificate in not_empty(NAME, store.certificates)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{NAME}: a certificate cannot be used: {error}"))?;
    }
    Ok(roots)
}

fn not_empty(
    name: &str,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    if certificates.is_empty() {
        return Err(format!("{name}: there is no certificate in it"));
    }
    Ok(certificates)
}

fn read(name: &str, path: &str, password: Option<&Password>) -> Result<Store, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("{name}.location: cannot read {path}: {error}"))?;
    let begin = b"-----BEGIN ";
    if bytes.windows(begin.len()).any(|window| window == begin) {
        return pem(name, &bytes);
    }
    // Java's own stores begin with this mark; PKCS#12 files are ASN.1.
    if bytes.starts_with(&[0xFE, 0xED, 0xFE, 0xED]) {
        return Err(format!(
            "{name}.location: {path} is a Java keystore, which is not supported; convert it with: keytool -importkeystore -srckeystore {path} -destkeystore store.p12 -deststoretype PKCS12, then set {name}.location=store.p12"
        ));
    }
    pkcs12(name, path, &bytes, password)
}

fn pkcs12(
    name: &str,
    path: &str,
    bytes: &[u8],
    password: Option<&Password>,
) -> Result<Store, String> {
    let password = password.map(Password::reveal).unwrap_or_default();
    // Truststores that openssl has made do not mark their certificates as trusted.
    let found = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed);
    let found = found.map_err(|error| {
        format!("{name}.location: {path} is neither PEM nor a PKCS#12 file that {name}.password opens: {error}")
    })?;
    let mut store = Store::default();
    for (_, entry) in found.entries() {
        match entry {
            KeyStoreEntry::Certificate(certificate) => store.add(certificate),
            KeyStoreEntry::PrivateKeyChain(chain) if store.key.is_none() => {
                let key = PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec());
                store.key = Some(key.into());
                // Who we are comes first.
                let others = std::mem::take(&mut store.certificates);
                for certificate in chain.certs() {
                    store.add(certificate);
                }
                store.certificates.extend(others);
            }
            KeyStoreEntry::PrivateKeyChain(_) | KeyStoreEntry::Secret(_) => {}
        }
    }
    Ok(store)
}

impl Store {
    fn add(&mut self, certificate: &Certificate) {
        let der = certificate.as_der().to_vec();
        self.certificates.push(CertificateDer::from(der));
    }
}

fn pem(name: &str, text: &[u8]) -> Result<Store, String> {
    let encrypted = b"ENCRYPTED";
    if text
        .windows(encrypted.len())
        .any(|window| window == encrypted)
    {
        return Err(format!(
            "{name}: the private key is encrypted, which is not supported; decrypt it with: openssl pkey -in key.pem -out decrypted.pem"
        ));
    }
    let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>();
    Ok(Store {
        certificates: certificates
            .map_err(|error| format!("{name}: a certificate cannot be read: {error}"))?,
        key: PrivateKeyDer::from_pem_slice(text).ok(),
    })
}

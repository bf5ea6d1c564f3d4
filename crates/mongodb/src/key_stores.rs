//! Java's key stores, as the settings name them. The driver reads PEM files alone, so the certificates of a trust store are
//! given to it as one; a store with a private key is refused with the commands that convert it, because its key would have
//! to lie on the disk in the clear.

mod jks;

use crate::config::MongoConfig;
use crate::uri::URI;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mongodb::options::{ClientOptions, Tls};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use std::io::Write;
use tempfile::NamedTempFile;

const TRUSTSTORE: &str = "connection.ssl.truststore";
const KEYSTORE: &str = "connection.ssl.keystore";

/// What a store is read for is a list of certificates; a file that is larger is none.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A store that cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct StoreProblem {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

/// Has the driver trust whom the trust store trusts, where the connection has TLS; the file has to live as long as the driver.
///
/// # Errors
/// As `trusted` has them.
pub(crate) fn apply(
    config: &MongoConfig,
    options: &mut ClientOptions,
) -> Result<Option<NamedTempFile>, StoreProblem> {
    let is_set = [
        &config.connection_ssl_truststore,
        &config.connection_ssl_keystore,
    ]
    .iter()
    .any(|path| !path.trim().is_empty());
    let Some(Tls::Enabled(tls)) = &mut options.tls else {
        if is_set {
            tracing::warn!("{TRUSTSTORE} and {KEYSTORE} have no effect without tls=true in {URI}");
        }
        return Ok(None);
    };
    let file = trusted(config)?;
    if let Some(file) = &file {
        tls.ca_file_path = Some(file.path().to_owned());
    }
    Ok(file)
}

/// A file with the certificates of the trust store, for as long as this lives; `None` if the settings name none.
///
/// # Errors
/// There is no such store, it cannot be opened, or it has no certificates; or the settings name a store with a key.
fn trusted(config: &MongoConfig) -> Result<Option<NamedTempFile>, StoreProblem> {
    let own = config.connection_ssl_keystore.trim();
    if !own.is_empty() {
        return Err(problem(KEYSTORE, has_to_be_converted(own)));
    }
    let path = config.connection_ssl_truststore.trim();
    if path.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| problem(TRUSTSTORE, why);
    let password = config.connection_ssl_truststore_password.reveal().trim();
    let certificates = certificates(path, password).map_err(refuse)?;
    if certificates.is_empty() {
        return Err(refuse(format!(
            "{path} has no certificates that are trusted"
        )));
    }
    let written = || -> std::io::Result<NamedTempFile> {
        let mut file = NamedTempFile::with_prefix("millstream-trusted-")?;
        for certificate in &certificates {
            file.write_all(pem(certificate).as_bytes())?;
        }
        file.flush()?;
        Ok(file)
    };
    let file = written();
    file.map(Some).map_err(|error| {
        refuse(format!(
            "cannot write the certificates of {path} into the temporary folder: {error}"
        ))
    })
}

fn problem(key: &'static str, why: String) -> StoreProblem {
    StoreProblem {
        key,
        message: format!("Invalid value for configuration {key}: {why}"),
    }
}

fn has_to_be_converted(path: &str) -> String {
    format!(
        "a private key is read from a PEM file alone; make one with: keytool -importkeystore -srckeystore {path} -destkeystore \
         client.p12 -deststoretype PKCS12 && openssl pkcs12 -in client.p12 -out client.pem -nodes, and name it in connection.uri: \
         tlsCertificateKeyFile=client.pem"
    )
}

fn certificates(path: &str, password: &str) -> Result<Vec<Vec<u8>>, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {path}: {error}"))?
        .len();
    if size > LARGEST {
        return Err(format!("{path} is no key store: it has {size} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    if jks::is_one(&bytes) {
        return jks::trusted(&bytes, password).map_err(|why| format!("{path} {why}"));
    }
    pkcs12(&bytes, password).map_err(|why| {
        format!(
            "{path} is neither a JKS nor a PKCS#12 store that connection.ssl.truststorePassword opens: {why}; a PEM file is \
             named by tlsCAFile in connection.uri"
        )
    })
}

fn pkcs12(bytes: &[u8], password: &str) -> Result<Vec<Vec<u8>>, String> {
    // Stores that openssl has made do not mark their certificates as trusted.
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|error| error.to_string())?;
    let trusted = store.entries().filter_map(|(_, entry)| match entry {
        KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec()),
        // As in Java: who we are is trusted, who has signed for us need not be.
        KeyStoreEntry::PrivateKeyChain(chain) => Some(chain.certs().first()?.as_der().to_vec()),
        KeyStoreEntry::Secret(_) => None,
    });
    Ok(trusted.collect())
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_core::Properties;

    fn config(more: &[(&str, &str)]) -> MongoConfig {
        let mut properties = Properties::from_iter([("topics", "t"), ("database", "d")]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        MongoConfig::parse(&properties).0.unwrap()
    }

    fn refused(more: &[(&str, &str)]) -> StoreProblem {
        trusted(&config(more)).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_store_that_cannot_be_used_is_told_with_its_key() {
        let missing = refused(&[(TRUSTSTORE, "/nowhere/trust.jks")]);
        assert_eq!(missing.key, TRUSTSTORE);
        assert!(missing.message.contains("cannot read /nowhere/trust.jks"));
        let text = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(text.path(), "no store").unwrap();
        let path = text.path().to_str().unwrap();
        let odd = refused(&[
            (TRUSTSTORE, path),
            ("connection.ssl.truststorePassword", "secret"),
        ]);
        assert!(odd.message.contains("neither a JKS nor a PKCS#12 store"));
        assert!(!odd.message.contains("secret"));
        let own = refused(&[(KEYSTORE, "client.jks")]);
        assert_eq!(own.key, KEYSTORE);
        assert!(
            own.message
                .contains("keytool -importkeystore -srckeystore client.jks")
        );
        assert!(trusted(&config(&[])).unwrap().is_none());
    }

    #[test]
    fn certificates_are_written_as_pem() {
        let certificate = [7u8; 100];
        let store = jks::tests::store(&[&certificate], "changeit");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), store).unwrap();
        let path = file.path().to_str().unwrap();
        let settings = [
            (TRUSTSTORE, path),
            ("connection.ssl.truststorePassword", " changeit "),
        ];
        let written = trusted(&config(&settings)).unwrap().unwrap();
        let text = std::fs::read_to_string(written.path()).unwrap();
        assert_eq!(text, pem(&certificate));
        let wrong = refused(&[
            (TRUSTSTORE, path),
            ("connection.ssl.truststorePassword", "other"),
        ]);
        assert!(
            wrong
                .message
                .contains("was changed, or the password is another one")
        );
    }
}

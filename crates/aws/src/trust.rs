//! Which certificates the servers of AWS are believed with.

use aws_smithy_http_client::tls::TrustStore;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::ffi::OsString;

/// The file of trusted certificates that the other SDKs of AWS read.
pub const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
pub const CERT_FILE: &str = "SSL_CERT_FILE";

/// Certificates that a server's may be signed with: those of the file that is named, or the system's, which
/// `SSL_CERT_FILE` replaces too.
pub fn trust_store(bundle: Option<OsString>, file: Option<OsString>) -> Result<TrustStore, String> {
    let read = |name: &str, path: &OsString| {
        let path = std::path::Path::new(path);
        let pem = std::fs::read(path);
        let pem = pem.map_err(|why| format!("{name}: cannot read {}: {why}", path.display()))?;
        let certificates = certificates(&pem);
        if certificates.is_empty() {
            let path = path.display();
            return Err(format!("{name}: {path} holds no certificate in PEM"));
        }
        Ok(certificates)
    };
    let is_set = |path: &OsString| !path.is_empty();
    if let Some(path) = bundle.filter(is_set) {
        let mut trust = TrustStore::empty();
        for certificate in read(CA_BUNDLE, &path)? {
            let base64 = STANDARD.encode(&certificate);
            let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
            trust.add_pem_certificate(pem);
        }
        return Ok(trust);
    }
    if let Some(path) = file.filter(is_set) {
        // The client reads it by itself, but would go on without a word where there is nothing in it.
        read(CERT_FILE, &path)?;
    }
    Ok(TrustStore::default())
}

/// The certificates of a file that can be trusted; the client itself panics on any other.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_http_client::tls::TlsContext;

    /// An authority's certificate, as `openssl req -x509` makes it.
    const AUTHORITY: &str = include_str!("trust/authority.pem");

    fn file(text: &str) -> (tempfile::NamedTempFile, Option<OsString>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().as_os_str().to_owned();
        (file, Some(path))
    }

    #[test]
    fn report_a10_trusts_the_bundle_that_is_named() {
        assert_eq!(certificates(AUTHORITY.as_bytes()).len(), 1);
        let (_bundle, path) = file(&format!("# ours\n{AUTHORITY}"));
        let trust = trust_store(path, None).unwrap();
        // The client takes it, too, which would panic on what it cannot read.
        TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .unwrap();
        assert!(trust_store(None, None).is_ok());
        assert!(trust_store(Some(OsString::new()), None).is_ok());
    }

    #[test]
    fn report_a10_says_what_is_wrong_with_a_bundle() {
        let said = |bundle, file| trust_store(bundle, file).unwrap_err();
        let missing = || Some(OsString::from("/no/such/file.pem"));
        let text = said(missing(), None);
        assert!(
            text.starts_with("AWS_CA_BUNDLE: cannot read /no/such/file.pem: "),
            "{text}"
        );
        let text = said(None, missing());
        assert!(text.starts_with("SSL_CERT_FILE: cannot read "), "{text}");
        let (_empty, path) = file("no certificate");
        let text = said(path, None);
        assert!(text.ends_with("holds no certificate in PEM"), "{text}");
        let (_broken, path) =
            file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(said(path, None).ends_with("holds no certificate in PEM"));
    }
}

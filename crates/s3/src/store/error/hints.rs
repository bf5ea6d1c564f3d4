//! What to do about a connection that there is not: the hint that goes with its cause.

use super::{Endpoint, EndpointBy};
use millstream_aws::causes::{causes, innermost};
use rustls::CertificateError;
use std::error::Error;
use std::io;

const ENFILE: i32 = 23;
pub(super) const EMFILE: i32 = 24;

impl Endpoint {
    /// Why there is no connection, and what to do about it.
    pub(super) fn why(&self, cause: &(dyn Error + 'static)) -> String {
        let failed = causes(cause).filter_map(|link| link.downcast_ref::<io::Error>());
        let number = failed.filter_map(io::Error::raw_os_error).last();
        if let Some(EMFILE | ENFILE) = number {
            return match open_files_limit() {
                Some(limit) => format!(
                    "out of file descriptors (limit {limit}): raise it with ulimit -n or LimitNOFILE"
                ),
                None => "out of file descriptors: raise the limit with ulimit -n or LimitNOFILE"
                    .to_owned(),
            };
        }
        let text = plain(&innermost(cause));
        let address = self.address.get().map_or("", String::as_str);
        let certificate = causes(cause).find_map(|link| match link.downcast_ref()? {
            rustls::Error::InvalidCertificate(why) => certificate_hint(why),
            _ => None,
        });
        if let Some(hint) = certificate {
            return format!("TLS handshake failed: {text}; {hint}");
        }
        let hint = address
            .starts_with("https://")
            .then(|| tls_hint(&text, address, self.by));
        match hint.flatten() {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }
}

/// What to do about a certificate that is not accepted.
fn certificate_hint(why: &CertificateError) -> Option<&'static str> {
    Some(match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "hostname mismatch, the certificate is for another host name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired; the server needs a new one"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not yet valid; one of the two clocks is wrong"
        }
        CertificateError::UnknownIssuer | CertificateError::Other(_) => {
            // The other is an authority's own certificate, used as a server's.
            "unknown certificate authority; set AWS_CA_BUNDLE or SSL_CERT_FILE to a PEM \
             file with that authority's certificate"
        }
        _ => return None,
    })
}

/// What to do where the other side may not speak TLS.
fn tls_hint(text: &str, address: &str, by: EndpointBy) -> Option<String> {
    let speaks_other = [
        "corrupt message",
        "eof",
        "reset",
        "closed",
        "unexpected end",
    ];
    if !speaks_other.iter().any(|said| text.contains(said)) {
        return None;
    }
    let host = address.trim_start_matches("https://");
    Some(match by {
        EndpointBy::SettingWithoutScheme => format!(
            "store.url has no scheme, so https was assumed; write http://{host} if it does not speak TLS"
        ),
        EndpointBy::Setting => "it may not speak TLS; store.url begins with https".to_owned(),
        EndpointBy::Sdk => "it may not speak TLS".to_owned(),
    })
}

/// A cause as one says it: without the number that the operating system has for it.
fn plain(text: &str) -> String {
    let text = text.find(" (os error ").map_or(text, |at| &text[..at]);
    let mut letters = text.chars();
    match letters.next() {
        // Not in front of a name or an abbreviation.
        Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// How many files the process may have open.
pub(super) fn open_files_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

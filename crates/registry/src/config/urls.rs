//! The addresses of a registry. A user and a password in one are taken out of it at once, so that no message shows them.

use http::Uri;
use millstream_core::Password;
use millstream_core::config::Parsed;
use std::fmt;

/// One address: what is in front of each path that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryUrl {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without a slash at its end; empty or beginning with one.
    pub(crate) path: String,
    /// `user:password`, as they are meant.
    pub(crate) user_info: Option<Password>,
}

impl RegistryUrl {
    /// # Errors
    /// What is wrong, without the address: it may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const WRITE: &str = "write it as http://host:port or https://host:port";
        let uri: Uri = text.trim().parse().map_err(|_| WRITE)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some("mock") => {
                return Err(
                    "mock: registries are in a Java process; write the address of a server",
                );
            }
            _ => return Err(WRITE),
        };
        let authority = uri.authority().ok_or(WRITE)?;
        let host = authority.host();
        // Behind the host is a port or nothing.
        let port = authority
            .as_str()
            .rsplit_once('@')
            .map_or(authority.as_str(), |(_, at)| at);
        if host.is_empty() || (port.len() > host.len() && authority.port_u16().is_none()) {
            return Err(WRITE);
        }
        let user_info = authority
            .as_str()
            .rsplit_once('@')
            .map(|(user_info, _)| decode(user_info));
        Ok(RegistryUrl {
            is_tls,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_tls { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            user_info: user_info.map(Password::new),
        })
    }

    /// Host and port, as a request names them.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Percent-encoded text; what is no escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%');
        let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The validator of `schema.registry.url`.
pub(super) fn check(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let urls = match value {
        Some(Parsed::List(urls)) if !urls.is_empty() => urls,
        // That it is missing is said already.
        None => return Ok(()),
        Some(_) => {
            return Err(format!(
                "{name}: no address is given; write http://host:port"
            ));
        }
    };
    for (index, url) in urls.iter().enumerate() {
        if let Err(why) = RegistryUrl::parse(url) {
            return Err(format!(
                "{name}: address {} is none that can be used: {why}",
                index + 1
            ));
        }
    }
    Ok(())
}

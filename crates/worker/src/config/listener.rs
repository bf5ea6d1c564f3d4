//! Listener: where the API listens, as `http://host:port` or `https://host:port`.

use std::io;
use std::str::FromStr;
use tokio::net::TcpListener;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Whether it speaks TLS.
    pub(crate) is_secure: bool,
    /// Empty: every interface.
    pub(crate) host: String,
    /// 0: any free one.
    pub(crate) port: u16,
}

impl Listener {
    pub(crate) async fn bind(&self) -> io::Result<TcpListener> {
        if !self.host.is_empty() {
            return TcpListener::bind((&*self.host, self.port)).await;
        }
        match TcpListener::bind(("::", self.port)).await {
            Ok(both) => Ok(both),
            // A machine without IPv6.
            Err(_) => TcpListener::bind(("0.0.0.0", self.port)).await,
        }
    }
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let format =
            || "Listener doesn't have the right format (protocol://hostname:port).".to_owned();
        let (scheme, address) = text.split_once("://").ok_or_else(format)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(format)?;
        let is_secure = match &*scheme.to_ascii_lowercase() {
            "http" => false,
            "https" => true,
            _ => return Err("Listener protocol must be either \"http\" or \"https\".".to_owned()),
        };
        Ok(Listener {
            is_secure,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: port.parse().map_err(|_| format())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, host: &str, port: u16) {
        let listener = Listener {
            is_secure: text.starts_with("https"),
            host: host.to_owned(),
            port,
        };
        assert_eq!(text.parse(), Ok(listener));
    }

    #[test]
    fn reads_java_s_listeners() {
        check("http://:8083", "", 8083);
        check("HTTP://localhost:0", "localhost", 0);
        check("http://[::1]:80", "::1", 80);
        check("https://h:8443", "h", 8443);
        assert!("localhost:80".parse::<Listener>().is_err());
        assert!("ftp://localhost:80".parse::<Listener>().is_err());
    }
}

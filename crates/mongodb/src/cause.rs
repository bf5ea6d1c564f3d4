//! Causes: why a document store cannot be used, each as one sentence with the server and what to do about it, instead
//! of the driver's own words.

use crate::reply::without_content;
use bson::Document;
use mongodb::error::{Error, ErrorKind};
use std::io;

/// What the connection string asks for, as far as it explains why that fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Causes {
    pub(crate) wants_tls: bool,
    pub(crate) replica_set: Option<String>,
}

impl Causes {
    /// Why a server's answer to `hello` makes it unusable, if it does.
    pub(crate) fn of_hello(&self, server: &str, hello: &Document) -> Option<String> {
        let wanted = self.replica_set.as_deref()?;
        match hello.get_str("setName") {
            Ok(found) if found == wanted => None,
            Ok(found) => Some(format!(
                "the document store {server} belongs to replica set {found}, not to {wanted}; \
                 set replicaSet={found} in connection.uri"
            )),
            Err(_) => Some(format!(
                "the document store {server} belongs to no replica set; leave replicaSet={wanted} out of connection.uri"
            )),
        }
    }

    /// Why a server's heartbeat failed. One that closes each connection is out of reach.
    pub(crate) fn of_heartbeat(&self, server: &str, error: &Error) -> String {
        let cause = self.of(server, error);
        if cause != disconnected(server) {
            cause
        } else if self.wants_tls {
            format!(
                "cannot connect to the document store {server}: connection closed; it may not speak TLS: check tls=true in \
                 connection.uri and the port"
            )
        } else {
            format!(
                "cannot connect to the document store {server}: connection closed; it may require TLS: set tls=true in \
                 connection.uri, or check the port"
            )
        }
    }

    /// Why a command could not be carried out.
    pub(crate) fn of(&self, server: &str, error: &Error) -> String {
        match error.kind.as_ref() {
            ErrorKind::Command(command) => format!(
                "command failed with error {} ({}) on the document store {server}: {}",
                command.code,
                command.code_name,
                without_content(&command.message)
            ),
            ErrorKind::Io(cause) => self.of_io(server, cause),
            // The pool is cleared when any of its connections breaks; the error behind says why.
            ErrorKind::ConnectionPoolCleared { message, .. } => self.of_text(server, message),
            ErrorKind::ServerSelection { message, .. } => self.of_text(server, message),
            ErrorKind::DnsResolve { .. } => unknown_host(server),
            ErrorKind::Authentication { message, .. } => authentication_failed(server, message),
            ErrorKind::IncompatibleServer { message, .. } => {
                format!("incompatible version of the document store {server}: {message}")
            }
            ErrorKind::InvalidTlsConfig { message, .. } => {
                format!("invalid TLS options: {message}")
            }
            // What does not parse as an answer comes from something else: TLS, or another service.
            ErrorKind::InvalidResponse { .. } if !self.wants_tls => no_tls_here(server),
            other => format!("the document store {server} failed: {other}"),
        }
    }

    fn of_io(&self, server: &str, error: &io::Error) -> String {
        let text = error.to_string();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => refused(server),
            io::ErrorKind::TimedOut => no_answer(server),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => self.disconnected(server, &text),
            _ => self.of_text(server, &text),
        }
    }

    /// By what a text says: the driver keeps most causes as texts alone.
    fn of_text(&self, server: &str, text: &str) -> String {
        let says = |words: &str| text.contains(words);
        if says("UnknownIssuer") || says("self-signed") || says("CaUsedAsEndEntity") {
            format!(
                "TLS handshake failed with the document store {server}: certificate verify failed: unknown certificate authority; name a \
                 PEM file with that authority's certificate by tlsCAFile in connection.uri, or a store with it by connection.ssl.truststore"
            )
        } else if says("NotValidForName") || says("not valid for name") {
            format!(
                "TLS handshake failed with the document store {server}: certificate verify failed: hostname mismatch; connect under a name of the \
                 certificate"
            )
        } else if says("certificate expired") || says("Expired") {
            format!(
                "TLS handshake failed with the document store {server}: certificate verify failed: certificate has expired; the server needs a new one"
            )
        } else if says("fatal alert") {
            let alert = text
                .split("fatal alert: ")
                .nth(1)
                .unwrap_or("no reason given");
            format!(
                "TLS handshake failed with the document store {server}: it rejects the client certificate or requires one ({}); name a PEM file with \
                 key and certificate by tlsCertificateKeyFile in connection.uri",
                alert.split([' ', ',', '}']).next().unwrap_or(alert)
            )
        } else if says("corrupt message") || says("InvalidContentType") {
            format!(
                "TLS handshake failed with the document store {server}: it does not speak TLS; leave tls=true out of connection.uri, or check the port"
            )
        } else if says("refused") {
            refused(server)
        } else if says("lookup address") || says("DNS") || says("not known") {
            unknown_host(server)
        } else if says("timed out") || says("timeout") {
            no_answer(server)
        } else if says("eof") || says("reset by peer") || says("end of file") || says("broken pipe")
        {
            self.disconnected(server, text)
        } else {
            format!("cannot connect to the document store {server}")
        }
    }

    fn disconnected(&self, server: &str, text: &str) -> String {
        if self.wants_tls && text.contains("handshake") {
            return format!(
                "TLS handshake failed with the document store {server}: connection closed; it may not speak TLS: check tls=true in \
                 connection.uri and the port"
            );
        }
        disconnected(server)
    }
}

fn disconnected(server: &str) -> String {
    format!("disconnected from the document store {server}")
}

fn refused(server: &str) -> String {
    format!(
        "cannot connect to the document store {server}: connection refused; check that it runs, and host and port in connection.uri"
    )
}

fn no_answer(server: &str) -> String {
    format!(
        "cannot connect to the document store {server}: timed out; check host and port in connection.uri, and firewalls"
    )
}

fn unknown_host(server: &str) -> String {
    format!(
        "cannot connect to the document store {server}: unknown host; check its name in connection.uri"
    )
}

fn no_tls_here(server: &str) -> String {
    format!(
        "invalid response from the document store {server}; it may require TLS: set tls=true in \
         connection.uri, or check the port"
    )
}

fn authentication_failed(server: &str, message: &str) -> String {
    if message.contains("no such command") {
        return format!(
            "authentication failed at the document store {server}: it does not support authentication; leave user and password out of connection.uri"
        );
    }
    format!(
        "authentication failed at the document store {server} ({}); check user, password, authSource and authMechanism in \
         connection.uri",
        without_content(message)
    )
}

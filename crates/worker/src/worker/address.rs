//! Where the API listens, and the address by which others reach it.

use super::StartError;
use crate::config::{Listener, WorkerConfigError, WorkerSettings};
use crate::tls::ServerTls;
use millstream_core::Properties;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A socket that takes connections, and how it greets them.
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<ServerTls>,
    listener: Listener,
}

/// By which names others know this worker.
pub(super) struct Advertised {
    /// host:port.
    pub(super) worker_id: String,
    /// With a slash at the end.
    pub(super) url: String,
}

/// Binds the listeners; the https ones among them share what the settings of the prefix say.
pub(super) async fn bind(
    listeners: &[String],
    properties: &Properties,
    prefix: &str,
) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    let mut shared = None;
    for text in listeners {
        // The text was checked when the settings were read.
        let Ok(listener) = text.parse::<Listener>() else {
            continue;
        };
        if listener.is_secure && shared.is_none() {
            let tls = ServerTls::new(properties, prefix);
            shared = Some(tls.map_err(WorkerConfigError)?);
        }
        let socket = listener.bind().await.map_err(|source| StartError::Listen {
            listener: text.clone(),
            source,
        })?;
        bound.push(Bound {
            socket,
            tls: shared.clone().filter(|_| listener.is_secure),
            listener,
        });
    }
    Ok(bound)
}

/// Whether one of the listeners speaks TLS.
pub(super) fn is_any_secure(listeners: &[String]) -> bool {
    let mut listeners = listeners.iter().filter_map(|text| text.parse().ok());
    listeners.any(|listener: Listener| listener.is_secure)
}

pub(super) fn addresses(listeners: &[Bound]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter_map(|bound| bound.socket.local_addr().ok())
        .collect()
}

/// The first listener of the scheme that is advertised gives what is not set.
pub(super) fn advertised(settings: &WorkerSettings, listeners: &[Bound]) -> Advertised {
    let config = &settings.config;
    let scheme = config.advertised_listener.as_deref().map(str::to_lowercase);
    let scheme = scheme.unwrap_or_else(|| {
        let is_secure = listeners.iter().all(|bound| bound.listener.is_secure);
        let is_secure = is_secure && !listeners.is_empty();
        if is_secure { "https" } else { "http" }.to_owned()
    });
    let is_secure = scheme == "https";
    let of_scheme = listeners
        .iter()
        .find(|bound| bound.listener.is_secure == is_secure);
    if of_scheme.is_none() && !listeners.is_empty() {
        tracing::warn!(
            scheme,
            "rest.advertised.listener names a protocol that no listener speaks; other workers cannot reach this one"
        );
    }
    let listener = of_scheme.or(listeners.first());
    let own = listener.map(|bound| bound.listener.host.clone());
    let host = config.advertised_host.clone();
    let host = host.or_else(|| own.filter(|host| !host.is_empty()));
    let host = host.unwrap_or_else(own_host);
    let bound = listener.and_then(|bound| bound.socket.local_addr().ok());
    let bound = bound.map_or(0, |address| address.port());
    let port = config.advertised_port.map_or(i32::from(bound), |port| port);
    let worker_id = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let url = format!("{scheme}://{worker_id}/");
    Advertised { worker_id, url }
}

/// This machine's own name.
fn own_host() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    if name.is_empty() {
        return "localhost".to_owned();
    }
    name.into_owned()
}

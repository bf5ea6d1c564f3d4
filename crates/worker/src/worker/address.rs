//! Where the API listens, and the address by which others reach it.

use super::StartError;
use crate::config::{Listener, WorkerSettings};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

pub(super) async fn bind(listeners: &[String]) -> Result<Vec<TcpListener>, StartError> {
    let mut bound = Vec::new();
    for text in listeners {
        // The text was checked when the settings were read.
        let Ok(listener) = text.parse::<Listener>() else {
            continue;
        };
        let socket = open(&listener).await.map_err(|source| StartError::Listen {
            listener: text.clone(),
            source,
        })?;
        bound.push(socket);
    }
    Ok(bound)
}

async fn open(listener: &Listener) -> io::Result<TcpListener> {
    if !listener.host.is_empty() {
        return TcpListener::bind((&*listener.host, listener.port)).await;
    }
    match TcpListener::bind(("::", listener.port)).await {
        Ok(both) => Ok(both),
        // A machine without IPv6.
        Err(_) => TcpListener::bind(("0.0.0.0", listener.port)).await,
    }
}

pub(super) fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter_map(|l| l.local_addr().ok())
        .collect()
}

/// host:port by which others reach this worker.
pub(super) fn advertised(settings: &WorkerSettings, listeners: &[TcpListener]) -> String {
    let config = &settings.config;
    let first = config
        .listeners
        .first()
        .and_then(|l| l.parse::<Listener>().ok());
    let host = config.advertised_host.clone();
    let host = host.or_else(|| first.map(|l| l.host).filter(|host| !host.is_empty()));
    let host = host.unwrap_or_else(own_host);
    let bound = addresses(listeners).first().map_or(0, SocketAddr::port);
    let port = config.advertised_port.map_or(i32::from(bound), |port| port);
    if host.contains(':') {
        return format!("[{host}]:{port}");
    }
    format!("{host}:{port}")
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

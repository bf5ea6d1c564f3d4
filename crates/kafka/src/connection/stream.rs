//! The byte stream under a connection: plain TCP, or what security wraps around it.

use crate::config::ClientConfig;
use crate::error::KafkaError;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Opens the stream within the connection setup timeout.
pub(crate) async fn open(
    address: &Address,
    config: &ClientConfig,
) -> Result<Box<dyn Stream>, KafkaError> {
    let limit = config.setup_timeout();
    let connected = tokio::time::timeout(
        limit,
        TcpStream::connect((address.host.as_str(), address.port)),
    )
    .await
    .unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {} ms", limit.as_millis()),
        ))
    });
    let stream = connected
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| KafkaError::Connect {
            broker: address.to_string(),
            source,
        })?;
    Ok(Box::new(stream))
}

//! The byte stream under a connection: plain TCP, or what security wraps around it.

use crate::address::Address;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::security;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens the stream, secured as the settings say, within the connection setup timeout.
pub(crate) async fn open(
    address: &Address,
    settings: &ClientSettings,
) -> Result<Box<dyn Stream>, KafkaError> {
    let limit = settings.setup_timeout();
    let opened = tokio::time::timeout(limit, secured(address, settings)).await;
    let failed = match opened {
        Ok(Ok(stream)) => return Ok(stream),
        // What a broker without TLS does; one that is being stopped does it, too.
        Ok(Err(error))
            if error.kind() == io::ErrorKind::UnexpectedEof && settings.security.tls.is_some() =>
        {
            io::Error::new(
                error.kind(),
                "TLS handshake failed: the broker closed the connection; it may not speak TLS: check security.protocol and the port",
            )
        }
        Ok(Err(error)) => error,
        Err(_) => io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "connection timed out after {} ms (socket.connection.setup.timeout.ms)",
                limit.as_millis()
            ),
        ),
    };
    Err(
        match security::explain_tls(&failed, security::TLS_SETTINGS) {
            Some(why) => KafkaError::Tls {
                broker: address.to_string(),
                why,
            },
            None => KafkaError::Connect {
                broker: address.to_string(),
                source: failed,
            },
        },
    )
}

async fn secured(address: &Address, settings: &ClientSettings) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    Ok(match &settings.security.tls {
        Some(tls) => Box::new(tls.connect(&address.host, stream).await?),
        None => Box::new(stream),
    })
}

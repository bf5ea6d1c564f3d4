//! Frames: four bytes of length, then a message.

use crate::limits::MAX_FRAME;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use millstream_wire::Shaped;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads the length of the next frame.
pub(super) async fn size(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let size = reader.read_i32().await?;
    usize::try_from(size)
        .ok()
        .filter(|&size| size <= MAX_FRAME)
        .ok_or_else(|| invalid_size(size))
}

/// Reads what comes behind the length. Each frame has a buffer of its own, because records stay in it.
pub(super) async fn body(reader: &mut (impl AsyncRead + Unpin), size: usize) -> io::Result<Bytes> {
    // Beyond an ordinary size it is only believed in steps; memory that nothing was written to costs nothing.
    let mut frame = BytesMut::with_capacity(size.min(64 << 20));
    let mut limited = reader.take(size as u64);
    while frame.len() < size {
        if frame.len() == frame.capacity() {
            frame.reserve((size - frame.len()).min(frame.len()));
        }
        if limited.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

/// What a length that no broker sends says about who answers.
fn invalid_size(size: i32) -> io::Error {
    let why = match size.to_be_bytes() {
        [0x15 | 0x16, 3, ..] => {
            "the listener speaks TLS; check security.protocol and the port".to_owned()
        }
        [b'H', b'T', b'T', b'P'] => {
            "the listener speaks HTTP, not Kafka's protocol; check the port".to_owned()
        }
        _ => format!("invalid frame size {size}; is this a Kafka broker, and the right port?"),
    };
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A request as bytes, with its length and header.
pub(super) fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
) -> Result<BytesMut, Box<dyn std::error::Error + Send + Sync>> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()));
    let header_version = R::header_version(version);
    let size = header.compute_size(header_version)? + request.compute_size(version)?;
    let mut frame = BytesMut::with_capacity(4 + size);
    frame.extend_from_slice(&[0; 4]);
    header.encode(&mut frame, header_version)?;
    request.encode(&mut frame, version)?;
    let length = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// The body of a response, its header taken off.
pub(super) fn decode<R: Request<Response: Shaped>>(
    mut frame: Bytes,
    version: i16,
) -> Result<R::Response, Box<dyn std::error::Error + Send + Sync>> {
    ResponseHeader::decode(&mut frame, R::Response::header_version(version))?;
    Ok(millstream_wire::decode(&mut frame, version)?)
}

/// The correlation id that every response begins with.
pub(super) fn correlation_id(frame: &Bytes) -> io::Result<i32> {
    frame
        .first_chunk::<4>()
        .map(|id| i32::from_be_bytes(*id))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a frame without a correlation id",
            )
        })
}

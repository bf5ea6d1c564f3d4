//! A request to the worker's REST API, as any client would make it.

use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// More than any answer of the worker to the demo.
const MAX_ANSWER: usize = 1 << 20;

/// Sends a request with a JSON body; gives status and text.
pub(crate) async fn send(
    method: &str,
    address: SocketAddr,
    path: &str,
    body: String,
) -> Result<(StatusCode, String), Box<dyn Error + Send + Sync>> {
    let socket = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = http1::handshake(socket).await?;
    // Ends with the exchange: the connection closes when the sender is dropped.
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body)))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER)
        .collect()
        .await?
        .to_bytes();
    drop(sender);
    connection.await??;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

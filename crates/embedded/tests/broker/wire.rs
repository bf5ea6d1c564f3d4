//! A client of a few lines, so that the broker's tests see exactly the bytes they ask for.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
        }
    }

    /// The answer, or `None` when the broker closes the connection instead.
    pub(crate) async fn try_call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Option<R::Response> {
        self.send(version, request).await;
        let mut answer = self.read().await?;
        let header =
            ResponseHeader::decode(&mut answer, R::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, 7);
        let response = R::Response::decode(&mut answer, version).unwrap();
        assert!(
            answer.is_empty(),
            "{} bytes left after an answer of version {version}",
            answer.len()
        );
        Some(response)
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        self.try_call(version, request)
            .await
            .unwrap_or_else(|| panic!("closed on {key:?} {version}"))
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut out = BytesMut::new();
        header.encode(&mut out, R::header_version(version)).unwrap();
        request.encode(&mut out, version).unwrap();
        let mut frame = BytesMut::new();
        frame.put_i32(out.len() as i32);
        frame.put_slice(&out);
        // A connection that was just cut shows when the answer is read.
        let _ = self.stream.write_all(&frame).await;
    }

    pub(crate) async fn read(&mut self) -> Option<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).await.ok()?;
        let mut answer = vec![0; (&size[..]).get_i32() as usize];
        self.stream.read_exact(&mut answer).await.ok()?;
        Some(answer.into())
    }
}

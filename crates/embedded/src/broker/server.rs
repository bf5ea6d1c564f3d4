//! The socket side: accepts connections, cuts frames, writes answers. Requests of one connection are served one after the other,
//! as Kafka does.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::call::{Outcome, serve};
use super::sasl::SignIn;

/// Kafka's default of `socket.request.max.bytes`.
const MAX_FRAME: usize = 100 * 1024 * 1024;

/// Accepts connections for `node` until `stop`.
pub(crate) async fn accept(
    broker: Arc<Shared>,
    node: i32,
    listener: TcpListener,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (broker, stop) = (broker.clone(), stop.clone());
                tracker.spawn(async move {
                    tokio::select! {
                        ended = connection(&broker, node, stream, peer) => {
                            if let Err(error) = ended {
                                tracing::debug!(%peer, %error, "a connection to the embedded broker ended");
                            }
                        }
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "the embedded broker cannot accept a connection"),
        }
    }
}

async fn connection(
    broker: &Shared,
    node: i32,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let host = format!("/{}", peer.ip());
    let waiter = Arc::new(Notify::new());
    let mut sign_in = SignIn::default();
    let mut input = BytesMut::with_capacity(16 * 1024);
    while let Some(frame) = read_frame(&mut stream, &mut input).await? {
        match serve(broker, node, &host, &waiter, &mut sign_in, frame).await {
            Outcome::Silence => {}
            Outcome::Close => return Ok(()),
            Outcome::Answer(pieces) => stream.write_all_buf(&mut Answer(pieces.into())).await?,
            Outcome::LastAnswer(pieces) => {
                return stream.write_all_buf(&mut Answer(pieces.into())).await;
            }
        }
    }
    Ok(())
}

/// The next request without its length, or `None` at the end.
async fn read_frame(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let mut wanted = 4;
    loop {
        if input.len() >= 4 {
            let size = (&input[..4]).get_i32();
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_FRAME);
            wanted = 4 + size.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a request of an impossible size",
                )
            })?;
            if input.len() >= wanted {
                input.advance(4);
                return Ok(Some(input.split_to(wanted - 4).freeze()));
            }
        }
        // A size is believed in steps: whoever claims much has to send much.
        input.reserve((wanted - input.len()).clamp(4 * 1024, 1024 * 1024));
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

/// The pieces of an answer as one buffer, so that a write hands many of them to the kernel without copying them together.
struct Answer(VecDeque<Bytes>);

impl Buf for Answer {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0
            .iter()
            .find(|piece| !piece.is_empty())
            .map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in slices
            .iter_mut()
            .zip(self.0.iter().filter(|piece| !piece.is_empty()))
        {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut n: usize) {
        while let Some(front) = self.0.front_mut() {
            if n < front.len() {
                front.advance(n);
                return;
            }
            n -= front.len();
            self.0.pop_front();
        }
    }
}

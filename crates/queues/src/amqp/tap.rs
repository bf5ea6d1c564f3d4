//! What a broker sends, looked at on its way to the library, for two things that the library gets wrong or keeps to itself.
//!
//! - It takes over the delivery count of a sender's `flow` at once, and then counts what waits to be read a second time: its
//!   next credit is too large, and it ends the link when that is used. A reader needs nothing that such a frame says.
//! - It shows nobody the dispositions by which a broker takes messages back.

use crate::net::Stream;
use bytes::{Buf, BytesMut};
use fe2o3_amqp::types::definitions::Role;
use fe2o3_amqp::types::performatives::{Disposition, Flow};
use serde_amqp::from_slice;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// How much is read at a time.
const READ: usize = 16 << 10;

/// Protocol headers begin with it; as the size of a frame it would be more than a gigabyte.
const PROTOCOL: &[u8] = b"AMQP";

const PROTOCOL_HEADER: usize = 8;

/// The bytes of a frame up to its performative's code: size, offset, type, channel, and a described small number.
const HEAD: usize = 11;

/// The codes of the performatives that are looked at.
const FLOW: u8 = 0x13;
const DISPOSITION: u8 = 0x15;

/// Neither has that many bytes; what is larger is passed on unseen.
const LARGEST: usize = 4 << 10;

/// Whether the broker has taken messages back.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    is_set: AtomicBool,
    changed: Notify,
}

impl TakenBack {
    fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Until it has. Cancel safe.
    pub(super) async fn happens(&self) {
        while !self.is_set() {
            self.changed.notified().await;
        }
        // For who waits next.
        self.changed.notify_one();
    }
}

/// A connection whose incoming frames are looked at.
#[derive(Debug)]
pub(super) struct Tap {
    stream: Stream,
    frames: Frames,
    /// What is read goes here first; kept, so that it is cleared once.
    chunk: Box<[u8]>,
    taken_back: Arc<TakenBack>,
}

impl Tap {
    pub(super) fn new(stream: Stream, taken_back: Arc<TakenBack>) -> Self {
        Tap {
            stream,
            frames: Frames::default(),
            chunk: vec![0; READ].into(),
            taken_back,
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        loop {
            if tap.frames.pass(out, &tap.taken_back) || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = ReadBuf::new(&mut tap.chunk);
            ready!(Pin::new(&mut tap.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                // The end; half a frame is no frame.
                return Poll::Ready(Ok(()));
            }
            tap.frames.bytes.extend_from_slice(chunk.filled());
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Bytes that came, and how many of them go on whatever they are.
#[derive(Debug, Default)]
struct Frames {
    bytes: BytesMut,
    passing: usize,
}

impl Frames {
    /// Passes on what may go on; whether that was anything.
    fn pass(&mut self, out: &mut ReadBuf<'_>, taken_back: &TakenBack) -> bool {
        let before = out.filled().len();
        while out.remaining() > 0 {
            let ready = self.passing.min(self.bytes.len()).min(out.remaining());
            if ready > 0 {
                out.put_slice(&self.bytes[..ready]);
                self.bytes.advance(ready);
                self.passing -= ready;
            } else if self.passing > 0 || !self.look(taken_back) {
                break;
            }
        }
        out.filled().len() > before
    }

    /// Decides about the next frame; `false` if there is not enough of it.
    fn look(&mut self, taken_back: &TakenBack) -> bool {
        let Some(start) = self.bytes.first_chunk::<4>() else {
            return false;
        };
        if start == PROTOCOL {
            self.passing = PROTOCOL_HEADER;
            return true;
        }
        let size = usize::try_from(u32::from_be_bytes(*start)).unwrap_or(usize::MAX);
        if !(HEAD..=LARGEST).contains(&size) {
            // Heartbeats are smaller. What is no frame is for the library to find out.
            self.passing = size.max(PROTOCOL_HEADER);
            return true;
        }
        if self.bytes.len() < HEAD {
            return false;
        }
        let body = usize::from(self.bytes[4]) * 4;
        let is_amqp = self.bytes[5] == 0;
        let is_looked_at = is_amqp
            && body == HEAD - 3
            && matches!(self.bytes[8..HEAD], [0, 0x53, FLOW | DISPOSITION]);
        if !is_looked_at {
            self.passing = size;
            return true;
        }
        if self.bytes.len() < size {
            return false;
        }
        let content = &self.bytes[body..size];
        if self.bytes[HEAD - 1] == DISPOSITION {
            // Of the sender's role: it says what has become of what it sent.
            if from_slice::<Disposition>(content).is_ok_and(|said| said.role == Role::Sender) {
                taken_back.set();
            }
            self.passing = size;
        } else if from_slice::<Flow>(content).is_ok_and(|flow| flow.handle.is_some()) {
            self.bytes.advance(size);
        } else {
            self.passing = size;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::definitions::Handle;
    use proptest::prelude::*;
    use serde_amqp::to_vec;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &[2, kind, 0, 0], content].concat()
    }

    fn flow(handle: Option<u32>) -> Vec<u8> {
        let flow = Flow {
            next_incoming_id: Some(1),
            incoming_window: 5,
            next_outgoing_id: 7,
            outgoing_window: 5,
            handle: handle.map(Handle),
            delivery_count: handle.map(|_| 9),
            link_credit: handle.map(|_| 3),
            available: None,
            drain: false,
            echo: false,
            properties: None,
        };
        frame(0, &to_vec(&flow).unwrap())
    }

    fn disposition(role: Role) -> Vec<u8> {
        let disposition = Disposition {
            role,
            first: 1,
            last: Some(4),
            settled: true,
            state: None,
            batchable: false,
        };
        frame(0, &to_vec(&disposition).unwrap())
    }

    /// What comes out of what came in, in pieces of these sizes.
    fn passed(bytes: &[u8], pieces: &[usize]) -> (Vec<u8>, bool) {
        let taken_back = TakenBack::default();
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        let mut rest = bytes;
        let mut sizes = pieces.iter().copied().cycle();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            frames.bytes.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            let mut room = [0; 7];
            loop {
                let mut out = ReadBuf::new(&mut room);
                if !frames.pass(&mut out, &taken_back) {
                    break;
                }
                all.extend_from_slice(out.filled());
            }
        }
        (all, taken_back.is_set())
    }

    #[test]
    fn flows_of_links_are_left_out_and_dispositions_told_of() {
        let heartbeat = frame(0, &[]);
        let large = frame(0, &vec![7; LARGEST * 2]);
        let kept = [
            b"AMQP\x03\x01\x00\x00".to_vec(),
            frame(1, &[0, 0x53, FLOW, 0x45]),
            heartbeat,
            flow(None),
            large,
        ]
        .concat();
        let came = [
            kept.clone(),
            flow(Some(0)),
            disposition(Role::Receiver),
            flow(Some(3)),
        ]
        .concat();
        let expected = [kept, disposition(Role::Receiver)].concat();
        for pieces in [&[1][..], &[3, 50], &[100_000]] {
            assert_eq!(
                passed(&came, pieces),
                (expected.clone(), false),
                "{pieces:?}"
            );
        }
        let (all, is_taken_back) = passed(&disposition(Role::Sender), &[5]);
        assert!(is_taken_back);
        assert_eq!(all, disposition(Role::Sender));
    }

    #[tokio::test]
    async fn who_waits_hears_of_it_however_often_it_waits() {
        let taken_back = Arc::new(TakenBack::default());
        let (ours, mut theirs) = duplex(1 << 10);
        let mut tap = Tap::new(Box::new(ours), Arc::clone(&taken_back));
        theirs.write_all(&flow(Some(1))).await.unwrap();
        theirs.write_all(&disposition(Role::Sender)).await.unwrap();
        drop(theirs);
        let mut read = Vec::new();
        tap.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, disposition(Role::Sender));
        taken_back.happens().await;
        taken_back.happens().await;
    }

    proptest! {
        #[test]
        fn other_bytes_pass_as_they_are(
            parts in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 0..60)), 0..20),
            pieces in proptest::collection::vec(1usize..90, 1..5),
        ) {
            let frames = parts.iter().map(|(kind, content)| match kind {
                // Transfers, and frames of the sign-in.
                0 => frame(0, &[&[0, 0x53, 0x14], &content[..]].concat()),
                1 => frame(1, content),
                _ => flow(None),
            });
            let bytes = frames.collect::<Vec<_>>().concat();
            prop_assert_eq!(passed(&bytes, &pieces), (bytes, false));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (all, _) = passed(&bytes, &[64]);
            prop_assert!(all.len() <= bytes.len());
        }
    }
}

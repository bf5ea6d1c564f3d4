//! What a broker sends, looked at on its way to the library, for three things that the library gets wrong or keeps to itself.
//!
//! - It takes over the delivery count of a sender's `flow` at once, and then counts what waits to be read a second time: its
//!   next credit is too large, and it ends the link when that is used. A reader needs nothing that such a frame says.
//! - It shows nobody the dispositions by which a broker takes messages back.
//! - It misreads some values (`encoding`): what transfers carry is taken out, and goes to the link as it is; what other frames
//!   say is mended.

use super::encoding::mended;
use super::transfers::{Contents, TRANSFER, Transfer};
use crate::net::Stream;
use bytes::{Buf, Bytes, BytesMut};
use fe2o3_amqp::connection::DEFAULT_MAX_FRAME_SIZE;
use fe2o3_amqp::types::definitions::Role;
use fe2o3_amqp::types::performatives::{Disposition, Flow};
use serde_amqp::from_slice;
use std::borrow::Cow;
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

/// Where the performative begins, as no frame has more before it.
const BODY: usize = 8;

/// The codes of performatives of which something is wanted, beside that of transfers.
const FLOW: u8 = 0x13;
const DISPOSITION: u8 = 0x15;

/// None but transfers have that many bytes; what is larger is passed on unseen.
const LARGEST: usize = 4 << 10;

/// What the library allows a broker to send, and refuses beyond.
const LARGEST_TRANSFER: usize = DEFAULT_MAX_FRAME_SIZE as usize;

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
    pub(super) fn new(stream: Stream, taken_back: Arc<TakenBack>, contents: Contents) -> Self {
        Tap {
            stream,
            frames: Frames::new(contents),
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
            if tap.frames.pass(out, &tap.taken_back)? || out.remaining() == 0 {
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
#[derive(Debug)]
struct Frames {
    bytes: BytesMut,
    passing: usize,
    /// A frame that was written anew, which goes on before all that.
    written: Bytes,
    contents: Contents,
}

impl Frames {
    fn new(contents: Contents) -> Self {
        Frames {
            bytes: BytesMut::new(),
            passing: 0,
            written: Bytes::new(),
            contents,
        }
    }

    /// Passes on what may go on; whether that was anything.
    fn pass(&mut self, out: &mut ReadBuf<'_>, taken_back: &TakenBack) -> io::Result<bool> {
        let before = out.filled().len();
        while out.remaining() > 0 {
            if self.written.has_remaining() {
                let ready = self.written.len().min(out.remaining());
                out.put_slice(&self.written.split_to(ready));
                continue;
            }
            let ready = self.passing.min(self.bytes.len()).min(out.remaining());
            if ready > 0 {
                out.put_slice(&self.bytes[..ready]);
                self.bytes.advance(ready);
                self.passing -= ready;
            } else if self.passing > 0 || !self.look(taken_back)? {
                break;
            }
        }
        Ok(out.filled().len() > before)
    }

    /// Decides about the next frame; `false` if there is not enough of it.
    fn look(&mut self, taken_back: &TakenBack) -> io::Result<bool> {
        let Some(start) = self.bytes.first_chunk::<4>() else {
            return Ok(false);
        };
        if start == PROTOCOL {
            self.passing = PROTOCOL_HEADER;
            return Ok(true);
        }
        let size = usize::try_from(u32::from_be_bytes(*start)).unwrap_or(usize::MAX);
        if !(HEAD..=LARGEST_TRANSFER).contains(&size) {
            // Heartbeats are smaller. What is no frame is for the library to find out.
            self.passing = size.max(PROTOCOL_HEADER);
            return Ok(true);
        }
        if self.bytes.len() < HEAD {
            return Ok(false);
        }
        let is_amqp = self.bytes[4..6] == [(BODY / 4) as u8, 0];
        let performative = match self.bytes[BODY..HEAD] {
            [0, 0x53, code] if is_amqp => Some(code),
            _ => None,
        };
        let largest = match performative {
            Some(TRANSFER) => LARGEST_TRANSFER,
            Some(_) => LARGEST,
            None => 0,
        };
        if size > largest {
            self.passing = size;
            return Ok(true);
        }
        if self.bytes.len() < size {
            return Ok(false);
        }
        if performative == Some(TRANSFER) {
            return self.take_content(size).map(|()| true);
        }
        let content = &self.bytes[BODY..size];
        // The library says what is wrong with others.
        let content = mended(content).map_or(Cow::Borrowed(content), |mended| mended.bytes);
        if performative == Some(FLOW)
            && from_slice::<Flow>(&content).is_ok_and(|flow| flow.handle.is_some())
        {
            self.bytes.advance(size);
            return Ok(true);
        }
        // Of the sender's role: it says what has become of what it sent.
        if performative == Some(DISPOSITION)
            && from_slice::<Disposition>(&content).is_ok_and(|said| said.role == Role::Sender)
        {
            taken_back.set();
        }
        match content {
            Cow::Borrowed(_) => self.passing = size,
            Cow::Owned(content) => {
                let mut frame = self.bytes.split_to(size);
                frame.truncate(BODY);
                frame.extend_from_slice(&content);
                self.written = sized(frame);
            }
        }
        Ok(true)
    }

    /// Of the first frame, a transfer of this size.
    fn take_content(&mut self, size: usize) -> io::Result<()> {
        let Ok((transfer, carried)) = Transfer::read(&self.bytes[BODY..size]) else {
            // The library says what is wrong with it.
            self.passing = size;
            return Ok(());
        };
        let rest = size - carried.len();
        let mut frame = self.bytes.split_to(size);
        let carried = frame.split_off(rest).freeze();
        self.written = sized(frame);
        self.contents.take(&transfer, carried)
    }
}

/// A frame that was changed, with its size in its first bytes.
fn sized(mut frame: BytesMut) -> Bytes {
    let size = frame.len() as u32;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::tests::frame;
    use crate::amqp::transfers::Content;
    use fe2o3_amqp::types::definitions::Handle;
    use proptest::prelude::*;
    use serde_amqp::to_vec;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

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
        let (contents, _) = Contents::new(1);
        let (mut frames, mut all) = (Frames::new(contents), Vec::new());
        let mut rest = bytes;
        let mut sizes = pieces.iter().copied().cycle();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            frames.bytes.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            let mut room = [0; 7];
            loop {
                let mut out = ReadBuf::new(&mut room);
                if !frames.pass(&mut out, &taken_back).unwrap() {
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
        let larger = frame(
            0,
            &[&[0, 0x53, TRANSFER][..], &[7; LARGEST_TRANSFER]].concat(),
        );
        let kept = [
            b"AMQP\x03\x01\x00\x00".to_vec(),
            frame(1, &[0, 0x53, FLOW, 0x45]),
            heartbeat,
            flow(None),
            large,
            larger,
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
    async fn what_transfers_carry_goes_another_way() {
        // Of deliveries 3, in two transfers, and 4.
        let head = |number: u8, more: u8| {
            let fields = [0x43, 0x52, number, 0xA0, 1, 9, 0x43, 0x42, more];
            [&[0, 0x53, TRANSFER, 0xC0, 10, 6][..], &fields].concat()
        };
        let large = vec![5; LARGEST * 3];
        let came = [
            frame(0, &[&head(3, 0x41)[..], &large].concat()),
            frame(0, &[&head(3, 0x42)[..], b"end"].concat()),
            frame(0, &[&head(4, 0x42)[..], b"whole"].concat()),
            flow(None),
        ];
        let (ours, mut theirs) = duplex(1 << 10);
        let (contents, mut whole) = Contents::new(2);
        let mut tap = Tap::new(Box::new(ours), Arc::default(), contents);
        let mut read = Vec::new();
        let sent = async {
            theirs.write_all(&came.concat()).await.unwrap();
            drop(theirs);
        };
        let (all, ()) = tokio::join!(tap.read_to_end(&mut read), sent);
        all.unwrap();
        let empty = [head(3, 0x41), head(3, 0x42), head(4, 0x42)].map(|head| frame(0, &head));
        assert_eq!(read, [empty.concat(), flow(None)].concat());
        for (number, sections) in [(3, [&large[..], b"end"].concat()), (4, b"whole".to_vec())] {
            let sections = Bytes::from(sections);
            assert_eq!(whole.recv().await, Some(Content { number, sections }));
        }
        // One more than there is room for.
        let (contents, _unread) = Contents::new(1);
        let (mut frames, taken_back) = (Frames::new(contents), TakenBack::default());
        frames.bytes.extend_from_slice(&came[2].repeat(2));
        let mut room = [0; 100];
        let mut out = ReadBuf::new(&mut room);
        assert!(frames.pass(&mut out, &taken_back).is_err());
    }

    #[tokio::test]
    async fn who_waits_hears_of_it_however_often_it_waits() {
        let taken_back = Arc::new(TakenBack::default());
        let (ours, mut theirs) = duplex(1 << 10);
        let (contents, _) = Contents::new(1);
        let mut tap = Tap::new(Box::new(ours), Arc::clone(&taken_back), contents);
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
                // Detaches, and frames of the sign-in.
                0 => frame(0, &[&[0, 0x53, 0x16], &content[..]].concat()),
                1 => frame(1, &[&[0, 0x53, TRANSFER], &content[..]].concat()),
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

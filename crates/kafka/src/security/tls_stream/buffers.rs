//! What lies between a TLS session and its socket: records that came and are not whole or not wanted yet, and records on their way out.

use rustls::unbuffered::{EncodeError, EncryptError};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at a time where little is waited for: a heartbeat's answer, or whatever comes next.
const LEAST_READ: usize = 4 * 1024;

/// Read at a time where much is waited for: four records of the largest size.
const MOST_READ: usize = 64 * 1024;

/// A server's names of the authorities that it takes clients of have to be there at once, and are one message of up to this size.
const LARGEST: usize = 128 * 1024;

/// Kept when all of it is sent.
const KEPT: usize = 4 * 1024;

/// Records as they came.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Incoming {
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Forgets the first of them.
    pub(super) fn discard(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Reads once from the socket, for someone who waits for `wanted` bytes; 0 is the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut (impl AsyncRead + Unpin),
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        self.make_room(wanted.max(LEAST_READ))?;
        let mut room = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(Pin::new(socket).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Room for so many bytes, as far as that is reasonable. A connection on which little is waited for holds little.
    fn make_room(&mut self, wanted: usize) -> io::Result<()> {
        if self.end == 0 && wanted == LEAST_READ && self.bytes.len() > LEAST_READ {
            self.bytes = Vec::new();
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end >= LARGEST {
            let why = "a TLS message is too large";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let size = (self.end + wanted)
            .min(MOST_READ)
            .max(self.end + LEAST_READ);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Why a record is not written.
pub(super) enum Refused {
    /// There has to be room for so many bytes.
    Needs(usize),
    Because(io::Error),
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(size) => Refused::Needs(size.required_size),
            error @ EncodeError::AlreadyEncoded => Refused::Because(io::Error::other(error)),
        }
    }
}

impl From<EncryptError> for Refused {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(size) => Refused::Needs(size.required_size),
            error @ EncryptError::EncryptExhausted => Refused::Because(io::Error::other(error)),
        }
    }
}

/// Records that the socket has not taken yet.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Appends what `write` writes, which is given room for `size` bytes, and once more where it needs another size.
    pub(super) fn put(
        &mut self,
        size: usize,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
    ) -> io::Result<()> {
        let start = self.bytes.len();
        let mut put = |size| {
            self.bytes.resize(start + size, 0);
            write(&mut self.bytes[start..])
        };
        let written = match put(size) {
            Err(Refused::Needs(size)) => put(size),
            written => written,
        };
        self.bytes
            .truncate(start + written.as_ref().map_or(0, |written| *written));
        match written {
            Ok(_) => Ok(()),
            Err(Refused::Needs(_)) => Err(io::Error::other("a TLS record grows with its room")),
            Err(Refused::Because(error)) => Err(error),
        }
    }

    /// Ready when the socket has taken everything.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let rest = &self.bytes[self.sent..];
            match ready!(Pin::new(&mut *socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.sent = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        Poll::Ready(Ok(()))
    }
}

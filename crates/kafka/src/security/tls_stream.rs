//! A TLS connection as a stream of bytes. What comes is taken from the socket in pieces as large as whoever reads has room for, and goes from
//! where it is decrypted to where it is wanted. `tokio_rustls` reads 4 kB at a time and moves what it has after each record.

mod buffers;

use buffers::{Incoming, Outgoing, Refused};
use rustls::ClientConfig;
use rustls::client::ClientConnectionData;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus, WriteTraffic};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes encrypted at a time: four records.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// What their records add to so many, at least in the usual suites.
const ADDED: usize = 5 * 32;

/// A client's end of a connection over which the handshake is done. Whoever reads also sends what waits, so reading and writing
/// belong to one task: a second one would not be woken.
pub struct TlsStream<S> {
    socket: S,
    session: UnbufferedClientConnection,
    incoming: Incoming,
    /// Decrypted, and not yet asked for: at most what `incoming` held.
    plain: Vec<u8>,
    outgoing: Outgoing,
    /// The server has said that nothing more comes.
    is_over: bool,
    has_said_goodbye: bool,
}

/// What a session does with what has come so far.
enum Step {
    /// Something; there may be more.
    Went,
    /// It needs more from the server before its first application data.
    Blocked,
    /// Application data may be written, and nothing is left to be read.
    Open,
    /// The server has said that nothing more comes.
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// The handshake.
    ///
    /// # Errors
    /// The socket's; a `rustls::Error` within `InvalidData`; `UnexpectedEof` where the server closes before it is done.
    pub(super) async fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: S,
    ) -> io::Result<Self> {
        let session = UnbufferedClientConnection::new(config, name).map_err(of_tls)?;
        let mut stream = TlsStream {
            socket,
            session,
            incoming: Incoming::default(),
            plain: Vec::new(),
            outgoing: Outgoing::default(),
            is_over: false,
            has_said_goodbye: false,
        };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.step(cx, &mut ReadBuf::new(&mut []))? {
                Step::Went => {}
                Step::Over => return Poll::Ready(Err(ended("tls handshake eof"))),
                Step::Open => return self.outgoing.poll_drain(cx, &mut self.socket),
                Step::Blocked => {
                    self.send_what_fits(cx)?;
                    if ready!(self.incoming.poll_fill(cx, &mut self.socket, 0))? == 0 {
                        return Poll::Ready(Err(ended("tls handshake eof")));
                    }
                }
            }
        }
    }

    /// Lets the session do one thing with what has come; application data go to `into`, and what it has no room for is kept.
    fn step(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> io::Result<Step> {
        let stepped = self.advance(into);
        if stepped.is_err() {
            self.tell(cx);
        }
        stepped
    }

    fn advance(&mut self, into: &mut ReadBuf<'_>) -> io::Result<Step> {
        let UnbufferedStatus { mut discard, state } =
            self.session.process_tls_records(self.incoming.bytes());
        let step = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        let fits = record.payload.len().min(into.remaining());
                        into.put_slice(&record.payload[..fits]);
                        self.plain.extend_from_slice(&record.payload[fits..]);
                    }
                    Some(Err(error)) => break Err(of_tls(error)),
                    None => break Ok(Step::Went),
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let put = |room: &mut [u8]| data.encode(room).map_err(Refused::from);
                self.outgoing.put(0, put).map(|()| Step::Went)
            }
            // It lies in `outgoing`, before all that is written from now on.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Step::Went)
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                self.is_over = true;
                Ok(Step::Over)
            }
            Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Open),
            Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
            Ok(other) => Err(io::Error::other(format!("TLS: unexpected {other:?}"))),
            Err(error) => Err(of_tls(error)),
        };
        self.incoming.discard(discard);
        step
    }

    /// Sends what the socket takes at once. Reading does not wait for the rest: the server may take nothing before it is read.
    fn send_what_fits(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.outgoing.poll_drain(cx, &mut self.socket) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Sends the alert that tells the server of an error, as far as the socket takes it at once.
    fn tell(&mut self, cx: &mut Context<'_>) {
        loop {
            match self
                .session
                .process_tls_records(self.incoming.bytes())
                .state
            {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let put = |room: &mut [u8]| data.encode(room).map_err(Refused::from);
                    if self.outgoing.put(0, put).is_err() {
                        return;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
        let _ = self.send_what_fits(cx);
    }

    /// Appends to `outgoing` what `write` makes of the session, once that takes something.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        mut write: impl FnMut(&mut Writing<'_>, &mut [u8]) -> Result<usize, Refused>,
    ) -> io::Result<()> {
        // What has come goes first, to be read later.
        while matches!(self.step(cx, &mut ReadBuf::new(&mut []))?, Step::Went) {}
        match self
            .session
            .process_tls_records(self.incoming.bytes())
            .state
        {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                self.outgoing.put(size, |room| write(&mut traffic, room))
            }
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(of_tls(error)),
        }
    }
}

type Writing<'c> = WriteTraffic<'c, ClientConnectionData>;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let had = into.filled().len();
        let kept = this.plain.len().min(into.remaining());
        into.put_slice(&this.plain[..kept]);
        this.plain.drain(..kept);
        if this.plain.is_empty() {
            this.plain = Vec::new();
        }
        while into.remaining() > 0 && !this.is_over {
            match this.step(cx, into)? {
                Step::Went | Step::Over => {}
                Step::Blocked | Step::Open => {
                    this.send_what_fits(cx)?;
                    let wanted = into.remaining();
                    match this.incoming.poll_fill(cx, &mut this.socket, wanted)? {
                        Poll::Ready(0) if into.filled().len() == had => {
                            return Poll::Ready(Err(ended(
                                "peer closed connection without sending TLS close_notify",
                            )));
                        }
                        Poll::Ready(0) => break,
                        Poll::Ready(_) => {}
                        Poll::Pending if into.filled().len() == had => return Poll::Pending,
                        Poll::Pending => break,
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.outgoing.poll_drain(cx, &mut this.socket))?;
        let bytes = &bytes[..bytes.len().min(WRITTEN_AT_ONCE)];
        this.write(cx, bytes.len() + ADDED, |traffic, room| {
            traffic.encrypt(bytes, room).map_err(Refused::from)
        })?;
        this.send_what_fits(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.outgoing.poll_drain(cx, &mut this.socket))?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.has_said_goodbye {
            this.has_said_goodbye = true;
            this.write(cx, ADDED, |traffic, room| {
                traffic.queue_close_notify(room).map_err(Refused::from)
            })?;
        }
        ready!(this.outgoing.poll_drain(cx, &mut this.socket))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

fn of_tls(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn ended(how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, how)
}

#[cfg(test)]
mod tests;

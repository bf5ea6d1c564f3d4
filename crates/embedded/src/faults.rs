//! A TCP proxy that misbehaves on demand, for any of the servers here: slow, deaf, refusing, or cutting connections in the
//! middle of a message. It knows no protocol; faults by request are `broker::ApiFaults`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One read of a proxied connection; larger messages pass in several.
const CHUNK: usize = 64 * 1024;

/// How a proxy treats its connections. The newest setting counts for open connections too.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// Every chunk in either direction waits this long.
    pub delay: Duration,
    /// New connections are closed at once.
    pub refuse: bool,
    /// Nothing passes any more, and nobody is told.
    pub stall: bool,
    /// A connection is cut after this many bytes from the client.
    pub cut_requests_after: Option<u64>,
    /// A connection is cut after this many bytes from the server.
    pub cut_answers_after: Option<u64>,
}

impl Faults {
    /// New connections are closed at once; open ones go on.
    pub fn refusing() -> Self {
        Faults {
            refuse: true,
            ..Faults::default()
        }
    }

    /// A server that has stopped: nothing passes, and nobody is told.
    pub fn stalling() -> Self {
        Faults {
            stall: true,
            ..Faults::default()
        }
    }

    /// Every connection is cut in the middle of the first answer.
    pub fn cutting_answers() -> Self {
        Faults {
            cut_answers_after: Some(10),
            ..Faults::default()
        }
    }
}

#[derive(Debug)]
struct State {
    faults: Faults,
    /// Cancelled to drop the connections of now; replaced by a fresh one for those to come.
    connections: CancellationToken,
    accepted: u64,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    changed: Arc<tokio::sync::watch::Sender<()>>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl FaultProxy {
    /// Listens on a free loopback port and passes everything to `upstream`.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), upstream).await
    }

    /// Listens on `address`.
    pub async fn listen(address: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let stop = CancellationToken::new();
        let state = State {
            faults: Faults::default(),
            connections: stop.child_token(),
            accepted: 0,
        };
        let proxy = Self {
            address: listener.local_addr()?,
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(tokio::sync::watch::Sender::new(())),
            stop: stop.clone(),
            tracker: TaskTracker::new(),
        };
        let link = Link {
            state: proxy.state.clone(),
            changed: proxy.changed.clone(),
        };
        let tracker = proxy.tracker.clone();
        proxy.tracker.spawn(async move {
            stop.run_until_cancelled(accept(listener, upstream, link, tracker))
                .await
        });
        Ok(proxy)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how connections are treated.
    pub fn set(&self, faults: Faults) {
        lock(&self.state).faults = faults;
        self.changed.send_replace(());
    }

    /// The server is gone: open connections are cut, and new ones closed at once.
    pub fn go_away(&self) {
        self.set(Faults::refusing());
        self.drop_connections();
    }

    /// Treats them well again.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Cuts the open connections; new ones are welcome.
    pub fn drop_connections(&self) {
        let mut state = lock(&self.state);
        std::mem::replace(&mut state.connections, self.stop.child_token()).cancel();
    }

    /// Connections accepted so far, the refused ones included.
    pub fn accepted(&self) -> u64 {
        lock(&self.state).accepted
    }

    /// Closes everything and waits for its tasks.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[derive(Clone)]
struct Link {
    state: Arc<Mutex<State>>,
    changed: Arc<tokio::sync::watch::Sender<()>>,
}

impl Link {
    fn faults(&self) -> Faults {
        lock(&self.state).faults.clone()
    }

    /// Waits as long as nothing may pass, then for the delay.
    async fn hold(&self) {
        let mut changes = self.changed.subscribe();
        while self.faults().stall {
            if changes.changed().await.is_err() {
                return;
            }
        }
        let delay = self.faults().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, link: Link, tracker: TaskTracker) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (refuse, stop) = {
            let mut state = lock(&link.state);
            state.accepted += 1;
            (state.faults.refuse, state.connections.clone())
        };
        if refuse {
            continue;
        }
        let link = link.clone();
        tracker.spawn(async move {
            stop.run_until_cancelled(connect(client, upstream, link))
                .await
        });
    }
}

async fn connect(client: TcpStream, upstream: SocketAddr, link: Link) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The end of one direction leaves the other open, a cut is an error and closes both.
    let requests = pass(from_client, to_server, &link, |faults| {
        faults.cut_requests_after
    });
    let answers = pass(from_server, to_client, &link, |faults| {
        faults.cut_answers_after
    });
    tokio::try_join!(requests, answers).map(drop)
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    link: &Link,
    limit: fn(&Faults) -> Option<u64>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut passed = 0u64;
    loop {
        let n = from.read(&mut chunk).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        link.hold().await;
        let left = limit(&link.faults()).map(|limit| limit.saturating_sub(passed));
        let allowed = left.map_or(n, |left| n.min(usize::try_from(left).unwrap_or(n)));
        to.write_all(&chunk[..allowed]).await?;
        passed += allowed as u64;
        if allowed < n {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What a client gets back for `text` from an echo server behind a proxy with these faults; `None` when it is cut off.
    async fn check(faults: Faults, text: &str, expected: &str) {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = echo.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        let proxy = FaultProxy::start(upstream).await.unwrap();
        proxy.set(faults);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let _ = client.write_all(text.as_bytes()).await;
        let _ = client.shutdown().await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert!(
            expected.starts_with(std::str::from_utf8(&answer).unwrap()),
            "{answer:?}"
        );
        proxy.shutdown().await;
        server.abort();
    }

    #[tokio::test]
    async fn cuts_and_refuses() {
        check(
            Faults {
                cut_answers_after: Some(3),
                ..Faults::default()
            },
            "hello",
            "hel",
        )
        .await;
        check(
            Faults {
                cut_requests_after: Some(2),
                ..Faults::default()
            },
            "hello",
            "he",
        )
        .await;
        check(
            Faults {
                refuse: true,
                ..Faults::default()
            },
            "hello",
            "",
        )
        .await;
        check(
            Faults {
                delay: Duration::from_millis(1),
                ..Faults::default()
            },
            "hello",
            "hello",
        )
        .await;
    }
}

//! Serves HTTP, the REST API and the health port: so many connections and no more, each with its deadlines. When all places are taken, the client
//! that has said nothing for the longest gives its own up, so that those who have something to say are heard.

use super::relay::Secure;
use super::timeouts::{Phase, Watch, Watched};
use crate::tls::ServerTls;
use axum::extract::Request;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much a server gives to its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What is served, in messages.
    what: &'static str,
    /// Of all listeners together.
    connections: usize,
    /// Descriptors kept back, so that it answers when everything else has taken the rest.
    reserve: usize,
    /// For a request's head and for what is read of a body at a time.
    buffer: usize,
}

impl Limits {
    /// Dashboards and scripts need a handful of connections; the buffer is that of the library.
    pub(crate) const REST: Limits = Limits {
        what: "REST",
        connections: 256,
        reserve: 8,
        buffer: 408 << 10,
    };
    /// Load balancers and containers ask one question at a time, and with short heads.
    pub(crate) const HEALTH: Limits = Limits {
        what: "health",
        connections: 32,
        reserve: 2,
        buffer: 16 << 10,
    };
}

/// Pause after a connection could not be taken although nothing is in its way.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between two lines about the same thing.
const QUIET: Duration = Duration::from_secs(60);

/// What all listeners share. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Server(Arc<Shared>);

struct Shared {
    limits: Limits,
    open: Mutex<Open>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    /// For clients that never finish, once the shutdown has begun.
    deadline: Duration,
}

#[derive(Default)]
struct Open {
    last: u64,
    connections: HashMap<u64, (Watch, CancellationToken)>,
    spare: Vec<File>,
    warned: Option<Instant>,
}

impl Server {
    pub(crate) fn new(
        limits: Limits,
        tracker: TaskTracker,
        shutdown: CancellationToken,
        deadline: Duration,
    ) -> Self {
        let server = Server(Arc::new(Shared {
            limits,
            open: Mutex::default(),
            tracker,
            shutdown,
            deadline,
        }));
        server.refill();
        server
    }

    /// Takes connections until the shutdown. The task is the tracker's.
    pub(crate) fn serve(&self, listener: TcpListener, tls: Option<ServerTls>, router: Router) {
        let server = self.clone();
        self.0.tracker.spawn(async move {
            let shutdown = server.0.shutdown.clone();
            while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => server.take(stream, tls.clone(), router.clone()),
                    Err(error) if is_of_the_client(&error) => {}
                    Err(error) => server.make_room(&error).await,
                }
            }
        });
    }

    fn take(&self, stream: TcpStream, tls: Option<ServerTls>, router: Router) {
        if self.lock().connections.len() >= self.0.limits.connections && !self.give_one_up() {
            let what = self.0.limits.what;
            self.warn(&format!(
                "every {what} connection is busy, refusing another"
            ));
            return;
        }
        // Answers are small and whole; waiting for more to send gains nothing.
        let _ = stream.set_nodelay(true);
        let (watch, close) = (Watch::new(), CancellationToken::new());
        let id = {
            let mut open = self.lock();
            open.last += 1;
            let id = open.last;
            open.connections.insert(id, (watch.clone(), close.clone()));
            id
        };
        let server = self.clone();
        self.0.tracker.spawn(async move {
            tokio::select! {
                () = server.talk(stream, tls, watch, router) => {}
                () = close.cancelled() => {}
            }
            server.lock().connections.remove(&id);
            server.refill();
        });
    }

    /// Greets the client, if it speaks TLS, and serves it.
    async fn talk(&self, stream: TcpStream, tls: Option<ServerTls>, watch: Watch, router: Router) {
        let Shared {
            limits,
            shutdown,
            deadline,
            ..
        } = &*self.0;
        let buffer = limits.buffer;
        let Some(tls) = tls else {
            let stream = Watched { stream, watch };
            return connection(stream, router, buffer, shutdown, *deadline).await;
        };
        // The time for a greeting is that for a head.
        watch.enter(Phase::Head);
        let greeted = tokio::select! {
            greeted = tls.accept(stream) => greeted,
            () = watch.expired() => return,
            () = shutdown.cancelled() => return,
        };
        match greeted {
            Ok(stream) => {
                watch.enter(Phase::Idle);
                let stream = Watched { stream, watch };
                let router = router.layer(Extension(Secure));
                connection(stream, router, buffer, shutdown, *deadline).await;
            }
            Err(error) => {
                tracing::debug!(%error, "a client of an https listener was not understood");
            }
        }
    }

    /// Closes the connection whose client has kept quiet for the longest; false if all are at work.
    fn give_one_up(&self) -> bool {
        let mut open = self.lock();
        let quiet = open.connections.iter();
        let quiet = quiet.map(|(id, (watch, _))| (watch.now(), *id));
        let longest = quiet.filter(|((phase, _), _)| *phase != Phase::Busy).min();
        let Some((_, id)) = longest else {
            return false;
        };
        if let Some((_, close)) = open.connections.remove(&id) {
            close.cancel();
        }
        true
    }

    /// A connection could not be taken, most likely for want of a descriptor.
    async fn make_room(&self, error: &io::Error) {
        self.warn(&format!(
            "cannot take a {} connection: {error}; if descriptors run out, raise the limit with ulimit -n or LimitNOFILE",
            self.0.limits.what
        ));
        let spare = self.lock().spare.pop();
        let had_spare = spare.is_some();
        drop(spare);
        self.give_one_up();
        if !had_spare {
            sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Takes back what was given away of the reserve, as far as there is any.
    fn refill(&self) {
        let mut open = self.lock();
        while open.spare.len() < self.0.limits.reserve {
            match File::open("/dev/null") {
                Ok(file) => open.spare.push(file),
                Err(_) => return,
            }
        }
    }

    fn warn(&self, text: &str) {
        let mut open = self.lock();
        let now = Instant::now();
        if open.warned.is_none_or(|last| now - last >= QUIET) {
            open.warned = Some(now);
            tracing::warn!("{text}");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Nothing between lock and unlock leaves the map half changed.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Serves one connection until either side has had enough.
async fn connection<S>(
    stream: Watched<S>,
    router: Router,
    buffer: usize,
    shutdown: &CancellationToken,
    deadline: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = stream.watch.clone();
    let handlers = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        watch.enter(Phase::Busy);
        let mut request: Request = request.map(axum::body::Body::new);
        // Whoever reads the body says so.
        request.extensions_mut().insert(watch.clone());
        let answer = handlers.call(request);
        let watch = watch.clone();
        async move {
            let answer = answer.await;
            watch.enter(Phase::Idle);
            answer
        }
    });
    let served = http1::Builder::new()
        // The watch has the deadlines.
        .header_read_timeout(None)
        .max_buf_size(buffer)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let mut last = None;
    loop {
        let ends = last.unwrap_or_else(Instant::now);
        tokio::select! {
            // A client that breaks off has its reasons.
            _ = served.as_mut() => return,
            () = watch.expired() => return,
            () = shutdown.cancelled(), if last.is_none() => {
                served.as_mut().graceful_shutdown();
                last = Some(Instant::now() + deadline);
            }
            () = sleep_until(ends), if last.is_some() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn router() -> Router {
        Router::new().route("/", get(|| async { "here" }))
    }

    /// A connection over a pipe; its task ends with the connection.
    fn open() -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (client, server) = duplex(1 << 16);
        let ended = tokio::spawn(async move {
            let stream = Watched {
                stream: server,
                watch: Watch::new(),
            };
            let shutdown = CancellationToken::new();
            connection(
                stream,
                router(),
                Limits::REST.buffer,
                &shutdown,
                Duration::ZERO,
            )
            .await;
        });
        (client, ended)
    }

    async fn lasts(sent: &[u8]) -> u64 {
        let (mut client, ended) = open();
        client.write_all(sent).await.unwrap();
        let begin = Instant::now();
        ended.await.unwrap();
        begin.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn report_c16_a_client_that_says_nothing_is_not_waited_for() {
        assert_eq!(lasts(b"").await, 60);
        assert_eq!(lasts(b"GET / HTTP/1.1\r\nHost: a\r\n").await, 10);
        assert_eq!(lasts(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, 60);
        // One byte at a time lengthens nothing.
        let (mut client, ended) = open();
        let begin = Instant::now();
        while !ended.is_finished() {
            // The connection may end between the look and the byte.
            let _ = client.write_all(b"G").await;
            sleep(Duration::from_secs(3)).await;
        }
        assert!(begin.elapsed().as_secs() <= 15);
    }

    #[tokio::test]
    async fn what_is_no_http_is_refused_without_a_page() {
        let long = "h".repeat(9_000);
        let valid = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {long}\r\n\r\n");
        for (sent, status, body) in [
            ("GET /\r\n\r\n", "400", ""),
            ("GET / HTTP/3.7\r\nHost: a\r\n\r\n", "400", ""),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                "400",
                "",
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "400", ""),
            ("GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n", "400", ""),
            (&valid, "200", "here"),
        ] {
            let (mut client, ended) = open();
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            ended.await.unwrap();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            assert_eq!(answer.split("\r\n\r\n").nth(1), Some(body), "{sent}");
        }
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<usize> {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await?;
        stream.read(&mut [0; 1024]).await
    }

    #[tokio::test]
    async fn report_c16_idle_connections_give_way_to_new_ones() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let limits = Limits {
            connections: 4,
            ..Limits::REST
        };
        let deadline = Duration::from_secs(5);
        let server = Server::new(limits, tracker.clone(), shutdown.clone(), deadline);
        server.serve(listener, None, router());
        let mut quiet = Vec::new();
        for number in 0..40 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"GET / HT").await.unwrap();
            }
            quiet.push(stream);
            // Each is heard, whoever keeps the places.
            let mut asking = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut asking).await.unwrap() > 0);
            assert!(server.lock().connections.len() <= 4);
        }
        // Those that gave way were closed, and not kept open in silence.
        let first = &mut quiet[1];
        assert_eq!(first.read(&mut [0; 16]).await.unwrap_or(0), 0);
        shutdown.cancel();
        tracker.close();
        drop(quiet);
        tracker.wait().await;
    }
}

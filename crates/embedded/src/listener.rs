//! Listener: the port of a stand-in. Each connection is served in a task of its own, and all of them end with the listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// More clients than a demo or a test has.
pub(crate) const MAX_CONNECTIONS: usize = 256;

/// Dropping it stops accepting and closes the connections.
pub(crate) struct Listener {
    addr: SocketAddr,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Must be called inside a Tokio runtime.
    pub(crate) fn start<F>(
        listener: TcpListener,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr()?;
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, serve, tasks.clone(), shutdown.clone()));
        Ok(Listener {
            addr,
            shutdown,
            tasks,
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops, and returns once the connections are closed.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn accept<F>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        // Beyond the limit the client finds its connection closed.
        if let Ok((socket, _)) = accepted
            && let Ok(permit) = Arc::clone(&room).try_acquire_owned()
        {
            // Small answers must not wait for more; a failure only costs time.
            let _ = socket.set_nodelay(true);
            let (serving, shutdown) = (serve(socket), shutdown.clone());
            tasks.spawn(async move {
                shutdown.run_until_cancelled(serving).await;
                drop(permit);
            });
        }
    }
}

//! S3Server: S3 over HTTP from a folder, by s3s-fs. Encryption, ACL and tags, which s3s-fs drops, are
//! remembered beside it and answered, so that a client can see what it asked for.

mod faults;
mod integrity;
mod metadata;
mod service;

pub use faults::{S3Action, S3Faults};

use faults::FaultyService;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use service::FileService;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// More clients than a demo or a test has.
const MAX_CONNECTIONS: usize = 256;

/// A running server; dropping it stops accepting and closes the connections.
pub struct S3Server {
    addr: SocketAddr,
    folder: PathBuf,
    faults: Arc<S3Faults>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl S3Server {
    /// Listens on `addr` (port 0 picks a free one) and serves the buckets in `folder`, made if it is not
    /// there. Requests are signed with this key pair; payloads may be unsigned.
    pub async fn start(
        addr: SocketAddr,
        folder: &Path,
        access_key: &str,
        secret_key: &str,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let files = FileSystem::new(folder).map_err(|error| {
            io::Error::other(format!("cannot serve {}: {error:?}", folder.display()))
        })?;
        let mut builder = S3ServiceBuilder::new(FileService::new(files));
        builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let faults = Arc::new(S3Faults::default());
        let service = FaultyService {
            service: builder.build(),
            faults: Arc::clone(&faults),
        };
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, service, tasks.clone(), shutdown.clone()));
        Ok(S3Server {
            addr,
            folder: folder.to_owned(),
            faults,
            shutdown,
            tasks,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint as clients are told it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Makes a bucket, unless it is there already.
    pub fn create_bucket(&self, name: &str) -> io::Result<()> {
        if !s3s::path::check_bucket_name(name) {
            return Err(io::Error::other(format!(
                "`{name}` is no name for a bucket"
            )));
        }
        std::fs::create_dir_all(self.folder.join(name))
    }

    /// The faults by operation.
    pub fn faults(&self) -> &S3Faults {
        &self.faults
    }

    /// Stops, and returns once the connections are closed.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    service: FaultyService,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        // Beyond the limit the client finds its connection closed.
        if let Ok((socket, _)) = accepted
            && let Ok(permit) = Arc::clone(&room).try_acquire_owned()
        {
            let (service, shutdown) = (service.clone(), shutdown.clone());
            tasks.spawn(async move {
                // Small answers must not wait for more; a failure only costs time.
                let _ = socket.set_nodelay(true);
                let server = Builder::new(TokioExecutor::new());
                tokio::select! {
                    // A client that breaks off is no concern of the server's.
                    _ = server.serve_connection(TokioIo::new(socket), service) => {}
                    () = shutdown.cancelled() => {}
                }
                drop(permit);
            });
        }
    }
}

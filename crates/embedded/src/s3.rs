//! S3Server: S3 over HTTP from a folder, by s3s-fs. Encryption, ACL and tags, which s3s-fs drops, are
//! remembered beside it and answered, so that a client can see what it asked for.

mod faults;
mod integrity;
mod metadata;
mod service;
mod uploads;

pub use faults::{S3Action, S3Faults};

use crate::listener::Listener;
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

/// A running server; dropping it stops accepting and closes the connections.
pub struct S3Server {
    folder: PathBuf,
    faults: Arc<S3Faults>,
    listener: Listener,
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
        let faults = Arc::new(S3Faults::default());
        let service = FaultyService {
            service: builder.build(),
            faults: Arc::clone(&faults),
        };
        let listener = Listener::start(listener, move |socket| {
            let service = service.clone();
            async move {
                let server = Builder::new(TokioExecutor::new());
                // A client that breaks off is no concern of the server's.
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            }
        })?;
        Ok(S3Server {
            folder: folder.to_owned(),
            faults,
            listener,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The endpoint as clients are told it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.addr())
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
        self.listener.stop().await;
    }
}

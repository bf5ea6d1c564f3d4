//! DocumentServer: speaks MongoDB's wire protocol over a bundled SQLite, so that a demo or a test has a
//! document store with nothing installed. It knows what drivers, shells and our sink ask of one; it is no
//! database for production: one thread does all the work, and only `_id` and unique indexes are looked up.

mod aggregate;
mod answer;
mod catalog;
mod command;
mod cursors;
mod decimal;
mod explain;
mod expression;
mod filter;
mod identity;
mod key;
mod path;
mod proxy;
mod reads;
mod sign_in;
mod store;
mod update;
mod usage;
mod wire;
mod writes;

pub use proxy::{DocumentFault, DocumentFaultAction, DocumentProxy, RecordedCommand};

use crate::listener::{Listener, MAX_CONNECTIONS};
use command::Command;
use identity::{Identity, ReplicaSet};
use sign_in::User;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use wire::Message;

/// Commands that wait for the store. A connection has at most one in flight.
const QUEUED_COMMANDS: usize = MAX_CONNECTIONS;

/// A running server; dropping it stops accepting and closes the connections.
pub struct DocumentServer {
    listener: Listener,
    identity: Shared,
}

/// What the server is, for whoever serves a connection; a message is answered by one version of it.
type Shared = Arc<Mutex<Arc<Identity>>>;

/// One command on its way to the store's thread, and where the answer goes.
struct Job {
    command: Command,
    answer: oneshot::Sender<bson::RawDocumentBuf>,
}

impl DocumentServer {
    /// Listens on `addr` (port 0 picks a free one). Documents live in the SQLite file `path`, or in memory.
    pub async fn start(addr: SocketAddr, path: Option<PathBuf>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let store = Store::open(path.as_deref()).map_err(io::Error::other)?;
        let (jobs, queue) = mpsc::channel(QUEUED_COMMANDS);
        thread::Builder::new()
            .name("documents".to_owned())
            .spawn(move || work(store, queue))?;
        let identity = Shared::default();
        let shared = Arc::clone(&identity);
        Ok(DocumentServer {
            listener: Listener::start(listener, move |socket| {
                serve(socket, jobs.clone(), Arc::clone(&shared))
            })?,
            identity,
        })
    }

    /// As `start`, in memory, for one user who has to sign in.
    pub async fn start_with_user(addr: SocketAddr, name: &str, password: &str) -> io::Result<Self> {
        let server = DocumentServer::start(addr, None).await?;
        server.set_user(name, password);
        Ok(server)
    }

    /// Who has to sign in from now on. As with MongoDB, who is signed in stays so until its connection ends.
    pub fn set_user(&self, name: &str, password: &str) {
        let user = User {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        self.change(|identity| identity.user = Some(user));
    }

    /// From now on this is the primary of a replica set, and its only member, which clients find at `host` (with its port).
    /// It takes no retryable writes, as Amazon DocumentDB takes none.
    pub fn lead_set(&self, name: &str, host: &str) {
        let set = ReplicaSet {
            name: name.to_owned(),
            host: host.to_owned(),
        };
        self.change(|identity| identity.set = Some(set));
    }

    fn change(&self, change: impl FnOnce(&mut Identity)) {
        let mut shared = lock(&self.identity);
        let mut identity = Identity::clone(&shared);
        change(&mut identity);
        *shared = Arc::new(identity);
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Stops, and returns once the connections are closed. The store closes when its queue is empty.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

fn lock(identity: &Mutex<Arc<Identity>>) -> MutexGuard<'_, Arc<Identity>> {
    // Each change is one step, so a panicking holder leaves it whole.
    identity.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store's thread: one command after the other, until the last connection is gone.
fn work(mut store: Store, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        // A client that went away does not wait for its answer.
        let _ = job.answer.send(answer::answer(&mut store, &job.command));
    }
}

/// One connection: message in, answer out. Anything malformed ends it, as MongoDB does.
async fn serve(mut socket: TcpStream, jobs: mpsc::Sender<Job>, identity: Shared) {
    let mut buffer = Vec::new();
    let mut step = sign_in::Step::default();
    while let Ok(true) = wire::read_message(&mut socket, &mut buffer).await {
        let Ok(message) = Message::parse(&buffer) else {
            return;
        };
        let Message {
            request_id,
            form,
            command,
        } = message;
        let identity = Arc::clone(&lock(&identity));
        let user = identity.user.as_ref();
        let signing_in = user.and_then(|user| sign_in::answer(user, &mut step, &command));
        let answer = match signing_in.map(|answer| answer::to_raw(&answer)) {
            Some(answer) => Some(answer),
            None => answer::without_store(&command, &identity),
        };
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let (send, receive) = oneshot::channel();
                let job = Job {
                    command,
                    answer: send,
                };
                if jobs.send(job).await.is_err() {
                    return;
                }
                let Ok(answer) = receive.await else { return };
                answer
            }
        };
        if form.wants_answer()
            && wire::write_answer(&mut socket, request_id, form, answer.as_bytes())
                .await
                .is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

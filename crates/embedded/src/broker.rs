//! An in-process Kafka broker, or several as far as a client can see: real sockets and the real protocol over logs in memory,
//! which a folder makes lasting. It is for the demo, the tests and the benches; it replicates nothing.

mod admin;
mod batch;
mod call;
mod configs;
mod coordinator;
mod direct;
mod faults;
mod fetch;
mod group;
mod groups;
mod list_offsets;
mod log;
mod metadata;
mod nodes;
mod offsets;
mod produce;
mod reload;
mod sasl;
mod server;
mod store;
mod topics;
mod transactions;
mod versions;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_protocol::error::ResponseError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use batch::BatchBuilder;
pub use direct::ReadRecord;
pub use faults::{ApiAction, ApiFault, ApiFaults};
pub use kafka_protocol::messages::ApiKey;
pub(crate) use sasl::make_jwt;
pub use sasl::{IamRule, JwtRule, SaslSettings, SignIns};
pub use versions::ApiCap;

use fetch::Sessions;
use groups::Groups;
use nodes::Nodes;
use sasl::Sasl;
use store::Journal;
use topics::Topics;
use transactions::Transactions;

/// How a broker is started.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// Where it listens: each address is a node of its own for the clients, with ids from 1. Port 0 takes a free one.
    pub listeners: Vec<SocketAddr>,
    /// Where topics, records and offsets outlive the process; without it they are gone with the broker.
    pub folder: Option<PathBuf>,
    /// The release whose version ranges it shows.
    pub cap: Option<ApiCap>,
    /// Whether asking for an unknown topic makes one.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator does not say.
    pub default_partitions: i32,
    /// How long the first rebalance of a group waits for more members (`group.initial.rebalance.delay.ms`, 3 s in Kafka).
    pub initial_rebalance_delay: Duration,
    /// Who may sign in; without it nobody has to, and nobody can.
    pub sasl: Option<SaslSettings>,
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self::of_nodes(1)
    }
}

impl BrokerSettings {
    /// `nodes` listeners on free loopback ports, everything in memory.
    pub fn of_nodes(nodes: usize) -> Self {
        Self {
            listeners: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); nodes],
            folder: None,
            cap: None,
            auto_create_topics: true,
            default_partitions: 1,
            initial_rebalance_delay: Duration::ZERO,
            sasl: None,
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    cluster_id: String,
    cap: Option<ApiCap>,
    auto_create: bool,
    default_partitions: i32,
    configs: Mutex<BTreeMap<String, String>>,
    nodes: Nodes,
    topics: Topics,
    groups: Groups,
    transactions: Transactions,
    faults: ApiFaults,
    sessions: Sessions,
    journal: Arc<Journal>,
    sasl: Option<Sasl>,
}

impl Shared {
    /// The name of a topic that a request gives by name or, in newer versions, by id; empty when the id is unknown.
    fn topic_name(&self, name: &str, id: Uuid) -> String {
        if !name.is_empty() || id.is_nil() {
            return name.to_owned();
        }
        self.topics
            .by_id(id)
            .map(|topic| topic.name.clone())
            .unwrap_or_default()
    }

    fn delete_topic(&self, name: &str) -> Result<(), ResponseError> {
        self.topics.delete(name)?;
        self.groups.forget_topic(name);
        Ok(())
    }
}

/// A running broker. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stops: Mutex<Vec<CancellationToken>>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Broker {
    /// Starts it; must be called inside a Tokio runtime.
    pub async fn start(settings: BrokerSettings) -> io::Result<Self> {
        let mut listeners = Vec::with_capacity(settings.listeners.len());
        for address in &settings.listeners {
            listeners.push(TcpListener::bind(address).await?);
        }
        Self::start_on(settings, listeners)
    }

    /// Starts it, a node on each of these listeners instead of those of the settings; must be called inside a Tokio runtime.
    pub fn start_on(settings: BrokerSettings, listeners: Vec<TcpListener>) -> io::Result<Self> {
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared::load(&settings, &addresses)?);
        let broker = Self {
            shared: shared.clone(),
            addresses,
            stops: Mutex::default(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        for (index, listener) in listeners.into_iter().enumerate() {
            let stop = broker.listen(index as i32 + 1, listener);
            lock(&broker.stops).push(stop);
        }
        broker.spawn_timer(
            shared.clone(),
            |shared| async move { shared.groups.run().await },
        );
        broker.spawn_timer(
            shared,
            |shared| async move { shared.run_transactions().await },
        );
        Ok(broker)
    }

    fn spawn_timer<F: Future<Output = ()> + Send + 'static>(
        &self,
        shared: Arc<Shared>,
        run: impl FnOnce(Arc<Shared>) -> F,
    ) {
        let (stop, timer) = (self.stop.clone(), run(shared));
        self.tracker
            .spawn(async move { stop.run_until_cancelled(timer).await });
    }

    fn listen(&self, node: i32, listener: TcpListener) -> CancellationToken {
        let stop = self.stop.child_token();
        let accepting = server::accept(
            self.shared.clone(),
            node,
            listener,
            stop.clone(),
            self.tracker.clone(),
        );
        self.tracker.spawn(accepting);
        stop
    }

    /// Closes all connections and waits for their tasks.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// All nodes as `bootstrap.servers` wants them.
    pub fn bootstrap(&self) -> String {
        self.addresses
            .iter()
            .map(SocketAddr::to_string)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Where the nodes listen, the first being node 1.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The faults by request.
    pub fn faults(&self) -> &ApiFaults {
        &self.shared.faults
    }

    /// What became of sign-ins, where there are any.
    pub fn sign_ins(&self) -> Option<watch::Receiver<SignIns>> {
        self.shared.sasl.as_ref().map(Sasl::sign_ins)
    }

    /// Changes who may sign in from now on; sessions go on until they end.
    pub fn change_sasl(&self, change: impl FnOnce(&mut SaslSettings)) {
        if let Some(sasl) = &self.shared.sasl {
            sasl.change(change);
        }
    }

    /// Shows clients another address for a node, such as that of a proxy in front of it.
    pub fn advertise(&self, node: i32, address: SocketAddr) {
        self.shared.nodes.change(node, |node| {
            node.host = address.ip().to_string();
            node.port = address.port();
        });
    }
}

/// Milliseconds since 1970, for record timestamps.
fn wall_clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

// A panic of one connection's task must not take the broker down: what the locks guard is changed in one step each.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

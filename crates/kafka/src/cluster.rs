//! Cluster: what is known of brokers, topics and leaders, and the connections to them. Cloning shares it.
//! It retries nothing; callers back off.

mod metadata;

#[cfg(test)]
pub(crate) use metadata::Partition;
pub(crate) use metadata::{Metadata, Topic};

use crate::address::Address;
use crate::config::ClientSettings;
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::limits::{QUICK_ANSWER, RECENT, SUSPICION};
use crate::names::topic_name;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest};
use kafka_protocol::protocol::{Request, StrBytes};
use millstream_core::ByteBudget;
use millstream_wire::Shaped;
use rand::seq::SliceRandom;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// A broker answers the requests of one connection in order, so that a fetch held back delays whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Metadata, offsets, administration.
    Control,
    Fetch,
    Group,
    Produce,
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    /// What fetched records are counted as.
    fetched: Option<ByteBudget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    metadata: Arc<Metadata>,
    refreshed_at: Option<Instant>,
    connections: HashMap<(Address, Lane), Connection>,
    /// Brokers that failed lately, and when.
    suspects: HashMap<Address, Instant>,
}

/// Which topics to ask for.
#[derive(Clone, Debug)]
pub(crate) enum Topics {
    All,
    Named(Vec<String>),
}

impl Cluster {
    pub(crate) fn new(settings: ClientSettings) -> Self {
        Cluster::with_memory(settings, None)
    }

    /// One whose fetched records take their memory from a budget before they are read.
    pub(crate) fn for_consumer(settings: ClientSettings, fetched: ByteBudget) -> Self {
        Cluster::with_memory(settings, Some(fetched))
    }

    fn with_memory(settings: ClientSettings, fetched: Option<ByteBudget>) -> Self {
        Cluster {
            shared: Arc::new(Shared {
                settings,
                fetched,
                state: Mutex::default(),
            }),
        }
    }

    pub(crate) fn settings(&self) -> &ClientSettings {
        &self.shared.settings
    }

    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.state().metadata)
    }

    /// What is known, if a broker has told it so lately that another would hardly tell anything else.
    pub(crate) fn recent_metadata(&self) -> Option<Arc<Metadata>> {
        let state = self.state();
        let is_recent = state.refreshed_at.is_some_and(|at| at.elapsed() < RECENT);
        is_recent.then(|| Arc::clone(&state.metadata))
    }

    /// The connection to an address, opened if need be.
    pub(crate) async fn connect(
        &self,
        address: &Address,
        lane: Lane,
    ) -> Result<Connection, KafkaError> {
        let key = (address.clone(), lane);
        if let Some(connection) = self.live(&key) {
            return Ok(connection);
        }
        let memory = match lane {
            Lane::Fetch => self.shared.fetched.clone(),
            Lane::Control | Lane::Group | Lane::Produce => None,
        };
        let opened = Connection::open(address, &self.shared.settings, memory).await;
        let mut state = self.state();
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                state.suspects.insert(address.clone(), Instant::now());
                return Err(error);
            }
        };
        state.suspects.remove(address);
        state.connections.retain(|_, known| !known.is_closed());
        if lane == Lane::Control {
            // One is enough for what any broker knows. What one alone was asked is answered soon, and its connection ends
            // with whoever waits for that.
            state
                .connections
                .retain(|(_, kept_for), _| *kept_for != Lane::Control);
        }
        // Should two have opened one at the same time, the later stays for both from now on.
        state.connections.insert(key, connection.clone());
        Ok(connection)
    }

    /// The connection to a broker by its number.
    pub(crate) async fn node(&self, id: i32, lane: Lane) -> Result<Connection, KafkaError> {
        let address = self.metadata().brokers.get(&id).cloned();
        // A broker that died is still named as a leader for a moment, but not listed any more.
        let address = address.ok_or_else(|| KafkaError::Response {
            operation: format!("find broker {id}"),
            error: ResponseError::LeaderNotAvailable,
            message: None,
        })?;
        self.connect(&address, lane).await
    }

    /// A connection to whichever broker answers. If none does and somebody knows better by now where they are, those are asked.
    pub(crate) async fn any(&self) -> Result<Connection, KafkaError> {
        let entrances = self.shared.settings.entrances();
        let failed = match self.any_of(&entrances).await {
            Ok(connection) => return Ok(connection),
            // Whoever gives tokens is away, not the brokers.
            Err(failed @ KafkaError::NoToken { .. }) => return Err(failed),
            Err(failed) => failed,
        };
        let Some(bootstrap) = &self.shared.settings.bootstrap else {
            return Err(failed);
        };
        if !bootstrap.renewed(&entrances, failed.to_string()).await {
            return Err(failed);
        }
        self.any_of(&bootstrap.servers()).await
    }

    /// A connection to a known broker, or to one of the entrances.
    async fn any_of(&self, entrances: &[Address]) -> Result<Connection, KafkaError> {
        let mut known: Vec<Address> = self.metadata().brokers.values().cloned().collect();
        known.shuffle(&mut rand::rng());
        let mut entrances = entrances.to_vec();
        entrances.shuffle(&mut rand::rng());
        known.extend(entrances);
        let mut candidates: Vec<(bool, bool, &Address)> = known
            .iter()
            .map(|address| {
                let is_live = self.live(&(address.clone(), Lane::Control)).is_some();
                (self.is_suspect(address), !is_live, address)
            })
            .collect();
        // Stable, so that those alike stay in their random order.
        candidates.sort_by_key(|(is_suspect, is_unconnected, _)| (*is_suspect, *is_unconnected));
        let mut first_error = None;
        for (_, _, address) in candidates {
            match self.connect(address, Lane::Control).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_of_handshake() => return Err(error),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or(KafkaError::Closed))
    }

    /// Asks for the cluster and these topics.
    pub(crate) async fn refresh(
        &self,
        topics: &Topics,
        may_create: bool,
    ) -> Result<Arc<Metadata>, KafkaError> {
        let connection = self.any().await?;
        let response = self
            .quick(&connection, |version| {
                let request = MetadataRequest::default().with_topics(match topics {
                    Topics::All => None,
                    Topics::Named(names) => Some(names.iter().map(|name| named(name)).collect()),
                });
                // Before version 4 a broker creates what it lacks, as its own setting says.
                request.with_allow_auto_topic_creation(may_create || version < 4)
            })
            .await?;
        if response.brokers.is_empty() {
            // A broker that is starting knows nobody yet.
            connection.close();
            return Err(KafkaError::response("metadata request", 5));
        }
        let mut state = self.state();
        state.metadata = Arc::new(Metadata::new(&response, &state.metadata));
        state.refreshed_at = Some(Instant::now());
        let address = connection.address();
        if !state.metadata.brokers.values().any(|own| own == address) {
            // The broker has another name for itself, by which it is spoken to from now on. The connection ends with
            // whoever still waits for an answer on it.
            state.connections.remove(&(address.clone(), Lane::Control));
        }
        Ok(Arc::clone(&state.metadata))
    }

    /// The broker that coordinates a group: its number, and where it lives.
    pub(crate) async fn find_coordinator(
        &self,
        group: &StrBytes,
    ) -> Result<(i32, Address), KafkaError> {
        self.coordinator_of(group, 0, "group").await
    }

    /// Where the coordinator of a transactional id lives.
    pub(crate) async fn find_transaction_coordinator(
        &self,
        id: &StrBytes,
    ) -> Result<Address, KafkaError> {
        let (_, address) = self.coordinator_of(id, 1, "transactional id").await?;
        Ok(address)
    }

    /// The kind of key is Kafka's number and its name.
    async fn coordinator_of(
        &self,
        key: &StrBytes,
        kind: i8,
        name: &str,
    ) -> Result<(i32, Address), KafkaError> {
        let action = || format!("find coordinator of {name} {key}");
        let connection = self.any().await?;
        let response = self
            .quick(&connection, |_| {
                FindCoordinatorRequest::default()
                    .with_key(key.clone())
                    .with_key_type(kind)
            })
            .await?;
        if response.error_code != 0 {
            return Err(KafkaError::response_with_message(
                action(),
                response.error_code,
                response.error_message.as_ref(),
            ));
        }
        let address = metadata::address(&response.host, response.port);
        let address = address.ok_or_else(|| KafkaError::Failed {
            operation: action(),
            why: format!("invalid port {}", response.port),
        })?;
        Ok((response.node_id.0, address))
    }

    /// Asks what a healthy broker answers at once; one that does not is asked last for a while.
    async fn quick<R: Request<Response: Shaped>>(
        &self,
        connection: &Connection,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, KafkaError> {
        let limit = self.shared.settings.request_timeout().min(QUICK_ANSWER);
        let result = connection.request_within(limit, build).await;
        if result.is_err() {
            let now = Instant::now();
            self.state()
                .suspects
                .insert(connection.address().clone(), now);
        }
        result
    }

    fn is_suspect(&self, address: &Address) -> bool {
        let state = self.state();
        let failed = state.suspects.get(address);
        failed.is_some_and(|at| at.elapsed() < SUSPICION)
    }

    fn live(&self, key: &(Address, Lane)) -> Option<Connection> {
        let state = self.state();
        let connection = state.connections.get(key)?;
        (!connection.is_closed()).then(|| connection.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, the maps are still whole.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Bootstrap;
    use millstream_core::Properties;
    use millstream_embedded::broker::{Broker, BrokerSettings};
    use millstream_embedded::faults::FaultProxy;

    /// Behind a load balancer, or where a name stands for the brokers: what leads to them is not kept beside them.
    #[tokio::test]
    async fn report_c2_the_way_to_the_cluster_is_no_connection_to_keep() {
        let broker = Broker::start(BrokerSettings::default()).await.unwrap();
        let entrance = FaultProxy::start(broker.addresses()[0]).await.unwrap();
        let bootstrap = entrance.address().to_string();
        let config = Properties::from_iter([("bootstrap.servers", bootstrap.as_str())]);
        let cluster = Cluster::new(ClientSettings::from_properties(&config).unwrap());
        for _ in 0..3 {
            let metadata = cluster.refresh(&Topics::All, false).await.unwrap();
            assert_eq!(metadata.brokers.len(), 1);
        }
        let state = cluster.state();
        let open: Vec<String> = state
            .connections
            .keys()
            .map(|(address, _)| address.to_string())
            .collect();
        assert_eq!(open, [broker.addresses()[0].to_string()]);
        assert_eq!(entrance.accepted(), 1);
    }

    #[tokio::test]
    async fn brokers_that_have_moved_are_found_by_who_looks_them_up() {
        let broker = Broker::start(BrokerSettings::default()).await.unwrap();
        let place = async || FaultProxy::start(broker.addresses()[0]).await.unwrap();
        let (old, new) = (place().await, place().await);
        broker.advertise(1, old.address());
        let first = old.address().to_string();
        let config = Properties::from_iter([("bootstrap.servers", first.as_str())]);
        let settings = ClientSettings::from_properties(&config).unwrap();
        let bootstrap = Bootstrap::new(&first);
        let cluster = Cluster::new(settings.clone().following(Some(&bootstrap)));
        let refresh = async |cluster: &Cluster| cluster.refresh(&Topics::All, false).await;
        refresh(&cluster).await.unwrap();
        broker.advertise(1, new.address());
        old.shutdown().await;
        let answer = async {
            let lost = bootstrap.lost().await;
            assert!(lost.evidence.contains(&first), "{}", lost.evidence);
            bootstrap.answer(&lost, &new.address().to_string());
        };
        // The connection that was open is found broken first.
        let again = async {
            let mut last = refresh(&cluster).await;
            for _ in 0..2 {
                if last.is_err() {
                    last = refresh(&cluster).await;
                }
            }
            last.unwrap()
        };
        let (metadata, ()) = tokio::join!(again, answer);
        assert_eq!(metadata.brokers[&1].port, new.address().port());
        // A client with brokers of its own asks nobody.
        let other = Properties::from_iter([("bootstrap.servers", "127.0.0.1:1")]);
        let other = ClientSettings::from_properties(&other).unwrap();
        let other = Cluster::new(other.following(Some(&bootstrap)));
        assert!(refresh(&other).await.is_err());
        let asked = futures::FutureExt::now_or_never(bootstrap.lost());
        assert_eq!(asked, None);
    }
}

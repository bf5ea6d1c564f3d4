//! The services of the demo: Kafka, S3 and a document store on loopback ports, their data in one folder.

use millstream_embedded::broker::{Broker, BrokerSettings};
use millstream_embedded::documents::DocumentServer;
use millstream_embedded::s3::S3Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

pub(crate) const TOPIC: &str = "MyTopic";
pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const BUCKET: &str = "archive";
pub(crate) const DATABASE: &str = "kafka";
pub(crate) const COLLECTION: &str = "hashed";

/// The S3 service's key pair; it guards nothing.
pub(crate) const ACCESS_KEY: &str = "demo";
pub(crate) const SECRET_KEY: &str = "demo-secret";

/// The ports that these services usually have.
const KAFKA_PORT: u16 = 9092;
const S3_PORT: u16 = 9000;
const DOCUMENTS_PORT: u16 = 27017;
const REST_PORT: u16 = 8083;

pub(crate) struct Services {
    pub(crate) broker: Broker,
    pub(crate) s3: S3Server,
    pub(crate) documents: DocumentServer,
    /// Where the worker is to listen.
    pub(crate) rest: SocketAddr,
    /// The folder that S3 serves.
    pub(crate) objects: PathBuf,
}

impl Services {
    /// Starts all three; a port that is taken is replaced by a free one.
    pub(crate) async fn start(folder: &Path) -> io::Result<Self> {
        let objects = folder.join("s3");
        std::fs::create_dir_all(objects.join(BUCKET))?;
        let broker = Broker::start(BrokerSettings {
            listeners: vec![free_or_any(KAFKA_PORT).await],
            folder: Some(folder.join("kafka")),
            default_partitions: PARTITIONS,
            ..BrokerSettings::default()
        })
        .await?;
        if !broker.topics().iter().any(|topic| topic == TOPIC) {
            broker
                .create_topic(TOPIC, PARTITIONS)
                .map_err(io::Error::other)?;
        }
        let s3 =
            S3Server::start(free_or_any(S3_PORT).await, &objects, ACCESS_KEY, SECRET_KEY).await?;
        let documents = DocumentServer::start(
            free_or_any(DOCUMENTS_PORT).await,
            Some(folder.join("documents.db")),
        )
        .await?;
        let rest = match free_or_any(REST_PORT).await {
            usual if usual.port() != 0 => usual,
            // The worker takes an address, not a socket, so a free port is looked up for it.
            any => TcpListener::bind(any).await?.local_addr()?,
        };
        Ok(Services {
            broker,
            s3,
            documents,
            rest,
            objects,
        })
    }

    pub(crate) fn documents_uri(&self) -> String {
        format!("mongodb://{}/", self.documents.addr())
    }

    /// Records in the topic, over all runs.
    pub(crate) fn records_in(&self) -> u64 {
        (0..PARTITIONS)
            .filter_map(|partition| self.broker.offsets(TOPIC, partition).ok())
            .map(|(_, end)| end as u64)
            .sum()
    }

    /// Records that a group has not committed yet.
    pub(crate) fn lag(&self, group: &str) -> u64 {
        let behind = |partition| {
            let (_, end) = self.broker.offsets(TOPIC, partition).ok()?;
            let committed = self
                .broker
                .committed(group, TOPIC, partition)
                .map_or(0, |(at, _)| at);
            u64::try_from(end - committed).ok()
        };
        (0..PARTITIONS).filter_map(behind).sum()
    }

    /// The ids that the newest records get as documents, the newest first.
    pub(crate) fn newest_ids(&self) -> Vec<String> {
        const EACH: i64 = 8;
        let ids = |partition| {
            let (_, end) = self.broker.offsets(TOPIC, partition).unwrap_or_default();
            (end - EACH..end).map(move |offset| (offset, partition))
        };
        let mut places: Vec<(i64, i32)> = (0..PARTITIONS).flat_map(ids).collect();
        places.sort_by(|a, b| b.cmp(a));
        let ids = places.iter().filter(|(offset, _)| *offset >= 0);
        ids.map(|(offset, partition)| format!("{TOPIC}#{partition}#{offset}"))
            .collect()
    }

    pub(crate) async fn stop(self) {
        self.broker.shutdown().await;
        self.s3.stop().await;
        self.documents.stop().await;
    }
}

/// The loopback address with this port if nobody has it, else with port 0.
async fn free_or_any(port: u16) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(usual).await {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

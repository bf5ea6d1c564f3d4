//! The stage of a case: embedded services with fault wrappers in front, a worker, and what was produced and arrived.

use crate::worker::{Worker, until};
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use md5::{Digest, Md5};
use millstream_embedded::broker::{Broker, BrokerSettings};
use millstream_embedded::documents::{DocumentProxy, DocumentServer};
use millstream_embedded::faults::FaultProxy;
use millstream_embedded::s3::S3Server;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;
use tempfile::TempDir;

pub(crate) const TOPIC: &str = "MyTopic";
pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const FLUSH_SIZE: i64 = 3;
pub(crate) const ARCHIVE: &str = "s3-sink";
pub(crate) const STREAM: &str = "stream";
const BUCKET: &str = "archive";

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    /// In front of the broker; what the broker tells clients of itself.
    pub(crate) broker_wire: FaultProxy,
    pub(crate) s3: S3Server,
    pub(crate) s3_wire: FaultProxy,
    documents: DocumentServer,
    pub(crate) document_proxy: DocumentProxy,
    /// In front of the proxy.
    pub(crate) document_wire: FaultProxy,
    pub(crate) folder: TempDir,
    /// Records in each partition.
    produced: AtomicI64,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::of_brokers(1).await
    }

    /// With so many brokers, the first of them behind the wrapper.
    pub(crate) async fn of_brokers(brokers: usize) -> Stage {
        Stage::with(BrokerSettings::of_nodes(brokers)).await
    }

    /// With a broker that is set so.
    pub(crate) async fn with(settings: BrokerSettings) -> Stage {
        let broker = Broker::start(settings).await.unwrap();
        broker.create_topic(TOPIC, PARTITIONS).unwrap();
        let broker_wire = FaultProxy::start(broker.addresses()[0]).await.unwrap();
        broker.advertise(1, broker_wire.address());
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let s3 = S3Server::start(any, &folder.path().join("s3"), "key", "secret")
            .await
            .unwrap();
        s3.create_bucket(BUCKET).unwrap();
        let s3_wire = FaultProxy::start(s3.addr()).await.unwrap();
        let documents = DocumentServer::start(any, None).await.unwrap();
        let document_proxy = DocumentProxy::start(documents.addr(), Vec::new())
            .await
            .unwrap();
        let document_wire = FaultProxy::start(document_proxy.addr()).await.unwrap();
        Stage {
            broker,
            broker_wire,
            s3,
            s3_wire,
            documents,
            document_proxy,
            document_wire,
            folder,
            produced: AtomicI64::new(0),
        }
    }

    /// A worker without connectors.
    pub(crate) async fn standalone(&self, name: &str, more: &[(&str, &str)]) -> Worker {
        self.standalone_in(name, more, &[]).await
    }

    /// The same with environment variables.
    pub(crate) async fn standalone_in(
        &self,
        name: &str,
        more: &[(&str, &str)],
        env: &[(&str, &str)],
    ) -> Worker {
        let file = self.path(&format!("{name}.properties"));
        fs::write(&file, self.standalone_properties(more)).unwrap();
        Worker::start(
            &["standalone", file.to_str().unwrap()],
            env,
            self.path(&format!("{name}.log")),
        )
        .await
    }

    /// The file of a worker without connectors.
    pub(crate) fn standalone_properties(&self, more: &[(&str, &str)]) -> String {
        let mut text = format!(
            "bootstrap.servers={}\nlisteners=http://127.0.0.1:0\noffset.flush.interval.ms=200\n\
             task.shutdown.graceful.timeout.ms=10000\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n",
            self.broker_wire.address()
        );
        for prefix in ["", "consumer.", "producer.", "admin."] {
            for (key, value) in CLIENT {
                text.push_str(&format!("{prefix}{key}={value}\n"));
            }
        }
        for (key, value) in CONSUMER {
            text.push_str(&format!("consumer.{key}={value}\n"));
        }
        for (key, value) in more {
            text.push_str(&format!("{key}={value}\n"));
        }
        text
    }

    /// The hash job.
    pub(crate) async fn stream(&self, name: &str) -> Worker {
        self.stream_with(name, &[]).await
    }

    /// The hash job with further settings.
    pub(crate) async fn stream_with(&self, name: &str, more: &[(&str, &str)]) -> Worker {
        let env = self.stream_env();
        let mut env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
        env.extend(more);
        Worker::start(&["stream"], &env, self.path(&format!("{name}.log"))).await
    }

    pub(crate) fn stream_env(&self) -> Vec<(&'static str, String)> {
        let client = self.path("client.properties");
        let lines = CLIENT.iter().chain(&CONSUMER);
        let lines = lines.map(|(key, value)| format!("{key}={value}\n"));
        fs::write(&client, lines.collect::<String>()).unwrap();
        vec![
            ("TOPIC_NAME", TOPIC.to_owned()),
            (
                "KAFKA_BOOTSTRAP_SERVERS",
                self.broker_wire.address().to_string(),
            ),
            ("KAFKA_PROPERTIES", client.display().to_string()),
            ("MONGODB_URI", self.document_uri()),
            ("LISTENERS", "http://127.0.0.1:0".to_owned()),
            // A failed task waits for the test to restart it.
            ("REST_ALLOW_CHANGES", "true".to_owned()),
        ]
    }

    pub(crate) fn document_uri(&self) -> String {
        format!(
            "mongodb://{}/?serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&socketTimeoutMS=2000&heartbeatFrequencyMS=500",
            self.document_wire.address()
        )
    }

    /// Posts the workshop's connector, changed as far as the test bed needs it.
    pub(crate) async fn post_archive(&self, worker: &Worker, more: &[(&str, &str)]) {
        self.post_archive_as(worker, ARCHIVE, more).await;
    }

    /// The same under another name.
    pub(crate) async fn post_archive_as(&self, worker: &Worker, name: &str, more: &[(&str, &str)]) {
        worker.create(name, &self.archive_config(more)).await;
    }

    /// The settings of the archive, with numbers for numbers, as the workshop posts them.
    pub(crate) fn archive_config(&self, more: &[(&str, &str)]) -> Value {
        let mut config = json!({
            "connector.class": "io.confluent.connect.s3.S3SinkConnector",
            "tasks.max": 1,
            "topics": TOPIC,
            "s3.region": "us-east-1",
            "s3.bucket.name": BUCKET,
            "s3.part.size": 5_242_880,
            "flush.size": FLUSH_SIZE,
            "storage.class": "io.confluent.connect.s3.storage.S3Storage",
            "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
            "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
            "schema.compatibility": "NONE",
            "store.url": format!("http://{}", self.s3_wire.address()),
            "aws.access.key.id": "key",
            "aws.secret.access.key": "secret",
            "s3.part.retries": 1,
            "retry.backoff.ms": 200,
        });
        for (key, value) in more {
            let fields: &mut Map<String, Value> = config.as_object_mut().unwrap();
            fields.insert((*key).to_owned(), Value::from(*value));
        }
        config
    }

    /// Adds records to every partition. They know their place.
    pub(crate) fn produce(&self, each: i64) {
        let from = self.produced.fetch_add(each, Ordering::Relaxed);
        for partition in 0..PARTITIONS {
            for offset in from..from + each {
                let value = value(partition, offset);
                self.broker
                    .produce(TOPIC, partition, None, Some(value.as_bytes()))
                    .unwrap();
            }
        }
    }

    /// Returns once every record is in S3, and panics if one is there twice.
    pub(crate) async fn archived(&self) {
        let wanted = self.wanted();
        let seen = Mutex::new(String::new());
        until_or(
            "all records in S3",
            || {
                let found = self.objects();
                *seen.lock().unwrap() = missing(&wanted, found.keys());
                let is_there =
                    found.len() == wanted.len() && wanted.iter().all(|v| found.contains_key(v));
                async move { is_there.then_some(()) }
            },
            || self.why(&seen.lock().unwrap()),
        )
        .await;
        let found = self.objects();
        let twice: Vec<&String> = found
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(v, _)| v)
            .collect();
        assert!(twice.is_empty(), "in S3 more than once: {twice:?}");
    }

    /// Returns once every record is in the collection, under its place and with its hash.
    pub(crate) async fn stored(&self) {
        let collection = self.collection().await;
        let mut wanted = BTreeSet::new();
        for partition in 0..PARTITIONS {
            for offset in 0..self.produced.load(Ordering::Relaxed) {
                let digest = Md5::digest(value(partition, offset).as_bytes());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                wanted.insert(format!("{TOPIC}#{partition}#{offset} {hex}"));
            }
        }
        let seen = Mutex::new(String::new());
        until_or(
            "all records in the collection",
            || async {
                let documents: Vec<Document> = collection
                    .find(doc! {})
                    .await
                    .ok()?
                    .try_collect()
                    .await
                    .ok()?;
                let found: BTreeSet<String> = documents
                    .iter()
                    .map(|one| {
                        let text = |name: &str| one.get_str(name).unwrap_or_default().to_owned();
                        format!("{} {}", text("_id"), text("value"))
                    })
                    .collect();
                *seen.lock().unwrap() = missing(&wanted, found.iter());
                assert!(
                    found.len() == documents.len(),
                    "documents with the same content"
                );
                (found == wanted).then_some(())
            },
            || self.why(&seen.lock().unwrap()),
        )
        .await;
    }

    async fn collection(&self) -> Collection<Document> {
        Client::with_uri_str(format!("mongodb://{}", self.documents.addr()))
            .await
            .unwrap()
            .database("kafka")
            .collection("hashed")
    }

    /// Documents in the collection, past every fault.
    pub(crate) async fn document_count(&self) -> Option<u64> {
        let collection = self.collection().await;
        collection.estimated_document_count().await.ok()
    }

    /// The documents in the collection.
    pub(crate) async fn documents(&self) -> Vec<Document> {
        let found = self.collection().await.find(doc! {}).await.unwrap();
        found.try_collect().await.unwrap()
    }

    /// The ids of the documents in the collection.
    pub(crate) async fn document_ids(&self) -> BTreeSet<String> {
        let documents = self.documents().await;
        let ids = documents
            .iter()
            .map(|one| one.get_str("_id").unwrap().to_owned());
        ids.collect()
    }

    /// The values of the hash job's documents, and how often each is there.
    pub(crate) async fn document_values(&self) -> BTreeMap<String, usize> {
        let mut values = BTreeMap::new();
        for one in &self.documents().await {
            let value = one.get_str("value").unwrap().to_owned();
            *values.entry(value).or_default() += 1;
        }
        values
    }

    /// What is amiss, with everything that the workers had to say.
    fn why(&self, seen: &str) -> String {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let logs = paths.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        let logs = logs.filter_map(|path| fs::read_to_string(path).ok());
        format!("{seen}\n{}", logs.collect::<String>())
    }

    fn wanted(&self) -> BTreeSet<String> {
        let produced = self.produced.load(Ordering::Relaxed);
        (0..PARTITIONS)
            .flat_map(|partition| (0..produced).map(move |offset| value(partition, offset)))
            .collect()
    }

    /// The lines of all objects, and how often each is there.
    pub(crate) fn objects(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for path in self.object_files() {
            let mut bytes = fs::read(&path).unwrap_or_default();
            if path.extension().is_some_and(|ending| ending == "gz") {
                let mut plain = Vec::new();
                // An object that is still being written is looked at again.
                let _ = MultiGzDecoder::new(&*bytes).read_to_end(&mut plain);
                bytes = plain;
            }
            for line in String::from_utf8_lossy(&bytes).lines() {
                *lines.entry(line.trim_matches('"').to_owned()).or_default() += 1;
            }
        }
        lines
    }

    /// The lines of all objects, in the order of the objects' names.
    pub(crate) fn lines_in_order(&self) -> Vec<String> {
        let mut files = self.object_files();
        files.sort();
        let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .map(|line| line.trim_matches('"').to_owned())
            .collect()
    }

    pub(crate) fn object_count(&self) -> usize {
        self.object_files().len()
    }

    /// When each object was written last.
    pub(crate) fn object_times(&self) -> BTreeMap<PathBuf, SystemTime> {
        let time = |path: &PathBuf| fs::metadata(path).and_then(|of| of.modified()).unwrap();
        let files = self.object_files().into_iter();
        files.map(|path| (path.clone(), time(&path))).collect()
    }

    /// The names of all objects, without their folders.
    pub(crate) fn object_names(&self) -> Vec<String> {
        let files = self.object_files().into_iter();
        files
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    /// Entries of ledgers: which messages of queues objects are about to hold.
    pub(crate) fn ledger_entries(&self) -> usize {
        let folder = self.bucket().join("topics/_millstream");
        files_in(folder, |name| !name.starts_with('.')).len()
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("s3").join(BUCKET)
    }

    fn object_files(&self) -> Vec<PathBuf> {
        files_in(self.bucket(), is_object)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A message without what differs from run to run: `…` stands for it.
    pub(crate) fn plain(&self, message: &str) -> String {
        let mut text = message
            .replace(&self.broker_wire.address().to_string(), "broker:9092")
            .replace(&self.s3_wire.address().to_string(), "s3")
            .replace(&self.document_wire.address().to_string(), "documents:27017");
        for partition in 1..PARTITIONS {
            text = text.replace(&format!("{TOPIC}-{partition}"), &format!("{TOPIC}-0"));
        }
        // Requests that wait behind a late one on the same connection are late, too: any of them may be told of.
        if let (Some(at), Some(end)) = (text.find(" did not answer "), text.find(" ms")) {
            text.replace_range(at..end + 3, " did not answer … within … ms");
        }
        const REACH: &str = "connection to S3 at http://s3 (store.url) failed: ";
        if let Some(at) = text.find(REACH) {
            text.truncate(at + REACH.len());
            text.push('…');
        }
        // Which records were under way depends on the moment.
        const WRITE: &str = "write of ";
        if let Some(end) = text.find(" to kafka.hashed failed")
            && let Some(start) = text[..end].rfind(WRITE)
        {
            text.replace_range(start + WRITE.len()..end, "…");
        }
        // Whether the end of a connection comes with a reset depends on the moment.
        const BROKER: &str = "disconnected from broker:9092: ";
        if let Some(at) = text.find(BROKER) {
            text.truncate(at + BROKER.len());
            text.push('…');
        }
        text
    }
}

/// The value of a record.
pub(crate) fn value(partition: i32, offset: i64) -> String {
    format!("{partition}-{offset}")
}

async fn until_or<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
    why: impl Fn() -> String,
) -> T {
    match tokio::time::timeout(crate::worker::PATIENCE * 9 / 10, until(what, look)).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for {what}: {}", why()),
    }
}

fn missing<'a>(wanted: &BTreeSet<String>, found: impl Iterator<Item = &'a String>) -> String {
    let found: BTreeSet<&String> = found.collect();
    let missing: Vec<&String> = wanted.iter().filter(|v| !found.contains(v)).collect();
    let strange: Vec<&&String> = found.iter().filter(|v| !wanted.contains(**v)).collect();
    format!("missing {missing:?}, strange {strange:?}")
}

/// The files of a folder and of those in it, by their names.
fn files_in(folder: PathBuf, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if name.is_some_and(&is_wanted) {
                files.push(path);
            }
        }
    }
    files
}

/// The service keeps its own notes beside the objects, in hidden files.
fn is_object(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".json") || name.ends_with(".json.gz"))
}

/// Small patience, so that faults show quickly.
const CLIENT: [(&str, &str); 6] = [
    ("request.timeout.ms", "1000"),
    ("default.api.timeout.ms", "2000"),
    ("retry.backoff.ms", "50"),
    ("retry.backoff.max.ms", "200"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "200"),
];

const CONSUMER: [(&str, &str); 5] = [
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "200"),
    ("max.poll.interval.ms", "6000"),
    ("fetch.max.wait.ms", "100"),
    ("metadata.max.age.ms", "500"),
];

//! One recorded scenario: a worker of its own, a folder of its own, and steps in order.

use crate::compare::{Placeholders, differences};
use crate::doubles::Doubles;
use crate::http::{self, Reply};
use millstream_core::Properties;
use millstream_golden::Outcome;
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS, PREDICATES, TRANSFORMS};
use millstream_s3::S3SinkConnector;
use millstream_worker::{PluginRegistry, Worker, WorkerSettings, WorkerStart};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long requests are repeated that do not match yet; each takes a round trip, so the others get their turn.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Scenario {
    worker: Worker,
    address: String,
    placeholders: Placeholders,
    pub(crate) doubles: Doubles,
    shutdown: CancellationToken,
    /// A change that is not due makes what follows it different.
    missing: Option<String>,
    _folder: TempDir,
}

/// Why a whole scenario is not due.
pub(crate) fn not_due(setup: &Json) -> Option<String> {
    ["workers", "jaas", "files"]
        .into_iter()
        .find(|key| setup.get(key).is_some())
        .map(|key| format!("needs {key}"))
}

/// Why a step is not due: what is different on purpose.
fn step_not_due(case: &Json) -> Option<String> {
    // Java shows a task that never was, because somebody asked to restart it.
    if case["response"]["body"].to_string().contains("inputMap") {
        return Some("a deliberate difference".to_owned());
    }
    None
}

/// The plugins that the recorded worker had.
fn recorded_plugins(setup: &Json) -> String {
    let connect = "org.apache.kafka.connect.";
    let mut packages = vec!["converters", "file", "json", "storage", "transforms"];
    if setup.get("test_plugins").is_some() {
        packages.push("tools");
    }
    let classes = packages
        .iter()
        .map(|package| format!("{connect}{package}.*"));
    classes.collect::<Vec<_>>().join(",")
}

impl Scenario {
    pub(crate) async fn start(setup: &Json) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut placeholders = Placeholders::default();
        placeholders.set("DIR", &folder.path().display().to_string());
        placeholders.set("VERSION", millstream_worker::KAFKA_VERSION);
        placeholders.set("CLUSTER_ID", "a-cluster");
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let mut properties = Properties::from_iter([
            ("listeners", "http://127.0.0.1:0"),
            ("bootstrap.servers", "127.0.0.1:9092"),
            ("group.id", "kc"),
            ("key.converter", json),
            ("value.converter", json),
        ]);
        // As the recorded worker did, but for the time that a test has.
        properties.insert("offset.flush.interval.ms", "10");
        if setup.get("index").is_some() {
            properties.insert("millstream.plugins.include", recorded_plugins(setup));
        }
        for (key, value) in setup["worker_config"].as_object().into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            // Any port that is free.
            let value = value.replace("{{ADMIN_PORT}}", "0");
            properties.insert(key.clone(), placeholders.fill(&value));
        }
        let doubles = Doubles::default();
        let shutdown = CancellationToken::new();
        let mut connectors = millstream_connectors::connectors();
        connectors.push(Arc::new(S3SinkConnector));
        let mut start = WorkerStart {
            settings: WorkerSettings::new(properties).map_err(|error| error.to_string())?,
            registry: PluginRegistry {
                connectors,
                converters: CONVERTERS.to_vec(),
                header_converters: HEADER_CONVERTERS.to_vec(),
                transforms: TRANSFORMS.to_vec(),
                predicates: PREDICATES.to_vec(),
                inputs: Vec::new(),
            },
            starter: Arc::new(doubles.clone()),
            kafka: Some(Arc::new(doubles.clone())),
            offsets: None,
            log_control: None,
            metrics: None,
            health: None,
            connector_files: Vec::new(),
            connectors: Vec::new(),
            bootstrap_connectors: None,
            shutdown: shutdown.clone(),
        };
        let is_standalone = setup["standalone"] == true;
        let worker = if is_standalone {
            let file = folder.path().join("cli.properties");
            let output = folder.path().join("cli.out");
            let text = format!(
                "name=cli\nconnector.class=FileStreamSink\ntasks.max=1\ntopics=cli\nfile={}\n",
                output.display()
            );
            std::fs::write(&file, text).unwrap();
            start.connector_files.push(file);
            Worker::start(start).await
        } else {
            Worker::start_cluster_of_one(start).await
        };
        let worker = worker.map_err(|error| error.to_string())?;
        let address = worker.addresses()[0].to_string();
        placeholders.set("WORKER_ID", &address);
        if let Some(admin) = worker.admin_addresses().first() {
            placeholders.set("ADMIN_PORT", &admin.port().to_string());
        }
        Ok(Scenario {
            worker,
            address,
            placeholders,
            doubles,
            shutdown,
            missing: None,
            _folder: folder,
        })
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.worker.ended().await;
    }

    pub(crate) async fn step(&mut self, case: &Json) -> Outcome {
        if let Some(why) = &self.missing {
            return Outcome::NotDue(why.clone());
        }
        if let Some(deed) = case.get("do") {
            return self.perform(deed).await;
        }
        if let Some(why) = step_not_due(case) {
            let path = case["request"]["path"].as_str().unwrap_or_default();
            let is_change = case["request"]["method"] != "GET" && !path.ends_with("/validate");
            if is_change && case["response"]["status"].as_u64() < Some(300) {
                self.missing = Some(why.clone());
            }
            return Outcome::NotDue(why);
        }
        if !case["request"]["path"].is_string() {
            return Outcome::NotDue("the step has no request".to_owned());
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let reply = self.request(&case["request"]).await;
            let found = differences(case, &reply, &self.placeholders);
            if found.is_empty() {
                return Outcome::Passed;
            }
            if case["repeat"] != true || Instant::now() >= end {
                return Outcome::Failed(found);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The body of the answer to a request.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Json) -> String {
        let headers = serde_json::json!({"Content-Type": "application/json"});
        let request =
            serde_json::json!({"method": method, "path": path, "headers": headers, "body": body});
        self.request(&request).await.body
    }

    async fn request(&self, request: &Json) -> Reply {
        let body = match (&request["body"], request["text"].as_str()) {
            (Json::Null, text) => text.unwrap_or_default().to_owned(),
            (body, _) => body.to_string(),
        };
        let address = match request["port"].as_str() {
            Some(port) => format!("127.0.0.1:{}", self.placeholders.fill(port)),
            None => self.address.clone(),
        };
        let (method, path) = (
            request["method"].as_str().unwrap_or("GET"),
            request["path"].as_str().unwrap_or("/"),
        );
        let body = self.placeholders.fill(&body);
        http::send(&address, method, path, &request["headers"], &body).await
    }

    async fn perform(&self, deed: &Json) -> Outcome {
        let Some((kind, of)) = deed.as_object().and_then(|deed| deed.iter().next()) else {
            return Outcome::Failed("the step has no deed".to_owned());
        };
        let text = |key: &str| self.placeholders.fill(of[key].as_str().unwrap_or_default());
        match kind.as_str() {
            "make_dir" => std::fs::create_dir_all(text("path")).unwrap(),
            "write_file" => std::fs::write(text("path"), text("text")).unwrap(),
            "produce" => {
                let values = of["values"].as_array().into_iter().flatten();
                let values = values.filter_map(|value| value.as_str().map(str::to_owned));
                self.doubles.produce(&text("topic"), values);
            }
            "await_file" => {
                let end = Instant::now() + PATIENCE;
                while Instant::now() < end {
                    if std::fs::read_to_string(text("path")).ok() == Some(text("text")) {
                        return Outcome::Passed;
                    }
                    tokio::task::yield_now().await;
                }
                return Outcome::Failed("the file did not come to hold that text".to_owned());
            }
            // Here nothing takes time, and topics are made by writing to them.
            "sleep_ms" => {}
            "create_topic" => {
                let mut broker = self.doubles.0.lock().unwrap();
                broker.topics.entry(text("topic")).or_default();
                let count = of["partitions"].as_i64().unwrap_or(1);
                broker.partitions.insert(text("topic"), count as i32);
            }
            other => return Outcome::Failed(format!("{other} is no deed of the runner's")),
        }
        Outcome::Passed
    }
}

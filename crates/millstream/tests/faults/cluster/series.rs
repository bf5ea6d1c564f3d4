//! What Java's worker has written to the internal topics, operation by operation, beside what ours writes.

use super::records::{TOPICS, Topics};
use super::{broker, start};
use crate::worker::{Worker, until};
use millstream_core::Properties;
use millstream_embedded::broker::Broker;
use millstream_golden::Outcome;
use millstream_kafka::{Admin, ClientSettings};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::time::{Duration, Instant};

/// How long a step's records are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);

#[test]
fn golden_internal_topics() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut last = String::new();
    let mut results: std::vec::IntoIter<Outcome> = Vec::new().into_iter();
    millstream_golden::run("internal topics", |file, _| {
        if last != file {
            file.clone_into(&mut last);
            let cases = millstream_golden::cases(file);
            results = runtime.block_on(play(&cases)).into_iter();
        }
        results
            .next()
            .unwrap_or_else(|| Outcome::Failed("it was not played".to_owned()))
    });
}

/// What came of each line of a series. After a failure nothing else is played.
async fn play(cases: &[Json]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    // Where sources write to.
    broker.create_topic("lines", 1).unwrap();
    let mut topics = Topics::new(&broker);
    let mut stage = Stage {
        folder,
        broker: &broker,
        worker: None,
        worker_id: String::new(),
    };
    let mut outcomes = Vec::new();
    for case in cases {
        if case.get("series").is_some() {
            outcomes.push(Outcome::Setup);
            continue;
        }
        if matches!(
            outcomes.last(),
            Some(Outcome::Failed(_) | Outcome::NotDue(_))
        ) {
            let name = &case["name"];
            outcomes.push(Outcome::NotDue(format!(
                "{name} follows what is not played"
            )));
            continue;
        }
        outcomes.push(match stage.step(case, &mut topics).await {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        });
    }
    outcomes
}

struct Stage<'a> {
    folder: TempDir,
    broker: &'a Broker,
    worker: Option<Worker>,
    worker_id: String,
}

impl Stage<'_> {
    async fn step(&mut self, case: &Json, topics: &mut Topics<'_>) -> Result<(), String> {
        if let Some(described) = case["topics"].as_array() {
            return self.compare_topics(described).await;
        }
        if let Some(request) = case.get("request") {
            self.ask(request, &case["status"]).await?;
        } else {
            self.perform(&case["do"]).await;
        }
        let fill = |text: &str| self.fill(text);
        let deadline = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let compared = topics.compare(case, fill);
            if compared.is_ok() || Instant::now() > deadline {
                let log = self.worker.as_ref().map(Worker::log).unwrap_or_default();
                return compared.map_err(|why| format!("{why}\n{log}"));
            }
        }
    }

    fn fill(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let text = text.replace("{{DIR}}", &folder);
        let text = text.replace("{{WORKER_ID}}", &self.worker_id);
        text.replace("{{VERSION}}", millstream_worker::KAFKA_VERSION)
    }

    fn path(&self, deed: &Json) -> PathBuf {
        Path::new(&self.fill(deed["path"].as_str().unwrap())).to_owned()
    }

    /// Repeats what Java's worker, too, refuses for a moment.
    async fn ask(&self, request: &Json, status: &Json) -> Result<(), String> {
        let worker = self.worker.as_ref().unwrap();
        let body = request.get("body").map(|body| {
            let text = self.fill(&body.to_string());
            serde_json::from_str::<Json>(&text).unwrap()
        });
        let (method, path) = (
            request["method"].as_str().unwrap(),
            request["path"].as_str().unwrap(),
        );
        let wanted = status.as_u64().unwrap();
        until("an answer that is no refusal", || async {
            let (found, text) = worker.request(method, path, body.as_ref()).await;
            let found = u64::from(found.as_u16());
            if found == wanted {
                return Some(Ok(()));
            }
            let passes = found == 409 || text.to_string().contains("rebalance");
            let differs = format!("{method} {path}: {found} {text} instead of {wanted}");
            (!passes).then_some(Err(differs))
        })
        .await
    }

    async fn perform(&mut self, deed: &Json) {
        if deed.get("start_worker").is_some() {
            let worker = start(self.folder.path(), "worker", self.broker, &[]).await;
            self.worker_id = worker.address.to_string();
            self.worker = Some(worker);
        } else if deed.get("stop_worker").is_some() {
            let mut worker = self.worker.take().unwrap();
            worker.signal("-TERM");
            assert_eq!(worker.ended().await, 0, "{}", worker.log());
        } else if let Some(of) = deed.get("append_file") {
            let path = self.path(of);
            let mut text = std::fs::read_to_string(&path).unwrap_or_default();
            text += of["text"].as_str().unwrap();
            std::fs::write(&path, &text).unwrap();
            let (_, names) = self
                .worker
                .as_ref()
                .unwrap()
                .request("GET", "/connectors", None)
                .await;
            if names.as_array().is_some_and(|names| !names.is_empty()) {
                // The next step is to find the source behind it.
                let lines = text.lines().count();
                let are_sent = || self.broker.read("lines", 0).unwrap().len() >= lines;
                until("the lines", || async { are_sent().then_some(()) }).await;
            }
        } else {
            panic!("{deed} is no deed of the runner's");
        }
    }

    async fn compare_topics(&self, described: &[Json]) -> Result<(), String> {
        let bootstrap = self.broker.bootstrap();
        let settings = Properties::from_iter([("bootstrap.servers", bootstrap)]);
        let admin = Admin::new(ClientSettings::from_properties(&settings).unwrap());
        let mut found = Vec::new();
        for topic in ["kc_config", "kc_status", "kc_offset"] {
            let all = admin
                .describe_topics(&TOPICS.map(str::to_owned))
                .await
                .unwrap();
            let policy = admin.topic_config(topic, "cleanup.policy").await.unwrap();
            found.push(json!({
                "topic": topic,
                "partitions": all[topic].partitions,
                "replication": all[topic].replication,
                "settings": {"cleanup.policy": policy},
            }));
        }
        if found == described {
            return Ok(());
        }
        Err(format!("{found:?}"))
    }
}

//! Drives the sink through the steps of a recorded case and compares what comes of each.

use super::batches::{Converters, batches, generate};
use super::compare;
use super::server::Server;
use millstream_core::contract::Ledger;
use millstream_core::rejected::RejectedRow;
use millstream_core::{
    ByteBudget, Connector, Progress, Properties, RowMask, SinkConnector, SinkError, SinkErrorKind,
    SinkTask, TaskContext, TopicPartition,
};
use millstream_s3::S3SinkConnector;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step's uploads may take to settle; a step that gets what it expects goes on at once.
const SETTLE: Duration = Duration::from_secs(5);

/// A case that is being run.
pub(crate) struct Run {
    server: Server,
    properties: Properties,
    task: Option<Box<dyn SinkTask>>,
    converters: Converters,
    reporter: String,
    now: i64,
    /// Offsets since the last precommit.
    ledger: Ledger,
    offsets: BTreeMap<String, i64>,
    rejected: Vec<RejectedRow>,
    /// Where the sink wants to go on, since the last step.
    rewinds: BTreeMap<String, i64>,
    /// Where the original rewinds the consumer after a fault: the last offset that the sink has of each partition. The sink
    /// tries the failed upload again instead, so it is not given records twice, and only the end is compared.
    taken: Option<BTreeMap<String, i64>>,
}

impl Run {
    /// `retries`: the original rewinds the consumer after a fault, the sink tries again.
    pub(crate) fn new(case: &Json, server: Server, properties: Properties, retries: bool) -> Self {
        Run {
            converters: Converters::new(&properties),
            server,
            properties,
            task: None,
            reporter: case["reporter"].as_str().unwrap_or("none").to_owned(),
            now: case["clock"].as_i64().expect("a clock"),
            ledger: Ledger::default(),
            offsets: BTreeMap::new(),
            rejected: Vec::new(),
            rewinds: BTreeMap::new(),
            taken: retries.then(BTreeMap::new),
        }
    }

    pub(crate) async fn judge(&mut self, case: &Json) -> Result<(), String> {
        let expected = &case["expected"];
        if let Some(error) = expected.get("connector_start_error") {
            let refused = S3SinkConnector.check_start(&self.properties);
            let said = refused.err().map(|error| error.message);
            return compare::error(said.as_deref(), Some(error));
        }
        let started = self.start(&case["assign"]).await;
        let said = started.err().map(|error| error.message);
        compare::error(said.as_deref(), expected.get("start_error"))?;
        let requests = std::mem::take(&mut self.server.state().requests);
        if let Some(wanted) = expected.get("start_requests") {
            compare::requests(&requests, wanted, compare::LeaveOut::default())?;
        }
        if said.is_some() {
            return Ok(());
        }
        let steps = case["steps"].as_array().expect("steps");
        let results = expected["steps"].as_array().expect("results");
        if self.taken.is_some() {
            return self.judge_end(steps, results, &expected["objects"]).await;
        }
        for (number, (step, wanted)) in steps.iter().zip(results).enumerate() {
            self.step(step, wanted)
                .await
                .map_err(|why| format!("step {number}: {why}"))?;
        }
        let state = self.server.state();
        let unfinished = state.unfinished_uploads() as u64;
        if expected["unfinished_uploads"]
            .as_u64()
            .is_some_and(|most| unfinished > most)
        {
            return Err(format!("{unfinished} uploads were left behind"));
        }
        compare::objects(&state.objects, &expected["objects"])
    }

    /// Performs all steps; in the end the same offsets are durable and the same objects stored.
    async fn judge_end(
        &mut self,
        steps: &[Json],
        results: &[Json],
        objects: &Json,
    ) -> Result<(), String> {
        let mut durable = serde_json::Map::new();
        for (step, result) in steps.iter().zip(results) {
            self.perform(step, &Json::Null).await?;
            if let Some(offsets) = result["offsets"].as_object() {
                durable.extend(offsets.clone());
            }
        }
        compare::objects(&self.server.state().objects, objects)?;
        let actual = json!(self.offsets);
        if actual == Json::Object(durable.clone()) {
            Ok(())
        } else {
            Err(format!("durable {actual}, expected {durable:?}"))
        }
    }

    async fn start(&mut self, assign: &Json) -> Result<(), SinkError> {
        let budget = || ByteBudget::new(1 << 30);
        let context = TaskContext {
            has_reporter: self.reporter != "none",
            goes_on_after_rejected: self.reporter != "intolerant",
            ..TaskContext::new("golden", 0, budget(), budget())
        };
        let mut task = S3SinkConnector
            .start_task(&self.properties, context)
            .await?;
        task.poll(self.now).await?;
        task.open(&partitions(assign)).await?;
        self.task = Some(task);
        Ok(())
    }

    fn task(&mut self) -> &mut dyn SinkTask {
        self.task.as_mut().expect("the task has started").as_mut()
    }

    async fn step(&mut self, step: &Json, wanted: &Json) -> Result<(), String> {
        let outcome = self.perform(step, wanted).await;
        let said = outcome.err();
        compare::error(said.as_deref(), wanted.get("error"))?;
        if let Some(offsets) = wanted.get("offsets") {
            let taken = std::mem::take(&mut self.offsets);
            let taken = json!(taken);
            if taken != *offsets {
                return Err(format!("offsets {taken}, expected {offsets}"));
            }
        }
        let rewinds = json!(std::mem::take(&mut self.rewinds));
        let none = json!({});
        let wanted_rewinds = wanted.get("rewinds").unwrap_or(&none);
        if rewinds != *wanted_rewinds {
            return Err(format!("rewinds {rewinds}, expected {wanted_rewinds}"));
        }
        compare::reported(&std::mem::take(&mut self.rejected), wanted.get("reported"))?;
        let requests = std::mem::take(&mut self.server.state().requests);
        let leave_out = compare::LeaveOut {
            digests: self.properties.get("s3.send.digest") != Some("true"),
            sizes: self.properties.get("s3.compression.type") == Some("gzip")
                || matches!(self.properties.get("avro.codec"), Some("deflate" | "bzip2")),
        };
        compare::requests(&requests, &wanted["requests"], leave_out)
    }

    async fn perform(&mut self, step: &Json, wanted: &Json) -> Result<(), String> {
        let (action, argument) = step
            .as_object()
            .and_then(|step| step.iter().find(|(key, _)| *key != "go_on"))
            .expect("a step does something");
        let text = |error: SinkError| error.message;
        match action.as_str() {
            "put" => {
                self.put(argument.as_array().expect("records"), wanted)
                    .await
            }
            "generate" => self.put(&generate(argument), wanted).await,
            "precommit" => self.settle(wanted).await,
            "clock" => {
                self.now = argument.as_i64().expect("a time");
                Ok(())
            }
            "advance" => {
                self.now += argument.as_i64().expect("a time");
                Ok(())
            }
            "faults" => {
                self.server.state().faults = argument.as_array().expect("rules").clone();
                Ok(())
            }
            "object" => {
                let key = argument["key"].as_str().expect("a key");
                let body = argument["text"].as_str().unwrap_or("").to_owned();
                self.server.state().put_object(key, body.into());
                Ok(())
            }
            "open" => {
                let partitions = partitions(argument);
                self.task().open(&partitions).await.map_err(text)
            }
            "close" => {
                let partitions = partitions(argument);
                self.task().close(&partitions).await;
                // What a partition had made durable is lost with it unless it was asked for before.
                for partition in &partitions {
                    self.offsets.remove(&partition.to_string());
                    self.ledger.forget(partition);
                }
                Ok(())
            }
            "restart" => {
                self.task = None;
                self.start(argument).await.map_err(text)?;
                self.server.state().requests.clear();
                Ok(())
            }
            other => panic!("unknown step {other}"),
        }
    }

    async fn put(&mut self, records: &[Json], wanted: &Json) -> Result<(), String> {
        let needs = self.task().needs();
        let batches =
            batches(records, needs, &mut self.converters).map_err(|error| error.message)?;
        let now = self.now;
        for mut batch in batches {
            if let Some(taken) = &mut self.taken {
                let last = taken.entry(batch.origin.to_string()).or_insert(-1);
                let keep = RowMask::from_fn(batch.len(), |row| batch.offsets[row] > *last);
                *last = batch.next_offset - 1;
                batch.retain(&keep);
            }
            self.ledger.deliver(&batch);
            let put = self.task().put(Arc::new(batch), now).await;
            put.map_err(|error| error.message)?;
        }
        self.settle(wanted).await
    }

    /// Waits until nothing more happens: the server is not asked for a while.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        let mut asked = usize::MAX;
        loop {
            let finished = self.task().finish(Duration::from_millis(30)).await;
            finished.map_err(|error| error.message)?;
            self.harvest().await?;
            let before = std::mem::replace(&mut asked, self.server.state().requests.len());
            if asked == before {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn harvest(&mut self) -> Result<(), String> {
        let now = self.now;
        let progress = match self.task().poll(now).await {
            Ok(progress) => progress,
            // Something is being tried again, which the next steps tell.
            Err(error) if matches!(error.kind, SinkErrorKind::Retriable { .. }) => {
                Progress::default()
            }
            Err(error) => return Err(error.message),
        };
        for (partition, offset) in self.task().take_rewinds() {
            self.rewinds.insert(partition.to_string(), offset);
            self.ledger.rewind(&partition, offset);
        }
        for (partition, _) in self.ledger.complete(&progress) {
            if let Some(offset) = self.ledger.position(&partition) {
                self.offsets.insert(partition.to_string(), offset);
            }
        }
        if self.reporter == "intolerant" && !progress.rejected.is_empty() {
            return Err("Tolerance exceeded in error handler".to_owned());
        }
        self.rejected.extend(progress.rejected);
        Ok(())
    }

    /// Waits until the server has been asked what the step expects, and what is on its way has arrived.
    async fn settle(&mut self, wanted: &Json) -> Result<(), String> {
        if self.taken.is_some() {
            return self.come_to_rest().await;
        }
        let expected = wanted["requests"].as_array().map_or(0, Vec::len);
        let deadline = Instant::now() + SETTLE;
        loop {
            let finished = self.task().finish(Duration::from_millis(20)).await;
            finished.map_err(|error| error.message)?;
            self.harvest().await?;
            let asked = self.server.state().requests.len();
            if asked >= expected || Instant::now() > deadline {
                let finished = self.task().finish(Duration::from_millis(20)).await;
                return finished.map_err(|error| error.message);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn partitions(list: &Json) -> Vec<TopicPartition> {
    list.as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|pair| {
            let topic = pair[0].as_str().expect("a topic");
            TopicPartition::new(topic, pair[1].as_i64().expect("a partition") as i32)
        })
        .collect()
}

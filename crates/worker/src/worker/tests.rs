//! A worker as a whole: alone with a shared configuration that is slow to be written, and among others.
#![allow(clippy::unwrap_used)]

mod cluster;
mod https;
mod liveness;
mod peers;
mod speed;

use super::*;
use crate::cluster::{ConfigEvent, ConfigRecord, ConfigStore, MemoryConfigStore};
use crate::task::{TaskEvent, TaskEvents, TaskHandle, TaskStart};
use crate::unstartable::Unstartable;
use async_trait::async_trait;
use millstream_core::{ConverterPlugin, HeaderConverterPlugin};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Tasks that run and do nothing.
struct Idle;

impl TaskStarter for Idle {
    fn start(&self, _start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        tokio::spawn(async move { events.send(TaskEvent::Running).await });
        Box::new(Idle)
    }
}

#[async_trait]
impl TaskHandle for Idle {
    fn pause(&self) {}

    fn resume(&self) {}

    async fn stop(self: Box<Self>, _deadline: Duration) {}
}

/// A store that keeps what it is to write until the gate is opened, and tells that it has come.
struct Gated {
    store: MemoryConfigStore,
    is_open: watch::Receiver<bool>,
    held: Vec<(u64, Vec<ConfigRecord>)>,
    came: mpsc::Sender<()>,
}

#[async_trait]
impl ConfigStore for Gated {
    fn write(&mut self, number: u64, records: Vec<ConfigRecord>) {
        if *self.is_open.borrow() {
            self.store.write(number, records);
        } else {
            self.held.push((number, records));
            self.came.try_send(()).unwrap();
        }
    }

    fn read_to_end(&mut self, number: u64) {
        self.store.read_to_end(number);
    }

    async fn next(&mut self) -> ConfigEvent {
        if !self.held.is_empty() {
            tokio::select! {
                event = self.store.next() => return event,
                opened = self.is_open.wait_for(|is_open| *is_open) => drop(opened),
            }
            for (number, records) in self.held.drain(..) {
                self.store.write(number, records);
            }
        }
        self.store.next().await
    }
}

/// The whole answer to a request.
async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn start(shutdown: CancellationToken) -> WorkerStart {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let properties = Properties::from_iter([
        ("listeners", "http://127.0.0.1:0"),
        ("bootstrap.servers", "127.0.0.1:9092"),
        ("key.converter", json),
        ("value.converter", json),
    ]);
    let converters: Vec<ConverterPlugin> = millstream_plugins::CONVERTERS.to_vec();
    let header_converters: Vec<HeaderConverterPlugin> =
        millstream_plugins::HEADER_CONVERTERS.to_vec();
    WorkerStart {
        settings: WorkerSettings::new(properties).unwrap(),
        registry: PluginRegistry {
            connectors: vec![Arc::new(Unstartable::new())],
            converters,
            header_converters,
            ..PluginRegistry::default()
        },
        starter: Arc::new(Idle),
        kafka: None,
        offsets: None,
        log_control: None,
        metrics: None,
        health: None,
        connector_files: Vec::new(),
        connectors: Vec::new(),
        bootstrap_connectors: None,
        shutdown,
    }
}

#[tokio::test]
async fn reads_are_answered_while_writes_hang() {
    let (gate, is_open) = watch::channel(true);
    let (came_in, mut came) = mpsc::channel(8);
    let cluster = Cluster {
        configs: Box::new(Gated {
            store: MemoryConfigStore::default(),
            is_open,
            held: Vec::new(),
            came: came_in,
        }),
        ..Cluster::of_one(GroupProtocol::Sessioned)
    };
    let shutdown = CancellationToken::new();
    let started = start(shutdown.clone());
    let launched = Worker::launch(started, WorkerMode::Standalone, |_| cluster).await;
    let (worker, _) = launched.unwrap();
    let address = worker.addresses()[0];
    let create = r#"{"name":"c","config":{"connector.class":"Sink","topics":"t"}}"#;
    let created = ask(address, "POST", "/connectors", create).await;
    assert!(created.starts_with("HTTP/1.1 201"), "{created}");

    gate.send_replace(false);
    let pause = tokio::spawn(ask(address, "PUT", "/connectors/c/pause", ""));
    came.recv().await.unwrap();
    let other = create.replace("\"c\"", "\"d\"");
    let other = tokio::spawn(async move { ask(address, "POST", "/connectors", &other).await });
    came.recv().await.unwrap();
    for path in [
        "/",
        "/connectors",
        "/connectors?expand=status",
        "/connectors?expand=status&expand=info",
        "/connectors/c",
        "/connectors/c/config",
        "/connectors/c/status",
        "/connectors/c/tasks",
        "/connectors/c/tasks/0/status",
        "/connectors/c/topics",
        "/connector-plugins",
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(10), ask(address, "GET", path, ""));
        let answer = answer.await.unwrap_or_else(|_| panic!("{path} waits"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(!answer.contains("PAUSED"), "{path}: {answer}");
    }
    assert!(!pause.is_finished() && !other.is_finished());

    gate.send_replace(true);
    let paused = pause.await.unwrap();
    assert!(paused.starts_with("HTTP/1.1 202"), "{paused}");
    let other = other.await.unwrap();
    assert!(other.starts_with("HTTP/1.1 201"), "{other}");
    shutdown.cancel();
    worker.ended().await;
}

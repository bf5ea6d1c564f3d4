//! A control loop that stands still, as seen at the health port.

use super::*;
use crate::health::{HealthPort, ProgressSource};
use millstream_health::TaskSample;
use std::sync::mpsc as blocking;
use tokio::runtime::Builder;

struct NoTasks;

impl ProgressSource for NoTasks {
    fn samples(&self) -> Vec<TaskSample> {
        Vec::new()
    }
}

/// A store that holds up whoever writes, against all rules.
struct Holding {
    store: MemoryConfigStore,
    came: mpsc::Sender<()>,
    let_go: blocking::Receiver<()>,
}

#[async_trait]
impl ConfigStore for Holding {
    fn write(&mut self, number: u64, records: Vec<ConfigRecord>) {
        self.came.try_send(()).unwrap();
        // Who is to let go ends with the test.
        let _ = self.let_go.recv();
        self.store.write(number, records);
    }

    fn read_to_end(&mut self, number: u64) {
        self.store.read_to_end(number);
    }

    async fn next(&mut self) -> ConfigEvent {
        self.store.next().await
    }
}

#[tokio::test]
async fn a_loop_that_stands_still_is_told_by_the_health_port() {
    let shutdown = CancellationToken::new();
    let mut start = start(shutdown.clone());
    let mut properties = start.settings.properties.clone();
    properties.insert("millstream.health.listener", "http://127.0.0.1:0");
    start.settings = WorkerSettings::new(properties).unwrap();
    let health = HealthPort::open(&start.settings, Arc::new(NoTasks), shutdown.clone());
    let health = health.await.unwrap();
    let address = health.address().await.unwrap();
    start.health = Some(health.clone());
    let (came_in, mut came) = mpsc::channel(8);
    let (let_go_in, let_go) = blocking::sync_channel(1);
    // The loop has a thread of its own, so that what holds it up holds up nothing else.
    let worker = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let cluster = Cluster {
                configs: Box::new(Holding {
                    store: MemoryConfigStore::default(),
                    came: came_in,
                    let_go,
                }),
                ..Cluster::of_one(GroupProtocol::Sessioned)
            };
            let launched = Worker::launch(start, WorkerMode::Distributed, |_| cluster);
            launched.await.unwrap().0.ended().await;
        });
    });
    // The leader of a cluster writes a key at its start.
    came.recv().await.unwrap();
    let answer = ask(address, "GET", "/live", "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("the herder has not answered within 5 s"),
        "{answer}"
    );
    let_go_in.send(()).unwrap();
    let answer = ask(address, "GET", "/live", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(let_go_in);
    shutdown.cancel();
    worker.await.unwrap();
    health.close().await;
}

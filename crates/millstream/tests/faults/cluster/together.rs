//! Several workers: work is shared out, taken over from one that is killed, and handed over by one that is stopped; one that
//! shares the group and not the configuration says so.

use super::{HASTY, broker, start};
use crate::worker::{Worker, until};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Who runs the connector's tasks, once all of them run.
async fn owners(asked: &Worker, tasks: usize) -> Option<BTreeSet<String>> {
    let (_, status) = asked.request("GET", "/connectors/c/status", None).await;
    let all = status["tasks"].as_array()?;
    let running = all.iter().filter(|task| task["state"] == "RUNNING");
    let owners: Vec<String> = running
        .filter_map(|task| task["worker_id"].as_str().map(str::to_owned))
        .collect();
    (owners.len() == tasks).then(|| owners.into_iter().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_share_out_the_work_and_take_it_over() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 3).unwrap();
    let names = ["one", "two", "three"];
    let starting = names.map(|name| start(folder.path(), name, &broker, &HASTY));
    let mut workers = futures::future::join_all(starting).await;
    let output = folder.path().join("out.txt");
    let config = json!({
        "connector.class": "FileStreamSink",
        "tasks.max": "3",
        "topics": "t",
        "file": output.display().to_string(),
    });
    let body = json!({"name": "c", "config": config});
    until("the connector", || async {
        let (status, _) = workers[1].request("POST", "/connectors", Some(&body)).await;
        (status == 201).then_some(())
    })
    .await;
    let all: BTreeSet<String> = workers.iter().map(|w| w.address.to_string()).collect();
    // Whichever of them is asked.
    for worker in &workers {
        let found = until("three owners", || async {
            owners(worker, 3).await.filter(|owners| owners.len() == 3)
        });
        assert_eq!(found.await, all);
        let (_, list) = worker.request("GET", "/connectors", None).await;
        assert_eq!(list, Json::from(vec!["c"]));
    }
    let killed = workers.remove(0);
    killed.signal("-KILL");
    let left: BTreeSet<String> = workers.iter().map(|w| w.address.to_string()).collect();
    let found = until("those that are left", || async {
        owners(&workers[0], 3)
            .await
            .filter(|owners| *owners == left)
    });
    found.await;
    let mut stopped = workers.remove(0);
    stopped.signal("-TERM");
    assert_eq!(stopped.ended().await, 0, "{}", stopped.log());
    let last = BTreeSet::from([workers[0].address.to_string()]);
    let found = until("the last one", || async {
        owners(&workers[0], 3)
            .await
            .filter(|owners| *owners == last)
    });
    found.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn additions_24_a_worker_with_another_config_topic_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let one = start(folder.path(), "one", &broker, &HASTY).await;
    until("the leader", || async {
        let (status, _) = one.request("GET", "/health", None).await;
        (status == 200).then_some(())
    })
    .await;
    let mut settings = HASTY.to_vec();
    settings.push(("config.storage.topic", "kc_other"));
    let other = start(folder.path(), "other", &broker, &settings).await;
    // That is more than the other will ever read.
    let config = json!({"connector.class": "FileStreamSink", "topics": "t", "file": "/dev/null"});
    let body = json!({"name": "c", "config": config});
    let (status, _) = one.request("POST", "/connectors", Some(&body)).await;
    assert_eq!(status, 201);
    let told = until("the error", || async {
        let (status, health) = other.request("GET", "/health", None).await;
        let text = health["message"].as_str()?.to_owned();
        (status == 500 && text.contains("The group cannot work")).then_some(text)
    });
    let told = told.await;
    let remedy = "check that all workers of the group have the same config.storage.topic";
    assert!(told.contains(remedy), "{told}");
    assert!(other.log().contains(remedy), "{}", other.log());
    // The others go on.
    let (status, _) = one.request("GET", "/health", None).await;
    assert_eq!(status, 200);
}

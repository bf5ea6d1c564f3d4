//! A running connector: its settings over REST, and two looks at the metrics of the workers that run its tasks.

use crate::plugins;
use millstream_advise::flags::Known;
use millstream_advise::measured::{Counted, add, between, configured};
use millstream_advise::units::{shown, time};
use millstream_health::Credentials;
use millstream_worker::health::Upstream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Looks twice, so long apart. A worker that cannot be asked is an error: its part of the load would be missing.
pub(super) async fn measure(
    url: &str,
    name: &str,
    over: Duration,
    buckets: f64,
) -> Result<Known, String> {
    let url = url.trim_end_matches('/');
    let path = format!(
        "/connectors/{}",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    );
    let asked = upstream(url);
    let mut answer = ask(&asked, &path).await?;
    if let Some(config) = answer["config"].as_object_mut() {
        by_full_names(config);
    }
    let found = configured(&answer, buckets).map_err(|why| format!("connector {name}: {why}"))?;
    let status = ask(&asked, &format!("{path}/status")).await?;
    let workers = workers(url, &status)?;
    let workers: Vec<Upstream> = workers.iter().map(|url| upstream(url)).collect();
    let first = count(&workers, name).await?;
    let begun = Instant::now();
    sleep(over).await;
    let second = count(&workers, name).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let load =
        between(&first, &second, seconds).map_err(|why| format!("connector {name}: {why}"))?;
    let how = format!(
        "Connector {name} was looked at for {} on {} of its workers: {} records, counted with the bytes that came from the brokers, compressed if they are. How fast they come at other times was not seen: give --burst.",
        time(seconds),
        workers.len(),
        shown(second.records - first.records)
    );
    Ok(Known {
        load: Some(load),
        job: Some(found.job),
        files: Some(found.files),
        partitions: None,
        how: vec![how],
    })
}

/// The worker that was asked runs the tasks, or those that it names do: `host:port` under the same scheme.
fn workers(url: &str, status: &Value) -> Result<Vec<String>, String> {
    let tasks = status["tasks"].as_array();
    let ids: BTreeSet<&str> = tasks
        .into_iter()
        .flatten()
        .filter_map(|task| task["worker_id"].as_str())
        .collect();
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
    match ids.len() {
        0 => Err("it has no tasks that could be looked at: see its status".to_owned()),
        // Its address as it is known here, which others need not have.
        1 => Ok(vec![url.to_owned()]),
        _ => Ok(ids.iter().map(|id| format!("{scheme}://{id}")).collect()),
    }
}

async fn count(workers: &[Upstream], name: &str) -> Result<Counted, String> {
    let mut counted = Counted::default();
    for worker in workers {
        let answer = get(worker, "/metrics").await?;
        add(&mut counted, &String::from_utf8_lossy(&answer), name);
    }
    Ok(counted)
}

fn upstream(url: &str) -> Upstream {
    Upstream::new(url, &Credentials::Nobody, None)
}

/// An alias is as good as a class's full name, which the figures are known by.
fn by_full_names(config: &mut Map<String, Value>) {
    let registry = plugins::registry();
    for (key, value) in config {
        let Some(name) = value.as_str().map(str::trim) else {
            continue;
        };
        let class = match key.as_str() {
            "connector.class" => registry.connector(name).ok().map(|it| it.class_name()),
            "value.converter" => registry.converter(name).map(|it| it.class),
            key if key.starts_with("transforms.") && key.ends_with(".type") => {
                registry.transform(name).map(|it| it.class)
            }
            _ => None,
        };
        if let Some(class) = class {
            *value = class.into();
        }
    }
}

async fn ask(worker: &Upstream, path: &str) -> Result<Value, String> {
    let body = get(worker, path).await?;
    serde_json::from_slice(&body)
        .map_err(|error| format!("{}{path} is no JSON: {error}", worker.url()))
}

async fn get(worker: &Upstream, path: &str) -> Result<Vec<u8>, String> {
    let answer = worker.get(path).await?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(format!(
            "{}{path} is answered with {status}: is this the worker's REST API, and the name right?",
            worker.url()
        )),
    }
}

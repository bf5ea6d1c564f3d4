//! A worker of a cluster without a port, and what its API answers.

use super::super::peers::Puppet;
use super::super::*;
use crate::cluster::{GroupEvent, GroupHealth, Leader, TaskSubmitter};
use axum::body::Body;
use axum::http::Request as HttpRequest;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// A worker that serves no port, unless the settings say so; its API is called as it is.
pub(super) struct Member {
    pub(super) api: Api,
    pub(super) worker: Worker,
    pub(super) shutdown: CancellationToken,
    pub(super) say: mpsc::Sender<GroupEvent>,
    pub(super) group_health: watch::Sender<GroupHealth>,
    pub(super) submitter: Arc<dyn TaskSubmitter>,
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) body: String,
}

impl Member {
    pub(super) async fn new(leader: Leader) -> Self {
        Member::with(leader, &[], GroupProtocol::Sessioned, Vec::new()).await
    }

    pub(super) async fn with(
        leader: Leader,
        settings: &[(&str, &str)],
        protocol: GroupProtocol,
        records: Vec<ConfigRecord>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let mut start = start(shutdown.clone());
        let mut properties = start.settings.properties.clone();
        properties.insert("listeners", "");
        for (key, value) in settings {
            properties.insert(*key, *value);
        }
        start.settings = WorkerSettings::quiet(properties).unwrap();
        let (puppet, say) = Puppet::new(leader);
        let group_health = puppet.group_health.clone();
        let cluster = puppet.speaking(protocol).cluster(records);
        let mut submitter = None;
        let launched = Worker::launch(start, WorkerMode::Distributed, |here| {
            submitter = Some(here.submitter);
            cluster
        });
        let (worker, api) = launched.await.unwrap();
        let member = Member {
            api,
            worker,
            shutdown,
            say,
            group_health,
            submitter: submitter.unwrap(),
        };
        while !member.api.herder.view().has_started() {
            tokio::task::yield_now().await;
        }
        member
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = [("authorization", "Basic abc")];
        self.call_with(method, path, body, &headers).await
    }

    pub(super) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = HttpRequest::builder().method(method).uri(path);
        let own = [("host", "here:8083"), ("content-type", "application/json")];
        for (name, value) in own.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()));
        let router = rest::main_router(&self.api, ResponseHeaders::default());
        let response = TowerToHyperService::new(router).call(request.unwrap());
        let (head, body) = response.await.unwrap().into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Reply {
            status: head.status.as_u16(),
            location: header("location"),
            kind: header("content-type"),
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) async fn end(self) {
        self.shutdown.cancel();
        self.worker.ended().await;
    }
}

pub(super) fn message(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

pub(super) const CREATE: &str =
    r#"{"name":"c","config":{"connector.class":"Sink","topics":"t"},"initial_state":"STOPPED"}"#;

pub(super) fn connector(name: &str, class: &str) -> ConfigRecord {
    ConfigRecord::Connector {
        name: name.into(),
        config: Some(Properties::from_iter([
            ("connector.class", class),
            ("topics", "t"),
            ("name", name),
        ])),
    }
}

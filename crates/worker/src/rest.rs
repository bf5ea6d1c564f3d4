//! The REST API: Connect's paths, bodies and status codes. Handlers ask the herder and convert; they decide nothing.

mod auth;
mod body;
mod config;
mod connectors;
mod cors;
mod error;
mod internal;
mod lifecycle;
mod loggers;
mod lookup;
mod media;
mod metrics;
mod offsets;
mod peers;
mod plugins;
mod query;
mod read_only;
mod relay;
mod root;
mod server;
mod source_offsets;
mod submitter;
mod tasks;
mod timeouts;
mod topics;
mod transport;
mod wire;

pub(crate) use auth::{may_pass, refused};
pub(crate) use metrics::PROMETHEUS_TEXT;
pub(crate) use server::{Limits, Server};
pub(crate) use submitter::RestSubmitter;

use crate::auth::Authenticator;
use crate::cluster_id::ClusterId;
use crate::config::{ResponseHeaders, WorkerSettings};
use crate::forward::Forwarder;
use crate::herder::HerderHandle;
use crate::herder::state::WorkerMode;
use crate::inter_worker::InterWorkerConfig;
use crate::kafka_admin::KafkaAdmin;
use crate::loggers::Loggers;
use crate::metrics::MetricsSource;
use crate::validation::Validator;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use axum::routing::options as on_options;
use axum::{Extension, Router};
use error::RestError;
use millstream_core::OffsetStore;
use std::future::ready;
use std::sync::Arc;

/// What handlers work with. Cloned for every request, so it holds handles only.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) herder: HerderHandle,
    pub(crate) validator: Arc<Validator>,
    pub(crate) worker: Arc<WorkerSettings>,
    pub(crate) kafka: Option<Arc<dyn KafkaAdmin>>,
    /// Of source connectors.
    pub(crate) offsets: Arc<dyn OffsetStore>,
    /// The id of the Kafka cluster, once it is known.
    pub(crate) cluster_id: ClusterId,
    pub(crate) loggers: Arc<Loggers>,
    pub(crate) metrics: Option<Arc<dyn MetricsSource>>,
    pub(crate) advertised_url: Arc<str>,
    pub(crate) mode: WorkerMode,
    /// Whom to ask who may use this.
    pub(crate) authenticator: Option<Arc<Authenticator>>,
    pub(crate) forwarder: Forwarder,
    pub(crate) inter_worker: Arc<InterWorkerConfig>,
}

/// Everything that the normal listeners serve.
pub(crate) fn main_router(api: &Api, headers: ResponseHeaders) -> Router {
    let mut router = Router::new()
        .merge(root::router())
        .merge(connectors::router())
        .merge(config::router())
        .merge(lifecycle::router())
        .merge(tasks::router())
        .merge(topics::router())
        .merge(offsets::router())
        .merge(plugins::router())
        .merge(metrics::router());
    if api.worker.config.admin_listeners.is_none() {
        router = router.merge(loggers::router());
    }
    let config = &api.worker.config;
    let cors = cors::Cors::new(&config.allow_origin, &config.allow_methods);
    let guard = api.authenticator.clone();
    let served = guarded(finish(router, api), guard);
    Router::new()
        .fallback_service(served)
        .layer(from_fn(move |request, next| {
            cors::apply(cors.clone(), request, next)
        }))
        .layer(map_response(move |mut response: Response| {
            headers.apply(response.headers_mut(), jiff::Timestamp::now());
            ready(response)
        }))
        .layer(from_fn(transport::check))
}

/// What listeners of their own serve to administrators.
pub(crate) fn admin_router(api: &Api) -> Router {
    // Java's extension guards the other listeners alone.
    let guard = api.authenticator.clone();
    let guard = guard.filter(|authenticator| authenticator.takes_tokens());
    Router::new()
        .fallback_service(guarded(finish(loggers::router(), api), guard))
        .layer(from_fn(transport::check))
}

fn guarded(router: Router, guard: Option<Arc<Authenticator>>) -> Router {
    match guard {
        Some(authenticator) => router.layer(Extension(auth::Guard(authenticator))),
        None => router,
    }
}

fn finish(router: Router<Api>, api: &Api) -> Router {
    let served = router
        .fallback(|| async { RestError::NoSuchPath })
        .with_state(api.clone());
    if api.worker.config.read_only {
        return served.layer(from_fn(read_only::refuse_changes));
    }
    served
}

/// A path with its methods, each checked for media types; OPTIONS answers with what is allowed.
fn resource(path: &str, methods: MethodRouter<Api>, allow: &'static str) -> Router<Api> {
    let options = move || async move {
        let allowed = HeaderValue::from_static(allow);
        let text = HeaderValue::from_static("text/plain");
        let headers = [(header::CONTENT_TYPE, text), (header::ALLOW, allowed)];
        (headers, allow.replace(',', ", ")).into_response()
    };
    let guard = || from_fn(auth::check);
    let checked = methods
        .route_layer(guard())
        .route_layer(from_fn(media::check));
    let all = checked
        .merge(on_options(options).route_layer(guard()))
        .fallback(|| async { RestError::MethodNotAllowed });
    Router::new().route(path, all)
}

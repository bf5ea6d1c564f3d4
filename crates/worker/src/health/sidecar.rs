//! Sidecar: the same port in front of a worker in another process, as kafka-connect-healthcheck.

use super::http::{response, routed};
use super::upstream::Upstream;
use crate::rest::{Limits, Server};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use millstream_health::{Policy, Reply, Route, Verdict};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// For clients that have not taken their answer when the process ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Whom it asks, and what it makes of the answers.
pub struct Sidecar {
    pub upstream: Upstream,
    pub policy: Policy,
}

/// A check that several clients wait for.
type Check = Shared<BoxFuture<'static, Arc<Verdict>>>;

/// Cloning shares it.
#[derive(Clone)]
pub struct SidecarServer {
    sidecar: Arc<Sidecar>,
    /// The one that goes on. Clients that come meanwhile take its answer, so that a worker that hangs is asked once.
    check: Arc<Mutex<Option<WeakShared<BoxFuture<'static, Arc<Verdict>>>>>>,
}

impl SidecarServer {
    pub fn new(sidecar: Sidecar) -> Self {
        SidecarServer {
            sidecar: Arc::new(sidecar),
            check: Arc::default(),
        }
    }

    /// Serves until the shutdown.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let tracker = TaskTracker::new();
        let router = Router::new().fallback(answer).with_state(self);
        let server = Server::new(Limits::HEALTH, tracker.clone(), shutdown, LAST_ANSWERS);
        server.serve(listener, None, router);
        tracker.close();
        tracker.wait().await;
    }

    fn check(&self) -> Check {
        // Nothing between lock and unlock leaves it half changed.
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = check.as_ref().and_then(WeakShared::upgrade);
        if let Some(under_way) = under_way.filter(|check| check.peek().is_none()) {
            return under_way;
        }
        let sidecar = self.sidecar.clone();
        let new = async move {
            let verdict = sidecar.upstream.check(&sidecar.policy).await;
            for remark in &verdict.remarks {
                tracing::warn!("{remark}");
            }
            Arc::new(verdict)
        };
        let new = new.boxed().shared();
        *check = new.downgrade();
        new
    }
}

async fn answer(State(server): State<SidecarServer>, request: Request) -> Response {
    response(match routed(&request) {
        Route::Verdict => Reply::of(Verdict::clone(&*server.check().await)),
        Route::Answered(reply) => reply,
        // That this answers is all that it takes.
        Route::Own(path) if path == "/live" => Reply::up(),
        Route::Own(_) => Reply::nothing(),
    })
}

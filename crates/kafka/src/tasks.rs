//! The one place that starts tasks of this crate. Each ends with the handle that it serves.

use std::future::Future;
use tokio::task::JoinHandle;
use tracing::Instrument;

pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // What a task of a connector starts says whose it is.
    tokio::spawn(future.in_current_span())
}

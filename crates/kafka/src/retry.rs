//! Retry: what may succeed later is tried again, with growing pauses, until a deadline.

use crate::error::KafkaError;
use millstream_core::backoff::Backoff;
use std::future::Future;
use tokio::time::Instant;

/// # Errors
/// One that does not pass by itself, or the last one before the deadline.
pub(crate) async fn retry_until<T, F: Future<Output = Result<T, KafkaError>>>(
    deadline: Instant,
    mut backoff: Backoff,
    mut attempt: impl FnMut() -> F,
) -> Result<T, KafkaError> {
    loop {
        match attempt().await {
            Err(error) if error.is_transient() => {
                let pause = backoff.next_pause();
                if Instant::now() + pause > deadline {
                    return Err(error);
                }
                tracing::debug!(%error, "request failed, retrying");
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
}

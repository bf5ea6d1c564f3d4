//! Body: the whole body of a request, as long as it is not too long and comes without long pauses.

use super::error::RestError;
use super::timeouts::{Phase, Watch};
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use hyper::body::Body as _;
use std::ops::Deref;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Java's worker has no bound of its own, but takes no string beyond 20 million characters.
const LARGEST: usize = 32 << 20;

/// What every connection may hold; of larger ones there is one at a time, so that all together stay small.
const SMALL: usize = 256 << 10;

static LARGE: Semaphore = Semaphore::const_new(1);

/// Kept until the request is answered: as long, no other large one is read.
pub(super) struct Body {
    bytes: Bytes,
    _turn: Option<SemaphorePermit<'static>>,
}

impl Body {
    /// To be passed on. Sharing it takes no memory.
    pub(super) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = RestError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, RestError> {
        let watch = request.extensions().get::<Watch>().cloned();
        let body = request.into_body();
        if body.size_hint().lower() > LARGEST as u64 {
            return Err(RestError::BodyTooLarge(LARGEST));
        }
        let enter = |phase| {
            if let Some(watch) = &watch {
                watch.enter(phase);
            }
        };
        enter(Phase::Body);
        let mut parts = body.into_data_stream();
        let mut whole = BytesMut::new();
        let mut turn = None;
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| RestError::BodyBroken(error.to_string()))?;
            let length = whole.len() + part.len();
            if length > LARGEST {
                return Err(RestError::BodyTooLarge(LARGEST));
            }
            if length > SMALL && turn.is_none() {
                enter(Phase::Busy);
                // The semaphore is never closed.
                turn = LARGE.acquire().await.ok();
                enter(Phase::Body);
            }
            whole.extend_from_slice(&part);
        }
        enter(Phase::Busy);
        Ok(Body {
            bytes: whole.freeze(),
            _turn: turn,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    async fn read(bytes: Vec<u8>) -> Result<usize, RestError> {
        let request = Request::new(axum::body::Body::from(bytes));
        Ok(Body::from_request(request, &()).await?.len())
    }

    #[tokio::test]
    async fn report_message_20_a_body_that_is_too_large_is_refused_in_json() {
        assert_eq!(read(vec![b' '; 20_000_000]).await.unwrap(), 20_000_000);
        let refused = read(vec![b' '; LARGEST + 1]).await.unwrap_err();
        let response = refused.into_response();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = axum::body::to_bytes(response.into_body(), 1024).await;
        let expected = format!(
            "{{\"error_code\":413,\"message\":\"the request body is larger than {LARGEST} bytes\"}}"
        );
        assert_eq!(body.unwrap(), expected.as_bytes());
    }
}

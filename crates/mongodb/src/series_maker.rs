//! Makes time series collections before the first record is written to them. What exists under the name and is an ordinary
//! collection ends the task, as in the original.

use crate::bulk::Retries;
use crate::namespace::Namespace;
use crate::store::{Failure, FailureKind, Store};
use crate::time_series::TimeSeries;
use bson::{Bson, doc};
use millstream_core::RecordError;
use std::time::Duration;

const UNAUTHORIZED: i32 = 13;
const NAMESPACE_NOT_FOUND: i32 = 26;
const NAMESPACE_EXISTS: i32 = 48;

/// Makes the collection, unless it is there; once for each namespace.
///
/// # Errors
/// The store does not answer within `retry_for`, or the collection is another kind's or must not be made.
pub(crate) async fn ensure(
    series: &TimeSeries,
    store: &Store,
    namespace: &Namespace,
    retry_for: Duration,
) -> Result<(), Failure> {
    if series.is_known(namespace) {
        return Ok(());
    }
    let mut retries = Retries::new(retry_for);
    while let Err(failure) = make(series, store, namespace).await {
        let passes = failure.kind == FailureKind::Transient;
        if !passes || !retries.pause(store, &failure.reason).await {
            return Err(failure);
        }
    }
    series.note(namespace);
    Ok(())
}

async fn make(series: &TimeSeries, store: &Store, namespace: &Namespace) -> Result<(), Failure> {
    if is_time_series(store, namespace).await? {
        return Ok(());
    }
    let created = store
        .command(&namespace.database, series.create(namespace))
        .await;
    match created {
        Ok(_) => Ok(()),
        // Another task, or another worker, was faster.
        Err(failure) if failure.code == Some(NAMESPACE_EXISTS) => {
            match is_time_series(store, namespace).await? {
                true => Ok(()),
                false => Err(is_ordinary(namespace)),
            }
        }
        Err(failure) => Err(not_made(namespace, failure)),
    }
}

/// Whether the collection is there and is one; an ordinary one is an error.
async fn is_time_series(store: &Store, namespace: &Namespace) -> Result<bool, Failure> {
    let question = doc! {"collStats": &*namespace.collection};
    let stats = match store.command(&namespace.database, question).await {
        Ok(stats) => stats,
        Err(failure) if failure.code == Some(NAMESPACE_NOT_FOUND) => return Ok(false),
        Err(failure) => return Err(not_made(namespace, failure)),
    };
    if stats.contains_key("timeseries") {
        return Ok(true);
    }
    let indexes = match stats.get("nindexes") {
        Some(Bson::Int32(indexes)) => i64::from(*indexes),
        Some(Bson::Int64(indexes)) => *indexes,
        Some(Bson::Double(indexes)) => *indexes as i64,
        _ => 0,
    };
    if indexes > 0 {
        return Err(is_ordinary(namespace));
    }
    Ok(false)
}

fn is_ordinary(namespace: &Namespace) -> Failure {
    setup(format!(
        "A collection already exists for: `{namespace}` that is not a timeseries collection."
    ))
}

/// What a refused command means; an outage stays one.
fn not_made(namespace: &Namespace, failure: Failure) -> Failure {
    if failure.kind == FailureKind::Transient {
        return failure;
    }
    let unauthorized = if failure.code == Some(UNAUTHORIZED) {
        " Unauthorized, user does not have the correct permissions to check for and create the collection."
    } else {
        ""
    };
    setup(format!(
        "Failed to create collection for: `{namespace}`.{unauthorized} {}",
        failure.reason
    ))
}

fn setup(message: String) -> Failure {
    Failure {
        error: RecordError::new(
            "org.apache.kafka.common.config.ConfigException",
            message.as_str(),
        ),
        kind: FailureKind::Setup,
        code: None,
        reason: message,
    }
}

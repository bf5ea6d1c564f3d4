//! What the images for Java's worker do before it starts: wait until so many brokers are there.

use millstream_core::Properties;
use millstream_environment::Preflight;
use millstream_environment::preflight::{MIN_BROKERS, TIMEOUT};
use millstream_kafka::{Admin, Bootstrap, ClientSettings, KafkaError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// A question that failed is not asked again by the client, but by who waits here, and tells why.
const ATTEMPT_MS: &str = "1";

/// Waits for the brokers, with the way to sign in that the worker itself has.
///
/// # Errors
/// If there are too few in time, or they refuse the worker.
pub(crate) async fn wait_for_brokers(
    preflight: &Preflight,
    worker: &Properties,
    bootstrap: Option<&Bootstrap>,
) -> Result<(), String> {
    if preflight.min_brokers == 0 {
        return Ok(());
    }
    let mut client = worker.clone();
    client.insert("default.api.timeout.ms", ATTEMPT_MS);
    let client = ClientSettings::from_properties(&client).map_err(|error| error.to_string())?;
    let admin = Admin::new(client.following(bootstrap));
    let deadline = Instant::now() + preflight.timeout;
    let mut last = Seen::Nobody("nobody has answered yet".to_owned());
    loop {
        let seen = match timeout_at(deadline, admin.broker_count()).await {
            Ok(outcome) => seen(outcome)?,
            Err(_) => return Err(too_few(preflight, &last)),
        };
        if matches!(&seen, Seen::Brokers(count) if *count >= preflight.min_brokers) {
            tracing::info!(brokers = preflight.min_brokers, "enough brokers are there");
            return Ok(());
        }
        if seen != last {
            tracing::warn!(
                "waiting for {} broker(s), for {} s at most ({TIMEOUT}): {}",
                preflight.min_brokers,
                preflight.timeout.as_secs(),
                seen.text()
            );
            last = seen;
        }
        let next = Instant::now() + PAUSE;
        if next >= deadline {
            return Err(too_few(preflight, &last));
        }
        sleep_until(next).await;
    }
}

/// What one question came to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Brokers(u32),
    /// Nobody answered, and why.
    Nobody(String),
}

impl Seen {
    fn text(&self) -> String {
        match self {
            Seen::Brokers(count) => format!("{count} are there"),
            Seen::Nobody(why) => why.clone(),
        }
    }
}

/// What waiting does not help ends the start at once.
fn seen(outcome: Result<usize, KafkaError>) -> Result<Seen, String> {
    match outcome {
        Ok(count) => Ok(Seen::Brokers(u32::try_from(count).unwrap_or(u32::MAX))),
        Err(error) if error.is_transient() => Ok(Seen::Nobody(error.to_string())),
        Err(error) => Err(format!("the brokers cannot be asked: {error}")),
    }
}

fn too_few(preflight: &Preflight, last: &Seen) -> String {
    let (least, seconds) = (preflight.min_brokers, preflight.timeout.as_secs());
    let found = match last {
        Seen::Brokers(count) => format!("found only {count}"),
        Seen::Nobody(why) => format!("found none: {why}"),
    };
    format!(
        "Expected {least} brokers but {found}. Set CONNECT_BOOTSTRAP_SERVERS to brokers that are reached from here, or {MIN_BROKERS} to fewer; {seconds} s were waited ({TIMEOUT})"
    )
}

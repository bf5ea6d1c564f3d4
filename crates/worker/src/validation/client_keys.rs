//! Settings of Kafka clients that connectors override most, so that a wrong one is refused before the task starts.
//! Settings that are not here are checked by the client itself.

use millstream_core::Key;
use millstream_core::config::{Importance, Kind};

pub(super) fn find(setting: &str) -> Option<Key> {
    if setting == "max.poll.records" {
        return Some(
            Key::new("max.poll.records", Kind::Int, "500")
                .importance(Importance::Medium)
                .doc("The maximum number of records returned in a single call to poll(). Note, that <code>max.poll.records</code> does not impact the underlying fetching behavior. The consumer will cache the records from each fetch request and returns them incrementally from each poll."),
        );
    }
    let (kind, default) = match setting {
        "max.poll.interval.ms" => (Kind::Int, "300000"),
        "session.timeout.ms" => (Kind::Int, "45000"),
        "heartbeat.interval.ms" => (Kind::Int, "3000"),
        "fetch.min.bytes" => (Kind::Int, "1"),
        "fetch.max.bytes" => (Kind::Int, "52428800"),
        "fetch.max.wait.ms" => (Kind::Int, "500"),
        "max.partition.fetch.bytes" => (Kind::Int, "1048576"),
        "request.timeout.ms" => (Kind::Int, "30000"),
        "receive.buffer.bytes" => (Kind::Int, "65536"),
        "send.buffer.bytes" => (Kind::Int, "131072"),
        "batch.size" => (Kind::Int, "16384"),
        "max.request.size" => (Kind::Int, "1048576"),
        "metadata.max.age.ms" => (Kind::Long, "300000"),
        "connections.max.idle.ms" => (Kind::Long, "540000"),
        "reconnect.backoff.ms" => (Kind::Long, "50"),
        "reconnect.backoff.max.ms" => (Kind::Long, "1000"),
        "retry.backoff.ms" => (Kind::Long, "100"),
        "linger.ms" => (Kind::Long, "5"),
        _ => return None,
    };
    Some(Key::new(setting.to_owned(), kind, default))
}

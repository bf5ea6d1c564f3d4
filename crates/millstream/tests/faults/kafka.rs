//! Every request of the consumer hit by every fault, while the archive's connector works; and the broker as a whole.

use crate::case::{Case, Shows, heal, play_all, see};
use crate::stage::{ARCHIVE, PARTITIONS, Stage, TOPIC};
use crate::strike::{ALWAYS, Job, Strike, of_wire, table};
use crate::worker::until;
use Shows::{Degraded, Failed, Nothing};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey};
use millstream_embedded::faults::Faults;
use serde_json::Value;
use std::time::Duration;

/// Longer than the tests' `request.timeout.ms`.
const LATE: Duration = Duration::from_secs(3);

/// What makes the client send the request.
#[derive(Clone, Copy, PartialEq)]
enum Occasion {
    /// It is sent all the time.
    Flow,
    /// The group rebalances.
    Rebalance,
    /// All connections are lost.
    Reconnect,
    /// The task starts.
    Start,
}
use Occasion::{Flow, Rebalance, Reconnect, Start};

/// How often the fault happens where it shows nothing: one less than would be reported.
const FEW: u32 = 2;

/// What people see of a connection that breaks or is silent: whichever of its users notices first.
const CONNECTION: &str = "disconnected from broker:9092: …
request timed out: broker:9092 did not answer … within … ms
offset commit timed out: no response from the group coordinator";

fn is_of_connection(reason: &str) -> bool {
    ["disconnected from ", "timed out: ", "cannot connect to "]
        .iter()
        .any(|part| reason.contains(part))
}

/// Seen by one of the messages of a connection.
fn of_connection(strike: Strike, shows: Shows) -> Strike {
    Strike {
        fits: Box::new(is_of_connection),
        stands_for: (shows == Degraded).then_some(CONNECTION),
        ..strike
    }
}

/// A request is hit; the message names the error, if it is one.
fn of_request(
    api: ApiKey,
    occasion: Occasion,
    fault: &str,
    action: ApiAction,
    shows: Shows,
) -> Strike {
    let times = match (shows, action) {
        // A late answer is waited for.
        (Nothing, ApiAction::Delay(_)) => 1,
        (Nothing, _) => FEW,
        _ => ALWAYS,
    };
    let begin = move |stage: &Stage| {
        let faults = stage.broker.faults();
        faults.add(ApiFault::new(api, action).times(times));
        match occasion {
            Rebalance => faults.add(ApiFault::new(ApiKey::Heartbeat, ApiAction::Error(27))),
            Reconnect => stage.broker_wire.drop_connections(),
            Flow | Start => {}
        }
    };
    let strike = Strike {
        is_at_start: occasion == Start,
        ..Strike::new(Job::Archive, begin, |stage| stage.broker.faults().clear())
    };
    // A commit that is retried shows as one that has timed out, whatever the reason.
    let is_retried =
        api == ApiKey::OffsetCommit && matches!(action, ApiAction::Error(14 | 15 | 16 | 22 | 27));
    if !matches!(action, ApiAction::Error(_)) || is_retried {
        return of_connection(strike, shows);
    }
    let error = fault.to_owned();
    Strike {
        fits: Box::new(move |reason| reason.contains(&error)),
        ..strike
    }
}

async fn out_of_range() -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.produce(3);
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    until("the commits", || async {
        let committed = |p| stage.broker.committed("connect-s3-sink", TOPIC, p);
        (0..PARTITIONS)
            .all(|p| committed(p).is_some_and(|(offset, _)| offset == 3))
            .then_some(())
    })
    .await;
    let path = format!("/connectors/{ARCHIVE}/config");
    let (_, mut config) = worker.request("GET", &path, None).await;
    config["consumer.override.auto.offset.reset"] = Value::from("none");
    let (status, answer) = worker.request("PUT", &path, Some(&config)).await;
    assert!(status.is_success(), "{answer}");
    stage.produce(3);
    stage.archived().await;
    let fault = ApiFault::new(ApiKey::Fetch, ApiAction::Error(1)).times(ALWAYS);
    stage.broker.faults().add(fault);
    let seen = see(&stage, &worker, ARCHIVE, Failed).await;
    stage.broker.faults().clear();
    stage.produce(3);
    heal(&worker, ARCHIVE, Failed).await;
    stage.archived().await;
    seen
}

/// Cut off before, after, and answered too late, then the errors.
fn of_api(
    api: ApiKey,
    occasion: Occasion,
    cut: Shows,
    late: Shows,
    errors: &[(i16, &'static str, Shows)],
) -> Vec<Case> {
    let cuts = [
        ("cut off", ApiAction::Disconnect, cut),
        ("answer lost", ApiAction::LoseAnswer, cut),
        ("late", ApiAction::Delay(LATE), late),
    ];
    let errors = errors.iter();
    let errors = errors.map(|(code, name, shows)| (*name, ApiAction::Error(*code), *shows));
    let strike = |fault: &str, action, shows| of_request(api, occasion, fault, action, shows);
    table(&format!("{api:?}"), cuts.into_iter().chain(errors), strike)
}

fn requests() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |more: Vec<Case>| cases.extend(more);
    add(of_api(
        ApiKey::ApiVersions,
        Reconnect,
        Degraded,
        Degraded,
        &[(35, "UNSUPPORTED_VERSION", Failed)],
    ));
    add(of_api(
        ApiKey::Metadata,
        Flow,
        Degraded,
        Degraded,
        &[
            (3, "UNKNOWN_TOPIC_OR_PARTITION", Nothing),
            (5, "LEADER_NOT_AVAILABLE", Nothing),
            (29, "TOPIC_AUTHORIZATION_FAILED", Failed),
        ],
    ));
    add(of_api(
        ApiKey::FindCoordinator,
        Reconnect,
        Degraded,
        Degraded,
        &[
            (14, "COORDINATOR_LOAD_IN_PROGRESS", Degraded),
            (15, "COORDINATOR_NOT_AVAILABLE", Degraded),
            (30, "GROUP_AUTHORIZATION_FAILED", Failed),
        ],
    ));
    let moves = [
        (14, "COORDINATOR_LOAD_IN_PROGRESS", Degraded),
        (15, "COORDINATOR_NOT_AVAILABLE", Degraded),
        (16, "NOT_COORDINATOR", Degraded),
        (25, "UNKNOWN_MEMBER_ID", Nothing),
        (30, "GROUP_AUTHORIZATION_FAILED", Failed),
    ];
    let join = [
        (23, "INCONSISTENT_GROUP_PROTOCOL", Failed),
        (24, "INVALID_GROUP_ID", Failed),
        (26, "INVALID_SESSION_TIMEOUT", Failed),
        (81, "GROUP_MAX_SIZE_REACHED", Failed),
    ];
    add(of_api(
        ApiKey::JoinGroup,
        Rebalance,
        Degraded,
        Nothing,
        &[&moves[..], &join].concat(),
    ));
    let between = [
        (22, "ILLEGAL_GENERATION", Nothing),
        (27, "REBALANCE_IN_PROGRESS", Nothing),
    ];
    add(of_api(
        ApiKey::SyncGroup,
        Rebalance,
        Degraded,
        Nothing,
        &[&moves[..], &between].concat(),
    ));
    add(of_api(
        ApiKey::Heartbeat,
        Flow,
        Degraded,
        Degraded,
        &[&moves[..], &between].concat(),
    ));
    add(of_api(
        ApiKey::OffsetFetch,
        Rebalance,
        Degraded,
        Degraded,
        &[
            (14, "COORDINATOR_LOAD_IN_PROGRESS", Degraded),
            (16, "NOT_COORDINATOR", Degraded),
            (88, "UNSTABLE_OFFSET_COMMIT", Degraded),
            (30, "GROUP_AUTHORIZATION_FAILED", Failed),
        ],
    ));
    add(of_api(
        ApiKey::ListOffsets,
        Start,
        Degraded,
        Degraded,
        &[
            (3, "UNKNOWN_TOPIC_OR_PARTITION", Degraded),
            (5, "LEADER_NOT_AVAILABLE", Degraded),
            (6, "NOT_LEADER_OR_FOLLOWER", Degraded),
            (74, "FENCED_LEADER_EPOCH", Degraded),
            (29, "TOPIC_AUTHORIZATION_FAILED", Failed),
        ],
    ));
    add(of_api(
        ApiKey::Fetch,
        Flow,
        Degraded,
        Degraded,
        &[
            (-1, "UNKNOWN_SERVER_ERROR", Degraded),
            (2, "CORRUPT_MESSAGE", Degraded),
            (3, "UNKNOWN_TOPIC_OR_PARTITION", Degraded),
            (5, "LEADER_NOT_AVAILABLE", Degraded),
            (6, "NOT_LEADER_OR_FOLLOWER", Degraded),
            (9, "REPLICA_NOT_AVAILABLE", Degraded),
            (56, "KAFKA_STORAGE_ERROR", Degraded),
            (74, "FENCED_LEADER_EPOCH", Degraded),
            (75, "UNKNOWN_LEADER_EPOCH", Degraded),
            (78, "OFFSET_NOT_AVAILABLE", Degraded),
            (100, "UNKNOWN_TOPIC_ID", Degraded),
            (29, "TOPIC_AUTHORIZATION_FAILED", Failed),
        ],
    ));
    cases.push(Case {
        place: "Fetch".to_owned(),
        fault: "OFFSET_OUT_OF_RANGE where `auto.offset.reset` is none".to_owned(),
        shows: Failed,
        play: Box::pin(out_of_range()),
    });
    cases.extend(of_api(
        ApiKey::OffsetCommit,
        Flow,
        Degraded,
        Degraded,
        &[
            (14, "COORDINATOR_LOAD_IN_PROGRESS", Degraded),
            (15, "COORDINATOR_NOT_AVAILABLE", Degraded),
            (16, "NOT_COORDINATOR", Degraded),
            (12, "OFFSET_METADATA_TOO_LARGE", Degraded),
            (22, "ILLEGAL_GENERATION", Degraded),
            (25, "UNKNOWN_MEMBER_ID", Degraded),
            (27, "REBALANCE_IN_PROGRESS", Degraded),
            (29, "TOPIC_AUTHORIZATION_FAILED", Degraded),
            (30, "GROUP_AUTHORIZATION_FAILED", Degraded),
        ],
    ));
    cases
}

/// The whole broker, for as long as it takes to be seen.
fn broker() -> Vec<Case> {
    let faults = [
        ("refuses connections", (Faults::refusing(), false), Degraded),
        (
            "cuts every answer",
            (Faults::cutting_answers(), false),
            Degraded,
        ),
        ("does not answer", (Faults::stalling(), false), Degraded),
    ];
    table("the broker", faults, |_, faults, shows| {
        of_connection(
            of_wire(Job::Archive, |stage| &stage.broker_wire, faults),
            shows,
        )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_faults() {
    let mut cases = broker();
    cases.extend(requests());
    let rows = play_all(cases, 12).await;
    crate::table::check("Kafka", &rows);
}

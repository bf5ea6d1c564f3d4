//! Every request of the consumer hit by every fault, while the archive's connector works; and the broker as a whole.

use crate::case::{Case, Shows, heal, play_all, see, see_one};
use crate::stage::{ARCHIVE, PARTITIONS, Stage, TOPIC};
use crate::table;
use crate::worker::{Worker, until};
use Shows::{Degraded, Failed, Nothing};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey};
use millstream_embedded::faults::Faults;
use serde_json::Value;
use std::time::Duration;

/// Longer than the tests' `request.timeout.ms`.
const LATE: Duration = Duration::from_secs(3);

/// As good as for ever.
const ALWAYS: u32 = 1_000_000;

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

struct Hit {
    api: ApiKey,
    occasion: Occasion,
    action: ApiAction,
    shows: Shows,
}

fn case(fault: &'static str, hit: Hit) -> Case {
    Case {
        place: format!("{:?}", hit.api),
        fault: fault.to_owned(),
        shows: hit.shows,
        play: Box::pin(async move {
            // A commit that is retried shows as a silent coordinator, whatever the reason.
            let is_retried = hit.api == ApiKey::OffsetCommit
                && matches!(hit.action, ApiAction::Error(14 | 15 | 16 | 22 | 27));
            let is_error = matches!(hit.action, ApiAction::Error(_)) && !is_retried;
            let error = is_error.then_some(fault);
            play(hit, error).await
        }),
    }
}

/// What people see of a connection that breaks or is silent: whichever of its users notices first.
const CONNECTION: &str = "the connection to broker:9092 broke: … ``, `` broker:9092 did not answer … within … ms `` or `` the group's coordinator does not answer a commit";

/// The message that names the error; without an error, one of those of a connection.
async fn see_kafka(stage: &Stage, worker: &Worker, shows: Shows, error: Option<&str>) -> String {
    let of_connection = |reason: &str| {
        [
            "broke: ",
            " did not answer ",
            " does not answer a commit",
            "cannot connect to ",
        ]
        .iter()
        .any(|part| reason.contains(part))
    };
    let fits = |reason: &str| match error {
        Some(error) => reason.contains(error),
        None => of_connection(reason),
    };
    let seen = see_one(stage, worker, ARCHIVE, shows, fits).await;
    if shows == Degraded && error.is_none() {
        return CONNECTION.to_owned();
    }
    seen
}

async fn play(hit: Hit, fault_name: Option<&'static str>) -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let times = match (hit.shows, hit.action) {
        // A late answer is waited for.
        (Nothing, ApiAction::Delay(_)) => 1,
        (Nothing, _) => FEW,
        _ => ALWAYS,
    };
    let fault = ApiFault::new(hit.api, hit.action).times(times);
    stage.produce(3);
    if hit.occasion == Start {
        stage.broker.faults().add(fault.clone());
    }
    stage.post_archive(&worker, &[]).await;
    if hit.occasion != Start {
        stage.archived().await;
        stage.broker.faults().add(fault);
    }
    match hit.occasion {
        Rebalance => stage
            .broker
            .faults()
            .add(ApiFault::new(ApiKey::Heartbeat, ApiAction::Error(27))),
        Reconnect => stage.broker_wire.drop_connections(),
        Flow | Start => {}
    }
    stage.produce(6);
    if hit.shows == Nothing {
        until("the fault to happen", || async {
            (stage.broker.faults().left() == 0).then_some(())
        })
        .await;
    }
    let seen = see_kafka(&stage, &worker, hit.shows, fault_name).await;
    stage.broker.faults().clear();
    stage.produce(6);
    heal(&worker, ARCHIVE, hit.shows).await;
    stage.archived().await;
    heal(&worker, ARCHIVE, Nothing).await;
    seen
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
    let hit = |action, shows| Hit {
        api,
        occasion,
        action,
        shows,
    };
    let mut cases = vec![
        case("cut off", hit(ApiAction::Disconnect, cut)),
        case("answer lost", hit(ApiAction::LoseAnswer, cut)),
        case("late", hit(ApiAction::Delay(LATE), late)),
    ];
    cases.extend(
        errors
            .iter()
            .map(|(code, name, shows)| case(name, hit(ApiAction::Error(*code), *shows))),
    );
    cases
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
    let whole = |fault: &str, faults: Faults| Case {
        place: "the broker".to_owned(),
        fault: fault.to_owned(),
        shows: Degraded,
        play: Box::pin(async move {
            let stage = Stage::new().await;
            let worker = stage.standalone("worker", &[]).await;
            stage.produce(3);
            stage.post_archive(&worker, &[]).await;
            stage.archived().await;
            stage.broker_wire.set(faults.clone());
            if !faults.stall {
                stage.broker_wire.drop_connections();
            }
            stage.produce(6);
            let seen = see_kafka(&stage, &worker, Degraded, None).await;
            stage.broker_wire.heal();
            stage.produce(6);
            heal(&worker, ARCHIVE, Degraded).await;
            stage.archived().await;
            seen
        }),
    };
    vec![
        whole("refuses connections", Faults::refusing()),
        whole("cuts every answer", Faults::cutting_answers()),
        whole("does not answer", Faults::stalling()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_faults() {
    let mut cases = broker();
    cases.extend(requests());
    let rows = play_all(cases, 12).await;
    table::check("Kafka", &rows);
}

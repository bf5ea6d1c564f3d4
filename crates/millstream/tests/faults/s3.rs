//! Every request to S3 hit by every fault, while the archive's connector works; and S3 as a whole.

use crate::case::{Case, Shows, heal, play_all, see};
use crate::stage::{ARCHIVE, Stage};
use crate::table;
use Shows::{Degraded, Failed};
use millstream_embedded::faults::Faults;
use millstream_embedded::s3::S3Action;

/// As good as for ever.
const ALWAYS: u32 = 1_000_000;

#[derive(Clone)]
struct Hit {
    operations: &'static [(&'static str, S3Action)],
    is_at_start: bool,
    shows: Shows,
}

async fn play(hit: Hit) -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let strike = || {
        for (operation, action) in hit.operations {
            stage
                .s3
                .faults()
                .fail_next(operation, action.clone(), ALWAYS);
        }
    };
    stage.produce(3);
    if hit.is_at_start {
        strike();
        stage.post_archive(&worker, &[]).await;
    } else {
        stage.post_archive(&worker, &[]).await;
        stage.archived().await;
        strike();
    }
    stage.produce(6);
    let seen = see(&stage, &worker, ARCHIVE, hit.shows).await;
    stage.s3.faults().clear();
    stage.produce(6);
    heal(&worker, ARCHIVE, hit.shows).await;
    stage.archived().await;
    seen
}

fn case(operation: &str, fault: &str, hit: Hit) -> Case {
    Case {
        place: operation.to_owned(),
        fault: fault.to_owned(),
        shows: hit.shows,
        play: Box::pin(play(hit)),
    }
}

/// An operation with its faults.
macro_rules! of_operation {
    ($cases:ident, $operation:literal, $is_at_start:literal, [$(($fault:literal, $action:expr, $shows:ident)),* $(,)?]) => {
        $({
            const HIT: &[(&str, S3Action)] = &[($operation, $action)];
            let hit = Hit { operations: HIT, is_at_start: $is_at_start, shows: $shows };
            $cases.push(case($operation, $fault, hit));
        })*
    };
}

fn requests() -> Vec<Case> {
    let mut cases = Vec::new();
    of_operation!(
        cases,
        "HeadBucket",
        true,
        [
            (
                "500 InternalError",
                S3Action::Error(500, "InternalError"),
                Degraded
            ),
            ("503 SlowDown", S3Action::Error(503, "SlowDown"), Degraded),
            (
                "404 NoSuchBucket",
                S3Action::Error(404, "NoSuchBucket"),
                Failed
            ),
            ("cut off", S3Action::Disconnect, Degraded),
            ("no answer", S3Action::Stall, Degraded),
        ]
    );
    of_operation!(
        cases,
        "CreateMultipartUpload",
        false,
        [
            (
                "500 InternalError",
                S3Action::Error(500, "InternalError"),
                Degraded
            ),
            ("503 SlowDown", S3Action::Error(503, "SlowDown"), Degraded),
            (
                "403 AccessDenied",
                S3Action::Error(403, "AccessDenied"),
                Failed
            ),
            (
                "404 NoSuchBucket",
                S3Action::Error(404, "NoSuchBucket"),
                Failed
            ),
            ("cut off", S3Action::Disconnect, Degraded),
            ("answer lost", S3Action::LoseAnswer, Degraded),
            ("no answer", S3Action::Stall, Degraded),
        ]
    );
    of_operation!(
        cases,
        "UploadPart",
        false,
        [
            (
                "500 InternalError",
                S3Action::Error(500, "InternalError"),
                Degraded
            ),
            ("503 SlowDown", S3Action::Error(503, "SlowDown"), Degraded),
            (
                "403 AccessDenied",
                S3Action::Error(403, "AccessDenied"),
                Failed
            ),
            (
                "400 ExpiredToken",
                S3Action::Error(400, "ExpiredToken"),
                Degraded
            ),
            ("a proxy's page", S3Action::Page, Degraded),
            (
                "404 NoSuchUpload",
                S3Action::Error(404, "NoSuchUpload"),
                Failed
            ),
            ("cut off", S3Action::Disconnect, Degraded),
            ("answer lost", S3Action::LoseAnswer, Degraded),
            ("no answer", S3Action::Stall, Degraded),
        ]
    );
    of_operation!(
        cases,
        "CompleteMultipartUpload",
        false,
        [
            (
                "500 InternalError",
                S3Action::Error(500, "InternalError"),
                Degraded
            ),
            ("503 SlowDown", S3Action::Error(503, "SlowDown"), Degraded),
            (
                "403 AccessDenied",
                S3Action::Error(403, "AccessDenied"),
                Failed
            ),
            (
                "200 InternalError",
                S3Action::Error(200, "InternalError"),
                Degraded
            ),
            (
                "400 RequestTimeout",
                S3Action::Error(400, "RequestTimeout"),
                Degraded
            ),
            ("a proxy's page", S3Action::Page, Degraded),
            (
                "400 EntityTooSmall",
                S3Action::Error(400, "EntityTooSmall"),
                Failed
            ),
            ("cut off", S3Action::Disconnect, Degraded),
            ("answer lost", S3Action::LoseAnswer, Degraded),
            ("no answer", S3Action::Stall, Degraded),
        ]
    );
    const ABORTED: &[(&str, S3Action)] = &[
        (
            "CompleteMultipartUpload",
            S3Action::Error(403, "AccessDenied"),
        ),
        (
            "AbortMultipartUpload",
            S3Action::Error(500, "InternalError"),
        ),
    ];
    const CUT: &[(&str, S3Action)] = &[
        (
            "CompleteMultipartUpload",
            S3Action::Error(403, "AccessDenied"),
        ),
        ("AbortMultipartUpload", S3Action::Disconnect),
    ];
    for (fault, operations) in [
        (
            "500 InternalError after a 403 to CompleteMultipartUpload",
            ABORTED,
        ),
        ("cut off after a 403 to CompleteMultipartUpload", CUT),
    ] {
        let hit = Hit {
            operations,
            is_at_start: false,
            shows: Failed,
        };
        cases.push(case("AbortMultipartUpload", fault, hit));
    }
    cases
}

fn whole() -> Vec<Case> {
    let whole = |fault: &str, faults: Faults, is_at_start: bool| Case {
        place: "S3".to_owned(),
        fault: fault.to_owned(),
        shows: Degraded,
        play: Box::pin(async move {
            let stage = Stage::new().await;
            let worker = stage.standalone("worker", &[]).await;
            stage.produce(3);
            let strike = || {
                stage.s3_wire.set(faults.clone());
                if !faults.stall {
                    stage.s3_wire.drop_connections();
                }
            };
            if is_at_start {
                strike();
                stage.post_archive(&worker, &[]).await;
            } else {
                stage.post_archive(&worker, &[]).await;
                stage.archived().await;
                strike();
            }
            stage.produce(6);
            let seen = see(&stage, &worker, ARCHIVE, Degraded).await;
            stage.s3_wire.heal();
            stage.produce(6);
            heal(&worker, ARCHIVE, Degraded).await;
            stage.archived().await;
            seen
        }),
    };
    vec![
        whole("closes connections at the start", Faults::refusing(), true),
        whole("closes connections", Faults::refusing(), false),
        whole("cuts every answer", Faults::cutting_answers(), false),
        whole("does not answer", Faults::stalling(), false),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_faults() {
    let mut cases = whole();
    cases.extend(requests());
    let rows = play_all(cases, 12).await;
    table::check("S3", &rows);
}

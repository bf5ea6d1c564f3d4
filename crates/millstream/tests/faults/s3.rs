//! Every request to S3 hit by every fault, while the archive's connector works; and S3 as a whole.

use crate::case::{Case, Shows, play_all};
use crate::strike::{ALWAYS, Job, Strike, of_wire, table};
use Shows::{Degraded, Failed};
use millstream_embedded::faults::Faults;
use millstream_embedded::s3::S3Action::{self, Disconnect, Error, LoseAnswer, Page, Stall};

/// Some operations fail from now on.
fn strike(operations: Vec<(&'static str, S3Action)>) -> Strike {
    Strike::new(
        Job::Archive,
        move |stage| {
            for (operation, action) in &operations {
                let faults = stage.s3.faults();
                faults.fail_next(operation, action.clone(), ALWAYS);
            }
        },
        |stage| stage.s3.faults().clear(),
    )
}

fn of_operation<const N: usize>(
    operation: &'static str,
    faults: [(&'static str, S3Action, Shows); N],
) -> Vec<Case> {
    table(operation, faults, |_, action, _| Strike {
        is_at_start: operation == "HeadBucket",
        ..strike(vec![(operation, action)])
    })
}

fn requests() -> Vec<Case> {
    let head = [
        ("500 InternalError", Error(500, "InternalError"), Degraded),
        ("503 SlowDown", Error(503, "SlowDown"), Degraded),
        ("404 NoSuchBucket", Error(404, "NoSuchBucket"), Failed),
        ("cut off", Disconnect, Degraded),
        ("no answer", Stall, Degraded),
    ];
    let create = [
        ("500 InternalError", Error(500, "InternalError"), Degraded),
        ("503 SlowDown", Error(503, "SlowDown"), Degraded),
        ("403 AccessDenied", Error(403, "AccessDenied"), Failed),
        ("404 NoSuchBucket", Error(404, "NoSuchBucket"), Failed),
        ("cut off", Disconnect, Degraded),
        ("answer lost", LoseAnswer, Degraded),
        ("no answer", Stall, Degraded),
    ];
    let part = [
        ("500 InternalError", Error(500, "InternalError"), Degraded),
        ("503 SlowDown", Error(503, "SlowDown"), Degraded),
        ("403 AccessDenied", Error(403, "AccessDenied"), Failed),
        ("400 ExpiredToken", Error(400, "ExpiredToken"), Degraded),
        ("a proxy's page", Page, Degraded),
        ("404 NoSuchUpload", Error(404, "NoSuchUpload"), Failed),
        ("cut off", Disconnect, Degraded),
        ("answer lost", LoseAnswer, Degraded),
        ("no answer", Stall, Degraded),
    ];
    let complete = [
        ("500 InternalError", Error(500, "InternalError"), Degraded),
        ("503 SlowDown", Error(503, "SlowDown"), Degraded),
        ("403 AccessDenied", Error(403, "AccessDenied"), Failed),
        ("200 InternalError", Error(200, "InternalError"), Degraded),
        ("400 RequestTimeout", Error(400, "RequestTimeout"), Degraded),
        ("a proxy's page", Page, Degraded),
        ("400 EntityTooSmall", Error(400, "EntityTooSmall"), Failed),
        ("cut off", Disconnect, Degraded),
        ("answer lost", LoseAnswer, Degraded),
        ("no answer", Stall, Degraded),
    ];
    let abort = [
        (
            "500 InternalError after a 403 to CompleteMultipartUpload",
            Error(500, "InternalError"),
            Failed,
        ),
        (
            "cut off after a 403 to CompleteMultipartUpload",
            Disconnect,
            Failed,
        ),
    ];
    let aborted = |_: &str, action, _| {
        strike(vec![
            ("CompleteMultipartUpload", Error(403, "AccessDenied")),
            ("AbortMultipartUpload", action),
        ])
    };
    [
        of_operation("HeadBucket", head),
        of_operation("CreateMultipartUpload", create),
        of_operation("UploadPart", part),
        of_operation("CompleteMultipartUpload", complete),
        table("AbortMultipartUpload", abort, aborted),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What people see of a store that is away: which request is the first to notice depends on the moment.
const CONNECTION: &str =
    "REQUEST failed for bucket archive: connection to S3 at http://s3 (store.url) failed: …";
const SLOW: &str =
    "REQUEST is slow for bucket archive: no response from S3 at http://s3 (store.url) for 10 s";

fn whole() -> Vec<Case> {
    let faults = [
        (
            "closes connections at the start",
            (Faults::refusing(), true),
            Degraded,
        ),
        ("closes connections", (Faults::refusing(), false), Degraded),
        (
            "cuts every answer",
            (Faults::cutting_answers(), false),
            Degraded,
        ),
        ("does not answer", (Faults::stalling(), false), Degraded),
    ];
    table("S3", faults, |fault, faults, _| {
        let (words, message) = match fault {
            "does not answer" => (" is slow for ", SLOW),
            _ => ("connection to S3 at ", CONNECTION),
        };
        Strike {
            fits: Box::new(move |reason| reason.contains(words)),
            stands_for: Some(message),
            ..of_wire(Job::Archive, |stage| &stage.s3_wire, faults)
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_faults() {
    let mut cases = whole();
    cases.extend(requests());
    let rows = play_all(cases, 12).await;
    crate::table::check("S3", &rows);
}

//! Every command to the document store hit by every fault, while the hash job works; and the store as a whole.

use crate::case::{Case, Shows, heal, play_all, see, see_one};
use crate::stage::{STREAM, Stage};
use crate::table;
use crate::worker::Worker;
use Shows::{Degraded, Failed};
use millstream_embedded::documents::DocumentFaultAction;
use millstream_embedded::faults::Faults;
use mongodb::bson::{Document, doc};

async fn play(action: DocumentFaultAction, shows: Shows) -> String {
    let stage = Stage::new().await;
    stage.produce(3);
    let worker = stage.stream("worker").await;
    stage.stored().await;
    stage.document_proxy.break_all("insert", action);
    stage.produce(5);
    let seen = see(&stage, &worker, STREAM, shows).await;
    stage.document_proxy.heal();
    stage.produce(5);
    heal(&worker, STREAM, shows).await;
    stage.stored().await;
    seen
}

fn case(fault: &str, action: DocumentFaultAction, shows: Shows) -> Case {
    Case {
        place: "insert".to_owned(),
        fault: fault.to_owned(),
        shows,
        play: Box::pin(play(action, shows)),
    }
}

/// The command as a whole is refused.
fn refusal(code: i32, name: &str) -> Document {
    doc! {"ok": 0.0, "code": code, "codeName": name, "errmsg": "refused"}
}

/// One item of the command is refused.
fn item(code: i32, message: &str) -> Document {
    doc! {"n": 0, "writeErrors": [{"index": 0, "code": code, "errmsg": message}], "ok": 1.0}
}

fn commands() -> Vec<Case> {
    let mut cases = vec![
        case("cut off", DocumentFaultAction::CloseBefore, Degraded),
        case("answer lost", DocumentFaultAction::CloseAfter, Degraded),
    ];
    for (code, name, shows) in [
        (50, "MaxTimeMSExpired", Degraded),
        (10107, "NotWritablePrimary", Degraded),
        (11600, "InterruptedAtShutdown", Degraded),
        (13435, "NotPrimaryNoSecondaryOk", Degraded),
        (16500, "RequestRateTooLarge", Degraded),
        (13, "Unauthorized", Failed),
        (18, "AuthenticationFailed", Failed),
        (59, "CommandNotFound", Failed),
    ] {
        let action = DocumentFaultAction::ReplaceReply(refusal(code, name));
        cases.push(case(&format!("{code} {name}"), action, shows));
    }
    let duplicate =
        "E11000 duplicate key error collection: kafka.hashed index: value_1 dup key: { value: 1 }";
    for (fault, code, message) in [
        (
            "an item with 121 DocumentValidationFailure",
            121,
            "Document failed validation",
        ),
        (
            "an item with 11000 DuplicateKey of another index",
            11000,
            duplicate,
        ),
    ] {
        let action = DocumentFaultAction::ReplaceReply(item(code, message));
        cases.push(case(fault, action, Failed));
    }
    cases
}

/// Until the store is out of reach: first the open connections break, then no new one comes about.
async fn see_out_of_reach(stage: &Stage, worker: &Worker) -> String {
    let fits = |reason: &str| reason.contains("cannot reach");
    see_one(stage, worker, STREAM, Degraded, fits).await
}

fn whole() -> Vec<Case> {
    let whole = |fault: &str, faults: Faults, is_at_start: bool| Case {
        place: "the document store".to_owned(),
        fault: fault.to_owned(),
        shows: Degraded,
        play: Box::pin(async move {
            let stage = Stage::new().await;
            stage.produce(3);
            let strike = || {
                stage.document_wire.set(faults.clone());
                if !faults.stall {
                    stage.document_wire.drop_connections();
                }
            };
            if is_at_start {
                strike();
            }
            let worker = stage.stream("worker").await;
            if !is_at_start {
                stage.stored().await;
                strike();
            }
            stage.produce(5);
            let seen = see_out_of_reach(&stage, &worker).await;
            stage.document_wire.heal();
            stage.produce(5);
            heal(&worker, STREAM, Degraded).await;
            stage.stored().await;
            seen
        }),
    };
    vec![
        whole("closes connections at the start", Faults::refusing(), true),
        whole("closes connections", Faults::refusing(), false),
        whole("does not answer", Faults::stalling(), false),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn document_faults() {
    let mut cases = whole();
    cases.extend(commands());
    let rows = play_all(cases, 12).await;
    table::check("Document store", &rows);
}

//! Every command to the document store hit by every fault, while the hash job works; and the store as a whole.

use crate::case::{Case, Shows, play_all};
use crate::strike::{Job, Strike, of_wire, table};
use Shows::{Degraded, Failed};
use millstream_embedded::documents::DocumentFaultAction::{
    self, CloseAfter, CloseBefore, ReplaceReply,
};
use millstream_embedded::faults::Faults;
use mongodb::bson::doc;

/// The command as a whole is refused.
fn refusal(code: i32, name: &str, shows: Shows) -> (String, DocumentFaultAction, Shows) {
    let reply = doc! {"ok": 0.0, "code": code, "codeName": name, "errmsg": "refused"};
    (format!("{code} ({name})"), ReplaceReply(reply), shows)
}

/// One item of the command is refused.
fn item(code: i32, name: &str, message: &str) -> (String, DocumentFaultAction, Shows) {
    let error = doc! {"index": 0, "code": code, "errmsg": message};
    let reply = doc! {"n": 0, "writeErrors": [error], "ok": 1.0};
    let fault = format!("an item with {code} {name}");
    (fault, ReplaceReply(reply), Failed)
}

fn commands() -> Vec<Case> {
    let duplicate =
        "E11000 duplicate key error collection: kafka.hashed index: value_1 dup key: { value: 1 }";
    let faults = [
        ("cut off".to_owned(), CloseBefore, Degraded),
        ("answer lost".to_owned(), CloseAfter, Degraded),
        refusal(50, "MaxTimeMSExpired", Degraded),
        refusal(10107, "NotWritablePrimary", Degraded),
        refusal(11600, "InterruptedAtShutdown", Degraded),
        refusal(13435, "NotPrimaryNoSecondaryOk", Degraded),
        refusal(16500, "RequestRateTooLarge", Degraded),
        refusal(13, "Unauthorized", Failed),
        refusal(18, "AuthenticationFailed", Failed),
        refusal(59, "CommandNotFound", Failed),
        item(
            121,
            "DocumentValidationFailure",
            "Document failed validation",
        ),
        item(11000, "DuplicateKey of another index", duplicate),
    ];
    table("insert", faults, |_, action, _| {
        Strike::new(
            Job::Stream,
            move |stage| stage.document_proxy.break_all("insert", action.clone()),
            |stage| stage.document_proxy.heal(),
        )
    })
}

/// Until the store is out of reach: first the open connections break, then no new one comes about.
fn whole() -> Vec<Case> {
    let faults = [
        (
            "closes connections at the start",
            (Faults::refusing(), true),
            Degraded,
        ),
        ("closes connections", (Faults::refusing(), false), Degraded),
        ("does not answer", (Faults::stalling(), false), Degraded),
    ];
    table("the document store", faults, |_, faults, _| Strike {
        fits: Box::new(|reason| reason.contains("cannot connect to")),
        ..of_wire(Job::Stream, |stage| &stage.document_wire, faults)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn document_faults() {
    let mut cases = whole();
    cases.extend(commands());
    let rows = play_all(cases, 12).await;
    crate::table::check("Document store", &rows);
}

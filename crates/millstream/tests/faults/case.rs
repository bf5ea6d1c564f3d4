//! What all cases have in common: what a person is expected to see, the way back to health, and running many at once.

use crate::rest::Task;
use crate::stage::Stage;
use crate::table::Row;
use crate::worker::Worker;
use futures::StreamExt;
use futures::future::BoxFuture;

/// What a fault shows in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// It is over before anybody would look.
    Nothing,
    /// The task is running, and degraded as long as the fault lasts.
    Degraded,
    /// The task has failed for a reason that does not pass by itself.
    Failed,
    /// The task has failed for a reason that may pass, and starts again by itself.
    FailedForNow,
    /// The process goes on asking, and starts in the end.
    StartsLate,
    /// The process goes on asking, and ends with this code.
    AsksAndEnds(i32),
    /// The process ends at once with this code.
    Ends(i32),
}

impl Shows {
    fn outcome(self) -> String {
        match self {
            Shows::Nothing => "continues".to_owned(),
            Shows::Degraded => "degraded, retried".to_owned(),
            Shows::Failed => "FAILED".to_owned(),
            Shows::FailedForNow => "FAILED, restarts".to_owned(),
            Shows::StartsLate => "asked again, starts".to_owned(),
            Shows::AsksAndEnds(code) => format!("asked again, exit code {code}"),
            Shows::Ends(code) => format!("exit code {code}"),
        }
    }
}

/// A case: what is hit and how, what a person sees, and the play itself.
pub(crate) struct Case {
    pub(crate) place: String,
    pub(crate) fault: String,
    pub(crate) shows: Shows,
    /// Plays it and gives the message seen; where chance says which of several it is, each in a line.
    pub(crate) play: BoxFuture<'static, String>,
}

/// Plays all cases, some at a time: they mostly wait. All failures are told together.
pub(crate) async fn play_all(cases: Vec<Case>, at_once: usize) -> Vec<Row> {
    let only = std::env::var("MILLSTREAM_CASE").ok();
    let cases = cases.into_iter().filter(|case| {
        let name = format!("{}: {}", case.place, case.fault);
        only.as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    });
    let played = futures::stream::iter(cases.enumerate().map(|(number, case)| async move {
        let name = format!("{}: {}", case.place, case.fault);
        let outcome = tokio::spawn(case.play).await;
        let row = outcome.map(|seen| Row {
            place: case.place,
            fault: case.fault,
            seen: seen.lines().map(|line| line.trim().to_owned()).collect(),
            outcome: case.shows.outcome(),
        });
        (number, row.map_err(|failure| format!("{name}: {failure}")))
    }));
    let mut played: Vec<(usize, Result<Row, String>)> =
        played.buffer_unordered(at_once).collect().await;
    played.sort_by_key(|(number, _)| *number);
    let played: Vec<Result<Row, String>> = played.into_iter().map(|(_, row)| row).collect();
    let failures: Vec<String> = played.iter().filter_map(|p| p.clone().err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        played.len(),
        failures.join("\n")
    );
    played.into_iter().flatten().collect()
}

/// Waits for what the fault is to show and gives the message. The task never fails unless it is to.
pub(crate) async fn see(stage: &Stage, worker: &Worker, connector: &str, shows: Shows) -> String {
    see_one(stage, worker, connector, shows, |_| true).await
}

/// As `see`, with a choice of the messages of one fault.
pub(crate) async fn see_one(
    stage: &Stage,
    worker: &Worker,
    connector: &str,
    shows: Shows,
    fits: impl Fn(&str) -> bool,
) -> String {
    match shows {
        Shows::Nothing => String::new(),
        Shows::Degraded => {
            let is_told =
                |task: &Task| task.is_degraded() && task.degraded.as_deref().is_some_and(&fits);
            let is_over = |task: &Task| is_told(task) || task.state == "FAILED";
            let task = worker.task_until(connector, "degraded", is_over).await;
            assert_eq!(task.state, "RUNNING", "{}", task.trace);
            stage.plain(&task.degraded.unwrap())
        }
        Shows::Failed | Shows::FailedForNow => {
            let task = worker
                .task_until(connector, "failed", |task| task.state == "FAILED")
                .await;
            let heals = shows == Shows::FailedForNow;
            assert_eq!(task.restarts_itself, heals, "{task:?}");
            stage.plain(&cause(&task.trace))
        }
        Shows::StartsLate | Shows::AsksAndEnds(_) | Shows::Ends(_) => {
            panic!("{shows:?} is seen in the log of a process, not in a status")
        }
    }
}

/// Once the fault is over: restarts what does not start by itself, and waits until the status is that of a healthy task.
pub(crate) async fn heal(worker: &Worker, connector: &str, shows: Shows) {
    if shows == Shows::Failed {
        let path = format!("/connectors/{connector}/tasks/0/restart");
        let (status, answer) = worker.request("POST", &path, None).await;
        assert!(status.is_success(), "{status}: {answer}");
    }
    let is_over =
        |task: &Task| task.is_well() || (task.state == "FAILED" && shows == Shows::Degraded);
    let task = worker.task_until(connector, "well", is_over).await;
    assert!(task.is_well(), "{}", task.trace);
}

/// The first cause in a trace, without its class.
fn cause(trace: &str) -> String {
    let mut causes = trace
        .lines()
        .filter_map(|line| line.strip_prefix("Caused by: "));
    let text = causes
        .next()
        .or_else(|| trace.lines().next())
        .unwrap_or_default();
    match text.split_once(": ") {
        Some((class, message)) if !class.contains(' ') => message.to_owned(),
        _ => text.to_owned(),
    }
}

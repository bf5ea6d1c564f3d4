//! Tables of faults: a service that a job needs fails in some way while records flow, at the start or later, and is well
//! again. A table says of each fault what it does and what it shows; what is played is the same for all.

use crate::case::{Case, Shows, heal, see_one};
use crate::stage::{ARCHIVE, STREAM, Stage};
use crate::worker::{Worker, until};
use millstream_embedded::faults::{FaultProxy, Faults};

/// As good as for ever.
pub(crate) const ALWAYS: u32 = 1_000_000;

/// Whose way the fault is in.
#[derive(Clone, Copy)]
pub(crate) enum Job {
    Archive,
    Stream,
}

impl Job {
    pub(crate) fn connector(self) -> &'static str {
        match self {
            Job::Archive => ARCHIVE,
            Job::Stream => STREAM,
        }
    }

    async fn start(self, stage: &Stage) -> Worker {
        match self {
            Job::Archive => {
                let worker = stage.standalone("worker", &[]).await;
                stage.post_archive(&worker, &[]).await;
                worker
            }
            Job::Stream => stage.stream("worker").await,
        }
    }

    /// Returns once every record has arrived.
    async fn all_there(self, stage: &Stage) {
        match self {
            Job::Archive => stage.archived().await,
            Job::Stream => stage.stored().await,
        }
    }
}

type OnStage = Box<dyn Fn(&Stage) + Send + Sync>;

/// How a fault begins and ends, and how it is told from others.
pub(crate) struct Strike {
    pub(crate) job: Job,
    /// It is there before the job starts.
    pub(crate) is_at_start: bool,
    pub(crate) begin: OnStage,
    pub(crate) end: OnStage,
    /// Which of the messages it may show is waited for.
    pub(crate) fits: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// What stands for a message that differs from time to time: those that it may be, each in a line.
    pub(crate) stands_for: Option<&'static str>,
}

impl Strike {
    /// What is seen first counts.
    pub(crate) fn new(
        job: Job,
        begin: impl Fn(&Stage) + Send + Sync + 'static,
        end: impl Fn(&Stage) + Send + Sync + 'static,
    ) -> Self {
        Strike {
            job,
            is_at_start: false,
            begin: Box::new(begin),
            end: Box::new(end),
            fits: Box::new(|_| true),
            stands_for: None,
        }
    }

    async fn play(self, shows: Shows) -> String {
        let (stage, job) = (Stage::new().await, self.job);
        stage.produce(3);
        if self.is_at_start {
            (self.begin)(&stage);
        }
        let worker = job.start(&stage).await;
        if !self.is_at_start {
            job.all_there(&stage).await;
            (self.begin)(&stage);
        }
        stage.produce(6);
        if shows == Shows::Nothing {
            let is_over = || async { (stage.broker.faults().left() == 0).then_some(()) };
            until("the fault to happen", is_over).await;
        }
        let seen = see_one(&stage, &worker, job.connector(), shows, &self.fits).await;
        (self.end)(&stage);
        stage.produce(6);
        heal(&worker, job.connector(), shows).await;
        job.all_there(&stage).await;
        heal(&worker, job.connector(), Shows::Nothing).await;
        self.stands_for.map_or(seen, str::to_owned)
    }
}

/// The faults of one place as cases.
pub(crate) fn table<Name: Into<String>, Action>(
    place: &str,
    faults: impl IntoIterator<Item = (Name, Action, Shows)>,
    strike: impl Fn(&str, Action, Shows) -> Strike,
) -> Vec<Case> {
    let case = |(fault, action, shows): (Name, Action, Shows)| {
        let fault = fault.into();
        Case {
            place: place.to_owned(),
            play: Box::pin(strike(&fault, action, shows).play(shows)),
            fault,
            shows,
        }
    };
    faults.into_iter().map(case).collect()
}

/// How a service fails as a whole: whatever passes its wire, at the start or later.
pub(crate) fn of_wire(
    job: Job,
    wire: fn(&Stage) -> &FaultProxy,
    (faults, is_at_start): (Faults, bool),
) -> Strike {
    let begin = move |stage: &Stage| {
        wire(stage).set(faults.clone());
        if !faults.stall {
            wire(stage).drop_connections();
        }
    };
    Strike {
        is_at_start,
        ..Strike::new(job, begin, move |stage| wire(stage).heal())
    }
}

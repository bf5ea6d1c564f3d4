//! A place that is known, and looked up again: on evidence, by whoever has it, and now and then.

use super::patience::Patience;
use super::trouble::{DiscoveryError, Ending, Trouble};
use crate::client::Class;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// Between two lookups that something spoke for. What fails everywhere at once must not become a storm of calls.
const APART: Duration = Duration::from_secs(30);

/// Between two lines about the same thing.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Which of the polls reads in full, although the revision may be the same: not every service counts its changes.
const FULL_POLL: u32 = 4;

/// Who looks a place up.
pub trait Resolve: Send + Sync {
    type Place: PartialEq + Send + Sync + 'static;

    /// Everything anew.
    fn resolve(&self) -> impl Future<Output = Result<Found<Self::Place>, Trouble>> + Send;

    /// What has kept the lookup that goes on from its end so far.
    fn last_trouble(&self) -> Option<Trouble> {
        None
    }

    /// What changes whenever the place may have; nothing where there is no such thing.
    fn revision(&self) -> impl Future<Output = Result<Option<i64>, Trouble>> + Send;
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<P> {
    pub place: P,
    pub revision: Option<i64>,
    /// What was chosen and why, in one line without secrets.
    pub explanation: String,
    pub warnings: Vec<String>,
}

/// A place that was found once. Shared by everybody who uses it.
pub struct Watched<R: Resolve> {
    resolver: R,
    place: watch::Sender<Arc<R::Place>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    looked_up: Option<Instant>,
    complained: Option<Instant>,
    revision: Option<i64>,
    polls: u32,
}

impl<R: Resolve> Watched<R> {
    /// Looks the place up, as often as `timeout` allows.
    pub async fn start(resolver: R, timeout: Duration) -> Result<Self, DiscoveryError> {
        let began = Instant::now();
        let mut patience = Patience::default();
        let mut last = None;
        let found = loop {
            let left = timeout.saturating_sub(began.elapsed());
            let trouble = match tokio::time::timeout(left, resolver.resolve()).await {
                Ok(Ok(found)) => break found,
                Ok(Err(trouble)) => trouble,
                Err(_) => {
                    let last = resolver.last_trouble().or(last);
                    return Err(last.map_or_else(|| no_answer(timeout), Trouble::into_error));
                }
            };
            let dice = rand::random_range(0.0..1.0);
            match patience.pause_after(&trouble, began.elapsed(), timeout, dice) {
                Some(pause) => {
                    tracing::warn!(
                        error = %trouble.message,
                        again_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                        "discovery has no answer yet"
                    );
                    tokio::time::sleep(pause).await;
                }
                None => return Err(trouble.into_error()),
            }
            last = Some(trouble);
        };
        tell(&found);
        Ok(Watched {
            resolver,
            place: watch::channel(Arc::new(found.place)).0,
            state: Mutex::new(State {
                revision: found.revision,
                ..State::default()
            }),
        })
    }

    /// The place as it is known.
    pub fn current(&self) -> Arc<R::Place> {
        Arc::clone(&self.place.borrow())
    }

    /// Who wants to hear of another place.
    pub fn changes(&self) -> watch::Receiver<Arc<R::Place>> {
        self.place.subscribe()
    }

    /// Looks again, since something speaks for another place; then says what is known. Who comes while somebody looks waits
    /// for that answer, and who comes soon after gets it.
    pub async fn refresh(&self, evidence: &str) -> Arc<R::Place> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        let is_soon = |at: Instant| now.duration_since(at) < APART;
        if !state.looked_up.is_some_and(is_soon) {
            tracing::info!(evidence, "looking up again where to connect to");
            self.look(&mut state).await;
        }
        self.current()
    }

    /// Looks now and then, until the future is dropped. `every` is how often, give or take a fifth;
    /// nothing for never.
    pub async fn poll(&self, every: Option<Duration>) -> Infallible {
        let Some(every) = every else {
            return std::future::pending().await;
        };
        loop {
            let jitter = rand::random_range(0.8..1.2);
            tokio::time::sleep(every.mul_f64(jitter)).await;
            self.poll_once().await;
        }
    }

    async fn poll_once(&self) {
        let mut state = self.state.lock().await;
        state.polls += 1;
        if state.polls.is_multiple_of(FULL_POLL) || state.revision.is_none() {
            self.look(&mut state).await;
            return;
        }
        match self.resolver.revision().await {
            Ok(revision) if revision == state.revision => {}
            Ok(_) => self.look(&mut state).await,
            Err(trouble) => complain(&mut state, &trouble),
        }
    }

    async fn look(&self, state: &mut State) {
        let found = self.resolver.resolve().await;
        state.looked_up = Some(Instant::now());
        let found = match found {
            Ok(found) => found,
            Err(trouble) => return complain(state, &trouble),
        };
        state.revision = found.revision;
        state.complained = None;
        // Nothing reconnects because of an answer that is the same.
        if **self.place.borrow() != found.place {
            tell(&found);
            self.place.send_replace(Arc::new(found.place));
        }
    }
}

fn no_answer(timeout: Duration) -> DiscoveryError {
    let seconds = timeout.as_secs();
    DiscoveryError {
        ending: Ending::Unavailable,
        message: format!("AWS did not answer within DISCOVERY_TIMEOUT of {seconds} s"),
    }
}

fn tell<P>(found: &Found<P>) {
    for warning in &found.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!("{}", found.explanation);
}

/// What is known goes on to count; somebody should know that it may be old.
fn complain(state: &mut State, trouble: &Trouble) {
    let now = Instant::now();
    if state
        .complained
        .is_some_and(|at| now.duration_since(at) < COMPLAINT)
    {
        return;
    }
    state.complained = Some(now);
    let denied = trouble.class == Some(Class::Denied);
    tracing::warn!(
        error = %trouble.message,
        denied,
        "cannot look up again where to connect to; what was known goes on to count"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex as StdMutex;

    /// Answers in order; the last one again and again. Counts.
    #[derive(Default)]
    struct Script {
        answers: StdMutex<Vec<Result<u32, Trouble>>>,
        revision: StdMutex<Option<i64>>,
        resolved: StdMutex<u32>,
        polled: StdMutex<u32>,
    }

    impl Script {
        fn of(answers: Vec<Result<u32, Trouble>>) -> Arc<Self> {
            Arc::new(Script {
                answers: StdMutex::new(answers),
                revision: StdMutex::new(Some(1)),
                ..Script::default()
            })
        }
    }

    impl Resolve for Arc<Script> {
        type Place = u32;

        async fn resolve(&self) -> Result<Found<u32>, Trouble> {
            *self.resolved.lock().unwrap() += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut answers = self.answers.lock().unwrap();
            let answer = match answers.len() {
                1 => answers[0].clone(),
                _ => answers.remove(0),
            };
            Ok(Found {
                place: answer?,
                revision: *self.revision.lock().unwrap(),
                explanation: String::new(),
                warnings: Vec::new(),
            })
        }

        async fn revision(&self) -> Result<Option<i64>, Trouble> {
            *self.polled.lock().unwrap() += 1;
            Ok(*self.revision.lock().unwrap())
        }
    }

    fn away(class: Class) -> Result<u32, Trouble> {
        Err(Trouble {
            class: Some(class),
            ending: Ending::Unavailable,
            message: "away".to_owned(),
        })
    }

    const TIMEOUT: Duration = Duration::from_secs(120);

    async fn started(script: &Arc<Script>) -> Watched<Arc<Script>> {
        Watched::start(Arc::clone(script), TIMEOUT).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_what_is_not_ready() {
        let not_ready = || away(Class::NotReady);
        let script = Script::of(vec![not_ready(), not_ready(), Ok(1)]);
        let began = Instant::now();
        assert_eq!(*started(&script).await.current(), 1);
        assert!(began.elapsed() >= Duration::from_secs(6));
        let script = Script::of(vec![not_ready()]);
        let error = Watched::start(script, TIMEOUT).await.err().unwrap();
        assert_eq!((error.ending.exit_code(), &*error.message), (69, "away"));
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_failures_are_one_lookup_and_the_next_is_half_a_minute_later() {
        let script = Script::of(vec![Ok(1), Ok(2), Ok(3)]);
        let watched = started(&script).await;
        let evidence = std::iter::repeat_with(|| watched.refresh("all brokers are down"));
        let places = futures::future::join_all(evidence.take(50)).await;
        assert!(places.iter().all(|place| **place == 2));
        assert_eq!(*script.resolved.lock().unwrap(), 2);
        tokio::time::advance(APART).await;
        assert_eq!(*watched.refresh("again").await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_counts_while_nobody_answers() {
        for class in [
            Class::Denied,
            Class::Permanent,
            Class::Transient,
            Class::NoCredentials,
        ] {
            let script = Script::of(vec![Ok(1), away(class)]);
            let watched = started(&script).await;
            assert_eq!(*watched.refresh("evidence").await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polls_ask_for_the_revision_and_every_fourth_in_full() {
        let script = Script::of(vec![Ok(1), Ok(1)]);
        let watched = started(&script).await;
        let changes = watched.changes();
        for _ in 0..8 {
            watched.poll_once().await;
        }
        assert_eq!(*script.polled.lock().unwrap(), 6);
        assert_eq!(*script.resolved.lock().unwrap(), 3);
        assert!(
            !changes.has_changed().unwrap(),
            "an equal answer is no news"
        );
        *script.answers.lock().unwrap() = vec![Ok(2)];
        *script.revision.lock().unwrap() = Some(2);
        watched.poll_once().await;
        assert!(changes.has_changed().unwrap());
        assert_eq!(*watched.current(), 2);
        // A replacement under the same revision is seen at the next full poll.
        *script.answers.lock().unwrap() = vec![Ok(3)];
        for _ in 0..3 {
            watched.poll_once().await;
        }
        assert_eq!(*watched.current(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn polls_come_every_quarter_of_an_hour_or_so() {
        let script = Script::of(vec![Ok(1)]);
        let watched = started(&script).await;
        let every = Duration::from_secs(900);
        let day = Duration::from_secs(24 * 3600);
        let polls = tokio::time::timeout(day, watched.poll(Some(every))).await;
        assert!(polls.is_err());
        let seen = *script.polled.lock().unwrap() + *script.resolved.lock().unwrap() - 1;
        assert!((80..=120).contains(&seen), "{seen}");
    }
}

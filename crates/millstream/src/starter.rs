//! Starter: makes a sink task of its parts (consumer, converters, chain, sink) and runs it on the data runtime.

use crate::cause;
use crate::clock::now_ms;
use crate::dead_letters;
use crate::progress::Board;
use async_trait::async_trait;
use millstream_core::backoff::Backoff;
use millstream_core::rejected::shows_content;
use millstream_core::{
    ByteBudget, Consumer, ConverterUse, Degraded, PluginError, Properties, SinkTask, TaskContext,
    chain, limits,
};
use millstream_kafka::{ConsumerConfig, KafkaConsumer, Role, Subscription};
use millstream_runtime::{
    ErrorPolicy, ErrorSettings, Plan, PlanParts, Quiet, SharedQuiet, Target, TaskFailure,
    TaskParts, TaskSettings, Tolerance, run_task,
};
use millstream_worker::sink_settings::{self, SinkSettings, Topics};
use millstream_worker::{
    PluginRegistry, TaskEvent, TaskEvents, TaskHandle, TaskStart, TaskStarter, client_settings,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What a task is by itself, in each of its three budgets: clients, connections, what it knows of its partitions. An idle
/// connector was measured at some 0.2 MiB.
const OWN_BYTES: usize = 64 * 1024;

/// Reports that wait for the herder. A task reports changes, not records, so few are ever under way.
const QUEUED_REPORTS: usize = 16;

/// The pause after the first failed start; it doubles up to `limits::MAX_BACKOFF`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long a start may go without a word.
const FIRST_WORD: Duration = Duration::from_secs(5);

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

/// Memory for the records of all tasks, by what holds them: were one to take all of it, nothing would ever go on to the
/// next and be freed.
#[derive(Clone)]
pub(crate) struct Budgets {
    fetched: ByteBudget,
    open: ByteBudget,
    in_flight: ByteBudget,
}

impl Budgets {
    pub(crate) fn new(total: usize) -> Self {
        Budgets {
            fetched: ByteBudget::keeping_back(total / 10 * 3, OWN_BYTES),
            open: ByteBudget::keeping_back(total / 10 * 4, OWN_BYTES),
            in_flight: ByteBudget::keeping_back(total / 10 * 3, OWN_BYTES),
        }
    }
}

/// Starts tasks on the data runtime.
pub(crate) struct Starter {
    runtime: Handle,
    budgets: Budgets,
    board: Board,
}

impl Starter {
    pub(crate) fn new(runtime: Handle, budgets: Budgets) -> Self {
        Starter {
            runtime,
            budgets,
            board: Board::default(),
        }
    }

    /// What the tasks started here have done.
    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }
}

struct RunningTask {
    target: watch::Sender<Target>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl TaskStarter for Starter {
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        let first = if start.is_paused {
            Target::Paused
        } else {
            Target::Running
        };
        let (target, targets) = watch::channel(first);
        let stop = CancellationToken::new();
        let budgets = self.budgets.clone();
        let board = self.board.clone();
        let task = supervise(start, budgets, board, targets, events, stop.clone());
        let ended = self.runtime.spawn(task);
        Box::new(RunningTask {
            target,
            stop,
            ended,
        })
    }
}

#[async_trait]
impl TaskHandle for RunningTask {
    fn pause(&self) {
        self.target.send_replace(Target::Paused);
    }

    fn resume(&self) {
        self.target.send_replace(Target::Running);
    }

    async fn stop(self: Box<Self>, deadline: Duration) {
        self.stop.cancel();
        let abort = self.ended.abort_handle();
        if tokio::time::timeout(deadline, self.ended).await.is_err() {
            abort.abort();
        }
    }
}

/// Runs the task and passes its reports on; a panic is a bug of ours and fails the task, not the worker.
async fn supervise(
    start: TaskStart,
    budgets: Budgets,
    board: Board,
    target: watch::Receiver<Target>,
    events: TaskEvents,
    stop: CancellationToken,
) {
    let (reports, mut reported) = mpsc::channel(QUEUED_REPORTS);
    let settings = TaskSettings {
        id: start.id.clone(),
        commit_interval: start.worker_config.flush_interval(),
        finish_deadline: finish_deadline(&start),
        clock: now_ms,
    };
    let metrics = board.metrics(&start.id);
    let _running = board.enter(&start.id);
    let self_healing = start.worker_config.settings.self_healing;
    let outage = events.clone();
    let parts = Box::pin(async move {
        if self_healing {
            make_parts_through_outages(&start, &budgets, &outage).await
        } else {
            make_parts(&start, &budgets, &StartWatch::new(None)).await
        }
    });
    // A task that is abandoned at the deadline ends with this supervisor: two of one name must never run.
    let run = Box::pin(run_task(settings, parts, target, reports, metrics, stop));
    let mut run = AbortOnDropHandle::new(tokio::spawn(run));
    let ended = loop {
        tokio::select! {
            Some(report) = reported.recv() => events.send(translate(report)).await,
            ended = &mut run => break ended,
        }
    };
    let failure = match ended {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => failure,
        Err(panic) => TaskFailure::new(
            "java.lang.Error",
            &format!("the task ended by a bug: {panic}"),
        ),
    };
    let TaskFailure {
        trace,
        reason,
        is_transient,
    } = failure;
    if !is_transient {
        board.fail(cause::of_failure(&reason, &trace));
    }
    events
        .send(TaskEvent::Failed {
            trace,
            is_transient,
        })
        .await;
}

fn translate(event: millstream_runtime::TaskEvent) -> TaskEvent {
    match event {
        millstream_runtime::TaskEvent::Running => TaskEvent::Running,
        millstream_runtime::TaskEvent::Paused => TaskEvent::Paused,
        millstream_runtime::TaskEvent::Degraded(degraded) => TaskEvent::Degraded(degraded),
        millstream_runtime::TaskEvent::Recovered => TaskEvent::Recovered,
        millstream_runtime::TaskEvent::Topic(topic) => TaskEvent::Topic(topic),
    }
}

/// Makes the parts of a task; while a server that the start needs is out of reach, the task is running and degraded.
async fn make_parts_through_outages(
    start: &TaskStart,
    budgets: &Budgets,
    events: &TaskEvents,
) -> Result<TaskParts, TaskFailure> {
    let mut backoff = Backoff::new((FIRST_PAUSE, limits::MAX_BACKOFF));
    let mut told = Quiet::default();
    let watch = StartWatch::new(Some(events));
    let mut is_degraded = false;
    loop {
        let failure = match make_parts(start, budgets, &watch).await {
            Err(failure) if failure.is_transient => failure,
            outcome => {
                if is_degraded {
                    events.send(TaskEvent::Recovered).await;
                }
                return outcome;
            }
        };
        if !is_degraded {
            events.send(TaskEvent::Running).await;
        }
        if let Some(attempts) = told.speak(1, Instant::now()) {
            let id = &start.id;
            tracing::warn!(
                connector = &*id.connector,
                task = id.task,
                error = failure.reason,
                attempts,
                seconds = (now_ms() - watch.since) / 1000,
                "cannot start yet, retrying"
            );
        }
        is_degraded = true;
        let wait = backoff.next_pause();
        watch.tell(failure.reason, wait).await;
        tokio::time::sleep(wait).await;
    }
}

/// Makes the parts of a task. The sink comes before the consumer, so that a sink that cannot start takes no partitions.
async fn make_parts(
    start: &TaskStart,
    budgets: &Budgets,
    watch: &StartWatch<'_>,
) -> Result<TaskParts, TaskFailure> {
    let registry = &start.registry;
    let settings = SinkSettings::read(&start.connector_config);
    let settings = settings.map_err(|error| TaskFailure::new(CONFIG_EXCEPTION, &error))?;
    let chain = chain::build(
        &start.task_config,
        &registry.transforms,
        &registry.predicates,
    )
    .map_err(|error| TaskFailure::chain(&error))?;
    let converters = converters(start)?;
    let consumer_config = consumer_config(start)?;
    let context = context(start, budgets, &consumer_config, &settings);
    let starting = start.connector.start_task(&start.task_config, context);
    let mut sink = patiently(starting, "the sink's server", start, watch)
        .await
        .map_err(|error| TaskFailure::start(&error))?;
    let plan = plan(converters, chain, sink.as_mut());
    let opening = dead_letters::open(start, settings.dead_letters.as_ref());
    let letters = patiently(opening, "Kafka, for the dead-letter topic", start, watch).await?;
    let errors = ErrorPolicy::new(start.id.clone(), error_settings(start, &settings), letters);
    let consumer = consumer(start, consumer_config, budgets)?;
    Ok(TaskParts {
        consumer,
        sink,
        plan,
        errors,
    })
}

/// What the sink is given beside its settings.
fn context(
    start: &TaskStart,
    budgets: &Budgets,
    consumer: &ConsumerConfig,
    settings: &SinkSettings,
) -> TaskContext {
    TaskContext {
        has_reporter: settings.logs_errors || settings.dead_letters.is_some(),
        goes_on_after_rejected: settings.tolerates_errors,
        max_poll_records: usize::try_from(consumer.settings.max_poll_records).unwrap_or(1),
        longest_put: limits::LONGEST_PUT.min(max_poll_interval(consumer) / 3),
        rides_out_outages: start.worker_config.settings.self_healing,
        shows_content: shows_content(&start.connector_config),
        ..TaskContext::new(
            Arc::clone(&start.id.connector),
            start.id.task,
            budgets.open.clone(),
            budgets.in_flight.clone(),
        )
    }
}

/// Who hears of a start that takes long.
struct StartWatch<'a> {
    /// When the first attempt began, epoch milliseconds.
    since: i64,
    /// Where the status comes from, if it may tell of outages.
    events: Option<&'a TaskEvents>,
    /// For the log, over all attempts.
    slow: SharedQuiet,
}

impl<'a> StartWatch<'a> {
    fn new(events: Option<&'a TaskEvents>) -> Self {
        StartWatch {
            since: now_ms(),
            events,
            slow: SharedQuiet::default(),
        }
    }

    /// Tells the status what the start waits for.
    async fn tell(&self, reason: String, next_try: Duration) {
        if let Some(events) = self.events {
            let degraded = Degraded {
                reason,
                since: self.since,
                next_try,
            };
            events.send(TaskEvent::Degraded(degraded)).await;
        }
    }
}

/// Waits for a part of the start; after a while the status and the log say so, long before the attempt has failed.
async fn patiently<T>(
    part: impl Future<Output = T>,
    whom: &str,
    start: &TaskStart,
    watch: &StartWatch<'_>,
) -> T {
    let mut part = std::pin::pin!(part);
    if let Ok(done) = tokio::time::timeout(FIRST_WORD, &mut part).await {
        return done;
    }
    let reason = format!("starting: there is no answer yet from {whom}");
    if let Some(attempts) = watch.slow.speak(1) {
        tracing::warn!(
            connector = &*start.id.connector,
            task = start.id.task,
            attempts,
            seconds = FIRST_WORD.as_secs(),
            "{reason}"
        );
    }
    if let Some(events) = watch.events {
        events.send(TaskEvent::Running).await;
    }
    watch.tell(reason, Duration::ZERO).await;
    part.await
}

type Converters = (
    Box<dyn millstream_core::Converter>,
    Box<dyn millstream_core::Converter>,
    Box<dyn millstream_core::HeaderConverter>,
);

fn plan(
    (key, value, header): Converters,
    chain: Vec<chain::ChainStage>,
    sink: &mut dyn SinkTask,
) -> Plan {
    Plan::new(
        PlanParts {
            key,
            value,
            header,
            chain,
        },
        sink,
    )
}

fn converters(start: &TaskStart) -> Result<Converters, TaskFailure> {
    let registry: &PluginRegistry = &start.registry;
    let chosen =
        |role: &str| sink_settings::converter(&start.worker_config, &start.connector_config, role);
    let converter = |role: &str, used: ConverterUse| {
        let (class, settings) = chosen(role);
        let plugin = registry
            .converter(&class)
            .ok_or_else(|| not_found(&class))?;
        (plugin.make)(&settings, used).map_err(|error| refused(&error))
    };
    let key = converter("key.converter", ConverterUse::Key)?;
    let value = converter("value.converter", ConverterUse::Value)?;
    let (class, settings) = chosen("header.converter");
    let plugin = registry
        .header_converter(&class)
        .ok_or_else(|| not_found(&class))?;
    let header = (plugin.make)(&settings).map_err(|error| refused(&error))?;
    Ok((key, value, header))
}

fn consumer_settings(start: &TaskStart) -> Properties {
    client_settings::consumer(&start.worker_config, &start.connector_config, &start.id)
}

fn consumer_config(start: &TaskStart) -> Result<ConsumerConfig, TaskFailure> {
    let settings = consumer_settings(start);
    crate::client_remarks::warn(start, &settings, Role::Consumer);
    ConsumerConfig::from_properties(&settings)
        .map_err(|errors| TaskFailure::new(CONFIG_EXCEPTION, &errors.to_string()))
}

fn max_poll_interval(consumer: &ConsumerConfig) -> Duration {
    Duration::from_millis(consumer.settings.max_poll_interval_ms as u64)
}

/// How long a stop or a revocation may wait for what is closed or in flight. The rest of a stop's time is for aborted
/// uploads, the last commit and leaving the group; a revocation has to have committed before the group goes on.
fn finish_deadline(start: &TaskStart) -> Duration {
    let stop = start.worker_config.shutdown_timeout().mul_f64(0.6);
    // A consumer whose settings are wrong is told of when it is made.
    match ConsumerConfig::from_properties(&consumer_settings(start)) {
        Ok(consumer) => stop.min(max_poll_interval(&consumer) / 2),
        Err(_) => stop,
    }
}

fn consumer(
    start: &TaskStart,
    config: ConsumerConfig,
    budgets: &Budgets,
) -> Result<Box<dyn Consumer>, TaskFailure> {
    let subscription = subscription(start)?;
    let consumer = KafkaConsumer::start(config, subscription, budgets.fetched.for_holder())
        .map_err(|error| TaskFailure::consumer(&error))?;
    Ok(Box::new(consumer))
}

fn subscription(start: &TaskStart) -> Result<Subscription, TaskFailure> {
    let topics = Topics::read(&start.id.connector, &start.connector_config);
    Ok(
        match topics.map_err(|error| TaskFailure::new(CONFIG_EXCEPTION, &error))? {
            Topics::Named(topics) => Subscription::Topics(topics),
            Topics::Matching(pattern) => Subscription::Pattern(Box::new(move |topic| {
                // A name that cannot be decided upon is not subscribed to; validation has compiled the pattern before.
                pattern.is_full_match(topic).unwrap_or(false)
            })),
        },
    )
}

fn error_settings(start: &TaskStart, settings: &SinkSettings) -> ErrorSettings {
    ErrorSettings {
        tolerance: tolerance(settings),
        log: settings.logs_errors,
        log_records: settings.logs_records,
        shows_content: shows_content(&start.connector_config),
    }
}

fn tolerance(settings: &SinkSettings) -> Tolerance {
    if settings.tolerates_errors {
        Tolerance::All
    } else {
        Tolerance::None
    }
}

fn not_found(class: &str) -> TaskFailure {
    TaskFailure::new(
        CONFIG_EXCEPTION,
        &format!("Class {class} could not be found."),
    )
}

fn refused(error: &PluginError) -> TaskFailure {
    TaskFailure::new(error.class, &error.message)
}

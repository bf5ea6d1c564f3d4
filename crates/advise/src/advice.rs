//! The comparison: what each way costs a month, which is the cheapest that is in time, and where that changes.

use crate::capacity::{self, Tasks, drain_time, memory_for_open_objects};
use crate::lambda::{self, Invocations, Source};
use crate::objects::{self, Objects};
use crate::prices::{Price, Prices};
use crate::question::{Architecture, Question};
use crate::queue::{Kind, Queue};
use crate::queue_use;
use crate::units::{shown, time};

const SECONDS_PER_HOUR: f64 = 3600.0;

/// More objects a second than this of one task are worth a word: `flush.size=3` writes hundreds.
const MANY_OBJECTS: f64 = 10.0;

/// More than any topic has: no place is looked for beyond it.
const MOST_MESSAGES: f64 = 1e13;

/// A way to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Tasks,
    LambdaOnKafka,
    LambdaOnQueue,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Tasks, Way::LambdaOnKafka, Way::LambdaOnQueue];

    /// Those that there are for a question, tasks first.
    pub fn of(question: &Question) -> &'static [Way] {
        match question.queue {
            None => &Way::ALL,
            Some(queue) if queue.kind.is_sqs() => &[Way::Tasks, Way::LambdaOnQueue],
            Some(_) => &[Way::Tasks],
        }
    }

    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Way::Tasks => "tasks",
            Way::LambdaOnKafka => "lambda-kafka",
            Way::LambdaOnQueue => "lambda-sqs",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Way::Tasks => "always-on tasks",
            Way::LambdaOnKafka => "Lambda on the Kafka topic",
            Way::LambdaOnQueue => "Lambda on an SQS queue",
        }
    }
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub what: &'static str,
    /// A month, in the things that the price's unit counts.
    pub amount: f64,
    pub price: Price,
    pub cost: f64,
}

/// What one way comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub way: Way,
    pub items: Vec<Item>,
    /// Of all items.
    pub month: f64,
    /// Seconds that a record waits at most; none if nothing bounds it.
    pub delay: Option<f64>,
    pub is_in_time: bool,
    /// Why it cannot be done that way.
    pub obstacle: Option<String>,
    pub objects: Option<Objects>,
    pub invocations: Option<Invocations>,
}

impl Offer {
    /// Whether it does what is asked.
    pub fn serves(&self) -> bool {
        self.is_in_time && self.obstacle.is_none()
    }
}

/// Where another way becomes the cheaper one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossover {
    /// Below so many messages a day it is `below`, from there on `above`.
    pub messages_per_day: f64,
    pub below: Way,
    pub above: Way,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    pub tasks: Tasks,
    /// Seconds until the backlog is gone; none if it never is.
    pub drain: Option<f64>,
    /// In the order of `Way::of`.
    pub offers: Vec<Offer>,
    /// The cheapest that serves.
    pub best: Option<Way>,
    pub crossover: Option<Crossover>,
    /// What to change, in sentences.
    pub warnings: Vec<String>,
    /// What stands beside all of them and is not counted: name and cost a month.
    pub beside: Vec<(&'static str, f64)>,
}

pub fn advise(question: &Question, prices: &Prices) -> Advice {
    let tasks = capacity::tasks(question);
    let offers: Vec<Offer> = Way::of(question)
        .iter()
        .map(|way| offer(*way, question, prices))
        .collect();
    let serving = offers.iter().filter(|offer| offer.serves());
    let best = serving.min_by(|a, b| a.month.total_cmp(&b.month));
    let drain = drain_time(&question.load, &tasks);
    Advice {
        best: best.map(|offer| offer.way),
        crossover: crossover(question, prices),
        warnings: warnings(question, &tasks, drain, &offers),
        beside: beside(prices),
        tasks,
        drain,
        offers,
    }
}

pub fn offer(way: Way, question: &Question, prices: &Prices) -> Offer {
    let month = prices.hours_per_month * SECONDS_PER_HOUR;
    let mut bill = Bill(Vec::new());
    let (mut delay, mut invocations) = (Some(0.0), None);
    let obstacle;
    let mut written = None;
    match way {
        Way::Tasks => {
            let tasks = capacity::tasks(question);
            let (vcpu, gb) = fargate(question.architecture, prices);
            let hours = tasks.running * prices.hours_per_month;
            bill.add("tasks, processor", hours * question.task.vcpu, vcpu);
            bill.add("tasks, memory", hours * question.task.memory_gb, gb);
            obstacle = too_few_partitions(question, &tasks);
            if let Some(queue) = question.queue.filter(|queue| queue.kind.is_sqs()) {
                let rate = queue.kind.task_rate();
                let requests = queue_use::sqs_requests(&question.load, tasks.running, rate);
                bill.add("requests to SQS", requests * month, &prices.sqs_requests);
            }
            if question.job.writes_objects() {
                let (load, files) = (&question.load, &question.files);
                let found = match &question.queue {
                    None => objects::of_archive(load, files, question.partitions),
                    Some(queue) => {
                        let (tasks, delay) = (tasks.running, question.delay);
                        queue_use::of_archive(load, files, queue, tasks, delay)
                    }
                };
                delay = found.delay;
                written = Some(found);
            }
        }
        Way::LambdaOnKafka | Way::LambdaOnQueue => {
            let source = match way {
                Way::LambdaOnQueue => Source::Queue,
                Way::Tasks | Way::LambdaOnKafka => Source::Kafka,
            };
            let found = lambda::invocations(question, source);
            bill.add(
                "invocations",
                found.per_second * month,
                &prices.lambda_requests,
            );
            let gb_second = match question.architecture {
                Architecture::Arm64 => &prices.lambda_arm64_gb_second,
                Architecture::X86 => &prices.lambda_x86_gb_second,
            };
            bill.add("duration", found.gb_seconds_per_second * month, gb_second);
            if source == Source::Queue {
                let requests = lambda::queue_requests(question) * month;
                bill.add("requests to SQS", requests, &prices.sqs_requests);
            }
            if question.job.writes_objects() {
                let load = &question.load;
                written = Some(objects::of_function(load, found.per_second, found.window));
            }
            obstacle = lambda::obstacle(question, source, &found);
            delay = Some(found.window);
            invocations = Some(found);
        }
    }
    if let Some(objects) = &written {
        let requests = objects.requests_per_second() * month;
        bill.add("requests to S3", requests, &prices.s3_put_requests);
    }
    Offer {
        way,
        month: bill.0.iter().map(|item| item.cost).sum(),
        items: bill.0,
        is_in_time: delay.is_some_and(|delay| delay <= question.delay),
        delay,
        obstacle,
        objects: written,
        invocations,
    }
}

/// Why a task for each partition cannot keep up with what comes in. A backlog does not count: it goes slower then, which
/// `warnings` tells.
fn too_few_partitions(question: &Question, tasks: &Tasks) -> Option<String> {
    let Question {
        load, partitions, ..
    } = question;
    let most = partitions * tasks.capacity;
    let (needed, so) = if load.rate() > most {
        (tasks.for_rate, "it falls behind")
    } else if load.peak() > most {
        let so = "it falls behind at the busiest time and catches up after it";
        (tasks.for_peak, so)
    } else {
        return None;
    };
    Some(format!(
        "{} tasks are needed and the topic has {} partitions, of which each is read by one: {so}",
        shown(needed),
        shown(*partitions)
    ))
}

struct Bill(Vec<Item>);

impl Bill {
    fn add(&mut self, what: &'static str, amount: f64, price: &Price) {
        self.0.push(Item {
            what,
            amount,
            cost: price.of(amount),
            price: price.clone(),
        });
    }
}

/// The two prices of a task.
pub fn fargate(architecture: Architecture, prices: &Prices) -> (&Price, &Price) {
    match architecture {
        Architecture::Arm64 => (
            &prices.fargate_arm64_vcpu_hour,
            &prices.fargate_arm64_gb_hour,
        ),
        Architecture::X86 => (&prices.fargate_x86_vcpu_hour, &prices.fargate_x86_gb_hour),
    }
}

/// Where tasks and the function on the topic or queue change places, all else being as it is. Both grow with the load, and the
/// tasks begin higher, so there is at most one place that matters: the first at which the function stops being cheaper.
fn crossover(question: &Question, prices: &Prices) -> Option<Crossover> {
    let function = *Way::of(question).get(1)?;
    let difference = |messages: f64| {
        let mut other = question.with_messages(messages);
        // Tasks may be as many as are needed: the question is about money.
        other.partitions = question.partitions.max(capacity::tasks(&other).needed);
        let tasks = offer(Way::Tasks, &other, prices).month;
        tasks - offer(function, &other, prices).month
    };
    if difference(1.0) <= 0.0 {
        return None;
    }
    let mut low = 1.0;
    let mut high = low;
    while difference(high) > 0.0 {
        low = high;
        high *= 1.25;
        if high > MOST_MESSAGES {
            return None;
        }
    }
    while high / low > 1.001 {
        let middle = (high * low).sqrt();
        match difference(middle) > 0.0 {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(Crossover {
        messages_per_day: high,
        below: function,
        above: Way::Tasks,
    })
}

fn warnings(
    question: &Question,
    tasks: &Tasks,
    drain: Option<f64>,
    offers: &[Offer],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let Question { load, files, .. } = question;
    if question.partitions < tasks.partitions {
        warnings.push(format!(
            "Make the topic with {} partitions: twice the tasks, and one for each 5 MB/s. They can be added later, but then keys move to others.",
            shown(tasks.partitions)
        ));
    }
    if question.task.least > question.partitions {
        warnings.push(format!(
            "Of {} tasks (--least-tasks) {} would be idle, and are not counted: each of the topic's {} partitions is read by one.",
            shown(question.task.least),
            shown(question.task.least - question.partitions),
            shown(question.partitions)
        ));
    }
    if let Some(queue) = &question.queue {
        warnings.extend(warnings_of_queue(question, queue, tasks));
    }
    match drain {
        _ if load.backlog == 0.0 => {}
        Some(drain) if drain <= question.drain => {}
        Some(drain) => warnings.push(format!(
            "The backlog is gone after {}, later than --drain {}: give the topic more partitions, so that more tasks can read it.",
            time(drain),
            time(question.drain)
        )),
        None => warnings.push(
            "The backlog never goes: more comes in than all partitions' tasks can take.".to_owned(),
        ),
    }
    let Some(objects) = offers.iter().find(|offer| offer.way == Way::Tasks) else {
        return warnings;
    };
    let Some(objects) = objects.objects else {
        return warnings;
    };
    let per_task = objects.per_second / tasks.running.max(1.0);
    if per_task > MANY_OBJECTS {
        warnings.push(format!(
            "Each task writes {} objects a second: every one is {} requests. Raise flush.size (now {}), and let rotate.schedule.interval.ms bound the delay.",
            shown(per_task),
            shown(objects.requests),
            shown(files.flush_size)
        ));
    }
    match objects.delay {
        Some(delay) if delay <= question.delay => {}
        Some(delay) if question.queue.is_some() => warnings.push(format!(
            "What is open is closed after {}, at the latest that the queue allows: so much later than that a message may not be.",
            time(delay)
        )),
        Some(_) => warnings.push(format!(
            "The archive is later than --delay {0}: set rotate.schedule.interval.ms to {1:.0}.",
            time(question.delay),
            question.delay * 1000.0
        )),
        None => warnings.push(format!(
            "Nothing closes an object while no records come, so the last ones wait without end: set rotate.schedule.interval.ms to {:.0} and a timezone.",
            question.delay * 1000.0
        )),
    }
    let streams = match question.queue {
        None => question.partitions,
        Some(_) => tasks.running,
    };
    let open = objects.open_bytes(files, streams) / tasks.running.max(1.0);
    let share = memory_for_open_objects(question.task.memory_gb);
    if open > share {
        warnings.push(format!(
            "Open objects of a task hold {} and there is memory for {}: the rest goes to its temporary file, which is to be a disk (/tmp as a volume).",
            crate::units::bytes(open),
            crate::units::bytes(share)
        ));
    }
    warnings
}

/// What of a queue bounds it, or makes small objects of its messages.
fn warnings_of_queue(question: &Question, queue: &Queue, tasks: &Tasks) -> Vec<String> {
    let mut warnings = Vec::new();
    let (load, kind) = (&question.load, queue.kind);
    if let Some((least, most)) = kind.broker_rate()
        && load.peak() > least
    {
        let instead = match kind {
            Kind::ActiveMq => ": for text and bytes read it over STOMP (activemq-stomp)",
            Kind::Sqs | Kind::SqsFifo | Kind::RabbitMq | Kind::ActiveMqStomp => "",
        };
        warnings.push(format!(
            "The broker itself bounds {}, however many tasks read it: {} to {} messages a second were measured on a 2-core machine, and the busiest time brings {}{instead}.",
            kind.title(),
            shown(least),
            shown(most),
            shown(load.peak())
        ));
    }
    if kind == Kind::SqsFifo {
        warnings.push(
            "A FIFO queue gives ten messages of a group until they are deleted: its rate is ten times its groups for each write, which is not reckoned; nor is the price of its requests, for which that of a standard queue stands.".to_owned(),
        );
    }
    if question.job.writes_objects() && queue.sets_hold(question.delay) {
        warnings.push(format!(
            "Set input.max.hold.ms to {:.0}: what is open is closed so long after its first message.",
            queue.hold(question.delay) * 1000.0
        ));
    }
    let each = load.rate() / (tasks.running.max(1.0) * question.files.buckets);
    if question.job.writes_objects() && queue.idle > 0.0 && each * queue.idle < 1.0 {
        warnings.push(format!(
            "Messages come less often than every {} in a task, so the idle flush makes an object of most of them: raise input.idle.flush.ms, up to {:.0}, for larger ones.",
            time(queue.idle),
            queue.hold(question.delay) * 1000.0
        ));
    }
    let in_flight = queue_use::held(question, queue, tasks.running) * tasks.running;
    let is_sure = question.job.writes_objects();
    if kind.is_sqs() && is_sure && in_flight > queue_use::SQS_IN_FLIGHT {
        warnings.push(format!(
            "{} tasks would hold {} messages, and SQS lets {} be in flight: lower flush.size or --delay.",
            shown(tasks.running),
            shown(in_flight),
            shown(queue_use::SQS_IN_FLIGHT)
        ));
    }
    warnings
}

/// What a month of these costs that are there in either case, or for Connect alone.
fn beside(prices: &Prices) -> Vec<(&'static str, f64)> {
    let hours = prices.hours_per_month;
    vec![
        (
            "a load balancer before the REST API, without its usage",
            prices.load_balancer_hour.of(hours),
        ),
        (
            "a NAT gateway, without its traffic",
            prices.nat_gateway_hour.of(hours),
        ),
        (
            "an interface endpoint in one zone, without its traffic",
            prices.interface_endpoint_hour.of(hours),
        ),
    ]
}

#[cfg(test)]
mod tests;

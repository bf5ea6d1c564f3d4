//! What each way costs by hand-computed numbers, and what must hold for any question.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::question::Job;
use crate::question::tests::workshop;
use crate::queue::{Kind, Queue};
use proptest::prelude::*;

mod bills;

fn prices() -> Prices {
    Prices::built_in().unwrap()
}

fn cents(usd: f64) -> i64 {
    (usd * 100.0).round() as i64
}

fn of(way: Way, question: &Question) -> Offer {
    offer(way, question, &prices())
}

/// Tasks by size and processor, a month of 730 hours.
#[test]
fn a_task_costs_what_its_size_costs() {
    for (vcpu, memory_gb, x86, arm64) in [
        (4.0, 8.0, 144.16, 115.34),
        (1.0, 2.0, 36.04, 28.84),
        (0.5, 1.0, 18.02, 14.42),
        (0.25, 0.5, 9.01, 7.21),
    ] {
        let mut question = workshop();
        question.job = Job::Hash;
        question.task.vcpu = vcpu;
        question.task.memory_gb = memory_gb;
        question.architecture = Architecture::X86;
        assert_eq!(cents(of(Way::Tasks, &question).month), cents(x86));
        question.architecture = Architecture::Arm64;
        assert_eq!(cents(of(Way::Tasks, &question).month), cents(arm64));
    }
}

#[test]
fn the_workshop_is_cheaper_with_lambda() {
    let question = workshop();
    let advice = advise(&question, &prices());
    assert_eq!(advice.best, Some(Way::LambdaOnKafka));
    assert_eq!(advice.tasks.running, 1.0);
    let [tasks, kafka, queue] = &advice.offers[..] else {
        panic!("three ways");
    };
    // 7.21 and 276 objects a day of three requests (12 streams of 24 a day, of which one in twelve intervals has two):
    // 12 · (1 − e^(−1/12)) / 300 · 2,628,000 · 3 · 5e-6.
    let requests = 12.0 * (1.0 - (-1.0f64 / 12.0).exp()) / 300.0 * 2_628_000.0 * 3.0;
    assert_eq!(cents(tasks.month), cents(7.208_75 + requests * 5e-6));
    // 4,380 invocations: 0.0009; 109.7 GB-seconds: 0.0015; 4,380 objects: 0.0219.
    assert!((kafka.month - 0.024_24).abs() < 1e-4, "{}", kafka.month);
    // Five pollers: 7,300 invocations, and 657,000 requests in vain and 2,628 for records at 0.40 a million.
    let requests = 657_000.0 + 2_628_000.0 / 300.0 * 0.3;
    let found = queue
        .items
        .iter()
        .find(|item| item.what == "requests to SQS");
    assert!((found.unwrap().cost - requests * 0.4e-6).abs() < 1e-9);
}

#[test]
fn what_is_late_is_not_the_best() {
    let mut question = workshop();
    // Lambda's window is half a second at least.
    question.delay = 0.2;
    question.job = Job::Hash;
    let advice = advise(&question, &prices());
    assert_eq!(advice.best, Some(Way::Tasks));
    assert!(!advice.offers[1].is_in_time);
    // An archive without the clock has no bound.
    question = workshop();
    question.files.rotate_schedule = None;
    let advice = advise(&question, &prices());
    assert_eq!(advice.offers[0].delay, None);
    let told = advice.warnings.join("\n");
    assert!(
        told.contains("rotate.schedule.interval.ms to 300000"),
        "{told}"
    );
}

/// The workshop's messages in a queue of SQS.
#[test]
fn a_queue_is_read_by_tasks_or_by_a_function() {
    let mut question = workshop();
    question.queue = Some(Queue::usual(Kind::Sqs));
    question.partitions = f64::INFINITY;
    question.files.rotate_schedule = None;
    let advice = advise(&question, &prices());
    let ways: Vec<Way> = advice.offers.iter().map(|offer| offer.way).collect();
    assert_eq!(ways, [Way::Tasks, Way::LambdaOnQueue]);
    assert_eq!(advice.best, Some(Way::LambdaOnQueue));
    // A function's receives are reckoned with ten messages at any rate, so it stays the cheaper one.
    assert_eq!(advice.crossover, None);
    let cost = |offer: &Offer, what: &str| {
        let item = offer.items.iter().find(|item| item.what == what);
        item.unwrap().cost
    };
    // Four a minute, and 1.1 for each of 8,760 messages, at 0.40 a million.
    let requests = 2_628_000.0 / 15.0 + 8760.0 * 1.1;
    assert!((cost(&advice.offers[0], "requests to SQS") - requests * 0.4e-6).abs() < 1e-9);
    // The function's five pollers wait three times a minute each; receives and deletions are ten at a time.
    let requests = 657_000.0 + 8760.0 * 0.2;
    assert!((cost(&advice.offers[1], "requests to SQS") - requests * 0.4e-6).abs() < 1e-9);
    let told = advice.warnings.join("\n");
    assert!(
        told.contains("raise input.idle.flush.ms, up to 300000"),
        "{told}"
    );
    assert!(!told.contains("partitions"), "{told}");
}

#[test]
fn what_bounds_a_queue_is_told() {
    let mut question = workshop();
    question.partitions = f64::INFINITY;
    question.files.rotate_schedule = None;
    question.load.messages_per_day = 86_400e3;
    let told = |question: &Question| advise(question, &prices()).warnings.join("\n");
    question.queue = Some(Queue::usual(Kind::ActiveMq));
    let text = told(&question);
    assert!(
        text.contains("450 to 1,800 messages a second") && text.contains("activemq-stomp"),
        "{text}"
    );
    question.queue = Some(Queue::usual(Kind::ActiveMqStomp));
    assert_eq!(told(&question), "");
    question.delay = 60.0;
    assert!(told(&question).contains("Set input.max.hold.ms to 60000"));
    question.delay = 7200.0;
    question.queue = Some(Queue::usual(Kind::RabbitMq));
    let text = told(&question);
    assert!(text.contains("Set input.max.hold.ms to 1440000"), "{text}");
    question.queue = Some(Queue {
        held: 1e6,
        ..Queue::usual(Kind::Sqs)
    });
    question.files.flush_size = 1e6;
    let text = told(&question);
    assert!(text.contains("SQS lets 120,000 be in flight"), "{text}");
    question.queue = Some(Queue::usual(Kind::SqsFifo));
    assert!(told(&question).contains("ten times its groups"));
}

#[test]
fn too_few_partitions_are_told() {
    let mut question = workshop();
    question.load.messages_per_day = 1e12;
    question.load.size = 1000.0;
    question.partitions = 1.0;
    let advice = advise(&question, &prices());
    assert_eq!(advice.tasks.running, 1.0);
    // Neither can Lambda read that much from one partition.
    assert!(
        advice.offers[..2]
            .iter()
            .all(|offer| offer.obstacle.is_some())
    );
    assert_eq!(advice.best, Some(Way::LambdaOnQueue));
    let told = advice.warnings.join("\n");
    assert!(told.contains("Make the topic with"), "{told}");
}

/// What keeps up is no obstacle, however slowly a backlog goes and however busy the tasks are.
#[test]
fn it_falls_behind_where_more_comes_in_than_goes_out() {
    let mut question = workshop();
    question.job = Job::Hash;
    question.delay = 1.0;
    question.partitions = 1.0;
    // One task has CPU for 0.25 / 0.306e-6 = 816,993 records of 40 bytes a second.
    let obstacle = |rate: f64, change: &dyn Fn(&mut Question)| {
        let mut question = question.with_messages(rate * 86_400.0);
        change(&mut question);
        of(Way::Tasks, &question).obstacle
    };
    // Busy for 98 % of the time, where 60 were to be the most: 816,993 · 0.6 are 490,196.
    assert_eq!(obstacle(800_000.0, &|_| {}), None);
    assert_eq!(
        obstacle(100_000.0, &|it| it.load.backlog = 1e11),
        None,
        "a backlog takes longer"
    );
    assert_eq!(obstacle(1.0, &|it| it.task.least = 3.0), None);
    let told = obstacle(900_000.0, &|_| {}).unwrap();
    assert_eq!(
        told,
        "2 tasks are needed and the topic has 1 partitions, of which each is read by one: it falls behind"
    );
    let told = obstacle(300_000.0, &|it| it.load.burst = 3.0).unwrap();
    assert!(
        told.ends_with("falls behind at the busiest time and catches up after it"),
        "{told}"
    );
    question.load.backlog = 1e11;
    let told = advise(&question, &prices()).warnings.join("\n");
    assert!(told.contains("The backlog is gone after"), "{told}");
    question.task.least = 3.0;
    let told = advise(&question, &prices()).warnings.join("\n");
    assert!(told.contains("3 tasks (--least-tasks) 2 would"), "{told}");
}

#[test]
fn many_small_objects_are_told() {
    let mut question = workshop();
    question.load.messages_per_day = 86_400_000.0;
    question.files.flush_size = 3.0;
    question.load.backlog = 1e15;
    let told = advise(&question, &prices()).warnings.join("\n");
    assert!(told.contains("objects a second"), "{told}");
    assert!(told.contains("The backlog is gone after"), "{told}");
    question.files.flush_size = 1e9;
    question.load.size = 10_000.0;
    question.load.backlog = 0.0;
    let told = advise(&question, &prices()).warnings.join("\n");
    assert!(told.contains("temporary file"), "{told}");
}

#[test]
fn the_ways_change_places_once() {
    let mut question = workshop();
    question.job = Job::Hash;
    question.delay = 1.0;
    let found = crossover(&question, &prices()).unwrap();
    let month = |way, messages| of(way, &question.with_messages(messages)).month;
    let at = found.messages_per_day;
    assert!(month(Way::LambdaOnKafka, at * 0.99) < month(Way::Tasks, at * 0.99));
    assert!(month(Way::LambdaOnKafka, at * 1.01) > month(Way::Tasks, at * 1.01));
    assert_eq!((found.below, found.above), (Way::LambdaOnKafka, Way::Tasks));
}

fn questions() -> impl Strategy<Value = Question> {
    let load = (0.0f64..1e11, 1.0f64..200_000.0, 1.0f64..50.0, 0.0f64..1e9);
    let files = (1.0f64..1e6, proptest::option::of(1.0f64..1e4), 1.0f64..20.0);
    let rest = (
        0usize..4,
        0.1f64..7200.0,
        1u32..200,
        0.01f64..2.0,
        any::<bool>(),
    );
    (load, files, rest).prop_map(|(load, files, rest)| {
        let mut question = workshop();
        question.load.messages_per_day = load.0;
        question.load.size = load.1;
        question.load.burst = load.2;
        question.load.backlog = load.3;
        question.files.flush_size = files.0;
        question.files.rotate_schedule = files.1;
        question.files.buckets = files.2;
        question.job = Job::ALL[rest.0];
        question.delay = rest.1;
        question.partitions = f64::from(rest.2);
        question.function.invocation = rest.3;
        if rest.4 {
            question.architecture = Architecture::X86;
        }
        question
    })
}

proptest! {
    /// More messages never cost less, whatever way.
    #[test]
    fn costs_grow_with_the_load(few in questions(), more in 1.0f64..20.0) {
        let many = few.with_messages(few.load.messages_per_day * more);
        for way in Way::ALL {
            let (few, many) = (of(way, &few).month, of(way, &many).month);
            prop_assert!(many >= few * (1.0 - 1e-9), "{way:?}: {few} and {many}");
        }
    }

    /// The best serves, and nothing that serves is cheaper; the bill is the sum of its lines.
    #[test]
    fn the_best_is_the_cheapest_that_serves(question in questions()) {
        let advice = advise(&question, &prices());
        let best = advice.best.map(|best| of(best, &question));
        for offer in &advice.offers {
            let sum: f64 = offer.items.iter().map(|item| item.cost).sum();
            prop_assert!(offer.month.is_finite() && (sum - offer.month).abs() <= 1e-9 * sum);
            if offer.serves() {
                prop_assert!(best.as_ref().is_some_and(|best| best.month <= offer.month));
            }
        }
        prop_assert!(best.is_none_or(|best| best.serves()));
    }

    /// Where a place is told, the ways do change there.
    #[test]
    fn a_crossover_is_one(question in questions()) {
        if let Some(found) = crossover(&question, &prices()) {
            let difference = |messages: f64| {
                let mut other = question.with_messages(messages);
                other.partitions = question.partitions.max(capacity::tasks(&other).needed);
                of(Way::Tasks, &other).month - of(Way::LambdaOnKafka, &other).month
            };
            prop_assert!(difference(found.messages_per_day) <= 0.0);
            prop_assert!(difference(1.0) > 0.0);
        }
    }
}

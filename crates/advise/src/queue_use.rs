//! What tasks take of a queue: the objects that they make of it, what they hold, and what they ask SQS for.

use crate::objects::{Objects, objects};
use crate::question::{Files, Load, Question};
use crate::queue::Queue;

/// What one request takes at most, the seconds for which one waits where nothing comes, and how often it is asked how much
/// waits.
const SQS_BATCH: f64 = 10.0;
const SQS_WAIT: f64 = 20.0;
const SQS_ASKED: f64 = 60.0;
/// Bytes that are paid for as one request.
const SQS_CHUNK: f64 = 65_536.0;
/// Messages of a standard or FIFO queue that may be in flight.
pub const SQS_IN_FLIGHT: f64 = 120_000.0;

/// Objects of an archive over a queue with so many tasks. Each task, and each bucket within it, has a stream of its own with λ
/// messages a second, and closes it by what closes most:
///
/// - `flush.size` messages, and no more than may be held: λ / the smaller of them;
/// - the hold: a message opens an object and it is closed T later, λ / (1 + λT);
/// - the idle flush: a message behind which none comes for so long closes it, λ e^(−λT) if they come independently of each
///   other;
/// - the clock, as over a topic.
pub fn of_archive(load: &Load, files: &Files, queue: &Queue, tasks: f64, delay: f64) -> Objects {
    let streams = tasks * files.buckets;
    let rate = load.rate() / streams;
    let hold = queue.hold(delay);
    let by_size = rate / files.flush_size.min(queue.held);
    let by_hold = rate / (1.0 + rate * hold);
    let by_idle = match queue.idle > 0.0 {
        true => rate * (-rate * queue.idle).exp(),
        false => 0.0,
    };
    let by_clock = files
        .rotate_schedule
        .map(|every| -(-rate * every).exp_m1() / every);
    let per_stream = by_size
        .max(by_hold)
        .max(by_idle)
        .max(by_clock.unwrap_or(0.0));
    let bound = files.rotate_schedule.map_or(hold, |every| every.min(hold));
    objects(load, per_stream * streams, files.part_size, Some(bound))
}

/// Messages that a task holds at most without having settled them, at the busiest time: those of its open objects. Documents
/// are settled as they are written, so that how many are held is the store's doing, up to the bound.
pub fn held(question: &Question, queue: &Queue, tasks: f64) -> f64 {
    if !question.job.writes_objects() {
        return queue.held;
    }
    let each = question.load.peak() / tasks.max(1.0);
    let open = each * queue.hold(question.delay);
    let full = question.files.flush_size * question.files.buckets;
    open.min(full).min(queue.held).max(1.0)
}

/// Requests a second to SQS that are paid for, by so many tasks: receives, deletions ten at a time, and who is asked in vain
/// or for the backlog. Who sends pays for that in either case.
///
/// A receive takes what is there: ten where all receivers are busy, one where messages come one by one, and in between in
/// proportion to the rate.
pub fn sqs_requests(load: &Load, tasks: f64, task_rate: f64) -> f64 {
    let each = load.rate() / tasks.max(1.0);
    let batch = (SQS_BATCH * each / task_rate).clamp(1.0, SQS_BATCH);
    let chunks = (batch * load.size / SQS_CHUNK).ceil().max(1.0);
    let receives = load.rate() / batch * chunks;
    let deletions = load.rate() / SQS_BATCH;
    receives + deletions + tasks / SQS_WAIT + tasks / SQS_ASKED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Job;
    use crate::question::tests::{near, workshop};
    use crate::queue::{Kind, SQS_RATE};

    fn sqs() -> Queue {
        Queue::usual(Kind::Sqs)
    }

    #[test]
    fn a_queue_with_few_messages_makes_small_objects() {
        let question = workshop();
        // One in 300 s, and hardly ever another within 5 s of it: e^(−1/60) of them end an object.
        let found = of_archive(&question.load, &question.files, &sqs(), 1.0, 300.0);
        near(found.per_second, (-1.0f64 / 60.0).exp() / 300.0);
        assert_eq!(found.delay, Some(300.0));
        // Without that rule, and without the clock, an object is open for 300 s and takes two.
        let (mut files, mut queue) = (question.files, sqs());
        (files.rotate_schedule, queue.idle) = (None, 0.0);
        let found = of_archive(&question.load, &files, &queue, 1.0, 300.0);
        near(found.records, 2.0);
        // RabbitMQ takes back after half an hour, of which four fifths are used.
        let queue = Queue::usual(Kind::RabbitMq);
        let found = of_archive(&question.load, &files, &queue, 1.0, 7200.0);
        assert_eq!(found.delay, Some(1440.0));
    }

    #[test]
    fn an_object_has_no_more_than_may_be_held() {
        let mut question = workshop();
        question.load.messages_per_day = 86_400e3;
        let found = of_archive(&question.load, &question.files, &sqs(), 1.0, 300.0);
        near(found.records, 20_000.0);
        assert_eq!(held(&question, &sqs(), 1.0), 20_000.0);
        // A tenth of it in each of ten tasks: 100 a second for 300 s are 30,000.
        assert_eq!(held(&question, &sqs(), 10.0), 20_000.0);
        question.files.flush_size = 1000.0;
        assert_eq!(held(&question, &sqs(), 10.0), 1000.0);
        question.job = Job::Hash;
        assert_eq!(held(&question, &sqs(), 10.0), 20_000.0);
    }

    #[test]
    fn requests_are_those_of_messages_and_of_waiting() {
        let mut load = workshop().load;
        load.messages_per_day = 0.0;
        // Three waits and one question for the backlog a minute.
        near(sqs_requests(&load, 1.0, SQS_RATE), 4.0 / 60.0);
        load.messages_per_day = 86_400.0;
        // One a second: a receive for it, and a tenth of a deletion.
        near(sqs_requests(&load, 1.0, SQS_RATE), 1.1 + 4.0 / 60.0);
        // As many as a task takes: ten with each.
        load.messages_per_day = 3000.0 * 86_400.0;
        near(sqs_requests(&load, 1.0, SQS_RATE), 600.0 + 4.0 / 60.0);
        // Ten of 10 kB are two chunks.
        load.size = 10_000.0;
        near(sqs_requests(&load, 1.0, SQS_RATE), 900.0 + 4.0 / 60.0);
    }
}

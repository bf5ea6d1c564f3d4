//! What flags come to, and that all mistakes are told.
#![allow(clippy::unwrap_used)]
use super::*;
use clap::Parser;
use proptest::prelude::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn read(line: &str) -> Result<Question, Mistakes> {
    let words = ["advise"].into_iter().chain(line.split_whitespace());
    let flags = Line::try_parse_from(words).unwrap().flags;
    flags.read(false)?.question(&Known::default())
}

#[test]
fn what_is_not_given_is_as_deploy_has_it() {
    let found = read("--messages-per-day 288 --size 40").unwrap();
    assert_eq!(found, crate::question::tests::workshop());
    let found = read("--messages-per-day 1.5M --size 2kB --delay 10s --vcpu 1").unwrap();
    assert_eq!(
        (found.files.rotate_schedule, found.task.memory_gb),
        (Some(10.0), 2.0)
    );
    // Whoever says when objects are closed says it all.
    let found = read("--messages-per-day 1 --size 1 --flush-size 3").unwrap();
    assert_eq!(
        (found.files.flush_size, found.files.rotate_schedule),
        (3.0, None)
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = read(
        "--messages-per-day -5 --size 2Kb --burst 0.5 --delay 5mn --drain 10 --job archiv --partitions 1.5 \
         --flush-size 0 --part-size 1MB --architecture arm --vcpu 0.3 --utilisation 60 --lambda-memory-mb 64 \
         --lambda-batch 20000 --backlog lots",
    );
    let told = told.unwrap_err().0;
    let expected = [
        "--messages-per-day -5: is negative: write 288, 10k or 1.5M",
        "--size 2Kb: has the unit Kb, and there are B, kB, KB, MB, GB, KiB, MiB, GiB: write 100, 2kB or 5MiB",
        "--burst 0.5: is less than 1: write 1 to 1,000,000",
        "--backlog lots: is no number: write 288, 10k or 1.5M",
        "--drain 10: has no unit: there are ms, s, m, h, d; write 500ms, 30s, 5m or 1h",
        "--delay 5mn: has the unit mn, and there are ms, s, m, h, d: write 500ms, 30s, 5m or 1h",
        "--job archiv: there are archive, archive-json, hash, documents: write one of them",
        "--partitions 1.5: write a whole number",
        "--flush-size 0: is less than 1: write 1 to 2,147,483,647",
        "--part-size 1MB: is less than 5,242,880: write 5,242,880 to 5,368,709,120",
        "--architecture arm: there are arm64, x86: write one of them",
        "--vcpu 0.3: Fargate has 0.25, 0.5, 1, 2, 4, 8, 16: write one of them",
        "--utilisation 60: is more than 1: write 0.01 to 1",
        "--lambda-memory-mb 64: is less than 128: write 128 to 10,240",
        "--lambda-batch 20000: is more than 10,000: write 1 to 10,000",
    ];
    assert_eq!(told, expected);
    let told = read("--memory-gb 16").unwrap_err().0;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].starts_with("--messages-per-day is missing"),
        "{told:?}"
    );
    assert!(told[1].starts_with("--size is missing"), "{told:?}");
    assert_eq!(
        told[2],
        "--memory-gb 16: with 0.25 vCPU Fargate has 0.5 to 2 GB: write one of these"
    );
}

#[test]
fn a_flag_goes_before_what_was_measured() {
    let known = Known {
        load: Some(Load {
            messages_per_day: 100.0,
            size: 10.0,
            burst: 3.0,
            backlog: 5.0,
        }),
        partitions: Some(3.0),
        job: Some(Job::Hash),
        files: None,
        how: vec!["Seen.".to_owned()],
    };
    let flags = Flags {
        size: Some("20".to_owned()),
        ..Flags::default()
    };
    let found = flags.read(true).unwrap().question(&known).unwrap();
    let load = found.load;
    assert_eq!(
        (load.messages_per_day, load.size, load.burst),
        (100.0, 20.0, 3.0)
    );
    assert_eq!((found.job, found.partitions), (Job::Hash, 3.0));
    let told = flags.read(true).unwrap().question(&Known::default());
    assert!(told.unwrap_err().to_string().contains("--messages-per-day"));
}

proptest! {
    #[test]
    fn any_texts_are_read_or_refused(texts in proptest::collection::vec("[-0-9a-zA-Z.]{0,6}", 6)) {
        let text = |i: usize| Some(texts[i].clone());
        let flags = Flags {
            messages_per_day: text(0), size: text(1), delay: text(2), partitions: text(3), vcpu: text(4), memory_gb: text(5),
            ..Flags::default()
        };
        if let Ok(asked) = flags.read(false) {
            let found = asked.question(&Known::default()).unwrap();
            prop_assert!(found.load.size >= 1.0 && found.partitions >= 1.0);
        }
    }
}

#[test]
fn a_queue_takes_the_place_of_a_topic() {
    let found = read(
        "--messages-per-day 288 --size 40 --queue sqs-fifo --held-messages 500 --idle-flush 30s",
    )
    .unwrap();
    let queue = found.queue.unwrap();
    assert_eq!(
        (queue.kind, queue.held, queue.idle),
        (Kind::SqsFifo, 500.0, 30.0)
    );
    assert_eq!(
        (found.partitions, found.files.rotate_schedule),
        (f64::INFINITY, None)
    );
    let usual = read("--messages-per-day 288 --size 40 --queue activemq-stomp").unwrap();
    assert_eq!(usual.queue, Some(Queue::usual(Kind::ActiveMqStomp)));
    let told = read("--messages-per-day 288 --size 40 --queue kafka --partitions 3 --idle-flush 5");
    let told = told.unwrap_err().0;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("there are sqs, sqs-fifo, rabbitmq, activemq, activemq-stomp"));
    assert!(told[2].contains("--partitions is about a topic"));
    let told = read("--messages-per-day 288 --size 40 --held-messages 5")
        .unwrap_err()
        .0;
    assert_eq!(
        told,
        ["--held-messages is about a queue: give --queue, too, or leave it out"]
    );
}

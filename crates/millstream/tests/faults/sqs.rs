//! A queue of SQS that is sent numbers, and what has to be true of it and of wherever its messages go.

use crate::worker::{Worker, until};
use millstream_embedded::aws::{ControlPlane, QueueNow, QueueSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;

/// The queue of most tests.
pub(crate) const QUEUE: &str = "orders";

pub(crate) struct Queue {
    pub(crate) service: ControlPlane,
    name: &'static str,
    pub(crate) url: String,
}

impl Queue {
    /// Asked with the key pair `key` and `secret`.
    pub(crate) async fn new(name: &'static str, settings: QueueSettings) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let service = ControlPlane::start(any, "key", "secret").await.unwrap();
        let url = service.create_queue(name, settings);
        Queue { service, name, url }
    }

    /// Sends the bodies of these numbers.
    pub(crate) fn send(&self, numbers: Range<usize>) {
        self.send_all(numbers.map(|number| (body(number), None)));
    }

    /// Sends bodies, each with its group.
    pub(crate) fn send_all(&self, messages: impl Iterator<Item = (String, Option<&'static str>)>) {
        self.service.send(self.name, messages);
    }

    pub(crate) fn now(&self) -> QueueNow {
        self.service.queue(self.name)
    }

    pub(crate) fn set(&self, settings: QueueSettings) {
        self.service.set_queue(self.name, settings);
    }

    /// Has all that is in flight come again; their bodies.
    pub(crate) fn return_messages(&self) -> Vec<String> {
        self.service.return_messages(self.name)
    }

    /// Returns once so many messages have been taken off, and none is left.
    pub(crate) async fn drained(&self, worker: &Worker, messages: usize) {
        until(&format!("{messages} messages to be settled"), || async {
            let now = self.now();
            let is_over = now.deleted.len() == messages && now.waiting + now.in_flight == 0;
            is_over.then_some(())
        })
        .await;
        let now = self.now();
        assert!(
            now.violations.is_empty(),
            "{:?}\n{}",
            now.violations,
            worker.log()
        );
        assert!(now.dead.is_empty(), "{:?}", now.dead);
    }

    /// What was on its way to a worker that has ended is over: it is in flight, too.
    pub(crate) async fn receives_ended(&self) {
        until("the end of its receives", || async {
            (self.now().receiving == 0).then_some(())
        })
        .await;
    }
}

pub(crate) fn body(number: usize) -> String {
    format!("order-{number:05}")
}

/// Whatever was taken off is there. `settled` is looked at before `found`: more may come there meanwhile, but not less.
pub(crate) fn assert_none_lost(settled: &[String], found: &BTreeMap<String, usize>) {
    let is_lost = |body: &&String| !found.contains_key(*body);
    let lost: Vec<&String> = settled.iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "settled and not there: {lost:?}");
}

/// Each of so many is there once.
pub(crate) fn assert_each_once(messages: usize, found: &BTreeMap<String, usize>) {
    let wanted: BTreeMap<String, usize> = (0..messages).map(|n| (body(n), 1)).collect();
    assert!(*found == wanted, "{found:?}");
}

/// Each of so many is there, and twice only what was in hand at a kill.
pub(crate) fn assert_doubled_in_hand_only(
    messages: usize,
    found: &BTreeMap<String, usize>,
    in_hand: &BTreeSet<String>,
) {
    assert!(found.keys().cloned().eq((0..messages).map(body)));
    let twice = found.iter().filter(|(_, n)| **n > 1).map(|(body, _)| body);
    let unexpected: Vec<&String> = twice.filter(|body| !in_hand.contains(*body)).collect();
    assert!(
        unexpected.is_empty(),
        "doubled without a reason: {unexpected:?}"
    );
}

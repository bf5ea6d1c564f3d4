//! What is held, against a slow and simple model.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// What a random run does.
#[derive(Clone, Debug)]
enum Step {
    Receive(u8),
    Deliver(u8),
    Done(u8, u8),
    Settle { most: u8, fails: u8, lapsed: u8 },
    Extend { most: u8, fails: bool, lapsed: u8 },
    Pass(u16),
    Lose,
    TakeBack(u8),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6u8).prop_map(Step::Receive),
        4 => (1..8u8).prop_map(Step::Deliver),
        4 => (0..30u8, 1..8u8).prop_map(|(from, len)| Step::Done(from, len)),
        3 => (1..9u8, 0..4u8, 0..9u8).prop_map(|(most, fails, lapsed)| Step::Settle { most, fails, lapsed }),
        2 => (1..9u8, any::<bool>(), 0..9u8).prop_map(|(most, fails, lapsed)| Step::Extend { most, fails, lapsed }),
        3 => (1..400u16).prop_map(Step::Pass),
        1 => Just(Step::Lose),
        1 => (0..30u8).prop_map(Step::TakeBack),
        1 => Just(Step::Flush),
    ]
}

/// Each message that was ever received, and all that is known of it.
#[derive(Debug)]
struct Known {
    offset: i64,
    tag: u64,
    group: u64,
    expires: Instant,
    is_ours: bool,
    is_delivered: bool,
    is_done: bool,
    is_held: bool,
    is_flushed: bool,
    received: Instant,
}

struct Model {
    messages: VecDeque<Known>,
    now: Instant,
}

impl Model {
    fn by_tag(&mut self, tag: u64) -> &mut Known {
        self.messages
            .iter_mut()
            .find(|known| known.tag == tag)
            .unwrap()
    }

    /// Whether something came before it in its group that holds it up.
    fn is_held_up(&self, tag: u64) -> bool {
        let one = self.messages.iter().find(|known| known.tag == tag).unwrap();
        let before = |other: &&Known| other.offset < one.offset && other.group == one.group;
        self.messages
            .iter()
            .filter(before)
            .any(|other| other.is_held && !other.is_done)
    }

    fn open(&self) -> impl Iterator<Item = &Known> {
        let messages = self.messages.iter();
        messages.filter(|known| {
            known.is_held && known.is_delivered && !known.is_done && !known.is_flushed
        })
    }
}

proptest! {
    /// Whatever happens: only tokens are used that are ours, each is settled once and after it is done, in order where
    /// there is one; no more is held than may be; nothing ours is forgotten; what is open is closed when it has to be.
    #[test]
    fn agrees_with_a_model(is_ordered: bool, steps in proptest::collection::vec(step(), 1..120)) {
        let mut model = Model { messages: VecDeque::new(), now: Instant::now() };
        let mut held = Held::new(rules(), 100, model.now);
        held.learn(QueueFacts { lease: Some(LEASE), is_ordered, ..QueueFacts::default() });
        let (mut tag, mut delivered_to, mut moved) = (0, 100, model.now);
        for step in steps {
            let now = model.now;
            match step {
                Step::Receive(messages) => {
                    for _ in 0..usize::from(messages).min(held.room()) {
                        let group = if is_ordered { tag % 3 } else { tag };
                        let message = Message {
                            group: Some(group.to_string()),
                            expires: Some(now + LEASE),
                            ..message(tag)
                        };
                        let offset = receive(&mut held, &message, now).unwrap();
                        model.messages.push_back(Known {
                            offset, tag, group, expires: now + LEASE, is_ours: true, is_delivered: false,
                            is_done: false, is_held: true, is_flushed: false, received: now,
                        });
                        (tag, moved) = (tag + 1, now);
                    }
                }
                Step::Deliver(messages) => {
                    let waiting = model.messages.iter_mut().filter(|known| known.is_held && !known.is_delivered);
                    for known in waiting.take(messages.into()) {
                        known.is_delivered = true;
                        (delivered_to, moved) = (known.offset + 1, now);
                    }
                    held.delivered(delivered_to, moved);
                }
                Step::Done(from, len) => {
                    let range = 100 + i64::from(from)..100 + i64::from(from) + i64::from(len);
                    for known in model.messages.iter_mut().filter(|known| range.contains(&known.offset)) {
                        known.is_done |= known.is_held && known.is_delivered;
                        known.is_held &= known.is_ours || !known.is_done;
                    }
                    held.done(range);
                }
                Step::Settle { most, fails, lapsed } => {
                    let taken = held.take_settling(most.into());
                    for tag in tags_of(&taken) {
                        let is_held_up = is_ordered && model.is_held_up(tag);
                        let known = model.by_tag(tag);
                        prop_assert!(known.is_ours && known.is_done && known.is_held && !is_held_up, "{:?}", known);
                    }
                    let reason = |at: usize| match at {
                        at if at < usize::from(fails) => Some(UnsettledReason::TryAgain),
                        at if at == usize::from(lapsed) => Some(UnsettledReason::Lapsed),
                        _ => None,
                    };
                    let unsettled = (0..taken.len()).filter_map(|at| Some(Unsettled { at, reason: reason(at)? }));
                    held.settled(&taken, &unsettled.collect::<Vec<_>>());
                    for (at, tag) in tags_of(&taken).into_iter().enumerate() {
                        model.by_tag(tag).is_held = reason(at) == Some(UnsettledReason::TryAgain);
                    }
                }
                Step::Extend { most, fails, lapsed } => {
                    let taken = held.take_extending(now, most.into());
                    for tag in tags_of(&taken) {
                        let known = model.by_tag(tag);
                        prop_assert!(known.is_ours && known.is_held && known.expires <= now + LEASE / 2);
                    }
                    if fails {
                        held.not_extended(&taken, now + seconds(1));
                    } else {
                        let lapsed: Vec<usize> = (0..taken.len()).filter(|at| *at == usize::from(lapsed)).collect();
                        held.extended(&taken, &lapsed, now);
                        for (at, tag) in tags_of(&taken).into_iter().enumerate() {
                            let known = model.by_tag(tag);
                            known.expires = now + LEASE;
                            if lapsed.contains(&at) && known.is_held {
                                lose(&mut model, tag, is_ordered);
                            }
                        }
                    }
                }
                Step::Pass(passed) => {
                    model.now += seconds(passed.into());
                    let now = model.now;
                    held.expire(now);
                    let expired = model.messages.iter().filter(|k| k.is_held && k.is_ours && !k.is_done && k.expires <= now);
                    let expired: Vec<u64> = expired.map(|known| known.tag).collect();
                    for tag in expired {
                        if model.by_tag(tag).is_held {
                            lose(&mut model, tag, is_ordered);
                        }
                    }
                }
                Step::Lose => {
                    held.lose_all();
                    for known in &mut model.messages {
                        known.is_held &= known.is_delivered && !known.is_done;
                        known.is_ours = false;
                    }
                }
                Step::TakeBack(from) => {
                    let from = 100 + i64::from(from);
                    let mut expected = Vec::new();
                    for at in 0..model.messages.len() {
                        let known = &model.messages[at];
                        let is_settled_soon = known.is_done && !(is_ordered && model.is_held_up(known.tag));
                        if known.offset >= from && known.is_held && !is_settled_soon {
                            expected.extend(known.is_ours.then_some((at, known.tag)));
                        }
                    }
                    let tokens = held.take_back(from);
                    let expected_tags: Vec<u64> = expected.iter().map(|(_, tag)| *tag).collect();
                    prop_assert_eq!(tags(&tokens), expected_tags);
                    for known in &mut model.messages {
                        let goes = expected.iter().any(|(_, tag)| *tag == known.tag);
                        let was_lost = known.offset >= from && !known.is_ours && !known.is_done;
                        known.is_held &= !goes && !was_lost;
                    }
                    if from <= delivered_to {
                        delivered_to = held.next_offset();
                    }
                }
                Step::Flush => {
                    held.flushed();
                    for known in model.messages.iter_mut().filter(|known| known.is_delivered) {
                        known.is_flushed = true;
                    }
                }
            }
            let now = model.now;
            let kept: Vec<i64> = model.messages.iter().filter(|k| k.is_held).map(|k| k.offset).collect();
            let all: Vec<i64> = (100..held.next_offset()).filter(|offset| held.contains(*offset)).collect();
            prop_assert_eq!(&all, &kept);
            prop_assert_eq!(held.room(), 20 - kept.len());
            prop_assert_eq!(held.now_held(now).bytes, 10 * kept.len());
            let oldest = model.open().map(|known| known.received).next();
            let has_waiting = model.messages.iter().any(|known| known.is_held && known.offset >= delivered_to);
            let is_starving = !has_waiting && now >= moved + seconds(5);
            let is_due = oldest.is_some_and(|oldest| {
                let runs_out = model.open().any(|k| k.is_ours && k.expires <= now + LEASE / 4);
                now >= oldest + seconds(300) || is_starving || runs_out
            });
            prop_assert_eq!(held.flush_due(now).is_some(), is_due);
            if let Some(due) = held.next_flush().filter(|due| *due <= now) {
                prop_assert!(is_due, "{:?}", now - due);
            }
        }
        // Whatever is ours is settled or given back in the end.
        let mut ours: Vec<u64> = model.messages.iter().filter(|k| k.is_held && k.is_ours).map(|k| k.tag).collect();
        ours.sort_unstable();
        let mut all = tags(&held.take_all());
        all.sort_unstable();
        prop_assert_eq!(all, ours);
    }
}

/// A message is not ours any more, nor is what follows it undelivered in its group.
fn lose(model: &mut Model, tag: u64, is_ordered: bool) {
    let (offset, group, is_delivered) = {
        let known = model.by_tag(tag);
        known.is_ours = false;
        known.is_held &= known.is_delivered && !known.is_done;
        (known.offset, known.group, known.is_delivered)
    };
    if is_delivered || !is_ordered {
        return;
    }
    for known in &mut model.messages {
        if known.group == group && known.offset > offset {
            known.is_held = false;
        }
    }
}

//! What is held, by examples.

mod model;

use super::*;
use millstream_core::FlushReason;

const LEASE: Duration = Duration::from_secs(600);

fn rules() -> HoldRules {
    HoldRules {
        messages: 20,
        hold: Duration::from_secs(300),
        idle: Some(Duration::from_secs(5)),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn message(tag: u64) -> Message {
    Message {
        id: Some(format!("m{tag}").into()),
        ..Message::bare(Token::Tag(tag))
    }
}

/// A message of ten bytes that the queue, if it makes ids, tells by its own.
fn receive(held: &mut Held, message: &Message, now: Instant) -> Option<i64> {
    let id = message.id.as_deref().filter(|_| held.facts.makes_ids);
    let held_by = id.map(|id| Mark {
        text: id.into(),
        is_of_queue: true,
    });
    let marks = Marks {
        held: held_by,
        ..Marks::default()
    };
    held.receive(message, marks, 10, now)
}

fn tags(tokens: &[Token]) -> Vec<u64> {
    let tag = |token: &Token| match token {
        Token::Tag(tag) => *tag,
        Token::Handle(_) | Token::Delivery { .. } => panic!("no tag"),
    };
    tokens.iter().map(tag).collect()
}

fn tags_of(taken: &[(i64, Token)]) -> Vec<u64> {
    let tokens: Vec<Token> = taken.iter().map(|(_, token)| token.clone()).collect();
    tags(&tokens)
}

/// Held messages with tags from 0 on at offsets from 100 on.
fn held(messages: u64, facts: QueueFacts, now: Instant) -> Held {
    let mut held = Held::new(rules(), 100, now);
    let expires = facts.lease.map(|lease| now + lease);
    held.learn(facts);
    for tag in 0..messages {
        let message = Message {
            expires,
            ..message(tag)
        };
        receive(&mut held, &message, now);
    }
    held
}

#[test]
fn of_a_queue_that_hides_returns_as_many_are_looked_up_as_can_have_been_in_hand() {
    let now = Instant::now();
    let hides_returns = QueueFacts {
        hides_returns: true,
        ..QueueFacts::default()
    };
    let mut held = held(3, hides_returns.clone(), now);
    let fresh = message(0);
    let again = Message {
        redelivered: true,
        ..message(0)
    };
    assert!(held.may_be_stored(119, &fresh) && !held.may_be_stored(120, &fresh));
    assert!(held.may_be_stored(120, &again));
    // Another connection begins with them anew.
    held.learn(hides_returns);
    assert!(held.may_be_stored(122, &fresh) && !held.may_be_stored(123, &fresh));
    let plain = self::held(3, QueueFacts::default(), now);
    assert!(!plain.may_be_stored(100, &fresh) && plain.may_be_stored(100, &again));
}

#[test]
fn what_is_done_is_settled_once_and_makes_room() {
    let now = Instant::now();
    let mut held = held(5, QueueFacts::default(), now);
    held.delivered(104, now);
    held.done(101..103);
    // What was not delivered cannot be done.
    held.done(104..105);
    assert_eq!(held.room(), 15);
    let taken = held.take_settling(10);
    assert_eq!(tags_of(&taken), [1, 2]);
    assert_eq!(held.take_settling(10), []);
    held.settled(&taken, &[]);
    assert_eq!(held.room(), 17);
    assert_eq!(held.take_counts().settled, 2);
    assert_eq!(held.now_held(now).bytes, 30);
}

#[test]
fn what_the_queue_did_not_take_is_settled_again_and_what_lapsed_is_not() {
    let now = Instant::now();
    let mut held = held(3, QueueFacts::default(), now);
    held.delivered(103, now);
    held.done(100..103);
    let taken = held.take_settling(10);
    let unsettled = [(0, UnsettledReason::TryAgain), (2, UnsettledReason::Lapsed)];
    held.settled(
        &taken,
        &unsettled.map(|(at, reason)| Unsettled { at, reason }),
    );
    assert_eq!(tags_of(&held.take_settling(10)), [0]);
    let counts = held.take_counts();
    assert_eq!((counts.settled, counts.lapsed), (1, 1));
    held.not_settled(&taken);
    assert_eq!(
        tags_of(&held.take_settling(10)),
        [0],
        "what is gone is not settled again"
    );
}

#[test]
fn tokens_of_a_lost_connection_are_never_used() {
    let now = Instant::now();
    let mut held = held(4, QueueFacts::default(), now);
    held.delivered(103, now);
    held.done(100..101);
    held.lose_all();
    assert_eq!(held.take_settling(10), []);
    assert!(!held.contains(103), "what was not delivered comes again");
    held.done(101..103);
    assert_eq!((held.room(), held.take_counts().late), (20, 3));
}

/// What comes again while the sink has it is settled with its new token, and not written twice.
#[test]
fn a_message_that_comes_again_takes_its_old_place() {
    let now = Instant::now();
    let facts = QueueFacts {
        makes_ids: true,
        ..QueueFacts::default()
    };
    let mut held = held(2, facts, now);
    held.delivered(102, now);
    held.lose_all();
    let again = Message {
        token: Token::Tag(77),
        redelivered: true,
        ..message(1)
    };
    assert_eq!(receive(&mut held, &again, now), None);
    held.done(100..102);
    assert_eq!(tags_of(&held.take_settling(10)), [77]);
    // One that is done and lost is another message.
    assert_eq!(receive(&mut held, &message(0), now), Some(102));
    // While it is still ours the newer token counts.
    let twice = Message {
        token: Token::Tag(78),
        ..message(0)
    };
    assert_eq!(receive(&mut held, &twice, now), None);
    assert_eq!(tags(&held.take_all()), [77, 78]);
    assert_eq!(held.take_counts().kept_out, 2);
}

/// Two messages may share a sender's id: one is taken for the other only where that one was lost and comes again.
#[test]
fn a_senders_id_tells_only_what_was_lost_and_comes_again() {
    let now = Instant::now();
    let mut held = held(0, QueueFacts::default(), now);
    let come = |held: &mut Held, tag: u64, redelivered: bool| {
        let marks = Marks {
            held: Some(Mark {
                text: "order-7".into(),
                is_of_queue: false,
            }),
            ..Marks::default()
        };
        let message = Message {
            redelivered,
            ..message(tag)
        };
        held.receive(&message, marks, 10, now)
    };
    assert_eq!(come(&mut held, 1, false), Some(100));
    // Another message of the same id, and one that others had before.
    assert_eq!(come(&mut held, 2, false), Some(101));
    assert_eq!(come(&mut held, 3, true), Some(102));
    held.delivered(103, now);
    held.lose_all();
    assert_eq!(come(&mut held, 4, false), Some(103));
    held.delivered(104, now);
    held.lose_all();
    assert_eq!(come(&mut held, 5, true), None);
    assert_eq!(come(&mut held, 6, true), Some(104));
    held.done(100..104);
    assert_eq!(tags_of(&held.take_settling(10)), [5]);
}

#[test]
fn leases_are_extended_when_half_is_gone_and_end_unless_they_are() {
    let now = Instant::now();
    let facts = QueueFacts {
        lease: Some(LEASE),
        longest_hold: Some(LEASE * 2),
        ..QueueFacts::default()
    };
    let mut held = held(3, facts, now);
    held.delivered(102, now);
    assert_eq!(held.next_lease(), Some(now + LEASE / 2));
    assert_eq!(held.take_extending(now + seconds(299), 10), []);
    let half = now + LEASE / 2;
    let taken = held.take_extending(half, 2);
    assert_eq!(tags_of(&taken), [0, 1]);
    assert!(!held.extended(&taken, &[1], half));
    let last = held.take_extending(half, 2);
    held.not_extended(&last, half + seconds(1));
    assert_eq!(held.next_lease(), Some(half + seconds(1)));
    // The one that was not delivered is dropped as its lease ends.
    assert!(held.expire(now + LEASE));
    assert!(!held.contains(102));
    // Another lease would be longer than a message may be held at all.
    assert_eq!(held.take_extending(now + LEASE * 2, 10).len(), 1);
    held.extended(&taken[..1], &[], now + LEASE);
    assert_eq!(held.take_extending(now + LEASE * 2, 10), []);
    assert_eq!(held.take_counts().lapsed, 2);
}

#[test]
fn a_lease_that_ends_while_a_message_waits_to_be_settled_is_for_the_queue_to_judge() {
    let now = Instant::now();
    let facts = QueueFacts {
        lease: Some(LEASE),
        ..QueueFacts::default()
    };
    let mut held = held(1, facts, now);
    held.delivered(101, now);
    held.done(100..101);
    assert!(!held.expire(now + LEASE));
    assert_eq!(held.take_settling(10).len(), 1);
    assert_eq!(held.next_lease(), None);
}

#[test]
fn what_is_open_is_closed_for_each_reason_once() {
    let now = Instant::now();
    let facts = || QueueFacts {
        lease: Some(LEASE),
        delivery_limit: Some(3),
        ..QueueFacts::default()
    };
    let at = |held: &Held, after: u64| held.flush_due(now + seconds(after));
    // Nothing is delivered, so nothing is open.
    let mut held = self::held(2, facts(), now);
    assert_eq!((at(&held, 9999), held.next_flush()), (None, None));
    // What waits for delivery is no sign that the queue gives nothing.
    held.delivered(101, now);
    assert_eq!(
        (at(&held, 299), at(&held, 300)),
        (None, Some(FlushReason::Hold))
    );
    held.delivered(102, now);
    assert_eq!(
        (at(&held, 4), at(&held, 5)),
        (None, Some(FlushReason::Starved))
    );
    assert_eq!(held.next_flush(), Some(now + seconds(5)));
    held.flushed();
    assert_eq!((at(&held, 9999), held.next_flush()), (None, None));
    let worn = |deliveries| Message {
        deliveries: Some(deliveries),
        ..message(9)
    };
    receive(&mut held, &worn(1), now);
    held.delivered(103, now);
    assert_eq!(at(&held, 0), None);
    held.rules.messages = 1_000;
    let room = held.room();
    receive(&mut held, &worn(2), now);
    assert!(room > 256 && held.room() < 256, "few are in hand with it");
    assert_eq!(at(&held, 0), None, "it is not with the sink yet");
    held.delivered(104, now);
    assert_eq!(at(&held, 0), Some(FlushReason::Worn));
    held.flushed();
    assert_eq!(at(&held, 9999), None);
    // Extending has not worked for as long as leases last.
    let mut held = self::held(1, facts(), now);
    held.delivered(101, now + seconds(449));
    receive(&mut held, &message(5), now + seconds(449));
    assert_eq!(held.rules.hold, seconds(300));
    held.rules.hold = seconds(900);
    assert_eq!(
        (at(&held, 449), at(&held, 450)),
        (None, Some(FlushReason::Expiry))
    );
    // While nothing is asked for, nothing is waited for.
    held.pause(true);
    assert_eq!(at(&held, 449), Some(FlushReason::Starved));
}

#[test]
fn messages_are_held_for_most_of_the_time_that_the_queue_allows() {
    let now = Instant::now();
    let facts = QueueFacts {
        longest_hold: Some(seconds(100)),
        ..QueueFacts::default()
    };
    let mut held = held(2, facts, now);
    held.delivered(101, now);
    assert_eq!(held.next_flush(), Some(now + seconds(80)));
    assert_eq!(held.flush_due(now + seconds(80)), Some(FlushReason::Hold));
}

#[test]
fn what_is_taken_back_is_no_longer_ours_and_what_is_done_is() {
    let now = Instant::now();
    let mut held = held(5, QueueFacts::default(), now);
    held.delivered(104, now);
    held.done(102..103);
    assert_eq!(tags(&held.take_back(101)), [1, 3, 4]);
    assert_eq!(tags_of(&held.take_settling(10)), [2]);
    held.done(100..105);
    assert_eq!(tags_of(&held.take_settling(10)), [0]);
    assert_eq!(receive(&mut held, &message(9), now), Some(105));
    assert_eq!(tags(&held.take_all()), [0, 2, 9]);
    assert_eq!(held.take_counts().given_back, 6);
}

mod groups {
    use super::*;

    fn grouped(tag: u64, group: &str) -> Message {
        Message {
            group: Some(group.to_owned()),
            ..message(tag)
        }
    }

    fn held(groups: &str, now: Instant) -> Held {
        let mut held = Held::new(rules(), 100, now);
        held.learn(QueueFacts {
            is_ordered: true,
            lease: Some(LEASE),
            ..QueueFacts::default()
        });
        for (tag, group) in groups.chars().enumerate() {
            let message = Message {
                expires: Some(now + LEASE),
                ..grouped(tag as u64, &group.to_string())
            };
            receive(&mut held, &message, now);
        }
        held
    }

    #[test]
    fn nothing_is_settled_before_what_came_before_it_in_its_group() {
        let now = Instant::now();
        let mut held = held("abab", now);
        held.delivered(104, now);
        held.done(101..103);
        assert_eq!(tags_of(&held.take_settling(10)), [1]);
        held.done(100..101);
        let taken = held.take_settling(10);
        assert_eq!(tags_of(&taken), [0, 2]);
        held.settled(&taken, &[]);
        assert_eq!(held.take_settling(10), []);
        held.done(103..104);
        assert_eq!(tags_of(&held.take_settling(10)), [3]);
    }

    #[test]
    fn what_waits_behind_a_gap_goes_back_with_it() {
        let now = Instant::now();
        let mut held = held("aab", now);
        held.delivered(103, now);
        held.done(101..103);
        assert_eq!(tags(&held.take_back(100)), [0, 1]);
        assert_eq!(tags_of(&held.take_settling(10)), [2]);
    }

    #[test]
    fn what_follows_an_undelivered_message_that_lapsed_is_dropped_with_it() {
        let now = Instant::now();
        let mut held = held("aba", now);
        let half = now + LEASE / 2;
        let taken = held.take_extending(half, 10);
        assert!(held.extended(&taken, &[0], half));
        let left: Vec<bool> = (100..103).map(|offset| held.contains(offset)).collect();
        assert_eq!(left, [false, true, false]);
    }

    #[test]
    fn what_was_lost_holds_its_group_up_until_it_is_done() {
        let now = Instant::now();
        let mut held = held("aa", now);
        held.delivered(101, now);
        held.expire(now + LEASE);
        assert!(!held.contains(101));
        receive(&mut held, &grouped(7, "a"), now);
        held.delivered(103, now);
        held.done(102..103);
        assert_eq!(held.take_settling(10), []);
        held.done(100..101);
        assert_eq!(tags_of(&held.take_settling(10)), [7]);
    }
}

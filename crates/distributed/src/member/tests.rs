//! A member whose group is a script.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::tests::snapshot;
use millstream_kafka::group::GroupMember;
use millstream_worker::TaskId;

const DELAY: i32 = 300_000;

struct Script {
    member: Member,
    now: i64,
    generation: i32,
}

fn items(names: &[&str]) -> Items {
    let mut items = Items::default();
    for name in names {
        match name.split_once('/') {
            Some((connector, task)) => {
                let id = TaskId::new(connector, task.parse().unwrap());
                items.tasks.push(id);
            }
            None => items.connectors.push((*name).into()),
        }
    }
    items
}

/// What a leader elsewhere says at this offset.
fn told(offset: i64, assigned: &[&str], revoked: &[&str]) -> Assignment {
    Assignment {
        version: 2,
        leader: "leader".to_owned(),
        leader_url: "http://leader/".to_owned(),
        offset,
        assigned: items(assigned),
        revoked: items(revoked),
        ..Assignment::default()
    }
}

impl Script {
    /// A member that has read so far and is about to join.
    fn new(position: i64, inventory: &[(&str, u32)]) -> Self {
        let mut member = Member::new(MemberSettings {
            url: "http://w/".to_owned(),
            protocol: GroupProtocol::Sessioned,
            max_delay: DELAY,
            sync_timeout: 3_000,
            coordinator_timeout: 3_000,
        });
        member.observe(snapshot(position, inventory), 1);
        member.rejoin(1);
        assert_eq!(member.next_action(), Some(MemberAction::Join));
        Script {
            member,
            now: 1,
            generation: 0,
        }
    }

    /// The group asks what the member has to say; what it offers first, if it says anything yet.
    fn joining(&mut self) -> Option<Metadata> {
        self.member.on_joining();
        self.offered()
    }

    fn offered(&mut self) -> Option<Metadata> {
        match self.member.next_action()? {
            MemberAction::Offer(offers) => Some(Metadata::decode(&offers[0].1).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn joined_in(&mut self, protocol: GroupProtocol, told: &Assignment) -> Vec<GroupEvent> {
        self.generation += 1;
        self.answered(protocol, told)
    }

    /// The answer of the coordinator, in the generation that there is.
    fn answered(&mut self, protocol: GroupProtocol, told: &Assignment) -> Vec<GroupEvent> {
        let joined = Joined {
            generation: self.generation,
            member_id: "me".to_owned(),
            leader_id: told.leader.clone(),
            protocol: protocol.name().to_owned(),
            assignment: told.encode(protocol),
        };
        self.member.on_joined(joined, self.now);
        self.events()
    }

    fn joined(&mut self, told: &Assignment) -> Vec<GroupEvent> {
        self.joined_in(GroupProtocol::Sessioned, told)
    }

    /// A whole round.
    fn round(&mut self, told: &Assignment) -> Vec<GroupEvent> {
        self.joining().unwrap();
        self.joined(told)
    }

    fn events(&mut self) -> Vec<GroupEvent> {
        std::iter::from_fn(|| self.member.next_event()).collect()
    }

    /// Time goes on to the next thing that is due; how far that was.
    fn wait(&mut self) -> i64 {
        let due = self.member.next_due().unwrap();
        let waited = due - self.now;
        self.now = due;
        self.member.on_due(due);
        waited
    }
}

/// What is to run after the last event, and what was revoked before.
fn outcome(events: &[GroupEvent]) -> (Vec<Work>, Option<Work>) {
    let revoked = events.iter().filter_map(|event| match event {
        GroupEvent::Revoked { work, .. } => Some(work.clone()),
        _ => None,
    });
    let Some(GroupEvent::Assigned(assignment)) = events.last() else {
        panic!("{events:?}");
    };
    (revoked.collect(), assignment.work.clone())
}

fn number(events: &[GroupEvent]) -> u64 {
    let mut numbers = events.iter().filter_map(|event| match event {
        GroupEvent::Revoked { number, .. } => Some(*number),
        _ => None,
    });
    numbers.next_back().unwrap()
}

/// A member of a round that this worker leads: how far it has read, and what it holds.
fn member(id: &str, url: &str, offset: i64, holds: &[&str]) -> GroupMember {
    let allocation = (!holds.is_empty()).then(|| told(offset, holds, &[]));
    let metadata = Metadata {
        url: url.to_owned(),
        offset,
        allocation,
    };
    GroupMember {
        id: id.to_owned(),
        instance_id: None,
        metadata: metadata.encode(GroupProtocol::Sessioned),
    }
}

/// What it tells each member, after the longest that it may wait for its own reading.
fn lead(script: &mut Script, members: &[GroupMember]) -> BTreeMap<String, Assignment> {
    let now = script.now;
    script
        .member
        .on_assign("sessioned", 1, "me".to_owned(), members, now);
    loop {
        match script.member.next_action() {
            Some(MemberAction::Assign(shares)) => {
                let decoded = shares.into_iter();
                let decoded = decoded.map(|(id, bytes)| (id, Assignment::decode(&bytes).unwrap()));
                return decoded.collect();
            }
            Some(other) => panic!("{other:?}"),
            None => script.wait(),
        };
    }
}

#[test]
fn nothing_is_said_before_the_configuration_is_known() {
    let mut script = Script::new(0, &[]);
    script.member.snapshot = None;
    assert_eq!(script.joining(), None);
    script.member.observe(snapshot(0, &[]), 1);
    // Java's workers say so where there is no record yet.
    assert_eq!(script.offered().unwrap().offset, -1);
}

#[test]
fn what_is_kept_comes_after_what_is_new() {
    let mut script = Script::new(7, &[("a", 2), ("b", 1)]);
    assert_eq!(script.joining().unwrap().allocation, None);
    let events = script.joined(&told(7, &["a", "a/0"], &[]));
    assert_eq!(
        outcome(&events),
        (vec![], Some(items(&["a", "a/0"]).work()))
    );
    let events = script.round(&told(7, &["b", "a/1"], &["a/0"]));
    let revoked = items(&["a/0"]).work();
    assert_eq!(
        outcome(&events),
        (vec![revoked], Some(items(&["a", "a/1", "b"]).work()))
    );
    script.member.released(number(&events));
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    let said = script.joining().unwrap().allocation.unwrap();
    assert_eq!(said.assigned.connectors, items(&["b", "a"]).connectors);
    assert_eq!(said.assigned.tasks, items(&["a/1"]).tasks);
}

#[test]
fn what_is_revoked_ends_before_the_next_round_is_joined() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a", "a/0"], &[]));
    let events = script.round(&told(7, &[], &["a", "a/0"]));
    // Another member brings about a round meanwhile.
    assert_eq!(script.joining(), None);
    script.member.released(number(&events));
    let said = script.offered().unwrap();
    assert!(said.allocation.unwrap().assigned.is_empty());
    assert_eq!(script.member.next_action(), None);
}

/// A leader that hands out what was lost may balance in the same round, and take what it has just given.
#[test]
fn what_is_revoked_without_having_been_held_brings_about_the_next_round() {
    let mut script = Script::new(7, &[("a", 2)]);
    let events = script.round(&told(7, &["a/0"], &["a/1"]));
    assert_eq!(outcome(&events), (vec![], Some(items(&["a/0"]).work())));
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
}

#[test]
fn an_error_takes_nothing_away() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a", "a/0"], &[]));
    let behind = Assignment {
        error: 1,
        ..told(9, &[], &[])
    };
    assert_eq!(outcome(&script.round(&behind)), (vec![], None));
    let said = script.joining().unwrap().allocation.unwrap();
    assert_eq!((said.error, said.offset), (1, 9));
    assert_eq!(said.assigned, items(&["a", "a/0"]));
}

#[test]
fn an_eager_round_begins_with_nothing_that_runs() {
    let mut script = Script::new(7, &[("a", 2)]);
    script.joining().unwrap();
    let eager = GroupProtocol::Eager;
    let events = script.joined_in(eager, &told(7, &["a", "a/0"], &[]));
    assert_eq!(outcome(&events).1, Some(items(&["a", "a/0"]).work()));
    assert_eq!(script.joining(), None);
    let events = script.events();
    script.member.released(number(&events));
    // What it has stopped is still its own, should the group speak better now.
    let said = script.offered().unwrap().allocation.unwrap();
    assert_eq!(said.assigned, items(&["a", "a/0"]));
    assert_eq!(script.member.next_action(), None);
    let events = script.joined_in(eager, &told(7, &["a/1"], &[]));
    assert_eq!(outcome(&events), (vec![], Some(items(&["a/1"]).work())));
}

#[test]
fn everything_stops_while_the_coordinator_is_away() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a", "a/0"], &[]));
    script.member.on_degraded(script.now);
    script.member.on_degraded(script.now + 2_000);
    assert_eq!(script.wait(), 3_000);
    let events = script.events();
    assert_eq!(events[0], GroupEvent::Rebalancing);
    let number = number(&events);
    assert_eq!(*script.member.leader(), Leader::Unknown);
    script.member.on_recovered();
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    assert_eq!(script.joining(), None);
    script.member.released(number);
    assert_eq!(script.offered().unwrap().allocation, None);
    // A short outage is none.
    script.joined(&told(7, &["a"], &[]));
    script.member.on_degraded(script.now);
    script.member.on_recovered();
    assert_eq!(script.member.next_due(), None);
}

/// It was out of reach while the others shared out what it had said before.
#[test]
fn what_was_forgotten_during_a_round_is_told_in_another() {
    let mut script = Script::new(7, &[("a", 2)]);
    script.round(&told(7, &["a", "a/0"], &[]));
    script.joining().unwrap();
    script.member.on_degraded(script.now);
    script.wait();
    let number = number(&script.events());
    script.member.released(number);
    let events = script.joined(&told(7, &["a/1"], &[]));
    assert_eq!(outcome(&events).1, Some(items(&["a/1"]).work()));
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
}

#[test]
fn a_group_that_refuses_this_worker_is_asked_again_later() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a"], &[]));
    script.member.on_refused("not authorized", script.now);
    assert_eq!(script.member.next_action(), Some(MemberAction::Leave));
    let error = script.member.group_health().error.clone().unwrap();
    assert!(error.ends_with("not authorized"), "{error}");
    let number = number(&script.events());
    script.member.released(number);
    script.member.rejoin(script.now);
    assert_eq!(script.member.next_action(), None);
    assert_eq!(script.wait(), REFUSED_PAUSE_MS);
    assert_eq!(script.member.next_action(), Some(MemberAction::Join));
    script.round(&told(7, &["a"], &[]));
    assert_eq!(script.member.group_health().error, None);
}

#[test]
fn who_left_joins_with_nothing() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a"], &[]));
    script.member.leave();
    assert_eq!(script.member.next_action(), Some(MemberAction::Leave));
    assert_eq!((script.events(), script.member.next_due()), (vec![], None));
    script.member.rejoin(script.now);
    assert_eq!(script.member.next_action(), Some(MemberAction::Join));
    assert_eq!(script.joining().unwrap().allocation, None);
}

#[test]
fn a_leader_waits_for_what_others_have_read() {
    let mut script = Script::new(7, &[]);
    script.joining().unwrap();
    let said = |url: &str, offset| {
        let metadata = Metadata {
            url: url.to_owned(),
            offset,
            allocation: None,
        };
        metadata.encode(GroupProtocol::Sessioned)
    };
    let member = |id: &str, metadata| GroupMember {
        id: id.to_owned(),
        instance_id: None,
        metadata,
    };
    let members = [
        member("me", said("http://w/", 7)),
        member("other", said("http://o/", 9)),
        member("strange", Bytes::from_static(b"?")),
    ];
    let assign = |script: &mut Script| {
        let now = script.now;
        script
            .member
            .on_assign("sessioned", 1, "me".to_owned(), &members, now);
    };
    let answer = |script: &mut Script| {
        let Some(MemberAction::Assign(shares)) = script.member.next_action() else {
            panic!("no answer");
        };
        let ids: Vec<&str> = shares.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["me", "other"]);
        Assignment::decode(&shares[1].1).unwrap()
    };
    assign(&mut script);
    assert_eq!(script.member.next_action(), None);
    script.member.observe(snapshot(9, &[("a", 0)]), 1);
    let told = answer(&mut script);
    assert_eq!((told.error, told.offset), (0, 9));
    assert_eq!(told.assigned.connectors.len(), 0);
    // Nobody waits for ever.
    script.member.snapshot = Some(snapshot(7, &[]));
    assign(&mut script);
    assert_eq!(script.wait(), 3_000);
    let told = answer(&mut script);
    assert_eq!((told.error, told.offset), (1, 9));
}

/// The coordinator answers a follower that says nothing new with what it was told before.
#[test]
fn additions_11_an_answer_that_is_repeated_is_taken_once() {
    let mut script = Script::new(7, &[("a", 2)]);
    script.round(&told(7, &["a", "a/0"], &[]));
    let again = told(7, &["a/1"], &["a/0"]);
    let events = script.round(&again);
    script.member.released(number(&events));
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    script.joining().unwrap();
    let events = script.answered(GroupProtocol::Sessioned, &again);
    let held = items(&["a", "a/1"]).work();
    assert_eq!(outcome(&events), (vec![], Some(held)));
    assert_eq!(script.member.next_action(), None);
}

#[test]
fn additions_12_the_last_assignment_is_echoed_whole() {
    let mut script = Script::new(7, &[("a", 2)]);
    let delayed = Assignment {
        delay: 5_000,
        ..told(7, &["a", "a/0"], &["b"])
    };
    script.round(&delayed);
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    let said = script.joining().unwrap().allocation.unwrap();
    assert_eq!(
        said,
        Assignment {
            revoked: Items::default(),
            ..delayed
        }
    );
}

#[test]
fn additions_12_a_delay_that_runs_out_brings_about_a_round() {
    let mut script = Script::new(7, &[("a", 2)]);
    script.round(&Assignment {
        delay: 5_000,
        ..told(7, &["a"], &[])
    });
    assert_eq!(script.wait(), 5_000);
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    // A round before then has its own delay.
    script.round(&Assignment {
        delay: 5_000,
        ..told(7, &[], &[])
    });
    script.round(&told(7, &[], &[]));
    assert_eq!(script.member.next_due(), None);
}

/// Followers that say nothing new bring about no round: whoever leads has to.
#[test]
fn additions_12_a_leader_joins_again_after_a_round_that_brought_an_error() {
    let mut script = Script::new(7, &[("a", 0)]);
    script.joining().unwrap();
    let far = [member("other", "http://o/", 9, &[])];
    let shared = lead(&mut script, &far);
    let behind = shared["other"].clone();
    assert_eq!((behind.error, behind.offset), (1, 9));
    let own = Assignment {
        leader: "me".to_owned(),
        ..behind
    };
    let events = script.joined(&own);
    assert_eq!(outcome(&events), (vec![], None));
    // As the herder has it once it has read to the end, though that is no further.
    script.member.rejoin(script.now);
    while script.member.next_action() != Some(MemberAction::Rejoin) {
        assert!(script.wait() <= FIRST_PAUSE_MS);
    }
    script.joining().unwrap();
    script.member.observe(snapshot(9, &[("a", 0)]), script.now);
    assert_eq!(lead(&mut script, &far)["other"].error, 0);
}

#[test]
fn additions_13_who_says_the_same_again_waits_longer_each_time() {
    let mut script = Script::new(7, &[("a", 2)]);
    let behind = Assignment {
        error: 1,
        ..told(9, &[], &[])
    };
    script.round(&behind);
    // What it says is news once: it echoes the error.
    script.member.rejoin(script.now);
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    script.round(&behind);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        script.member.rejoin(script.now);
        script.member.rejoin(script.now);
        assert_eq!(script.member.next_action(), None);
        pauses.push(script.wait());
        assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
        script.joining().unwrap();
        script.answered(GroupProtocol::Sessioned, &behind);
    }
    let expected = [
        100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000,
    ];
    assert_eq!(pauses, expected);
    // Whoever has read on says something new.
    script.member.observe(snapshot(9, &[("a", 2)]), script.now);
    script.member.rejoin(script.now);
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
}

#[test]
fn additions_16_what_is_given_twice_is_held_once() {
    let mut script = Script::new(7, &[("a", 1)]);
    script.round(&told(7, &["a", "a/0", "a/0"], &[]));
    let events = script.round(&told(7, &["a", "a/0"], &[]));
    let held = items(&["a", "a/0"]);
    assert_eq!(outcome(&events), (vec![], Some(held.work())));
    let said = script.joining().unwrap().allocation.unwrap();
    assert_eq!(said.assigned, held);
}

#[test]
fn additions_16_a_leader_gives_nothing_twice_to_who_says_it_twice() {
    let mut script = Script::new(7, &[("a", 2)]);
    script.joining().unwrap();
    let twice = ["a", "a", "a/0", "a/0", "a/0", "a/1"];
    let members = [
        member("one", "http://o/", 7, &twice),
        member("two", "http://t/", 7, &[]),
    ];
    let mut given: Vec<TaskId> = Vec::new();
    for said in lead(&mut script, &members).into_values() {
        let distinct = said.assigned.clone().distinct();
        assert_eq!(said.assigned, distinct);
        assert_eq!(said.revoked, said.revoked.clone().distinct());
        given.extend(said.assigned.tasks);
    }
    // One has all of it, and is to give away one of the two tasks.
    assert_eq!(given, []);
}

#[test]
fn additions_17_what_is_deleted_is_dropped_though_no_leader_asks_for_it() {
    let mut script = Script::new(7, &[("a", 2), ("b", 1)]);
    script.round(&told(7, &["a", "a/0", "a/1", "b"], &[]));
    script.member.observe(snapshot(9, &[("a", 1)]), script.now);
    // Not on account of what the leader may not have read.
    let events = script.round(&told(7, &[], &[]));
    let dropped = items(&["a/1", "b"]).work();
    assert_eq!(
        outcome(&events),
        (vec![dropped], Some(items(&["a", "a/0"]).work()))
    );
    script.member.released(number(&events));
    assert_eq!(script.member.next_action(), Some(MemberAction::Rejoin));
    // A connector that is not known here yet is no deleted one.
    let events = script.round(&told(12, &["c"], &[]));
    assert_eq!(
        outcome(&events),
        (vec![], Some(items(&["a", "a/0", "c"]).work()))
    );
}

#[test]
fn additions_20_an_offset_that_nobody_reaches_is_told_of() {
    let mut script = Script::new(7, &[]);
    let members = [member("odd", "http://odd/", 99, &[])];
    let error = |script: &Script| script.member.group_health().error.clone();
    for round in 0..3 {
        assert_eq!(error(&script), None, "{round}");
        assert_eq!(lead(&mut script, &members)["odd"].error, 1);
    }
    let told = error(&script).unwrap();
    assert!(
        told.contains("http://odd/") && told.contains("99"),
        "{told}"
    );
    script.member.observe(snapshot(99, &[]), script.now);
    script
        .member
        .on_assign("sessioned", 1, "me".to_owned(), &members, script.now);
    assert_eq!(error(&script), None);
}

#[test]
fn additions_24_another_config_topic_is_told_of() {
    let mut script = Script::new(7, &[]);
    let far = told(99, &["x"], &[]);
    script.round(&far);
    for _ in 0..8 {
        script.member.rejoin(script.now);
        if script.member.next_action().is_none() {
            script.wait();
            script.member.next_action().unwrap();
        }
        script.joining().unwrap();
        script.answered(GroupProtocol::Sessioned, &far);
    }
    let error = script.member.group_health().error.clone().unwrap();
    assert!(error.contains("config.storage.topic"), "{error}");
    // Who reads on is well.
    script.member.observe(snapshot(99, &[("x", 0)]), script.now);
    script.round(&told(99, &[], &[]));
    assert_eq!(script.member.group_health().error, None);
}

//! Session keys: when the leader makes another one.

use super::super::*;
use super::world::{World, WriteEnd, key_policy, session_key};
use crate::cluster::{AloneInCluster, GroupProtocol, Membership, SessionKey};
use crate::registry::PluginRegistry;
use futures::FutureExt;

const START: i64 = 10_000_000;

/// A worker without peers that has found a key at its start, and the actions that are not carried out yet.
struct Leader {
    state: State,
    group: AloneInCluster,
    end: i64,
}

impl Leader {
    fn new(policy: KeyPolicy, found: Option<SessionKey>) -> (Self, Vec<i64>) {
        Leader::speaking(policy, found, GroupProtocol::Sessioned)
    }

    /// And when keys were made until it had its work.
    fn speaking(
        policy: KeyPolicy,
        found: Option<SessionKey>,
        protocol: GroupProtocol,
    ) -> (Self, Vec<i64>) {
        let mut state = State::new(Settings {
            mode: WorkerMode::Distributed,
            worker_id: "w:1".to_owned(),
            registry: Arc::new(PluginRegistry::default()),
            topic_tracking: true,
            self_healing: true,
            protocol,
            keys: Some(policy),
        });
        let begun = state.begin();
        let mut leader = Leader {
            state,
            group: AloneInCluster::new(protocol),
            end: 0,
        };
        let mut made = Vec::new();
        if let Some(key) = found {
            made.extend(leader.read(key, START));
        }
        made.extend(leader.perform(begun, START));
        made.extend(leader.handle(Event::Status(StatusEvent::End), START));
        while let Some(event) = leader.group.next().now_or_never() {
            made.extend(leader.handle(Event::Group(event), START));
        }
        (leader, made)
    }

    fn read(&mut self, key: SessionKey, now: i64) -> Vec<i64> {
        self.end += 1;
        let record = ConfigEvent::Record {
            position: Position(self.end),
            record: ConfigRecord::SessionKey(key),
        };
        self.handle(Event::Config(record), now)
    }

    fn handle(&mut self, event: Event, now: i64) -> Vec<i64> {
        let actions = self.state.handle(event, now);
        self.perform(actions, now)
    }

    /// The times of keys that were made, which are written and read at once.
    fn perform(&mut self, actions: Vec<Action>, now: i64) -> Vec<i64> {
        let mut made = Vec::new();
        for action in actions {
            match action {
                Action::ReadToEnd(number) => {
                    let outcome = Ok(Position(self.end));
                    let end = ConfigEvent::End { number, outcome };
                    made.extend(self.handle(Event::Config(end), now));
                }
                Action::WriteSessionKey { number, created } => {
                    made.push(created);
                    let policy = self.state.view.settings.keys.clone().unwrap();
                    let key = SessionKey {
                        key: vec![1; policy.length].into(),
                        algorithm: policy.algorithm,
                        created,
                    };
                    made.extend(self.read(key, now));
                    let outcome = Ok(());
                    let written = ConfigEvent::Written { number, outcome };
                    made.extend(self.handle(Event::Config(written), now));
                }
                Action::Observe(snapshot) => self.group.observe(snapshot),
                Action::Rejoin => self.group.rejoin(),
                _ => {}
            }
        }
        made
    }
}

fn ttl(ttl_ms: i64) -> KeyPolicy {
    KeyPolicy {
        ttl_ms,
        ..key_policy()
    }
}

/// The age of a key counts across restarts; without a limit a key that was found is taken for expired.
#[test]
fn additions_1_a_key_that_was_found() {
    let other = |algorithm: &str, length: usize| SessionKey {
        key: vec![0; length].into(),
        algorithm: algorithm.into(),
        created: START,
    };
    for (policy, found, is_replaced) in [
        (ttl(3_600_000), None, true),
        (ttl(3_600_000), Some(session_key(START - 3_599_999)), false),
        (ttl(3_600_000), Some(session_key(START - 3_600_000)), true),
        (ttl(0), Some(session_key(START)), true),
        // D27: of another kind.
        (ttl(3_600_000), Some(other("HmacSHA1", 32)), true),
        (ttl(3_600_000), Some(other("HmacSHA256", 31)), true),
        (ttl(3_600_000), Some(other("HmacSHA256", 32)), false),
    ] {
        let text = format!("{policy:?} {found:?}");
        let (leader, made) = Leader::new(policy, found);
        assert_eq!(made, vec![START; usize::from(is_replaced)], "{text}");
        assert!(leader.state.view.session_key().is_some());
    }
}

#[test]
fn a_key_is_replaced_when_its_time_is_over() {
    let (mut leader, made) = Leader::new(ttl(1_000), None);
    assert_eq!(made, [START]);
    for rotation in 1..4 {
        let due = START + rotation * 1_000;
        assert_eq!(leader.state.next_due(), Some(due));
        assert!(leader.handle(Event::Due, due - 1).is_empty());
        assert_eq!(leader.handle(Event::Due, due), [due]);
    }
    // Without a limit it is not.
    let (mut leader, made) = Leader::new(ttl(0), None);
    assert_eq!((made.len(), leader.state.next_due()), (1, None));
    assert!(leader.handle(Event::Due, i64::MAX).is_empty());
    // A key of another leader counts from when that one made it.
    let (mut leader, _) = Leader::new(ttl(1_000), None);
    assert!(
        leader
            .read(session_key(START + 500), START + 600)
            .is_empty()
    );
    assert_eq!(leader.state.next_due(), Some(START + 1_500));
}

#[test]
fn nobody_makes_keys_for_a_group_that_signs_nothing() {
    for protocol in [GroupProtocol::Eager, GroupProtocol::Compatible] {
        let (leader, made) = Leader::speaking(ttl(0), Some(session_key(0)), protocol);
        assert!(made.is_empty() && leader.state.next_due().is_none());
    }
}

#[test]
fn a_key_that_could_not_be_written_is_made_again_later() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    for pause in [250, 500, 1_000] {
        while !world.step_write(0, WriteEnd::Failed) {
            world.step(0, 1, WriteEnd::Done);
        }
        while world.workers[0].state.next_due().is_none() {
            world.step(0, 1, WriteEnd::Done);
        }
        assert_eq!(world.workers[0].state.next_due(), Some(world.now + pause));
        world.now += pause;
        world.handle(0, Event::Due);
    }
    world.settle();
    let key = world.workers[0].state.view.session_key();
    assert_eq!(key.map(|key| key.created), Some(world.now));
}

/// There is nothing to do when its pause is over, and no reason to look again at once.
#[test]
fn a_key_that_was_written_without_anybody_s_knowing_is_kept() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    while !world.step_write(0, WriteEnd::Unknown) {
        world.step(0, 1, WriteEnd::Done);
    }
    world.settle();
    assert_eq!(world.log().len(), 1);
    let due = world.workers[0].state.next_due();
    assert_eq!(due, Some(1_000_000 + key_policy().ttl_ms));
}

/// Followers use the leader's, and whoever leads next keeps it.
#[test]
fn a_cluster_has_one_key() {
    let mut world = World::new(WorkerMode::Distributed, 3);
    world.settle();
    let key = world.workers[0].state.view.session_key().cloned();
    assert!(key.is_some());
    world.now += 1_000;
    world.handle(0, Event::Shutdown);
    world.settle();
    for worker in [1, 2] {
        assert_eq!(world.workers[worker].state.view.session_key(), key.as_ref());
    }
    assert_eq!(world.log().len(), 1);
}

//! Session: what one broker knows of our wishes (KIP-227). It is told what changed; partitions without news are
//! neither asked for nor answered. Brokers that keep no sessions are asked for everything each time.

use super::partitions::Wanted;
use indexmap::{IndexMap, IndexSet};
use millstream_core::TopicPartition;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0: there is none yet.
    id: i32,
    epoch: i32,
    /// What the broker was asked for.
    asked: IndexMap<TopicPartition, Wanted>,
    changed: IndexSet<TopicPartition>,
    /// Where a full request begins, so that all partitions have their turn.
    turn: usize,
}

/// What to tell the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    pub(super) asked: Vec<(TopicPartition, Wanted)>,
    pub(super) forgotten: Vec<TopicPartition>,
}

impl Session {
    /// The wish for this partition may have changed.
    pub(super) fn touch(&mut self, partition: TopicPartition) {
        self.changed.insert(partition);
    }

    /// The next request; `None` if there is nothing to read here.
    pub(super) fn plan(
        &mut self,
        wanted: impl Fn(&TopicPartition) -> Option<Wanted>,
    ) -> Option<Plan> {
        let mut news = Vec::new();
        let mut forgotten = Vec::new();
        for partition in std::mem::take(&mut self.changed) {
            match wanted(&partition) {
                Some(wish) => {
                    if self.asked.insert(partition.clone(), wish) != Some(wish) {
                        news.push((partition, wish));
                    }
                }
                None => {
                    if self.asked.swap_remove(&partition).is_some() {
                        forgotten.push(partition);
                    }
                }
            }
        }
        if self.asked.is_empty() {
            // The broker's session falls asleep; what it still holds is told anew with the next.
            self.reset();
            return None;
        }
        if self.id != 0 {
            return Some(Plan {
                session_id: self.id,
                session_epoch: self.epoch,
                asked: news,
                forgotten,
            });
        }
        let turn = self.turn % self.asked.len();
        let all = self.asked.iter().cycle().skip(turn).take(self.asked.len());
        Some(Plan {
            session_id: 0,
            session_epoch: 0,
            asked: all.map(|(p, w)| (p.clone(), *w)).collect(),
            forgotten: Vec::new(),
        })
    }

    /// What this partition was last asked for.
    pub(super) fn asked(&self, partition: &TopicPartition) -> Option<(&TopicPartition, Wanted)> {
        let (_, partition, wanted) = self.asked.get_full(partition)?;
        Some((partition, *wanted))
    }

    /// The broker has answered, under this session's id, with news of so many partitions.
    pub(super) fn answered(&mut self, id: i32, partitions: usize) {
        self.turn = self.turn.wrapping_add(partitions);
        if id != self.id {
            self.id = id;
            self.epoch = 0;
        }
        // After the last number the count begins at 1: 0 asks for a new session.
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// Whether the broker has what we think it has is unknown: the next request tells everything.
    pub(super) fn reset(&mut self) {
        self.id = 0;
        self.epoch = 0;
    }

    pub(super) fn is_used(&self) -> bool {
        !self.asked.is_empty() || !self.changed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(offset: i64) -> Option<Wanted> {
        Some(Wanted {
            epoch: 1,
            offset,
            leader_epoch: 0,
        })
    }

    #[test]
    fn tells_only_what_changed() {
        let [a, b] = [0, 1].map(|number| TopicPartition::new("t", number));
        let mut session = Session::default();
        session.touch(a.clone());
        session.touch(b.clone());
        let plan = session.plan(|_| wish(5)).expect("two partitions");
        assert_eq!(
            (plan.session_id, plan.session_epoch, plan.asked.len()),
            (0, 0, 2)
        );
        session.answered(7, 0);
        session.touch(a.clone());
        let plan = session.plan(|_| wish(6)).expect("two partitions");
        assert_eq!((plan.session_id, plan.session_epoch), (7, 1));
        assert_eq!(plan.asked, [(a.clone(), wish(6).expect("a wish"))]);
        session.answered(7, 1);
        session.touch(a.clone());
        let plan = session.plan(|_| None).expect("one partition");
        assert_eq!((plan.session_epoch, plan.forgotten), (2, vec![a.clone()]));
        session.reset();
        let plan = session.plan(|_| None).expect("one partition");
        assert_eq!((plan.session_id, plan.asked[0].0.partition), (0, 1));
        session.touch(b);
        assert_eq!(session.plan(|_| None), None);
        assert!(!session.is_used());
    }

    #[test]
    fn brokers_without_sessions_are_told_everything_in_turn() {
        let mut session = Session::default();
        for number in 0..3 {
            session.touch(TopicPartition::new("t", number));
        }
        let firsts: Vec<i32> = (0..3)
            .map(|_| {
                let plan = session.plan(|_| wish(0)).expect("three partitions");
                assert_eq!((plan.session_epoch, plan.asked.len()), (0, 3));
                session.answered(0, 1);
                session.reset();
                plan.asked[0].0.partition
            })
            .collect();
        assert_eq!(firsts, [0, 1, 2]);
    }
}

//! Waits: who waits until how much of the log has come out.

use millstream_core::compacted_log::LogPlace;
use std::collections::BTreeMap;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    End,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    kind: Kind,
    places: Vec<LogPlace>,
    /// How far beyond each place the position has to be.
    past: i64,
    deadline: Instant,
}

/// Its bound is the calls that are under way.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By partition, the offset after what has come out.
    positions: BTreeMap<i32, i64>,
    all: Vec<Wait>,
}

impl Waits {
    pub(super) fn add(
        &mut self,
        number: u64,
        kind: Kind,
        places: Vec<LogPlace>,
        past: i64,
        deadline: Instant,
    ) {
        self.all.push(Wait {
            number,
            kind,
            places,
            past,
            deadline,
        });
    }

    pub(super) fn has_read(&mut self, partition: i32, position: i64) {
        let known = self.positions.entry(partition).or_insert(position);
        *known = position.max(*known);
    }

    /// Takes out those whose places have come out: with their places, or for an end with where reading stands.
    pub(super) fn take_met(&mut self) -> Vec<(u64, Kind, Vec<LogPlace>)> {
        let positions = &self.positions;
        let is_met = |wait: &mut Wait| {
            wait.places.iter().all(|place| {
                let position = positions.get(&place.partition);
                position.is_some_and(|position| *position >= place.offset + wait.past)
            })
        };
        let met = self.all.extract_if(.., is_met);
        let met = met.map(|wait| {
            let places = match wait.kind {
                Kind::Write => wait.places,
                Kind::End => stand(positions),
            };
            (wait.number, wait.kind, places)
        });
        met.collect()
    }

    /// Takes out those that have waited for too long.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<(u64, Kind)> {
        let expired = self.all.extract_if(.., |wait| wait.deadline <= now);
        expired.map(|wait| (wait.number, wait.kind)).collect()
    }

    /// Takes out those that wait for this partition, which is another one now.
    pub(super) fn start_over(&mut self, partition: i32) -> Vec<(u64, Kind)> {
        self.positions.remove(&partition);
        let waits = self.all.extract_if(.., |wait| {
            wait.places.iter().any(|place| place.partition == partition)
        });
        waits.map(|wait| (wait.number, wait.kind)).collect()
    }

    pub(super) fn give_up_all(&mut self) -> Vec<(u64, Kind)> {
        let all = self.all.drain(..);
        all.map(|wait| (wait.number, wait.kind)).collect()
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.all.iter().map(|wait| wait.deadline).min()
    }
}

fn stand(positions: &BTreeMap<i32, i64>) -> Vec<LogPlace> {
    let places = positions.iter().map(|(partition, offset)| LogPlace {
        partition: *partition,
        offset: *offset,
    });
    places.collect()
}

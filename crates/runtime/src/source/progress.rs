//! Progress: which records of a source are acknowledged, and so how far the offset of each of its partitions may go.

use millstream_core::{SourceMap, SourcePlace};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The offset of a partition is never further than its first record that is not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Progress {
    partitions: HashMap<Arc<SourceMap>, Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// What was sent and cannot count yet, in the source's order.
    waiting: VecDeque<Sent>,
    /// How far everything is acknowledged, if that is not stored yet.
    pending: Option<Offset>,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    /// Where the source stands after it.
    offset: Offset,
    is_acknowledged: bool,
}

/// An offset under the name that the source gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) name: &'static str,
    pub(super) value: i64,
}

impl Progress {
    /// Records were sent that end at `offset`; `number` grows from call to call.
    pub(super) fn send(&mut self, place: &SourcePlace, number: u64, offset: i64) {
        let partition = self
            .partitions
            .entry(Arc::clone(&place.partition))
            .or_default();
        partition.waiting.push_back(Sent {
            number,
            offset: Offset {
                name: place.offset_name,
                value: offset,
            },
            is_acknowledged: false,
        });
    }

    /// The records of that number are acknowledged, or will never be and are settled.
    pub(super) fn acknowledge(&mut self, partition: &Arc<SourceMap>, number: u64) {
        let Some(partition) = self.partitions.get_mut(partition) else {
            return;
        };
        if let Ok(place) = partition
            .waiting
            .binary_search_by_key(&number, |sent| sent.number)
        {
            partition.waiting[place].is_acknowledged = true;
        }
        while let Some(first) = partition.waiting.pop_front_if(|sent| sent.is_acknowledged) {
            partition.pending = Some(first.offset);
        }
    }

    /// The offsets that may be stored and are not yet.
    pub(super) fn pending(&self) -> Vec<(Arc<SourceMap>, Offset)> {
        let partitions = self.partitions.iter();
        let pending = partitions.filter_map(|(name, partition)| {
            let offset = partition.pending?;
            Some((Arc::clone(name), offset))
        });
        pending.collect()
    }

    /// These offsets are stored. Partitions of which nothing more is known are forgotten.
    pub(super) fn stored(&mut self, offsets: &[(Arc<SourceMap>, Offset)]) {
        for (name, offset) in offsets {
            let Some(partition) = self.partitions.get_mut(name) else {
                continue;
            };
            partition.pending.take_if(|pending| pending == offset);
            if partition.pending.is_none() && partition.waiting.is_empty() {
                self.partitions.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn place(name: &str) -> SourcePlace {
        SourcePlace {
            partition: Arc::new(SourceMap::from_iter([("p", name)])),
            offset_name: "o",
        }
    }

    fn values(progress: &Progress) -> BTreeMap<String, i64> {
        let pending = progress.pending().into_iter();
        pending
            .map(|(partition, offset)| (partition.to_string(), offset.value))
            .collect()
    }

    #[test]
    fn an_offset_waits_for_all_before_it() {
        let p = place("p");
        let mut progress = Progress::default();
        for number in 1..=3 {
            progress.send(&p, number, number as i64 * 10);
        }
        progress.acknowledge(&p.partition, 1);
        progress.acknowledge(&p.partition, 3);
        assert_eq!(values(&progress), [("{p=p}".to_owned(), 10)].into());
        let flushed = progress.pending();
        progress.acknowledge(&p.partition, 2);
        progress.stored(&flushed);
        assert_eq!(
            values(&progress),
            [("{p=p}".to_owned(), 30)].into(),
            "what came while it was stored is stored next"
        );
        progress.stored(&progress.pending());
        assert!(progress.pending().is_empty() && progress.partitions.is_empty());
    }

    /// What happens: a record of a partition is sent, the n-th of those that wait is acknowledged, offsets are stored.
    #[derive(Clone, Debug)]
    enum Step {
        Send(usize),
        Acknowledge(usize),
        Store,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..3usize).prop_map(Step::Send),
            4 => (0..8usize).prop_map(Step::Acknowledge),
            1 => Just(Step::Store),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        /// Against a list of all records that is searched from the front.
        #[test]
        fn is_what_a_plain_list_says(steps in steps()) {
            let places = ["a", "b", "c"].map(place);
            let mut progress = Progress::default();
            let mut all: Vec<(usize, u64, bool)> = Vec::new();
            let mut stored: BTreeMap<usize, u64> = BTreeMap::new();
            for (number, step) in (1..).zip(steps) {
                match step {
                    Step::Send(of) => {
                        progress.send(&places[of], number, number as i64);
                        all.push((of, number, false));
                    }
                    Step::Acknowledge(nth) => {
                        let mut waiting = all.iter_mut().filter(|(_, _, done)| !done);
                        if let Some((of, number, done)) = waiting.nth(nth) {
                            *done = true;
                            progress.acknowledge(&places[*of].partition, *number);
                        }
                    }
                    Step::Store => {
                        for (of, place) in places.iter().enumerate() {
                            let found = progress.pending().into_iter().find(|(p, _)| *p == place.partition);
                            if let Some((_, offset)) = found {
                                stored.insert(of, offset.value as u64);
                            }
                        }
                        progress.stored(&progress.pending());
                    }
                }
                let mut expected = BTreeMap::new();
                for (of, place) in places.iter().enumerate() {
                    let own = all.iter().filter(|(o, _, _)| *o == of);
                    let done = own.take_while(|(_, _, done)| *done).last();
                    if let Some((_, number, _)) = done.filter(|(_, n, _)| stored.get(&of) != Some(n)) {
                        expected.insert(place.partition.to_string(), *number as i64);
                    }
                }
                prop_assert_eq!(values(&progress), expected);
            }
        }
    }
}

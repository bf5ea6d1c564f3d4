//! Writers: one for each partition of a task, and which of them have something to do. With thousands of partitions a look at
//! each of them, for each batch, would cost far more than the records.

use crate::partition::{PartitionWriter, Surroundings};
use millstream_core::TopicPartition;
use std::collections::{BTreeSet, HashMap, VecDeque};

#[derive(Default)]
pub(crate) struct Writers {
    entries: HashMap<TopicPartition, Entry>,
    /// When files are to be closed by the wall clock.
    due: BTreeSet<(i64, TopicPartition)>,
    /// Those that can close files, first come, first served. One that has gone meanwhile is passed over.
    closable: VecDeque<TopicPartition>,
    /// Those of which objects have become durable.
    moved: Vec<TopicPartition>,
    /// How many have closed files that are not durable.
    unfinished: usize,
}

struct Entry {
    writer: PartitionWriter,
    seen: Seen,
}

/// What a writer was like when it was last looked at.
#[derive(Default)]
struct Seen {
    due: Option<i64>,
    is_closable: bool,
    has_moved: bool,
    is_unfinished: bool,
    memory: usize,
}

impl Writers {
    pub(crate) fn insert(&mut self, partition: TopicPartition, writer: PartitionWriter) {
        let seen = Seen::default();
        self.entries.insert(partition, Entry { writer, seen });
    }

    /// Takes a writer out; the memory that it holds is the caller's to give back.
    pub(crate) fn remove(&mut self, partition: &TopicPartition) -> Option<PartitionWriter> {
        let Entry { writer, seen } = self.entries.remove(partition)?;
        if let Some(due) = seen.due {
            self.due.remove(&(due, partition.clone()));
        }
        self.unfinished -= usize::from(seen.is_unfinished);
        Some(writer)
    }

    /// A writer to be worked with; `look_again` is to follow.
    pub(crate) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut PartitionWriter> {
        let entry = self.entries.get_mut(partition)?;
        Some(&mut entry.writer)
    }

    /// Notes what a writer holds and has to do now.
    pub(crate) fn look_again(&mut self, partition: &TopicPartition, around: &mut Surroundings) {
        let Some(Entry { writer, seen }) = self.entries.get_mut(partition) else {
            return;
        };
        let due = writer.next_due();
        if due != seen.due {
            if let Some(before) = seen.due {
                self.due.remove(&(before, partition.clone()));
            }
            self.due.extend(due.map(|due| (due, partition.clone())));
            seen.due = due;
        }
        if writer.can_close(&around.settings) && !seen.is_closable {
            self.closable.push_back(partition.clone());
            seen.is_closable = true;
        }
        let is_unfinished = writer.has_unfinished();
        self.unfinished += usize::from(is_unfinished);
        self.unfinished -= usize::from(seen.is_unfinished);
        seen.is_unfinished = is_unfinished;
        let memory = writer.memory();
        if memory != seen.memory {
            around.memory.change(seen.memory, memory);
            seen.memory = memory;
        }
    }

    /// Notes that more of a partition has become durable.
    pub(crate) fn has_moved(&mut self, partition: &TopicPartition) {
        if let Some(entry) = self.entries.get_mut(partition)
            && !entry.seen.has_moved
        {
            entry.seen.has_moved = true;
            self.moved.push(partition.clone());
        }
    }

    /// The partitions of which more has become durable since the last call.
    pub(crate) fn take_moved(&mut self) -> Vec<TopicPartition> {
        let moved = std::mem::take(&mut self.moved);
        for partition in &moved {
            if let Some(entry) = self.entries.get_mut(partition) {
                entry.seen.has_moved = false;
            }
        }
        moved
    }

    /// Whether some can close files.
    pub(crate) fn can_close(&self) -> bool {
        !self.closable.is_empty()
    }

    /// The next to close files.
    pub(crate) fn next_closable(&mut self) -> Option<TopicPartition> {
        let partition = self.closable.pop_front()?;
        if let Some(entry) = self.entries.get_mut(&partition) {
            entry.seen.is_closable = false;
        }
        Some(partition)
    }

    /// Whether some have closed files that are not durable.
    pub(crate) fn have_unfinished(&self) -> bool {
        self.unfinished > 0
    }

    /// The first time at which files are to be closed, epoch milliseconds.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Those whose files are to be closed by now.
    pub(crate) fn due_by(&self, now: i64) -> Vec<TopicPartition> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        due.map(|(_, partition)| partition.clone()).collect()
    }

    /// Those whose time lies too far ahead.
    pub(crate) fn due_after(&self, is_too_far: impl Fn(i64) -> bool) -> Vec<TopicPartition> {
        let far = self.due.iter().rev();
        let far = far.take_while(|(due, _)| is_too_far(*due));
        far.map(|(_, partition)| partition.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<TopicPartition> {
        self.entries.keys().cloned().collect()
    }

    pub(crate) fn sorted(&self) -> impl Iterator<Item = &TopicPartition> {
        let mut all: Vec<&TopicPartition> = self.entries.keys().collect();
        all.sort();
        all.into_iter()
    }
}

#[cfg(test)]
impl Writers {
    /// Fails unless what was noted is what a look at each writer tells.
    pub(crate) fn agree_with_a_look_at_each(
        &self,
        settings: &crate::settings::Settings,
        held: usize,
    ) {
        let (mut due, mut unfinished, mut memory) = (BTreeSet::new(), 0, 0);
        for (partition, Entry { writer, .. }) in &self.entries {
            due.extend(writer.next_due().map(|due| (due, partition.clone())));
            unfinished += usize::from(writer.has_unfinished());
            memory += writer.memory();
            assert_eq!(writer.memory(), writer.memory_of_each_file());
            if writer.can_close(settings) {
                assert!(self.closable.contains(partition), "{partition}");
            }
        }
        assert_eq!(self.due, due);
        assert_eq!(self.unfinished, unfinished);
        assert_eq!(held, memory);
    }
}

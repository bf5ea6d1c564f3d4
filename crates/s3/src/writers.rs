//! Writers: one for each partition of a task, and which of them have something to do. With thousands of partitions a look at
//! each of them, for each batch, would cost far more than the records.

use crate::partition::{PartitionWriter, WriterContext};
use crate::spill::{Move, WORTH_IT};
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Writers that are spilled together at most, whatever they hold.
const SPILLED_AT_ONCE: usize = 64;

#[derive(Default)]
pub(crate) struct Writers {
    entries: HashMap<TopicPartition, Entry>,
    /// When files are to be closed by the wall clock.
    due: BTreeSet<(i64, TopicPartition)>,
    /// Those that can close files.
    closable: Line,
    /// Those that hold memory worth spilling, of which nothing was spilled since.
    holders: Line,
    /// Those of which objects have become durable.
    moved: Vec<TopicPartition>,
    /// How many have closed files that are not durable.
    unfinished: usize,
}

struct Entry {
    writer: PartitionWriter,
    seen: Seen,
}

/// Partitions that wait, by the order in which they came.
#[derive(Default)]
struct Line(BTreeMap<u64, TopicPartition>);

impl Line {
    /// Goes to the end of the line, unless it has a place.
    fn join(&mut self, place: &mut Option<u64>, partition: &TopicPartition) {
        if place.is_none() {
            let next = self.0.last_key_value().map_or(0, |(last, _)| last + 1);
            self.0.insert(next, partition.clone());
            *place = Some(next);
        }
    }

    fn leave(&mut self, place: Option<u64>) {
        if let Some(place) = place {
            self.0.remove(&place);
        }
    }

    fn take_first(&mut self) -> Option<TopicPartition> {
        self.0.pop_first().map(|(_, partition)| partition)
    }

    fn take_last(&mut self) -> Option<TopicPartition> {
        self.0.pop_last().map(|(_, partition)| partition)
    }
}

/// Writers taken out for a while, to be spilled together.
pub(crate) struct Holders(Vec<(TopicPartition, Entry)>);

impl Holders {
    pub(crate) fn spillable(&mut self) -> Vec<Move<'_>> {
        let writers = self.0.iter_mut().map(|(_, entry)| &mut entry.writer);
        writers.flat_map(PartitionWriter::spillable).collect()
    }
}

/// What a writer was like when it was last looked at.
#[derive(Default)]
struct Seen {
    due: Option<i64>,
    /// Places in line.
    closable: Option<u64>,
    holder: Option<u64>,
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
        self.closable.leave(seen.closable);
        self.holders.leave(seen.holder);
        self.unfinished -= usize::from(seen.is_unfinished);
        Some(writer)
    }

    /// A writer to be worked with; `look_again` is to follow.
    pub(crate) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut PartitionWriter> {
        let entry = self.entries.get_mut(partition)?;
        Some(&mut entry.writer)
    }

    /// Notes what a writer holds and has to do now.
    pub(crate) fn look_again(&mut self, partition: &TopicPartition, context: &mut WriterContext) {
        self.note_work(partition, context);
        self.note_holder(partition);
    }

    fn note_work(&mut self, partition: &TopicPartition, context: &mut WriterContext) {
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
        if writer.can_close(&context.settings) {
            self.closable.join(&mut seen.closable, partition);
        } else {
            self.closable.leave(seen.closable.take());
        }
        let is_unfinished = writer.has_unfinished();
        self.unfinished += usize::from(is_unfinished);
        self.unfinished -= usize::from(seen.is_unfinished);
        seen.is_unfinished = is_unfinished;
        let memory = writer.memory();
        if memory != seen.memory {
            context.memory.change(seen.memory, memory);
            seen.memory = memory;
        }
    }

    fn note_holder(&mut self, partition: &TopicPartition) {
        if let Some(Entry { writer, seen }) = self.entries.get_mut(partition)
            && writer.memory() >= WORTH_IT
        {
            self.holders.join(&mut seen.holder, partition);
        }
    }

    /// Takes writers out that hold about so many bytes, the last ones in line first: theirs are still in the processor's
    /// cache. They are to be put back.
    pub(crate) fn take_holders(&mut self, bytes: usize) -> Holders {
        let (mut taken, mut held) = (Vec::new(), 0);
        while held < bytes
            && taken.len() < SPILLED_AT_ONCE
            && let Some(partition) = self.holders.take_last()
            && let Some((partition, mut entry)) = self.entries.remove_entry(&partition)
        {
            held += entry.writer.memory();
            entry.seen.holder = None;
            taken.push((partition, entry));
        }
        Holders(taken)
    }

    /// Puts writers back that were spilled, or could not be.
    pub(crate) fn put_back(&mut self, holders: Holders, context: &mut WriterContext) {
        let has_spill_failed = context.memory.spill.failure().is_some();
        for (partition, mut entry) in holders.0 {
            entry.writer.spilled();
            self.entries.insert(partition.clone(), entry);
            self.note_work(&partition, context);
            // Otherwise what is left was not worth it.
            if has_spill_failed {
                self.note_holder(&partition);
            }
        }
    }

    pub(crate) fn has_holders(&self) -> bool {
        !self.holders.0.is_empty()
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
        !self.closable.0.is_empty()
    }

    /// The next to close files.
    pub(crate) fn next_closable(&mut self) -> Option<TopicPartition> {
        let partition = self.closable.take_first()?;
        if let Some(entry) = self.entries.get_mut(&partition) {
            entry.seen.closable = None;
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
        let (mut due, mut closable) = (BTreeSet::new(), BTreeSet::new());
        let (mut unfinished, mut memory) = (0, 0);
        for (partition, Entry { writer, .. }) in &self.entries {
            due.extend(writer.next_due().map(|due| (due, partition.clone())));
            unfinished += usize::from(writer.has_unfinished());
            memory += writer.memory();
            assert_eq!(writer.memory(), writer.memory_of_each_file());
            closable.extend(writer.can_close(settings).then_some(partition));
        }
        assert_eq!(self.closable.0.values().collect::<BTreeSet<_>>(), closable);
        assert_eq!(self.due, due);
        assert_eq!(self.unfinished, unfinished);
        assert_eq!(held, memory);
    }
}

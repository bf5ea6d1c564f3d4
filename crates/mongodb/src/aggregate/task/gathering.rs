//! What is gathered of a partition between two writes, and what becomes of it.

use super::{AggregateTask, Ended, Partition, Phase, What};
use crate::aggregate::fold::Contribution;
use crate::aggregate::id::TotalsId;
use crate::aggregate::number::MOST_ADDENDS;
use crate::aggregate::sift::{OtherTopic, sift};
use crate::settings::Tolerance;
use crate::told::REPORTER;
use millstream_core::rejected::Stage;
use millstream_core::{BytePermit, RecordBatch, SinkError, TopicPartition};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Records that are gathered at most, but for the last batch: more of them save few updates.
const MAX_ROWS: usize = MOST_ADDENDS;

/// Records by their documents, and the offsets that they cover with those beside them.
pub(super) struct Gathered {
    totals: HashMap<TotalsId, Vec<Contribution>>,
    rows: usize,
    late: usize,
    covered: Range<i64>,
    /// When the first of them came; long ago where they are to be written at once.
    since: i64,
    permits: Vec<BytePermit>,
}

impl Gathered {
    fn new(first_offset: i64, now: i64) -> Self {
        Gathered {
            totals: HashMap::new(),
            rows: 0,
            late: 0,
            covered: first_offset..first_offset,
            since: now,
            permits: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS
    }

    fn due_at(&self, linger: i64) -> i64 {
        match self.is_full() {
            true => i64::MIN,
            false => self.since.saturating_add(linger),
        }
    }
}

impl AggregateTask {
    /// Takes a batch of a partition whose place is known, or refuses it.
    pub(super) async fn take(
        &mut self,
        batch: &Arc<RecordBatch>,
        now: i64,
    ) -> Result<(), SinkError> {
        let settings = Arc::clone(&self.parts.settings);
        let of_topic = self.parts.topics.get(&batch.origin.topic);
        let (tolerance, logs) = of_topic.map_or((Tolerance::None, false), |settings| {
            (settings.tolerance, settings.log_errors)
        });
        let Some(counting) = self.counting(&batch.origin) else {
            return Ok(());
        };
        let mut place = counting.place.clone();
        let sifted = match sift(&settings, batch, &mut place) {
            Ok(sifted) => sifted,
            Err(OtherTopic) => {
                let target = &counting.target;
                let why = place.other_topic(&target.name, &target.namespace);
                return Err(SinkError::fatal(why));
            }
        };
        let late = sifted.late;
        let is_ended = !sifted.bad.is_empty()
            && (tolerance == Tolerance::None
                || self.parts.context.has_reporter && !self.parts.context.goes_on_after_rejected);
        let permit = match is_ended {
            true => None,
            false => self.make_room(sifted.bytes, now).await?,
        };
        for (row, error) in sifted.bad {
            if tolerance == Tolerance::None {
                let error = error.shown(self.parts.context.shows_content);
                return Err(SinkError::record(batch, row, error));
            }
            let logged = logs.then_some("record not counted");
            self.told
                .report(batch, row, (Stage::TaskPut, REPORTER), error, logged);
        }
        if is_ended {
            // The task ends with the report, and nothing of such a batch is written.
            self.has_ended = true;
            return Ok(());
        }
        self.told.filtered += late + sifted.skipped;
        self.parts.store.meters.came_late(late);
        let Some(counting) = self.counting(&batch.origin) else {
            return Ok(());
        };
        counting.place = place;
        let gathered = counting
            .open
            .get_or_insert_with(|| Gathered::new(batch.first_offset, now));
        gathered.rows += sifted.counted.len();
        gathered.late += late;
        gathered.covered.end = batch.next_offset;
        gathered.permits.extend(permit);
        for (id, contribution) in sifted.counted {
            gathered.totals.entry(id).or_default().push(contribution);
        }
        if gathered.is_full() {
            self.start_due(now);
        }
        Ok(())
    }

    /// Nothing more joins what is gathered.
    pub(super) fn close_all(&mut self) {
        for partition in self.partitions.values_mut() {
            if let Phase::Counting(counting) = &mut partition.phase
                && let Some(gathered) = &mut counting.open
            {
                gathered.since = i64::MIN;
            }
        }
    }

    /// When the next write is due, if one may begin.
    pub(super) fn due_at(&self) -> Option<i64> {
        self.next_write().map(|(due, _)| due)
    }

    /// The partition that waits longest for a write, if one may begin, and when it is due.
    fn next_write(&self) -> Option<(i64, &TopicPartition)> {
        if self.has_ended || self.writing >= self.parts.in_flight {
            return None;
        }
        let linger = self.parts.settings.linger;
        let due = |partition: &Partition| match &partition.phase {
            Phase::Counting(counting) if !counting.is_writing => {
                Some(counting.open.as_ref()?.due_at(linger))
            }
            _ => None,
        };
        let partitions = self.partitions.iter();
        partitions
            .filter_map(|(origin, partition)| Some((due(partition)?, origin)))
            .min()
    }

    /// Begins the writes that are due, those first that wait longest.
    pub(super) fn start_due(&mut self, now: i64) {
        while let Some((due, origin)) = self.next_write()
            && due <= now
        {
            let origin = origin.clone();
            self.start(origin);
        }
    }

    fn start(&mut self, origin: TopicPartition) {
        let Some(partition) = self.partitions.get_mut(&origin) else {
            return;
        };
        let opening = partition.opening;
        let Phase::Counting(counting) = &mut partition.phase else {
            return;
        };
        let Some(gathered) = counting.open.take() else {
            return;
        };
        counting.is_writing = true;
        self.writing += 1;
        if gathered.late > 0 {
            tracing::warn!(
                topic = &*origin.topic,
                partition = origin.partition,
                records = gathered.late,
                "records came too late for their windows: they are counted as late, and in no totals"
            );
        }
        let (target, place) = (Arc::clone(&counting.target), counting.place.clone());
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.jobs.spawn(async move {
            // The block takes those fields alone that it names.
            let _permits = gathered.permits;
            let written = target.write(&gathered.totals, &place, &store, policy).await;
            let what = What::Written(written.map(|()| gathered.covered));
            Ended {
                origin,
                opening,
                what,
            }
        });
    }
}

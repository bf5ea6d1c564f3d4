//! InFlight: closed objects of a partition that S3 does not have yet, and the offset behind which it has all.

use crate::upload::JobId;
use millstream_core::OffsetTracker;
use millstream_core::offsets::Ticket;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct InFlight {
    tracker: OffsetTracker,
    objects: HashMap<JobId, Object>,
    /// Files that a rotation has not closed yet, and objects that it still lacks.
    missing: HashMap<Ticket, usize>,
    reported: Option<i64>,
}

struct Object {
    /// The rotation that closed it.
    rotation: Ticket,
    /// The offset of its first record.
    start: i64,
}

impl InFlight {
    /// Begins a rotation of so many files that ends before `next_offset`.
    pub(super) fn begin(&mut self, next_offset: i64, files: usize) -> Ticket {
        let rotation = self.tracker.begin(next_offset);
        self.missing.insert(rotation, files);
        rotation
    }

    /// Notes that a file is closed, whose first record is at `start`; its objects are stored by these jobs.
    pub(super) fn closed(&mut self, rotation: Ticket, start: i64, jobs: &[JobId]) {
        for &job in jobs {
            self.objects.insert(job, Object { rotation, start });
        }
        if let Some(missing) = self.missing.get_mut(&rotation) {
            *missing += jobs.len();
        }
        self.lacks_one_less(rotation);
    }

    /// Notes that S3 has an object.
    pub(super) fn stored(&mut self, job: JobId) {
        if let Some(Object { rotation, .. }) = self.objects.remove(&job) {
            self.lacks_one_less(rotation);
        }
    }

    fn lacks_one_less(&mut self, rotation: Ticket) {
        if let Some(missing) = self.missing.get_mut(&rotation) {
            *missing -= 1;
            if *missing == 0 {
                self.missing.remove(&rotation);
                self.tracker.complete(rotation);
            }
        }
    }

    /// The offset to commit, if it has changed since the last call.
    pub(super) fn newly_durable(&mut self) -> Option<i64> {
        let durable = self.tracker.durable();
        if durable == self.reported {
            return None;
        }
        self.reported = durable;
        durable
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.objects.keys().copied()
    }

    /// The first offsets of the objects beside this one; nothing if it is not in flight.
    pub(super) fn starts_beside(&self, job: JobId) -> Option<Vec<i64>> {
        self.objects.get(&job)?;
        let beside = self.objects.iter().filter(|(other, _)| **other != job);
        Some(beside.map(|(_, object)| object.start).collect())
    }
}

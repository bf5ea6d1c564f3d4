//! InFlight: closed objects of a partition that S3 does not have yet, and the offsets of which it has all.

use crate::upload::JobId;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// A rotation of a partition, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RotationId(u64);

#[derive(Default)]
pub(super) struct InFlight {
    objects: HashMap<JobId, Object>,
    rotations: BTreeMap<RotationId, Rotated>,
    last: u64,
    /// What S3 has and was not reported yet.
    stored: Vec<Range<i64>>,
}

struct Object {
    /// The rotation that closed it.
    rotation: RotationId,
    /// The offset of its first record.
    start: i64,
}

/// What a rotation closed.
struct Rotated {
    rows: Range<i64>,
    /// Files that are not closed yet, and objects that S3 still lacks.
    missing: usize,
}

impl InFlight {
    /// Begins a rotation that closes so many files, which hold all there is of these offsets.
    pub(super) fn begin(&mut self, rows: Range<i64>, files: usize) -> RotationId {
        self.last += 1;
        let rotation = RotationId(self.last);
        let missing = files;
        self.rotations.insert(rotation, Rotated { rows, missing });
        rotation
    }

    /// Notes that a file is closed, whose first record is at `start`; its objects are stored by these jobs.
    pub(super) fn closed(&mut self, rotation: RotationId, start: i64, jobs: &[JobId]) {
        for &job in jobs {
            self.objects.insert(job, Object { rotation, start });
        }
        if let Some(rotated) = self.rotations.get_mut(&rotation) {
            rotated.missing += jobs.len();
        }
        self.lacks_one_less(rotation);
    }

    /// Notes that S3 has an object.
    pub(super) fn stored(&mut self, job: JobId) {
        if let Some(Object { rotation, .. }) = self.objects.remove(&job) {
            self.lacks_one_less(rotation);
        }
    }

    fn lacks_one_less(&mut self, rotation: RotationId) {
        if let Some(rotated) = self.rotations.get_mut(&rotation) {
            rotated.missing -= 1;
            if rotated.missing == 0
                && let Some(rotated) = self.rotations.remove(&rotation)
            {
                self.stored.push(rotated.rows);
            }
        }
    }

    /// Offsets of which S3 has all, since the last call.
    pub(super) fn take_stored(&mut self) -> Vec<Range<i64>> {
        std::mem::take(&mut self.stored)
    }

    /// Where the first rotation begins of which S3 does not have all.
    pub(super) fn first_unstored(&self) -> Option<i64> {
        let rotated = self.rotations.values();
        rotated.map(|rotated| rotated.rows.start).min()
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

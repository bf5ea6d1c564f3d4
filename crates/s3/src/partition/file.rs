//! OpenFile: what is open for one folder: the object of the values, and those of keys and headers beside it.

use super::Surroundings;
use crate::format::Encoded;
use crate::gzip::Gzip;
use crate::name;
use crate::object::OpenObject;
use crate::settings::Settings;
use crate::upload::JobId;
use millstream_core::{Headers, RecordBatch, RecordError, TopicPartition};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

pub(crate) struct OpenFile {
    pub(super) folder: Arc<str>,
    records: usize,
    /// `None` in the folder of records that have no value.
    values: Option<OpenObject>,
    keys: Option<OpenObject>,
    headers: Option<OpenObject>,
}

impl OpenFile {
    pub(super) fn new(
        settings: &Settings,
        origin: &TopicPartition,
        folder: Arc<str>,
        start: i64,
        cancel: &watch::Sender<bool>,
    ) -> Self {
        let extension = &settings.values.extension;
        let key = settings
            .names
            .object(&origin.topic, &folder, origin.partition, start, extension);
        let open = |key: String| {
            let gzip = settings.gzip.map(Gzip::new);
            OpenObject::new(key, gzip, cancel.subscribe())
        };
        let beside = |what: &str, extension: &str| {
            open(name::sibling(
                &key,
                &settings.values.extension,
                what,
                extension,
            ))
        };
        OpenFile {
            records: 0,
            keys: settings
                .keys
                .as_ref()
                .map(|keys| beside("keys", &keys.extension)),
            headers: settings
                .headers
                .as_ref()
                .map(|headers| beside("headers", &headers.extension)),
            values: Some(open(key.clone())),
            folder,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Writes rows until one fails or all are written.
    pub(super) async fn write(
        &mut self,
        around: &mut Surroundings<'_>,
        batch: &RecordBatch,
        rows: Range<usize>,
    ) -> Encoded {
        let mut done = Encoded {
            rows: 0,
            failure: None,
        };
        while rows.start + done.rows < rows.end && done.failure.is_none() {
            let rest = rows.start + done.rows..rows.end;
            let written = if self.keys.is_none() && self.headers.is_none() {
                self.write_values(around, batch, rest)
            } else {
                self.write_with_siblings(around, batch, rest.start)
            };
            done.rows += written.rows;
            done.failure = written.failure;
            self.records += written.rows;
            let objects = [&mut self.values, &mut self.keys, &mut self.headers];
            for object in objects.into_iter().flatten() {
                let part_size = around.settings.part_size;
                object.drain(around.uploads, part_size).await;
            }
        }
        done
    }

    fn write_values(
        &mut self,
        around: &Surroundings<'_>,
        batch: &RecordBatch,
        rows: Range<usize>,
    ) -> Encoded {
        let settings = around.settings;
        match &mut self.values {
            Some(values) => {
                let (out, limit) = values.output(around.uploads, settings.part_size);
                let format = &settings.values.format;
                format.encode(&batch.values, rows, limit, out)
            }
            // Tombstones of which nothing is stored.
            None => Encoded {
                rows: rows.len(),
                failure: None,
            },
        }
    }

    /// Writes a row to all its objects, or to none.
    fn write_with_siblings(
        &mut self,
        around: &Surroundings<'_>,
        batch: &RecordBatch,
        row: usize,
    ) -> Encoded {
        let objects = [&mut self.values, &mut self.keys, &mut self.headers];
        let before = objects.map(|object| object.as_mut().map_or(0, |object| object.written()));
        let failure = self.try_write_with_siblings(around, batch, row).err();
        if failure.is_some() {
            let objects = [&mut self.values, &mut self.keys, &mut self.headers];
            for (object, len) in objects.into_iter().zip(before) {
                if let Some(object) = object {
                    object.take_back(len);
                }
            }
        }
        Encoded {
            rows: usize::from(failure.is_none()),
            failure,
        }
    }

    fn try_write_with_siblings(
        &mut self,
        around: &Surroundings<'_>,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<(), RecordError> {
        let settings = around.settings;
        let cannot_be_null = |what: &str| {
            RecordError::data(format!(
                "{what} cannot be null for SinkRecord: SinkRecord{{kafkaOffset={}, topic='{}', kafkaPartition={}}} ",
                batch.offsets[row], batch.origin.topic, batch.origin.partition
            ))
        };
        if settings.keys.is_some() && batch.keys.is_null(row) {
            return Err(cannot_be_null("Key"));
        }
        let headers = match &batch.headers {
            Headers::Decoded { rows, .. } => rows[row].as_slice(),
            Headers::None | Headers::Raw(_) => &[],
        };
        if settings.headers.is_some() && headers.is_empty() {
            return Err(cannot_be_null("Headers"));
        }
        let one = |encoded: Encoded| encoded.failure.map_or(Ok(()), Err);
        if let (Some(object), Some(output)) = (&mut self.headers, &settings.headers) {
            let (out, _) = object.output(around.uploads, settings.part_size);
            output.format.encode_headers(headers, out)?;
        }
        if let (Some(object), Some(output)) = (&mut self.keys, &settings.keys) {
            let (out, _) = object.output(around.uploads, settings.part_size);
            let keys = &batch.keys;
            one(output.format.encode(keys, row..row + 1, usize::MAX, out))?;
        }
        if let Some(object) = &mut self.values {
            let (out, _) = object.output(around.uploads, settings.part_size);
            let format = &settings.values.format;
            one(format.encode(&batch.values, row..row + 1, usize::MAX, out))?;
        }
        Ok(())
    }

    /// Sends what is left of each object; returns the jobs that complete them.
    pub(super) async fn close(self, around: &mut Surroundings<'_>) -> Vec<JobId> {
        let mut jobs = Vec::new();
        for object in [self.values, self.keys, self.headers].into_iter().flatten() {
            let part_size = around.settings.part_size;
            jobs.extend(object.close(around.uploads, part_size).await);
        }
        jobs
    }

    /// The jobs of objects that have begun to go out.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let objects = [&self.values, &self.keys, &self.headers];
        objects.into_iter().flatten().filter_map(OpenObject::job)
    }
}

//! Writing: rows of one place into their file.

use super::file::{OpenFile, Rows};
use super::projection::projection;
use super::refusal::{NOT_WRITABLE, refuse};
use super::{PartitionWriter, Place, WriterContext};
use crate::format::{Encoded, Enveloped};
use crate::rotation::Rotation;
use crate::schemas::same_schema;
use crate::settings::Settings;
use millstream_core::{RecordBatch, SchemaRef, SinkError};
use std::ops::Range;
use std::sync::Arc;

/// How far record time has come in a cycle, where late records are waited for.
#[derive(Clone)]
pub(super) struct Lead {
    pub(super) time: i64,
    folder: Arc<str>,
    /// When the first record came that was later than all before it, and of another folder.
    pub(super) turned: Option<i64>,
}

impl PartitionWriter {
    /// Writes rows of one folder and schema, at most as many as a rotation takes, until their file is full. Returns the row
    /// after the last one that was handled.
    pub(super) async fn write(
        &mut self,
        context: &mut WriterContext,
        batch: &RecordBatch,
        rows: Range<usize>,
        place: &Place,
        current: Option<SchemaRef>,
        now: i64,
    ) -> Result<usize, SinkError> {
        let (mut end, mut not_made) = (rows.end, None);
        let made = match (&context.settings.envelope, &current, &place.schema) {
            (Some(envelope), ..) => {
                let Enveloped { values, failure } = envelope.of(batch, rows.clone());
                end = rows.start + values.len();
                not_made = failure;
                Some(values)
            }
            (None, Some(current), Some(schema)) if !same_schema(current, schema) => projection(
                context.settings.rotation.compatibility,
                batch,
                rows.clone(),
                current,
            ),
            _ => None,
        };
        let mut row = rows.start;
        while row < end {
            let index = self.file(context, place, batch.offsets[row], now)?;
            let rows = Rows {
                batch,
                range: row..end,
                values: made.as_ref().unwrap_or(&batch.values),
                first_value: if made.is_some() { rows.start } else { 0 },
            };
            let file = &mut self.open[index];
            let before = file.memory();
            let written = file.write(context, &rows).await;
            self.held = self.held + file.memory() - before;
            let Encoded { rows, failure } = written?;
            row += rows;
            self.total += rows;
            if rows > 0 {
                self.last_offset = Some(batch.offsets[row - 1]);
                self.last_folder = Some(Arc::clone(&place.folder));
                self.note_lead(&context.settings, &place.folder);
                let idle = context.settings.rotation.idle;
                self.idle_until = idle.map(|idle| now.saturating_add(idle));
            }
            if let Some(error) = failure {
                if self.open[index].is_empty() {
                    let file = self.open.remove(index);
                    self.held -= file.memory();
                    file.forget(&mut context.memory.spill);
                }
                refuse(context, batch, row, error, NOT_WRITABLE)?;
                row += 1;
                if context.is_at_its_end() {
                    return Ok(row);
                }
            } else if self.open[index].is_full() {
                return Ok(row);
            }
        }
        if let Some(error) = not_made {
            refuse(context, batch, row, error, NOT_WRITABLE)?;
            row += 1;
        }
        Ok(row)
    }

    /// Notes how far record time has come, where late records are waited for.
    fn note_lead(&mut self, settings: &Settings, folder: &Arc<str>) {
        let (Some(_), Some(time)) = (settings.rotation.grace, self.last_time) else {
            return;
        };
        if settings.partitioner.is_tombstones(folder) {
            return;
        }
        match &mut self.lead {
            Some(lead) if time >= lead.time => {
                if lead.folder != *folder {
                    lead.turned.get_or_insert(time);
                }
                lead.time = time;
                lead.folder = Arc::clone(folder);
            }
            Some(_) => {}
            none => {
                *none = Some(Lead {
                    time,
                    folder: Arc::clone(folder),
                    turned: None,
                });
            }
        }
    }

    /// The open file of a place, opened if need be with the offset of its first record.
    fn file(
        &mut self,
        context: &mut WriterContext,
        place: &Place,
        offset: i64,
        now: i64,
    ) -> Result<usize, SinkError> {
        let settings = &context.settings;
        let is_of_place = |file: &OpenFile| is_file_of(&settings.rotation, file, place);
        if let Some(index) = self.open.iter().position(is_of_place) {
            return Ok(index);
        }
        if settings.names.refuse_width() {
            // Java's formatter refuses such a width with every record.
            return Err(SinkError::fatal("Flags = '0'"));
        }
        let batch = settings
            .names_batches
            .then(|| context.batch_ids.next(now, rand::random()));
        let folder = Arc::clone(&place.folder);
        let origin = &self.origin;
        let mut file = OpenFile::new(settings, origin, folder, offset, batch, &self.cancel);
        if settings.rotation.file_per_schema {
            file.schema.clone_from(&place.schema);
        }
        self.open.push(file);
        Ok(self.open.len() - 1)
    }
}

/// Whether records of a place go to an open file.
pub(super) fn is_file_of(rotation: &Rotation, file: &OpenFile, place: &Place) -> bool {
    let is_of_schema = || match (&file.schema, &place.schema) {
        (Some(of_file), Some(of_record)) => same_schema(of_file, of_record),
        (of_file, of_record) => of_file.is_none() && of_record.is_none(),
    };
    file.folder == place.folder && (!rotation.file_per_schema || is_of_schema())
}

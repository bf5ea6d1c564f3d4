//! SourcePlan: the stages that a source's records pass on their way to Kafka, decided once at the task's start.

use super::encoding::{decode, encode, encode_headers};
use crate::plan::{PlanParts, both};
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{
    Converter, Headers, Needs, OutgoingRecord, Payload, Preparation, RawKind, RecordBatch,
    RecordError, Rejected, SchemaRef, SourceBatch, Stage, chain,
};
use std::mem;

pub struct SourcePlan {
    parts: PlanParts,
    needs: Needs,
}

/// What is left of a batch, as it goes to Kafka.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) records: Vec<OutgoingRecord>,
    /// Where the source stands after each of them.
    pub(super) offsets: Vec<i64>,
}

impl SourcePlan {
    pub fn new(parts: PlanParts) -> Self {
        let stages = parts.chain.iter();
        let needs = stages.fold(Needs::default(), |needs, stage| needs.or(stage.needs()));
        SourcePlan { parts, needs }
    }

    /// The plan in one line, for the log.
    pub fn describe(&self) -> String {
        let short = |class: &str| class.rsplit('.').next().unwrap_or(class).to_owned();
        let stages = self.parts.chain.iter();
        let mut line = String::from("source");
        for stage in stages {
            line.push_str(" → ");
            line.push_str(&short(stage.transform.class_name()));
        }
        let classes = [
            self.parts.header.class_name(),
            self.parts.key.class_name(),
            self.parts.value.class_name(),
        ];
        line + " → " + &classes.map(short).join(", ")
    }

    /// Transforms a batch and converts its headers. Rows that fail move to `rejected`; how many were filtered is told.
    pub(super) fn transform(
        &mut self,
        batch: SourceBatch,
        rejected: &mut Rejected,
    ) -> (RecordBatch, usize) {
        let mut records = batch.records;
        let PlanParts {
            key,
            value,
            header,
            chain,
        } = &mut self.parts;
        let schema = (batch.key_schema, batch.value_schema);
        open(&mut records.keys, key.as_ref(), self.needs.key, schema.0);
        open(
            &mut records.values,
            value.as_ref(),
            self.needs.value,
            schema.1,
        );
        let read = records.len();
        chain::apply(chain, &mut records, rejected);
        let filtered = read - records.len() - rejected.rows.len();
        if let Headers::Decoded { rows, .. } = &records.headers {
            let mut errors = Vec::new();
            let raw = encode_headers(header.as_mut(), &records.destination, rows, &mut errors);
            records.headers = Headers::Raw(raw);
            let class = header.class_name();
            rejected.reject(&mut records, Stage::HeaderConverter, class, errors);
        }
        (records, filtered)
    }

    /// What has to be fetched before the transformed batch can be encoded; usually nothing.
    pub(super) fn prepare(&mut self, records: &RecordBatch) -> Option<Preparation> {
        let topics = &records.destination;
        let key = records.keys.decoded();
        let key = key.and_then(|rows| self.parts.key.prepare_encode(topics, rows));
        let value = records.values.decoded();
        let value = value.and_then(|rows| self.parts.value.prepare_encode(topics, rows));
        both(key, value)
    }

    /// Converts keys and values, once what they need has been prepared. Rows that fail move to `rejected`.
    ///
    /// # Errors
    /// A record that Kafka can never take, which ends the task.
    pub(super) fn encode(
        &mut self,
        mut records: RecordBatch,
        rejected: &mut Rejected,
    ) -> Result<Outgoing, RecordError> {
        let PlanParts { key, value, .. } = &mut self.parts;
        let mut errors = Vec::new();
        let column = encode(
            key.as_mut(),
            &records.destination,
            &records.keys,
            &mut errors,
        );
        records.keys = Payload::undecoded(column);
        rejected.reject(&mut records, Stage::KeyConverter, key.class_name(), errors);
        let mut errors = Vec::new();
        let column = encode(
            value.as_mut(),
            &records.destination,
            &records.values,
            &mut errors,
        );
        records.values = Payload::undecoded(column);
        let class = value.class_name();
        rejected.reject(&mut records, Stage::ValueConverter, class, errors);
        Ok(Outgoing {
            records: outgoing(&records)?,
            offsets: records.offsets,
        })
    }
}

/// Makes values of a raw column, unless nobody needs their structure and the converter writes the bytes as they are.
fn open(payload: &mut Payload, converter: &dyn Converter, needed: bool, schema: Option<SchemaRef>) {
    if let Payload::Raw { column, kind } = payload
        && (needed || !converter.writes_raw(*kind))
    {
        *payload = Payload::Decoded(decode(mem::take(column), *kind, schema.as_ref()));
    }
}

fn outgoing(batch: &RecordBatch) -> Result<Vec<OutgoingRecord>, RecordError> {
    let partition = Some(batch.origin.partition).filter(|partition| *partition >= 0);
    let column = |payload: &Payload, row| match payload {
        Payload::Raw {
            column,
            kind: RawKind::Undecoded,
        } => column.get_shared(row),
        // All columns have been encoded.
        Payload::Raw { .. } | Payload::Encoded(_) | Payload::Decoded(_) => None,
    };
    (0..batch.len())
        .map(|row| {
            let timestamp = batch.timestamps[row];
            if timestamp < NO_TIMESTAMP {
                return Err(RecordError::new(
                    "org.apache.kafka.common.InvalidRecordException",
                    format!("Invalid record timestamp {timestamp}"),
                ));
            }
            Ok(OutgoingRecord {
                topic: batch.destination.topic(row).clone(),
                partition,
                key: column(&batch.keys, row),
                value: column(&batch.values, row),
                headers: batch.raw_headers(row),
                timestamp: (timestamp != NO_TIMESTAMP).then_some(timestamp),
            })
        })
        .collect()
}

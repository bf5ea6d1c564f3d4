//! Plan: which stages a task's records pass, decided once at its start. Where nobody needs structure, bytes stay bytes.

use millstream_core::chain::{self, ChainStage, Editing, Edits};
use millstream_core::{
    ByteColumn, ColumnNeed, Converter, Fusable, Header, HeaderConverter, Headers, Needs, Payload,
    Preparation, RawHeaders, RawKind, RecordBatch, RecordError, Rejected, SinkNeeds, SinkTask,
    Stage,
};
use std::mem;

/// What a plan is made from.
pub struct PlanParts {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn HeaderConverter>,
    pub chain: Vec<ChainStage>,
}

pub struct Plan {
    parts: PlanParts,
    key: ColumnPlan,
    value: ColumnPlan,
    headers: HeaderPlan,
    /// Those of the chain, if the value's converter is to make them.
    edits: Option<Edits>,
}

/// What happens to a column of keys or values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnPlan {
    /// Nobody reads it and it cannot fail.
    Pass,
    /// Nobody reads it, but a record that does not convert is rejected all the same.
    Check,
    /// Into the converter's raw form.
    Raw(RawKind),
    /// Looked at, and left encoded if the converter can.
    Encoded,
    /// Into JSON text with the chain's edits made, where that can be done in all of a batch's rows. Else decoded.
    Edit,
    Decode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderPlan {
    Pass,
    Decode,
}

impl Plan {
    /// Decides the stages for this sink, which may take over the whole chain.
    pub fn new(mut parts: PlanParts, sink: &mut dyn SinkTask) -> Self {
        let mut offered = parts.value.raw_kinds();
        if let Some(stages) = fusable(&parts.chain)
            && let Some(place) = offered.iter().position(|&kind| sink.fuse(kind, &stages))
        {
            offered = &offered[place..=place];
            parts.chain.clear();
        }
        let needs = sink.needs();
        leave_out_unread_headers(&mut parts.chain, needs.headers);
        let chain_needs = parts
            .chain
            .iter()
            .fold(Needs::default(), |needs, stage| needs.or(stage.needs()));
        let SinkNeeds {
            key,
            value,
            headers,
        } = needs;
        let edits = copies_json(sink, value, parts.value.as_ref())
            .then(|| Edits::of(&parts.chain))
            .flatten();
        Plan {
            key: column_plan(
                parts.key.as_ref(),
                parts.key.raw_kinds(),
                key,
                chain_needs.key,
            ),
            value: match edits {
                Some(_) => ColumnPlan::Edit,
                None => column_plan(parts.value.as_ref(), offered, value, chain_needs.value),
            },
            edits,
            headers: if headers || chain_needs.headers || !parts.header.never_fails() {
                HeaderPlan::Decode
            } else {
                HeaderPlan::Pass
            },
            parts,
        }
    }

    /// The plan in one line, for the log.
    pub fn describe(&self) -> String {
        let short = |class: &str| class.rsplit('.').next().unwrap_or(class).to_owned();
        let mut line = format!(
            "fetch → key {} ({:?}), value {} ({:?}), headers {:?}",
            short(self.parts.key.class_name()),
            self.key,
            short(self.parts.value.class_name()),
            self.value,
            self.headers
        );
        for stage in &self.parts.chain {
            line.push_str(" → ");
            line.push_str(&short(stage.transform.class_name()));
        }
        line
    }

    /// What has to be fetched before the batch can be converted; usually nothing.
    pub(crate) fn prepare(&mut self, batch: &RecordBatch) -> Option<Preparation> {
        let (topic, headers) = (&*batch.origin.topic, raw_headers(batch));
        let key = undecoded(self.key, &batch.keys)
            .and_then(|column| self.parts.key.prepare(topic, column, headers));
        let value = undecoded(self.value, &batch.values)
            .and_then(|column| self.parts.value.prepare(topic, column, headers));
        both(key, value)
    }

    /// Converts the batch's columns, once what they need has been prepared; rows that fail are moved to `rejected`.
    pub fn convert(&mut self, batch: &mut RecordBatch, rejected: &mut Rejected) {
        let topic = batch.origin.topic.clone();
        let PlanParts { key, .. } = &mut self.parts;
        convert_column(self.key, key.as_mut(), &topic, Column::Key, batch, rejected);
        self.edit_values(batch);
        let PlanParts { value, header, .. } = &mut self.parts;
        convert_column(
            self.value,
            value.as_mut(),
            &topic,
            Column::Value,
            batch,
            rejected,
        );
        if self.headers == HeaderPlan::Decode {
            decode_headers(header.as_mut(), &topic, batch, rejected);
        }
    }

    /// Makes the chain's edits, if they can be made in all values of the batch.
    fn edit_values(&mut self, batch: &mut RecordBatch) {
        let Some(edits) = &self.edits else {
            return;
        };
        let Some(fetched) = undecoded(self.value, &batch.values) else {
            return;
        };
        let mut editing = Editing {
            edits,
            chain: &mut self.parts.chain,
            batch,
        };
        let edited = self.parts.value.to_raw_edited(fetched, &mut editing);
        if let Some(column) = edited {
            let text = Payload::Raw {
                column,
                kind: RawKind::Json,
            };
            replace_by_text(batch, Column::Value, text);
        }
    }

    /// The classes of the transforms that may change a record's topic.
    pub fn renaming(&self) -> Vec<&str> {
        let stages = self.parts.chain.iter().map(|stage| &stage.transform);
        stages
            .filter(|transform| transform.renames_topics())
            .map(|transform| transform.class_name())
            .collect()
    }

    /// Passes the batch through the chain; rows that fail are moved to `rejected`, filtered rows are dropped.
    pub fn transform(&mut self, batch: &mut RecordBatch, rejected: &mut Rejected) {
        let chain = &mut self.parts.chain;
        match (&self.edits, &batch.values) {
            (Some(edits), Payload::Raw { .. }) => {
                chain::apply_others(chain, edits, batch, rejected);
            }
            _ => chain::apply(chain, batch, rejected),
        }
    }
}

/// The chain in terms a sink may know, if every stage can be said so and none is conditional.
fn fusable(chain: &[ChainStage]) -> Option<Vec<Fusable>> {
    if chain.is_empty() {
        return None;
    }
    chain
        .iter()
        .map(|stage| {
            if stage.predicate.is_none() {
                stage.transform.fusable()
            } else {
                None
            }
        })
        .collect()
}

/// Takes out the stages that change headers which no later stage reads, nor the sink.
fn leave_out_unread_headers(chain: &mut Vec<ChainStage>, sink_reads: bool) {
    let mut are_read = sink_reads;
    for number in (0..chain.len()).rev() {
        let stage = &chain[number];
        if !are_read && stage.predicate.is_none() && stage.transform.only_headers() {
            chain.remove(number);
        } else {
            are_read |= stage.needs().headers;
        }
    }
}

/// Whether the sink writes the converter's JSON text as it is.
fn copies_json(sink: &dyn SinkTask, need: ColumnNeed, value: &dyn Converter) -> bool {
    let takes_json = matches!(need, ColumnNeed::RawOr(kinds) if kinds.contains(&RawKind::Json));
    takes_json && sink.copies_json() && value.raw_kinds().contains(&RawKind::Json)
}

/// `offered` are the raw kinds that the converter has, or that which a sink counts on.
fn column_plan(
    converter: &dyn Converter,
    offered: &[RawKind],
    sink: ColumnNeed,
    chain_needs: bool,
) -> ColumnPlan {
    let raw = |kinds: &[RawKind]| {
        let first = kinds.iter().find(|kind| offered.contains(kind));
        first.map(|&kind| ColumnPlan::Raw(kind))
    };
    match sink {
        _ if chain_needs => ColumnPlan::Decode,
        ColumnNeed::Nothing if converter.never_fails() => ColumnPlan::Pass,
        ColumnNeed::Nothing => ColumnPlan::Check,
        ColumnNeed::RawOr(kinds) => raw(kinds).unwrap_or(ColumnPlan::Decode),
        ColumnNeed::EncodedOr(kinds) => raw(kinds).unwrap_or(ColumnPlan::Encoded),
        ColumnNeed::Decoded => ColumnPlan::Decode,
    }
}

#[derive(Clone, Copy)]
enum Column {
    Key,
    Value,
}

impl Column {
    fn stage(self) -> Stage {
        match self {
            Column::Key => Stage::KeyConverter,
            Column::Value => Stage::ValueConverter,
        }
    }

    fn of(self, batch: &RecordBatch) -> &Payload {
        match self {
            Column::Key => &batch.keys,
            Column::Value => &batch.values,
        }
    }

    fn of_mut(self, batch: &mut RecordBatch) -> &mut Payload {
        match self {
            Column::Key => &mut batch.keys,
            Column::Value => &mut batch.values,
        }
    }
}

/// Both of two preparations, one after the other: a registry is asked by few, and seldom.
pub(crate) fn both(first: Option<Preparation>, second: Option<Preparation>) -> Option<Preparation> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Box::pin(async move {
            first.await?;
            second.await
        })),
        (first, second) => first.or(second),
    }
}

/// The column as it was fetched, if the plan looks into it.
fn undecoded(plan: ColumnPlan, payload: &Payload) -> Option<&ByteColumn> {
    match payload {
        Payload::Raw {
            column,
            kind: RawKind::Undecoded,
        } if plan != ColumnPlan::Pass => Some(column),
        Payload::Raw { .. } | Payload::Encoded(_) | Payload::Decoded(_) => None,
    }
}

fn raw_headers(batch: &RecordBatch) -> Option<&RawHeaders> {
    match &batch.headers {
        Headers::Raw(raw) => Some(raw),
        Headers::None | Headers::Decoded { .. } => None,
    }
}

fn convert_column(
    plan: ColumnPlan,
    converter: &mut dyn Converter,
    topic: &str,
    column: Column,
    batch: &mut RecordBatch,
    rejected: &mut Rejected,
) {
    let Some(fetched) = undecoded(plan, column.of(batch)) else {
        return;
    };
    if plan == ColumnPlan::Check && fetched.is_all_null() {
        return;
    }
    let mut errors = Vec::new();
    let converted = match plan {
        ColumnPlan::Pass => return,
        ColumnPlan::Raw(kind) => {
            let raw = converter.to_raw(topic, fetched, kind, &mut errors);
            Payload::Raw { column: raw, kind }
        }
        ColumnPlan::Encoded => {
            converter.encoded_column(topic, fetched, raw_headers(batch), &mut errors)
        }
        ColumnPlan::Check | ColumnPlan::Edit | ColumnPlan::Decode => {
            let headers = raw_headers(batch);
            Payload::Decoded(converter.decode_column(topic, fetched, headers, &mut errors))
        }
    };
    match plan {
        ColumnPlan::Raw(RawKind::Json | RawKind::Document) => {
            replace_by_text(batch, column, converted);
        }
        _ => *column.of_mut(batch) = converted,
    }
    rejected.reject(batch, column.stage(), converter.class_name(), errors);
}

/// Puts what was written anew into a column's place, and what was fetched beside it, which a dead letter needs.
fn replace_by_text(batch: &mut RecordBatch, column: Column, text: Payload) {
    let fetched = mem::replace(column.of_mut(batch), text);
    if let Payload::Raw {
        column: fetched, ..
    } = fetched
    {
        match column {
            Column::Key => batch.fetched.keys = Some(fetched),
            Column::Value => batch.fetched.values = Some(fetched),
        }
    }
}

fn decode_headers(
    converter: &mut dyn HeaderConverter,
    topic: &str,
    batch: &mut RecordBatch,
    rejected: &mut Rejected,
) {
    let Headers::Raw(raw) = &batch.headers else {
        return;
    };
    let mut errors = Vec::new();
    let mut rows = Vec::with_capacity(batch.offsets.len());
    for row in 0..batch.offsets.len() {
        match decode_row(converter, topic, raw, row) {
            Ok(headers) => rows.push(headers),
            Err(error) => {
                rows.push(Vec::new());
                errors.push((row, error));
            }
        }
    }
    let Headers::Raw(raw) = mem::take(&mut batch.headers) else {
        return;
    };
    batch.headers = Headers::Decoded {
        rows,
        raw: Some(raw),
    };
    rejected.reject(
        batch,
        Stage::HeaderConverter,
        converter.class_name(),
        errors,
    );
}

fn decode_row(
    converter: &mut dyn HeaderConverter,
    topic: &str,
    raw: &RawHeaders,
    row: usize,
) -> Result<Vec<Header>, RecordError> {
    raw.row(row)
        .map(|(key, value)| {
            let key = String::from_utf8_lossy(key).into_owned();
            let decoded = converter.decode(topic, &key, value)?;
            Ok(Header {
                key,
                schema: decoded.schema,
                value: decoded.value,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;

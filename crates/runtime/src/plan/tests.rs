//! Which columns stay bytes, become text or become values, by what converters, transforms and sink say of themselves.

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::{
    ByteColumn, Destination, Edit, Editor, FetchedColumns, Predicate, Progress, RowMask,
    SchemaAndValue, SchemaRef, SinkError, TimestampType, TopicPartition, Transform, Value,
};
use std::sync::Arc;

mod chains;

/// A converter and header converter that refuses `bad`, unless it never fails.
#[derive(Clone, Copy)]
struct Reads {
    raw: &'static [RawKind],
    never_fails: bool,
}

const JSON: Reads = reads(&[RawKind::Json], false);
const DOCUMENTS: Reads = reads(&[RawKind::Json, RawKind::Document], false);
const TEXT: Reads = reads(&[RawKind::String], true);
const VALUES: Reads = reads(&[], false);

const fn reads(raw: &'static [RawKind], never_fails: bool) -> Reads {
    Reads { raw, never_fails }
}

impl Reads {
    fn check(self, bytes: Option<&[u8]>) -> Result<(), RecordError> {
        if bytes == Some(b"bad") && !self.never_fails {
            return Err(RecordError::data("it is bad"));
        }
        Ok(())
    }

    fn read(self, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError> {
        self.check(bytes)?;
        let value = bytes.map_or(Value::Null, |b| Value::Bytes(Bytes::copy_from_slice(b)));
        Ok(SchemaAndValue {
            schema: None,
            value,
        })
    }
}

impl Converter for Reads {
    fn class_name(&self) -> &'static str {
        "a.b.Reads"
    }

    fn raw_kinds(&self) -> &'static [RawKind] {
        self.raw
    }

    fn never_fails(&self) -> bool {
        self.never_fails
    }

    /// Into capitals, so that a raw form is told from what was fetched.
    fn to_raw(
        &mut self,
        _: &str,
        column: &ByteColumn,
        _: RawKind,
        errors: &mut RowErrors,
    ) -> ByteColumn {
        let mut raw = ByteColumn::new();
        for (row, bytes) in column.iter().enumerate() {
            match self.check(bytes) {
                Ok(()) => raw.push(bytes.map(|bytes| bytes.to_ascii_uppercase().into())),
                Err(error) => {
                    raw.push(None);
                    errors.push((row, error));
                }
            }
        }
        raw
    }

    /// Marks what it edits, and leaves a column with `odd` to values.
    fn to_raw_edited(&mut self, column: &ByteColumn, _: &mut dyn Editor) -> Option<ByteColumn> {
        let mut edited = ByteColumn::new();
        for bytes in column.iter().flatten() {
            if bytes == b"odd" {
                return None;
            }
            edited.push(Some([bytes, b"!"].concat().into()));
        }
        Some(edited)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError> {
        self.read(bytes)
    }

    fn encode(
        &mut self,
        _: &str,
        _: Option<&SchemaRef>,
        _: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        Ok(None)
    }
}

impl HeaderConverter for Reads {
    fn class_name(&self) -> &'static str {
        "a.b.Reads"
    }

    fn never_fails(&self) -> bool {
        self.never_fails
    }

    fn decode(
        &mut self,
        _: &str,
        _: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        self.read(bytes)
    }

    fn encode(&mut self, _: &str, _: &Header) -> Result<Option<Bytes>, RecordError> {
        Ok(None)
    }
}

/// A transform and predicate that needs some columns, and may be told to a sink.
#[derive(Clone, Default)]
struct Looks {
    needs: Needs,
    fusable: Option<Fusable>,
    renames: bool,
    only_headers: bool,
    /// It may be made as an edit.
    edits: bool,
}

impl Transform for Looks {
    fn class_name(&self) -> &str {
        "a.b.Looks$Value"
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    /// Shows in the timestamps.
    fn apply(&mut self, batch: &mut RecordBatch, _: &RowMask, _: &mut RowMask, _: &mut RowErrors) {
        batch.timestamps.iter_mut().for_each(|time| *time += 1);
    }

    fn only_headers(&self) -> bool {
        self.only_headers
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        self.edits.then(|| vec![Edit::Copy])
    }

    fn renames_topics(&self) -> bool {
        self.renames
    }

    fn fusable(&self) -> Option<Fusable> {
        self.fusable.clone()
    }
}

impl Predicate for Looks {
    fn class_name(&self) -> &str {
        "a.b.Looks"
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn test(&self, batch: &RecordBatch, _: &mut RowErrors) -> RowMask {
        RowMask::from_fn(batch.len(), |_| true)
    }
}

/// A sink that says what it needs and takes over chains if it is to.
struct Sink {
    needs: SinkNeeds,
    fuses: bool,
    copies_json: bool,
    /// What it was offered.
    offered: Vec<(RawKind, Vec<Fusable>)>,
}

#[async_trait]
impl SinkTask for Sink {
    fn needs(&self) -> SinkNeeds {
        self.needs
    }

    fn copies_json(&self) -> bool {
        self.copies_json
    }

    fn fuse(&mut self, value: RawKind, stages: &[Fusable]) -> bool {
        self.offered.push((value, stages.to_vec()));
        self.fuses
    }

    async fn open(&mut self, _: &[TopicPartition]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn put(&mut self, _: Arc<RecordBatch>, _: i64) -> Result<(), SinkError> {
        Ok(())
    }

    async fn poll(&mut self, _: i64) -> Result<Progress, SinkError> {
        Ok(Progress::default())
    }

    async fn finish(&mut self, _: std::time::Duration) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) {}
}

fn sink(key: ColumnNeed, value: ColumnNeed, headers: bool) -> Sink {
    Sink {
        needs: SinkNeeds {
            key,
            value,
            headers,
        },
        fuses: false,
        copies_json: false,
        offered: Vec::new(),
    }
}

fn parts(key: Reads, value: Reads, header: Reads, chain: Vec<ChainStage>) -> PlanParts {
    PlanParts {
        key: Box::new(key),
        value: Box::new(value),
        header: Box::new(header),
        chain,
    }
}

fn stage(transform: Looks) -> ChainStage {
    ChainStage {
        transform: Box::new(transform),
        predicate: None,
        negate: false,
    }
}

/// A stage that needs the key, the value, the headers.
fn looking(key: bool, value: bool, headers: bool) -> Looks {
    let needs = Needs {
        key,
        value,
        headers,
    };
    Looks {
        needs,
        ..Looks::default()
    }
}

fn hoisting() -> Looks {
    let field = "line".to_owned();
    Looks {
        fusable: Some(Fusable::HoistValue { field }),
        ..looking(false, true, false)
    }
}

const JSON_OR_TEXT: ColumnNeed = ColumnNeed::RawOr(&[RawKind::Json, RawKind::String]);

#[test]
fn a_column_is_planned_by_its_converter_and_who_reads_it() {
    use ColumnNeed::{Decoded, Nothing};
    let raw = |kind| ColumnPlan::Raw(kind);
    let bytes = ColumnNeed::RawOr(&[RawKind::Bytes]);
    let text_or_data = ColumnNeed::EncodedOr(&[RawKind::String]);
    let document_or_json = ColumnNeed::RawOr(&[RawKind::Document, RawKind::Json]);
    for (converter, sink, chain_needs, planned) in [
        // Nobody reads it.
        (TEXT, Nothing, false, ColumnPlan::Pass),
        (JSON, Nothing, false, ColumnPlan::Check),
        (VALUES, Nothing, false, ColumnPlan::Check),
        // The sink writes text, if the converter has some that it knows.
        (TEXT, JSON_OR_TEXT, false, raw(RawKind::String)),
        (JSON, JSON_OR_TEXT, false, raw(RawKind::Json)),
        (JSON, bytes, false, ColumnPlan::Decode),
        (VALUES, JSON_OR_TEXT, false, ColumnPlan::Decode),
        (TEXT, Decoded, false, ColumnPlan::Decode),
        // Of several forms the one that it names first.
        (DOCUMENTS, document_or_json, false, raw(RawKind::Document)),
        (DOCUMENTS, JSON_OR_TEXT, false, raw(RawKind::Json)),
        (JSON, document_or_json, false, raw(RawKind::Json)),
        // It takes data as they are, if it is no text that it knows.
        (TEXT, text_or_data, false, raw(RawKind::String)),
        (JSON, text_or_data, false, ColumnPlan::Encoded),
        (VALUES, text_or_data, false, ColumnPlan::Encoded),
        // A transform looks into it.
        (TEXT, Nothing, true, ColumnPlan::Decode),
        (JSON, JSON_OR_TEXT, true, ColumnPlan::Decode),
        (VALUES, text_or_data, true, ColumnPlan::Decode),
        (VALUES, Decoded, true, ColumnPlan::Decode),
    ] {
        let found = column_plan(&converter, converter.raw, sink, chain_needs);
        let (raw, never_fails) = (converter.raw, converter.never_fails);
        assert_eq!(
            found, planned,
            "{raw:?}, never fails {never_fails}, {sink:?}, {chain_needs}"
        );
    }
}

#[test]
fn what_one_stage_needs_is_decoded_for_all() {
    let plan = |chain| {
        let mut sink = sink(JSON_OR_TEXT, JSON_OR_TEXT, false);
        let plan = Plan::new(parts(TEXT, JSON, TEXT, chain), &mut sink);
        (plan.key, plan.value, plan.headers)
    };
    let (text, json) = (RawKind::String, RawKind::Json);
    let (raw, decode) = (ColumnPlan::Raw, ColumnPlan::Decode);
    let (pass, headers) = (HeaderPlan::Pass, HeaderPlan::Decode);
    assert_eq!(plan(vec![]), (raw(text), raw(json), pass));
    let nothing = || stage(looking(false, false, false));
    assert_eq!(plan(vec![nothing()]), (raw(text), raw(json), pass));
    let key = stage(looking(true, false, false));
    assert_eq!(plan(vec![nothing(), key]), (decode, raw(json), pass));
    let value = stage(looking(false, true, false));
    let of_headers = stage(looking(false, false, true));
    assert_eq!(plan(vec![value, of_headers]), (raw(text), decode, headers));
    // A predicate reads, too.
    let conditional = ChainStage {
        predicate: Some(Box::new(looking(true, false, true))),
        ..nothing()
    };
    assert_eq!(plan(vec![conditional]), (decode, raw(json), headers));
}

#[test]
fn headers_are_decoded_where_somebody_reads_them_or_they_may_fail() {
    for (is_read, never_fails, planned) in [
        (false, true, HeaderPlan::Pass),
        (true, true, HeaderPlan::Decode),
        (false, false, HeaderPlan::Decode),
    ] {
        let header = reads(&[], never_fails);
        let mut sink = sink(ColumnNeed::Nothing, ColumnNeed::Nothing, is_read);
        let plan = Plan::new(parts(TEXT, TEXT, header, vec![]), &mut sink);
        assert_eq!(plan.headers, planned, "{is_read} {never_fails}");
    }
}

#[test]
fn a_sink_takes_over_a_whole_chain_or_nothing() {
    let plan = |value: Reads, chain, fuses| {
        let mut sink = sink(ColumnNeed::Nothing, JSON_OR_TEXT, false);
        sink.fuses = fuses;
        let plan = Plan::new(parts(TEXT, value, TEXT, chain), &mut sink);
        (plan.value, plan.parts.chain.len(), sink.offered)
    };
    let fusable = hoisting().fusable.into_iter().collect::<Vec<_>>();
    let offered = vec![(RawKind::Json, fusable)];
    let raw = ColumnPlan::Raw(RawKind::Json);
    assert_eq!(
        plan(JSON, vec![stage(hoisting())], true),
        (raw, 0, offered.clone())
    );
    // The sink may say no.
    let kept = (ColumnPlan::Decode, 1, offered);
    assert_eq!(plan(JSON, vec![stage(hoisting())], false), kept);
    // It is not asked where there is no chain, no raw form, a stage that it cannot know, or a condition.
    assert_eq!(plan(JSON, vec![], true), (raw, 0, vec![]));
    let kept = |stages| (ColumnPlan::Decode, stages, vec![]);
    assert_eq!(plan(VALUES, vec![stage(hoisting())], true), kept(1));
    let unknown = vec![stage(hoisting()), stage(looking(false, true, false))];
    assert_eq!(plan(JSON, unknown, true), kept(2));
    let conditional = ChainStage {
        predicate: Some(Box::new(Looks::default())),
        ..stage(hoisting())
    };
    assert_eq!(plan(JSON, vec![conditional], true), kept(1));
}

/// Two rows: keys, values, and a header each.
fn batch(
    keys: [&'static str; 2],
    values: [&'static str; 2],
    headers: [&'static str; 2],
) -> RecordBatch {
    let column = |texts: [&'static str; 2]| {
        let mut column = ByteColumn::new();
        for text in texts {
            column.push(Some(Bytes::from_static(text.as_bytes())));
        }
        column
    };
    RecordBatch {
        origin: TopicPartition::new("t", 0),
        destination: Destination::Uniform("t".into()),
        first_offset: 0,
        next_offset: 2,
        offsets: vec![0, 1],
        timestamps: vec![0; 2],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(column(keys)),
        values: Payload::undecoded(column(values)),
        headers: Headers::Raw(RawHeaders {
            starts: vec![0, 1, 2],
            keys: column(["h", "h"]),
            values: column(headers),
        }),
        fetched: FetchedColumns::default(),
        permit: None,
    }
}

fn convert(parts: PlanParts, mut sink: Sink, mut batch: RecordBatch) -> (RecordBatch, Rejected) {
    let mut plan = Plan::new(parts, &mut sink);
    let mut rejected = Rejected::default();
    plan.convert(&mut batch, &mut rejected);
    (batch, rejected)
}

fn raw(payload: &Payload) -> (Option<&[u8]>, RawKind) {
    match payload {
        Payload::Raw { column, kind } => (column.get(0), *kind),
        Payload::Encoded(_) | Payload::Decoded(_) => panic!("it was decoded"),
    }
}

/// What is made into JSON text keeps what was fetched beside it, for a dead letter.
#[tokio::test]
async fn columns_are_left_or_made_into_text() {
    let sink = sink(ColumnNeed::Nothing, JSON_OR_TEXT, false);
    let (batch, rejected) = convert(
        parts(TEXT, JSON, TEXT, vec![]),
        sink,
        batch(["k", "k"], ["v", "w"], ["x", "y"]),
    );
    assert!(rejected.is_empty());
    assert_eq!(raw(&batch.keys), (Some(&b"k"[..]), RawKind::Undecoded));
    assert_eq!(raw(&batch.values), (Some(&b"V"[..]), RawKind::Json));
    assert!(matches!(batch.headers, Headers::Raw(_)));
    let fetched = batch.fetched.values.expect("the text was made from it");
    assert_eq!(
        (fetched.get(0), batch.fetched.keys.is_none()),
        (Some(&b"v"[..]), true)
    );
}

/// A column that nobody reads is checked all the same; each row is rejected once, by the first that refuses it.
#[tokio::test]
async fn rows_that_do_not_convert_are_rejected_with_their_stage() {
    for (keys, values, headers, stage) in [
        (["bad", "k"], ["v", "w"], ["x", "y"], Stage::KeyConverter),
        (
            ["k", "k"],
            ["bad", "w"],
            ["bad", "y"],
            Stage::ValueConverter,
        ),
        (["k", "k"], ["v", "w"], ["bad", "y"], Stage::HeaderConverter),
    ] {
        let sink = sink(ColumnNeed::Nothing, ColumnNeed::Decoded, false);
        let parts = parts(JSON, VALUES, VALUES, vec![]);
        let (batch, rejected) = convert(parts, sink, batch(keys, values, headers));
        let rows: Vec<(i64, Stage)> = rejected.rows.iter().map(|r| (r.offset, r.stage)).collect();
        assert_eq!(rows, [(0, stage)]);
        assert_eq!(batch.offsets, [1]);
        assert!(matches!(&batch.headers, Headers::Decoded { rows, .. } if rows.len() == 1));
    }
}

#[test]
fn the_log_and_messages_name_the_stages() {
    let renaming = Looks {
        renames: true,
        ..looking(true, false, false)
    };
    let mut sink = sink(ColumnNeed::Nothing, JSON_OR_TEXT, false);
    let chain = vec![stage(looking(false, false, false)), stage(renaming)];
    let plan = Plan::new(parts(TEXT, JSON, TEXT, chain), &mut sink);
    assert_eq!(
        plan.describe(),
        "fetch → key Reads (Decode), value Reads (Raw(Json)), headers Pass → Looks$Value → Looks$Value"
    );
    assert_eq!(plan.renaming(), ["a.b.Looks$Value"]);
}

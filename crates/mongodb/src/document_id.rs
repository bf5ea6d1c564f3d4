//! The id strategies: what `_id` a document gets.

use crate::java_text::java_debug;
use crate::projection::Projection;
use crate::record::SinkRecord;
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, Uuid};
use millstream_core::RecordError;

#[derive(Clone, Debug)]
pub(crate) enum IdStrategy {
    BsonOid,
    KafkaMetaData,
    /// Of the message that the record was made of: the default where records come from a queue.
    Message,
    FullKey,
    ProvidedInKey,
    ProvidedInValue,
    PartialKey(Projection),
    PartialValue(Projection),
    Uuid {
        binary: bool,
    },
    UuidProvidedInKey,
    UuidProvidedInValue,
}

impl IdStrategy {
    /// Whether the id is a function of the record's place in its topic or of its message, so that a replay makes the same one.
    pub(crate) fn names_the_offset(&self) -> bool {
        matches!(self, IdStrategy::KafkaMetaData | IdStrategy::Message)
    }

    /// Whether nothing else ever has this id.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self, IdStrategy::BsonOid | IdStrategy::Uuid { .. })
    }

    pub(crate) fn is_partial(&self) -> bool {
        matches!(
            self,
            IdStrategy::PartialKey(_) | IdStrategy::PartialValue(_)
        )
    }

    /// The id for a record. The value is the document on its way, not yet with an id of this strategy.
    pub(crate) fn generate(&self, record: &mut SinkRecord<'_>) -> Result<Bson, RecordError> {
        Ok(match self {
            IdStrategy::BsonOid => Bson::ObjectId(ObjectId::new()),
            IdStrategy::KafkaMetaData => Bson::String(format!(
                "{}#{}#{}",
                record.topic(),
                record.partition(),
                record.offset()
            )),
            IdStrategy::Message => match record.message_id() {
                Some(id) => Bson::String(id),
                None => Bson::ObjectId(ObjectId::new()),
            },
            IdStrategy::FullKey => Bson::Document(record.key()?.cloned().unwrap_or_default()),
            IdStrategy::PartialKey(projection) => projected(record.key()?, projection),
            IdStrategy::PartialValue(projection) => projected(record.value()?, projection),
            IdStrategy::ProvidedInKey => provided(record.key()?)?,
            IdStrategy::ProvidedInValue => provided(record.value()?)?,
            IdStrategy::Uuid { binary: false } => Bson::String(Uuid::new().to_string()),
            IdStrategy::Uuid { binary: true } => uuid_binary(Uuid::new()),
            IdStrategy::UuidProvidedInKey => uuid(&provided(record.key()?)?)?,
            IdStrategy::UuidProvidedInValue => uuid(&provided(record.value()?)?)?,
        })
    }
}

fn projected(document: Option<&mut Document>, projection: &Projection) -> Bson {
    let mut copy = document.cloned().unwrap_or_default();
    projection.apply(&mut copy);
    Bson::Document(copy)
}

fn provided(document: Option<&mut Document>) -> Result<Bson, RecordError> {
    match document.and_then(|document| document.get("_id")) {
        None => Err(RecordError::data(
            "Provided id strategy is used but the document structure either contained no _id field or it was null",
        )),
        Some(Bson::Null) => Err(RecordError::data(
            "Provided id strategy used but the document structure contained an _id of type BsonNull",
        )),
        Some(id) => Ok(id.clone()),
    }
}

fn uuid(id: &Bson) -> Result<Bson, RecordError> {
    match id {
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid | BinarySubtype::UuidOld,
            ..
        }) => Ok(id.clone()),
        Bson::String(text) => parse(text).map(uuid_binary).ok_or_else(|| not_a_uuid(text)),
        other => Err(not_a_uuid(&java_debug(other))),
    }
}

/// 36 characters with dashes where they belong, or 32 digits.
fn parse(text: &str) -> Option<Uuid> {
    let has_dashes = || {
        [8, 13, 18, 23]
            .iter()
            .all(|&at| text.as_bytes()[at] == b'-')
    };
    match text.len() {
        32 => Uuid::parse_str(text).ok(),
        36 if has_dashes() => Uuid::parse_str(text).ok(),
        _ => None,
    }
}

fn uuid_binary(uuid: Uuid) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Uuid,
        bytes: uuid.bytes().to_vec(),
    })
}

fn not_a_uuid(shown: &str) -> RecordError {
    const REFUSED: &str = "UUID cannot be constructed from provided value";
    RecordError::data(REFUSED).with_java_message(format!("{REFUSED}: `{shown}`"))
}

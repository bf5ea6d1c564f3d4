//! Ids of documents of totals: a key and where a window begins.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime};

/// A longer key is none: indexes take no more everywhere.
pub(crate) const MAX_KEY: usize = 1024;

/// The key of a document of totals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TotalsKey {
    Text(String),
    Whole(i64),
    Flag(bool),
    Date(i64),
    Bytes(Vec<u8>),
}

impl TotalsKey {
    pub(crate) fn read(value: &Bson) -> Option<TotalsKey> {
        let key = match value {
            Bson::String(text) => TotalsKey::Text(text.clone()),
            Bson::Int32(v) => TotalsKey::Whole(i64::from(*v)),
            Bson::Int64(v) => TotalsKey::Whole(*v),
            Bson::Boolean(v) => TotalsKey::Flag(*v),
            Bson::DateTime(v) => TotalsKey::Date(v.timestamp_millis()),
            Bson::Binary(v) => TotalsKey::Bytes(v.bytes.clone()),
            _ => return None,
        };
        (key.len() <= MAX_KEY).then_some(key)
    }

    /// Its bytes, where it has any number of them.
    pub(crate) fn len(&self) -> usize {
        match self {
            TotalsKey::Text(text) => text.len(),
            TotalsKey::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    fn to_bson(&self) -> Bson {
        match self {
            TotalsKey::Text(text) => Bson::String(text.clone()),
            TotalsKey::Whole(v) => Bson::Int64(*v),
            TotalsKey::Flag(v) => Bson::Boolean(*v),
            TotalsKey::Date(v) => Bson::DateTime(DateTime::from_millis(*v)),
            TotalsKey::Bytes(bytes) => Bson::Binary(Binary {
                subtype: BinarySubtype::Generic,
                bytes: bytes.clone(),
            }),
        }
    }
}

/// Which document of totals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TotalsId {
    pub(crate) key: TotalsKey,
    /// Where its window begins, epoch milliseconds.
    pub(crate) window: i64,
}

impl TotalsId {
    /// The id of a document of totals; other documents of the collection have others.
    pub(crate) fn read(value: &Bson) -> Option<TotalsId> {
        let id = value.as_document()?;
        Some(TotalsId {
            key: TotalsKey::read(id.get("key")?)?,
            window: id.get_datetime("window").ok()?.timestamp_millis(),
        })
    }

    pub(crate) fn to_bson(&self) -> Bson {
        let window = DateTime::from_millis(self.window);
        Bson::Document(bson::doc! {"key": self.key.to_bson(), "window": window})
    }
}

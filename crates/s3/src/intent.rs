//! Intent: an entry of the ledger as it stands in the bucket, which messages some objects are about to hold.

use crate::store::{Store, StoreError};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// An entry on its way. Whichever of its objects is put together first writes it.
#[derive(Debug)]
pub(crate) struct Intent {
    key: String,
    body: Bytes,
    written: OnceCell<()>,
}

impl Intent {
    pub(crate) fn new(key: String, entry: &Written) -> Self {
        Intent {
            key,
            body: entry.to_json(),
            written: OnceCell::new(),
        }
    }

    /// Returns once the entry is in the bucket.
    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let write = || store.put_note(&self.key, self.body.clone());
        self.written.get_or_try_init(write).await.map(|_| ())
    }
}

/// What an entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) task: i32,
    /// The keys of its objects: values, and keys and headers where they are stored beside them.
    pub(crate) objects: Vec<String>,
    pub(crate) records: usize,
    pub(crate) marks: Vec<Arc<str>>,
}

impl Written {
    fn to_json(&self) -> Bytes {
        let marks: Vec<&str> = self.marks.iter().map(|mark| &**mark).collect();
        let text = json!({
            "task": self.task,
            "objects": self.objects,
            "records": self.records,
            "ids": marks,
        });
        Bytes::from(text.to_string())
    }

    /// `None` if it is no entry.
    pub(crate) fn of_json(body: &[u8]) -> Option<Self> {
        let whole: Value = serde_json::from_slice(body).ok()?;
        let texts = |name: &str| {
            let texts = whole.get(name)?.as_array()?.iter();
            texts.map(Value::as_str).collect::<Option<Vec<&str>>>()
        };
        let number = |name: &str| whole.get(name)?.as_i64();
        let objects: Vec<String> = texts("objects")?.into_iter().map(str::to_owned).collect();
        if objects.is_empty() {
            return None;
        }
        Some(Written {
            task: number("task")?.try_into().ok()?,
            objects,
            records: number("records")?.try_into().ok()?,
            marks: texts("ids")?.into_iter().map(Arc::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_and_nothing_else_is_one() {
        let entry = Written {
            task: 3,
            objects: vec!["topics/q/x.json".to_owned()],
            records: 2,
            marks: vec!["a".into(), "b#\"1\"".into()],
        };
        assert_eq!(Written::of_json(&entry.to_json()), Some(entry));
        let no_objects = r#"{"task":1,"objects":[],"records":0,"ids":[]}"#;
        for other in ["", "{}", "[1]", no_objects] {
            assert_eq!(Written::of_json(other.as_bytes()), None, "{other}");
        }
    }
}

//! Indexes of a collection: each unique one is a table from the indexed values to the `_id`'s key.

use super::{Collection, Refused, Store, bytes_of};
use crate::documents::command::{self, CommandError};
use crate::documents::{key, path};
use bson::Document;
use rusqlite::params;

/// An index as its creator described it. Only unique ones have a table; the others are remembered, no more.
#[derive(Clone, Debug)]
pub(in crate::documents) struct Index {
    id: i64,
    pub(in crate::documents) name: String,
    pub(in crate::documents) spec: Document,
    pub(in crate::documents) unique: bool,
}

impl Index {
    pub(in crate::documents) fn fields(&self) -> impl Iterator<Item = &str> {
        self.spec
            .get_document("key")
            .into_iter()
            .flat_map(|key| key.keys().map(String::as_str))
    }
}

impl Store {
    /// Adds an index over the documents that are there; refused if they are not unique.
    pub(in crate::documents) fn create_index(
        &mut self,
        db: &str,
        name: &str,
        spec: Document,
    ) -> Result<(), CommandError> {
        let collection = self.ensure(db, name)?;
        let index_name = spec.get_str("name").unwrap_or_default().to_owned();
        self.connection.execute(
            "INSERT INTO indexes(collection, name, spec) VALUES(?, ?, ?)",
            params![collection.id, index_name, bytes_of(&spec)?],
        )?;
        let index = index(
            self.connection.last_insert_rowid(),
            index_name,
            &bytes_of(&spec)?,
        );
        if index.unique {
            self.connection.execute_batch(&format!(
                "CREATE TABLE x{}(key BLOB PRIMARY KEY, id BLOB NOT NULL) WITHOUT ROWID",
                index.id
            ))?;
            let mut entries = Vec::new();
            self.scan(&collection, None, |id, raw| {
                entries.push((id.to_vec(), command::decode(raw)?));
                Ok(true)
            })?;
            for (id, document) in entries {
                self.add_entry(&format!("{db}.{name}"), &index, &id, &document)?;
            }
        }
        if let Some(collection) = self.collections.get_mut(&(db.to_owned(), name.to_owned())) {
            collection.indexes.push(index);
        }
        Ok(())
    }

    /// Drops the indexes that `which` picks and returns how many there were.
    pub(in crate::documents) fn drop_indexes(
        &mut self,
        db: &str,
        name: &str,
        which: impl Fn(&Index) -> bool,
    ) -> Result<usize, CommandError> {
        let key = (db.to_owned(), name.to_owned());
        let Some(collection) = self.collections.get_mut(&key) else {
            return Ok(0);
        };
        let (dropped, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut collection.indexes)
            .into_iter()
            .partition(which);
        collection.indexes = kept;
        self.connection.flush_prepared_statement_cache();
        for index in &dropped {
            self.drop_index_table(index)?;
        }
        Ok(dropped.len())
    }

    pub(super) fn drop_index_table(&self, index: &Index) -> Result<(), CommandError> {
        let id = index.id;
        self.connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS x{id}; DELETE FROM indexes WHERE id = {id}"
        ))?;
        Ok(())
    }

    /// Bytes of an index's keys, or of the keys of the `_id`s; an index that is only remembered has none.
    pub(in crate::documents) fn index_size(
        &self,
        collection: &Collection,
        index: Option<&Index>,
    ) -> Result<i64, CommandError> {
        let query = match index {
            None => format!(
                "SELECT COALESCE(SUM(LENGTH(id)), 0) FROM c{}",
                collection.id
            ),
            Some(index) if index.unique => format!(
                "SELECT COALESCE(SUM(LENGTH(key) + LENGTH(id)), 0) FROM x{}",
                index.id
            ),
            Some(_) => return Ok(0),
        };
        Ok(self
            .connection
            .prepare_cached(&query)?
            .query_row([], |row| row.get(0))?)
    }

    pub(super) fn add_entries(
        &self,
        namespace: &str,
        collection: &Collection,
        id: &[u8],
        document: &Document,
    ) -> Result<(), Refused> {
        let unique = collection.indexes.iter().filter(|index| index.unique);
        for (done, index) in unique.clone().enumerate() {
            if let Err(refused) = self.add_entry(namespace, index, id, document) {
                for earlier in unique.take(done) {
                    self.remove_entry(earlier, document)?;
                }
                return Err(refused);
            }
        }
        Ok(())
    }

    fn add_entry(
        &self,
        namespace: &str,
        index: &Index,
        id: &[u8],
        document: &Document,
    ) -> Result<(), Refused> {
        let values = path::indexed(document, index.fields());
        let written = self
            .connection
            .prepare_cached(&format!(
                "INSERT INTO x{}(key, id) VALUES(?, ?) ON CONFLICT DO NOTHING",
                index.id
            ))?
            .execute(params![entry_key(&values), id])?;
        if written == 0 {
            let pattern = index.spec.get_document("key").cloned().unwrap_or_default();
            return Err(duplicate(namespace, &index.name, &pattern, &values));
        }
        Ok(())
    }

    pub(super) fn remove_entries(
        &self,
        collection: &Collection,
        document: &Document,
    ) -> Result<(), CommandError> {
        for index in collection.indexes.iter().filter(|index| index.unique) {
            self.remove_entry(index, document)?;
        }
        Ok(())
    }

    fn remove_entry(&self, index: &Index, document: &Document) -> Result<(), CommandError> {
        let values = path::indexed(document, index.fields());
        self.connection
            .prepare_cached(&format!("DELETE FROM x{} WHERE key = ?", index.id))?
            .execute([entry_key(&values)])?;
        Ok(())
    }
}

fn entry_key(values: &Document) -> Vec<u8> {
    values.values().flat_map(key::key).collect()
}

pub(super) fn index(id: i64, name: String, spec: &[u8]) -> Index {
    let spec = Document::from_reader(spec).unwrap_or_default();
    let unique =
        spec.get_bool("unique").unwrap_or(false) || spec.get_i32("unique").is_ok_and(|v| v != 0);
    Index {
        id,
        name,
        spec,
        unique,
    }
}

/// MongoDB names collection, index and values in this text, and clients read the index's name from it.
pub(super) fn duplicate(
    namespace: &str,
    index: &str,
    pattern: &Document,
    values: &Document,
) -> Refused {
    let shown: Vec<String> = pattern
        .keys()
        .zip(values.values())
        .map(|(field, value)| format!("{field}: {}", path::shell(value)))
        .collect();
    Refused::Duplicate(CommandError::new(
        11000,
        "DuplicateKey",
        format!(
            "E11000 duplicate key error collection: {namespace} index: {index} dup key: {{ {} }}",
            shown.join(", ")
        ),
    ))
}

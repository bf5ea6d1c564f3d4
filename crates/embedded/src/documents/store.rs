//! Store: databases, collections, documents and indexes in one SQLite file. Each collection is a table
//! keyed by its `_id`'s key (see `key.rs`), each unique index one from the indexed values to that key.

mod indexes;

pub(super) use indexes::Index;

use super::command::CommandError;
use super::key;
use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc, oid::ObjectId, rawdoc};
use indexes::{duplicate, index};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::path::Path;

/// Statements kept prepared: a few for each collection in use.
const PREPARED: usize = 128;

pub(super) struct Store {
    connection: Connection,
    collections: BTreeMap<(String, String), Collection>,
    pub(super) cursors: super::cursors::Cursors,
    pub(super) usage: super::usage::Usage,
}

#[derive(Clone, Debug)]
pub(super) struct Collection {
    id: i64,
    pub(super) options: Document,
    pub(super) indexes: Vec<Index>,
}

/// Why one document was not written.
pub(super) enum Refused {
    Duplicate(CommandError),
    Other(CommandError),
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        Refused::Other(error)
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Refused::Other(error.into())
    }
}

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Duplicate(error) | Refused::Other(error) => error,
        }
    }
}

impl Store {
    pub(super) fn open(path: Option<&Path>) -> rusqlite::Result<Self> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        // WAL with synchronous=normal survives the death of the process, which is what demos and tests try.
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;
             PRAGMA cache_size=-65536;
             CREATE TABLE IF NOT EXISTS collections
               (id INTEGER PRIMARY KEY, db TEXT NOT NULL, name TEXT NOT NULL, options BLOB NOT NULL, UNIQUE(db, name));
             CREATE TABLE IF NOT EXISTS indexes
               (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, name TEXT NOT NULL, spec BLOB NOT NULL);",
        )?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        let mut store = Store {
            connection,
            collections: BTreeMap::new(),
            cursors: super::cursors::Cursors::default(),
            usage: super::usage::Usage::default(),
        };
        store.load()?;
        Ok(store)
    }

    fn load(&mut self) -> rusqlite::Result<()> {
        let mut statement = self
            .connection
            .prepare("SELECT id, db, name, options FROM collections")?;
        let rows = statement.query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Vec<u8>>(3)?,
            ))
        })?;
        for row in rows {
            let (id, db, name, options) = row?;
            let mut indexes = self
                .connection
                .prepare("SELECT id, name, spec FROM indexes WHERE collection = ? ORDER BY id")?;
            let indexes = indexes
                .query_map([id], |row| {
                    Ok(index(row.get(0)?, row.get(1)?, &row.get::<_, Vec<u8>>(2)?))
                })?
                .collect::<Result<_, _>>()?;
            let collection = Collection {
                id,
                options: Document::from_reader(options.as_slice()).unwrap_or_default(),
                indexes,
            };
            self.collections.insert((db, name), collection);
        }
        Ok(())
    }

    /// Runs a command's writes as one transaction: one sync for a batch instead of one for each document.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let outcome = work(self);
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        self.connection.prepare_cached(end)?.execute([])?;
        outcome
    }

    pub(super) fn collection(&self, db: &str, name: &str) -> Option<&Collection> {
        self.collections.get(&(db.to_owned(), name.to_owned()))
    }

    /// The collections of a database with their names.
    pub(super) fn collections_of<'a>(
        &'a self,
        db: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Collection)> {
        self.collections
            .iter()
            .filter(move |((of, _), _)| of == db)
            .map(|((_, name), collection)| (name.as_str(), collection))
    }

    /// The names of the databases that have a collection.
    pub(super) fn databases(&self) -> Vec<String> {
        let mut names: Vec<String> = self.collections.keys().map(|(db, _)| db.clone()).collect();
        names.dedup();
        names
    }

    /// The collection, made if it was not there.
    pub(super) fn ensure(&mut self, db: &str, name: &str) -> Result<Collection, CommandError> {
        match self.collection(db, name) {
            Some(collection) => Ok(collection.clone()),
            None => self.create(db, name, Document::new()),
        }
    }

    pub(super) fn create(
        &mut self,
        db: &str,
        name: &str,
        options: Document,
    ) -> Result<Collection, CommandError> {
        check_names(db, name)?;
        self.connection.execute(
            "INSERT INTO collections(db, name, options) VALUES(?, ?, ?)",
            params![db, name, bytes_of(&options)?],
        )?;
        let id = self.connection.last_insert_rowid();
        self.connection.execute_batch(&format!(
            "CREATE TABLE c{id}(id BLOB PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID"
        ))?;
        let collection = Collection {
            id,
            options,
            indexes: Vec::new(),
        };
        self.collections
            .insert((db.to_owned(), name.to_owned()), collection.clone());
        Ok(collection)
    }

    /// Drops a collection; `false` if there was none.
    pub(super) fn drop_collection(&mut self, db: &str, name: &str) -> Result<bool, CommandError> {
        let Some(collection) = self.collections.remove(&(db.to_owned(), name.to_owned())) else {
            return Ok(false);
        };
        self.usage.forget(&format!("{db}.{name}"));
        self.connection.flush_prepared_statement_cache();
        for index in &collection.indexes {
            self.drop_index_table(index)?;
        }
        let id = collection.id;
        self.connection.execute_batch(&format!(
            "DROP TABLE c{id}; DELETE FROM collections WHERE id = {id}"
        ))?;
        Ok(true)
    }

    /// Gives a collection that is there another name, which must be free.
    pub(super) fn rename(
        &mut self,
        (db, name): (&str, &str),
        (new_db, new_name): (&str, &str),
    ) -> Result<(), CommandError> {
        check_names(new_db, new_name)?;
        self.connection.execute(
            "UPDATE collections SET db = ?, name = ? WHERE db = ? AND name = ?",
            params![new_db, new_name, db, name],
        )?;
        self.usage.forget(&format!("{db}.{name}"));
        if let Some(collection) = self.collections.remove(&(db.to_owned(), name.to_owned())) {
            self.collections
                .insert((new_db.to_owned(), new_name.to_owned()), collection);
        }
        Ok(())
    }

    /// Inserts a document, with `_id` first; one is made if it has none.
    pub(super) fn insert(
        &self,
        namespace: &str,
        collection: &Collection,
        raw: &RawDocument,
    ) -> Result<(), Refused> {
        let arranged;
        let (raw, id) = match raw.iter().next() {
            Some(Ok((name, id))) if name == "_id" => (raw, id),
            _ => {
                arranged = with_id_first(raw)?;
                let id = arranged.get("_id").ok().flatten();
                (&*arranged, id.unwrap_or(RawBsonRef::Null))
            }
        };
        check_id(id)?;
        let key = key::key_of(id);
        let written = self
            .connection
            .prepare_cached(&format!(
                "INSERT INTO c{}(id, doc) VALUES(?, ?) ON CONFLICT DO NOTHING",
                collection.id
            ))?
            .execute(params![key, raw.as_bytes()])?;
        if written == 0 {
            let shown = Bson::try_from(id).unwrap_or(Bson::Null);
            return Err(duplicate(
                namespace,
                "_id_",
                &doc! {"_id": 1},
                &doc! {"_id": shown},
            ));
        }
        if collection.indexes.iter().any(|index| index.unique) {
            let document = super::command::decode(raw)?;
            if let Err(refused) = self.add_entries(namespace, collection, &key, &document) {
                self.remove_row(collection, &key)?;
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Writes `new` over `old`; both have the `_id` that `id` is the key of.
    pub(super) fn replace(
        &self,
        namespace: &str,
        collection: &Collection,
        id: &[u8],
        old: &Document,
        new: &Document,
    ) -> Result<(), Refused> {
        self.remove_entries(collection, old)?;
        if let Err(refused) = self.add_entries(namespace, collection, id, new) {
            self.add_entries(namespace, collection, id, old)?;
            return Err(refused);
        }
        self.connection
            .prepare_cached(&format!(
                "UPDATE c{} SET doc = ? WHERE id = ?",
                collection.id
            ))?
            .execute(params![bytes_of(new)?, id])?;
        Ok(())
    }

    pub(super) fn delete(
        &self,
        collection: &Collection,
        id: &[u8],
        old: &Document,
    ) -> Result<(), CommandError> {
        self.remove_entries(collection, old)?;
        self.remove_row(collection, id)
    }

    pub(super) fn get(
        &self,
        collection: &Collection,
        id: &[u8],
    ) -> Result<Option<RawDocumentBuf>, CommandError> {
        let bytes: Option<Vec<u8>> = self
            .connection
            .prepare_cached(&format!("SELECT doc FROM c{} WHERE id = ?", collection.id))?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(bytes.and_then(|bytes| RawDocumentBuf::from_bytes(bytes).ok()))
    }

    pub(super) fn count(&self, collection: &Collection) -> Result<i64, CommandError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT COUNT(*) FROM c{}", collection.id))?
            .query_row([], |row| row.get(0))?)
    }

    /// Bytes of all documents, for statistics.
    pub(super) fn size(&self, collection: &Collection) -> Result<i64, CommandError> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT COALESCE(SUM(LENGTH(doc)), 0) FROM c{}",
                collection.id
            ))?
            .query_row([], |row| row.get(0))?)
    }

    /// Visits documents in order of `_id`, from after `after` on, until `visit` says `false`.
    pub(super) fn scan(
        &self,
        collection: &Collection,
        after: Option<&[u8]>,
        visit: impl FnMut(&[u8], &RawDocument) -> Result<bool, CommandError>,
    ) -> Result<(), CommandError> {
        self.walk(collection, after, "id > ? ORDER BY id", visit)
    }

    /// As `scan`, from before `before` on and backwards.
    pub(super) fn scan_back(
        &self,
        collection: &Collection,
        before: Option<&[u8]>,
        visit: impl FnMut(&[u8], &RawDocument) -> Result<bool, CommandError>,
    ) -> Result<(), CommandError> {
        self.walk(
            collection,
            Some(before.unwrap_or(&[0xFF])),
            "id < ? ORDER BY id DESC",
            visit,
        )
    }

    fn walk(
        &self,
        collection: &Collection,
        from: Option<&[u8]>,
        order: &str,
        mut visit: impl FnMut(&[u8], &RawDocument) -> Result<bool, CommandError>,
    ) -> Result<(), CommandError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT id, doc FROM c{} WHERE {order}",
            collection.id
        ))?;
        let mut rows = statement.query([from.unwrap_or(&[])])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_blob().unwrap_or_default();
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            let document = RawDocument::from_bytes(bytes)
                .map_err(|error| CommandError::bad_value(error.to_string()))?;
            if !visit(id, document)? {
                break;
            }
        }
        Ok(())
    }

    fn remove_row(&self, collection: &Collection, id: &[u8]) -> Result<(), CommandError> {
        self.connection
            .prepare_cached(&format!("DELETE FROM c{} WHERE id = ?", collection.id))?
            .execute([id])?;
        Ok(())
    }
}

pub(super) fn bytes_of(document: &Document) -> Result<Vec<u8>, CommandError> {
    document
        .to_vec()
        .map_err(|error| CommandError::bad_value(error.to_string()))
}

fn with_id_first(raw: &RawDocument) -> Result<RawDocumentBuf, CommandError> {
    let broken = |error: bson::error::Error| CommandError::bad_value(error.to_string());
    let id = raw.get("_id").map_err(broken)?;
    let mut arranged = match id {
        Some(_) => RawDocumentBuf::new(),
        None => rawdoc! {"_id": ObjectId::new()},
    };
    if let Some(id) = id {
        arranged.append(bson::raw::cstr!("_id"), id);
    }
    for element in raw {
        let (name, value) = element.map_err(broken)?;
        if name != "_id" {
            arranged.append(name, value);
        }
    }
    Ok(arranged)
}

fn check_id(id: RawBsonRef<'_>) -> Result<(), CommandError> {
    let kind = match id {
        RawBsonRef::Array(_) => "array",
        RawBsonRef::RegularExpression(_) => "regex",
        RawBsonRef::Undefined => "undefined",
        _ => return Ok(()),
    };
    Err(CommandError::new(
        53,
        "InvalidIdField",
        format!("The '_id' value cannot be of type {kind}"),
    ))
}

fn check_names(db: &str, name: &str) -> Result<(), CommandError> {
    let bad_db =
        db.is_empty() || db.len() > 63 || db.contains(['/', '\\', ' ', '"', '.', '\0', '$']);
    let bad_name =
        name.is_empty() || name.contains('\0') || name.starts_with('.') || name.ends_with('.');
    if bad_db || bad_name || db.len() + name.len() > 254 {
        let message = format!("Invalid namespace specified '{db}.{name}'");
        return Err(CommandError::new(73, "InvalidNamespace", message));
    }
    Ok(())
}

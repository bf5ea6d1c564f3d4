//! The commands about databases, collections and indexes.

use super::command::{Command, CommandError};
use super::filter::Filter;
use super::store::{Collection, Store};
use bson::{Bson, Document, doc};

pub(super) fn create(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    let name = command.collection()?.to_owned();
    if store.collection(&command.db, &name).is_some() {
        return Err(CommandError::new(
            48,
            "NamespaceExists",
            format!("Collection {}.{name} already exists.", command.db),
        ));
    }
    let body = command.document()?;
    // A collection in its place would show nothing and take writes.
    if body.contains_key("viewOn") {
        return Err(CommandError::new(
            238,
            "NotImplemented",
            "there are no views here",
        ));
    }
    // Only what describes the collection is kept; a driver's own fields are not part of it.
    let options: Document = body
        .into_iter()
        .filter(|(field, _)| {
            matches!(
                field.as_str(),
                "capped"
                    | "size"
                    | "max"
                    | "validator"
                    | "timeseries"
                    | "expireAfterSeconds"
                    | "collation"
            )
        })
        .collect();
    store.create(&command.db, &name, options)?;
    Ok(doc! {"ok": 1.0})
}

pub(super) fn drop_collection(
    store: &mut Store,
    command: &Command,
) -> Result<Document, CommandError> {
    let name = command.collection()?.to_owned();
    if !store.drop_collection(&command.db, &name)? {
        return Err(CommandError::new(26, "NamespaceNotFound", "ns not found"));
    }
    Ok(doc! {"ns": format!("{}.{name}", command.db), "nIndexesWas": 1, "ok": 1.0})
}

pub(super) fn rename_collection(
    store: &mut Store,
    command: &Command,
) -> Result<Document, CommandError> {
    let body = command.document()?;
    let split = |namespace: &str| {
        let (db, name) = namespace.split_once('.').ok_or_else(|| {
            CommandError::new(
                73,
                "InvalidNamespace",
                format!("Invalid namespace: {namespace}"),
            )
        })?;
        Ok::<_, CommandError>((db.to_owned(), name.to_owned()))
    };
    let (db, name) = split(command.collection()?)?;
    let (new_db, new_name) = split(body.get_str("to").unwrap_or_default())?;
    if store.collection(&db, &name).is_none() {
        return Err(CommandError::new(
            26,
            "NamespaceNotFound",
            format!("Source collection {db}.{name} does not exist"),
        ));
    }
    if store.collection(&new_db, &new_name).is_some() {
        if !command.flag("dropTarget", false) || (&db, &name) == (&new_db, &new_name) {
            return Err(CommandError::new(
                48,
                "NamespaceExists",
                "target namespace exists",
            ));
        }
        store.drop_collection(&new_db, &new_name)?;
    }
    store.rename((&db, &name), (&new_db, &new_name))?;
    Ok(doc! {"ok": 1.0})
}

pub(super) fn drop_database(
    store: &mut Store,
    command: &Command,
) -> Result<Document, CommandError> {
    let names: Vec<String> = store
        .collections_of(&command.db)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        store.drop_collection(&command.db, &name)?;
    }
    Ok(doc! {"dropped": &command.db, "ok": 1.0})
}

pub(super) fn list_databases(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let names_only = command.flag("nameOnly", false);
    let mut total = 0;
    let mut databases = Vec::new();
    for name in store.databases() {
        if names_only {
            databases.push(doc! {"name": name});
            continue;
        }
        let mut size = 0;
        for (_, collection) in store.collections_of(&name) {
            size += store.size(collection)?;
        }
        total += size;
        databases.push(doc! {"name": name, "sizeOnDisk": size, "empty": false});
    }
    if names_only {
        return Ok(doc! {"databases": databases, "ok": 1.0});
    }
    Ok(
        doc! {"databases": databases, "totalSize": total, "totalSizeMb": total / (1 << 20), "ok": 1.0},
    )
}

pub(super) fn list_collections(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let body = command.document()?;
    let filter = Filter::parse(body.get_document("filter").unwrap_or(&Document::new()))?;
    let names_only = command.flag("nameOnly", false);
    let list: Vec<Document> = store
        .collections_of(&command.db)
        .map(|(name, collection)| {
            let kind = if collection.options.contains_key("timeseries") {
                "timeseries"
            } else {
                "collection"
            };
            let mut entry = doc! {"name": name, "type": kind};
            if !names_only {
                entry.insert("options", collection.options.clone());
                entry.insert("info", doc! {"readOnly": false});
                entry.insert("idIndex", id_index());
            }
            entry
        })
        .filter(|entry| filter.matches(entry))
        .collect();
    let namespace = format!("{}.$cmd.listCollections", command.db);
    Ok(doc! {"cursor": {"id": 0i64, "ns": namespace, "firstBatch": list}, "ok": 1.0})
}

pub(super) fn create_indexes(
    store: &mut Store,
    command: &Command,
) -> Result<Document, CommandError> {
    let name = command.collection()?.to_owned();
    let existed = store.collection(&command.db, &name).is_some();
    let body = command.document()?;
    let specs = body
        .get_array("indexes")
        .map_err(|_| CommandError::failed_to_parse("createIndexes needs indexes"))?;
    let before = store.ensure(&command.db, &name)?.indexes.len() as i32 + 1;
    let mut after = before;
    for spec in specs.iter().filter_map(Bson::as_document) {
        let index = spec.get_str("name").unwrap_or_default();
        let key = spec
            .get_document("key")
            .map_err(|_| CommandError::failed_to_parse("an index needs a key"))?;
        let known = store
            .ensure(&command.db, &name)?
            .indexes
            .iter()
            .any(|known| {
                known.name == index
                    || known
                        .spec
                        .get_document("key")
                        .is_ok_and(|known| known == key)
            });
        if known || key.keys().eq(["_id"]) {
            continue;
        }
        let mut spec = spec.clone();
        if !spec.contains_key("v") {
            spec.insert("v", 2);
        }
        store.transaction(|store| store.create_index(&command.db, &name, spec))?;
        after += 1;
    }
    Ok(doc! {"numIndexesBefore": before, "numIndexesAfter": after,
    "createdCollectionAutomatically": !existed, "ok": 1.0})
}

pub(super) fn list_indexes(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let name = command.collection()?;
    let collection = existing(store, &command.db, name)?;
    let mut list = vec![id_index()];
    list.extend(collection.indexes.iter().map(|index| index.spec.clone()));
    let namespace = format!("{}.{name}", command.db);
    Ok(doc! {"cursor": {"id": 0i64, "ns": namespace, "firstBatch": list}, "ok": 1.0})
}

pub(super) fn drop_indexes(store: &mut Store, command: &Command) -> Result<Document, CommandError> {
    let name = command.collection()?.to_owned();
    let before = existing(store, &command.db, &name)?.indexes.len() as i32 + 1;
    let wanted = command
        .document()?
        .get("index")
        .cloned()
        .unwrap_or(Bson::Null);
    let all = wanted == Bson::String("*".to_owned());
    let dropped = store.drop_indexes(&command.db, &name, |index| {
        all || match &wanted {
            Bson::String(name) => index.name == *name,
            Bson::Document(key) => index
                .spec
                .get_document("key")
                .is_ok_and(|known| known == key),
            Bson::Array(names) => names.iter().any(|name| name.as_str() == Some(&index.name)),
            _ => false,
        }
    })?;
    if dropped == 0 && !all {
        return Err(CommandError::new(
            27,
            "IndexNotFound",
            format!("index not found with name [{wanted}]"),
        ));
    }
    Ok(doc! {"nIndexesWas": before, "ok": 1.0})
}

pub(super) fn coll_stats(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let name = command.collection()?;
    let mut stats = stats(store, &command.db, name)?;
    stats.insert("ok", 1.0);
    Ok(stats)
}

pub(super) fn db_stats(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let (mut collections, mut objects, mut size, mut indexes, mut index_size) = (0, 0, 0, 0, 0);
    for (_, collection) in store.collections_of(&command.db) {
        collections += 1;
        objects += store.count(collection)?;
        size += store.size(collection)?;
        for (_, bytes) in index_sizes(store, collection)? {
            indexes += 1;
            index_size += bytes;
        }
    }
    Ok(
        doc! {"db": &command.db, "collections": collections, "views": 0, "objects": objects,
        "dataSize": size as f64, "storageSize": size as f64, "indexes": indexes, "indexSize": index_size as f64,
        "totalSize": (size + index_size) as f64, "scaleFactor": 1.0, "ok": 1.0},
    )
}

/// The documents of the stages `$collStats`, `$indexStats` and `$currentOp`.
pub(super) fn statistics(
    store: &Store,
    db: &str,
    name: &str,
    stage: &str,
) -> Result<Vec<Document>, CommandError> {
    // The command that asks is the only one that runs.
    if stage == "$currentOp" {
        return Ok(Vec::new());
    }
    let Some(collection) = store.collection(db, name) else {
        if stage == "$indexStats" {
            return Ok(Vec::new());
        }
        // Document browsers know this text, and take it as a collection without statistics.
        return Err(CommandError::new(
            26,
            "NamespaceNotFound",
            format!("Collection [{db}.{name}] not found."),
        ));
    };
    if stage == "$indexStats" {
        let names = std::iter::once(id_index())
            .chain(collection.indexes.iter().map(|index| index.spec.clone()));
        return Ok(names
            .map(|spec| doc! {"name": spec.get_str("name").unwrap_or_default(), "key": spec.get_document("key").cloned().unwrap_or_default(),
                "host": "localhost", "accesses": {"ops": 0i64, "since": store.usage.since}, "spec": spec.clone()})
            .collect());
    }
    let count = store.count(collection)?;
    Ok(vec![
        doc! {"ns": format!("{db}.{name}"), "count": count, "storageStats": stats(store, db, name)?},
    ])
}

fn stats(store: &Store, db: &str, name: &str) -> Result<Document, CommandError> {
    let namespace = format!("{db}.{name}");
    let Some(collection) = store.collection(db, name) else {
        return Ok(
            doc! {"ns": namespace, "size": 0, "count": 0, "storageSize": 0, "nindexes": 0, "indexSizes": {}, "totalIndexSize": 0},
        );
    };
    let (count, size) = (store.count(collection)?, store.size(collection)?);
    let average = if count == 0 { 0 } else { size / count };
    let index_sizes = index_sizes(store, collection)?;
    let total_index_size: i64 = index_sizes.iter().map(|(_, bytes)| bytes).sum();
    let index_sizes: Document = index_sizes
        .into_iter()
        .map(|(name, bytes)| (name, bytes.into()))
        .collect();
    let mut stats = doc! {"ns": namespace, "size": size, "count": count, "avgObjSize": average, "storageSize": size,
    "nindexes": index_sizes.len() as i32, "indexSizes": index_sizes, "totalIndexSize": total_index_size, "totalSize": size + total_index_size,
    "capped": false, "scaleFactor": 1};
    if let Ok(options) = collection.options.get_document("timeseries") {
        stats.insert("timeseries", options.clone());
    }
    Ok(stats)
}

/// The names of a collection's indexes with their sizes.
fn index_sizes(store: &Store, collection: &Collection) -> Result<Vec<(String, i64)>, CommandError> {
    let mut sizes = vec![("_id_".to_owned(), store.index_size(collection, None)?)];
    for index in &collection.indexes {
        sizes.push((
            index.name.clone(),
            store.index_size(collection, Some(index))?,
        ));
    }
    Ok(sizes)
}

fn existing<'a>(store: &'a Store, db: &str, name: &str) -> Result<&'a Collection, CommandError> {
    store.collection(db, name).ok_or_else(|| {
        CommandError::new(
            26,
            "NamespaceNotFound",
            format!("ns does not exist: {db}.{name}"),
        )
    })
}

fn id_index() -> Document {
    doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"}
}

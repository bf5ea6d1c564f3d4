//! From a command's name to its answer; the commands without state are here too.

use super::command::{Command, CommandError};
use super::identity::Identity;
use super::store::Store;
use super::wire::MAX_MESSAGE;
use super::writes::MAX_DOCUMENT;
use super::{aggregate, catalog, explain, reads, writes};
use bson::{DateTime, Document, RawDocumentBuf, doc, rawdoc};
use std::time::Instant;

/// MongoDB 7.0: what current drivers and shells expect, and still without the 8.0-only `bulkWrite`.
const MAX_WIRE_VERSION: i32 = 21;
const VERSION: &str = "7.0.0";

/// Answers that need no store, so that a long scan does not make the server look dead.
pub(super) fn without_store(command: &Command, identity: &Identity) -> Option<RawDocumentBuf> {
    // Taken as a plain write, a transaction that the client rolls back would stay.
    if matches!(command.body.get("txnNumber"), Ok(Some(_))) {
        let error = match identity.set {
            None => CommandError::new(
                20,
                "IllegalOperation",
                "Transaction numbers are only allowed on a replica set member or mongos",
            ),
            Some(_) => CommandError::new(301, "Error", "Retryable writes are not supported"),
        };
        return Some(to_raw(&error.answer()));
    }
    let answer = match command.name.as_str() {
        "hello" | "isMaster" | "ismaster" => hello(command, identity),
        "ping" | "endSessions" | "refreshSessions" | "killSessions" | "killAllSessions"
        | "startSession" => {
            doc! {"ok": 1.0}
        }
        "buildInfo" | "buildinfo" => {
            doc! {"version": VERSION, "gitVersion": "millstream", "modules": [],
            "versionArray": [7, 0, 0, 0], "bits": 64, "debug": false, "maxBsonObjectSize": MAX_DOCUMENT as i32,
            "storageEngines": ["sqlite"], "ok": 1.0}
        }
        "connectionStatus" => {
            doc! {"authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": [],
            "authenticatedUserPrivileges": []}, "ok": 1.0}
        }
        "hostInfo" => {
            let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i32);
            doc! {"system": {"currentTime": DateTime::now(), "hostname": "localhost", "cpuAddrSize": 64,
            "numCores": cores, "cpuArch": std::env::consts::ARCH},
            "os": {"type": std::env::consts::OS, "name": std::env::consts::OS}, "extra": {}, "ok": 1.0}
        }
        "getCmdLineOpts" => doc! {"argv": [], "parsed": {}, "ok": 1.0},
        "getParameter" => doc! {"featureCompatibilityVersion": {"version": "7.0"}, "ok": 1.0},
        "getLog" => doc! {"totalLinesWritten": 0, "log": [], "ok": 1.0},
        "whatsmyuri" => doc! {"you": "127.0.0.1:0", "ok": 1.0},
        _ => return None,
    };
    Some(to_raw(&answer))
}

/// The answer to a command; an error is an answer too.
pub(super) fn answer(store: &mut Store, command: &Command) -> RawDocumentBuf {
    let begun = Instant::now();
    let answer = run(store, command);
    let namespace = command
        .collection()
        .ok()
        .filter(|name| store.collection(&command.db, name).is_some())
        .map(|name| format!("{}.{name}", command.db));
    store
        .usage
        .note(command, namespace, answer.as_bytes().len(), begun.elapsed());
    answer
}

fn run(store: &mut Store, command: &Command) -> RawDocumentBuf {
    let outcome = match command.name.as_str() {
        "find" => return settle(reads::find(store, command)),
        "aggregate" => return settle(aggregate::command(store, command)),
        "getMore" => return settle(reads::get_more(store, command)),
        "insert" => writes::insert(store, command),
        "update" => writes::update(store, command),
        "delete" => writes::delete(store, command),
        "findAndModify" | "findandmodify" => writes::find_and_modify(store, command),
        "killCursors" => reads::kill_cursors(store, command),
        "count" => reads::count(store, command),
        "distinct" => reads::distinct(store, command),
        "create" => catalog::create(store, command),
        "renameCollection" => catalog::rename_collection(store, command),
        "drop" => catalog::drop_collection(store, command),
        "dropDatabase" => catalog::drop_database(store, command),
        "listDatabases" => catalog::list_databases(store, command),
        "listCollections" => catalog::list_collections(store, command),
        "createIndexes" => catalog::create_indexes(store, command),
        "listIndexes" => catalog::list_indexes(store, command),
        "dropIndexes" | "deleteIndexes" => catalog::drop_indexes(store, command),
        "collStats" | "collstats" => catalog::coll_stats(store, command),
        "dbStats" | "dbstats" => catalog::db_stats(store, command),
        "explain" => explain::explain(store, command),
        "serverStatus" => Ok(store.usage.server_status(VERSION)),
        "top" => Ok(store.usage.top()),
        name => Err(CommandError::new(
            59,
            "CommandNotFound",
            format!("no such command: '{name}'"),
        )),
    };
    settle(outcome.map(|document| to_raw(&document)))
}

fn settle(outcome: Result<RawDocumentBuf, CommandError>) -> RawDocumentBuf {
    outcome.unwrap_or_else(|error| to_raw(&error.answer()))
}

pub(super) fn to_raw(document: &Document) -> RawDocumentBuf {
    // Only a name with a NUL inside fails, and no client can send one.
    RawDocumentBuf::try_from(document)
        .unwrap_or_else(|_| rawdoc! {"ok": 0.0, "code": 8, "errmsg": "unencodable answer"})
}

/// No `compression`, and no `setName` unless it is told one: a standalone server that takes plain messages.
fn hello(command: &Command, identity: &Identity) -> Document {
    let primary = if command.name == "hello" {
        "isWritablePrimary"
    } else {
        "ismaster"
    };
    let mut answer = doc! {"helloOk": true, primary: true, "maxBsonObjectSize": MAX_DOCUMENT as i32,
    "maxMessageSizeBytes": MAX_MESSAGE as i32, "maxWriteBatchSize": 100_000, "localTime": DateTime::now(),
    "logicalSessionTimeoutMinutes": 30, "connectionId": 1, "minWireVersion": 0,
    "maxWireVersion": MAX_WIRE_VERSION, "readOnly": false, "ok": 1.0};
    identity.tell(command, &mut answer);
    answer
}

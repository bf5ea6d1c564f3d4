//! Usage: what serverStatus, top and $indexStats tell about the commands that ran. One command runs at a
//! time, so nothing queues for a lock and nothing but the asking command is active.

use super::command::Command;
use bson::{DateTime, Document, doc};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The counters of `opcounters`, in its order, and what `top` calls them.
const OPERATIONS: [(&str, &str); 6] = [
    ("insert", "insert"),
    ("query", "queries"),
    ("update", "update"),
    ("delete", "remove"),
    ("getmore", "getmore"),
    ("command", "commands"),
];

/// How often, and how long.
#[derive(Clone, Copy, Default)]
struct OperationTime {
    count: i64,
    time: Duration,
}

pub(super) struct Usage {
    pub(super) since: DateTime,
    started: Instant,
    operations: [i64; OPERATIONS.len()],
    requests: i64,
    bytes_in: i64,
    bytes_out: i64,
    /// By namespace; an entry goes with its collection.
    collections: BTreeMap<String, [OperationTime; OPERATIONS.len()]>,
}

impl Default for Usage {
    fn default() -> Self {
        Usage {
            since: DateTime::now(),
            started: Instant::now(),
            operations: [0; OPERATIONS.len()],
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            collections: BTreeMap::new(),
        }
    }
}

impl Usage {
    /// Notes a command that was answered; `namespace` is that of a collection that is there.
    pub(super) fn note(
        &mut self,
        command: &Command,
        namespace: Option<String>,
        answered: usize,
        time: Duration,
    ) {
        let (at, statements) = match command.name.as_str() {
            "insert" => (0, Some("documents")),
            "find" => (1, None),
            "update" => (2, Some("updates")),
            "delete" => (3, Some("deletes")),
            "getMore" => (4, None),
            _ => (5, None),
        };
        // Writes count by the statement, as in MongoDB.
        let count = statements
            .and_then(|field| command.statements(field).ok())
            .map_or(1, |statements| statements.len() as i64);
        self.operations[at] += count;
        self.requests += 1;
        let sequences = command.sequences.iter().flat_map(|(_, all)| all);
        let received = sequences.fold(command.body.as_bytes().len(), |sum, document| {
            sum + document.as_bytes().len()
        });
        self.bytes_in += received as i64;
        self.bytes_out += answered as i64;
        if let Some(namespace) = namespace {
            let spent = &mut self.collections.entry(namespace).or_default()[at];
            spent.count += 1;
            spent.time += time;
        }
    }

    pub(super) fn forget(&mut self, namespace: &str) {
        self.collections.remove(namespace);
    }

    pub(super) fn server_status(&self, version: &str) -> Document {
        let uptime = self.started.elapsed();
        let counters: Document = OPERATIONS
            .iter()
            .zip(self.operations)
            .map(|((name, _), count)| ((*name).to_owned(), count.into()))
            .collect();
        doc! {"host": "localhost", "version": version, "process": "millstream",
        "pid": i64::from(std::process::id()), "uptime": uptime.as_secs_f64(),
        "uptimeMillis": uptime.as_millis() as i64, "localTime": DateTime::now(),
        "connections": {"current": 1, "available": 255},
        "globalLock": {"totalTime": uptime.as_micros() as i64,
            "currentQueue": {"total": 0, "readers": 0, "writers": 0},
            "activeClients": {"total": 0, "readers": 0, "writers": 0}},
        "mem": {"bits": 64, "resident": 0, "virtual": 0, "supported": false},
        "network": {"bytesIn": self.bytes_in, "bytesOut": self.bytes_out, "numRequests": self.requests},
        "opcounters": counters, "ok": 1.0}
    }

    pub(super) fn top(&self) -> Document {
        let mut totals = doc! {"note": "all times in microseconds"};
        for (namespace, spent) in &self.collections {
            let sum = |picked: &[usize]| {
                let (mut time, mut count) = (Duration::ZERO, 0);
                for spent in picked.iter().map(|&at| spent[at]) {
                    time += spent.time;
                    count += spent.count;
                }
                doc! {"time": time.as_micros() as i64, "count": count}
            };
            let mut entry = doc! {"total": sum(&[0, 1, 2, 3, 4, 5]), "readLock": sum(&[1, 4, 5]), "writeLock": sum(&[0, 2, 3])};
            for (at, (_, name)) in OPERATIONS.iter().enumerate() {
                entry.insert(*name, sum(&[at]));
            }
            totals.insert(namespace, entry);
        }
        doc! {"totals": totals, "ok": 1.0}
    }
}

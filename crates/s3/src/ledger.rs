//! Ledger: which messages of a queue are in an object already although the queue does not know. Before an object is put
//! together, an entry in the bucket says which messages it will hold; once all of them are settled the entry goes. So a
//! message that comes again is durable if an entry has it whose objects are there.

mod known;
mod pending;
mod sweep;

use crate::batch_id;
use crate::intent::{Intent, Written};
use crate::store::{Store, StoreError};
use crate::upload::JobId;
use known::Known;
use millstream_core::{QueueContext, RecordBatch, RowMask, SinkError, TaskContext};
use pending::Pending;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use sweep::Sweep;
use tokio::task::JoinSet;
use tracing::warn;

/// The folder of all ledgers, below that of all topics. Crawlers pass over names that begin so.
const FOLDER: &str = "_millstream";

/// After so long a message comes no more: no queue of SQS keeps one for longer.
const KEPT_FOR: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Messages of all entries that are kept in mind: some 30 MB. Of more, the latest entries count.
const MOST_MARKS: usize = 200_000;

/// Entries that are read at a time.
const READS_AT_A_TIME: usize = 16;

/// How long a batch waits for S3 where the ledger cannot be read.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a batch waits until objects that are missing are looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct Ledger {
    store: Arc<Store>,
    connector: Arc<str>,
    task: u32,
    /// What all keys of its entries begin with.
    folder: String,
    queue: QueueContext,
    /// Names before this one are of earlier runs.
    begun: String,
    known: Known,
    pending: Pending,
    sweep: Sweep,
    /// Rows before this offset have been looked up.
    looked_to: i64,
    /// Rows before this offset have been counted.
    counted_to: i64,
}

/// What became of reading an entry.
enum Found {
    /// Its objects are there.
    Durable(Vec<Arc<str>>),
    /// Some are not; the task whose entry it is, and its messages.
    Missing(i32, Vec<Arc<str>>),
    /// It is gone, or no entry.
    Nothing,
}

impl Ledger {
    /// The ledger of a connector whose objects are below `topics_dir`.
    pub(crate) fn new(
        store: Arc<Store>,
        context: &TaskContext,
        queue: QueueContext,
        topics_dir: &str,
    ) -> Self {
        queue.settled.want();
        // A name may have a slash, which would make it two folders.
        let connector = context.connector.replace('%', "%25").replace('/', "%2F");
        let below = if topics_dir.is_empty() { "" } else { "/" };
        let folder = format!("{topics_dir}{below}{FOLDER}/{connector}/");
        Ledger {
            sweep: Sweep::new(Arc::clone(&store)),
            store,
            connector: Arc::clone(&context.connector),
            task: context.task,
            folder,
            begun: batch_id::first_at(queue.started),
            queue,
            known: Known::default(),
            pending: Pending::default(),
            looked_to: i64::MIN,
            counted_to: i64::MIN,
        }
    }

    /// The entry of a batch that is about to be stored: its objects, how many records, and the offsets and marks of messages.
    pub(crate) fn intend(
        &mut self,
        batch: &str,
        objects: Vec<String>,
        records: usize,
        messages: &[(i64, Arc<str>)],
    ) -> Arc<Intent> {
        self.known.intend(batch, objects.len(), messages);
        let entry = Written {
            task: i32::try_from(self.task).unwrap_or(i32::MAX),
            objects,
            records,
            marks: messages.iter().map(|(_, mark)| Arc::clone(mark)).collect(),
        };
        Arc::new(Intent::new(format!("{}{batch}", self.folder), &entry))
    }

    /// The jobs that store the objects of a batch.
    pub(crate) fn stores(&mut self, batch: &str, jobs: &[JobId]) {
        self.known.stores(batch, jobs);
    }

    pub(crate) fn stored(&mut self, job: JobId) {
        let gone = self.known.stored(job);
        self.remove(gone);
    }

    /// An object has been dropped. Its entry, if there is one, goes at the next start.
    pub(crate) fn dropped(&mut self, job: JobId) {
        self.known.dropped(job);
    }

    /// Does what is due: entries of which everything is settled go.
    pub(crate) fn poll(&mut self, now: i64) {
        for offset in self.queue.settled.take() {
            let gone = self.known.settled(offset);
            self.remove(gone);
        }
        let gone = self.known.forget_beyond(MOST_MARKS);
        for name in gone {
            self.remove(Some(name));
        }
        if let Some(error) = self.sweep.poll(now) {
            warn!(
                connector = &*self.connector,
                task = self.task,
                %error,
                "entries of the ledger are not deleted (that takes s3:DeleteObject), tried again"
            );
        }
    }

    /// Lets entries go of which everything is settled, for the last time.
    pub(crate) async fn end(&mut self, now: i64, deadline: Duration) {
        self.poll(now);
        if tokio::time::timeout(deadline, self.sweep.finish())
            .await
            .is_err()
        {
            warn!(
                connector = &*self.connector,
                task = self.task,
                "entries of the ledger are left; the next start reads them"
            );
        }
    }

    fn remove(&mut self, name: Option<Arc<str>>) {
        if let Some(name) = name {
            self.sweep.add(format!("{}{name}", self.folder));
        }
    }

    /// Which rows of a batch are durable already, and how many of them are told of for the first time. Reads the ledger where
    /// messages come again that are not known.
    pub(crate) async fn durable_rows(
        &mut self,
        batch: &RecordBatch,
        now: i64,
    ) -> Result<Option<(RowMask, usize)>, SinkError> {
        let messages = batch.fetched.messages.as_ref();
        let Some(messages) = messages.filter(|messages| messages.any_may_be_stored()) else {
            return Ok(None);
        };
        let mark = |row: usize| {
            let message = messages.of(batch.offsets[row])?;
            message.mark.as_ref().filter(|_| message.may_be_stored)
        };
        let is_unknown = |row: usize| {
            batch.offsets[row] >= self.looked_to
                && mark(row).is_some_and(|mark| !self.known.has(mark))
        };
        if (0..batch.len()).any(is_unknown) {
            self.read(now).await.map_err(|error| self.unread(&error))?;
            let may_come = |row: usize| {
                mark(row).is_some_and(|mark| !self.known.has(mark) && self.pending.has(mark))
            };
            if (0..batch.len()).any(may_come) {
                let what = "messages come again that an earlier run was storing; its objects are looked for once more";
                return Err(SinkError::retriable(what.to_owned(), LOOK_AGAIN));
            }
            self.looked_to = batch.next_offset;
        }
        let rows = RowMask::from_fn(batch.len(), |row| {
            mark(row).is_some_and(|mark| self.known.has(mark))
        });
        let is_new = |row: &usize| batch.offsets[*row] >= self.counted_to;
        let counted = rows.rows().filter(is_new).count();
        for row in rows.rows() {
            if let Some(mark) = mark(row) {
                self.known.comes_again(batch.offsets[row], mark);
            }
        }
        self.counted_to = self.counted_to.max(batch.next_offset);
        if counted > 0 {
            let meters = &self.queue.meters;
            meters.update(|counts| counts.kept_out += counted as u64);
        }
        let has_any = rows.rows().next().is_some();
        Ok(has_any.then_some((rows, counted)))
    }

    /// Reads what earlier runs have stored and not settled.
    pub(crate) async fn begin(&mut self) -> Result<(), SinkError> {
        let read = self.read(self.queue.started).await;
        read.map_err(|error| self.unread(&error))
    }

    /// Reads what is in the bucket. `now`: epoch milliseconds.
    async fn read(&mut self, now: i64) -> Result<(), StoreError> {
        let listed = self.store.keys_under(&self.folder).await?;
        let names = listed
            .iter()
            .filter_map(|key| key.strip_prefix(&self.folder));
        let names: HashSet<&str> = names.filter(|name| batch_id::is_id(name)).collect();
        self.known.keep_listed(|name| names.contains(name));
        self.pending.keep_listed(|name| names.contains(name));
        let mut fresh: Vec<&str> = names.into_iter().collect();
        fresh.retain(|name| !self.known.has_entry(name));
        // The latest first.
        fresh.sort_unstable_by(|one, other| other.cmp(one));
        let oldest = batch_id::first_at(now - KEPT_FOR.as_millis() as i64);
        let (fresh, old): (Vec<&str>, Vec<&str>) =
            fresh.into_iter().partition(|name| **name >= *oldest);
        for name in old {
            self.remove(Some(name.into()));
        }
        for names in fresh.chunks(READS_AT_A_TIME) {
            if self.known.marks() + self.pending.marks() >= MOST_MARKS {
                warn!(
                    connector = &*self.connector,
                    task = self.task,
                    folder = self.folder,
                    "the ledger has more entries than are kept in mind; messages of older ones may be stored twice"
                );
                break;
            }
            self.read_some(names, now).await?;
        }
        Ok(())
    }

    async fn read_some(&mut self, names: &[&str], now: i64) -> Result<(), StoreError> {
        let mut reading = JoinSet::new();
        for name in names {
            let (store, name) = (Arc::clone(&self.store), (*name).to_owned());
            let key = format!("{}{name}", self.folder);
            reading.spawn(async move { (look(&store, &key).await, name) });
        }
        while let Some(read) = reading.join_next().await {
            // A task that was aborted or has panicked has read nothing.
            let Ok((found, name)) = read else { continue };
            match found? {
                Found::Durable(marks) => {
                    self.pending.forget(&name);
                    self.known.read(&name, marks);
                }
                Found::Missing(task, marks) => {
                    let may_come = self.pending.miss(&name, marks, now);
                    let is_own = i64::from(task) == i64::from(self.task) && name < self.begun;
                    self.remove((is_own && !may_come).then(|| name.into()));
                }
                Found::Nothing => self.pending.forget(&name),
            }
        }
        Ok(())
    }

    /// Why a batch is refused, or a task does not start: it is unknown which messages are stored.
    fn unread(&self, error: &StoreError) -> SinkError {
        let (folder, bucket) = (&self.folder, self.store.bucket());
        let what = format!("the ledger {folder} in bucket {bucket} cannot be read: {error}");
        if error.is_transient() {
            return SinkError::retriable(what, PAUSE);
        }
        SinkError::fatal(format!(
            "{what}; grant s3:ListBucket, and s3:GetObject and s3:DeleteObject below {folder}, or write input.ledger=false"
        ))
    }
}

async fn look(store: &Store, key: &str) -> Result<Found, StoreError> {
    let Some(body) = store.note(key).await? else {
        return Ok(Found::Nothing);
    };
    let Some(entry) = Written::of_json(&body) else {
        warn!(key, "what is in the ledger is no entry of it");
        return Ok(Found::Nothing);
    };
    for object in &entry.objects {
        if !store.exists(object).await? {
            return Ok(Found::Missing(entry.task, entry.marks));
        }
    }
    Ok(Found::Durable(entry.marks))
}

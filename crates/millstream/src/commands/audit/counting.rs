//! Contents, read by several requests at a time and counted while they come.

use super::journal::Journal;
use super::progress_line;
use crate::commands::archive_input::unavailable_object;
use crate::commands::kafka_tool::ToolError;
use millstream_audit::contents::{ContentKind, Counter, ParquetEnd, Unreadable, parquet_rows};
use millstream_audit::finding::Kind;
use millstream_audit::ledger::{Ledger, ObjectId};
use millstream_audit::names::Part;
use millstream_audit::report::Looked;
use millstream_s3::{Archive, ArchiveError, ArchiveLayout, ListedObject};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

/// How often an object is read whose answer breaks off.
const ATTEMPTS: u32 = 4;
/// Of a Parquet file its last bytes are asked for; most footers fit in.
const FOOTER: u64 = 64 * 1024;

/// Why an object was not counted.
#[derive(Debug)]
enum Fault {
    Unreadable(Unreadable),
    Changed,
    Archived,
    Failed(ArchiveError),
}

impl From<Unreadable> for Fault {
    fn from(why: Unreadable) -> Self {
        Fault::Unreadable(why)
    }
}

impl From<ArchiveError> for Fault {
    fn from(error: ArchiveError) -> Self {
        match error.status() {
            // Gone, or another one in its place.
            Some(404 | 412) => Fault::Changed,
            Some(403) if error.to_string().contains("storage class") => Fault::Archived,
            _ if error.to_string().contains("an archive") => Fault::Archived,
            _ => Fault::Failed(error),
        }
    }
}

/// One object that was read.
pub(super) struct Settled {
    id: ObjectId,
    object: ListedObject,
    counted: Result<u64, Fault>,
}

/// What is being read.
pub(super) struct Counting {
    archive: Arc<Archive>,
    separator: Vec<u8>,
    journal: Option<Journal>,
    data: Handle,
    most: usize,
    readers: JoinSet<Settled>,
    objects: u64,
    bytes: u64,
    resumed: u64,
    begun: Instant,
}

impl Counting {
    pub(super) fn new(
        archive: Arc<Archive>,
        layout: &ArchiveLayout,
        most: usize,
        journal: Option<Journal>,
        data: Handle,
    ) -> Self {
        Counting {
            archive,
            separator: layout.separator.clone(),
            journal,
            data,
            most,
            readers: JoinSet::new(),
            objects: 0,
            bytes: 0,
            resumed: 0,
            begun: Instant::now(),
        }
    }

    /// Begins to read an object, once there is room for it, unless it was counted before.
    pub(super) async fn begin(
        &mut self,
        id: ObjectId,
        object: ListedObject,
        ledger: &mut Ledger,
    ) -> Result<(), ToolError> {
        if let Some(records) = self
            .journal
            .as_ref()
            .and_then(|journal| journal.records(&object))
        {
            ledger.counted(&id, records);
            self.resumed += 1;
            return Ok(());
        }
        while self.readers.len() >= self.most {
            let settled = self.next().await;
            self.settle(settled, ledger)?;
        }
        let kind = ContentKind::of(ledger.extension_of(&id), &self.separator);
        if kind.is_uncountable() {
            return Ok(());
        }
        let archive = Arc::clone(&self.archive);
        let reader = async move {
            let counted = count(&archive, &object, id.part, &kind).await;
            Settled {
                id,
                object,
                counted,
            }
        };
        self.readers.spawn_on(reader, &self.data);
        Ok(())
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The next one that was read. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Result<Settled, JoinError>> {
        self.readers.join_next().await
    }

    pub(super) fn settle(
        &mut self,
        settled: Option<Result<Settled, JoinError>>,
        ledger: &mut Ledger,
    ) -> Result<(), ToolError> {
        let Some(settled) = settled else {
            return Ok(());
        };
        let Settled {
            id,
            object,
            counted,
        } = settled?;
        self.objects += 1;
        self.bytes += object.size;
        match counted {
            Ok(records) => {
                ledger.counted(&id, records);
                if let Some(journal) = &mut self.journal {
                    journal.note(&object, records)?;
                }
            }
            Err(Fault::Unreadable(why)) => {
                ledger.unreadable(&id, Kind::Unreadable, why.to_string())
            }
            Err(Fault::Changed) => ledger.unreadable(
                &id,
                Kind::Changed,
                "it is not the object any more that was listed",
            ),
            Err(Fault::Archived) => {
                ledger.unreadable(&id, Kind::Archived, "its storage class is an archive")
            }
            Err(Fault::Failed(error)) => return Err(unavailable_object(&object.key, &error).into()),
        }
        Ok(())
    }

    pub(super) fn show(&self, ledger: &Ledger) {
        let seconds = self.begun.elapsed().as_secs();
        let mib = self.bytes >> 20;
        progress_line(&format!(
            "{} objects listed, {} read ({mib} MiB), {} known, {seconds} s",
            ledger.objects(),
            self.objects,
            self.resumed
        ));
    }

    pub(super) fn finish(self, looked: &mut Looked) {
        looked.read_objects = self.objects;
        looked.read_bytes = self.bytes;
        looked.resumed_objects = self.resumed;
    }
}

/// Counts an object's records; an answer that breaks off is asked for again.
async fn count(
    archive: &Archive,
    object: &ListedObject,
    part: Part,
    kind: &ContentKind,
) -> Result<u64, Fault> {
    let mut attempt = 1;
    loop {
        let counted = match kind {
            ContentKind::Parquet => rows(archive, object).await,
            _ => once(archive, object, kind, part).await,
        };
        match counted {
            Err(Fault::Failed(error)) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
            counted => return counted,
        }
    }
}

async fn once(
    archive: &Archive,
    object: &ListedObject,
    kind: &ContentKind,
    part: Part,
) -> Result<u64, Fault> {
    let mut counter = Counter::new(kind, part)?;
    let mut contents = archive
        .contents(&object.key, Some(&object.etag), None)
        .await?;
    while let Some(piece) = contents.next().await? {
        counter.push(&piece)?;
    }
    Ok(counter.finish()?)
}

async fn rows(archive: &Archive, object: &ListedObject) -> Result<u64, Fault> {
    let mut wanted = FOOTER;
    loop {
        let end = wanted.min(object.size);
        let mut contents = archive
            .contents(&object.key, Some(&object.etag), Some(end))
            .await?;
        let mut bytes = Vec::new();
        while let Some(piece) = contents.next().await? {
            bytes.extend_from_slice(&piece);
        }
        match parquet_rows(&bytes, object.size)? {
            ParquetEnd::Rows(rows) => return Ok(rows),
            ParquetEnd::Needs(more) if more as u64 > end => wanted = more as u64,
            ParquetEnd::Needs(_) => {
                return Err(Unreadable::NoParquet("its end was not answered whole").into());
            }
        }
    }
}

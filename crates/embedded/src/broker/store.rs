//! What survives a restart: a journal of topics, settings, producer ids and committed offsets, and one append-only file of
//! batches for each partition. Nothing is synced: a killed process loses nothing, a killed machine may.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::BatchHeader;
use super::lock;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub(crate) enum Entry {
    Topic {
        name: String,
        id: String,
        partitions: i32,
        configs: BTreeMap<String, String>,
    },
    TopicDeleted {
        name: String,
    },
    Partitions {
        name: String,
        count: i32,
    },
    Configs {
        name: String,
        configs: BTreeMap<String, String>,
    },
    Leader {
        topic: String,
        partition: i32,
        leader: i32,
        epoch: i32,
    },
    LogStart {
        topic: String,
        partition: i32,
        offset: i64,
    },
    Commit {
        group: String,
        topic: String,
        partition: i32,
        offset: i64,
        epoch: i32,
        metadata: Option<String>,
    },
    OffsetDeleted {
        group: String,
        topic: String,
        partition: i32,
    },
    GroupDeleted {
        group: String,
    },
    NextProducerId {
        next: i64,
    },
    Transactional {
        id: String,
        producer_id: i64,
        epoch: i16,
    },
}

/// The journal, or nothing when the broker lives in memory only.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

impl Journal {
    /// Reads the journal of `folder` and opens it for more.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<(Self, Vec<Entry>)> {
        let Some(folder) = folder else {
            return Ok((
                Self {
                    folder: None,
                    file: Mutex::new(None),
                },
                Vec::new(),
            ));
        };
        fs::create_dir_all(folder.join("logs"))?;
        let path = journal_path(folder);
        let text = if path.exists() {
            fs::read_to_string(&path)?
        } else {
            String::new()
        };
        // The last line may be torn by a kill: whatever does not parse was never acknowledged.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok((
            Self {
                folder: Some(folder.to_owned()),
                file: Mutex::new(Some(file)),
            },
            entries,
        ))
    }

    /// Replaces the journal by what is still true; done at every start, so that it grows by one run at most.
    pub(crate) fn rewrite(&self, entries: &[Entry]) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let fresh = folder.join("journal.new");
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&serde_json::to_string(entry)?);
            lines.push('\n');
        }
        fs::write(&fresh, lines)?;
        fs::rename(&fresh, journal_path(folder))?;
        *lock(&self.file) = Some(OpenOptions::new().append(true).open(journal_path(folder))?);
        Ok(())
    }

    /// Adds a line.
    pub(crate) fn write(&self, entry: &Entry) {
        if let Some(file) = lock(&self.file).as_mut() {
            let line = serde_json::to_string(entry)
                .map(|line| line + "\n")
                .unwrap_or_default();
            if let Err(error) = file.write_all(line.as_bytes()) {
                tracing::error!(%error, "cannot write the embedded broker's journal");
            }
        }
    }

    /// The file of a partition and the batches it holds.
    pub(crate) fn log(
        &self,
        topic: &str,
        partition: i32,
    ) -> io::Result<(Option<LogFile>, Vec<Bytes>)> {
        match &self.folder {
            None => Ok((None, Vec::new())),
            Some(folder) => {
                let (file, batches) =
                    LogFile::open(folder.join("logs").join(format!("{topic}-{partition}.log")))?;
                Ok((Some(file), batches))
            }
        }
    }
}

fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// The append-only file of one partition.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<(Self, Vec<Bytes>)> {
        let content = if path.exists() {
            Bytes::from(fs::read(&path)?)
        } else {
            Bytes::new()
        };
        let mut batches = Vec::new();
        let mut at = 0;
        while let Some(header) = BatchHeader::parse(&content[at..]) {
            batches.push(content.slice(at..at + header.size));
            at += header.size;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        // A batch torn by a kill was never acknowledged.
        file.set_len(at as u64)?;
        Ok((Self { path, file }, batches))
    }

    pub(crate) fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)
    }

    pub(crate) fn rewrite<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a Bytes>,
    ) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut out = io::BufWriter::new(File::create(&fresh)?);
        for batch in batches {
            out.write_all(batch)?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&fresh, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }

    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "cannot remove the log of a deleted topic");
        }
    }
}

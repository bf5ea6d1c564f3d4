//! FileOffsets: the offsets of sources in the file in which Java's standalone worker keeps them. The file is written anew with
//! each change, as the original does it, but beside the old one, so that a crash leaves one of the two.

use crate::offset_table::Offsets;
use crate::serialized_map::{self, NoMap, Pairs};
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::{OffsetError, OffsetStore, SourceMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

pub struct FileOffsets {
    path: Arc<Path>,
    kept: Mutex<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    /// As they stand in the file, with what means nothing to this worker.
    pairs: Pairs,
    offsets: Offsets,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileOffsetsError {
    #[error("offset.storage.file.filename: cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("offset.storage.file.filename: {path} holds no offsets of Kafka Connect: {why}")]
    Foreign { path: PathBuf, why: String },
}

impl FileOffsets {
    /// Reads the file; one that is not there holds nothing.
    ///
    /// # Errors
    /// If it cannot be read, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileOffsetsError> {
        let path = path.into();
        let kept = match fs::read(&path) {
            Ok(file) => Kept::read(&file).map_err(|error| FileOffsetsError::Foreign {
                path: path.clone(),
                why: error.to_string(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(FileOffsetsError::Read { path, error }),
        };
        Ok(FileOffsets {
            path: path.into(),
            kept: Mutex::new(kept),
        })
    }
}

impl Kept {
    fn read(file: &[u8]) -> Result<Self, NoMap> {
        // Java makes the file before it has anything to write.
        let pairs = if file.is_empty() {
            Pairs::new()
        } else {
            serialized_map::read(file)?
        };
        let mut offsets = Offsets::default();
        for (key, value) in &pairs {
            let Some(key) = key else { continue };
            if let Err(reason) = offsets.read(key, value.as_deref()) {
                let key = String::from_utf8_lossy(key);
                tracing::warn!(%key, %reason, "invalid entry in the offset file skipped");
            }
        }
        Ok(Kept { pairs, offsets })
    }

    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        self.pairs.retain(|(known, _)| known.as_ref() != Some(&key));
        // What was written just now can be read.
        let _ = self.offsets.read(&key, value.as_deref());
        if value.is_some() {
            self.pairs.push((Some(key), value));
        }
    }
}

#[async_trait]
impl OffsetStore for FileOffsets {
    async fn read(&self, connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        Ok(self.kept.lock().await.offsets.of(connector))
    }

    async fn write(
        &self,
        connector: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        let mut kept = self.kept.lock().await;
        let mut changed = kept.clone();
        for (partition, offset) in offsets {
            let entry = changed.offsets.write(connector, partition, offset.as_ref());
            let entry = entry.map_err(|error| OffsetError {
                message: error.to_string(),
            })?;
            changed.set(entry.key, entry.value);
        }
        let file = serialized_map::write(&changed.pairs);
        let path = Arc::clone(&self.path);
        let written = tokio::task::spawn_blocking(move || replace(&path, &file)).await;
        let written = written.map_err(io::Error::other).flatten();
        written.map_err(|error| OffsetError {
            message: format!(
                "cannot write the offsets of sources to {}: {error}",
                self.path.display()
            ),
        })?;
        *kept = changed;
        Ok(())
    }
}

/// Puts new content in the place of a file, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_log::source_map as map;

    #[tokio::test]
    async fn offsets_outlive_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offsets");
        let store = FileOffsets::open(&path).expect("no file is an empty one");
        let (one, two) = (map("filename", "/1"), map("filename", "/2"));
        let at = |position: i64| Some(map("position", position));
        let changes = [(one.clone(), at(8)), (two.clone(), at(9))];
        store.write("f", &changes).await.expect("it is written");
        store
            .write("g", &changes[..1])
            .await
            .expect("it is written");
        let changes = [(one.clone(), None), (two.clone(), at(14))];
        store.write("f", &changes).await.expect("it is written");
        let again = FileOffsets::open(&path).expect("it was written just now");
        for store in [store, again] {
            let found = store.read("f").await.expect("it is read");
            assert_eq!(found, [(two.clone(), map("position", 14))]);
            let found = store.read("g").await.expect("it is read");
            assert_eq!(found, [(one.clone(), map("position", 8))]);
        }
    }

    #[tokio::test]
    async fn what_is_no_file_of_offsets_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offsets");
        fs::write(&path, "{\"position\":8}").expect("a file");
        let error = FileOffsets::open(&path).err().expect("it is refused");
        assert!(
            error.to_string().ends_with(
                "holds no offsets of Kafka Connect: it is not a serialized map of bytes: the mark of Java's streams is missing"
            ),
            "{error}"
        );
        let nowhere = FileOffsets::open(folder.path().join("no/folder")).expect("nothing is there");
        let changes = [(map("filename", "/1"), None)];
        let error = nowhere
            .write("f", &changes)
            .await
            .expect_err("there is no folder");
        assert!(
            error
                .message
                .starts_with("cannot write the offsets of sources to ")
        );
    }
}

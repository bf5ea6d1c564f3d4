//! What has arrived: objects in the S3 folder, documents in the collection.

use super::services::{BUCKET, COLLECTION, DATABASE};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

/// The newest of each kind that the view shows.
const NEWEST: usize = 3;

/// The objects seen so far, each read once.
pub(crate) struct Objects {
    bucket: PathBuf,
    lines: BTreeMap<PathBuf, u64>,
    newest: Vec<(SystemTime, String)>,
}

impl Objects {
    pub(crate) fn new(objects: &Path) -> Self {
        Objects {
            bucket: objects.join(BUCKET),
            lines: BTreeMap::new(),
            newest: Vec::new(),
        }
    }

    /// Looks for new objects.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        let mut folders = vec![self.bucket.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if is_object(&path) && !self.lines.contains_key(&path) {
                    let text = fs::read(&path)?;
                    let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
                    let name = path.strip_prefix(&self.bucket).unwrap_or(&path);
                    self.newest
                        .push((entry.metadata()?.modified()?, name.display().to_string()));
                    self.lines.insert(path, lines);
                }
            }
        }
        self.newest.sort_by(|a, b| b.cmp(a));
        self.newest.truncate(NEWEST);
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Records in the objects: one a line.
    pub(crate) fn records(&self) -> u64 {
        self.lines.values().sum()
    }

    pub(crate) fn newest(&self) -> Vec<String> {
        self.newest.iter().map(|(_, name)| name.clone()).collect()
    }
}

/// The service keeps its own notes beside the objects, in hidden files.
fn is_object(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| !name.to_string_lossy().starts_with('.'))
}

/// The collection of hashed documents, asked over the wire as anybody would.
pub(crate) struct Documents(Client);

impl Documents {
    pub(crate) async fn connect(uri: &str) -> mongodb::error::Result<Self> {
        let options = ClientOptions::parse(uri).await?;
        Ok(Documents(Client::with_options(options)?))
    }

    pub(crate) async fn count(&self) -> mongodb::error::Result<u64> {
        let database = self.0.database(DATABASE);
        let answer = database.run_command(doc! { "count": COLLECTION }).await?;
        Ok(answer
            .get_i32("n")
            .map(i64::from)
            .or_else(|_| answer.get_i64("n"))
            .unwrap_or(0) as u64)
    }

    /// Those of the candidates that are there, in their order: each id with its hash.
    pub(crate) async fn newest(
        &self,
        candidates: &[String],
    ) -> mongodb::error::Result<Vec<String>> {
        let collection = self.0.database(DATABASE).collection::<Document>(COLLECTION);
        let mut cursor = collection.find(doc! {"_id": {"$in": candidates}}).await?;
        let mut found = BTreeMap::new();
        while cursor.advance().await? {
            let document = cursor.current();
            let text = |field| document.get_str(field).unwrap_or_default().to_owned();
            found.insert(text("_id"), text("value"));
        }
        let newest = candidates
            .iter()
            .filter_map(|id| found.get(id).map(|hash| format!("{id}  {hash}")));
        Ok(newest.take(NEWEST).collect())
    }
}

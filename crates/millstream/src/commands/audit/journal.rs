//! The journal of `--resume`: how many records were counted in which object. It is only appended to, so that a process may end
//! at any time; an object that was replaced has another ETag, or time, and is read again.

use millstream_s3::{ArchiveLayout, ListedObject};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Objects whose counts are kept, 16 bytes each; those of more are read again.
const MOST: usize = 20_000_000;
/// A key has 1024 bytes at most; a longer line is none of a journal.
const LONGEST_LINE: u64 = 16 * 1024;

#[derive(Debug)]
pub(super) struct Journal {
    known: HashMap<u64, u64>,
    file: BufWriter<File>,
}

impl Journal {
    /// Opens a journal, or begins one.
    ///
    /// # Errors
    /// If it cannot be used, or is another bucket's.
    pub(super) fn open(path: &Path, layout: &ArchiveLayout) -> Result<Self, String> {
        let shown = path.display();
        let cannot = |error: io::Error| format!("--resume {shown}: {error}");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(cannot)?;
        // Where the separator is another, so are the counts.
        let separator = String::from_utf8_lossy(&layout.separator);
        let head = json!({"audit": 1, "bucket": layout.bucket, "separator": separator});
        let mut reader = BufReader::new(file);
        let mut known = HashMap::new();
        let first = line(&mut reader).map_err(cannot)?;
        let is_new = first.is_none();
        if let Some(first) = first {
            let other = serde_json::from_slice::<Value>(&first)
                .ok()
                .filter(|first| *first == head);
            other.ok_or_else(|| {
                format!("--resume {shown}: it is no journal of this bucket: name another file")
            })?;
        }
        let mut ends_within = false;
        while let Some(text) = line(&mut reader).map_err(cannot)? {
            ends_within = text.last() != Some(&b'\n');
            let Ok(entry) = serde_json::from_slice::<Value>(&text) else {
                continue;
            };
            let (key, etag) = (entry["key"].as_str(), entry["etag"].as_str());
            let (size, modified) = (entry["size"].as_u64(), entry["modified"].as_i64());
            let records = entry["records"].as_u64();
            if let (Some(key), Some(etag), Some(size), Some(modified), Some(records)) =
                (key, etag, size, modified, records)
                && known.len() < MOST
            {
                known.insert(hash(key, etag, size, modified), records);
            }
        }
        let mut journal = Journal {
            known,
            file: BufWriter::new(reader.into_inner()),
        };
        if is_new {
            journal.write(&head).map_err(cannot)?;
        } else if ends_within {
            journal.file.write_all(b"\n").map_err(cannot)?;
        }
        Ok(journal)
    }

    /// What was counted in an object before.
    pub(super) fn records(&self, object: &ListedObject) -> Option<u64> {
        let of = hash(&object.key, &object.etag, object.size, object.modified);
        self.known.get(&of).copied()
    }

    pub(super) fn note(&mut self, object: &ListedObject, records: u64) -> io::Result<()> {
        let entry = json!({"key": object.key, "etag": object.etag, "size": object.size, "modified": object.modified, "records": records});
        self.write(&entry)
    }

    fn write(&mut self, entry: &Value) -> io::Result<()> {
        writeln!(self.file, "{entry}")?;
        // Whoever ends the process loses one line at most.
        self.file.flush()
    }
}

/// The next line with its break; `None` at the end.
fn line(reader: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    let read = reader
        .by_ref()
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut text)?;
    Ok((read > 0).then_some(text))
}

fn hash(key: &str, etag: &str, size: u64, modified: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, etag, size, modified).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_core::Properties;

    fn layout(bucket: &str) -> ArchiveLayout {
        let properties = Properties::from_iter([
            ("s3.bucket.name", bucket),
            ("flush.size", "3"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            (
                "format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
        ]);
        ArchiveLayout::new(&properties).unwrap()
    }

    #[test]
    fn what_was_noted_is_known_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let object = |key: &str, etag: &str| ListedObject {
            key: key.to_owned(),
            size: 7,
            etag: etag.to_owned(),
            modified: 5,
            is_archived: false,
        };
        let mut journal = Journal::open(&path, &layout("b")).unwrap();
        journal.note(&object("a", "1"), 3).unwrap();
        journal.note(&object("b", "1"), 4).unwrap();
        drop(journal);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut journal = Journal::open(&path, &layout("b")).unwrap();
        assert_eq!(journal.records(&object("a", "1")), Some(3));
        assert_eq!(journal.records(&object("a", "2")), None);
        assert_eq!(journal.records(&object("b", "1")), None);
        journal.note(&object("c", "1"), 5).unwrap();
        drop(journal);
        let journal = Journal::open(&path, &layout("b")).unwrap();
        assert_eq!(journal.records(&object("c", "1")), Some(5));
        let wrong = Journal::open(&path, &layout("other")).unwrap_err();
        assert!(wrong.contains("another file"), "{wrong}");
    }
}

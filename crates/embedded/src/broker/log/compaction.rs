//! Compaction: of each key only the newest record stays.

use std::collections::HashMap;

use super::super::batch::{self, BatchHeader};
use super::{Log, Stored};

impl Log {
    /// Whether enough was written since the last compaction to make another one worth its while.
    pub(crate) fn is_dirty(&self, threshold: usize) -> bool {
        self.bytes - self.clean_bytes.min(self.bytes) > self.clean_bytes.max(threshold)
    }

    /// Keeps the newest record of each key. Compressed batches stay whole: the broker has no codecs, and their extra records
    /// do no harm.
    pub(crate) fn compact(&mut self) {
        let mut newest: HashMap<Vec<u8>, i64> = HashMap::new();
        let stable = self.last_stable();
        let plain = |stored: &Stored| {
            !stored.header.is_compressed()
                && !stored.header.is_control()
                && stored.header.last_offset() < stable
        };
        for stored in self.batches.iter().filter(|stored| plain(stored)) {
            for record in batch::records(&stored.bytes).unwrap_or_default() {
                if let Some(key) = record.key {
                    newest.insert(
                        key.to_vec(),
                        stored.header.base_offset + record.offset_delta,
                    );
                }
            }
        }
        let old = std::mem::take(&mut self.batches);
        for stored in old {
            let base = stored.header.base_offset;
            let is_newest = |record: &batch::RawRecord<'_>| match record.key {
                None => true,
                Some(key) => newest.get(key) == Some(&(base + record.offset_delta)),
            };
            let bytes = if plain(&stored) {
                batch::retain(&stored.bytes, is_newest)
            } else {
                Some(stored.bytes)
            };
            if let Some(bytes) = bytes
                && let Some(header) = BatchHeader::parse(&bytes)
            {
                self.batches.push_back(Stored { header, bytes });
            }
        }
        self.bytes = self.batches.iter().map(|stored| stored.bytes.len()).sum();
        self.clean_bytes = self.bytes;
        // The uncompacted file reads back as the same keys and values.
        let _ = self.rewrite();
    }
}

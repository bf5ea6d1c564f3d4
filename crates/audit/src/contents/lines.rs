//! Lines of JSON, and records behind which a separator stands.

use super::Unreadable;
use serde::de::IgnoredAny;

/// A longer line is counted and not looked into. Kafka takes records of 1 MiB unless it is told otherwise, and objects are
/// read side by side.
const LOOKED_AT: usize = 4 * 1024 * 1024;

/// One value of JSON on each line.
#[derive(Debug, Default)]
pub(super) struct JsonLines {
    lines: u64,
    /// What has come of a line.
    open: Vec<u8>,
    /// Bytes of the open line, kept or not.
    length: u64,
}

impl JsonLines {
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            bytes = &rest[1..];
            self.length += line.len() as u64;
            let is_json = if self.open.is_empty() && self.length == line.len() as u64 {
                is_json(line)
            } else {
                self.keep(line);
                self.open.len() as u64 != self.length || is_json(&self.open)
            };
            self.lines += 1;
            if !is_json {
                return Err(Unreadable::NoJson(self.lines));
            }
            self.open.clear();
            self.length = 0;
        }
        self.length += bytes.len() as u64;
        self.keep(bytes);
        Ok(())
    }

    /// Keeps what has come of a line that is not over, unless it is too long to be looked into.
    fn keep(&mut self, bytes: &[u8]) {
        if self.length <= LOOKED_AT as u64 {
            self.open.extend_from_slice(bytes);
        }
    }

    pub(super) fn finish(&self) -> Result<u64, Unreadable> {
        match self.length {
            0 => Ok(self.lines),
            left => Err(Unreadable::Tail(left)),
        }
    }
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Records that end with a separator; one that holds the separator counts as two.
#[derive(Debug)]
pub(super) struct Separated {
    separator: Vec<u8>,
    records: u64,
    /// The end of what has come, as far as a separator may begin in it.
    tail: Vec<u8>,
    /// Bytes behind the last separator.
    length: u64,
}

impl Separated {
    /// The separator has a byte at least.
    pub(super) fn new(separator: &[u8]) -> Self {
        Separated {
            separator: separator.to_vec(),
            records: 0,
            tail: Vec::new(),
            length: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = self.tail.len();
        let mut window = std::mem::take(&mut self.tail);
        window.extend_from_slice(bytes);
        let mut begin = 0;
        let mut end_of_last = None;
        while let Some(at) = memchr::memmem::find(&window[begin..], &self.separator) {
            begin += at + self.separator.len();
            self.records += 1;
            end_of_last = Some(begin);
        }
        self.length = match end_of_last {
            Some(end) => (window.len() - end) as u64,
            None => self.length + (window.len() - kept) as u64,
        };
        let keep = (self.separator.len() - 1).min(window.len() - begin);
        window.drain(..window.len() - keep);
        self.tail = window;
    }

    pub(super) fn finish(&self) -> Result<u64, Unreadable> {
        match self.length {
            0 => Ok(self.records),
            left => Err(Unreadable::Tail(left)),
        }
    }
}

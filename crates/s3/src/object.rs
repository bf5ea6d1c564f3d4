//! OpenObject: the bytes of one object that is being filled, cut into parts exactly as the original cuts them.

use crate::gzip::Gzip;
use crate::upload::{Closing, JobId, Upload, Uploads};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::watch;

/// Room beyond a part's size, so that the record that fills a part does not move the buffer.
const SLACK: usize = 64 * 1024;

/// Uncompressed bytes handed to the compressor at a time.
const COMPRESS_AT: usize = 64 * 1024;

/// Rows are encoded up to this many bytes at a time, so that a buffer grows in good time.
const STEP: usize = 256 * 1024;

pub(crate) struct OpenObject {
    key: Arc<str>,
    /// What S3 is to get, not sent yet. It grows with its content: many partitions may have an object open.
    buffer: Vec<u8>,
    /// Records as the format wrote them, where they are compressed on the way.
    plain: Vec<u8>,
    gzip: Option<Gzip>,
    upload: Option<Upload>,
    cancelled: watch::Receiver<bool>,
}

impl OpenObject {
    pub(crate) fn new(key: String, gzip: Option<Gzip>, cancelled: watch::Receiver<bool>) -> Self {
        OpenObject {
            key: key.into(),
            buffer: Vec::new(),
            plain: Vec::new(),
            gzip,
            upload: None,
            cancelled,
        }
    }

    /// Where records are to be written, and the length up to which.
    pub(crate) fn output(&mut self, uploads: &Uploads, part_size: usize) -> (&mut Vec<u8>, usize) {
        if self.gzip.is_some() {
            return (&mut self.plain, COMPRESS_AT);
        }
        self.make_room(uploads, part_size);
        let limit = part_size.min(self.buffer.len() + STEP);
        (&mut self.buffer, limit)
    }

    /// How much has been written and can still be taken back.
    pub(crate) fn written(&self) -> usize {
        if self.gzip.is_some() {
            self.plain.len()
        } else {
            self.buffer.len()
        }
    }

    /// Takes back what was written beyond this length, since the last `drain`.
    pub(crate) fn take_back(&mut self, len: usize) {
        if self.gzip.is_some() {
            self.plain.truncate(len);
        } else {
            self.buffer.truncate(len);
        }
    }

    /// The job of an object that has begun to go out.
    pub(crate) fn job(&self) -> Option<JobId> {
        self.upload.as_ref().map(|upload| upload.job)
    }

    /// An object that has outgrown a quarter of a part gets a whole part's buffer, and no second doubling.
    fn make_room(&mut self, uploads: &Uploads, part_size: usize) {
        let whole = part_size + SLACK;
        if self.buffer.len() < part_size / 4 || self.buffer.capacity() >= whole {
            return;
        }
        match uploads.spare_buffer() {
            Some(mut spare) => {
                spare.extend_from_slice(&self.buffer);
                self.buffer = spare;
            }
            None => self.buffer.reserve_exact(whole - self.buffer.len()),
        }
    }

    /// Sends every part that is full. To be called after each write.
    pub(crate) fn drain(&mut self, uploads: &mut Uploads, part_size: usize) {
        if let Some(gzip) = &mut self.gzip
            && self.plain.len() >= COMPRESS_AT
        {
            gzip.write(&self.plain, &mut self.buffer);
            self.plain.clear();
        }
        while self.buffer.len() >= part_size {
            self.send_full_part(uploads, part_size);
        }
    }

    fn send_full_part(&mut self, uploads: &mut Uploads, part_size: usize) {
        let mut next = uploads.spare_buffer().unwrap_or_default();
        next.reserve(part_size + SLACK);
        next.extend_from_slice(&self.buffer[part_size..]);
        let mut full = std::mem::replace(&mut self.buffer, next);
        full.truncate(part_size);
        let (key, cancelled) = (&self.key, &self.cancelled);
        uploads.send(&mut self.upload, key, full.into(), None, cancelled);
    }

    /// Sends what is left as the last part, which there always is, if only of no bytes. Returns the job that stores it.
    pub(crate) fn close(
        mut self,
        uploads: &mut Uploads,
        part_size: usize,
        closing: Closing,
    ) -> Option<JobId> {
        if let Some(mut gzip) = self.gzip.take() {
            gzip.write(&self.plain, &mut self.buffer);
            gzip.finish(&mut self.buffer);
        }
        while self.buffer.len() >= part_size {
            self.send_full_part(uploads, part_size);
        }
        let rest = Bytes::from(self.buffer);
        let (key, cancelled) = (&self.key, &self.cancelled);
        uploads.send(&mut self.upload, key, rest, Some(closing), cancelled);
        self.upload.map(|upload| upload.job)
    }
}

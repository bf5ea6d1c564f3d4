//! CommandBuffer: a write command built by hand into one buffer: the header, then an array of documents,
//! copied in as they are. The driver's own builders would copy each document several times.

use bson::RawDocumentBuf;

/// Which array a command carries, and its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandKind {
    Insert,
    Update,
    Delete,
}

impl CommandKind {
    fn name(self) -> &'static str {
        match self {
            CommandKind::Insert => "insert",
            CommandKind::Update => "update",
            CommandKind::Delete => "delete",
        }
    }

    fn field(self) -> &'static str {
        match self {
            CommandKind::Insert => "documents",
            CommandKind::Update => "updates",
            CommandKind::Delete => "deletes",
        }
    }
}

pub(crate) struct CommandBuffer {
    bytes: Vec<u8>,
    /// Where the array's length stands, to be filled in at the end.
    array: usize,
    count: usize,
}

impl CommandBuffer {
    pub(crate) fn new(
        kind: CommandKind,
        collection: &str,
        ordered: bool,
        write_concern: Option<&[u8]>,
        capacity: usize,
    ) -> Self {
        let bytes = Vec::with_capacity(capacity + 128);
        CommandBuffer::reusing(bytes, kind, collection, ordered, write_concern)
    }

    /// As `new`, in the memory of a buffer that is done with.
    pub(crate) fn reusing(
        mut bytes: Vec<u8>,
        kind: CommandKind,
        collection: &str,
        ordered: bool,
        write_concern: Option<&[u8]>,
    ) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&[0; 4]);
        push_name(&mut bytes, 0x02, kind.name());
        push_string(&mut bytes, |bytes| {
            bytes.extend_from_slice(collection.as_bytes())
        });
        push_name(&mut bytes, 0x08, "ordered");
        bytes.push(u8::from(ordered));
        if let Some(concern) = write_concern {
            push_name(&mut bytes, 0x03, "writeConcern");
            bytes.extend_from_slice(concern);
        }
        push_name(&mut bytes, 0x04, kind.field());
        let array = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        CommandBuffer {
            bytes,
            array,
            count: 0,
        }
    }

    /// Adds a document that is BSON already.
    pub(crate) fn push(&mut self, document: &[u8]) {
        self.begin_element();
        self.bytes.extend_from_slice(document);
    }

    /// Adds the first documents at once, which are `push_element`'s elements already.
    pub(crate) fn push_elements(&mut self, elements: &[u8], count: usize) {
        debug_assert_eq!(self.count, 0);
        self.bytes.extend_from_slice(elements);
        self.count = count;
    }

    /// Begins a document that the caller writes into the buffer that it gets.
    pub(crate) fn begin_element(&mut self) -> &mut Vec<u8> {
        push_element(&mut self.bytes, self.count);
        self.count += 1;
        &mut self.bytes
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn finish(mut self) -> RawDocumentBuf {
        end_document(&mut self.bytes, self.array);
        end_document(&mut self.bytes, 0);
        RawDocumentBuf::from_bytes(self.bytes).expect("length and end are written above")
    }
}

/// What stands before a document in an array.
pub(crate) fn push_element(bytes: &mut Vec<u8>, index: usize) {
    bytes.push(0x03);
    push_decimal(bytes, index as i64);
    bytes.push(0);
}

pub(crate) fn push_name(bytes: &mut Vec<u8>, kind: u8, name: &str) {
    bytes.push(kind);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
}

/// Ends the document or the array whose length stands at `start`.
#[inline]
pub(crate) fn end_document(bytes: &mut Vec<u8>, start: usize) {
    bytes.push(0);
    let length = (bytes.len() - start) as i32;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Writes a string with its length in front and its end behind.
#[inline]
pub(crate) fn push_string<T>(bytes: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let length_at = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let filled = fill(bytes);
    bytes.push(0);
    let length = (bytes.len() - length_at - 4) as i32;
    bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    filled
}

/// A number as its decimal digits.
pub(crate) fn push_decimal(bytes: &mut Vec<u8>, number: i64) {
    if number < 0 {
        bytes.push(b'-');
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::{Document, doc};

    #[test]
    fn is_the_command_that_a_driver_would_send() {
        let concern = doc! {"w": 1}.to_vec().unwrap();
        let mut buffer = CommandBuffer::new(CommandKind::Insert, "c", false, Some(&concern), 0);
        for n in 0..12 {
            buffer.push(&doc! {"_id": n}.to_vec().unwrap());
        }
        assert_eq!(buffer.count(), 12);
        let documents: Vec<Document> = (0..12).map(|n| doc! {"_id": n}).collect();
        assert_eq!(
            Document::try_from(buffer.finish().as_ref()).unwrap(),
            doc! {"insert": "c", "ordered": false, "writeConcern": {"w": 1}, "documents": documents}
        );
        let empty = CommandBuffer::new(CommandKind::Delete, "é", true, None, 0).finish();
        assert_eq!(
            Document::try_from(empty.as_ref()).unwrap(),
            doc! {"delete": "é", "ordered": true, "deletes": []}
        );
    }
}

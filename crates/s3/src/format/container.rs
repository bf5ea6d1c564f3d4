//! A container for tests: rows in blocks that name their number and size, and a trailer that counts rows and blocks. With a
//! byte too few or too many anywhere it cannot be read.
#![allow(clippy::unwrap_used)]

use super::{Column, Encoded, Encoder, Format, Part, headers_of};
use millstream_core::{ColumnNeed, Payload, RawKind, RecordError, SchemaRef, Value};
use std::io;
use std::ops::Range;

/// A block is closed once it is so large.
const BLOCK: usize = 2048;

const BLOCK_MARK: &[u8] = b"BLOK";
const TRAILER_MARK: &[u8] = b"TAIL";

/// What a row begins with that cannot be written.
pub(crate) const BAD: &str = "bad";

#[derive(Debug)]
pub(crate) struct Container;

impl Format for Container {
    fn need(&self) -> ColumnNeed {
        ColumnNeed::RawOr(&[RawKind::String])
    }

    fn open(
        &self,
        part: Part,
        schema: Option<&SchemaRef>,
    ) -> Result<Box<dyn Encoder>, RecordError> {
        let kind = schema.map_or("none", |schema| schema.kind.java_name());
        Ok(Box::new(Blocks {
            head: Some(format!("{part:?} {kind}\n")),
            block: Vec::new(),
            in_block: 0,
            rows: 0,
            blocks: 0,
        }))
    }
}

struct Blocks {
    /// Before the first block.
    head: Option<String>,
    block: Vec<u8>,
    in_block: u32,
    rows: u32,
    blocks: u32,
}

impl Blocks {
    fn put_out(&mut self, out: &mut Vec<u8>) {
        out.extend(self.head.take().unwrap_or_default().into_bytes());
        if self.in_block > 0 {
            out.extend_from_slice(BLOCK_MARK);
            out.extend(self.in_block.to_le_bytes());
            out.extend((self.block.len() as u32).to_le_bytes());
            out.append(&mut self.block);
            self.rows += std::mem::take(&mut self.in_block);
            self.blocks += 1;
        }
    }
}

fn text_of(column: Column<'_>, row: usize) -> Result<&[u8], RecordError> {
    let text = match column {
        Column::Payload(Payload::Raw { column, .. }) => column.get(row).unwrap_or_default(),
        Column::Headers(headers) => match &headers_of(headers, row)[0].value {
            Value::Bytes(bytes) => bytes,
            other => panic!("a header of {other:?}"),
        },
        Column::Payload(_) => panic!("texts are raw here"),
    };
    match text.starts_with(BAD.as_bytes()) {
        true => Err(RecordError::data("a bad row")),
        false => Ok(text),
    }
}

impl Encoder for Blocks {
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        text_of(column, row).map(|_| ())
    }

    fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        let first = rows.start;
        for row in rows.clone() {
            if out.len() >= limit {
                return Encoded::all(row - first);
            }
            match text_of(column, row) {
                Ok(text) => {
                    self.block.extend((text.len() as u32).to_le_bytes());
                    self.block.extend_from_slice(text);
                    self.in_block += 1;
                    if self.block.len() >= BLOCK {
                        self.put_out(out);
                    }
                }
                Err(failure) => {
                    return Encoded {
                        rows: row - first,
                        failure: Some(failure),
                    };
                }
            }
        }
        Encoded::all(rows.len())
    }

    fn memory(&self) -> usize {
        self.block.capacity()
    }

    fn rest(&mut self, out: &mut Vec<u8>) {
        self.put_out(out);
        self.block = Vec::new();
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> io::Result<()> {
        self.put_out(out);
        out.extend_from_slice(TRAILER_MARK);
        out.extend(self.rows.to_le_bytes());
        out.extend(self.blocks.to_le_bytes());
        Ok(())
    }
}

/// The head of an object and its rows; panics if anything is not as it was counted.
pub(crate) fn read(object: &[u8]) -> (String, Vec<String>) {
    let mut rest = object;
    let mut take = |len: usize| {
        let (taken, later) = rest.split_at(len);
        rest = later;
        taken
    };
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let end_of_head = object.iter().position(|byte| *byte == b'\n').unwrap();
    let head = String::from_utf8(take(end_of_head + 1).to_vec()).unwrap();
    let (mut rows, mut blocks) = (Vec::new(), 0);
    loop {
        let mark = take(4);
        let count = number(take(4));
        let second = number(take(4));
        if mark == TRAILER_MARK {
            assert_eq!((count, second), (rows.len() as u32, blocks));
            assert!(rest.is_empty(), "something follows the end");
            return (head, rows);
        }
        assert_eq!(mark, BLOCK_MARK);
        let mut block = take(second as usize);
        for _ in 0..count {
            let (len, later) = block.split_at(4);
            let (text, later) = later.split_at(number(len) as usize);
            rows.push(String::from_utf8(text.to_vec()).unwrap());
            block = later;
        }
        assert!(block.is_empty(), "a block is larger than its rows");
        blocks += 1;
    }
}

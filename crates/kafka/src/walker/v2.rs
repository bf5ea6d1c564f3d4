//! Record batches of format 2, Kafka's own since 0.11.

use super::Source;
use super::aborted::AbortedTransactions;
use super::reader::Reader;
use super::rows::Rows;
use crate::codec::{Codec, CodecError, decompress};
use bytes::Bytes;
use millstream_core::TimestampType;

const HEADER: usize = 61;
/// What the checksum covers begins here.
const ATTRIBUTES_AT: usize = 21;
const TRANSACTIONAL: u8 = 0x10;
const CONTROL: u8 = 0x20;
/// Length, attributes, two deltas, key length, value length and header count, one byte each.
const SHORTEST_RECORD: usize = 7;
const ABORT_MARKER: [u8; 2] = [0, 0];

struct Header {
    base_offset: i64,
    next_offset: i64,
    attributes: u8,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    count: i32,
}

impl Header {
    fn parse(batch: &[u8]) -> Result<Header, &'static str> {
        let mut reader = Reader::new(batch, 0);
        let base_offset = reader.int64()?;
        reader.at = ATTRIBUTES_AT + 1;
        let attributes = reader.byte()?;
        let last_delta = reader.int32()?;
        let base_timestamp = reader.int64()?;
        let max_timestamp = reader.int64()?;
        let producer_id = reader.int64()?;
        reader.at += 6;
        Ok(Header {
            base_offset,
            next_offset: base_offset
                .saturating_add(i64::from(last_delta))
                .saturating_add(1),
            attributes,
            base_timestamp,
            max_timestamp,
            producer_id,
            count: reader.int32()?,
        })
    }
}

pub(super) fn read(
    source: &Source<'_>,
    aborted: Option<&mut AbortedTransactions>,
    rows: &mut Rows,
    position: &mut i64,
) -> Result<(), String> {
    let batch = source.bytes();
    if batch.len() < HEADER {
        return Err(format!(
            "a batch of {} bytes is shorter than its header",
            batch.len()
        ));
    }
    if source.check_crcs {
        let stored = u32::from_be_bytes(batch[17..21].try_into().expect("four bytes"));
        let computed = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
        if stored != computed {
            return Err(format!(
                "the batch is corrupt (stored crc = {stored}, computed crc = {computed})"
            ));
        }
    }
    let header = Header::parse(batch)?;
    let is_control = header.attributes & CONTROL != 0;
    if let Some(aborted) = aborted
        && header.producer_id >= 0
        && aborted.leaves_out(
            header.producer_id,
            header.next_offset.saturating_sub(1),
            header.attributes & TRANSACTIONAL != 0,
            is_control && is_abort_marker(batch),
        )
    {
        *position = header.next_offset.max(*position);
        return Ok(());
    }
    // Markers are not for the reader.
    if !is_control {
        read_records(source, &header, rows, position)?;
    }
    *position = header.next_offset.max(*position);
    Ok(())
}

fn read_records(
    source: &Source<'_>,
    header: &Header,
    rows: &mut Rows,
    position: &mut i64,
) -> Result<(), String> {
    if header.count < 0 {
        return Err(format!("the batch declares {} records", header.count));
    }
    let codec = Codec::of(header.attributes)
        .ok_or_else(|| format!("the codec {} is unknown", header.attributes & 7))?;
    let count = header.count as usize;
    if codec == Codec::None {
        let end = source.range.end;
        rows.set_buffer(source.input, expected(count, source.range.len()));
        let reader = Reader::new(&source.input[..end], source.range.start + HEADER);
        return read_all(reader, count, header, None, rows, position);
    }
    if count == 0 {
        return Ok(());
    }
    let unfolded = decompress(codec, &source.bytes()[HEADER..], true);
    let buffer = Bytes::from(unfolded.bytes);
    rows.set_unfolded(&buffer, expected(count, buffer.len()));
    let reader = Reader::new(&buffer, 0);
    read_all(reader, count, header, unfolded.error, rows, position)
}

/// The declared count, as far as so many bytes can hold it.
fn expected(count: usize, bytes: usize) -> usize {
    count.min(bytes / SHORTEST_RECORD + 1)
}

/// Reads `count` records; `damage` lies behind the bytes that the reader has.
fn read_all(
    mut reader: Reader<'_>,
    count: usize,
    header: &Header,
    damage: Option<CodecError>,
    rows: &mut Rows,
    position: &mut i64,
) -> Result<(), String> {
    let append_time =
        (rows.timestamp_type == TimestampType::LogAppendTime).then_some(header.max_timestamp);
    let explain = |why: &'static str| damage.as_ref().map_or_else(|| why.to_owned(), describe);
    for index in 0..count {
        let length = reader.varint().map_err(explain)?;
        if length < 0 || length as usize > reader.remaining() {
            return Err(explain("a record is longer than its batch"));
        }
        let end = reader.at + length as usize;
        if index + 1 == count {
            if let Some(damage) = &damage {
                return Err(describe(damage));
            }
            if end != reader.bytes.len() {
                return Err("the batch holds more than the declared records".to_owned());
            }
        }
        let mut record = Reader::new(&reader.bytes[..end], reader.at);
        record.byte()?;
        let timestamp_delta = record.varlong()?;
        let offset_delta = record.varint()?;
        let key = record.field()?;
        let value = record.field()?;
        let headers = record.varint()?;
        let offset = header.base_offset.saturating_add(i64::from(offset_delta));
        let is_wanted = offset >= *position;
        if headers != 0 {
            let start = record.at;
            walk_headers(&mut record, headers, |_, _| {})?;
            finish_record(&record, end)?;
            if is_wanted {
                let timestamp = append_time
                    .unwrap_or_else(|| header.base_timestamp.wrapping_add(timestamp_delta));
                rows.push(offset, timestamp, key, value);
                record.at = start;
                walk_headers(&mut record, headers, |key, value| {
                    rows.add_header(key, value);
                })?;
            }
        } else {
            finish_record(&record, end)?;
            if is_wanted {
                let timestamp = append_time
                    .unwrap_or_else(|| header.base_timestamp.wrapping_add(timestamp_delta));
                rows.push(offset, timestamp, key, value);
            }
        }
        if is_wanted {
            *position = offset.saturating_add(1);
        }
        reader.at = end;
    }
    Ok(())
}

fn describe(damage: &CodecError) -> String {
    format!("the batch cannot be decompressed: {damage}")
}

#[inline(always)]
fn finish_record(record: &Reader<'_>, end: usize) -> Result<(), &'static str> {
    if record.at == end {
        Ok(())
    } else {
        Err("a record's length is not that of its fields")
    }
}

fn walk_headers(
    record: &mut Reader<'_>,
    count: i32,
    mut each: impl FnMut((usize, usize), Option<(usize, usize)>),
) -> Result<(), &'static str> {
    if count < 0 || count as usize > record.remaining() {
        return Err("a record declares an impossible number of headers");
    }
    for _ in 0..count {
        let key = record.field()?.ok_or("a header has no key")?;
        let value = record.field()?;
        each(key, value);
    }
    Ok(())
}

/// Whether the control batch's record says "abort": its key is a version and a type. Control batches are never compressed.
fn is_abort_marker(batch: &[u8]) -> bool {
    let mut record = Reader::new(batch, HEADER);
    let key = (|| {
        record.varint()?;
        record.byte()?;
        record.varlong()?;
        record.varint()?;
        record.field()
    })();
    match key {
        Ok(Some((start, length))) if length >= 4 => batch[start + 2..start + 4] == ABORT_MARKER,
        Ok(_) | Err(_) => false,
    }
}

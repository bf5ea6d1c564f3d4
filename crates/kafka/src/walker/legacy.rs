//! Messages of formats 0 and 1, which brokers keep as they were written: topics from before 0.11, and producers that old.
//! A compressed message wraps others. Each message has its own checksum; that of a wrapper is never checked, as in Java.

use super::reader::Reader;
use super::rows::{Rows, timestamp_type};
use super::{LOG_OVERHEAD, Source};
use crate::codec::{Codec, decompress};
use bytes::Bytes;
use millstream_core::TimestampType;
use millstream_core::batch::NO_TIMESTAMP;

/// Offset and size, checksum, magic and attributes.
const CRC_AT: usize = 12;
const MAGIC_AT: usize = 16;
/// Offset, size, checksum, magic, attributes and two lengths.
const SHORTEST_MESSAGE: usize = 26;

struct Message {
    place: std::ops::Range<usize>,
    offset: i64,
    magic: u8,
    attributes: u8,
    timestamp: i64,
    key: Option<(usize, usize)>,
    value: Option<(usize, usize)>,
}

/// Reads the message that the bytes up to `end` hold from `start` on.
fn parse(bytes: &[u8], start: usize, end: usize, magic: u8) -> Result<Message, &'static str> {
    let mut reader = Reader::new(&bytes[..end], start);
    let offset = reader.int64()?;
    reader.at = start + MAGIC_AT + 1;
    let attributes = reader.byte()?;
    let timestamp = if magic == 0 {
        NO_TIMESTAMP
    } else {
        reader.int64()?
    };
    let key = reader.int32()?;
    let key = reader.take(key)?;
    let value = reader.int32()?;
    let value = reader.take(value)?;
    Ok(Message {
        place: start..end,
        offset,
        magic,
        attributes,
        timestamp,
        key,
        value,
    })
}

fn check_crc(message: &[u8]) -> Result<(), String> {
    let stored = u32::from_be_bytes(
        message[CRC_AT..CRC_AT + 4]
            .try_into()
            .expect("a cut message has its checksum"),
    );
    let computed = crc32fast::hash(&message[CRC_AT + 4..]);
    if stored == computed {
        Ok(())
    } else {
        Err(format!(
            "the message is corrupt (stored crc = {stored}, computed crc = {computed})"
        ))
    }
}

pub(super) fn read(
    source: &Source<'_>,
    magic: u8,
    rows: &mut Rows,
    position: &mut i64,
) -> Result<(), String> {
    let range = source.range.clone();
    let attributes = source.bytes()[MAGIC_AT + 1];
    let codec = match Codec::of(attributes) {
        Some(Codec::Zstd) | None => {
            return Err(format!(
                "the codec {} does not exist in message format {magic}",
                attributes & 7
            ));
        }
        Some(codec) => codec,
    };
    if codec != Codec::None {
        let wrapper = parse(source.input, range.start, range.end, magic)?;
        read_wrapped(source, codec, &wrapper, rows, position)?;
        *position = wrapper.offset.saturating_add(1).max(*position);
        return Ok(());
    }
    if source.check_crcs {
        check_crc(source.bytes())?;
    }
    let message = parse(source.input, range.start, range.end, magic)?;
    rows.set_buffer(source.input, 1);
    push(&message, message.offset, message.timestamp, rows, position);
    Ok(())
}

fn push(message: &Message, offset: i64, timestamp: i64, rows: &mut Rows, position: &mut i64) {
    if offset >= *position {
        rows.push(offset, timestamp, message.key, message.value);
        *position = offset.saturating_add(1);
    }
}

fn read_wrapped(
    source: &Source<'_>,
    codec: Codec,
    wrapper: &Message,
    rows: &mut Rows,
    position: &mut i64,
) -> Result<(), String> {
    let (start, length) = wrapper.value.ok_or("a compressed message has no value")?;
    let unfolded = decompress(
        codec,
        &source.input[start..start + length],
        wrapper.magic > 0,
    );
    let buffer = Bytes::from(unfolded.bytes);
    // Java reads the whole wrapper before it delivers anything of it: relative offsets count back from the last.
    let messages = parse_all(&buffer)?;
    if let Some(damage) = unfolded.error {
        return Err(format!("the message cannot be decompressed: {damage}"));
    }
    let last = messages
        .last()
        .ok_or("a compressed message holds no messages")?
        .offset;
    // Format 0 keeps absolute offsets inside; so did clients that left the wrapper's offset at zero.
    let base = if wrapper.magic == 0 || wrapper.offset == 0 {
        0
    } else if wrapper.offset < last {
        return Err(format!(
            "the wrapper's offset {} is below that of its last message, {last}",
            wrapper.offset
        ));
    } else {
        wrapper.offset.saturating_sub(last)
    };
    let append_time = (wrapper.magic == 1
        && timestamp_type(wrapper.attributes) == TimestampType::LogAppendTime)
        .then_some(wrapper.timestamp);
    rows.set_unfolded(&buffer, messages.len());
    for message in &messages {
        let offset = message.offset.saturating_add(base);
        // Those before a damaged one are delivered; of one that is passed over nobody asks.
        if source.check_crcs && offset >= *position {
            check_crc(&buffer[message.place.clone()])?;
        }
        let timestamp = append_time.unwrap_or(message.timestamp);
        push(message, offset, timestamp, rows, position);
    }
    Ok(())
}

/// The messages of an unfolded wrapper; one that is cut off at the end is none. Their format may be older than the wrapper's.
fn parse_all(buffer: &Bytes) -> Result<Vec<Message>, String> {
    let mut messages = Vec::with_capacity(buffer.len() / SHORTEST_MESSAGE / 4);
    let mut at = 0;
    while let Some(size) = buffer.get(at + 8..at + LOG_OVERHEAD) {
        let size = i32::from_be_bytes(size.try_into().expect("four bytes"));
        if size < super::SHORTEST {
            return Err(format!("wrapped message size {size} is below the minimum"));
        }
        let end = at + LOG_OVERHEAD + size as usize;
        let Some(message) = buffer.get(at..end) else {
            break;
        };
        let magic = message[MAGIC_AT];
        if magic > 1 {
            return Err(format!("a wrapped message has the format {magic}"));
        }
        if message[MAGIC_AT + 1] & 7 != 0 {
            return Err("a wrapped message is compressed itself".to_owned());
        }
        messages.push(parse(buffer, at, end, magic)?);
        at = end;
    }
    Ok(messages)
}

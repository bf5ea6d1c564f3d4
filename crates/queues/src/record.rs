//! Messages to records: one batch over one buffer.

use crate::input::Message;
use bytes::BytesMut;
use millstream_core::{
    ByteColumn, BytePermit, Destination, FetchedColumns, Headers, Payload, RawHeaders, RecordBatch,
    TimestampType, TopicPartition,
};

/// Headers that say where a record comes from.
pub(crate) const QUEUE: &str = "queue.name";
pub(crate) const ID: &str = "queue.message.id";
const REDELIVERED: &str = "queue.redelivered";
pub(crate) const DELIVERIES: &str = "queue.delivery.count";

/// What a message takes beside its bytes: its columns, its place among those held.
const OVERHEAD: usize = 200;

/// The memory that a message is counted as.
pub(crate) fn size(message: &Message) -> usize {
    let headers = message.headers.iter();
    let headers: usize = headers.map(|(key, value)| key.len() + value.len()).sum();
    let named = [&message.id, &message.group].into_iter().flatten();
    let named: usize = named.map(String::len).sum();
    let details = message.details.as_ref().map_or(0, |details| details.size());
    message.body.as_ref().map_or(0, |body| body.len()) + headers + named + details + OVERHEAD
}

/// A batch of these messages, whose offsets rise. `now`: epoch milliseconds, for those without a time of their own.
///
/// The key is the group if there is one, else the id, else null; the headers are the message's own and those that say what
/// the queue says of it.
pub(crate) fn batch(
    origin: &TopicPartition,
    queue: &str,
    messages: Vec<(i64, Message)>,
    permit: Option<BytePermit>,
    now: i64,
) -> RecordBatch {
    let rows = messages.len();
    let mut columns = Columns::new(rows);
    let (mut offsets, mut timestamps) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (offset, message) in &messages {
        offsets.push(*offset);
        timestamps.push(message.timestamp.unwrap_or(now));
        columns.push(queue, message);
    }
    let first_offset = offsets.first().copied().unwrap_or_default();
    let next_offset = offsets.last().map_or(first_offset, |last| last + 1);
    let (keys, values, headers) = columns.finish();
    RecordBatch {
        origin: origin.clone(),
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset,
        next_offset,
        offsets,
        timestamps,
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(keys),
        values: Payload::undecoded(values),
        headers: Headers::Raw(headers),
        fetched: FetchedColumns::default(),
        permit,
    }
}

/// No rows, but the progress over offsets under which nothing comes any more.
pub(crate) fn gap(origin: &TopicPartition, from: i64, to: i64) -> RecordBatch {
    RecordBatch {
        first_offset: from,
        next_offset: to,
        headers: Headers::None,
        ..batch(origin, "", Vec::new(), None, 0)
    }
}

type Span = Option<(usize, usize)>;

/// Spans into one buffer, until it is whole.
struct Columns {
    bytes: BytesMut,
    keys: Vec<Span>,
    values: Vec<Span>,
    header_starts: Vec<u32>,
    header_keys: Vec<Span>,
    header_values: Vec<Span>,
}

impl Columns {
    fn new(rows: usize) -> Self {
        Columns {
            bytes: BytesMut::new(),
            keys: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            header_starts: vec![0],
            header_keys: Vec::new(),
            header_values: Vec::new(),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Some((start, bytes.len()))
    }

    fn push(&mut self, queue: &str, message: &Message) {
        let key = message.group.as_deref().or(message.id.as_deref());
        let key = key.and_then(|key| self.add(key.as_bytes()));
        self.keys.push(key);
        let value = message.body.as_ref().and_then(|body| self.add(body));
        self.values.push(value);
        for (name, value) in &message.headers {
            self.header(name, value);
        }
        self.header(QUEUE, queue.as_bytes());
        if let Some(id) = &message.id {
            self.header(ID, id.as_bytes());
        }
        let redelivered: &[u8] = if message.redelivered {
            b"true"
        } else {
            b"false"
        };
        self.header(REDELIVERED, redelivered);
        if let Some(deliveries) = message.deliveries {
            self.header(DELIVERIES, deliveries.to_string().as_bytes());
        }
        self.header_starts.push(self.header_keys.len() as u32);
    }

    fn header(&mut self, name: &str, value: &[u8]) {
        let name = self.add(name.as_bytes());
        self.header_keys.push(name);
        let value = self.add(value);
        self.header_values.push(value);
    }

    fn finish(self) -> (ByteColumn, ByteColumn, RawHeaders) {
        let bytes = self.bytes.freeze();
        let column = |spans: Vec<Span>| {
            let mut column = ByteColumn::with_capacity(spans.len());
            let buffer = column.add_buffer(bytes.clone());
            for span in spans {
                match span {
                    Some((start, len)) => column.push_span(buffer, start, len),
                    None => column.push_null(),
                }
            }
            column
        };
        let headers = RawHeaders {
            starts: self.header_starts,
            keys: column(self.header_keys),
            values: column(self.header_values),
        };
        (column(self.keys), column(self.values), headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Token;
    use bytes::Bytes;

    #[test]
    fn a_record_holds_all_that_the_message_said() {
        let plain = Message::bare(Token::Tag(1));
        let full = Message {
            id: Some("m-1".to_owned()),
            group: Some("g".to_owned()),
            body: Some(Bytes::from_static(b"body")),
            timestamp: Some(17),
            headers: vec![("colour".to_owned(), Bytes::from_static(b"red"))],
            redelivered: true,
            deliveries: Some(3),
            ..plain.clone()
        };
        let named = Message {
            group: None,
            body: Some(Bytes::new()),
            ..full.clone()
        };
        let origin = TopicPartition::new("orders", 2);
        let batch = batch(
            &origin,
            "q",
            vec![(7, full), (8, named), (12, plain)],
            None,
            99,
        );
        assert_eq!((batch.first_offset, batch.next_offset), (7, 13));
        assert_eq!(batch.timestamps, [17, 17, 99]);
        let keys: Vec<_> = (0..3).map(|row| batch.raw_key(row)).collect();
        assert_eq!(keys, [Some("g".into()), Some("m-1".into()), None]);
        let values: Vec<_> = (0..3).map(|row| batch.raw_value(row)).collect();
        assert_eq!(values, [Some("body".into()), Some(Bytes::new()), None]);
        let headers = |row: usize| {
            let headers = batch.raw_headers(row).into_iter();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers =
                headers.map(|(key, value)| format!("{}={}", text(&key), text(&value.unwrap())));
            headers.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            headers(0),
            "colour=red queue.name=q queue.message.id=m-1 queue.redelivered=true queue.delivery.count=3"
        );
        assert_eq!(headers(2), "queue.name=q queue.redelivered=false");
    }

    #[test]
    fn a_gap_has_no_rows_and_covers_its_offsets() {
        let gap = gap(&TopicPartition::new("orders", 0), 3, 9);
        assert!(gap.is_empty());
        assert_eq!((gap.first_offset, gap.next_offset), (3, 9));
        assert_eq!((gap.keys.len(), gap.values.len()), (0, 0));
    }
}

//! Messages to records: one batch over one buffer.

use crate::input::Message;
use bytes::{Bytes, BytesMut};
use millstream_core::{
    ByteColumn, BytePermit, Destination, FetchedColumns, Headers, Payload, RawHeaders, RecordBatch,
    TimestampType, TopicPartition,
};

/// Headers that say where a record comes from.
pub(crate) const QUEUE: &str = "queue.name";
pub(crate) const ID: &str = "queue.message.id";
const REDELIVERED: &str = "queue.redelivered";
pub(crate) const DELIVERIES: &str = "queue.delivery.count";

/// How many these are.
const OWN_HEADERS: usize = 4;

/// What a message takes beside its bytes: its columns, its place among those held.
const OVERHEAD: usize = 200;

/// The memory that a message is counted as.
pub(crate) fn size(message: &Message) -> usize {
    let details = message.details.as_ref().map_or(0, |details| details.size());
    content(message) + details + OVERHEAD
}

/// The bytes that its record has of a message.
fn content(message: &Message) -> usize {
    let id = message.id.as_ref().map_or(0, |id| id.len());
    let group = message.group.as_ref().map_or(0, String::len);
    message.body.as_ref().map_or(0, Bytes::len) + message.headers.bytes().len() + id + group
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
    let mut columns = Columns::new(queue, &messages);
    let (mut offsets, mut timestamps) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (offset, message) in &messages {
        offsets.push(*offset);
        timestamps.push(message.timestamp.unwrap_or(now));
        columns.push(message);
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

/// Where a text begins, and its length.
type Span = (usize, usize);

/// Spans into one buffer, until it is whole.
struct Columns {
    bytes: BytesMut,
    keys: Vec<Option<Span>>,
    values: Vec<Option<Span>>,
    header_starts: Vec<u32>,
    header_keys: Vec<Span>,
    header_values: Vec<Span>,
    said: Said,
}

/// What is in the headers of each row, and in the buffer once.
struct Said {
    queue: [Span; 2],
    id: Span,
    redelivered: Span,
    yes: Span,
    no: Span,
    deliveries: Span,
}

impl Columns {
    fn new(queue: &str, messages: &[(i64, Message)]) -> Self {
        let content: usize = messages.iter().map(|(_, message)| content(message)).sum();
        let mut bytes = BytesMut::with_capacity(content + queue.len() + OVERHEAD);
        let mut add = |text: &str| add(&mut bytes, text.as_bytes());
        let said = Said {
            queue: [add(QUEUE), add(queue)],
            id: add(ID),
            redelivered: add(REDELIVERED),
            yes: add("true"),
            no: add("false"),
            deliveries: add(DELIVERIES),
        };
        let rows = messages.len();
        let first = messages.first();
        let headers = first.map_or(0, |(_, message)| message.headers.len() + OWN_HEADERS);
        let mut header_starts = Vec::with_capacity(rows + 1);
        header_starts.push(0);
        Columns {
            bytes,
            keys: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            header_starts,
            header_keys: Vec::with_capacity(rows * headers),
            header_values: Vec::with_capacity(rows * headers),
            said,
        }
    }

    fn push(&mut self, message: &Message) {
        let bytes = &mut self.bytes;
        let id = message.id.as_ref().map(|id| add(bytes, id.as_bytes()));
        let group = message.group.as_ref();
        let group = group.map(|group| add(bytes, group.as_bytes()));
        self.keys.push(group.or(id));
        let value = message.body.as_ref().map(|body| add(bytes, body));
        self.values.push(value);
        let (start, _) = add(bytes, message.headers.bytes());
        for (name, value) in message.headers.spans() {
            self.header_keys.push((start + name.start, name.len()));
            self.header_values.push((start + value.start, value.len()));
        }
        let deliveries = message.deliveries;
        let deliveries = deliveries.map(|count| add(bytes, count.to_string().as_bytes()));
        let [name, queue] = self.said.queue;
        self.header(name, queue);
        if let Some(id) = id {
            self.header(self.said.id, id);
        }
        let is_redelivered = match message.redelivered {
            true => self.said.yes,
            false => self.said.no,
        };
        self.header(self.said.redelivered, is_redelivered);
        if let Some(deliveries) = deliveries {
            self.header(self.said.deliveries, deliveries);
        }
        self.header_starts.push(self.header_keys.len() as u32);
    }

    fn header(&mut self, name: Span, value: Span) {
        self.header_keys.push(name);
        self.header_values.push(value);
    }

    fn finish(self) -> (ByteColumn, ByteColumn, RawHeaders) {
        let bytes = self.bytes.freeze();
        let headers = RawHeaders {
            starts: self.header_starts,
            keys: column(&bytes, self.header_keys.into_iter().map(Some)),
            values: column(&bytes, self.header_values.into_iter().map(Some)),
        };
        let keys = column(&bytes, self.keys.into_iter());
        (keys, column(&bytes, self.values.into_iter()), headers)
    }
}

fn add(buffer: &mut BytesMut, bytes: &[u8]) -> Span {
    let start = buffer.len();
    buffer.extend_from_slice(bytes);
    (start, bytes.len())
}

fn column(bytes: &Bytes, spans: impl ExactSizeIterator<Item = Option<Span>>) -> ByteColumn {
    let mut column = ByteColumn::with_capacity(spans.len());
    let buffer = column.add_buffer(bytes.clone());
    for span in spans {
        column.push_place(buffer, span);
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::MessageHeaders;
    use crate::input::Token;

    #[test]
    fn a_record_holds_all_that_the_message_said() {
        let plain = Message::bare(Token::Tag(1));
        let full = Message {
            id: Some("m-1".into()),
            group: Some("g".to_owned()),
            body: Some(Bytes::from_static(b"body")),
            timestamp: Some(17),
            headers: MessageHeaders::from_iter([("colour", "red")]),
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

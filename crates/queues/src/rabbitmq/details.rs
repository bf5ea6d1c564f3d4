//! What a message of AMQP 0.9.1 says of itself with its types: all of its envelope and properties, under the names that
//! Confluent's connector puts `rabbitmq.` before and in its order, and its headers, which the
//! protocol's library has by their names.

use super::value::{bytes, millis};
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use millstream_core::{BodyKind, MessageDetails, Text, Value};

/// `consumer`: the tag of who it was delivered to. Of a body it is not known what it is.
pub(super) fn details(delivery: &Delivery, consumer: &str) -> MessageDetails {
    let properties = &delivery.properties;
    let text = |text: &str| Value::String(Text::from(text));
    let short =
        |value: &Option<ShortString>| value.as_ref().map_or(Value::Null, |v| text(v.as_str()));
    let number =
        |value: &Option<u8>| value.map_or(Value::Null, |number| Value::Int32(number.into()));
    let timestamp = properties.timestamp();
    // Tags count the messages of one channel, and do not come near the end of what a long holds.
    let tag = i64::try_from(delivery.delivery_tag).unwrap_or(i64::MAX);
    let headers = properties.headers().iter().flatten();
    MessageDetails {
        body: BodyKind::Bytes,
        fields: vec![
            ("consumer.tag", text(consumer)),
            ("content.type", short(properties.content_type())),
            ("content.encoding", short(properties.content_encoding())),
            ("delivery.mode", number(properties.delivery_mode())),
            ("priority", number(properties.priority())),
            ("correlation.id", short(properties.correlation_id())),
            ("reply.to", short(properties.reply_to())),
            ("expiration", short(properties.expiration())),
            ("message.id", short(properties.message_id())),
            (
                "timestamp",
                timestamp.map_or(Value::Null, |at| Value::Int64(millis(at))),
            ),
            ("type", short(properties.kind())),
            ("user.id", short(properties.user_id())),
            ("app.id", short(properties.app_id())),
            ("delivery.tag", Value::Int64(tag)),
            ("redeliver", Value::Boolean(delivery.redelivered)),
            ("exchange", text(delivery.exchange.as_str())),
            ("routing.key", text(delivery.routing_key.as_str())),
        ],
        properties: headers
            .map(|(name, value)| (name.to_string(), typed(value)))
            .collect(),
    }
}

/// A header with its type: unsigned numbers as the next wider signed ones, times in milliseconds since the epoch, tables and
/// arrays as JSON, decimals as their digits.
fn typed(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::Boolean(*value),
        AMQPValue::ShortShortInt(value) => Value::Int8(*value),
        AMQPValue::ShortShortUInt(value) => Value::Int16((*value).into()),
        AMQPValue::ShortInt(value) => Value::Int16(*value),
        AMQPValue::ShortUInt(value) => Value::Int32((*value).into()),
        AMQPValue::LongInt(value) => Value::Int32(*value),
        AMQPValue::LongUInt(value) => Value::Int64((*value).into()),
        AMQPValue::LongLongInt(value) => Value::Int64(*value),
        AMQPValue::Timestamp(seconds) => Value::Int64(millis(*seconds)),
        AMQPValue::Float(value) => Value::Float32(*value),
        AMQPValue::Double(value) => Value::Float64(*value),
        AMQPValue::ByteArray(_) => Value::Bytes(bytes(value)),
        AMQPValue::Void => Value::Null,
        AMQPValue::DecimalValue(_)
        | AMQPValue::ShortString(_)
        | AMQPValue::LongString(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_) => {
            let bytes = bytes(value);
            match std::str::from_utf8(&bytes) {
                Ok(text) => Value::String(Text::from(text)),
                Err(_) => Value::Bytes(bytes),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::BasicProperties;
    use lapin::types::{FieldTable, LongString};

    #[test]
    fn all_fields_are_there_and_headers_have_their_types() {
        let mut table = FieldTable::default();
        table.insert("n".into(), AMQPValue::LongUInt(7));
        table.insert(
            "raw".into(),
            AMQPValue::LongString(LongString::from(vec![0xFF])),
        );
        table.insert("trace".into(), AMQPValue::LongString("a-1".into()));
        table.insert("when".into(), AMQPValue::Timestamp(5));
        let mut delivery =
            Delivery::mock(7, "orders".into(), "eu.new".into(), true, b"{}".to_vec());
        delivery.properties = BasicProperties::default()
            .with_message_id("id-9".into())
            .with_priority(4)
            .with_headers(table);
        let found = details(&delivery, "ctag-1");
        let string = |text: &str| Value::String(Text::from(text));
        let names: Vec<_> = found.fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), 17);
        for (name, expected) in [
            ("consumer.tag", string("ctag-1")),
            ("content.type", Value::Null),
            ("priority", Value::Int32(4)),
            ("message.id", string("id-9")),
            ("timestamp", Value::Null),
            ("delivery.tag", Value::Int64(7)),
            ("redeliver", Value::Boolean(true)),
            ("exchange", string("orders")),
            ("routing.key", string("eu.new")),
        ] {
            assert_eq!(found.field(name), &expected, "{name}");
        }
        let expected = [
            ("n".to_owned(), Value::Int64(7)),
            ("raw".to_owned(), Value::Bytes(vec![0xFF].into())),
            ("trace".to_owned(), string("a-1")),
            ("when".to_owned(), Value::Int64(5000)),
        ];
        assert_eq!(found.properties, expected);
    }
}

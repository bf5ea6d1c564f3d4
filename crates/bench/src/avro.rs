//! Records of five fields as a serializer of a schema registry writes them.

use crate::random::Random;
use crate::wire::put_varint;

/// To be the first schema of its registry, whose id is then 1.
pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"Order","namespace":"mill","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"note","type":["null","string"],"default":null},{"name":"amount","type":"double"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;

/// What stands in front of a datum: the magic byte and the schema's id.
const PREFIX: [u8; 5] = [0, 0, 0, 0, 1];

/// Record timestamps start here.
const EPOCH: i64 = 1_700_000_000_000;

/// One message of 100 bytes.
pub(crate) fn message(delta: i64, random: &mut Random) -> Vec<u8> {
    let mut message = PREFIX.to_vec();
    put_varint(&mut message, 10_000_000 + random.below(50_000_000) as i64);
    put_text(
        &mut message,
        &format!("customer-{:05}", random.below(50_000)),
    );
    // The union's second branch.
    put_varint(&mut message, 1);
    let (mixed, place) = (random.below(1 << 48), random.below(1_000_000));
    put_text(
        &mut message,
        &format!("a note of some words and figures {mixed:016x} and {place:06}"),
    );
    message.extend((random.below(1_000_000) as f64 / 100.0).to_le_bytes());
    put_varint(&mut message, EPOCH + delta);
    message
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as i64);
    out.extend(text.as_bytes());
}

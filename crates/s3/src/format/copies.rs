//! Copies: whether data are what a writer would write of their values, found out once for each encoding that comes.

use millstream_avro::{Reader, Writer};
use millstream_core::Encoding;
use millstream_core::encoded::Datum;
use std::any::Any;
use std::sync::Arc;

/// Encodings that are remembered for one object; its records have one schema, which a registry may know by a few ids.
const REMEMBERED: usize = 8;

#[derive(Default)]
pub(super) struct Copies {
    known: Vec<(Arc<dyn Encoding>, bool)>,
}

impl Copies {
    /// The datum's bytes, if the writer, which is always the same one, would write them.
    pub(super) fn of<'a>(&mut self, writer: &Writer, datum: Datum<'a>) -> Option<&'a [u8]> {
        (datum.is_canonical && self.copies(writer, datum.encoding)).then_some(datum.bytes)
    }

    fn copies(&mut self, writer: &Writer, encoding: &Arc<dyn Encoding>) -> bool {
        let mut known = self.known.iter();
        if let Some((_, copies)) = known.find(|(known, _)| Arc::ptr_eq(known, encoding)) {
            return *copies;
        }
        let any: &dyn Any = &**encoding;
        let reader = any.downcast_ref::<Reader>();
        let copies = reader.is_some_and(|reader| writer.copies(reader));
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((Arc::clone(encoding), copies));
        copies
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{AVRO_FORMAT, PARQUET_FORMAT, S3Config};
    use crate::format::ParquetExtensions;
    use crate::format::{Column, Formats, Part};
    use bytes::Bytes;
    use millstream_avro::{AvroDataSettings, AvroSchema};
    use millstream_core::{ByteColumn, Decoded, Encoded, Payload, Properties, SchemaAndValue};

    const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"id","type":"long"},
        {"name":"note","type":["null","string"],"default":null},
        {"name":"kind","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}"#;

    /// The same rows, as they came and as values.
    fn payloads(schema: &str, rows: &[&[u8]]) -> [Payload; 2] {
        let schema = AvroSchema::parse(schema).unwrap();
        let reader = Reader::new(schema, Some(1), &AvroDataSettings::default()).unwrap();
        let mut raw = ByteColumn::new();
        for row in rows {
            raw.push(Some(Bytes::copy_from_slice(row)));
        }
        let mut encoded = Encoded::with_capacity(raw.clone());
        let mut decoded = Decoded::with_capacity(raw);
        let schema = reader.connect_schema().cloned();
        for row in rows {
            let mut rest = *row;
            let is_canonical = reader.scan(&mut rest).unwrap();
            encoded.push(0, 0..row.len() - rest.len(), is_canonical);
            let value = reader.take(&mut &**row).unwrap();
            decoded.push(SchemaAndValue {
                schema: schema.clone(),
                value,
            });
        }
        encoded.add(Arc::new(reader));
        [Payload::Encoded(encoded), Payload::Decoded(decoded)]
    }

    fn object(class: &str, payload: &Payload) -> Vec<u8> {
        let properties = Properties::from_iter([
            ("s3.bucket.name", "b"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            ("flush.size", "1000"),
            ("format.class", class),
        ]);
        let config = S3Config::parse(&properties).0.unwrap();
        let formats = Formats {
            config: &config,
            separator: &Bytes::from_static(b"\n"),
            compressors: None,
            parquet: ParquetExtensions {
                decimal_precision: 64,
                three_level_lists: false,
            },
        };
        let output = formats.output(class, Part::Values).unwrap();
        let schema = crate::schemas::schema_of(payload, 0);
        let mut encoder = output.format.open(Part::Values, schema).unwrap();
        let mut out = Vec::new();
        let column = Column::Payload(payload);
        encoder.check(column, 0).unwrap();
        let written = encoder.write(column, 0..payload.len(), usize::MAX, &mut out);
        assert!(written.failure.is_none());
        encoder.finish(&mut out).unwrap();
        out
    }

    /// The object with another marker in the place of its own.
    fn without_marker(mut object: Vec<u8>) -> Vec<u8> {
        let marker = object[object.len() - 16..].to_vec();
        for at in 0..object.len() - 15 {
            if object[at..at + 16] == marker[..] {
                object[at..at + 16].fill(0);
            }
        }
        object
    }

    #[test]
    fn objects_are_those_of_values() {
        let plain = SCHEMA.replace(
            r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
            "\"int\"",
        );
        // The third has a number of a byte more than it needs, the fourth a text that is no UTF-8.
        let rows: [&[u8]; 4] = [
            &[2, 2, 4, b'h', b'i', 2],
            &[4, 0, 0],
            &[0x84, 0, 0, 2],
            &[6, 2, 2, 0xff, 0, 7, 7],
        ];
        for schema in [SCHEMA, &plain] {
            let [encoded, decoded] = payloads(schema, &rows);
            let avro = [&encoded, &decoded].map(|of| without_marker(object(AVRO_FORMAT, of)));
            assert_eq!(avro[0], avro[1], "{schema}");
            let parquet = [&encoded, &decoded].map(|of| object(PARQUET_FORMAT, of));
            assert_eq!(parquet[0], parquet[1], "{schema}");
        }
    }
}

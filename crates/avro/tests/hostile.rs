//! Bytes and texts of anybody: never a panic, never more memory than there are bytes for.
#![allow(clippy::unwrap_used)]

use millstream_avro::container::{Codec, ContainerError, FileReader, FileWriter};
use millstream_avro::{AvroDataSettings, AvroSchema, Reader, avro_schema};
use proptest::prelude::*;
use std::convert::Infallible;

const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"s","type":"string"},
    {"name":"u","type":["null","int",{"type":"enum","name":"E","symbols":["A"]}]},
    {"name":"l","type":{"type":"array","items":{"type":"map","values":"bytes"}}},
    {"name":"d","type":{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":4}},
    {"name":"n","type":["null","R"]},
    {"name":"e","type":{"type":"array","items":{"type":"record","name":"Nothing","fields":[]}}}]}"#;

fn reader(text: &str) -> Reader {
    let schema = AvroSchema::parse(text).unwrap();
    Reader::new(schema, None, &AvroDataSettings::default()).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_a_datum_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = reader(SCHEMA).decode(&bytes);
        let anything = avro_schema(None, &AvroDataSettings::default()).unwrap();
        let _ = reader(anything.text()).decode(&bytes);
    }

    #[test]
    fn any_text_is_a_schema_or_an_error(text in "[\\[\\]{}\",:a-z\\\\ ]{0,60}") {
        let _ = AvroSchema::parse(&text);
    }

    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = b"Obj\x01".to_vec();
        file.extend_from_slice(&bytes);
        if let Ok(mut reader) = FileReader::open(file.as_slice(), 1 << 16) {
            while let Ok(Some(_)) = reader.next_block() {}
        }
    }

    #[test]
    fn files_come_back(
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..100),
        flushed in any::<bool>(),
        codec in prop::sample::select(vec![Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Bzip2]),
    ) {
        let file = written(&data, codec, flushed);
        let mut reader = FileReader::open(file.as_slice(), 1 << 20).unwrap();
        prop_assert_eq!(reader.schema(), "\"bytes\"");
        prop_assert_eq!(reader.codec(), codec);
        let (mut bytes, mut count) = (Vec::new(), 0);
        while let Some(block) = reader.next_block().unwrap() {
            bytes.extend_from_slice(&block.bytes);
            count += block.count;
        }
        prop_assert_eq!(count, data.len() as u64);
        prop_assert_eq!(bytes, data.concat());
    }
}

fn written(data: &[Vec<u8>], codec: Codec, flushed: bool) -> Vec<u8> {
    let mut file = FileWriter::new("\"bytes\"", codec, *b"0123456789abcdef");
    let mut out = Vec::new();
    for datum in data {
        let appended: Result<(), Infallible> = file.append(&mut out, |block| {
            block.extend_from_slice(datum);
            Ok(())
        });
        appended.unwrap();
        if flushed {
            file.flush(&mut out);
        }
    }
    file.flush(&mut out);
    out
}

#[test]
fn a_block_that_is_larger_than_allowed_is_refused() {
    let data = vec![vec![7; 100_000]];
    for codec in [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Bzip2] {
        let file = written(&data, codec, false);
        let mut reader = FileReader::open(file.as_slice(), 50_000).unwrap();
        let error = reader.next_block().unwrap_err();
        assert!(
            matches!(error, ContainerError::TooLarge { .. }),
            "{codec:?}: {error}"
        );
    }
}

#[test]
fn a_file_that_is_cut_short_or_changed_is_told() {
    let whole = written(&[vec![1; 100]], Codec::Snappy, false);
    for end in 0..whole.len() {
        let read = FileReader::open(&whole[..end], 1 << 16).and_then(|mut file| {
            while file.next_block()?.is_some() {}
            Ok(())
        });
        // A file may end behind its header.
        let header = written(&[], Codec::Snappy, false).len();
        assert_eq!(
            read.is_ok(),
            end == header,
            "{end} of {} bytes",
            whole.len()
        );
    }
    let mut changed = whole.clone();
    let last = changed.len() - 17;
    changed[last] ^= 1;
    let error = FileReader::open(changed.as_slice(), 1 << 16)
        .unwrap()
        .next_block()
        .unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn claimed_counts_and_depths_are_not_believed() {
    let nulls = reader(r#"{"type":"array","items":{"type":"record","name":"N","fields":[]}}"#);
    let claim = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
    let error = nulls.decode(&claim).unwrap_err();
    assert!(error.message.contains("items of no bytes"), "{error}");
    let longs = reader(r#"{"type":"array","items":"long"}"#);
    assert_eq!(
        longs.decode(&claim[..9]).unwrap_err().message,
        "the datum ends within a value"
    );
    let node =
        reader(r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}"#);
    let error = node.decode(&[2; 100_000]).unwrap_err();
    assert!(error.message.contains("levels deep"), "{error}");
}

/// Each record holds the one before it twice.
#[test]
fn a_schema_that_doubles_with_every_line_is_refused() {
    let mut text = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for level in 1..25 {
        text = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{text}}},{{"name":"b","type":"R{}"}}]}}"#,
            level - 1
        );
    }
    let schema = AvroSchema::parse(&text).unwrap();
    let error = Reader::new(schema, None, &AvroDataSettings::default()).unwrap_err();
    assert!(error.message.contains("more than 100000 types"), "{error}");
}

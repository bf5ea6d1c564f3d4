//! Counting contents: whole objects of each format, those that are cut or forged, and anything else.
#![allow(clippy::unwrap_used)]
use super::*;
use flate2::write::GzEncoder;
use proptest::prelude::*;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Counts in pieces of so many bytes.
fn count(kind: &ContentKind, bytes: &[u8], piece: usize) -> Result<u64, Unreadable> {
    let mut counter = Counter::new(kind, Part::Values)?;
    for piece in bytes.chunks(piece.max(1)) {
        counter.push(piece)?;
    }
    counter.finish()
}

const JSON: ContentKind = ContentKind::Json {
    compression: Compression::None,
};

fn bytes(separator: &str) -> ContentKind {
    ContentKind::Bytes {
        separator: separator.as_bytes().to_vec(),
        compression: Compression::None,
    }
}

fn avro(blocks: &[(u8, &[u8])]) -> Vec<u8> {
    let mut file = b"Obj\x01\x02\x16avro.schema\x10\"string\"\x00".to_vec();
    file.extend([7; 16]);
    for (count, block) in blocks {
        file.extend([count * 2, block.len() as u8 * 2]);
        file.extend(*block);
        file.extend([7; 16]);
    }
    file
}

#[test]
fn records_are_counted_and_faults_are_named() {
    let gz = ContentKind::Json {
        compression: Compression::Gzip,
    };
    let text = b"{\"a\":1}\n\"b\"\n".as_slice();
    let (zipped, container) = (gzip(text), avro(&[(3, b"abc"), (1, b"d")]));
    let mut bad_check = zipped.clone();
    let at = bad_check.len() - 5;
    bad_check[at] ^= 1;
    let other_sync = {
        let mut file = container.clone();
        *file.last_mut().unwrap() ^= 1;
        file
    };
    let lead = [text, b"x\n"].concat();
    let trailing = [zipped.as_slice(), b"x"].concat();
    let zst = ContentKind::Json {
        compression: Compression::Zstd,
    };
    let framed = zstd(text);
    let two_frames = [zstd(&text[..5]), zstd(&text[5..])].concat();
    let trailing_frame = [framed.as_slice(), b"x"].concat();
    for (kind, bytes, expected) in [
        (&JSON, text, Ok(2)),
        (&JSON, b"", Ok(0)),
        (&JSON, &text[..text.len() - 1], Err(Unreadable::Tail(3))),
        (&JSON, lead.as_slice(), Err(Unreadable::NoJson(3))),
        (&JSON, b"1\n\n", Err(Unreadable::NoJson(2))),
        (&gz, zipped.as_slice(), Ok(2)),
        (&gz, &zipped[..zipped.len() - 1], Err(Unreadable::Gzip)),
        (&gz, &zipped[..10], Err(Unreadable::Gzip)),
        (&gz, text, Err(Unreadable::Gzip)),
        (&gz, bad_check.as_slice(), Err(Unreadable::Gzip)),
        (&gz, trailing.as_slice(), Err(Unreadable::Gzip)),
        (&zst, framed.as_slice(), Ok(2)),
        (&zst, two_frames.as_slice(), Ok(2)),
        (&zst, &framed[..framed.len() - 1], Err(Unreadable::Zstd)),
        (&zst, text, Err(Unreadable::Zstd)),
        (&zst, b"", Err(Unreadable::Zstd)),
        (&zst, trailing_frame.as_slice(), Err(Unreadable::Zstd)),
        (&zst, &zstd(&lead), Err(Unreadable::NoJson(3))),
        (&bytes("\n"), b"a\nb\n", Ok(2)),
        (&bytes("\n"), b"a\nb", Err(Unreadable::Tail(1))),
        (&bytes("##"), b"a##b####", Ok(3)),
        (&bytes("##"), b"a##b#", Err(Unreadable::Tail(2))),
        (&bytes(""), b"a", Err(Unreadable::NoSeparator)),
        (&ContentKind::Avro, container.as_slice(), Ok(4)),
        (
            &ContentKind::Avro,
            &container[..container.len() - 1],
            Err(Unreadable::AvroBlock(67)),
        ),
        (
            &ContentKind::Avro,
            other_sync.as_slice(),
            Err(Unreadable::AvroBlock(67)),
        ),
        (&ContentKind::Avro, text, Err(Unreadable::NoAvro)),
        (&ContentKind::Avro, &container[..9], Err(Unreadable::NoAvro)),
    ] {
        for piece in [1, 2, 7, 1000] {
            assert_eq!(
                count(kind, bytes, piece),
                expected,
                "{kind:?} {bytes:?} by {piece}"
            );
        }
    }
}

#[test]
fn kinds_go_by_the_ending() {
    let separator = b"\n".as_slice();
    for (ending, kind) in [
        (".json", JSON),
        (
            ".json.gz",
            ContentKind::Json {
                compression: Compression::Gzip,
            },
        ),
        (
            ".json.zst",
            ContentKind::Json {
                compression: Compression::Zstd,
            },
        ),
        (".avro", ContentKind::Avro),
        (".snappy.parquet", ContentKind::Parquet),
        (".gz.parquet", ContentKind::Parquet),
        (
            ".bin.gz",
            ContentKind::Bytes {
                separator: separator.to_vec(),
                compression: Compression::Gzip,
            },
        ),
        (".txt", bytes("\n")),
    ] {
        assert_eq!(ContentKind::of(ending, separator), kind, "{ending}");
    }
}

#[test]
fn a_footer_tells_rows() {
    // version 2; schema: a list with a struct {4: "m", 5: 1}; rows 300; what follows is not looked at.
    let metadata = [
        0x15, 0x04, 0x19, 0x1c, 0x48, 0x01, b'm', 0x15, 0x02, 0x00, 0x16, 0xd8, 0x04, 0x19,
    ];
    let mut file = b"PAR1....".to_vec();
    file.extend(metadata);
    file.extend((metadata.len() as u32).to_le_bytes());
    file.extend(b"PAR1");
    let size = file.len() as u64;
    assert_eq!(parquet_rows(&file, size), Ok(ParquetEnd::Rows(300)));
    assert_eq!(
        parquet_rows(&file[size as usize - 10..], size),
        Ok(ParquetEnd::Needs(metadata.len() + 8))
    );
    assert!(parquet_rows(&file[..size as usize - 1], size).is_err());
    assert!(parquet_rows(b"PAR1\xff\xff\xff\x00PAR1", 12).is_err());
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in "[a#\n]{0,40}", separator in "(#|##|\n|a#)", piece in 1usize..50) {
        let kind = bytes(&separator);
        let whole = text.matches(separator.as_str()).count() as u64;
        match count(&kind, text.as_bytes(), piece) {
            Ok(records) => prop_assert_eq!(records, whole),
            Err(Unreadable::Tail(left)) => {
                let rest = text.rsplit_once(separator.as_str()).map_or(text.as_str(), |(_, rest)| rest);
                if whole == text.rmatches(separator.as_str()).count() as u64 && separator != "##" {
                    prop_assert_eq!(left, rest.len() as u64);
                }
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    #[test]
    fn anything_is_counted_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        let avro = [b"Obj\x01".as_slice(), &bytes].concat();
        let parquet = [b"PAR1".as_slice(), &bytes, &(bytes.len() as u32).to_le_bytes(), b"PAR1"].concat();
        let _ = count(&JSON, &bytes, piece);
        let _ = count(&ContentKind::Json {
        compression: Compression::Gzip,
    }, &bytes, piece);
        let _ = count(&ContentKind::Avro, &avro, piece);
        let _ = parquet_rows(&parquet, parquet.len() as u64);
    }
}

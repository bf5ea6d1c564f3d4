//! Data that are scanned and copied are what reading and writing them makes.
#![allow(clippy::unwrap_used)]

use millstream_avro::{
    AvroDataSettings, AvroSchema, Reader, Writer, avro_schema, put_bytes, put_long,
};
use proptest::prelude::*;
use std::fmt::Write;

/// A type of a schema that is scanned, and more.
#[derive(Clone, Debug)]
enum Type {
    /// Its text.
    Plain(&'static str),
    Fixed(usize),
    Enum(usize),
    Array(Box<Type>),
    Record(Vec<(Type, bool)>),
    /// Whether the null comes first.
    Optional(bool, Box<Type>),
    Map(Box<Type>),
}

/// As a type of Connect with a default is written.
const WITH_DEFAULT: &str = r#"{"type":"int","connect.default":7}"#;

const PLAIN: [&str; 15] = [
    WITH_DEFAULT,
    r#""boolean""#,
    r#""int""#,
    r#"{"type":"int","connect.type":"int8"}"#,
    r#"{"type":"int","connect.type":"int16"}"#,
    r#""long""#,
    r#""float""#,
    r#""double""#,
    r#""string""#,
    r#""bytes""#,
    r#"{"type":"int","logicalType":"date"}"#,
    r#"{"type":"int","logicalType":"time-millis"}"#,
    r#"{"type":"long","logicalType":"timestamp-millis"}"#,
    r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
    r#"{"type":"string","default":"x"}"#,
];

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        8 => prop::sample::select(PLAIN.to_vec()).prop_map(Type::Plain),
        1 => (0usize..4).prop_map(Type::Fixed),
        1 => (1usize..4).prop_map(Type::Enum),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            2 => boxed.clone().prop_map(Type::Array),
            3 => prop::collection::vec((inner, any::<bool>()), 0..4).prop_map(Type::Record),
            4 => (any::<bool>(), boxed.clone()).prop_map(|(first, of)| match *of {
                Type::Optional(..) => *of,
                _ => Type::Optional(first, of),
            }),
            1 => boxed.prop_map(Type::Map),
        ]
    })
}

fn record() -> impl Strategy<Value = Type> {
    prop::collection::vec((any_type(), any::<bool>()), 1..5).prop_map(Type::Record)
}

fn text(of: &Type, names: &mut usize) -> String {
    match of {
        Type::Plain(text) => (*text).to_owned(),
        Type::Fixed(size) => {
            *names += 1;
            format!(r#"{{"type":"fixed","name":"N{names}","size":{size}}}"#)
        }
        Type::Enum(symbols) => {
            *names += 1;
            let symbols: Vec<String> = (0..*symbols).map(|at| format!("\"S{at}\"")).collect();
            let symbols = symbols.join(",");
            format!(r#"{{"type":"enum","name":"N{names}","symbols":[{symbols}]}}"#)
        }
        Type::Array(items) => format!(r#"{{"type":"array","items":{}}}"#, text(items, names)),
        Type::Map(values) => format!(r#"{{"type":"map","values":{}}}"#, text(values, names)),
        Type::Optional(true, of) => format!(r#"["null",{}]"#, text(of, names)),
        Type::Optional(false, of) => format!(r#"[{},"null"]"#, text(of, names)),
        Type::Record(fields) => {
            *names += 1;
            let mut out = format!(r#"{{"type":"record","name":"N{names}","fields":["#);
            for (at, (of, has_default)) in fields.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let of_field = text(of, names);
                let default = match of {
                    Type::Optional(true, _) if *has_default => r#","default":null"#,
                    Type::Plain(r#""int""#) if *has_default => r#","default":7"#,
                    Type::Optional(false, of) if matches!(**of, Type::Plain(WITH_DEFAULT)) => {
                        r#","default":7"#
                    }
                    _ => "",
                };
                write!(
                    out,
                    r#"{comma}{{"name":"f{at}","type":{of_field}{default}}}"#
                )
                .unwrap();
            }
            out + "]}"
        }
    }
}

/// Bytes that choose what a datum holds; where they are used up it holds the least.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Sometimes with a byte more than it needs.
    fn put(&mut self, out: &mut Vec<u8>, value: i64) {
        put_long(out, value);
        if self.next() > 252 {
            *out.last_mut().unwrap() |= 0x80;
            out.push(0);
        }
    }
}

fn datum(of: &Type, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    match of {
        Type::Plain(r#""boolean""#) => out.push(choices.next() % 4 / 3 + choices.next() % 2),
        Type::Plain(r#""float""#) => out.extend([choices.next(), 1, 2, choices.next()]),
        Type::Plain(r#""double""#) => out.extend([choices.next(); 8]),
        Type::Plain(text) if text.contains("decimal") => {
            let len = choices.next() % 4;
            let bytes: Vec<u8> = (0..len).map(|_| choices.next()).collect();
            put_bytes(out, &bytes);
        }
        Type::Plain(text) if text.contains("string") || text.contains("bytes") => {
            let len = choices.next() % 9;
            choices.put(out, len.into());
            // Some of them are no UTF-8.
            out.extend((0..len).map(|_| choices.next().saturating_sub(110)));
        }
        Type::Plain(text) if text.contains("int8") => {
            let value = i64::from(choices.next() as i8) + i64::from(choices.next() / 250);
            choices.put(out, value);
        }
        Type::Plain(_) => {
            let value = i64::from(choices.next()) << (choices.next() % 20);
            let value = if choices.next() > 250 { -value } else { value };
            choices.put(out, value);
        }
        Type::Fixed(size) => out.extend((0..*size).map(|_| choices.next())),
        Type::Enum(symbols) => {
            let symbol = usize::from(choices.next()) % symbols;
            choices.put(out, symbol as i64);
        }
        Type::Array(items) => array(choices, out, |choices, out| datum(items, choices, out)),
        Type::Map(values) => array(choices, out, |choices, out| {
            put_bytes(out, &[b'a' + choices.next() % 3]);
            datum(values, choices, out);
        }),
        Type::Record(fields) => fields.iter().for_each(|(of, _)| datum(of, choices, out)),
        Type::Optional(is_first, of) => {
            let is_null = choices.next().is_multiple_of(3);
            let branch = i64::from(is_null != *is_first);
            choices.put(out, branch);
            if !is_null {
                datum(of, choices, out);
            }
        }
    }
}

fn array(
    choices: &mut Choices<'_>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(&mut Choices<'_>, &mut Vec<u8>),
) {
    for _ in 0..choices.next() % 5 / 2 {
        let (count, is_sized) = (1 + choices.next() % 2, choices.next() > 240);
        let mut items = Vec::new();
        for _ in 0..count {
            item(choices, &mut items);
        }
        match is_sized {
            true => {
                put_long(out, -i64::from(count));
                put_long(out, items.len() as i64);
            }
            false => put_long(out, count.into()),
        }
        out.append(&mut items);
    }
    out.push(0);
}

fn reader(text: &str, settings: &AvroDataSettings) -> Option<Reader> {
    Reader::new(AvroSchema::parse(text).ok()?, None, settings).ok()
}

fn writer(reader: &Reader, settings: &AvroDataSettings) -> Option<Writer> {
    let connect = reader.connect_schema();
    let avro = avro_schema(connect, settings).ok()?;
    Writer::new(connect, avro, settings).ok()
}

fn enhanced() -> AvroDataSettings {
    AvroDataSettings {
        enhanced_schema_support: true,
        ..AvroDataSettings::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_scanned_is_what_is_read(
        of in record(),
        choices in prop::collection::vec(any::<u8>(), 0..120),
        changed in prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
        is_enhanced in any::<bool>(),
    ) {
        let settings = if is_enhanced { enhanced() } else { AvroDataSettings::default() };
        let Some(reader) = reader(&text(&of, &mut 0), &settings) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        datum(&of, &mut Choices(&choices), &mut bytes);
        if let Some((at, to)) = changed && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if !reader.scans() {
            return Ok(());
        }
        let (mut scanned, mut read) = (&bytes[..], &bytes[..]);
        let value = reader.take(&mut read);
        let is_canonical = match (reader.scan(&mut scanned), &value) {
            (Ok(is_canonical), Ok(_)) => is_canonical,
            (Err(error), Err(other)) => {
                prop_assert_eq!(error.to_string(), other.to_string());
                return Ok(());
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(scanned.len(), read.len());
        for settings in [enhanced(), AvroDataSettings::default()] {
            let Some(writer) = writer(&reader, &settings) else {
                continue;
            };
            if is_canonical && writer.copies(&reader) {
                let mut written = Vec::new();
                writer.encode(value.as_ref().unwrap(), &mut written).unwrap();
                prop_assert_eq!(&bytes[..bytes.len() - scanned.len()], &written[..]);
            }
        }
    }

    /// Most data are canonical, so that what is compared is not nothing.
    #[test]
    fn what_a_writer_wrote_is_canonical(
        of in record(),
        choices in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let Some(reader) = reader(&text(&of, &mut 0), &enhanced()) else {
            return Ok(());
        };
        let Some(writer) = writer(&reader, &enhanced()) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        datum(&of, &mut Choices(&choices), &mut bytes);
        let mut written = Vec::new();
        let read = reader.decode(&bytes);
        if !writer.copies(&reader)
            || !read.is_ok_and(|read| writer.encode(&read.value, &mut written).is_ok())
        {
            return Ok(());
        }
        prop_assert!(reader.scan(&mut &written[..]).unwrap());
    }
}

fn copies(fields: &str) -> bool {
    let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let reader = reader(&text, &AvroDataSettings::default()).unwrap();
    let writer = writer(&reader, &AvroDataSettings::default()).unwrap();
    writer.copies(&reader)
}

#[test]
fn plans_of_one_shape_are_copied() {
    for (fields, is_copied) in [
        (
            r#"{"name":"a","type":"int"},{"name":"b","type":{"type":"array","items":"string"}}"#,
            true,
        ),
        (
            r#"{"name":"a","type":["null","string"],"default":null}"#,
            true,
        ),
        // A null is written in its first place.
        (r#"{"name":"a","type":["string","null"]}"#, false),
        // It is written as the default.
        (
            r#"{"name":"a","type":[{"type":"int","connect.default":7},"null"],"default":7}"#,
            false,
        ),
        (
            r#"{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"b","type":"bytes"}]}}"#,
            true,
        ),
        (r#"{"name":"a","type":["null","R"]}"#, true),
        // It becomes a text.
        (
            r#"{"name":"a","type":{"type":"enum","name":"E","symbols":["A"]}}"#,
            false,
        ),
        (
            r#"{"name":"a","type":{"type":"map","values":"int"}}"#,
            false,
        ),
        (r#"{"name":"a","type":["null","int","string"]}"#, false),
    ] {
        assert_eq!(copies(fields), is_copied, "{fields}");
    }
}

#[test]
fn items_in_other_blocks_are_read_and_not_copied() {
    let field = r#"{"name":"a","type":{"type":"array","items":"int"}}"#;
    let text = format!(r#"{{"type":"record","name":"R","fields":[{field}]}}"#);
    let reader = reader(&text, &AvroDataSettings::default()).unwrap();
    let items = |count: usize| vec![2u8; count];
    let sixty_four = [&[0x80, 1][..], &items(64), &[0]].concat();
    // As long as that, as its two counts have a byte each.
    let in_two = [&[126][..], &items(63), &[2], &items(1), &[0]].concat();
    assert_eq!(sixty_four.len(), in_two.len());
    for (bytes, is_canonical) in [
        (sixty_four, true),
        (in_two, false),
        (vec![0], true),
        (vec![2, 2, 0], true),
        // A count and an end that have a byte more than they need, and a block that tells its size.
        (vec![0x82, 0, 2, 0], false),
        (vec![2, 2, 0x80, 0], false),
        (vec![1, 2, 2, 0], false),
    ] {
        let mut rest = &bytes[..];
        assert_eq!(reader.scan(&mut rest).unwrap(), is_canonical, "{bytes:?}");
        assert!(
            rest.is_empty() && reader.decode(&bytes).is_ok(),
            "{bytes:?}"
        );
    }
}
